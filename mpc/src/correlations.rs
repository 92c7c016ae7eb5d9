//! Correlated randomness: the seam between the OT layer below and the protocols above.
//!
//! *Correlated transfers.* The sender holds one offset `Δ` for its session and a key `q` for each transfer; the
//! receiver holds a choice bit `c` and `t = q ⊕ c·Δ`. Bit 0 of `Δ` is 1 and bit 0 of every `q` is 0, so bit 0 of `t`
//! **is** the choice bit: it needs no place of its own. That leaves `Δ` with 127 secret bits.
//!
//! *Pads.* Nothing may leave a party that depends on `q`, `t` or `Δ` but through a hash of [`Pads`], under a tweak that
//! is used for one transfer (or one group of them) only. The messages of a transfer of 1 of 2 are `H(q)` and
//! `H(q ⊕ Δ)`; the receiver computes `H(t)`, the one of its choice.
//!
//! *1 of N.* Let `q_0, q_1, …` be `log2 N` transfers with the choice bits of a digit `c`, and `K = Σ x^b · q_b`, with
//! `x · q` the product in GF(2^128) ([`double`]). The receiver's `Σ x^b · t_b` is `K ⊕ c(x)·Δ`, where the polynomial
//! `c(x)` has the bits of `c`. So message `j` is `H(K ⊕ j(x)·Δ)` under one tweak for all `j`, and the receiver can
//! compute that of its own digit and no other.

use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::channel::Channel;
use crate::error::Result;
use crate::hash::CorrelationRobust;

/// A source of correlated oblivious transfers in both directions. Implementations make them with the peer over the
/// channel; nobody deals them.
///
/// Each transfer is handed out once. The two parties must ask in the same order: where one sends, the other receives
/// the same number, by the same kind of call.
pub trait Correlations: Send {
    /// `Δ`, this party's offset as the sender: bit 0 is 1, the rest is uniform and secret.
    fn offset(&self) -> u128;

    /// The hashes of both directions.
    fn pads(&mut self) -> &mut Pads;

    /// Correlated transfers as the sender: fills in a key `q` each.
    fn send_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()>;

    /// Correlated transfers as the receiver, with uniform choices: fills in `t = q ⊕ c·Δ` each; bit 0 is `c`.
    fn receive_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()>;

    /// Correlated transfers as the sender, handed out piece by piece: what [`Self::send_correlated`] would fill in, in the
    /// same order, without the copy and on as many threads as there are.
    fn send_pieces(&mut self, channel: &mut dyn Channel, pieces: Pieces<'_>) -> Result<()> {
        pieces.one_by_one(|into| self.send_correlated(channel, into))
    }

    /// The same as the receiver.
    fn receive_pieces(&mut self, channel: &mut dyn Channel, pieces: Pieces<'_>) -> Result<()> {
        pieces.one_by_one(|into| self.receive_correlated(channel, into))
    }

    /// `n` random transfers as the sender: two random messages each.
    fn send_random(&mut self, channel: &mut dyn Channel, n: usize) -> Result<Vec<[u128; 2]>> {
        let mut keys = Zeroizing::new(vec![0; n]);
        self.send_correlated(channel, &mut keys)?;
        let offset = self.offset();
        let pads = self.pads();
        let mut tweak = pads.take_sending(n);
        let mut messages = vec![[0; 2]; n];
        let mut sides = Zeroizing::new([[0; PIECE]; 2]);
        for (messages, keys) in messages.chunks_mut(PIECE).zip(keys.chunks(PIECE)) {
            let [zeros, ones] = &mut *sides;
            let (zeros, ones) = (&mut zeros[..keys.len()], &mut ones[..keys.len()]);
            zeros.copy_from_slice(keys);
            for (one, key) in ones.iter_mut().zip(keys) {
                *one = key ^ offset;
            }
            pads.sending().hash(tweak, zeros);
            pads.sending().hash(tweak, ones);
            tweak += keys.len() as u128;
            for ((message, zero), one) in messages.iter_mut().zip(zeros).zip(ones) {
                *message = [*zero, *one];
            }
        }
        Ok(messages)
    }

    /// `n` random transfers as the receiver: a random choice bit each, packed as in [`crate::share::Bits`], and the
    /// message it chose.
    fn receive_random(&mut self, channel: &mut dyn Channel, n: usize) -> Result<(Vec<u64>, Vec<u128>)> {
        let mut messages = vec![0; n];
        self.receive_correlated(channel, &mut messages)?;
        let choices = choices(&messages);
        let pads = self.pads();
        let tweak = pads.take_receiving(n);
        pads.receiving().hash(tweak, &mut messages);
        Ok((choices, messages))
    }
}

/// Makes words from a piece of transfers, which it may overwrite: given the piece's number, its transfers and the words,
/// zero at first.
pub type Make<'a> = dyn Fn(usize, &mut [u128], &mut [u64]) + Sync + 'a;

/// Transfers that are handed out in pieces, and what becomes of them.
pub struct Pieces<'a> {
    /// The number of the first piece.
    first: usize,
    /// Transfers in all.
    transfers: usize,
    /// Transfers of a piece; the last one may have fewer.
    piece: usize,
    /// The words of all pieces, and how many each has.
    words: &'a mut [u64],
    each: usize,
    make: &'a Make<'a>,
}

impl<'a> Pieces<'a> {
    /// `transfers` transfers in pieces of `piece`, of each of which `make` makes `each` words.
    ///
    /// # Panics
    /// If `piece` or `each` is 0, or there are not as many words.
    pub fn new(transfers: usize, piece: usize, words: &'a mut [u64], each: usize, make: &'a Make<'a>) -> Self {
        assert!(piece > 0 && each > 0 && words.len() == transfers.div_ceil(piece) * each, "words for each piece");
        Self { first: 0, transfers, piece, words, each, make }
    }

    /// Transfers in all.
    pub fn transfers(&self) -> usize {
        self.transfers
    }

    /// Transfers of a piece; the last one may have fewer.
    pub fn piece(&self) -> usize {
        self.piece
    }

    /// The first of these pieces, with so many transfers in all, and the rest.
    ///
    /// # Panics
    /// If the transfers are more than there are, or neither all nor whole pieces.
    #[must_use]
    pub fn split(self, transfers: usize) -> (Self, Self) {
        assert!(transfers == self.transfers || transfers.is_multiple_of(self.piece), "whole pieces");
        let Self { first, piece, each, make, .. } = self;
        let count = transfers.div_ceil(piece);
        let (words, rest) = self.words.split_at_mut(count * each);
        let left = self.transfers - transfers;
        let upper = Self { first: first + count, transfers: left, piece, words: rest, each, make };
        (Self { first, transfers, piece, words, each, make }, upper)
    }

    /// The first piece, and the rest.
    pub(crate) fn split_first(self) -> (Self, Self) {
        let first = self.piece.min(self.transfers);
        self.split(first)
    }

    /// The pieces in groups of `count`, for threads.
    pub(crate) fn groups(self, count: usize) -> impl rayon::iter::IndexedParallelIterator<Item = Pieces<'a>> {
        let Self { first, transfers, piece, each, make, .. } = self;
        self.words.par_chunks_mut(count * each).enumerate().map(move |(group, words)| {
            let start = group * count;
            let transfers = (transfers - start * piece).min(count * piece);
            Pieces { first: first + start, transfers, piece, words, each, make }
        })
    }

    /// Has `fill` fill in the transfers of one piece after the other.
    ///
    /// # Errors
    /// The first that `fill` returns.
    pub fn one_by_one(self, mut fill: impl FnMut(&mut [u128]) -> Result<()>) -> Result<()> {
        let mut transfers = Zeroizing::new(vec![0; self.piece.min(self.transfers)]);
        self.visit(|len, made| {
            fill(&mut transfers[..len])?;
            made(&mut transfers[..len]);
            Ok(())
        })
    }

    /// Calls `each` for one piece after the other with its number of transfers and what is to be called with them.
    pub(crate) fn visit<E>(
        self,
        mut each: impl FnMut(usize, &mut dyn FnMut(&mut [u128])) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        for (i, words) in self.words.chunks_exact_mut(self.each).enumerate() {
            let len = (self.transfers - i * self.piece).min(self.piece);
            each(len, &mut |transfers| (self.make)(self.first + i, transfers, words))?;
        }
        Ok(())
    }
}

/// Blocks hashed at a time where both messages of a transfer are: what stays in the first-level cache.
const PIECE: usize = 256;

impl<C: Correlations + ?Sized> Correlations for &mut C {
    fn offset(&self) -> u128 {
        (**self).offset()
    }

    fn pads(&mut self) -> &mut Pads {
        (**self).pads()
    }

    fn send_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        (**self).send_correlated(channel, into)
    }

    fn receive_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        (**self).receive_correlated(channel, into)
    }

    fn send_pieces(&mut self, channel: &mut dyn Channel, pieces: Pieces<'_>) -> Result<()> {
        (**self).send_pieces(channel, pieces)
    }

    fn receive_pieces(&mut self, channel: &mut dyn Channel, pieces: Pieces<'_>) -> Result<()> {
        (**self).receive_pieces(channel, pieces)
    }

    fn send_random(&mut self, channel: &mut dyn Channel, n: usize) -> Result<Vec<[u128; 2]>> {
        (**self).send_random(channel, n)
    }

    fn receive_random(&mut self, channel: &mut dyn Channel, n: usize) -> Result<(Vec<u64>, Vec<u128>)> {
        (**self).receive_random(channel, n)
    }
}

/// The hash of each direction, and how many of its tweaks are used. Both parties take the same numbers of them in the
/// same order, so their tweaks agree and none comes twice.
pub struct Pads {
    sending: Direction,
    receiving: Direction,
}

struct Direction {
    hash: CorrelationRobust,
    next: u128,
}

impl Pads {
    /// For the contexts of the two directions: digests that both parties have, new for each session, and different
    /// from each other. What is `sending` here is `receiving` at the peer.
    pub fn new(sending: &[u8; 32], receiving: &[u8; 32]) -> Self {
        let direction = |context| Direction { hash: CorrelationRobust::new("pads", context), next: 0 };
        Self { sending: direction(sending), receiving: direction(receiving) }
    }

    /// The hash of what this party sends.
    pub fn sending(&self) -> &CorrelationRobust {
        &self.sending.hash
    }

    /// The hash of what this party receives.
    pub fn receiving(&self) -> &CorrelationRobust {
        &self.receiving.hash
    }

    /// Sets so many tweaks of each direction apart, as pads of their own.
    #[must_use]
    pub(crate) fn split(&mut self, sending: usize, receiving: usize) -> Self {
        let apart = |from: &mut Direction, n| Direction { hash: from.hash.clone(), next: from.take(n) };
        Self { sending: apart(&mut self.sending, sending), receiving: apart(&mut self.receiving, receiving) }
    }

    /// Takes `n` tweaks for what this party sends, and tells the first of them.
    pub fn take_sending(&mut self, n: usize) -> u128 {
        self.sending.take(n)
    }

    /// Takes `n` tweaks for what this party receives, and tells the first of them.
    pub fn take_receiving(&mut self, n: usize) -> u128 {
        self.receiving.take(n)
    }
}

impl Direction {
    fn take(&mut self, n: usize) -> u128 {
        let first = self.next;
        self.next += n as u128;
        first
    }
}

/// The choice bits of received transfers, packed; unused high bits of the last word are 0.
pub fn choices(received: &[u128]) -> Vec<u64> {
    let word = |part: &[u128]| part.iter().enumerate().fold(0, |word, (i, t)| word | (*t as u64 & 1) << i);
    received.chunks(64).map(word).collect()
}

/// `x · a` in GF(2^128) modulo `x^128 + x^7 + x^2 + x + 1`, in constant time.
pub fn double(a: u128) -> u128 {
    (a << 1) ^ (0x87 & 0u128.wrapping_sub(a >> 127))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tweaks_never_come_twice_and_directions_count_apart() {
        let mut pads = Pads::new(&[1; 32], &[2; 32]);
        assert_eq!((pads.take_sending(5), pads.take_sending(0), pads.take_sending(1)), (0, 5, 5));
        assert_eq!((pads.take_receiving(2), pads.take_receiving(2)), (0, 2));
    }

    #[test]
    fn the_parties_share_the_hash_of_a_direction_only() {
        let (mine, theirs) = (Pads::new(&[1; 32], &[2; 32]), Pads::new(&[2; 32], &[1; 32]));
        let of = |hash: &CorrelationRobust| {
            let mut block = [9];
            hash.hash(3, &mut block);
            block[0]
        };
        assert_eq!(of(mine.sending()), of(theirs.receiving()));
        assert_ne!(of(mine.sending()), of(mine.receiving()));
    }

    #[test]
    fn doubling_is_multiplication_by_x() {
        assert_eq!(double(1), 2);
        assert_eq!(double(1 << 127), 0x87);
        // x has no small order, and doubling is linear.
        let mut power = 1;
        for _ in 0..200 {
            power = double(power);
            assert_ne!(power, 1);
        }
        assert_eq!(double(5 << 125 ^ 77), double(5 << 125) ^ double(77));
    }

    #[test]
    fn choices_are_the_low_bits_in_order() {
        let received: Vec<u128> = (0..130).map(|i| u128::from(i % 3 == 0) | 0xf0).collect();
        let packed = choices(&received);
        assert_eq!(packed.len(), 3);
        assert!((0..130).all(|i| packed[i / 64] >> (i % 64) & 1 == u64::from(i % 3 == 0)));
        assert_eq!(packed[2] >> 2, 0);
    }
}
