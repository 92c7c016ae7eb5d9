"""float64 with 36 binary digits after the point."""

from __future__ import annotations

import numpy as np
import pytest
import tacit

#: A step of high precision.
STEP = 2.0**-36


def grid(values):
    return np.round(np.asarray(values) / STEP) * STEP


def test_high_precision_is_kept_and_spreads(s, rng):
    values = grid(rng.uniform(-8, 8, 20))
    x = s.array(values, 0, range=(-8, 8), precision="high")
    y = s.array(values[::-1].copy(), 1, range=(-8, 8))
    assert (x.precision, y.precision, x.dtype) == ("high", "default", np.float64)
    np.testing.assert_array_equal(x.reveal(), values)
    for made in (x + y, x * y, x - 1, 0.1 * x, x / 3, np.exp(x), x.mean(), np.sort(x), np.where(x > 0, x, y), x @ y):
        assert made.precision == "high"
    for made in (y + 1, y * y, (x > 0) * 1, np.exp(y)):
        assert made.precision == "default"


def test_results_are_right_to_steps(s, rng):
    a, b = grid(rng.uniform(-9, 9, 30)), grid(rng.uniform(0.5, 9, 30))
    x = s.array(a, 0, range=(-9, 9), precision="high")
    y = s.array(b, 1, range=(0.5, 9), precision="high")
    cases = [
        (x + y, a + b, 0),
        (x * y, a * b, 1.01),
        (x / y, a / b, 1.01),
        (0.1 * x, 0.1 * a, 2.01),
        (x / 7, a / 7, 2.01),
        (x.sum(), a.sum(), 0.01),
        (x.mean(), a.mean(), 1.01),
        (x @ y, a @ b, 1.1),
        (np.maximum(x, y), np.maximum(a, b), 0),
        (np.floor(x), np.floor(a), 0),
        (np.sqrt(y), np.sqrt(b), 1.01),
        (np.log(y), np.log(b), 2.01),
        (np.tanh(x), np.tanh(a), 1.5e-10 / STEP),
        (np.sin(x), np.sin(a), 1.5e-10 / STEP),
        (np.exp(x), np.exp(a), 1.5e-11 * np.exp(9) / STEP),
        (y**0.5, b**0.5, 1.01),
    ]
    for found, (_, exact, steps) in zip(s.reveal(*(case[0] for case in cases)), cases, strict=True):
        np.testing.assert_allclose(found, exact, rtol=0, atol=steps * STEP)


def test_plans_say_how_fine_they_are(s):
    x, y = (s.array(np.array([1.5, 2.5]), party, precision="high") for party in (0, 1))
    explained = (x * y).explain()
    assert (explained["unit"], explained["error"], explained["word_bits"]) == (STEP, STEP, 128)


def test_precision_is_gained_and_not_lost(s):
    x = s.array(np.array([1, -2]), 0)
    high = x.astype(float, precision="high")
    assert (high.precision, high.dtype) == ("high", np.float64)
    np.testing.assert_allclose((high / 3).reveal(), np.array([1, -2]) / 3, rtol=0, atol=2 * STEP)
    assert high.astype(float) is high and high.astype(float, precision="high") is high
    with pytest.raises(tacit.SecretTypeError, match="gained by float64 only, and not lost"):
        high.astype(float, precision="default")
    with pytest.raises(tacit.SecretTypeError, match="gained by float64 only"):
        x.astype(int, precision="high")


def test_what_is_no_precision_is_refused(s):
    with pytest.raises(tacit.SecretTypeError, match="'default' or 'high', not 'double'"):
        s.array(np.array([1.0]), 0, precision="double")
    with pytest.raises(tacit.SecretTypeError, match="not of int64; ask for it with dtype=float"):
        s.array(np.array([1]), 0, precision="high")
    assert s.array(np.array([1]), 0, dtype=float, precision="high").precision == "high"
    with pytest.raises(ValueError, match="beyond the declared"):
        s.array(np.array([1 + STEP]), 0, range=(-1, 1), precision="high")


def test_shares_are_known_by_their_precision(s):
    values = grid([0.1, -2.7, 3.3])
    shares = (s.array(values, 0, precision="high") * s.array(np.ones(3, int), 1)).to_share()
    assert shares[0].dtype == "float64_high"
    rebuilt = [
        tacit.Share(
            share.party, share.words, dtype=share.dtype, shape=share.shape, range=share.range,
            word_bits=share.word_bits, error=share.error, valid=share.valid,
        )
        for share in shares
    ]  # fmt: skip
    again = s.from_share(rebuilt)
    assert again.precision == "high"
    np.testing.assert_array_equal(again.reveal(), values)
