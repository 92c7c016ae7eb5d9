"""NumPy's ufuncs on secret arrays: one table, a line a function.

A function that the engine has is a line with its name there (``unary`` or ``binary`` of a program), one that follows from
others is a line with a Python function. A line whose name the engine does not have raises ``NotImplementedError``, so
that a new function of the engine is there as soon as it has its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _native, _ops
from ._array import Array
from ._errors import SecretTypeError
from ._ops import BOOL, FLOAT64, as_array, binary, cast, not_there, promoted, unary, where

#: How many matrices one product of stacks multiplies at most.
MOST_MATRICES = 256
#: What arguments are brought to before the engine has them.
KEEP = "keep"  # as they are, in the engine's common type
TRUTH = "truth"  # bools: whether they are not 0
FLOAT = "float"  # float64
#: What a result is.
PROMOTED = "promoted"  # NumPy's common type of the arguments
BOOLS = "bools"
FLOATS = "floats"


@dataclass(frozen=True)
class Engine:
    """A function that the engine has."""

    name: str
    result: str = PROMOTED
    arguments: str = KEEP
    #: What stands in when all arguments are bools: a function, or the reason why NumPy refuses them.
    of_bools: Callable[..., Array] | str | None = None
    #: Whether it takes bools alone.
    bools_only: bool = False
    #: What to use while the engine has no such function.
    otherwise: Callable[..., Array] | None = None

    def __call__(self, ufunc: np.ufunc, *values: Any) -> Array:
        arrays = [as_array(value) for value in values]
        all_bools = all(array.dtype == BOOL for array in arrays)
        if self.bools_only and not all_bools:
            raise SecretTypeError(
                "PROGRAM_TYPE", f"{ufunc.__name__} takes bools; compare first, in parentheses: (x > 1) & (y > 2)"
            )
        if all_bools and isinstance(self.of_bools, str):
            raise SecretTypeError("PROGRAM_TYPE", f"{ufunc.__name__} takes no bools; {self.of_bools}")
        if all_bools and self.of_bools is not None:
            return self.of_bools(*arrays)
        kind = "unary" if ufunc.nin == 1 else "binary"
        if not _native.has(kind, self.name):
            if self.otherwise is None:
                raise not_there(f"np.{ufunc.__name__}", "the engine has no such function yet")
            return self._typed(self.otherwise(*arrays), values)
        if self.arguments == TRUTH:
            arrays = [cast(array, BOOL) for array in arrays]
        elif self.arguments == FLOAT:
            arrays = [cast(array, FLOAT64) for array in arrays]
        result = unary(self.name, *arrays) if kind == "unary" else binary(self.name, *arrays)
        return self._typed(result, values)

    def _typed(self, result: Array, values: tuple[Any, ...]) -> Array:
        if self.result == PROMOTED:
            return cast(result, promoted(*values))
        return cast(result, FLOAT64) if self.result == FLOATS else result


@dataclass(frozen=True)
class Composed:
    """A function that follows from others."""

    function: Callable[..., Any]

    def __call__(self, ufunc: np.ufunc, *values: Any) -> Any:
        return self.function(*values)


def _zero(x: Array) -> Array:
    return as_array(np.zeros((), x.dtype))


def _absolute(x: Array) -> Array:
    return where(x < 0, -x, x)


def _sign(x: Array) -> Array:
    return cast(x > 0, np.dtype(np.int64)) - cast(x < 0, np.dtype(np.int64))


def _maximum(a: Array, b: Array) -> Array:
    return where(a < b, b, a)


def _minimum(a: Array, b: Array) -> Array:
    return where(b < a, b, a)


_PRODUCT = Engine("multiply", of_bools=lambda a, b: binary("and", a, b))
_QUOTIENT = Engine("divide", result=FLOATS)


def _multiply(a: Any, b: Any) -> Array:
    secret, public = (a, b) if isinstance(a, Array) else (b, a)
    if not isinstance(public, Array):
        found = _ops.finely(lambda x, c: binary("multiply", x, c), secret, public)
        if found is not None:
            return found
    return _PRODUCT(np.multiply, a, b)


def _divide(a: Any, b: Any) -> Array:
    if isinstance(b, Array) or np.asarray(b).dtype.kind not in "iuf" or not np.all(b):
        return _QUOTIENT(np.true_divide, a, b)
    divisor = np.asarray(b, dtype=np.float64)
    mantissa, exponent = np.frexp(np.abs(divisor))
    if np.all(mantissa == 0.5) and np.all((exponent >= 1) & (exponent <= _ops.FRACTION_BITS + 1)):
        # Powers of two: digits are cut off, which costs next to nothing.
        return cast(_multiply(a, 1 / divisor), FLOAT64)
    if np.array_equal(divisor, np.round(divisor / _ops.STEP) * _ops.STEP):
        return _QUOTIENT(np.true_divide, a, b)
    return cast(_multiply(a, 1 / divisor), FLOAT64)


def _power(x: Any, exponent: Any) -> Array:
    if isinstance(exponent, Array):
        raise not_there("a secret exponent", "use np.exp(exponent * np.log(x)) where the engine has both")
    if np.ndim(exponent) != 0:
        raise not_there("an array of exponents", "raise to one exponent at a time")
    x = as_array(x)
    result = promoted(x, exponent if isinstance(exponent, (int, float)) else np.asarray(exponent))
    power = float(exponent)
    if power == 0.5:
        return np.sqrt(x)
    if power != int(power):
        return binary("power", cast(x, FLOAT64), as_array(np.float64(power)))
    if abs(power) > 64:
        raise not_there(f"the power {exponent}", "whole exponents from -64 to 64 are")
    if power < 0 and result != FLOAT64:
        raise ValueError("Integers to negative integer powers are not allowed.")
    found = _whole_power(cast(x, np.dtype(np.int64)) if x.dtype == BOOL else x, abs(int(power)))
    return cast(1 / found if power < 0 else found, result)


def _whole_power(x: Array, power: int) -> Array:
    if power == 0:
        return _ops.known(_ops.full(x.shape, np.ones((), x.dtype)), x)
    found = None
    while power:
        if power & 1:
            found = x if found is None else found * x
        power >>= 1
        if power:
            x = x * x
    return found


def _matmul(a: Any, b: Any) -> Array:
    given = a, b
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        raise SecretTypeError("PROGRAM_TYPE", "matmul takes arrays with axes; use * for scalars")
    inner = a.shape[-1], b.shape[0 if b.ndim == 1 else -2]
    if inner[0] != inner[1]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not match ({inner[0]} and {inner[1]} cells)")
    if a.dtype == BOOL and b.dtype == BOOL:
        return _matmul(cast(a, np.dtype(np.int64)), b) > 0
    dtype = promoted(a, b)
    secret, public = (a, given[1]) if isinstance(given[0], Array) else (b, given[0])
    if not isinstance(public, Array):
        product = (lambda x, c: np.matmul(x, c)) if secret is a else (lambda x, c: np.matmul(c, x))
        found = _ops.finely(product, secret, public, inner[0])
        if found is not None:
            return found
    product = _ops.matmul(a, b) if a.ndim <= 2 and b.ndim <= 2 else _batched(a, b)
    return cast(_undefined_too(product, a, b), dtype)


def _undefined_too(product: Array, a: Array, b: Array) -> Array:
    """The product, undefined where a cell of the row or of the column is, which the engine takes for 0."""
    of_rows = _ops.undefined_where_any_is(a, [a.ndim - 1], False, None)
    if of_rows is not None:
        product = product + (_ops.reshape(of_rows, [*of_rows.shape, 1]) if b.ndim > 1 else of_rows)
    of_columns = _ops.undefined_where_any_is(b, [max(b.ndim - 2, 0)], False, None)
    if of_columns is not None:
        shape = [*of_columns.shape[:-1], 1, *of_columns.shape[-1:]] if a.ndim > 1 and b.ndim > 1 else of_columns.shape
        product = product + _ops.reshape(of_columns, shape)
    return product


def _batched(a: Array, b: Array) -> Array:
    """Products of stacks of matrices, one by one."""
    left = _ops.reshape(a, [1, *a.shape]) if a.ndim == 1 else a
    right = _ops.reshape(b, [*b.shape, 1]) if b.ndim == 1 else b
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    count = int(np.prod(batch, dtype=int))
    if count == 0 or count > MOST_MATRICES:
        raise not_there(f"a product of {count} matrices", f"multiply 1 to {MOST_MATRICES} at a time")
    factors = []
    for factor in (left, right):
        matrix = factor.shape[-2:]
        stacked = _ops.reshape(_ops.broadcast_to(factor, [*batch, *matrix]), [count, *matrix])
        factors.append([_ops.reshape(_ops.part(stacked, 0, at, at + 1), matrix) for at in range(count)])
    products = [_ops.matmul(x, y) for x, y in zip(*factors, strict=True)]
    shape = [left.shape[-2], right.shape[-1]]
    together = _ops.concatenate([_ops.reshape(product, [1, *shape]) for product in products], 0)
    kept = ([] if a.ndim == 1 else shape[:1]) + ([] if b.ndim == 1 else shape[1:])
    return _ops.reshape(together, [*batch, *kept])


def _undefined(x: Array) -> Array:
    from ._tidying import undefined

    return undefined(x)


_OR, _AND = (lambda a, b: ~(~a & ~b)), (lambda a, b: binary("and", a, b))
_NO_NUMBERS = "use ^, ~ or np.logical_xor, or cast to int64 first"

#: The table.
UFUNCS: dict[np.ufunc, Engine | Composed] = {
    np.add: Engine("add", of_bools=lambda a, b: binary("or", a, b)),
    np.subtract: Engine("subtract", of_bools=_NO_NUMBERS),
    np.multiply: Composed(_multiply),
    np.true_divide: Composed(_divide),
    np.floor_divide: Engine("floor_divide"),
    np.remainder: Engine("remainder"),
    np.fmod: Engine("fmod"),
    np.negative: Engine("negate", of_bools=_NO_NUMBERS),
    np.positive: Composed(lambda x: x),
    np.power: Composed(_power),
    np.float_power: Composed(lambda x, n: _power(cast(as_array(x), FLOAT64), n)),
    np.square: Composed(lambda x: x * x),
    np.reciprocal: Composed(lambda x: 1 / cast(x, FLOAT64)),
    np.absolute: Engine("abs", of_bools=lambda x: x, otherwise=_absolute),
    np.fabs: Engine("abs", result=FLOATS, arguments=FLOAT, otherwise=_absolute),
    np.sign: Engine("sign", otherwise=_sign, of_bools=_NO_NUMBERS),
    np.maximum: Engine("maximum", of_bools=lambda a, b: binary("or", a, b), otherwise=_maximum),
    np.minimum: Engine("minimum", of_bools=_AND, otherwise=_minimum),
    np.fmax: Composed(lambda a, b: np.maximum(a, b)),
    np.fmin: Composed(lambda a, b: np.minimum(a, b)),
    np.heaviside: Composed(lambda x, h: where(x == 0, as_array(h), cast(x > 0, FLOAT64))),
    np.matmul: Composed(_matmul),
    # Comparisons.
    np.less: Engine("less", result=BOOLS),
    np.less_equal: Engine("less_equal", result=BOOLS),
    np.greater: Engine("greater", result=BOOLS),
    np.greater_equal: Engine("greater_equal", result=BOOLS),
    np.equal: Engine("equal", result=BOOLS),
    np.not_equal: Engine("not_equal", result=BOOLS),
    # Logic.
    np.logical_and: Engine("and", result=BOOLS, arguments=TRUTH),
    np.logical_or: Engine("or", result=BOOLS, arguments=TRUTH),
    np.logical_xor: Engine("xor", result=BOOLS, arguments=TRUTH),
    np.logical_not: Engine("not", result=BOOLS, arguments=TRUTH),
    np.bitwise_and: Engine("and", result=BOOLS, bools_only=True),
    np.bitwise_or: Engine("or", result=BOOLS, bools_only=True),
    np.bitwise_xor: Engine("xor", result=BOOLS, bools_only=True),
    np.invert: Engine("not", result=BOOLS, bools_only=True),
    # Functions of one real number.
    np.sqrt: Engine("sqrt", result=FLOATS, arguments=FLOAT),
    np.exp: Engine("exp", result=FLOATS, arguments=FLOAT),
    np.exp2: Engine("exp2", result=FLOATS, arguments=FLOAT),
    np.expm1: Engine("expm1", result=FLOATS, arguments=FLOAT),
    np.log: Engine("log", result=FLOATS, arguments=FLOAT),
    np.log2: Engine("log2", result=FLOATS, arguments=FLOAT),
    np.log10: Engine("log10", result=FLOATS, arguments=FLOAT),
    np.log1p: Engine("log1p", result=FLOATS, arguments=FLOAT),
    np.sin: Engine("sin", result=FLOATS, arguments=FLOAT),
    np.cos: Engine("cos", result=FLOATS, arguments=FLOAT),
    np.tanh: Engine("tanh", result=FLOATS, arguments=FLOAT),
    np.floor: Engine("floor"),
    np.ceil: Engine("ceil"),
    np.trunc: Composed(lambda x: where(as_array(x) < 0, np.ceil(x), np.floor(x))),
    np.rint: Engine("round"),
    # What follows from others.
    np.hypot: Composed(lambda x, y: np.sqrt(np.square(x) + np.square(y))),
    np.degrees: Composed(lambda x: x * (180 / np.pi)),
    np.rad2deg: Composed(lambda x: x * (180 / np.pi)),
    np.radians: Composed(lambda x: x * (np.pi / 180)),
    np.deg2rad: Composed(lambda x: x * (np.pi / 180)),
    np.sinh: Composed(lambda x: (np.exp(x) - np.exp(-x)) / 2),
    np.cosh: Composed(lambda x: (np.exp(x) + np.exp(-x)) / 2),
    np.tan: Composed(lambda x: np.sin(x) / np.cos(x)),
    np.logaddexp: Composed(lambda x, y: y + unary("softplus", cast(x - y, FLOAT64))),
    np.signbit: Composed(lambda x: x < 0),
    np.copysign: Composed(lambda x, y: cast(where(as_array(y) < 0, -np.absolute(x), np.absolute(x)), FLOAT64)),
    np.conjugate: Composed(lambda x: x),
    np.divmod: Composed(lambda x, y: (np.floor_divide(x, y), np.remainder(x, y))),
    # Whether cells are undefined. No others are no numbers.
    np.isnan: Composed(_undefined),
    np.isfinite: Composed(lambda x: ~_undefined(x)),
    np.isinf: Composed(lambda x: x != x),
}

if hasattr(np, "vecdot"):
    UFUNCS[np.vecdot] = Composed(lambda a, b: np.sum(np.multiply(a, b), axis=-1))
if hasattr(np, "matvec"):
    UFUNCS[np.matvec] = Composed(lambda a, b: np.matmul(a, np.expand_dims(b, -1))[..., 0])
    UFUNCS[np.vecmat] = Composed(lambda a, b: np.matmul(np.expand_dims(a, -2), b)[..., 0, :])


def _by_reduction(name: str) -> Callable[..., Any]:
    """``ufunc.reduce`` as the function that NumPy has for it; its default axis is 0."""

    def run(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False, **rest: Any) -> Any:
        extra = {} if dtype is None else {"dtype": dtype}
        return getattr(np, name)(array, axis=axis, out=out, keepdims=keepdims, **extra, **rest)

    return run


#: ``ufunc.reduce`` and ``ufunc.accumulate``.
REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: _by_reduction("sum"),
    np.multiply: _by_reduction("prod"),
    np.maximum: _by_reduction("max"),
    np.minimum: _by_reduction("min"),
    np.logical_and: _by_reduction("all"),
    np.logical_or: _by_reduction("any"),
}
ACCUMULATIONS: dict[np.ufunc, Callable[..., Any]] = {np.add: np.cumsum, np.multiply: np.cumprod}


def apply(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc on arguments of which at least one is secret."""
    if any(out is not None for out in kwargs.pop("out", None) or ()):
        raise not_there("the argument `out`", "write x = np.add(x, y); secret values are not written into plain arrays")
    if method == "reduce" and ufunc in REDUCTIONS:
        return REDUCTIONS[ufunc](*inputs, **kwargs)
    if method == "accumulate" and ufunc in ACCUMULATIONS:
        return ACCUMULATIONS[ufunc](*inputs, **{"axis": 0, **kwargs})
    if method == "outer" and len(inputs) == 2:
        left, right = as_array(inputs[0]), as_array(inputs[1])
        left = _ops.reshape(left, [*left.shape, *[1] * right.ndim])
        return apply(ufunc, "__call__", (left, right), kwargs)
    rule = UFUNCS.get(ufunc)
    if method != "__call__" or rule is None:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise not_there(f"np.{name}", "help(tacit) lists what is; or reveal the value first")
    dtype = kwargs.pop("dtype", None)
    unknown = [name for name, value in kwargs.items() if not (name == "where" and value is True)]
    if unknown:
        raise not_there(f"the argument `{unknown[0]}` of np.{ufunc.__name__}", "use np.where(mask, result, otherwise)")
    result = rule(ufunc, *inputs)
    return result if dtype is None else cast(result, _ops._public.dtype(dtype))


def supported() -> list[str]:
    """The names of NumPy's ufuncs that work now."""

    def works(ufunc: np.ufunc, rule: Engine | Composed) -> bool:
        if isinstance(rule, Composed):
            return True
        kind = "unary" if ufunc.nin == 1 else "binary"
        return rule.otherwise is not None or _native.has(kind, rule.name)

    return sorted(ufunc.__name__ for ufunc, rule in UFUNCS.items() if works(ufunc, rule))
