//! What products by encryption send.

use super::keys::{KeySize, KeySizes, SEED_BYTES};
use super::ring::LIMB_BYTES;
use crate::params::SlotSet;

/// The sizes of a batch's messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// The set that carries the numbers.
    pub(super) set: &'static SlotSet,
    /// Over how many groups of slot primes they go.
    pub(super) groups: usize,
}

impl Size {
    /// For sums of products that have so many bits, as signed numbers.
    pub(crate) fn new(product_bits: u32) -> Self {
        let (set, groups) = SlotSet::for_bits(product_bits);
        Self { set, groups }
    }

    /// The key that the encryptor has to have sent.
    pub(crate) fn key_size(&self) -> KeySize {
        KeySize { limbs: self.set.limbs, ..KeySize::default() }
    }

    /// Bytes of the encrypted operands of a batch.
    pub(crate) fn sent_up(&self, operands: usize) -> usize {
        SEED_BYTES + operands * self.groups * self.set.limbs * LIMB_BYTES
    }

    /// Bytes of the answer to a batch.
    pub(crate) fn sent_down(&self) -> usize {
        2 * self.groups * self.set.kept * LIMB_BYTES
    }
}

/// Bytes of each party's public key.
pub fn keys(sizes: KeySizes) -> [u64; 2] {
    sizes.0.map(|size| size.bytes() as u64)
}
