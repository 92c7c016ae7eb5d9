//! The real functions of a program: which method each has, what it takes and how far it may be off.
//!
//! *Shapes and units*: numbers and results in steps of `2^-18`. Bounds are those that [`Unary::tolerance`] promises; each
//! method's header shows that it keeps them.

use tacit_protocol::Number;
use tacit_protocol::program::Unary;
use tacit_protocol::program::functions::Power;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

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

/// Whether words of `R` hold what a function takes on a range.
pub fn function_fits<R: Ring>(function: Unary, [lo, hi]: [i128; 2]) -> bool {
    let range = Interval { lo, hi };
    let wide = range.bits() + 2 <= R::BITS;
    wide && match function {
        Unary::Exp | Unary::Exp2 => exponential::fits::<R>(function, range),
        Unary::Log | Unary::Log2 | Unary::Log10 => logarithm::fits::<R>(even_bits(range)),
        Unary::Sqrt | Unary::Rsqrt => root::fits::<R>(even_bits(range)),
        Unary::Sin | Unary::Cos => circular::fits::<R>(range),
        function => saturating::fits::<R>(function, range),
    }
}

/// How far a result may be from the function of the operand as it is, in steps.
pub fn function_error(function: Unary, [lo, hi]: [i128; 2]) -> f64 {
    let Some(inside) = function.domain().meet(Interval { lo, hi }) else { return 0.0 };
    let unit = libm::exp2(f64::from(Element::FLOAT_STEP_BITS));
    let tolerance = |at: i128| function.tolerance(function.value(at as f64 / unit) * unit);
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
    [lo, hi]: [i128; 2],
) -> Result<Quotient<R>> {
    assert!(function_fits::<R>(function, [lo, hi]), "a function that fits the word: {function:?} on {lo}..{hi}");
    let range = Interval { lo, hi };
    let everywhere = |value: Arith<R>| Quotient { defined: Bits::constant(true, value.len()), value };
    match function {
        Unary::Exp | Unary::Exp2 => exponential(backend, function, x, range).map(everywhere),
        Unary::Sin | Unary::Cos => circular(backend, function, x, range).map(everywhere),
        Unary::Sigmoid | Unary::Tanh | Unary::Erf | Unary::Softplus | Unary::Gelu => {
            saturating(backend, function, x, range).map(everywhere)
        }
        Unary::Sqrt => {
            let (x, defined) = not_negative(backend, x, range)?;
            Ok(Quotient { value: root(backend, &x, even_bits(range))?, defined })
        }
        Unary::Rsqrt => {
            let (x, _) = not_negative(backend, x, range)?;
            inverse_root(backend, &x, even_bits(range))
        }
        Unary::Log | Unary::Log2 | Unary::Log10 => {
            let (x, _) = not_negative(backend, x, range)?;
            logarithm(backend, function, &x, even_bits(range))
        }
        function => unreachable!("{function:?} is made of others"),
    }
}

/// Whether words of `R` hold what a power by a real number takes on a range.
pub fn power_fits<R: Ring>(exponent: Number, [lo, hi]: [i128; 2]) -> bool {
    let range = Interval { lo, hi };
    range.bits() + 2 <= R::BITS && real_power::fits::<R>(exponent, range, even_bits(range))
}

/// How far a power may be from that of the operand as it is, in steps.
pub fn power_error(exponent: Number, [lo, hi]: [i128; 2]) -> f64 {
    let Some(inside) = Power::DOMAIN.meet(Interval { lo, hi }) else { return 0.0 };
    let (power, unit) = (Power(exponent), libm::exp2(f64::from(Element::FLOAT_STEP_BITS)));
    let tolerance = |at: i128| power.tolerance(power.value(at as f64 / unit) * unit);
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
    [lo, hi]: [i128; 2],
) -> Result<Quotient<R>> {
    assert!(power_fits::<R>(exponent, [lo, hi]), "a power that fits the word: {exponent} on {lo}..{hi}");
    let range = Interval { lo, hi };
    let (x, _) = not_negative(backend, x, range)?;
    real_power::power(backend, exponent, &x, range, even_bits(range))
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
