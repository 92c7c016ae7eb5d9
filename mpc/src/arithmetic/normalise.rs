//! A number above 0 brought between a quarter and one, with its exponent.
//!
//! *Source*: the leading bit by a prefix network, as in the literature on fixed-point functions in MPC (Catrina and
//! Saxena, FC 2010). We differ in that bits go in pairs, which halves the network and keeps exponents even for roots, and
//! in that the exponent's bits come out of the network by exclusive or, so that a barrel shifter takes a selection for
//! each of them. *Security*: nothing is opened, not even that a number is 0. *Cost*: bits of the number, a conjunction of
//! half of them, a prefix network on half of them, a selection a bit of the exponent.
//!
//! *Shapes and units*: numbers of `bits` bits, an even number, in `[0, 2^bits)`.

use super::prefix_or;
use super::shift::shift_left;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};

/// A number `x = scaled * 4^-shift` with `scaled` in `[2^(bits - 2), 2^bits)`, or 0 where `x` is.
pub(super) struct Normal<R> {
    /// The number shifted left; counts modulo `2^width`.
    pub(super) scaled: Arith<R>,
    /// The shift in binary, lowest bit first.
    pub(super) shift: Vec<Bits>,
    /// `bits / 2 - 1 - shift` in binary.
    pub(super) rest: Vec<Bits>,
    /// 1 where the number is not 0.
    pub(super) positive: Bits,
}

/// Normalises numbers of `bits` bits; the result counts modulo `2^width`.
pub(super) fn normalise<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    bits: u32,
    width: u32,
) -> Result<Normal<R>> {
    assert!(bits.is_multiple_of(2) && bits > 0, "whole pairs of bits");
    let mut planes = backend.bits_of(x, bits, bits + 1)?;
    planes.reverse();
    let [upper, lower] =
        [0, 1].map(|place| Bits::concat(backend, &planes.iter().skip(place).step_by(2).collect::<Vec<_>>()));
    let both = backend.and(&upper, &lower)?;
    let either = upper.xor(backend, &lower).xor(backend, &both);
    let pairs: Vec<Bits> =
        if x.is_empty() { vec![Bits::constant(false, 0); bits as usize / 2] } else { either.split(x.len()) };
    let seen = prefix_or(backend, &pairs)?;
    let positive = seen.last().expect("at least one pair").clone();
    let place = |i: usize| if i == 0 { seen[0].clone() } else { seen[i].xor(backend, &seen[i - 1]) };
    let places: Vec<Bits> = (0..seen.len()).map(place).collect();
    let last = places.len() - 1;
    let shift = binary(backend, &places, |place| place);
    let rest = binary(backend, &places, |place| last - place);
    let scaled = shift_left(backend, x, &shift, 2, width)?;
    Ok(Normal { scaled, shift, rest, positive })
}

/// The bits of a number that depends on the one place that is set: each is the exclusive or of the places that have it.
fn binary<R: Ring, B: Backend<R> + ?Sized>(backend: &B, places: &[Bits], number: impl Fn(usize) -> usize) -> Vec<Bits> {
    let count = usize::BITS - (places.len() - 1).leading_zeros();
    let bit = |bit: u32| {
        let with = (0..places.len()).filter(|place| number(*place) >> bit & 1 == 1);
        with.fold(Bits::constant(false, places[0].len), |sum, place| sum.xor(backend, &places[place]))
    };
    (0..count).map(bit).collect()
}
