"""The drop-in for petace.securenumpy: every name and signature, and what was wrong there."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tacit
import tacit.securenumpy as snp

#: notes of the peers, their module as it is.
SIGNATURES = {
    "array": ["data", "party", "dtype"], "fromshare": ["share", "dtype"], "ones": ["shape", "party", "dtype"],
    "zeros": ["shape", "party", "dtype"], "empty": ["shape", "party", "dtype"], "full": ["shape", "fill_value", "party"],
    "identity": ["n", "party"], "arange": ["start", "stop", "step", "party"], "linspace": ["start", "stop", "num", "endpoint"],
    "logspace": ["start", "stop", "num", "endpoint", "base"], "copy": ["a"], "vstack": ["tup"], "row_stack": ["tup"],
    "hstack": ["tup"], "column_stack": ["tup"], "concatenate": ["arrays", "axis"], "reshape": ["a"], "resize": ["a"],
    "sum": ["a", "axis"], "prod": ["a", "axis"], "max": ["a", "axis"], "min": ["a", "axis"], "dot": ["a", "b"], "inner": ["a", "b"],
    "where": ["condition", "x", "y"], "argmax": ["a", "axis"], "argmin": ["a", "axis"], "argmax_and_max": ["a", "axis"],
    "argmin_and_min": ["a", "axis"], "sort": ["a", "axis"], "ptp": ["a", "axis"], "mean": ["a", "axis"],
    "average": ["a", "axis", "weights"], "set_vm": ["vm"], "get_vm": [],
}  # fmt: skip


@pytest.fixture(autouse=True)
def vm(s):
    snp.set_vm(s)
    return s


def test_every_name_and_signature_is_there():
    for name, parameters in SIGNATURES.items():
        found = list(inspect.signature(getattr(snp, name)).parameters)
        assert [p for p in parameters if p in found] == parameters, name
        order = [p for p in found if p in parameters]
        assert order == parameters, name


def test_its_array_has_their_attributes_and_methods():
    for name in [
        "shape", "ndim", "dtype", "size", "T", "vm", "__array_priority__", "reveal_to", "to_share", "copy", "__copy__", "reshape",
        "resize", "flatten", "ravel", "transpose", "quick_sort", "quick_sort_by_column",
    ]:  # fmt: skip
        assert hasattr(snp.SecureArray, name), name


def test_a_session_is_needed():
    with pytest.raises(TypeError, match="local_pair"):
        snp.set_vm(object())


def test_an_article_like_script(rng):
    a, b = rng.uniform(-5, 5, (4, 3)), rng.uniform(-5, 5, (4, 3))
    x, y = snp.array(a, 0), snp.array(b, 1)
    near = dict(rtol=0, atol=1e-4)
    np.testing.assert_allclose((x * y + 2 * x - y / 4).reveal_to(0), a * b + 2 * a - b / 4, **near)
    np.testing.assert_allclose(snp.mean(x, axis=-1).reveal_to(0), a.mean(axis=-1), **near)
    np.testing.assert_allclose(snp.dot(x, y.T).reveal_to(1), a @ b.T, **near)
    np.testing.assert_allclose(snp.where(x > y, x, y).reveal_to(0), np.maximum(a, b), **near)
    np.testing.assert_allclose(snp.vstack([x, y]).reveal_to(0), np.vstack([a, b]), **near)
    np.testing.assert_allclose(snp.average(x, 1, np.ones(3)).reveal_to(0), a.mean(axis=1), **near)
    np.testing.assert_allclose((x + a[0]).reveal_to(0), a + a[0], **near)
    np.testing.assert_allclose(x[-1].reveal_to(0), a[-1], **near)
    where, most = snp.argmax_and_max(x, 0)
    np.testing.assert_array_equal(where.reveal_to(0), a.argmax(0))
    np.testing.assert_allclose(most.reveal_to(0), a.max(0), **near)
    assert snp.argmax(snp.array([1, 5, 5, 1], 0)).reveal_to(0) == 1


def test_creation():
    for made, expected in [
        (snp.ones((2, 3)), np.ones((2, 3))), (snp.zeros(3, 1), np.zeros(3)), (snp.empty((1, 1)), np.zeros((1, 1))),
        (snp.full(2, 7.5), np.full(2, 7.5)), (snp.identity(3), np.identity(3)), (snp.arange(1, 7, 2), np.arange(1.0, 7, 2)),
        (snp.arange(4), np.arange(4.0)), (snp.linspace(0, 1, 5), np.linspace(0, 1, 5)), (snp.logspace(0, 2, 3), np.logspace(0, 2, 3)),
        (snp.ones(2, dtype=np.bool_), np.ones(2, bool)), (snp.copy(snp.ones(2)), np.ones(2)),
    ]:  # fmt: skip
        assert made.dtype == expected.dtype
        np.testing.assert_allclose(made.reveal_to(0), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "values", [np.array([[1.5, -2.0], [3.0, 4.25]]), np.array([True, False, True]), np.float64(2.5)]
)
def test_shares_are_arrays(vm, values):
    x = snp.array(values, 0, dtype=np.asarray(values).dtype)
    made = (x ^ True) ^ snp.array(np.zeros((), bool), 1, np.bool_) if x.dtype == bool else x * snp.array(1.0, 1)
    shares = snp.to_share(made)
    assert all(
        share.dtype == (bool if made.dtype == bool else np.int64) and share.shape == made.shape for share in shares
    )
    words = [np.asarray(share) for share in shares]
    if made.dtype == bool:
        np.testing.assert_array_equal(words[0] ^ words[1], ~values)
    else:
        np.testing.assert_allclose((words[0] + words[1]) / 2**18, values, rtol=0, atol=1e-5)


def test_sorts():
    plain = np.array([[3.0, 1.5], [-2.0, 7.0], [3.0, 0.25]])
    x = snp.array(plain, 0)
    np.testing.assert_array_equal(snp.sort(x, axis=None).reveal_to(0), np.sort(plain, axis=None))
    np.testing.assert_array_equal(x.quick_sort().reveal_to(0), np.sort(plain, axis=None).reshape(3, 2))
    np.testing.assert_array_equal(x.quick_sort_by_column(0).reveal_to(0), plain[[1, 0, 2]])
    assert isinstance(tacit.securenumpy.get_vm(), tacit.Session)
