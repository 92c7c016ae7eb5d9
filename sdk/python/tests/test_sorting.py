"""Sorting, quantiles, windows and what moves cells, against NumPy."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

STEP = 2.0**-18


@pytest.fixture(params=[np.int64, np.float64])
def pair_of(request, s):
    random = np.random.default_rng(7)

    def made(*shape, party=0):
        plain = random.integers(-20, 20, shape).astype(request.param)
        if request.param is np.float64:
            plain += random.integers(0, 4, shape) / 4
        return plain, s.array(plain, party=party, range=(-32, 32))

    return made


@pytest.mark.parametrize(
    "shape, axis", [((1,), 0), ((17,), -1), ((4, 9), 0), ((4, 9), 1), ((2, 3, 4), 1), ((3, 5), None)]
)
def test_sorted_cells_and_their_places(pair_of, shape, axis):
    plain, secret = pair_of(*shape)
    assert np.array_equal(np.sort(secret, axis=axis).reveal(), np.sort(plain, axis=axis))
    assert np.array_equal(np.argsort(secret, axis=axis).reveal(), np.argsort(plain, axis=axis, kind="stable"))


def test_shares_of_both_are_sorted(s):
    random = np.random.default_rng(8)
    a, b = random.integers(-999, 999, (2, 300))
    x, y = s.array(a, party=0, range=(-1000, 1000)), s.array(b, party=1, range=(-1000, 1000))
    assert np.array_equal(np.sort(x + y).reveal(), np.sort(a + b))
    assert np.array_equal(np.argsort(x - y).reveal(), np.argsort(a - b, kind="stable"))


METHODS = [
    "linear",
    "lower",
    "higher",
    "midpoint",
    "nearest",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "hazen",
    "weibull",
]
METHODS += ["closest_observation", "interpolated_inverted_cdf", "median_unbiased", "normal_unbiased"]


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_by_every_method(pair_of, method):
    plain, secret = pair_of(5, 11)
    q = [0, 0.1, 0.5, 0.73, 1]
    for axis in (None, 0, 1):
        expected = np.quantile(plain, q, axis=axis, method=method)
        found = np.quantile(secret, q, axis=axis, method=method).reveal()
        assert found.shape == expected.shape and np.abs(found - expected).max() <= 4 * STEP, (method, axis)
    kept = np.percentile(secret, 30, axis=1, keepdims=True, method=method)
    assert kept.shape == (5, 1)
    assert np.abs(kept.reveal() - np.percentile(plain, 30, axis=1, keepdims=True, method=method)).max() <= 4 * STEP


def test_medians(pair_of):
    plain, secret = pair_of(4, 6)
    for axis in (None, 0, 1):
        assert np.abs(np.median(secret, axis=axis).reveal() - np.median(plain, axis=axis)).max() <= STEP


def test_running_sums_and_turned_repeated_rolled_tiled_cells(pair_of):
    plain, secret = pair_of(3, 4)
    for function in [
        lambda x: np.cumsum(x),
        lambda x: np.cumsum(x, axis=0),
        lambda x: np.flip(x),
        lambda x: np.flip(x, 1),
        lambda x: np.flipud(x),
        lambda x: np.take(x, [[3, -1], [0, 5]]),
        lambda x: np.take(x, [1, 1, 0], axis=0),
        lambda x: np.roll(x, 5),
        lambda x: np.roll(x, (1, -1), (0, 1)),
        lambda x: np.repeat(x, 2, axis=1),
        lambda x: np.repeat(x, [1, 0, 2], axis=0),
        lambda x: np.tile(x, (2, 2)),
        lambda x: np.tile(x, (2, 1, 2)),
        lambda x: sliding_window_view(x, (2, 3)),
        lambda x: sliding_window_view(x, 2, axis=1),
    ]:
        assert np.array_equal(function(secret).reveal(), function(plain))


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
def test_convolutions(s, mode):
    random = np.random.default_rng(9)
    for n, m in [(9, 4), (9, 3), (3, 5), (6, 6), (1, 1)]:
        a, b = random.integers(-9, 9, n), random.integers(-9, 9, m)
        x, y = s.array(a, party=0, range=(-9, 9)), s.array(b, party=1, range=(-9, 9))
        for function in (np.correlate, np.convolve):
            assert np.array_equal(function(x, y, mode).reveal(), function(a, b, mode)), (n, m, function)
            assert np.array_equal(function(x, b, mode).reveal(), function(a, b, mode)), (n, m, function)


def test_what_sorting_refuses(s):
    x = s.array(np.arange(4), party=0)
    for call in [
        lambda: np.sort(x, order="a"),
        lambda: np.quantile(x, 0.5, weights=[1, 2, 3, 4]),
        lambda: np.quantile(x, x),
    ]:
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(TypeError, match="secret index"):
        np.take(x, x)
    with pytest.raises(IndexError):
        np.take(x, [4])
    with pytest.raises(ValueError):
        np.convolve(x, [1, 2], "most")


def test_rows_in_the_order_of_a_column(pair_of):
    plain, secret = pair_of(9, 3)
    expected = plain[np.argsort(plain[:, 1], kind="stable")]
    assert np.array_equal(secret.quick_sort_by_column(1).reveal(), expected)
    assert np.array_equal(secret.quick_sort().reveal(), np.sort(plain, axis=None).reshape(9, 3))
