"""Parts of secret arrays at public places."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _ops
from ._array import Array
from ._errors import SecretTypeError
from ._ops import BOOL, as_array, not_there

#: How many pieces an array is put together from at most.
MOST_PIECES = 512


def take_part(value: Array, key: Any) -> Array:
    """``value[key]``: integers, slices, ``...``, ``None``, and one array of public places or bools."""
    if _is_array(key) and np.asarray(key).dtype == BOOL and np.ndim(key) > 1:
        mask = np.asarray(key)
        if mask.shape != value.shape:
            raise not_there("a mask of some axes among others", "index with a mask of the whole shape")
        return _ops.take(_ops.reshape(value, [value.size]), 0, np.flatnonzero(mask))
    places, fancy = _places(value, key)
    # Places along the axes first, from the last one, so that the axes before keep their numbers.
    taken = value
    axes: list[tuple[int, int, int]] = []
    backward: list[int] = []
    axis = 0
    for part in places:
        if part is None:
            continue
        size = value.shape[axis]
        if isinstance(part, int):
            axes.append((part, part + 1, 1))
        elif isinstance(part, range):
            start, stop, step = _ascending(part)
            axes.append((start, stop, step))
            if part.step < 0:
                backward.append(axis)
        else:
            axes.append((0, size, 1))
        axis += 1
    taken = _ops.slices(taken, axes)
    for axis in backward:
        taken = _ops.along("flip", taken, axis)
    shape: list[int] = []
    axis = 0
    fancy_axis = None
    for part in places:
        if part is None:
            shape.append(1)
            continue
        if isinstance(part, np.ndarray):
            fancy_axis = len(shape)
        if not isinstance(part, int):
            shape.append(taken.shape[axis])
        axis += 1
    taken = _ops.reshape(taken, shape)
    if fancy_axis is None:
        return taken
    found = _ops.take(taken, fancy_axis, fancy.ravel())
    return _ops.reshape(found, [*shape[:fancy_axis], *fancy.shape, *shape[fancy_axis + 1 :]])


def _ascending(part: range) -> tuple[int, int, int]:
    """The cells of a range in ascending order, as a slice."""
    if len(part) == 0:
        return (0, 0, 1)
    low, high = min(part[0], part[-1]), max(part[0], part[-1])
    return (low, high + 1, abs(part.step))


def _places(value: Array, key: Any) -> tuple[list[Any], np.ndarray]:
    """The key axis by axis: an int, a range, an array of ints, or ``None`` for a new axis; and the array, if there is one."""
    keys = list(key) if isinstance(key, tuple) else [key]
    used = sum(1 for k in keys if k is not None and k is not Ellipsis)
    if sum(1 for k in keys if k is Ellipsis) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > value.ndim:
        raise IndexError(f"too many indices: the array has {value.ndim} axes, {used} were indexed")
    rest = [slice(None)] * (value.ndim - used)
    if Ellipsis in [k for k in keys if not _is_array(k) and not isinstance(k, Array)]:
        at = next(place for place, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = rest
    else:
        keys += rest
    places: list[Any] = []
    fancy = np.empty(0, np.int64)
    axis = 0
    for k in keys:
        if k is None:
            places.append(None)
            continue
        size = value.shape[axis]
        if isinstance(k, Array):
            raise _secret_index(k)
        if isinstance(k, slice):
            places.append(range(*k.indices(size)))
        elif _is_array(k):
            if any(isinstance(place, np.ndarray) for place in places):
                raise not_there("indexing by several arrays at once", "index one axis after the other")
            fancy = _checked(np.asarray(k), size, axis)
            places.append(fancy)
        else:
            places.append(int(_checked(np.asarray(_int(k)), size, axis)))
        axis += 1
    return places, fancy


def _is_array(key: Any) -> bool:
    return isinstance(key, (list, np.ndarray)) and not (
        isinstance(key, np.ndarray) and key.ndim == 0 and key.dtype.kind in "iu"
    )


def _int(key: Any) -> int:
    if isinstance(key, (bool, np.bool_)):
        raise not_there("indexing by a single bool", "use x[None] or x[:0]")
    try:
        return key.__index__()
    except (AttributeError, TypeError):
        raise IndexError(
            f"only integers, slices, ..., None and arrays of integers or bools are indices, not {type(key).__name__}"
        ) from None


def _checked(places: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Places from 0, of indices that may be negative, or of a mask."""
    if places.dtype == BOOL:
        if places.shape != (size,):
            raise IndexError(f"the mask has the shape {places.shape}; axis {axis} has {size} cells")
        return np.flatnonzero(places)
    if places.size == 0:
        return places.astype(np.int64)
    if places.dtype.kind not in "iu":
        raise IndexError("arrays used as indices must be of integers or bools")
    if (places < -size).any() or (places >= size).any():
        wrong = places[(places < -size) | (places >= size)].flat[0]
        raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {size}")
    return np.where(places < 0, places + size, places).astype(np.int64)


def _secret_index(key: Array) -> SecretTypeError:
    if key.dtype == BOOL:
        return SecretTypeError(
            "SECRET_INDEX",
            "how many cells a secret mask picks is secret; use np.where(mask, x, 0), where=mask of sum, mean, any and all, or tacit.numpy.filter(mask, x, size=...)",
        )
    return SecretTypeError(
        "SECRET_INDEX",
        "a secret index would be seen; multiply with a one-hot mask, np.sum(x * (np.arange(n) == i)), or use np.take_along_axis",
    )


def with_part(value: Array, key: Any, new: Any) -> Array:
    """``value`` with ``value[key] = new``: integers and slices, or a mask, which may be secret."""
    new = as_array(new)
    if new.dtype != value.dtype:
        if not np.can_cast(new.dtype, value.dtype, "same_kind"):
            raise SecretTypeError("PROGRAM_TYPE", f"{new.dtype} is not put into cells of {value.dtype}")
        new = _ops.cast(new, value.dtype)
    if isinstance(key, (Array, np.ndarray)) and key.dtype == BOOL:
        mask = as_array(key)
        if mask.shape != value.shape[: mask.ndim] or new.ndim > 0:
            raise not_there("assigning an array to masked cells", "assign a scalar, or use np.where(mask, new, x)")
        mask = _ops.reshape(mask, [*mask.shape, *[1] * (value.ndim - mask.ndim)])
        return _ops.where(mask, new, value)
    places, _ = _places(value, key)
    if any(place is None or isinstance(place, np.ndarray) for place in places):
        raise not_there("assigning to cells at a list of places", "assign to slices one after the other")
    shape = [len(place) for place in places if isinstance(place, range)]
    full = [len(place) if isinstance(place, range) else 1 for place in places]
    new = _ops.reshape(_ops.broadcast_to(new, shape), full)
    return _put(value, places, new, 0)


def _put(value: Array, places: list[Any], new: Array, axis: int) -> Array:
    """``new``, of as many axes, in place of the cells from ``axis`` on."""
    if axis == value.ndim:
        return new
    place = range(places[axis], places[axis] + 1) if isinstance(places[axis], int) else places[axis]
    if len(place) == 0:
        return value
    if place.step < 0:
        new, place = _ops.along("flip", new, axis), place[::-1]
    pieces = []
    if place.step == 1:
        pieces.append((place[0], place[-1] + 1, new))
    else:
        if len(place) > MOST_PIECES:
            raise not_there("assigning to so many separate places", "use np.where with a public mask")
        pieces += [(at, at + 1, _ops.part(new, axis, i, i + 1)) for i, at in enumerate(place)]
    parts = []
    last = 0
    for start, stop, cells in pieces:
        parts.append(_ops.part(value, axis, last, start))
        parts.append(_put(_ops.part(value, axis, start, stop), places, cells, axis + 1))
        last = stop
    parts.append(_ops.part(value, axis, last, value.shape[axis]))
    filled = [part for part in parts if part.shape[axis]]
    return _ops.concatenate(filled or [value], axis)
