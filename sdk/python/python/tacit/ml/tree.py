"""Decision trees."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from .._array import Array
from .._ops import BOOL, FLOAT64, INT64, as_array, cast
from ._base import Estimator, between, blocks, limits, real, targets, whole
from ._growing import Bins, Tree, descend, grow
from .logistic import classes as two_classes
from .metrics import accuracy_score, one_hot, r2_score
from .preprocessing import StandardScaler

#: Deepest tree: it has twice as many nodes a level more.
MOST_DEPTH = 8


def check_tree(max_depth: Any, min_samples_leaf: Any = 1) -> None:
    """Refuses depths and numbers of rows that trees cannot have."""
    whole(max_depth=max_depth, min_samples_leaf=min_samples_leaf)
    if max_depth > MOST_DEPTH:
        raise ValueError(f"max_depth is {max_depth}; full trees of secret splits have at most {MOST_DEPTH}")


class TreeModel(Estimator):
    """Trees of one depth, and what is at their leaves: what single trees and sums of them have in common."""

    def _keep(self, depth: int, selected: Any, thresholds: Any, values: Any) -> None:
        self.depth_, self.n_features_in_ = depth, selected.shape[2]
        self.selected_, self.thresholds_, self.values_ = selected, thresholds, values

    @property
    def feature_(self) -> Any:
        """Which feature each node looks at, int64 ``[trees, nodes]``, nodes level by level; -1 where it does not split."""
        self._check_fitted()
        return np.sum(self.selected_ * np.arange(1, self.n_features_in_ + 1), axis=2) - 1

    def _found(self, X: Any) -> Array:
        """What the leaves of rows have, ``[rows, trees, ...]``."""
        return descend(self._rows(X), self.selected_, self.thresholds_, self.values_, self.depth_)

    def _take(self, feature: Any, threshold: Any, value: Any, n_features: int, leaf_axes: int) -> None:
        """Keeps trees that are there already."""
        whole(n_features=n_features)
        feature, threshold, value = (
            _stacked(feature, 2),
            real(_stacked(threshold, 2)),
            real(_stacked(value, leaf_axes + 2)),
        )
        trees, nodes = feature.shape
        depth = (nodes + 1).bit_length() - 1
        leaves = (trees, nodes + 1)
        if nodes != 2**depth - 1 or threshold.shape != feature.shape or value.shape[:2] != leaves or depth > MOST_DEPTH:
            raise ValueError(
                f"feature, threshold and value have the shapes {feature.shape}, {threshold.shape} and {value.shape}; full "
                f"trees have as many thresholds as features, 2^depth - 1 level by level, and one leaf more"
            )
        selected = feature[:, :, None] == np.arange(n_features)
        selected = cast(selected, INT64) if isinstance(selected, Array) else selected.astype(np.int64)
        # A node without a feature compares 0 with 1.
        none = feature < 0
        self._keep(depth, selected, np.where(none, 1.0, threshold), value)


def _stacked(values: Any, ndim: int) -> Any:
    values = values if isinstance(values, Array) else np.asarray(values)
    return values[None] if values.ndim == ndim - 1 else values


class _DecisionTree(TreeModel):
    def _grown(self, X: Any, values: Array, most: float) -> Tree:
        check_tree(self.max_depth, self.min_samples_leaf)
        bins = Bins.of(X, self.bins, self.edges)
        return grow(bins, self.max_depth, values, None, penalty=0, least=self.min_samples_leaf, most=most)

    def _plant(self, tree: Tree, values: Array) -> None:
        self._keep(self.max_depth, tree.selected[None], tree.thresholds[None], values[None])


class DecisionTreeClassifier(_DecisionTree):
    """A tree whose leaves say how likely each class is; splits make classes as pure as they can (Gini).

    ``n_classes`` is public, classes are counted from 0. The tree is a full one of depth ``max_depth``: where no split is
    better than none, or none leaves ``min_samples_leaf`` rows on both sides, all rows go to the left.

    Splits are at ``edges``: public numbers in ascending order, ``[edges]`` for all features or ``[features, edges]``, or,
    without them, at the quantiles that part ``bins`` equal shares, which stay secret. Give ``X`` as a list of blocks of
    columns: of its own ones a party finds quantiles and sides alone.

    Fitted, and secret: ``feature_``, ``thresholds_`` (``[1, nodes]``, at or above goes to the right) and ``values_``
    (``[1, leaves, classes]``, probabilities). *Cost* of a level: one product of matrices for all splits of all nodes, two
    divisions for each, 150 rounds.
    """

    def __init__(
        self,
        *,
        n_classes: int = 2,
        max_depth: int = 3,
        min_samples_leaf: int = 1,
        bins: int = 16,
        edges: Any = None,
    ) -> None:
        self.n_classes = n_classes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.bins = bins
        self.edges = edges

    def fit(self, X: Any, y: Any) -> Self:
        """Grows the tree from rows ``X``, ``[rows, features]`` or blocks of columns, and their classes ``y``, ``[rows]``."""
        whole(n_classes=self.n_classes)
        y = targets(y, blocks(X)[0].shape[0])
        y = two_classes(y) if self.n_classes == 2 else y.assume(0, self.n_classes - 1)
        # Of two classes one tells as much as both.
        hot = cast(y, BOOL)[:, None] if self.n_classes == 2 else one_hot(y, self.n_classes)
        tree = self._grown(X, cast(hot, INT64), hot.shape[0])
        shares = between(tree.sums / np.maximum(tree.weights, 1)[:, None], 0, 1)
        if self.n_classes == 2:
            shares = np.concatenate([1 - shares, shares], axis=1)
        self._plant(tree, shares)
        return self

    @classmethod
    def from_nodes(cls, feature: Any, threshold: Any, value: Any, *, n_features: int) -> Self:
        """A tree that is there already, of either party, shared, or public: for nodes level by level, from the root on,
        ``feature`` (int64 ``[2^depth - 1]``, -1 for one that sends all rows to the left) and ``threshold`` (at or above it
        goes to the right), for leaves from left to right ``value`` (``[2^depth, classes]``).
        """
        model = cls()
        model._take(feature, threshold, value, n_features, 1)
        model.n_classes, model.max_depth = model.values_.shape[2], model.depth_
        return model

    def predict_proba(self, X: Any) -> Array:
        """How likely each class is, ``[rows, classes]``."""
        return self._found(X)[:, 0]

    def predict(self, X: Any) -> Array:
        """The likeliest class, the first of equals: int64 ``[rows]``, bools of two classes."""
        self._check_fitted()
        shares = self.values_[0]
        # Decided at the leaves, which are fewer than rows.
        best = shares[:, 1] > shares[:, 0] if shares.shape[1] == 2 else np.argmax(shares, axis=1)
        return descend(self._rows(X), self.selected_, self.thresholds_, as_array(best)[None], self.depth_)[:, 0]

    def score(self, X: Any, y: Any) -> Array:
        """The share of rows whose class is predicted."""
        found, y = self.predict(X), as_array(y)
        return accuracy_score(cast(y, BOOL) if found.dtype == BOOL else y, found)


class DecisionTreeRegressor(_DecisionTree):
    """A tree whose leaves have the mean target of their rows; splits leave as little variance as they can.

    Parameters, what is fitted and costs are those of :class:`DecisionTreeClassifier`; ``values_`` are ``[1, leaves]``.
    """

    def __init__(self, *, max_depth: int = 3, min_samples_leaf: int = 1, bins: int = 16, edges: Any = None) -> None:
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.bins = bins
        self.edges = edges

    def fit(self, X: Any, y: Any) -> Self:
        """Grows the tree from rows ``X``, ``[rows, features]`` or blocks of columns, and targets ``y``, ``[rows]``."""
        y = cast(targets(y, blocks(X)[0].shape[0]), FLOAT64)
        rows, (lo, hi) = y.shape[0], limits(y)
        # Scores compare squares, so of numbers around 0 with variance 1: none is beyond the root of their number, and no
        # part of them adds up to more than half of it.
        scaler = StandardScaler(bound=max(1.0, math.sqrt(rows)))
        tree = self._grown(X, scaler.fit_transform(y[:, None]), rows / 2)
        # Of a leaf without rows, which no row comes to, it is the mean of all.
        means = tree.sums / np.maximum(tree.weights, 1)[:, None]
        self._plant(tree, between(scaler.inverse_transform(means)[:, 0], lo, hi))
        return self

    @classmethod
    def from_nodes(cls, feature: Any, threshold: Any, value: Any, *, n_features: int) -> Self:
        """As :meth:`DecisionTreeClassifier.from_nodes`, with one number a leaf, ``value`` ``[2^depth]``."""
        model = cls()
        model._take(feature, threshold, value, n_features, 0)
        model.max_depth = model.depth_
        return model

    def predict(self, X: Any) -> Array:
        """The means of the leaves that rows come to, ``[rows]``."""
        return self._found(X)[:, 0]

    def score(self, X: Any, y: Any) -> Array:
        """The coefficient of determination."""
        return r2_score(y, self.predict(X))
