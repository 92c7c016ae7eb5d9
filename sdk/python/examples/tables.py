"""The tables of the examples, whose columns two parties have."""

from __future__ import annotations

import pathlib

import numpy as np

DATA = pathlib.Path(__file__).parent / "data"


def table(name, rows=None):
    """The names of a table's columns, and its first rows as numbers."""
    path = DATA / f"{name}.csv"
    names = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    return names, np.loadtxt(path, delimiter=",", skiprows=1)[:rows]


def parts_of(rows):
    """Places of rows to fit on, three quarters of them, and of rows to score on: public."""
    order = np.random.default_rng(0).permutation(rows)
    return np.sort(order[rows // 4 :]), np.sort(order[: rows // 4])


def shared(s, X, first):
    """The columns as two parties hand them in: ``first`` of them party 0, the others party 1, each with its range."""
    blocks = [X[:, :first], X[:, first:]]
    return [
        s.array(block, party=party, range=(float(np.floor(block.min())), float(np.ceil(block.max()))))
        for party, block in enumerate(blocks)
    ]


def rows_of(blocks, rows):
    """Some rows of each party's columns."""
    return [block[rows] for block in blocks]


def report(name, secret, plain):
    """Prints a figure of the secret fit beside that of plain NumPy, and gives both."""
    print(f"{name:<44} secret {secret:.4f}   plain {plain:.4f}")
    return float(secret), float(plain)
