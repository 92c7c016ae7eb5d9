//! What the operations cost: exact payload bytes and exchanges, without the random transfers beneath them, whose
//! number is given. The tests hold these functions against the channel's counters.

use std::ops::{Add, AddAssign, Range};

use tacit_protocol::PartyId;

use super::adder::{Level, network};
use super::beaver;
use super::compare::ELEMENTS;
use super::cross::{BIT_TILE, Choosers, WordCross, choosers};
use super::digits::{DIGIT, Want, cut};
use super::look_up;
use super::matrices::MatrixProduct;
use super::means::Means;
use super::multiply::{Products, narrower, offered_from};
use super::reveal::gives;
use super::transfers::offerer;
use crate::arithmetic::{self, Sorting};
use crate::backend::{MatrixShape, Repeat, Table};
use crate::lattice::KeySize;
use crate::ring::Ring;
use crate::share::{Arith, Placement};

/// The cost of an operation, or of several one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Payload bytes sent by each party.
    pub sent: [u64; 2],
    /// Exchanges one after the other.
    pub rounds: u64,
    /// Random transfers that each party offers.
    pub offered: [u64; 2],
    /// Batches of products by encryption.
    pub batches: u64,
    /// The keys that each party must have for them.
    pub key_sizes: [KeySize; 2],
}

impl Cost {
    /// Bytes both ways.
    pub fn bytes(&self) -> u64 {
        self.sent[0] + self.sent[1]
    }

    /// The cost of both at once, sharing messages: the exchanges of the longer.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self { rounds: self.rounds.max(other.rounds), ..self + other }
    }

    /// Random transfers in both directions.
    pub fn transfers(&self) -> u64 {
        self.offered[0] + self.offered[1]
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: [self.sent[0] + other.sent[0], self.sent[1] + other.sent[1]],
            rounds: self.rounds + other.rounds,
            offered: [self.offered[0] + other.offered[0], self.offered[1] + other.offered[1]],
            batches: self.batches + other.batches,
            key_sizes: [0, 1].map(|party| self.key_sizes[party].max(other.key_sizes[party])),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// [`Backend::and`](crate::backend::Backend::and) of `n` bits.
pub fn and(n: usize, a: Placement, b: Placement) -> Cost {
    cross_bits(n, &[n], choosers(a, b))
}

/// [`Backend::to_arith`](crate::backend::Backend::to_arith) of `n` bits: for shared ones a bit and a word each, or a bit
/// where random ones are ready.
pub fn to_arith<R: Ring>(n: usize, a: Placement, means: &mut Means) -> Cost {
    let otherwise = words_by_transfers::<R>(n, a);
    let Some(kind) = beaver::random_bits::<R>(n, a, &otherwise, means) else { return otherwise };
    means.take(kind, n);
    beaver::bits_cost(n)
}

/// The same by transfers.
pub(super) fn words_by_transfers<R: Ring>(n: usize, a: Placement) -> Cost {
    select::<R>(n, 1, a, Placement::Public)
}

/// [`Backend::select`](crate::backend::Backend::select) of `n` choices and `columns` words each.
pub fn select<R: Ring>(n: usize, columns: usize, c: Placement, x: Placement) -> Cost {
    select_within(n, columns, c, x, R::BITS)
}

/// [`Backend::select_within`](crate::backend::Backend::select_within) of `n` choices and `columns` words each.
pub fn select_within(n: usize, columns: usize, c: Placement, x: Placement, width: u32) -> Cost {
    let shape = WordCross { columns, ..WordCross::each(n, 1, false, width) };
    cross_words(&shape, choosers(c, offered_from(c, x)))
}

/// The pairs of an element-wise product.
#[derive(Clone, Copy, Debug)]
pub struct Factors {
    /// How many.
    pub n: usize,
    /// Who knows them.
    pub placements: [Placement; 2],
    /// The widths of their values.
    pub bits: [u32; 2],
    /// Whether both are one value.
    pub square: bool,
}

impl Factors {
    /// Those of vectors; a square is told by one reference for both.
    pub fn of<R: Ring>(a: &Arith<R>, b: &Arith<R>, bits: (u32, u32)) -> Self {
        assert_eq!(a.len(), b.len(), "operands have one length");
        let placements = [a.placement, b.placement];
        Self { n: a.len(), placements, bits: [bits.0, bits.1], square: std::ptr::eq(a, b) }
    }
}

/// [`Backend::multiply`](crate::backend::Backend::multiply).
pub fn multiply<R: Ring>(factors: &Factors, means: &mut Means) -> Cost {
    match narrower(factors, R::BITS, means) {
        Some(width) => multiply_within(factors, width, means) + wrap(factors.n, R::BITS - width),
        None => multiply_within(factors, R::BITS, means),
    }
}

/// [`Backend::multiply_truncate`](crate::backend::Backend::multiply_truncate).
pub fn multiply_truncate<R: Ring>(factors: &Factors, product_bits: u32, shift: u32, means: &mut Means) -> Cost {
    let [a, b] = factors.placements;
    if choosers(a, b) == [false; 2] {
        return truncate(factors.n, shift, a.join(b));
    }
    let width = product_bits + 1;
    multiply_within(factors, width, means) + wrap(factors.n, R::BITS - width + shift)
}

/// [`Backend::shift_within`](crate::backend::Backend::shift_within) of `n` values by `places` places.
pub fn shift_within(n: usize, places: usize, c: Placement, x: Placement, width: u32) -> Cost {
    let shape = WordCross::each(n, (places as u32).min(width), false, width);
    cross_words(&shape, choosers(c, offered_from(c, x)))
}

/// [`Backend::multiply_within`](crate::backend::Backend::multiply_within).
pub fn multiply_within(factors: &Factors, width: u32, means: &mut Means) -> Cost {
    Products::cheapest(factors, width, means).cost()
}

/// [`Backend::truncate_within`](crate::backend::Backend::truncate_within) of `n` values.
pub fn truncate_within(n: usize, shift: u32, width: u32, wanted: u32, x: Placement) -> Cost {
    if x == Placement::Shared { wrap(n, (wanted + shift).saturating_sub(width)) } else { Cost::default() }
}

/// [`Backend::matrix_multiply`](crate::backend::Backend::matrix_multiply), or of a factor that others have as well.
pub fn matrix_multiply<R: Ring>(
    shape: MatrixShape,
    a: Placement,
    b: Placement,
    bits: (u32, u32),
    repeat: Option<Repeat>,
    means: &mut Means,
) -> Cost {
    MatrixProduct::cheapest(shape, R::BITS, (a, b), bits, repeat, means).cost(R::BITS)
}

/// [`Backend::shuffle`](crate::backend::Backend::shuffle) of `n` words.
pub fn shuffle<R: Ring>(n: usize, columns: usize, groups: usize) -> Cost {
    super::shuffle::cost(n, columns, groups, R::BITS)
}

/// A sort by [`arithmetic::sort`](crate::arithmetic::sort()) of `n` shared words, at most.
pub fn sort<R: Ring>(n: usize, sorting: &Sorting) -> Cost {
    let Sorting { columns, groups, bits } = *sorting;
    let both = [PartyId::ZERO, PartyId::ONE];
    let batches = arithmetic::batches(groups, n / (columns * groups).max(1));
    let batch = |n: usize| is_negative(n, bits, Placement::Shared) + reveal_bits(n, Placement::Shared, &both);
    shuffle::<R>(n, columns, groups) + batches.into_iter().map(batch).sum::<Cost>()
}

/// [`Backend::is_negative`](crate::backend::Backend::is_negative) of `n` values.
pub fn is_negative(n: usize, bits: u32, x: Placement) -> Cost {
    if x == Placement::Shared { carry(n, bits as usize - 1) } else { Cost::default() }
}

/// [`Backend::is_zero`](crate::backend::Backend::is_zero) of `n` values.
pub fn is_zero(n: usize, bits: u32, x: Placement) -> Cost {
    if x != Placement::Shared {
        return Cost::default();
    }
    let bits = bits as usize;
    tiles(n, |n| {
        let (mut cost, mut factors) =
            if bits <= DIGIT { (Cost::default(), bits) } else { (digits(n, bits, |_| Want::Equal), cut(bits).len()) };
        while factors > 1 {
            let half = factors / 2;
            cost += cross_bits(half * n, &[half * n], [true; 2]);
            factors -= half;
        }
        cost
    })
}

/// [`Backend::truncate`](crate::backend::Backend::truncate) of `n` values.
pub fn truncate(n: usize, shift: u32, x: Placement) -> Cost {
    if x != Placement::Shared || shift == 0 {
        return Cost::default();
    }
    wrap(n, shift)
}

/// The wrap of `n` pairs of parts, modulo `2^width`.
pub(super) fn wrap(n: usize, width: u32) -> Cost {
    if width == 0 { Cost::default() } else { cross_words(&WordCross::each(n, 1, false, width), [false, true]) }
}

/// [`Backend::floor_shift`](crate::backend::Backend::floor_shift) of `n` values.
pub fn floor_shift<R: Ring>(n: usize, shift: u32, bits: u32, x: Placement, means: &mut Means) -> Cost {
    match x {
        Placement::Shared if shift == 0 => Cost::default(),
        Placement::Shared if shift + 1 >= bits => is_negative(n, bits, x) + words_by_transfers::<R>(n, x),
        Placement::Shared if bits == R::BITS => {
            let convert = to_arith::<R>(n, x, means) + words_by_transfers::<R>(n, x);
            carry(n, shift as usize) + carry(n, bits as usize) + convert
        }
        Placement::Shared => carry(n, shift as usize) + to_arith::<R>(n, x, means) + truncate(n, shift, x),
        _ => Cost::default(),
    }
}

/// [`Backend::bits_of`](crate::backend::Backend::bits_of) of `n` values.
pub fn bits_of(n: usize, count: u32, bits: u32, x: Placement) -> Cost {
    let width = count.min(bits) as usize;
    if x != Placement::Shared || width < 2 {
        return Cost::default();
    }
    let places = width - 1;
    let level = |Level { upper, open, .. }: Level| cross_bits(upper.len() * n, &[upper.len() * n, open * n], [true; 2]);
    cross_bits(places * n, &[places * n], [false, true]) + network(places).into_iter().map(level).sum()
}

/// [`Backend::look_up`](crate::backend::Backend::look_up) of `n` indices.
pub fn look_up(n: usize, table: &Table, placement: Placement) -> Cost {
    if placement != Placement::Shared {
        return Cost::default();
    }
    let tile = |start: usize| {
        let halves = look_up::halves((n - start).min(look_up::tile(table)));
        let mut cost = Cost { rounds: 2, ..Cost::default() };
        for (offerer, elements) in halves.iter().map(Range::len).enumerate() {
            cost.offered[offerer] = elements as u64 * u64::from(table.index_bits);
            cost.sent[1 - offerer] += look_up::choice_bytes(elements, table) as u64;
            cost.sent[offerer] += look_up::entry_bytes(elements, table) as u64;
        }
        cost
    };
    (0..n).step_by(look_up::tile(table)).map(tile).sum()
}

/// [`Backend::reveal`](crate::backend::Backend::reveal) of `n` words.
pub fn reveal<R: Ring>(n: usize, x: Placement, to: &[PartyId]) -> Cost {
    parts(n * R::BITS as usize / 8, x, to)
}

/// [`Backend::reveal_bits`](crate::backend::Backend::reveal_bits) of `n` bits.
pub fn reveal_bits(n: usize, x: Placement, to: &[PartyId]) -> Cost {
    parts(n.div_ceil(8), x, to)
}

fn parts(bytes: usize, x: Placement, to: &[PartyId]) -> Cost {
    let gives = [PartyId::ZERO, PartyId::ONE].map(|party| gives(x, party, to) && bytes > 0);
    let sent = gives.map(|gives| if gives { bytes as u64 } else { 0 });
    Cost { sent, rounds: u64::from(gives != [false; 2]), ..Cost::default() }
}

/// The comparison of two private numbers of `bits` bits.
fn carry(n: usize, bits: usize) -> Cost {
    if bits == 0 {
        return Cost::default();
    }
    tiles(n, |n| {
        let (mut cost, mut nodes) = if bits <= DIGIT {
            (cross_bits(bits * n, &[bits * n], [false, true]), bits)
        } else {
            (digits(n, bits, |place| if place == 0 { Want::Less } else { Want::Both }), cut(bits).len())
        };
        while nodes > 1 {
            let joined = nodes / 2;
            // Only the lowest pair, which is the last, needs no equality.
            cost += cross_bits(joined * n, &[joined * n, (joined - 1) * n], [true; 2]);
            nodes -= joined;
        }
        cost
    })
}

/// The digits of two private numbers, compared.
fn digits(n: usize, bits: usize, want: impl Fn(usize) -> Want) -> Cost {
    let (mut choices, mut tables, mut cost) = ([0; 2], [0; 2], Cost { rounds: 2, ..Cost::default() });
    for (place, digit) in cut(bits).into_iter().enumerate() {
        let offerer = offerer(place);
        choices[offerer.other().index()] += digit * n;
        tables[offerer.index()] += ((1 << digit) - 1) * want(place).columns() * n;
        cost.offered[offerer.index()] += (digit * n) as u64;
    }
    for party in 0..2 {
        cost.sent[party] += (choices[party].div_ceil(8) + tables[party].div_ceil(8)) as u64;
    }
    cost
}

/// What goes tile by tile of elements.
fn tiles(n: usize, cost: impl Fn(usize) -> Cost) -> Cost {
    (0..n).step_by(ELEMENTS).map(|start| cost((n - start).min(ELEMENTS))).sum()
}

fn cross_bits(choices: usize, columns: &[usize], choosers: Choosers) -> Cost {
    let tile = |start: usize| {
        let n = (choices - start).min(BIT_TILE);
        let offered: usize = columns.iter().map(|len| len.saturating_sub(start).min(n)).sum();
        exchange(n, n.div_ceil(8), offered.div_ceil(8), choosers)
    };
    (0..choices).step_by(BIT_TILE).map(tile).sum()
}

pub(super) fn cross_words(shape: &WordCross, choosers: Choosers) -> Cost {
    if shape.columns == 0 {
        return Cost::default();
    }
    let tile = |start: usize| {
        let elements = (shape.elements - start).min(shape.tile());
        let n = elements * shape.choice_bits as usize;
        exchange(n, n.div_ceil(8), (elements * shape.offered_bits()).div_ceil(8), choosers)
    };
    (0..shape.elements).step_by(shape.tile()).map(tile).sum()
}

/// One exchange of `n` choices and of what is offered for them.
fn exchange(n: usize, choices: usize, offered: usize, choosers: Choosers) -> Cost {
    let mut cost = Cost { rounds: u64::from(choosers != [false; 2]), ..Cost::default() };
    for chooser in [0, 1].into_iter().filter(|&party| choosers[party]) {
        cost.sent[chooser] += choices as u64;
        cost.sent[1 - chooser] += offered as u64;
        cost.offered[1 - chooser] += n as u64;
    }
    cost
}
