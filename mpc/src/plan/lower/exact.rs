//! Magnitude, sign and roundings, the lesser and larger of two, whole quotients and their rests, and powers: what is
//! exact on the lattice, or a chain of products.

use tacit_protocol::program::infer::{self, Exponent};
use tacit_protocol::program::types::Interval;
use tacit_protocol::program::{Binary, Unary};
use tacit_protocol::schema::Element;

use super::lattice::{self, Step};
use super::{Array, Lowering};
use crate::arithmetic::{Division, divides_publicly};
use crate::error::Result;
use crate::plan::step::ValueId;

impl Lowering<'_> {
    /// A function of one number that takes and gives its element.
    pub(super) fn exact(&mut self, function: Unary, value: &Array) -> Result<Array> {
        let Some(unit) = unit(&value.element) else {
            return self.refuse("PROGRAM_TYPE", format!("{} is no number", value.element.name()));
        };
        match function {
            Unary::Abs => Ok(self.magnitude_of(value)),
            Unary::Sign => Ok(self.sign_of(value, unit)),
            _ if unit == 1 => Ok(value.clone()),
            Unary::Ceil => {
                let negative = self.unary(Unary::Negate, value);
                let floor = self.whole(&negative, unit, Unary::Floor)?;
                Ok(self.unary(Unary::Negate, &floor))
            }
            _ => self.whole(value, unit, function),
        }
    }

    pub(super) fn magnitude_of(&mut self, value: &Array) -> Array {
        if value.range.lo >= 0 {
            return value.clone();
        }
        if value.range.hi <= 0 {
            return self.unary(Unary::Negate, value);
        }
        let range = Interval { lo: 0, hi: value.range.hi.max(-value.range.lo) };
        self.width(range);
        let negative = self.below_zero(value.data, value.range);
        let part = self.build.select(negative, value.data);
        let data = self.build.linear(&[(value.data, 1), (part, -2)], 0);
        // A wrong sign of a value within its error of 0 changes it by no more than that.
        Array { data, range, numbers: None, ..value.clone() }
    }

    fn sign_of(&mut self, value: &Array, unit: i128) -> Array {
        let below = self.below_zero(value.data, value.range);
        let opposite = self.build.linear(&[(value.data, -1)], 0);
        let above = self.below_zero(opposite, Interval { lo: -value.range.hi, hi: -value.range.lo });
        let (below, above) = (self.build.arith_of(below), self.build.arith_of(above));
        let data = self.build.linear(&[(above, unit), (below, -unit)], 0);
        let range = Interval { lo: value.range.lo.signum() * unit, hi: value.range.hi.signum() * unit };
        let far = value.error.is_some_and(|error| value.range.lo as f64 > error || error < -(value.range.hi as f64));
        let error = if far { Some(0.0) } else { value.error.filter(|error| *error == 0.0) };
        Array { data, range, error, numbers: None, ..value.clone() }
    }

    /// The floor, or the nearest of whole units and of two the even one.
    fn whole(&mut self, value: &Array, unit: i128, function: Unary) -> Result<Array> {
        let nearest = function == Unary::Round;
        // floor((2 x + unit) / (2 unit)) is the nearest, ties up.
        let (up, add, divisor) = if nearest { (2, unit, 2 * unit) } else { (1, 0, unit) };
        let Some(range) = lattice::scale(value.range, up).and_then(|range| lattice::add(range, point(add))) else {
            return self.too_wide();
        };
        let raised = self.build.linear(&[(value.data, up)], add);
        let mut whole = self.floor_of(raised, range, divisor)?;
        if nearest {
            let rest = self.build.linear(&[(raised, 1), (whole, -divisor)], 0);
            let bits = self.width(Interval { lo: 0, hi: divisor - 1 });
            let tie = self.build.is_zero(rest, bits);
            let odd = self.build.is_odd(whole);
            let down = self.build.and(tie, odd);
            let down = self.build.arith_of(down);
            whole = self.build.linear(&[(whole, 1), (down, -1)], 0);
        }
        let data = self.build.linear(&[(whole, unit)], 0);
        let round = |at: i128| infer::rounded(function, at, unit) * unit;
        let range = Interval { lo: round(value.range.lo), hi: round(value.range.hi) };
        self.width(range);
        let error = value.error.map(|error| (error / unit as f64).ceil() * unit as f64);
        Ok(Array { data, range, error, numbers: None, ..value.clone() })
    }

    /// `floor(value / divisor)` by a public divisor above 0.
    fn floor_of(&mut self, value: ValueId, range: Interval, divisor: i128) -> Result<ValueId> {
        let bits = self.width(range);
        if divisor.count_ones() == 1 {
            return Ok(self.build.floor_shift(value, divisor.trailing_zeros(), bits));
        }
        let Ok(by) = u64::try_from(divisor) else {
            return self.refuse(
                "PROGRAM_RANGE",
                format!("the engine divides by public numbers below 2^64 only, not {divisor}"),
            );
        };
        if !divides_publicly::<u128>(bits, divisor.unsigned_abs()) {
            return self.refuse("PROGRAM_RANGE", "a number is too wide for the engine to divide");
        }
        if !divides_publicly::<u64>(bits, divisor.unsigned_abs()) {
            self.build.needs(u64::BITS);
        }
        Ok(self.build.divide_floor(value, by, bits))
    }

    /// The lesser or larger of two.
    pub(super) fn better(&mut self, function: Binary, left: &Array, right: &Array) -> Result<Array> {
        let Some(over) = lattice::subtract(left.range, right.range) else { return self.too_wide() };
        let under = Interval { lo: -over.hi, hi: -over.lo };
        self.width(over);
        let over_data = self.build.linear(&[(left.data, 1), (right.data, -1)], 0);
        let under_data = self.build.linear(&[(right.data, 1), (left.data, -1)], 0);
        let second = match function {
            Binary::Minimum => self.below_zero(under_data, under),
            _ => self.below_zero(over_data, over),
        };
        let change = self.build.select(second, under_data);
        let data = self.build.linear(&[(left.data, 1), (change, 1)], 0);
        let pick: fn(i128, i128) -> i128 = if function == Binary::Minimum { i128::min } else { i128::max };
        let range = Interval { lo: pick(left.range.lo, right.range.lo), hi: pick(left.range.hi, right.range.hi) };
        let valid = self.both_valid(left.valid, right.valid);
        // The wrong one of two is taken only where they lie within their errors of each other.
        let error = left.error.zip(right.error).map(|(a, b)| a.max(b));
        Ok(Array { data, valid, range, error, numbers: None, ..left.clone() })
    }

    /// The floor of a quotient, or what it leaves. A cell whose divisor is 0 is invalid.
    pub(super) fn divide_floor(&mut self, function: Binary, left: &Array, right: &Array) -> Result<Array> {
        let certain = right.range.lo > 0 || right.range.hi < 0;
        let Some(quotient_range) = whole_quotients(left.range, right.range) else { return self.too_wide() };
        let (quotient, defined) = self.floor_quotient(left, right, quotient_range)?;
        let exact = left.error == Some(0.0) && right.error == Some(0.0);
        let error = exact.then_some(0.0);
        self.build.state_error(quotient, error);
        let mut valid = self.both_valid(left.valid, right.valid);
        if let (false, Some(defined)) = (certain, defined) {
            self.build.state_error(defined, right.error.filter(|error| *error == 0.0));
            valid = self.both_valid(valid, Some(defined));
        }
        if function == Binary::FloorDivide {
            let element = without_digits(&left.element);
            let unit = unit(&element).unwrap_or(1);
            let Some(range) = lattice::scale(quotient_range, unit) else { return self.too_wide() };
            self.width(range);
            let data = self.build.linear(&[(quotient, unit)], 0);
            return Ok(Array { data, valid, element, range, error, numbers: None, ..left.clone() });
        }
        let bits = [self.width(quotient_range), self.width(right.range)];
        let taken = self.build.multiply([quotient, right.data], bits);
        let mut data = self.build.linear(&[(left.data, 1), (taken, -1)], 0);
        if let (false, Some(defined)) = (certain, defined) {
            // A divisor of 0 would leave the dividend.
            data = self.build.select(defined, data);
        }
        let range = Interval { lo: right.range.lo.min(-1) + 1, hi: right.range.hi.max(1) - 1 };
        self.width(range);
        Ok(Array { data, valid, range, error, numbers: None, ..left.clone() })
    }

    /// The floor of a quotient, and whether there is one; none: there is for certain.
    fn floor_quotient(&mut self, left: &Array, right: &Array, range: Interval) -> Result<(ValueId, Option<ValueId>)> {
        if let (Some(_), Interval { lo, hi }) = (&right.numbers, right.range)
            && lo == hi
            && lo != 0
            && u64::try_from(lo.unsigned_abs()).is_ok()
        {
            let sign = lo.signum();
            let over = if sign < 0 { Interval { lo: -left.range.hi, hi: -left.range.lo } } else { left.range };
            let value = self.build.linear(&[(left.data, sign)], 0);
            return Ok((self.floor_of(value, over, lo.abs())?, None));
        }
        let division = Division {
            numerator_bits: self.width(left.range),
            divisor_bits: self.width(right.range),
            divisor_signed: right.range.lo < 0,
            fraction_bits: 0,
            result_bits: self.width(range),
        };
        if !division.fits::<u128>() {
            return self.refuse("PROGRAM_RANGE", "a whole quotient is wider than the engine computes");
        }
        if !division.fits::<u64>() {
            self.build.needs(u64::BITS);
        }
        let (quotient, defined) = self.build.floor_quotient(left.data, right.data, &division);
        Ok((quotient, Some(defined)))
    }

    /// A power by a constant; by a whole number squares, and products with the base.
    pub(super) fn power(&mut self, base: &Array, exponent: &Array) -> Result<Array> {
        let exponent = match infer::exponent(exponent.numbers.as_deref().unwrap_or(&[])) {
            Some(Exponent::Whole(exponent)) => exponent,
            Some(Exponent::Real(exponent)) => return self.real_power(base, exponent),
            None => return self.refuse("PROGRAM_TYPE", "the exponent is no constant that the engine takes"),
        };
        if exponent == 0 {
            let element = without_digits(&base.element);
            let one = self.numbers(&element, base.shape.clone(), vec![1.into()])?;
            return Ok(Array { valid: base.valid, numbers: None, ..one });
        }
        let mut power = base.clone();
        for place in (0..exponent.ilog2()).rev() {
            power = self.product(&power, &power)?;
            if exponent >> place & 1 == 1 {
                power = self.product(&power, base)?;
            }
        }
        Ok(power)
    }
}

/// The floors of quotients by the divisors of a range that are not 0, and 0 where one may be.
fn whole_quotients(over: Interval, under: Interval) -> Option<Interval> {
    let negative = (under.lo < 0).then_some(Interval { lo: under.lo, hi: under.hi.min(-1) });
    let positive = (under.hi > 0).then_some(Interval { lo: under.lo.max(1), hi: under.hi });
    let none = (under.lo <= 0 && under.hi >= 0).then_some(Some(point(0)));
    let parts = [negative, positive].into_iter().flatten().map(|part| lattice::quotients(over, part));
    parts.chain(none).reduce(|a, b| Some(lattice::hull(a?, b?)))?
}

/// The element of whole numbers of an element: decimals lose the digits behind the point.
fn without_digits(element: &Element) -> Element {
    match element {
        Element::Decimal { .. } => Element::Decimal { scale: 0 },
        element => element.clone(),
    }
}

/// Lattice steps in 1.
fn unit(element: &Element) -> Option<i128> {
    let step = Step::of(element)?;
    Some((1 << step.binary) * 10_i128.pow(step.decimal))
}

fn point(value: i128) -> Interval {
    Interval { lo: value, hi: value }
}
