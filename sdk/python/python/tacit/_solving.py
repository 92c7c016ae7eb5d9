"""Systems of linear equations, by elimination whose course no party sees.

All numbers are brought to one scale first: the rows of a matrix by powers of two, in secret, so that the largest entry of
each is between ``2**13`` and ``2**14``. Entries then have 32 binary digits, whatever the declared range was. The pivot of a
column is the largest entry left, found by a tournament that swaps rows; where rows went stays secret.

What elimination needs is promised and checked in secret: pivots of at least ``2**-14`` of the scale, entries that grow to
no more than 8 times of it, results within the bound. What breaks a promise raises ``OverflowError`` at the reveal, so a
singular matrix is never solved. The engine's own bound of errors is that of the worst data, grows by the largest multiplier
in each step and would widen every promise, so no bound is stated by ``explain()``; the documentation of
:func:`tacit.numpy.solve` has one in terms of the condition number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from . import _ops
from ._array import Array
from ._ops import FLOAT64, as_array, cast, where

#: Scaled entries are below 2 to this.
DIGITS = 14
#: Binary digits that results have beyond those of float64 while they are computed.
EXTRA = 10
#: The least pivot, and how much entries may grow.
LEAST, GROWTH = 1.0, 8.0
#: Rows whose largest entry is below 2 to this are scaled as if it were that.
FINEST = -10
#: Cells above 2 to this are brought to the scale in several steps.
LARGEST = 28
#: Reciprocals of pivots are taken times 2 to this.
RECIPROCAL = 2 * DIGITS + 3
#: How many unknowns a system has at most: what a program has room for.
MOST_UNKNOWNS = 24


@dataclass(frozen=True)
class Kind:
    """How a matrix is eliminated, and what then holds for it."""

    pivots: bool
    #: How large multipliers get, and how much entries grow.
    multiplier: float
    growth: float


#: Any matrix: rows are swapped, so multipliers are at most 1.
GENERAL = Kind(True, 1.0, GROWTH)
#: A positive definite one: entries stay below the largest of the diagonal (but for rounding), and multipliers below the
#: root of its ratio to the pivot.
POSITIVE = Kind(False, math.sqrt(2.0**DIGITS / LEAST), 1 + 2.0**-10)


@dataclass(frozen=True)
class Factors:
    """What elimination leaves, a list entry a step."""

    #: Rows of the upper triangle right of the diagonal, ``[..., n - k - 1]``, and of the right-hand sides, ``[..., m]``.
    upper: list[Array]
    right: list[Array]
    pivots: list[Array]
    #: ``2**RECIPROCAL`` by the pivots, ``[..., 1]``.
    reciprocals: list[Array]
    #: Multipliers times ``2**DIGITS``, ``[..., n - k - 1]``; of a matrix whose rows stay.
    multipliers: list[Array]
    #: Whether a step turned the sign of the determinant, ``[..., 1]``; of a matrix whose rows are swapped.
    odd: list[Array]

    def add(self, *found: Array) -> None:
        """Notes what a step leaves."""
        fields = (self.upper, self.right, self.pivots, self.reciprocals, self.multipliers)
        for field, value in zip(fields, found, strict=True):
            field.append(value)


def largest(value: Array) -> float:
    """The largest magnitude in the range."""
    found = value._lazy.range
    return 1.0 if found is None else max(abs(float(bound)) for bound in found)


class Scale:
    """For magnitudes, the secret power of two that brings each to the scale, a power of ``2**step``."""

    def __init__(self, value: Array, step: int = 1) -> None:
        #: Whether a cell was divided by ``2**FRACTION_BITS`` first: a smaller power than one over that has no digits.
        self._large: list[Array] = []
        while (most := math.ceil(math.log2(max(largest(value), 2.0**FINEST)))) > LARGEST + 1:
            large = value > 2.0**LARGEST
            left = 2.0 ** max(LARGEST, most - _ops.FRACTION_BITS) + 1
            value = where(large, shifted(value, _ops.FRACTION_BITS), value).assume(0, left)
            self._large.append(large)
        places = np.arange(FINEST, most, step)
        self._above = cast(_ops.reshape(value, [*value.shape, 1]) > 2.0**places, _ops.INT64)
        self._powers = DIGITS - FINEST - step * np.arange(len(places) + 1)

    def _power(self, exponent: float) -> Array:
        table = 2.0 ** (self._powers * exponent)
        return table[0] + np.sum(self._above * np.diff(table), axis=-1)

    def times(self, value: Array) -> Array:
        """The value times the powers."""
        for large in self._large:
            value = where(large, shifted(value, _ops.FRACTION_BITS), value)
        return value * self._power(1)

    def root_back(self) -> Array:
        """One over the roots of the powers."""
        root = self._power(-0.5)
        for large in self._large:
            root = where(large, root * 2 ** (_ops.FRACTION_BITS // 2), root)
        return root

    def log2(self) -> Array:
        """The binary logarithms of the powers."""
        first = sum((cast(large, _ops.INT64) for large in self._large), start=0) * -_ops.FRACTION_BITS
        return int(self._powers[0]) + np.sum(self._above * np.diff(self._powers), axis=-1) + first


def shifted(value: Array, digits: int) -> Array:
    """``value / 2**digits``."""
    while digits > 0:
        taken = min(digits, _ops.FRACTION_BITS)
        value, digits = value * 2.0**-taken, digits - taken
    return value


def _winner(matrix: Array, right: Array) -> tuple[Array, Array, Array, Array]:
    """The rows with the one first whose first entry is the largest in magnitude, that magnitude, and whether an odd number
    of rows was swapped, ``[..., 1]``.
    """
    rows = (np.absolute(matrix[..., :1]), matrix, right)
    order = np.arange(matrix.shape[-2])
    losers: list[tuple[Array, ...]] = []
    lost: list[np.ndarray] = []
    odd = matrix[..., 0, :1] != matrix[..., 0, :1]
    while (count := rows[0].shape[-2]) > 1:
        half = count // 2
        first, second = ([of[..., at : at + half, :] for of in rows] for at in (0, half))
        swap = first[0] < second[0]
        odd = odd ^ _ops.tree(np.bitwise_xor, swap, swap.ndim - 2)[..., 0, :]
        losers.append(tuple(where(swap, a, b) for a, b in zip(first[1:], second[1:], strict=True)))
        rows = tuple(
            np.concatenate([where(swap, b, a), of[..., 2 * half :, :]], axis=-2)
            for a, b, of in zip(first, second, rows, strict=True)
        )
        lost.append(order[half : 2 * half])
        order = np.delete(order, np.s_[half : 2 * half])
    size, *kept = rows
    matrix, right = (np.concatenate([of, *(loser[at] for loser in losers)], axis=-2) for at, of in enumerate(kept))
    return matrix, right, size[..., 0, :], odd ^ _is_odd(np.concatenate([order, *lost]))


def _is_odd(order: np.ndarray) -> bool:
    """Whether a public order takes an odd number of swaps."""
    return bool(sum(int(np.count_nonzero(order[:at] > one)) for at, one in enumerate(order)) % 2)


def eliminate(matrix: Array, right: Array, kind: Kind, limit: float) -> Factors:
    """Elimination of a matrix on the scale, ``[..., n, n]``, with right-hand sides, ``[..., n, m]``.

    ``limit``: what right-hand sides are at most where all unknowns are within their bound.
    """
    factors = Factors([], [], [], [], [], [])
    most = kind.growth * 2.0**DIGITS
    slack = (kind.multiplier + 2.0**-10) * 2.0**DIGITS
    for _ in range(matrix.shape[-1]):
        if kind.pivots:
            matrix, right, pivot, odd = _winner(matrix, right)
            negative = matrix[..., 0, :1] < 0
            row, of_row = (where(negative, -of[..., 0, :], of[..., 0, :]) for of in (matrix, right))
            factors.odd.append(odd ^ negative)
        else:
            pivot, row, of_row = matrix[..., 0, :1], matrix[..., 0, :], right[..., 0, :]
        pivot = pivot.assume(LEAST, most)
        row, of_row = row[..., 1:].assume(-most, most), of_row.assume(-limit, limit)
        reciprocal = _ops.unstated(2.0**RECIPROCAL / pivot)
        times = shifted(matrix[..., 1:, 0] * reciprocal, RECIPROCAL - DIGITS).assume(-slack, slack)
        factors.add(row, of_row, pivot, reciprocal, times)
        each = _ops.reshape(times, [*times.shape, 1])
        matrix = matrix[..., 1:, 1:] - shifted(each * row[..., None, :], DIGITS)
        right = right[..., 1:, :] - shifted(each * of_row[..., None, :], DIGITS)
    return factors


def substitute(factors: Factors, bound: float) -> Array:
    """The unknowns, ``[..., n, m]``."""
    most = bound * 2.0**EXTRA
    found: Array | None = None
    steps = zip(factors.upper, factors.right, factors.reciprocals, strict=True)
    for row, right, reciprocal in reversed(list(steps)):
        left = right * 2**EXTRA
        if found is not None:
            left = left - np.sum(_ops.reshape(row, [*row.shape, 1]) * found, axis=-2)
        unknown = shifted(left * reciprocal, RECIPROCAL).assume(-most, most)
        unknown = _ops.reshape(unknown, [*unknown.shape[:-1], 1, unknown.shape[-1]])
        found = unknown if found is None else np.concatenate([unknown, found], axis=-2)
    return shifted(found, EXTRA)


def on_scale(matrix: Array, kind: Kind) -> tuple[Array, Scale]:
    """A matrix on the scale, each row by itself where rows are swapped, and by what it was brought there."""
    if kind.pivots:
        scale = Scale(np.max(np.absolute(matrix), axis=-1, keepdims=True))
    else:
        scale = Scale(np.max(np.diagonal(matrix, axis1=-2, axis2=-1), axis=-1)[..., None, None], 2)
    most = 2.0**DIGITS
    return scale.times(matrix).assume(-most, most), scale


def solved(matrix: Array, right: Array, kind: Kind, bound: float) -> Array:
    """The unknowns ``[..., n, m]`` of a matrix ``[..., n, n]`` and right-hand sides ``[..., n, m]``."""
    scaled, scale = on_scale(matrix, kind)
    # What is known of the right-hand sides follows from what is promised of the unknowns.
    limit = matrix.shape[-1] * 2.0**DIGITS * bound
    right = scale.times(right).assume(-limit, limit)
    return substitute(eliminate(scaled, right, kind, kind.growth * limit), bound)


def checked(a: object, what: str) -> Array:
    """Square matrices ``[..., n, n]`` of numbers, as float64."""
    matrix = cast(as_array(a), FLOAT64)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise np.linalg.LinAlgError(f"{what} takes square matrices; this array has the shape {matrix.shape}")
    if not 1 <= matrix.shape[-1] <= MOST_UNKNOWNS or 0 in matrix.shape:
        raise _ops.not_there(f"{what} of shape {matrix.shape}", f"1 to {MOST_UNKNOWNS} unknowns are")
    return matrix
