//! Quotients by secret divisors.
//!
//! *Source*: long division in large digits. The divisor is normalised to `[1/2, 1)` by the one-hot place of its leading
//! bit, as in the literature on fixed-point division in MPC (Catrina and Saxena, FC 2010), its reciprocal is found to a
//! few bits by Newton's iteration, and each pass takes as many bits of the quotient from the upper bits of the
//! remainder. We differ from that literature in that no value is ever multiplied at its full width: a remainder is known
//! to be small, so its products are computed modulo a short power of two.
//!
//! *Security*: nothing is opened, not even the divisor's magnitude or that it is zero.
//!
//! *Cost*: bits of the divisor, a prefix network, two shifts by shared places, two or three iterations and `2 p - 1`
//! products of 30 to 60 bits for `p` passes; [`Counter`](crate::two_party::Counter) counts it.
//!
//! *Shapes and units*: the result is `r` with `|r - n * 2^fraction_bits / d| < 0.7`: exact where the quotient is an
//! integer, else the floor or the integer above it. [`divide_floor`] gives the floor. A divisor of zero gives the
//! value 0 and `defined` 0.
//!
//! With `W` the bits of the divisor's magnitude, a word must hold about `result_bits + W - 6` bits, or
//! `result_bits + W - fraction_bits + 3` if that is more: [`Division::fits`].

use crate::arithmetic::prefix_or;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};

/// The widths of a quotient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Division {
    /// Bits of the numerator, with its sign.
    pub numerator_bits: u32,
    /// Bits of the divisor, with its sign: it lies in `[-2^(bits-1), 2^(bits-1))`.
    pub divisor_bits: u32,
    /// Whether the divisor may be negative. Costs a comparison and a selection.
    pub divisor_signed: bool,
    /// How far the quotient is shifted left.
    pub fraction_bits: u32,
    /// Bits of the result, with its sign.
    pub result_bits: u32,
}

/// Bits that a quotient keeps behind the result's step until the last rounding.
const ROUNDING_BITS: u32 = 3;

/// Bits that the first approximation of the reciprocal is right to: `48/17 - 32/17 x` is off by `1/17`.
const FIRST_BITS: u32 = 4;
/// Fraction bits of the first approximation: its truncations err by less than `1/16 - 1/17`.
const FIRST_FRACTION: u32 = 10;

impl Division {
    /// Whether words of `R` hold all intermediate values.
    pub fn fits<R: Ring>(&self) -> bool {
        let width = self.magnitude_bits();
        let first = self.quotient_bits().saturating_sub(self.inverse_bits());
        let widest = [
            width + first + 7,
            self.dividend_bits() + 4,
            2 * self.inverse_bits() + 12,
            self.result_bits + ROUNDING_BITS + 3,
            self.numerator_bits + 2,
            width + 8,
        ];
        widest.into_iter().all(|bits| bits <= R::BITS)
    }

    /// Bits of the divisor's magnitude.
    fn magnitude_bits(&self) -> u32 {
        if self.divisor_signed { self.divisor_bits } else { (self.divisor_bits - 1).max(1) }
    }

    /// Bits that the reciprocal is right to: those of an iteration's end. More cost more there, fewer cost more passes.
    fn inverse_bits(&self) -> u32 {
        if self.result_bits <= 40 { 13 } else { 25 }
    }

    /// The quotient with [`ROUNDING_BITS`] is below 2 to this.
    fn quotient_bits(&self) -> u32 {
        (self.result_bits - 1 + ROUNDING_BITS).min(self.numerator_bits + self.fraction_bits + ROUNDING_BITS)
    }

    /// The numerator, shifted as the divisor is, is below 2 to this.
    fn dividend_bits(&self) -> u32 {
        let bits = self.quotient_bits() + self.magnitude_bits();
        bits.saturating_sub(self.fraction_bits + ROUNDING_BITS).max(1)
    }
}

/// A quotient, and whether there is one.
#[derive(Clone, Debug)]
pub struct Quotient<R> {
    /// The value; 0 where the divisor is.
    pub value: Arith<R>,
    /// 0 where the divisor is zero.
    pub defined: Bits,
}

/// The reciprocals of divisors, for numerators to be divided by.
#[derive(Clone, Debug)]
pub struct Reciprocal<R> {
    /// The one-hot shift that normalises the divisor.
    places: Vec<Bits>,
    /// The divisor's magnitude times that, `x * 2^W`; counts modulo `2^(W + 4)`.
    normalised: Arith<R>,
    inverse: Inverse<R>,
    negative: Option<Bits>,
    /// 0 where the divisor is zero.
    pub defined: Bits,
}

/// An approximation `y` of `1 / x`.
#[derive(Clone, Debug)]
struct Inverse<R> {
    /// `y * 2^fraction`.
    words: Arith<R>,
    fraction: u32,
    /// `|1 - x y| <= 2^-bits`.
    bits: u32,
}

impl<R: Ring> Reciprocal<R> {
    /// The reciprocals at the places named: one divisor for several numerators.
    #[must_use]
    pub fn gather(&self, places: &[usize]) -> Self {
        Self {
            places: self.places.iter().map(|bits| bits.gather(places)).collect(),
            normalised: self.normalised.gather(places),
            inverse: Inverse { words: self.inverse.words.gather(places), ..self.inverse.clone() },
            negative: self.negative.as_ref().map(|bits| bits.gather(places)),
            defined: self.defined.gather(places),
        }
    }
}

/// The quotients `numerator * 2^fraction_bits / divisor` within 0.7.
///
/// # Panics
/// If the division does not fit the word; the plan asks [`Division::fits`] before.
pub fn divide<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    numerator: &Arith<R>,
    divisor: &Arith<R>,
    division: &Division,
) -> Result<Quotient<R>> {
    let reciprocal = reciprocal(backend, divisor, division)?;
    divide_by(backend, numerator, &reciprocal, division)
}

/// The floor of `numerator * 2^fraction_bits / divisor`.
///
/// # Panics
/// If the division does not fit the word; the plan asks [`Division::fits`] before.
pub fn divide_floor<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    numerator: &Arith<R>,
    divisor: &Arith<R>,
    division: &Division,
) -> Result<Quotient<R>> {
    let near = divide(backend, numerator, divisor, division)?;
    // The quotient is the floor or one more, so the remainder has the divisor's sign or not.
    let width = (division.divisor_bits + 3).min(R::BITS);
    let bits = (division.result_bits, division.divisor_bits);
    let product = backend.multiply_within(&near.value, divisor, bits, width)?;
    let mut remainder = numerator.shl(division.fraction_bits).sub(backend, &product);
    if division.divisor_signed {
        let negative = backend.is_negative(divisor, division.divisor_bits)?;
        remainder = negate_where(backend, &negative, &remainder, width)?;
    }
    let above = backend.is_negative(&remainder, division.divisor_bits + 1)?;
    // A zero divisor leaves the numerator as the remainder; the value stays 0 as it is without the floor.
    let above = backend.and(&above, &near.defined)?;
    let above = backend.to_arith(&above)?;
    Ok(Quotient { value: near.value.sub(backend, &above), defined: near.defined })
}

/// The reciprocals of divisors.
///
/// # Panics
/// If the division does not fit the word; the plan asks [`Division::fits`] before.
pub fn reciprocal<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    divisor: &Arith<R>,
    division: &Division,
) -> Result<Reciprocal<R>> {
    assert!(division.fits::<R>(), "a division that fits the word: {division:?}");
    let width = division.magnitude_bits();
    let negative =
        if division.divisor_signed { Some(backend.is_negative(divisor, division.divisor_bits)?) } else { None };
    let magnitude = match &negative {
        Some(negative) => negate_where(backend, negative, divisor, width + 4)?,
        None => divisor.clone(),
    };
    let (places, defined) = leading_place(backend, &magnitude, width)?;
    let shifted = backend.shift_within(&places, &magnitude, width + 4)?;
    // Where there is no divisor, one half, so that all that follows stays in its range.
    let half = Arith::constant(R::ONE.shl(width - 1), shifted.len());
    let half = backend.select_within(&defined.not(backend), &half, width + 4)?;
    let normalised = shifted.add(backend, &half);
    let inverse = invert(backend, &normalised, width, division.inverse_bits())?;
    Ok(Reciprocal { places, normalised, inverse, negative, defined })
}

/// The quotients by divisors whose reciprocals were made for the same division.
pub fn divide_by<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    numerator: &Arith<R>,
    reciprocal: &Reciprocal<R>,
    division: &Division,
) -> Result<Quotient<R>> {
    let width = division.magnitude_bits();
    let mut modulus = division.dividend_bits() + 2;
    let mut rest = backend.shift_within(&reciprocal.places, numerator, modulus)?;
    if let Some(negative) = &reciprocal.negative {
        rest = negate_where(backend, negative, &rest, modulus)?;
    }
    // In steps of 1/8 the quotient is `rest * 2^pending / divisor`. After each pass it is `quotient` and that of the new
    // rest, which is below `2^open`.
    let mut pending = division.fraction_bits + ROUNDING_BITS;
    let mut open = division.quotient_bits();
    let mut quotient = Arith::constant(R::ZERO, numerator.len());
    loop {
        let inverse = &reciprocal.inverse;
        let last = open + 3 <= inverse.bits;
        // The pass takes the quotient down to this place.
        let place = open.saturating_sub(inverse.bits);
        // The bits of the rest below this one change less than one of that place, or a quarter.
        let dropped =
            if last { (width).saturating_sub(pending + 4) } else { (place + width).saturating_sub(pending + 2) };
        let kept = (open + width).saturating_sub(pending + dropped).max(2);
        let product_width = kept + inverse.fraction + 4;
        let upper = if dropped > 0 || product_width > modulus {
            backend.truncate_within(&rest, dropped, modulus, product_width)?
        } else {
            rest.clone()
        };
        let bits = (kept + 2, inverse.fraction + 3);
        let product = backend.multiply_within(&upper, &inverse.words, bits, product_width)?;
        let scale = i64::from(inverse.fraction + width + place) - i64::from(dropped + pending);
        let part =
            backend.truncate_within(&product, scale.max(0) as u32, product_width, R::BITS)?.shl((-scale).max(0) as u32);
        quotient = quotient.add(backend, &part.shl(place));
        if last {
            break;
        }
        let bits = (inverse.bits + 4, width + 1);
        let taken = backend.multiply_within(&part, &reciprocal.normalised, bits, width + 4)?;
        rest = rest.shl(pending).sub(backend, &taken.shl(place));
        modulus = width + place + 4;
        (pending, open) = (0, place + 2);
    }
    // The quotient errs by -2.4 to 0.2; 5 more puts the floor around the nearest integer, 0.7 to either side.
    let fine = quotient.add_public(backend, R::from_i128(5));
    let value = backend.floor_shift(&fine, ROUNDING_BITS, division.result_bits + ROUNDING_BITS + 1)?;
    Ok(Quotient { value, defined: reciprocal.defined.clone() })
}

/// The one-hot shift that brings the leading bit to place `width - 1`, all 0 for zero, and whether there is such a bit.
fn leading_place<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    magnitude: &Arith<R>,
    width: u32,
) -> Result<(Vec<Bits>, Bits)> {
    let mut bits = backend.bits_of(magnitude, width, width + 1)?;
    bits.reverse();
    let seen = prefix_or(backend, &bits)?;
    let defined = seen.last().expect("a divisor has bits").clone();
    let place = |i: usize| if i == 0 { seen[0].clone() } else { seen[i].xor(backend, &seen[i - 1]) };
    Ok(((0..seen.len()).map(place).collect(), defined))
}

/// The inverse of `x = normalised / 2^width` in `[1/2, 1)`, to so many bits.
fn invert<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    normalised: &Arith<R>,
    width: u32,
    target: u32,
) -> Result<Inverse<R>> {
    // `x` to so many bits, a little less than it is, modulo `2^wanted`.
    let shortened =
        |backend: &mut B, kept: u32, wanted: u32| backend.truncate_within(normalised, width - kept, width + 4, wanted);
    // No product with an inverse is wider than this.
    let wanted = (2 * target + 12).min(R::BITS);
    const SLOPE_BITS: u32 = 14;
    let first = (2 * FIRST_BITS + 4).min(width);
    let short = shortened(backend, first, R::BITS)?;
    let slope = short.scale(R::from_u128((32 << SLOPE_BITS) / 17));
    let shift = (first + SLOPE_BITS) as i64 - i64::from(FIRST_FRACTION);
    let slope = backend.truncate(&slope, shift.max(0) as u32)?;
    let words = slope.neg().add_public(backend, R::from_u128((48 << FIRST_FRACTION) / 17));
    let mut inverse = Inverse { words, fraction: FIRST_FRACTION, bits: FIRST_BITS };
    while inverse.bits < target {
        let bits = (2 * inverse.bits - 1).min(target);
        let kept = if inverse.bits == FIRST_BITS { first } else { (bits + 5).min(width) };
        // The error is `1 - x y`, known to be small.
        let point = kept + inverse.fraction;
        let error_width = point - inverse.bits + 3;
        let error_fraction = (bits + 4).min(point);
        let x = if inverse.bits == FIRST_BITS {
            short.clone()
        } else {
            shortened(backend, kept, error_width.min(R::BITS))?
        };
        let product = backend.multiply_within(&x, &inverse.words, (kept + 2, inverse.fraction + 3), error_width)?;
        let error_bits = error_fraction.saturating_sub(inverse.bits).max(2);
        let width = inverse.fraction + error_bits + 4;
        let error = product.neg().add_public(backend, R::ONE.shl(point));
        let error = backend.truncate_within(&error, point - error_fraction, error_width, width)?;
        let correction =
            backend.multiply_within(&inverse.words, &error, (inverse.fraction + 3, error_bits + 2), width)?;
        let fraction = bits + 3;
        let shift = inverse.fraction + error_fraction - fraction;
        let correction = backend.truncate_within(&correction, shift, width, wanted)?;
        let words = inverse.words.shl(fraction - inverse.fraction).add(backend, &correction);
        inverse = Inverse { words, fraction, bits };
    }
    Ok(inverse)
}

/// The negative where the bit is set, modulo `2^width`.
fn negate_where<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    bit: &Bits,
    x: &Arith<R>,
    width: u32,
) -> Result<Arith<R>> {
    let twice = backend.select_within(bit, &x.shl(1), width.min(R::BITS))?;
    Ok(x.sub(backend, &twice))
}
