"""Symmetric systems of few unknowns, by elimination."""

from __future__ import annotations

import math

import numpy as np

from .._array import Array
from ._base import digits_of, largest, scaled, within

#: What the cells of a matrix are scaled to: roundings of it are 2^-30 of them.
LARGEST = 2.0**12
#: What is then added to the diagonal, so that no pivot is less, and rounding is no part of it.
ADDED = 2.0**-6
#: What quotients by pivots, and what is made of them, are scaled by.
FINER = 2.0**6
#: What rows and columns are not scaled up from.
LEAST_DIAGONAL = 2.0**-8


class Inverse:
    """The inverse of a symmetric matrix without negative eigenvalues, ``[n, n]``.

    Rows and columns are scaled by the roots of the diagonal, so that neither the units of features nor their declared
    ranges matter, and it is that of a matrix whose diagonal is larger by 2^-18: it does not blow up where columns depend on
    each other, and what it misses, iterations with it find. ``most`` is promised to bound ``v @ inverse @ v`` for each ``v``
    that it is used on. *Cost*: some 50 rounds an unknown.
    """

    def __init__(self, A: Array, most: float) -> None:
        self._most = math.sqrt(most)
        root = max(1.0, math.sqrt(largest(A)))
        # Reciprocals of roots, times what makes them at least 1, so that they have their digits.
        self._digits = digits_of(root)
        roots = np.sqrt(np.maximum(np.diagonal(A), LEAST_DIAGONAL))
        self._per_root = 2.0**self._digits / roots
        # No cell is beyond the product of the roots of its row and its column.
        halfway = within(self._by_roots(A), root)
        cells = within(self._by_roots(halfway.T * LARGEST), LARGEST)
        # The diagonal is what cells are scaled to; of a column that is next to nothing as well, which then has no part.
        one = np.eye(A.shape[0])
        self._lower, self._reciprocals = _eliminated(cells * (1 - one) + (LARGEST + ADDED) * one)

    def _by_roots(self, values: Array) -> Array:
        """Values, ``[..., n]``, by the roots of the diagonal."""
        return scaled(values * self._per_root, self._digits)

    def _halves(self, vector: Array) -> tuple[Array, Array]:
        """``W v`` of the scaled vector, and that times the reciprocals of pivots."""
        # No cell of the scaled vector is beyond the root of what was promised, and as pivots are at most 1 and the product
        # of both halves is what was promised, neither are they, but for the root of the largest reciprocal.
        half = within(self._lower @ within(self._by_roots(vector), self._most) / FINER, self._most)
        return half, within(half * self._reciprocals, self._most * math.sqrt(LARGEST / ADDED))

    def times(self, vector: Array) -> Array:
        """The solution of ``A x = vector``, ``[n]``."""
        return self._by_roots(self._lower.T @ self._halves(vector)[1] / FINER)

    def norm(self, vector: Array) -> Array:
        """``vector @ inverse @ vector``."""
        half, other = self._halves(vector)
        return half @ other


def _eliminated(A: Array) -> tuple[Array, Array]:
    """``W``, lower triangular with 1 on its diagonal, times ``FINER``, and the reciprocals of pivots, ``[n]``, such that
    ``W.T @ diag(reciprocals) @ W`` is the inverse of ``A / LARGEST``: row by row, as elimination of ``[A | 1]`` gives them.
    """
    size = A.shape[0]
    # What is left of a matrix in range is in range. Its least eigenvalue bounds pivots and cells of the inverse, and with
    # them those of W.
    most = FINER * math.sqrt(LARGEST / ADDED)
    left, right, rows, reciprocals = A, np.zeros((size, 0)), [], []
    for at in range(size):
        pivot = left[0, 0].assume(ADDED / 2, 2 * LARGEST)
        rows.append(np.concatenate([right[0], [FINER], np.zeros(size - at - 1)]))
        if at + 1 == size:
            reciprocals.append((LARGEST / pivot).reshape(1))
            break
        column = left[1:, 0]
        quotients = np.concatenate([column * FINER, [LARGEST]]) / pivot
        reciprocals.append(quotients[-1:])
        quotients = within(quotients[:-1], most)
        left = within(left[1:, 1:] - column[:, None] * quotients / FINER, LARGEST)
        taken = quotients[:, None]
        right = within(np.column_stack([right[1:] - taken * right[0] / FINER, -taken]), most) if at else -taken
    return np.concatenate([row[None] for row in rows], axis=0), np.concatenate(reciprocals)
