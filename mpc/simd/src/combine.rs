//! Sums of blocks as the coefficients of a polynomial.

use crate::Level;

/// Replaces the first `len` of the blocks by `Σ x^place · blocks[place · len ..]`, products in GF(2^128) modulo
/// `x^128 + x^7 + x^2 + x + 1`, in constant time.
///
/// # Panics
/// If there are no blocks, or not so many that `len` divides them.
pub fn combine(level: Level, blocks: &mut [u128], len: usize) {
    assert!(len > 0 && !blocks.is_empty() && blocks.len().is_multiple_of(len), "whole places");
    let whole = match level.or_portable() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            // SAFETY: `or_portable` found the level.
            unsafe { crate::v256::combine(blocks, len) };
            len - len % 2
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => {
            // SAFETY: `or_portable` found the level.
            unsafe { crate::v512::combine(blocks, len) };
            len - len % 4
        }
        _ => 0,
    };
    let (sums, upper) = blocks.split_at_mut(len);
    for (i, sum) in sums.iter_mut().enumerate().skip(whole) {
        *sum ^= upper.chunks_exact(len).rev().fold(0, |sum, place| double(sum ^ place[i]));
    }
}

fn double(a: u128) -> u128 {
    (a << 1) ^ (0x87 & 0u128.wrapping_sub(a >> 127))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_sums_powers_of_x() {
        let blocks: Vec<u128> =
            (0..400u128).map(|i| (i + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).collect();
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            for (len, places) in [(1, 1), (1, 3), (4, 3), (7, 2), (130, 3), (64, 1)] {
                let mut sums = blocks[..len * places].to_vec();
                combine(level, &mut sums, len);
                for i in 0..len {
                    let terms = (0..places).map(|place| (0..place).fold(blocks[place * len + i], |a, _| double(a)));
                    assert_eq!(sums[i], terms.fold(0, |sum, term| sum ^ term), "{level:?}, {i} of {len}");
                }
                assert_eq!(sums[len..], blocks[len..len * places], "{level:?}: the other places stay");
            }
        }
    }
}
