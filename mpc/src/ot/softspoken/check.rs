//! The consistency check of the subspace VOLE: a universal hash of each column, under a challenge that depends on the
//! correction that the receiver sent.
//!
//! *Source*: ePrint 2022/192 §4, with the polynomial hash POLYVAL (RFC 8452) as the linear universal family. The last
//! block of a batch is given up: it masks the hash, for its coefficient is the challenge itself.

use polyval::universal_hash::UniversalHash;
use polyval::{Block, Key, Polyval};
use subtle::ConstantTimeEq;

use super::BLOCK;
use crate::hash::domain_hash;

/// Bytes of the receiver's answer: the hash of its choices and of each column.
pub(super) const ANSWER_BYTES: usize = 16 * (1 + BLOCK);

/// The challenge of a batch.
pub(super) struct Challenge(Polyval);

impl Challenge {
    /// What the correction determines, in a session and direction (`context`) and for the batch that starts at row
    /// `start`.
    pub(super) fn new(context: &[u8; 32], start: u64, correction: &[u8]) -> Self {
        let digest = domain_hash("tacit/mpc/softspoken/challenge/1", &[context, &start.to_le_bytes(), correction]);
        let mut key = Key::default();
        key.copy_from_slice(&digest[..16]);
        Self(Polyval::new(&key))
    }

    /// The hash of a column.
    fn hash(&self, column: &[u128]) -> u128 {
        let mut hash = self.0.clone();
        hash.update(Block::cast_slice_from_core(bytemuck::cast_slice::<u128, [u8; 16]>(column)));
        u128::from_le_bytes(hash.finalize().into())
    }

    /// The receiver's answer for its choices `u` and its columns of `blocks` blocks each.
    pub(super) fn answer(&self, u: &[u128], columns: &[u128], blocks: usize) -> Vec<u8> {
        let hashes = std::iter::once(u).chain(columns.chunks_exact(blocks)).map(|column| self.hash(column));
        hashes.flat_map(u128::to_le_bytes).collect()
    }

    /// Whether an answer fits the sender's columns and offset, in constant time.
    pub(super) fn accepts(&self, answer: &[u8], columns: &[u128], blocks: usize, offset: u128) -> bool {
        let mut words = answer.chunks_exact(16).map(bytemuck::pod_read_unaligned::<u128>);
        let u = words.next().unwrap_or_default();
        let mut difference = 0;
        for (c, (claimed, column)) in words.zip(columns.chunks_exact(blocks)).enumerate() {
            let chosen = u & 0u128.wrapping_sub(offset >> c & 1);
            difference |= self.hash(column) ^ claimed ^ chosen;
        }
        answer.len() == ANSWER_BYTES && bool::from(difference.ct_eq(&0))
    }
}
