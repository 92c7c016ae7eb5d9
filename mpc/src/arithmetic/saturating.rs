//! Functions that are flat, or as good as a line, away from 0: sigmoid, hyperbolic tangent, error function, softplus and
//! GELU.
//!
//! *Source*: symmetry and polynomials. The odd ones (sigmoid less one half) are made from their values at the magnitude,
//! whose sign is put back; softplus and GELU are `max(x, 0)` and an even rest that vanishes. A magnitude beyond the
//! limit counts as the limit. *Security*: nothing is opened. *Cost*: a sign, a comparison where the range passes the
//! limit, two or three selections, and [`super::piecewise`].
//!
//! *Shapes and units*: numbers and results in steps of `2^-18`, within `10^-5` or 41.9 units of `2^-22`: 16 of the last
//! rounding, 6.5 of polynomials of degree 3 or 8.5 of degree 4, and what the limit and the interpolation on 63 intervals
//! leave: [`Shape::of`].

use tacit_protocol::program::Unary;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

use super::piecewise::{Pieces, Span, piecewise, width_for};
use super::shift::shorten;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};

const STEP_BITS: u32 = Element::FLOAT_STEP_BITS;
/// Steps in 1.
const UNIT: f64 = (1_u32 << STEP_BITS) as f64;
const FRACTION_BITS: u32 = 22;
/// The bits of a value below 2, and its room.
const WIDTH: u32 = FRACTION_BITS + 5;

/// What is computed of the magnitude.
struct Shape {
    /// The magnitude from which on nothing changes.
    limit: f64,
    degree: u32,
    /// Whether the value at the magnitude takes the sign of the number; else `max(x, 0)` is added.
    odd: bool,
    /// The value at the magnitude.
    value: fn(f64) -> f64,
}

impl Shape {
    /// For each function also, in units of `2^-22`, what is left at the limit and what the interpolation adds.
    fn of(function: Unary) -> Self {
        match function {
            // 3.5 and 6.6.
            Unary::Sigmoid => Self { limit: 14.0, degree: 3, odd: true, value: |t| Unary::Sigmoid.value(t) - 0.5 },
            // 7 and 0.6.
            Unary::Tanh => Self { limit: 7.0, degree: 4, odd: true, value: libm::tanh },
            // 3.2 and 1.1.
            Unary::Erf => Self { limit: 3.5, degree: 3, odd: true, value: libm::erf },
            // 9.5 and 4.9.
            Unary::Softplus => Self { limit: 13.0, degree: 3, odd: false, value: |t| libm::log1p(libm::exp(-t)) },
            // 0.5 and 2.1.
            _ => Self { limit: 5.5, degree: 3, odd: false, value: |t| Unary::Gelu.value(-t) },
        }
    }

    fn pieces(&self) -> Pieces {
        Pieces { index_bits: 6, degree: self.degree, fraction_bits: FRACTION_BITS }
    }

    /// The magnitudes that are told apart in a range.
    fn span(&self, range: Interval) -> Span {
        let limit = libm::round(self.limit * UNIT) as i128;
        Span { lo: 0, hi: magnitude(range).clamp(1, limit) }
    }
}

fn magnitude(range: Interval) -> i128 {
    range.hi.saturating_abs().max(range.lo.saturating_abs())
}

/// Whether a word holds what numbers in a range take.
pub(super) fn fits<R: Ring>(function: Unary, range: Interval) -> bool {
    let shape = Shape::of(function);
    let width = width_for(shape.span(range), &shape.pieces());
    width.max(range.bits() + 2).max(2 * WIDTH) <= R::BITS
}

/// The function of numbers in a range.
pub(super) fn saturating<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    range: Interval,
) -> Result<Arith<R>> {
    let shape = Shape::of(function);
    let (span, pieces) = (shape.span(range), shape.pieces());
    let negative = match range {
        Interval { lo: 0.., .. } => Bits::constant(false, x.len()),
        Interval { hi: ..0, .. } => Bits::constant(true, x.len()),
        _ => backend.is_negative(x, range.bits())?,
    };
    let below = backend.select(&negative, x)?;
    let mut magnitude = x.sub(backend, &below.shl(1));
    if self::magnitude(range) > span.hi {
        let rest = magnitude.add_public(backend, R::from_i128(span.hi).neg());
        let beyond = backend.is_negative(&rest.neg(), range.bits() + 1)?;
        let width = width_for(span, &pieces);
        let more = backend.select_within(&beyond, &rest, width)?;
        magnitude = magnitude.sub(backend, &more);
    }
    let value = piecewise(backend, &magnitude, span, &pieces, WIDTH, |t| (shape.value)(t / UNIT))?;
    let cut = FRACTION_BITS - STEP_BITS;
    if !shape.odd {
        let rest = shorten(backend, &value, cut, WIDTH)?;
        return Ok(x.sub(backend, &below).add(backend, &rest));
    }
    let turned = backend.select_within(&negative, &value, WIDTH)?;
    let mut value = value.sub(backend, &turned.shl(1));
    if function == Unary::Sigmoid {
        value = value.add_public(backend, R::ONE.shl(FRACTION_BITS - 1));
    }
    shorten(backend, &value, cut, WIDTH)
}
