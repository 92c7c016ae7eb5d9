//! Functions of one number, whole quotients and powers.

use ndarray::ArrayD;

use super::arithmetic::zip;
use super::value::{Cells, PlainValue};
use crate::program::Unary;
use crate::program::infer::functions::{rounded, whole};
use crate::schema::Element;

/// The functions that are no matter of one operator: magnitude, sign, roundings, and those of real numbers.
pub(super) fn unary(function: Unary, value: PlainValue) -> PlainValue {
    match &value.cells {
        Cells::Exact(cells) => {
            let unit = whole(&value.element);
            let cells = Cells::Exact(cells.mapv(|cell| exact(function, cell, unit)));
            PlainValue { cells, ..value }
        }
        Cells::Real(cells) if function.is_real() => {
            let defined = |x: f64| function.value(x).is_finite();
            let validity = zip(&value.validity, cells, |valid, x| *valid && defined(*x));
            let cells = cells.mapv(|x| if defined(x) { function.value(x) } else { 0.0 });
            PlainValue { element: value.element, cells: Cells::Real(cells), validity }
        }
        Cells::Real(cells) => {
            let cells = Cells::Real(cells.mapv(|cell| real(function, cell)));
            PlainValue { cells, ..value }
        }
    }
}

fn exact(function: Unary, cell: i128, unit: i128) -> i128 {
    match function {
        Unary::Abs => cell.wrapping_abs(),
        Unary::Sign => cell.signum() * unit,
        _ => rounded(function, cell, unit) * unit,
    }
}

fn real(function: Unary, cell: f64) -> f64 {
    match function {
        Unary::Abs => cell.abs(),
        Unary::Sign if cell == 0.0 => 0.0,
        Unary::Sign => cell.signum(),
        Unary::Floor => cell.floor(),
        Unary::Ceil => cell.ceil(),
        _ => cell.round_ties_even(),
    }
}

/// The floor of a quotient; 0 where there is none.
pub(super) fn floor_divide(over: i128, under: i128) -> i128 {
    match under {
        0 => 0,
        1.. => over.div_euclid(under),
        _ => over.wrapping_neg().div_euclid(under.wrapping_neg()),
    }
}

/// What the floor of a quotient leaves.
pub(super) fn remainder(over: i128, under: i128) -> i128 {
    over.wrapping_sub(floor_divide(over, under).wrapping_mul(under))
}

/// As NumPy divides floats: the exact rest first, since the floor of a rounded quotient may be one too many.
pub(super) fn floor_divide_real(over: f64, under: f64) -> f64 {
    if under == 0.0 { 0.0 } else { ((over - remainder_real(over, under)) / under).round_ties_even() }
}

/// What the floor of a quotient leaves, of the divisor's sign; 0 where there is none.
pub(super) fn remainder_real(over: f64, under: f64) -> f64 {
    if under == 0.0 {
        return 0.0;
    }
    let rest = over % under;
    if rest != 0.0 && (rest < 0.0) != (under < 0.0) { rest + under } else { rest }
}

/// Powers, and where there is one. What gives real numbers of another element, or of no whole number, is a real power.
pub(super) fn power(base: &PlainValue, exponent: &PlainValue, element: &Element) -> (Cells, ArrayD<bool>) {
    let exponents = exponent.reals();
    let whole = exponents.iter().all(|exponent| *exponent >= 0.0 && exponent.fract() == 0.0);
    let (cells, defined) = match &base.cells {
        Cells::Exact(cells) if !element.is_float() => {
            (Cells::Exact(zip(cells, &exponents, |base, exponent| base.wrapping_pow(*exponent as u32))), None)
        }
        Cells::Real(cells) if whole => {
            (Cells::Real(zip(cells, &exponents, |base, n| repeated(*base, *n as u32))), None)
        }
        _ => {
            let base = base.reals();
            let value = |base: &f64, y: &f64| if *base > 0.0 { libm::pow(*base, *y) } else { 0.0 };
            (Cells::Real(zip(&base, &exponents, value)), Some(zip(&base, &exponents, |base, _| *base > 0.0)))
        }
    };
    let everywhere = || zip(&base.validity, &exponents, |_, _| true);
    (cells, defined.unwrap_or_else(everywhere))
}

/// A power by products, as NumPy's of small exponents to a few units in the last place, and the same on every machine.
fn repeated(base: f64, exponent: u32) -> f64 {
    let places = u32::BITS - exponent.leading_zeros();
    let step = |power: f64, place: u32| power * power * if exponent >> place & 1 == 1 { base } else { 1.0 };
    (0..places).rev().fold(1.0, step)
}
