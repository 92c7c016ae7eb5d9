"""Trees and sums of trees against the same algorithms in plain NumPy."""

import pathlib
import sys

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tacit
from hypothesis import given, settings
from tacit import ml

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))
import plain  # noqa: E402

STEP = 2.0**-18


@pytest.fixture
def data(rng):
    X = np.round(rng.normal(0, 1, (150, 4)).clip(-4, 4) / STEP) * STEP
    X[:, 3] = rng.integers(0, 3, 150)
    return X, X[:, 0] * X[:, 1] + X[:, 3] - 1 + rng.normal(0, 0.1, 150)


def secret(s, X):
    """The features of two parties, as blocks of columns."""
    return [s.array(X[:, :2], party=0, range=(-4, 4)), s.array(X[:, 2:], party=1, range=(-4, 4))]


def splits(tree):
    """Features and thresholds level by level, -1 where a node does not split."""
    nodes = [tree.nodes[level, number] for level in range(tree.depth) for number in range(2**level)]
    return [-1 if edge == np.inf else feature for feature, edge in nodes], [edge for _, edge in nodes]


def check_splits(model, tree):
    found, thresholds = model.feature_.reveal()[0], model.thresholds_.reveal()[0]
    features, edges = splits(tree)
    np.testing.assert_array_equal(found, features)
    np.testing.assert_allclose(thresholds[found >= 0], [edge for edge in edges if edge != np.inf], atol=STEP)


@pytest.mark.parametrize(("depth", "least", "blocks"), [(1, 1, True), (3, 1, True), (3, 20, False)])
def test_a_tree_of_two_classes_is_that_of_plain_arithmetic(s, data, depth, least, blocks):
    X, y = data
    labels = y > 0
    tree = plain.Tree(X, plain.edges_of(X, 6), labels[:, None].astype(float), np.ones(150), depth=depth, least=least)
    model = ml.DecisionTreeClassifier(max_depth=depth, min_samples_leaf=least, bins=6)
    rows = secret(s, X) if blocks else np.column_stack(secret(s, X))
    model.fit(rows, s.array(labels, party=1))
    check_splits(model, tree)
    shares = tree.sums[:, 0] / np.maximum(tree.weights, 1)
    found, classes, score = s.reveal(
        model.predict_proba(rows), model.predict(rows), model.score(rows, s.array(labels, 0))
    )
    np.testing.assert_allclose(found[:, 1], shares[tree.leaf], atol=1e-4)
    np.testing.assert_array_equal(classes, shares[tree.leaf] > 0.5)
    assert score == pytest.approx(np.mean(classes == labels), abs=1e-5)


def test_a_tree_of_three_classes_and_public_edges(s, data):
    X, y = data
    labels = np.digitize(y, [-0.5, 0.5])
    edges = np.linspace(-2, 2, 9)
    tree = plain.Tree(X, np.tile(edges, (4, 1)), np.eye(3)[labels], np.ones(150), depth=2)
    model = ml.DecisionTreeClassifier(n_classes=3, max_depth=2, edges=edges)
    model.fit(secret(s, X), s.array(labels, party=0, range=(0, 2)))
    check_splits(model, tree)
    expected = (tree.sums / np.maximum(tree.weights, 1)[:, None])[tree.leaf]
    np.testing.assert_allclose(model.predict_proba(secret(s, X)).reveal(), expected, atol=1e-4)
    np.testing.assert_array_equal(model.predict(secret(s, X)).reveal(), expected.argmax(axis=1))
    score = model.score(secret(s, X), s.array(labels, party=0, range=(0, 2))).reveal()
    assert score == pytest.approx(np.mean(expected.argmax(axis=1) == labels), abs=1e-5)
    with pytest.raises(OverflowError):
        model.fit(secret(s, X), s.array(labels + 1, party=0, range=(0, 3))).values_.reveal()


def test_a_tree_of_numbers_is_that_of_plain_arithmetic(s, data):
    X, y = data
    y = 1000 + 100 * y
    scaled = ((y - y.mean()) / y.std())[:, None]
    tree = plain.Tree(X, plain.edges_of(X, 8), scaled, np.ones(150), depth=3, least=5)
    model = ml.DecisionTreeRegressor(min_samples_leaf=5, bins=8).fit(secret(s, X), s.array(y, 1, range=(0, 2000)))
    check_splits(model, tree)
    expected = np.array([y[tree.leaf == leaf].mean() for leaf in tree.leaf])
    np.testing.assert_allclose(model.predict(secret(s, X)).reveal(), expected, atol=5e-2)
    score = model.score(secret(s, X), s.array(y, 0, range=(0, 2000))).reveal()
    assert score == pytest.approx(1 - np.mean((y - expected) ** 2) / np.var(y), abs=1e-3)


@settings(max_examples=12)
@given(data=st.data())
def test_small_trees_with_ties(data):
    rows, features = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 3))
    depth, bins = data.draw(st.integers(1, 2)), data.draw(st.integers(2, 5))
    X = data.draw(hnp.arrays("int64", (rows, features), elements=st.integers(-2, 2)))
    y = data.draw(hnp.arrays("bool", rows))
    new = np.array(list(np.ndindex(*[5] * features))) - 2
    tree = plain.Tree(X, plain.edges_of(X, bins), y[:, None].astype(float), np.ones(rows), depth=depth)
    shares = tree.sums[:, 0] / np.maximum(tree.weights, 1)
    with tacit.local_pair() as s:
        model = ml.DecisionTreeClassifier(max_depth=depth, bins=bins)
        model.fit(s.array(X, party=0, range=(-2, 2)), s.array(y, party=1))
        found = model.predict_proba(s.array(new, party=1, range=(-2, 2)))[:, 1].reveal()
    np.testing.assert_allclose(found, shares[tree.places(new)], atol=1e-4)


def test_what_cannot_be_split_goes_to_the_left(s):
    rows = s.array(np.array([[1.0], [1.0], [1.0]]), 0, range=(0, 2))
    model = ml.DecisionTreeClassifier(max_depth=2, bins=3).fit(rows, s.array(np.array([True, False, True]), 1))
    found, shares = s.reveal(model.feature_, model.predict_proba(s.array(np.array([[0.0], [2.0]]), 1, range=(0, 2))))
    np.testing.assert_array_equal(found, [[-1, -1, -1]])
    np.testing.assert_allclose(shares, [[1 / 3, 2 / 3]] * 2, atol=1e-5)
    same = ml.DecisionTreeRegressor(max_depth=1, bins=2).fit(rows, s.array(np.full(3, 7.0), 1, range=(5, 9)))
    np.testing.assert_allclose(same.predict(rows).reveal(), 7, atol=1e-4)


@pytest.mark.parametrize("classify", [True, False])
def test_sums_of_trees_are_those_of_plain_arithmetic(s, data, classify):
    X, y = data
    settings = {"bins": 6, "rate": 0.5, "penalty": 1.0, "least": 2.0}
    if classify:
        labels = y > 0
        model = ml.GradientBoostingClassifier(
            n_estimators=4, max_depth=2, learning_rate=0.5, bins=6, min_child_weight=2.0
        ).fit(secret(s, X), s.array(labels, party=1))
        expected = plain.boosted(X, labels, True, trees=4, depth=2, **settings)(X)
        found, classes, shares, score = s.reveal(
            model.decision_function(secret(s, X)), model.predict(secret(s, X)), model.predict_proba(secret(s, X)),
            model.score(secret(s, X), s.array(labels, 0)),
        )  # fmt: skip
        np.testing.assert_array_equal(classes, expected > 0)
        np.testing.assert_allclose(shares[:, 1], 1 / (1 + np.exp(-expected)), atol=1e-3)
        assert score == pytest.approx(np.mean((expected > 0) == labels), abs=1e-5)
    else:
        model = ml.GradientBoostingRegressor(n_estimators=4, max_depth=2, learning_rate=0.5, bins=6, min_child_weight=2)
        model.fit(secret(s, X), s.array(y, party=1, range=(-16, 16)))
        scaled = (y - y.mean()) / y.std()
        expected = plain.boosted(X, scaled, False, trees=4, depth=2, **settings)(X) * y.std() + y.mean()
        found, score = s.reveal(
            model.predict(secret(s, X)), model.score(secret(s, X), s.array(y, party=1, range=(-16, 16)))
        )
        assert score == pytest.approx(1 - np.mean((y - expected) ** 2) / np.var(y), abs=1e-3)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def forest(X, values, edges, *, trees, depth, looked_at):
    """Of each tree what a leaf's rows add up to, and their number, at each row."""
    random, rows = np.random.default_rng(0), len(X)
    for _ in range(trees):
        counts = np.bincount(random.integers(rows, size=rows), minlength=rows)
        columns = np.sort(random.choice(X.shape[1], looked_at, replace=False))
        tree = plain.Tree(X[:, columns], edges[columns], values * counts[:, None], counts.astype(float), depth=depth)
        yield tree.sums[tree.leaf] / np.maximum(tree.weights[tree.leaf], 1)[:, None]


def test_forests_are_those_of_plain_arithmetic(s, data):
    X, y = data
    edges, labels = plain.edges_of(X, 6), np.digitize(y, [-0.5, 0.5])
    settings = {"trees": 3, "depth": 2, "looked_at": 2}
    shares = np.mean(list(forest(X, np.eye(3)[labels], edges, **settings)), axis=0)
    model = ml.RandomForestClassifier(n_classes=3, n_estimators=3, max_depth=2, bins=6)
    model.fit(secret(s, X), s.array(labels, party=0, range=(0, 2)))
    found, score = s.reveal(
        model.predict_proba(secret(s, X)), model.score(secret(s, X), s.array(labels, party=0, range=(0, 2)))
    )
    np.testing.assert_allclose(found, shares, atol=1e-4)
    assert score == pytest.approx(np.mean(found.argmax(axis=1) == labels), abs=0.01)

    scaled = ((y - y.mean()) / y.std())[:, None]
    means = np.mean(list(forest(X, scaled, edges, **settings)), axis=0)[:, 0] * y.std() + y.mean()
    model = ml.RandomForestRegressor(n_estimators=3, max_depth=2, bins=6)
    model.fit(secret(s, X), s.array(y, party=1, range=(-16, 16)))
    np.testing.assert_allclose(model.predict(secret(s, X)).reveal(), means, atol=1e-3)

    flags = ml.RandomForestClassifier(n_estimators=2, max_depth=1, max_features=4).fit(secret(s, X), s.array(y > 0, 1))
    assert flags.predict(secret(s, X)).dtype == bool
    assert flags.score(secret(s, X), s.array(y > 0, 1)).reveal() > 0.6
    with pytest.raises(ValueError, match="max_features is 5"):
        ml.RandomForestRegressor(max_features=5).fit(secret(s, X), s.array(y, party=1, range=(-16, 16)))


def test_trees_of_one_party_predict_for_rows_of_the_other(s, data):
    X, _ = data
    feature, threshold = np.array([3, -1, 0]), np.array([1.0, 0.0, 0.5])
    expected = np.where(X[:, 3] < 1, 10.0, np.where(X[:, 0] < 0.5, 12.0, 13.0))
    values, rows = np.arange(10.0, 14.0), s.array(X, party=1, range=(-4, 4))
    mine = (
        s.array(feature, 0, range=(-1, 3)),
        s.array(threshold, 0, range=(-4, 4)),
        s.array(values, 0, range=(0, 16)),
    )
    for nodes in [mine, (feature, threshold, values)]:
        tree = ml.DecisionTreeRegressor.from_nodes(*nodes, n_features=4)
        np.testing.assert_allclose(tree.predict(rows).reveal(), expected, atol=STEP)
        stacked = [np.stack([part, part]) for part in nodes]
        total = ml.GradientBoostingRegressor.from_trees(*stacked, n_features=4, init=1.5).predict(rows)
        np.testing.assert_allclose(total.reveal(), 2 * expected + 1.5, atol=4 * STEP)
    shares = np.column_stack([values / 16, 1 - values / 16])
    found = ml.DecisionTreeClassifier.from_nodes(*mine[:2], s.array(shares, 0, range=(0, 1)), n_features=4)
    np.testing.assert_array_equal(found.predict(rows).reveal(), expected < 8)
    odds = ml.GradientBoostingClassifier.from_trees(*(part[None] for part in mine), n_features=4, init=-12.0)
    np.testing.assert_array_equal(odds.predict(rows).reveal(), expected > 12)
    np.testing.assert_array_equal(found.feature_.reveal(), feature[None])


def test_what_cannot_be_grown(s, data):
    X, y = data
    rows, labels = secret(s, X), s.array(y > 0, 1)
    for parameters, match in [
        ({"max_depth": 9}, "at most 8"),
        ({"max_depth": 0}, "max_depth"),
        ({"min_samples_leaf": 0}, "min_samples_leaf"),
        ({"bins": 1}, "bins"),
        ({"edges": np.zeros((3, 2))}, "edges has the shape"),
        ({"edges": [1.0, 0.0]}, "ascending"),
        ({"n_classes": 0}, "n_classes"),
    ]:
        with pytest.raises(ValueError, match=match):
            ml.DecisionTreeClassifier(**parameters).fit(rows, labels)
    with pytest.raises(TypeError, match="public"):
        ml.DecisionTreeClassifier(edges=s.array(np.zeros(3), 0)).fit(rows, labels)
    for parameters, match in [
        ({"n_estimators": 0}, "n_estimators"),
        ({"learning_rate": 1.5}, "learning_rate"),
        ({"reg_lambda": -1}, "reg_lambda"),
        ({"min_child_weight": 0}, "min_child_weight"),
        ({"max_delta_step": 0}, "max_delta_step"),
    ]:
        with pytest.raises(ValueError, match=match):
            ml.GradientBoostingClassifier(**parameters).fit(rows, labels)
    for model in [ml.DecisionTreeClassifier(), ml.GradientBoostingRegressor()]:
        with pytest.raises(ValueError, match="not fitted"):
            model.predict(rows)
    with pytest.raises(ValueError, match="one leaf more"):
        ml.DecisionTreeRegressor.from_nodes(np.zeros(2, int), np.zeros(2), np.zeros(3), n_features=2)
    tree = ml.DecisionTreeRegressor.from_nodes(np.zeros(1, int), np.zeros(1), np.zeros(2), n_features=2)
    with pytest.raises(ValueError, match="4 features"):
        tree.predict(rows)
