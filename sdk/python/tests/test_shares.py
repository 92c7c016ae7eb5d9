"""Values kept as shares."""

from __future__ import annotations

import numpy as np
import pytest
import tacit


@pytest.mark.parametrize("kind", ["bool", "int64", "float64"])
@pytest.mark.parametrize("shape", [(), (0, 2), (3,), (2, 65)])
def test_shares_come_back(s, rng, kind, shape):
    values = (rng.random(shape) > 0.5) if kind == "bool" else rng.integers(-999, 999, shape).astype(kind)
    made = s.array(values, 0) ^ False if kind == "bool" else s.array(values, 0) * s.array(np.ones((), kind), 1)
    shares = made.to_share()
    assert [share.party for share in shares] == [0, 1] and tuple(shares[0].shape) == shape and shares[0].dtype == kind
    np.testing.assert_array_equal(s.from_share(shares).reveal(), values)
    rebuilt = [
        tacit.Share(
            share.party, share.words, dtype=share.dtype, shape=share.shape, range=share.range,
            word_bits=share.word_bits, error=share.error, valid=share.valid,
        )
        for share in shares
    ]  # fmt: skip
    np.testing.assert_array_equal(s.from_share(rebuilt).reveal(), values)


def test_one_share_tells_nothing_and_two_the_value(s):
    values = np.arange(2000)
    shares = (s.array(values, 0) * s.array(np.ones(2000, int), 1)).to_share()
    words = [share.words if share.word_bits == 64 else share.words[::2] for share in shares]
    np.testing.assert_array_equal((words[0] + words[1]).view(np.int64), values)
    for own in words:
        ones = np.unpackbits(own.view(np.uint8)).mean()
        assert 0.48 < ones < 0.52


def test_wide_words(s):
    big = np.array([2.0**41, -3.0])
    x = s.array(big, 0, range=(-(2**42), 2**42))
    squares = x * s.array(big, 1, range=(-(2**42), 2**42))
    shares = squares.to_share()
    assert shares[0].word_bits == 128 and len(shares[0].words) == 4
    np.testing.assert_allclose(s.from_share(shares).reveal(), big * big, atol=1e-5)
    with pytest.raises(OverflowError, match="63 bits"):
        shares[0].narrowed()
    few = (s.array(np.array([1.5]), 0) * s.array(np.array([2.0]), 1)).to_share()
    np.testing.assert_allclose(s.from_share([share.narrowed() for share in few]).reveal(), [3.0], atol=1e-5)


def test_undefined_cells_stay_undefined(s):
    q = s.array(np.array([1.0, 2.0]), 0) / s.array(np.array([0.0, 4.0]), 1)
    shares = q.to_share()
    assert shares[0].valid is not None
    found = s.from_share(shares).reveal()
    assert np.isnan(found[0]) and abs(found[1] - 0.5) < 1e-5


def test_shares_of_another_form_are_refused(s):
    zero, one = (s.array(np.array([1.5]), 0) * s.array(np.array([2.0]), 1)).to_share()
    for wrong in [(zero,), (one, zero), (zero, zero)]:
        with pytest.raises(ValueError, match="share"):
            s.from_share(wrong)
    about = dict(dtype="float64", range=("-4", "4"), word_bits=64)
    with pytest.raises(ValueError, match="as many as the shape"):
        tacit.Share(0, np.zeros(3, np.uint64), shape=[2], **about)
    with pytest.raises(OverflowError, match="63 bits"):
        s.from_share(
            [tacit.Share(p, np.zeros(1, np.uint64), shape=[1], **{**about, "range": ("0", str(2**62))}) for p in (0, 1)]
        )
    mixed = [tacit.Share(p, np.zeros(1, np.uint64), shape=[1], **{**about, "range": ("0", str(4 + p))}) for p in (0, 1)]
    with pytest.raises(ValueError, match="not of one value"):
        s.from_share(mixed)
