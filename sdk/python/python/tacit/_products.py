"""Products of vectors and matrices, and diagonals."""

from __future__ import annotations

import numpy as np

from . import _ops
from ._arguments import axis_of, handles, no_out
from ._ops import as_array, not_there, operand, where

#: How many axes an array of the engine has at most.
MOST_AXES = 8


@handles(np.dot)
def _dot(a, b, out=None):
    no_out(out)
    a, b = operand(a), operand(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return np.matmul(a, b)
    return _tensordot(a, b, axes=(-1, -1 if b.ndim == 1 else -2))


@handles(np.vdot)
def _vdot(a, b):
    return np.matmul(np.ravel(operand(a)), np.ravel(operand(b)))


@handles(np.inner)
def _inner(a, b):
    a, b = operand(a), operand(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    return _tensordot(a, b, axes=(-1, -1))


@handles(np.outer)
def _outer(a, b, out=None):
    no_out(out)
    a, b = operand(a), operand(b)
    return np.multiply(np.reshape(a, (a.size, 1)), np.reshape(b, (1, b.size)))


@handles(np.tensordot)
def _tensordot(a, b, axes=2):
    a, b = operand(a), operand(b)
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
def _trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    return np.sum(_diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


@handles(np.diagonal)
def _diagonal(a, offset=0, axis1=0, axis2=1):
    value = as_array(a)
    if value.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    if axis_of(axis1, value.ndim) == axis_of(axis2, value.ndim):
        raise ValueError("axis1 and axis2 cannot be the same")
    value = np.moveaxis(value, (axis1, axis2), (-2, -1))
    value = value[..., offset:] if offset >= 0 else value[..., -offset:, :]
    count = min(value.shape[-2:])
    value = _ops.reshape(value[..., :count, :count], [*value.shape[:-2], count * count])
    return value[..., :: count + 1]


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


@handles(np.kron)
def _kron(a, b):
    a, b = operand(a), operand(b)
    ndim = max(a.ndim, b.ndim)
    if 2 * ndim > MOST_AXES:
        raise not_there(f"np.kron of {ndim} axes", f"{MOST_AXES // 2} are the most")
    shapes = [(1,) * (ndim - of.ndim) + of.shape for of in (a, b)]
    left = np.reshape(a, [size for one in shapes[0] for size in (one, 1)])
    right = np.reshape(b, [size for one in shapes[1] for size in (1, one)])
    return np.reshape(np.multiply(left, right), [x * y for x, y in zip(*shapes, strict=True)])


@handles(np.cross)
def _cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(operand(a), axisa, -1), np.moveaxis(operand(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise not_there("np.cross of vectors that are not of 3 numbers", "write x[0] * y[1] - x[1] * y[0] of two")
    turned = [[1, 2, 0], [2, 0, 1]]
    first, second = (np.multiply(a[..., one], b[..., other]) for one, other in (turned, turned[::-1]))
    return np.moveaxis(np.subtract(first, second), -1, axisc)


if hasattr(np, "vecdot"):
    handles(np.linalg.vecdot)(lambda x1, x2, /, *, axis=-1: np.sum(np.multiply(x1, x2), axis=axis))
    handles(np.linalg.outer)(lambda x1, x2, /: _outer(x1, x2))
    handles(np.linalg.matmul)(lambda x1, x2, /: np.matmul(x1, x2))
    handles(np.linalg.cross)(lambda x1, x2, /, *, axis=-1: _cross(x1, x2, axis=axis))
    handles(np.linalg.tensordot)(lambda x1, x2, /, *, axes=2: _tensordot(x1, x2, axes))
    handles(np.linalg.diagonal)(lambda x, /, *, offset=0: _diagonal(x, offset, -2, -1))
    handles(np.linalg.trace)(lambda x, /, *, offset=0, dtype=None: _trace(x, offset, -2, -1, dtype))


@handles(np.vander)
def _vander(x, N=None, increasing=False):
    value = as_array(x)
    if value.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = value.size if N is None else int(N)
    powers = [value**power for power in range(count)]
    if not powers:
        return _ops.known(_ops.full([value.size, 0], np.zeros((), value.dtype)), value)
    return np.stack(powers if increasing else powers[::-1], axis=1)
