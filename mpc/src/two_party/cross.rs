//! Cross products: one party's bits times the other's bits or words, in one simultaneous exchange.
//!
//! *Source*: Gilboa, CRYPTO'99; Beaver's derandomisation. The chooser holds a bit `x`, the offerer a value `y`. A
//! random transfer gives them `b, m_b` and `m_0, m_1`. At the same time the chooser sends `d = x ^ b`, the offerer
//! `e = y - (m_1 - m_0)`. Then `b * y = (m_b + b * e) - m_0`, and `x * y` is that, or `y` minus that where `d = 1`.
//!
//! *Security*: semi-honest. `d` is masked by a uniform bit, `e` by the message that the chooser did not get. `m_0` is
//! uniform and enters the two outputs with opposite signs, so each output alone is uniform and independent of `x` and
//! `y`. Both messages are of a length that the receiver computes itself (CHK-404).
//!
//! *Cost*: a bit for each choice one way, the width of every value the other way; [`super::cost`].
//!
//! *Shapes and units*: [`WordCross`]; for bits, column `j` multiplies a prefix of the choices.

use tacit_protocol::PartyId;
use zeroize::Zeroize;

use super::TwoParty;
use super::pads;
use super::planes::planes;
use super::transfers::{Planes, xor_plane};
use super::wire::{BitReader, BitWriter};
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Bits, Placement, clear_tail};

/// Transfers a tile of words: what one exchange carries at most. A multiple of 64.
pub(super) const TILE: usize = 1 << 19;

/// Transfers a tile of bits. A multiple of 64.
pub(super) const BIT_TILE: usize = 1 << 22;

/// Which parties choose; the other one then offers.
pub(super) type Choosers = [bool; 2];

/// Who has to choose when parts of `choice` and of `offer` are multiplied.
pub(super) fn choosers(choice: Placement, offer: Placement) -> Choosers {
    let has = |placement, party| match placement {
        Placement::Public => false,
        Placement::Private(owner) => owner == party,
        Placement::Shared => true,
    };
    [PartyId::ZERO, PartyId::ONE].map(|party| has(choice, party) && has(offer, party.other()))
}

/// The shape of products of choice words by rows of words.
#[derive(Clone, Copy, Debug)]
pub(super) struct WordCross {
    /// Choice words.
    pub(super) elements: usize,
    /// Bits of each choice word; the uppermost counts negative if `signed`.
    pub(super) choice_bits: u32,
    /// Whether choice words are two's complement.
    pub(super) signed: bool,
    /// Words in a row.
    pub(super) columns: usize,
    /// The products are wanted modulo `2^width`.
    pub(super) width: u32,
    /// Element `i` multiplies row `i % period` of what is offered.
    pub(super) period: usize,
    /// The products of `fold` consecutive elements are added up.
    pub(super) fold: usize,
    /// Whether the bits of the choice words are shared by exclusive or: the product of `c_i ^ c_j` and a part of `x` is
    /// `c_i x + c_j (1 - 2 c_i) x`, so what is offered at a place is `x`, or `-x` where the own bit is set.
    pub(super) exclusive: bool,
}

impl WordCross {
    /// One product for each element.
    pub(super) fn each(elements: usize, choice_bits: u32, signed: bool, width: u32) -> Self {
        Self { elements, choice_bits, signed, columns: 1, width, period: elements, fold: 1, exclusive: false }
    }

    /// Elements a tile.
    pub(super) fn tile(&self) -> usize {
        (TILE / (self.choice_bits as usize * self.columns.div_ceil(4))).max(1)
    }

    /// What the offerer sends for each element, in bits.
    pub(super) fn offered_bits(&self) -> usize {
        (0..self.choice_bits).map(|place| (self.width - place) as usize).sum::<usize>() * self.columns
    }
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// Sends this party's message of an exchange and takes the other's, of a length that this party computed.
    pub(super) fn exchange(&mut self, message: &[u8], expected: usize) -> Result<Vec<u8>> {
        if !message.is_empty() {
            self.channel.send(message)?;
            self.channel.flush()?;
        }
        let mut received = vec![0; expected];
        if expected > 0 {
            self.channel.receive(&mut received)?;
        }
        Ok(received)
    }

    /// Shares of the sum over the choosers of their choice bits times the other's columns. Column `j` belongs to
    /// the first `columns[j].len` choices.
    pub(super) fn cross_bits(&mut self, choice: &Bits, columns: &[&Bits], choosers: Choosers) -> Result<Vec<Bits>> {
        assert!(columns.len() <= 8, "a bit of the pad's first byte for each column");
        let mut shares: Vec<_> =
            columns.iter().map(|column| Bits::new(Placement::Shared, column.len, Vec::new())).collect();
        if choosers == [false; 2] {
            return Ok(shares);
        }
        for start in (0..choice.len).step_by(BIT_TILE) {
            let n = (choice.len - start).min(BIT_TILE);
            let first = start / 64;
            let part = |bits: &Bits, len: usize| bits.words[first.min(bits.words.len())..][..len.div_ceil(64)].to_vec();
            let offer: Vec<_> = columns
                .iter()
                .map(|column| column.len.saturating_sub(start).min(n))
                .zip(columns)
                .map(|(len, column)| Column { len, words: part(column, len) })
                .collect();
            let tile = self.cross_bits_tile(n, &part(choice, n), &offer, choosers)?;
            for (share, part) in shares.iter_mut().zip(tile) {
                let to = first.min(share.words.len());
                share.words[to..][..part.len()].copy_from_slice(&part);
            }
        }
        Ok(shares)
    }

    fn cross_bits_tile(
        &mut self,
        n: usize,
        choice: &[u64],
        offer: &[Column],
        choosers: Choosers,
    ) -> Result<Vec<Vec<u64>>> {
        let (chooses, offers) = (choosers[self.party.index()], choosers[self.party.other().index()]);
        let (mut shares, mut masked) = (Planes::new(), Planes::new());
        let (mut random, mut chosen) = (Vec::new(), Planes::new());
        // Columns that are no longer than the choices need the pads of no more than their own length.
        let fit = |mut pads: Planes| {
            pads.iter_mut().zip(offer).for_each(|(pads, column)| pads.truncate(column.words.len()));
            pads
        };
        for offerer in [PartyId::ZERO, PartyId::ONE] {
            if !choosers[offerer.other().index()] {
                continue;
            }
            if offerer == self.party {
                let mut zeros = self.offer_bits(n, offer.len())?;
                masked = fit(zeros.split_off(offer.len()));
                shares = fit(zeros);
            } else {
                let (choices, pads) = self.choose_bits(n, offer.len())?;
                (random, chosen) = (choices, fit(pads));
            }
        }
        shares.resize_with(offer.len(), Vec::new);
        shares.iter_mut().zip(offer).for_each(|(share, column)| share.resize(column.words.len(), 0));

        let offered: usize = offer.iter().map(|column| column.len).sum();
        let (choice_bytes, offered_bytes) = (n.div_ceil(8), offered.div_ceil(8));
        let mut message = BitWriter::with_capacity(choice_bytes + offered_bytes);
        if chooses {
            let flips: Vec<_> = choice.iter().zip(&random).map(|(x, b)| x ^ b).collect();
            message.push_bits(&flips, n);
            message.align();
        }
        if offers {
            for ((masked, share), column) in masked.iter_mut().zip(&shares).zip(offer) {
                for ((masked, share), y) in masked.iter_mut().zip(share).zip(&column.words) {
                    *masked ^= share ^ y;
                }
            }
            masked.iter().zip(offer).for_each(|(masked, column)| message.push_bits(masked, column.len));
        }
        let expected = if offers { choice_bytes } else { 0 } + if chooses { offered_bytes } else { 0 };
        let received = self.exchange(&message.finish(), expected)?;
        let (theirs, values) = received.split_at(if offers { choice_bytes } else { 0 });
        if offers {
            let flips = BitReader::new(theirs).take_bits(n);
            for (share, column) in shares.iter_mut().zip(offer) {
                for ((share, y), d) in share.iter_mut().zip(&column.words).zip(&flips) {
                    *share ^= y & d;
                }
            }
        }
        if chooses {
            let mut values = BitReader::new(values);
            for ((share, chosen), column) in shares.iter_mut().zip(&chosen).zip(offer) {
                let masked = values.take_bits(column.len);
                for (word, share) in share.iter_mut().enumerate() {
                    *share ^= chosen[word] ^ random[word] & masked[word];
                }
            }
        }
        shares.iter_mut().zip(offer).for_each(|(share, column)| clear_tail(share, column.len));
        Ok(shares)
    }

    /// Shares, modulo `2^width`, of the sum over the choosers of their choice words times the other's rows. The
    /// upper bits of the result are noise where `width` is less than the word's.
    pub(super) fn cross_words(
        &mut self,
        shape: &WordCross,
        choice: &[R],
        offer: &[R],
        choosers: Choosers,
    ) -> Result<Vec<R>> {
        let mut shares = vec![R::ZERO; shape.elements / shape.fold.max(1) * shape.columns];
        if choosers == [false; 2] || shape.columns == 0 {
            return Ok(shares);
        }
        assert!(shape.choice_bits <= shape.width && shape.width <= R::BITS, "no more choice bits than the width");
        for start in (0..shape.elements).step_by(shape.tile()) {
            let elements = (shape.elements - start).min(shape.tile());
            let tile = WordTile { shape, start, elements };
            self.cross_words_tile(&tile, choice, offer, choosers, &mut shares)?;
        }
        Ok(shares)
    }

    fn cross_words_tile(
        &mut self,
        tile: &WordTile<'_>,
        choice: &[R],
        offer: &[R],
        choosers: Choosers,
        shares: &mut [R],
    ) -> Result<()> {
        let (shape, columns) = (tile.shape, tile.shape.columns);
        let (chooses, offers) = (choosers[self.party.index()], choosers[self.party.other().index()]);
        let n = tile.elements * shape.choice_bits as usize;
        let first_tweak = self.tweak;
        self.tweak += pads::tweaks::<R>(n, columns);
        let tweak = |transfers: usize| first_tweak + pads::tweaks::<R>(transfers, columns);
        let choice_bytes = n.div_ceil(8);
        let offered_bytes = (tile.elements * shape.offered_bits()).div_ceil(8);

        let mut values = BitWriter::with_capacity(if offers { offered_bytes } else { 0 });
        let mut zeros: Vec<R> = Vec::with_capacity(if offers { n * columns } else { 0 });
        let mut chosen: Vec<R> = Vec::with_capacity(if chooses { n * columns } else { 0 });
        let mut random = vec![0; if chooses { n.div_ceil(64) } else { 0 }];
        let mut ones: Vec<R> = Vec::new();
        for offerer in [PartyId::ZERO, PartyId::ONE] {
            if !choosers[offerer.other().index()] {
                continue;
            }
            if offerer == self.party {
                self.offer(n, |start, zero, one| {
                    pads::expand(zero, columns, tweak(start), &mut zeros);
                    ones.clear();
                    pads::expand(one, columns, tweak(start), &mut ones);
                    let zeros = &zeros[start * columns..];
                    tile.runs(start, zero.len(), |run| {
                        for i in 0..run.len {
                            let (row, pad) = (run.offer(i), (run.transfer - start + i) * columns);
                            let sign = run.sign(i, choice);
                            for column in 0..columns {
                                let offered = choose(sign, offer[row + column].neg(), offer[row + column]);
                                let masked = offered.sub(ones[pad + column].sub(zeros[pad + column]));
                                values.push(masked.low(run.width).to_u128(), run.width);
                            }
                        }
                    });
                })?;
            } else {
                self.choose(n, |start, received, pads| {
                    xor_plane(&mut random, start, received, 0);
                    pads::expand(pads, columns, tweak(start), &mut chosen);
                })?;
            }
        }

        let (mut message, mut flips) = (Vec::new(), Vec::new());
        if chooses {
            let words = &choice[tile.start..tile.start + tile.elements];
            let mut own = BitWriter::with_capacity(choice_bytes);
            planes(words, shape.choice_bits).iter().for_each(|plane| own.push_bits(plane, tile.elements));
            flips = BitReader::new(&own.finish()).take_bits(n);
            flips.iter_mut().zip(&random).for_each(|(flip, random)| *flip ^= random);
            let mut masked = BitWriter::with_capacity(choice_bytes);
            masked.push_bits(&flips, n);
            message = masked.finish();
        }
        if offers {
            message.append(&mut values.finish());
        }
        let expected = if offers { choice_bytes } else { 0 } + if chooses { offered_bytes } else { 0 };
        let received = self.exchange(&message, expected)?;
        let (theirs, values) = received.split_at(if offers { choice_bytes } else { 0 });
        if offers {
            let theirs = BitReader::new(theirs).take_bits(n);
            tile.runs(0, n, |run| {
                for i in 0..run.len {
                    let (row, result, pad) = (run.offer(i), run.result(i), (run.transfer + i) * columns);
                    let flip = mask::<R>(&theirs, run.transfer + i);
                    let sign = run.sign(i, choice);
                    for column in 0..columns {
                        let zero = zeros[pad + column];
                        let offered = choose(sign, offer[row + column].neg(), offer[row + column]);
                        let share = choose(flip, offered.add(zero), zero.neg());
                        run.add(&mut shares[result + column], share);
                    }
                }
            });
        }
        if chooses {
            let mut values = BitReader::new(values);
            tile.runs(0, n, |run| {
                for i in 0..run.len {
                    let (result, pad) = (run.result(i), (run.transfer + i) * columns);
                    let bit = mask::<R>(&random, run.transfer + i);
                    let flip = mask::<R>(&flips, run.transfer + i);
                    for column in 0..columns {
                        let masked = R::from_u128(values.take(run.width));
                        let product = chosen[pad + column].add(masked.and(bit));
                        run.add(&mut shares[result + column], choose(flip, product.neg(), product));
                    }
                }
            });
        }
        bytemuck::cast_slice_mut::<R, u8>(&mut zeros).zeroize();
        bytemuck::cast_slice_mut::<R, u8>(&mut ones).zeroize();
        bytemuck::cast_slice_mut::<R, u8>(&mut chosen).zeroize();
        Ok(())
    }

    /// `a & b`.
    pub(super) fn and_bits(&mut self, a: &Bits, b: &Bits) -> Result<Bits> {
        assert_eq!(a.len, b.len, "operands have one length");
        let placement = a.placement.join(b.placement);
        let cross = self.cross_bits(a, &[b], choosers(a.placement, b.placement))?;
        let words = a.words.iter().zip(&b.words).zip(&cross[0].words).map(|((a, b), cross)| a & b ^ cross).collect();
        Ok(Bits { placement, len: a.len, words })
    }

    /// The products of shared choices by shared columns, each column a prefix.
    pub(super) fn and_columns(&mut self, choice: &Bits, columns: &[&Bits]) -> Result<Vec<Bits>> {
        let mut products = self.cross_bits(choice, columns, [true; 2])?;
        for (product, column) in products.iter_mut().zip(columns) {
            for ((product, x), y) in product.words.iter_mut().zip(&choice.words).zip(&column.words) {
                *product ^= x & y;
            }
        }
        Ok(products)
    }
}

/// A column of bits that is offered for the first `len` choices of a tile.
struct Column {
    len: usize,
    words: Vec<u64>,
}

/// Elements `start..start + elements` of a product. Transfers go place by place of the choice bits, element by element.
struct WordTile<'s> {
    shape: &'s WordCross,
    start: usize,
    elements: usize,
}

/// Transfers of one place and of consecutive elements.
struct Run<'s> {
    shape: &'s WordCross,
    /// The first transfer within the tile.
    transfer: usize,
    /// Its element.
    element: usize,
    len: usize,
    /// The place of the choice bit.
    place: u32,
    /// The bits of the words that count.
    width: u32,
    /// Whether the choice bit counts negative.
    negative: bool,
}

impl Run<'_> {
    /// Where the row that is offered begins.
    fn offer(&self, i: usize) -> usize {
        (self.element + i) % self.shape.period * self.shape.columns
    }

    /// All ones where what is offered is negated.
    fn sign<R: Ring>(&self, i: usize, choice: &[R]) -> R {
        if !self.shape.exclusive {
            return R::ZERO;
        }
        choice[self.element + i].shr(self.place).and(R::ONE).neg()
    }

    /// Where the row of the result begins.
    fn result(&self, i: usize) -> usize {
        (self.element + i) / self.shape.fold * self.shape.columns
    }

    fn add<R: Ring>(&self, sum: &mut R, share: R) {
        let share = share.shl(self.place);
        *sum = if self.negative { sum.sub(share) } else { sum.add(share) };
    }
}

impl WordTile<'_> {
    /// Transfers `start..start + n` of the tile.
    fn runs(&self, start: usize, n: usize, mut each: impl FnMut(Run<'_>)) {
        let (shape, end) = (self.shape, start + n);
        let mut transfer = start;
        while transfer < end {
            let (place, within) = ((transfer / self.elements) as u32, transfer % self.elements);
            let len = (self.elements - within).min(end - transfer);
            let negative = shape.signed && place + 1 == shape.choice_bits;
            let element = self.start + within;
            each(Run { shape, transfer, element, len, place, width: shape.width - place, negative });
            transfer += len;
        }
    }
}

/// All ones where a packed bit is set.
pub(super) fn mask<R: Ring>(bits: &[u64], place: usize) -> R {
    R::from_u128(u128::from(bits[place / 64] >> (place % 64) & 1)).neg()
}

/// `a` under a mask of ones, `b` under one of zeros.
pub(super) fn choose<R: Ring>(mask: R, a: R, b: R) -> R {
    b.add(mask.and(a.sub(b)))
}
