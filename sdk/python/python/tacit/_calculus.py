"""Slopes, areas, lines between points, and polynomials: what follows from differences and public weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _ops
from ._arguments import axes_of, axis_of, handles, number
from ._array import Array
from ._ops import FLOAT64, as_array, cast, not_there, operand, where


@handles(*(getattr(np, name) for name in ("trapezoid", "trapz") if hasattr(np, name)))
def _trapezoid(y, x=None, dx=1.0, axis=-1):
    """Within two steps of ``2**-18`` a cell of the axis at public places, which cost nothing."""
    if isinstance(dx, Array) or np.ndim(dx):
        raise not_there("np.trapezoid with an array `dx`", "give the places as `x`")
    value = cast(number(as_array(y)), FLOAT64)
    along = axis_of(int(axis), value.ndim)
    size = value.shape[along]
    pairs = _ops.part(value, along, min(1, size), size) + _ops.part(value, along, 0, max(size - 1, 0))
    if x is None:
        return np.sum(pairs, axis=along) * (dx / 2)
    places = operand(x)
    widths = np.diff(places, axis=0 if places.ndim == 1 else along)
    if places.ndim == 1:
        widths = np.reshape(widths, [-1 if at == along else 1 for at in range(value.ndim)])
    return np.sum(pairs * (widths / 2), axis=along)


@handles(np.gradient)
def _gradient(f, *varargs, axis=None, edge_order=1):
    """At public places, within two steps of ``2**-18``; costs nothing."""
    value = cast(number(as_array(f)), FLOAT64)
    axes = axes_of(axis, value.ndim)
    if any(isinstance(spacing, Array) for spacing in varargs) or edge_order != 1:
        raise not_there(
            "np.gradient at secret places, or with edge_order=2", "give public places, and leave edge_order at 1"
        )
    spacings = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    results = [_slopes(value, along, spacing) for along, spacing in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _slopes(value: Array, along: int, spacing: Any) -> Array:
    size = value.shape[along]
    if size < 2:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, at least 2 elements are required."
        )
    if np.ndim(spacing) and np.shape(spacing) != (size,):
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    # Slopes are linear in the cells, and NumPy says how.
    weights = np.gradient(np.eye(size), spacing, axis=0)
    return np.moveaxis(
        np.matmul(weights, np.moveaxis(value, along, 0).reshape(size, -1)).reshape(
            [size, *np.delete(value.shape, along)]
        ),
        0,
        along,
    )


@handles(np.ediff1d)
def _ediff1d(ary, to_end=None, to_begin=None):
    value = np.ravel(as_array(ary))
    around = [None if end is None else np.ravel(operand(end)) for end in (to_begin, to_end)]
    parts = [around[0], value[1:] - value[:-1], around[1]]
    return np.concatenate([part for part in parts if part is not None])


@handles(np.interp)
def _interp(x, xp, fp, left=None, right=None, period=None):
    """The places ``xp`` are public, the values ``fp`` may be secret. Within two steps of ``2**-18`` a piece, with secret ``fp``
    for each unit of its width as well. Two comparisons of each cell with each place.
    """
    if isinstance(xp, Array) or period is not None:
        raise not_there("np.interp at secret places, or with `period`", "give public, increasing places")
    places, heights = np.asarray(xp, float), operand(fp)
    if places.ndim != 1 or heights.shape != places.shape or not places.size:
        raise ValueError("fp and xp are not of the same length.")
    if np.any(np.diff(places) <= 0):
        raise ValueError("np.interp takes places that increase")
    value = cast(number(as_array(x)), FLOAT64)
    result = _ops.broadcast_to(as_array(heights[0] * 1.0), value.shape)
    if places.size > 1:
        # How much of each piece lies below a cell.
        pieces = np.clip(_ops.reshape(value, [*value.shape, 1]), places[:-1], places[1:]) - places[:-1]
        slopes = np.diff(heights) / np.diff(places)
        result = result + np.sum(pieces * slopes, axis=-1)
    if left is not None:
        result = np.where(value < places[0], left, result)
    return result if right is None else np.where(value > places[-1], right, result)


@handles(np.polyval)
def _polyval(p, x):
    """Coefficients and places may be secret; a product a coefficient, in turn. Ranges grow with each."""
    coefficients = operand(p)
    if coefficients.ndim != 1:
        raise ValueError("np.polyval takes coefficients on one axis")
    if not coefficients.size:
        return as_array(operand(x)) * 0
    result = np.multiply(coefficients[0], np.ones(np.shape(x), np.int64))
    for place in range(1, coefficients.size):
        result = np.add(np.multiply(result, x), coefficients[place])
    return result


@handles(np.polyfit)
def _polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """At public places; the values may be secret. Within two steps of ``2**-18``; costs nothing."""
    if isinstance(x, Array) or full or cov or w is not None or rcond is not None:
        raise not_there(
            "np.polyfit at secret places, or with `rcond`, `full`, `w` or `cov`",
            "use tacit.numpy.lstsq with powers of x",
        )
    # Coefficients are linear in the values, and NumPy says how.
    weights = np.polyfit(x, np.eye(len(x)), deg)
    return np.matmul(weights, operand(y))


@handles(np.cov)
def _cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """Within four steps of ``2**-18``. One product of matrices."""
    if fweights is not None or aweights is not None or dtype is not None:
        raise not_there("np.cov with weights or `dtype`", "leave them out")
    result = _covariance(_variables(m, y, rowvar), (0 if bias else 1) if ddof is None else int(ddof))
    return np.squeeze(result)


def _variables(m: Any, y: Any, rowvar: bool) -> Array:
    """The observations, a row a variable."""
    parts = []
    for part in (m,) if y is None else (m, y):
        part = cast(number(as_array(part)), FLOAT64)
        if part.ndim > 2:
            raise ValueError("m has more than 2 dimensions")
        part = np.atleast_2d(part)
        parts.append(part.T if not rowvar and part.shape[0] != 1 else part)
    return np.concatenate(parts)


def _covariance(rows: Array, ddof: int) -> Array:
    free = rows.shape[1] - ddof
    if free <= 0:
        raise ValueError(f"Degrees of freedom <= 0: {rows.shape[1]} observations with ddof={ddof}")
    away = rows - np.mean(rows, axis=1, keepdims=True)
    return np.matmul(away, away.T) * (1 / free) if free & (free - 1) else np.matmul(away, away.T) / free


@handles(np.corrcoef)
def _corrcoef(x, y=None, rowvar=True, bias=None, ddof=None, *, dtype=None):
    """Within ``2**-15`` by the lesser of the variances and 1; undefined for a variance of no more than ``2**-16``."""
    del bias, ddof  # They change nothing, as in NumPy.
    if dtype is not None:
        raise not_there("np.corrcoef with `dtype`", "leave it out")
    rows = _variables(x, y, rowvar)
    covariance = _covariance(rows, 0)
    variance = np.diagonal(covariance)
    # That of a constant may be a few steps of rounding.
    deviation = where(variance > 4 * _ops.STEP, np.sqrt(variance), as_array(0.0))
    most = math.sqrt(max(abs(float(bound)) for bound in covariance._lazy.range or ("1",))) + 1
    # By Cauchy's inequality, with room for rounding.
    half = (covariance / deviation[:, None]).assume(-2 * most, 2 * most)
    return np.squeeze(np.clip(half / deviation[None, :], -1, 1))
