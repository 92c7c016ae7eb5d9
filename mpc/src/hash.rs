//! A tweakable, circular correlation-robust hash of 128-bit blocks: what turns correlated OTs into random ones.
//!
//! *Source*: Guo, Katz, Wang, Yu, "Efficient and Secure Multiparty Computation from Fixed-Key Block Ciphers",
//! ePrint 2019/074, §7.4: `H(x, i) = π(π(x) ⊕ i) ⊕ π(x)`. We differ in that `π` is AES-128 under a key derived from the
//! session, so that no precomputation serves two sessions. *Security*: TCCR in the ideal-cipher model; each pair of
//! session and tweak must be used once a side. Constant-time with AES instructions, and as the `aes` crate is without.
//! *Cost*: two AES calls a block.

use sha2::{Digest, Sha256};
use tacit_simd::{Key, Level};

/// The hash of one session and purpose.
#[derive(Clone)]
pub struct CorrelationRobust {
    permutation: Key,
}

impl CorrelationRobust {
    /// The hash for a purpose (a label, part of the domain) in a session.
    pub fn new(purpose: &str, session: &[u8; 32]) -> Self {
        let digest = domain_hash("tacit/mpc/tccr/1", &[purpose.as_bytes(), session]);
        Self { permutation: Key::new(Level::detect(), first_half(&digest)) }
    }

    /// Replaces each block by its hash; block `j` under the tweak `first + j`.
    pub fn hash(&self, first: u128, blocks: &mut [u128]) {
        tacit_simd::hash(&self.permutation, first, blocks);
    }

    /// The lowest bits of the hashes of `blocks[j] ⊕ offset`, block `j` under the tweak `first + j`: bit `b` goes to bit
    /// `j` of plane `b`, packed as in [`crate::share::Bits`]. Words of a plane behind those are left alone.
    pub fn hash_bits(&self, first: u128, blocks: &[u128], offset: u128, planes: &mut [&mut [u64]]) {
        tacit_simd::hash_bits(&self.permutation, first, blocks, offset, planes);
    }
}

/// SHA-256 of a label and parts, each preceded by its length, so that no two inputs share an encoding.
pub(crate) fn domain_hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The first 128 bits of a digest.
pub(crate) fn first_half(digest: &[u8; 32]) -> u128 {
    let [low, _]: [u128; 2] = bytemuck::cast(*digest);
    low
}

#[cfg(test)]
mod tests {
    use aes::Aes128Enc;
    use aes::cipher::{BlockCipherEncrypt, KeyInit};

    use super::*;

    #[test]
    fn equals_its_definition() {
        let digest = domain_hash("tacit/mpc/tccr/1", &[b"test", &[3; 32]]);
        let cipher = Aes128Enc::new(&first_half(&digest).to_le_bytes().into());
        let pi = |x: u128| {
            let mut block = x.to_le_bytes().into();
            cipher.encrypt_block(&mut block);
            u128::from_le_bytes(block.into())
        };
        let inputs: Vec<u128> = (0..150).map(|i| i * 0x1234_5678_9abc).collect();
        let mut outputs = inputs.clone();
        CorrelationRobust::new("test", &[3; 32]).hash(1000, &mut outputs);
        for (j, (x, y)) in inputs.iter().zip(&outputs).enumerate() {
            assert_eq!(*y, pi(pi(*x) ^ (1000 + j as u128)) ^ pi(*x));
        }
    }

    #[test]
    fn sessions_purposes_and_tweaks_are_apart() {
        let of = |purpose: &str, session: u8, tweak: u128| {
            let mut block = [42];
            CorrelationRobust::new(purpose, &[session; 32]).hash(tweak, &mut block);
            block[0]
        };
        let all = [of("a", 0, 0), of("b", 0, 0), of("a", 1, 0), of("a", 0, 1)];
        for (i, x) in all.iter().enumerate() {
            assert!(!all[..i].contains(x));
        }
    }

    #[test]
    fn the_parts_of_a_domain_hash_cannot_be_shifted() {
        assert_ne!(domain_hash("l", &[b"ab", b"c"]), domain_hash("l", &[b"a", b"bc"]));
    }
}
