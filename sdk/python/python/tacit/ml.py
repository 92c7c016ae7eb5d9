"""Models that two parties fit on data that neither shows the other, with scikit-learn's interface.

``X`` and ``y`` are arrays of one session, of either party or made of both (``np.column_stack([x0, x1])``), and so are the
fitted ``coef_`` and ``intercept_``: nothing is seen before it is revealed. Numbers of rows and features, the steps and
their rate are public.

Models are fitted by gradient descent on all rows, with steps that follow from the declared ranges alone, not from the
data: declare narrow ranges, and scale features to a size of about 1. What a weight may be is promised (``bound``); a fit
that leaves it raises ``OverflowError`` when something of it is revealed. The stated error bound is that of the worst data
within the ranges and about doubles in each step, so that some 60 steps are all that the engine has room for; more raise
``OverflowError`` (``PROGRAM_RANGE``) before anything is computed.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from . import numpy as tnp
from ._array import Array
from ._ops import FLOAT64, as_array, cast

__all__ = ["LinearRegression", "LogisticRegression", "Ridge"]

#: Binary digits that one division takes off at most.
DIGITS = 18


class _Model:
    """What the models have in common: ``parameters`` are named in the order of scikit-learn's."""

    #: How curved the loss of a row is at most, for a prediction that changes by 1.
    _curvature = 1.0

    def __init__(
        self, *, alpha: float, fit_intercept: bool, steps: int, rate: float | None, bound: float
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.steps = steps
        self.rate = rate
        self.bound = bound

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        del deep
        return {name: getattr(self, name) for name in ("alpha", "fit_intercept", "steps", "rate", "bound")}

    def set_params(self, **params: Any) -> Self:
        """Sets parameters by name."""
        for name, value in params.items():
            if name not in self.get_params():
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in self.get_params().items())})"

    def _link(self, predictor: Any) -> Any:
        return predictor

    def _digits(self, rows: int, features: int, most: float) -> int:
        """A step is the gradient of the sum over rows by this power of two: at most ``rate / rows``."""
        # The gradient changes by no more than this where all weights together change by 1.
        steepest = self._curvature * (features * most**2 + self.fit_intercept) + self.alpha
        rate = 1 / steepest if self.rate is None else self.rate
        if not rate > 0:
            raise ValueError("rate must be above 0")
        return max(0, math.ceil(-math.log2(rate / rows)))

    def fit(self, X: Any, y: Any) -> Self:
        """Fits the weights to rows ``X`` of features and their targets ``y``."""
        X, y = _matrix(X), as_array(y)
        rows, features = X.shape
        if y.shape != (rows,):
            raise ValueError(f"y has the shape {y.shape}; X has {rows} rows")
        if rows == 0 or features == 0:
            raise ValueError("there is nothing to fit: X has no cells")
        y = cast(y, FLOAT64)
        digits = self._digits(rows, features, _largest(X))
        weights, intercept = np.zeros(features), np.zeros(())
        turned = X.T
        for step in range(self.steps):
            # Before the first step all weights are 0.
            predictor = X @ weights + intercept if step else np.zeros(rows)
            residual = self._link(predictor) - y
            weights = self._moved(weights, turned @ residual, digits, self.alpha, rows)
            if self.fit_intercept:
                intercept = self._moved(intercept, residual.sum(), digits, 0, rows)
        self.coef_, self.intercept_ = as_array(weights), as_array(intercept)
        self.n_features_in_ = features
        return self

    def _moved(self, weights: Any, gradient: Any, digits: int, alpha: float, rows: int) -> Array:
        moved = weights - _scaled(gradient, digits)
        if alpha:
            moved = moved - weights * (alpha * rows * 2.0**-digits)
        return moved.assume(-self.bound, self.bound)

    def _predictor(self, X: Any) -> Any:
        if not hasattr(self, "coef_"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit")
        X = _matrix(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {X.shape[1]} features; the model was fitted on {self.n_features_in_}")
        return X @ self.coef_ + self.intercept_


class LinearRegression(_Model):
    """Least squares."""

    def __init__(
        self, *, fit_intercept: bool = True, steps: int = 50, rate: float | None = None, bound: float = 16.0
    ) -> None:
        super().__init__(alpha=0.0, fit_intercept=fit_intercept, steps=steps, rate=rate, bound=bound)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        params = super().get_params(deep)
        del params["alpha"]
        return params

    def predict(self, X: Any) -> Any:
        """The predictions for rows of features."""
        return self._predictor(X)

    def score(self, X: Any, y: Any) -> Any:
        """The coefficient of determination: 1 less the share of the targets' variance that is left.

        It squares what the error bound leaves possible, so that a model of more than some 20 steps has none
        (``OverflowError``): reveal its predictions, or their errors, instead.
        """
        y = cast(as_array(y), FLOAT64)
        left = y - self._predictor(X)
        return 1 - np.mean(left * left) / np.var(y)


class Ridge(_Model):
    """Least squares with ``alpha`` times the mean square of a row's loss for large weights (not for the intercept).

    ``alpha`` is that of the loss ``mean((y - X w)^2) / 2 + alpha / 2 * |w|^2``; scikit-learn's is that times the rows.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        steps: int = 50,
        rate: float | None = None,
        bound: float = 16.0,
    ) -> None:
        super().__init__(alpha=alpha, fit_intercept=fit_intercept, steps=steps, rate=rate, bound=bound)

    predict = LinearRegression.predict
    score = LinearRegression.score


class LogisticRegression(_Model):
    """The probability of one of two classes, 0 and 1, from a weighted sum of the features."""

    _curvature = 0.25

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        steps: int = 50,
        rate: float | None = None,
        bound: float = 16.0,
    ) -> None:
        super().__init__(alpha=alpha, fit_intercept=fit_intercept, steps=steps, rate=rate, bound=bound)

    def _link(self, predictor: Any) -> Any:
        return tnp.sigmoid(predictor)

    def decision_function(self, X: Any) -> Any:
        """The weighted sums."""
        return self._predictor(X)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities of class 0 and of class 1, ``[rows, 2]``."""
        one = tnp.sigmoid(self._predictor(X))
        return np.stack([1 - one, one], axis=1)

    def predict(self, X: Any) -> Any:
        """Whether class 1 is the likelier one."""
        return self._predictor(X) > 0

    def score(self, X: Any, y: Any) -> Any:
        """The share of rows whose class is predicted."""
        return np.mean(self.predict(X) == cast(as_array(y), np.dtype(bool)))


def _matrix(X: Any) -> Array:
    X = as_array(X)
    if X.ndim != 2:
        raise ValueError(f"X has the shape {X.shape}; it takes rows of features")
    return cast(X, FLOAT64)


def _largest(X: Array) -> float:
    """The largest magnitude in the declared range."""
    found = X._lazy.range
    return 1.0 if found is None else max(1e-3, *(abs(float(bound)) for bound in found))


def _scaled(x: Any, digits: int) -> Any:
    """``x / 2^digits``."""
    while digits > 0:
        taken = min(digits, DIGITS)
        x, digits = x / 2.0**taken, digits - taken
    return x
