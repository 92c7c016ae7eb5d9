//! Square roots and their reciprocals.
//!
//! *Source*: `sqrt(m * 4^-k) = sqrt(m) * 2^-k` with `m` in `[1/4, 1)` ([`super::normalise`]), and polynomials on 31
//! intervals for `sqrt(m)` and `1 / sqrt(m)` ([`super::piecewise`]); a barrel shifter puts the exponent back.
//! *Security*: nothing is opened. *Cost*: [`Counter`](crate::two_party::Counter).
//!
//! *Shapes and units*: numbers and results in steps of the precision; 0 where there is none. Results err by 0.57 steps of the
//! last rounding, and relatively by the polynomials. These have 26 digits for a value of at least one half: 8.5 units
//! for the root (degree 4), 10.5 for its reciprocal (degree 5), and 0.8 of the interpolation (half width 3/124 from
//! `1/4 - 3/124` on): `2.8 * 10^-7` and `3.4 * 10^-7`. So where a result is below `10^6` steps it is off by at most 0.91 steps, and beyond
//! that by at most `0.91 * 10^-6` of it.
//!
//! In high precision polynomials have 43 digits: 14.5 units for the root (degree 7), 16.5 for its reciprocal (degree 8). The
//! interpolation adds 7.5 and 13 units next to a quarter, where values are one half and one. So a value errs relatively by
//! `5.1 * 10^-12` and `3.8 * 10^-12`, no more than 0.34 of the bound, and the last rounding adds 0.57 of it.

use tacit_protocol::schema::Precision;

use super::divide::Quotient;
use super::normalise::normalise;
use super::piecewise::{Pieces, Span, piecewise, product_width, width_for};
use super::shift::{round, shift_left};
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

/// The polynomials of roots.
fn root_pieces(precision: Precision) -> Pieces {
    match precision {
        Precision::Default => Pieces { index_bits: 5, degree: 4, fraction_bits: 26 },
        Precision::High => Pieces { index_bits: 5, degree: 7, fraction_bits: 43 },
    }
}

/// Those of reciprocals of roots: as many intervals and digits, one degree more.
fn inverse_pieces(precision: Precision) -> Pieces {
    let root = root_pieces(precision);
    Pieces { degree: root.degree + 1, ..root }
}

fn span(bits: u32) -> Span {
    Span { lo: 1 << (bits - 2), hi: (1 << bits) - 1 }
}

fn width(bits: u32, pieces: &Pieces) -> u32 {
    width_for(span(bits), pieces).max(bits + 1)
}

/// The bits of a mantissa that is shifted by up to half of the bits, and three.
fn shifted_width(bits: u32, pieces: &Pieces) -> u32 {
    pieces.fraction_bits + 1 + bits / 2 + 3
}

/// Whether a word holds what numbers of so many bits take.
pub(super) fn fits<R: Ring>(bits: u32, precision: Precision) -> bool {
    let pieces = inverse_pieces(precision);
    let widest = width(bits, &pieces).max(bits + 2).max(shifted_width(bits, &pieces));
    bits < 124 && widest.max(product_width(&pieces, 2)) <= R::BITS
}

/// The square root of numbers in `[0, 2^bits)`.
pub(super) fn root<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    bits: u32,
    precision: Precision,
) -> Result<Arith<R>> {
    let pieces = root_pieces(precision);
    let normal = normalise(backend, x, bits, width(bits, &pieces))?;
    let unit = libm::exp2(f64::from(bits));
    let wide = shifted_width(bits, &pieces);
    let mantissa = piecewise(backend, &normal.scaled, span(bits), &pieces, wide, |m| libm::sqrt(m / unit))?;
    // In steps: sqrt(m) * 2^(bits / 2 - shift + step_bits / 2).
    let scaled = shift_left(backend, &mantissa, &normal.rest, 1, wide)?;
    let point = i64::from(pieces.fraction_bits) - i64::from(precision.step_bits() / 2) - 1;
    let value = round(backend, &scaled, point, wide)?;
    backend.select(&normal.positive, &value)
}

/// The reciprocal of the square root of numbers in `[0, 2^bits)`, and where there is one.
pub(super) fn inverse_root<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    bits: u32,
    precision: Precision,
) -> Result<Quotient<R>> {
    let pieces = inverse_pieces(precision);
    let normal = normalise(backend, x, bits, width(bits, &pieces))?;
    let unit = libm::exp2(f64::from(bits));
    let wide = shifted_width(bits, &pieces);
    let mantissa = piecewise(backend, &normal.scaled, span(bits), &pieces, wide, |m| 0.5 / libm::sqrt(m / unit))?;
    // In steps: 2 * mantissa * 2^(shift - bits / 2 + 3 * step_bits / 2).
    let scaled = shift_left(backend, &mantissa, &normal.shift, 1, wide)?;
    let point = i64::from(pieces.fraction_bits) + i64::from(bits / 2) - i64::from(3 * precision.step_bits() / 2) - 1;
    let value = round(backend, &scaled, point, wide)?;
    let value = backend.select(&normal.positive, &value)?;
    Ok(Quotient { value, defined: normal.positive })
}
