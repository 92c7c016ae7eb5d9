"""NumPy's other functions on secret arrays, through ``__array_function__``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _indexing, _ops, _public
from ._array import Array

from ._ops import BOOL, FLOAT64, INT64, as_array, binary, cast, not_there, promoted, where

#: NumPy's functions, and what stands for them.
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
#: What to do instead of some that are not there.
INSTEAD = {
    "sort": "use np.max, np.min or comparisons; sorting comes with a later release",
    "argsort": "use np.argmax or np.argmin; sorting comes with a later release",
    "median": "sorting comes with a later release",
    "nonzero": "which cells are not 0 is secret; use np.where with three arguments, or np.count_nonzero",
    "unique": "how many there are is secret; compare with public values: (x == value).any()",
    "array_repr": "use repr(x), which shows type and shape",
    "save": "store x.to_share() at each party",
}


def handles(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function stand for NumPy's."""

    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update((of, function) for of in functions)
        return function

    return note


def dispatch(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of NumPy's on arguments of which at least one is secret."""
    found = FUNCTIONS.get(function)
    name = f"{function.__module__}.{function.__name__}"
    if found is None:
        raise not_there(name, INSTEAD.get(function.__name__, "help(tacit) lists what is; or reveal the value first"))
    try:
        inspect.signature(found).bind(*args, **kwargs)
    except TypeError as error:
        raise not_there(f"this call of {name} ({error})", "leave that argument out") from None
    return found(*args, **kwargs)


def supported() -> list[str]:
    """The names of the functions that work."""
    return sorted({f"{of.__module__.removeprefix('numpy.').replace('numpy', '')}.{of.__name__}".lstrip(".") for of in FUNCTIONS})


_NONE: Any = object()


def _no_out(out: Any) -> None:
    if out is not None:
        raise not_there("the argument `out`", "assign the result; secret values are not written into plain arrays")


def _axis(axis: int, ndim: int) -> int:
    return np.lib.array_utils.normalize_axis_index(axis, ndim) if hasattr(np.lib, "array_utils") else np.core.numeric.normalize_axis_index(axis, ndim)


def _axes(axis: Any, ndim: int) -> list[int]:
    """The axes of a reduction, counted from 0."""
    if axis is None:
        return list(range(ndim))
    if not isinstance(axis, tuple):
        return [_axis(int(axis), ndim)]
    axes = sorted(_axis(int(one), ndim) for one in axis)
    if len(set(axes)) < len(axes):
        raise ValueError("duplicate value in 'axis'")
    return axes


def _mask(mask: Any, shape: Sequence[int]) -> Array | None:
    if mask is None or mask is True or mask is np._NoValue or mask is _NONE:
        return None
    mask = cast(as_array(mask), BOOL)
    return _ops.broadcast_to(mask, shape) if mask.ndim > len(shape) else mask


def _number(value: Array, dtype: Any = None) -> Array:
    """Bools as the integers 0 and 1, anything in a type that was asked for."""
    if dtype is not None:
        return cast(value, _public.dtype(dtype))
    return cast(value, INT64) if value.dtype == BOOL else value


def _with_initial(result: Array, initial: Any, join: Callable[[Any, Any], Array]) -> Array:
    if initial is _NONE or initial is np._NoValue or initial is None:
        return result
    return join(result, np.asarray(initial, result.dtype))


def _reduced(function: str, value: Array, axis: Any, keepdims: Any, mask: Array | None) -> Array:
    """A reduction with NumPy's rules for axes and undefined cells."""
    keep = bool(keepdims) and keepdims is not np._NoValue
    axes = _axes(axis, value.ndim)
    if value.ndim and not axes:
        return value if function != "count" else _ops.full(value.shape, 1)
    result = _ops.reduce(function, value, axes, keep, mask)
    spread = _ops.undefined_where_any_is(value, axes, keep, mask)
    if spread is None:
        return result
    if result.dtype != FLOAT64:
        spread = cast(spread != 0, INT64)
    return binary("add", result, spread)


@handles(np.sum)
def _sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=_NONE, where=True):
    _no_out(out)
    value = as_array(a)
    result = _reduced("sum", _number(value, dtype), axis, keepdims, _mask(where, value.shape))
    return _with_initial(result, initial, np.add)


@handles(np.mean)
def _mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
    _no_out(out)
    value = _number(as_array(a), dtype)
    _not_empty("mean", value, axis)
    return cast(_reduced("mean", value, axis, keepdims, _mask(where, value.shape)), FLOAT64)


def _not_empty(what: str, value: Array, axis: Any) -> None:
    if any(value.shape[one] == 0 for one in _axes(axis, value.ndim)):
        raise ValueError(f"{what} of no cells: the axis has size 0")


def _extreme(function: str, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, mask: Any) -> Array:
    _no_out(out)
    value = as_array(a)
    join = np.maximum if function == "max" else np.minimum
    chosen = _mask(mask, value.shape)
    given = not (initial is _NONE or initial is np._NoValue or initial is None)
    if chosen is not None and not given:
        raise ValueError(f"reduction with a `where` mask takes an initial value, as np.{function} of NumPy does")
    if chosen is not None:
        value, chosen = _ops.where(chosen, value, as_array(np.asarray(initial, value.dtype))), None
    if value.dtype == BOOL:
        result = (_any if function == "max" else _all)(value, axis, None, keepdims)
    elif any(value.shape[one] == 0 for one in _axes(axis, value.ndim)):
        if not given:
            raise ValueError(f"zero-size array to reduction operation {function}imum which has no identity")
        shape = np.sum(np.empty(value.shape), axis=axis, keepdims=bool(keepdims) and keepdims is not np._NoValue).shape
        return _ops.full(shape, np.asarray(initial, value.dtype))
    else:
        result = _reduced(function, value, axis, keepdims, None)
    return _with_initial(result, initial, join)


@handles(np.max, np.amax)
def _max(a, axis=None, out=None, keepdims=False, initial=_NONE, where=True):
    return _extreme("max", a, axis, out, keepdims, initial, where)


@handles(np.min, np.amin)
def _min(a, axis=None, out=None, keepdims=False, initial=_NONE, where=True):
    return _extreme("min", a, axis, out, keepdims, initial, where)


@handles(np.ptp)
def _ptp(a, axis=None, out=None, keepdims=False):
    _no_out(out)
    value = _number(as_array(a))
    return _max(value, axis, None, keepdims) - _min(value, axis, None, keepdims)


@handles(np.argmax)
def _argmax(a, axis=None, out=None, *, keepdims=False):
    _no_out(out)
    value = _number(as_array(a))
    keep = bool(keepdims) and keepdims is not np._NoValue
    flat = _ops.reshape(value, [value.size]) if axis is None else value
    along = 0 if axis is None else _axis(int(axis), value.ndim)
    if flat.shape[along] == 0:
        raise ValueError("attempt to get argmax of an empty sequence")
    result = _reduced("argmax", flat, along, keep and axis is not None, None)
    return _ops.reshape(result, [1] * value.ndim) if keep and axis is None else result


@handles(np.argmin)
def _argmin(a, axis=None, out=None, *, keepdims=False):
    return _argmax(-_number(as_array(a)), axis, out, keepdims=keepdims)


@handles(np.any)
def _any(a, axis=None, out=None, keepdims=False, *, where=True):
    _no_out(out)
    value = cast(as_array(a), BOOL)
    return _reduced("sum", value, axis, keepdims, _mask(where, value.shape)) > 0


@handles(np.all)
def _all(a, axis=None, out=None, keepdims=False, *, where=True):
    return ~_any(~cast(as_array(a), BOOL), axis, out, keepdims, where=where)


@handles(np.count_nonzero)
def _count_nonzero(a, axis=None, *, keepdims=False):
    return _reduced("sum", cast(as_array(a), BOOL), axis, keepdims, None)


@handles(np.prod)
def _prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=_NONE, where=True):
    _no_out(out)
    value = _number(as_array(a), dtype)
    mask = _mask(where, value.shape)
    if mask is not None:
        value = _ops.where(mask, value, as_array(np.ones((), value.dtype)))
    axes = _axes(axis, value.ndim)
    for one in axes:
        if value.shape[one] == 0:
            value = _ops.full([1 if at in axes else size for at, size in enumerate(value.shape)], np.ones((), value.dtype))
            break
        value = _ops.tree(np.multiply, value, one)
    if not (keepdims and keepdims is not np._NoValue):
        value = _ops.reshape(value, [size for at, size in enumerate(value.shape) if at not in axes])
    return _with_initial(value, initial, np.multiply)


def _accumulated(function: Callable[..., Array], value: Array, axis: int) -> Array:
    """What comes before each cell, joined with it: in as many steps as the size has binary digits."""
    size = value.shape[axis]
    far = 1
    while far < size:
        joined = function(_ops.part(value, axis, far, size), _ops.part(value, axis, 0, size - far))
        value = _ops.concatenate([_ops.part(value, axis, 0, far), joined], axis)
        far *= 2
    return value


def _cumulative(function: Callable[..., Array], a: Any, axis: Any, dtype: Any, out: Any) -> Array:
    _no_out(out)
    value = _number(as_array(a), dtype)
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    return _accumulated(function, value, _axis(int(axis), value.ndim))


@handles(np.cumsum)
def _cumsum(a, axis=None, dtype=None, out=None):
    return _cumulative(np.add, a, axis, dtype, out)


@handles(np.cumprod)
def _cumprod(a, axis=None, dtype=None, out=None):
    return _cumulative(np.multiply, a, axis, dtype, out)


@handles(np.var)
def _var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True):
    _no_out(out)
    value = cast(_number(as_array(a), dtype), FLOAT64)
    if _mask(where, value.shape) is not None and ddof:
        raise not_there("np.var with `where` and `ddof`", "leave ddof at 0")
    deviation = value - _mean(value, axis, None, None, True, where=where)
    result = _mean(deviation * deviation, axis, None, None, keepdims, where=where)
    if not ddof:
        return result
    count = int(np.prod([value.shape[one] for one in _axes(axis, value.ndim)], dtype=int))
    if count <= ddof:
        raise ValueError("Degrees of freedom <= 0 for slice")
    return result * count / (count - ddof)


@handles(np.std)
def _std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True):
    return np.sqrt(_var(a, axis, dtype, out, ddof, keepdims, where=where))


@handles(np.average)
def _average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    value = _number(as_array(a))
    if weights is None:
        result = _mean(value, axis, keepdims=keepdims)
        total = _ops.full(result.shape, value.size / max(result.size, 1))
        return (result, total) if returned else result
    weights = weights if isinstance(weights, Array) else np.asarray(weights)
    if weights.shape != value.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        along = _axis(int(axis), value.ndim)
        if weights.ndim != 1 or weights.shape[0] != value.shape[along]:
            raise ValueError("Length of weights not compatible with specified axis.")
        weights = weights.reshape([-1 if one == along else 1 for one in range(value.ndim)])
        weights = _ops.broadcast_to(weights, value.shape) if isinstance(weights, Array) else np.broadcast_to(weights, value.shape)
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    if not isinstance(total, Array) and np.any(total == 0):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    result = _sum(value * weights, axis, keepdims=keepdims) / total
    return (result, _ops.broadcast_to(as_array(total), result.shape)) if returned else result


@handles(np.where)
def _where(condition, x=_NONE, y=_NONE):
    if x is _NONE or y is _NONE:
        raise not_there("np.where with one argument", INSTEAD["nonzero"])
    result = where(as_array(condition), as_array(x), as_array(y))
    return cast(result, promoted(x, y))


@handles(np.select)
def _select(condlist, choicelist, default=0):
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = _where(condition, choice, result)
    return result


@handles(np.clip)
def _clip(a, a_min=_NONE, a_max=_NONE, out=None, *, min=_NONE, max=_NONE):
    _no_out(out)
    low, high = (a_min if min is _NONE else min), (a_max if max is _NONE else max)
    result = as_array(a)
    if low is not None and low is not _NONE and low is not np._NoValue:
        result = np.maximum(result, low)
    if high is not None and high is not _NONE and high is not np._NoValue:
        result = np.minimum(result, high)
    return result


@handles(np.isclose)
def _isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    del equal_nan  # Cells are numbers.
    return np.absolute(as_array(a) - as_array(b)) <= atol + rtol * np.absolute(as_array(b))


@handles(np.allclose)
def _allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    return _all(_isclose(a, b, rtol, atol, equal_nan))


@handles(np.array_equal)
def _array_equal(a1, a2, equal_nan=False):
    del equal_nan
    a1, a2 = as_array(a1), as_array(a2)
    return _all(a1 == a2) if a1.shape == a2.shape else as_array(np.False_)


# Products.


@handles(np.dot)
def _dot(a, b, out=None):
    _no_out(out)
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
    _no_out(out)
    a, b = as_array(a), as_array(b)
    return _ops.reshape(a, [a.size, 1]) * _ops.reshape(b, [1, b.size])


@handles(np.trace)
def _trace(a, offset=0):
    return _sum(_diagonal(a, offset), -1)


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
    padded = _pad(value, (max(k, 0), max(-k, 0)))
    return where(as_array(mask), padded, as_array(np.zeros((), value.dtype)))


@handles(np.linalg.norm)
def _norm(x, ord=None, axis=None, keepdims=False):
    value = cast(_number(as_array(x)), FLOAT64)
    if ord not in (None, 1, 2, np.inf, -np.inf, "fro") or (ord is not None and ord != "fro" and axis is None and value.ndim > 1):
        raise not_there(f"the norm {ord!r} here", "norms of vectors are: 1, 2, inf; of matrices: 'fro'")
    if ord in (np.inf, -np.inf):
        return (_max if ord > 0 else _min)(np.absolute(value), axis, None, keepdims)
    if ord == 1:
        return _sum(np.absolute(value), axis, keepdims=keepdims)
    return np.sqrt(_sum(value * value, axis, keepdims=keepdims))


# Shapes.


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
        return _ops.full(sizes, np.zeros((), value.dtype))
    times, rest = divmod(cells, value.size)
    parts = [value] * times + ([_ops.part(value, 0, 0, rest)] if rest or not times else [])
    return _ops.reshape(_concatenate(parts), sizes)


@handles(np.transpose)
def _transpose(a, axes=None):
    value = as_array(a)
    order = list(range(value.ndim))[::-1] if axes is None else [_axis(int(axis), value.ndim) for axis in axes]
    if sorted(order) != list(range(value.ndim)):
        raise ValueError("axes don't match array")
    return _ops.transpose(value, order)


@handles(np.swapaxes)
def _swapaxes(a, axis1, axis2):
    value = as_array(a)
    order = list(range(value.ndim))
    one, two = _axis(axis1, value.ndim), _axis(axis2, value.ndim)
    order[one], order[two] = order[two], order[one]
    return _ops.transpose(value, order)


@handles(np.moveaxis)
def _moveaxis(a, source, destination):
    value = as_array(a)
    as_list = lambda axes: [_axis(int(axis), value.ndim) for axis in (axes if np.ndim(axes) else [axes])]
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
    axes = [at for at, size in enumerate(value.shape) if size == 1] if axis is None else _axes(axis, value.ndim)
    if any(value.shape[at] != 1 for at in axes):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return _ops.reshape(value, [size for at, size in enumerate(value.shape) if at not in axes])


@handles(np.expand_dims)
def _expand_dims(a, axis):
    value = as_array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = _axes(tuple(axes), value.ndim + len(axes))
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


# Joining and splitting.


@handles(np.concatenate)
def _concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind"):
    _no_out(out)
    del casting
    arrays = [as_array(array) for array in arrays]
    if not arrays:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        arrays, axis = [_ops.reshape(array, [array.size]) for array in arrays], 0
    if any(array.ndim == 0 for array in arrays):
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    along = _axis(int(axis), arrays[0].ndim)
    rest = {(array.ndim, array.shape[:along] + array.shape[along + 1 :]) for array in arrays}
    if len(rest) > 1:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"all the input array dimensions except for the concatenation axis must match exactly: {shapes}")
    result = _ops.concatenate(arrays, along)
    return result if dtype is None else cast(result, _public.dtype(dtype))


@handles(np.stack)
def _stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    arrays = [as_array(array) for array in arrays]
    if len({array.shape for array in arrays}) != 1:
        raise ValueError("all input arrays must have the same shape" if arrays else "need at least one array to stack")
    along = _axis(int(axis), arrays[0].ndim + 1)
    return _concatenate([_expand_dims(array, along) for array in arrays], along, out, dtype=dtype, casting=casting)


@handles(np.vstack)
def _vstack(tup, *, dtype=None, casting="same_kind"):
    return _concatenate([_atleast_2d(array) for array in tup], 0, dtype=dtype, casting=casting)


@handles(np.hstack)
def _hstack(tup, *, dtype=None, casting="same_kind"):
    arrays = [_atleast_1d(array) for array in tup]
    return _concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@handles(np.dstack)
def _dstack(tup):
    deep = lambda x: x if x.ndim > 2 else _expand_dims(_atleast_2d(x) if x.ndim < 2 else x, 2)
    return _concatenate([deep(as_array(array)) for array in tup], 2)


@handles(np.column_stack)
def _column_stack(tup):
    columns = [array if array.ndim > 1 else _ops.reshape(array, [array.size, 1]) for array in map(as_array, tup)]
    return _concatenate(columns, 1)


@handles(np.append)
def _append(arr, values, axis=None):
    return _concatenate([as_array(arr), as_array(values)], axis)


@handles(np.array_split)
def _array_split(ary, indices_or_sections, axis=0):
    value = as_array(ary)
    along = _axis(int(axis), value.ndim)
    size = value.shape[along]
    if np.ndim(indices_or_sections) == 0:
        sections = int(indices_or_sections)
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, extra = divmod(size, sections)
        cuts = np.cumsum([0] + [each + 1] * extra + [each] * (sections - extra)).tolist()
    else:
        cuts = [0, *(int(cut) for cut in indices_or_sections), size]
    key = lambda start, stop: (slice(None),) * along + (slice(start, stop),)
    return [value[key(start, stop)] for start, stop in zip(cuts, cuts[1:], strict=False)]


@handles(np.split)
def _split(ary, indices_or_sections, axis=0):
    value = as_array(ary)
    if np.ndim(indices_or_sections) == 0 and value.shape[_axis(int(axis), value.ndim)] % int(indices_or_sections):
        raise ValueError("array split does not result in an equal division")
    return _array_split(value, indices_or_sections, axis)


@handles(np.repeat)
def _repeat(a, repeats, axis=None):
    value = as_array(a)
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    along = _axis(int(axis), value.ndim)
    if np.ndim(repeats) == 0 or np.size(repeats) == 1:
        times = int(np.asarray(repeats).reshape(()))
        wide = _expand_dims(value, along + 1)
        shape = list(wide.shape)
        shape[along + 1] = times
        return _ops.reshape(_ops.broadcast_to(wide, shape), [*value.shape[:along], value.shape[along] * times, *value.shape[along + 1 :]])
    return _indexing.take(value, np.repeat(np.arange(value.shape[along]), repeats), along)


@handles(np.tile)
def _tile(A, reps):
    value = as_array(A)
    reps = [int(rep) for rep in (reps if np.ndim(reps) else [reps])]
    ndim = max(value.ndim, len(reps))
    sizes = [1] * (ndim - value.ndim) + list(value.shape)
    reps = [1] * (ndim - len(reps)) + reps
    pairs = [size for rep, size in zip(reps, sizes, strict=True) for size in (1, size)]
    wide = [size for rep, size in zip(reps, sizes, strict=True) for size in (rep, size)]
    if len(pairs) > 8:
        raise not_there("np.tile of so many axes", "tile one axis after the other")
    spread = _ops.broadcast_to(_ops.reshape(value, pairs), wide)
    return _ops.reshape(spread, [rep * size for rep, size in zip(reps, sizes, strict=True)])


@handles(np.roll)
def _roll(a, shift, axis=None):
    value = as_array(a)
    if axis is None:
        return _ops.reshape(_roll(_ops.reshape(value, [value.size]), shift, 0), value.shape)
    axes, shifts = np.broadcast_arrays(np.atleast_1d(axis), np.atleast_1d(shift))
    for one, by in zip(axes.tolist(), shifts.tolist(), strict=True):
        along = _axis(int(one), value.ndim)
        size = value.shape[along]
        if size and by % size:
            cut = size - by % size
            value = _ops.concatenate([_ops.part(value, along, cut, size), _ops.part(value, along, 0, cut)], along)
    return value


@handles(np.flip)
def _flip(m, axis=None):
    value = as_array(m)
    for along in _axes(axis, value.ndim):
        value = _indexing.reverse(value, along)
    return value


@handles(np.flipud)
def _flipud(m):
    return _flip(m, 0)


@handles(np.fliplr)
def _fliplr(m):
    return _flip(m, 1)


@handles(np.take)
def _take(a, indices, axis=None, out=None, mode="raise"):
    _no_out(out)
    value = as_array(a)
    if mode != "raise":
        raise not_there(f"np.take with mode={mode!r}", "bring the places within bounds first")
    if axis is None:
        value, axis = _ops.reshape(value, [value.size]), 0
    along = _axis(int(axis), value.ndim)
    places = indices if isinstance(indices, Array) else np.asarray(indices)
    return value[(slice(None),) * along + (places if places.ndim else int(places),)]


@handles(np.pad)
def _pad(array, pad_width, mode="constant", constant_values=0):
    value = as_array(array)
    if mode != "constant" or np.ndim(constant_values):
        raise not_there(f"np.pad with mode={mode!r}", "pad with one constant")
    widths = np.broadcast_to(np.asarray(pad_width, dtype=int), (value.ndim, 2)).tolist()
    for along, (before, after) in enumerate(widths):
        if min(before, after) < 0:
            raise ValueError("index can't contain negative values")
        shape = list(value.shape)
        parts = []
        for count in (before, None, after):
            shape[along] = count if count is not None else value.shape[along]
            parts.append(value if count is None else _ops.full(shape, np.asarray(constant_values, value.dtype)))
        value = _ops.concatenate([part for part in parts if part.shape[along]] or [value], along)
    return value


@handles(np.diff)
def _diff(a, n=1, axis=-1, prepend=np._NoValue, append=np._NoValue):
    value = as_array(a)
    along = _axis(int(axis), value.ndim)
    for extra, first in ((prepend, True), (append, False)):
        if extra is not np._NoValue:
            shape = list(value.shape)
            shape[along] = 1
            extra = as_array(extra)
            extra = _ops.broadcast_to(extra, shape) if extra.ndim == 0 else extra
            value = _concatenate([extra, value] if first else [value, extra], along)
    function = np.not_equal if value.dtype == BOOL else np.subtract
    for _ in range(int(n)):
        size = value.shape[along]
        value = function(_ops.part(value, along, min(1, size), size), _ops.part(value, along, 0, max(size - 1, 0)))
    return value


@handles(np.tril)
def _tril(m, k=0):
    value = as_array(m)
    return where(as_array(np.tri(*value.shape[-2:], k=k, dtype=bool)), value, as_array(np.zeros((), value.dtype)))


@handles(np.triu)
def _triu(m, k=0):
    value = as_array(m)
    return where(as_array(np.tri(*value.shape[-2:], k=k - 1, dtype=bool)), as_array(np.zeros((), value.dtype)), value)


@handles(np.copy)
def _copy(a, order="K", subok=False):
    del order, subok
    return as_array(a).copy()


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
    return a.size if axis is None else a.shape[_axis(axis, a.ndim)]


@handles(np.result_type)
def _result_type(*arrays_and_dtypes):
    return np.result_type(*(of.dtype if isinstance(of, Array) else of for of in arrays_and_dtypes))


@handles(np.round, np.around)
def _round(a, decimals=0, out=None):
    _no_out(out)
    value = as_array(a)
    if value.dtype != FLOAT64 and decimals >= 0:
        return value
    if decimals:
        raise not_there("np.round to digits", "scale by a power of ten around np.rint")
    return np.rint(value)


