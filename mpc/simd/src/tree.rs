//! One level of a GGM tree in the half-tree shape: a node `x` has the children `H(x)` and `x ⊕ H(x)`.
//!
//! `H(x) = π(σ(x)) ⊕ σ(x)` with `σ(a ‖ b) = (a ⊕ b) ‖ a` on the halves, high half first, and `π` AES-128 under a public
//! key: circular correlation-robust in the ideal-permutation model (Guo, Katz, Wang, Yu, ePrint 2019/074, §7.3).

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Block};

use crate::Level;

/// Blocks handed to the cipher in one call of the portable twins.
pub(crate) const BATCH: usize = 64;

/// A public AES-128 key, expanded.
#[derive(Clone)]
pub struct Key {
    cipher: Aes128Enc,
    #[cfg(target_arch = "x86_64")]
    pub(crate) rounds: [u128; 11],
    pub(crate) level: Level,
}

impl Key {
    /// The key for kernels of a level.
    pub fn new(level: Level, key: u128) -> Self {
        let level = level.or_portable();
        let cipher = Aes128Enc::new(&key.to_le_bytes().into());
        Self {
            cipher,
            #[cfg(target_arch = "x86_64")]
            rounds: if level == Level::Portable {
                [0; 11]
            } else {
                // SAFETY: every level but the portable one has AES-NI, and `or_portable` found it.
                unsafe { crate::v256::round_keys(key) }
            },
            level,
        }
    }

    /// Encrypts blocks in place, portably.
    pub(crate) fn encrypt(&self, blocks: &mut [u128]) {
        self.cipher.encrypt_blocks(Block::cast_slice_from_core_mut(bytemuck::cast_slice_mut::<u128, [u8; 16]>(blocks)));
    }

    /// `H(0)`: what a node that is not known and kept as 0 has for each child.
    pub fn hash_of_zero(&self) -> u128 {
        let mut block = [0];
        self.encrypt(&mut block);
        block[0]
    }
}

/// Replaces the first `parents` nodes by their `2 * parents` children, in place, and tells the sum of the left ones.
///
/// # Panics
/// If `nodes` has fewer than `2 * parents` or 128 elements, or `parents` is not a power of two.
pub fn expand(key: &Key, nodes: &mut [u128], parents: usize) -> u128 {
    assert!(parents.is_power_of_two() && nodes.len() >= 2 * parents && nodes.len() >= 128, "room for the children");
    match key.level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the key's level is available, or it would be the portable one.
        Level::Avx2 => unsafe { crate::v256::expand(&key.rounds, nodes, parents) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { crate::v512::expand(&key.rounds, nodes, parents) },
        _ => expand_portable(key, nodes, parents),
    }
}

fn expand_portable(key: &Key, nodes: &mut [u128], parents: usize) -> u128 {
    let mut sum = 0;
    let mut inputs = [0u128; BATCH];
    let mut outputs = [0u128; BATCH];
    // Backwards, so that children overwrite parents that are done.
    for first in (0..parents).step_by(BATCH).rev() {
        let count = BATCH.min(parents - first);
        let (inputs, outputs) = (&mut inputs[..count], &mut outputs[..count]);
        for ((input, output), node) in inputs.iter_mut().zip(outputs.iter_mut()).zip(&nodes[first..]) {
            *input = *node;
            *output = sigma(*node);
        }
        key.encrypt(outputs);
        for ((output, input), children) in outputs.iter().zip(inputs.iter()).zip(nodes[2 * first..].chunks_exact_mut(2))
        {
            let left = output ^ sigma(*input);
            sum ^= left;
            children[0] = left;
            children[1] = left ^ input;
        }
    }
    sum
}

/// The linear orthomorphism.
fn sigma(x: u128) -> u128 {
    x.rotate_left(64) ^ (x >> 64 << 64)
}

/// Keeps the bits of `keep` in every node and adds `difference` to the pair of nodes `2 * pair` and `2 * pair + 1`.
/// Which pair it is stays secret: all nodes are read and written.
pub fn flip_pair(level: Level, nodes: &mut [u128], pair: usize, difference: [u128; 2], keep: u128) {
    match level.or_portable() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `or_portable` found the level.
        Level::Avx2 => unsafe { crate::v256::flip_pair(nodes, pair, difference, keep) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { crate::v512::flip_pair(nodes, pair, difference, keep) },
        _ => flip_pair_portable(nodes, pair, difference, keep),
    }
}

fn flip_pair_portable(nodes: &mut [u128], pair: usize, difference: [u128; 2], keep: u128) {
    for (i, nodes) in nodes.chunks_exact_mut(2).enumerate() {
        // All ones where the numbers are equal, without a comparison that might become a branch.
        let apart = (i ^ pair) as u128;
        let here = std::hint::black_box(apart).wrapping_sub(1) >> 64;
        let mask = here | here << 64;
        nodes[0] = nodes[0] & keep ^ difference[0] & mask;
        nodes[1] = nodes[1] & keep ^ difference[1] & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(n: usize) -> Vec<u128> {
        (0..n as u128).map(|i| (i + 11).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).collect()
    }

    #[test]
    fn children_are_the_hash_and_the_rest_of_the_parent_at_every_level() {
        let key = Key::new(Level::Portable, 77);
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            let fast = Key::new(level, 77);
            for parents in [2, 4, 16, 32, 64, 256, 1024] {
                let before = nodes(2048);
                let mut after = before.clone();
                let sum = expand(&fast, &mut after, parents);
                let mut left = 0;
                for (parent, children) in before[..parents].iter().zip(after.chunks(2)) {
                    let mut hash = [sigma(*parent)];
                    key.encrypt(&mut hash);
                    assert_eq!(children[0], hash[0] ^ sigma(*parent), "{level:?} {parents}");
                    assert_eq!(children[1], children[0] ^ parent);
                    left ^= children[0];
                }
                assert_eq!(sum, left);
            }
        }
    }

    #[test]
    fn sigma_and_what_it_adds_to_the_identity_are_permutations() {
        // A linear map is one if its matrix has full rank.
        let rank = |map: fn(u128) -> u128| {
            let mut rows: Vec<u128> = (0..128).map(|i| map(1 << i)).collect();
            (0..128)
                .filter(|bit| {
                    let Some(at) = rows.iter().position(|row| row >> bit & 1 == 1) else { return false };
                    let pivot = rows.swap_remove(at);
                    rows.iter_mut().filter(|row| **row >> bit & 1 == 1).for_each(|row| *row ^= pivot);
                    true
                })
                .count()
        };
        assert_eq!(rank(sigma), 128);
        assert_eq!(rank(|x| sigma(x) ^ x), 128);
    }

    #[test]
    fn one_pair_is_flipped_and_no_other_at_every_level() {
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            for (n, pair) in [(2, 0), (4, 0), (4, 1), (128, 0), (128, 1), (128, 63)] {
                let before = nodes(n);
                let mut after = before.clone();
                flip_pair(level, &mut after, pair, [5, 9 << 70], !1);
                for i in 0..n {
                    let difference = if i / 2 == pair { [5, 9 << 70][i % 2] } else { 0 };
                    assert_eq!(after[i], before[i] & !1 ^ difference);
                }
            }
        }
    }
}
