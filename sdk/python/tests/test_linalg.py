"""Linear algebra against NumPy: within the bounds that the functions state, and flagged where there is no answer."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import tacit
import tacit.numpy as tnp
from conftest import ULP
from hypothesis import given, settings


def encoded(values):
    return np.round(np.asarray(values, float) / ULP) * ULP


def shared(s, values, most=2.0**20):
    """An array that neither party knows: the sum of one of each."""
    mask = encoded(np.random.default_rng(3).uniform(-1, 1, np.shape(values)))
    return s.array(mask, 0, range=(-1, 1)) + s.array(values - mask, 1, range=(-most, most))


def tolerance(a, x):
    return 2.0**-17 + a.shape[-1] * np.max(np.linalg.cond(a)) * np.abs(x).max() * 2.0**-26


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12])
def test_systems_and_inverses_of_any_scale(s, agree, rng, size):
    for scale in [0.05, 1, 3000]:
        a = encoded(rng.normal(size=(size, size)) * scale)
        b = encoded(rng.normal(size=size) * scale)
        x, y = shared(s, a), shared(s, b)
        expected, inverse = np.linalg.solve(a, b), np.linalg.inv(a)
        agree(
            (np.linalg.solve(x, y), expected, tolerance(a, expected)),
            (tnp.inv(x, bound=2**18), inverse, tolerance(a, inverse)),
        )


def test_stacks_public_sides_and_many_right_hand_sides(s, agree, rng):
    a, b = encoded(rng.normal(size=(2, 1, 3, 3))), encoded(rng.normal(size=(2, 3, 2)))
    x, y = shared(s, a), shared(s, b)
    expected = np.linalg.solve(a, b)
    near = tolerance(a, expected)
    agree(
        (np.linalg.solve(x, y), expected, near),
        (np.linalg.solve(x, b), expected, near),
        (np.linalg.solve(a, y), expected, near),
        (np.linalg.inv(x), np.linalg.inv(a), tolerance(a, np.linalg.inv(a))),
    )
    np.testing.assert_array_equal(tnp.solve(a, b), expected)
    np.testing.assert_array_equal(tnp.inv(a), np.linalg.inv(a))
    tall = a.reshape(6, 3)
    rows = s.array(b.reshape(6, 2), 1, range=(-8, 8))
    agree((tnp.lstsq(tall, rows), np.linalg.lstsq(tall, b.reshape(6, 2), rcond=None)[0], 2**-15))
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.solve(np.zeros((3, 3)), y[0])


def test_positive_definite_systems_and_their_factors(s, agree, rng):
    for size, scale in [(1, 1), (4, 0.02), (6, 40), (9, 1)]:
        a = rng.normal(size=(size, 2 * size))
        a = encoded(a @ a.T / size * scale)
        b = encoded(rng.normal(size=(size, 2)) * scale)
        x, y = shared(s, a), shared(s, b)
        expected, factor = np.linalg.solve(a, b), np.linalg.cholesky(a)
        near = max(2.0**-16 + size * np.linalg.cond(a) * np.abs(factor).max() * 2.0**-26, 2e-6 * np.abs(factor).max())
        agree(
            (tnp.solve(x, y, assume_a="pos"), expected, tolerance(a, expected)),
            (tnp.inv(x, assume_a="pos"), np.linalg.inv(a), tolerance(a, np.linalg.inv(a))),
            (np.linalg.cholesky(x), factor, near),
            (np.linalg.cholesky(x + np.triu(np.ones((size, size), int), 1)), factor, near),
            (np.linalg.cholesky(np.stack([x, x]), upper=True)[1], factor.T, near),
        )


@pytest.mark.parametrize("scale", [0.01, 1, 30_000, 2**20])
def test_matrices_of_wide_ranges(s, agree, rng, scale):
    x = encoded(rng.uniform(-1, 1, (20, 3)) * scale)
    y = encoded(rng.uniform(-1, 1, 20) * scale)
    secret = s.array(x, 0)
    # Its range is 2**45.
    square, right = secret.T @ secret * 2, secret.T @ s.array(y, 1) * 2
    a, b = 2 * x.T @ x, 2 * x.T @ y
    expected = np.linalg.solve(a, b)
    rounded = 2.0**-15 + 3 * np.abs(expected).max() * np.linalg.norm(np.linalg.inv(a), 2) * 2.0**-15
    agree((tnp.solve(square, right, assume_a="pos"), expected, tolerance(a, expected) + rounded))
    agree((np.linalg.solve(square, right), expected, tolerance(a, expected) + rounded))
    agree((tnp.lstsq(secret, s.array(y, 1)), expected, tolerance(a, expected) + rounded))
    factor = np.linalg.cholesky(a)
    agree((np.linalg.cholesky(square), factor, max(1e-3, 2e-6 * np.abs(factor).max())))
    sign, logarithm = np.linalg.slogdet(square)
    agree((sign, 1.0), (logarithm, np.linalg.slogdet(a)[1], 0.02))


def test_least_squares(s, agree, rng):
    a, noise = encoded(rng.normal(size=(60, 4))), rng.normal(size=(60, 2))
    b = encoded(a @ rng.normal(size=(4, 2)) + noise)
    x, y = s.array(a, 0, range=(-8, 8)), s.array(b, 1, range=(-64, 64))
    expected, left, rank, _ = np.linalg.lstsq(a, b, rcond=None)
    near = 2.0**-17 + 4 * np.abs(expected).max() * np.linalg.norm(np.linalg.inv(a.T @ a), 2) * 2.0**-17
    found = np.linalg.lstsq(x, y)
    agree((found[0], expected, near), (found[1], left, 1e-3), (tnp.lstsq(x, b[:, 0]), expected[:, 0], near))
    assert found[2] == rank == 4 and found[3] is None
    np.testing.assert_array_equal(tnp.lstsq(a, b), expected)


@settings(max_examples=12)
@given(data=st.data())
def test_near_singular_systems_are_right_or_flagged(data):
    size = data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    left, _, right = np.linalg.svd(rng.normal(size=(size, size)))
    spread = 2.0 ** -np.array(data.draw(st.lists(st.integers(0, 24), min_size=size, max_size=size)))
    a, b = encoded(left * spread @ right), encoded(rng.normal(size=size))
    with tacit.local_pair() as s:
        try:
            found = np.linalg.solve(shared(s, a), shared(s, b)).reveal()
        except OverflowError:
            assert np.linalg.cond(a) > 2.0**10 or np.abs(np.linalg.solve(a, b)).max() > 2.0**15
            return
        expected = np.linalg.solve(a, b)
        assert np.abs(found - expected).max() <= tolerance(a, expected)


SINGULAR = [np.zeros((3, 3)), np.ones((2, 2)), np.arange(9.0).reshape(3, 3), np.diag([1.0, ULP]), np.zeros((1, 1))]


@pytest.mark.parametrize("matrix", SINGULAR)
def test_singular_matrices_are_flagged(s, matrix):
    x = shared(s, matrix)
    for result in [np.linalg.inv(x), np.linalg.solve(x, np.ones(len(matrix))), np.linalg.cholesky(x)]:
        with pytest.raises(OverflowError, match="left the range"):
            result.reveal()


def test_what_is_not_as_promised_is_flagged(s):
    indefinite = np.array([[1.0, 2.0], [2.0, 1.0]])
    x = shared(s, indefinite)
    for result in [np.linalg.cholesky(x), tnp.solve(x, np.ones(2), assume_a="pos"), tnp.inv(x, bound=0.25)]:
        with pytest.raises(OverflowError):
            result.reveal()
    # Rows that would grow a hundredfold.
    growing = 0.99 * np.eye(9) - 0.95 * np.tril(np.ones((9, 9)), -1)
    growing[:, -1] = 0.95
    with pytest.raises(OverflowError):
        np.linalg.inv(shared(s, growing)).reveal()


def test_determinants(s, agree, rng):
    for size in [1, 2, 3, 5, 8]:
        a = rng.integers(-3, 4, (2, size, size))
        agree((np.linalg.det(s.array(a, 0, range=(-3, 3))), np.round(np.linalg.det(a))))
    f = encoded(rng.uniform(-2, 2, (4, 4)))
    agree((np.linalg.det(s.array(f, 1, range=(-2, 2))), np.linalg.det(f), 40 * 8 * ULP))
    agree((np.linalg.det(s.array(np.ones((3, 3), int), 0, range=(-9, 9))), 0.0))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 10])
def test_logarithms_of_determinants(s, agree, rng, size):
    for scale in [0.1, 1, 100]:
        a = encoded(rng.normal(size=(3, size, size)) * scale)
        sign, logarithm = np.linalg.slogdet(a)
        found = np.linalg.slogdet(shared(s, a))
        near = size * np.linalg.cond(a).max() * 2.0**-16
        agree((found.sign, sign), (found.logabsdet, logarithm, near))
    with pytest.raises(OverflowError):
        np.linalg.slogdet(shared(s, np.ones((size + 1, size + 1))))[1].reveal()


@pytest.mark.parametrize("order", [None, 0, 1, 2, np.inf, -np.inf])
def test_norms_of_vectors(s, agree, rng, order):
    a = np.round(rng.normal(size=(3, 4)) * 8) / 4
    x = s.array(a, 0, range=(-16, 16))
    for axis in [0, 1, -1]:
        for keep in [False, True]:
            expected = np.linalg.norm(a, order, axis=axis, keepdims=keep)
            agree((np.linalg.norm(x, order, axis=axis, keepdims=keep), expected, 8 * ULP))
    agree((np.linalg.norm(x[0], order), np.linalg.norm(a[0], order), 8 * ULP))


@pytest.mark.parametrize("order", [None, "fro", 1, -1, np.inf, -np.inf])
def test_norms_of_matrices(s, agree, rng, order):
    a = np.round(rng.normal(size=(2, 3, 4)) * 8) / 4
    x = s.array(a, 0, range=(-16, 16))
    agree((np.linalg.norm(x[0], order), np.linalg.norm(a[0], order), 8 * ULP))
    for axis in [(0, 1), (2, 0), (-1, 1)]:
        for keep in [False, True]:
            expected = np.linalg.norm(a, order, axis=axis, keepdims=keep)
            agree((np.linalg.norm(x, order, axis=axis, keepdims=keep), expected, 8 * ULP))
    agree((np.linalg.norm(x), np.linalg.norm(a), 8 * ULP))


SUBSCRIPTS = {
    "ij,jk->ik": [(2, 3), (3, 4)], "ij->ji": [(2, 3)], "ii->": [(3, 3)], "ii->i": [(3, 3)], "ij,ij->i": [(2, 3), (2, 3)],
    "bij,bjk->bik": [(3, 2, 4), (3, 4, 2)], "i,j->ij": [(2,), (3,)], "ij,jk,kl": [(2, 3), (3, 2), (2, 2)], "ijk->": [(2, 2, 2)],
    "i,i": [(3,), (3,)], "ij,k->j": [(2, 3), (2,)], "iij,jk->ki": [(2, 2, 3), (3, 2)], ",i->i": [(), (3,)], "ba": [(2, 3)],
    "ij,ij->": [(2, 3), (2, 3)], "bi,bj->bij": [(2, 3), (2, 2)], "i,i,i->i": [(4,), (4,), (4,)], "ij,kj->ik": [(0, 3), (2, 3)],
    "ij,ij->i ": [(2, 3), (2, 1)], "ij,jk": [(2, 1), (3, 2)], "ii,i": [(1, 1), (3,)],
}  # fmt: skip


@pytest.mark.parametrize("subscripts", SUBSCRIPTS)
@pytest.mark.parametrize("kind", [np.int64, bool])
def test_sums_of_products_by_subscripts(s, agree, rng, subscripts, kind):
    plain = [rng.integers(-5, 6, shape) for shape in SUBSCRIPTS[subscripts]]
    plain = [array > 0 for array in plain] if kind is bool else plain
    secret = [s.array(a, k % 2, range=None if kind is bool else (-5, 5)) for k, a in enumerate(plain)]
    expected = np.einsum(subscripts, *plain)
    agree((np.einsum(subscripts, *secret), expected), (np.einsum(subscripts, secret[0], *plain[1:]), expected))


def test_products_of_many_axes(s, agree, rng):
    a, b, v = rng.integers(-9, 9, (2, 3, 4)), rng.integers(-9, 9, (5, 4, 2)), rng.integers(-9, 9, (2, 3))
    x, y, w = s.array(a, 0), s.array(b, 1), s.array(v, 1)
    agree(
        (np.dot(x, y), np.dot(a, b)),
        (np.dot(x, b[0, :, 0]), np.dot(a, b[0, :, 0])),
        (np.inner(x, y[..., 0].T[:4, :4].T), np.inner(a, b[..., 0].T[:4, :4].T)),
        (np.kron(w, x[0]), np.kron(v, a[0])),
        (np.kron(w[0], x), np.kron(v[0], a)),
        (np.cross(w, x[..., 0]), np.cross(v, a[..., 0])),
        (np.vander(w[0], 4), np.vander(v[0], 4)),
        (np.vander(w[0], increasing=True), np.vander(v[0], increasing=True)),
        (np.trace(x, 1, 2, 0), np.trace(a, 1, 2, 0)),
        (np.diagonal(x, -1, 1, 2), np.diagonal(a, -1, 1, 2)),
    )
    m = rng.integers(-3, 3, (2, 2))
    z = s.array(m, 0, range=(-3, 3))
    agree(
        (np.linalg.matrix_power(z, 5), np.linalg.matrix_power(m, 5)),
        (np.linalg.matrix_power(z, 0), np.linalg.matrix_power(m, 0)),
        (np.linalg.multi_dot([z, m, z]), np.linalg.multi_dot([m, m, m])),
    )
    far = s.array(np.array([1e6, -1e6]), 0)
    agree((np.outer(far, [0.1]), np.outer([1e6, -1e6], [0.1]), 2 * 1e6 * ULP**2 + 2 * ULP))


@pytest.mark.parametrize(
    ("what", "kind", "says"),
    [
        (lambda x: np.linalg.solve(x[:2], x[0]), np.linalg.LinAlgError, "square"),
        (lambda x: np.linalg.inv(x[0]), np.linalg.LinAlgError, "square"),
        (lambda x: np.linalg.det(x[0]), np.linalg.LinAlgError, "square"),
        (lambda x: np.linalg.matrix_power(x[0], 2), np.linalg.LinAlgError, "square"),
        (lambda x: np.linalg.solve(x, x[0, :2]), ValueError, "does not go with"),
        (lambda x: tnp.solve(x, x, assume_a="sym"), ValueError, "'gen' or 'pos'"),
        (lambda x: tnp.solve(x, x, bound=2**40), ValueError, "bound"),
        (lambda x: tnp.lstsq(x, x[0, :2]), ValueError, "rows"),
        (lambda x: np.linalg.lstsq(x[:2], x[0, :2]), NotImplementedError, "fewer rows"),
        (lambda x: np.linalg.lstsq(x, x[0], 0.1), NotImplementedError, "rcond"),
        (lambda x: np.linalg.det(np.kron(x, x)), NotImplementedError, "9 rows"),
        (lambda x: np.linalg.inv(np.tile(x, (9, 9))), NotImplementedError, "1 to 24"),
        (lambda x: np.linalg.norm(x, 2), NotImplementedError, "singular values"),
        (lambda x: np.linalg.norm(x[0], 3), NotImplementedError, "norm of vectors 3"),
        (lambda x: np.linalg.norm(x[0], "fro"), ValueError, "Invalid norm"),
        (lambda x: np.linalg.norm(x[None], 1), ValueError, "dimensions"),
        (lambda x: np.linalg.svd(x), NotImplementedError, "svd"),
        (lambda x: np.linalg.solve(x * x * x * 2.0**16, x[0]), OverflowError, "PROGRAM_RANGE"),
        (lambda x: np.einsum("...i->i", x), NotImplementedError, "..."),
        (lambda x: np.einsum(x, [0, 1]), NotImplementedError, "as text"),
        (lambda x: np.einsum("ij,jk", x), ValueError, "operands"),
        (lambda x: np.einsum("ijk", x), ValueError, "shape"),
        (lambda x: np.einsum("ij,jk->ik", x, x[:2]), ValueError, "cells"),
        (lambda x: np.einsum("ii", x[:1]), ValueError, "other numbers"),
        (lambda x: np.einsum("ij->iij", x), ValueError, "twice"),
        (lambda x: np.einsum("i1->i", x), ValueError, "letters"),
        (lambda x: np.cross(x[:, :2], x[:, :2]), NotImplementedError, "3 numbers"),
        (lambda x: np.trace(x, axis1=0, axis2=0), ValueError, "the same"),
        (lambda x: np.diagonal(x[0]), ValueError, "two dimensions"),
    ],
)
def test_what_linear_algebra_refuses(s, what, kind, says):
    with pytest.raises(kind, match=says):
        what(s.array(np.eye(3), 0))
