"""The operations that the engine has, on secret arrays and whatever stands beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from . import _native, _public
from ._array import Array
from ._errors import SecretTypeError, SecretValueError
from ._public import BOOL, FLOAT64, INT64
from ._site import site


def not_there(what: str, instead: str) -> NotImplementedError:
    """What to raise for a function that secret arrays do not have."""
    return NotImplementedError(f"{what} is not there for secret arrays; {instead}")


def as_array(value: Any) -> Array:
    """A secret array as it is; anything else as a public one."""
    if isinstance(value, Array):
        return value
    cells = _public.cells(value, "a public operand")
    if cells.dtype == FLOAT64 and not np.isfinite(cells).all():
        raise SecretTypeError(
            "PROGRAM_TYPE", "a public operand holds infinity or NaN; secret arrays have finite numbers"
        )
    return Array(None, _native.constant(cells, site()))


def operand(value: Any) -> Any:
    """A secret array as it is; anything else as a plain one, whose numbers products take with more digits than an array
    of the engine has (:func:`finely`).
    """
    return value if isinstance(value, Array) else np.asarray(value)


def session_of(arrays: Sequence[Array]) -> Any:
    """The one session of the arrays."""
    found = None
    for array in arrays:
        if array._session is not None:
            if found is not None and found is not array._session:
                raise SecretValueError("USAGE_SESSION", "the arrays are of different sessions")
            found = array._session
    return found


def _made(lazy: _native.Lazy, *of: Array) -> Array:
    return Array(session_of(of), lazy)


def full(shape: Sequence[int], value: Any) -> Array:
    """A public value everywhere."""
    return Array(None, _native.full(_public.cells(value), list(shape), site()))


def promoted(*values: Any) -> np.dtype:
    """The type that NumPy gives to a result of these: Python's numbers take that of their partners."""
    kinds = [value if isinstance(value, (bool, int, float)) else _dtype(value) for value in values]
    result = np.result_type(*kinds)
    return _public.dtype(result)


def _dtype(value: Any) -> np.dtype:
    return value.dtype if isinstance(value, Array) else _public.dtype(np.asarray(value).dtype)


def cast(value: Array, dtype: np.dtype) -> Array:
    """The value in another type: upward; to bool, whether it is not 0."""
    if value.dtype == dtype:
        return value
    if dtype == BOOL:
        return binary("not_equal", value, as_array(np.zeros((), value.dtype)))
    if value.dtype == FLOAT64:
        raise not_there(
            "the cast of float64 to int64", "round to whole numbers with np.floor, np.ceil or np.rint, and keep float64"
        )
    return _made(_native.cast(value._lazy, dtype.name, site()), value)


def unary(function: str, value: Array) -> Array:
    """A function of the engine's, cell by cell."""
    return _made(_native.unary(function, value._lazy, site()), value)


def binary(function: str, left: Array, right: Array) -> Array:
    """A function of the engine's on pairs of cells, which broadcast."""
    _check_broadcast(left, right)
    return _made(_native.binary(function, left._lazy, right._lazy, site()), left, right)


def _check_broadcast(*arrays: Array) -> None:
    try:
        np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = " ".join(str(array.shape) for array in arrays)
        raise SecretValueError(
            "PROGRAM_TYPE", f"operands could not be broadcast together with shapes {shapes}"
        ) from None


#: Binary digits of float64 behind the point, and its step.
FRACTION_BITS = 18
STEP = 2.0**-FRACTION_BITS


def finely(function: Callable[[Array, Array], Array], secret: Array, public: Any, cells: int = 1) -> Array | None:
    """A product with public numbers that are no multiples of the step, as exact as if they had 18 digits more: it is
    taken with them times 2**18, and scaled back.

    ``cells`` is how many products are added up. ``None`` where rounding the numbers to a step makes no difference of
    more than one.
    """
    values = np.asarray(public)
    if values.dtype.kind != "f" or values.size == 0 or not np.isfinite(values).all():
        return None
    step = STEP * STEP if secret.precision == "high" else STEP
    if np.array_equal(values, np.round(values / step) * step) or np.abs(values).max() >= 2.0**17:
        return None
    most = max(abs(float(bound)) for bound in secret._lazy.range or ("inf",))
    if most * cells / 2 <= 1:
        return None
    scaled = np.round(values / STEP / step) * step
    return binary("multiply", function(secret, as_array(scaled)), as_array(STEP))


def within(value: Array, cells: Array, steps: int = 0) -> Array:
    """The value, promised to be in the range of ``cells`` and 0, or so many steps beyond; wide ranges are rounded outward."""
    lo, hi = (Decimal(bound) for bound in cells._lazy.range or ("0", "0"))
    if max(abs(lo), abs(hi)) >= 2**28:
        # A bound has no more than 27 decimal digits.
        return value.assume(min(math.floor(lo), 0) - 1, max(math.ceil(hi), 0) + 1)
    slack = Decimal(steps) * Decimal(STEP)
    return value.assume(min(lo, Decimal(0)) - slack, max(hi, Decimal(0)) + slack)


def known(value: Any, *of: Array) -> Array:
    """A public value in the session of others, so that it can be revealed."""
    return _made(as_array(value)._lazy, *of)


def unstated(value: Array) -> Array:
    """The same inexact float64 values without a stated bound of their error.

    The engine's bound is that of the worst data in the declared ranges. Where an algorithm divides by what it computed that
    bound grows by orders of magnitude a step, says nothing, and would widen each promise (``assume``) by as much. Such an
    algorithm states its own bound. A comparison of inexact values has none, nor has what is computed with it; times 0 it
    adds nothing and is never computed.
    """
    lo, hi = (float(bound) for bound in value._lazy.range or ("0", "0"))
    return value + cast(value > (lo + hi) / 2, INT64) * 0


def where(condition: Array, then: Array, otherwise: Array) -> Array:
    """``then`` where the condition holds, else ``otherwise``."""
    _check_broadcast(condition, then, otherwise)
    lazy = _native.choose(cast(condition, BOOL)._lazy, then._lazy, otherwise._lazy, site())
    return _made(lazy, condition, then, otherwise)


def reduce(function: str, value: Array, axes: Sequence[int], keepdims: bool, mask: Array | None) -> Array:
    """A reduction of the engine's over axes that are counted from 0; no axes: over none."""
    if value.ndim and not axes:
        raise SecretTypeError("PROGRAM_TYPE", "a reduction over no axes is none")
    lazy = _native.reduce(function, value._lazy, list(axes), keepdims, None if mask is None else mask._lazy, site())
    return _made(lazy, value, *([] if mask is None else [mask]))


def reshape(value: Array, shape: Sequence[int]) -> Array:
    """The cells in row-major order in another shape."""
    return value if tuple(shape) == value.shape else _made(_native.reshape(value._lazy, list(shape), site()), value)


def transpose(value: Array, axes: Sequence[int]) -> Array:
    """For each axis of the result, the axis of the operand."""
    if list(axes) == list(range(value.ndim)):
        return value
    return _made(_native.transpose(value._lazy, list(axes), site()), value)


def concatenate(values: Sequence[Array], axis: int) -> Array:
    """Arrays one after the other along an axis, in their common type."""
    if len(values) == 1:
        return values[0]
    dtype = promoted(*values)
    values = [cast(value, dtype) for value in values]
    return _made(_native.concatenate([value._lazy for value in values], axis, site()), *values)


def slices(value: Array, axes: Sequence[tuple[int, int, int]]) -> Array:
    """Of each axis, every ``step``-th cell from ``start`` to before ``stop``; within bounds."""
    whole = all(part == (0, size, 1) for part, size in zip(axes, value.shape, strict=True))
    return value if whole else _made(_native.slice(value._lazy, list(axes), site()), value)


def part(value: Array, axis: int, start: int, stop: int, step: int = 1) -> Array:
    """A part of one axis."""
    axes = [(0, size, 1) for size in value.shape]
    axes[axis] = (start, stop, step)
    return slices(value, axes)


def along(function: str, value: Array, axis: int) -> Array:
    """What the engine does along an axis: ``sort``, ``argsort``, ``flip`` or ``cumsum``."""
    return _made(_native.along(function, value._lazy, axis, site()), value)


def sort_rows(value: Array, keys: Array) -> Array:
    """The rows in the ascending order of their keys."""
    return _made(_native.sort_rows(value._lazy, keys._lazy, site()), value, keys)


def take(value: Array, axis: int, places: Sequence[int]) -> Array:
    """The cells of these places, from 0, along an axis."""
    return _made(_native.take(value._lazy, axis, [int(place) for place in places], site()), value)


def windows(value: Array, axis: int, size: int) -> Array:
    """All windows of a size along an axis; a new last axis has their cells."""
    if not 1 <= size <= value.shape[axis]:
        raise ValueError(f"an axis of {value.shape[axis]} cells has no windows of {size}")
    return _made(_native.windows(value._lazy, axis, size, site()), value)


def matmul(left: Array, right: Array) -> Array:
    """The product of arrays of one or two axes."""
    return _made(_native.matmul(left._lazy, right._lazy, site()), left, right)


def broadcast_to(value: Array, shape: Sequence[int]) -> Array:
    """The value in a shape that it broadcasts to."""
    if tuple(shape) == value.shape:
        return value
    if np.broadcast_shapes(value.shape, tuple(shape)) != tuple(shape):
        raise SecretValueError("PROGRAM_TYPE", f"{value.shape} does not broadcast to {tuple(shape)}")
    if value.dtype == BOOL:
        return binary("xor", value, full(shape, False))
    return cast(binary("add", value, full(shape, 0)), value.dtype)


def tree(function: Any, value: Array, axis: int) -> Array:
    """All cells along an axis in one by an associative function of arrays, in as few rounds as there are halvings.

    The axis stays with size 1, and must have at least one cell.
    """
    while (size := value.shape[axis]) > 1:
        half = size // 2
        joined = function(part(value, axis, 0, half), part(value, axis, half, 2 * half))
        rest = part(value, axis, 2 * half, size)
        value = concatenate([joined, rest], axis) if size % 2 else joined
    return value


def undefined_where_any_is(value: Array, axes: Sequence[int], keepdims: bool, mask: Array | None) -> Array | None:
    """0 where all cells along the axes are defined, undefined elsewhere: NumPy's NaN that spreads.

    ``None`` where all cells are defined for certain.
    """
    if not value._lazy.nullable:
        return None
    zero = as_array(np.int64(0))
    numbers = cast(value, INT64) if value.dtype == BOOL else value
    spread = binary("multiply", numbers, zero)
    if mask is not None:
        spread = where(broadcast_to(mask, value.shape), spread, zero)
    for axis in axes:
        if value.shape[axis] == 0:
            return None
        spread = tree(lambda a, b: binary("add", a, b), spread, axis)
    if not keepdims:
        spread = reshape(spread, [size for axis, size in enumerate(value.shape) if axis not in axes])
    return spread
