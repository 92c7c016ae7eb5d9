"""Means of trees, each of which sees other rows and features."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from .._array import Array
from .._ops import BOOL, FLOAT64, INT64, as_array, cast
from ._base import between, blocks, limits, targets, whole
from ._growing import Bins, Tree, grow
from .logistic import classes as two_classes
from .metrics import accuracy_score, one_hot, r2_score
from .preprocessing import StandardScaler
from .tree import TreeModel, check_tree


class _Forest(TreeModel):
    def _trees(self, X: Any, values: Array, spread: float) -> list[Tree]:
        """Trees from draws of rows and features; the squares of ``values`` add up to ``spread`` at most."""
        whole(n_estimators=self.n_estimators)
        check_tree(self.max_depth, self.min_samples_leaf)
        bins, random = Bins.of(X, self.bins, self.edges), np.random.default_rng(self.random_state)
        rows, features = values.shape[0], bins.edges.shape[0]
        looked_at = max(1, math.isqrt(features)) if self.max_features is None else self.max_features
        whole(max_features=looked_at)
        if looked_at > features:
            raise ValueError(f"max_features is {looked_at}; X has {features}")
        trees = []
        for _ in range(self.n_estimators):
            counts = np.bincount(random.integers(rows, size=rows), minlength=rows)
            columns = np.sort(random.choice(features, looked_at, replace=False))
            part = bins.of_features(columns)
            # By the inequality of Cauchy and Schwarz.
            most = math.sqrt(float(np.sum(counts**2)) * spread)
            least = self.min_samples_leaf
            tree = grow(part, self.max_depth, values * counts[:, None], counts, penalty=0, least=least, most=most)
            tree.selected = tree.selected @ np.eye(features, dtype=np.int64)[columns]
            trees.append(tree)
        return trees

    def _plant(self, trees: list[Tree], values: list[Array]) -> None:
        selected, thresholds = (
            np.stack([tree.selected for tree in trees]),
            np.stack([tree.thresholds for tree in trees]),
        )
        self._keep(self.max_depth, selected, thresholds, np.stack(values))

    def _mean(self, X: Any) -> Array:
        return np.mean(self._found(X), axis=1)


class RandomForestClassifier(_Forest):
    """The mean of what trees say how likely each class is.

    Each of ``n_estimators`` trees is grown, as :class:`DecisionTreeClassifier` is, from as many rows as there are, drawn
    with replacement, and from ``max_features`` features, the root of their number unless it is given, drawn without. The
    draws are those of the seed ``random_state`` and public. Fitted, and secret: ``feature_``, ``thresholds_``
    (``[trees, nodes]``) and ``values_`` (``[trees, leaves, classes]``).
    """

    def __init__(
        self,
        *,
        n_classes: int = 2,
        n_estimators: int = 10,
        max_depth: int = 3,
        min_samples_leaf: int = 1,
        max_features: int | None = None,
        bins: int = 16,
        edges: Any = None,
        random_state: int = 0,
    ) -> None:
        self.n_classes = n_classes
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.bins = bins
        self.edges = edges
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Grows the trees from rows ``X``, ``[rows, features]`` or blocks of columns, and their classes ``y``, ``[rows]``."""
        whole(n_classes=self.n_classes)
        y = targets(y, blocks(X)[0].shape[0])
        y = two_classes(y) if self.n_classes == 2 else y.assume(0, self.n_classes - 1)
        hot = cast(one_hot(y, self.n_classes), INT64)
        trees = self._trees(X, hot, hot.shape[0])
        shares = [between(tree.sums / np.maximum(tree.weights, 1)[:, None], 0, 1) for tree in trees]
        self._plant(trees, shares)
        return self

    def predict_proba(self, X: Any) -> Array:
        """How likely each class is, ``[rows, classes]``."""
        return self._mean(X)

    def predict(self, X: Any) -> Array:
        """The likeliest class, the first of equals: int64 ``[rows]``, bools of two classes."""
        shares = self._mean(X)
        return shares[:, 1] > shares[:, 0] if shares.shape[1] == 2 else np.argmax(shares, axis=1)

    def score(self, X: Any, y: Any) -> Array:
        """The share of rows whose class is predicted."""
        found, y = self.predict(X), as_array(y)
        return accuracy_score(cast(y, BOOL) if found.dtype == BOOL else y, found)


class RandomForestRegressor(_Forest):
    """The mean of what trees predict. Parameters are those of :class:`RandomForestClassifier`, without classes; ``values_``
    are ``[trees, leaves]``.
    """

    def __init__(
        self,
        *,
        n_estimators: int = 10,
        max_depth: int = 3,
        min_samples_leaf: int = 1,
        max_features: int | None = None,
        bins: int = 16,
        edges: Any = None,
        random_state: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.bins = bins
        self.edges = edges
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Grows the trees from rows ``X``, ``[rows, features]`` or blocks of columns, and targets ``y``, ``[rows]``."""
        y = cast(targets(y, blocks(X)[0].shape[0]), FLOAT64)
        rows, (lo, hi) = y.shape[0], limits(y)
        # As for one tree: numbers with variance 1.
        scaler = StandardScaler(bound=max(1.0, math.sqrt(rows)))
        trees = self._trees(X, scaler.fit_transform(y[:, None]), rows)
        means = [scaler.inverse_transform(tree.sums / np.maximum(tree.weights, 1)[:, None])[:, 0] for tree in trees]
        self._plant(trees, [between(mean, lo, hi) for mean in means])
        return self

    def predict(self, X: Any) -> Array:
        """The mean of the trees' predictions, ``[rows]``."""
        return self._mean(X)

    def score(self, X: Any, y: Any) -> Array:
        """The coefficient of determination."""
        return r2_score(y, self.predict(X))
