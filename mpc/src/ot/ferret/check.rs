//! The consistency check of a round's trees.
//!
//! *Source*: ePrint 2020/924, Figure 6. Both sides take one weighted sum of all leaves; the sender's is the receiver's
//! plus the offset times the sum of the weights at the noise positions, which the receiver sends masked by 128
//! transfers. The weight of leaf `j` of tree `i` is `a_j · b^(t-1-i)` with random `a_j` of 64 bits and `b` of 128: a tree
//! with a wrong leaf has a wrong sum but for 2^-64 over the `a_j`, and then the total is wrong but for `t · 2^-128`. The
//! receiver draws both after the sender is bound to its trees, so nothing can be tried beforehand.

use tacit_simd::Level;
use zeroize::Zeroizing;

use crate::correlations::double;
use crate::prg::Prg;

/// Bytes of the receiver's challenge: the seed of the weights, and the masked sum of those at the noise positions.
pub(in crate::ot) const CHALLENGE_BYTES: usize = 32;

/// The weights of a round.
pub(super) struct Weights {
    /// Of a leaf by its place in its tree.
    pub(super) leaves: Vec<u64>,
    /// From one tree to the next.
    step: u128,
}

impl Weights {
    /// The weights of a seed, for trees of `leaves` leaves.
    pub(super) fn new(seed: u128, leaves: usize) -> Self {
        let mut prg = Prg::new(seed);
        let [step] = prg.draw();
        let mut words = vec![0; leaves];
        prg.fill(bytemuck::cast_slice_mut(&mut words));
        // Bytes as the stream has them, so that no machine's order of bytes is in the transcript.
        words.iter_mut().for_each(|word| *word = u64::from_le(*word));
        Self { leaves: words, step }
    }

    /// The weighted sum of all trees, from each tree's own.
    pub(super) fn total(&self, level: Level, trees: impl IntoIterator<Item = u128>) -> u128 {
        trees.into_iter().fold(0, |total, tree| multiply(level, total, self.step) ^ tree)
    }
}

/// `a · b` in GF(2^128) modulo `x^128 + x^7 + x^2 + x + 1`, in constant time.
pub(super) fn multiply(level: Level, a: u128, b: u128) -> u128 {
    let by = |word: u64| reduce(tacit_simd::weigh(level, &[a, 0, 0, 0], &[word, 0, 0, 0]));
    reduce([by(b as u64), by((b >> 64) as u64)])
}

/// The element `low + x^64 · high` for polynomials of degree below 128.
pub(super) fn reduce([low, high]: [u128; 2]) -> u128 {
    let over = high >> 64;
    low ^ high << 64 ^ over ^ over << 1 ^ over << 2 ^ over << 7
}

/// The element with the given elements as coefficients: `Σ x^j · elements[j]`.
pub(super) fn combine(elements: &[u128]) -> u128 {
    elements.iter().rev().fold(0, |sum, element| double(sum) ^ element)
}

/// The choice bits of 128 transfers.
pub(super) fn mask(received: &[u128]) -> u128 {
    received.iter().enumerate().fold(0, |mask, (j, transfer)| mask | (transfer & 1) << j)
}

/// What both sides arrive at: the sender from its total and keys, under its offset and the masked sum it was sent.
pub(super) fn expected_of_sender(
    level: Level,
    total: u128,
    keys: &[u128],
    offset: u128,
    masked: u128,
) -> Zeroizing<[u8; 16]> {
    Zeroizing::new((total ^ combine(keys) ^ multiply(level, offset, masked)).to_le_bytes())
}

/// The same for the receiver, from its total and what it received.
pub(super) fn expected_of_receiver(total: u128, received: &[u128]) -> Zeroizing<[u8; 16]> {
    Zeroizing::new((total ^ combine(received)).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplication_is_that_of_a_field_at_every_level() {
        let [a, b, c]: [u128; 3] = Prg::new(5).draw();
        for level in Level::ALL {
            let multiply = |a, b| multiply(level, a, b);
            assert_eq!(multiply(a, b), multiply(b, a));
            assert_eq!(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c));
            assert_eq!(multiply(a, multiply(b, c)), multiply(multiply(a, b), c));
            assert_eq!(multiply(a, 1), a);
            assert_eq!(multiply(a, 2), double(a));
            // Horner's rule, bit by bit.
            let sum = (0..128).rev().fold(0, |sum, place| double(sum) ^ a & 0u128.wrapping_sub(b >> place & 1));
            assert_eq!(multiply(a, b), sum);
            // Fermat: a^(2^128) = a.
            assert_eq!((0..128).fold(a, |power, _| multiply(power, power)), a);
        }
    }

    #[test]
    fn reduced_sums_are_products_in_the_field() {
        let [value, weight]: [u128; 2] = Prg::new(6).draw();
        let weight = weight as u64;
        let sums = tacit_simd::weigh(Level::Portable, &[value, 0, 0, 0], &[weight, 1, 2, 3]);
        let places = (0..64).filter(|place| weight >> place & 1 == 1);
        assert_eq!(reduce(sums), places.fold(0, |sum, place| sum ^ (0..place).fold(value, |power, _| double(power))));
    }

    #[test]
    fn combined_transfers_are_one_of_the_field() {
        let mut prg = Prg::new(7);
        let keys: [u128; 128] = prg.draw();
        let [offset, choices]: [u128; 2] = prg.draw();
        let received: Vec<u128> =
            keys.iter().enumerate().map(|(j, key)| key ^ offset & 0u128.wrapping_sub(choices >> j & 1)).collect();
        assert_eq!(combine(&received), combine(&keys) ^ multiply(Level::Portable, offset, choices));
    }
}
