//! Transposes columns of bits into rows of 128 bits, in plain word operations that compilers vectorise.

use super::BLOCK;

/// Blocks that are transposed together, so that each word operation works on a lane of them.
pub(super) const TILE: usize = 4;

/// The rows of `TILE` blocks from block `first` on, of 128 columns of `blocks` blocks each: row `j` of block `l` is
/// entry `128 * l + j`, and its bit `c` is bit `j` of column `c`.
pub(super) fn rows(columns: &[u128], blocks: usize, first: usize, into: &mut [u128; TILE * BLOCK]) {
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
fn swap_quarters(lanes: &mut [[u64; 2 * TILE]; BLOCK]) {
    let (upper, lower) = lanes.split_at_mut(64);
    for (upper, lower) in upper.iter_mut().zip(lower) {
        for l in 0..TILE {
            std::mem::swap(&mut upper[2 * l + 1], &mut lower[2 * l]);
        }
    }
}

/// One level of the recursive transposition of 64 x 64 bits: exchanges the off-diagonal `WIDTH` x `WIDTH` squares.
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
    use crate::prg::Prg;

    #[test]
    fn row_bits_are_column_bits() {
        let blocks = TILE + 3;
        let mut columns = vec![0; BLOCK * blocks];
        Prg::new(1).fill(&mut columns);
        let mut out = [0; TILE * BLOCK];
        rows(&columns, blocks, 2, &mut out);
        for l in 0..TILE {
            for j in 0..BLOCK {
                for c in 0..BLOCK {
                    assert_eq!(out[BLOCK * l + j] >> c & 1, columns[c * blocks + 2 + l] >> j & 1);
                }
            }
        }
    }
}
