"""Sessions: two parties, both in this process or one on each of two machines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from . import _native, _public
from ._array import Array
from ._errors import SecretTypeError, SecretValueError
from ._site import site

#: Declared range of numbers where none is given: from minus to plus 2**20.
DEFAULT_RANGE = (-(2**20), 2**20)


class Session:
    """Two parties that compute on arrays of either of them.

    Made by :func:`tacit.local_pair` and :class:`tacit.Pair`. Both parties run the same script: every call on a session
    or its arrays is made by both, in the same order.
    """

    def __init__(self, native: _native.Session) -> None:
        self._native = native
        self._parties = tuple(native.parties)

    @property
    def parties(self) -> tuple[int, ...]:
        """The parties that are in this process."""
        return self._parties

    @property
    def party(self) -> int | None:
        """The party in this process, or ``None`` where both are."""
        return self._parties[0] if len(self._parties) == 1 else None

    def array(
        self,
        data: Any,
        party: int = 0,
        *,
        range: tuple[Any, Any] | None = None,
        dtype: Any = None,
        precision: Literal["default", "high"] = "default",
        name: str | None = None,
    ) -> Array:
        """An array that ``party`` hands in; the other party learns its type, shape and declared range only.

        At ``party``, ``data`` is anything that NumPy makes an array of bool, int64 or float64 of; elsewhere it is not
        looked at, and may be ``None``. ``range`` is the least and the largest value that a cell may have, ±2**20 unless
        it is given; the narrower, the cheaper. float64 is kept to 18 binary digits after the point, with
        ``precision="high"`` to 36: functions are then right to about 10**-11 rather than 10**-6, for one to
        three and a half times the bytes. What is computed from arrays of both has high precision.

        Raises ``ValueError`` with the place of a cell that is beyond the range, before anything is sent, and at the
        other party too.
        """
        high = _public.precision(precision) == "high"
        if party not in self._parties:
            return Array(self, self._native.array(party, None, ("0", "1"), "", high))
        values = _public.cells(data, name or "the data")
        if dtype is not None:
            asked = _public.dtype(dtype)
            if not np.can_cast(values.dtype, asked, "same_kind"):
                raise SecretTypeError(
                    "PROGRAM_TYPE", f"data of {values.dtype} are not taken as {asked}; convert them first"
                )
            values = values.astype(asked)
        if high and values.dtype != _public.FLOAT64:
            raise SecretTypeError(
                "PROGRAM_TYPE", f"precision is one of float64, not of {values.dtype}; ask for it with dtype=float"
            )
        bounds = DEFAULT_RANGE if range is None else range
        if values.dtype == _public.BOOL:
            bounds = (0, 1)
        if len(bounds) != 2:
            raise SecretTypeError("PROGRAM_TYPE", "range is the least and the largest value")
        lo, hi = (_public.decimal(bound) for bound in bounds)
        try:
            return Array(self, self._native.array(party, values, (lo, hi), name or site(), high))
        except SecretValueError as error:
            error.add_note("Declare a range that holds all of the data: s.array(..., range=(lo, hi)).")
            raise

    def from_share(self, share: _native.Share | Sequence[_native.Share]) -> Array:
        """The value whose shares :meth:`Array.to_share` gave: each party brings its own."""
        shares = [share] if isinstance(share, _native.Share) else list(share)
        return Array(self, self._native.take_share(shares))

    def reveal(self, *arrays: Array, to: int | None = None) -> list[Any]:
        """Computes several arrays in one run and opens them to party ``to``, or to both."""
        receivers = [0, 1] if to is None else [to]
        for array in arrays:
            if not isinstance(array, Array):
                raise SecretTypeError("PROGRAM_TYPE", f"{type(array).__name__} is no secret array")
            array._of(self)
        if not arrays:
            return []
        lazies = [array._lazy for array in arrays]
        return [_opened(value) for value in self._native.reveal(lazies, receivers)]

    def traffic(self) -> dict[str, int]:
        """Payload bytes that the (first) party here has sent and received, and how often it waited for the other."""
        sent, received, rounds = self._native.traffic()
        return {"sent": sent, "received": received, "rounds": rounds}

    def close(self) -> None:
        """Ends the session and tells the other party. Arrays that were not revealed are lost."""
        self._native.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        parties = " and ".join(str(party) for party in self._parties)
        return f"<{type(self).__name__}: party {parties} here>"


class Pair(Session):
    """One party of a session between two machines (a direct session, over an encrypted TCP connection).

    ``party`` is 0 or 1, and the other one at the other end. ``listen`` is the ``host:port`` on which this party is
    reached, ``peer`` that of the other; one of the two sides must listen and the other one dial. Where both could,
    party 1 dials party 0.

    ``key`` is what both have been given beforehand: 64 hexadecimal digits (:func:`tacit.new_key` makes some), or the
    path of a file that holds them. Both sides prove that they know it.

    ``connect_timeout`` bounds the wait for the other party to be there, ``timeout`` each wait for it afterwards; both
    in seconds.
    """

    def __init__(
        self,
        party: int,
        *,
        listen: str | None = None,
        peer: str | None = None,
        key: str | os.PathLike[str],
        timeout: float = 600.0,
        connect_timeout: float = 60.0,
    ) -> None:
        if isinstance(key, os.PathLike):
            with open(key, encoding="ascii") as file:
                key = file.read()
        super().__init__(_native.Session.pair(party, listen, peer, key, connect_timeout, timeout))


def local_pair() -> Session:
    """A session with both parties in this process, on the real engine: for trying out, and for tests.

    ``reveal_to`` either party gives the value here.
    """
    return Session(_native.Session.local())


def _opened(value: tuple[np.ndarray, np.ndarray | None] | None) -> Any:
    """What a receiver gets: an array, or a scalar of NumPy's for an array without axes."""
    if value is None:
        return None
    cells, defined = value
    if defined is not None and cells.dtype != _public.FLOAT64:
        return np.ma.masked_array(cells, mask=~defined)
    return cells[()]
