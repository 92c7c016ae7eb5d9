"""Sums of trees, each of which corrects those before it."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from .. import numpy as tnp
from .._array import Array
from .._ops import BOOL, FLOAT64, as_array, cast
from ._base import between, blocks, positive, real, targets, whole, within
from ._growing import Bins, Tree, grow
from .logistic import classes
from .metrics import accuracy_score, r2_score
from .preprocessing import StandardScaler
from .tree import TreeModel, check_tree


class _Boosting(TreeModel):
    """Trees of gradients and second derivatives, as XGBoost grows them by histograms."""

    #: What the sums of trees start from.
    init_: Any

    def __init__(
        self,
        *,
        n_estimators: int = 20,
        learning_rate: float = 0.3,
        max_depth: int = 3,
        reg_lambda: float = 1.0,
        min_child_weight: float = 1.0,
        bins: int = 16,
        edges: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.reg_lambda = reg_lambda
        self.min_child_weight = min_child_weight
        self.bins = bins
        self.edges = edges

    def _check(self) -> None:
        whole(n_estimators=self.n_estimators)
        check_tree(self.max_depth)
        positive(learning_rate=self.learning_rate, min_child_weight=self.min_child_weight)
        if self.learning_rate > 1 or self.reg_lambda < 0:
            raise ValueError(
                f"learning_rate is {self.learning_rate} and reg_lambda {self.reg_lambda}; they must be at most 1, at least 0"
            )

    def _tree(self, bins: Bins, gradients: Array, curvatures: Array | None, most: float) -> tuple[Tree, Array]:
        """A tree and what its leaves add, before the learning rate."""
        penalty, least = self.reg_lambda, self.min_child_weight
        tree = grow(bins, self.max_depth, gradients[:, None], curvatures, penalty=penalty, least=least, most=most)
        return tree, tree.sums[:, 0] / (np.maximum(tree.weights, least) + penalty)

    def _plant(self, trees: list[Tree], values: list[Array]) -> None:
        selected, thresholds = (
            np.stack([tree.selected for tree in trees]),
            np.stack([tree.thresholds for tree in trees]),
        )
        self._keep(self.max_depth, selected, thresholds, np.stack(values))

    @classmethod
    def from_trees(cls, feature: Any, threshold: Any, value: Any, *, n_features: int, init: Any = 0.0) -> Self:
        """A model that is there already, of either party, shared, or public: of full trees of one depth, ``feature``
        (int64 ``[trees, 2^depth - 1]``, nodes level by level, -1 for one that sends all rows to the left), ``threshold``
        (the same shape, at or above it goes to the right) and ``value`` (``[trees, 2^depth]``, what leaves add).
        ``init`` is what the sums start from.
        """
        model = cls()
        model._take(feature, threshold, value, n_features, 0)
        model.init_, model.max_depth, model.n_estimators = real(init), model.depth_, model.values_.shape[0]
        return model

    def _sums(self, X: Any) -> Array:
        return np.sum(self._found(X), axis=1) + self.init_


def _added(tree: Tree, values: Array) -> Array:
    """What a tree's leaves add to the rows that it was grown from, ``[rows]``."""
    return np.sum(np.where(tree.members, values, 0.0), axis=1)


class GradientBoostingRegressor(_Boosting):
    """Trees whose leaves have the mean of what the trees before left of the targets.

    ``n_estimators`` full trees of depth ``max_depth``, of whose leaves ``learning_rate``, at most 1, is added;
    ``reg_lambda`` shrinks leaves with few rows, which must be ``min_child_weight`` at least. ``bins`` and ``edges`` are
    those of :class:`DecisionTreeClassifier`, as are costs: for each tree.

    Fitted, and secret: ``feature_``, ``thresholds_`` (``[trees, nodes]``), ``values_`` (``[trees, leaves]``, with the
    learning rate) and ``init_``, the targets' mean.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Grows the trees from rows ``X``, ``[rows, features]`` or blocks of columns, and targets ``y``, ``[rows]``."""
        self._check()
        y = cast(targets(y, blocks(X)[0].shape[0]), FLOAT64)
        rows = y.shape[0]
        # As for one tree. No tree makes the sum of squares larger, so no target is ever further from its sum than the
        # root of the rows, and no part of them adds up to more than the rows.
        scaler = StandardScaler(bound=max(1.0, math.sqrt(rows)))
        left = scaler.fit_transform(y[:, None])[:, 0]
        trees, values = [], []
        bins = Bins.of(X, self.bins, self.edges)
        for _ in range(self.n_estimators):
            tree, leaves = self._tree(bins, left, None, rows)
            leaves = within(leaves, math.sqrt(rows)) * self.learning_rate
            left = within(left - _added(tree, leaves), math.sqrt(rows))
            trees.append(tree)
            values.append(leaves)
        self.init_ = y.mean()
        self._plant(trees, [scaler.inverse_transform(leaves[:, None])[:, 0] - self.init_ for leaves in values])
        return self

    def predict(self, X: Any) -> Array:
        """The sums of trees, ``[rows]``."""
        return self._sums(X)

    def score(self, X: Any, y: Any) -> Array:
        """The coefficient of determination."""
        return r2_score(y, self.predict(X))


class GradientBoostingClassifier(_Boosting):
    """Trees that add up to the log-odds of class 1 of two classes.

    Parameters are those of :class:`GradientBoostingRegressor`, with ``min_child_weight`` for the sum of ``p (1 - p)`` over
    the rows of a leaf, ``p`` being the probability before its tree. Leaves are at most ``max_delta_step``, before the
    learning rate. Sums start from 0, ``init_``.
    """

    def __init__(
        self,
        *,
        n_estimators: int = 20,
        learning_rate: float = 0.3,
        max_depth: int = 3,
        reg_lambda: float = 1.0,
        min_child_weight: float = 1.0,
        max_delta_step: float = 8.0,
        bins: int = 16,
        edges: Any = None,
    ) -> None:
        super().__init__(
            n_estimators=n_estimators,
            learning_rate=learning_rate,
            max_depth=max_depth,
            reg_lambda=reg_lambda,
            min_child_weight=min_child_weight,
            bins=bins,
            edges=edges,
        )
        self.max_delta_step = max_delta_step

    def fit(self, X: Any, y: Any) -> Self:
        """Grows the trees from rows ``X``, ``[rows, features]`` or blocks of columns, and classes ``y``, ``[rows]``, 0 and 1
        or bools.
        """
        self._check()
        positive(max_delta_step=self.max_delta_step)
        truth = cast(classes(y, blocks(X)[0].shape[0]), FLOAT64)
        rows, most = truth.shape[0], self.max_delta_step
        sums, trees, values = None, [], []
        bins = Bins.of(X, self.bins, self.edges)
        for _ in range(self.n_estimators):
            if sums is None:
                share, curvature = 0.5, as_array(np.full(rows, 0.25))
            else:
                share = between(tnp.sigmoid(sums), 0, 1)
                curvature = between(share * (1 - share), 0, 0.25)
            tree, leaves = self._tree(bins, truth - share, curvature, rows)
            leaves = np.clip(leaves, -most, most) * self.learning_rate
            added = _added(tree, leaves)
            sums = added if sums is None else sums + added
            trees.append(tree)
            values.append(leaves)
        self.init_ = np.float64(0)
        self._plant(trees, values)
        return self

    def decision_function(self, X: Any) -> Array:
        """The log-odds of class 1, ``[rows]``."""
        return self._sums(X)

    def predict_proba(self, X: Any) -> Array:
        """The probabilities of class 0 and of class 1, ``[rows, 2]``."""
        one = between(tnp.sigmoid(self._sums(X)), 0, 1)
        return np.stack([1 - one, one], axis=1)

    def predict(self, X: Any) -> Array:
        """Whether class 1 is the likelier one, bools ``[rows]``."""
        return self._sums(X) > 0

    def score(self, X: Any, y: Any) -> Array:
        """The share of rows whose class is predicted."""
        return accuracy_score(cast(classes(y), BOOL), self.predict(X))
