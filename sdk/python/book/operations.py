"""Writes docs/book/operations.md: every operation on secret arrays with its domain, error bound and cost.

    python sdk/python/book/operations.py        # prints the page
    python sdk/python/book/operations.py --write

Domains are said here; bounds, bytes and rounds come from the plan of an example (``Array.explain``). A test holds the page
against the package, and this list against all that it offers.
"""

from __future__ import annotations

import pathlib
import sys
from dataclasses import dataclass

import numpy as np
import tacit
from tacit import numpy as tnp

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "book" / "operations.md"
CELLS = 1000


@dataclass(frozen=True)
class Row:
    """Operations that take the same, by an example that stands for them."""

    names: str
    example: str
    domain: str


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    title: str
    text: str
    rows: tuple[Row, ...]


PARTS = (
    Part(
        "Arithmetic",
        "",
        (
            Row("add subtract negative positive", "x + y", "numbers; costs nothing"),
            Row("multiply square", "x * y", "numbers; of integers and bools exact"),
            Row("divide", "x / p", "numbers; undefined (NaN) where the divisor is 0"),
            Row("reciprocal", "np.reciprocal(p)", "float64; undefined at 0"),
            Row("floor_divide remainder divmod", "x // p", "numbers; undefined where the divisor is 0; exact"),
            Row(
                "power float_power", "p ** 1.5", "public exponents: whole ones of numbers, real ones of numbers above 0"
            ),
            Row("absolute fabs copysign", "abs(x)", "numbers; exact"),
            Row("sign heaviside signbit", "np.sign(x)", "numbers; exact"),
            Row("hypot", "np.hypot(x, y)", "numbers"),
            Row("deg2rad radians rad2deg degrees", "np.deg2rad(x)", "numbers; the public factor to its last digit"),
            Row("maximum minimum fmax fmin", "np.maximum(x, y)", "numbers; exact"),
            Row("clip", "np.clip(x, -1, 1)", "numbers; exact"),
            Row(
                "floor ceil trunc fix rint round around",
                "np.floor(x)",
                "numbers; exact; `round` to public digits, ties to even",
            ),
        ),
    ),
    Part(
        "Functions",
        "What lies outside of a domain is undefined (NaN) when it is revealed, unless the range shows that nothing does.",
        (
            Row("sqrt", "np.sqrt(p)", "numbers of at least 0"),
            Row("rsqrt", "tnp.rsqrt(p)", "numbers above 0"),
            Row("exp exp2 expm1", "np.exp(z)", "numbers whose power fits: up to about 40"),
            Row("log log2 log10", "np.log(p)", "numbers above 0"),
            Row("log1p", "np.log1p(p)", "numbers above -1"),
            Row("sigmoid tanh softplus gelu erf", "tnp.sigmoid(z)", "all numbers"),
            Row("relu", "tnp.relu(x)", "numbers; exact"),
            Row("logaddexp", "np.logaddexp(z, z)", "numbers"),
            Row("sinh cosh", "np.sinh(z)", "numbers whose power fits"),
            Row("sin cos", "np.sin(x)", "all numbers"),
            Row("tan", "np.tan(z)", "numbers; undefined where the cosine is 0"),
        ),
    ),
    Part(
        "High precision",
        "The same on arrays with 36 binary digits after the point, `s.array(..., precision='high')`: `X`, `Y`, `Z`, `P` are "
        "`x`, `y`, `z`, `p` so. All other operations take them too; integers and comparisons are exact in both.",
        (
            Row("multiply", "X * Y", "numbers"),
            Row("divide", "X / P", "undefined where the divisor is 0"),
            Row("mean", "np.mean(X)", "numbers"),
            Row("sqrt", "np.sqrt(P)", "numbers of at least 0"),
            Row("exp", "np.exp(Z)", "numbers whose power fits"),
            Row("log", "np.log(P)", "numbers above 0"),
            Row("sigmoid tanh softplus gelu erf", "tnp.sigmoid(Z)", "all numbers"),
            Row("sin cos", "np.sin(X)", "all numbers"),
        ),
    ),
    Part(
        "Comparisons, choices, bits",
        "",
        (
            Row("less less_equal greater greater_equal", "x < y", "numbers; exact"),
            Row("equal not_equal", "i == j", "numbers and bools; exact"),
            Row("isnan isfinite isinf", "np.isnan(x / p)", "numbers: whether they are undefined; exact"),
            Row("isclose", "np.isclose(x, y)", "numbers; as NumPy, with public tolerances"),
            Row(
                "logical_and logical_or bitwise_and bitwise_or",
                "b & c",
                "bools (`logical_*` of numbers: whether they are not 0)",
            ),
            Row("logical_xor bitwise_xor logical_not invert", "b ^ c", "bools; costs nothing"),
            Row("where", "np.where(b, x, y)", "a bool condition; exact"),
            Row("nan_to_num", "np.nan_to_num(x / p)", "numbers; undefined cells become a public number"),
            Row("select piecewise", "np.select([b, c], [x, y])", "bool conditions; exact"),
            Row("choose", "np.choose(np.clip(i, 0, 1), [x, y])", "secret numbers of few public choices, in range"),
            Row("take_along_axis", "np.take_along_axis(x[:50], np.clip(i[:50], 0, 49), 0)", "secret places, in range"),
        ),
    ),
    Part(
        "Reductions",
        "By axes, with `keepdims` and `where=`, as in NumPy.",
        (
            Row(
                "sum cumsum cumulative_sum nancumsum nansum count_nonzero",
                "np.sum(x)",
                "numbers; costs nothing; exact, and of products within one step",
            ),
            Row("mean nanmean", "np.mean(x)", "numbers"),
            Row("average", "np.average(x, weights=p)", "numbers; undefined where the weights add up to 0"),
            Row("var nanvar", "np.var(x)", "numbers"),
            Row("std nanstd", "np.std(x)", "numbers"),
            Row("cov", "np.cov(x, y)", "numbers"),
            Row("corrcoef", "np.corrcoef(x, y)", "numbers; undefined where one does not vary"),
            Row("prod cumprod cumulative_prod nanprod nancumprod", "np.prod(x[:8])", "numbers whose products fit"),
            Row("max min amax amin ptp nanmax nanmin", "np.max(x)", "numbers; exact"),
            Row("argmax argmin nanargmax nanargmin", "np.argmax(x)", "numbers; the first of equals; exact"),
            Row("any all array_equal array_equiv allclose", "np.any(b)", "bools, or whether numbers are not 0; exact"),
            Row(
                "linalg.norm linalg.vector_norm linalg.matrix_norm",
                "np.linalg.norm(x)",
                "vectors: orders 1, 2, infinity; matrices: Frobenius, 1, infinity",
            ),
        ),
    ),
    Part(
        "Order",
        "Nothing is opened but comparisons of shuffled cells.",
        (
            Row("sort partition", "np.sort(x)", "numbers; exact"),
            Row("argsort argpartition", "np.argsort(x)", "numbers; stable; exact"),
            Row("lexsort", "np.lexsort((i, j))", "numbers; stable; exact"),
            Row("tnp.top_k", "tnp.top_k(x, 10)[0]", "a public number of the largest, and their places; exact"),
            Row(
                "searchsorted digitize",
                "np.searchsorted(np.arange(16), x)",
                "public edges, or secret sorted ones; exact",
            ),
            Row("histogram bincount", "np.histogram(x, bins=16, range=(-1024, 1024))[0]", "public edges; exact"),
            Row("histogram2d", "np.histogram2d(z, z, bins=[4, 4], range=[[-8, 8], [-8, 8]])[0]", "public edges; exact"),
            Row("isin in1d", "np.isin(i, np.arange(16))", "public or secret elements; exact"),
            Row("tnp.filter", "tnp.filter(b, x, size=500)[0]", "a secret mask, a public bound; more raise; exact"),
            Row("tnp.unique", "tnp.unique(i, size=50)[0]", "numbers, a public bound; more raise; exact"),
            Row(
                "tnp.union1d tnp.intersect1d tnp.setdiff1d",
                "tnp.union1d(i, j, size=50)[0]",
                "numbers, a public bound; more raise; exact",
            ),
            Row("tnp.one_hot", "tnp.one_hot(i, np.arange(16))", "public categories; exact"),
            Row("median quantile percentile", "np.median(x)", "numbers; all methods of NumPy; public quantiles"),
        ),
    ),
    Part(
        "Products",
        "",
        (
            Row(
                "matmul dot inner outer vdot tensordot vecdot matvec vecmat einsum kron cross linalg.matmul linalg.multi_dot "
                "linalg.outer linalg.tensordot linalg.vecdot linalg.cross linalg.matrix_power",
                "m @ n",
                "numbers whose sums of products fit 124 bits; sums of products within one step, however long",
            ),
            Row("convolve correlate", "np.convolve(x, y[:16])", "numbers, one axis"),
            Row("trace linalg.trace", "np.trace(m)", "matrices; costs nothing"),
            Row("polyval vander", "np.polyval([0.5, 1.0, 2.0], z)", "public or secret coefficients"),
            Row("trapezoid trapz gradient ediff1d", "np.trapezoid(x)", "public steps; of secret steps a quotient"),
            Row("interp", "np.interp(z, [-8, 0, 8], [0, 1, 4])", "public places in ascending order"),
        ),
    ),
    Part(
        "Systems of equations",
        "Up to 24 unknowns. Singular matrices, and solutions beyond `bound` (2^16), raise `OverflowError` at the reveal. The "
        "error is at most 2^-17 + n cond(a) max|x| 2^-26; no plan states it, since it depends on the matrix.",
        (
            Row(
                "linalg.solve tnp.solve",
                "np.linalg.solve(m[:5, :5], n[:5, 0])",
                "square matrices; `assume_a='pos'` is cheaper",
            ),
            Row("linalg.inv tnp.inv", "np.linalg.inv(m[:5, :5])", "square matrices"),
            Row("linalg.cholesky", "np.linalg.cholesky(m[:5, :5])", "positive definite matrices"),
            Row("linalg.lstsq tnp.lstsq polyfit", "np.linalg.lstsq(m[:, :4], n[:, 0])[0]", "independent columns"),
            Row("linalg.det linalg.slogdet", "np.linalg.det(m[:3, :3])", "up to 8 rows; of integers exact"),
        ),
    ),
    Part(
        "Tables",
        "`tacit.tables`, of dictionaries of columns. Keys whose categories are public need no sort; of others a public bound "
        "on the number of groups is given, and more raise `OverflowError` at the reveal.",
        (
            Row(
                "tables.group_by",
                "tables.group_by({'k': i, 'v': x}, 'k', {'sum': ('v', 'sum')}, size=20)['sum']",
                "sum, count, mean, min, max by one or several keys",
            ),
            Row(
                "tables.pivot",
                "tables.pivot({'k': i, 'l': j, 'v': x}, index='k', columns='l', values='v', "
                "index_categories=range(4), column_categories=range(4))",
                "two keys of public categories",
            ),
            Row("tables.sort_by", "tables.sort_by({'k': i, 'v': x}, 'k')['v']", "one or several columns, stable"),
            Row("tables.filter", "tables.filter({'v': x}, b, size=500)[0]['v']", "a secret mask, a public bound"),
            Row(
                "tables.concat", "tables.concat([{'v': x}, {'v': y}])['v']", "tables of the same columns; costs nothing"
            ),
        ),
    ),
    Part(
        "Shape",
        "Cells are moved by each party alone: these cost nothing, whatever they do.",
        (
            Row(
                "append array_split astype atleast_1d atleast_2d atleast_3d block broadcast_arrays broadcast_to column_stack "
                "compress concatenate conjugate copy delete diag diagonal diff dsplit dstack empty_like expand_dims flip fliplr "
                "flipud full_like hsplit hstack insert lib.stride_tricks.sliding_window_view linalg.diagonal "
                "linalg.matrix_transpose matrix_transpose meshgrid moveaxis ndim ones_like pad ravel repeat reshape resize "
                "result_type roll rollaxis rot90 shape size split squeeze stack swapaxes take tile transpose tril triu "
                "unstack vsplit vstack zeros_like",
                "x[::-1]",
                "all arrays; indices and masks of `x[...]` are public",
            ),
        ),
    ),
    Part(
        "Randomness that neither party knows",
        "`rng = tacit.random.default_rng(s)`.",
        (
            Row("rng.bits", "rng.bits(1000)", ""),
            Row("rng.random", "rng.random(1000)", "multiples of 2^-18"),
            Row("rng.integers", "rng.integers(10, size=1000)", "up to 2^30 integers"),
            Row("rng.bernoulli", "rng.bernoulli(0.3, 1000)", "within 2^-57"),
            Row("rng.discrete_laplace", "rng.discrete_laplace(10, 1000)", "scales up to 2^20"),
            Row("rng.discrete_normal", "rng.discrete_normal(10, 1000)", "scales up to 2^20"),
        ),
    ),
)

HEAD = """\
# Operations on secret arrays

Made by `python sdk/python/book/operations.py --write` from the package; do not edit.

The example is what the last three columns are of: `x`, `y` float64 in ±1024, `z` in ±8, `p` from 0.001 to 1024, `i`, `j`
int64 in ±1024, `b`, `c` bool, each of {cells} cells; `m`, `n` float64 in ±8, 32 by 32. All are known to neither party; what
one party knows is cheaper, and so are narrower ranges. **Error** bounds how far a revealed cell may lie from exact
arithmetic on the encoded inputs (`0`: exact; `-`: none can be stated, as where a comparison of inexact numbers may fall on
either side); float64 has steps of 2^-18 = 3.8e-6. **Bytes** go both ways, with the reveal, after a session's set-up;
**rounds** count messages that wait for one another. What might not fit raises `OverflowError` before anything is computed.
"""


def names() -> set[str]:
    """All operations of the page."""
    return {name for part in PARTS for row in part.rows for name in row.names.split()}


def page() -> str:
    """The page, as Markdown."""
    with tacit.local_pair() as s:
        known = values(s)
        lines = [HEAD.format(cells=CELLS)]
        for part in PARTS:
            lines += [f"## {part.title}", ""]
            lines += [part.text, ""] if part.text else []
            lines += ["| operations | domain | example | error | bytes | rounds |", "|---|---|---|---|---|---|"]
            lines += [line(row, known) for row in part.rows]
            lines.append("")
    return "\n".join(lines)


def line(row: Row, known: dict) -> str:
    plan = eval(row.example, {"np": np, "tables": tacit.tables, "tnp": tnp}, known).explain()  # noqa: S307 - the examples above
    error = "-" if plan["error"] is None else f"{plan['error']:.1e}" if plan["error"] else "0"
    names = " ".join(f"`{name}`" for name in row.names.split())
    return f"| {names} | {row.domain} | `{row.example}` | {error} | {plan['bytes']:,} | {plan['rounds']} |"


def values(s: tacit.Session) -> dict:
    """Arrays that neither party knows."""

    def number(lo, hi, shape=CELLS):
        first = s.array(np.full(shape, lo), 0, range=(lo, (lo + hi) / 2))
        return first + s.array(np.zeros(shape), 1, range=(0, (hi - lo) / 2))

    def integer(lo, hi, shape=CELLS):
        first = s.array(np.full(shape, lo), 0, range=(lo, (lo + hi) // 2))
        return first + s.array(np.zeros(shape, int), 1, range=(0, (hi - lo) // 2))

    def coins(shape=CELLS):
        return s.array(np.zeros(shape, bool), 0) ^ s.array(np.zeros(shape, bool), 1)

    fine = {"X": (-1024.0, 1024.0), "Y": (-1024.0, 1024.0), "Z": (-8.0, 8.0), "P": (2.0**-10, 1024.0)}
    return {
        **{name: number(*ends).astype(float, precision="high") for name, ends in fine.items()},
        "x": number(-1024.0, 1024.0),
        "y": number(-1024.0, 1024.0),
        "z": number(-8.0, 8.0),
        "p": number(2.0**-10, 1024.0),
        "i": integer(-1024, 1024),
        "j": integer(-1024, 1024),
        "b": coins(),
        "c": coins(),
        "m": number(-8.0, 8.0, (32, 32)),
        "n": number(-8.0, 8.0, (32, 32)),
        "rng": tacit.random.default_rng(s),
    }


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
