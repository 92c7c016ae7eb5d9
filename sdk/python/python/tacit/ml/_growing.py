"""Full trees of a public depth, grown without telling which rows go where: histograms are products of matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._array import Array
from .._ops import FLOAT64, INT64, STEP, as_array, cast
from ._base import blocks, limits, some, whole, within

#: Scores of splits are compared to this part of 1, of equals the first is taken.
SCORE_STEPS = 2**8


@dataclass
class Bins:
    """Which candidates each row is to the right of: a candidate is a feature and an edge, and to its right is what is at
    or above the edge.
    """

    #: The edges, ``[features, edges]``, public or secret.
    edges: Any
    #: Whether a row is to the right, 0 or 1, ``[rows, candidates]``.
    right: Array
    #: Of how many of a feature's edges it is to the right, ``[rows, features]``.
    place: Array

    @classmethod
    def of(cls, X: Any, bins: int, edges: Any) -> Bins:
        """The candidates of the rows of a fit: ``edges`` that are public, or quantiles that part ``bins`` equal shares."""
        parts = [some(cast(part, FLOAT64)) for part in blocks(X)]
        features = sum(part.shape[1] for part in parts)
        if edges is None:
            whole(bins=bins)
            if bins < 2:
                raise ValueError("bins is 1; there is nothing to split by fewer than 2")
            shares = np.arange(1, bins) / bins
            # Of each block apart: of what one party brought, it finds them alone.
            found = [np.quantile(part, shares, axis=0, method="higher").T for part in parts]
            edges = found[0] if len(found) == 1 else np.concatenate(found, axis=0)
        else:
            edges = found = _public_edges(edges, features)
            found = np.split(edges, np.cumsum([part.shape[1] for part in parts])[:-1])
        sides = [cast(part[:, :, None] >= of[None], INT64) for part, of in zip(parts, found, strict=True)]
        flat = [side.reshape(side.shape[0], side.shape[1] * side.shape[2]) for side in sides]
        right = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
        place = np.sum(right.reshape(right.shape[0], *edges.shape), axis=2)
        return cls(edges, right, place)

    def of_features(self, columns: np.ndarray) -> Bins:
        """The candidates of some features, whose places are public."""
        features, count = self.edges.shape
        candidates = np.arange(features * count).reshape(features, count)[columns].ravel()
        return Bins(self.edges[columns], self.right[:, candidates], self.place[:, columns])

    def goes(self, chosen: Array) -> Array:
        """Whether each row goes to the right by the candidates that nodes split by, bools ``[rows, nodes]``."""
        features, count = self.edges.shape
        # By its place among the edges, which takes a narrower product than the side of each candidate.
        selected, at = _looked_at(chosen, np.tile(np.arange(1, count + 1), (features, 1)))
        return self.place @ selected.T >= at


def _public_edges(edges: Any, features: int) -> np.ndarray:
    if isinstance(edges, Array):
        raise TypeError("edges are public numbers; leave them out for quantiles that nobody sees")
    edges = np.asarray(edges, dtype=np.float64)
    if edges.ndim == 1:
        edges = np.tile(edges, (features, 1))
    if edges.ndim != 2 or edges.shape[0] != features or edges.shape[1] == 0:
        raise ValueError(
            f"edges has the shape {edges.shape}; it takes [edges], or [{features}, edges], one row a feature"
        )
    if np.any(np.diff(edges, axis=1) < 0):
        raise ValueError("edges are not in ascending order")
    # As cells are kept, so that rows of a fit and of a prediction go the same way.
    return np.round(edges / STEP) * STEP


@dataclass
class Tree:
    """Splits in the order of levels, from the root on, and leaves from left to right."""

    #: Which feature a node looks at, 0 or 1, ``[nodes, features]``; none where it does not split.
    selected: Any
    #: What is at or above it goes to the right, ``[nodes]``. A node that does not split sends nothing there.
    thresholds: Any
    #: What the rows of each leaf add up to, ``[leaves, channels]``, and what they weigh, ``[leaves]``.
    sums: Array
    weights: Array
    #: Whether a row is in a leaf, bools ``[rows, leaves]``.
    members: Array


def grow(bins: Bins, depth: int, values: Array, weights: Any, *, penalty: float, least: float, most: float) -> Tree:
    """A tree of ``depth`` levels, with the candidates of ``bins`` in each.

    Splits have the largest sum over their two sides and the channels of ``S^2 / (W + penalty)``, where ``S`` is what the
    rows' ``values``, ``[rows, channels]``, add up to, and ``W`` their ``weights``, ``[rows]``, or their number. A side must
    weigh ``least``, above 0, or the node does not split, nor does it where no split is better than none. ``most`` bounds
    what values of any rows add up to.
    """
    rows, channels = values.shape
    weighed = np.ones((rows, 1), dtype=np.int64) if weights is None else weights[:, None]
    # The values of the rows of each node, and 0 of others: [rows, nodes, channels and weight].
    inside = np.concatenate([values, as_array(weighed).astype(values.dtype)], axis=1)[:, None, :]
    members, histograms, nodes = None, None, []
    for level in range(depth):
        width = 2**level
        sums = np.sum(inside, axis=0)
        histograms = _bounded(_histograms(bins.right, inside, histograms), most)
        chosen = _best(sums, histograms, penalty, least)
        nodes.append(chosen)
        goes = bins.goes(chosen)
        right = goes if members is None else members & goes
        left = ~right if members is None else members ^ right
        # Chosen for both sides, as a difference would have a wider range.
        both = np.stack([left, right], axis=2)
        members = both.reshape(rows, 2 * width)
        inside = np.where(both[..., None], inside[:, :, None], 0).reshape(rows, 2 * width, channels + 1)
    sums = np.sum(inside, axis=0)
    selected, thresholds = _looked_at(np.concatenate(nodes, axis=0), bins.edges)
    return Tree(selected, thresholds, sums[:, :-1], sums[:, -1], members)


def _histograms(sides: Array, inside: Array, before: Array | None) -> Array:
    """What is to the right of each candidate, ``[nodes, channels and weight, candidates]``; ``before`` is that of the
    level above, and what it has at candidates, its two children have together.
    """
    rows, nodes, columns = inside.shape
    made = inside if before is None else inside[:, 1::2]
    count = made.shape[1]
    right = (made.reshape(rows, count * columns).T @ sides).reshape(count, columns, sides.shape[1])
    if before is None:
        return right
    return np.stack([before - right, right], axis=1).reshape(nodes, columns, sides.shape[1])


def _bounded(histograms: Array, most: float) -> Array:
    """The histograms with what bounds them, where their range does not say so."""
    wide = max(abs(bound) for bound in limits(histograms)) > 2 * most
    return np.concatenate([within(histograms[:, :-1], most), histograms[:, -1:]], axis=1) if wide else histograms


def _best(sums: Array, right: Array, penalty: float, least: float) -> Array:
    """Which candidate each node splits by, bools ``[nodes, candidates]``: none, or one."""
    whole_node = sums[:, :, None]
    sides = np.stack([whole_node - right, right])
    weights = sides[:, :, -1]
    score = np.sum(_scores(sides[:, :, :-1], np.maximum(weights, least)[:, :, None], penalty), axis=(0, 2))
    possible = (weights[0] >= least) & (weights[1] >= least)
    unsplit = np.sum(_scores(whole_node[:, :-1], np.maximum(whole_node[:, -1:], least), penalty), axis=1) + 1
    # Of equals the first is taken, so that a node splits only where that is better.
    best = np.argmax(np.concatenate([unsplit, np.where(possible, score, 0)], axis=1), axis=1)
    return best[:, None] == np.arange(1, right.shape[2] + 1)


def _scores(sums: Array, weights: Array, penalty: float) -> Array:
    divisor = weights + penalty if penalty else weights
    return cast(np.floor_divide(sums * sums * SCORE_STEPS, divisor), INT64 if sums.dtype == INT64 else FLOAT64)


def _looked_at(chosen: Array, edges: Any) -> tuple[Array, Array]:
    """Which feature each node looks at, 0 or 1, ``[nodes, features]``, and from where on it goes to the right."""
    features, count = edges.shape
    chosen = chosen.reshape(chosen.shape[0], features, count)
    numbers = cast(chosen, INT64)
    selected = np.sum(numbers, axis=2)
    if isinstance(edges, Array):
        thresholds = np.sum(np.where(chosen, edges[None], 0.0), axis=(1, 2))
    else:
        thresholds = np.sum(numbers * edges, axis=(1, 2))
    # Where no feature is selected, 0 is compared: with 1, so that it goes to the left.
    return selected, thresholds + (1 - np.sum(selected, axis=1))


def descend(X: Array, selected: Any, thresholds: Any, values: Any, depth: int) -> Array:
    """What the leaves have that rows come to, ``[rows, trees, ...]``: of trees ``[trees, nodes, features]``,
    ``[trees, nodes]`` and ``[trees, leaves, ...]``, of the same depth.
    """
    trees, nodes, features = selected.shape
    looked_at = X @ selected.reshape(trees * nodes, features).T
    goes = (looked_at >= thresholds.reshape(trees * nodes)).reshape(X.shape[0], trees, nodes)
    found = values[None]
    extra = (None,) * (found.ndim - 3)
    for level in reversed(range(depth)):
        width = 2**level
        right = goes[:, :, width - 1 : 2 * width - 1]
        found = np.where(right[(..., *extra)], found[:, :, 1::2], found[:, :, ::2])
    return found[:, :, 0]
