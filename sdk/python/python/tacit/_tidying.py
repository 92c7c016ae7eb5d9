"""What is left of cells that are undefined: NumPy's functions that ignore NaN, and those that find it."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _ops
from ._arguments import NONE, axes_of, axis_of, handles, keeps, no_out, number
from ._array import Array
from ._ops import FLOAT64, INT64, as_array, cast, not_there, where


def undefined(value: Array) -> Array:
    """Whether each cell is undefined, as a bool that is defined."""
    if not value._lazy.nullable:
        return value != value
    return _over("count", _ops.reshape(value, [*value.shape, 1]), -1, False) == 0


def _over(function: str, value: Array, axis: Any, keepdims: Any) -> Array:
    """A reduction of the engine's, in which undefined cells take no part."""
    axes = axes_of(axis, value.ndim)
    return _ops.reduce(function, value, axes, keeps(keepdims), None) if axes else value


def filled(value: Array, other: Any) -> Array:
    """The cells, and ``other`` in place of undefined ones."""
    if not value._lazy.nullable:
        return value
    # A sum over one cell counts an undefined one as 0.
    cells = _over("sum", _ops.reshape(value, [*value.shape, 1]), -1, False)
    return cells if np.all(np.asarray(other) == 0) else where(undefined(value), as_array(other), cells)


@handles(np.nan_to_num)
def _nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """Undefined cells, as a division by 0 leaves them, are replaced; others are finite. Exact."""
    del copy, posinf, neginf  # Cells are finite.
    value = as_array(x)
    return filled(value, np.asarray(nan).astype(value.dtype))


@handles(np.nansum)
def _nansum(a, axis=None, dtype=None, out=None, keepdims=False, initial=NONE, where=True):
    return np.sum(filled(number(as_array(a), dtype), 0), axis, None, out, keepdims, initial, where)


@handles(np.nanprod)
def _nanprod(a, axis=None, dtype=None, out=None, keepdims=False, initial=NONE, where=True):
    return np.prod(filled(number(as_array(a), dtype), 1), axis, None, out, keepdims, initial, where)


@handles(np.nancumsum)
def _nancumsum(a, axis=None, dtype=None, out=None):
    return np.cumsum(filled(number(as_array(a), dtype), 0), axis, None, out)


@handles(np.nancumprod)
def _nancumprod(a, axis=None, dtype=None, out=None):
    return np.cumprod(filled(number(as_array(a), dtype), 1), axis, None, out)


def _some(a: Any, axis: Any, out: Any, where: Any, what: str) -> Array:
    """The array of a reduction that is undefined where there is nothing to reduce."""
    no_out(out)
    if where is not True:
        raise not_there(f"{what} with `where`", "use np.where before")
    value = number(as_array(a))
    if any(value.shape[one] == 0 for one in axes_of(axis, value.ndim)):
        raise ValueError(f"{what} of no cells: the axis has size 0")
    return value


@handles(np.nanmean)
def _nanmean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
    value = _some(a, axis, out, where, "np.nanmean")
    return cast(_over("mean", number(value, dtype), axis, keepdims), FLOAT64)


@handles(np.nanmax)
def _nanmax(a, axis=None, out=None, keepdims=False, initial=NONE, where=True):
    if initial is not NONE:
        raise not_there("np.nanmax with `initial`", "use np.maximum after")
    return _over("max", _some(a, axis, out, where, "np.nanmax"), axis, keepdims)


@handles(np.nanmin)
def _nanmin(a, axis=None, out=None, keepdims=False, initial=NONE, where=True):
    if initial is not NONE:
        raise not_there("np.nanmin with `initial`", "use np.minimum after")
    return _over("min", _some(a, axis, out, where, "np.nanmin"), axis, keepdims)


@handles(np.nanargmax)
def _nanargmax(a, axis=None, out=None, *, keepdims=False):
    """Undefined where all cells are, where NumPy raises."""
    value = _some(a, axis, out, True, "np.nanargmax")
    flat = _ops.reshape(value, [value.size]) if axis is None else value
    along = 0 if axis is None else axis_of(int(axis), value.ndim)
    result = _over("argmax", flat, along, keeps(keepdims) and axis is not None)
    return _ops.reshape(result, [1] * value.ndim) if keeps(keepdims) and axis is None else result


@handles(np.nanargmin)
def _nanargmin(a, axis=None, out=None, *, keepdims=False):
    return _nanargmax(-number(as_array(a)), axis, out, keepdims=keepdims)


@handles(np.nanvar)
def _nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True):
    value = cast(number(_some(a, axis, out, where, "np.nanvar"), dtype), FLOAT64)
    away = value - _over("mean", value, axis, True)
    if not ddof:
        return _over("mean", away * away, axis, keepdims)
    count = _over("count", value, axis, keepdims)
    free = cast(count, INT64) - int(ddof)
    # Too few cells: a quotient by 0.
    return _over("sum", away * away, axis, keepdims) / np.maximum(free, 0)


@handles(np.nanstd)
def _nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True):
    return np.sqrt(_nanvar(a, axis, dtype, out, ddof, keepdims, where=where))
