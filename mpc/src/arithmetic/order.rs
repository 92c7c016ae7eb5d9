//! Order: comparison of two vectors, greatest and least elements.
//!
//! *Source*: a tournament of neighbours, so that ties go to the first as they do in NumPy; the value and its index
//! share the choice bit. *Security*: nothing is opened, neither the order nor the winner. *Cost*: a comparison and a
//! selection for each element but one, `ceil(log2(length))` levels. *Shapes and units*: values of `bits` bits, less
//! than the word's, since differences take one more.

use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};

/// The axis along which an array of `[outer, length, inner]`, row-major, is reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The product of the dimensions before the axis.
    pub outer: usize,
    /// The size of the axis.
    pub length: usize,
    /// The product of the dimensions behind it.
    pub inner: usize,
}

impl Axis {
    /// The only axis of a vector.
    pub fn vector(length: usize) -> Self {
        Self { outer: 1, length, inner: 1 }
    }

    /// How many elements are left of the reduction.
    pub fn lanes(&self) -> usize {
        self.outer * self.inner
    }

    /// Where the elements at one place of the axis are, lane by lane.
    pub(super) fn row(&self, place: usize) -> Vec<usize> {
        let Self { outer, length, inner } = *self;
        (0..outer).flat_map(|o| (0..inner).map(move |i| (o * length + place) * inner + i)).collect()
    }
}

/// Which end is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The greatest.
    Maximum,
    /// The least.
    Minimum,
}

/// Whether `a < b`, for values of at most `bits` bits.
pub fn less<R: Ring, B: Backend<R> + ?Sized>(backend: &mut B, a: &Arith<R>, b: &Arith<R>, bits: u32) -> Result<Bits> {
    let difference = a.sub(backend, b);
    backend.is_negative(&difference, bits + 1)
}

/// Whether `a <= b`, for values of at most `bits` bits.
pub fn less_or_equal<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    a: &Arith<R>,
    b: &Arith<R>,
    bits: u32,
) -> Result<Bits> {
    let greater = less(backend, b, a, bits)?;
    Ok(greater.not(backend))
}

/// Whether `a == b`, for values of at most `bits` bits.
pub fn equal<R: Ring, B: Backend<R> + ?Sized>(backend: &mut B, a: &Arith<R>, b: &Arith<R>, bits: u32) -> Result<Bits> {
    let difference = a.sub(backend, b);
    // Values of `bits` bits differ by less than 2^bits, so the low bits decide.
    backend.is_zero(&difference, bits)
}

/// The greater one of each pair.
pub fn maximum<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    a: &Arith<R>,
    b: &Arith<R>,
    bits: u32,
) -> Result<Arith<R>> {
    better(backend, a, b, Extreme::Maximum, bits)
}

/// The lesser one of each pair.
pub fn minimum<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    a: &Arith<R>,
    b: &Arith<R>,
    bits: u32,
) -> Result<Arith<R>> {
    better(backend, a, b, Extreme::Minimum, bits)
}

fn better<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    a: &Arith<R>,
    b: &Arith<R>,
    which: Extreme,
    bits: u32,
) -> Result<Arith<R>> {
    let second = second_wins(backend, a, b, which, bits)?;
    let change = backend.select(&second, &b.sub(backend, a))?;
    Ok(a.add(backend, &change))
}

/// Whether the second one is strictly better.
fn second_wins<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    first: &Arith<R>,
    second: &Arith<R>,
    which: Extreme,
    bits: u32,
) -> Result<Bits> {
    match which {
        Extreme::Maximum => less(backend, first, second, bits),
        Extreme::Minimum => less(backend, second, first, bits),
    }
}

/// The greatest or least element along the axis.
///
/// # Panics
/// If the axis is empty: it has none.
pub fn extreme<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    axis: Axis,
    which: Extreme,
    bits: u32,
) -> Result<Arith<R>> {
    Ok(tournament(backend, vec![x.clone()], axis, which, bits)?.swap_remove(0))
}

/// The greatest or least element along the axis, and its place there; of equal ones the first.
///
/// # Panics
/// If the axis is empty: it has none.
pub fn extreme_with_index<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    axis: Axis,
    which: Extreme,
    bits: u32,
) -> Result<(Arith<R>, Arith<R>)> {
    let place = |element: usize| R::from_u128((element / axis.inner % axis.length) as u128);
    let index = Arith::public((0..x.len()).map(place).collect());
    let mut columns = tournament(backend, vec![x.clone(), index], axis, which, bits)?;
    let index = columns.swap_remove(1);
    Ok((columns.swap_remove(0), index))
}

/// The columns at the place where the first column is best.
fn tournament<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    columns: Vec<Arith<R>>,
    axis: Axis,
    which: Extreme,
    bits: u32,
) -> Result<Vec<Arith<R>>> {
    assert!(axis.length > 0, "an axis with elements");
    let lanes = axis.lanes();
    // From here on place by place: element `place * lanes + lane`.
    let order: Vec<usize> = (0..axis.length).flat_map(|place| axis.row(place)).collect();
    let mut columns: Vec<Arith<R>> = columns.iter().map(|column| column.gather(&order)).collect();
    let mut places = axis.length;
    // The rounds compare low bits only, so what is selected needs to be right modulo these; whole words at the end.
    let index_bits = usize::BITS - axis.length.leading_zeros() + 1;
    let width = (bits.max(index_bits) + 2).min(R::BITS);
    while places > 1 {
        let pairs = places / 2;
        let of = |offset: usize| -> Vec<usize> {
            (0..pairs).flat_map(|pair| (2 * pair + offset) * lanes..(2 * pair + offset + 1) * lanes).collect()
        };
        let (first, second) = (of(0), of(1));
        let (firsts, seconds) = (columns[0].gather(&first), columns[0].gather(&second));
        let wins = second_wins(backend, &firsts, &seconds, which, bits)?;
        let changes: Vec<Arith<R>> =
            columns.iter().map(|column| column.gather(&second).sub(backend, &column.gather(&first))).collect();
        let changes = select_columns(backend, &wins, &changes, width)?;
        for (column, change) in columns.iter_mut().zip(changes) {
            let winners = column.gather(&first).add(backend, &change);
            let rest = column.slice(2 * pairs * lanes..places * lanes);
            *column = Arith::concat(backend, &[&winners, &rest]);
        }
        places -= pairs;
    }
    if axis.length > 1 && width < R::BITS {
        let all = Arith::concat(backend, &columns.iter().collect::<Vec<_>>());
        let whole = backend.truncate_within(&all, 0, width, R::BITS)?;
        columns = (0..columns.len()).map(|column| whole.slice(column * lanes..(column + 1) * lanes)).collect();
    }
    Ok(columns)
}

/// Every column where the bit is set, with one choice for all of them, modulo `2^width`.
fn select_columns<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    c: &Bits,
    columns: &[Arith<R>],
    width: u32,
) -> Result<Vec<Arith<R>>> {
    let n = c.len;
    let rows: Vec<usize> = (0..n).flat_map(|i| (0..columns.len()).map(move |j| j * n + i)).collect();
    let all = Arith::concat(backend, &columns.iter().collect::<Vec<_>>()).gather(&rows);
    let chosen = backend.select_within(c, &all, width)?;
    let column = |j| chosen.gather(&(0..n).map(|i| i * columns.len() + j).collect::<Vec<_>>());
    Ok((0..columns.len()).map(column).collect())
}
