"""Features on one scale. What one party alone brought it scales on its own: give and take lists of blocks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._array import Array
from .._ops import FLOAT64, cast
from ._base import Estimator, between, blocks, positive, some, within

#: Digits that deviations gain before they are squared, so that small ones keep enough.
DIGITS = 9
#: A column whose variance is at most this is constant: a mean is rounded.
CONSTANT = 2.0**-32


class _Scaler(Estimator):
    """``(x - offset) / scale``, a column each."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Finds offset and scale of each column of ``X``, ``[rows, features]`` or a list of blocks of columns."""
        del y
        parts = [some(cast(part, FLOAT64)) for part in blocks(X)]
        self._columns = [self._found(part) for part in parts]
        self.n_features_in_ = sum(part.shape[1] for part in parts)
        return self

    def transform(self, X: Any) -> Any:
        """The scaled columns: a list of blocks where ``X`` is one, else one array."""
        self._check_fitted()
        parts = [cast(part, FLOAT64) for part in blocks(X)]
        columns = self._columns
        if len(parts) == 1:
            columns = [tuple(np.concatenate(of) if len(of) > 1 else of[0] for of in zip(*columns, strict=True))]
        if [part.shape[1] for part in parts] != [offset.shape[0] for offset, _ in columns]:
            found, fitted = ([of.shape[at] for of in which] for which, at in ((parts, 1), ([c[0] for c in columns], 0)))
            raise ValueError(f"X has blocks of {found} features; the scaler was fitted on {fitted}")
        moved = [self._moved(part, *of) for part, of in zip(parts, columns, strict=True)]
        return moved if isinstance(X, (list, tuple)) else moved[0]

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """``fit(X).transform(X)``."""
        return self.fit(X, y).transform(X)


class StandardScaler(_Scaler):
    """Columns with mean 0 and variance 1; constant ones become 0.

    ``bound`` is how many standard deviations a value may be from the mean at most. Variances down to 2^-32 are told from 0.
    *Cost*: a division a cell, of what no party has alone.
    """

    def __init__(self, *, bound: float = 16.0) -> None:
        self.bound = bound

    def _found(self, X: Array) -> tuple[Array, Array]:
        positive(bound=self.bound)
        mean = X.mean(axis=0)
        apart = (X - mean) * 2.0**DIGITS
        variance = np.mean(apart * apart, axis=0)
        constant = variance <= CONSTANT * 4.0**DIGITS
        return mean, np.sqrt(np.where(constant, 4.0**DIGITS, variance))

    def _moved(self, X: Array, mean: Array, scale: Array) -> Array:
        return within((X - mean) * 2.0**DIGITS / scale, self.bound)

    def inverse_transform(self, Z: Any) -> Any:
        """The columns that scaled ones, one array of them, stand for."""
        self._check_fitted()
        Z, (means, scales) = self._rows(Z), zip(*self._columns, strict=True)
        return Z * np.concatenate(scales) / 2.0**DIGITS + np.concatenate(means)


class MinMaxScaler(_Scaler):
    """Columns from 0 to 1; constant ones become 0.

    Rows other than those of the fit may be outside, down to -1 and up to 2; further ones raise ``OverflowError`` at the
    reveal, unless ``clip`` moves them to 0 and 1. *Cost*: least and largest values, and a division a cell, of what no
    party has alone.
    """

    def __init__(self, *, clip: bool = False) -> None:
        self.clip = clip

    def _found(self, X: Array) -> tuple[Array, Array]:
        least = X.min(axis=0)
        apart = X.max(axis=0) - least
        return least, np.where(apart > 0, apart, 1.0)

    def _moved(self, X: Array, least: Array, scale: Array) -> Array:
        apart = X - least
        if self.clip:
            return between(np.minimum(np.maximum(apart, 0), scale) / scale, 0, 1)
        return between(apart / scale, -1, 2)
