"""Real functions against NumPy: within the error bound that the engine states."""

import math

import numpy as np
import pytest
import tacit.numpy as tnp

ULP = 2.0**-18
#: The function, its arguments, and how far it may be off.
FUNCTIONS = [
    (np.exp, (-6, 3), 4 * ULP),
    (np.exp2, (-6, 3), 4 * ULP),
    (np.expm1, (-2, 2), 4 * ULP),
    (np.log, (0.01, 900), 4 * ULP),
    (np.log2, (0.01, 900), 4 * ULP),
    (np.log10, (0.01, 900), 4 * ULP),
    (np.log1p, (-0.5, 90), 4 * ULP),
    (np.sqrt, (0, 900), 4 * ULP),
    (np.sin, (-9, 9), 1e-5),
    (np.cos, (-9, 9), 1e-5),
    (np.tanh, (-9, 9), 1e-5),
    (tnp.sigmoid, (-20, 20), 1e-5),
    (tnp.softplus, (-9, 9), 2e-5),
    (tnp.gelu, (-5, 5), 2e-5),
    (tnp.erf, (-4, 4), 1e-5),
    (tnp.rsqrt, (0.1, 90), 2e-5),
    (tnp.relu, (-9, 9), 0),
    (np.floor, (-9, 9), 0),
    (np.ceil, (-9, 9), 0),
    (np.rint, (-9, 9), 0),
    (np.trunc, (-9, 9), 0),
]


@pytest.mark.parametrize(("function", "range", "tolerance"), FUNCTIONS, ids=lambda of: getattr(of, "__name__", None))
def test_real_functions(s, agree, rng, function, range, tolerance):
    lo, hi = range
    plain = np.concatenate([[lo, hi, (lo + hi) / 2], rng.uniform(lo, hi, 60), np.floor(rng.uniform(lo, hi, 5)) + 0.5])
    plain = np.round(np.clip(plain, lo, hi) / ULP) * ULP
    plain = np.clip(plain, math.ceil(lo / ULP) * ULP, math.floor(hi / ULP) * ULP)
    secret = s.array(plain, party=1, range=range)
    agree((function(secret), function(plain), tolerance))


def test_whole_and_real_powers_quotients_and_remainders(s, agree, rng):
    a, b = rng.integers(-40, 40, 30), rng.integers(1, 9, 30)
    x, y = s.array(a, party=0, range=(-40, 40)), s.array(b, party=1, range=(1, 9))
    agree((x // y, a // b), (x % y, a % b), (x // 7, a // 7), (x % 7, a % 7), (x**3, a**3))
    u = rng.integers(1, 64, 20) / 4
    z = s.array(u, party=0, range=(0.25, 16))
    agree((z**1.5, u**1.5, 1e-3), (z**-0.5, u**-0.5, 1e-4), (z**0.5, u**0.5, 1e-5))
