//! Operations cell by cell.

use tacit_protocol::program::types::Interval;
use tacit_protocol::program::{Binary, Unary};
use tacit_protocol::schema::Element;

use super::lattice::{self, Rounding, Step};
use super::{Array, Lowering};
use crate::arithmetic::Division;
use crate::error::Result;
use crate::plan::step::ValueId;

const BOOL: Interval = Interval { lo: 0, hi: 1 };

impl Lowering<'_> {
    /// The negative of numbers, the complement of bools.
    pub(super) fn unary(&mut self, function: Unary, value: &Array) -> Array {
        if function == Unary::Not {
            let data = self.build.not(value.data);
            return Array { data, numbers: None, ..value.clone() };
        }
        let data = self.build.linear(&[(value.data, -1)], 0);
        let range = Interval { lo: -value.range.hi, hi: -value.range.lo };
        Array { data, range, numbers: None, ..value.clone() }
    }

    /// `step`: the least magnitude of the right operand where it is not 0.
    pub(super) fn binary(&mut self, function: Binary, left: &Array, right: &Array, step: i128) -> Result<Array> {
        let (left, right) = self.broadcast_pair(left, right)?;
        match function {
            Binary::Add => self.sum_of(&left, &right, 1),
            Binary::Subtract => self.sum_of(&left, &right, -1),
            Binary::Multiply => self.product(&left, &right),
            Binary::Divide => self.quotient(&left, &right, step),
            Binary::And | Binary::Or | Binary::Xor => Ok(self.logic(function, &left, &right)),
            Binary::Minimum | Binary::Maximum => self.better(function, &left, &right),
            Binary::FloorDivide | Binary::Remainder => self.divide_floor(function, &left, &right),
            Binary::Power => self.power(&left, &right),
            _ if left.is_bool() && right.is_bool() => Ok(self.compare_bools(function, &left, &right)),
            _ => self.compare(function, &left, &right),
        }
    }

    pub(super) fn sum_of(&mut self, left: &Array, right: &Array, sign: i128) -> Result<Array> {
        let range =
            if sign == 1 { lattice::add(left.range, right.range) } else { lattice::subtract(left.range, right.range) };
        let Some(range) = range else { return self.too_wide() };
        self.width(range);
        let data = self.build.linear(&[(left.data, 1), (right.data, sign)], 0);
        let valid = self.both_valid(left.valid, right.valid);
        let error = lattice::plus(left.error, right.error);
        Ok(Array { data, valid, range, error, numbers: None, ..left.clone() })
    }

    pub(super) fn product(&mut self, left: &Array, right: &Array) -> Result<Array> {
        let Some(range) = lattice::multiply(left.range, right.range) else { return self.too_wide() };
        self.width(range);
        let bits = [self.width(left.range), self.width(right.range)];
        let data = self.build.multiply([left.data, right.data], bits);
        let valid = self.both_valid(left.valid, right.valid);
        let error = lattice::product_error(left, right);
        self.of_product(left, right, Array { data, valid, range, error, numbers: None, ..left.clone() })
    }

    /// Brings a product, whose step is the product of the factors' steps, to the lattice of its element.
    pub(super) fn of_product(&mut self, left: &Array, right: &Array, product: Array) -> Result<Array> {
        let (Some(a), Some(b)) = (Step::of(&left.element), Step::of(&right.element)) else {
            return self.refuse("PROGRAM_TYPE", "only numbers are multiplied");
        };
        self.build.state_error(product.data, product.error);
        let step = a.times(b);
        let decimals = u8::try_from(step.decimal).unwrap_or(u8::MAX);
        let element = match (step.binary, step.decimal) {
            (0, 0) => Element::Int64,
            (0, _) => Element::Decimal { scale: decimals },
            // As fine as the finer factor.
            _ if a.binary >= b.binary => left.element.to_float(),
            _ => right.element.to_float(),
        };
        let Some(target) = Step::of(&element) else { return self.too_wide() };
        let ratio = step.per(target);
        let (data, range, error) =
            self.requantise(product.data, product.range, product.error, ratio, Rounding::OneStep)?;
        Ok(Array { data, range, error, element, ..product })
    }

    /// The quotient as a real number; a cell whose divisor is 0 is invalid.
    fn quotient(&mut self, left: &Array, right: &Array, step: i128) -> Result<Array> {
        let (Some(a), Some(b)) = (Step::of(&left.element), Step::of(&right.element)) else {
            return self.refuse("PROGRAM_TYPE", "only numbers are divided");
        };
        let ratio = a.per(b);
        let (numerator, range, error) = self.requantise(
            left.data,
            left.range,
            left.error,
            lattice::Ratio { up: ratio.up, down: 1 },
            Rounding::Nearest,
        )?;
        let Some(scaled) = lattice::scale(right.range, ratio.down) else { return self.too_wide() };
        let divisor = self.build.linear(&[(right.data, ratio.down)], 0);
        let divisor_error = right.error.map(|error| error * ratio.down as f64);
        let element = left.element.to_float();
        let fraction_bits = element.float_bits().unwrap_or(Element::FLOAT_STEP_BITS);
        let least = if scaled.lo > 0 {
            scaled.lo
        } else if scaled.hi < 0 {
            -scaled.hi
        } else {
            step
        };
        let certain = scaled.lo > 0 || scaled.hi < 0;
        let Some(over) = lattice::scale(range, 1 << fraction_bits) else { return self.too_wide() };
        let quotient_range = if certain { lattice::quotients(over, scaled) } else { lattice::within(over, least) };
        let Some(quotient_range) = quotient_range else { return self.too_wide() };
        let (data, defined) = self.divide(numerator, range, divisor, scaled, fraction_bits, quotient_range)?;
        // |n/d - n'/d'| <= (|n/d| * e_d + e_n) / |d'|, in units of the quotient.
        let error = match (error, divisor_error) {
            (Some(0.0), Some(0.0)) => Some(1.0),
            (Some(en), Some(ed)) if least as f64 > 2.0 * ed => {
                let unit = libm::exp2(f64::from(fraction_bits));
                let least = least as f64;
                Some((lattice::magnitude(range) * ed / least + en) * unit / (least - ed) + 1.0)
            }
            _ => None,
        };
        // With a bound, a divisor is told from 0 for certain.
        self.build.state_error(defined, error.and(Some(0.0)));
        let valid = self.both_valid(left.valid, right.valid);
        let valid = if certain { valid } else { self.both_valid(valid, Some(defined)) };
        let range = quotient_range;
        Ok(Array { data, valid, element, shape: left.shape.clone(), range, error, numbers: None })
    }

    /// `numerator * 2^fraction_bits / divisor` within one step, 0 where the divisor is 0, and where it is not.
    pub(super) fn divide(
        &mut self,
        numerator: ValueId,
        numerator_range: Interval,
        divisor: ValueId,
        divisor_range: Interval,
        fraction_bits: u32,
        quotient_range: Interval,
    ) -> Result<(ValueId, ValueId)> {
        let division = Division {
            numerator_bits: self.width(numerator_range),
            divisor_bits: self.width(divisor_range),
            divisor_signed: divisor_range.lo < 0,
            fraction_bits,
            result_bits: self.width(quotient_range),
        };
        if !division.fits::<u128>() {
            let cause = format!(
                "a quotient of {} bits by a divisor of {} bits is wider than the engine computes",
                division.result_bits, division.divisor_bits
            );
            let next = match fraction_bits > Element::FLOAT_STEP_BITS {
                true => "; keep the divisor away from 0 by `assume`, or compute with default precision",
                false => "",
            };
            return self.refuse("PROGRAM_RANGE", cause + next);
        }
        if !division.fits::<u64>() {
            self.build.needs(u64::BITS);
        }
        Ok(self.build.divide(numerator, divisor, &division))
    }

    fn logic(&mut self, function: Binary, left: &Array, right: &Array) -> Array {
        let data = match function {
            Binary::And => self.build.and(left.data, right.data),
            Binary::Or => self.build.or(left.data, right.data),
            _ => self.build.xor(left.data, right.data),
        };
        let valid = self.both_valid(left.valid, right.valid);
        let error = lattice::plus(left.error, right.error);
        Array { data, valid, error, numbers: None, ..left.clone() }
    }

    fn compare_bools(&mut self, function: Binary, left: &Array, right: &Array) -> Array {
        let (a, b) = (left.data, right.data);
        let data = match function {
            Binary::Equal => {
                let differ = self.build.xor(a, b);
                self.build.not(differ)
            }
            Binary::NotEqual => self.build.xor(a, b),
            Binary::Less | Binary::GreaterEqual => {
                let not_a = self.build.not(a);
                let less = self.build.and(not_a, b);
                if function == Binary::Less { less } else { self.build.not(less) }
            }
            _ => {
                let not_b = self.build.not(b);
                let greater = self.build.and(a, not_b);
                if function == Binary::Greater { greater } else { self.build.not(greater) }
            }
        };
        let valid = self.both_valid(left.valid, right.valid);
        let error = lattice::plus(left.error, right.error);
        Array { data, valid, error, numbers: None, ..left.clone() }
    }

    fn compare(&mut self, function: Binary, left: &Array, right: &Array) -> Result<Array> {
        let Some(range) = lattice::subtract(left.range, right.range) else { return self.too_wide() };
        let swapped = Interval { lo: -range.hi, hi: -range.lo };
        let difference = self.build.linear(&[(left.data, 1), (right.data, -1)], 0);
        let data = match function {
            Binary::Less => self.below_zero(difference, range),
            Binary::GreaterEqual => {
                let less = self.below_zero(difference, range);
                self.build.not(less)
            }
            Binary::Greater | Binary::LessEqual => {
                let opposite = self.build.linear(&[(right.data, 1), (left.data, -1)], 0);
                let greater = self.below_zero(opposite, swapped);
                if function == Binary::Greater { greater } else { self.build.not(greater) }
            }
            _ => {
                let equal = if range.lo > 0 || range.hi < 0 {
                    let cells = self.build.len(difference);
                    self.build.fill_bits(false, cells)
                } else {
                    let bits = self.width(range);
                    self.build.is_zero(difference, bits)
                };
                if function == Binary::Equal { equal } else { self.build.not(equal) }
            }
        };
        let valid = self.both_valid(left.valid, right.valid);
        // A comparison of inexact numbers may fall on either side.
        let exact = left.error == Some(0.0) && right.error == Some(0.0);
        let error = exact.then_some(0.0);
        Ok(Array { data, valid, element: Element::Bool, shape: left.shape.clone(), range: BOOL, error, numbers: None })
    }

    /// Whether a value is negative; decided now where its range decides it.
    pub(super) fn below_zero(&mut self, value: ValueId, range: Interval) -> ValueId {
        let cells = self.build.len(value);
        if range.lo >= 0 {
            return self.build.fill_bits(false, cells);
        }
        if range.hi < 0 {
            return self.build.fill_bits(true, cells);
        }
        let bits = self.width(range);
        self.build.is_negative(value, bits)
    }

    /// `then` where `condition`, else `otherwise`.
    pub(super) fn choose(&mut self, condition: &Array, then: &Array, otherwise: &Array) -> Result<Array> {
        let shape = self.common_shape(&[&condition.shape, &then.shape, &otherwise.shape])?;
        let condition = self.broadcast(condition, &shape);
        let (then, otherwise) = (self.broadcast(then, &shape), self.broadcast(otherwise, &shape));
        let data = if then.is_bool() {
            self.choose_bits(condition.data, then.data, otherwise.data)
        } else {
            let Some(range) = lattice::subtract(then.range, otherwise.range) else { return self.too_wide() };
            self.width(range);
            let difference = self.build.linear(&[(then.data, 1), (otherwise.data, -1)], 0);
            let chosen = self.build.select(condition.data, difference);
            self.build.linear(&[(chosen, 1), (otherwise.data, 1)], 0)
        };
        let chosen = match (then.valid, otherwise.valid) {
            (None, None) => None,
            (then, otherwise) => {
                let all = self.build.fill_bits(true, shape.iter().product());
                Some(self.choose_bits(condition.data, then.unwrap_or(all), otherwise.unwrap_or(all)))
            }
        };
        let valid = self.both_valid(condition.valid, chosen);
        let error = condition.error.and(then.error.zip(otherwise.error).map(|(a, b)| a.max(b)));
        let range = lattice::hull(then.range, otherwise.range);
        Ok(Array { data, valid, element: then.element, shape, range, error, numbers: None })
    }

    fn choose_bits(&mut self, condition: ValueId, then: ValueId, otherwise: ValueId) -> ValueId {
        let differ = self.build.xor(then, otherwise);
        let flip = self.build.and(condition, differ);
        self.build.xor(otherwise, flip)
    }

    pub(super) fn too_wide<T>(&self) -> Result<T> {
        self.refuse("PROGRAM_RANGE", "a value that the operation needs passes 127 bits")
    }
}
