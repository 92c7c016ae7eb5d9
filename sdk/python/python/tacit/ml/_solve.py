"""Symmetric systems of few unknowns: the factor of an inverse, by elimination."""

from __future__ import annotations

import math

import numpy as np

from .. import numpy as tnp
from .._array import Array
from ._base import digits_of, scaled, within

#: What matrices are scaled to: no cell is beyond it.
LARGEST = 2.0**12
#: Pivots below it are taken as it: some 4,000 steps of float64, so that rounding is no part of a pivot.
LEAST_PIVOT = 2.0**-6


class Inverse:
    """The inverse of a symmetric matrix without negative eigenvalues, ``[n, n]``, as ``M.T @ M`` by Cholesky.

    ``most`` bounds its cells. In a direction in which it has less than about ``most / 2^18``, the inverse is that of a
    matrix that has as much there: it does not blow up, and iterations with it go slowly in that direction.
    *Cost*: for each unknown one root's reciprocal, and ``n^2`` products.
    """

    def __init__(self, A: Array, most: float) -> None:
        self._digits = digits_of(most / LARGEST)
        self._factor = _inverse_of_factor(scaled(A, self._digits))

    def times(self, vector: Array) -> Array:
        """The solution of ``A x = vector``, ``[n]``."""
        return self._factor.T @ (self._factor @ scaled(vector, self._digits))


def _inverse_of_factor(A: Array) -> Array:
    """``M`` with ``M A M.T = 1``, lower triangular: row by row, as elimination of ``[A | 1]`` gives it."""
    size = A.shape[0]
    # The pivots of a matrix in range are in range, and so is what is left of it: its cells are at most its pivots. The
    # root of a pivot bounds the factor, that of the least pivot the factor's inverse, but for a margin.
    left, right = within(A, LARGEST), None
    most, inverse_most = math.sqrt(LARGEST), 4 / math.sqrt(LEAST_PIVOT)
    rows = []
    for at in range(size):
        root = tnp.rsqrt(np.maximum(left[0, 0], LEAST_PIVOT).assume(LEAST_PIVOT, 2 * LARGEST))
        one = root.reshape(1)
        row = one if right is None else np.concatenate([right[0] * root, one])
        row = within(row, inverse_most)
        rows.append(np.concatenate([row, np.zeros(size - at - 1)]) if at + 1 < size else row)
        if at + 1 == size:
            break
        column = within(left[1:, 0] * root, most)
        left = within(left[1:, 1:] - column[:, None] * column, LARGEST)
        taken = column[:, None] * row
        right = -taken if right is None else np.column_stack([right[1:], np.zeros(size - at - 1)]) - taken
        right = within(right, most * inverse_most)
    return np.stack(rows)
