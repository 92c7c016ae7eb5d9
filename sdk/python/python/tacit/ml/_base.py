"""What all models have in common: parameters by name, and how their arguments are read."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from .._array import Array
from .._ops import FLOAT64, FRACTION_BITS, as_array, cast


class Estimator:
    """Parameters as scikit-learn has them: the arguments of ``__init__`` by name, kept as attributes of that name."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        del deep
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Sets parameters by name. Raises ``ValueError`` for one that there is not."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(self._names())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def _check_fitted(self) -> None:
        if not hasattr(self, "n_features_in_"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit")

    def _rows(self, X: Any) -> Array:
        """The rows that a fitted model is asked about."""
        self._check_fitted()
        X = matrix(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {X.shape[1]} features; the model was fitted on {self.n_features_in_}")
        return X


def blocks(X: Any) -> list[Array]:
    """The columns of ``X`` as the parties brought them: one array, or several side by side."""
    parts = [as_array(part) for part in (X if isinstance(X, (list, tuple)) else [X])]
    for part in parts:
        if part.ndim != 2 or part.shape[0] != parts[0].shape[0]:
            shapes = ", ".join(str(part.shape) for part in parts)
            raise ValueError(
                f"X has the shape {shapes}; it takes rows of features, or a list of blocks of their columns"
            )
    if not parts:
        raise ValueError("X is an empty list; it takes rows of features, or a list of blocks of their columns")
    return parts


def matrix(X: Any) -> Array:
    """Rows of features as float64."""
    parts = [cast(part, FLOAT64) for part in blocks(X)]
    return parts[0] if len(parts) == 1 else np.column_stack(parts)


def some(X: Array) -> Array:
    """What a fit takes: at least one row and one feature."""
    if X.size == 0:
        raise ValueError(f"there is nothing to fit: X has the shape {X.shape}")
    return X


def real(values: Any) -> Array | np.ndarray:
    """Values as float64, secret or plain as they are."""
    return cast(values, FLOAT64) if isinstance(values, Array) else np.asarray(values, dtype=np.float64)


def targets(y: Any, rows: int) -> Array:
    """One target a row."""
    y = as_array(y)
    if y.shape != (rows,):
        raise ValueError(f"y has the shape {y.shape}; X has {rows} rows")
    return y


def limits(x: Array) -> tuple[float, float]:
    """The declared range."""
    found = x.range
    return (0.0, 1.0) if found is None else (float(found[0]), float(found[1]))


def width(x: Array) -> float:
    """How far values are apart at most, and not 0."""
    lo, hi = limits(x)
    return max(hi - lo, 2.0**-10)


def largest(x: Array) -> float:
    """The largest magnitude of a value, and not 0."""
    return max(2.0**-10, *(abs(bound) for bound in limits(x)))


#: What promised bounds leave for rounding, as a part of their width, and at least.
MARGIN = 2.0**-10


def between(x: Array, lo: float, hi: float) -> Array:
    """The values, promised to be from ``lo`` to ``hi`` but for rounding."""
    margin = MARGIN * max(1.0, hi - lo)
    return x.assume(lo - margin, hi + margin)


def within(x: Array, most: float) -> Array:
    """The values, promised to be from minus to plus ``most`` but for rounding."""
    return between(x, -most, most)


def digits_of(factor: float) -> int:
    """The power of two at or above a positive number."""
    return math.ceil(math.log2(factor))


def scaled(x: Any, digits: int) -> Any:
    """``x / 2^digits``."""
    if digits < 0:
        return x * 2.0**-digits
    while digits > 0:
        taken = min(digits, FRACTION_BITS)
        x, digits = x / 2.0**taken, digits - taken
    return x


def positive(**numbers: float) -> None:
    """Refuses parameters that are not above 0."""
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be above 0")


def whole(**numbers: Any) -> None:
    """Refuses parameters that are no whole numbers from 1."""
    for name, value in numbers.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} is {value!r}; it must be a whole number, at least 1")


def one_of(name: str, value: Any, known: Sequence[str]) -> None:
    """Refuses a parameter that is none of those known."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, known))}")
