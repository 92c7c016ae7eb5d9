"""Reductions, running sums and statistics, against NumPy over random shapes, axes and masks."""

from __future__ import annotations

import warnings

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tacit
from conftest import ULP
from hypothesis import given

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4)


@st.composite
def problems(draw):
    """An array of any type and shape, axes of it, whether they stay, and a mask."""
    kind = draw(st.sampled_from(["bool", "int64", "float64"]))
    shape = draw(SHAPES)
    elements = {
        "bool": st.booleans(),
        "int64": st.integers(-9, 9),
        "float64": st.integers(-64, 64).map(lambda n: n / 8),
    }
    values = draw(hnp.arrays(kind, shape, elements=elements[kind]))
    axes = st.sampled_from(range(-len(shape), len(shape))) if shape else st.none()
    several = hnp.valid_tuple_axes(len(shape), min_size=1) if shape else st.none()
    axis = draw(st.one_of(st.none(), axes, several))
    mask = draw(hnp.arrays(bool, shape))
    return values, axis, draw(st.booleans()), mask


@given(problem=problems())
def test_reductions_over_any_axes(problem):
    values, axis, keep, mask = problem
    with tacit.local_pair() as s:
        x, m = s.array(values, 0, range=None if values.dtype == bool else (-9, 9)), s.array(mask, 1)
        exact = [np.sum, np.any, np.all, np.max, np.min]
        cases = [(f(x, axis=axis, keepdims=keep), f(values, axis=axis, keepdims=keep)) for f in exact]
        cases += [(f(x, axis=axis, where=m), f(values, axis=axis, where=mask)) for f in [np.sum, np.any, np.all]]
        cases += [
            (np.count_nonzero(x, axis=axis, keepdims=keep), np.count_nonzero(values, axis=axis, keepdims=keep)),
            (np.max(x, axis=axis, initial=3, where=m), np.max(values, axis=axis, initial=3, where=mask)),
            (np.sum(x, axis=axis, initial=2), np.sum(values, axis=axis, initial=2)),
        ]
        if not isinstance(axis, tuple):
            cases += [
                (f(x, axis=axis, keepdims=keep), f(values, axis=axis, keepdims=keep)) for f in [np.argmax, np.argmin]
            ]
            cases += [(np.cumsum(x, axis=axis), np.cumsum(values, axis=axis))] if values.ndim else []
        for (made, expected), result in zip(cases, s.reveal(*(case[0] for case in cases)), strict=True):
            assert made.shape == np.shape(expected) and np.shape(result) == np.shape(expected)
            assert made.dtype == np.asarray(expected).dtype
            np.testing.assert_array_equal(result, expected)


@given(problem=problems())
def test_means_over_any_axes(problem):
    values, axis, keep, mask = problem
    mask.flat[0] = True
    with tacit.local_pair() as s:
        x = s.array(values, 0, range=None if values.dtype == bool else (-9, 9))
        m = s.array(mask, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, of the mean of nothing
            cases = [
                (np.mean(x, axis=axis, keepdims=keep), np.mean(values, axis=axis, keepdims=keep)),
                (np.mean(x, axis=axis, where=m), np.mean(values, axis=axis, where=mask)),
                (np.var(x, axis=axis), np.var(values, axis=axis)),
            ]
        for (made, expected), result in zip(cases, s.reveal(*(case[0] for case in cases)), strict=True):
            assert made.shape == np.shape(expected) and made.dtype == np.float64
            np.testing.assert_allclose(result, expected, rtol=0, atol=60 * ULP)


def test_long_means_and_sums_of_products(s, agree, rng):
    a, b = (np.round(rng.uniform(-100, 100, 20_000) / ULP) * ULP for _ in range(2))
    x, y = s.array(a, 0, range=(-100, 100)), s.array(b, 1, range=(-100, 100))
    agree((x.mean(), a.mean(), ULP), (x @ y, a @ b, 2 * ULP), (np.sum(x), a.sum()))


def test_averages(s, agree, rng):
    a, w = rng.integers(1, 50, (4, 5)), rng.integers(1, 9, 5)
    x, y = s.array(a, 0, range=(1, 50)), s.array(w, 1, range=(1, 9))
    agree(
        (np.average(x), np.average(a), ULP),
        (np.average(x, axis=1, weights=y), np.average(a, axis=1, weights=w), 2 * ULP),
        (np.average(x, axis=1, weights=w), np.average(a, axis=1, weights=w), 2 * ULP),
        (np.average(x, weights=a), np.average(a, weights=a), 2 * ULP),
        (np.ptp(x, axis=0), np.ptp(a, axis=0)),
        (np.var(x, ddof=1), np.var(a, ddof=1), 200 * ULP),
    )
    with pytest.raises(ZeroDivisionError):
        np.average(x, axis=1, weights=np.zeros(5))
    with pytest.raises(TypeError, match="Axis must be specified"):
        np.average(x, weights=w)


def test_products_and_running_products(s, agree, rng):
    a = rng.integers(-3, 4, (3, 5))
    x = s.array(a, 0, range=(-3, 3))
    agree(
        (np.prod(x, axis=1), np.prod(a, axis=1)),
        (np.prod(x, axis=0, keepdims=True), np.prod(a, axis=0, keepdims=True)),
        (np.prod(x), np.prod(a)),
        (np.cumprod(x, axis=1), np.cumprod(a, axis=1)),
        (np.prod(x, where=a > 0), np.prod(a, where=a > 0)),
        (np.cumsum(x, axis=0), np.cumsum(a, axis=0)),
        (np.diff(x, 2, axis=1), np.diff(a, 2, axis=1)),
    )


def test_ties_go_to_the_first(s, agree):
    a = np.array([1, 5, 5, 1])
    x = s.array(a, 0)
    agree((np.argmax(x), np.argmax(a)), (np.argmin(x), np.argmin(a)))


def test_nothing_has_numpys_answer(s, agree):
    none = np.zeros((0, 3))
    x = s.array(none, 0)
    agree(
        (x.sum(axis=0), none.sum(axis=0)),
        (x.prod(axis=0), none.prod(axis=0)),
        (x.any(), none.any()),
        (x.all(), none.all()),
    )
    agree(
        (np.max(x, axis=0, initial=1), np.max(none, axis=0, initial=1)), (np.cumsum(x, axis=0), np.cumsum(none, axis=0))
    )
    for empty in [np.max, np.min, np.argmax, np.mean]:
        with pytest.raises(ValueError):
            empty(x, axis=0)
    with pytest.raises(ValueError):
        np.max(x, axis=1, where=none > 0)


def test_a_number_has_its_first_and_last_axis(s, agree):
    a = np.int64(-3)
    x = s.array(a, 0)
    for function in [np.sum, np.max, np.any, np.argmax, np.prod]:
        agree(*((function(x, axis=axis), np.asarray(function(a, axis=axis))) for axis in [0, -1]))
        with pytest.raises(np.exceptions.AxisError):
            function(x, axis=1)


def test_axes_out_of_bounds_are_numpys_error(s):
    x = s.array(np.zeros((2, 3)), 0)
    for axis in [2, -3, (0, 0), 7]:
        with pytest.raises((np.exceptions.AxisError, ValueError)):
            np.sum(x, axis=axis)


def test_long_sums_of_products_and_variances_stay_within_a_step(s, rng):
    a, b = rng.uniform(-100, 100, (2, 20_000))
    x, y = s.array(a, 0, range=(-100, 100)), s.array(b, 1, range=(-100, 100))
    encoded = [np.round(values / ULP) * ULP for values in (a, b)]
    within = {
        "sum": (np.sum(x * y), np.sum(encoded[0] * encoded[1]), 1),
        "masked": (np.sum(x * y, where=x > 0), np.sum((encoded[0] * encoded[1])[encoded[0] > 0]), 1),
        "mean": (np.mean(x * y), np.mean(encoded[0] * encoded[1]), 1.5),
        "var": (np.var(x), np.var(encoded[0]), 1),
        "masked var": (np.var(x, where=y > 50), np.var(encoded[0][encoded[1] > 50]), 2.5),
    }
    for name, (secret, expected, ulps) in within.items():
        bound = secret.explain()["error"]
        assert bound <= ulps * ULP, name
        assert abs(secret.reveal() - expected) <= bound + 1e-9, name


def test_the_variance_of_a_tight_cluster_far_from_zero_is_right(s, rng):
    values = np.round((1e5 + rng.normal(0, 0.01, 1000)) / ULP) * ULP
    found = np.var(s.array(values, 0)).reveal()
    assert abs(found - np.var(values)) <= 1.5 * ULP
