//! Logarithms.
//!
//! *Source*: `log(m * 4^-k) = log(m) - k log(4)` with `m` in `[1/4, 1)` ([`super::normalise`]), and polynomials on 63
//! intervals (high precision: 31) for `log(m)` ([`super::piecewise`]). *Security*: nothing is opened, neither the exponent nor that a number has
//! no logarithm. *Cost*: [`Counter`](crate::two_party::Counter).
//!
//! *Shapes and units*: numbers and results in steps of the precision; 0 where the number is not above 0. The error has four
//! parts, in units of `2^-22`: 0.9 of the interpolation (half width `h = 1/84` from `1/4 - h` on, degree 3; 1.2 for base 2), 6.5 of the polynomials, half a unit for each bit of the exponent, at most 3, and 16
//! of the last rounding: together at most 27, which is 1.7 steps. In high precision, in
//! units of `2^-41`: 2.6 of the interpolation (degree 8; base 2), 16.5 of the polynomials, 3 of the exponent and 32 of the
//! last rounding: 54, which is 1.7 steps.

use super::divide::Quotient;
use super::normalise::normalise;
use super::piecewise::{Pieces, Span, piecewise, product_width, width_for};
use super::shift::shorten;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};
use tacit_protocol::program::Unary;
use tacit_protocol::schema::Precision;

fn pieces(precision: Precision) -> Pieces {
    match precision {
        Precision::Default => Pieces { index_bits: 6, degree: 3, fraction_bits: 22 },
        Precision::High => Pieces { index_bits: 5, degree: 8, fraction_bits: 41 },
    }
}

/// The bits of a logarithm with all digits, and two: those to base 2 of 126 bits are below 2^7.
pub(super) fn result_width(pieces: &Pieces) -> u32 {
    pieces.fraction_bits + 7 + 3
}

/// The width that a number of so many bits is normalised to.
fn width(bits: u32, pieces: &Pieces) -> u32 {
    width_for(span(bits), pieces).max(bits + 1)
}

fn span(bits: u32) -> Span {
    Span { lo: 1 << (bits - 2), hi: (1 << bits) - 1 }
}

/// Whether a word holds what numbers of so many bits take.
pub(super) fn fits<R: Ring>(bits: u32, precision: Precision) -> bool {
    pieces_fit::<R>(bits, &pieces(precision))
}

/// As [`fits`], for a logarithm with all digits of the pieces.
pub(super) fn pieces_fit<R: Ring>(bits: u32, pieces: &Pieces) -> bool {
    let widest = width(bits, pieces).max(bits + 2).max(result_width(pieces));
    bits < 124 && widest.max(product_width(pieces, 2)) <= R::BITS
}

/// The logarithm of numbers in `[0, 2^bits)`, and where there is one.
pub(super) fn logarithm<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    bits: u32,
    precision: Precision,
) -> Result<Quotient<R>> {
    let pieces = pieces(precision);
    let (sum, positive) = unrounded(backend, function, x, bits, precision, &pieces)?;
    let value = shorten(backend, &sum, pieces.fraction_bits - precision.step_bits(), result_width(&pieces))?;
    let value = backend.select(&positive, &value)?;
    Ok(Quotient { value, defined: positive })
}

/// The logarithm with all digits of the pieces, modulo two to the power of [`result_width`], and where there is one.
pub(super) fn unrounded<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    bits: u32,
    precision: Precision,
    pieces: &Pieces,
) -> Result<(Arith<R>, Bits)> {
    let normal = normalise(backend, x, bits, width(bits, pieces))?;
    let unit = libm::exp2(f64::from(bits));
    let scale = libm::exp2(f64::from(pieces.fraction_bits));
    let wanted = result_width(pieces);
    let mantissa = piecewise(backend, &normal.scaled, span(bits), pieces, wanted, |m| {
        // The function is smooth on one interval below the span.
        function.value(m / unit)
    })?;
    // Four to the power of each bit of the shift, taken off.
    let four = function.value(4.0) * scale;
    let constant = |place: usize| R::from_i128(libm::round(-four * libm::exp2(place as f64)) as i128);
    let n = x.len();
    let constants: Vec<R> = (0..normal.shift.len()).flat_map(|place| vec![constant(place); n]).collect();
    let shift = Bits::concat(backend, &normal.shift.iter().collect::<Vec<_>>());
    let exponents = backend.select_within(&shift, &Arith::public(constants), wanted)?;
    let mut sum = mantissa;
    for place in 0..normal.shift.len() {
        sum = sum.add(backend, &exponents.slice(place * n..(place + 1) * n));
    }
    let whole = function.value(libm::exp2(f64::from(bits) - f64::from(precision.step_bits())));
    let sum = sum.add_public(backend, R::from_i128(libm::round(whole * scale) as i128));
    Ok((sum, normal.positive))
}
