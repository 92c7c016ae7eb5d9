"""Linear, ridge and logistic regressions on tables whose columns two parties have.

What each party has it scales alone. Of the fits only scores on rows that were held back are revealed.
"""

from __future__ import annotations

import numpy as np
import plain
import tacit
from tables import parts_of, report, rows_of, shared, table
from tacit import ml


def scaled(s, X, first, train):
    """Standardised columns of both parties, and the same in plain NumPy."""
    blocks = shared(s, X, first)
    scaler = ml.StandardScaler().fit(rows_of(blocks, train))
    return scaler.transform(blocks), plain.standardised(X, train)


def linear(s, rows, model, alpha):
    """Which party someone of 1996 leans to, from 0 to 6, by opinions (party 0) and age, schooling and income (party 1)."""
    names, cells = table("anes96", rows)
    y, X = cells[:, names.index("PID")], cells[:, [1, 2, 3, 4, 6, 7, 8]]
    train, test = parts_of(len(y))
    blocks, numbers = scaled(s, X, 4, train)
    truth = s.array(y, party=1, range=(0, 6))
    model.fit(rows_of(blocks, train), truth[train])
    secret = model.score(rows_of(blocks, test), truth[test]).reveal()
    w, b = plain.least_squares(numbers[train], y[train], alpha)
    left = y[test] - numbers[test] @ w - b
    return report(f"{type(model).__name__}, R2", secret, 1 - np.mean(left**2) / np.var(y[test]))


def logistic(s, rows):
    """Whether a sample is benign, by five measures of each party."""
    _, cells = table("breast_cancer", rows)
    X, y = cells[:, :10], cells[:, 10]
    train, test = parts_of(len(y))
    blocks, numbers = scaled(s, X, 5, train)
    truth = s.array(y > 0, party=1)
    model = ml.LogisticRegression(bound=64.0).fit(rows_of(blocks, train), truth[train])
    secret = model.score(rows_of(blocks, test), truth[test]).reveal()
    w, b = plain.logistic(numbers[train], y[train], 1 / len(train), 8)
    return report("LogisticRegression, accuracy", secret, plain.accuracy(y[test] > 0, numbers[test] @ w + b > 0))


def main(rows=None):
    """Scores of the secret fits and of plain NumPy."""
    with tacit.local_pair() as s:
        return [
            linear(s, rows, ml.LinearRegression(), 0.0),
            linear(s, rows, ml.Ridge(0.1), 0.1),
            logistic(s, rows),
        ]


if __name__ == "__main__":
    main()
