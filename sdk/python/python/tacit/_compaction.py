"""Rows that a secret mask picks, brought together in a public number of places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _ops
from ._array import Array
from ._errors import SecretTypeError
from ._ops import BOOL, FLOAT64, INT64, as_array, cast, where

#: Up to so many places each row is compared with each place; beyond, rows are sorted.
MOST_COMPARED = 16


def filter(mask: Any, *values: Any, size: int, fill_value: Any = 0) -> tuple[Any, Array]:
    """The rows of ``values`` where the secret ``mask`` holds, in their order, and how many there are.

    ``mask`` is ``[rows]``, values are arrays of as many rows. Results are an array (of several values: a list of them) with
    ``size`` rows, those beyond the count set to ``fill_value``, and the count (int64, secret). ``size`` is public; where the
    mask holds more often, ``OverflowError`` is raised when something of the result is revealed. Costs ``size`` small
    comparisons a row, or a sort of the rows where ``size`` is above 16.
    """
    found, count = picked(mask, values, size, fill_value)
    return (found[0] if len(found) == 1 else found), count


def picked(mask: Any, values: Sequence[Any], size: int, fill_value: Any) -> tuple[list[Array], Array]:
    """:func:`filter` of any number of arrays."""
    mask = cast(as_array(mask), BOOL)
    arrays = [as_array(value) for value in values]
    if mask.ndim != 1 or not arrays or any(array.ndim < 1 or array.shape[0] != mask.size for array in arrays):
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"filter takes a mask of [rows] and values of as many rows, not {mask.shape} with {shapes}")
    if int(size) < 0:
        raise ValueError("size is how many rows there may be, at least 0")
    return compacted(mask, arrays, int(size), [fill_value] * len(arrays))


def compacted(mask: Array, values: Sequence[Array], size: int, fill: Sequence[Any]) -> tuple[list[Array], Array]:
    """The rows where the mask holds, in ``size`` places, and their number, which is promised not to be larger."""
    defined([mask, *values], "bringing rows together")
    count = np.sum(mask).assume(0, size)
    rows = mask.size
    if rows == 0 or size == 0:
        found = [as_array(np.zeros((size, *value.shape[1:]), value.dtype)) for value in values]
    elif size <= MOST_COMPARED:
        found = _by_place(mask, values, min(size, rows))
    else:
        found = sorted_rows(values, [cast(~mask, INT64)], min(size, rows))
    places = np.arange(size)
    results = []
    for value, other in zip(found, fill, strict=True):
        if value.shape[0] < size:
            more = _ops.full([size - value.shape[0], *value.shape[1:]], np.zeros((), value.dtype))
            value = _ops.concatenate([value, more], 0)
        valid = _ops.reshape(as_array(places) < count, [size] + [1] * (value.ndim - 1))
        results.append(where(valid, value, as_array(np.asarray(other).astype(value.dtype))))
    return results, count


def _by_place(mask: Array, values: Sequence[Array], size: int) -> list[Array]:
    place = np.cumsum(mask) - 1
    hot = (place[:, None] == np.arange(size)) & mask[:, None]
    found = []
    for value in values:
        cells = cast(value, INT64) if value.dtype == BOOL else value
        flat = _ops.reshape(cells, [cells.shape[0], 1, cells.size // cells.shape[0]])
        picked = np.sum(where(hot[:, :, None], flat, as_array(np.zeros((), cells.dtype))), axis=0)
        # Of one row at most, and of all others 0.
        picked = _ops.reshape(_ops.within(picked, cells), [size, *value.shape[1:]])
        found.append(cast(picked, value.dtype) if value.dtype == BOOL else picked)
    return found


def defined(values: Sequence[Array], what: str) -> None:
    """Refuses arrays whose cells may be undefined."""
    if any(value._lazy.nullable for value in values):
        raise SecretTypeError(
            "PROGRAM_TYPE",
            f"{what} takes no cells that may be undefined (as after a division); use np.nan_to_num first",
        )


def sorted_rows(values: Sequence[Array], keys: Sequence[Array], size: int | None = None) -> list[Array]:
    """Arrays of rows in the ascending order of the keys, the first of which counts most; equal ones stay in their order.

    With ``size``, the first rows. All whole numbers are sorted at once, and all others.
    """
    defined([*values, *keys], "sorting rows")
    rows = keys[0].size
    keys = _joined(keys)
    flat = [
        _ops.reshape(cast(value, INT64) if value.dtype == BOOL else value, [rows, value.size // max(rows, 1)])
        for value in values
    ]
    tables: dict[Any, Array | None] = {}
    for dtype in (INT64, FLOAT64):
        columns = [value for value in flat if value.dtype == dtype and value.size]
        if columns and rows:
            tables[dtype] = _in_order(_ops.concatenate(columns, 1), keys)
    results, at = [], {INT64: 0, FLOAT64: 0}
    for value, cells in zip(values, flat, strict=True):
        count = value.shape[0] if size is None else size
        if not value.size:
            results.append(value[:count])
            continue
        start = at[cells.dtype]
        at[cells.dtype] += cells.shape[1]
        found = tables[cells.dtype][:count, start : start + cells.shape[1]]
        found = _ops.reshape(found, [count, *value.shape[1:]])
        results.append(cast(found, BOOL) if value.dtype == BOOL else found)
    return results


def _in_order(table: Array, keys: Sequence[Array]) -> Array:
    """Rows by several keys: sorted by the last one first, the other keys going with them."""
    keys = list(keys)
    while len(keys) > 1:
        key = keys.pop()
        table = _ops.sort_rows(table, key)
        keys = [_ops.reshape(_ops.sort_rows(_ops.reshape(one, [one.size, 1]), key), [one.size]) for one in keys]
    return _ops.sort_rows(table, keys[0])


#: Keys are joined in one as long as it has no more than so many binary digits.
MOST_DIGITS = 44


def _joined(keys: Sequence[Array]) -> list[Array]:
    """Fewer keys with the same order: as one number as many of them as fit."""
    joined: list[Array] = []
    for key in keys:
        key = cast(key, INT64) if key.dtype == BOOL else key
        both = _as_one(joined[-1], key) if joined else None
        if both is None:
            joined.append(key)
        else:
            joined[-1] = both
    return joined


def _as_one(first: Array, second: Array) -> Array | None:
    """``first``, and ``second`` where that is equal, as one number; ``None`` where it would be a long one."""
    if first._lazy.range is None or second._lazy.range is None:
        return None
    (lo, hi), (least, most) = ([float(bound) for bound in key._lazy.range] for key in (first, second))
    step = 1.0 if first.dtype == INT64 else _ops.STEP
    # The least power of two by which a step of the first is more than all that the second spans.
    digits = int(np.ceil(np.log2((most - least + 1) / step)))
    if np.log2(max(hi - lo, 1.0)) + digits + (0 if second.dtype == INT64 else _ops.FRACTION_BITS) > MOST_DIGITS:
        return None
    whole = second.dtype == INT64 and first.dtype == INT64
    factor = 2**digits if whole else 2.0**digits
    return first * factor + (second - (int(least) if second.dtype == INT64 else least))


def last_of_runs(keys: list[Array]) -> Array:
    """Of rows in the order of their keys, whether each is the last one of its keys."""
    differs = None
    for key in keys:
        one = key[1:] != key[:-1]
        differs = one if differs is None else differs | one
    return np.concatenate([differs, [True]]) if keys[0].size else cast(keys[0], BOOL)
