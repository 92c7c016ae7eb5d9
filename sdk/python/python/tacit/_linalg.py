"""``numpy.linalg`` on secret arrays, and those of its functions that take a promise on their result."""

from __future__ import annotations

import math
from collections import namedtuple
from itertools import combinations
from typing import Any

import numpy as np

from . import _ops, _solving
from ._arguments import axes_of, handles, number
from ._array import Array
from ._ops import FLOAT64, as_array, cast, not_there, operand, where

#: What NumPy gives back, by name and by place.
SlogdetResult = namedtuple("SlogdetResult", ["sign", "logabsdet"])

#: What the cells of a result are at most in magnitude, where no bound is given.
BOUND = 2.0**16
#: Determinants of larger matrices are not there.
MOST_ROWS = 8
_KINDS = {"gen": _solving.GENERAL, "pos": _solving.POSITIVE}


def _bound(bound: float) -> float:
    if not 2.0**-10 <= bound <= 2.0**20:
        raise ValueError(f"bound is the largest magnitude of a result, from 2**-10 to 2**20, not {bound}")
    return float(bound)


def _kind(assume_a: str) -> _solving.Kind:
    if assume_a not in _KINDS:
        raise ValueError(f"assume_a is 'gen' or 'pos', not {assume_a!r}")
    return _KINDS[assume_a]


def solve(a: Any, b: Any, *, assume_a: str = "gen", bound: float = BOUND) -> Any:
    """The ``x`` of ``a @ x == b``, as :func:`numpy.linalg.solve`, which is this with the default bound.

    ``a`` is ``[..., n, n]`` with up to 24 unknowns, ``b`` is ``[n]`` or ``[..., n, m]``; either may be public. A public ``a``
    costs nothing, may have more unknowns, and needs no bound.
    ``assume_a="pos"`` says that ``a`` is symmetric and positive definite, which needs no comparisons and two thirds of the
    rounds. ``bound`` is what the cells of ``x`` are at most in magnitude, 2**16 unless it is given.

    Cells are within ``2**-17 + n * cond(a) * max(abs(x)) * 2**-26`` of the exact solution for the cells of ``a`` and ``b`` as
    they are kept. Raises ``OverflowError`` when something of the result is revealed where a matrix is singular or close to it
    (a pivot below ``2**-14`` of the largest entry, of each row with ``"gen"``), is not positive definite although that was
    said, grows more than eightfold in the elimination, or where a cell of ``x`` is beyond the bound; and at once for declared
    ranges beyond some ``2**60``. ``explain()`` states no error of it. Time grows with ``n``: some 100 rounds an unknown.
    """
    bound, kind = _bound(bound), _kind(assume_a)
    if not isinstance(a, Array):
        # What is public is inverted with all of its digits.
        return np.matmul(np.linalg.inv(a), b) if isinstance(b, Array) else np.linalg.solve(a, b)
    matrix = _solving.checked(a, "np.linalg.solve")
    right = cast(as_array(b), FLOAT64)
    vector = right.ndim == 1
    if vector:
        right = right[:, None]
    if right.ndim < 2 or right.shape[-2] != matrix.shape[-1]:
        raise ValueError(f"np.linalg.solve: a of shape {matrix.shape} does not go with b of shape {np.shape(b)}")
    stacks = np.broadcast_shapes(matrix.shape[:-2], right.shape[:-2])
    matrix, right = (_ops.broadcast_to(of, [*stacks, *of.shape[-2:]]) for of in (matrix, right))
    result = _solving.solved(matrix, right, kind, bound)
    return result[..., 0] if vector else result


def inv(a: Any, *, assume_a: str = "gen", bound: float = BOUND) -> Any:
    """The inverse of ``[..., n, n]``: :func:`solve` with the unit matrix, and its terms."""
    if not isinstance(a, Array):
        return np.linalg.inv(a)
    matrix = _solving.checked(a, "np.linalg.inv")
    unit = _ops.broadcast_to(as_array(np.eye(matrix.shape[-1])), matrix.shape)
    return _solving.solved(matrix, unit, _kind(assume_a), _bound(bound))


def lstsq(a: Any, b: Any, *, bound: float = BOUND) -> Any:
    """The ``x`` of least ``|a @ x - b|``, ``[n]`` or ``[n, m]``, for ``a`` of ``[rows, n]`` and full column rank.

    By the normal equations ``a.T @ a @ x == a.T @ b``, whose condition number is the square of that of ``a``, so that columns
    should be of about one size, and ``cond(a)`` below some 100. Cells are within
    ``2**-17 + n * max(abs(x)) * norm(inv(a.T @ a), 2) * 2**-17`` of the exact solution. ``OverflowError`` as in :func:`solve`
    with ``assume_a="pos"``.
    """
    bound = _bound(bound)
    if not isinstance(a, Array):
        return np.matmul(np.linalg.pinv(a), b) if isinstance(b, Array) else np.linalg.lstsq(a, b, rcond=None)[0]
    a, b = (cast(as_array(of), FLOAT64) for of in (a, b))
    if a.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != a.shape[0]:
        raise ValueError(f"lstsq takes a of [rows, n] and b of [rows] or [rows, m], not {a.shape} and {b.shape}")
    if a.shape[0] < a.shape[1]:
        raise not_there("lstsq of fewer rows than unknowns", "take fewer columns")
    turned = a.T
    return solve(turned @ a, turned @ b, assume_a="pos", bound=bound)


@handles(np.linalg.solve)
def _solve(a, b):
    return solve(a, b)


@handles(np.linalg.inv)
def _inv(a):
    return inv(a)


_solve.__doc__, _inv.__doc__ = solve.__doc__, inv.__doc__


@handles(np.linalg.lstsq)
def _lstsq(a, b, rcond=None):
    """The solution (:func:`tacit.numpy.lstsq`, which has its terms), the sums of squares left, the rank, which must be full,
    and ``None`` for the singular values, which are not computed.
    """
    if rcond not in (None, -1):
        raise not_there("np.linalg.lstsq with `rcond`", "matrices of less than full rank raise OverflowError")
    x = lstsq(a, b)
    difference = np.subtract(b, np.matmul(a, x))
    rows, columns = np.shape(a)
    rank = columns if isinstance(a, Array) else int(np.linalg.matrix_rank(a))
    left = np.atleast_1d(np.sum(difference * difference, axis=0)) if rows > columns == rank else np.zeros(0)
    return x, left, rank, None


@handles(np.linalg.cholesky)
def _cholesky(a, /, *, upper=False):
    """Raises ``OverflowError`` at the reveal where the matrix is not positive definite, or a pivot is below 2**-14 of its
    largest entry. Only the lower triangle is read. Cells are within ``2**-16 + n * cond(a) * max(abs(L)) * 2**-26``, or
    ``2 * 10**-6`` of the largest where that is more.
    """
    matrix = _solving.checked(a, "np.linalg.cholesky")
    below = np.tri(matrix.shape[-1], dtype=np.int64)
    matrix = matrix * below + np.swapaxes(matrix, -1, -2) * (1 - below)
    most = 2.0**_solving.DIGITS
    scaled, scale = _solving.on_scale(matrix, _solving.POSITIVE)
    nothing = _ops.full([*matrix.shape[:-1], 1], np.zeros(()))
    factors = _solving.eliminate(scaled, nothing, _solving.POSITIVE, 1.0)
    rows = []
    for at, (pivot, times) in enumerate(zip(factors.pivots, factors.multipliers, strict=True)):
        one = _ops.full(pivot.shape, np.float64(most))
        column = np.concatenate([one, times], axis=-1) * np.sqrt(pivot)
        column = _solving.shifted(column, _solving.DIGITS).assume(-math.sqrt(most) - 1, math.sqrt(most) + 1)
        zeros = _ops.full([*pivot.shape[:-1], at], np.zeros(()))
        rows.append(np.concatenate([zeros, column], axis=-1) if at else column)
    result = np.stack(rows, axis=-2) * scale.root_back()
    return result if upper else np.swapaxes(result, -1, -2)


@handles(np.linalg.det)
def _det(a):
    """Of up to 8 rows, by minors of more and more rows: no division, exact for int64. What does not fit raises
    ``OverflowError``: declare narrow ranges.
    """
    matrix = number(as_array(a))
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise np.linalg.LinAlgError(f"np.linalg.det takes square matrices; this array has the shape {matrix.shape}")
    size = matrix.shape[-1]
    if size > MOST_ROWS:
        raise not_there(f"np.linalg.det of {size} rows", f"up to {MOST_ROWS} rows are; of more, use np.linalg.slogdet")
    found = _ops.full([*matrix.shape[:-2], 1], np.ones((), matrix.dtype))
    before: list[tuple[int, ...]] = [()]
    for row in range(size):
        sets = list(combinations(range(size), row + 1))
        columns = np.array(sets)
        places = np.array([[before.index(one[:at] + one[at + 1 :]) for at in range(row + 1)] for one in sets])
        signs = (-1) ** (row + np.arange(row + 1))
        found = np.sum(matrix[..., row, :][..., columns] * found[..., places] * signs, axis=-1)
        before = sets
    return cast(found[..., 0], FLOAT64)


@handles(np.linalg.slogdet)
def _slogdet(a):
    """Of up to 24 rows, by elimination: the sign (float64) and the logarithm of the magnitude, within ``n * cond(a) * 2**-16``.
    ``OverflowError`` as in :func:`solve`, so also for singular matrices, where NumPy has a sign of 0.
    """
    matrix = _solving.checked(a, "np.linalg.slogdet")
    scaled, scale = _solving.on_scale(matrix, _solving.GENERAL)
    nothing = _ops.full([*matrix.shape[:-1], 1], np.zeros(()))
    factors = _solving.eliminate(scaled, nothing, _solving.GENERAL, 1.0)
    pivots = np.concatenate(factors.pivots, axis=-1)
    odd = _ops.tree(np.bitwise_xor, np.concatenate(factors.odd, axis=-1), pivots.ndim - 1)[..., 0]
    logarithm = np.sum(np.log(pivots), axis=-1) - np.sum(scale.log2()[..., 0], axis=-1) * np.log(2)
    return SlogdetResult(where(odd, as_array(-1.0), as_array(1.0)), logarithm)


@handles(np.linalg.norm)
def _norm(x, ord=None, axis=None, keepdims=False):
    """Of vectors 0, 1, 2 and the infinities, of matrices ``"fro"``, 1, -1 and the infinities. Within the root's error,
    ``2**-18`` or ``10**-6`` of the value, and for small values the root of some steps of ``2**-18``; sums are exact.
    """
    value = cast(number(as_array(x)), FLOAT64)
    if axis is None and ord is None:
        return np.sqrt(np.sum(value * value, keepdims=keepdims))
    if axis is None and value.ndim > 2:
        raise ValueError("Improper number of dimensions to norm.")
    axes = axes_of(axis, value.ndim)
    if len(axes) == 1:
        return _vector_norm(value, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    if isinstance(axis, tuple):
        # Rows and columns in the order that was asked for.
        axes = [one % value.ndim for one in axis]
    return _matrix_norm(value, ord, axes, keepdims)


if hasattr(np.linalg, "vector_norm"):

    @handles(np.linalg.vector_norm)
    def _of_vectors(x, /, *, axis=None, keepdims=False, ord=2):
        value = cast(number(as_array(x)), FLOAT64)
        if axis is None:
            found = _vector_norm(_ops.reshape(value, [value.size]), ord, 0, False)
            return _ops.reshape(found, [1] * value.ndim) if keepdims else found
        if isinstance(axis, tuple):
            raise not_there("norms of vectors along several axes", "reshape them to one")
        return _vector_norm(value, ord, axes_of(axis, value.ndim)[0], keepdims)

    @handles(np.linalg.matrix_norm)
    def _of_matrices(x, /, *, keepdims=False, ord="fro"):
        value = cast(number(as_array(x)), FLOAT64)
        if value.ndim < 2:
            raise ValueError("Improper number of dimensions to norm.")
        return _matrix_norm(value, ord, [value.ndim - 2, value.ndim - 1], keepdims)


def _vector_norm(value: Array, order: Any, axis: int, keepdims: bool) -> Array:
    if order in (np.inf, -np.inf):
        return (np.max if order > 0 else np.min)(np.absolute(value), axis=axis, keepdims=keepdims)
    if order is None or order == 2:
        return np.sqrt(np.sum(value * value, axis=axis, keepdims=keepdims))
    if order == 0:
        return cast(np.sum(value != 0, axis=axis, keepdims=keepdims), FLOAT64)
    if order == 1:
        return np.sum(np.absolute(value), axis=axis, keepdims=keepdims)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order {order!r} for vectors")
    raise not_there(f"the norm of vectors {order!r}", "0, 1, 2, inf and -inf are")


def _matrix_norm(value: Array, order: Any, axes: list[int], keepdims: bool) -> Array:
    if order in (None, "fro"):
        return np.sqrt(np.sum(value * value, axis=tuple(axes), keepdims=keepdims))
    if order not in (1, -1, np.inf, -np.inf):
        raise not_there(f"the norm of matrices {order!r}", "it takes singular values; 'fro', 1, -1, inf and -inf are")
    summed, of_sums = axes if order in (1, -1) else axes[::-1]
    sums = np.sum(np.absolute(value), axis=summed, keepdims=True)
    result = (np.max if order > 0 else np.min)(sums, axis=of_sums, keepdims=True)
    return result if keepdims else np.squeeze(result, tuple(axes))


@handles(np.linalg.matrix_power)
def _matrix_power(a, n):
    """Ranges grow with every product; what does not fit raises ``OverflowError``. Below 0 by the inverse, with its terms."""
    matrix = as_array(a)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power takes square matrices; this array has the shape {matrix.shape}")
    power = int(n)
    if power < 0:
        matrix, power = inv(matrix), -power
    if power == 0:
        return _ops.known(
            _ops.broadcast_to(as_array(np.eye(matrix.shape[-1], dtype=matrix.dtype)), matrix.shape), matrix
        )
    found = None
    while power:
        if power & 1:
            found = matrix if found is None else np.matmul(found, matrix)
        power >>= 1
        if power:
            matrix = np.matmul(matrix, matrix)
    return found


@handles(np.linalg.multi_dot)
def _multi_dot(arrays, *, out=None):
    if out is not None or len(arrays) < 2:
        raise ValueError("multi_dot takes at least two arrays, and no `out`")
    found = operand(arrays[0])
    for array in arrays[1:]:
        found = np.matmul(found, operand(array))
    return found
