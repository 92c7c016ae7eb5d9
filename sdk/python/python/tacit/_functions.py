"""NumPy's functions on secret arrays, through ``__array_function__``: those of the modules beside, by one table."""

from __future__ import annotations

import inspect
import operator
from typing import Any

import numpy as np

# The modules fill the table of functions when they are imported.
from . import (  # noqa: F401
    _calculus,
    _choices,
    _counting,
    _einsum,
    _joining,
    _linalg,
    _products,
    _reductions,
    _shapes,
    _sorting,
    _tidying,
    _ufuncs,
)
from ._arguments import FUNCTIONS
from ._ops import not_there

#: What to do instead of some that are not there.
INSTEAD = {
    "nonzero": "which cells are not 0 is secret; use np.where with three arguments, or np.count_nonzero",
    "unique": "how many there are is secret; use tacit.numpy.unique(x, size=...) with a public bound",
    "union1d": "how many there are is secret; use tacit.numpy.union1d(a, b, size=...) with a public bound",
    "intersect1d": "how many there are is secret; use tacit.numpy.intersect1d(a, b, size=...) with a public bound",
    "setdiff1d": "how many there are is secret; use tacit.numpy.setdiff1d(a, b, size=...) with a public bound",
    "pinv": "use tacit.numpy.lstsq, or np.linalg.inv(a.T @ a) @ a.T for independent columns",
    "putmask": "assign: x[mask] = value",
    "place": "assign: x[mask] = value",
    "copyto": "assign: x[...] = value, or use np.where(mask, value, x)",
    "extract": "how many there are is secret; use tacit.numpy.filter(mask, x, size=...) with a public bound",
    "flatnonzero": "which cells are not 0 is secret; use tacit.numpy.filter(x != 0, np.arange(n), size=...)",
    "argwhere": "which cells are not 0 is secret; use tacit.numpy.filter(x != 0, np.arange(n), size=...)",
    "nanmedian": "how many cells are defined is secret; use np.nan_to_num before",
    "nanquantile": "how many cells are defined is secret; use np.nan_to_num before",
    "nanpercentile": "how many cells are defined is secret; use np.nan_to_num before",
    "array_repr": "use repr(x), which shows type and shape",
    "save": "store x.to_share() at each party",
}


def dispatch(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of NumPy's on arguments of which at least one is secret."""
    found = FUNCTIONS.get(function)
    name = f"{function.__module__}.{function.__name__}"
    if found is None:
        raise not_there(name, INSTEAD.get(function.__name__, "help(tacit) lists what is; or reveal the value first"))
    try:
        inspect.signature(found).bind(*args, **kwargs)
    except TypeError as error:
        raise not_there(f"this call of {name} ({error})", "leave that argument out") from None
    return found(*args, **kwargs)


#: What holds of functions that say nothing of their own.
OF_ALL = (
    "As NumPy's. Bools and int64 are exact, and so are float64 cells that are only moved, compared or added; other results are "
    "within the `error` that explain() of the result states."
)


def about(function: Any) -> str:
    """What holds of a NumPy function on secret arrays beyond NumPy's own words: what is public, domains, errors, costs.

    ``function`` is NumPy's, or its name in :func:`supported`.
    """
    if isinstance(function, str):
        function = operator.attrgetter(function)(np)
    if function in FUNCTIONS:
        return inspect.cleandoc(FUNCTIONS[function].__doc__ or OF_ALL)
    if isinstance(function, np.ufunc) and function.__name__ in _ufuncs.supported():
        return OF_ALL
    name = getattr(function, "__name__", str(function))
    raise not_there(f"np.{name}", INSTEAD.get(name, "tacit.supported() lists what is"))


def supported() -> list[str]:
    """The names of the functions that work."""
    return sorted(
        {f"{of.__module__.removeprefix('numpy.').replace('numpy', '')}.{of.__name__}".lstrip(".") for of in FUNCTIONS}
    )
