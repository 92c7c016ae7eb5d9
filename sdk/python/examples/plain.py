"""The algorithms of ``tacit.ml`` in plain NumPy: what secret fits are held against."""

from __future__ import annotations

import numpy as np


def accuracy(truth, found):
    """The share of rows whose class is predicted."""
    return float(np.mean(np.asarray(truth) == np.asarray(found)))


def standardised(X, rows):
    """Columns with mean 0 and variance 1 over some of the rows."""
    return (X - X[rows].mean(axis=0)) / X[rows].std(axis=0)


def least_squares(X, y, alpha=0.0):
    """Weights and intercept of least squares with ``alpha / 2 * |w|^2`` beside half the mean square."""
    apart, left = X - X.mean(axis=0), y - y.mean()
    w = np.linalg.solve(apart.T @ apart + alpha * len(X) * np.eye(X.shape[1]), apart.T @ left)
    return w, y.mean() - X.mean(axis=0) @ w


def logistic(X, y, alpha, steps):
    """Weights and intercept of a logistic regression, by Newton's steps."""
    X = np.column_stack([X, np.ones(len(X))])
    w, penalties = np.zeros(X.shape[1]), np.append(np.full(X.shape[1] - 1, alpha * len(X)), 0)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-X @ w))
        w = w - np.linalg.solve(X.T @ (X * (p * (1 - p))[:, None]) + np.diag(penalties), X.T @ (p - y) + penalties * w)
    return w[:-1], w[-1]


def lloyd(X, centres, steps):
    """Centres, and the nearest one of each row, after steps of Lloyd's method."""
    for _ in range(steps):
        nearest = ((X[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.array([X[nearest == k].mean(axis=0) if (nearest == k).any() else c for k, c in enumerate(centres)])
    return centres, ((X[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)


def edges_of(X, bins):
    """The quantiles that part equal shares, ``[features, bins - 1]``."""
    return np.quantile(X, np.arange(1, bins) / bins, axis=0, method="higher").T


class Tree:
    """A full tree that splits by histograms; a node that does not split sends all rows to the left."""

    def __init__(self, X, edges, values, weights, *, depth, penalty=0.0, least=1.0):
        self.depth, self.nodes = depth, {}
        self._grow(X, edges, values, weights, (0, 0), penalty, least)
        self.leaf = self.places(X)
        self.sums = np.array([values[self.leaf == k].sum(axis=0) for k in range(2**depth)])
        self.weights = np.array([weights[self.leaf == k].sum() for k in range(2**depth)])

    def _grow(self, X, edges, values, weights, place, penalty, least):
        level, number = place
        if level == self.depth:
            return
        # To a 256th part, as secret fits compare, of equals the first.
        best, split = score(values, weights, penalty) + 1, (0, np.inf)
        for feature, edge in np.ndindex(edges.shape):
            right = X[:, feature] >= edges[feature, edge]
            sides = [(values[side], weights[side]) for side in (~right, right)]
            if min(side[1].sum() for side in sides) < least:
                continue
            found = sum(score(*side, penalty) for side in sides)
            if found > best:
                best, split = found, (feature, edges[feature, edge])
        self.nodes[place] = split
        right = X[:, split[0]] >= split[1]
        for side, rows in enumerate((~right, right)):
            below = (level + 1, 2 * number + side)
            self._grow(X[rows], edges, values[rows], weights[rows], below, penalty, least)

    def places(self, X):
        """The leaf of each row."""
        numbers = np.zeros(len(X), dtype=int)
        for level in range(self.depth):
            splits = np.array([self.nodes[level, k] for k in range(2**level)])[numbers]
            numbers = 2 * numbers + (X[np.arange(len(X)), splits[:, 0].astype(int)] >= splits[:, 1])
        return numbers


def score(values, weights, penalty):
    """What a side adds to the score of a split."""
    total = weights.sum() + penalty
    return float(np.sum(values.sum(axis=0) ** 2 * 256 // total)) if total > 0 else 0.0


def boosted(X, y, classify, *, bins, trees, depth, rate, penalty=1.0, least=1.0, most=8.0):
    """A function that gives the sums of trees for rows: of log-odds, or of numbers."""
    edges, start = edges_of(X, bins), 0.0 if classify else y.mean()
    total, grown = np.full(len(X), start), []
    for _ in range(trees):
        share = 1 / (1 + np.exp(-total)) if classify else total
        weights = share * (1 - share) if classify else np.ones(len(X))
        tree = Tree(X, edges, (y - share)[:, None], weights, depth=depth, penalty=penalty, least=least)
        leaves = (
            np.clip(tree.sums[:, 0] / (tree.weights + penalty), -most, most)
            if classify
            else tree.sums[:, 0] / (tree.weights + penalty)
        )
        total = total + rate * leaves[tree.leaf]
        grown.append((tree, rate * leaves))
    return lambda rows: start + sum(leaves[tree.places(rows)] for tree, leaves in grown)
