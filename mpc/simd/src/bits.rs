//! One bit of each block, packed.

use crate::Level;

/// Bit `place` (below 64) of each block, packed into `into`, 64 to a word, the first lowest; unused high bits are 0.
///
/// # Panics
/// If `into` has fewer words than it takes, or `place` is 64 or more.
pub fn pack_bits(level: Level, blocks: &[u128], place: u32, into: &mut [u64]) {
    assert!(place < 64 && into.len() >= blocks.len().div_ceil(64), "a word for 64 blocks");
    let (groups, rest) = blocks.as_chunks::<64>();
    match level.or_portable() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => {
            for (word, group) in into.iter_mut().zip(groups) {
                // SAFETY: both levels have AVX2, and `or_portable` found it.
                *word = unsafe { crate::v256::pack_bits(group, place) };
            }
        }
        _ => {
            for (word, group) in into.iter_mut().zip(groups) {
                *word = pack_portable(group, place);
            }
        }
    }
    if !rest.is_empty() {
        into[groups.len()] = pack_portable(rest, place);
    }
}

pub(crate) fn pack_portable(blocks: &[u128], place: u32) -> u64 {
    blocks.iter().enumerate().fold(0, |word, (i, block)| word | ((*block as u64) >> place & 1) << i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_packs_the_bit_asked_for() {
        let blocks: Vec<u128> =
            (0..200u128).map(|i| (i + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15_1234_5678_9abc_def1)).collect();
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            for (n, place) in [(0, 0), (1, 0), (64, 1), (65, 63), (200, 5)] {
                let mut words = vec![u64::MAX; usize::div_ceil(n, 64)];
                pack_bits(level, &blocks[..n], place, &mut words);
                for i in 0..64 * words.len() {
                    let expected = if i < n { blocks[i] as u64 >> place & 1 } else { 0 };
                    assert_eq!(words[i / 64] >> (i % 64) & 1, expected, "{level:?}, bit {i} of {n}");
                }
            }
        }
    }
}
