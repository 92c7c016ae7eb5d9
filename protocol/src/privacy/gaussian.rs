//! The discrete Gaussian, sampled exactly.
//!
//! *Source*: Canonne, Kamath and Steinke (2020), algorithms 1 to 3: rejection from a discrete Laplace distribution, all
//! of it on whole numbers. *Security*: no floating point takes part, so that no digit of a result tells more than the
//! distribution says (Mironov 2012). How long it takes depends on the sample: noise is drawn before a run begins.
//! *Cost*: some 20 uniform numbers a sample.

use num_bigint::BigUint;
use rand_core::CryptoRng;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A standard deviation in parts of `2^-10` of a unit, at least one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sigma(u64);

/// Parts in a unit.
const PARTS: u64 = 1 << 10;
/// The largest deviation, in parts: its square and the samples fit what follows.
const MAX_PARTS: u64 = 1 << 56;
/// Samples beyond so many deviations are drawn again. They have a probability below `2^-100`, which is left out of delta.
const TAIL: u64 = 12;

impl Sigma {
    /// So many parts; none: zero, or more than this version can draw.
    pub fn from_parts(parts: u64) -> Option<Self> {
        (1..=MAX_PARTS).contains(&parts).then_some(Self(parts))
    }

    /// In parts of `2^-10` units.
    pub fn parts(self) -> u64 {
        self.0
    }

    /// In units, for people.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / PARTS as f64
    }

    /// No sample is further from 0 than this, in units.
    pub fn tail(self) -> u64 {
        (self.0 / PARTS + 1) * TAIL
    }
}

/// A sample of the discrete Gaussian of mean 0, in units.
pub fn discrete_gaussian(sigma: Sigma, rng: &mut dyn CryptoRng) -> i128 {
    let square = BigUint::from(sigma.0).pow(2);
    let scale = BigUint::from(sigma.0 / PARTS + 1);
    // exp(-(|y| - sigma^2/t)^2 / (2 sigma^2)), with sigma^2 = square / q: (|y| t q - square)^2 / (2 square t^2 q).
    let q = BigUint::from(PARTS).pow(2);
    let denominator = BigUint::from(2_u8) * &square * scale.pow(2) * &q;
    loop {
        let (negative, size) = discrete_laplace(&scale, rng);
        let far = &size * &scale * &q;
        let distance = if far > square { &far - &square } else { &square - &far };
        if !bernoulli_exp(&distance.pow(2), &denominator, rng) {
            continue;
        }
        // A sample beyond the tail is drawn again.
        if let Some(size) = u64::try_from(size).ok().filter(|size| *size <= sigma.tail()) {
            return if negative { -i128::from(size) } else { i128::from(size) };
        }
    }
}

/// A sample of the discrete Laplace distribution of scale `t`: its sign and size.
fn discrete_laplace(t: &BigUint, rng: &mut dyn CryptoRng) -> (bool, BigUint) {
    let one = BigUint::from(1_u8);
    loop {
        let rest = below(t, rng);
        if !bernoulli_exp(&rest, t, rng) {
            continue;
        }
        let mut turns = BigUint::ZERO;
        while bernoulli_exp(&one, &one, rng) {
            turns += 1_u8;
        }
        let size = rest + t * turns;
        let negative = rng.next_u32() & 1 == 1;
        if !(negative && size == BigUint::ZERO) {
            return (negative, size);
        }
    }
}

/// True with probability `exp(-numerator / denominator)`.
fn bernoulli_exp(numerator: &BigUint, denominator: &BigUint, rng: &mut dyn CryptoRng) -> bool {
    let (mut rest, one) = (numerator.clone(), BigUint::from(1_u8));
    while rest > *denominator {
        if !bernoulli_exp_fraction(&one, &one, rng) {
            return false;
        }
        rest -= denominator;
    }
    bernoulli_exp_fraction(&rest, denominator, rng)
}

/// The same for exponents of at most 1.
fn bernoulli_exp_fraction(numerator: &BigUint, denominator: &BigUint, rng: &mut dyn CryptoRng) -> bool {
    let mut k = 1_u64;
    while below(&(denominator * k), rng) < *numerator {
        k += 1;
    }
    k % 2 == 1
}

/// A uniform number below `bound`, which is not 0.
fn below(bound: &BigUint, rng: &mut dyn CryptoRng) -> BigUint {
    let bits = bound.bits();
    let mut bytes = vec![0; usize::try_from(bits.div_ceil(8)).expect("a number in memory")];
    loop {
        rng.fill_bytes(&mut bytes);
        if let Some(last) = bytes.last_mut().filter(|_| !bits.is_multiple_of(8)) {
            *last &= (1 << (bits % 8)) - 1;
        }
        let number = BigUint::from_bytes_le(&bytes);
        if number < *bound {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn sigma(units: f64) -> Sigma {
        Sigma::from_parts((units * PARTS as f64) as u64).expect("a deviation")
    }

    /// The frequencies of small samples against the distribution's own, by a chi-squared test whose threshold a right
    /// sampler passes but once in a million.
    #[test]
    fn samples_follow_the_distribution() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        for deviation in [0.5_f64, 1.0, 3.25] {
            let draws = 40_000;
            let reach = (4.0 * deviation).ceil() as i128;
            let weight = |x: i128| (-(x as f64).powi(2) / (2.0 * deviation.powi(2))).exp();
            let total: f64 = (-200..=200).map(weight).sum();
            let mut counts = std::collections::BTreeMap::new();
            for _ in 0..draws {
                let x = discrete_gaussian(sigma(deviation), &mut rng).clamp(-reach, reach);
                *counts.entry(x).or_insert(0_u32) += 1;
            }
            let (mut statistic, mut cells) = (0.0, 0.0);
            for x in -reach..=reach {
                let outside: f64 = if x.abs() == reach { (reach + 1..200).map(weight).sum() } else { 0.0 };
                let expected = f64::from(draws) * (weight(x) + outside) / total;
                if expected >= 5.0 {
                    let found = f64::from(counts.get(&x).copied().unwrap_or(0));
                    statistic += (found - expected).powi(2) / expected;
                    cells += 1.0;
                }
            }
            let limit = cells + 5.0 * (2.0_f64 * cells).sqrt() + 15.0;
            assert!(statistic < limit, "deviation {deviation}: {statistic} of {cells} cells");
        }
    }

    #[test]
    fn wide_samples_have_their_deviation_and_no_tail() {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        for deviation in [1e3, 1e9, 1e13] {
            let draws: Vec<f64> =
                (0..2_000).map(|_| discrete_gaussian(sigma(deviation), &mut rng) as f64 / deviation).collect();
            let mean = draws.iter().sum::<f64>() / 2_000.0;
            let variance = draws.iter().map(|x| x * x).sum::<f64>() / 2_000.0;
            assert!(mean.abs() < 0.15 && (variance - 1.0).abs() < 0.2, "{deviation}: {mean} {variance}");
            let tail = sigma(deviation).tail() as f64 / deviation;
            assert!(draws.iter().all(|x| x.abs() <= tail) && tail < 12.1);
        }
    }

    #[test]
    fn deviations_have_bounds() {
        assert_eq!(Sigma::from_parts(0), None);
        assert_eq!(Sigma::from_parts(MAX_PARTS + 1), None);
        assert!(Sigma::from_parts(MAX_PARTS).is_some());
    }
}
