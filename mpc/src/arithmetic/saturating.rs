//! Functions that are flat, or as good as a line, away from 0: sigmoid, hyperbolic tangent, error function, softplus and
//! GELU.
//!
//! *Source*: symmetry and polynomials. The odd ones (sigmoid less one half) are made from their values at the magnitude,
//! whose sign is put back; softplus and GELU are `max(x, 0)` and an even rest that vanishes. A magnitude beyond the
//! limit counts as the limit. *Security*: nothing is opened. *Cost*: a sign, a comparison where the range passes the
//! limit, two or three selections, and [`super::piecewise`].
//!
//! *Shapes and units*: numbers and results in steps of the precision, within `10^-5` or 41.9 units of `2^-22`: 16 of the
//! last rounding, 6.5 of polynomials of degree 3 or 8.5 of degree 4, and what the limit and the interpolation on 63 intervals
//! leave: [`Shape::of`]. In high precision within `1.5 * 10^-10` or 41.2 units of `2^-38`: 4 of the last rounding, and 12.5,
//! 16.5 or 18.5 of polynomials of degree 6, 8 or 9.

use tacit_protocol::program::Unary;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Precision;

use super::piecewise::{Pieces, Span, piecewise, width_for};
use super::shift::shorten;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};

/// What is computed of the magnitude.
struct Shape {
    precision: Precision,
    /// The magnitude from which on nothing changes.
    limit: f64,
    degree: u32,
    /// Whether the value at the magnitude takes the sign of the number; else `max(x, 0)` is added.
    odd: bool,
    /// The value at the magnitude.
    value: fn(f64) -> f64,
}

impl Shape {
    fn of(function: Unary, precision: Precision) -> Self {
        let (limit, degree) = Self::extent(function, precision);
        let (odd, value): (bool, fn(f64) -> f64) = match function {
            Unary::Sigmoid => (true, |t| Unary::Sigmoid.value(t) - 0.5),
            Unary::Tanh => (true, libm::tanh),
            Unary::Erf => (true, libm::erf),
            Unary::Softplus => (false, |t| libm::log1p(libm::exp(-t))),
            _ => (false, |t| Unary::Gelu.value(-t)),
        };
        Self { precision, limit, degree, odd, value }
    }

    /// Limit and degree. For each function also, in units of `2^-22` or `2^-38`, what is left at the limit and what the
    /// interpolation adds.
    fn extent(function: Unary, precision: Precision) -> (f64, u32) {
        match (function, precision) {
            // 3.5 and 6.6.
            (Unary::Sigmoid, Precision::Default) => (14.0, 3),
            // 3.9 and 5.6.
            (Unary::Sigmoid, Precision::High) => (25.0, 8),
            // 7 and 0.6.
            (Unary::Tanh, Precision::Default) => (7.0, 4),
            // 2.9 and 1.4.
            (Unary::Tanh, Precision::High) => (13.0, 9),
            // 3.2 and 1.1.
            (Unary::Erf, Precision::Default) => (3.5, 3),
            // 3.1 and 3.4.
            (Unary::Erf, Precision::High) => (4.8, 6),
            // 9.5 and 4.9.
            (Unary::Softplus, Precision::Default) => (13.0, 3),
            // 3.9 and 2.
            (Unary::Softplus, Precision::High) => (25.0, 8),
            // 0.5 and 2.1.
            (_, Precision::Default) => (5.5, 3),
            // 2.5 and 6.4.
            (_, Precision::High) => (7.0, 6),
        }
    }

    fn pieces(&self) -> Pieces {
        let fraction_bits = match self.precision {
            Precision::Default => 22,
            Precision::High => 38,
        };
        Pieces { index_bits: 6, degree: self.degree, fraction_bits }
    }

    /// The bits of a value below 2, and its room.
    fn width(&self) -> u32 {
        self.pieces().fraction_bits + 5
    }

    /// The magnitudes that are told apart in a range.
    fn span(&self, range: Interval) -> Span {
        let limit = libm::round(self.limit * self.precision.unit()) as i128;
        Span { lo: 0, hi: magnitude(range).clamp(1, limit) }
    }
}

fn magnitude(range: Interval) -> i128 {
    range.hi.saturating_abs().max(range.lo.saturating_abs())
}

/// Whether a word holds what numbers in a range take.
pub(super) fn fits<R: Ring>(function: Unary, range: Interval, precision: Precision) -> bool {
    let shape = Shape::of(function, precision);
    let width = width_for(shape.span(range), &shape.pieces());
    width.max(range.bits() + 2).max(2 * shape.width()) <= R::BITS
}

/// The function of numbers in a range.
pub(super) fn saturating<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    range: Interval,
    precision: Precision,
) -> Result<Arith<R>> {
    let shape = Shape::of(function, precision);
    let (span, pieces, width) = (shape.span(range), shape.pieces(), shape.width());
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
        let more = backend.select_within(&beyond, &rest, width_for(span, &pieces))?;
        magnitude = magnitude.sub(backend, &more);
    }
    let value = piecewise(backend, &magnitude, span, &pieces, width, |t| (shape.value)(t / precision.unit()))?;
    let cut = pieces.fraction_bits - precision.step_bits();
    if !shape.odd {
        let rest = shorten(backend, &value, cut, width)?;
        return Ok(x.sub(backend, &below).add(backend, &rest));
    }
    let turned = backend.select_within(&negative, &value, width)?;
    let mut value = value.sub(backend, &turned.shl(1));
    if function == Unary::Sigmoid {
        value = value.add_public(backend, R::ONE.shl(pieces.fraction_bits - 1));
    }
    shorten(backend, &value, cut, width)
}
