//! Correlated transfers, hashed and reduced to what a protocol needs, in pieces that stay in the cache.
//!
//! *Source*: the pads of [`crate::correlations`]. *Security*: keys and received blocks leave this module only through
//! the hash; buffers are wiped. *Shapes and units*: a piece is [`PIECE`] transfers or fewer; both parties cut alike.

use tacit_protocol::PartyId;
use tacit_simd::Level;
use zeroize::Zeroizing;

use super::TwoParty;
use crate::correlations::{Correlations, double};
use crate::error::Result;
use crate::ring::Ring;

/// Transfers drawn and hashed at a time. A multiple of 64.
pub(super) const PIECE: usize = 1024;

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// `n` transfers that this party offers: calls `each` with the place of the first of a piece and both pads.
    pub(super) fn offer(&mut self, n: usize, mut each: impl FnMut(usize, &[u128], &[u128])) -> Result<()> {
        let most = n.min(PIECE);
        let mut zeros = Zeroizing::new(vec![0; most]);
        let mut ones = Zeroizing::new(vec![0; most]);
        let offset = self.correlations.offset();
        for start in (0..n).step_by(PIECE) {
            let len = (n - start).min(PIECE);
            let (zeros, ones) = (&mut zeros[..len], &mut ones[..len]);
            self.correlations.send_correlated(&mut *self.channel, zeros)?;
            ones.iter_mut().zip(zeros.iter()).for_each(|(one, key)| *one = key ^ offset);
            let pads = self.correlations.pads();
            let tweak = pads.take_sending(len);
            pads.sending().hash(tweak, zeros);
            pads.sending().hash(tweak, ones);
            each(start, zeros, ones);
        }
        Ok(())
    }

    /// `n` transfers that this party chooses in: calls `each` with the place of the first of a piece, the blocks whose
    /// lowest bits are the random choices, and the pads of those.
    pub(super) fn choose(&mut self, n: usize, mut each: impl FnMut(usize, &[u128], &[u128])) -> Result<()> {
        let most = n.min(PIECE);
        let mut received = Zeroizing::new(vec![0; most]);
        let mut chosen = Zeroizing::new(vec![0; most]);
        for start in (0..n).step_by(PIECE) {
            let len = (n - start).min(PIECE);
            let (received, chosen) = (&mut received[..len], &mut chosen[..len]);
            self.correlations.receive_correlated(&mut *self.channel, received)?;
            chosen.copy_from_slice(received);
            let pads = self.correlations.pads();
            let tweak = pads.take_receiving(len);
            pads.receiving().hash(tweak, chosen);
            each(start, received, chosen);
        }
        Ok(())
    }

    /// `n` transfers of 1 of `2^digit`, offered: calls `each` with the place of the first of a piece, a message's
    /// number and its pads.
    pub(super) fn offer_digits(
        &mut self,
        n: usize,
        digit: usize,
        mut each: impl FnMut(usize, usize, &[u128]),
    ) -> Result<()> {
        let most = n.min(PIECE);
        let mut keys = Zeroizing::new(vec![0; most * digit]);
        let mut pads = Zeroizing::new(vec![0; most]);
        let mut offsets = vec![self.correlations.offset()];
        for place in 1..digit {
            offsets.push(double(offsets[place - 1]));
        }
        for start in (0..n).step_by(PIECE) {
            let len = (n - start).min(PIECE);
            let keys = &mut keys[..len * digit];
            self.correlations.send_correlated(&mut *self.channel, keys)?;
            let keys = combine(keys, len);
            let hashes = self.correlations.pads();
            let tweak = hashes.take_sending(len);
            for message in 0..1 << digit {
                let offset = (0..digit).filter(|place| message >> place & 1 == 1).fold(0, |sum, p| sum ^ offsets[p]);
                let pads = &mut pads[..len];
                pads.iter_mut().zip(keys.iter()).for_each(|(pad, key)| *pad = key ^ offset);
                hashes.sending().hash(tweak, pads);
                each(start, message, pads);
            }
        }
        Ok(())
    }

    /// `n` transfers of 1 of `2^digit`, chosen in: calls `each` with the place of the first of a piece, the blocks
    /// whose lowest bits are the random digits, place by place, and the pads of those.
    pub(super) fn choose_digits(
        &mut self,
        n: usize,
        digit: usize,
        mut each: impl FnMut(usize, &[u128], &[u128]),
    ) -> Result<()> {
        let most = n.min(PIECE);
        let mut received = Zeroizing::new(vec![0; most * digit]);
        let mut pads = Zeroizing::new(vec![0; most * digit]);
        for start in (0..n).step_by(PIECE) {
            let len = (n - start).min(PIECE);
            let (received, pads) = (&mut received[..len * digit], &mut pads[..len * digit]);
            self.correlations.receive_correlated(&mut *self.channel, received)?;
            pads.copy_from_slice(received);
            let pads = combine(pads, len);
            let hashes = self.correlations.pads();
            let tweak = hashes.take_receiving(len);
            hashes.receiving().hash(tweak, pads);
            each(start, received, pads);
        }
        Ok(())
    }
}

/// The sums of `x^place` times the blocks of that place, in the first `len` blocks.
fn combine(blocks: &mut [u128], len: usize) -> &mut [u128] {
    let (sums, rest) = blocks.split_at_mut(len);
    // Horner's rule from the uppermost place, without a buffer of its own: the lower places stay where they are until
    // the end.
    let places = rest.len() / len.max(1);
    for place in (0..places).rev() {
        let (lower, upper) = rest.split_at_mut(place * len);
        let into = if place == 0 { &mut *sums } else { &mut lower[(place - 1) * len..] };
        into.iter_mut().zip(&upper[..len]).for_each(|(sum, block)| *sum ^= double(*block));
    }
    sums
}

/// Which party offers the messages of the digit of a place: they take turns, so that both work at once.
pub(super) fn offerer(place: usize) -> PartyId {
    if place.is_multiple_of(2) { PartyId::ZERO } else { PartyId::ONE }
}

/// Packs a bit of each block of a piece that begins at transfer `start` into a plane, and adds what was there.
pub(super) fn xor_plane(into: &mut [u64], start: usize, blocks: &[u128], bit: u32) {
    let mut packed = [0; PIECE / 64];
    let words = blocks.len().div_ceil(64);
    tacit_simd::pack_bits(Level::detect(), blocks, bit, &mut packed);
    let from = (start / 64).min(into.len());
    into[from..].iter_mut().zip(&packed[..words]).for_each(|(into, word)| *into ^= word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_added_where_their_piece_begins_and_cut_where_the_column_ends() {
        let blocks: Vec<u128> = (0..130).map(|i| (i as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let mut plane = vec![u64::MAX; 4];
        xor_plane(&mut plane, 128, &blocks, 3);
        assert_eq!(plane[..2], [u64::MAX; 2]);
        for (i, block) in blocks[..128].iter().enumerate() {
            assert_eq!(plane[2 + i / 64] >> (i % 64) & 1, 1 ^ (block >> 3 & 1) as u64, "{i}");
        }
        xor_plane(&mut plane, 256, &blocks, 0);
    }

    #[test]
    fn digits_are_combined_with_powers_of_x() {
        let blocks: Vec<u128> = (1..=12u128).map(|i| i << 125 | i).collect();
        let mut combined = blocks.clone();
        let expected: Vec<u128> =
            (0..4).map(|i| blocks[i] ^ double(blocks[4 + i]) ^ double(double(blocks[8 + i]))).collect();
        assert_eq!(combine(&mut combined, 4), expected);
        assert_eq!(combine(&mut blocks.clone(), 12), blocks);
    }
}
