//! Conjunctions, disjunctions and counts of bits, in trees.
//!
//! *Source*: halving; Sklansky's prefix network. *Security*: nothing is opened. *Cost*: `ceil(log2(length))` calls of
//! `and`. *Shapes and units*: vectors of `n` bits, combined element by element, or along an [`Axis`].

use super::order::Axis;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};

/// For each vector, the disjunction of it and all before it.
pub fn prefix_or<R: Ring, B: Backend<R> + ?Sized>(backend: &mut B, bits: &[Bits]) -> Result<Vec<Bits>> {
    let Some(n) = bits.first().map(|bits| bits.len) else { return Ok(Vec::new()) };
    // The complement of a disjunction is the conjunction of the complements.
    let mut none: Vec<Bits> = bits.iter().map(|bits| bits.not(backend)).collect();
    let mut step = 1;
    while step < none.len() && n > 0 {
        let upper: Vec<usize> = (0..none.len()).filter(|place| place & step != 0).collect();
        let left: Vec<&Bits> = upper.iter().map(|&place| &none[place]).collect();
        let right: Vec<&Bits> = upper.iter().map(|&place| &none[place / step * step - 1]).collect();
        let [left, right] = [left, right].map(|parts| Bits::concat(backend, &parts));
        let products = backend.and(&left, &right)?.split(n);
        for (&place, product) in upper.iter().zip(products) {
            none[place] = product;
        }
        step *= 2;
    }
    Ok(none.iter().map(|none| none.not(backend)).collect())
}

/// Whether all bits along the axis are 1; true where it is empty.
pub fn all<R: Ring, B: Backend<R> + ?Sized>(backend: &mut B, bits: &Bits, axis: Axis) -> Result<Bits> {
    if axis.length == 0 {
        return Ok(Bits::constant(true, axis.lanes()));
    }
    let mut rows: Vec<Bits> = (0..axis.length).map(|place| bits.gather(&axis.row(place))).collect();
    while rows.len() > 1 && axis.lanes() > 0 {
        let half = rows.len() / 2;
        let left = Bits::concat(backend, &rows[..half].iter().collect::<Vec<_>>());
        let right = Bits::concat(backend, &rows[half..2 * half].iter().collect::<Vec<_>>());
        let product = backend.and(&left, &right)?;
        let rest = rows.split_off(2 * half);
        rows = product.split(axis.lanes());
        rows.extend(rest);
    }
    Ok(rows.swap_remove(0))
}

/// Whether any bit along the axis is 1; false where it is empty.
pub fn any<R: Ring, B: Backend<R> + ?Sized>(backend: &mut B, bits: &Bits, axis: Axis) -> Result<Bits> {
    let none = all(backend, &bits.not(backend), axis)?;
    Ok(none.not(backend))
}

/// How many bits along the axis are 1.
pub fn sum_bits<R: Ring, B: Backend<R> + ?Sized>(backend: &mut B, bits: &Bits, axis: Axis) -> Result<Arith<R>> {
    let words = backend.to_arith(bits)?;
    let mut sums = vec![R::ZERO; axis.lanes()];
    for place in 0..axis.length {
        for (sum, from) in sums.iter_mut().zip(axis.row(place)) {
            *sum = sum.add(words.words[from]);
        }
    }
    Ok(Arith { placement: words.placement, words: sums })
}
