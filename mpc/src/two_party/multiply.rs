//! Selection and products: what one party's bits and words do to shared words.
//!
//! *Source*: Gilboa products with ownership: a part that one party knows to be zero has no cross term. Where there are many
//! elements, [`super::slots`]. *Security*: that of [`super::cross`] and [`super::slots`].
//! *Cost*: [`super::cost::select`], [`super::cost::multiply`].
//! *Shapes and units*: products are of ring words; widths are of values, and make the choices of private operands short.

use tacit_protocol::PartyId;

use super::beaver;
use super::cost::{Cost, Factors, cross_words, wrap};
use super::cross::{Choosers, WordCross, choosers};
use super::slots::SlotCross;
use super::{Means, TwoParty};
use crate::clear::columns;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::lattice::SLOTS;
use crate::offline::Kind;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement, Seat};

/// How a product is cut into choices and offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation {
    /// Whether the right operand provides the choice bits.
    pub(super) swapped: bool,
    /// The width of the choice words.
    pub(super) choice_bits: u32,
}

/// Lets the operand choose that takes fewer bits, each weighed by how many words it has, for products modulo
/// `2^width`.
pub(super) fn orient(
    width: u32,
    (a, a_bits, a_weight): (Placement, u32, usize),
    (b, b_bits, b_weight): (Placement, u32, usize),
) -> Orientation {
    let choice = |placement, bits: u32| if placement == Placement::Shared { width } else { bits.min(width) };
    let (left, right) = (choice(a, a_bits), choice(b, b_bits));
    // What is offered for a choice word of `bits` bits, a word a product; the choices themselves weigh little.
    let offered = |bits: u32| (0..bits).map(|place| (width - place) as usize).sum::<usize>();
    let cost = |bits: u32, words: usize, products: usize| bits as usize * words + offered(bits) * products;
    let products = a_weight.max(1) * b_weight.max(1);
    let swapped = cost(right, b_weight, products) < cost(left, a_weight, products);
    Orientation { swapped, choice_bits: if swapped { right } else { left } }
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// `c * x` with `columns` words a choice. Party `i` offers `x_i * (1 - 2 c_i)` against the other's choice bit,
    /// since `c = c_i + c_j * (1 - 2 c_i)`.
    /// Modulo `2^width`; the bits of the parts beyond are noise.
    pub(super) fn select_words(&mut self, c: &Bits, x: &Arith<R>, width: u32) -> Result<Arith<R>> {
        let columns = columns(c.len, x.len());
        let placement = c.placement.join(x.placement);
        // A public value under a shared choice is offered by the first party alone.
        let source = offered_from(c.placement, x.placement);
        let part = if x.placement == source || self.holds(source) { R::ZERO.sub(R::ONE) } else { R::ZERO };
        let words: Vec<R> = x.words.iter().map(|word| word.and(part)).collect();
        let own: Vec<R> = words.iter().enumerate().map(|(i, &word)| pick(c, i / columns, word)).collect();
        let offer: Vec<R> = words.iter().zip(&own).map(|(word, &own)| word.sub(own.add(own))).collect();
        let choice: Vec<R> = (0..c.len).map(|i| pick(c, i, R::ONE)).collect();
        let choosers = choosers(c.placement, source);
        let shape = WordCross { columns, ..WordCross::each(c.len, 1, false, width) };
        let cross = self.cross_words(&shape, &choice, &offer, choosers)?;
        let words = own.iter().zip(cross).map(|(own, cross)| own.add(cross)).collect();
        Ok(Arith { placement, words })
    }

    /// `x * sum(2^j * places[j])` modulo `2^width`; the bits of the parts beyond are noise.
    pub(super) fn shift_words(&mut self, places: &[Bits], x: &Arith<R>, width: u32) -> Result<Arith<R>> {
        assert!(places.iter().all(|place| place.len == x.len()), "operands have one length");
        let c = places.iter().fold(Placement::Public, |joined, place| joined.join(place.placement));
        let source = offered_from(c, x.placement);
        let mine = x.placement == source || self.holds(source);
        let offer: Vec<R> = x.words.iter().map(|&word| if mine { word } else { R::ZERO }).collect();
        let places = &places[..places.len().min(width as usize)];
        let factor = |i: usize| {
            places.iter().enumerate().fold(R::ZERO, |sum, (j, place)| {
                let counts = place.placement != Placement::Public || self.holds(c);
                if counts { sum.add(pick(place, i, R::ONE).shl(j as u32)) } else { sum }
            })
        };
        let choice: Vec<R> = (0..x.len()).map(factor).collect();
        let shape = WordCross { exclusive: true, ..WordCross::each(x.len(), places.len() as u32, false, width) };
        let cross = self.cross_words(&shape, &choice, &offer, choosers(c, source))?;
        let words = offer.iter().zip(&choice).zip(cross).map(|((&x, c), cross)| c.mul(x).add(cross)).collect();
        Ok(Arith { placement: c.join(x.placement), words })
    }

    /// The product in the word, of values of so many bits.
    pub(super) fn whole_product(&mut self, a: &Arith<R>, b: &Arith<R>, bits: (u32, u32)) -> Result<Arith<R>> {
        match narrower(&Factors::of(a, b, bits), R::BITS, &self.means) {
            Some(width) => {
                let product = self.product(a, b, bits, width)?;
                self.faithful_shift(&product, 0, width, R::BITS)
            }
            None => self.product(a, b, bits, R::BITS),
        }
    }

    /// The product modulo `2^width`; the bits of the parts beyond are noise.
    pub(super) fn product(&mut self, a: &Arith<R>, b: &Arith<R>, bits: (u32, u32), width: u32) -> Result<Arith<R>> {
        let placement = a.placement.join(b.placement);
        let cut = Products::cheapest(&Factors::of(a, b, bits), width, &mut self.means);
        if let Some(kind) = cut.triples {
            let words = self.product_of_triples(kind, &a.words, &b.words, width)?;
            return Ok(Arith { placement, words });
        }
        let mut cross = self.cross_slots(&cut.slots, &a.words[..cut.batched], &b.words[..cut.batched])?;
        let (choice, offer) = if cut.swapped { (b, a) } else { (a, b) };
        let [choice, offer] = [choice, offer].map(|operand| &operand.words[cut.batched..]);
        cross.extend(self.cross_words(&cut.transfers, choice, offer, cut.choosers)?);
        let words = a.words.iter().zip(&b.words).zip(cross).map(|((a, &b), cross)| a.mul(b).add(cross)).collect();
        Ok(Arith { placement, words })
    }
}

/// How element-wise products are made: all with triples, or the first elements by encryption, the others by transfers.
#[derive(Clone, Copy)]
pub(super) struct Products {
    factors: Factors,
    width: u32,
    /// The triples that all take, if they do.
    triples: Option<Kind>,
    /// Those by encryption.
    slots: SlotCross,
    /// How many they are.
    batched: usize,
    /// Those by transfers.
    transfers: WordCross,
    /// Whether the right operand chooses there.
    swapped: bool,
    /// Who chooses there.
    choosers: Choosers,
}

impl Products {
    /// The fastest, modulo `2^width`: with triples, of which it takes what it needs; or none, all, or all whole batches by
    /// encryption.
    pub(super) fn cheapest(factors: &Factors, width: u32, means: &mut Means) -> Self {
        let whole = factors.n - factors.n % SLOTS;
        let ways = [0, whole, factors.n].map(|batched| Self::new(factors, width, batched));
        let ways = ways.into_iter().filter(|way| way.batched == 0 || way.choosers != [false; 2]);
        let pace = means.pace;
        let fastest = ways.min_by_key(|way| pace.nanoseconds(&way.cost())).expect("transfers can do all");
        let kind = Kind::triples(width);
        if factors.n == 0 || fastest.choosers == [false; 2] || !means.has(kind, factors.n) {
            return fastest;
        }
        let ready = Self { triples: Some(kind), ..fastest };
        if pace.nanoseconds(&ready.cost()) >= pace.nanoseconds(&Self { triples: None, ..ready }.cost()) {
            return Self { triples: None, ..ready };
        }
        means.take(kind, factors.n);
        ready
    }

    fn new(factors: &Factors, width: u32, batched: usize) -> Self {
        let ([a, b], [a_bits, b_bits]) = (factors.placements, factors.bits);
        let Orientation { swapped, choice_bits } = orient(width, (a, a_bits, 1), (b, b_bits, 1));
        let choosers = if swapped { choosers(b, a) } else { choosers(a, b) };
        let slots = SlotCross::new(width, (a, a_bits), (b, b_bits), factors.square);
        let transfers = WordCross::each(factors.n - batched, choice_bits, true, width);
        Self { factors: *factors, width, triples: None, slots, batched, transfers, swapped, choosers }
    }

    /// What they cost.
    pub(super) fn cost(&self) -> Cost {
        if self.triples.is_some() {
            return beaver::product_cost(self.factors.n, self.width);
        }
        self.slots.cost(self.batched) + cross_words(&self.transfers, self.choosers)
    }
}

/// What products of such values take themselves, with two bits for the wrap of their parts to be told by: modulo two to the
/// power of that they are made where bringing them to the word afterwards is faster than making them in it.
pub(super) fn narrower(factors: &Factors, word: u32, means: &Means) -> Option<u32> {
    let width = factors.bits[0] + factors.bits[1] + 1;
    let [a, b] = factors.placements;
    if width >= word || choosers(a, b) == [false; 2] {
        return None;
    }
    let cost = |width| Products::cheapest(factors, width, &mut means.clone()).cost();
    let time = |cost: Cost| means.pace.nanoseconds(&cost);
    (time(cost(width) + wrap(factors.n, word - width)) < time(cost(word))).then_some(width)
}

/// Where the words of a selection come from.
pub(super) fn offered_from(c: Placement, x: Placement) -> Placement {
    match (c, x) {
        (Placement::Shared, Placement::Public) => Placement::Private(PartyId::ZERO),
        _ => x,
    }
}

/// The word where this party's part of the bit is set, else zero.
fn pick<R: Ring>(c: &Bits, place: usize, word: R) -> R {
    word.and(R::from_u128(u128::from(c.words[place / 64] >> (place % 64) & 1)).neg())
}
