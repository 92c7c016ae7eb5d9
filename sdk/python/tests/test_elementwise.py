"""NumPy's ufuncs and operators, against NumPy on random shapes, types and edges."""

from __future__ import annotations

import operator

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tacit
from conftest import ULP
from hypothesis import given

EDGES = np.array([0.0, -0.0, ULP, -ULP, 1.0, -1.0, 0.5, 1023.75, -1024.0, 1024.0])
MOST = 1024


def encoded(values):
    """Floats as secret arrays hold them."""
    return np.round(np.asarray(values) / ULP) * ULP


def secret(s, values, party):
    return s.array(values, party, range=None if values.dtype == bool else (-MOST, MOST))


def arrays(shape, kind):
    elements = {
        "bool": st.booleans(),
        "int64": st.integers(-MOST, MOST),
        "float64": st.floats(-MOST, MOST, width=32),
    }[kind]
    return hnp.arrays(kind, shape, elements=elements)


KINDS = st.sampled_from(["bool", "int64", "float64"])
SHAPES = hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=3, min_side=0, max_side=3)


@given(data=st.data(), shapes=SHAPES, kinds=st.tuples(KINDS, KINDS))
def test_pairs_of_any_types_and_shapes(data, shapes, kinds):
    a, b = (data.draw(arrays(shape, kind)) for shape, kind in zip(shapes.input_shapes, kinds, strict=True))
    a, b = (encoded(v) if v.dtype == float else v for v in (a, b))
    both_bools = a.dtype == bool and b.dtype == bool
    exact = [np.add, np.minimum, np.maximum, np.less, np.less_equal, np.greater, np.greater_equal, np.equal]
    exact += [np.not_equal, np.logical_and, np.logical_or, np.logical_xor]
    exact += [np.bitwise_and, np.bitwise_or, np.bitwise_xor] if both_bools else [np.subtract]
    with tacit.local_pair() as s:
        x, y = secret(s, a, 0), secret(s, b, 1)
        cases = (
            [(f(x, y), f(a, b)) for f in exact]
            + [(f(x, b), f(a, b)) for f in exact]
            + [(f(a, y), f(a, b)) for f in exact]
        )
        results = s.reveal(*(case[0] for case in cases), x * y)
        for (made, expected), result in zip(cases, results, strict=False):
            assert made.dtype == expected.dtype and made.shape == expected.shape
            np.testing.assert_array_equal(result, expected)
        np.testing.assert_allclose(results[-1], a * b, rtol=0, atol=0 if (x * y).dtype != float else ULP)
        assert (x * y).dtype == (a * b).dtype


def test_operators_have_both_sides_and_numbers(s, agree):
    a, b = EDGES, EDGES[::-1].copy()
    x, y = secret(s, a, 0), secret(s, b, 1)
    for op in [operator.add, operator.sub, operator.mul]:
        agree(
            (op(x, y), op(a, b), ULP),
            (op(x, 3), op(a, 3), ULP),
            (op(2.5, x), op(2.5, a), ULP),
            (op(b, x), op(b, a), ULP),
        )
    for op in [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]:
        agree((op(x, y), op(a, b)), (op(x, 0.5), op(a, 0.5)), (op(1, x), op(1, a)), (op(b, x), op(b, a)))
    agree((-x, -a), (+x, +a), (abs(x), abs(a)), (x**2, a**2, ULP), (x**0, a**0))
    flags = np.array([True, False, True, True])
    other = np.array([True, True, False, False])
    p, q = s.array(flags, 0), s.array(other, 1)
    agree(
        (p & q, flags & other),
        (p | other, flags | other),
        (True ^ p, True ^ flags),
        (~p, ~flags),
        (other & p, flags & other),
    )
    x += 1
    agree((x, a + 1))


def test_quotients_are_within_a_step(s, agree, rng):
    a = encoded(rng.uniform(-MOST, MOST, 200))
    b = encoded(rng.uniform(0.5, MOST, 200) * rng.choice([-1, 1], 200))
    x, y = secret(s, a, 0), secret(s, b, 1)
    agree((x / y, a / b, 2 * ULP), (x / 4000, a / 4000, 2 * ULP), (1 / y, 1 / b, 2 * ULP), (x / b, a / b, 2 * ULP))
    n = rng.integers(1, 1000, 50)
    agree(
        (s.array(n, 0, range=(1, 1000)) / 7, n / 7, 2 * ULP),
        (np.reciprocal(s.array(n / 1.0, 0, range=(1, 1000))), 1 / n, 2 * ULP),
    )


def test_a_quotient_by_zero_is_undefined_and_spreads(s):
    x = s.array(np.array([1.0, 2.0, 3.0]), 0, range=(-4, 4))
    y = s.array(np.array([2.0, 0.0, 1.0]), 1, range=(-4, 4))
    q = x / y
    found = q.reveal()
    assert found[0] == 0.5 and np.isnan(found[1]) and found[2] == 3
    for spread in [q.sum(), q.mean(), q.max(), q.min(), np.sum(q, axis=0), np.var(q), np.cumsum(q)[-1]]:
        assert np.isnan(spread.reveal())
    assert np.ma.is_masked(np.argmax(q).reveal())
    assert np.isnan((q @ x).reveal()) and np.isnan((x @ q).reveal()) and np.isnan(np.einsum("i,i", q, x).reveal())
    a, b = q[:2].reshape(2, 1) * np.ones((2, 3)), x[:, None] * np.ones((3, 2))
    for product, undefined in [(a @ b, [[0, 0], [1, 1]]), (b @ a, [[1] * 3] * 3), (a @ x, [0, 1])]:
        np.testing.assert_array_equal(np.isnan(product.reveal()), undefined)
    stacked = np.stack([a, a[::-1]]) @ b
    np.testing.assert_array_equal(np.isnan(stacked.reveal()), [[[0, 0], [1, 1]], [[1, 1], [0, 0]]])
    assert np.isnan((np.stack([b, b]) @ q[:2]).reveal()).all()
    np.testing.assert_allclose(np.where(y != 0, q, 0).reveal(), [0.5, 0, 3])
    assert abs(np.sum(q, where=np.array([True, False, True])).reveal() - 3.5) <= 3 * ULP


def test_types_are_numpys(s):
    ints, floats, flags = (s.array(np.ones(2, kind), 0) for kind in ("int64", "float64", "bool"))
    assert (ints + 2).dtype == np.int64 and (ints * 2.0).dtype == np.float64 and (ints / 1).dtype == np.float64
    assert (flags + 1).dtype == np.int64 and (flags * flags).dtype == bool and (flags + 0.5).dtype == np.float64
    assert (floats * ints).dtype == np.float64 and (floats == ints).dtype == bool and flags.sum().dtype == np.int64
    assert s.array(np.ones(2, np.float32)).dtype == np.float64 and s.array(np.ones(2, np.uint8)).dtype == np.int64
    assert ints.astype(float).dtype == np.float64 and floats.astype(bool).dtype == bool
    assert s.array([1, 2], dtype=float).dtype == np.float64
    assert np.result_type(ints, floats) == np.float64
    for refused in [lambda: flags - flags, lambda: -flags]:
        with pytest.raises(TypeError, match="no bools"):
            refused()
    with pytest.raises(TypeError, match="in parentheses"):
        ints & 1
    with pytest.raises(NotImplementedError, match="np.floor"):
        floats.astype(int)


def test_public_factors_keep_their_digits(s, agree, rng):
    a = encoded(rng.uniform(-(2**19), 2**19, 40))
    x = s.array(a, 0, range=(-(2**19), 2**19))
    for c in [0.001, 3.7, -1e-5, 1 / 3, 123.456, 1e-9, 98_765.432_1]:
        agree((x * c, a * c, 3 * ULP), (c * x, c * a, 3 * ULP))
    for c in [0.3, 1.7, 1000.25, 1024, -2.0, 0.25, 77_777.7, 4]:
        agree((x / c, a / c, 4 * ULP))
    weights = rng.uniform(-1, 1, (40, 3))
    agree(
        (x @ weights, a @ weights, 20 * ULP),
        (weights.T @ x, weights.T @ a, 20 * ULP),
        (x * weights[:, 0], a * weights[:, 0], 3 * ULP),
    )
    # Powers of two are exact, and cost what cutting digits off does.
    y = s.array(a, 1, range=(-(2**19), 2**19))
    assert ((x + y) / 4).explain()["rounds"] < ((x + y) / 5).explain()["rounds"]


def test_powers(s, agree, rng):
    a = encoded(rng.uniform(-3, 3, 20))
    x = s.array(a, 0, range=(-3, 3))
    n = rng.integers(-3, 4, 20)
    i = s.array(n, 1, range=(-3, 3))
    agree((i**5, n**5), (np.square(i), n**2), (x**3, a**3, 60 * ULP), (np.power(x, 4), a**4, 200 * ULP), (i**0, n**0))
    with pytest.raises(ValueError, match="negative integer powers"):
        i**-1
    with pytest.raises(NotImplementedError, match="secret exponent"):
        2**i


def test_choices(s, agree, rng):
    a, b = rng.integers(-9, 10, (3, 4)), encoded(rng.uniform(-9, 9, 4))
    x, y = s.array(a, 0), s.array(b, 1)
    agree(
        (np.where(x > y, x, y), np.where(a > b, a, b)),
        (np.where(x > 0, 1, 0), np.where(a > 0, 1, 0)),
        (np.where(a > 0, x, 0.5), np.where(a > 0, a, 0.5)),
        (np.select([x < -3, x < 3], [x, 0], 7), np.select([a < -3, a < 3], [a, 0], 7)),
        (np.clip(x, -2, 5), np.clip(a, -2, 5)),
        (x.clip(max=3), a.clip(max=3)),
        (np.isclose(y, b), np.isclose(b, b)),
        (np.heaviside(y, 0.5), np.heaviside(b, 0.5)),
        (np.maximum(x, 2), np.maximum(a, 2)),
        (np.fmin(y, 0), np.fmin(b, 0)),
    )


def test_ufunc_methods(s, agree, rng):
    a, b = rng.integers(-9, 10, (3, 4)), rng.integers(-9, 10, 2)
    x, y = s.array(a, 0), s.array(b, 1)
    agree(
        (np.add.reduce(x), np.add.reduce(a)),
        (np.maximum.reduce(x, axis=1), np.maximum.reduce(a, axis=1)),
        (np.add.accumulate(x), np.add.accumulate(a)),
        (np.multiply.outer(x, y), np.multiply.outer(a, b)),
        (np.logical_or.reduce(x > 8, axis=None), np.logical_or.reduce(a > 8, axis=None)),
    )
    with pytest.raises(NotImplementedError, match="subtract.reduce"):
        np.subtract.reduce(x)
    with pytest.raises(NotImplementedError, match="argument `out`"):
        np.add(x, 1, out=np.empty((3, 4)))
    with pytest.raises(NotImplementedError, match="argument `where`"):
        np.add(x, 1, where=a > 0)


def test_wide_values_are_right_or_refused(s, agree):
    big = np.array([30_000.0, 123_456.75, -1_000_000.0])
    x, y = s.array(big, 0), s.array(big[::-1].copy(), 1)
    agree((x * y, big * big[::-1], ULP))
    most = np.array([2**62])
    z = s.array(most, 0, range=(0, 2**62))
    with pytest.raises(OverflowError, match="bits"):
        z * z
    with pytest.raises(OverflowError):
        z + z
