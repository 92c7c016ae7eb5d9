//! Rule R9: how much exact sums of the receiver's own numbers may tell about who is in them.
//!
//! A receiver that knows each summand learns at most `log2(number of possible sums)` bits about the subset. The sums
//! may together have at most `log2 C(2k, k) - 40` of them, so that at least `2^40` subsets of `k` among `2k` rows stay
//! possible for each answer on average. This bounds subset-sum attacks; it is no theorem about priors (note §7).
//! All arithmetic is exact, so that every party comes to the same verdict.

use num_bigint::BigUint;

use crate::Number;
use crate::program::types::Interval;
use crate::schema::Element;

/// Beyond this a larger minimum is not counted as hiding more.
const MAX_MINIMUM: u64 = 4_096;
/// Subsets that must stay possible, as a power of two.
const MARGIN_BITS: u32 = 40;

/// How many values a sum over `rows` rows of this range can take on a grid; at least 2.
pub(super) fn possible_values(range: Interval, rows: u64, element: &Element, grid: Option<Number>) -> BigUint {
    let width = range.hi.max(0).abs_diff(0) + range.lo.min(0).unsigned_abs();
    let steps = BigUint::from(width) * rows;
    let (grid_mantissa, grid_scale) = match grid {
        Some(grid) if grid > Number::ZERO => (grid.mantissa().unsigned_abs(), u32::from(grid.scale())),
        _ => return steps.max(BigUint::from(2_u8)),
    };
    let per_unit = match element {
        Element::Decimal { scale } => BigUint::from(10_u8).pow(u32::from(*scale)),
        element => BigUint::from(1_u8) << element.float_bits().unwrap_or(0),
    };
    let numerator = steps * BigUint::from(10_u8).pow(grid_scale);
    let denominator = per_unit * grid_mantissa;
    // A grid finer than the element's step adds no values.
    let values = (&numerator + &denominator - 1_u8) / denominator;
    values.max(BigUint::from(2_u8))
}

/// Whether outputs with so many possible values together may be released behind gates of `k` on both sides.
pub(super) fn allowed(values: &BigUint, minimum: u64) -> bool {
    values << MARGIN_BITS <= subsets(minimum)
}

/// The least minimum at which they may.
pub(super) fn least_minimum(values: &BigUint) -> Option<u64> {
    let wanted = values << MARGIN_BITS;
    let mut subsets = BigUint::from(1_u8);
    for k in 1..=MAX_MINIMUM {
        subsets = next(subsets, k);
        if wanted <= subsets {
            return Some(k);
        }
    }
    None
}

/// The bits that may be told, rounded down; 0 when none may.
pub(super) fn allowed_bits(minimum: u64) -> u64 {
    (subsets(minimum).bits() - 1).saturating_sub(u64::from(MARGIN_BITS))
}

/// `C(2k, k)`.
fn subsets(minimum: u64) -> BigUint {
    (1..=minimum.min(MAX_MINIMUM)).fold(BigUint::from(1_u8), next)
}

/// `C(2k, k)` from `C(2k - 2, k - 1)`.
fn next(before: BigUint, k: u64) -> BigUint {
    before * (2 * (2 * k - 1)) / k
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowed_bits_are_those_of_the_note() {
        let bits = [10, 20, 30, 50, 100].map(|k| subsets(k).bits() - 1);
        assert_eq!(bits, [17, 37, 56, 96, 195]);
        assert_eq!(allowed_bits(50), 56);
        assert_eq!(allowed_bits(10), 0);
    }

    #[test]
    fn a_sum_of_five_thousand_wealths_passes_at_fifty_and_of_a_million_does_not() {
        let wealth = Interval { lo: 0, hi: 100_000_000_000 };
        let grid = Number::new(1, 2);
        let values = |rows| possible_values(wealth, rows, &Element::Decimal { scale: 2 }, grid);
        assert!(allowed(&values(5_000), 50));
        assert!(!allowed(&values(1_000_000), 50));
        assert!(!allowed(&values(5_000), 30));
        assert_eq!(least_minimum(&values(1_000_000)), Some(51));
    }
}
