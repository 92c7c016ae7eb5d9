"""Choices between cells, limits, and comparisons of whole arrays."""

from __future__ import annotations

import numpy as np

from ._arguments import NONE, handles, is_given, no_out
from ._ops import FLOAT64, as_array, cast, not_there, promoted, where


@handles(np.where)
def _where(condition, x=NONE, y=NONE):
    if x is NONE or y is NONE:
        raise not_there(
            "np.where with one argument", "which cells hold is secret; use three arguments, or np.count_nonzero"
        )
    result = where(as_array(condition), as_array(x), as_array(y))
    return cast(result, promoted(x, y))


@handles(np.select)
def _select(condlist, choicelist, default=0):
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = _where(condition, choice, result)
    return result


@handles(np.clip)
def _clip(a, a_min=NONE, a_max=NONE, out=None, *, min=NONE, max=NONE):
    no_out(out)
    low, high = (a_min if min is NONE else min), (a_max if max is NONE else max)
    result = as_array(a)
    if is_given(low):
        result = np.maximum(result, low)
    if is_given(high):
        result = np.minimum(result, high)
    return result


@handles(np.isclose)
def _isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    del equal_nan  # Cells are numbers.
    return np.absolute(as_array(a) - as_array(b)) <= atol + rtol * np.absolute(as_array(b))


@handles(np.allclose)
def _allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    return np.all(_isclose(a, b, rtol, atol, equal_nan))


@handles(np.array_equal)
def _array_equal(a1, a2, equal_nan=False):
    del equal_nan
    a1, a2 = as_array(a1), as_array(a2)
    return np.all(a1 == a2) if a1.shape == a2.shape else as_array(np.False_)


@handles(np.tril)
def _tril(m, k=0):
    value = as_array(m)
    return where(as_array(np.tri(*value.shape[-2:], k=k, dtype=bool)), value, as_array(np.zeros((), value.dtype)))


@handles(np.triu)
def _triu(m, k=0):
    value = as_array(m)
    return where(as_array(np.tri(*value.shape[-2:], k=k - 1, dtype=bool)), as_array(np.zeros((), value.dtype)), value)


@handles(np.round, np.around)
def _round(a, decimals=0, out=None):
    no_out(out)
    value = as_array(a)
    if value.dtype != FLOAT64 and decimals >= 0:
        return value
    if decimals:
        raise not_there("np.round to digits", "scale by a power of ten around np.rint")
    return np.rint(value)
