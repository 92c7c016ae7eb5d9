"""Tables of secret columns: orders of rows, groups and pivots.

A table is a ``dict`` from names to columns: arrays of one axis and one length, secret or public, of one session. Which rows
are where, how large groups are and, unless categories are given, what groups there are stays secret; numbers of rows, bounds
on the numbers of groups and given categories are public.

    groups = tables.group_by(table, "branch", {"total": ("pay", "sum"), "top": ("pay", "max")}, size=20)
    groups["branch"], groups["total"], groups.number   # secret; 20 places each
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _compaction, _ops
from ._arguments import number
from ._array import Array
from ._counting import one_hot
from ._ops import BOOL, FLOAT64, INT64, as_array, cast, where

__all__ = ["Groups", "concat", "filter", "group_by", "one_hot", "pivot", "sort_by"]

#: A table.
Table = Mapping[str, Any]
FUNCTIONS = ("sum", "count", "mean", "min", "max")


@dataclass(frozen=True)
class Groups:
    """Groups of rows, one a place."""

    #: The keys by name: public where they were, or where categories were given; else secret, in ascending order, and
    #: undefined in places beyond the number of groups.
    keys: dict[str, Any]
    #: The aggregates by name.
    columns: dict[str, Array]
    #: How many groups there are: a public int, or a secret int64.
    number: Any

    def __getitem__(self, name: str) -> Any:
        return self.keys[name] if name in self.keys else self.columns[name]

    def __len__(self) -> int:
        return len(next(iter(self.keys.values())))


def _checked(table: Table, public: bool = False) -> dict[str, Array]:
    """The columns of a table, of which one at least is secret, unless it may be ``public``."""
    columns = {name: as_array(column) for name, column in table.items()}
    shapes = {column.shape for column in columns.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        shown = ", ".join(f"{name!r} of {column.shape}" for name, column in columns.items())
        raise ValueError(f"a table has columns of one axis and one length, not {shown or 'none'}")
    if not public and not any(isinstance(column, Array) for column in table.values()):
        raise ValueError("no column of the table is secret; use NumPy")
    return columns


def _names(by: str | Sequence[str], columns: Mapping[str, Any]) -> list[str]:
    names = [by] if isinstance(by, str) else list(by)
    for name in names:
        if name not in columns:
            raise KeyError(f"the table has no column {name!r}; it has {', '.join(map(repr, columns))}")
    if not names:
        raise ValueError("name at least one column")
    return names


def sort_by(table: Table, by: str | Sequence[str], *, ascending: bool | Sequence[bool] = True) -> dict[str, Array]:
    """The rows in the order of one or several columns, of which the first counts most; equal rows stay in their order.

    ``ascending`` is for all columns, or one a column. Keys whose ranges take up to 44 binary digits together are sorted as
    one; others take one sort each. Whole numbers and float64 columns are moved apart.
    """
    columns = _checked(table)
    names = _names(by, columns)
    up = [ascending] * len(names) if isinstance(ascending, bool) else list(ascending)
    if len(up) != len(names):
        raise ValueError(f"ascending has {len(up)} entries for {len(names)} columns")
    keys = [number(columns[name]) for name in names]
    keys = [key if rising else -key for key, rising in zip(keys, up, strict=True)]
    moved = _compaction.sorted_rows(list(columns.values()), keys)
    return dict(zip(columns, moved, strict=True))


def filter(table: Table, mask: Any, *, size: int, fill_value: Any = 0) -> tuple[dict[str, Array], Array]:
    """The rows where a secret mask holds, in ``size`` places, and how many there are: :func:`tacit.numpy.filter`."""
    columns = _checked(table)
    found, count = _compaction.picked(mask, list(columns.values()), size, fill_value)
    return dict(zip(columns, found, strict=True)), count


def concat(tables: Sequence[Table]) -> dict[str, Array]:
    """The rows of tables with the same columns, one table after the other. Some of the tables may be public."""
    checked = [_checked(table, public=len(tables) > 1) for table in tables]
    if not checked:
        raise ValueError("need at least one table to concatenate")
    for table in checked[1:]:
        if set(table) != set(checked[0]):
            raise ValueError(f"the tables have other columns: {sorted(checked[0])} and {sorted(table)}")
    return {name: np.concatenate([table[name] for table in checked]) for name in checked[0]}


def group_by(
    table: Table,
    by: str | Sequence[str],
    aggregates: Mapping[str, tuple[str, str]],
    *,
    categories: Sequence[Any] | None = None,
    size: int | None = None,
    others: str = "error",
) -> Groups:
    """Sums, counts, means, least and largest cells of groups of rows.

    ``by`` names the key, or several; ``aggregates`` maps names of results to a column and a function: ``"sum"``,
    ``"count"``, ``"mean"``, ``"min"`` or ``"max"``, exact but for means of one step of 2**-18 (and what undefined cells leave
    out: they take no part). Where there are no rows, sums and counts are 0 and the others undefined.

    *Public keys* give a group for each of their values, for nothing but the aggregates. (With one of the following they are
    treated as secret ones.)

    *Secret keys with* ``categories``, public values of the key (of several keys: a list of values for each, and groups for all
    combinations): each row is compared with each. A row of no category raises ``OverflowError`` when a result is revealed;
    with ``others="drop"`` it takes no part.

    *Secret keys with* ``size``, a bound on the number of groups: rows are sorted by the key, and the groups are in its
    ascending order. In places beyond the number of groups keys are undefined. More groups than ``size`` raise
    ``OverflowError`` when a result is revealed. Takes no undefined cells.
    """
    columns = _checked(table)
    names = _names(by, columns)
    wanted = _wanted(aggregates, columns)
    for name in names:
        if name in wanted:
            raise ValueError(f"{name!r} names both a key and an aggregate")
    given = categories is not None or size is not None
    if not given and not any(isinstance(table[name], Array) for name in names):
        return _of_public({name: np.asarray(table[name]) for name in names}, columns, wanted)
    if not given or (categories is not None and size is not None):
        raise ValueError(
            "secret keys take `categories`, the values to group by, or `size`, a bound on the number of groups"
        )
    if size is not None:
        if int(size) < 1:
            raise ValueError("size is how many groups there may be, at least 1")
        return _of_sorted({name: columns[name] for name in names}, columns, wanted, int(size))
    lists = [categories] if len(names) == 1 else list(categories)
    keys, hot = _hot([columns[name] for name in names], lists)
    return Groups(dict(zip(names, keys, strict=True)), _of_hot(hot, columns, wanted, others), len(keys[0]))


def pivot(
    table: Table,
    *,
    index: str,
    columns: str,
    values: str,
    index_categories: Sequence[Any],
    column_categories: Sequence[Any],
    aggregate: str = "sum",
    others: str = "error",
) -> Array:
    """An aggregate of ``values`` for each pair of categories of two keys, ``[index_categories, column_categories]``.

    Functions and rows of no category are as in :func:`group_by` with ``categories``.
    """
    cells = _checked(table)
    wanted = _wanted({"values": (values, aggregate)}, cells)
    keys = [cells[name] for name in _names([index, columns], cells)]
    _, hot = _hot(keys, [index_categories, column_categories])
    found = _of_hot(hot, cells, wanted, others)["values"]
    return _ops.reshape(found, [len(index_categories), len(column_categories)])


def _wanted(aggregates: Mapping[str, tuple[str, str]], columns: Mapping[str, Array]) -> dict[str, tuple[str, str]]:
    for name, asked in aggregates.items():
        if not isinstance(asked, (tuple, list)) or len(asked) != 2 or asked[1] not in FUNCTIONS:
            raise ValueError(f"the aggregate {name!r} is a column and one of {', '.join(FUNCTIONS)}, not {asked!r}")
        _names(asked[0], columns)
    if not next(iter(columns.values())).size:
        raise ValueError("the table has no rows to group")
    return {name: (column, function) for name, (column, function) in aggregates.items()}


def _hot(keys: list[Array], lists: list[Sequence[Any]]) -> tuple[list[np.ndarray], Array]:
    """The keys of all combinations of categories, and which of them each row has: ``[rows, groups]``."""
    if len(lists) != len(keys):
        raise ValueError(f"categories has {len(lists)} lists for {len(keys)} keys")
    known = [np.asarray(one) for one in lists]
    for one in known:
        if one.ndim != 1 or not one.size or len(np.unique(one)) < one.size:
            raise ValueError("categories are distinct values, at least one for each key")
    hot = None
    for key, one in zip(keys, known, strict=True):
        each = one_hot(key, one)
        rows = key.shape[0]
        hot = each if hot is None else _ops.reshape(hot[:, :, None] & each[:, None, :], [rows, hot.shape[1] * one.size])
    return [np.array(of) for of in zip(*itertools.product(*known), strict=True)], hot


def _of_hot(
    hot: Array, columns: Mapping[str, Array], wanted: Mapping[str, tuple[str, str]], others: str
) -> dict[str, Array]:
    if others not in ("error", "drop"):
        raise ValueError(f"others is 'error' or 'drop', not {others!r}")
    rows, groups = hot.shape
    # Times 0 it changes nothing, but what it promises is checked with each result.
    check = np.sum(hot).assume(rows, rows) * 0 if others == "error" else 0
    results = {}
    for name, (column, function) in wanted.items():
        spread = _ops.broadcast_to(number(columns[column])[:, None], [rows, groups])
        results[name] = _ops.reduce(function, spread, [0], False, hot) + check
    return results


def _of_public(
    keys: dict[str, np.ndarray], columns: Mapping[str, Array], wanted: Mapping[str, tuple[str, str]]
) -> Groups:
    order = np.lexsort(list(keys.values())[::-1])
    ordered = {name: key[order] for name, key in keys.items()}
    starts = np.ones(len(order), bool)
    starts[1:] = np.any([key[1:] != key[:-1] for key in ordered.values()], axis=0)
    places = np.split(order, np.flatnonzero(starts)[1:])
    results = {}
    for name, (column, function) in wanted.items():
        cells = number(columns[column])
        parts = [_ops.reduce(function, cells[place], [0], True, None) for place in places]
        results[name] = _ops.concatenate(parts, 0)
    return Groups({name: key[starts] for name, key in ordered.items()}, results, len(places))


def _of_sorted(
    keys: dict[str, Array], columns: Mapping[str, Array], wanted: Mapping[str, tuple[str, str]], size: int
) -> Groups:
    used = list(dict.fromkeys(column for column, function in wanted.values() if function != "count"))
    needed = [number(columns[name]) for name in used]
    moved = _compaction.sorted_rows([*keys.values(), *needed], [number(key) for key in keys.values()])
    ordered, cells = moved[: len(keys)], dict(zip(used, moved[len(keys) :], strict=True))
    rows = ordered[0].shape[0]
    last = _compaction.last_of_runs(ordered)
    # What holds of a whole group stands in its last row, and those rows are brought together.
    at_last: dict[tuple[str, str], Array] = {("", "count"): as_array(np.arange(1, rows + 1))}
    for column, function in wanted.values():
        if function in ("sum", "mean"):
            at_last[column, "sum"] = np.cumsum(cells[column])
        elif function in ("min", "max"):
            at_last[column, function] = _running(function, cells[column], last)
    found, count = _compaction.compacted(last, [*ordered, *at_last.values()], size, [0] * (len(keys) + len(at_last)))
    valid = as_array(np.arange(size)) < count
    ends = dict(zip(at_last, found[len(keys) :], strict=True))
    results = {}
    for name, (column, function) in wanted.items():
        if function in ("min", "max"):
            results[name] = _only(ends[column, function], valid)
        else:
            results[name] = _difference(function, ends, column, valid, columns[column])
    return Groups({name: _only(key, valid) for name, key in zip(keys, found, strict=False)}, results, count)


def _difference(function: str, ends: Mapping[tuple[str, str], Array], column: str, valid: Array, of: Array) -> Array:
    """The sum, count or mean from what has been summed up to the end of each group."""

    def each(upto: Array) -> Array:
        before = np.concatenate([np.zeros(1, upto.dtype), upto[:-1]]) if upto.size else upto
        return where(valid, upto - before, as_array(np.zeros((), upto.dtype)))

    if function == "count":
        return each(ends["", "count"])
    total = each(ends[column, "sum"])
    if function == "sum":
        return total
    # A quotient may be off by a step.
    return _ops.within(cast(total, FLOAT64) / each(ends["", "count"]), number(of), 1)


def _only(value: Array, valid: Array) -> Array:
    """The cells where they are valid, undefined elsewhere."""
    cells = cast(value, INT64) if value.dtype == BOOL else value
    found = _ops.reduce("max", _ops.reshape(cells, [cells.size, 1]), [1], False, _ops.reshape(valid, [valid.size, 1]))
    return cast(found, BOOL) if value.dtype == BOOL else found


def _running(function: str, value: Array, last: Array) -> Array:
    """The least or largest cell of each row's group up to the row, in as many steps as the rows have binary digits."""
    join = np.minimum if function == "min" else np.maximum
    rows = value.shape[0]
    # The number of the group that a row is in.
    group = np.cumsum(last) - last
    far = 1
    while far < rows:
        same = group[far:] == group[:-far]
        joined = where(same, join(value[far:], value[:-far]), value[far:])
        value = np.concatenate([value[:far], joined])
        far *= 2
    return value
