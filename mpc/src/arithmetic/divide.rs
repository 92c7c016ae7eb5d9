//! Quotients by secret divisors.
//!
//! *Source*: Newton's iteration for the reciprocal of the divisor normalised to `[1/2, 1)`, as in the literature on
//! fixed-point division in MPC (Catrina and Saxena, FC 2010), with the error carried through to the end. The
//! normalisation is by the one-hot place of the leading bit, which stays shared.
//!
//! *Security*: nothing is opened, not even the divisor's magnitude or that it is zero.
//!
//! *Cost*: bits of the divisor, a prefix network, a word a bit of the divisor, then `3 + 2 * iterations` products;
//! [`Counter`](crate::two_party::Counter) counts it.
//!
//! *Shapes and units*: the result is `r` with `|r - n * 2^fraction_bits / d| < 0.7`: exact where the quotient is an
//! integer, else the floor or the integer above it. [`divide_floor`] gives the floor. A divisor of zero gives the
//! value 0 and `defined` 0.
//!
//! With `W` the bits of the divisor's magnitude and `p = result_bits + 5` those of the reciprocal, a word must hold
//! `result_bits + W + p - fraction_bits + 2`, `W + p + 3` and `2 p` bits: [`Division::fits`]. The mean of a million
//! rows (`W = 20`, 51 result bits with 18 fraction bits) takes 111 and so `u128`; `u64` suffices for, say, a ratio
//! of 20 result bits, 10 of them fraction, by a divisor of 20 bits.

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

/// Bits that the reciprocal has beyond the result: its error of 4.5 units is less than 0.08 of a result's step.
const GUARD_BITS: u32 = 5;

/// Bits that the product keeps behind the result's step until the last rounding.
const ROUNDING_BITS: u32 = 3;

impl Division {
    /// Whether words of `R` hold all intermediate values.
    pub fn fits<R: Ring>(&self) -> bool {
        let (width, precision) = (self.magnitude_bits(), self.precision());
        let widest = [
            self.result_bits + width + precision - self.fraction_bits,
            width + precision + 1,
            2 * precision - 2,
            self.result_bits + ROUNDING_BITS + 1,
            self.numerator_bits,
        ];
        widest.into_iter().all(|bits| bits <= R::BITS - 2)
    }

    /// Bits of the divisor's magnitude.
    fn magnitude_bits(&self) -> u32 {
        if self.divisor_signed { self.divisor_bits } else { (self.divisor_bits - 1).max(1) }
    }

    /// Fraction bits of the reciprocal.
    fn precision(&self) -> u32 {
        (self.result_bits + GUARD_BITS).max(self.fraction_bits + ROUNDING_BITS)
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

/// The reciprocals of divisors, for numerators to be multiplied by.
#[derive(Clone, Debug)]
pub struct Reciprocal<R> {
    /// `2^(W + p) / d`, with the divisor's sign.
    factor: Arith<R>,
    /// 0 where the divisor is zero.
    pub defined: Bits,
}

impl<R: Ring> Reciprocal<R> {
    /// The reciprocals at the places named: one divisor for several numerators.
    #[must_use]
    pub fn gather(&self, places: &[usize]) -> Self {
        Self { factor: self.factor.gather(places), defined: self.defined.gather(places) }
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
    let product = backend.multiply(&near.value, divisor, division.result_bits, division.divisor_bits)?;
    let mut remainder = numerator.shl(division.fraction_bits).sub(backend, &product);
    if division.divisor_signed {
        let negative = backend.is_negative(divisor, division.divisor_bits)?;
        remainder = negate_where(backend, &negative, &remainder)?;
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
    let (width, precision) = (division.magnitude_bits(), division.precision());
    let negative =
        if division.divisor_signed { Some(backend.is_negative(divisor, division.divisor_bits)?) } else { None };
    let magnitude = match &negative {
        Some(negative) => negate_where(backend, negative, divisor)?,
        None => divisor.clone(),
    };
    let (scale, defined) = leading_place(backend, &magnitude, width)?;
    let normalised = backend.multiply(&magnitude, &scale, width + 1, width + 1)?;
    let inverse = invert(backend, &normalised, width, precision)?;
    let mut factor = backend.multiply(&inverse, &scale, precision + 3, width + 1)?;
    if let Some(negative) = &negative {
        factor = negate_where(backend, negative, &factor)?;
    }
    Ok(Reciprocal { factor, defined })
}

/// The quotients by divisors whose reciprocals were made for the same division.
pub fn divide_by<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    numerator: &Arith<R>,
    reciprocal: &Reciprocal<R>,
    division: &Division,
) -> Result<Quotient<R>> {
    let (width, precision) = (division.magnitude_bits(), division.precision());
    let factor_bits = (width + precision + 2).min(R::BITS);
    let scale = width + precision - division.fraction_bits;
    let fine = backend.multiply_truncate(
        numerator,
        &reciprocal.factor,
        (division.numerator_bits, factor_bits),
        division.result_bits + scale + 1,
        scale - ROUNDING_BITS,
    )?;
    // In steps of 1/8: the truncation errs by -2 to 0, the reciprocal by 0.6; 5 more puts the floor around the
    // nearest integer, 0.7 to either side.
    let fine = fine.add_public(backend, R::from_i128(5));
    let value = backend.floor_shift(&fine, ROUNDING_BITS, division.result_bits + ROUNDING_BITS + 1)?;
    Ok(Quotient { value, defined: reciprocal.defined.clone() })
}

/// `2^(width - 1 - place of the leading bit)`, 0 for zero, and whether there is a leading bit.
fn leading_place<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    magnitude: &Arith<R>,
    width: u32,
) -> Result<(Arith<R>, Bits)> {
    /// How many words are converted at once, which bounds memory.
    const WORDS: usize = 1 << 22;
    let n = magnitude.len();
    let mut bits = backend.bits_of(magnitude, width, width + 1)?;
    bits.reverse();
    let seen = prefix_or(backend, &bits)?;
    let defined = seen.last().expect("a divisor has bits").clone();
    let leading: Vec<Bits> =
        (0..seen.len()).map(|i| if i == 0 { seen[0].clone() } else { seen[i].xor(backend, &seen[i - 1]) }).collect();
    let mut scale = Arith::constant(R::ZERO, n);
    let mut shift = 0;
    for group in leading.chunks((WORDS / n.max(1)).max(1)) {
        let words = backend.to_arith(&Bits::concat(backend, &group.iter().collect::<Vec<_>>()))?;
        for place in 0..group.len() {
            scale = scale.add(backend, &words.slice(place * n..(place + 1) * n).shl(shift));
            shift += 1;
        }
    }
    Ok((scale, defined))
}

/// `2^precision / x` for `x = normalised / 2^width` in `[1/2, 1)`, within 4.5 units.
fn invert<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    normalised: &Arith<R>,
    width: u32,
    precision: u32,
) -> Result<Arith<R>> {
    // 48/17 - 32/17 x is off by at most 1/17 of the reciprocal: 4 bits, which every iteration doubles.
    let one = R::ONE.shl(precision);
    let seventeenths = |count: u128| R::from_u128((count << precision) / 17);
    let slope = backend.truncate(&normalised.scale(seventeenths(32)), width)?;
    let mut inverse = slope.neg().add_public(backend, seventeenths(48));
    let mut exact_bits = 4;
    while exact_bits < precision + 1 {
        let product = backend.multiply_truncate(
            normalised,
            &inverse,
            (width + 1, precision + 3),
            width + precision + 2,
            width,
        )?;
        let error = product.neg().add_public(backend, one);
        let correction = backend.multiply_truncate(
            &inverse,
            &error,
            (precision + 3, precision + 1),
            2 * precision - 1,
            precision,
        )?;
        inverse = inverse.add(backend, &correction);
        exact_bits *= 2;
    }
    Ok(inverse)
}

/// The negative where the bit is set.
fn negate_where<R: Ring, B: Backend<R> + ?Sized>(backend: &mut B, bit: &Bits, x: &Arith<R>) -> Result<Arith<R>> {
    let twice = backend.select(bit, &x.shl(1))?;
    Ok(x.sub(backend, &twice))
}
