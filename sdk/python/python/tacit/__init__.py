"""NumPy on secret arrays: two parties compute on data that neither shows the other.

    import numpy as np
    import tacit

    with tacit.local_pair() as s:
        x = s.array(np.array([1.5, 2.0, 4.0]), party=0)
        y = s.array(np.array([2.0, 0.5, 1.0]), party=1)
        print(np.sum(x * y).reveal())

Between two machines, each runs the same script with its own ``tacit.Pair(party=..., listen=..., peer=..., key=...)``.
:func:`supported` lists NumPy's functions that work, :func:`about` tells what holds of one.
"""

from __future__ import annotations

from . import numpy, random, securenumpy, tables
from ._array import Array
from ._errors import (
    PeerError,
    PeerTimeoutError,
    SecretRangeError,
    SecretTypeError,
    SecretValueError,
    TacitError,
)
from ._functions import about
from ._native import Share, __version__, new_key
from ._session import DEFAULT_RANGE, Pair, Session, local_pair


def supported() -> list[str]:
    """The names of NumPy's functions that work on secret arrays, as in ``np.`` + name. :func:`about` tells more of one."""
    from . import _functions, _ufuncs

    return sorted({*_ufuncs.supported(), *_functions.supported()})


__all__ = [
    "DEFAULT_RANGE",
    "Array",
    "Pair",
    "PeerError",
    "PeerTimeoutError",
    "SecretRangeError",
    "SecretTypeError",
    "SecretValueError",
    "Session",
    "Share",
    "TacitError",
    "__version__",
    "about",
    "local_pair",
    "new_key",
    "numpy",
    "random",
    "securenumpy",
    "supported",
    "tables",
]
