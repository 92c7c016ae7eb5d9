//! Sums of blocks times 64-bit weights, as polynomials over F2: one pass of a consistency check.

use crate::Level;

/// The sum of `values[i] * weights[i]` without carries: of the low halves of the values, and of their high halves, which
/// counts `x^64` times.
///
/// # Panics
/// If the lengths differ or are not a multiple of 4.
pub fn weigh(level: Level, values: &[u128], weights: &[u64]) -> [u128; 2] {
    assert!(values.len() == weights.len() && values.len().is_multiple_of(4), "a weight for each value");
    match level.or_portable() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `or_portable` found the level.
        Level::Avx2 => unsafe { crate::v256::weigh(values, weights) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { crate::v512::weigh(values, weights) },
        _ => weigh_portable(values, weights),
    }
}

/// The sum of the weights of those values whose bit 0 is set, over F2, without a branch on any.
///
/// # Panics
/// If there are not as many weights as values, or not a multiple of four.
pub fn weigh_marked(level: Level, values: &[u128], weights: &[u64]) -> u64 {
    assert!(values.len() == weights.len() && values.len().is_multiple_of(4), "a weight for each value");
    match level.or_portable() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `or_portable` found the level.
        Level::Avx2 => unsafe { crate::v256::weigh_marked(values, weights) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { crate::v512::weigh_marked(values, weights) },
        _ => weigh_marked_portable(values, weights),
    }
}

fn weigh_marked_portable(values: &[u128], weights: &[u64]) -> u64 {
    // The mask is hidden from the compiler, which would branch on the bit and skip the weight.
    let mask = |value: u128| std::hint::black_box(0u64.wrapping_sub(value as u64 & 1));
    values.iter().zip(weights).fold(0, |sum, (value, weight)| sum ^ weight & mask(*value))
}

fn weigh_portable(values: &[u128], weights: &[u64]) -> [u128; 2] {
    values.iter().zip(weights).fold([0; 2], |[low, high], (value, weight)| {
        [low ^ multiply(*value as u64, *weight), high ^ multiply((value >> 64) as u64, *weight)]
    })
}

/// The product of polynomials over F2, in constant time: integer products of numbers that have every fifth bit at
/// most, whose carries stay in the holes.
fn multiply(a: u64, b: u64) -> u128 {
    const EVERY_FIFTH: u128 = 0x2108_4210_8421_0842_1084_2108_4210_8421;
    let spread = |x: u64| -> [u128; 5] { std::array::from_fn(|i| u128::from(x) & EVERY_FIFTH << i) };
    let (a, b) = (spread(a), spread(b));
    let mut product = 0;
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            product ^= a.wrapping_mul(*b) & EVERY_FIFTH << ((i + j) % 5);
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word of a fixed sequence.
    fn word(i: u64) -> u64 {
        (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(i as u32 * 7) ^ i << 50
    }

    #[test]
    fn products_have_no_carries() {
        for i in 0..200 {
            let (a, b) = (word(i) | ((i % 2) * u64::MAX), word(i + 1000));
            let expected = (0..64).filter(|j| b >> j & 1 == 1).fold(0, |sum, j| sum ^ u128::from(a) << j);
            assert_eq!(multiply(a, b), expected);
        }
    }

    #[test]
    fn every_level_gives_the_portable_sums() {
        let values: Vec<u128> = (0..132).map(|i| u128::from(word(i)) << 64 | u128::from(word(i + 500))).collect();
        let weights: Vec<u64> = (0..132).map(|i| word(i + 900)).collect();
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            for n in [0, 4, 128, 132] {
                assert_eq!(weigh(level, &values[..n], &weights[..n]), weigh_portable(&values[..n], &weights[..n]));
            }
        }
    }

    #[test]
    fn every_level_sums_the_weights_of_marked_values() {
        let values: Vec<u128> = (0..132).map(|i| u128::from(word(i)) << 64 | u128::from(word(i + 500))).collect();
        let weights: Vec<u64> = (0..132).map(|i| word(i + 900)).collect();
        for n in [0, 4, 128, 132] {
            let marked = (0..n).filter(|&i| values[i] & 1 == 1);
            let expected = marked.fold(0, |sum, i| sum ^ weights[i]);
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                assert_eq!(weigh_marked(level, &values[..n], &weights[..n]), expected, "{level:?} {n}");
            }
        }
    }
}
