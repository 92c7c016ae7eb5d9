"""Parts, shapes, joining and products of matrices, against NumPy."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tacit
from conftest import ULP
from hypothesis import given


@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6))
def test_basic_indices(data, shape):
    a = np.arange(int(np.prod(shape))).reshape(shape)
    keys = [data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=5)) for _ in range(6)]
    with tacit.local_pair() as s:
        x = s.array(a, 0)
        for key, result in zip(keys, s.reveal(*(x[key] for key in keys)), strict=True):
            assert x[key].shape == a[key].shape
            np.testing.assert_array_equal(result, a[key], err_msg=str(key))


def test_public_places_and_masks(s, agree, rng):
    a = rng.integers(-99, 99, (6, 7))
    x = s.array(a, 0)
    keys = [
        [0, 5, 2],
        (slice(None), [1, -1, 1]),
        a > 0,
        np.array([[0, 1], [2, 3]]),
        (Ellipsis, [3, 4, 5]),
        (2, [0, 2, 4]),
    ]
    keys += [np.array([True, False] * 3), [], (slice(1, 4), np.arange(7)[::-1])]
    agree(*((x[key], a[key]) for key in keys))
    agree((np.take(x, [5, 0, 40]), np.take(a, [5, 0, 40])), (np.take(x, 3, axis=1), np.take(a, 3, axis=1)))


def test_assignments(s, agree, rng):
    def changed(key, value, secret=None):
        a = rng.integers(-99, 99, (5, 6))
        x = s.array(a, 0)
        x[key] = value if secret is None else secret
        a[key] = value
        return x, a

    v = np.arange(6)
    w = np.arange(3)
    agree(
        changed(2, v),
        changed((slice(1, 3), -1), 7),
        changed((slice(None), slice(None, None, 2)), w),
        changed((slice(4, None, -2), 0), w, s.array(w, 1)),
        changed(Ellipsis, 0),
        changed((3, slice(2, 2)), 1),
    )
    a = rng.integers(-9, 9, 8)
    x = s.array(a, 0)
    before = x.copy()
    x[x > 3] = 0
    agree((x, np.where(a > 3, 0, a)), (before, a))
    with pytest.raises(TypeError, match="not put into"):
        x[0] = 0.5


def test_arrangements(s, agree, rng):
    a, b = rng.integers(-99, 99, (2, 3, 4)), rng.integers(-99, 99, (2, 3, 4))
    x, y = s.array(a, 0), s.array(b, 1)
    v, w = s.array(a[0, 0], 0), s.array(b[0, 0], 1)
    one = [
        lambda z: z.reshape(4, 6), lambda z: z.reshape((3, -1)), lambda z: z.ravel(), lambda z: z.flatten(), lambda z: z.T,
        lambda z: z.transpose(1, 2, 0), lambda z: np.transpose(z, (0, 2, 1)), lambda z: np.swapaxes(z, 0, -1),
        lambda z: np.moveaxis(z, 0, 2), lambda z: np.moveaxis(z, [0, 1], [1, 2]), lambda z: np.expand_dims(z, (0, -1)),
        lambda z: np.squeeze(z[:1]), lambda z: np.roll(z, 2, axis=1), lambda z: np.roll(z, 5), lambda z: np.flip(z),
        lambda z: np.flip(z, 1), lambda z: np.repeat(z, 3, axis=1), lambda z: np.repeat(z, [1, 0, 2], axis=1),
        lambda z: np.tile(z, (2, 1, 3)), lambda z: np.resize(z, (5, 7)), lambda z: np.resize(z, 3),
        lambda z: np.pad(z, ((1, 0), (0, 2), (1, 1)), constant_values=7), lambda z: np.broadcast_to(z, (5, 2, 3, 4)),
        lambda z: np.diff(z, axis=0), lambda z: np.tril(z), lambda z: np.triu(z, 1), lambda z: np.fliplr(z), lambda z: np.copy(z),
        lambda z: np.atleast_2d(z[0, 0]), lambda z: np.diag(z[0, 0], -1), lambda z: np.diag(z[0]), lambda z: np.diagonal(z[0], 1),
        lambda z: np.trace(z[0]), lambda z: np.split(z, 2)[1], lambda z: np.array_split(z, 3, axis=2)[1], lambda z: np.split(z, [1, 3], 2)[2],
        lambda z: np.append(z, z, axis=0), lambda z: np.append(z, 1),
    ]  # fmt: skip
    agree(*((f(x), f(a)) for f in one))
    joins = [np.concatenate, np.vstack, np.hstack, np.dstack, np.stack]
    agree(
        *((f([x, y]), f([a, b])) for f in joins),
        *((f([v, w]), f([a[0, 0], b[0, 0]])) for f in [*joins, np.column_stack]),
    )
    agree(
        (np.concatenate([x, b], axis=-1), np.concatenate([a, b], axis=-1)),
        (np.concatenate([x, y / 1], axis=None), np.concatenate([a, b / 1], axis=None), ULP),
        (np.stack([v, w], axis=1), np.stack([a[0, 0], b[0, 0]], axis=1)),
        (tacit.numpy.array([v, [1, 2, 3, 4]]), np.array([a[0, 0], [1, 2, 3, 4]])),
    )
    assert np.zeros_like(x).shape == x.shape and np.ones_like(x).dtype == np.int64 and np.shape(x) == x.shape
    for wrong in [
        lambda: x.reshape(5, 5),
        lambda: np.concatenate([x, v]),
        lambda: np.squeeze(x, 0),
        lambda: x[2],
        lambda: x + a[:, :2],
    ]:
        with pytest.raises((ValueError, IndexError)):
            wrong()


def test_further_arrangements(s, agree, rng):
    a, v = rng.integers(-99, 99, (2, 3, 4)), rng.integers(-99, 99, 4)
    x, w = s.array(a, 0), s.array(v, 1)
    several = [
        lambda z: np.hsplit(z, 3), lambda z: np.vsplit(z, [1]), lambda z: np.dsplit(z, 2), lambda z: np.broadcast_arrays(z, z[:, :1]),
        lambda z: np.meshgrid(z[0, 0], z[0, 1, :2]), lambda z: np.meshgrid(z[0, 0], [1, 2], sparse=True),
        lambda z: np.meshgrid(z[0, 0], z[1, 0, :2], z[0, 1, :3], indexing="ij"),
    ]  # fmt: skip
    for function in several:
        agree(*zip(function(x), function(a), strict=True))
    one = [
        lambda z: np.block([[z[0], z[1]], [z[1, :1], z[0, :1]]]), lambda z: np.block([z[0, 0], 5]), lambda z: np.block(z[0]),
        lambda z: np.block([[z[0, 0]], [z[0, 1]]]), lambda z: np.rot90(z), lambda z: np.rot90(z, 2, (1, 2)), lambda z: np.rot90(z, -1, (2, 0)),
        lambda z: np.atleast_3d(z[0]), lambda z: np.atleast_3d(z[0, 0]), lambda z: np.rollaxis(z, 2), lambda z: np.rollaxis(z, 0, 3),
        lambda z: np.rollaxis(z, -2, 1), lambda z: np.delete(z, 1, 1), lambda z: np.delete(z, [0, -1], -1), lambda z: np.delete(z, 5),
        lambda z: np.insert(z, 1, 7, axis=1), lambda z: np.insert(z[0], 3, z[0, :, 0], axis=1), lambda z: np.insert(z, -2, 7),
        lambda z: np.insert(z[0], 1, z[1, 0], axis=0), lambda z: np.compress([True, False, True], z, 1), lambda z: np.compress([0, 1], z),
        lambda z: np.choose(z[0] % 2, [z[0], -z[1]]), lambda z: np.array_equiv(z, z[:1]), lambda z: np.array_equiv(z, z[:, :2]),
        lambda z: np.piecewise(z, [z < 0, z > 50], [lambda y: -y, 50]), lambda z: np.piecewise(z[0, 0], z[0, 0] > 5, [1, lambda y: y - 5]),
        lambda z: np.signbit(z), lambda z: np.copysign(z, -z), lambda z: np.conjugate(z), lambda z: np.divmod(z, 7)[1], lambda z: np.fix(z / 4),
    ]  # fmt: skip
    agree(*((f(x), f(a)) for f in one))
    f = rng.integers(-64, 64, 8) / 32
    y = s.array(f, 1, range=(-2, 2))
    real = [
        np.hypot, np.logaddexp,
    ]  # fmt: skip
    agree(*((g(y, y[::-1]), g(f, f[::-1]), 9 * ULP) for g in real))
    real = [
        np.degrees,
        np.rad2deg,
        np.radians,
        np.deg2rad,
        np.sinh,
        np.cosh,
        lambda z: np.tan(z / 2),
        lambda z: np.round(z, 1),
    ]
    agree(*((g(y), g(f), 9 * ULP) for g in real))
    agree((np.choose(s.array(v % 3, 0), [w, 1, 2]), np.choose(v % 3, [v, 1, 2])))
    with pytest.raises(OverflowError):
        np.choose(s.array(v * 0 + 3, 0), [w, 1, 2]).reveal()
    for what, kind, says in [
        (lambda: np.hsplit(x[0, 0, 0], 1), ValueError, "hsplit"),
        (lambda: np.vsplit(w, 2), ValueError, "vsplit"),
        (lambda: np.dsplit(x[0], 2), ValueError, "dsplit"),
        (lambda: np.insert(w, [1, 2], 5), NotImplementedError, "several places"),
        (lambda: np.insert(w, 9, 5), IndexError, "out of bounds"),
        (lambda: np.block([]), ValueError, "empty"),
        (lambda: np.rot90(x, 1, (1, 1)), ValueError, "different"),
        (lambda: np.rollaxis(x, 0, 5), np.exceptions.AxisError, "5"),
        (lambda: np.meshgrid(w, indexing="ji"), ValueError, "indexing"),
        (lambda: np.choose(w, [w, w], mode="clip"), NotImplementedError, "mode"),
        (lambda: np.piecewise(w, [w > 1], [1, 2, 3]), ValueError, "functions are expected"),
        (lambda: np.piecewise(w, [w > 1], [0.5]), NotImplementedError, "piecewise"),
        (lambda: np.round(y, -1), NotImplementedError, "tens"),
    ]:
        with pytest.raises(kind, match=says):
            what()


@pytest.mark.skipif(not hasattr(np, "matvec"), reason="of NumPy 2.2")
def test_names_of_newer_numpy(s, agree, rng):
    a, v = rng.integers(-9, 9, (2, 3, 4)), rng.integers(-9, 9, (2, 4))
    x, w = s.array(a, 0, range=(-9, 9)), s.array(v, 1, range=(-9, 9))
    for function in [np.vecdot, np.linalg.vecdot]:
        agree((function(x, w[:, None]), function(a, v[:, None])))
    agree(
        (np.matvec(x, w), np.matvec(a, v)),
        (np.vecmat(w, np.swapaxes(x, 1, 2)), np.vecmat(v, np.swapaxes(a, 1, 2))),
        (np.cumulative_sum(x, axis=1), np.cumulative_sum(a, axis=1)),
        (np.cumulative_prod(w[0]), np.cumulative_prod(v[0])),
        (np.unstack(x, axis=1)[2], np.unstack(a, axis=1)[2]),
        (np.matrix_transpose(x), np.matrix_transpose(a)),
        (np.linalg.vector_norm(x, axis=1, ord=1), np.linalg.vector_norm(a, axis=1, ord=1)),
        (np.linalg.vector_norm(x, keepdims=True), np.linalg.vector_norm(a, keepdims=True), 8 * ULP),
        (np.linalg.matrix_norm(x, ord=1), np.linalg.matrix_norm(a, ord=1)),
        (np.linalg.diagonal(x, offset=1), np.linalg.diagonal(a, offset=1)),
        (np.linalg.trace(x), np.linalg.trace(a)),
        (np.linalg.cross(w[:, :3], x[:, 0, :3]), np.linalg.cross(v[:, :3], a[:, 0, :3])),
        (np.linalg.outer(w[0], w[1]), np.linalg.outer(v[0], v[1])),
        (np.linalg.matmul(w, x[0].T), np.linalg.matmul(v, a[0].T)),
        (np.linalg.tensordot(w, x, axes=(1, 2)), np.linalg.tensordot(v, a, axes=(1, 2))),
        (np.astype(w, np.float64), np.astype(v, np.float64)),
    )
    with pytest.raises(ValueError, match="axis"):
        np.cumulative_sum(x)
    with pytest.raises(NotImplementedError, match="include_initial"):
        np.cumulative_sum(w[0], include_initial=True)


def test_what_is_known_beforehand_is_revealed_too(s):
    a = np.arange(3)
    x = s.array(a, 0)
    results = [
        x**0,
        np.vander(x, 0),
        np.resize(x[:0], 2),
        np.max(x[:0], initial=1),
        np.prod(x[:0]),
        np.average(x, returned=True)[1],
    ]
    expected = [a**0, np.vander(a, 0), np.resize(a[:0], 2), 1, 1, 3.0]
    results += [np.array_equal(x, x[:2]), np.array_equiv(x, x[:2]), np.argsort(x[0]), np.isin(x, [])]
    expected += [False, False, [0], np.isin(a, [])]
    for found, value in zip(results, expected, strict=True):
        np.testing.assert_array_equal(found.reveal(), value)
    np.testing.assert_array_equal(np.linalg.matrix_power(x[:, None] * a, 0).reveal(), np.eye(3))


def test_reversing_many_cells(s, agree):
    a = np.arange(30_000)
    agree((s.array(a, 0)[::-1], a[::-1]), (s.array(a, 0)[21_000:5:-7], a[21_000:5:-7]))
    agree((s.array(np.arange(10_007), 0)[::-1], np.arange(10_007)[::-1]))


def test_products_of_matrices(s, agree, rng):
    a, b, v, w = (
        rng.integers(-99, 99, (3, 4)),
        rng.integers(-99, 99, (4, 2)),
        rng.integers(-99, 99, 4),
        rng.integers(-99, 99, 4),
    )
    x, y, p, q = s.array(a, 0), s.array(b, 1), s.array(v, 0), s.array(w, 1)
    agree(
        (x @ y, a @ b), (x @ b, a @ b), (a @ y, a @ b), (x @ p, a @ v), (p @ y, v @ b), (p @ q, v @ w), (np.dot(x, 3), a * 3),
        (np.dot(p, q), np.dot(v, w)), (np.inner(x, x), np.inner(a, a)), (np.outer(p, q), np.outer(v, w)), (np.vdot(p, w), np.vdot(v, w)),
    )  # fmt: skip
    c, d = rng.integers(-9, 9, (2, 1, 3, 4)), rng.integers(-9, 9, (5, 4, 2))
    agree((s.array(c, 0) @ s.array(d, 1), c @ d))
    agree(
        (np.tensordot(x, y, 1), np.tensordot(a, b, 1)),
        (np.tensordot(s.array(c, 0), d, axes=(3, 1)), np.tensordot(c, d, axes=(3, 1))),
        (np.tensordot(x, x, 2), np.tensordot(a, a, 2)),
    )
    flags, others = rng.random((3, 4)) > 0.5, rng.random((4, 2)) > 0.5
    agree((s.array(flags, 0) @ s.array(others, 1), flags @ others))
    f, g = np.round(rng.uniform(-5, 5, (6, 8)) / ULP) * ULP, np.round(rng.uniform(-5, 5, (8, 3)) / ULP) * ULP
    agree((s.array(f, 0, range=(-5, 5)) @ s.array(g, 1, range=(-5, 5)), f @ g, 2 * ULP))
    with pytest.raises(ValueError, match="do not match"):
        x @ x


def test_no_axes_and_no_cells(s, agree):
    scalar, empty = np.float64(2.5), np.zeros((0, 3))
    x, none = s.array(scalar, 0), s.array(empty, 1)
    agree(
        (x, scalar),
        (x * 2, scalar * 2),
        (none + x, empty + scalar),
        (none.T @ none, empty.T @ empty, ULP),
        (none[:, 1], empty[:, 1]),
    )
    assert isinstance(x.reveal(), np.float64) and len(none) == 0 and list(none) == []
