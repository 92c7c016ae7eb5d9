//! What products by encryption send.

use super::keys::{KeySize, KeySizes};
use super::product::HEAD_BYTES;
use super::ring::LIMB_BYTES;
use super::tables::Carrier;

impl Carrier {
    /// The key that the encryptor has to have sent.
    pub(crate) fn key_size(&self) -> KeySize {
        KeySize { limbs: self.set.limbs, ..KeySize::default() }
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
pub fn keys(sizes: KeySizes) -> [u64; 2] {
    sizes.0.map(|size| size.bytes() as u64)
}
