"""Sorting, and what follows from sorted cells; windows, and products with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import _ops
from ._arguments import axis_of, handles, keeps, no_out, number
from ._array import Array
from ._compaction import sorted_rows
from ._ops import as_array, cast, not_there, operand


def _along(value: Array, axis: Any) -> tuple[Array, int]:
    """The array and the axis; without one, all cells on one axis."""
    if axis is None:
        return _ops.reshape(value, [value.size]), 0
    return value, axis_of(int(axis), value.ndim)


@handles(np.sort)
def _sort(a, axis=-1, kind=None, order=None, *, stable=None):
    del kind, stable  # Always stable.
    if order is not None:
        raise not_there("the argument `order`", "secret arrays have no fields")
    value = as_array(a)
    along, at = _along(number(value), axis)
    return cast(_ops.along("sort", along, at), value.dtype)


@handles(np.argsort)
def _argsort(a, axis=-1, kind=None, order=None, *, stable=None):
    del kind, stable  # Always stable.
    if order is not None:
        raise not_there("the argument `order`", "secret arrays have no fields")
    value = number(as_array(a))
    # As in NumPy, a number is an array of one cell here.
    return _ops.along("argsort", *_along(value if value.ndim else _ops.reshape(value, [1]), axis))


@handles(np.partition)
def _partition(a, kth, axis=-1, kind="introselect", order=None):
    """All cells in order: a partition at any place."""
    del kth, kind
    return _sort(a, axis, order=order)


@handles(np.argpartition)
def _argpartition(a, kth, axis=-1, kind="introselect", order=None):
    """The places of all cells in order: a partition at any place."""
    del kth, kind
    return _argsort(a, axis, order=order)


@handles(np.lexsort)
def _lexsort(keys, axis=-1):
    """Keys on one axis. One sort where their ranges take up to 44 binary digits together, else one for each of such."""
    keys = [number(as_array(key)) for key in keys]
    if not keys or any(key.ndim != 1 or key.shape != keys[0].shape for key in keys) or axis not in (-1, 0):
        raise not_there("np.lexsort of other than keys on one axis", "sort one row of keys after the other")
    return sorted_rows([as_array(np.arange(keys[0].size))], keys[::-1])[0]


@handles(np.take_along_axis)
def _take_along_axis(arr, indices, axis=-1):
    """Indices may be secret, and are promised to be from 0: each is compared with each place."""
    value = as_array(arr)
    value, along = _along(value, axis)
    places = operand(indices)
    if places.ndim != value.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    size = value.shape[along]
    value, places = np.moveaxis(value, along, -1)[..., None, :], np.moveaxis(places, along, -1)
    if isinstance(places, Array):
        if places.dtype != _ops.INT64:
            raise IndexError("`indices` must be an integer array")
        places = places.assume(0, size - 1)
    elif np.any((places < -size) | (places >= size)):
        raise IndexError(f"indices are out of bounds for axis {axis} with size {size}")
    else:
        places = np.where(places < 0, places + size, places)
    hot = np.equal(places[..., None], np.arange(size))
    cells = cast(value, _ops.INT64) if value.dtype == _ops.BOOL else value
    found = np.sum(_ops.where(as_array(hot), cells, as_array(np.zeros((), cells.dtype))), axis=-1)
    found = _ops.within(found, cells)
    return np.moveaxis(cast(found, value.dtype) if value.dtype == _ops.BOOL else found, -1, along)


def top_k(x: Any, k: int, axis: int = -1) -> tuple[Array, Array]:
    """The ``k`` largest cells along an axis, the largest first, and their places (int64); of equal ones the first places.

    ``k`` is public. Costs two sorts of the axis, which run side by side.
    """
    value = number(as_array(x))
    along = axis_of(int(axis), value.ndim)
    if not 0 <= int(k) <= value.shape[along]:
        raise ValueError(f"k is from 0 to the {value.shape[along]} cells of the axis, not {k}")
    turned = -value
    ordered, places = (_ops.along(function, turned, along) for function in ("sort", "argsort"))
    return -_ops.part(ordered, along, 0, int(k)), _ops.part(places, along, 0, int(k))


@handles(np.quantile)
def _quantile(
    a,
    q,
    axis=None,
    out=None,
    overwrite_input=False,
    method="linear",
    keepdims=False,
    *,
    weights=None,
    interpolation=None,
):
    del overwrite_input
    no_out(out)
    if weights is not None or interpolation is not None:
        raise not_there("quantiles with `weights` or `interpolation`", "use `method`, without weights")
    if isinstance(q, Array):
        raise not_there("a secret quantile", "use public ones")
    if isinstance(axis, tuple):
        raise not_there("quantiles over several axes", "reshape them to one")
    value = number(as_array(a))
    along, at = _along(value, axis)
    size = along.shape[at]
    if size == 0:
        raise ValueError("quantile of no cells: the axis has size 0")
    # Where among sorted cells each quantile lies: NumPy's own, of cells that are their places.
    places = np.quantile(np.arange(size, dtype=np.float64), q, method=method)
    lower = np.floor(places).astype(np.int64)
    upper = np.minimum(lower + 1, size - 1)
    spread = _ops.undefined_where_any_is(along, [at], True, None)
    ordered = _ops.along("sort", along, at)
    found = _between(ordered, at, np.atleast_1d(lower), np.atleast_1d(upper), np.atleast_1d(places - lower))
    if spread is not None:
        found = found + spread
    # The quantiles' axes come first.
    found = _ops.transpose(found, [at, *(axis for axis in range(found.ndim) if axis != at)])
    rest = list(found.shape[1:])
    if keeps(keepdims):
        rest = [1] * value.ndim if axis is None else [*rest[:at], 1, *rest[at:]]
    return _ops.reshape(cast(found, _ops.FLOAT64), [*np.shape(q), *rest])


def _between(ordered: Array, axis: int, lower: np.ndarray, upper: np.ndarray, parts: np.ndarray) -> Array:
    """The cells of the places `lower`, and so much of the way to those of `upper`."""
    low = _ops.take(ordered, axis, lower)
    if not parts.any():
        return low
    shape = [len(parts) if at == axis else 1 for at in range(ordered.ndim)]
    return low + (_ops.take(ordered, axis, upper) - low) * parts.reshape(shape)


@handles(np.percentile)
def _percentile(a, q, *args, **kwargs):
    if isinstance(q, Array):
        raise not_there("a secret percentile", "use public ones")
    return _quantile(a, np.true_divide(q, 100), *args, **kwargs)


@handles(np.median)
def _median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    return _quantile(a, 0.5, axis, out, overwrite_input, keepdims=keepdims)


@handles(sliding_window_view)
def _windows(x, window_shape, axis=None, *, subok=False, writeable=False):
    del subok, writeable
    value = as_array(x)
    sizes = [int(size) for size in (window_shape if np.ndim(window_shape) else [window_shape])]
    axes = list(range(value.ndim)) if axis is None else [int(one) for one in (axis if np.ndim(axis) else [axis])]
    if len(sizes) != len(axes):
        raise ValueError("window_shape must have one size for each axis")
    for size, one in zip(sizes, axes, strict=True):
        value = _ops.windows(value, axis_of(one, value.ndim - len(value.shape[x.ndim :])), size)
    return value


def _padded(value: Array, before: int, after: int) -> Array:
    zeros = lambda count: _ops.full([count], np.zeros((), value.dtype))
    return _ops.concatenate([zeros(before), value, zeros(after)], 0)


@handles(np.correlate)
def _correlate(a, v, mode="valid"):
    first, second = number(as_array(a)), number(as_array(v))
    if first.ndim != 1 or second.ndim != 1:
        raise ValueError("object of too small or too large depth for desired array")
    if first.size == 0 or second.size == 0:
        raise ValueError("arrays must not be empty")
    if second.size > first.size:
        return _ops.along("flip", _correlate(second, first, mode), 0)
    size = second.size
    # How many zeros lie before and after the longer array.
    around = {"valid": (0, 0), "same": (size // 2, (size - 1) // 2), "full": (size - 1, size - 1)}
    if mode not in around:
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    padded = _padded(first, *around[mode]) if mode != "valid" else first
    return np.matmul(_ops.windows(padded, 0, size), v if not isinstance(v, Array) else second)


@handles(np.convolve)
def _convolve(a, v, mode="full"):
    if np.size(v) > np.size(a):
        a, v = v, a
    turned = _ops.along("flip", v, 0) if isinstance(v, Array) else np.asarray(v)[::-1]
    return _correlate(a, turned, mode)
