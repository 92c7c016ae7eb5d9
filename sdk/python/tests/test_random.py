"""Random arrays: exactly the mapping from the parties' draws that is stated, and the distributions it gives."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from tacit import random


@pytest.fixture
def rng(s):
    return random.default_rng(s)


@pytest.fixture
def drawn(monkeypatch):
    """Lets a test say what the parties draw, one after the other."""

    def patch(*draws):
        queue = [np.asarray(one) for one in draws]
        monkeypatch.setattr(random, "draw", lambda digits, shape: queue.pop(0).reshape(shape))

    return patch


FULL = 2**random.DIGITS
HALF = random.DIGITS // 2


def test_both_parties_draws_are_in_a_uniform_number(rng, drawn):
    drawn([0, 5, FULL - 1, FULL - 1], [0, FULL - 5, FULL - 1, 1])
    assert rng._uniform((4,)).reveal().tolist() == [0, 0, FULL - 2, 0]


def test_coins_are_true_below_their_odds(rng, drawn):
    odds = [0.0, 0.25, 0.25, 1.0, 0.1]
    drawn([0, FULL // 4 - 1, FULL // 4, FULL - 1, 0], [0, 0, 0, 0, FULL - 1])
    assert rng.bernoulli(odds).reveal().tolist() == [False, True, False, True, False]


def test_fair_coins_are_the_parties_coins_together(rng, drawn):
    drawn([False, False, True, True], [False, True, False, True])
    assert rng.bits(4).reveal().tolist() == [False, True, True, False]


def test_digits_make_numbers(rng, drawn):
    first, second = np.zeros((2, 18), bool), np.zeros((2, 18), bool)
    first[0, 0], second[0, 17], second[1] = True, True, True
    drawn(first, second)
    assert rng.random(2).reveal().tolist() == [0.5 + 2.0**-18, 1 - 2.0**-18]
    drawn([[True, False, True]], [[False, False, False]])
    assert rng.integers(-4, 4, 1).reveal().tolist() == [1]


@pytest.mark.parametrize("count", [3, 10, 2**30 - 1])
def test_other_integers_are_uniform_numbers_scaled(rng, drawn, count):
    numbers = [0, FULL // count, FULL // count + 1, FULL - 1, 3 * (FULL // 7)]
    digits = np.array([[one >> place & 1 == 1 for place in range(random.DIGITS)] for one in numbers])
    none = np.zeros((len(numbers), HALF), bool)
    drawn(digits[:, HALF:], none, none, digits[:, :HALF])
    expected = [7 + one * count // FULL for one in numbers]
    assert rng.integers(7, 7 + count, len(numbers)).reveal().tolist() == expected


def test_one_integer_is_certain(rng):
    assert rng.integers(7, 8, 3).reveal().tolist() == [7, 7, 7]


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0, 1000.0])
def test_digits_of_geometric_numbers_are_independent(scale):
    with localcontext(prec=random.PRECISION):
        odds = random._geometric(Decimal(scale))
        # The odds of every number follow from those of its digits.
        q = (-1 / Decimal(scale)).exp()
        none = math.prod((1 - one for one in odds), start=Decimal(1))
        for k in range(min(64, 2 ** len(odds))):
            digits = [one if k >> place & 1 else 1 - one for place, one in enumerate(odds)]
            assert abs(math.prod(digits, start=Decimal(1)) / none / q**k - 1) < Decimal("1e-40")
        assert q ** (2 ** len(odds)) < Decimal(2) ** -58


@pytest.mark.parametrize("scale", [0.05, 0.7, 4.2, 9.0])
def test_tables_of_gaussians_are_their_odds(scale):
    table = random._half_normal(Decimal(scale))
    odds = np.exp(-(np.arange(len(table) + 1) ** 2) / (2 * scale**2)) * np.where(np.arange(len(table) + 1), 2, 1)
    np.testing.assert_allclose(np.array(table) / FULL, np.cumsum(odds)[:-1] / odds.sum(), rtol=0, atol=1e-14)
    assert sorted(table) == table
    beyond = 2 * math.exp(-((len(table) + 1) ** 2) / (2 * scale**2)) / odds.sum()
    assert beyond <= 2.0**-58


def test_gaussians_count_the_entries_that_are_reached(rng, drawn):
    table = random._half_normal(Decimal(2))
    drawn([table[0] - 1, table[0], table[3], FULL - 1], [0, 0, 0, 0], [True, True, False, True], [False] * 4)
    assert rng.discrete_normal(2.0, 4).reveal().tolist() == [0, 1, -4, len(table)]


def close(sample, mean, deviation):
    """Within 7 standard errors: a run in 10^11 is not."""
    return abs(np.mean(sample) - mean) < 7 * deviation / math.sqrt(np.size(sample))


@pytest.mark.parametrize("scale", [0.5, 3.0, 200.0])
def test_noise_is_as_wide_as_it_says(s, rng, scale):
    size = 4000
    laplace, normal = s.reveal(rng.discrete_laplace(scale, size), rng.discrete_normal(scale, size))
    q = math.exp(-1 / scale)
    variance = 2 * q / (1 - q) ** 2
    assert laplace.dtype == normal.dtype == np.int64
    assert close(laplace, 0, math.sqrt(variance))
    assert close(laplace**2, variance, 6 * variance + 1)
    k = np.arange(-3000, 3001)
    odds = np.exp(-(k**2) / (2 * scale**2))
    variance = np.sum(k**2 * odds) / odds.sum()
    assert close(normal, 0, math.sqrt(variance))
    assert close(normal**2, variance, 3 * variance + 0.5)


def test_draws_differ_and_are_uniform(s, rng):
    first, second, numbers, coins = s.reveal(
        rng.random(2000), rng.random(2000), rng.integers(10, size=2000), rng.bernoulli(0.3, 2000)
    )
    assert not np.array_equal(first, second)
    assert close(first, 0.5, 0.3)
    assert 0 <= first.min() and first.max() < 1
    assert set(numbers.tolist()) == set(range(10))
    assert close(coins, 0.3, 0.5)


def test_shapes_are_as_asked(rng):
    assert rng.random().shape == ()
    assert rng.bits((2, 0)).shape == (2, 0)
    assert rng.bernoulli([[0.1], [0.2]]).shape == (2, 1)
    assert rng.discrete_laplace(1.0, (2, 3)).shape == (2, 3)
    assert rng.discrete_normal(30.0, 5).shape == (5,)


def test_a_draw_is_the_same_wherever_it_is_used(s, rng):
    x = rng.discrete_normal(5.0, 20)
    once, doubled = x.reveal(), (2 * x).reveal()
    assert doubled.tolist() == (2 * once).tolist()


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        (lambda rng: rng.bernoulli(1.5), "from 0 to 1"),
        (lambda rng: rng.bernoulli(math.nan), "from 0 to 1"),
        (lambda rng: rng.integers(5, 5), "from 1 to"),
        (lambda rng: rng.integers(0, 2**31), "from 1 to"),
        (lambda rng: rng.discrete_laplace(0.0), "above 0"),
        (lambda rng: rng.discrete_normal(math.inf), "above 0"),
        (lambda rng: rng.discrete_normal(2**21), "at most"),
    ],
)
def test_what_cannot_be_drawn_is_refused(rng, call, cause):
    with pytest.raises(ValueError, match=cause):
        call(rng)
