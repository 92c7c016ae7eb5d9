"""What cannot work on a secret raises at the line that asks for it, and says what works instead."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import tacit


@pytest.fixture
def x(s):
    return s.array(np.array([1.0, -2.0, 3.0]), 0)


def branch(x):
    if x > 0:
        pass


def loop(x):
    while x[0] > 0:
        pass


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (branch, "np.where"),
        (loop, "np.where"),
        (lambda x: x[0] > 0 and x[1] > 0, "&"),
        (lambda x: not x[0] > 0, "~"),
        (lambda x: 3.0 in x, "any"),
        (lambda x: float(x[0]), "reveal"),
        (lambda x: int(x[0]), "reveal"),
        (lambda x: complex(x[0]), "reveal"),
        (lambda x: x[0].item(), "reveal"),
        (lambda x: x.tolist(), "reveal"),
        (lambda x: np.asarray(x), "reveal"),
        (lambda x: np.array([x[0]]), "reveal"),
        (lambda x: [1, 2, 3][x[0].astype(bool) + 0], "np.where"),
        (lambda x: x[x > 0], "where=mask"),
        (lambda x: x[(x > 0) + 0], "one-hot"),
        (lambda x: pickle.dumps(x), "to_share"),
        (lambda x: {x: 1}, "unhashable"),
    ],
)
def test_secrets_have_no_plain_value(x, what, instead):
    with pytest.raises(TypeError, match=instead):
        what(x)


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (lambda x: np.sort(x, order="a"), "order"),
        (lambda x: np.apply_along_axis(np.sum, 0, x), "apply_along_axis"),
        (lambda x: np.where(x > 0), "count_nonzero"),
        (lambda x: np.nonzero(x), "count_nonzero"),
        (lambda x: np.linalg.eigh(np.outer(x, x)), "numpy.linalg.eigh"),
        (lambda x: np.gcd(x, x), "np.gcd"),
        (lambda x: np.arctan2(x, x), "np.arctan2"),
        (lambda x: np.sum(x, out=np.zeros(())), "out"),
        (lambda x: np.take(x, [0], mode="wrap"), "mode"),
        (lambda x: np.percentile(x, 5, weights=[1]), "weights"),
        (lambda x: np.var(x, correction=1), "correction"),
    ],
)
def test_what_is_not_there_is_named(x, what, instead):
    with pytest.raises(NotImplementedError, match=instead):
        what(x)


def test_data_beyond_its_range_name_their_place(s):
    data = np.zeros((2, 3))
    data[1, 2] = 11
    with pytest.raises(ValueError, match=r'"ages": the cell \[1, 2\] is beyond the declared \[-10, 10\]') as caught:
        s.array(data, 0, range=(-10, 10), name="ages")
    assert "range=(lo, hi)" in "".join(caught.value.__notes__) and caught.value.code == "INPUT_SCHEMA"
    assert "11" not in str(caught.value).replace("[1, 2]", "")
    for cell in [np.nan, np.inf]:
        with pytest.raises(ValueError, match=r"test_refusals.py:\d+"):
            s.array(np.array([cell]), 0)
    for lo, hi in [(1, 0), (0, 2**70)]:
        with pytest.raises(OverflowError):
            s.array(np.array([0]), 0, range=(lo, hi))


@pytest.mark.parametrize(
    "data", [np.array(["a"]), np.array([1j]), [None], np.array(["2020-01-01"], "M8[D]"), np.array([2**63], np.uint64)]
)
def test_other_types_are_refused(s, data):
    with pytest.raises(TypeError, match="int64"):
        s.array(data, 0)


def test_public_operands_are_finite_numbers(x):
    for wrong in [np.nan, np.inf, np.array([1, np.nan, 2])]:
        with pytest.raises(TypeError, match="NaN"):
            x + wrong
    with pytest.raises(TypeError):
        x + "1"


def test_a_broken_promise_opens_nothing_and_the_session_goes_on(s, x):
    with pytest.raises(OverflowError, match="left the range") as caught:
        x.assume(0, 10).sum().reveal()
    assert caught.value.code == "OUT_OF_RANGE"
    assert x.assume(-2, 10).sum().reveal() == 2


def test_sessions_do_not_mix(s, x):
    with tacit.local_pair() as other, pytest.raises(ValueError, match="different sessions"):
        x + other.array(np.ones(3), 0)
    with pytest.raises(ConnectionError, match="has ended"):
        other.array(np.ones(3), 0).reveal()


def test_errors_of_types_name_the_line(s, x):
    with pytest.raises(TypeError, match=r"test_refusals.py:\d+"):
        tacit._ops.binary("and", x, x)


def test_parties_are_two(s):
    with pytest.raises(ValueError, match="party 2"):
        s.array(np.ones(3), 2) if 2 in s.parties else s._native.array(2, None, ("0", "1"), "")
    with pytest.raises(ValueError, match="party 7"):
        s.array(np.ones(3), 0).reveal_to(7)


def test_nothing_shows_a_value(s):
    secret = 123456.75
    x = s.array(np.array([secret]), 0)
    shown = repr(x) + str(x) + repr(x.to_share()) + repr(x._lazy) + f"{x}" + repr(s) + repr(x.explain())
    assert "123456" not in shown
    assert copy.copy(x).reveal()[0] == copy.deepcopy(x).reveal()[0] == secret


def test_explain_tells_the_cost_before(s):
    x, y = s.array(np.ones(1000), 0, range=(-8, 8)), s.array(np.ones(1000), 1, range=(-8, 8))
    product = x * y
    before = product.explain()
    assert (
        before["word_bits"] == 64 and before["bytes"] > 8000 and before["rounds"] >= 2 and before["error"] == 2.0**-18
    )
    start = s.traffic()
    product.reveal()
    after = s.traffic()
    moved = after["sent"] - start["sent"] + after["received"] - start["received"]
    assert before["bytes"] <= moved <= before["bytes"] + before["set_up_bytes"] + 2_000_000
    assert product.explain()["transfers"] == 0
    assert (x / y > 0.5).explain()["error"] is None
