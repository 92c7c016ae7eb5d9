//! The two-party engine's operations on shares.
//!
//! *Source*: cross products by correlated oblivious transfer after Gilboa (CRYPTO'99), with vector triples, and by
//! encryption on lattices where there are many; comparison
//! after CrypTFlow2 (ePrint 2020/1002) with digits of three bits; truncation by one transfer under a known range, as
//! Cheetah (ePrint 2022/207) has it. All of them differ from the papers in that both parties offer and choose at once,
//! so that every exchange is simultaneous.
//!
//! *Security*: semi-honest, two parties, no dealer; abort without fairness. Every result has fresh shares: each
//! party's is masked by transfers that are used once. Message sizes, directions and order depend on lengths, widths
//! and placements only. A deviating peer can shift results, and learns nothing from that alone. [`Backend::truncate`] may
//! give one less than the floor, depending on the shares: the low bit of a truncated value that is revealed depends
//! on more than the value, so what is released is rounded to a grid first.
//!
//! *Cost*: exact functions in [`cost`], held against the channel's counters in tests; random transfers come on top.
//!
//! *Shapes and units*: flat vectors; `n` is their length, `bits` widths of values. Long vectors go in tiles of about
//! half a million transfers, one exchange a tile, which bounds the memory of an operation besides its operands.
//!
//! *Vectors*: none; held against [`Clear`](crate::clear::Clear).

mod adder;
mod beaver;
mod compare;
pub mod cost;
mod count;
mod cross;
mod digits;
#[cfg(test)]
pub(crate) mod ideal;
mod look_up;
mod matrices;
mod means;
mod multiply;
mod network;
mod pace;
mod pads;
mod planes;
mod reveal;
mod shuffle;
mod slots;
#[cfg(test)]
pub(crate) mod tests;
mod together;
mod transfers;
mod truncate;
mod wire;

pub use count::Counter;
pub use means::Means;
pub use pace::Pace;

use std::marker::PhantomData;

use tacit_protocol::PartyId;

use crate::backend::{Backend, Job, MatrixShape, Needs, Repeat, Table};
use crate::channel::Channel;
use crate::clear::{each, floor, whole_and_zero};
use crate::correlations::Correlations;
use crate::error::Result;
use crate::lattice::Lattice;
use crate::offline::{Counts, Stock};
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement, Seat};
use cross::choosers;

/// One party's side of the engine, for as long as one plan runs over one channel.
pub struct TwoParty<'c, R, C> {
    party: PartyId,
    channel: &'c mut dyn Channel,
    correlations: C,
    lattice: Option<&'c mut Lattice>,
    means: Means,
    stock: Stock,
    kept: matrices::Kept,
    tweak: u128,
    word: PhantomData<R>,
}

impl<'c, R: Ring, C: Correlations> TwoParty<'c, R, C> {
    /// The side of `party`, which must be zero or one, over a channel to the other.
    pub fn new(party: PartyId, channel: &'c mut dyn Channel, correlations: C) -> Self {
        assert!(party.0 < 2, "two parties");
        let (means, stock, kept) = Default::default();
        Self { party, channel, correlations, lattice: None, means, stock, kept, tweak: 0, word: PhantomData }
    }

    /// With the keys that a plan of many products takes.
    #[must_use]
    pub fn with_lattice(self, lattice: &'c mut Lattice) -> Self {
        Self { lattice: Some(lattice), ..self }
    }

    /// With the choices that these means allow, which must be the peer's too.
    #[must_use]
    pub fn with(self, means: Means) -> Self {
        Self { means, ..self }
    }

    /// With items that were made in advance, which [`Backend::allow`] has it take.
    #[must_use]
    pub fn with_stock(self, stock: Stock) -> Self {
        Self { stock, ..self }
    }

    /// Where an earlier side of the same correlations left off ([`TwoParty::tweak`]), so that no tweak comes twice.
    #[must_use]
    pub fn with_tweak(self, tweak: u128) -> Self {
        Self { tweak, ..self }
    }

    /// The first tweak that is not used yet.
    pub fn tweak(&self) -> u128 {
        self.tweak
    }

    /// The channel, for its counters.
    pub fn channel(&mut self) -> &mut dyn Channel {
        &mut *self.channel
    }

    /// Gives back the correlations, with what is left of them.
    pub fn into_correlations(self) -> C {
        self.correlations
    }

    /// Whether this is the first party, which adds public constants to shares.
    fn first(&self) -> bool {
        self.party == PartyId::ZERO
    }
}

impl<R, C> Seat for TwoParty<'_, R, C> {
    fn party(&self) -> PartyId {
        self.party
    }

    fn holds(&self, placement: Placement) -> bool {
        match placement {
            Placement::Public => true,
            Placement::Private(owner) => owner == self.party,
            Placement::Shared => self.party == PartyId::ZERO,
        }
    }
}

impl<R: Ring, C: Correlations> Backend<R> for TwoParty<'_, R, C> {
    fn together(&mut self, needs: &[Needs], jobs: Vec<Job<'_, R>>) -> Result<()> {
        self.side_by_side(needs, jobs)
    }

    fn allow(&mut self, counts: &Counts) {
        self.means = self.means.allowing(counts);
    }

    fn and(&mut self, a: &Bits, b: &Bits) -> Result<Bits> {
        self.and_bits(a, b)
    }

    fn to_arith(&mut self, a: &Bits) -> Result<Arith<R>> {
        self.words_of_bits(a)
    }

    fn select(&mut self, c: &Bits, x: &Arith<R>) -> Result<Arith<R>> {
        self.select_words(c, x, R::BITS)
    }

    fn multiply(&mut self, a: &Arith<R>, b: &Arith<R>, a_bits: u32, b_bits: u32) -> Result<Arith<R>> {
        self.whole_product(a, b, (a_bits, b_bits))
    }

    fn multiply_truncate(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        bits: (u32, u32),
        product_bits: u32,
        shift: u32,
    ) -> Result<Arith<R>> {
        assert!(shift < product_bits && product_bits < R::BITS, "a product that the word holds with a bit to spare");
        if choosers(a.placement, b.placement) == [false; 2] {
            let product = self.product(a, b, bits, R::BITS)?;
            return self.truncate(&product, shift);
        }
        // With a bit to spare the shift finds the wrap of the parts in a smaller ring as well.
        let width = product_bits + 1;
        let product = self.product(a, b, bits, width)?;
        self.faithful_shift(&product, shift, width, R::BITS)
    }

    fn select_within(&mut self, c: &Bits, x: &Arith<R>, width: u32) -> Result<Arith<R>> {
        self.select_words(c, x, width)
    }

    fn shift_within(&mut self, places: &[Bits], x: &Arith<R>, width: u32) -> Result<Arith<R>> {
        self.shift_words(places, x, width)
    }

    fn multiply_within(&mut self, a: &Arith<R>, b: &Arith<R>, bits: (u32, u32), width: u32) -> Result<Arith<R>> {
        self.product(a, b, bits, width)
    }

    fn truncate_within(&mut self, x: &Arith<R>, shift: u32, width: u32, wanted: u32) -> Result<Arith<R>> {
        if x.placement != Placement::Shared {
            return Ok(floor(x, shift));
        }
        self.faithful_shift(x, shift, width, wanted)
    }

    fn matrix_multiply(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        shape: MatrixShape,
        bits: (u32, u32),
        repeat: Option<Repeat>,
    ) -> Result<Arith<R>> {
        self.matrix_product(a, b, shape, bits, repeat)
    }

    fn shuffle(&mut self, x: &Arith<R>, columns: usize, groups: usize) -> Result<Arith<R>> {
        self.shuffled(x, columns, groups)
    }

    fn is_negative(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits> {
        if x.placement != Placement::Shared {
            return Ok(own(self, x, each(x, |word| word.bit(bits - 1))));
        }
        self.sign(x, bits)
    }

    fn is_zero(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits> {
        if x.placement != Placement::Shared {
            return Ok(own(self, x, each(x, |word| word.low(bits) == R::ZERO)));
        }
        self.zero(x, bits)
    }

    fn truncate(&mut self, x: &Arith<R>, shift: u32) -> Result<Arith<R>> {
        if x.placement != Placement::Shared || shift == 0 {
            return Ok(floor(x, shift));
        }
        self.faithful_shift(x, shift, R::BITS, R::BITS)
    }

    fn floor_shift(&mut self, x: &Arith<R>, shift: u32, bits: u32) -> Result<Arith<R>> {
        if x.placement != Placement::Shared || shift == 0 {
            return Ok(floor(x, shift));
        }
        self.exact_shift(x, shift, bits)
    }

    fn bits_of(&mut self, x: &Arith<R>, count: u32, bits: u32) -> Result<Vec<Bits>> {
        if x.placement != Placement::Shared {
            return Ok((0..count).map(|place| each(x, |word| word.bit(place.min(bits - 1)))).collect());
        }
        self.decompose(x, count, bits)
    }

    fn parts(&mut self, x: &Arith<R>, width: u32) -> [Arith<R>; 2] {
        if x.placement != Placement::Shared {
            return whole_and_zero(x, width);
        }
        [PartyId::ZERO, PartyId::ONE].map(|party| {
            let words = x.words.iter().map(|word| word.low(width)).collect();
            Arith::private(self, party, words)
        })
    }

    fn look_up(&mut self, index: [&Arith<R>; 2], table: &Table) -> Result<Vec<Arith<R>>> {
        self.look_up_columns(index, table)
    }

    fn reveal(&mut self, x: &Arith<R>, to: &[PartyId]) -> Result<Option<Vec<R>>> {
        self.reveal_words(x, to)
    }

    fn reveal_bits(&mut self, x: &Bits, to: &[PartyId]) -> Result<Option<Vec<u64>>> {
        self.reveal_packed(x, to)
    }
}

/// What the owner computed of its own value; the other side's part stays zero.
fn own<S: Seat>(seat: &S, x: &Arith<impl Ring>, computed: Bits) -> Bits {
    if seat.holds(x.placement) { computed } else { Bits::new(computed.placement, computed.len, Vec::new()) }
}
