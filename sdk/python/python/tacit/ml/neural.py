"""Perceptrons with one or more hidden layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from .. import numpy as tnp
from .._array import Array
from .._ops import BOOL, FLOAT64, as_array, cast
from ._base import (
    Estimator,
    between,
    digits_of,
    matrix,
    one_of,
    positive,
    real,
    scaled,
    some,
    targets,
    whole,
    within,
)
from .logistic import classes
from .metrics import accuracy_score, one_hot, r2_score

#: What hidden layers make of their weighted sums.
ACTIVATIONS = ("relu", "tanh", "logistic")


class _Perceptron(Estimator):
    """Layers of weighted sums, fitted by gradient descent with momentum on public parts of the rows."""

    def __init__(
        self,
        *,
        hidden_layer_sizes: Sequence[int] = (16,),
        activation: str = "relu",
        alpha: float = 0.0001,
        epochs: int = 20,
        batch_size: int | None = None,
        learning_rate: float = 0.5,
        momentum: float = 0.5,
        random_state: int = 0,
        bound: float = 8.0,
        reach: float = 64.0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.random_state = random_state
        self.bound = bound
        self.reach = reach

    @classmethod
    def from_weights(cls, coefs: Sequence[Any], intercepts: Sequence[Any], **params: Any) -> Self:
        """A network with weights that are there already, of either party, shared, or public: of each layer
        ``[inputs, outputs]`` and ``[outputs]``. ``params`` are those of the class; ``activation`` and ``reach`` count.
        """
        coefs, intercepts = [real(coef) for coef in coefs], [real(intercept) for intercept in intercepts]
        shapes = [coef.shape for coef in coefs]
        fits = len(coefs) == len(intercepts) > 0 and all(coef.ndim == 2 and coef.size for coef in coefs)
        fits = fits and all(one[1] == two[0] for one, two in zip(shapes, shapes[1:], strict=False))
        if not fits or any(b.shape != (shape[1],) for b, shape in zip(intercepts, shapes, strict=True)):
            raise ValueError(
                f"coefs have the shapes {shapes} and intercepts {[b.shape for b in intercepts]}; they take "
                f"[inputs, outputs] and [outputs] of each layer, whose inputs are the outputs of the layer before"
            )
        model = cls(hidden_layer_sizes=tuple(shape[1] for shape in shapes[:-1]), **params)
        model._keep(coefs, intercepts)
        return model

    def _keep(self, coefs: list[Any], intercepts: list[Any]) -> None:
        one_of("activation", self.activation, ACTIVATIONS)
        positive(bound=self.bound, reach=self.reach)
        self.coefs_, self.intercepts_, self.n_features_in_ = coefs, intercepts, coefs[0].shape[0]

    # The layers.

    def _layers(self, X: Array, coefs: list[Any], intercepts: list[Any]) -> tuple[list[Array], list[Array]]:
        """What each layer takes, and what hidden ones' outputs change by with their sums."""
        taken, slopes = [X], []
        for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
            active, slope = self._active(self._sum(taken[-1], coef, intercept))
            taken.append(active)
            slopes.append(slope)
        return taken, slopes

    def _sum(self, values: Array, coef: Any, intercept: Any) -> Array:
        return within(values @ coef + intercept, self.reach)

    def _active(self, sums: Array) -> tuple[Array, Array]:
        """The activation, and its slope: bools for that of ``relu``."""
        if self.activation == "relu":
            above = sums > 0
            return np.where(above, sums, 0.0), above
        if self.activation == "tanh":
            active = within(np.tanh(sums), 1)
            return active, between(1 - active * active, 0, 1)
        active = between(tnp.sigmoid(sums), 0, 1)
        return active, between(active * (1 - active), 0, 0.25)

    def _out(self, X: Any) -> Array:
        """The weighted sums of the last layer, ``[rows, outputs]``."""
        X = self._rows(X)
        taken, _ = self._layers(X, self.coefs_, self.intercepts_)
        return self._sum(taken[-1], self.coefs_[-1], self.intercepts_[-1])

    # The descent.

    def _start(self, sizes: list[int]) -> tuple[list[Any], list[Any]]:
        """Public weights to start from: even ones from minus to plus ``sqrt(6 / (inputs + outputs))``, intercepts 0."""
        random = np.random.default_rng(self.random_state)
        most = [np.sqrt(6 / (one + two)) for one, two in zip(sizes, sizes[1:], strict=False)]
        coefs = [
            random.uniform(-edge, edge, (one, two)) for edge, one, two in zip(most, sizes, sizes[1:], strict=False)
        ]
        return coefs, [np.zeros(size) for size in sizes[1:]]

    def _fit(self, X: Array, truth: Array) -> Self:
        """Fits to targets ``[rows, outputs]``."""
        whole(epochs=self.epochs)
        positive(learning_rate=self.learning_rate, bound=self.bound, reach=self.reach)
        one_of("activation", self.activation, ACTIVATIONS)
        sizes = [X.shape[1], *self.hidden_layer_sizes, truth.shape[1]]
        for size in self.hidden_layer_sizes:
            whole(hidden_layer_sizes=size)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}; it must be from 0 to below 1")
        coefs, intercepts = self._start(sizes)
        weights, speeds = [*coefs, *intercepts], [0.0] * (2 * len(coefs))
        batches = [(batch, batch.T, expected) for batch, expected in self._batches(X, truth)]
        for batch, turned, expected in batches * self.epochs:
            gradients = self._gradients(batch, turned, expected, weights[: len(coefs)], weights[len(coefs) :])
            digits = digits_of(batch.shape[0] / self.learning_rate)
            for at, gradient in enumerate(gradients):
                if at < len(coefs) and self.alpha:
                    gradient = gradient + weights[at] * (self.alpha * batch.shape[0])
                speed = speeds[at] * self.momentum - scaled(gradient, digits)
                # Both ends of a step are in bounds.
                speeds[at] = within(speed, 2 * self.bound)
                weights[at] = within(weights[at] + speeds[at], self.bound)
        self._keep(weights[: len(coefs)], weights[len(coefs) :])
        return self

    def _batches(self, X: Array, truth: Array) -> Iterator[tuple[Array, Array]]:
        rows = X.shape[0]
        size = rows if self.batch_size is None else self.batch_size
        whole(batch_size=size)
        order = np.random.default_rng(self.random_state).permutation(rows) if size < rows else None
        if order is not None:
            X, truth = X[order], truth[order]
        for start in range(0, rows, size):
            yield X[start : start + size], truth[start : start + size]

    def _gradients(self, X: Array, turned: Array, truth: Array, coefs: list[Any], intercepts: list[Any]) -> list[Array]:
        """Of the sum of the rows' losses: for the weights, then for the intercepts."""
        taken, slopes = self._layers(X, coefs, intercepts)
        wrong = self._wrong(self._sum(taken[-1], coefs[-1], intercepts[-1]), truth)
        of_coefs, of_intercepts = [], []
        for layer in reversed(range(len(coefs))):
            of_coefs.insert(0, (taken[layer].T if layer else turned) @ wrong)
            of_intercepts.insert(0, wrong.sum(axis=0))
            if layer:
                back, slope = wrong @ coefs[layer].T, slopes[layer - 1]
                wrong = np.where(slope, back, 0.0) if slope.dtype == BOOL else back * slope
        return [*of_coefs, *of_intercepts]


class MLPRegressor(_Perceptron):
    """A network of layers whose last one has one weighted sum: the prediction.

    ``hidden_layer_sizes`` has the size of each hidden layer, ``activation`` what they make of their sums: ``"relu"``,
    ``"tanh"`` or ``"logistic"``. Weights start from numbers of the public seed ``random_state``. Each of ``epochs`` passes
    takes the rows in parts of ``batch_size``, all at once without one; which rows are in a part is public. A step is the
    gradient of the mean of ``(y - prediction)^2 / 2`` and of ``alpha / 2`` times the squares of all weights, times
    ``learning_rate`` or what of it makes the step by the rows a power of two, plus ``momentum`` times the step before.

    ``bound`` is what no weight is beyond, ``reach`` what no weighted sum is: scale features and targets to a size of
    about 1. Fitted, and secret: ``coefs_`` and ``intercepts_``, of each layer. *Cost* of a step: three products of matrices
    a layer, and an activation for each row and hidden unit.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fits the weights to rows ``X``, ``[rows, features]``, and their targets ``y``, ``[rows]``."""
        X = some(matrix(X))
        return self._fit(X, cast(targets(y, X.shape[0]), FLOAT64)[:, None])

    @staticmethod
    def _wrong(sums: Array, truth: Array) -> Array:
        return sums - truth

    def predict(self, X: Any) -> Array:
        """The predictions, ``[rows]``."""
        return self._out(X)[:, 0]

    def score(self, X: Any, y: Any) -> Array:
        """The coefficient of determination."""
        return r2_score(y, self.predict(X))


class MLPClassifier(_Perceptron):
    """A network of layers that tells classes apart, counted from 0; ``n_classes`` is public.

    Of two classes the last layer has one weighted sum, whose sigmoid is the probability of class 1; of more, one for each,
    and probabilities by softmax. The loss is the mean of ``-log`` of the probability of a row's class. Parameters are
    otherwise those of :class:`MLPRegressor`.
    """

    def __init__(
        self,
        *,
        n_classes: int = 2,
        hidden_layer_sizes: Sequence[int] = (16,),
        activation: str = "relu",
        alpha: float = 0.0001,
        epochs: int = 20,
        batch_size: int | None = None,
        learning_rate: float = 0.5,
        momentum: float = 0.5,
        random_state: int = 0,
        bound: float = 8.0,
        reach: float = 64.0,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            alpha=alpha,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            momentum=momentum,
            random_state=random_state,
            bound=bound,
            reach=reach,
        )
        self.n_classes = n_classes

    def _keep(self, coefs: list[Any], intercepts: list[Any]) -> None:
        super()._keep(coefs, intercepts)
        self.n_classes = max(2, coefs[-1].shape[1])

    def fit(self, X: Any, y: Any) -> Self:
        """Fits the weights to rows ``X``, ``[rows, features]``, and their classes ``y``, ``[rows]``."""
        X = some(matrix(X))
        whole(n_classes=self.n_classes)
        y = targets(y, X.shape[0])
        if self.n_classes <= 2:
            return self._fit(X, cast(classes(y), FLOAT64)[:, None])
        return self._fit(X, cast(one_hot(y.assume(0, self.n_classes - 1), self.n_classes), FLOAT64))

    @staticmethod
    def _shares(sums: Array) -> Array:
        """Probabilities: of class 1, or of each class."""
        if sums.shape[1] == 1:
            return between(tnp.sigmoid(sums), 0, 1)
        below = sums - np.max(sums, axis=1, keepdims=True)
        # What is further below has less than a step. The largest has 1, and they add up to it at least.
        parts = between(np.exp(between(np.maximum(below, -16), -16, 0)), 0, 1)
        total = between(np.sum(parts, axis=1, keepdims=True), 1, sums.shape[1])
        return between(parts / total, 0, 1)

    @classmethod
    def _wrong(cls, sums: Array, truth: Array) -> Array:
        return cls._shares(sums) - truth

    def predict_proba(self, X: Any) -> Array:
        """The probabilities of all classes, ``[rows, n_classes]``."""
        shares = self._shares(self._out(X))
        return np.concatenate([1 - shares, shares], axis=1) if shares.shape[1] == 1 else shares

    def predict(self, X: Any) -> Array:
        """The likeliest class, the first of equals: int64 ``[rows]``, bools of two classes."""
        sums = self._out(X)
        return sums[:, 0] > 0 if sums.shape[1] == 1 else np.argmax(sums, axis=1)

    def score(self, X: Any, y: Any) -> Array:
        """The share of rows whose class is predicted."""
        found, y = self.predict(X), as_array(y)
        return accuracy_score(cast(y, BOOL) if found.dtype == BOOL else y, found)
