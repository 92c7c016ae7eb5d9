//! A pseudo-random generator from a 128-bit seed.
//!
//! *Source*: AES-128 in counter mode. *Security*: a PRP used as a PRF, at most 2^40 blocks a seed here, so the
//! distinguishing advantage is below 2^-48. Constant-time with AES instructions and in the fallback of the `aes` crate.
//! The key schedule is zeroised on drop. *Shapes and units*: blocks of 128 bits, little-endian words.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Block};

/// Blocks handed to the cipher in one call: below 64 its widest instructions are not filled.
pub(crate) const BATCH: usize = 64;

/// A generator. Two generators with one seed give the same stream, however it is cut into calls.
pub struct Prg {
    cipher: Aes128Enc,
    next: u128,
}

impl Prg {
    /// The stream of a seed, from its start.
    pub fn new(seed: u128) -> Self {
        Self { cipher: Aes128Enc::new(&seed.to_le_bytes().into()), next: 0 }
    }

    /// The next blocks of the stream.
    pub fn fill(&mut self, into: &mut [u128]) {
        for batch in into.chunks_mut(BATCH) {
            for block in batch.iter_mut() {
                *block = self.next;
                self.next = self.next.wrapping_add(1);
            }
            self.cipher.encrypt_blocks(as_blocks(batch));
        }
    }

    /// The next `N` blocks of the stream.
    pub fn draw<const N: usize>(&mut self) -> [u128; N] {
        let mut blocks = [0; N];
        self.fill(&mut blocks);
        blocks
    }
}

/// Words as the cipher's blocks, in place.
pub(crate) fn as_blocks(words: &mut [u128]) -> &mut [Block] {
    Block::cast_slice_from_core_mut(bytemuck::cast_slice_mut::<u128, [u8; 16]>(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_aes_in_counter_mode() {
        // FIPS 197 key; the blocks encrypt the little-endian counters 0 and 1.
        let key: [u8; 16] = std::array::from_fn(|i| i as u8);
        let [zero, one] = Prg::new(u128::from_le_bytes(key)).draw();
        assert_eq!(zero.to_le_bytes()[..4], [0xc6, 0xa1, 0x3b, 0x37]);
        assert_ne!(zero, one);
    }

    #[test]
    fn the_stream_does_not_depend_on_the_calls() {
        let mut whole = vec![0; 200];
        Prg::new(7).fill(&mut whole);
        let mut parts = vec![0; 200];
        let mut prg = Prg::new(7);
        let (head, tail) = parts.split_at_mut(77);
        prg.fill(head);
        prg.fill(tail);
        assert_eq!(whole, parts);
    }
}
