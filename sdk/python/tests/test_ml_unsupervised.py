"""Clusters and components against the same steps in plain arithmetic."""

import numpy as np
import pytest
from tacit import ml


def lloyd(X, centres, steps):
    for _ in range(steps):
        nearest = ((X[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.array([X[nearest == k].mean(axis=0) if (nearest == k).any() else c for k, c in enumerate(centres)])
    squares = ((X[:, None] - centres) ** 2).sum(axis=2)
    return centres, squares.argmin(axis=1), squares.min(axis=1).sum()


@pytest.fixture
def groups(rng):
    return np.concatenate([rng.normal(at, 0.3, (25, 3)) for at in ([1, 0, -1], [-1, 1, 0], [0, -1, 1])])


def secret(s, X):
    return [s.array(X[:, :2], party=0, range=(-4, 4)), s.array(X[:, 2:], party=1, range=(-4, 4))]


@pytest.mark.parametrize("init", ["rows", "seed", "public", "secret"])
def test_clusters_are_those_of_plain_arithmetic(s, rng, groups, init):
    start = {"rows": groups[[3, 40, 70]], "seed": groups[np.random.default_rng(5).choice(75, 3, replace=False)]}
    start = start.get(init, np.array([[0.5, 0.0, 0.0], [-0.5, 0.0, 0.0], [3.5, 3.5, 3.5]]))
    given = {"rows": [3, 40, 70], "seed": None, "public": start, "secret": s.array(start, 1, range=(-4, 4))}[init]
    model = ml.KMeans(3, steps=4, init=given, random_state=5).fit(secret(s, groups))
    centres, labels, inertia = lloyd(groups, start, 4)
    found = s.reveal(model.cluster_centers_, model.labels_, model.inertia_, model.score(secret(s, groups)))
    # The last of the public centres has no rows, and stays where it is.
    np.testing.assert_allclose(found[0], centres, atol=1e-4)
    np.testing.assert_array_equal(found[1], labels)
    assert found[2] == pytest.approx(inertia, abs=1e-2) and found[3] == pytest.approx(-inertia, abs=1e-2)
    rows = rng.uniform(-2, 2, (9, 3))
    squares = ((rows[:, None] - centres) ** 2).sum(axis=2)
    np.testing.assert_array_equal(model.predict(secret(s, rows)).reveal(), squares.argmin(axis=1))
    np.testing.assert_allclose(model.transform(secret(s, rows)).reveal(), np.sqrt(squares), atol=1e-3)


def test_centres_of_one_party_and_rows_of_the_other(s, groups):
    centres = groups[[0, 30, 60]]
    model = ml.KMeans.from_centers(s.array(centres, party=0, range=(-4, 4)))
    expected = ((groups[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    rows = s.array(groups, party=1, range=(-4, 4))
    np.testing.assert_array_equal(model.predict(rows).reveal(), expected)
    np.testing.assert_array_equal(ml.KMeans.from_centers(centres).predict(rows).reveal(), expected)
    one = ml.KMeans(1, steps=1).fit(rows)
    np.testing.assert_allclose(one.cluster_centers_.reveal(), groups.mean(axis=0)[None], atol=1e-4)


def test_what_cannot_be_clustered(s, groups):
    rows = secret(s, groups)
    for model, match in [
        (ml.KMeans(0), "n_clusters"),
        (ml.KMeans(76), "has 75 rows"),
        (ml.KMeans(2, steps=1.5), "steps"),
        (ml.KMeans(2, init=np.zeros((3, 3))), "init"),
        (ml.KMeans(2, init=[1, 2, 3]), "init"),
    ]:
        with pytest.raises(ValueError, match=match):
            model.fit(rows)
    with pytest.raises(ValueError, match="not fitted"):
        ml.KMeans().predict(rows)
    with pytest.raises(ValueError, match="a row of features"):
        ml.KMeans.from_centers(np.zeros(3))


def components(X):
    variances, directions = np.linalg.eigh(np.cov(X.T))
    directions = directions.T[::-1]
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    return directions * signs[:, None], variances[::-1]


def test_components_are_those_of_the_covariances(s, rng):
    X = rng.normal(0, 1, (80, 4)) @ rng.normal(0, 0.4, (4, 4)) + [0.5, 0, -0.25, 1]
    parts = [s.array(X[:, :1], 0, range=(-8, 8)), s.array(X[:, 1:], 1, range=(-8, 8))]
    model = ml.PCA(3)
    scores = model.fit_transform(parts)
    directions, variances = components(X)
    found = s.reveal(
        model.components_,
        model.explained_variance_,
        model.explained_variance_ratio_,
        scores,
        model.inverse_transform(scores),
    )
    np.testing.assert_allclose(found[0], directions[:3], atol=1e-4)
    np.testing.assert_allclose(found[1], variances[:3], atol=1e-4)
    np.testing.assert_allclose(found[2], variances[:3] / variances.sum(), atol=1e-4)
    apart = X - X.mean(axis=0)
    np.testing.assert_allclose(found[3], apart @ directions[:3].T, atol=1e-3)
    np.testing.assert_allclose(found[4], apart @ directions[:3].T @ directions[:3] + X.mean(axis=0), atol=1e-3)


def test_components_beyond_the_rank_explain_nothing(s, rng):
    x = rng.uniform(-1, 1, 60)
    rows = s.array(np.column_stack([x, -x, 2 * x]), 0, range=(-2, 2))
    model = ml.PCA(3).fit(rows)
    found, ratios = s.reveal(model.components_, model.explained_variance_ratio_)
    np.testing.assert_allclose(found[0], np.array([1, -1, 2]) / np.sqrt(6), atol=1e-4)
    np.testing.assert_allclose(ratios, [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)
    model = ml.PCA(1).fit(s.array(np.full((5, 2), 0.5), 0, range=(0, 1)))
    found, explained = s.reveal(model.components_, model.explained_variance_)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-3) and explained[0] == pytest.approx(0, abs=1e-4)


def test_what_has_no_components(s):
    rows = s.array(np.zeros((5, 2)), 0, range=(0, 1))
    with pytest.raises(ValueError, match="no 3 components"):
        ml.PCA(3).fit(rows)
    with pytest.raises(ValueError, match="squarings"):
        ml.PCA(1, squarings=0).fit(rows)
    with pytest.raises(ValueError, match="not fitted"):
        ml.PCA().transform(rows)
    with pytest.raises(ValueError, match="there are 1"):
        ml.PCA(1).fit(rows).inverse_transform(rows)
