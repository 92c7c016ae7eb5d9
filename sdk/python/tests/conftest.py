"""What the tests share: a session of both parties in this process, and the comparison with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tacit
from hypothesis import settings

settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True)
settings.load_profile("ci")

#: A step of float64.
ULP = 2.0**-18


@pytest.fixture(scope="module")
def s():
    with tacit.local_pair() as session:
        yield session


@pytest.fixture
def agree(s):
    """Reveals secret arrays in one run and holds each against NumPy's: type and shape, exact unless a tolerance is given."""

    def check(*cases):
        results = s.reveal(*(case[0] for case in cases))
        for (secret, expected, *tolerance), result in zip(cases, results, strict=True):
            expected = np.asarray(expected)
            assert np.shape(result) == expected.shape == secret.shape
            assert np.asarray(result).dtype == expected.dtype == secret.dtype
            if not tolerance:
                np.testing.assert_array_equal(result, expected)
            else:
                np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance[0])

    return check


@pytest.fixture
def rng():
    return np.random.default_rng(20261126)
