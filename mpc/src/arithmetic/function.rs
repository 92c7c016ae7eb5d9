//! The real functions of a program: which method each has, what it takes and how far it may be off.
//!
//! *Shapes and units*: numbers and results in steps of the precision. Bounds are those that [`Unary::tolerance`] promises; each
//! method's header shows that it keeps them.

use bincode::Encode;
use bincode::enc::Encoder;
use bincode::error::EncodeError;
use tacit_protocol::Number;
use tacit_protocol::program::Unary;
use tacit_protocol::program::functions::Power;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Precision;

use super::circular::{self, circular};
use super::divide::Quotient;
use super::exponential::{self, exponential};
use super::logarithm::{self, logarithm};
use super::real_power;
use super::root::{self, inverse_root, root};
use super::saturating::{self, saturating};
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};

/// The numbers that a real function is computed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reals {
    /// The least and the largest, in steps.
    pub range: [i128; 2],
    /// What a step is.
    pub precision: Precision,
}

impl Reals {
    fn interval(&self) -> Interval {
        let [lo, hi] = self.range;
        Interval { lo, hi }
    }
}

impl Encode for Reals {
    /// Of default precision the range alone, as plans had it before there was another; of high precision the range behind
    /// one that no numbers have.
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        if self.precision == Precision::High {
            [i128::MAX, i128::MIN].encode(encoder)?;
        }
        self.range.encode(encoder)
    }
}

/// Whether words of `R` hold what a function takes on a range.
pub fn function_fits<R: Ring>(function: Unary, of: Reals) -> bool {
    let (range, precision) = (of.interval(), of.precision);
    let wide = range.bits() + 2 <= R::BITS;
    wide && match function {
        Unary::Exp | Unary::Exp2 => exponential::fits::<R>(function, range, precision),
        Unary::Log | Unary::Log2 | Unary::Log10 => logarithm::fits::<R>(even_bits(range), precision),
        Unary::Sqrt | Unary::Rsqrt => root::fits::<R>(even_bits(range), precision),
        Unary::Sin | Unary::Cos => circular::fits::<R>(range, precision),
        function => saturating::fits::<R>(function, range, precision),
    }
}

/// How far a result may be from the function of the operand as it is, in steps.
pub fn function_error(function: Unary, of: Reals) -> f64 {
    let (unit, precision) = (of.precision.unit(), of.precision);
    let Some(inside) = function.domain(precision).meet(of.interval()) else { return 0.0 };
    let tolerance = |at: i128| function.tolerance(function.value(at as f64 / unit) * unit, precision);
    libm::fmax(tolerance(inside.lo), tolerance(inside.hi))
}

/// A real function of numbers in a range, and where it is defined; 0 where it is not. [`Unary::Expm1`] and
/// [`Unary::Log1p`] are those of other numbers.
///
/// # Panics
/// If the function is neither of those here, or does not fit the word; the plan asks [`function_fits`] before.
pub fn function<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    of: Reals,
) -> Result<Quotient<R>> {
    assert!(function_fits::<R>(function, of), "a function that fits the word: {function:?} of {of:?}");
    let (range, precision) = (of.interval(), of.precision);
    let everywhere = |value: Arith<R>| Quotient { defined: Bits::constant(true, value.len()), value };
    match function {
        Unary::Exp | Unary::Exp2 => exponential(backend, function, x, range, precision).map(everywhere),
        Unary::Sin | Unary::Cos => circular(backend, function, x, range, precision).map(everywhere),
        Unary::Sigmoid | Unary::Tanh | Unary::Erf | Unary::Softplus | Unary::Gelu => {
            saturating(backend, function, x, range, precision).map(everywhere)
        }
        Unary::Sqrt => {
            let (x, defined) = not_negative(backend, x, range)?;
            Ok(Quotient { value: root(backend, &x, even_bits(range), precision)?, defined })
        }
        Unary::Rsqrt => {
            let (x, _) = not_negative(backend, x, range)?;
            inverse_root(backend, &x, even_bits(range), precision)
        }
        Unary::Log | Unary::Log2 | Unary::Log10 => {
            let (x, _) = not_negative(backend, x, range)?;
            logarithm(backend, function, &x, even_bits(range), precision)
        }
        function => unreachable!("{function:?} is made of others"),
    }
}

/// Whether words of `R` hold what a power by a real number takes on a range.
pub fn power_fits<R: Ring>(exponent: Number, of: Reals) -> bool {
    let range = of.interval();
    range.bits() + 2 <= R::BITS && real_power::fits::<R>(exponent, range, even_bits(range), of.precision)
}

/// How far a power may be from that of the operand as it is, in steps.
pub fn power_error(exponent: Number, of: Reals) -> f64 {
    let Some(inside) = Power::DOMAIN.meet(of.interval()) else { return 0.0 };
    let (power, unit) = (Power(exponent), of.precision.unit());
    let tolerance = |at: i128| power.tolerance(power.value(at as f64 / unit) * unit, of.precision);
    libm::fmax(tolerance(inside.lo), tolerance(inside.hi))
}

/// A power by a real number of numbers in a range, and where it is defined; 0 where it is not.
///
/// # Panics
/// If it does not fit the word; the plan asks [`power_fits`] before.
pub fn power<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    exponent: Number,
    x: &Arith<R>,
    of: Reals,
) -> Result<Quotient<R>> {
    assert!(power_fits::<R>(exponent, of), "a power that fits the word: {exponent} of {of:?}");
    let range = of.interval();
    let (x, _) = not_negative(backend, x, range)?;
    real_power::power(backend, exponent, &x, range, even_bits(range), of.precision)
}

/// The number, 0 where it is negative, and where it is not.
fn not_negative<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    range: Interval,
) -> Result<(Arith<R>, Bits)> {
    if range.lo >= 0 {
        return Ok((x.clone(), Bits::constant(true, x.len())));
    }
    let kept = backend.is_negative(x, range.bits())?.not(backend);
    Ok((backend.select(&kept, x)?, kept))
}

/// The bits of the largest number, in whole pairs.
fn even_bits(range: Interval) -> u32 {
    let bits = Interval::point(range.hi.max(1)).bits() - 1;
    bits.next_multiple_of(2)
}
