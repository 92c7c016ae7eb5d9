"""Gradient-boosted trees that tell large incomes, on a census whose columns two parties have.

Each party finds the quantiles of its own columns; trees and predictions stay secret, and the share of right predictions on
rows that were held back is revealed.
"""

from __future__ import annotations

import plain
import tacit
from tables import parts_of, report, rows_of, shared, table
from tacit import ml


def main(rows=1000, trees=10, depth=3, bins=8):
    """Scores of the secret fit and of plain NumPy."""
    _, cells = table("adult", rows)
    X, y = cells[:, :-1], cells[:, -1] > 0
    train, test = parts_of(len(y))
    with tacit.local_pair() as s:
        blocks, truth = shared(s, X, 7), s.array(y, party=1)
        model = ml.GradientBoostingClassifier(n_estimators=trees, max_depth=depth, bins=bins)
        model.fit(rows_of(blocks, train), truth[train])
        secret = model.score(rows_of(blocks, test), truth[test]).reveal()
    settings = {"bins": bins, "trees": trees, "depth": depth, "rate": 0.3}
    sums = plain.boosted(X[train], y[train], True, **settings)(X[test])
    return [report("GradientBoostingClassifier, accuracy", secret, plain.accuracy(y[test], sums > 0))]


if __name__ == "__main__":
    main()
