"""Distinct values, and those that two arrays have in common or not, in public numbers of places."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _ops
from ._arguments import number
from ._array import Array
from ._compaction import compacted, last_of_runs, sorted_rows
from ._ops import BOOL, as_array, cast, promoted, where


def _size(size: int) -> int:
    if int(size) < 0:
        raise ValueError("size is how many distinct values there may be, at least 0")
    return int(size)


def unique(x: Any, *, size: int, return_counts: bool = False, return_size: bool = False, fill_value: Any = 0) -> Any:
    """The distinct values in ascending order, of which there are at most ``size``, a public bound.

    The result has ``size`` cells; those beyond the number of distinct values are ``fill_value``, with a count of 0.
    ``return_counts`` adds how often each occurs, ``return_size`` how many there are (int64, secret). Values are compared
    exactly as they are kept. Raises ``OverflowError`` at the reveal where there are more than ``size``. One sort of the cells,
    and one of the ends of runs where ``size`` is above 16.
    """
    value, size = np.ravel(as_array(x)), _size(size)
    ordered = _ops.along("sort", number(value), 0)
    ends = as_array(np.arange(1, value.size + 1))
    (found, until), count = compacted(last_of_runs([ordered]), [ordered, ends], size, [fill_value, 0])
    # Where a run ends, less where the one before it did.
    each = until - np.concatenate([[0], until])[:size]
    counts = where(as_array(np.arange(size)) < count, each, as_array(0))
    found = cast(found, BOOL) if value.dtype == BOOL else found
    results = [found] + [counts] * return_counts + [count] * return_size
    return results[0] if len(results) == 1 else tuple(results)


def union1d(a: Any, b: Any, *, size: int, return_size: bool = False, fill_value: Any = 0) -> Any:
    """The distinct values of both arrays: :func:`unique` of them together."""
    both = np.concatenate([np.ravel(as_array(a)), np.ravel(as_array(b))])
    return unique(both, size=size, return_size=return_size, fill_value=fill_value)


def intersect1d(a: Any, b: Any, *, size: int, return_size: bool = False, fill_value: Any = 0) -> Any:
    """The distinct values that are in both arrays, in ascending order; ``size`` and the rest as in :func:`unique`."""
    values, origins = _together(a, b)
    # Within a run those of `a` come first, so that one pair of neighbours is of both.
    both = (values[1:] == values[:-1]) & (origins[:-1] < origins[1:])
    mask = np.concatenate([both, np.zeros(min(1, values.size), bool)])
    return _picked(mask, values, size, return_size, fill_value)


def setdiff1d(a: Any, b: Any, *, size: int, return_size: bool = False, fill_value: Any = 0) -> Any:
    """The distinct values of ``a`` that are not in ``b``, in ascending order; ``size`` and the rest as in :func:`unique`."""
    values, origins = _together(a, b)
    # Within a run those of `b` come last.
    return _picked(last_of_runs([values]) & (origins == 0), values, size, return_size, fill_value)


def _together(a: Any, b: Any) -> tuple[Array, Array]:
    """The cells of both in ascending order, and which they are of: 0 and 1, of equal cells those of ``a`` first."""
    a, b = np.ravel(as_array(a)), np.ravel(as_array(b))
    dtype = promoted(number(a), number(b))
    values = cast(np.concatenate([number(a), number(b)]), dtype)
    origins = as_array(np.repeat([0, 1], [a.size, b.size]))
    # In one type, they move together.
    values, origins = sorted_rows([values, cast(origins, dtype)], [values, origins])
    return values, origins


def _picked(mask: Array, values: Array, size: int, return_size: bool, fill_value: Any) -> Any:
    (found,), count = compacted(mask, [values], _size(size), [fill_value])
    return (found, count) if return_size else found
