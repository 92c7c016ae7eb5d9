"""Principal components."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .. import numpy as tnp
from .._array import Array
from .._ops import FLOAT64, INT64, STEP, cast
from ._base import Estimator, between, matrix, some, whole, width, within

#: What covariances are scaled to add up to on their diagonal: their digits are then 2^-26 of it.
SCALE = 2.0**8
#: Added to each variance, so that there is something to divide by where all are found: it changes no component.
#: What is below it, 2^-16 of the whole variance, are roundings of components that were found before.
LEAST = 2.0**-8


class PCA(Estimator):
    """The directions in which rows vary most.

    Each component comes from powers of the covariance matrix, squared ``squarings`` times, which is as good as
    ``2^squarings`` power iterations, and what it explains is then taken off. Components whose variances differ by a
    hundredth part are told apart well; of equal ones some mixture is found, as always. Components with less than some
    2^-14 of the whole variance are not exact.

    The sign of a component is that which makes its largest entry positive. Fitted, and secret: ``mean_``, ``components_``
    (``[n_components, features]``), ``explained_variance_`` (with ``rows - 1``), ``explained_variance_ratio_``. Components
    beyond those that rows have are arbitrary and explain nothing. *Cost*: the products of features once, and some 50 rounds a squaring.
    """

    def __init__(self, n_components: int = 2, *, squarings: int = 10) -> None:
        self.n_components = n_components
        self.squarings = squarings

    def fit(self, X: Any, y: Any = None) -> Self:
        """Finds the components of rows ``X``, ``[rows, features]``."""
        del y
        whole(n_components=self.n_components, squarings=self.squarings)
        X = some(matrix(X))
        rows, features = X.shape
        if self.n_components > features or rows < 2:
            raise ValueError(f"X has the shape {X.shape}; it has no {self.n_components} components to find")
        self.mean_ = X.mean(axis=0)
        most = rows * (width(X) / 2) ** 2
        apart = X - self.mean_
        products = within(apart.T @ apart, most)
        total = np.trace(products)
        # What is no more than roundings of the mean is nothing.
        total = np.where(total < 2 * X.size * STEP, SCALE, total)
        unit = between(total / SCALE, 0, max(1, features * most / SCALE))
        left = within(products / unit, SCALE)
        components, variances = [], []
        for _ in range(self.n_components):
            component = self._strongest(left)
            variance = (component @ (left @ component)).assume(-LEAST, SCALE + 1)
            left = within(left - variance * component[:, None] * component, SCALE)
            components.append(component)
            variances.append(variance)
        strengths = np.maximum(np.stack(variances), 0)
        self.components_ = np.stack(components)
        self.explained_variance_ratio_ = strengths / SCALE
        self.explained_variance_ = strengths * unit / (rows - 1)
        self.n_features_in_ = features
        return self

    def _strongest(self, covariances: Array) -> Array:
        """The direction of the largest variance, of length 1."""
        size = covariances.shape[0]
        power = covariances + LEAST * np.eye(size)
        power = within(power / (np.trace(power) / SCALE).assume(LEAST * size / SCALE / 2, 2), SCALE)
        for _ in range(self.squarings):
            square = power @ power
            # The squares of parts of a whole add up to at most it, and at least to its square by their number.
            share = (np.trace(square) / SCALE**2).assume(1 / (2 * size), 2)
            power = within(square / SCALE * (1 / share), 2 * SCALE)
        power = power / SCALE
        diagonal = np.diagonal(power)
        strongest = cast(np.argmax(diagonal) == np.arange(size), INT64)
        # The largest part of a whole is at least the whole by their number, and so are the two lengths.
        most = np.sum(np.where(strongest > 0, diagonal, 0)).assume(1 / (2 * size), 2)
        direction = (power @ cast(strongest, FLOAT64)) * tnp.rsqrt(most)
        length = np.sum(direction * direction).assume(1 / (2 * size), 2)
        return within(direction * tnp.rsqrt(length), 1.0)

    def transform(self, X: Any) -> Array:
        """The rows in terms of the components, ``[rows, n_components]``."""
        return (self._rows(X) - self.mean_) @ self.components_.T

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """``fit(X).transform(X)``."""
        return self.fit(X, y).transform(X)

    def inverse_transform(self, Z: Any) -> Array:
        """The rows of features that rows in terms of components stand for, ``[rows, features]``."""
        self._check_fitted()
        Z = matrix(Z)
        if Z.shape[1] != self.n_components:
            raise ValueError(f"Z has {Z.shape[1]} columns; there are {self.n_components} components")
        return Z @ self.components_ + self.mean_
