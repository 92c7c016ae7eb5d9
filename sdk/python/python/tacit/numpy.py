"""NumPy's names, for what NumPy itself does not hand on to secret arrays: making arrays.

``import tacit.numpy as tnp``: ``tnp.array(data, session=s, party=0)`` makes secret arrays, ``tnp.array([x, y])`` stacks
secret ones, some functions are there that NumPy does not have (``sigmoid``, ``relu``, ``erf``, ``top_k``, ``one_hot`` ...) or
that take a public bound where NumPy's results follow from the data (``unique``, ``intersect1d`` and ``filter`` of a size; ``solve``, ``inv`` and
``lstsq`` of a bound), and every other name is NumPy's own, which works on secret arrays as far as :func:`tacit.supported`
says.
Arrays that are made of public values alone (``zeros``, ``arange``, ...) are plain NumPy arrays: they stand beside secret
ones anywhere, and cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as _np

from . import _ops, _public
from ._array import Array
from ._compaction import filter as filter
from ._counting import one_hot as one_hot
from ._linalg import inv as inv
from ._linalg import lstsq as lstsq
from ._linalg import solve as solve
from ._sets import intersect1d as intersect1d
from ._sets import setdiff1d as setdiff1d
from ._sets import union1d as union1d
from ._sets import unique as unique
from ._sorting import top_k as top_k

if TYPE_CHECKING:
    from ._session import Session


def array(object: Any, dtype: Any = None, *, session: Session | None = None, party: int = 0, **kwargs: Any) -> Any:
    """A secret array where ``session`` is given (:meth:`tacit.Session.array`), or where secret ones are inside of lists;
    else a plain one, as :func:`numpy.array`.
    """
    if session is not None:
        return session.array(object, party, dtype=dtype, **kwargs)
    if isinstance(object, Array):
        return object.copy() if dtype is None else object.astype(dtype)
    if not _holds_secret(object):
        return _np.array(object, dtype=dtype, **kwargs)
    stacked = _np.stack([_ops.as_array(array(cell)) for cell in object])
    return stacked if dtype is None else _ops.cast(stacked, _public.dtype(dtype))


def asarray(a: Any, dtype: Any = None, *, session: Session | None = None, party: int = 0, **kwargs: Any) -> Any:
    """As :func:`array`; a secret array is given back as it is."""
    if isinstance(a, Array) and dtype is None:
        return a
    return array(a, dtype, session=session, party=party, **kwargs)


def _holds_secret(object: Any) -> bool:
    if isinstance(object, (list, tuple)):
        return any(_holds_secret(cell) for cell in object)
    return isinstance(object, Array)


def _real(name: str, x: Any, plain: Callable[[_np.ndarray], _np.ndarray]) -> Any:
    """A real function that the engine has and NumPy does not."""
    if isinstance(x, Array):
        return _ops.unary(name, _ops.cast(x, _public.FLOAT64))
    return plain(_np.asarray(x, float))


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return _real("sigmoid", x, lambda x: 1 / (1 + _np.exp(-x)))


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``."""
    return _real("softplus", x, lambda x: _np.logaddexp(0, x))


def relu(x: Any) -> Any:
    """``max(x, 0)``."""
    return _np.maximum(x, 0)


def gelu(x: Any) -> Any:
    """``x`` times the normal distribution's share below it."""
    return _real("gelu", x, lambda x: x * (1 + erf(x / _np.sqrt(2))) / 2)


def erf(x: Any) -> Any:
    """The error function."""
    return _real("erf", x, _np.vectorize(math.erf, otypes=[float]))


def rsqrt(x: Any) -> Any:
    """``1 / sqrt(x)``."""
    return _real("rsqrt", x, lambda x: 1 / _np.sqrt(x))


def __getattr__(name: str) -> Any:
    return getattr(_np, name)


def __dir__() -> list[str]:
    return sorted({*dir(_np), *globals()})
