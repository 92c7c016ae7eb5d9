"""Products of vectors and matrices, diagonals and norms."""

from __future__ import annotations

import numpy as np

from . import _ops
from ._arguments import axis_of, handles, no_out, number
from ._ops import FLOAT64, as_array, cast, not_there, where


@handles(np.dot)
def _dot(a, b, out=None):
    no_out(out)
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim > 2 or b.ndim > 2:
        raise not_there("np.dot of more than two axes", "use np.matmul")
    return np.matmul(a, b)


@handles(np.vdot)
def _vdot(a, b):
    return np.matmul(np.ravel(as_array(a)), np.ravel(as_array(b)))


@handles(np.inner)
def _inner(a, b):
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim > 2 or b.ndim > 2:
        raise not_there("np.inner of more than two axes", "use np.matmul with a transposed factor")
    return np.matmul(a, b if b.ndim == 1 else b.T)


@handles(np.outer)
def _outer(a, b, out=None):
    no_out(out)
    a, b = as_array(a), as_array(b)
    return _ops.reshape(a, [a.size, 1]) * _ops.reshape(b, [1, b.size])


@handles(np.tensordot)
def _tensordot(a, b, axes=2):
    a, b = as_array(a), as_array(b)
    if np.ndim(axes) == 0:
        of_a, of_b = list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    else:
        of_a, of_b = (
            [axis_of(int(axis), of.ndim) for axis in np.atleast_1d(one)] for one, of in zip(axes, (a, b), strict=True)
        )
    if [a.shape[axis] for axis in of_a] != [b.shape[axis] for axis in of_b]:
        raise ValueError("shape-mismatch for sum")
    rest_a, rest_b = ([axis for axis in range(of.ndim) if axis not in summed] for of, summed in ((a, of_a), (b, of_b)))
    inner = int(np.prod([a.shape[axis] for axis in of_a], dtype=int))
    left = np.reshape(np.transpose(a, rest_a + of_a), (a.size // max(inner, 1), inner))
    right = np.reshape(np.transpose(b, of_b + rest_b), (inner, b.size // max(inner, 1)))
    shape = [a.shape[axis] for axis in rest_a] + [b.shape[axis] for axis in rest_b]
    return np.reshape(np.matmul(left, right), shape)


@handles(np.trace)
def _trace(a, offset=0):
    return np.sum(_diagonal(a, offset), axis=-1)


@handles(np.diagonal)
def _diagonal(a, offset=0):
    value = as_array(a)
    if value.ndim != 2:
        raise not_there("the diagonal of other than two axes", "take it of each matrix")
    rows, columns = value.shape
    value = value[:, offset:] if offset >= 0 else value[-offset:, :]
    count = min(value.shape)
    value = value[:count, :count]
    return _ops.slices(_ops.reshape(value, [count * count]), [(0, count * count, count + 1)])


@handles(np.diag)
def _diag(v, k=0):
    value = as_array(v)
    if value.ndim == 2:
        return _diagonal(value, k)
    if value.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    size = value.shape[0] + abs(k)
    mask = np.eye(size, k=k, dtype=bool)
    padded = np.pad(value, (max(k, 0), max(-k, 0)))
    return where(as_array(mask), padded, as_array(np.zeros((), value.dtype)))


@handles(np.linalg.norm)
def _norm(x, ord=None, axis=None, keepdims=False):
    value = cast(number(as_array(x)), FLOAT64)
    if ord not in (None, 1, 2, np.inf, -np.inf, "fro") or (
        ord is not None and ord != "fro" and axis is None and value.ndim > 1
    ):
        raise not_there(f"the norm {ord!r} here", "norms of vectors are: 1, 2, inf; of matrices: 'fro'")
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(np.absolute(value), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(np.absolute(value), axis=axis, keepdims=keepdims)
    return np.sqrt(np.sum(value * value, axis=axis, keepdims=keepdims))
