"""Other shapes of the same cells, and what NumPy makes in the likeness of an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _ops, _public
from ._arguments import axes_of, axis_of, handles
from ._array import Array
from ._ops import as_array, cast, not_there


@handles(np.reshape)
def _reshape(a, /, shape=None, order="C", *, newshape=None, copy=None):
    del copy
    value = as_array(a)
    shape = shape if newshape is None else newshape
    if order not in ("C", "A", "K"):
        raise not_there("another order than 'C'", "transpose before and after")
    sizes = [int(size) for size in (shape if np.ndim(shape) else [shape])]
    if sizes.count(-1) > 1:
        raise ValueError("can only specify one unknown dimension")
    if -1 in sizes:
        known = int(np.prod([size for size in sizes if size != -1], dtype=int))
        if known == 0 or value.size % known:
            raise ValueError(f"cannot reshape array of size {value.size} into shape {tuple(sizes)}")
        sizes[sizes.index(-1)] = value.size // known
    if any(size < 0 for size in sizes) or int(np.prod(sizes, dtype=int)) != value.size:
        raise ValueError(f"cannot reshape array of size {value.size} into shape {tuple(sizes)}")
    return _ops.reshape(value, sizes)


@handles(np.ravel)
def _ravel(a, order="C"):
    return _reshape(a, -1, order)


@handles(np.resize)
def _resize(a, new_shape):
    value = _ravel(a)
    sizes = [int(size) for size in (new_shape if np.ndim(new_shape) else [new_shape])]
    cells = int(np.prod(sizes, dtype=int))
    if value.size == 0:
        return _ops.known(_ops.full(sizes, np.zeros((), value.dtype)), value)
    times = -(-cells // value.size)
    repeated = _ops.broadcast_to(_ops.reshape(value, [1, value.size]), [times, value.size])
    return _ops.reshape(_ops.part(_ops.reshape(repeated, [times * value.size]), 0, 0, cells), sizes)


@handles(np.transpose)
def _transpose(a, axes=None):
    value = as_array(a)
    order = list(range(value.ndim))[::-1] if axes is None else [axis_of(int(axis), value.ndim) for axis in axes]
    if sorted(order) != list(range(value.ndim)):
        raise ValueError("axes don't match array")
    return _ops.transpose(value, order)


@handles(np.swapaxes)
def _swapaxes(a, axis1, axis2):
    value = as_array(a)
    order = list(range(value.ndim))
    one, two = axis_of(axis1, value.ndim), axis_of(axis2, value.ndim)
    order[one], order[two] = order[two], order[one]
    return _ops.transpose(value, order)


@handles(np.moveaxis)
def _moveaxis(a, source, destination):
    value = as_array(a)
    as_list = lambda axes: [axis_of(int(axis), value.ndim) for axis in (axes if np.ndim(axes) else [axes])]
    source, destination = as_list(source), as_list(destination)
    if len(source) != len(destination):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [axis for axis in range(value.ndim) if axis not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return _ops.transpose(value, order)


@handles(np.squeeze)
def _squeeze(a, axis=None):
    value = as_array(a)
    axes = [at for at, size in enumerate(value.shape) if size == 1] if axis is None else axes_of(axis, value.ndim)
    if any(value.shape[at] != 1 for at in axes):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return _ops.reshape(value, [size for at, size in enumerate(value.shape) if at not in axes])


@handles(np.expand_dims)
def _expand_dims(a, axis):
    value = as_array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = axes_of(tuple(axes), value.ndim + len(axes))
    sizes = iter(value.shape)
    return _ops.reshape(value, [1 if at in axes else next(sizes) for at in range(value.ndim + len(axes))])


@handles(np.broadcast_to)
def _broadcast_to(array, shape, subok=False):
    del subok
    return _ops.broadcast_to(as_array(array), tuple(shape) if np.ndim(shape) else (int(shape),))


@handles(np.atleast_1d)
def _atleast_1d(*arys):
    return _each(lambda x: x if x.ndim >= 1 else _ops.reshape(x, [1]), arys)


@handles(np.atleast_2d)
def _atleast_2d(*arys):
    return _each(lambda x: x if x.ndim >= 2 else _ops.reshape(x, [1, x.size]), arys)


def _each(function: Callable[[Array], Array], arrays: Sequence[Any]) -> Any:
    results = [function(as_array(array)) for array in arrays]
    return results[0] if len(results) == 1 else tuple(results)


@handles(np.copy)
def _copy(a, order="K", subok=False):
    del order, subok
    return as_array(a).copy()


@handles(np.atleast_3d)
def _atleast_3d(*arys):
    shapes = {0: lambda x: [1, 1, 1], 1: lambda x: [1, x.size, 1], 2: lambda x: [*x.shape, 1]}
    return _each(lambda x: x if x.ndim >= 3 else _ops.reshape(x, shapes[x.ndim](x)), arys)


@handles(np.rollaxis)
def _rollaxis(a, axis, start=0):
    value = as_array(a)
    order = list(range(value.ndim))
    start = start + value.ndim if start < 0 else start
    if not 0 <= start <= value.ndim:
        raise np.exceptions.AxisError(start, value.ndim)
    along = axis_of(axis, value.ndim)
    order.remove(along)
    order.insert(start - (along < start), along)
    return _ops.transpose(value, order)


@handles(np.rot90)
def _rot90(m, k=1, axes=(0, 1)):
    value = as_array(m)
    first, second = (axis_of(int(axis), value.ndim) for axis in axes)
    if first == second:
        raise ValueError("Axes must be different.")
    for _ in range(int(k) % 4):
        value = _ops.along("flip", _swapaxes(value, first, second), first)
    return value


@handles(np.broadcast_arrays)
def _broadcast_arrays(*args, subok=False):
    del subok
    shape = np.broadcast_shapes(*(np.shape(of) for of in args))
    return tuple(_ops.broadcast_to(as_array(of), shape) for of in args)


@handles(np.meshgrid)
def _meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    del copy
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    order = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        order[:2] = 1, 0
    grids = []
    for place, axis in zip(order, xi, strict=True):
        grids.append(_ops.reshape(as_array(axis), [np.size(axis) if at == place else 1 for at in range(len(xi))]))
    return tuple(grids) if sparse else _broadcast_arrays(*grids)


def _astype(x, dtype, /, *, copy=True, device=None):
    del copy, device
    return cast(as_array(x), _public.dtype(dtype))


if hasattr(np, "astype"):
    handles(np.astype)(_astype)
    handles(np.matrix_transpose, np.linalg.matrix_transpose)(lambda x, /: _swapaxes(x, -1, -2))


# What NumPy makes in the likeness of an array: public, so plain arrays.


def _like(make: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
        del order, subok, device
        return make(a.shape if shape is None else shape, dtype=a.dtype if dtype is None else dtype)

    return like


handles(np.zeros_like, np.empty_like)(_like(np.zeros))
handles(np.ones_like)(_like(np.ones))


@handles(np.full_like)
def _full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    del order, subok, device
    shape = a.shape if shape is None else shape
    if isinstance(fill_value, Array):
        return _ops.broadcast_to(cast(fill_value, a.dtype if dtype is None else _public.dtype(dtype)), shape)
    return np.full(shape, fill_value, dtype=a.dtype if dtype is None else dtype)


@handles(np.shape)
def _shape(a):
    return a.shape


@handles(np.ndim)
def _ndim(a):
    return a.ndim


@handles(np.size)
def _size(a, axis=None):
    return a.size if axis is None else a.shape[axis_of(axis, a.ndim)]


@handles(np.result_type)
def _result_type(*arrays_and_dtypes):
    return np.result_type(*(of.dtype if isinstance(of, Array) else of for of in arrays_and_dtypes))
