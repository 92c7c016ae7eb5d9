"""Interpolation, differences, polynomials, covariances, and cells that are undefined, against NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from conftest import ULP


def test_lines_between_points(s, agree, rng):
    a = np.round(rng.uniform(-12, 12, 40) / ULP) * ULP
    a[:4] = [-10, 10, 0, 0.5]
    x = s.array(a.reshape(4, 10), 0, range=(-12, 12))
    places, heights = np.array([-10.0, -3.5, 0.5, 2, 10]), np.array([3.0, -1.25, 0, 7, 100])
    y = s.array(heights, 1, range=(-128, 128))
    a = a.reshape(4, 10)
    agree(
        (np.interp(x, places, heights), np.interp(a, places, heights), 8 * ULP),
        (np.interp(x, places, y), np.interp(a, places, heights), 8 * 14 * ULP),
        (np.interp(a, places, y), np.interp(a, places, heights), 8 * 14 * ULP),
        (np.interp(x, places, heights, -5, 5), np.interp(a, places, heights, -5, 5), 8 * ULP),
        (np.interp(x, [1], [2.5]), np.interp(a, [1], [2.5])),
    )


def test_slopes_and_areas(s, agree, rng):
    a = np.round(rng.normal(size=(5, 4)) / ULP) * ULP
    x = s.array(a, 0, range=(-8, 8))
    area = getattr(np, "trapezoid", None) or np.trapz
    places = np.array([0, 0.3, 1, 1.5, 4])
    agree(
        (area(x), area(a), 9 * ULP),
        (area(x, dx=0.1, axis=0), area(a, dx=0.1, axis=0), 9 * ULP),
        (area(x, places, axis=0), area(a, places, axis=0), 9 * ULP),
        (area(x, x), area(a, a), 40 * ULP),
        *((found, wanted, 2 * ULP) for found, wanted in zip(np.gradient(x), np.gradient(a), strict=True)),
        (np.gradient(x, places, axis=0), np.gradient(a, places, axis=0), 2 * ULP),
        (np.gradient(x, 0.1, axis=1), np.gradient(a, 0.1, axis=1), 2 * ULP),
        (np.ediff1d(x, 5, [1, 2]), np.ediff1d(a, 5, [1, 2])),
        (np.ediff1d(x), np.ediff1d(a)),
    )


def test_polynomials(s, agree, rng):
    a, c = rng.integers(-3, 4, 6), rng.integers(-3, 4, 4)
    x, p = s.array(a, 0, range=(-3, 3)), s.array(c, 1, range=(-3, 3))
    agree(
        (np.polyval(c, x), np.polyval(c, a)), (np.polyval(p, x), np.polyval(c, a)), (np.polyval(p, a), np.polyval(c, a))
    )
    t = np.arange(8) / 4
    y = np.round(rng.normal(size=8) / ULP) * ULP
    agree((np.polyfit(t, s.array(y, 1, range=(-4, 4)), 2), np.polyfit(t, y, 2), 2 * ULP))


@pytest.mark.parametrize("rowvar", [True, False])
def test_covariances(s, agree, rng, rowvar):
    a = rng.normal(size=(3, 50)) * [[1], [4], [0.5]]
    a = np.round((a + a[:1]) / ULP) * ULP
    a, b = (a, a[:1]) if rowvar else (a.T, a.T[:, :1])
    x, y = s.array(a, 0, range=(-32, 32)), s.array(b, 1, range=(-32, 32))
    agree(
        (np.cov(x, rowvar=rowvar), np.cov(a, rowvar=rowvar), 4 * ULP),
        (np.cov(x, y, rowvar=rowvar, bias=True), np.cov(a, b, rowvar=rowvar, bias=True), 4 * ULP),
        (np.cov(x[0], ddof=2), np.cov(a[0], ddof=2), 4 * ULP),
        (np.corrcoef(x, rowvar=rowvar), np.corrcoef(a, rowvar=rowvar), 2.0**-14),
        (np.corrcoef(x, y, rowvar=rowvar), np.corrcoef(a, b, rowvar=rowvar), 2.0**-14),
    )
    assert np.cov(x[0]).shape == np.cov(a[0]).shape
    constant = np.ones((2, 4)) * [[1], [0]] * np.arange(4)
    found = np.corrcoef(s.array(constant, 0, range=(-4, 4))).reveal()
    assert abs(found[0, 0] - 1) < 2.0**-14 and np.isnan(found[0, 1]) and np.isnan(found[1, 1])


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_undefined_cells_are_left_out(s, agree, rng, axis):
    a, b = rng.integers(-16, 16, (4, 6)) / 4, rng.integers(-1, 3, (4, 6))
    b[0] = [1, 0, 0, 0, 0, 0]
    b[:, 1] = 0
    x = s.array(a, 0, range=(-4, 4)) / s.array(b, 1, range=(-1, 2))
    with np.errstate(all="ignore"):
        plain = np.where(b == 0, np.nan, a / b)
    few = {np.nanargmax, np.nanargmin}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for function in [np.nansum, np.nanprod, np.nanmean, np.nanmax, np.nanmin, np.nanvar, np.nanstd, *few]:
            keep = axis == 1
            of = (slice(None), slice(2, None)) if function in few else slice(None)
            if function is np.nanprod:
                of = (slice(2), slice(3))
            if function in few:
                of = (slice(1, None), slice(2, None))
                plain[1:, 2:] = np.where(np.isnan(plain[1:, 2:]), np.nan, plain[1:, 2:])
            try:
                expected = function(plain[of], axis=axis, keepdims=keep)
            except ValueError:
                continue
            found = function(x[of], axis=axis, keepdims=keep)
            agree((found, expected, 0 if function in few else 60 * ULP))
        agree(
            (np.nanvar(x, axis, ddof=1), np.nanvar(plain, axis, ddof=1), 60 * ULP),
            (np.nancumsum(x, axis), np.nancumsum(plain, axis), 60 * ULP),
        )
    agree(
        (np.isnan(x), np.isnan(plain)),
        (np.isfinite(x), ~np.isnan(plain)),
        (np.isinf(np.nan_to_num(x)), np.zeros((4, 6), bool)),
        (np.nan_to_num(x), np.nan_to_num(plain), 4 * ULP),
        (np.nan_to_num(x, nan=-2.5), np.nan_to_num(plain, nan=-2.5), 4 * ULP),
        (np.isnan(s.array(b, 1)), np.zeros(b.shape, bool)),
        (np.nansum(s.array(b, 1), axis=axis), np.nansum(b, axis=axis)),
    )


@pytest.mark.parametrize(
    ("what", "kind", "says"),
    [
        (lambda x: np.interp(x, x, x), NotImplementedError, "secret places"),
        (lambda x: np.interp(x, [1, 2], [1, 2], period=3), NotImplementedError, "period"),
        (lambda x: np.interp(x, [2, 1], [1, 2]), ValueError, "increase"),
        (lambda x: np.interp(x, [1, 2], [1]), ValueError, "same length"),
        (lambda x: np.gradient(x, x), NotImplementedError, "secret places"),
        (lambda x: np.gradient(x, edge_order=2), NotImplementedError, "edge_order"),
        (lambda x: np.gradient(x[:1]), ValueError, "too small"),
        (lambda x: np.gradient(x, [1, 2]), ValueError, "match the length"),
        (lambda x: np.polyfit(x, x, 1), NotImplementedError, "lstsq"),
        (lambda x: np.polyval(x.reshape(2, 2), x), ValueError, "one axis"),
        (lambda x: np.cov(x, fweights=[1, 1, 1, 1]), NotImplementedError, "weights"),
        (lambda x: np.cov(x[:1]), ValueError, "Degrees of freedom"),
        (lambda x: np.cov(x.reshape(1, 2, 2)), ValueError, "2 dimensions"),
        (lambda x: np.nanmedian(x), NotImplementedError, "nan_to_num"),
        (lambda x: np.nanmean(x, where=x > 0), NotImplementedError, "where"),
        (lambda x: np.nanmax(x, initial=3), NotImplementedError, "initial"),
        (lambda x: np.nanmin(x, initial=3), NotImplementedError, "initial"),
        (lambda x: np.nanmax(x[:0]), ValueError, "no cells"),
    ],
)
def test_what_calculus_refuses(s, what, kind, says):
    with pytest.raises(kind, match=says):
        what(s.array(np.arange(4.0), 0))
