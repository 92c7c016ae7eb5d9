"""The line of the user's script that an operation comes from, for error messages."""

from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_NUMPY = os.sep + "numpy" + os.sep
_LONGEST = 64


def site() -> str:
    """``script.py:12``: the innermost frame outside this package and NumPy."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_HERE) and _NUMPY not in path:
            # Names in programs are short and hold nothing that moves a cursor.
            name = "".join(c for c in os.path.basename(path) if c.isprintable())
            return f"{name[: _LONGEST - 12]}:{frame.f_lineno}"
        frame = frame.f_back
    return "unknown:0"
