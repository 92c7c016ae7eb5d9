"""Sums, means, extremes and what runs along an axis, with NumPy's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _ops
from ._arguments import NONE, axes_of, axis_of, handles, is_given, keeps, mask_of, no_out, number
from ._array import Array
from ._ops import BOOL, FLOAT64, INT64, as_array, binary, cast, not_there


def _axes(axis: Any, ndim: int) -> list[int]:
    """The axes of a reduction; as in NumPy, an array without axes takes its first or last one too."""
    return [] if ndim == 0 and axis in (0, -1) else axes_of(axis, ndim)


def _with_initial(result: Array, initial: Any, join: Callable[[Any, Any], Array]) -> Array:
    if not is_given(initial):
        return result
    return join(result, np.asarray(initial, result.dtype))


def _reduced(function: str, value: Array, axis: Any, keepdims: Any, mask: Array | None) -> Array:
    """A reduction with NumPy's rules for axes and undefined cells."""
    keep = keeps(keepdims)
    axes = _axes(axis, value.ndim)
    if value.ndim and not axes:
        return value if function != "count" else _ops.full(value.shape, 1)
    result = _ops.reduce(function, value, axes, keep, mask)
    spread = _ops.undefined_where_any_is(value, axes, keep, mask)
    if spread is None:
        return result
    if result.dtype != FLOAT64:
        spread = cast(spread != 0, INT64)
    return binary("add", result, spread)


@handles(np.sum)
def _sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=NONE, where=True):
    no_out(out)
    value = as_array(a)
    result = _reduced("sum", number(value, dtype), axis, keepdims, mask_of(where, value.shape))
    return _with_initial(result, initial, np.add)


@handles(np.mean)
def _mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
    no_out(out)
    value = number(as_array(a), dtype)
    _not_empty("mean", value, axis)
    return cast(_reduced("mean", value, axis, keepdims, mask_of(where, value.shape)), FLOAT64)


def _not_empty(what: str, value: Array, axis: Any) -> None:
    if any(value.shape[one] == 0 for one in axes_of(axis, value.ndim)):
        raise ValueError(f"{what} of no cells: the axis has size 0")


def _extreme(function: str, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, mask: Any) -> Array:
    no_out(out)
    value = as_array(a)
    join = np.maximum if function == "max" else np.minimum
    chosen = mask_of(mask, value.shape)
    given = is_given(initial)
    if chosen is not None and not given:
        raise ValueError(f"reduction with a `where` mask takes an initial value, as np.{function} of NumPy does")
    if chosen is not None:
        value, chosen = _ops.where(chosen, value, as_array(np.asarray(initial, value.dtype))), None
    if value.dtype == BOOL:
        result = (_any if function == "max" else _all)(value, axis, None, keepdims)
    elif any(value.shape[one] == 0 for one in _axes(axis, value.ndim)):
        if not given:
            raise ValueError(f"zero-size array to reduction operation {function}imum which has no identity")
        shape = np.sum(np.empty(value.shape), axis=axis, keepdims=keeps(keepdims)).shape
        return _ops.known(_ops.full(shape, np.asarray(initial, value.dtype)), value)
    else:
        result = _reduced(function, value, axis, keepdims, None)
    return _with_initial(result, initial, join)


@handles(np.max, np.amax)
def _max(a, axis=None, out=None, keepdims=False, initial=NONE, where=True):
    return _extreme("max", a, axis, out, keepdims, initial, where)


@handles(np.min, np.amin)
def _min(a, axis=None, out=None, keepdims=False, initial=NONE, where=True):
    return _extreme("min", a, axis, out, keepdims, initial, where)


@handles(np.ptp)
def _ptp(a, axis=None, out=None, keepdims=False):
    no_out(out)
    value = as_array(a)
    return _max(value, axis, None, keepdims) - _min(value, axis, None, keepdims)


@handles(np.argmax)
def _argmax(a, axis=None, out=None, *, keepdims=False):
    no_out(out)
    value = number(as_array(a))
    keep = keeps(keepdims)
    axis = None if value.ndim == 0 and axis in (0, -1) else axis
    flat = _ops.reshape(value, [value.size]) if axis is None else value
    along = 0 if axis is None else axis_of(int(axis), value.ndim)
    if flat.shape[along] == 0:
        raise ValueError("attempt to get argmax of an empty sequence")
    result = _reduced("argmax", flat, along, keep and axis is not None, None)
    return _ops.reshape(result, [1] * value.ndim) if keep and axis is None else result


@handles(np.argmin)
def _argmin(a, axis=None, out=None, *, keepdims=False):
    return _argmax(-number(as_array(a)), axis, out, keepdims=keepdims)


@handles(np.any)
def _any(a, axis=None, out=None, keepdims=False, *, where=True):
    no_out(out)
    value = cast(as_array(a), BOOL)
    return _reduced("sum", value, axis, keepdims, mask_of(where, value.shape)) > 0


@handles(np.all)
def _all(a, axis=None, out=None, keepdims=False, *, where=True):
    return ~_any(~cast(as_array(a), BOOL), axis, out, keepdims, where=where)


@handles(np.count_nonzero)
def _count_nonzero(a, axis=None, *, keepdims=False):
    return _reduced("sum", cast(as_array(a), BOOL), axis, keepdims, None)


@handles(np.prod)
def _prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=NONE, where=True):
    no_out(out)
    value = number(as_array(a), dtype)
    mask = mask_of(where, value.shape)
    if mask is not None:
        value = _ops.where(mask, value, as_array(np.ones((), value.dtype)))
    axes = _axes(axis, value.ndim)
    for one in axes:
        if value.shape[one] == 0:
            shape = [1 if at in axes else size for at, size in enumerate(value.shape)]
            value = _ops.known(_ops.full(shape, np.ones((), value.dtype)), value)
            break
        value = _ops.tree(np.multiply, value, one)
    if not keeps(keepdims):
        value = _ops.reshape(value, [size for at, size in enumerate(value.shape) if at not in axes])
    return _with_initial(value, initial, np.multiply)


def _accumulated(function: Callable[..., Array], value: Array, axis: int) -> Array:
    """What comes before each cell, joined with it: in as many steps as the size has binary digits."""
    size = value.shape[axis]
    far = 1
    while far < size:
        joined = function(_ops.part(value, axis, far, size), _ops.part(value, axis, 0, size - far))
        value = _ops.concatenate([_ops.part(value, axis, 0, far), joined], axis)
        far *= 2
    return value


def _cumulative(function: Callable[..., Array], a: Any, axis: Any, dtype: Any, out: Any) -> Array:
    no_out(out)
    value = number(as_array(a), dtype)
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    along = axis_of(int(axis), value.ndim)
    if function is np.add and not value._lazy.nullable:
        return _ops.along("cumsum", value, along)
    return _accumulated(function, value, along)


@handles(np.cumsum)
def _cumsum(a, axis=None, dtype=None, out=None):
    return _cumulative(np.add, a, axis, dtype, out)


def _cumulative_along(function: Callable[..., Array]) -> Callable[..., Array]:
    """What NumPy 2.1 has of running sums and products."""

    def run(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
        value = as_array(x)
        if axis is None and value.ndim != 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        if include_initial:
            raise not_there("running sums and products with `include_initial`", "concatenate 0 or 1 before")
        return _cumulative(function, value, 0 if axis is None else axis, dtype, out)

    return run


if hasattr(np, "cumulative_sum"):
    handles(np.cumulative_sum)(_cumulative_along(np.add))
    handles(np.cumulative_prod)(_cumulative_along(np.multiply))


@handles(np.cumprod)
def _cumprod(a, axis=None, dtype=None, out=None):
    return _cumulative(np.multiply, a, axis, dtype, out)


@handles(np.var)
def _var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True):
    no_out(out)
    value = number(as_array(a), dtype)
    _not_empty("variance", value, axis)
    mask = mask_of(where, value.shape)
    if mask is not None and ddof:
        raise not_there("np.var with `where` and `ddof`", "leave ddof at 0")
    axes = _axes(axis, value.ndim)
    if value.ndim and not axes:
        return cast(value, FLOAT64) * 0
    result = cast(_reduced("var", value, axis, keepdims, mask), FLOAT64)
    if not ddof:
        return result
    count = int(np.prod([value.shape[one] for one in axes], dtype=int))
    if count <= ddof:
        raise ValueError("Degrees of freedom <= 0 for slice")
    return result * count / (count - ddof)


@handles(np.std)
def _std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True):
    return np.sqrt(_var(a, axis, dtype, out, ddof, keepdims, where=where))


@handles(np.average)
def _average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    value = number(as_array(a))
    if weights is None:
        result = _mean(value, axis, keepdims=keepdims)
        total = _ops.known(_ops.full(result.shape, value.size / max(result.size, 1)), value)
        return (result, total) if returned else result
    weights = weights if isinstance(weights, Array) else np.asarray(weights)
    if weights.shape != value.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        along = axis_of(int(axis), value.ndim)
        if weights.ndim != 1 or weights.shape[0] != value.shape[along]:
            raise ValueError("Length of weights not compatible with specified axis.")
        weights = weights.reshape([-1 if one == along else 1 for one in range(value.ndim)])
        weights = (
            _ops.broadcast_to(weights, value.shape)
            if isinstance(weights, Array)
            else np.broadcast_to(weights, value.shape)
        )
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    if not isinstance(total, Array) and np.any(total == 0):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    result = _sum(value * weights, axis, keepdims=keepdims) / total
    return (result, _ops.broadcast_to(as_array(total), result.shape)) if returned else result


@handles(np.diff)
def _diff(a, n=1, axis=-1, prepend=np._NoValue, append=np._NoValue):
    value = as_array(a)
    along = axis_of(int(axis), value.ndim)
    for extra, first in ((prepend, True), (append, False)):
        if is_given(extra):
            shape = list(value.shape)
            shape[along] = 1
            extra = as_array(extra)
            extra = _ops.broadcast_to(extra, shape) if extra.ndim == 0 else extra
            value = np.concatenate([extra, value] if first else [value, extra], along)
    function = np.not_equal if value.dtype == BOOL else np.subtract
    for _ in range(int(n)):
        size = value.shape[along]
        value = function(_ops.part(value, along, min(1, size), size), _ops.part(value, along, 0, max(size - 1, 0)))
    return value
