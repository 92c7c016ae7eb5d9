"""A small network that tells votes, on a survey whose columns two parties have, and then predicts for new rows."""

from __future__ import annotations

import plain
import tacit
from tables import parts_of, report, rows_of, shared, table
from tacit import ml


def main(rows=None, epochs=30, hidden=(8,)):
    """Scores of the secret fit and of plain NumPy."""
    names, cells = table("anes96", rows)
    X, y = cells[:, [1, 2, 3, 4, 6, 7, 8]], cells[:, names.index("vote")] > 0
    train, test = parts_of(len(y))
    with tacit.local_pair() as s:
        blocks, truth = shared(s, X, 4), s.array(y, party=1)
        blocks = ml.StandardScaler().fit(rows_of(blocks, train)).transform(blocks)
        model = ml.MLPClassifier(hidden_layer_sizes=hidden, epochs=epochs)
        model.fit(rows_of(blocks, train), truth[train])
        secret = model.score(rows_of(blocks, test), truth[test]).reveal()
    numbers = plain.standardised(X, train)
    settings = {"steps": epochs, "rate": 0.5, "momentum": 0.5, "alpha": 1e-4}
    weights = plain.perceptron(numbers[train], y[train, None], hidden, plain.sigmoid, **settings)
    found = plain.forward(numbers[test], *weights)[1][:, 0] > 0
    return [report("MLPClassifier, accuracy", secret, plain.accuracy(y[test], found))]


if __name__ == "__main__":
    main()
