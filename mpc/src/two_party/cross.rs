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

use super::TwoParty;
use super::pads;
use super::wire::{BitReader, BitWriter};
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Bits, Placement};

/// Transfers a tile: what one exchange carries at most. A multiple of 64.
pub(super) const TILE: usize = 1 << 19;

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
}

impl WordCross {
    /// One product for each element.
    pub(super) fn each(elements: usize, choice_bits: u32, signed: bool, width: u32) -> Self {
        Self { elements, choice_bits, signed, columns: 1, width, period: elements, fold: 1 }
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

/// This party's random transfers of a tile.
struct Transfers {
    offered: Vec<[u128; 2]>,
    choices: Vec<u64>,
    chosen: Vec<u128>,
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// Random transfers in the directions in use, the first party's offers first.
    fn transfers(&mut self, n: usize, choosers: Choosers) -> Result<Transfers> {
        let mut transfers = Transfers { offered: Vec::new(), choices: Vec::new(), chosen: Vec::new() };
        for offerer in [PartyId::ZERO, PartyId::ONE] {
            if !choosers[offerer.other().index()] {
                continue;
            }
            if offerer == self.party {
                transfers.offered = self.correlations.send_random(&mut *self.channel, n)?;
                assert_eq!(transfers.offered.len(), n, "as many transfers as were asked for");
            } else {
                (transfers.choices, transfers.chosen) = self.correlations.receive_random(&mut *self.channel, n)?;
                assert_eq!(transfers.chosen.len(), n, "as many transfers as were asked for");
            }
        }
        Ok(transfers)
    }

    /// Sends this party's message of an exchange and takes the other's, of a length that this party computed.
    fn exchange(&mut self, message: &[u8], expected: usize) -> Result<Vec<u8>> {
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
        assert!(columns.len() <= 64, "a bit of the message for each column");
        let mut shares: Vec<_> =
            columns.iter().map(|column| Bits::new(Placement::Shared, column.len, Vec::new())).collect();
        if choosers == [false; 2] {
            return Ok(shares);
        }
        for start in (0..choice.len).step_by(TILE) {
            let n = (choice.len - start).min(TILE);
            let lens: Vec<_> = columns.iter().map(|column| column.len.saturating_sub(start).min(n)).collect();
            let first = start / 64;
            let part =
                |bits: &'_ Bits, len: usize| bits.words[first.min(bits.words.len())..][..len.div_ceil(64)].to_vec();
            let choice = part(choice, n);
            let offer: Vec<_> = columns.iter().zip(&lens).map(|(column, &len)| part(column, len)).collect();
            let tile = self.cross_bits_tile(n, &choice, &offer, &lens, choosers)?;
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
        offer: &[Vec<u64>],
        lens: &[usize],
        choosers: Choosers,
    ) -> Result<Vec<Vec<u64>>> {
        let (chooses, offers) = (choosers[self.party.index()], choosers[self.party.other().index()]);
        let transfers = self.transfers(n, choosers)?;
        let offered: usize = lens.iter().sum();
        let (choice_bytes, offered_bytes) = (n.div_ceil(8), offered.div_ceil(8));

        let mut message = BitWriter::with_capacity(choice_bytes + offered_bytes);
        if chooses {
            let masked: Vec<_> = choice.iter().zip(&transfers.choices).map(|(x, b)| x ^ b).collect();
            message.push_bits(&masked, n);
            message.align();
        }
        let mut shares: Vec<Vec<u64>> = lens.iter().map(|len| vec![0; len.div_ceil(64)]).collect();
        if offers {
            for (place, &len) in lens.iter().enumerate() {
                let mut masked = offer[place].clone();
                for (word, (masked, pairs)) in masked.iter_mut().zip(transfers.offered[..len].chunks(64)).enumerate() {
                    *masked ^= gather_bits(pairs.iter().map(|[zero, one]| (zero ^ one) as u64 >> place));
                    shares[place][word] = gather_bits(pairs.iter().map(|[zero, _]| *zero as u64 >> place));
                }
                message.push_bits(&masked, len);
            }
        }
        let message = message.finish();

        let expected = if offers { choice_bytes } else { 0 } + if chooses { offered_bytes } else { 0 };
        let received = self.exchange(&message, expected)?;
        let (theirs, values) = received.split_at(if offers { choice_bytes } else { 0 });
        if offers {
            let flips = BitReader::new(theirs).take_bits(n);
            for (share, offer) in shares.iter_mut().zip(offer) {
                for ((share, y), d) in share.iter_mut().zip(offer).zip(&flips) {
                    *share ^= y & d;
                }
            }
        }
        if chooses {
            let mut values = BitReader::new(values);
            for (place, &len) in lens.iter().enumerate() {
                let masked = values.take_bits(len);
                for (word, messages) in transfers.chosen[..len].chunks(64).enumerate() {
                    let own = gather_bits(messages.iter().map(|message| *message as u64 >> place));
                    shares[place][word] ^= own ^ transfers.choices[word] & masked[word];
                }
            }
        }
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
        let shape = tile.shape;
        let (chooses, offers) = (choosers[self.party.index()], choosers[self.party.other().index()]);
        let n = tile.elements * shape.choice_bits as usize;
        let transfers = self.transfers(n, choosers)?;
        let tweak = self.tweak;
        self.tweak += pads::tweaks::<R>(n, shape.columns);
        let choice_bytes = n.div_ceil(8);
        let offered_bytes = (tile.elements * shape.offered_bits()).div_ceil(8);

        let mut message = BitWriter::with_capacity(choice_bytes + offered_bytes);
        if chooses {
            let mut choices = BitWriter::with_capacity(choice_bytes);
            for word in &choice[tile.start..tile.start + tile.elements] {
                choices.push(word.low(shape.choice_bits).to_u128(), shape.choice_bits);
            }
            let choices = choices.finish();
            let mut choices = BitReader::new(&choices);
            let masked: Vec<_> = choices.take_bits(n).iter().zip(&transfers.choices).map(|(x, b)| x ^ b).collect();
            message.push_bits(&masked, n);
            message.align();
        }
        let [zeros, ones] = [0, 1].map(|side| {
            let messages: Vec<_> = transfers.offered.iter().map(|pair| pair[side]).collect();
            pads::expand::<R>(&messages, shape.columns, tweak)
        });
        if offers {
            tile.visit(|step| {
                let y = offer[step.offer];
                let masked = y.sub(ones[step.pad].sub(zeros[step.pad])).low(step.width);
                message.push(masked.to_u128(), step.width);
            });
        }
        let message = message.finish();

        let expected = if offers { choice_bytes } else { 0 } + if chooses { offered_bytes } else { 0 };
        let received = self.exchange(&message, expected)?;
        let (theirs, values) = received.split_at(if offers { choice_bytes } else { 0 });
        if offers {
            let flips = BitReader::new(theirs).take_bits(n);
            tile.visit(|step| {
                let flip = mask::<R>(&flips, step.transfer);
                let product = zeros[step.pad].neg();
                let share = choose(flip, offer[step.offer].sub(product), product);
                step.add::<R>(&mut shares[step.result], share);
            });
        }
        if chooses {
            let own: Vec<R> = pads::expand(&transfers.chosen, shape.columns, tweak);
            let masked: Vec<_> = {
                let mut choices = BitReader::new(&message);
                choices.take_bits(n)
            };
            let mut values = BitReader::new(values);
            tile.visit(|step| {
                let e = R::from_u128(values.take(step.width));
                let bit = mask::<R>(&transfers.choices, step.transfer);
                let product = own[step.pad].add(choose(bit, e, R::ZERO));
                let flip = mask::<R>(&masked, step.transfer);
                let share = choose(flip, product.neg(), product);
                step.add::<R>(&mut shares[step.result], share);
            });
        }
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

/// Elements `start..start + elements` of a product.
struct WordTile<'s> {
    shape: &'s WordCross,
    start: usize,
    elements: usize,
}

/// One word of one transfer.
struct Step {
    /// The transfer within the tile.
    transfer: usize,
    /// Where its pad is.
    pad: usize,
    /// Where the word offered is.
    offer: usize,
    /// Where the product goes.
    result: usize,
    /// The place of the choice bit.
    place: u32,
    /// The bits of the word that count.
    width: u32,
    /// Whether the choice bit counts negative.
    negative: bool,
}

impl Step {
    fn add<R: Ring>(&self, sum: &mut R, share: R) {
        let share = share.shl(self.place);
        *sum = if self.negative { sum.sub(share) } else { sum.add(share) };
    }
}

impl WordTile<'_> {
    /// Every word of every transfer, in the order of the wire.
    fn visit(&self, mut step: impl FnMut(Step)) {
        let shape = self.shape;
        let mut transfer = 0;
        for element in self.start..self.start + self.elements {
            let offer = element % shape.period * shape.columns;
            let result = element / shape.fold * shape.columns;
            for place in 0..shape.choice_bits {
                let negative = shape.signed && place + 1 == shape.choice_bits;
                for column in 0..shape.columns {
                    step(Step {
                        transfer,
                        pad: transfer * shape.columns + column,
                        offer: offer + column,
                        result: result + column,
                        place,
                        width: shape.width - place,
                        negative,
                    });
                }
                transfer += 1;
            }
        }
    }
}

/// All ones where a packed bit is set.
fn mask<R: Ring>(bits: &[u64], place: usize) -> R {
    R::from_u128(u128::from(bits[place / 64] >> (place % 64) & 1)).neg()
}

/// `a` under a mask of ones, `b` under one of zeros.
fn choose<R: Ring>(mask: R, a: R, b: R) -> R {
    b.add(mask.and(a.sub(b)))
}

/// The low bits of up to 64 values as a word.
fn gather_bits(values: impl Iterator<Item = u64>) -> u64 {
    values.enumerate().fold(0, |word, (place, value)| word | (value & 1) << place)
}
