"""Counting and finding: histograms, places among edges, membership, distinct values."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _ops
from ._arguments import handles, number
from ._array import Array
from ._errors import SecretTypeError
from ._ops import FLOAT64, INT64, as_array, cast, not_there, operand, where


def one_hot(x: Any, categories: Any) -> Any:
    """Whether each cell is each of the public ``categories``: bools ``[..., len(categories)]``."""
    known = None if isinstance(categories, Array) else np.asarray(categories)
    if known is None or known.ndim != 1:
        raise SecretTypeError("PROGRAM_TYPE", "categories are public, on one axis")
    value = operand(x)
    return np.equal(np.reshape(value, (*value.shape, 1)), known)


def _edges(edges: Any, what: str) -> np.ndarray:
    """Public edges in ascending order, which may be infinite at the ends."""
    edges = np.asarray(edges)
    if edges.ndim != 1:
        raise ValueError(f"{what} takes edges on one axis")
    if np.isnan(edges.astype(float)).any() or np.any(edges[1:] < edges[:-1]):
        raise ValueError(f"{what} takes edges that increase")
    return edges


def _below(edges: Any, x: Any, or_equal: bool) -> Array:
    """How many of the edges are below each cell (or equal to it)."""
    compare = np.less_equal if or_equal else np.less
    if isinstance(edges, Array):
        finite, always = edges, 0
    else:
        finite, always = edges[np.isfinite(edges)], int(np.count_nonzero(edges == -np.inf))
    value = operand(x)
    return np.sum(compare(finite, np.reshape(value, (*value.shape, 1))), axis=-1) + always


@handles(np.searchsorted)
def _searchsorted(a, v, side="left", sorter=None):
    """``a`` may be secret: that it is sorted is then taken as given. One comparison of each cell with each edge."""
    if sorter is not None:
        raise not_there("np.searchsorted with `sorter`", "sort the edges first")
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right' (got {side!r})")
    if np.ndim(a) != 1:
        raise ValueError("np.searchsorted takes edges on one axis")
    edges = a if isinstance(a, Array) else _edges(a, "np.searchsorted")
    return _below(edges, v, side == "right")


@handles(np.digitize)
def _digitize(x, bins, right=False):
    """Public bins increase or decrease, secret ones are taken to increase. One comparison of each cell with each."""
    if isinstance(bins, Array) or np.ndim(bins) != 1 or not np.size(bins) or bins[0] <= bins[-1]:
        return _searchsorted(bins, x, "left" if right else "right")
    # Bins that decrease.
    rising = _edges(np.asarray(bins)[::-1], "np.digitize")
    return len(rising) - _below(rising, x, not right)


def _bins(bins: Any, range: Any, what: str) -> np.ndarray:
    """Public edges, or so many bins of equal width in a public range."""
    if isinstance(bins, (Array, str)):
        raise not_there(
            f"{what} with bins that depend on the data", "give public edges, or bins=number and range=(lo, hi)"
        )
    if np.ndim(bins):
        return _edges(bins, what)
    if range is None:
        raise not_there(
            f"{what} without `range`", "the least and the largest cell are secret: give range=(lo, hi), or public edges"
        )
    return np.histogram_bin_edges(np.empty(0), int(bins), range)


def _from_edges(x: Array, edges: np.ndarray) -> Array:
    """Whether cells are at each edge or above it, those of the last edge alone above: ``[..., edges]``."""
    value = _ops.reshape(x, [*x.shape, 1])
    finite = np.isfinite(edges)
    placed = np.where(finite, edges, 0)
    above = (value >= placed[:-1]) & finite[:-1] | (edges[:-1] == -np.inf)
    return _ops.concatenate([above, (value > placed[-1:]) & finite[-1:]], x.ndim)


@handles(np.histogram)
def _histogram(a, bins=10, range=None, density=None, weights=None):
    """Edges are public, and rounded as cells are; one comparison of each cell with each. Sums of weights are exact, densities
    within two steps of ``2**-18`` by the width of a bin.
    """
    edges = _bins(bins, range, "np.histogram")
    value = np.ravel(number(as_array(a)))
    above = _from_edges(value, edges)
    if weights is None:
        totals = np.sum(above, axis=0)
    else:
        if np.shape(weights) != np.shape(a):
            raise ValueError("weights should have the same shape as a.")
        weighed = _ops.reshape(number(as_array(weights)), [value.size, 1])
        totals = np.sum(where(above, weighed, as_array(np.zeros((), weighed.dtype))), axis=0)
    counts = totals[:-1] - totals[1:]
    if not density:
        return counts, edges
    return counts / (totals[0] - totals[-1]) * (1 / np.diff(edges)), edges


@handles(np.histogram2d)
def _histogram2d(x, y, bins=10, range=None, density=None, weights=None):
    """Edges are public; one comparison of each cell with each, and a small step for each cell and pair of edges."""
    if density or weights is not None:
        raise not_there("np.histogram2d with `density` or `weights`", "leave them out")
    both = bins if isinstance(bins, (list, tuple)) and len(bins) == 2 else (bins, bins)
    ranges = (None, None) if range is None else range
    first, second = (_bins(one, of, "np.histogram2d") for one, of in zip(both, ranges, strict=True))
    above, beside = _from_edges(number(as_array(x)), first), _from_edges(number(as_array(y)), second)
    totals = np.sum(above[:, :, None] & beside[:, None, :], axis=0)
    counts = totals[:-1] - totals[1:]
    return cast(counts[:, :-1] - counts[:, 1:], FLOAT64), first, second


@handles(np.bincount)
def _bincount(x, weights=None, minlength=0):
    """Cells are promised to be below ``minlength``, which is the length of the result: another one would be secret."""
    value = as_array(x)
    if value.dtype == FLOAT64 or value.ndim != 1:
        raise SecretTypeError("PROGRAM_TYPE", "np.bincount takes int64 on one axis")
    if int(minlength) < 1:
        raise not_there(
            "np.bincount without `minlength`", "the largest cell is secret: give a length that has room for all"
        )
    hot = one_hot(cast(value, INT64).assume(0, int(minlength) - 1), np.arange(int(minlength)))
    if weights is None:
        return np.sum(hot, axis=0)
    if np.shape(weights) != value.shape:
        raise ValueError("The weights and list don't have the same length.")
    weighed = _ops.reshape(cast(as_array(weights), FLOAT64), [value.size, 1])
    return np.sum(where(hot, weighed, as_array(0.0)), axis=0)


@handles(*(function for function in (np.isin, getattr(np, "in1d", None)) if function is not None))
def _isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """One comparison of each cell with each test element, public or secret."""
    del assume_unique, kind
    value, tests = operand(element), np.ravel(operand(test_elements))
    if tests.size == 0:
        found = as_array(value) != as_array(value)
    else:
        found = np.any(np.equal(np.reshape(value, (*value.shape, 1)), tests), axis=-1)
    return ~found if invert else found
