//! Exponentials.
//!
//! *Source*: a power of a sum is the product of the powers of its parts, which each party takes alone, as Kelkar, Le,
//! Raykova and Seth use it (USENIX Security 2022). We differ in that only the fraction goes that way, modulo one: what it
//! carries needs no correction, since `2^(k0 + k1) 2^f0 2^f1` is right whatever the fractions add up to. The whole parts
//! are added modulo a short power of two and shift the product by a barrel shifter.
//!
//! *Security*: nothing is opened. The powers are computed without branches or addresses that depend on the parts.
//! *Cost*: one product of 24 by 23 bits (high precision: 41 by 40) for which one party chooses, the bits of the whole part,
//! and a selection for each of them; [`Counter`](crate::two_party::Counter).
//!
//! *Shapes and units*: numbers and results in steps of the precision. Results err by 0.57 steps of the last rounding, and
//! relatively by less than `2 * 10^-7`: twice `2^-24` of the rounded powers, `2^-25` of their product, and `|x| 2^-31` of
//! the rounded factor for base `e`. In high precision these are `2^-41`, `2^-42` and `|x| 2^-47`, less than
//! `1.7 * 10^-12` together, as `|x|` is at most 63 where the result is below `2^90`. What is below half a step is 0.

use tacit_protocol::program::Unary;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Precision;

use super::piecewise::{local, multiply_shift};
use super::shift::{round, shift_left};
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

/// The binary digits of what the method computes with.
#[derive(Debug)]
struct Digits {
    /// Of numbers and results.
    step: u32,
    /// Of the factor that turns the exponent to base 2.
    factor: u32,
    /// Of a party's power, which lies in `[1, 2)`.
    power: u32,
    /// Of the product, in `[1, 4)`, that is shifted.
    mantissa: u32,
    /// Of the fraction that a party takes the power of.
    variable: u32,
    /// Of the coefficients of its polynomial.
    coefficient: u32,
    /// The coefficients of `2^(t + 1/2)`, which are `sqrt(2) ln(2)^k / k!`, to the degree at which
    /// `sqrt(2) (ln(2) / 2)^(degree + 1) / (degree + 1)!` is below a unit.
    coefficients: &'static [i64],
    /// [`power`] with these digits, which it has as constants.
    power_of: fn(u64) -> u64,
}

const DEFAULT: Digits = Digits {
    step: Precision::Default.step_bits(),
    factor: 30,
    power: 23,
    mantissa: 25,
    variable: 30,
    coefficient: 31,
    coefficients: &coefficients::<9>(31),
    power_of: |fraction| power::<false>(fraction, &DEFAULT),
};

const HIGH: Digits = Digits {
    step: Precision::High.step_bits(),
    factor: 46,
    power: 40,
    mantissa: 42,
    variable: 47,
    coefficient: 48,
    coefficients: &coefficients::<13>(48),
    power_of: |fraction| power::<true>(fraction, &HIGH),
};

impl Digits {
    const fn of(precision: Precision) -> &'static Self {
        match precision {
            Precision::Default => &DEFAULT,
            Precision::High => &HIGH,
        }
    }

    /// What turns a number into the exponent to base 2.
    fn factor(&self, function: Unary) -> i128 {
        let base = if function == Unary::Exp2 { 1.0 } else { std::f64::consts::LOG2_E };
        libm::round(base * libm::exp2(f64::from(self.factor))) as i128
    }

    /// A whole part below this gives less than half a step: with the fractions `2^(least - 1 + 2) = 2^(-step - 1)`.
    fn least(&self) -> i128 {
        -i128::from(self.step) - 2
    }

    /// What a shifted mantissa takes beside its shift: two bits before the point, a sign, three of room.
    fn beside(&self) -> u32 {
        self.mantissa + 6
    }
}

/// What an exponent to base 2 shifts by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    of: &'static Digits,
    /// Binary digits of the exponent.
    digits: u32,
    /// What is added to the whole part, so that shifts that matter count from 0.
    offset: i128,
    /// The least and the largest shift. Below 0 the result is 0.
    shifts: Interval,
}

impl Shift {
    /// For exponents of so many digits, in a range of their last one.
    pub(super) fn new(precision: Precision, digits: u32, range: Interval) -> Self {
        let of = Digits::of(precision);
        // Without what the fractions carry the whole part is one less.
        let (lo, hi) = ((range.lo >> digits) - 1, range.hi >> digits);
        let offset = -lo.max(of.least());
        Self { of, digits, offset, shifts: Interval { lo: lo + offset, hi: hi + offset } }
    }

    fn of(function: Unary, range: Interval, precision: Precision) -> Self {
        let digits = Digits::of(precision);
        let factor = digits.factor(function);
        Self::new(precision, digits.step + digits.factor, Interval { lo: range.lo * factor, hi: range.hi * factor })
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
        let beside = self.of.beside();
        u32::try_from(self.shifts.hi.max(0)).unwrap_or(u32::MAX - beside) + beside
    }

    /// Whether a word holds what it takes.
    pub(super) fn fits<R: Ring>(&self) -> bool {
        let halved = (1_u32 << (self.magnitude_bits() - 1).min(16)) + self.of.beside();
        let holds = self.width().min(halved) <= R::BITS && self.magnitude_bits() <= 7;
        let product = 2 * self.of.power + 4;
        self.shifts.hi < 0 || (self.digits + self.bits()).max(product) <= R::BITS && holds
    }
}

/// Whether a word holds what the function takes on a range.
pub(super) fn fits<R: Ring>(function: Unary, range: Interval, precision: Precision) -> bool {
    // The exponent itself is a product by one bit more than the factor's digits.
    range.bits() + Digits::of(precision).factor < 126 && Shift::of(function, range, precision).fits::<R>()
}

/// `e^x` or `2^x` of numbers in a range.
pub(super) fn exponential<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    range: Interval,
    precision: Precision,
) -> Result<Arith<R>> {
    let factor = Digits::of(precision).factor(function);
    raise(backend, &x.scale(R::from_i128(factor)), &Shift::of(function, range, precision))
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
    let (of, digits, bits) = (shift.of, shift.digits, shift.bits());
    let exponent = exponent.add_public(backend, R::from_i128(shift.offset << digits));
    let parts = backend.parts(&exponent, digits + bits);
    let [first, second] = [0, 1].map(|party| {
        local(backend, &parts[party], |word| {
            let fraction = word.low(digits).shr(digits - of.variable).to_u128();
            R::from_u128(u128::from((of.power_of)(fraction as u64)))
        })
    });
    let [upper, lower] = [0, 1].map(|party| local(backend, &parts[party], |word| word.shr(digits)));
    let mut amount = backend.bits_of(&upper.add(backend, &lower), bits, bits)?;

    // The second power less the middle of its range takes a bit less to choose by.
    let middle = R::from_u128(3 << (of.power - 1));
    let short = second.add_public(backend, middle.neg());
    let width = 2 * of.power + 4;
    let product = backend.multiply_within(&first, &short, (of.power + 2, of.power), width)?;
    let product = product.add(backend, &first.scale(middle));
    let wide = shift.width().min(R::BITS);
    let cut = 2 * of.power - of.mantissa;
    let mut mantissa = backend.truncate_within(&product.add_public(backend, R::ONE.shl(cut)), cut, width, wide)?;
    if shift.shifts.lo < 0 {
        let negative = amount.pop().expect("a sign");
        mantissa = backend.select_within(&negative.not(backend), &mantissa, wide)?;
    }
    amount.truncate(shift.magnitude_bits() as usize);
    // In steps: mantissa * 2^(shift - point).
    let point = i64::from(of.mantissa) - i64::from(of.step) + shift.offset as i64;
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

/// `sqrt(2) ln(2)^k / k!` in so many binary digits, to the nearest.
const fn coefficients<const COUNT: usize>(digits: u32) -> [i64; COUNT] {
    let mut coefficients = [0; COUNT];
    let mut term = std::f64::consts::SQRT_2 * (1_u64 << digits) as f64;
    let mut degree = 0;
    while degree < COUNT {
        coefficients[degree] = (term + 0.5) as i64;
        degree += 1;
        term = term * std::f64::consts::LN_2 / degree as f64;
    }
    coefficients
}

/// `2^f` for `f` in `[0, 1)`, given to the digits of a variable, in those of a power: to the nearest and less than a 32nd
/// more, but below 2, so relatively within half a unit. In constant time.
#[inline(always)]
fn power<const WIDE: bool>(fraction: u64, of: &Digits) -> u64 {
    let t = fraction as i64 - (1 << (of.variable - 1));
    let step = |sum: i64, coefficient: &i64| multiply_shift::<WIDE>(sum, t, of.variable) + coefficient;
    let power = of.coefficients.iter().rev().fold(0, step);
    let cut = of.coefficient - of.power;
    let rounded = (power + (1 << (cut - 1))) >> cut;
    rounded.min((1 << (of.power + 1)) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_fractions_are_right_to_their_last_digit() {
        for of in Precision::ALL.map(Digits::of) {
            let top = 1_u64 << of.variable;
            let spread = (0..200_000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % top);
            for fraction in spread.chain([0, 1, top / 2 - 1, top / 2, top - 1]) {
                // Digits behind those of the variable may follow.
                for more in [0.0, 0.999] {
                    let exact = libm::exp2((fraction as f64 + more) / top as f64) * libm::exp2(f64::from(of.power));
                    let found = (of.power_of)(fraction);
                    // What would round to 2 is one unit less.
                    let most = if found == (2 << of.power) - 1 { 1.0 } else { 0.5 + 1.0 / 32.0 };
                    assert!((found as f64 - exact).abs() <= most, "{fraction} gave {found}, not {exact}");
                    assert!((1 << of.power..2 << of.power).contains(&found));
                }
            }
        }
    }
}
