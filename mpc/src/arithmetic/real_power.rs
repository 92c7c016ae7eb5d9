//! Powers by a public real number.
//!
//! *Source*: `x^y = 2^(y log2(x))`, with the logarithm of [`super::logarithm`] before its last rounding and the power of
//! [`super::exponential`]. *Security*: nothing is opened. *Cost*: those of both;
//! [`Counter`](crate::two_party::Counter).
//!
//! *Shapes and units*: numbers and results in steps of the precision; 0 where the number is not above 0. The logarithm has 26
//! digits and errs by 9 units (degree 4: 8.5, and 0.4 of the interpolation), so that a result errs relatively by `|y| ln(2)
//! 9 * 2^-26`, that is `9.3 * 10^-8 |y|`; by `6 * 10^-8` of the exponent's rounding to 28 digits; by `2 * 10^-7` of the
//! power; and absolutely by 0.57 steps. In high precision the logarithm has 44 digits and errs by 23 units (degree 9: 18.5, 1
//! of the interpolation and 3.5 of the exponent), which is `9.1 * 10^-13 |y|`; the exponent is rounded to 46 digits,
//! `4.5 * 10^-13`; and the power errs by `1.7 * 10^-12`.

use tacit_protocol::Number;
use tacit_protocol::program::Unary;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Precision;

use super::divide::Quotient;
use super::exponential::{Shift, raise};
use super::logarithm::{self, result_width, unrounded};
use super::piecewise::Pieces;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

/// The binary digits of what the method computes with.
struct Digits {
    /// How the logarithm is computed, with its digits.
    logarithm: Pieces,
    /// Of the exponent `y`.
    exponent: u32,
    /// How far a logarithm is from the exact one at most, in units of its last digit.
    error: i128,
}

impl Digits {
    fn of(precision: Precision) -> Self {
        match precision {
            Precision::Default => {
                Self { logarithm: Pieces { index_bits: 6, degree: 4, fraction_bits: 26 }, exponent: 28, error: 16 }
            }
            Precision::High => {
                Self { logarithm: Pieces { index_bits: 5, degree: 9, fraction_bits: 44 }, exponent: 46, error: 32 }
            }
        }
    }

    /// The exponent, to the nearest of its digits; exponents of more decimal digits than words hold to those of an `f64`.
    fn fixed(&self, exponent: Number) -> i128 {
        let near = || libm::round(exponent.to_f64() * libm::exp2(f64::from(self.exponent))) as i128;
        exponent.to_fixed(self.exponent).unwrap_or_else(near)
    }
}

fn shift(exponent: i128, range: Interval, precision: Precision) -> Shift {
    let Digits { logarithm, exponent: digits, error } = Digits::of(precision);
    let scale = libm::exp2(f64::from(logarithm.fraction_bits));
    let value = |x: i128| libm::round(libm::log2(x.max(1) as f64 / precision.unit()) * scale) as i128;
    let ends = [value(range.lo) - error, value(range.hi.max(1)) + error];
    let products = ends.map(|end| end * exponent);
    Shift::new(
        precision,
        logarithm.fraction_bits + digits,
        Interval { lo: products[0].min(products[1]), hi: products[0].max(products[1]) },
    )
}

/// Whether a word holds what numbers of so many bits in a range take.
pub(super) fn fits<R: Ring>(exponent: Number, range: Interval, bits: u32, precision: Precision) -> bool {
    let digits = Digits::of(precision);
    let holds = logarithm::fits::<R>(bits, precision) && logarithm::pieces_fit::<R>(bits, &digits.logarithm);
    holds && shift(digits.fixed(exponent), range, precision).fits::<R>()
}

/// The power of numbers in `[0, 2^bits)` and in a range, and where there is one.
pub(super) fn power<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    exponent: Number,
    x: &Arith<R>,
    range: Interval,
    bits: u32,
    precision: Precision,
) -> Result<Quotient<R>> {
    let digits = Digits::of(precision);
    let exponent = digits.fixed(exponent);
    let (logarithm, positive) = unrounded(backend, Unary::Log2, x, bits, precision, &digits.logarithm)?;
    let whole = backend.truncate_within(&logarithm, 0, result_width(&digits.logarithm), R::BITS)?;
    let value = raise(backend, &whole.scale(R::from_i128(exponent)), &shift(exponent, range, precision))?;
    let value = backend.select(&positive, &value)?;
    Ok(Quotient { value, defined: positive })
}
