//! Powers by a public real number.
//!
//! *Source*: `x^y = 2^(y log2(x))`, with the logarithm of [`super::logarithm`] before its last rounding and the power of
//! [`super::exponential`]. *Security*: nothing is opened. *Cost*: those of both;
//! [`Counter`](crate::two_party::Counter).
//!
//! *Shapes and units*: numbers and results in steps of `2^-18`; 0 where the number is not above 0. The logarithm has 26
//! digits and errs by 9 units (degree 4: 8.5, and 0.4 of the interpolation), so that a result errs relatively by `|y| ln(2)
//! 9 * 2^-26`, that is `9.3 * 10^-8 |y|`; by `6 * 10^-8` of the exponent's rounding to 28 digits; by `2 * 10^-7` of the
//! power; and absolutely by 0.57 steps.

use tacit_protocol::Number;
use tacit_protocol::program::Unary;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

use super::divide::Quotient;
use super::exponential::{Shift, raise};
use super::logarithm::{self, result_width, unrounded};
use super::piecewise::Pieces;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

const LOGARITHM: Pieces = Pieces { index_bits: 6, degree: 4, fraction_bits: 26 };
/// Binary digits of the exponent `y`.
const EXPONENT_BITS: u32 = 28;
/// Binary digits of `y log2(x)`.
const DIGITS: u32 = LOGARITHM.fraction_bits + EXPONENT_BITS;
/// How far a logarithm is from the exact one at most, in units of its last digit.
const LOGARITHM_ERROR: i128 = 16;

/// A number in [`EXPONENT_BITS`] digits, to the nearest.
fn fixed(exponent: Number) -> Option<i128> {
    exponent.to_fixed(EXPONENT_BITS)
}

fn shift(exponent: i128, range: Interval) -> Shift {
    let scale = libm::exp2(f64::from(LOGARITHM.fraction_bits));
    let unit = libm::exp2(f64::from(Element::FLOAT_STEP_BITS));
    let logarithm = |x: i128| libm::round(libm::log2(x.max(1) as f64 / unit) * scale) as i128;
    let ends = [logarithm(range.lo) - LOGARITHM_ERROR, logarithm(range.hi.max(1)) + LOGARITHM_ERROR];
    let products = ends.map(|end| end * exponent);
    Shift::new(DIGITS, Interval { lo: products[0].min(products[1]), hi: products[0].max(products[1]) })
}

/// Whether a word holds what numbers of so many bits in a range take.
pub(super) fn fits<R: Ring>(exponent: Number, range: Interval, bits: u32) -> bool {
    let holds = logarithm::fits::<R>(bits) && result_width(&LOGARITHM) <= R::BITS;
    holds && fixed(exponent).is_some_and(|exponent| shift(exponent, range).fits::<R>())
}

/// The power of numbers in `[0, 2^bits)` and in a range, and where there is one.
pub(super) fn power<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    exponent: Number,
    x: &Arith<R>,
    range: Interval,
    bits: u32,
) -> Result<Quotient<R>> {
    let exponent = fixed(exponent).expect("the plan asked whether the exponent fits");
    let (logarithm, positive) = unrounded(backend, Unary::Log2, x, bits, &LOGARITHM)?;
    let whole = backend.truncate_within(&logarithm, 0, result_width(&LOGARITHM), R::BITS)?;
    let value = raise(backend, &whole.scale(R::from_i128(exponent)), &shift(exponent, range))?;
    let value = backend.select(&positive, &value)?;
    Ok(Quotient { value, defined: positive })
}
