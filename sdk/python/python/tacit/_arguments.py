"""The table of NumPy's functions that stand for secret arrays, and how their arguments are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _ops, _public
from ._array import Array
from ._ops import BOOL, INT64, as_array, cast, not_there

#: NumPy's functions, and what stands for them.
FUNCTIONS: dict[Any, Callable[..., Any]] = {}


def handles(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function stand for NumPy's."""

    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update((of, function) for of in functions)
        return function

    return note


#: An argument that was not given.
NONE: Any = object()


def is_given(argument: Any) -> bool:
    """Whether an argument was given: NumPy has several ways to say that it was not."""
    return not (argument is NONE or argument is np._NoValue or argument is None)


def keeps(keepdims: Any) -> bool:
    """Whether reduced axes stay."""
    return is_given(keepdims) and bool(keepdims)


def no_out(out: Any) -> None:
    """Refuses an array to write into."""
    if out is not None:
        raise not_there("the argument `out`", "assign the result; secret values are not written into plain arrays")


def axis_of(axis: int, ndim: int) -> int:
    """An axis counted from 0. Raises ``numpy.exceptions.AxisError``."""
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def axes_of(axis: Any, ndim: int) -> list[int]:
    """The axes of a reduction, counted from 0."""
    if axis is None:
        return list(range(ndim))
    if not isinstance(axis, tuple):
        return [axis_of(int(axis), ndim)]
    axes = sorted(axis_of(int(one), ndim) for one in axis)
    if len(set(axes)) < len(axes):
        raise ValueError("duplicate value in 'axis'")
    return axes


def mask_of(mask: Any, shape: Sequence[int]) -> Array | None:
    """The argument ``where`` of a reduction."""
    if mask is True or not is_given(mask):
        return None
    mask = cast(as_array(mask), BOOL)
    return _ops.broadcast_to(mask, shape) if mask.ndim > len(shape) else mask


def number(value: Array, dtype: Any = None) -> Array:
    """Bools as the integers 0 and 1, anything in a type that was asked for."""
    if dtype is not None:
        return cast(value, _public.dtype(dtype))
    return cast(value, INT64) if value.dtype == BOOL else value
