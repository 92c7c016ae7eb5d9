//! Products of matrices of ring words, modulo `2^64` and `2^128`.
//!
//! One tiled loop for both words and all levels: columns of the right factor are copied together into panels that stay in
//! the first-level cache, and a few rows by a few columns of sums stay in registers. The compiler vectorises it to the
//! width of the level.

use crate::Level;

/// Rows of the left factor whose sums are kept together.
const ROWS: usize = 4;

/// Columns of a panel.
const COLUMNS: usize = 8;

/// Rows of a panel: 16 KiB of 64-bit words.
const DEPTH: usize = 256;

/// The shape of a product: `rows x inner` times `inner x columns`, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the left factor and of the product.
    pub rows: usize,
    /// Columns of the left factor, rows of the right one.
    pub inner: usize,
    /// Columns of the right factor and of the product.
    pub columns: usize,
}

macro_rules! product {
    ($name:ident, $word:ty, $portable:ident, $avx2:ident, $avx512:ident, $rows_of:ident) => {
        #[doc = concat!("The product of matrices of `", stringify!($word), "`, in its ring.")]
        ///
        /// # Panics
        /// If a length is not that of the shape.
        pub fn $name(level: Level, a: &[$word], b: &[$word], shape: Shape) -> Vec<$word> {
            let Shape { rows, inner, columns } = shape;
            assert!(a.len() == rows * inner && b.len() == inner * columns, "factors of the shape");
            let mut into = vec![0; rows * columns];
            match level.or_portable() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `or_portable` found the level.
                Level::Avx2 => unsafe { $avx2(a, b, shape, &mut into) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Level::Avx512 => unsafe { $avx512(a, b, shape, &mut into) },
                _ => $portable(a, b, shape, &mut into),
            }
            into
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn $avx2(a: &[$word], b: &[$word], shape: Shape, into: &mut [$word]) {
            $portable(a, b, shape, into);
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2")]
        fn $avx512(a: &[$word], b: &[$word], shape: Shape, into: &mut [$word]) {
            $portable(a, b, shape, into);
        }

        #[inline(always)]
        fn $portable(a: &[$word], b: &[$word], shape: Shape, into: &mut [$word]) {
            let Shape { rows, inner, columns } = shape;
            let mut panel = [[0; COLUMNS]; DEPTH];
            for left in (0..columns).step_by(COLUMNS) {
                let width = COLUMNS.min(columns - left);
                for upper in (0..inner).step_by(DEPTH) {
                    let depth = DEPTH.min(inner - upper);
                    for (i, panel) in panel[..depth].iter_mut().enumerate() {
                        let from = (upper + i) * columns + left;
                        panel[..width].copy_from_slice(&b[from..from + width]);
                    }
                    let panel = &panel[..depth];
                    let mut row = 0;
                    while row < rows {
                        let taken = if rows - row >= ROWS { ROWS } else { 1 };
                        let part = |r: usize| &a[(row + r) * inner + upper..][..depth];
                        let mut sums = [[0; COLUMNS]; ROWS];
                        if taken == ROWS {
                            sums = $rows_of([part(0), part(1), part(2), part(3)], panel);
                        } else {
                            [sums[0]] = $rows_of([part(0)], panel);
                        }
                        for (r, sums) in sums[..taken].iter().enumerate() {
                            let to = (row + r) * columns + left;
                            for (into, sum) in into[to..to + width].iter_mut().zip(sums) {
                                *into = into.wrapping_add(*sum);
                            }
                        }
                        row += taken;
                    }
                }
            }
        }

        /// The products of some rows by a panel.
        #[inline(always)]
        fn $rows_of<const N: usize>(rows: [&[$word]; N], panel: &[[$word; COLUMNS]]) -> [[$word; COLUMNS]; N] {
            let mut sums = [[0 as $word; COLUMNS]; N];
            for (i, panel) in panel.iter().enumerate() {
                for (row, sums) in rows.iter().zip(&mut sums) {
                    let factor = row[i];
                    for (sum, word) in sums.iter_mut().zip(panel) {
                        *sum = sum.wrapping_add(factor.wrapping_mul(*word));
                    }
                }
            }
            sums
        }
    };
}

product!(multiply_u64, u64, portable_u64, avx2_u64, avx512_u64, rows_of_u64);
product!(multiply_u128, u128, portable_u128, avx2_u128, avx512_u128, rows_of_u128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition_at_every_level_and_shape() {
        let words: Vec<u128> =
            (0..600 * 20u128).map(|i| (i + 9).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).collect();
        for (rows, inner, columns) in
            [(1, 1, 1), (0, 3, 2), (2, 0, 3), (3, 7, 5), (4, 8, 8), (5, 257, 9), (13, 600, 17)]
        {
            let (a, b) = (&words[..rows * inner], &words[words.len() - inner * columns..]);
            let entry = |i: usize, j: usize| {
                (0..inner).fold(0u128, |sum, k| sum.wrapping_add(a[i * inner + k].wrapping_mul(b[k * columns + j])))
            };
            let expected: Vec<u128> =
                (0..rows * columns).map(|place| entry(place / columns, place % columns)).collect();
            let low = |words: &[u128]| words.iter().map(|word| *word as u64).collect::<Vec<u64>>();
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                let shape = Shape { rows, inner, columns };
                assert_eq!(multiply_u128(level, a, b, shape), expected, "{level:?} {shape:?}");
                assert_eq!(multiply_u64(level, &low(a), &low(b), shape), low(&expected), "{level:?} {shape:?}");
            }
        }
    }
}
