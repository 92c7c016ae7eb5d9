"""Perceptrons against the same steps in plain NumPy."""

import pathlib
import sys

import numpy as np
import pytest
from tacit import ml

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))
import plain  # noqa: E402


@pytest.fixture
def data(rng):
    X = np.round(rng.uniform(-1, 1, (60, 3)) * 1024) / 1024
    return X, np.sin(3 * X[:, 0]) * X[:, 1] + X[:, 2]


def secret(s, X):
    """The features of two parties, as blocks of columns."""
    return [s.array(X[:, :2], party=0, range=(-1, 1)), s.array(X[:, 2:], party=1, range=(-1, 1))]


SETTINGS = {"learning_rate": 0.5, "momentum": 0.5, "alpha": 0.01}
PLAIN = {"rate": 0.5, "momentum": 0.5, "alpha": 0.01}


def check_weights(s, model, W, b):
    for found, expected in zip(s.reveal(*model.coefs_, *model.intercepts_), [*W, *b], strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize(
    ("activation", "sizes"), [("relu", (8,)), ("tanh", (4,)), ("logistic", (4,)), ("relu", (5, 4))]
)
def test_a_network_of_numbers_takes_the_steps_of_plain_arithmetic(s, data, activation, sizes):
    X, y = data
    model = ml.MLPRegressor(hidden_layer_sizes=sizes, activation=activation, epochs=4, **SETTINGS)
    model.fit(secret(s, X), s.array(y, party=1, range=(-2, 2)))
    W, b = plain.perceptron(X, y[:, None], sizes, lambda x: x, steps=4, activation=activation, **PLAIN)
    check_weights(s, model, W, b)
    expected = plain.forward(X, W, b, activation)[1][:, 0]
    found, score = s.reveal(model.predict(secret(s, X)), model.score(secret(s, X), s.array(y, party=1, range=(-2, 2))))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert score == pytest.approx(1 - np.mean((y - expected) ** 2) / np.var(y), abs=5e-3)


def test_a_network_of_two_classes_in_parts_of_the_rows(s, data):
    X, y = data
    labels = y > 0
    model = ml.MLPClassifier(hidden_layer_sizes=(6,), epochs=3, batch_size=25, **SETTINGS)
    model.fit(secret(s, X), s.array(labels, party=1))
    order = np.random.default_rng(0).permutation(60)
    W, b = plain.perceptron(
        X, labels[:, None], (6,), plain.sigmoid, steps=3, batches=[order[:25], order[25:50], order[50:]], **PLAIN
    )
    check_weights(s, model, W, b)
    expected = plain.forward(X, W, b)[1][:, 0]
    shares, classes, score = s.reveal(
        model.predict_proba(secret(s, X)),
        model.predict(secret(s, X)),
        model.score(secret(s, X), s.array(labels, party=1)),
    )
    np.testing.assert_allclose(shares[:, 1], plain.sigmoid(expected), atol=2e-3)
    np.testing.assert_array_equal(classes[abs(expected) > 0.01], (expected > 0)[abs(expected) > 0.01])
    assert score == pytest.approx(np.mean(classes == labels), abs=1e-5)


def test_a_network_of_three_classes(s, data):
    X, y = data
    labels = np.digitize(y, [-0.3, 0.3])
    model = ml.MLPClassifier(n_classes=3, hidden_layer_sizes=(6,), epochs=4, **SETTINGS)
    model.fit(secret(s, X), s.array(labels, party=0, range=(0, 2)))
    W, b = plain.perceptron(X, np.eye(3)[labels], (6,), plain.softmax, steps=4, **PLAIN)
    check_weights(s, model, W, b)
    sums = plain.forward(X, W, b)[1]
    shares, classes, score = s.reveal(
        model.predict_proba(secret(s, X)),
        model.predict(secret(s, X)),
        model.score(secret(s, X), s.array(labels, party=0, range=(0, 2))),
    )
    np.testing.assert_allclose(shares, plain.softmax(sums), atol=2e-3)
    sure = np.diff(np.sort(sums, axis=1)[:, 1:], axis=1)[:, 0] > 0.01
    np.testing.assert_array_equal(classes[sure], sums.argmax(axis=1)[sure])
    assert score == pytest.approx(np.mean(classes == labels), abs=1e-5)


def test_a_network_of_one_party_predicts_for_rows_of_the_other(s, rng, data):
    X, _ = data
    W, b = [rng.normal(0, 1, (3, 4)), rng.normal(0, 1, (4, 3))], [rng.normal(0, 1, 4), rng.normal(0, 1, 3)]
    rows, sums = s.array(X, party=1, range=(-1, 1)), plain.forward(X, W, b)[1]
    mine = ([s.array(w, party=0, range=(-8, 8)) for w in W], [s.array(w, party=0, range=(-8, 8)) for w in b])
    for given in [mine, (W, b)]:
        model = ml.MLPClassifier.from_weights(*given)
        assert model.n_classes == 3 and model.hidden_layer_sizes == (4,)
        np.testing.assert_allclose(model.predict_proba(rows).reveal(), plain.softmax(sums), atol=1e-3)
    W, b = [W[0], W[1][:, :1]], [b[0], b[1][:1]]
    model = ml.MLPRegressor.from_weights(W, b, activation="tanh")
    np.testing.assert_allclose(model.predict(rows).reveal(), plain.forward(X, W, b, "tanh")[1][:, 0], atol=1e-3)


def test_what_cannot_be_a_network(s, data):
    X, y = data
    rows, truth = secret(s, X), s.array(y, party=1, range=(-2, 2))
    for parameters, match in [
        ({"activation": "swish"}, "activation"),
        ({"epochs": 0}, "epochs"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
        ({"batch_size": 0}, "batch_size"),
        ({"momentum": 1.0}, "momentum"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"reach": -1}, "reach"),
    ]:
        with pytest.raises(ValueError, match=match):
            ml.MLPRegressor(**parameters).fit(rows, truth)
    with pytest.raises(ValueError, match="not fitted"):
        ml.MLPClassifier().predict(rows)
    for coefs, intercepts in [
        ([], []),
        ([np.zeros((3, 2))], [np.zeros(3)]),
        ([np.zeros((3, 2))] * 2, [np.zeros(2)] * 2),
    ]:
        with pytest.raises(ValueError, match="inputs are the outputs"):
            ml.MLPRegressor.from_weights(coefs, intercepts)
    model = ml.MLPRegressor(epochs=2, reach=0.25).fit(rows, truth)
    with pytest.raises(OverflowError):
        model.coefs_[0].reveal()
