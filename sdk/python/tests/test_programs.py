"""Random programs: whatever is written with NumPy on plain arrays gives the same on secret ones."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import tacit
from hypothesis import given, settings

UNARY = [
    np.negative, np.abs, np.square, np.sign, np.transpose, np.cumsum, np.ravel, np.logical_not,
    lambda x: np.sum(x, axis=0), lambda x: np.max(x, axis=-1), lambda x: np.min(x), lambda x: np.argmax(x, axis=0), lambda x: x[..., ::-1],
    lambda x: x[1:], lambda x: x[:, 0], lambda x: np.roll(x, 1, axis=0), lambda x: np.any(x > 0, axis=0), lambda x: np.clip(x, -3, 3),
    lambda x: x * 3 - 1, lambda x: x == 2, lambda x: np.expand_dims(x, 0), lambda x: np.count_nonzero(x, axis=-1), lambda x: x // 1,
    lambda x: np.sort(x, axis=0), lambda x: np.argsort(x, kind="stable"), np.flip, np.median,
    np.rot90, lambda x: np.ediff1d(x), lambda x: np.trace(x), lambda x: np.diagonal(x, 1), np.fliplr, lambda x: np.histogram(x, [-9, -2, 0, 3, 9])[0],
    lambda x: np.digitize(x, [-2, 0, 3]), lambda x: np.isin(x, [1, 2, -3]), lambda x: np.einsum("ij->ji", x), lambda x: np.einsum("ij->j", x),
    lambda x: np.piecewise(x, [x < 0], [-1, 1]), lambda x: np.nansum(x, axis=0), np.nan_to_num, lambda x: np.take_along_axis(x, np.argsort(x), -1),
    lambda x: np.delete(x, 0, -1), lambda x: np.insert(x, 1, 5, -1), lambda x: np.choose(x > 0, [x, 2]), lambda x: np.polyval([1, -2, 3], x),
    lambda x: np.ptp(x, axis=0), lambda x: np.bincount(np.ravel(x) % 3, minlength=3),
    lambda x: np.lexsort((x[0], x[1])), lambda x: np.partition(x, 0)[..., 0],
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.less, np.greater_equal, np.not_equal, np.logical_and, np.logical_xor,
    np.matmul, lambda a, b: np.concatenate([a, b]), lambda a, b: np.where(a > b, a, b), lambda a, b: np.stack([a, b]),
    lambda a, b: np.where(a != 0, b, 1), lambda a, b: np.sum(a * b, axis=0), np.outer,
    np.inner, np.kron, np.vdot, lambda a, b: np.einsum("ij,ij->i", a, b), lambda a, b: np.einsum("ij,kj", a, b), lambda a, b: np.tensordot(a, b, 1),
    lambda a, b: np.isin(a, b), lambda a, b: np.searchsorted(np.sort(np.ravel(a)), b), lambda a, b: np.block([[a], [b]]), np.array_equiv,
    lambda a, b: np.select([a > b, a < 0], [a, b], 7), lambda a, b: np.append(a, b),
]  # fmt: skip


@settings(max_examples=40)
@given(data=st.data())
def test_random_programs_agree_with_numpy(data):
    draw = data.draw
    with tacit.local_pair() as s:
        plain = [
            np.array(draw(st.lists(st.integers(-5, 5), min_size=6, max_size=6))).reshape(2, 3),
            np.array(draw(st.lists(st.integers(-5, 5), min_size=3, max_size=3))),
            np.array(draw(st.lists(st.booleans(), min_size=6, max_size=6))).reshape(2, 3),
        ]
        secret = [
            s.array(a, party, range=None if a.dtype == bool else (-5, 5))
            for party, a in zip((0, 1, 1), plain, strict=True)
        ]
        for _ in range(draw(st.integers(1, 8))):
            arity = draw(st.sampled_from([1, 2]))
            function = draw(st.sampled_from(UNARY if arity == 1 else BINARY))
            places = [draw(st.integers(0, len(plain) - 1)) for _ in range(arity)]
            try:
                expected = function(*(plain[place] for place in places))
            except (ValueError, TypeError, IndexError) as error:
                # What NumPy refuses is refused.
                try:
                    function(*(secret[place] for place in places))
                except (ValueError, TypeError, IndexError, NotImplementedError):
                    continue
                raise AssertionError(f"NumPy refuses it: {error}") from error
            expected = np.asarray(expected)
            if expected.size > 1000 or expected.dtype not in (np.bool_, np.int64):
                continue
            try:
                made = function(*(secret[place] for place in places))
            except (OverflowError, NotImplementedError):
                continue
            assert made.shape == expected.shape and made.dtype == expected.dtype
            plain.append(np.asarray(expected))
            secret.append(made)
            if draw(st.booleans()):
                # A part is computed and goes on as shares.
                secret[-1] = s.from_share(made.to_share())
        for expected, result in zip(plain, s.reveal(*secret), strict=True):
            np.testing.assert_array_equal(result, expected)
