"""Public values: what of Python and NumPy may stand beside secret arrays, and in which type."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from ._errors import SecretTypeError

BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)
FLOAT64 = np.dtype(np.float64)


def cells(data: Any, what: str = "the data") -> np.ndarray:
    """``data`` as a contiguous array of bool, int64 or float64.

    Raises ``TypeError`` for other types and for integers beyond int64.
    """
    array = np.asarray(data)
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array).reshape(array.shape)
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
            raise SecretTypeError("PROGRAM_TYPE", f"{what} holds integers beyond int64")
        return np.ascontiguousarray(array, dtype=np.int64).reshape(array.shape)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return np.ascontiguousarray(array, dtype=np.float64).reshape(array.shape)
    raise SecretTypeError(
        "PROGRAM_TYPE",
        f"{what} is {array.dtype}; secret arrays are bool, int64 or float64 (encode categories as integers)",
    )


def dtype(asked: Any) -> np.dtype:
    """A type that was asked for, as one of the three that secret arrays have."""
    found = np.dtype(asked)
    kinds = {"b": BOOL, "i": INT64, "u": INT64, "f": FLOAT64}
    if found.kind not in kinds:
        raise SecretTypeError("PROGRAM_TYPE", f"secret arrays are bool, int64 or float64, not {found}")
    return kinds[found.kind]


def precision(asked: Any) -> str:
    """A precision that was asked for."""
    if asked not in ("default", "high"):
        raise SecretTypeError("PROGRAM_TYPE", f"precision is 'default' or 'high', not {asked!r}")
    return asked


def decimal(value: Any) -> str:
    """A bound as decimal text: what is written is what is meant."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        if not np.isfinite(value):
            raise SecretTypeError("PROGRAM_TYPE", f"a bound is a finite number, not {value}")
        text = format(Decimal(repr(float(value))), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, Decimal):
        return format(value, "f")
    raise SecretTypeError("PROGRAM_TYPE", f"a bound is a number, not {type(value).__name__}")
