"""Histograms, membership, distinct values and rows that a mask picks, against NumPy."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tacit
import tacit.numpy as tnp
from conftest import ULP
from hypothesis import given, settings

CELLS = hnp.arrays(
    np.int64, hnp.array_shapes(min_dims=1, max_dims=1, min_side=0, max_side=24), elements=st.integers(-6, 6)
)


@given(values=CELLS, data=st.data())
def test_counts_among_edges(values, data):
    edges = np.sort(
        data.draw(hnp.arrays(np.float64, st.integers(2, 5), elements=st.integers(-14, 14).map(lambda n: n / 2)))
    )
    wide = np.concatenate([[-np.inf], edges, [np.inf]])
    tests = data.draw(hnp.arrays(np.int64, st.integers(0, 4), elements=st.integers(-6, 6)))
    weights = np.arange(values.size) / 4
    with tacit.local_pair() as s:
        x, w, t = s.array(values, 0, range=(-6, 6)), s.array(weights, 1, range=(0, 8)), s.array(tests, 1, range=(-6, 6))
        secret_edges = s.array(edges, 1, range=(-8, 8))
        cases = [
            (np.histogram(x, edges)[0], np.histogram(values, edges)[0]),
            (np.histogram(x, wide)[0], np.histogram(values, wide)[0]),
            (np.histogram(x, 4, (-3, 3))[0], np.histogram(values, 4, (-3, 3))[0]),
            (np.histogram(x, edges, weights=w)[0], np.histogram(values, edges, weights=weights)[0]),
            (np.isin(x, tests), np.isin(values, tests)),
            (np.isin(x, t, invert=True), np.isin(values, tests, invert=True)),
            (np.isin(values, t), np.isin(values, tests)),
        ]
        for side in ["left", "right"]:
            for of, e in [(edges, edges), (secret_edges, edges), (wide, wide)]:
                cases.append((np.searchsorted(of, x, side), np.searchsorted(e, values, side)))
            right = side == "right"
            cases.append((np.digitize(x, wide, right), np.digitize(values, wide, right)))
            cases.append((np.digitize(x, edges[::-1], right), np.digitize(values, edges[::-1], right)))
        for (made, expected), result in zip(cases, s.reveal(*(case[0] for case in cases)), strict=True):
            assert made.dtype == expected.dtype and made.shape == expected.shape
            np.testing.assert_array_equal(result, expected)


def test_histograms_of_other_forms(s, agree, rng):
    a, b = rng.normal(size=(2, 200))
    a, b = (np.round(v / ULP) * ULP for v in (a, b))
    x, y = s.array(a, 0, range=(-8, 8)), s.array(b, 1, range=(-8, 8))
    counts, edges = np.histogram(x, 5, (-2, 2), density=True)
    expected = np.histogram(a, 5, (-2, 2), density=True)
    np.testing.assert_array_equal(edges, expected[1])
    agree((counts, expected[0], 4 * ULP))
    found, wanted = (
        np.histogram2d(x, y, (3, [-1, 0, 2]), [(-1, 1), None]),
        np.histogram2d(a, b, (np.linspace(-1, 1, 4), [-1, 0, 2])),
    )
    agree((found[0], wanted[0]))
    agree((np.histogram2d(x, y, 2, [(-1, 1), (-1, 1)])[0], np.histogram2d(a, b, 2, [(-1, 1), (-1, 1)])[0]))
    n = rng.integers(0, 5, 30)
    z = s.array(n, 0)
    agree(
        (np.bincount(z, minlength=6), np.bincount(n, minlength=6)),
        (np.bincount(z, a[:30], 6), np.bincount(n, a[:30], 6), 30 * ULP),
        (np.bincount(z, x[:30], 6), np.bincount(n, a[:30], 6)),
    )
    with pytest.raises(OverflowError):
        np.bincount(z, minlength=4).reveal()


@settings(max_examples=15)
@given(values=CELLS, size=st.sampled_from([3, 13, 20]), kind=st.sampled_from([np.int64, np.float64, bool]))
def test_distinct_values(values, size, kind):
    values = (values / 4 if kind is np.float64 else values).astype(kind)
    expected, counts = np.unique(values, return_counts=True)
    with tacit.local_pair() as s:
        x = s.array(values, 0, range=None if kind is bool else (-6, 6))
        found = tnp.unique(x, size=size, return_counts=True, return_size=True, fill_value=1)
        if len(expected) > size:
            with pytest.raises(OverflowError):
                s.reveal(*found)
            return
        found, often, number = s.reveal(*found)
        assert number == len(expected) and found.dtype == values.dtype
        np.testing.assert_array_equal(found, np.pad(expected, (0, size - number), constant_values=1))
        np.testing.assert_array_equal(often, np.pad(counts, (0, size - number)))
        assert tnp.unique(x, size=size).shape == (size,)


@settings(max_examples=15)
@given(a=CELLS, b=CELLS, size=st.sampled_from([2, 14]), kind=st.sampled_from([np.int64, np.float64]))
def test_sets(a, b, size, kind):
    b = b.astype(kind) / 2 if kind is np.float64 else b
    with tacit.local_pair() as s:
        x, y = s.array(a, 0, range=(-6, 6)), s.array(b, 1, range=(-6, 6))
        for name in ["union1d", "intersect1d", "setdiff1d"]:
            expected = getattr(np, name)(a, b).astype(np.result_type(a, b))
            found = getattr(tnp, name)(x, y, size=size, return_size=True, fill_value=9)
            if len(expected) > size:
                with pytest.raises(OverflowError):
                    s.reveal(*found)
                continue
            values, count = s.reveal(*found)
            assert count == len(expected) and values.dtype == expected.dtype
            np.testing.assert_array_equal(values, np.pad(expected, (0, size - count), constant_values=9))


@settings(max_examples=20)
@given(mask=hnp.arrays(bool, st.integers(0, 24)), size=st.sampled_from([0, 4, 16, 17, 30]))
def test_rows_of_a_mask(mask, size):
    rows = mask.size
    whole, real, flags = np.arange(rows) - 3, np.arange(2 * rows).reshape(rows, 2) / 8 - 1, np.arange(rows) % 3 == 0
    with tacit.local_pair() as s:
        m, x, y, z = s.array(mask, 0), s.array(whole, 1), s.array(real, 0), s.array(flags, 1)
        found, count = tnp.filter(m, x, y, z, size=size, fill_value=7)
        if mask.sum() > size:
            for one in [*found, count]:
                if one.size:
                    with pytest.raises(OverflowError):
                        one.reveal()
            return
        results = s.reveal(*found)
        assert count.reveal() == mask.sum()
        for result, plain in zip(results, [whole, real, flags], strict=True):
            assert result.dtype == plain.dtype and result.shape == (size, *plain.shape[1:])
            np.testing.assert_array_equal(result[: mask.sum()], plain[mask])
            np.testing.assert_array_equal(result[mask.sum() :], np.full_like(result[mask.sum() :], 7))


def test_the_largest_and_their_places(s, agree, rng):
    a = rng.integers(-4, 5, (3, 9))
    x = s.array(a, 0)
    for axis in [0, 1]:
        places = np.argsort(-a, axis=axis, kind="stable").take(range(2), axis)
        values, where = tnp.top_k(x, 2, axis)
        agree((values, np.take_along_axis(a, places, axis)), (where, places))
    f = rng.integers(-9, 9, 12) / 4
    values, where = tnp.top_k(s.array(f, 1), 12)
    agree((values, np.sort(f)[::-1]), (where, np.argsort(-f, kind="stable")))
    agree((np.take_along_axis(x, np.argsort(x, axis=1), 1), np.sort(a, axis=1)))
    agree((np.take_along_axis(x, np.argsort(-x, axis=0)[:1], 0), a.max(axis=0, keepdims=True)))
    agree((np.take_along_axis(x, np.array([[-1], [0], [2]]), 1), np.take_along_axis(a, np.array([[-1], [0], [2]]), 1)))
    with pytest.raises(OverflowError):
        np.take_along_axis(x[0], s.array(np.array([9]), 1), 0).reveal()


def test_order_by_several_keys(s, agree, rng):
    a, b, c = rng.integers(0, 3, 40), rng.integers(-8, 8, 40) / 4, rng.integers(0, 2, 40) > 0
    x, y, z = s.array(a, 0), s.array(b, 1), s.array(c, 0)
    for plain, secret in [
        ((a, b, c), (x, y, z)),
        ((b, a), (y, x)),
        ((c, a), (z, x)),
        ((b,), (y,)),
        ((b, b, a), (y, b, x)),
    ]:
        agree((np.lexsort(secret), np.lexsort(plain)))
    narrow = s.array(a, 0, range=(0, 3)), s.array(b, 1, range=(-2, 2)), z
    joined = np.lexsort(narrow)
    assert joined.explain()["bytes"] < np.lexsort((x, y, x)).explain()["bytes"]
    agree((joined, np.lexsort((a, b, c))), (np.lexsort(narrow[1::-1]), np.lexsort((b, a))))
    agree((np.sort(np.partition(x, 3)), np.sort(a)), (np.partition(x, 3)[3], np.partition(a, 3)[3]))
    agree((x.size * 0 + np.take_along_axis(x, np.argpartition(x, 3), 0)[3], np.partition(a, 3)[3]))


def test_one_hot(s, agree):
    a = np.array([[2, 5], [5, 9]])
    agree((tnp.one_hot(s.array(a, 0), [5, 2]), a[..., None] == np.array([5, 2])))
    np.testing.assert_array_equal(tnp.one_hot(a, [5]), a[..., None] == 5)


@pytest.mark.parametrize(
    ("what", "kind", "says"),
    [
        (lambda x: np.histogram(x), NotImplementedError, "range"),
        (lambda x: np.histogram(x, "auto"), NotImplementedError, "depend on the data"),
        (lambda x: np.histogram(x, x), NotImplementedError, "depend on the data"),
        (lambda x: np.histogram(x, [2, 1]), ValueError, "increase"),
        (lambda x: np.histogram(x, [1, 2], weights=[1]), ValueError, "same shape"),
        (lambda x: np.histogram2d(x, x, 2, [(0, 1), (0, 1)], density=True), NotImplementedError, "density"),
        (lambda x: np.searchsorted([2, 1], x), ValueError, "increase"),
        (lambda x: np.searchsorted([1, 2], x, sorter=[0, 1]), NotImplementedError, "sorter"),
        (lambda x: np.searchsorted([1, 2], x, "middle"), ValueError, "side"),
        (lambda x: np.bincount(x), NotImplementedError, "minlength"),
        (lambda x: np.bincount(x * 1.0, minlength=3), TypeError, "int64"),
        (lambda x: np.bincount(x, [1.0], 3), ValueError, "same length"),
        (lambda x: np.unique(x), NotImplementedError, "tacit.numpy.unique"),
        (lambda x: np.intersect1d(x, x), NotImplementedError, "tacit.numpy.intersect1d"),
        (lambda x: tnp.intersect1d(x, x, size=-1), ValueError, "size"),
        (lambda x: np.putmask(x, x > 0, 0), NotImplementedError, "assign"),
        (lambda x: np.extract(x > 0, x), NotImplementedError, "tacit.numpy.filter"),
        (lambda x: np.flatnonzero(x), NotImplementedError, "tacit.numpy.filter"),
        (lambda x: np.compress(x > 0, x), NotImplementedError, "tacit.numpy.filter"),
        (lambda x: tnp.unique(x, size=-1), ValueError, "size"),
        (lambda x: tnp.unique(x / x, size=3), TypeError, "undefined"),
        (lambda x: tnp.filter(x > 0, x[:1], size=3), ValueError, "as many rows"),
        (lambda x: tnp.filter(x > 0, x, size=-3), ValueError, "size"),
        (lambda x: tnp.filter(x > 0, x / x, size=30), TypeError, "undefined"),
        (lambda x: tnp.top_k(x, 5), ValueError, "k is from 0"),
        (lambda x: tnp.one_hot(x, x), TypeError, "public"),
        (lambda x: np.lexsort((x.reshape(1, 4),)), NotImplementedError, "one axis"),
        (lambda x: np.take_along_axis(x, x * 1.0, 0), IndexError, "integer"),
        (lambda x: np.take_along_axis(x, np.array([4]), 0), IndexError, "out of bounds"),
    ],
)
def test_what_counting_refuses(s, what, kind, says):
    with pytest.raises(kind, match=says):
        what(s.array(np.arange(4), 0))
