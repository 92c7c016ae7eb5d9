"""Orders of rows, groups and pivots of tables, against plain loops."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import tacit
from conftest import ULP
from hypothesis import given, settings
from tacit import tables

AGGREGATES = {
    "total": ("pay", "sum"),
    "rows": ("pay", "count"),
    "mean": ("pay", "mean"),
    "least": ("age", "min"),
    "most": ("pay", "max"),
    "flags": ("flag", "sum"),
}


def plain_of(rng, rows):
    return {
        "key": rng.integers(-2, 3, rows),
        "half": rng.integers(-2, 3, rows) / 2,
        "pay": rng.integers(-64, 64, rows) / 8,
        "age": rng.integers(-9, 10, rows),
        "flag": rng.random(rows) > 0.5,
    }


def secret_of(s, plain):
    return {
        name: s.array(column, place % 2, range=None if column.dtype == bool else (-16, 16))
        for place, (name, column) in enumerate(plain.items())
    }


def expected_of(plain, picked):
    """The aggregates of a group's rows, in the order of ``AGGREGATES``; ``None`` where they are undefined."""
    pay, age = plain["pay"][picked], plain["age"][picked]
    some = picked.any()
    numbers = [pay.mean(), age.min(), pay.max()] if some else [None] * 3
    return [pay.sum(), picked.sum(), *numbers, plain["flag"][picked].sum()]


def check_groups(s, groups, plain, keys):
    """Holds places of groups against the rows of their keys; of ``None`` for a key, nothing is there."""
    found = dict(zip(AGGREGATES, s.reveal(*(groups[name] for name in AGGREGATES)), strict=True))
    for place, key in enumerate(keys):
        picked = (
            np.zeros(len(plain["pay"]), bool)
            if key is None
            else np.logical_and.reduce([plain[name] == one for name, one in key.items()])
        )
        for name, expected in zip(AGGREGATES, expected_of(plain, picked), strict=True):
            cell = found[name][place]
            if expected is None:
                assert cell is np.ma.masked or np.isnan(cell), (name, key)
            else:
                assert abs(cell - expected) <= (2 * ULP if name == "mean" else 0), (name, key)


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 24), size=st.sampled_from([3, 5, 18]))
def test_groups_of_unknown_keys(seed, rows, size):
    plain = plain_of(np.random.default_rng(seed), rows)
    distinct = np.unique(plain["key"])
    with tacit.local_pair() as s:
        groups = tables.group_by(secret_of(s, plain), "key", AGGREGATES, size=size)
        assert len(groups) == size
        if len(distinct) > size:
            for name in ["key", *AGGREGATES]:
                with pytest.raises(OverflowError):
                    groups[name].reveal()
            return
        number, keys = s.reveal(groups.number, groups["key"])
        assert number == len(distinct)
        np.testing.assert_array_equal(np.asarray(keys)[:number], distinct)
        assert np.ma.getmaskarray(keys)[number:].all() or number == size
        check_groups(s, groups, plain, [{"key": key} for key in distinct] + [None] * (size - number))


def test_groups_of_several_unknown_keys(s, rng):
    plain = plain_of(rng, 30)
    groups = tables.group_by(secret_of(s, plain), ["half", "flag", "key"], AGGREGATES, size=30)
    rows = np.unique(np.stack([plain["half"], plain["flag"], plain["key"]], 1), axis=0)
    number = groups.number.reveal()
    assert number == len(rows)
    for place, name in enumerate(["half", "flag", "key"]):
        found = groups[name].reveal()
        np.testing.assert_array_equal(np.asarray(found)[:number], rows[:, place])
    check_groups(s, groups, plain, [dict(zip(["half", "flag", "key"], row, strict=True)) for row in rows])


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 20))
def test_groups_of_categories_and_of_public_keys(seed, rows):
    plain = plain_of(np.random.default_rng(seed), rows)
    with tacit.local_pair() as s:
        secret = secret_of(s, plain)
        groups = tables.group_by(secret, "key", AGGREGATES, categories=[-2, -1, 0, 2, 1, 5])
        np.testing.assert_array_equal(groups["key"], [-2, -1, 0, 2, 1, 5])
        assert groups.number == len(groups) == 6
        check_groups(s, groups, plain, [{"key": key} for key in groups["key"]])
        groups = tables.group_by(
            secret, ["flag", "half"], AGGREGATES, categories=[[False, True], [0.5, 1]], others="drop"
        )
        check_groups(s, groups, plain, [{"flag": f, "half": h} for f in [False, True] for h in [0.5, 1]])
        mixed = {**secret, "key": plain["key"], "half": plain["half"]}
        groups = tables.group_by(mixed, "key", AGGREGATES, categories=[2, 1], others="drop")
        check_groups(s, groups, plain, [{"key": 2}, {"key": 1}])
        groups = tables.group_by(mixed, ["key", "half"], AGGREGATES)
        found = np.unique(np.stack([plain["key"], plain["half"]], 1), axis=0)
        np.testing.assert_array_equal(np.stack([groups["key"], groups["half"]], 1), found)
        assert groups.number == len(found)
        check_groups(s, groups, plain, [{"key": k, "half": h} for k, h in found])


def test_rows_of_no_category_are_flagged_or_dropped(s, rng):
    plain = plain_of(rng, 12)
    secret = secret_of(s, plain)
    groups = tables.group_by(secret, "key", AGGREGATES, categories=[-2, -1])
    for name in AGGREGATES:
        with pytest.raises(OverflowError):
            groups[name].reveal()
    groups = tables.group_by(secret, "key", {"n": ("pay", "count")}, categories=[-2, 7], others="drop")
    np.testing.assert_array_equal(groups["n"].reveal(), [(plain["key"] == -2).sum(), 0])


def test_undefined_cells_take_no_part_in_categories(s):
    x = s.array(np.array([1.0, 2, 3]), 0, range=(0, 4)) / s.array(np.array([1, 0, 2]), 1, range=(0, 2))
    table = {"key": s.array(np.array([0, 0, 1]), 0, range=(0, 1)), "x": x}
    groups = tables.group_by(table, "key", {"n": ("x", "count"), "sum": ("x", "sum")}, categories=[0, 1])
    np.testing.assert_array_equal(groups["n"].reveal(), [1, 1])
    np.testing.assert_allclose(groups["sum"].reveal(), [1, 1.5], atol=2 * ULP)
    with pytest.raises(TypeError, match="undefined"):
        tables.group_by(table, "key", {"sum": ("x", "sum")}, size=2)


@pytest.mark.parametrize("aggregate", ["sum", "count", "mean", "max"])
def test_pivots(s, rng, aggregate):
    plain = plain_of(rng, 40)
    secret = secret_of(s, plain)
    rows, columns = [-2, -1, 0, 1, 2], [True, False]
    for table in [secret, {**secret, "key": plain["key"]}, {**secret, "key": plain["key"], "flag": plain["flag"]}]:
        found = tables.pivot(
            table,
            index="key",
            columns="flag",
            values="pay",
            index_categories=rows,
            column_categories=columns,
            aggregate=aggregate,
        ).reveal()
        assert found.shape == (5, 2)
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                cells = plain["pay"][(plain["key"] == row) & (plain["flag"] == column)]
                if len(cells) or aggregate in ("sum", "count"):
                    expected = {"sum": np.sum, "count": len, "mean": np.mean, "max": np.max}[aggregate](cells)
                    assert abs(found[i, j] - expected) <= 2 * ULP
                else:
                    assert np.isnan(found[i, j])


def test_orders_of_rows(s, rng):
    plain = plain_of(rng, 25)
    secret = secret_of(s, plain)
    for by, up in [
        ("pay", True),
        (["key", "half"], True),
        (["key", "pay", "flag"], [False, True, True]),
        ("flag", False),
    ]:
        names = [by] if isinstance(by, str) else by
        ups = [up] * len(names) if isinstance(up, bool) else up
        keys = [plain[name] * 1 * (1 if rising else -1) for name, rising in zip(names, ups, strict=True)]
        order = np.lexsort(keys[::-1])
        found = tables.sort_by(secret, by, ascending=up)
        for name, column in zip(found, s.reveal(*found.values()), strict=True):
            assert column.dtype == plain[name].dtype
            np.testing.assert_array_equal(column, plain[name][order], err_msg=f"{name} by {by}")


def test_cells_of_wide_ranges(s):
    a, b = np.arange(5) + 0.5, np.arange(5) - 2.25
    wide, key = s.array(a, 0) * s.array(b, 1), np.array([0, 1, 0, 1, 2])
    table = {"key": s.array(key, 0, range=(0, 2)), "x": wide}
    groups = tables.group_by(table, "key", {"mean": ("x", "mean"), "sum": ("x", "sum"), "max": ("x", "max")}, size=3)
    for name, function in [("mean", np.mean), ("sum", np.sum), ("max", np.max)]:
        expected = [function((a * b)[key == one]) for one in range(3)]
        np.testing.assert_allclose(groups[name].reveal(), expected, atol=6 * ULP)
    found, _ = tables.filter(table, table["key"] > 0, size=4)
    np.testing.assert_allclose(found["x"].reveal(), [*(a * b)[key > 0], 0], atol=2 * ULP)
    # Rounding takes no mean beyond the cells of a group, though nothing is known of their error.
    unknown = np.where(wide / 3 > -100, 5.0, 3.0)
    same = tables.group_by({"key": table["key"], "x": unknown}, "key", {"mean": ("x", "mean")}, size=3)
    np.testing.assert_allclose(same["mean"].reveal(), 5, atol=2 * ULP)


def test_rows_picked_and_put_together(s, rng):
    plain = plain_of(rng, 12)
    secret = secret_of(s, plain)
    found, count = tables.filter(secret, secret["age"] > 0, size=12)
    picked = plain["age"] > 0
    assert count.reveal() == picked.sum()
    both = tables.concat([secret, {name: plain[name] for name in reversed(plain)}])
    for name in plain:
        np.testing.assert_array_equal(found[name].reveal()[: picked.sum()], plain[name][picked])
        np.testing.assert_array_equal(both[name].reveal(), np.concatenate([plain[name]] * 2))


@pytest.mark.parametrize(
    ("what", "kind", "says"),
    [
        (lambda t: tables.group_by(t, "key", AGGREGATES), ValueError, "`categories`.*`size`"),
        (lambda t: tables.group_by(t, "key", AGGREGATES, size=2, categories=[1]), ValueError, "`size`"),
        (lambda t: tables.group_by(t, "key", AGGREGATES, size=0), ValueError, "at least 1"),
        (lambda t: tables.group_by(t, "key", AGGREGATES, categories=[1], others="keep"), ValueError, "others"),
        (lambda t: tables.group_by(t, "key", AGGREGATES, categories=[1, 1]), ValueError, "distinct"),
        (lambda t: tables.group_by(t, "key", AGGREGATES, categories=[]), ValueError, "distinct"),
        (lambda t: tables.group_by(t, ["key", "flag"], AGGREGATES, categories=[[1]]), ValueError, "1 lists for 2 keys"),
        (lambda t: tables.group_by(t, "keys", AGGREGATES, size=2), KeyError, "no column 'keys'"),
        (lambda t: tables.group_by(t, [], AGGREGATES, size=2), ValueError, "at least one column"),
        (lambda t: tables.group_by(t, "key", {"x": ("pay", "median")}, size=2), ValueError, "sum, count"),
        (lambda t: tables.group_by(t, "key", {"x": "pay"}, size=2), ValueError, "'x'"),
        (lambda t: tables.group_by(t, "key", {"key": ("pay", "sum")}, size=2), ValueError, "both a key and"),
        (lambda t: tables.group_by(t, "key", {"x": ("wage", "sum")}, size=2), KeyError, "wage"),
        (lambda t: tables.group_by({**t, "pay": t["pay"][:2]}, "key", AGGREGATES, size=2), ValueError, "one length"),
        (
            lambda t: tables.group_by({name: column[:0] for name, column in t.items()}, "key", AGGREGATES, size=2),
            ValueError,
            "no rows",
        ),
        (lambda t: tables.group_by({}, "key", AGGREGATES, size=2), ValueError, "none"),
        (lambda t: tables.sort_by(t, "key", ascending=[True, False]), ValueError, "2 entries for 1"),
        (lambda t: tables.sort_by({"key": np.arange(3)}, "key"), ValueError, "use NumPy"),
        (lambda t: tables.concat([]), ValueError, "at least one"),
        (lambda t: tables.concat([t, {"key": t["key"]}]), ValueError, "other columns"),
        (lambda t: tables.filter(t, t["flag"], size=-1), ValueError, "size"),
    ],
)
def test_what_tables_refuse(s, what, kind, says):
    with pytest.raises(kind, match=says):
        what(secret_of(s, plain_of(np.random.default_rng(1), 4)))
