"""How good predictions are. Each takes the truth first, as scikit-learn's do, and gives a secret number or table."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _ops
from .._array import Array
from .._ops import BOOL, FLOAT64, INT64, STEP, as_array, cast

#: No probability is taken to be nearer to 0 or 1, in logarithms.
LEAST_SHARE = 2.0**-16


def _pair(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    truth, found = as_array(y_true), as_array(y_pred)
    if truth.shape != found.shape or truth.ndim != 1:
        raise ValueError(f"y_true has the shape {truth.shape} and y_pred {found.shape}; both take one value a row")
    if truth.size == 0:
        raise ValueError("there are no rows to score")
    return truth, found


def accuracy_score(y_true: Any, y_pred: Any) -> Array:
    """The share of rows whose class is predicted."""
    truth, found = _pair(y_true, y_pred)
    return np.mean(truth == found)


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """The mean of the squared errors."""
    truth, found = _pair(y_true, y_pred)
    left = cast(truth, FLOAT64) - found
    return (left @ left) / truth.size


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """The mean of the errors' magnitudes."""
    truth, found = _pair(y_true, y_pred)
    return np.mean(np.absolute(cast(truth, FLOAT64) - found))


def r2_score(y_true: Any, y_pred: Any) -> Array:
    """The coefficient of determination: 1 less the share of the targets' variance that is left. NaN where their variance
    is below two steps of float64, 2^-17.
    """
    truth, found = _pair(y_true, y_pred)
    truth = cast(truth, FLOAT64)
    left, apart = truth - found, truth - np.mean(truth)
    # Products that are added up before they are rounded have more digits of a small variance than means.
    total = apart @ apart
    return 1 - (left @ left) / np.where(total < 2 * truth.size * STEP, 0.0, total)


def log_loss(y_true: Any, y_proba: Any) -> Array:
    """The mean of ``-log`` of the probability that was given to the row's class. ``y_proba`` are probabilities of class 1,
    ``[rows]``, or of each class, ``[rows, classes]``; those below 2^-16 count as that.
    """
    truth, shares = as_array(y_true), as_array(y_proba)
    if shares.ndim == 1:
        _pair(truth, shares)
        of_row = np.where(cast(truth, BOOL), shares, 1 - shares)
    else:
        if shares.ndim != 2 or truth.shape != shares.shape[:1] or shares.size == 0:
            raise ValueError(f"y_true has the shape {truth.shape} and y_proba {shares.shape}; they take a row each")
        of_row = np.sum(np.where(one_hot(truth, shares.shape[1]), shares, 0.0), axis=1)
    return -np.mean(np.log(np.clip(of_row, LEAST_SHARE, 1.0)))


def one_hot(y: Any, classes: int) -> Array:
    """Whether each row is of each class, bools ``[rows, classes]``; classes are counted from 0."""
    y = as_array(y)
    if y.dtype == BOOL and classes == 2:
        return np.stack([~y, y], axis=1)
    return cast(y, INT64 if y.dtype == BOOL else y.dtype)[:, None] == np.arange(classes)


def confusion_matrix(y_true: Any, y_pred: Any, *, classes: int = 2) -> Array:
    """How many rows of each class are predicted to be of each class, ``[classes, classes]``, the truth in rows; classes
    are counted from 0, and how many there are is public.
    """
    truth, found = _pair(y_true, y_pred)
    return cast(one_hot(truth, classes), INT64).T @ cast(one_hot(found, classes), INT64)


def roc_auc_score(y_true: Any, y_score: Any) -> Array:
    """The area under the curve of true against false positives: how often a row of class 1 scores above one of class 0,
    ties half. NaN where a class has no rows. *Cost*: two sorts.
    """
    truth, scores = _pair(y_true, y_score)
    scores = cast(scores, INT64) if scores.dtype == BOOL else scores
    truth = cast(cast(truth, BOOL), INT64)
    # Among equal scores once all of class 1 come last, and once first: half of both counts ties half.
    ahead = truth * (1 if scores.dtype == INT64 else STEP)
    wins = _wins(truth, 2 * scores + ahead) + _wins(truth, 2 * scores - ahead)
    positives = np.sum(truth)
    return wins / (2 * positives * (truth.shape[0] - positives))


def _wins(truth: Array, keys: Array) -> Array:
    """How many rows of class 0 come before rows of class 1, in the order of the keys."""
    ordered = _ops.sort_rows(truth, keys)
    return np.sum(np.where(ordered > 0, np.cumsum(1 - ordered), 0))
