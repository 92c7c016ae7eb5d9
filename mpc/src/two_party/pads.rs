//! Ring words from the messages of random transfers.

use std::sync::LazyLock;

use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

use crate::prg::{BATCH, as_blocks};
use crate::ring::Ring;

/// The permutation: AES under a public key. A message is uniform, secret to one party and used once, so the blocks
/// `P(m ^ t) ^ m ^ t` under tweaks `t` that never repeat are pseudorandom in the ideal-permutation model.
static PERMUTATION: LazyLock<Aes128Enc> = LazyLock::new(|| Aes128Enc::new(&Array(*b"tacit/mpc/pads/1")));

/// How many tweaks `messages` of `columns` words take.
pub(super) fn tweaks<R: Ring>(messages: usize, columns: usize) -> u128 {
    if direct::<R>(columns) { 0 } else { messages as u128 * blocks::<R>(columns) as u128 }
}

/// Appends `columns` words for each message, message by message.
pub(super) fn expand<R: Ring>(messages: &[u128], columns: usize, first_tweak: u128, pads: &mut Vec<R>) {
    let per_block = (128 / R::BITS) as usize;
    if columns == 1 {
        return pads.extend(messages.iter().map(|&message| R::from_u128(message)));
    }
    if direct::<R>(columns) {
        let words = |&message: &u128| (0..columns as u32).map(move |j| R::from_u128(message >> (R::BITS * j)));
        return pads.extend(messages.iter().flat_map(words));
    }
    let mut tweak = first_tweak;
    let mut batch = Vec::new();
    let blocks = blocks::<R>(columns);
    for group in messages.chunks(BATCH.div_ceil(blocks)) {
        batch.clear();
        for &message in group {
            batch.extend((0..blocks).map(|block| message ^ (tweak + block as u128)));
            tweak += blocks as u128;
        }
        hash(&mut batch);
        for message in batch.chunks(blocks) {
            pads.extend(
                (0..columns).map(|j| R::from_u128(message[j / per_block] >> (R::BITS as usize * (j % per_block)))),
            );
        }
    }
}

fn direct<R: Ring>(columns: usize) -> bool {
    columns * R::BITS as usize <= 128
}

fn blocks<R: Ring>(columns: usize) -> usize {
    (columns * R::BITS as usize).div_ceil(128)
}

/// Replaces each block by the permutation of it, plus itself.
fn hash(blocks: &mut [u128]) {
    let mut inputs = [0; BATCH];
    for batch in blocks.chunks_mut(BATCH) {
        let inputs = &mut inputs[..batch.len()];
        inputs.copy_from_slice(batch);
        PERMUTATION.encrypt_blocks(as_blocks(batch));
        for (output, input) in batch.iter_mut().zip(inputs) {
            *output ^= *input;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_word_repeats_within_or_between_equal_messages() {
        let messages = [7u128; 300];
        for columns in [3, 64, 129] {
            let mut pads: Vec<u64> = Vec::new();
            expand(&messages, columns, 0, &mut pads);
            assert_eq!(pads.len(), 300 * columns);
            assert_eq!(pads.iter().collect::<HashSet<_>>().len(), pads.len());
        }
    }

    #[test]
    fn short_pads_are_the_message_itself() {
        let mut pads: Vec<u64> = Vec::new();
        expand(&[(3 << 64) | 2], 2, 9, &mut pads);
        assert_eq!(pads, [2, 3]);
        let mut pads: Vec<u128> = Vec::new();
        expand(&[5], 1, 9, &mut pads);
        assert_eq!(pads, [5]);
        assert_eq!(tweaks::<u64>(10, 2), 0);
        assert_eq!(tweaks::<u64>(10, 3), 20);
    }
}
