"""Models on secret data against the same descent in plain arithmetic, and against what they should find."""

import numpy as np
import pytest
from tacit import ml


@pytest.fixture
def data(rng):
    X = np.round(rng.uniform(-1, 1, (120, 3)) * 64) / 64
    return X, X @ [1.5, -2.0, 0.25] + 0.5


def secret(s, X):
    """The features of two parties, side by side."""
    return np.column_stack([s.array(X[:, :2], party=0, range=(-1, 1)), s.array(X[:, 2:], party=1, range=(-1, 1))])


def test_a_linear_regression_finds_the_weights(s, data):
    X, y = data
    model = ml.LinearRegression(steps=40, rate=1.0).fit(secret(s, X), s.array(y, party=1, range=(-5, 5)))
    np.testing.assert_allclose(model.coef_.reveal(), [1.5, -2.0, 0.25], atol=0.01)
    np.testing.assert_allclose(model.intercept_.reveal(), 0.5, atol=0.01)
    np.testing.assert_allclose(model.predict(secret(s, X)).reveal(), y, atol=0.03)


def test_a_score_is_that_of_the_predictions(s, data):
    X, y = data
    model = ml.LinearRegression(steps=6, rate=1.0).fit(secret(s, X), s.array(y, party=1, range=(-5, 5)))
    left = y - model.predict(secret(s, X)).reveal()
    score = model.score(secret(s, X), s.array(y, party=0, range=(-5, 5)))
    assert score.reveal() == pytest.approx(1 - np.mean(left**2) / np.var(y), abs=1e-3)


def descent(X, y, link, steps, step, alpha=0.0):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        r = link(X @ w + b) - y
        w, b = w - step * (X.T @ r) - step * alpha * len(X) * w, b - step * r.sum()
    return w, b


def test_a_ridge_regression_takes_the_steps_of_plain_arithmetic(s, data):
    X, y = data
    model = ml.Ridge(0.5, steps=20, rate=0.5).fit(secret(s, X), s.array(y, party=1, range=(-5, 5)))
    w, b = descent(X, y, lambda z: z, 20, 2.0 ** -np.ceil(-np.log2(0.5 / len(X))), 0.5)
    np.testing.assert_allclose(model.coef_.reveal(), w, atol=2e-4)
    np.testing.assert_allclose(model.intercept_.reveal(), b, atol=2e-4)


def test_a_logistic_regression_takes_the_steps_of_plain_arithmetic_and_tells_the_classes(s, data):
    X, y = data
    labels = y > 0.5
    model = ml.LogisticRegression(steps=10, rate=4.0).fit(secret(s, X), s.array(labels, party=1))
    w, b = descent(X, labels, lambda z: 1 / (1 + np.exp(-z)), 10, 2.0 ** -np.ceil(-np.log2(4.0 / len(X))))
    np.testing.assert_allclose(model.coef_.reveal(), w, atol=2e-3)
    plain = X @ w + b > 0
    assert model.score(secret(s, X), s.array(labels, party=0)).reveal() == pytest.approx(np.mean(plain == labels), abs=0.02)
    shares = model.predict_proba(secret(s, X[:5])).reveal()
    assert shares.shape == (5, 2) and np.abs(shares.sum(axis=1) - 1).max() < 1e-4


def test_parameters_and_what_cannot_be_fitted(s, data):
    X, y = data
    model = ml.Ridge(2.0)
    assert model.set_params(steps=3).get_params() == {
        "alpha": 2.0, "fit_intercept": True, "steps": 3, "rate": None, "bound": 16.0,
    }  # fmt: skip
    assert "alpha" not in ml.LinearRegression().get_params()
    with pytest.raises(ValueError, match="no parameter"):
        model.set_params(gamma=1)
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(secret(s, X))
    with pytest.raises(ValueError, match="rows"):
        model.fit(secret(s, X), s.array(y[:5], party=1, range=(-5, 5)))
    model = ml.LinearRegression(steps=40, rate=1.0, bound=0.5)
    model.fit(secret(s, X), s.array(y, party=1, range=(-5, 5)))
    with pytest.raises(OverflowError):
        model.coef_.reveal()
