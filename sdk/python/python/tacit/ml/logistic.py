"""Logistic regression of two classes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .. import numpy as tnp
from .._array import Array
from .._ops import BOOL, FLOAT64, as_array, cast
from ._base import (
    between,
    digits_of,
    largest,
    matrix,
    one_of,
    positive,
    scaled,
    some,
    targets,
    whole,
    width,
    within,
)
from ._solve import Inverse
from .linear import LinearModel
from .metrics import accuracy_score

#: What a step may promise to gain, a row: where it is more, Newton's method is far from where it converges.
LARGEST_STEP = 2.0**10
#: Steps where none are given.
STEPS = {"newton": 8, "fixed": 30, "gd": 200}


class LogisticRegression(LinearModel):
    """The probability of one of two classes, 0 and 1, from a weighted sum of the features.

    The loss is the mean of ``log(1 + exp(-z))`` over rows of class 1, and of ``log(1 + exp(z))`` over others, for the
    weighted sum ``z``, plus ``alpha / 2 * |w|^2``. ``alpha`` is 1 over the rows unless it is given, as scikit-learn's
    ``C = 1`` is; the intercept takes no part in it.

    Solvers, each of ``steps`` steps:

    - ``"newton"`` converges in few steps (8 unless given), each with an elimination: some 50 rounds a feature. As Newton's
      method does, it may leave ``bound`` where classes can be told apart entirely and ``alpha`` is 0.
    - ``"fixed"`` eliminates once, by the largest second derivatives that there can be: the loss falls with every step,
      of which each takes one sigmoid a row (30 unless given).
    - ``"gd"`` is gradient descent (200 steps unless given), of ``rate`` or the power of two below it; by default that which
      holds for all data within the declared ranges.

    ``bound`` is what no weight is beyond.
    """

    def __init__(
        self,
        *,
        alpha: float | None = None,
        fit_intercept: bool = True,
        solver: str = "newton",
        steps: int | None = None,
        rate: float | None = None,
        bound: float = 32.0,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.steps = steps
        self.rate = rate
        self.bound = bound

    def fit(self, X: Any, y: Any) -> Self:
        """Fits the weights to rows ``X``, ``[rows, features]``, and their classes ``y``, ``[rows]``, 0 and 1 or bools."""
        one_of("solver", self.solver, tuple(STEPS))
        steps = STEPS[self.solver] if self.steps is None else self.steps
        whole(steps=steps)
        positive(bound=self.bound)
        X = some(matrix(X))
        rows, features = X.shape
        truth = cast(classes(y, rows), FLOAT64)
        alpha = 1 / rows if self.alpha is None else self.alpha
        penalties = np.full(features, alpha * rows)
        most = largest(X)
        mean = None
        if self.fit_intercept:
            # Less their means, features are further from being the column of ones, and steps go further.
            mean, most = X.mean(axis=0), max(1.0, width(X))
            X = np.column_stack([X - mean, np.ones(rows)])
            penalties = np.append(penalties, 0.0)
        weights = self._fitted(X, truth, penalties, most, steps)
        coef = weights[:features]
        intercept = np.float64(0) if mean is None else weights[features] - mean @ coef
        self._keep(coef, intercept)
        return self

    def _fitted(self, X: Array, truth: Array, penalties: np.ndarray, most: float, steps: int) -> Array:
        rows, columns = X.shape
        # The sum of the losses bends by no more than this for one weight.
        curvature = rows * most**2 / 4
        weights, inverse = np.zeros(columns), None
        if self.solver == "gd":
            steepest = (curvature * columns + penalties.max()) / rows
            rate = 1 / steepest if self.rate is None else self.rate
            positive(rate=rate)
            digits = digits_of(rows / rate)
        for step in range(steps):
            # Before the first step all weights are 0.
            share = between(tnp.sigmoid(X @ weights), 0, 1) if step else 0.5
            gradient = X.T @ (share - truth) + weights * penalties
            if self.solver == "gd":
                moved = scaled(gradient, digits)
            else:
                if inverse is None or self.solver == "newton":
                    bends = share * (1 - share) if self.solver == "newton" else 0.25
                    inverse = Inverse(self._hessian(X, bends, penalties, curvature), LARGEST_STEP * rows)
                moved = inverse.times(gradient)
            weights = within(weights - moved, self.bound)
        return weights

    @staticmethod
    def _hessian(X: Array, bends: Any, penalties: np.ndarray, most: float) -> Array:
        weighted = X * (between(bends, 0, 0.25)[:, None] if isinstance(bends, Array) else bends)
        return within(X.T @ weighted, most) + np.diag(penalties)

    def decision_function(self, X: Any) -> Any:
        """The weighted sums, ``[rows]``."""
        return self._predictor(X)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities of class 0 and of class 1, ``[rows, 2]``."""
        one = between(tnp.sigmoid(self._predictor(X)), 0, 1)
        return np.stack([1 - one, one], axis=1)

    def predict(self, X: Any) -> Any:
        """Whether class 1 is the likelier one, bools ``[rows]``."""
        return self._predictor(X) > 0

    def score(self, X: Any, y: Any) -> Any:
        """The share of rows whose class is predicted."""
        return accuracy_score(cast(classes(y), BOOL), self.predict(X))


def classes(y: Any, rows: int | None = None) -> Array:
    """Two classes, 0 and 1; what may be another number is promised not to be."""
    y = as_array(y)
    if rows is not None:
        y = targets(y, rows)
    return y if y.dtype == BOOL else y.assume(0, 1)
