"""Choices between cells, limits, and comparisons of whole arrays."""

from __future__ import annotations

import numpy as np

from . import _ops
from ._arguments import NONE, handles, is_given, no_out, number
from ._array import Array
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
    return np.all(a1 == a2) if a1.shape == a2.shape else _ops.known(False, a1, a2)


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
    if decimals < 0:
        raise not_there("np.round to tens", "divide by a power of ten around np.rint")
    return np.rint(value * 10**decimals) / 10**decimals if decimals else np.rint(value)


@handles(np.fix)
def _fix(x, out=None):
    no_out(out)
    return np.trunc(x)


@handles(np.piecewise)
def _piecewise(x, condlist, funclist, *args, **kw):
    """Every function is called on all cells, as which of them count is secret."""
    value = as_array(x)
    single = not isinstance(condlist, (list, tuple)) and np.ndim(condlist) <= value.ndim
    conditions = [as_array(condition) for condition in ([condlist] if single else condlist)]
    functions = list(funclist)
    if len(functions) not in (len(conditions), len(conditions) + 1):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are expected"
        )
    otherwise = functions.pop() if len(functions) > len(conditions) else 0
    called = lambda function: function(value, *args, **kw) if callable(function) else function
    result = called(otherwise)
    # Of several conditions that hold the last one counts.
    for condition, function in zip(conditions, functions, strict=True):
        result = _where(condition, called(function), result)
    found = as_array(result)
    if not np.can_cast(found.dtype, value.dtype):
        raise not_there(f"np.piecewise with {found.dtype} results of {value.dtype} cells", "cast the array first")
    return _ops.broadcast_to(cast(found, value.dtype), value.shape)


@handles(np.choose)
def _choose(a, choices, out=None, mode="raise"):
    """The choices are promised to be as many as the indices need."""
    no_out(out)
    if mode != "raise":
        raise not_there(f"np.choose with mode={mode!r}", "bring the indices within bounds first")
    index = number(as_array(a)).assume(0, len(choices) - 1)
    result = choices[0]
    for place in range(1, len(choices)):
        result = _where(index == place, choices[place], result)
    shape = np.broadcast_shapes(index.shape, *(np.shape(choice) for choice in choices))
    return _ops.broadcast_to(as_array(result), shape)


@handles(np.compress)
def _compress(condition, a, axis=None, out=None):
    no_out(out)
    if isinstance(condition, Array):
        raise not_there("np.compress by a secret condition", "use tacit.numpy.filter(mask, x, size=...)")
    value = as_array(a)
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    return np.take(value, np.flatnonzero(condition), axis)


@handles(np.array_equiv)
def _array_equiv(a1, a2):
    a1, a2 = as_array(a1), as_array(a2)
    try:
        np.broadcast_shapes(a1.shape, a2.shape)
    except ValueError:
        return _ops.known(False, a1, a2)
    return np.all(a1 == a2)
