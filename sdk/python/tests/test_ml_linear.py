"""Linear models on secret data against the same steps in plain arithmetic, and against what they should find."""

import numpy as np
import pytest
from tacit import ml


@pytest.fixture
def data(rng):
    X = np.round(rng.uniform(-1, 1, (120, 3)) * 64) / 64
    return X, X @ [1.5, -2.0, 0.25] + 0.5 + rng.normal(0, 0.1, 120)


def secret(s, X):
    """The features of two parties, as blocks of columns."""
    return [s.array(X[:, :2], party=0, range=(-1, 1)), s.array(X[:, 2:], party=1, range=(-1, 1))]


def numbers(s, y):
    return s.array(y, party=1, range=(-5, 5))


def least_squares(X, y, alpha=0.0):
    apart, left = X - X.mean(axis=0), y - y.mean()
    w = np.linalg.solve(apart.T @ apart + alpha * len(X) * np.eye(X.shape[1]), apart.T @ left)
    return w, y.mean() - X.mean(axis=0) @ w


def descent(X, y, steps, step, alpha=0.0):
    apart, left = X - X.mean(axis=0), y - y.mean()
    w = np.zeros(X.shape[1])
    for _ in range(steps):
        w = w + step * (apart.T @ (left - apart @ w) - alpha * len(X) * w)
    return w


def logistic(X, y, alpha, steps=30):
    X = np.column_stack([X, np.ones(len(X))])
    w, penalties = np.zeros(X.shape[1]), np.append(np.full(X.shape[1] - 1, alpha * len(X)), 0)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-X @ w))
        w = w - np.linalg.solve(X.T @ (X * (p * (1 - p))[:, None]) + np.diag(penalties), X.T @ (p - y) + penalties * w)
    return w[:-1], w[-1]


@pytest.mark.parametrize(
    ("model", "alpha"), [(ml.LinearRegression(), 0), (ml.Ridge(0.25), 0.25), (ml.Ridge(0.001), 0.001)]
)
def test_an_exact_fit_is_that_of_plain_arithmetic(s, data, model, alpha):
    X, y = data
    model.fit(secret(s, X), numbers(s, y))
    w, b = least_squares(X, y, alpha)
    np.testing.assert_allclose(model.coef_.reveal(), w, atol=2e-5)
    np.testing.assert_allclose(model.intercept_.reveal(), b, atol=2e-5)
    np.testing.assert_allclose(model.predict(secret(s, X)).reveal(), X @ w + b, atol=1e-4)
    left = y - X @ w - b
    assert model.score(secret(s, X), numbers(s, y)).reveal() == pytest.approx(
        1 - np.mean(left**2) / np.var(y), abs=1e-3
    )


def test_without_an_intercept_and_from_one_array(s, data):
    X, y = data
    model = ml.LinearRegression(fit_intercept=False).fit(np.column_stack(secret(s, X)), numbers(s, y))
    np.testing.assert_allclose(model.coef_.reveal(), np.linalg.lstsq(X, y, rcond=None)[0], atol=2e-5)
    assert model.intercept_ == 0.0 and model.predict(secret(s, X)).shape == (120,)


def test_features_that_depend_on_each_other_predict_all_the_same(s, data):
    X, y = data
    X = np.column_stack([X, X[:, 0], np.full(len(X), 0.5)])
    model = ml.LinearRegression().fit(secret(s, X), numbers(s, y))
    w, b = least_squares(X[:, :3], y)
    np.testing.assert_allclose(model.predict(secret(s, X)).reveal(), X[:, :3] @ w + b, atol=1e-3)


def test_units_of_features_do_not_matter_until_weights_have_no_digits(s, data):
    X, y = data
    rows = [
        s.array(X[:, :2] * [200, 0.01], party=0, range=(-200, 200)),
        s.array(X[:, 2:] * 0.01, party=1, range=(-1, 1)),
    ]
    model = ml.LinearRegression(bound=512.0).fit(rows, numbers(s, y))
    w, b = least_squares(X, y)
    np.testing.assert_allclose(model.predict(rows).reveal(), X @ w + b, atol=2e-2)
    wide = s.array(X * 2**17, party=0, range=(-(2**17), 2**17))
    with pytest.raises(OverflowError):
        ml.LinearRegression().fit(wide, s.array(y / 4, party=1, range=(-2, 2))).coef_.reveal()
    undeclared = ml.LinearRegression().fit(s.array(X, party=0), s.array(y, party=1))
    np.testing.assert_allclose(undeclared.coef_.reveal(), w, atol=1e-3)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows_are_met(s, data, rows):
    X, y = data[0][:rows], data[1][:rows]
    model = ml.LinearRegression(bound=64.0).fit(secret(s, X), numbers(s, y))
    np.testing.assert_allclose(model.predict(secret(s, X)).reveal(), y, atol=1e-3)
    flags = np.arange(rows) % 2 == 0
    steps = ml.LogisticRegression(bound=64.0).fit(secret(s, X), s.array(flags, 1))
    w, b = logistic(X, flags, 1 / rows) if rows > 1 else (0, 0)
    if rows > 1:
        np.testing.assert_allclose(steps.coef_.reveal(), w, atol=5e-3)


def test_classes_that_can_be_told_apart_entirely(s, data):
    X, _ = data
    labels = X @ [1.0, 1.0, 0.0] > 0.1
    model = ml.LogisticRegression().fit(secret(s, X), s.array(labels, 1))
    w, b = logistic(X, labels, 1 / len(X))
    np.testing.assert_allclose(model.coef_.reveal(), w, atol=2e-2)
    assert model.score(secret(s, X), s.array(labels, 1)).reveal() == pytest.approx(
        np.mean((X @ w + b > 0) == labels), abs=1e-2
    )


def test_a_descent_takes_the_steps_of_plain_arithmetic(s, data):
    X, y = data
    model = ml.Ridge(0.5, solver="gd", steps=15, rate=0.5).fit(secret(s, X), numbers(s, y))
    w = descent(X, y, 15, 2.0 ** -np.ceil(-np.log2(0.5 / len(X))), 0.5)
    np.testing.assert_allclose(model.coef_.reveal(), w, atol=2e-4)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_newtons_steps_reach_the_least_loss(s, data, fit_intercept):
    X, y = data
    labels = y > 0.5
    model = ml.LogisticRegression(fit_intercept=fit_intercept).fit(secret(s, X), s.array(labels, party=1))
    if fit_intercept:
        w, b = logistic(X, labels, 1 / len(X))
    else:
        w, b = without_intercept(X, labels, 1 / len(X)), model.intercept_
        assert b == 0.0
    np.testing.assert_allclose(model.coef_.reveal(), w, atol=1e-3)
    if fit_intercept:
        np.testing.assert_allclose(model.intercept_.reveal(), b, atol=1e-3)
    assert model.score(secret(s, X), s.array(labels, party=0)).reveal() == pytest.approx(
        np.mean((X @ w + b > 0) == labels), abs=0.01
    )
    shares = model.predict_proba(secret(s, X[:5])).reveal()
    np.testing.assert_allclose(shares[:, 1], 1 / (1 + np.exp(-(X[:5] @ w + b))), atol=1e-3)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def without_intercept(X, y, alpha):
    w = np.zeros(X.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-X @ w))
        H = X.T @ (X * (p * (1 - p))[:, None]) + alpha * len(X) * np.eye(len(w))
        w = w - np.linalg.solve(H, X.T @ (p - y) + alpha * len(X) * w)
    return w


def bounded_steps(X, y, alpha, steps, step=None):
    """Steps by the largest second derivatives, or of gradient descent."""
    apart = np.column_stack([X - X.mean(axis=0), np.ones(len(X))])
    penalties = np.append(np.full(X.shape[1], alpha * len(X)), 0)
    inverse = np.linalg.inv(apart.T @ apart / 4 + np.diag(penalties)) if step is None else step * np.eye(len(penalties))
    w = np.zeros(len(penalties))
    for _ in range(steps):
        w = w - inverse @ (apart.T @ (1 / (1 + np.exp(-apart @ w)) - y) + penalties * w)
    return w[:-1]


def test_fixed_steps_and_descents_are_those_of_plain_arithmetic(s, data):
    X, y = data
    labels = y > 0.5
    X_secret, y_secret = secret(s, X), s.array(labels.astype(int), party=1, range=(0, 1))
    fixed = ml.LogisticRegression(solver="fixed", steps=6, alpha=0.01).fit(X_secret, y_secret)
    down = ml.LogisticRegression(solver="gd", steps=6, alpha=0.01, rate=4.0).fit(X_secret, y_secret)
    step = 2.0 ** -np.ceil(-np.log2(4.0 / len(X)))
    np.testing.assert_allclose(fixed.coef_.reveal(), bounded_steps(X, labels, 0.01, 6), atol=1e-3)
    np.testing.assert_allclose(down.coef_.reveal(), bounded_steps(X, labels, 0.01, 6, step), atol=1e-3)


def test_weights_of_one_party_predict_for_rows_of_the_other(s, data):
    X, _ = data
    w = s.array(np.array([1.5, -2.0, 0.25]), party=0, range=(-4, 4))
    rows = s.array(X[:7], party=1, range=(-1, 1))
    model = ml.LinearRegression.from_weights(w, 0.5)
    np.testing.assert_allclose(model.predict(rows).reveal(), X[:7] @ [1.5, -2.0, 0.25] + 0.5, atol=1e-5)
    found = ml.LogisticRegression.from_weights(np.array([1.5, -2.0, 0.25]), 0.5).predict(rows).reveal()
    np.testing.assert_array_equal(found, X[:7] @ [1.5, -2.0, 0.25] + 0.5 > 0)
    for wrong in [(np.zeros((2, 2)), 0.0), (np.zeros(2), np.zeros(2))]:
        with pytest.raises(ValueError, match="takes one"):
            ml.LinearRegression.from_weights(*wrong)


def test_parameters_and_what_cannot_be_fitted(s, data):
    X, y = data
    model = ml.Ridge(2.0)
    assert model.set_params(steps=3).get_params() == {
        "alpha": 2.0, "fit_intercept": True, "solver": "exact", "steps": 3, "rate": None, "bound": 16.0,
    }  # fmt: skip
    assert "alpha" not in ml.LinearRegression().get_params() and repr(model).startswith("Ridge(alpha=2.0,")
    with pytest.raises(ValueError, match="no parameter"):
        model.set_params(gamma=1)
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(secret(s, X))
    with pytest.raises(ValueError, match="rows"):
        model.fit(secret(s, X), numbers(s, y[:5]))
    with pytest.raises(ValueError, match="nothing to fit"):
        model.fit(s.array(np.zeros((0, 2)), 0), numbers(s, y[:0]))
    with pytest.raises(ValueError, match="blocks"):
        model.fit([], numbers(s, y))
    with pytest.raises(ValueError, match="blocks"):
        model.fit(numbers(s, y), numbers(s, y))
    for parameter in [{"solver": "lbfgs"}, {"steps": 0, "solver": "gd"}, {"rate": -1.0, "solver": "gd"}, {"bound": 0}]:
        with pytest.raises(ValueError, match=next(iter(parameter))):
            ml.LinearRegression(**parameter).fit(secret(s, X), numbers(s, y))
        with pytest.raises(ValueError, match=next(iter(parameter))):
            ml.LogisticRegression(**parameter).fit(secret(s, X), s.array(y > 0, 1))
    model = ml.LinearRegression(bound=0.5).fit(secret(s, X), numbers(s, y))
    with pytest.raises(ValueError, match="3"):
        model.predict(s.array(X[:, :2], 0))
    with pytest.raises(OverflowError):
        model.coef_.reveal()
    with pytest.raises(OverflowError):
        ml.LogisticRegression(steps=1).fit(secret(s, X), s.array(np.full(len(X), 2), 1)).coef_.reveal()
