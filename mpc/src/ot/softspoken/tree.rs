//! Puncturable PRFs: 16 trees of 256 seeds, of which the peer learns all but one each, without this side learning
//! which.
//!
//! *Source*: ePrint 2022/192 §6: the GGM tree, one base OT a level, with the check against a deviating sender: each
//! leaf also yields a check value; their sum lets the other side complete its list, and a digest of all lists fixes
//! them. *Cost*: 32 B a base OT, 32 B a tree and 32 B in all.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{Error, Result};
use crate::params::{SOFTSPOKEN_FIELD_BITS as DEPTH, SOFTSPOKEN_TREES as TREES};
use crate::prg::Prg;

/// Leaves of a tree.
pub(super) const LEAVES: usize = 1 << DEPTH;

/// Bytes of the message from the side that grows the trees.
pub(super) const MESSAGE_BYTES: usize = TREES * TREE_BYTES + 32;

/// Bytes of one tree in it: two masked sums a level and the sum of the check values.
const TREE_BYTES: usize = DEPTH * 32 + 32;

/// The seeds of all trees. On the punctured side the seed at the tree's digit of the offset is 0 and unknown.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Seeds(pub(super) [[u128; LEAVES]; TREES]);

/// A leaf's check value.
type Check = [u128; 2];

/// Grows the trees from their roots. `pads[DEPTH * i + d]` are the messages of the base OT for level `d` of tree `i`.
pub(super) fn grow(session: &[u8; 32], roots: &[u128; TREES], pads: &[[u128; 2]]) -> (Seeds, Vec<u8>) {
    let mut seeds = Seeds([[0; LEAVES]; TREES]);
    let mut message = Vec::with_capacity(MESSAGE_BYTES);
    let mut digest = Sha256::new_with_prefix(session);
    for ((root, pads), seeds) in roots.iter().zip(pads.chunks_exact(DEPTH)).zip(&mut seeds.0) {
        let mut nodes = vec![*root];
        for pad in pads {
            nodes = children(&nodes);
            let [left, right] = side_sums(&nodes);
            message.extend_from_slice(bytemuck::bytes_of(&[left ^ pad[0], right ^ pad[1]]));
        }
        let mut sum = [0; 2];
        for (leaf, seed) in nodes.iter().zip(seeds) {
            let (value, check) = finish(*leaf);
            *seed = value;
            sum = xor(sum, check);
            digest.update(bytemuck::bytes_of(&check));
        }
        message.extend_from_slice(bytemuck::bytes_of(&sum));
        nodes.zeroize();
    }
    message.extend_from_slice(&digest.finalize());
    (seeds, message)
}

/// Rebuilds all but the leaf at each tree's digit of the offset. `pads[DEPTH * i + d]` is the chosen message of the
/// base OT for level `d` of tree `i`, chosen by the complement of the offset's bit (see [`choices`]).
///
/// # Errors
/// `PROTOCOL_OT_CHECK` if the trees are not consistent (CHK-601).
pub(super) fn puncture(
    session: &[u8; 32],
    offset: u128,
    pads: &[u128],
    message: &[u8; MESSAGE_BYTES],
    step: &'static str,
) -> Result<Seeds> {
    let mut seeds = Seeds([[0; LEAVES]; TREES]);
    let mut digest = Sha256::new_with_prefix(session);
    let (trees, claimed) = message.split_at(TREES * TREE_BYTES);
    for (i, ((tree, pads), seeds)) in
        trees.chunks_exact(TREE_BYTES).zip(pads.chunks_exact(DEPTH)).zip(&mut seeds.0).enumerate()
    {
        let words: [u128; TREE_BYTES / 16] = bytemuck::pod_read_unaligned(tree);
        let digit = digit(offset, i);
        let mut nodes = vec![0];
        let mut punctured = 0;
        for (level, pad) in pads.iter().enumerate() {
            // The pad opens the sum of the side that the path does not take.
            let bit = digit >> (DEPTH - 1 - level) & 1;
            let unmasked = select(bit, words[2 * level + 1], words[2 * level]) ^ pad;
            let mut next = children(&nodes);
            for (parent, pair) in next.chunks_exact_mut(2).enumerate() {
                let known = !equal(parent, punctured);
                pair[0] &= known;
                pair[1] &= known;
            }
            let [left, right] = side_sums(&next);
            let sibling = unmasked ^ select(bit, right, left);
            for (parent, pair) in next.chunks_exact_mut(2).enumerate() {
                let here = equal(parent, punctured);
                pair[0] |= sibling & here & equal(bit, 1);
                pair[1] |= sibling & here & equal(bit, 0);
            }
            punctured = 2 * punctured + bit;
            nodes.zeroize();
            nodes = next;
        }
        let mut missing = [words[2 * DEPTH], words[2 * DEPTH + 1]];
        let mut checks = [[0; 2]; LEAVES];
        for (x, (leaf, seed)) in nodes.iter().zip(seeds.iter_mut()).enumerate() {
            let known = !equal(x, digit);
            let (value, check) = finish(*leaf);
            *seed = value & known;
            checks[x] = check.map(|word| word & known);
            missing = xor(missing, checks[x]);
        }
        for (x, check) in checks.iter_mut().enumerate() {
            *check = xor(*check, missing.map(|word| word & equal(x, digit)));
            digest.update(bytemuck::bytes_of(check));
        }
        checks.zeroize();
        nodes.zeroize();
    }
    if digest.finalize().as_slice().ct_eq(claimed).into() {
        Ok(seeds)
    } else {
        Err(Error::deviation("PROTOCOL_OT_CHECK", step, "the seed trees are not consistent"))
    }
}

/// The choice bits of the base OTs for an offset: the side that a tree's path does not take, from the root on.
pub(super) fn choices(offset: u128) -> u128 {
    (0..TREES)
        .flat_map(|i| (0..DEPTH).map(move |level| (i, level)))
        .map(|(i, level)| u128::from(digit(offset, i) >> (DEPTH - 1 - level) & 1 == 0) << (DEPTH * i + level))
        .sum()
}

/// The digit of the offset that belongs to tree `i`.
fn digit(offset: u128, i: usize) -> usize {
    (offset >> (DEPTH * i)) as usize % LEAVES
}

fn children(nodes: &[u128]) -> Vec<u128> {
    nodes.iter().flat_map(|node| Prg::new(*node).draw::<2>()).collect()
}

/// The seed and the check value of a leaf.
fn finish(leaf: u128) -> (u128, Check) {
    let [seed, a, b] = Prg::new(leaf).draw();
    (seed, [a, b])
}

fn side_sums(nodes: &[u128]) -> [u128; 2] {
    nodes.chunks_exact(2).fold([0; 2], |sums, pair| xor(sums, [pair[0], pair[1]]))
}

fn xor(a: [u128; 2], b: [u128; 2]) -> [u128; 2] {
    [a[0] ^ b[0], a[1] ^ b[1]]
}

/// All ones if the numbers are equal, else 0, in constant time.
fn equal(a: usize, b: usize) -> u128 {
    0u128.wrapping_sub(u128::from(a.ct_eq(&b).unwrap_u8()))
}

/// `if_one` or `if_zero`, in constant time.
fn select(bit: usize, if_zero: u128, if_one: u128) -> u128 {
    if_zero ^ ((if_zero ^ if_one) & equal(bit, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: [u8; 32] = [5; 32];

    fn grown(offset: u128) -> (Seeds, Vec<u8>, Vec<u128>) {
        let mut pads = vec![[0; 2]; TREES * DEPTH];
        Prg::new(11).fill(bytemuck::cast_slice_mut(&mut pads));
        let (seeds, message) = grow(&SESSION, &Prg::new(12).draw(), &pads);
        let choices = choices(offset);
        let chosen = pads.iter().enumerate().map(|(i, pad)| pad[(choices >> i) as usize & 1]).collect();
        (seeds, message, chosen)
    }

    fn message(bytes: &[u8]) -> [u8; MESSAGE_BYTES] {
        bytes.try_into().expect("the message has its length")
    }

    #[test]
    fn the_punctured_side_learns_all_leaves_but_its_digit() {
        let offset = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
        let (full, sent, chosen) = grown(offset);
        let punctured = puncture(&SESSION, offset, &chosen, &message(&sent), "test").expect("honest");
        for i in 0..TREES {
            for x in 0..LEAVES {
                let expected = if x == digit(offset, i) { 0 } else { full.0[i][x] };
                assert_eq!(punctured.0[i][x], expected, "tree {i}, leaf {x}");
            }
        }
    }

    // CHK-601
    #[test]
    fn a_changed_byte_is_found_unless_this_side_does_not_use_it() {
        let offset = 0x9999_4567_89ab_cdef_fedc_ba98_7654_3210;
        let (full, sent, chosen) = grown(offset);
        for at in 0..sent.len() {
            let mut spoilt = message(&sent);
            spoilt[at] ^= 0x10;
            match puncture(&SESSION, offset, &chosen, &spoilt, "test") {
                Err(error) => assert_eq!(error.code().as_str(), "PROTOCOL_OT_CHECK"),
                Ok(seeds) => {
                    // Only the half of a level that the base OT did not open: nothing of it reached the seeds.
                    assert!(at % TREE_BYTES < DEPTH * 32 && at < TREES * TREE_BYTES);
                    assert!((0..TREES).all(|i| (0..LEAVES).all(|x| [0, full.0[i][x]].contains(&seeds.0[i][x]))));
                }
            }
        }
    }
}
