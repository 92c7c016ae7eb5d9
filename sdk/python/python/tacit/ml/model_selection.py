"""Rows to fit on, and rows to score on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._base import blocks


def train_test_split(*arrays: Any, test_size: float | int = 0.25, random_state: int = 0) -> list[Any]:
    """Each array's rows in two parts, ``[a_train, a_test, b_train, b_test ...]``.

    Which rows are which is public, and the same at both parties: it follows from the seed ``random_state``.
    ``test_size`` is a share of the rows, rounded up, or their number. A list of blocks of columns gives such lists.
    """
    if not arrays:
        raise ValueError("there is nothing to split: give at least one array")
    counts = [len(blocks(array)[0]) if isinstance(array, (list, tuple)) else len(array) for array in arrays]
    if len(set(counts)) > 1:
        raise ValueError(f"the arrays have {counts} rows; all must have as many")
    tested = math.ceil(test_size * counts[0]) if isinstance(test_size, float) else int(test_size)
    if not 0 < tested < counts[0]:
        raise ValueError(f"test_size {test_size} takes {tested} of {counts[0]} rows; both parts must have some")
    order = np.random.default_rng(random_state).permutation(counts[0])
    parts = (np.sort(order[tested:]), np.sort(order[:tested]))
    return [_taken(array, rows) for array in arrays for rows in parts]


def _taken(array: Any, rows: np.ndarray) -> Any:
    if isinstance(array, (list, tuple)):
        return [_taken(part, rows) for part in array]
    return array[rows]
