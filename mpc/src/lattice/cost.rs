//! What products by encryption send.

use super::keys::{KeyLimbs, key_bytes};
use super::product::HEAD_BYTES;
use super::ring::LIMB_BYTES;
use super::tables::Carrier;

impl Carrier {
    /// Limbs of a ciphertext.
    pub(crate) fn limbs(&self) -> usize {
        self.set.limbs
    }

    /// Bytes of the encrypted operands of a batch.
    pub(crate) fn sent_up(&self, operands: usize) -> usize {
        HEAD_BYTES + operands * self.groups.len() * self.set.limbs * LIMB_BYTES
    }

    /// Bytes of the answer to a batch.
    pub(crate) fn sent_down(&self) -> usize {
        2 * self.groups.len() * self.set.kept * LIMB_BYTES
    }
}

/// Bytes of each party's public key.
pub fn keys(limbs: KeyLimbs) -> [u64; 2] {
    limbs.0.map(|limbs| key_bytes(limbs) as u64)
}
