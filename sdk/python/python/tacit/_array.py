"""Secret arrays: NumPy's operators and methods on values that neither party sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import _native, _public
from ._errors import SecretTypeError, SecretValueError
from ._site import site

if TYPE_CHECKING:
    from ._session import Session


class Array:
    """A secret array of a session.

    It behaves as a NumPy array of type bool, int64 or float64 whose cells nobody sees: operators, methods and NumPy's
    own functions give further secret arrays. Nothing is computed before a value is asked for by :meth:`reveal`,
    :meth:`reveal_to` or :meth:`to_share`; types, shapes and ranges are checked at once.
    """

    __slots__ = ("_lazy", "_session", "__weakref__")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, session: Session | None, lazy: _native.Lazy) -> None:
        self._session = session
        self._lazy = lazy

    # What is known of it.

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes: public."""
        return tuple(self._lazy.shape)

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self._lazy.shape)

    @property
    def size(self) -> int:
        """How many cells it has."""
        size = 1
        for axis in self._lazy.shape:
            size *= axis
        return size

    @property
    def dtype(self) -> np.dtype:
        """bool, int64 or float64."""
        return np.dtype(self._lazy.dtype)

    @property
    def precision(self) -> str:
        """How fine its real numbers are: ``"default"``, 18 binary digits after the point, or ``"high"``, 36."""
        return self._lazy.precision

    @property
    def range(self) -> tuple[str, str] | None:
        """The least and the largest value that cells can have, as far as that follows from the declared ranges."""
        return self._lazy.range

    @property
    def session(self) -> Session | None:
        """Its session; ``None`` for public values."""
        return self._session

    @property
    def T(self) -> Array:  # noqa: N802
        """The axes in reverse order."""
        return self.transpose()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<secret {self.dtype} array of shape {self.shape}>"

    def _of(self, session: Session) -> Array:
        if self._session is not None and self._session is not session:
            raise SecretValueError("USAGE_SESSION", "the arrays are of different sessions")
        return self

    def _home(self) -> Session:
        if self._session is None:
            raise SecretValueError("USAGE_SESSION", "the value is public and of no session: use it as it is")
        return self._session

    # Values.

    def reveal(self) -> Any:
        """Computes it and opens it to both parties: a NumPy array, or a scalar where it has no axes."""
        return self._home().reveal(self)[0]

    def reveal_to(self, party: int) -> Any:
        """Computes it and opens it to one party, which gets it; the other gets ``None``."""
        return self._home().reveal(self, to=party)[0]

    def to_share(self) -> Any:
        """Computes it and gives this party's share, a :class:`tacit.Share`; a pair of them where both parties are here."""
        shares = self._home()._native.share(self._lazy)
        return shares[0] if len(shares) == 1 else tuple(shares)

    def explain(self) -> dict[str, Any]:
        """What computing and revealing it would take: ``bytes`` both ways, ``rounds``, ``transfers``, ``set_up_bytes``
        of a session that has computed nothing yet, the ``error`` bound (``None``: none can be stated), and ``steps``.
        """
        return self._home()._native.explain(self._lazy)

    def assume(self, lo: Any, hi: Any) -> Array:
        """The same values, promised to be within ``[lo, hi]``: checked in secret when something is revealed, which
        raises ``OverflowError`` on both sides where they are not, and opens nothing.
        """
        lazy = _native.assume(self._lazy, _public.decimal(lo), _public.decimal(hi), site())
        return Array(self._session, lazy)

    # What cannot work on a secret.

    def __bool__(self) -> NoReturn:
        raise SecretTypeError(
            "SECRET_BRANCH",
            "the truth of a secret array is secret, so no `if`, `while`, `and`, `or` or `not` can go by it; "
            "use np.where(condition, a, b), &, | and ~, or reveal the condition first",
        )

    def _no_number(self, what: str) -> NoReturn:
        raise SecretTypeError(
            "SECRET_VALUE", f"{what} of a secret array would reveal it; use .reveal() or .reveal_to(party)"
        )

    def __int__(self) -> NoReturn:
        self._no_number("int()")

    def __float__(self) -> NoReturn:
        self._no_number("float()")

    def __complex__(self) -> NoReturn:
        self._no_number("complex()")

    def __index__(self) -> NoReturn:
        raise SecretTypeError(
            "SECRET_INDEX",
            "a secret array is no index: which cell is taken would be seen; use np.where or sums over a one-hot mask",
        )

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise SecretTypeError(
            "SECRET_VALUE", "a secret array is not turned into a plain one; use .reveal() or .reveal_to(party)"
        )

    def item(self, *_: Any) -> NoReturn:
        """Refused: it would reveal the value."""
        self._no_number("item()")

    def tolist(self) -> NoReturn:
        """Refused: it would reveal the value."""
        self._no_number("tolist()")

    def __contains__(self, _: Any) -> NoReturn:
        raise SecretTypeError("SECRET_BRANCH", "whether a secret array holds a value is secret; use (x == value).any()")

    def __iter__(self) -> Iterator[Array]:
        if not self.shape:
            raise TypeError("iteration over an array without axes")
        return (self[place] for place in range(self.shape[0]))

    # NumPy's protocols.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from ._ufuncs import apply

        return apply(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from ._functions import dispatch

        return dispatch(function, args, kwargs)

    # Operators: those of NumPy's ufuncs.

    def __add__(self, other: Any) -> Array:
        return np.add(self, other)

    def __radd__(self, other: Any) -> Array:
        return np.add(other, self)

    def __sub__(self, other: Any) -> Array:
        return np.subtract(self, other)

    def __rsub__(self, other: Any) -> Array:
        return np.subtract(other, self)

    def __mul__(self, other: Any) -> Array:
        return np.multiply(self, other)

    def __rmul__(self, other: Any) -> Array:
        return np.multiply(other, self)

    def __truediv__(self, other: Any) -> Array:
        return np.true_divide(self, other)

    def __rtruediv__(self, other: Any) -> Array:
        return np.true_divide(other, self)

    def __floordiv__(self, other: Any) -> Array:
        return np.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Array:
        return np.floor_divide(other, self)

    def __mod__(self, other: Any) -> Array:
        return np.remainder(self, other)

    def __rmod__(self, other: Any) -> Array:
        return np.remainder(other, self)

    def __divmod__(self, other: Any) -> tuple[Array, Array]:
        return np.floor_divide(self, other), np.remainder(self, other)

    def __rdivmod__(self, other: Any) -> tuple[Array, Array]:
        return np.floor_divide(other, self), np.remainder(other, self)

    def __pow__(self, other: Any) -> Array:
        return np.power(self, other)

    def __rpow__(self, other: Any) -> Array:
        return np.power(other, self)

    def __matmul__(self, other: Any) -> Array:
        return np.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Array:
        return np.matmul(other, self)

    def __and__(self, other: Any) -> Array:
        return np.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Array:
        return np.bitwise_and(other, self)

    def __or__(self, other: Any) -> Array:
        return np.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Array:
        return np.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Array:
        return np.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Array:
        return np.bitwise_xor(other, self)

    def __invert__(self) -> Array:
        return np.invert(self)

    def __neg__(self) -> Array:
        return np.negative(self)

    def __pos__(self) -> Array:
        return np.positive(self)

    def __abs__(self) -> Array:
        return np.absolute(self)

    def __round__(self, digits: int = 0) -> Array:
        return np.round(self, digits)

    def __lt__(self, other: Any) -> Array:
        return np.less(self, other)

    def __le__(self, other: Any) -> Array:
        return np.less_equal(self, other)

    def __gt__(self, other: Any) -> Array:
        return np.greater(self, other)

    def __ge__(self, other: Any) -> Array:
        return np.greater_equal(self, other)

    def __eq__(self, other: Any) -> Array:  # type: ignore[override]
        return np.equal(self, other)

    def __ne__(self, other: Any) -> Array:  # type: ignore[override]
        return np.not_equal(self, other)

    # Parts.

    def __getitem__(self, key: Any) -> Array:
        from ._indexing import take_part

        return take_part(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        from ._indexing import with_part

        changed = with_part(self, key, value)
        self._session, self._lazy = changed._session, changed._lazy

    # Methods: NumPy's functions.

    def sum(
        self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:
        """:func:`numpy.sum`."""
        return np.sum(self, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **kwargs)

    def prod(self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """:func:`numpy.prod`."""
        return np.prod(self, axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def mean(
        self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:
        """:func:`numpy.mean`."""
        return np.mean(self, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **kwargs)

    def var(
        self, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False
    ) -> Array:
        """:func:`numpy.var`."""
        return np.var(self, axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims)

    def std(
        self, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False
    ) -> Array:
        """:func:`numpy.std`."""
        return np.std(self, axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims)

    def min(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """:func:`numpy.min`."""
        return np.min(self, axis=axis, out=out, keepdims=keepdims)

    def max(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """:func:`numpy.max`."""
        return np.max(self, axis=axis, out=out, keepdims=keepdims)

    def ptp(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """:func:`numpy.ptp`."""
        return np.ptp(self, axis=axis, out=out, keepdims=keepdims)

    def argmax(self, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
        """:func:`numpy.argmax`; of equals, the first."""
        return np.argmax(self, axis=axis, out=out, keepdims=keepdims)

    def argmin(self, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
        """:func:`numpy.argmin`; of equals, the first."""
        return np.argmin(self, axis=axis, out=out, keepdims=keepdims)

    def any(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """:func:`numpy.any`."""
        return np.any(self, axis=axis, out=out, keepdims=keepdims)

    def all(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """:func:`numpy.all`."""
        return np.all(self, axis=axis, out=out, keepdims=keepdims)

    def cumsum(self, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
        """:func:`numpy.cumsum`."""
        return np.cumsum(self, axis=axis, dtype=dtype, out=out)

    def cumprod(self, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
        """:func:`numpy.cumprod`."""
        return np.cumprod(self, axis=axis, dtype=dtype, out=out)

    def clip(self, min: Any = None, max: Any = None, out: None = None) -> Array:
        """:func:`numpy.clip`."""
        return np.clip(self, min, max, out=out)

    def round(self, decimals: int = 0, out: None = None) -> Array:
        """:func:`numpy.round`."""
        return np.round(self, decimals, out=out)

    def dot(self, other: Any) -> Array:
        """:func:`numpy.dot`."""
        return np.dot(self, other)

    def trace(self) -> Array:
        """:func:`numpy.trace`."""
        return np.trace(self)

    def diagonal(self, offset: int = 0) -> Array:
        """:func:`numpy.diagonal`."""
        return np.diagonal(self, offset)

    def reshape(self, *shape: Any, order: str = "C") -> Array:
        """:func:`numpy.reshape`; the shape may be one tuple or several numbers."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def ravel(self, order: str = "C") -> Array:
        """All cells along one axis."""
        return np.reshape(self, -1, order=order)

    def flatten(self, order: str = "C") -> Array:
        """All cells along one axis."""
        return np.reshape(self, -1, order=order)

    def transpose(self, *axes: Any) -> Array:
        """:func:`numpy.transpose`; the axes may be one tuple or several numbers."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else (axes or None)
        return np.transpose(self, order)

    def swapaxes(self, axis1: int, axis2: int) -> Array:
        """:func:`numpy.swapaxes`."""
        return np.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Array:
        """:func:`numpy.squeeze`."""
        return np.squeeze(self, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Array:
        """:func:`numpy.repeat`."""
        return np.repeat(self, repeats, axis)

    def take(self, indices: Any, axis: int | None = None) -> Array:
        """:func:`numpy.take` at public places."""
        return np.take(self, indices, axis)

    def resize(self, *shape: Any) -> Array:
        """:func:`numpy.resize`; unlike NumPy's method it gives a new array."""
        return np.resize(self, shape[0] if len(shape) == 1 else shape)

    def sort(self, axis: int = -1) -> Array:
        """:func:`numpy.sort`; unlike NumPy's method it gives a new array."""
        return np.sort(self, axis=axis)

    def argsort(self, axis: int | None = -1) -> Array:
        """:func:`numpy.argsort`, stable."""
        return np.argsort(self, axis=axis)

    def quick_sort(self) -> Array:
        """SecureNumpy's name for sorting all cells, in the shape that they have; gives a new array."""
        return np.sort(self, axis=None).reshape(self.shape)

    def quick_sort_by_column(self, column: int) -> Array:
        """SecureNumpy's name for the rows in the order of a column; rows that are equal there stay in their order."""
        from ._ops import sort_rows

        if self.ndim != 2:
            raise ValueError("rows are those of an array of two axes")
        return sort_rows(self, self[:, column])

    @property
    def vm(self) -> Session | None:
        """SecureNumpy's name for the session."""
        return self._session

    def astype(self, dtype: Any, precision: str | None = None) -> Array:
        """The same values in another type: upward in bool, int64, float64; to bool, whether they are not 0.

        ``precision="high"`` gives float64 with 36 binary digits after the point; none is taken away again.
        """
        from ._ops import cast

        asked = _public.dtype(dtype)
        if precision is None or _public.precision(precision) == self.precision:
            return cast(self, asked)
        if precision == "default" or asked != _public.FLOAT64:
            raise SecretTypeError("PROGRAM_TYPE", "precision is gained by float64 only, and not lost")
        return Array(self._session, _native.cast(self._lazy, "float64_high", site()))

    def copy(self) -> Array:
        """The same array, which changes of this one leave alone."""
        return Array(self._session, self._lazy)

    __copy__ = copy

    def __deepcopy__(self, _: Any) -> Array:
        return self.copy()

    def __reduce__(self) -> NoReturn:
        raise SecretTypeError("SECRET_VALUE", "a secret array is not pickled; store x.to_share() at each party")
