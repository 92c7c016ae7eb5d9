"""Randomness that neither party knows.

    rng = tacit.random.default_rng(s)
    noisy = counts + rng.discrete_laplace(2.0, counts.shape)

Each party draws from its operating system, and what is used is made of both parties' draws: one honest party is enough
for it to be uniform and unknown to the other. Nobody knows a value before it is revealed, and nothing repeats: there are no
seeds. Sizes and parameters are public.

Distributions are those stated, but for a statistical distance of at most ``2**-57`` for each coin and table entry: the
resolution of their uniform numbers of 58 digits, and what lies beyond their tables. No floating point is in them.

Sources: Bernoulli digits of a geometric number, Dwork, Kenthapadi, McSherry, Mironov and Naor 2006; sums of discrete
Gaussians, Micciancio and Peikert 2013, theorem 3.3.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from ._array import Array
from ._session import Session

__all__ = ["Generator", "default_rng"]

#: Binary digits of a uniform number.
DIGITS = 58
#: Digits of decimal arithmetic on probabilities.
PRECISION = 60
#: The widest noise.
WIDEST = 2**20
#: A Gaussian that is this wide, and twice one of at least this width, add up to a Gaussian: the square root of 2 times 2
#: times the smoothing parameter of the integers for a distance of 2**-60, as a standard deviation.
SMOOTH = Decimal("4.2")

Size = int | Sequence[int] | None


def default_rng(session: Session) -> Generator:
    """A source of secret random arrays in a session. Both parties make the same calls, as everywhere."""
    return Generator(session)


class Generator:
    """Makes secret random arrays; see :func:`default_rng`. ``size`` is a shape, or ``None`` for one number."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def bits(self, size: Size = None) -> Array:
        """Fair coins (bool). Costs nothing."""
        first, second = (self._drawn(party, 1, _shape(size)) for party in (0, 1))
        return np.logical_xor(first, second)

    def random(self, size: Size = None) -> Array:
        """Uniform multiples of ``2**-18`` in [0, 1) (float64)."""
        return self._number(size, [2.0**-place for place in range(1, 19)])

    def integers(self, low: int, high: int | None = None, size: Size = None) -> Array:
        """Uniform integers from ``low`` to below ``high``, or from 0 to below ``low`` (int64); at most ``2**30`` of them.

        Exact where they are a power of two of integers; else each has its share of ``2**58`` equal chances, to within one.
        """
        low, high = (0, low) if high is None else (low, high)
        low, count = int(low), int(high) - int(low)
        if not 1 <= count <= 2**30 or not -(2**60) <= low <= 2**60:
            raise ValueError(
                f"low = {low} and high = {high}: from 1 to 2**30 integers, of at most 60 digits, are drawn"
            )
        if count & (count - 1) == 0:
            return self._number(size, _powers(count.bit_length() - 1)) + low
        # The product with a number of 58 digits, of which those behind the 58th go, in two halves.
        half = _powers(DIGITS // 2)
        upper, lower = self._number(size, half), self._number(size, half)
        return (upper * count + lower * count // 2 ** len(half)) // 2 ** len(half) + low

    def bernoulli(self, p: Any, size: Size = None) -> Array:
        """Coins that are true with probability ``p`` (bool), a number or an array that broadcasts to ``size``."""
        odds = np.asarray(p, dtype=float)
        if not np.all((odds >= 0) & (odds <= 1)):
            raise ValueError("p is a probability, from 0 to 1")
        shape = odds.shape if size is None else _shape(size)
        exact = [_steps(Decimal(float(one))) for one in np.broadcast_to(odds, shape).ravel()]
        return self._coins(np.array(exact, dtype=np.int64).reshape(shape))

    def discrete_laplace(self, scale: float, size: Size = None) -> Array:
        """Integers ``k`` with probability proportional to ``exp(-abs(k) / scale)`` (int64): the noise of differential
        privacy for counts. ``scale`` is at most ``2**20``.
        """
        with localcontext(prec=PRECISION):
            wide = _wide(scale)
            places = _geometric(wide)
            odds = np.array([_steps(p) for p in places], dtype=np.int64)
            coins = self._coins(np.broadcast_to(odds, [2, *_shape(size), len(odds)]))
        numbers = _sum_where(coins, _powers(len(odds)))
        return numbers[0] - numbers[1]

    def discrete_normal(self, scale: float, size: Size = None) -> Array:
        """Integers ``k`` with probability proportional to ``exp(-k**2 / (2 * scale**2))`` (int64): the discrete Gaussian.
        ``scale`` is at most ``2**20``.
        """
        with localcontext(prec=PRECISION):
            return self._normal(_wide(scale), _shape(size))

    def _normal(self, scale: Decimal, shape: tuple[int, ...]) -> Array:
        rest = (scale**2 - SMOOTH**2) / 4
        if rest >= SMOOTH**2:
            return self._table(SMOOTH, shape) + 2 * self._normal(rest.sqrt(), shape)
        return self._table(scale, shape)

    def _table(self, scale: Decimal, shape: tuple[int, ...]) -> Array:
        """A discrete Gaussian: how many of a table's entries a uniform number has reached, with a random sign."""
        table = np.array(_half_normal(scale), dtype=np.int64)
        reached = self._uniform(shape).reshape([*shape, 1]) >= table
        magnitude = np.sum(reached, axis=-1)
        return np.where(self.bits(shape), magnitude, -magnitude)

    def _coins(self, steps: np.ndarray) -> Array:
        """True with so many chances of ``2**58``."""
        return self._uniform(steps.shape) < steps

    def _uniform(self, shape: tuple[int, ...]) -> Array:
        """Uniform integers of 58 digits: the sum of both parties' modulo ``2**58``."""
        total = self._drawn(0, DIGITS, shape) + self._drawn(1, DIGITS, shape)
        return np.where(total >= 2**DIGITS, total - 2**DIGITS, total)

    def _number(self, size: Size, places: Sequence[float]) -> Array:
        """The sum of those of the numbers whose coins are heads."""
        return _sum_where(self.bits([*_shape(size), len(places)]), places)

    def _drawn(self, party: int, digits: int, shape: Sequence[int]) -> Array:
        """What one party draws: known to it, and handed in as its own."""
        session = self._session
        cells = draw(digits, tuple(shape)) if party in session.parties else None
        return session.array(cells, party, range=(0, 2**digits - 1), name=f"the draws of party {party}")


def draw(digits: int, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform integers below ``2**digits`` from the operating system; coins for one digit."""
    count = int(np.prod(shape, dtype=np.int64))
    numbers = np.frombuffer(os.urandom(8 * count), dtype=np.uint64).reshape(shape) >> np.uint64(64 - digits)
    return numbers.astype(bool) if digits == 1 else numbers.astype(np.int64)


def _shape(size: Size) -> tuple[int, ...]:
    if size is None:
        return ()
    return (int(size),) if np.ndim(size) == 0 else tuple(int(one) for one in size)


def _sum_where(coins: Array, numbers: Sequence[float]) -> Array:
    """The sum of those of the numbers whose coins, along the last axis, are heads.

    Added up one by one, so that the range of the sum is known exactly.
    """
    return sum(np.where(coins[..., place], number, 0 * number) for place, number in enumerate(numbers))


def _powers(digits: int) -> list[int]:
    """What each binary digit of a number stands for; of a number without digits, one that stands for 0."""
    return [2**place for place in range(digits)] or [0]


def _wide(scale: float) -> Decimal:
    wide = Decimal(float(scale))
    if not (wide.is_finite() and 0 < wide <= WIDEST):
        raise ValueError(f"scale = {scale}: it is above 0 and at most 2**20")
    return wide


def _steps(p: Decimal) -> int:
    """A probability in steps of ``2**-58``, to the nearest."""
    return int((p * 2**DIGITS).to_integral_value())


def _geometric(scale: Decimal) -> list[Decimal]:
    """The odds of the binary digits of a number ``k`` with odds proportional to ``exp(-k / scale)``: they are independent.
    What has more digits has odds below ``2**-58``.
    """
    odds, place = [], Decimal(1)
    while not odds or place / 2 / scale < DIGITS * Decimal(2).ln():
        one = (-place / scale).exp()
        odds.append(one / (1 + one))
        place *= 2
    return odds


def _half_normal(scale: Decimal) -> list[int]:
    """For each magnitude from 1, the odds of a smaller one, in steps of ``2**-58``."""
    odds = [Decimal(1)]
    while (one := 2 * (-(Decimal(len(odds)) ** 2) / (2 * scale**2)).exp()) > Decimal(2) ** -(DIGITS + 4):
        odds.append(one)
    total, below, table = sum(odds), Decimal(0), []
    for one in odds[:-1]:
        below += one
        table.append(_steps(below / total))
    # What rounds to certainty is never passed.
    return [entry for entry in table if entry < 2**DIGITS]
