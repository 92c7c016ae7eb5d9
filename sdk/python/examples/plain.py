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


def sigmoid(x):
    """``1 / (1 + exp(-x))``."""
    return 1 / (1 + np.exp(-x))


def softmax(x):
    """Shares of ``exp(x)`` in each row."""
    parts = np.exp(x - x.max(axis=1, keepdims=True))
    return parts / parts.sum(axis=1, keepdims=True)


#: What hidden layers make of their sums, and what that changes by with them.
ACTIVATIONS = {
    "relu": (lambda x: np.maximum(x, 0), lambda a: a > 0),
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "logistic": (sigmoid, lambda a: a * (1 - a)),
}


def perceptron(X, truth, sizes, out, *, steps, rate, momentum, alpha, activation="relu", batches=None):
    """Weights and intercepts of a network after steps of gradient descent with momentum."""
    random = np.random.default_rng(0)
    sizes = [X.shape[1], *sizes, truth.shape[1]]
    edges = [np.sqrt(6 / (one + two)) for one, two in zip(sizes, sizes[1:], strict=False)]
    W = [random.uniform(-edge, edge, (one, two)) for edge, one, two in zip(edges, sizes, sizes[1:], strict=False)]
    weights, speeds = [*W, *(np.zeros(size) for size in sizes[1:])], [0.0] * (2 * len(W))
    for rows in (batches or [np.arange(len(X))]) * steps:
        step = 2.0 ** -np.ceil(np.log2(len(rows) / rate))
        for at, gradient in enumerate(gradients(X[rows], truth[rows], weights, out, activation)):
            penalty = alpha * len(rows) * weights[at] if at < len(W) else 0.0
            speeds[at] = momentum * speeds[at] - step * (gradient + penalty)
            weights[at] = weights[at] + speeds[at]
    return weights[: len(W)], weights[len(W) :]


def forward(X, W, b, activation="relu"):
    """What each layer takes, and the weighted sums of the last."""
    taken = [X]
    for coef, intercept in zip(W[:-1], b[:-1], strict=True):
        taken.append(ACTIVATIONS[activation][0](taken[-1] @ coef + intercept))
    return taken, taken[-1] @ W[-1] + b[-1]


def gradients(X, truth, weights, out, activation):
    """Of the sum of the rows' losses, for weights and then for intercepts."""
    W, b = weights[: len(weights) // 2], weights[len(weights) // 2 :]
    taken, sums = forward(X, W, b, activation)
    wrong, found = out(sums) - truth, []
    for layer in reversed(range(len(W))):
        found.insert(0, (taken[layer].T @ wrong, wrong.sum(axis=0)))
        wrong = (wrong @ W[layer].T) * ACTIVATIONS[activation][1](taken[layer])
    return [coef for coef, _ in found] + [intercept for _, intercept in found]
