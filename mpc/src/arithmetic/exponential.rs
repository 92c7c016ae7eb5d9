//! Exponentials.
//!
//! *Source*: a power of a sum is the product of the powers of its parts, which each party takes alone, as Kelkar, Le,
//! Raykova and Seth use it (USENIX Security 2022). We differ in that only the fraction goes that way, modulo one: what it
//! carries needs no correction, since `2^(k0 + k1) 2^f0 2^f1` is right whatever the fractions add up to. The whole parts
//! are added modulo a short power of two and shift the product by a barrel shifter.
//!
//! *Security*: nothing is opened. The powers are computed without branches or addresses that depend on the parts.
//! *Cost*: one product of 24 by 23 bits for which one party chooses, the bits of the whole part, and a selection for each
//! of them; [`Counter`](crate::two_party::Counter).
//!
//! *Shapes and units*: numbers and results in steps of `2^-18`. Results err by 0.57 steps of the last rounding, and
//! relatively by less than `2 * 10^-7`: twice `2^-24` of the rounded powers, `2^-25` of their product, and `|x| 2^-31` of
//! the rounded factor for base `e`. What is below half a step is 0.

use tacit_protocol::program::Unary;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

use super::piecewise::local;
use super::shift::{round, shift_left};
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

const STEP_BITS: u32 = Element::FLOAT_STEP_BITS;
/// Binary digits of the factor that turns the exponent to base 2.
const FACTOR_BITS: u32 = 30;
/// Binary digits of an exponent.
const FRACTION_BITS: u32 = STEP_BITS + FACTOR_BITS;
/// Binary digits of a party's power, which lies in `[1, 2)`.
const POWER_BITS: u32 = 23;
/// Binary digits of the product, in `[1, 4)`, that is shifted.
const MANTISSA_BITS: u32 = 25;
/// A whole part below this gives less than half a step: `2^(-21 + 2) = 2^-19`.
const LEAST: i128 = -20;
/// What a shifted mantissa takes beside its shift: two bits before the point, a sign, three of room.
const BESIDE: u32 = MANTISSA_BITS + 6;

/// What turns a number into the exponent to base 2.
fn factor(function: Unary) -> i128 {
    let base = if function == Unary::Exp2 { 1.0 } else { std::f64::consts::LOG2_E };
    libm::round(base * libm::exp2(f64::from(FACTOR_BITS))) as i128
}

/// What an exponent to base 2 shifts by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    /// Binary digits of the exponent.
    digits: u32,
    /// What is added to the whole part, so that shifts that matter count from 0.
    offset: i128,
    /// The least and the largest shift. Below 0 the result is 0.
    shifts: Interval,
}

impl Shift {
    /// For exponents of so many digits, in a range of their last one.
    pub(super) fn new(digits: u32, range: Interval) -> Self {
        // Without what the fractions carry the whole part is one less.
        let (lo, hi) = ((range.lo >> digits) - 1, range.hi >> digits);
        let offset = -lo.max(LEAST);
        Self { digits, offset, shifts: Interval { lo: lo + offset, hi: hi + offset } }
    }

    fn of(function: Unary, range: Interval) -> Self {
        let factor = factor(function);
        Self::new(FRACTION_BITS, Interval { lo: range.lo * factor, hi: range.hi * factor })
    }

    /// The bits of the shift, with its sign if it may have one.
    fn bits(&self) -> u32 {
        if self.shifts.lo < 0 { self.shifts.bits() } else { (self.shifts.bits() - 1).max(1) }
    }

    /// The bits of the largest shift.
    fn magnitude_bits(&self) -> u32 {
        (Interval::point(self.shifts.hi.max(0)).bits() - 1).max(1)
    }

    /// The width of a mantissa under the largest shift.
    fn width(&self) -> u32 {
        u32::try_from(self.shifts.hi.max(0)).unwrap_or(u32::MAX - BESIDE) + BESIDE
    }

    /// Whether a word holds what it takes.
    pub(super) fn fits<R: Ring>(&self) -> bool {
        let halved = (1_u32 << (self.magnitude_bits() - 1).min(16)) + BESIDE;
        let holds = self.width().min(halved) <= R::BITS && self.magnitude_bits() <= 7;
        self.shifts.hi < 0 || self.digits + self.bits() <= R::BITS && holds
    }
}

/// Whether a word holds what the function takes on a range.
pub(super) fn fits<R: Ring>(function: Unary, range: Interval) -> bool {
    // The exponent itself is a product by 31 bits.
    range.bits() + FACTOR_BITS < 126 && Shift::of(function, range).fits::<R>()
}

/// `e^x` or `2^x` of numbers in a range.
pub(super) fn exponential<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    range: Interval,
) -> Result<Arith<R>> {
    raise(backend, &x.scale(R::from_i128(factor(function))), &Shift::of(function, range))
}

/// Two to the power of an exponent with the digits and the range of a shift, in steps.
pub(super) fn raise<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    exponent: &Arith<R>,
    shift: &Shift,
) -> Result<Arith<R>> {
    if shift.shifts.hi < 0 {
        return Ok(exponent.scale(R::ZERO));
    }
    let (digits, bits) = (shift.digits, shift.bits());
    let exponent = exponent.add_public(backend, R::from_i128(shift.offset << digits));
    let parts = backend.parts(&exponent, digits + bits);
    let [first, second] = [0, 1].map(|party| {
        local(backend, &parts[party], |word| {
            let fraction = word.low(digits).shr(digits - FRACTION_BITS).to_u128();
            R::from_u128(u128::from(power(fraction as u64)))
        })
    });
    let [upper, lower] = [0, 1].map(|party| local(backend, &parts[party], |word| word.shr(digits)));
    let mut amount = backend.bits_of(&upper.add(backend, &lower), bits, bits)?;

    // The second power less the middle of its range takes a bit less to choose by.
    let middle = R::from_u128(3 << (POWER_BITS - 1));
    let short = second.add_public(backend, middle.neg());
    let width = 2 * POWER_BITS + 4;
    let product = backend.multiply_within(&first, &short, (POWER_BITS + 2, POWER_BITS), width)?;
    let product = product.add(backend, &first.scale(middle));
    let wide = shift.width().min(R::BITS);
    let cut = 2 * POWER_BITS - MANTISSA_BITS;
    let mut mantissa = backend.truncate_within(&product.add_public(backend, R::ONE.shl(cut)), cut, width, wide)?;
    if shift.shifts.lo < 0 {
        let negative = amount.pop().expect("a sign");
        mantissa = backend.select_within(&negative.not(backend), &mantissa, wide)?;
    }
    amount.truncate(shift.magnitude_bits() as usize);
    // In steps: mantissa * 2^(shift - point).
    let point = i64::from(MANTISSA_BITS) - i64::from(STEP_BITS) + shift.offset as i64;
    if shift.width() <= R::BITS {
        let shifted = shift_left(backend, &mantissa, &amount, 1, wide)?;
        return round(backend, &shifted, point, wide);
    }
    // The uppermost bit of the shift decides between what is left of the mantissa and what is put before it.
    let top = amount.pop().expect("a shift that is wider than a word has bits");
    let shifted = shift_left(backend, &mantissa, &amount, 1, wide)?;
    let low = round(backend, &shifted, point, wide)?;
    let high = round(backend, &shifted, point - (1 << amount.len()), wide)?;
    let change = backend.select(&top, &high.sub(backend, &low))?;
    Ok(low.add(backend, &change))
}

/// Binary digits of the polynomial's coefficients, and of its variable.
const COEFFICIENT_BITS: u32 = 31;
const VARIABLE_BITS: u32 = 30;
/// The degree at which `sqrt(2) (ln(2) / 2)^(degree + 1) / (degree + 1)!` is below `2^-31`.
const DEGREE: usize = 8;

/// The coefficients of `2^(t + 1/2)`, which are `sqrt(2) ln(2)^k / k!`.
const COEFFICIENTS: [i64; DEGREE + 1] = {
    let mut coefficients = [0; DEGREE + 1];
    let mut term = std::f64::consts::SQRT_2 * (1_u64 << COEFFICIENT_BITS) as f64;
    let mut degree = 0;
    while degree <= DEGREE {
        coefficients[degree] = (term + 0.5) as i64;
        degree += 1;
        term = term * std::f64::consts::LN_2 / degree as f64;
    }
    coefficients
};

/// `2^f * 2^POWER_BITS` for `f = fraction / 2^FRACTION_BITS` in `[0, 1)`, to the nearest and less than a 32nd more, but
/// below `2^(POWER_BITS + 1)`: relatively within `2^-24`. In constant time.
fn power(fraction: u64) -> u64 {
    let t = (fraction >> (FRACTION_BITS - VARIABLE_BITS)) as i64 - (1 << (VARIABLE_BITS - 1));
    let step = |sum: i64, coefficient: &i64| (sum * t >> VARIABLE_BITS) + coefficient;
    let power = COEFFICIENTS.iter().rev().fold(0, step);
    let cut = COEFFICIENT_BITS - POWER_BITS;
    let rounded = (power + (1 << (cut - 1))) >> cut;
    rounded.min((1 << (POWER_BITS + 1)) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_fractions_are_right_to_their_last_digit() {
        let top = 1_u64 << FRACTION_BITS;
        let spread = (0..200_000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % top);
        for fraction in spread.chain([0, 1, top / 2 - 1, top / 2, top - 1]) {
            let exact = libm::exp2(fraction as f64 / top as f64) * f64::from(1 << POWER_BITS);
            let found = power(fraction);
            // What would round to 2 is one unit less.
            let most = if found == (2 << POWER_BITS) - 1 { 1.0 } else { 0.5 + 1.0 / 32.0 };
            assert!((found as f64 - exact).abs() <= most, "{fraction} gave {found}, not {exact}");
            assert!((1 << POWER_BITS..2 << POWER_BITS).contains(&found));
        }
    }
}
