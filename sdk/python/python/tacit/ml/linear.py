"""Least squares, with and without a penalty on large weights."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._array import Array
from .._ops import FLOAT64, cast
from ._base import (
    MARGIN,
    Estimator,
    digits_of,
    largest,
    matrix,
    one_of,
    positive,
    real,
    scaled,
    some,
    targets,
    whole,
    width,
    within,
)
from ._solve import Inverse
from .metrics import r2_score

#: How often the exact solution is improved by what it leaves.
REFINEMENTS = 3
#: What features are scaled up to before they are multiplied.
PRODUCTS = 2.0**8
#: What part of the targets' variance an exact fit may leave that features explain, and what it may for rounding.
UNEXPLAINED, ROUNDINGS = 2.0**-12, 2.0**-12


class LinearModel(Estimator):
    """A weighted sum of features: what least squares and logistic regression have in common."""

    #: The weights, secret unless they were handed in as public ones.
    coef_: Array | np.ndarray
    #: What is added to the weighted sum; 0.0 where it was not to be fitted.
    intercept_: Array | np.ndarray

    @classmethod
    def from_weights(cls, coef: Any, intercept: Any = 0.0, **params: Any) -> Self:
        """A model with weights that are there already, ``[features]``, of either party, shared, or public; they may be of
        another fit: ``from_weights(s.array(model.coef_, party=0, range=(-4, 4)))`` predicts for rows of party 1's.
        """
        coef, intercept = real(coef), real(intercept)
        if coef.ndim != 1 or coef.size == 0:
            raise ValueError(f"coef has the shape {coef.shape}; it takes one weight a feature")
        if intercept.shape != ():
            raise ValueError(f"intercept has the shape {intercept.shape}; it takes one number")
        model = cls(**params)
        model._keep(coef, intercept)
        return model

    def _keep(self, coef: Any, intercept: Any) -> None:
        self.coef_, self.intercept_, self.n_features_in_ = coef, intercept, coef.shape[0]

    def _predictor(self, X: Any) -> Any:
        return self._rows(X) @ self.coef_ + self.intercept_


class _LeastSquares(LinearModel):
    """Fits by the products of features with each other and with the targets: rows count once, however many steps."""

    def fit(self, X: Any, y: Any) -> Self:
        """Fits the weights to rows ``X``, ``[rows, features]``, and their targets ``y``, ``[rows]``."""
        one_of("solver", self.solver, ("exact", "gd"))
        positive(bound=self.bound)
        X = some(matrix(X))
        rows = X.shape[0]
        y = cast(targets(y, rows), FLOAT64)
        of_x, of_y = largest(X), largest(y)
        if self.fit_intercept:
            mean_x, mean_y = X.mean(axis=0), y.mean()
            # No variance is above the square of half the range's width.
            of_x, of_y = width(X) / 2, width(y) / 2
            X, y = X - mean_x, y - mean_y
        # Products of small features gain digits, which elimination needs; weights stay what they are.
        gain = 2.0 ** max(0, digits_of(PRODUCTS / of_x)) if self.solver == "exact" else 1.0
        of_x, of_y = of_x * gain, of_y * gain
        columns = np.column_stack([X, y]) * gain
        products = columns.T @ columns
        penalty = getattr(self, "alpha", 0.0) * rows * gain**2
        gram = within(products[:-1, :-1], rows * of_x**2) + penalty * np.eye(X.shape[1])
        moments = within(products[:-1, -1], rows * of_x * of_y)
        most = rows * of_x**2 + penalty
        if self.solver == "exact":
            coef = self._solved(gram, moments, products[-1, -1], rows * of_y**2)
        else:
            coef = self._descended(gram, moments, rows, most)
        self._keep(coef, mean_y - mean_x @ coef if self.fit_intercept else np.float64(0))
        return self

    def _solved(self, gram: Array, moments: Array, squares: Array, most: float) -> Array:
        # Nothing explains more than there is; steps on the way may miss by more.
        inverse = Inverse(gram, 16 * most)
        coef = within(inverse.times(moments), self.bound)
        for _ in range(REFINEMENTS):
            coef = within(coef + inverse.times(moments - gram @ coef), self.bound)
        # What features could still explain of what is left is hardly any. It is more where weights are so small that their
        # digits are few, or where features nearly depend on each other and targets on how they do not.
        explained = inverse.norm(moments - gram @ coef)
        excess = np.maximum(explained - squares * UNEXPLAINED - ROUNDINGS, 0)
        return coef + excess.assume(0, MARGIN)

    def _descended(self, gram: Array, moments: Array, rows: int, most: float) -> Array:
        whole(steps=self.steps)
        # No eigenvalue is above the sum of the diagonal.
        rate = rows / (gram.shape[0] * most) if self.rate is None else self.rate
        positive(rate=rate)
        digits = digits_of(rows / rate)
        coef = within(scaled(moments, digits), self.bound)
        for _ in range(self.steps - 1):
            coef = within(coef + scaled(moments - gram @ coef, digits), self.bound)
        return coef

    def predict(self, X: Any) -> Any:
        """The predictions for rows of features, ``[rows]``."""
        return self._predictor(X)

    def score(self, X: Any, y: Any) -> Any:
        """The coefficient of determination: 1 less the share of the targets' variance that is left."""
        return r2_score(y, self.predict(X))


class LinearRegression(_LeastSquares):
    """Least squares.

    ``solver="exact"`` solves the equations of the features' products (some 50 rounds a feature); ``"gd"`` takes ``steps``
    steps of gradient descent, of ``rate`` or the power of two below it, for the loss ``mean((y - X w - b)^2) / 2``, on
    features and targets less their means. The rate that holds for all data within the declared ranges is the default.
    Both make the products of features once. ``bound`` is what no weight is beyond.

    An exact fit is checked: where features could explain more than a 4096th part of the targets' variance that it leaves,
    something revealed of it raises ``OverflowError``. So it is where features are so large beside targets that weights are
    a few steps of 2^-18 (scale them, :class:`StandardScaler`), or where a feature is all but a sum of others and targets
    depend on what it is not (leave it out).
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        solver: str = "exact",
        steps: int = 100,
        rate: float | None = None,
        bound: float = 16.0,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.steps = steps
        self.rate = rate
        self.bound = bound


class Ridge(_LeastSquares):
    """Least squares with a penalty on large weights, not on the intercept: the loss is
    ``mean((y - X w - b)^2) / 2 + alpha / 2 * |w|^2``; scikit-learn's ``alpha`` is this one times the rows.

    The other parameters are those of :class:`LinearRegression`.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        solver: str = "exact",
        steps: int = 100,
        rate: float | None = None,
        bound: float = 16.0,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.steps = steps
        self.rate = rate
        self.bound = bound
