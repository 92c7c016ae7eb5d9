"""Sums of products by subscripts: ``np.einsum``, as transposes, products of matrices and sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arguments import handles, no_out, number
from ._ops import BOOL, INT64, cast, not_there, operand
from ._ufuncs import MOST_MATRICES


@handles(np.einsum)
def _einsum(subscripts, /, *operands, out=None, optimize=False, dtype=None):
    """Subscripts as text, without ``...``; operands are joined from the first to the last. Within a step of ``2**-18`` for
    each sum that is a product of matrices, else for each of its terms.
    """
    del optimize  # Always from the first operand to the last.
    no_out(out)
    if not isinstance(subscripts, str):
        raise not_there("np.einsum with lists of axes", "write subscripts as text, such as 'ij,jk->ik'")
    inputs, output = _parsed(subscripts, [np.shape(of) for of in operands])
    arrays = [operand(of) for of in operands]
    bools = all(array.dtype == BOOL for array in arrays)
    arrays = [array.astype(INT64) if array.dtype == BOOL else array for array in arrays]
    arrays, inputs = _stretched(arrays, inputs)
    value, letters = _single(arrays[0], inputs[0])
    for place in range(1, len(arrays)):
        other, of_other = _single(arrays[place], inputs[place])
        later = set(output).union(*inputs[place + 1 :])
        value, letters = _joined(value, letters, other, of_other, later)
    value, letters = _summed(value, letters, set(output))
    result = np.transpose(value, [letters.index(letter) for letter in output])
    # A sum of products of bools is whether one holds.
    return cast(result, BOOL) if bools else number(result, dtype)


def _parsed(subscripts: str, shapes: list[tuple[int, ...]]) -> tuple[list[str], str]:
    """The letters of each operand, and of the result."""
    text = subscripts.replace(" ", "")
    if "." in text:
        raise not_there("np.einsum with `...`", "name every axis")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if any(letter != "," and not letter.isalpha() for letter in left + output):
        raise ValueError(f"invalid subscripts {subscripts!r}: letters name axes")
    if len(inputs) != len(shapes):
        raise ValueError(f"{len(inputs)} operands are named in {subscripts!r}, {len(shapes)} were given")
    sizes: dict[str, int] = {}
    for letters, shape in zip(inputs, shapes, strict=True):
        if len(letters) != len(shape):
            raise ValueError(f"the operand {letters!r} of {subscripts!r} has the shape {shape}")
        for letter, size in zip(letters, shape, strict=True):
            known = sizes.setdefault(letter, size)
            if known == 1:
                sizes[letter] = size
            elif size not in (1, known):
                raise ValueError(f"the axis {letter!r} of {subscripts!r} has {known} cells and {size}")
        for letter in letters:
            if len({size for one, size in zip(letters, shape, strict=True) if one == letter}) > 1:
                raise ValueError(f"the axes {letter!r} of the operand {letters!r} have other numbers of cells: {shape}")
    if not arrow:
        output = "".join(sorted(letter for letter in sizes if left.count(letter) == 1))
    if len(set(output)) < len(output) or not set(output) <= set(sizes):
        raise ValueError(f"the result of {subscripts!r} names an axis twice, or one that no operand has")
    return inputs, output


def _stretched(arrays: list[Any], inputs: list[str]) -> tuple[list[Any], list[str]]:
    """The operands without axes of size 1 that stand for all cells of others."""
    sizes: dict[str, int] = {}
    for array, letters in zip(arrays, inputs, strict=True):
        for letter, size in zip(letters, array.shape, strict=True):
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    found, kept = [], []
    for array, letters in zip(arrays, inputs, strict=True):
        stays = [sizes[letter] == size for letter, size in zip(letters, array.shape, strict=True)]
        found.append(np.reshape(array, [size for size, stay in zip(array.shape, stays, strict=True) if stay]))
        kept.append("".join(letter for letter, stay in zip(letters, stays, strict=True) if stay))
    return found, kept


def _single(value: Any, letters: str) -> tuple[Any, str]:
    """The operand with each letter once: of axes of one letter, the diagonal."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            value = np.diagonal(value, 0, first, second)
            letters = letters[:first] + letters[first + 1 : second] + letters[second + 1 :] + letter
    return value, letters


def _joined(a: Any, of_a: str, b: Any, of_b: str, later: set[str]) -> tuple[Any, str]:
    """The product of two operands, summed over the letters that nothing needs later."""
    a, of_a = _summed(a, of_a, later | set(of_b))
    b, of_b = _summed(b, of_b, later | set(of_a))
    both = [letter for letter in of_a if letter in of_b]
    batch = "".join(letter for letter in both if letter in later)
    inner = "".join(letter for letter in both if letter not in later)
    left = "".join(letter for letter in of_a if letter not in both)
    right = "".join(letter for letter in of_b if letter not in both)
    sizes = dict(zip(of_a + of_b, a.shape + b.shape, strict=True))
    count = lambda letters: int(np.prod([sizes[letter] for letter in letters], dtype=int))
    a = np.transpose(a, [of_a.index(letter) for letter in batch + left + inner])
    b = np.transpose(b, [of_b.index(letter) for letter in batch + inner + right])
    shape = [sizes[letter] for letter in batch + left + right]
    if inner and count(batch + left + right) and count(batch) <= MOST_MATRICES and count(left) * count(right) > 1:
        a = np.reshape(a, (count(batch), count(left), count(inner)))
        b = np.reshape(b, (count(batch), count(inner), count(right)))
        product = np.matmul(a[0], b[0]) if count(batch) == 1 else np.matmul(a, b)
    elif inner and not batch:
        product = np.matmul(np.reshape(a, (count(left), count(inner))), np.reshape(b, (count(inner), count(right))))
    else:
        a = np.reshape(a, (count(batch), count(left), 1, count(inner)))
        b = np.moveaxis(np.reshape(b, (count(batch), 1, count(inner), count(right))), 2, 3)
        product = np.sum(np.multiply(a, b), axis=-1) if inner else np.multiply(a, b)[..., 0]
    return np.reshape(product, shape), batch + left + right


def _summed(value: Any, letters: str, needed: set[str]) -> tuple[Any, str]:
    axes = tuple(axis for axis, letter in enumerate(letters) if letter not in needed)
    if not axes:
        return value, letters
    return np.sum(value, axis=axes), "".join(letter for letter in letters if letter in needed)
