//! Columns from seeds: the small-field VOLE of each tree, and the subspace VOLE of all.
//!
//! *Source*: ePrint 2022/192 §3.1. The side with all seeds `r_x` has `u = Σ r_x` and `v = Σ x·r_x`; the side
//! without the seed at its digit `Δ` has `w = Σ (x + Δ)·r_x`, in which the missing term has the coefficient 0, so
//! that `w = v + Δ·u`. Over a binary field, bit `b` of a sum with coefficients is the sum of those terms whose
//! coefficient has bit `b`: both sides run the same code, the second on seeds whose places are shifted by `Δ`.

use std::sync::Arc;

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::{Zeroize, Zeroizing};

use super::tree::{LEAVES, Seeds};
use crate::params::{SOFTSPOKEN_FIELD_BITS as BITS, SOFTSPOKEN_TREES as TREES};
use crate::prg::as_blocks;

/// Blocks of a seed's stream made at a time: what a tree works on stays in the second-level cache, and the rounds of a
/// cipher serve several vectors. Eight at a time took twice as long.
const TILE: usize = 32;

/// Expanders of all trees; `None` where the seed is unknown.
pub(super) type Ciphers = Vec<[Option<Aes128Enc>; LEAVES]>;

/// The streams of all trees, at one place in them.
pub(super) struct Vole {
    ciphers: Arc<Ciphers>,
    next_block: u128,
}

/// What a batch expands to: the sum of each tree's streams (meaningless on the punctured side) and the 128 columns.
pub(super) struct Expansion {
    pub(super) sums: Zeroizing<Vec<u128>>,
    pub(super) columns: Zeroizing<Vec<u128>>,
}

impl Vole {
    /// The streams of a part of them: parts are as long as no session gets.
    pub(super) fn at(ciphers: Arc<Ciphers>, part: u64) -> Self {
        Self { ciphers, next_block: u128::from(part) << 64 }
    }

    /// For the side that knows all seeds.
    pub(super) fn full(seeds: &Seeds) -> Arc<Ciphers> {
        Arc::new(seeds.0.iter().map(|tree| std::array::from_fn(|x| Some(cipher(tree[x])))).collect())
    }

    /// For the side that lacks the seed at each digit of its offset.
    pub(super) fn punctured(mut seeds: Seeds, offset: u128) -> Arc<Ciphers> {
        for (i, tree) in seeds.0.iter_mut().enumerate() {
            for bit in 0..BITS {
                swap_places(tree, bit, offset >> (BITS * i + bit) & 1);
            }
        }
        // The missing seed is at place 0 now, whatever the offset.
        Arc::new(seeds.0.iter().map(|tree| std::array::from_fn(|x| (x != 0).then(|| cipher(tree[x])))).collect())
    }

    /// The next `blocks` blocks of 128 rows.
    pub(super) fn expand(&mut self, blocks: usize) -> Expansion {
        let mut sums = Zeroizing::new(vec![0; TREES * blocks]);
        let mut columns = Zeroizing::new(vec![0; TREES * BITS * blocks]);
        let mut streams = Zeroizing::new(vec![0u128; LEAVES * TILE]);
        for ((ciphers, sum), columns) in
            self.ciphers.iter().zip(sums.chunks_exact_mut(blocks)).zip(columns.chunks_exact_mut(BITS * blocks))
        {
            for first in (0..blocks).step_by(TILE) {
                let count = TILE.min(blocks - first);
                let streams = &mut streams[..LEAVES * count];
                for (stream, cipher) in streams.chunks_exact_mut(count).zip(ciphers) {
                    fill(stream, cipher.as_ref(), self.next_block + first as u128);
                }
                for (bit, column) in columns.chunks_exact_mut(blocks).enumerate() {
                    fold(&mut streams[..(LEAVES >> bit) * count], count, &mut column[first..first + count]);
                }
                sum[first..first + count].copy_from_slice(&streams[..count]);
            }
        }
        self.next_block += blocks as u128;
        Expansion { sums, columns }
    }
}

fn cipher(seed: u128) -> Aes128Enc {
    Aes128Enc::new(&seed.to_le_bytes().into())
}

fn fill(stream: &mut [u128], cipher: Option<&Aes128Enc>, first: u128) {
    match cipher {
        Some(cipher) => {
            for (i, block) in stream.iter_mut().enumerate() {
                *block = first + i as u128;
            }
            cipher.encrypt_blocks(as_blocks(stream));
        }
        None => stream.fill(0),
    }
}

/// Adds the streams at odd places into `column`, and each to its even neighbour; the sums move to the front.
fn fold(streams: &mut [u128], count: usize, column: &mut [u128]) {
    for place in (1..streams.len() / count).step_by(2) {
        let (front, odd) = streams.split_at_mut(place * count);
        let odd = &odd[..count];
        for (column, odd) in column.iter_mut().zip(odd) {
            *column ^= odd;
        }
        let even = (place - 1) * count;
        for (even, odd) in front[even..].iter_mut().zip(odd) {
            *even ^= odd;
        }
        front.copy_within(even..even + count, even / 2);
    }
}

/// Exchanges the places that differ in `bit` if `swap` is 1, in constant time.
fn swap_places(tree: &mut [u128; LEAVES], bit: usize, swap: u128) {
    let mask = 0u128.wrapping_sub(swap);
    for x in (0..LEAVES).filter(|x| x >> bit & 1 == 0) {
        let mut difference = (tree[x] ^ tree[x | 1 << bit]) & mask;
        tree[x] ^= difference;
        tree[x | 1 << bit] ^= difference;
        difference.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prg::Prg;

    #[test]
    fn the_sides_differ_by_the_offset_times_the_sums() {
        let offset: u128 = 0xfedc_ba98_7654_3210_0123_4567_89ab_cdef;
        let mut full = Seeds([[0; LEAVES]; TREES]);
        Prg::new(3).fill(full.0.as_flattened_mut());
        let mut punctured = Seeds(full.0);
        for (i, tree) in punctured.0.iter_mut().enumerate() {
            tree[(offset >> (BITS * i)) as usize % LEAVES] = 0;
        }
        let [mut all, mut most] = [Vole::full(&full), Vole::punctured(punctured, offset)].map(|c| Vole::at(c, 7));
        for blocks in [1, 64, 65, 200] {
            let (v, w) = (all.expand(blocks), most.expand(blocks));
            for c in 0..128 {
                for t in 0..blocks {
                    let u = v.sums[c / BITS * blocks + t];
                    let at = c * blocks + t;
                    let difference = if offset >> c & 1 == 1 { u } else { 0 };
                    assert_eq!(w.columns[at], v.columns[at] ^ difference);
                    assert_ne!(v.columns[at], 0);
                }
            }
        }
    }
}
