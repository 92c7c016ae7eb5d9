//! Correlated transfers, hashed and reduced to what a protocol needs, in pieces that stay in the cache.
//!
//! *Source*: the pads of [`crate::correlations`]. *Security*: keys and received blocks leave this module only through
//! the hash; buffers are wiped. *Shapes and units*: a piece is [`PIECE`] transfers (digits) or fewer; both parties cut
//! alike.

use tacit_protocol::PartyId;
use tacit_simd::Level;
use zeroize::Zeroizing;

use super::TwoParty;
use crate::correlations::{Correlations, Make, Pieces, double};
use crate::error::Result;
use crate::hash::CorrelationRobust;
use crate::ring::Ring;

/// Transfers drawn and hashed at a time. A multiple of 64.
pub(super) const PIECE: usize = 1024;

/// Planes of bits, packed as in [`crate::share::Bits`].
pub(super) type Planes = Vec<Vec<u64>>;

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

    /// `n` transfers that this party offers, of each of whose messages `columns` bits are wanted: the planes of the
    /// pads of message 0, then those of message 1.
    pub(super) fn offer_bits(&mut self, n: usize, columns: usize) -> Result<Planes> {
        self.offer_planes(n, 1, columns)
    }

    /// `n` transfers that this party chooses in: the plane of the random choices, and the `columns` planes of the pads.
    pub(super) fn choose_bits(&mut self, n: usize, columns: usize) -> Result<(Vec<u64>, Planes)> {
        let (mut random, pads) = self.choose_planes(n, 1, columns)?;
        Ok((random.swap_remove(0), pads))
    }

    /// `n` transfers of 1 of `2^digit`, offered: the planes of `columns` bits of the pads of message 0, then those of
    /// message 1, and so on.
    pub(super) fn offer_planes(&mut self, n: usize, digit: usize, columns: usize) -> Result<Planes> {
        let mut offsets = vec![0];
        let mut power = self.correlations.offset();
        for _ in 0..digit {
            offsets.extend(offsets.clone().into_iter().map(|offset: u128| offset ^ power));
            power = double(power);
        }
        let offsets = Zeroizing::new(offsets);
        let pads = self.correlations.pads();
        let (tweak, hash) = (pads.take_sending(n), pads.sending().clone());
        let make = |piece: usize, keys: &mut [u128], words: &mut [u64]| {
            let len = keys.len() / digit;
            tacit_simd::combine(Level::detect(), keys, len);
            let mut planes = words.chunks_exact_mut(PIECE / 64);
            for &offset in offsets.iter() {
                let mut planes: Vec<&mut [u64]> = planes.by_ref().take(columns).collect();
                hash.hash_bits(tweak + (piece * PIECE) as u128, &keys[..len], offset, &mut planes);
            }
        };
        let mut planes = PlanesOfPieces::new(n, columns << digit);
        self.correlations.send_pieces(&mut *self.channel, planes.pieces(digit, &make))?;
        Ok(planes.gather())
    }

    /// `n` transfers of 1 of `2^digit`, chosen in: the planes of the random digits, lowest first, and the `columns`
    /// planes of the pads.
    pub(super) fn choose_planes(&mut self, n: usize, digit: usize, columns: usize) -> Result<(Planes, Planes)> {
        let pads = self.correlations.pads();
        let (tweak, hash) = (pads.take_receiving(n), pads.receiving().clone());
        let make = |piece: usize, received: &mut [u128], words: &mut [u64]| {
            let len = received.len() / digit;
            let mut planes: Vec<&mut [u64]> = words.chunks_exact_mut(PIECE / 64).collect();
            let (random, pads) = planes.split_at_mut(digit);
            for (random, received) in random.iter_mut().zip(received.chunks_exact(len)) {
                tacit_simd::pack_bits(Level::detect(), received, 0, random);
            }
            tacit_simd::combine(Level::detect(), received, len);
            hash.hash_bits(tweak + (piece * PIECE) as u128, &received[..len], 0, pads);
        };
        let mut planes = PlanesOfPieces::new(n, digit + columns);
        self.correlations.receive_pieces(&mut *self.channel, planes.pieces(digit, &make))?;
        let mut random = planes.gather();
        let pads = random.split_off(digit);
        Ok((random, pads))
    }
}

/// What the offerer of transfers of 1 of `2^digit` keeps to make the pads of their messages from.
pub(super) struct Offered {
    keys: Zeroizing<Vec<u128>>,
    /// What turns the key of message 0 into that of each message.
    offsets: Zeroizing<Vec<u128>>,
    tweak: u128,
    hash: CorrelationRobust,
}

impl Offered {
    /// The pads of all messages of the transfers `start..start + len`: those of message 0 first, then of message 1, and
    /// so on.
    pub(super) fn pads(&self, start: usize, len: usize, into: &mut [u128]) {
        let keys = &self.keys[start..start + len];
        for (offset, pads) in self.offsets.iter().zip(into.chunks_exact_mut(len)) {
            pads.iter_mut().zip(keys).for_each(|(pad, key)| *pad = key ^ offset);
            self.hash.hash(self.tweak + start as u128, pads);
        }
    }
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// `n` transfers of 1 of `2^digit` whole blocks, offered.
    pub(super) fn offer_blocks(&mut self, n: usize, digit: usize) -> Result<Offered> {
        let mut offsets = vec![0];
        let mut power = self.correlations.offset();
        for _ in 0..digit {
            offsets.extend(offsets.clone().into_iter().map(|offset: u128| offset ^ power));
            power = double(power);
        }
        let mut keys = Zeroizing::new(Vec::with_capacity(n));
        let mut piece = Zeroizing::new(vec![0; n.min(PIECE) * digit]);
        for start in (0..n).step_by(PIECE) {
            let len = (n - start).min(PIECE);
            let piece = &mut piece[..len * digit];
            self.correlations.send_correlated(&mut *self.channel, piece)?;
            tacit_simd::combine(Level::detect(), piece, len);
            keys.extend_from_slice(&piece[..len]);
        }
        let pads = self.correlations.pads();
        let (tweak, hash) = (pads.take_sending(n), pads.sending().clone());
        Ok(Offered { keys, offsets: Zeroizing::new(offsets), tweak, hash })
    }

    /// `n` transfers of 1 of `2^digit` whole blocks, chosen in: the random digits, and the pads of their messages.
    pub(super) fn choose_blocks(&mut self, n: usize, digit: usize) -> Result<(Vec<u8>, Vec<u128>)> {
        let (mut digits, mut blocks) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let mut piece = Zeroizing::new(vec![0; n.min(PIECE) * digit]);
        for start in (0..n).step_by(PIECE) {
            let len = (n - start).min(PIECE);
            let piece = &mut piece[..len * digit];
            self.correlations.receive_correlated(&mut *self.channel, piece)?;
            let bit = |i: usize, place: usize| (piece[place * len + i] as u8 & 1) << place;
            digits.extend((0..len).map(|i| (0..digit).fold(0, |digit, place| digit | bit(i, place))));
            tacit_simd::combine(Level::detect(), piece, len);
            blocks.extend_from_slice(&piece[..len]);
        }
        let pads = self.correlations.pads();
        let (tweak, hash) = (pads.take_receiving(n), pads.receiving().clone());
        hash.hash(tweak, &mut blocks);
        Ok((digits, blocks))
    }
}

/// Planes of `n` bits as they are made: piece by piece, those of a piece one after the other.
struct PlanesOfPieces {
    n: usize,
    count: usize,
    words: Vec<u64>,
}

impl PlanesOfPieces {
    fn new(n: usize, count: usize) -> Self {
        Self { n, count, words: vec![0; n.div_ceil(PIECE) * count * (PIECE / 64)] }
    }

    /// The pieces that make them, of `digit` correlated transfers for each bit.
    fn pieces<'a>(&'a mut self, digit: usize, make: &'a Make<'a>) -> Pieces<'a> {
        Pieces::new(self.n * digit, PIECE * digit, &mut self.words, self.count * (PIECE / 64), make)
    }

    fn gather(self) -> Planes {
        let words = self.n.div_ceil(64);
        let plane = |place: usize| {
            let mut plane = Vec::with_capacity(words);
            let parts = self.words.chunks_exact(PIECE / 64).skip(place).step_by(self.count);
            parts.for_each(|part| plane.extend_from_slice(&part[..part.len().min(words - plane.len())]));
            plane
        };
        (0..self.count).map(plane).collect()
    }
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
    fn planes_come_together_from_their_pieces() {
        for n in [1, 64, PIECE, PIECE + 1, 2 * PIECE + 130] {
            let mut planes = PlanesOfPieces::new(n, 2);
            let make = |piece: usize, transfers: &mut [u128], words: &mut [u64]| {
                assert_eq!(transfers.len(), 3 * (n - piece * PIECE).min(PIECE));
                for (i, word) in words.iter_mut().enumerate() {
                    *word = (i / (PIECE / 64) * 1000 + piece * (PIECE / 64) + i % (PIECE / 64)) as u64;
                }
            };
            planes.pieces(3, &make).one_by_one(|_| Ok(())).expect("nothing fails");
            for (place, plane) in planes.gather().into_iter().enumerate() {
                let first = 1000 * place as u64;
                assert_eq!(plane, (first..first + n.div_ceil(64) as u64).collect::<Vec<_>>());
            }
        }
    }
}
