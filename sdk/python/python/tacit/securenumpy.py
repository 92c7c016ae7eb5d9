"""A drop-in for ``petace.securenumpy`` on this engine.

Change ``import petace.securenumpy as snp`` to ``import tacit.securenumpy as snp`` and hand a session to :func:`set_vm`.
Every name and signature is there. What differs is what was wrong or missing: ``dtype`` counts, axes may be negative,
shapes broadcast, arrays may have any number of axes and no cells, ties go to the first, nothing is revealed on the way,
and a result that would not be right raises.
"""

from __future__ import annotations

import builtins as _builtins
from collections.abc import Sequence
from typing import Any

import numpy as _np

from . import _native
from ._array import Array as SecureArray
from ._errors import SecretValueError
from ._ops import not_there
from ._public import BOOL
from ._session import Session

_vm: Session | None = None

float64 = _np.float64
bool_ = _np.bool_


def set_vm(vm: Session) -> None:
    """The session that the functions of this module work in."""
    global _vm
    if not isinstance(vm, Session):
        raise TypeError("set_vm takes a session: tacit.Pair(...) or tacit.local_pair()")
    _vm = vm


def get_vm() -> Session:
    """The session of :func:`set_vm`."""
    if _vm is None:
        raise SecretValueError("USAGE_SESSION", "there is no session yet; call set_vm(tacit.Pair(...)) first")
    return _vm


# Creation.


def array(data: Any, party: int, dtype: Any = _np.float64) -> SecureArray:
    """An array of ``party``'s; the other party passes anything."""
    session = get_vm()
    here = party in session.parties
    return session.array(_np.asarray(data).astype(dtype) if here else None, party)


def fromshare(share: Any, dtype: Any = _np.float64) -> SecureArray:
    """The value of a share that :func:`to_share` gave: an integer array, or what :meth:`SecureArray.to_share` gives.

    Of a plain array of words only the type is known, so the value's range is taken to be ±2**20 and checked at the run.
    """
    session = get_vm()
    if isinstance(share, _native.Share) or (isinstance(share, tuple) and isinstance(share[0], _native.Share)):
        return session.from_share(share)
    if isinstance(share, ShareArray) and share.about is not None:
        return session.from_share(_share_of(_np.asarray(share), share.about))
    if len(session.parties) != 1:
        raise not_there("fromshare of one array of words where both parties are here", "give it what to_share gave")
    words = _np.asarray(share)
    bits = _np.dtype(dtype) == BOOL
    most = 1 if bits else 2**42
    about = {
        "party": session.parties[0],
        "dtype": "bool" if bits else "float64",
        "range": ("0", "1") if bits else (str(-most), str(most)),
        "error": None,
    }
    value = session.from_share(_share_of(words, about))
    return value if bits else value.assume(-(2**20), 2**20)


class ShareArray(_np.ndarray):
    """A party's share as an int64 array (of bools: as bools), with what is needed to bring it back in ``about``."""

    about: dict[str, Any] | None = None

    def __array_finalize__(self, of: Any) -> None:
        # A part or a product of it is no share of the same value.
        self.about = None


def _share_of(words: _np.ndarray, about: dict[str, Any]) -> _native.Share:
    shape = list(words.shape)
    packed = _packed(words) if about["dtype"] == "bool" else _np.ascontiguousarray(words).view(_np.uint64).ravel()
    about = {key: value for key, value in about.items() if key != "party"} | {"shape": shape, "word_bits": 64}
    party = get_vm().parties[0]
    return _native.Share(party, packed, **about)


def _packed(bits: _np.ndarray) -> _np.ndarray:
    flat = _np.asarray(bits, dtype=bool).ravel()
    padded = _np.zeros(-(-flat.size // 64) * 64, dtype=bool)
    padded[: flat.size] = flat
    return _np.packbits(padded, bitorder="little").view(_np.uint64)


def to_share(a: SecureArray) -> Any:
    """This party's share of an array, as an int64 array (of bools: as bools): ``a.to_share()`` of SecureNumpy."""
    shares = a.to_share()
    arrays = tuple(_as_words(share) for share in (shares if isinstance(shares, tuple) else (shares,)))
    return arrays if isinstance(shares, tuple) else arrays[0]


def _as_words(share: _native.Share) -> ShareArray:
    if share.valid is not None:
        raise SecretValueError(
            "SHARE_FORM", "the value has undefined cells; keep what a.to_share() gives instead of an array"
        )
    if share.word_bits != 64:
        share = share.narrowed()
    about = {"dtype": share.dtype, "range": share.range, "error": share.error}
    if share.dtype == "bool":
        count = int(_np.prod(share.shape, dtype=int))
        words = _np.unpackbits(share.words.view(_np.uint8), bitorder="little")[:count].astype(bool)
    else:
        words = share.words.view(_np.int64)
    found = words.reshape(share.shape).view(ShareArray)
    found.about = about
    return found


def _made(party: int, make: Any, dtype: Any = _np.float64) -> SecureArray:
    """An array that ``party`` makes of public values."""
    session = get_vm()
    if party not in session.parties:
        return session.array(None, party)
    data = _np.asarray(make()).astype(dtype)
    most = _builtins.max(2**20, int(_np.ceil(_np.abs(data).max()))) if data.size and data.dtype != BOOL else 2**20
    return session.array(data, party, range=None if data.dtype == BOOL else (-most, most))


def ones(shape: Any, party: int = 0, dtype: Any = _np.float64) -> SecureArray:
    """:func:`numpy.ones`, of ``party``'s."""
    return _made(party, lambda: _np.ones(shape), dtype)


def zeros(shape: Any, party: int = 0, dtype: Any = _np.float64) -> SecureArray:
    """:func:`numpy.zeros`, of ``party``'s."""
    return _made(party, lambda: _np.zeros(shape), dtype)


def empty(shape: Any, party: int = 0, dtype: Any = _np.float64) -> SecureArray:
    """As :func:`zeros`."""
    return _made(party, lambda: _np.zeros(shape), dtype)


def full(shape: Any, fill_value: Any, party: int = 0, dtype: Any = _np.float64) -> SecureArray:
    """:func:`numpy.full`, of ``party``'s."""
    return _made(party, lambda: _np.full(shape, fill_value), dtype)


def identity(n: int, party: int = 0, dtype: Any = _np.float64) -> SecureArray:
    """:func:`numpy.identity`, of ``party``'s."""
    return _made(party, lambda: _np.identity(n), dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, party: int = 0, dtype: Any = _np.float64) -> SecureArray:
    """:func:`numpy.arange`, of ``party``'s."""
    return _made(party, lambda: _np.arange(start) if stop is None else _np.arange(start, stop, step), dtype)


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, party: int = 0, dtype: Any = _np.float64
) -> SecureArray:
    """:func:`numpy.linspace`, of ``party``'s."""
    return _made(party, lambda: _np.linspace(start, stop, num, endpoint), dtype)


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10.0,
    party: int = 0,
    dtype: Any = _np.float64,
) -> SecureArray:
    """:func:`numpy.logspace`, of ``party``'s."""
    return _made(party, lambda: _np.logspace(start, stop, num, endpoint, base), dtype)


def copy(a: SecureArray) -> SecureArray:
    """A copy."""
    return a.copy()


# Manipulation.


def vstack(tup: Sequence[SecureArray]) -> SecureArray:
    """:func:`numpy.vstack`."""
    return _np.vstack(list(tup))


row_stack = vstack


def hstack(tup: Sequence[SecureArray]) -> SecureArray:
    """:func:`numpy.hstack`."""
    return _np.hstack(list(tup))


def column_stack(tup: Sequence[SecureArray]) -> SecureArray:
    """:func:`numpy.column_stack`."""
    return _np.column_stack(list(tup))


def concatenate(arrays: Sequence[SecureArray], axis: int | None = 0) -> SecureArray:
    """:func:`numpy.concatenate`."""
    return _np.concatenate(list(arrays), axis)


def reshape(a: SecureArray, newshape: Any) -> SecureArray:
    """:func:`numpy.reshape`."""
    return _np.reshape(a, newshape)


def resize(a: SecureArray, new_shape: Any) -> SecureArray:
    """:func:`numpy.resize`."""
    return _np.resize(a, new_shape)


def transpose(a: SecureArray, axes: Any = None) -> SecureArray:
    """:func:`numpy.transpose`."""
    return _np.transpose(a, axes)


def repeat(a: SecureArray, repeats: Any, axis: int | None = None) -> SecureArray:
    """:func:`numpy.repeat`."""
    return _np.repeat(a, repeats, axis)


# Mathematics.


def sum(a: SecureArray, axis: Any = None) -> SecureArray:
    """:func:`numpy.sum`."""
    return _np.sum(a, axis=axis)


def prod(a: SecureArray, axis: Any = None) -> SecureArray:
    """:func:`numpy.prod`. The range of a product of many values soon takes more than the engine has: give a narrow one."""
    return _np.prod(a, axis=axis)


def max(a: SecureArray, axis: Any = None) -> SecureArray:
    """:func:`numpy.max`."""
    return _np.max(a, axis=axis)


def min(a: SecureArray, axis: Any = None) -> SecureArray:
    """:func:`numpy.min`."""
    return _np.min(a, axis=axis)


def dot(a: Any, b: Any) -> SecureArray:
    """:func:`numpy.dot`."""
    return _np.dot(a, b)


def inner(a: Any, b: Any) -> SecureArray:
    """:func:`numpy.inner`."""
    return _np.inner(a, b)


# Sorting and searching.


def where(condition: SecureArray, x: Any, y: Any) -> SecureArray:
    """:func:`numpy.where`."""
    return _np.where(condition, x, y)


def argmax(a: SecureArray, axis: Any = None) -> SecureArray:
    """:func:`numpy.argmax`; of equals, the first."""
    return _np.argmax(a, axis=axis)


def argmin(a: SecureArray, axis: Any = None) -> SecureArray:
    """:func:`numpy.argmin`; of equals, the first."""
    return _np.argmin(a, axis=axis)


def argmax_and_max(a: SecureArray, axis: Any = None) -> tuple[SecureArray, SecureArray]:
    """:func:`argmax` and :func:`max`."""
    return argmax(a, axis), max(a, axis)


def argmin_and_min(a: SecureArray, axis: Any = None) -> tuple[SecureArray, SecureArray]:
    """:func:`argmin` and :func:`min`."""
    return argmin(a, axis), min(a, axis)


def sort(a: SecureArray, axis: int | None = -1) -> SecureArray:
    """:func:`numpy.sort`. Unlike SecureNumpy's it opens nothing about where the cells were."""
    return _np.sort(a, axis=axis)


# Statistics.


def ptp(a: SecureArray, axis: Any = None) -> SecureArray:
    """:func:`numpy.ptp`."""
    return _np.ptp(a, axis=axis)


def mean(a: SecureArray, axis: Any = None) -> SecureArray:
    """:func:`numpy.mean`."""
    return _np.mean(a, axis=axis)


def average(a: SecureArray, axis: Any = None, weights: Any = None) -> SecureArray:
    """:func:`numpy.average`."""
    return _np.average(a, axis=axis, weights=weights)
