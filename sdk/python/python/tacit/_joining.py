"""Joining, splitting, repeating and moving cells."""

from __future__ import annotations

import numpy as np

from . import _ops, _public
from ._arguments import axes_of, axis_of, handles, no_out
from ._array import Array
from ._ops import as_array, cast, not_there
from ._shapes import _atleast_1d, _atleast_2d, _expand_dims


@handles(np.concatenate)
def _concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind"):
    no_out(out)
    del casting
    arrays = [as_array(array) for array in arrays]
    if not arrays:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        arrays, axis = [_ops.reshape(array, [array.size]) for array in arrays], 0
    if any(array.ndim == 0 for array in arrays):
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    along = axis_of(int(axis), arrays[0].ndim)
    rest = {(array.ndim, array.shape[:along] + array.shape[along + 1 :]) for array in arrays}
    if len(rest) > 1:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(
            f"all the input array dimensions except for the concatenation axis must match exactly: {shapes}"
        )
    result = _ops.concatenate(arrays, along)
    return result if dtype is None else cast(result, _public.dtype(dtype))


@handles(np.stack)
def _stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    arrays = [as_array(array) for array in arrays]
    if len({array.shape for array in arrays}) != 1:
        raise ValueError("all input arrays must have the same shape" if arrays else "need at least one array to stack")
    along = axis_of(int(axis), arrays[0].ndim + 1)
    return _concatenate([_expand_dims(array, along) for array in arrays], along, out, dtype=dtype, casting=casting)


@handles(np.vstack)
def _vstack(tup, *, dtype=None, casting="same_kind"):
    return _concatenate([_atleast_2d(array) for array in tup], 0, dtype=dtype, casting=casting)


@handles(np.hstack)
def _hstack(tup, *, dtype=None, casting="same_kind"):
    arrays = [_atleast_1d(array) for array in tup]
    return _concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@handles(np.dstack)
def _dstack(tup):
    deep = lambda x: x if x.ndim > 2 else _expand_dims(_atleast_2d(x) if x.ndim < 2 else x, 2)
    return _concatenate([deep(as_array(array)) for array in tup], 2)


@handles(np.column_stack)
def _column_stack(tup):
    columns = [array if array.ndim > 1 else _ops.reshape(array, [array.size, 1]) for array in map(as_array, tup)]
    return _concatenate(columns, 1)


@handles(np.append)
def _append(arr, values, axis=None):
    return _concatenate([as_array(arr), as_array(values)], axis)


@handles(np.array_split)
def _array_split(ary, indices_or_sections, axis=0):
    value = as_array(ary)
    along = axis_of(int(axis), value.ndim)
    size = value.shape[along]
    if np.ndim(indices_or_sections) == 0:
        sections = int(indices_or_sections)
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, extra = divmod(size, sections)
        cuts = np.cumsum([0] + [each + 1] * extra + [each] * (sections - extra)).tolist()
    else:
        cuts = [0, *(int(cut) for cut in indices_or_sections), size]
    key = lambda start, stop: (slice(None),) * along + (slice(start, stop),)
    return [value[key(start, stop)] for start, stop in zip(cuts, cuts[1:], strict=False)]


@handles(np.split)
def _split(ary, indices_or_sections, axis=0):
    value = as_array(ary)
    if np.ndim(indices_or_sections) == 0 and value.shape[axis_of(int(axis), value.ndim)] % int(indices_or_sections):
        raise ValueError("array split does not result in an equal division")
    return _array_split(value, indices_or_sections, axis)


@handles(np.repeat)
def _repeat(a, repeats, axis=None):
    value = as_array(a)
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    along = axis_of(int(axis), value.ndim)
    if np.ndim(repeats) == 0 or np.size(repeats) == 1:
        times = int(np.asarray(repeats).reshape(()))
        wide = _expand_dims(value, along + 1)
        shape = list(wide.shape)
        shape[along + 1] = times
        return _ops.reshape(
            _ops.broadcast_to(wide, shape),
            [*value.shape[:along], value.shape[along] * times, *value.shape[along + 1 :]],
        )
    return _ops.take(value, along, np.repeat(np.arange(value.shape[along]), repeats))


@handles(np.tile)
def _tile(A, reps):
    value = as_array(A)
    reps = [int(rep) for rep in (reps if np.ndim(reps) else [reps])]
    ndim = max(value.ndim, len(reps))
    sizes = [1] * (ndim - value.ndim) + list(value.shape)
    reps = [1] * (ndim - len(reps)) + reps
    pairs = [size for rep, size in zip(reps, sizes, strict=True) for size in (1, size)]
    wide = [size for rep, size in zip(reps, sizes, strict=True) for size in (rep, size)]
    if len(pairs) > 8:
        raise not_there("np.tile of so many axes", "tile one axis after the other")
    spread = _ops.broadcast_to(_ops.reshape(value, pairs), wide)
    return _ops.reshape(spread, [rep * size for rep, size in zip(reps, sizes, strict=True)])


@handles(np.roll)
def _roll(a, shift, axis=None):
    value = as_array(a)
    if axis is None:
        return _ops.reshape(_roll(_ops.reshape(value, [value.size]), shift, 0), value.shape)
    axes, shifts = np.broadcast_arrays(np.atleast_1d(axis), np.atleast_1d(shift))
    for one, by in zip(axes.tolist(), shifts.tolist(), strict=True):
        along = axis_of(int(one), value.ndim)
        size = value.shape[along]
        if size and by % size:
            cut = size - by % size
            value = _ops.concatenate([_ops.part(value, along, cut, size), _ops.part(value, along, 0, cut)], along)
    return value


@handles(np.flip)
def _flip(m, axis=None):
    value = as_array(m)
    for along in axes_of(axis, value.ndim):
        value = _ops.along("flip", value, along)
    return value


@handles(np.flipud)
def _flipud(m):
    return _flip(m, 0)


@handles(np.fliplr)
def _fliplr(m):
    return _flip(m, 1)


@handles(np.take)
def _take(a, indices, axis=None, out=None, mode="raise"):
    no_out(out)
    value = as_array(a)
    if mode != "raise":
        raise not_there(f"np.take with mode={mode!r}", "bring the places within bounds first")
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    along = axis_of(int(axis), value.ndim)
    places = indices if isinstance(indices, Array) else np.asarray(indices)
    return value[(slice(None),) * along + (places if places.ndim else int(places),)]


@handles(np.pad)
def _pad(array, pad_width, mode="constant", constant_values=0):
    value = as_array(array)
    if mode != "constant" or np.ndim(constant_values):
        raise not_there(f"np.pad with mode={mode!r}", "pad with one constant")
    widths = np.broadcast_to(np.asarray(pad_width, dtype=int), (value.ndim, 2)).tolist()
    for along, (before, after) in enumerate(widths):
        if min(before, after) < 0:
            raise ValueError("index can't contain negative values")
        shape = list(value.shape)
        parts = []
        for count in (before, None, after):
            shape[along] = count if count is not None else value.shape[along]
            parts.append(value if count is None else _ops.full(shape, np.asarray(constant_values, value.dtype)))
        value = _ops.concatenate([part for part in parts if part.shape[along]] or [value], along)
    return value


def _split_along(name, axis, least):
    def split(ary, indices_or_sections):
        value = as_array(ary)
        if value.ndim < least:
            raise ValueError(f"{name} only works on arrays of {least} or more dimensions")
        return _split(value, indices_or_sections, min(axis, value.ndim - 1))

    return split


handles(np.hsplit)(_split_along("hsplit", 1, 1))
handles(np.vsplit)(_split_along("vsplit", 0, 2))
handles(np.dsplit)(_split_along("dsplit", 2, 3))


if hasattr(np, "unstack"):

    @handles(np.unstack)
    def _unstack(x, /, *, axis=0):
        value = as_array(x)
        if not value.ndim:
            raise ValueError("Input array must be at least 1-d.")
        return tuple(np.moveaxis(value, axis, 0))


@handles(np.block)
def _block(arrays):
    def depth(nested):
        return 1 + max(map(depth, nested)) if isinstance(nested, list) else 0

    def joined(nested, axis, ndim):
        if not isinstance(nested, list):
            value = as_array(nested)
            return _ops.reshape(value, [1] * (ndim - value.ndim) + list(value.shape))
        if not nested:
            raise ValueError("List at arrays cannot be empty")
        return _concatenate([joined(one, axis + 1, ndim) for one in nested], axis)

    def leaves(nested):
        return [leaf for one in nested for leaf in leaves(one)] if isinstance(nested, list) else [nested]

    deep = depth(arrays)
    ndim = max(deep, *(np.ndim(leaf) for leaf in leaves(arrays)), 0)
    return joined(arrays, ndim - deep, ndim)


@handles(np.delete)
def _delete(arr, obj, axis=None):
    value = as_array(arr)
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    along = axis_of(int(axis), value.ndim)
    return _ops.take(value, along, np.delete(np.arange(value.shape[along]), obj))


@handles(np.insert)
def _insert(arr, obj, values, axis=None):
    value = as_array(arr)
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    if np.ndim(obj):
        raise not_there("np.insert at several places", "insert one after the other")
    along = axis_of(int(axis), value.ndim)
    size = value.shape[along]
    at = int(obj) + size if int(obj) < 0 else int(obj)
    if not 0 <= at <= size:
        raise IndexError(f"index {obj} is out of bounds for axis {axis} with size {size}")
    new = cast(as_array(values), value.dtype)
    # As in NumPy, one place takes a row as it is, or cells along the axis.
    if new.ndim == value.ndim:
        shape = [*value.shape[:along], new.shape[along], *value.shape[along + 1 :]]
    elif value.ndim == 1:
        shape = [max(new.size, 1)]
    else:
        shape = [*value.shape[:along], 1, *value.shape[along + 1 :]]
        new = np.moveaxis(_ops.reshape(new, [1] * (value.ndim - new.ndim) + list(new.shape)), 0, along)
    new = _ops.broadcast_to(new, shape)
    parts = [_ops.part(value, along, 0, at), new, _ops.part(value, along, at, size)]
    return _ops.concatenate([part for part in parts if part.shape[along]] or [value], along)
