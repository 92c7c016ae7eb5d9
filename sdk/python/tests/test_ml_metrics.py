"""Metrics and scalers against plain arithmetic, with ties, edges and blocks of either party."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tacit
from hypothesis import given, settings
from tacit import ml


def auc(truth, scores):
    above = scores[truth][:, None] - scores[~truth]
    return np.mean((above > 0) + (above == 0) / 2)


@settings(max_examples=10)
@given(data=st.data())
def test_metrics_of_classes(data):
    rows = data.draw(st.integers(2, 12))
    lists = lambda of: np.array(data.draw(st.lists(of, min_size=rows, max_size=rows)))
    truth, found, scores = lists(st.booleans()), lists(st.booleans()), lists(st.integers(-2, 2))
    with tacit.local_pair() as s:
        y, p, z = s.array(truth, 0), s.array(found, 1), s.array(scores / 4, 1, range=(-1, 1))
        many = s.array(scores + 2, 0, range=(0, 4))
        results = s.reveal(
            ml.metrics.accuracy_score(y, p),
            ml.metrics.confusion_matrix(y, p),
            ml.metrics.confusion_matrix(many, s.array(truth.astype(int), 1), classes=5),
            ml.metrics.roc_auc_score(y, z),
            ml.metrics.roc_auc_score(y, s.array(scores, 0, range=(-2, 2))),
        )
    assert results[0] == pytest.approx(np.mean(truth == found), abs=1e-5)
    np.testing.assert_array_equal(results[1], np.histogram2d(truth, found, [[-0.5, 0.5, 1.5]] * 2)[0])
    np.testing.assert_array_equal(results[2], np.histogram2d(scores + 2, truth, [np.arange(-0.5, 5)] * 2)[0])
    for result in results[3:]:
        if truth.all() or not truth.any():
            assert np.isnan(result)
        else:
            assert result == pytest.approx(auc(truth, scores), abs=1e-5)


def test_metrics_of_numbers_and_probabilities(s, rng):
    truth, found = rng.uniform(-3, 3, (2, 50))
    y, p = s.array(truth, 0, range=(-3, 3)), s.array(found, 1, range=(-3, 3))
    left = truth - found
    assert ml.metrics.mean_squared_error(y, p).reveal() == pytest.approx(np.mean(left**2), abs=1e-4)
    assert ml.metrics.mean_absolute_error(y, p).reveal() == pytest.approx(np.mean(abs(left)), abs=1e-4)
    expected = 1 - np.sum(left**2) / np.sum((truth - truth.mean()) ** 2)
    assert ml.metrics.r2_score(y, p).reveal() == pytest.approx(expected, abs=1e-4)
    assert np.isnan(ml.metrics.r2_score(s.array(np.ones(3), 0, range=(0, 2)), p[:3]).reveal())
    labels, shares = rng.integers(0, 2, 50), np.append(rng.uniform(0, 1, 48), [0.0, 1.0])
    expected = -np.mean(np.log(np.clip(np.where(labels, shares, 1 - shares), 2.0**-16, 1)))
    y, p = s.array(labels, 0, range=(0, 1)), s.array(shares, 1, range=(0, 1))
    assert ml.metrics.log_loss(y, p).reveal() == pytest.approx(expected, abs=1e-4)
    assert ml.metrics.log_loss(y, np.stack([1 - p, p], axis=1)).reveal() == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ValueError, match="one value a row"):
        ml.metrics.accuracy_score(y, p[:3])
    with pytest.raises(ValueError, match="no rows"):
        ml.metrics.accuracy_score(y[:0], p[:0])
    with pytest.raises(ValueError, match="a row each"):
        ml.metrics.log_loss(y, np.stack([p, p]))


@pytest.mark.parametrize("blocks", [True, False])
def test_scaled_columns(s, rng, blocks):
    X = np.column_stack(
        [rng.normal(50_000, 9_000, 60), rng.normal(0.1, 0.001, 60), np.full(60, 0.3), rng.normal(0, 1, 60)]
    )
    parts = [s.array(X[:, :1], 0, range=(0, 2**17)), s.array(X[:, 1:], 1, range=(-8, 8))]
    given = parts if blocks else np.column_stack(parts)
    held = np.round(X * 2**18) / 2**18
    deviations = held.std(axis=0)
    deviations[2] = 1
    for scaler, expected in [
        (ml.StandardScaler(), (held - held.mean(axis=0)) / deviations),
        (ml.MinMaxScaler(), (held - held.min(axis=0)) / np.where(np.ptp(held, axis=0) > 0, np.ptp(held, axis=0), 1)),
    ]:
        found = scaler.fit_transform(given)
        assert isinstance(found, list) == blocks
        found = np.column_stack(found) if blocks else found
        # The small column's deviations are a few hundred steps of 2^-18.
        np.testing.assert_allclose(found.reveal(), expected, atol=5e-3)
        np.testing.assert_allclose(found.reveal()[:, [0, 3]], expected[:, [0, 3]], atol=1e-4)
        assert max(abs(float(bound)) for bound in found.range) < 16.1
        if isinstance(scaler, ml.StandardScaler):
            np.testing.assert_allclose(scaler.inverse_transform(found).reveal()[:, [1, 3]], held[:, [1, 3]], atol=1e-4)
        np.testing.assert_allclose(scaler.transform(np.column_stack(parts)).reveal(), found.reveal(), atol=1e-5)
    beyond = s.array(X[:, 1:] + [5, -5, 0], 1, range=(-16, 16))
    with pytest.raises(OverflowError):
        np.column_stack(scaler.transform([parts[0], beyond])).reveal() if blocks else scaler.transform(
            np.column_stack([parts[0], beyond])
        ).reveal()
    inside = ml.MinMaxScaler(clip=True).fit(parts).transform([parts[0], beyond])[1].reveal()
    assert inside.min() == 0 and inside.max() == 1
    with pytest.raises(ValueError, match="fitted on"):
        scaler.transform(parts[0])
    with pytest.raises(ValueError, match="not fitted"):
        ml.StandardScaler().transform(parts)


def test_what_one_party_brought_it_scales_alone(s, rng):
    x = s.array(rng.normal(0, 1, (500, 4)), 0, range=(-8, 8))
    # What is left is the check of the promised bound; divisions of shares take some 1,200 bytes each.
    assert ml.StandardScaler().fit_transform([x])[0].explain()["bytes"] < 100_000


def test_rows_in_two_parts(s, rng):
    X, y = np.arange(40).reshape(20, 2), np.arange(20)
    parts = [s.array(X[:, :1], 0), s.array(X[:, 1:], 1)]
    a, b, c, d = ml.train_test_split(parts, s.array(y, 1), random_state=3)
    assert len(a) == len(b) == 2 and c.shape == (15,) and d.shape == (5,)
    train, test = c.reveal(), d.reveal()
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), y)
    np.testing.assert_array_equal(np.column_stack(b).reveal(), X[test])
    np.testing.assert_array_equal(ml.train_test_split(y, test_size=3, random_state=3)[1].shape, (3,))
    for wrong, match in [((y, y[:4]), "rows"), ((), "nothing")]:
        with pytest.raises(ValueError, match=match):
            ml.train_test_split(*wrong)
    with pytest.raises(ValueError, match="test_size"):
        ml.train_test_split(y, test_size=20)
