"""The page of operations in the book is what the package says of itself, and leaves nothing out."""

import os
import pathlib
import sys

import tacit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "book"))

import operations  # noqa: E402 - it is beside the package

#: What `tacit.numpy` has of its own, with bounds that NumPy has not.
SIZED = ["filter", "inv", "intersect1d", "lstsq", "one_hot", "setdiff1d", "solve", "top_k", "union1d", "unique"]


def test_the_page_names_every_operation():
    own = {"relu", "sigmoid", "softplus", "gelu", "erf", "rsqrt"}
    sized = {f"tnp.{name}" for name in vars(tacit.numpy) if name in SIZED}
    tables = {f"tables.{name}" for name in tacit.tables.__all__ if name not in ("Groups", "one_hot")}
    drawn = {f"rng.{name}" for name in vars(tacit.random.Generator) if not name.startswith("_")}
    assert operations.names() == {*tacit.supported(), *own, *sized, *tables, *drawn}


def test_the_page_is_what_the_engine_says():
    page = operations.page()
    if "TACIT_RENEW" in os.environ:
        operations.PAGE.write_text(page, encoding="utf-8")
    assert operations.PAGE.read_text(encoding="utf-8") == page, "renew it: python sdk/python/book/operations.py --write"
