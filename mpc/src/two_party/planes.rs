//! Words to bit planes: plane `j` holds bit `j` of every element, packed.

use crate::ring::Ring;

/// The low `count` planes of the words.
pub(super) fn planes<R: Ring>(words: &[R], count: u32) -> Vec<Vec<u64>> {
    let blocks = words.len().div_ceil(64);
    let mut planes = vec![vec![0; blocks]; count as usize];
    let mut square = [0u64; 64];
    for (block, chunk) in words.chunks(64).enumerate() {
        for half in 0..count.div_ceil(64) {
            square.fill(0);
            for (row, word) in square.iter_mut().zip(chunk) {
                *row = (word.to_u128() >> (64 * half)) as u64;
            }
            transpose(&mut square);
            let from = 64 * half as usize;
            for (plane, &column) in planes[from..].iter_mut().zip(&square) {
                plane[block] = column;
            }
        }
    }
    planes
}

/// Transposes a 64 by 64 matrix of bits: bit `j` of row `i` becomes bit `i` of row `j`.
fn transpose(rows: &mut [u64; 64]) {
    let mut step = 32;
    let mut mask = 0x0000_0000_ffff_ffff_u64;
    while step > 0 {
        for low in (0..64).filter(|row| row & step == 0) {
            let high = low + step;
            let swap = (rows[low] >> step ^ rows[high]) & mask;
            rows[high] ^= swap;
            rows[low] ^= swap << step;
        }
        step /= 2;
        mask ^= mask << step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_hold_the_bits_of_the_words() {
        let words: Vec<u128> =
            (1..=130u128).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).collect();
        for count in [1, 5, 64, 65, 128] {
            let planes = planes(&words, count);
            assert_eq!(planes.len(), count as usize);
            for (place, plane) in planes.iter().enumerate() {
                for (element, word) in words.iter().enumerate() {
                    assert_eq!(plane[element / 64] >> (element % 64) & 1, (word >> place & 1) as u64);
                }
            }
        }
    }
}
