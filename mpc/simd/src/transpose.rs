//! Transposes columns of bits into rows of 128 bits, in plain word operations that compilers vectorise to the width of
//! the level.

use crate::Level;

/// Rows and columns of a block.
const BLOCK: usize = 128;

/// Blocks that are transposed together, so that each word operation works on a lane of them.
pub const TILE: usize = 4;

/// The rows of [`TILE`] blocks from block `first` on, of 128 columns of `blocks` blocks each: row `j` of block `l` is
/// entry `128 * l + j`, and its bit `c` is bit `j` of column `c`.
///
/// # Panics
/// If there are fewer columns or blocks than that, or `into` has another length than `128 * TILE`.
pub fn transpose(level: Level, columns: &[u128], blocks: usize, first: usize, into: &mut [u128]) {
    assert!(columns.len() == BLOCK * blocks && into.len() == BLOCK * TILE, "128 columns, and room for the rows");
    match level.or_portable() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both levels have AVX2, and `or_portable` found it.
        Level::Avx2 | Level::Avx512 => unsafe { crate::v256::transpose(columns, blocks, first, into) },
        _ => transpose_portable(columns, blocks, first, into),
    }
}

#[inline(always)]
pub(crate) fn transpose_portable(columns: &[u128], blocks: usize, first: usize, into: &mut [u128]) {
    let mut lanes = [[0u64; 2 * TILE]; BLOCK];
    for (lane, column) in lanes.iter_mut().zip(columns.chunks_exact(blocks)) {
        lane.copy_from_slice(bytemuck::cast_slice(&column[first..first + TILE]));
    }
    swap_quarters(&mut lanes);
    for half in lanes.chunks_exact_mut(64) {
        swap_bits::<32>(half, 0x0000_0000_ffff_ffff);
        swap_bits::<16>(half, 0x0000_ffff_0000_ffff);
        swap_bits::<8>(half, 0x00ff_00ff_00ff_00ff);
        swap_bits::<4>(half, 0x0f0f_0f0f_0f0f_0f0f);
        swap_bits::<2>(half, 0x3333_3333_3333_3333);
        swap_bits::<1>(half, 0x5555_5555_5555_5555);
    }
    for (j, lane) in lanes.iter().enumerate() {
        for (l, row) in bytemuck::cast_slice::<u64, [u64; 2]>(lane).iter().enumerate() {
            into[BLOCK * l + j] = bytemuck::cast(*row);
        }
    }
}

/// Exchanges the high words of the first 64 rows with the low words of the last 64.
#[inline(always)]
fn swap_quarters(lanes: &mut [[u64; 2 * TILE]; BLOCK]) {
    let (upper, lower) = lanes.split_at_mut(64);
    for (upper, lower) in upper.iter_mut().zip(lower) {
        for l in 0..TILE {
            std::mem::swap(&mut upper[2 * l + 1], &mut lower[2 * l]);
        }
    }
}

/// One level of the recursive transposition of 64 x 64 bits: exchanges the off-diagonal `WIDTH` x `WIDTH` squares.
#[inline(always)]
fn swap_bits<const WIDTH: usize>(rows: &mut [[u64; 2 * TILE]], mask: u64) {
    for pair in rows.chunks_exact_mut(2 * WIDTH) {
        let (upper, lower) = pair.split_at_mut(WIDTH);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            for (a, b) in upper.iter_mut().zip(lower) {
                let swap = ((*a >> WIDTH) ^ *b) & mask;
                *b ^= swap;
                *a ^= swap << WIDTH;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_bits_are_column_bits_at_every_level() {
        let blocks = TILE + 3;
        let columns: Vec<u128> = (0..(BLOCK * blocks) as u128)
            .map(|i| (i + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
            .collect();
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            let mut out = [0; TILE * BLOCK];
            transpose(level, &columns, blocks, 2, &mut out);
            for l in 0..TILE {
                for j in 0..BLOCK {
                    for c in 0..BLOCK {
                        assert_eq!(out[BLOCK * l + j] >> c & 1, columns[c * blocks + 2 + l] >> j & 1);
                    }
                }
            }
        }
    }
}
