//! Amounts of zero-concentrated differential privacy, as integers: costs are rounded up, budgets down.

use std::fmt;

use bincode::{Decode, Encode};
use num_bigint::BigUint;
use serde::{Deserialize, Serialize};

use super::Sigma;

/// An amount of zCDP (Bun and Steinke 2016) in units of `2^-40`. Amounts of several releases about the same people add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rho(u64);

/// Why a budget is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a budget has an epsilon above 0 and at most 100, and a delta above 0 and at most 0.001")]
pub struct RhoError;

/// The largest exponent at which the conversion looks.
const MAX_ALPHA: f64 = 1e7;

impl Rho {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Units in a rho of 1.
    pub const ONE: u64 = 1 << 40;

    /// So many units.
    pub const fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// In units.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// As a number, for people.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / Self::ONE as f64
    }

    /// What a release costs whose value moves by at most `l2` units, in the Euclidean norm, when one person's row is
    /// replaced: `l2^2 / (2 sigma^2)`, rounded up. None: more than can be written.
    pub fn of_release(l2: &BigUint, sigma: Sigma) -> Option<Self> {
        // sigma = s / 2^10 and a unit is 2^-40: l2^2 * 2^(40 + 20 - 1) / s^2.
        let square = BigUint::from(sigma.parts()).pow(2);
        let cost = ((l2.pow(2) << 59_u32) + &square - 1_u32) / square;
        u64::try_from(cost).ok().map(Self)
    }

    /// The sum; at the end of the scale it stays there, which is more than any budget.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left; nothing, where more was taken than there was.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The largest amount that gives no more than this epsilon at this delta.
    ///
    /// # Errors
    /// Either is out of bounds.
    pub fn from_epsilon(epsilon: f64, delta: f64) -> Result<Self, RhoError> {
        if !(epsilon > 0.0 && epsilon <= 100.0 && delta > 0.0 && delta <= 1e-3) {
            return Err(RhoError);
        }
        let (mut enough, mut too_much) = (0_u64, 128 * Self::ONE);
        while too_much - enough > 1 {
            let middle = enough + (too_much - enough) / 2;
            if Self(middle).epsilon(delta) <= epsilon { enough = middle } else { too_much = middle }
        }
        Ok(Self(enough))
    }

    /// The epsilon that it gives at a delta: the least of the tight conversion's bounds, each of which holds.
    pub fn epsilon(self, delta: f64) -> f64 {
        if self.0 == 0 {
            return 0.0;
        }
        let rho = self.to_f64();
        let bound =
            |alpha: f64| alpha * rho + (1.0 - 1.0 / alpha).ln() + ((1.0 / delta).ln() - alpha.ln()) / (alpha - 1.0);
        // Near the minimum of alpha rho + ln(1/delta) / (alpha - 1), on both sides, ever finer.
        let middle = (1.0 + ((1.0 / delta).ln() / rho).sqrt()).min(MAX_ALPHA);
        let (mut low, mut high) = (((middle - 1.0) / 16.0).ln(), ((middle - 1.0) * 16.0).ln());
        for _ in 0..100 {
            let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if bound(1.0 + a.exp()) <= bound(1.0 + b.exp()) { high = b } else { low = a }
        }
        bound(1.0 + f64::midpoint(low, high).exp()).max(0.0)
    }
}

impl fmt::Display for Rho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_f64() {
            0.0 => f.write_str("0"),
            small if small < 0.001 => write!(f, "{small:.2e}"),
            rho => write!(f, "{rho:.4}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(l2: u32, sigma: f64) -> Rho {
        let sigma = Sigma::from_parts((sigma * 1024.0) as u64).expect("a deviation");
        Rho::of_release(&l2.into(), sigma).expect("a cost")
    }

    #[test]
    fn costs_are_rounded_up_and_add_up() {
        assert_eq!(cost(1, 1.0), Rho::from_units(Rho::ONE / 2));
        assert_eq!(cost(2, 1.0), Rho::from_units(2 * Rho::ONE));
        let third = cost(1, 3.0);
        assert_eq!(third.units(), (Rho::ONE / 2).div_ceil(9));
        assert!(Rho::of_release(&(BigUint::from(1_u8) << 100_u32), Sigma::from_parts(1).expect("small")).is_none());
        assert_eq!(third.plus(Rho::from_units(u64::MAX)).units(), u64::MAX);
        assert_eq!(third.minus(cost(1, 1.0)), Rho::ZERO);
    }

    /// The figures of the security note, §5.
    #[test]
    fn thirty_eight_counts_at_twelve_cost_what_the_note_says() {
        let one = cost(1, 12.0 / 1.96);
        assert!((one.to_f64() - 0.0133).abs() < 1e-4, "{one}");
        let all = Rho::from_units(38 * one.units());
        assert!((all.to_f64() - 0.507).abs() < 2e-3, "{all}");
        assert!((all.epsilon(1e-6) - 5.26).abs() < 0.02, "{}", all.epsilon(1e-6));
        for (epsilon, counts) in [(1.0, 1), (3.0, 13)] {
            let budget = Rho::from_epsilon(epsilon, 1e-6).expect("a budget");
            assert_eq!(budget.units() / one.units(), counts, "epsilon {epsilon}");
        }
    }

    #[test]
    fn budgets_are_rounded_down() {
        for (epsilon, delta) in [(0.01, 1e-9), (0.5, 1e-6), (1.0, 1e-6), (8.0, 1e-5), (100.0, 1e-3)] {
            let budget = Rho::from_epsilon(epsilon, delta).expect("a budget");
            assert!(budget.epsilon(delta) <= epsilon && budget > Rho::ZERO);
            let more = Rho::from_units(budget.units() + budget.units() / 1000 + 1);
            assert!(more.epsilon(delta) > epsilon, "{epsilon} {delta}");
        }
        for (epsilon, delta) in [(0.0, 1e-6), (-1.0, 1e-6), (101.0, 1e-6), (1.0, 0.0), (1.0, 0.5), (f64::NAN, 1e-6)] {
            assert_eq!(Rho::from_epsilon(epsilon, delta), Err(RhoError), "{epsilon} {delta}");
        }
    }

    /// Each bound of the conversion is one: the exact delta of Gaussian noise of that rho is never larger.
    #[test]
    fn the_conversion_is_never_below_the_gaussians_own_epsilon() {
        let normal = |x: f64| libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0;
        for rho in [1e-4, 0.0133, 0.1, 0.507, 2.0] {
            // mu = 1 / sigma of a Gaussian mechanism of sensitivity 1.
            let mu = (2.0_f64 * rho).sqrt();
            for delta in [1e-9, 1e-6, 1e-4] {
                let epsilon = Rho::from_units((rho * Rho::ONE as f64) as u64).epsilon(delta);
                let exact = normal(mu / 2.0 - epsilon / mu) - epsilon.exp() * normal(-mu / 2.0 - epsilon / mu);
                assert!(exact <= delta, "rho {rho}, delta {delta}: {exact}");
                assert!(exact > delta / 1000.0, "rho {rho}, delta {delta}: {exact} is far below");
            }
        }
    }
}
