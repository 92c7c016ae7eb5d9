"""Clusters around centres."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._array import Array
from .._ops import INT64, cast
from ._base import Estimator, between, limits, matrix, real, some, whole


class KMeans(Estimator):
    """Lloyd's method: rows go to the nearest centre, centres to the mean of their rows, ``steps`` times.

    ``init`` says where centres start: ``[n_clusters, features]`` numbers, public or secret, or the places of as many rows
    (whole numbers, which are public); without it, the rows of places that follow from the public seed ``random_state``.
    Of equally near centres the first is taken. A centre without rows stays where it is.

    Fitted, and secret: ``cluster_centers_``, ``labels_`` (int64, of the last centres), ``inertia_`` (the sum of squared
    distances to them). *Cost* of a step: a comparison and a choice for each row and centre, two products of matrices.
    """

    def __init__(self, n_clusters: int = 8, *, steps: int = 10, init: Any = None, random_state: int = 0) -> None:
        self.n_clusters = n_clusters
        self.steps = steps
        self.init = init
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Finds the centres of rows ``X``, ``[rows, features]``."""
        del y
        whole(n_clusters=self.n_clusters, steps=self.steps)
        X = some(matrix(X))
        lo, hi = limits(X)
        centres, turned = self._start(X), X.T
        for _ in range(self.steps):
            nearest = self._nearest(X, centres)
            counts = np.sum(nearest, axis=0)[:, None]
            # A mean of rows is in their range.
            sums = (turned @ cast(nearest, INT64)).T
            means = between(sums / np.maximum(counts, 1), min(lo, 0), max(hi, 0))
            centres = np.where(counts > 0, means, centres)
        self.cluster_centers_, self.n_features_in_ = centres, X.shape[1]
        distances = self._distances(X, centres)
        self.labels_ = np.argmin(distances, axis=1)
        self.inertia_ = self._inertia(X, distances)
        return self

    @classmethod
    def from_centers(cls, centers: Any) -> Self:
        """A model with centres that are there already, ``[clusters, features]``, secret or public."""
        centers = real(centers)
        if centers.ndim != 2 or centers.size == 0:
            raise ValueError(f"centers has the shape {centers.shape}; it takes a row of features a cluster")
        model = cls(centers.shape[0], init=centers)
        model.cluster_centers_, model.n_features_in_ = centers, centers.shape[1]
        return model

    def _start(self, X: Array) -> Any:
        rows, features = X.shape
        if self.init is None:
            if rows < self.n_clusters:
                raise ValueError(
                    f"n_clusters is {self.n_clusters}, and X has {rows} rows; give init, or fewer clusters"
                )
            return X[np.random.default_rng(self.random_state).choice(rows, self.n_clusters, replace=False)]
        init = self.init if isinstance(self.init, Array) else np.asarray(self.init)
        if init.shape == (self.n_clusters,) and not isinstance(init, Array) and init.dtype.kind in "iu":
            return X[init]
        if init.shape != (self.n_clusters, features):
            wanted = f"{(self.n_clusters, features)} numbers, or the places of {self.n_clusters} rows"
            raise ValueError(f"init has the shape {init.shape}; it takes {wanted}")
        return real(init)

    @staticmethod
    def _distances(X: Array, centres: Any) -> Array:
        """Squared distances less the row's own square, which is the same for all centres."""
        return np.sum(centres * centres, axis=1) - 2 * (X @ centres.T)

    def _nearest(self, X: Array, centres: Any) -> Array:
        return np.argmin(self._distances(X, centres), axis=1)[:, None] == np.arange(self.n_clusters)

    @staticmethod
    def _inertia(X: Array, distances: Array) -> Array:
        return np.sum(X * X) + np.sum(np.min(distances, axis=1))

    def predict(self, X: Any) -> Array:
        """The places of the nearest centres, int64 ``[rows]``."""
        return np.argmin(self._distances(self._rows(X), self.cluster_centers_), axis=1)

    def fit_predict(self, X: Any, y: Any = None) -> Array:
        """``fit(X).labels_``."""
        return self.fit(X, y).labels_

    def transform(self, X: Any) -> Array:
        """The distances to all centres, ``[rows, clusters]``."""
        X = self._rows(X)
        squares = np.sum(X * X, axis=1)[:, None] + self._distances(X, self.cluster_centers_)
        return np.sqrt(np.maximum(squares, 0))

    def score(self, X: Any, y: Any = None) -> Array:
        """Minus the sum of squared distances to the nearest centres."""
        del y
        X = self._rows(X)
        return -self._inertia(X, self._distances(X, self.cluster_centers_))
