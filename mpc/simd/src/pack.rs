//! Words of fewer bits than 64, packed: 64 rows of eight words into as many rows as a word has bits.
//!
//! The words of a column are packed one behind the other, so that a register holds a row and shifts by one number.

use crate::Level;

/// Words of a row.
const ROW: usize = 8;

/// Words that are packed together: their number is a multiple of it.
pub const PACKED: usize = 64 * ROW;

/// Packs the low `bits` bits of words, whose other bits are 0.
///
/// # Panics
/// If the words are no multiple of [`PACKED`], `bits` is not from 1 to 63, or the room is not what they take.
pub fn pack(level: Level, bits: u32, words: &[u64], into: &mut [u8]) {
    check(bits, words.len(), into.len());
    pack_to(level, bits, words, into);
}

/// The words that [`pack`] packed.
///
/// # Panics
/// As [`pack`].
pub fn unpack(level: Level, bits: u32, from: &[u8], words: &mut [u64]) {
    check(bits, words.len(), from.len());
    unpack_from(level, bits, from, words);
}

fn check(bits: u32, words: usize, bytes: usize) {
    assert!((1..64).contains(&bits) && words.is_multiple_of(PACKED), "whole blocks of words of less than 64 bits");
    assert_eq!(bytes, words * bits as usize / 8, "bytes for so many bits");
}

/// Defines the dispatch of a kernel that the compiler makes for each level.
macro_rules! on_levels {
    (fn $name:ident($($arg:ident: $type:ty),* $(,)?) = $generic:ident) => {
        fn $name(level: Level, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($arg: $type),*) {
                $generic($($arg),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2")]
            fn avx512($($arg: $type),*) {
                $generic($($arg),*);
            }

            match level.or_portable() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `or_portable` found the level.
                Level::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Level::Avx512 => unsafe { avx512($($arg),*) },
                _ => $generic($($arg),*),
            }
        }
    };
}

#[inline(always)]
fn pack_on(bits: u32, words: &[u64], into: &mut [u8]) {
    let blocks = words.as_chunks::<PACKED>().0.iter().zip(into.chunks_exact_mut(PACKED / 8 * bits as usize));
    for (block, into) in blocks {
        let (into, _) = into.as_chunks_mut::<8>();
        let (mut row, mut filled, mut done) = ([0_u64; ROW], 0, 0);
        for words in block.as_chunks::<ROW>().0 {
            for (row, word) in row.iter_mut().zip(words) {
                *row |= word << filled;
            }
            filled += bits;
            if filled >= 64 {
                filled -= 64;
                for (into, row) in into[done..done + ROW].iter_mut().zip(&row) {
                    *into = row.to_le_bytes();
                }
                done += ROW;
                for (row, word) in row.iter_mut().zip(words) {
                    *row = word >> (bits - filled);
                }
            }
        }
    }
}
on_levels!(fn pack_to(bits: u32, words: &[u64], into: &mut [u8]) = pack_on);

#[inline(always)]
fn unpack_on(bits: u32, from: &[u8], words: &mut [u64]) {
    let mask = (1 << bits) - 1;
    let blocks = words.as_chunks_mut::<PACKED>().0.iter_mut().zip(from.chunks_exact(PACKED / 8 * bits as usize));
    for (block, from) in blocks {
        let (from, _) = from.as_chunks::<8>();
        let (mut row, mut used, mut taken) = ([0_u64; ROW], 64, 0);
        for words in block.as_chunks_mut::<ROW>().0 {
            // What is left of the row before are the low bits.
            let low = if used < 64 { row.map(|row| row >> used) } else { [0; ROW] };
            if used + bits <= 64 {
                *words = low.map(|low| low & mask);
                used += bits;
                continue;
            }
            for (row, from) in row.iter_mut().zip(&from[taken..taken + ROW]) {
                *row = u64::from_le_bytes(*from);
            }
            taken += ROW;
            for (word, (low, row)) in words.iter_mut().zip(low.iter().zip(&row)) {
                *word = (low | row << (64 - used)) & mask;
            }
            used = used + bits - 64;
        }
    }
}
on_levels!(fn unpack_from(bits: u32, from: &[u8], words: &mut [u64]) = unpack_on);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_packs_alike_and_gets_the_words_back() {
        for bits in [1, 7, 32, 46, 63] {
            let words: Vec<u64> =
                (1..=2 * PACKED as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)).collect();
            let mut expected = vec![0; words.len() * bits as usize / 8];
            pack(Level::Portable, bits, &words, &mut expected);
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                let mut packed = vec![0xff; expected.len()];
                pack(level, bits, &words, &mut packed);
                assert_eq!(packed, expected, "{level:?}, {bits} bits");
                let mut unpacked = vec![0; words.len()];
                unpack(level, bits, &packed, &mut unpacked);
                assert_eq!(unpacked, words, "{level:?}, {bits} bits");
            }
        }
    }
}
