//! Constants, and the lattices that numbers live on: conversions between them, and interval arithmetic.

use tacit_protocol::Number;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

use super::{Array, Lowering};
use crate::arithmetic::divides_publicly;
use crate::error::Result;
use crate::plan::step::ValueId;

impl Lowering<'_> {
    pub(super) fn constant(&mut self, element: &Element, shape: &[u64], values: &[Number]) -> Result<Array> {
        let shape: Vec<usize> = shape.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect();
        let cells = shape.iter().try_fold(1_usize, |cells, size| cells.checked_mul(*size));
        if cells != Some(values.len()) {
            return self
                .refuse("PROGRAM_MALFORMED", format!("a constant of shape {shape:?} has {} values", values.len()));
        }
        let uniform = !values.is_empty() && values.iter().all(|value| *value == values[0]);
        self.numbers(element, shape, if uniform { vec![values[0]] } else { values.to_vec() })
    }

    /// Public numbers on the lattice of an element: one for all cells, or one a cell.
    pub(super) fn numbers(&mut self, element: &Element, shape: Vec<usize>, numbers: Vec<Number>) -> Result<Array> {
        let cells: usize = shape.iter().product();
        let mut words = Vec::with_capacity(numbers.len());
        let mut exact = true;
        for number in &numbers {
            let Some((word, whole)) = nearest(*number, element) else {
                return self.refuse("PROGRAM_RANGE", format!("{number} does not fit {}", element.name()));
            };
            words.push(word);
            exact &= whole;
        }
        let (lo, hi) = (words.iter().min().copied().unwrap_or(0), words.iter().max().copied().unwrap_or(0));
        // Bools have one range whatever they are, so that logic need not look at it.
        let range = if *element == Element::Bool { Interval { lo: 0, hi: 1 } } else { Interval { lo, hi } };
        self.width(range);
        let data = match (element, words.as_slice()) {
            (Element::Bool, [only]) => self.build.fill_bits(*only != 0, cells),
            (Element::Bool, all) => {
                let bits: Vec<bool> = all.iter().map(|word| *word != 0).collect();
                self.build.bits(&bits)
            }
            (_, [only]) => self.build.fill(*only, cells),
            _ => self.build.words(words),
        };
        let error = Some(if exact { 0.0 } else { 0.5 });
        self.build.state_error(data, error);
        Ok(Array { data, valid: None, element: element.clone(), shape, range, error, numbers: Some(numbers) })
    }

    /// A public scalar.
    pub(super) fn integer(&mut self, value: i128) -> Array {
        let data = self.build.fill(value, 1);
        let range = Interval { lo: value, hi: value };
        let numbers = Number::new(value, 0).map(|number| vec![number]);
        Array { data, valid: None, element: Element::Int64, shape: Vec::new(), range, error: Some(0.0), numbers }
    }

    pub(super) fn arange(&mut self, length: usize) -> Array {
        let data = self.build.words((0..length as i128).collect());
        let range = Interval { lo: 0, hi: (length as i128 - 1).max(0) };
        Array {
            data,
            valid: None,
            element: Element::Int64,
            shape: vec![length],
            range,
            error: Some(0.0),
            numbers: None,
        }
    }

    /// The value on the lattice of another element. Exact, but from decimals to real numbers: to the nearest step.
    pub(super) fn converted(&mut self, value: &Array, element: &Element) -> Result<Array> {
        if value.element == *element {
            return Ok(value.clone());
        }
        if let Some(numbers) = &value.numbers {
            return self.numbers(element, value.shape.clone(), numbers.clone());
        }
        let value = if value.is_bool() { self.bool_to_integer(value) } else { value.clone() };
        let (Some(from), Some(to)) = (Step::of(&value.element), Step::of(element)) else {
            return self
                .refuse("PROGRAM_TYPE", format!("{} is not converted to {}", value.element.name(), element.name()));
        };
        let (data, range, error) =
            self.requantise(value.data, value.range, value.error, from.per(to), Rounding::Nearest)?;
        Ok(Array { data, range, error, element: element.clone(), numbers: None, ..value })
    }

    pub(super) fn bool_to_integer(&mut self, value: &Array) -> Array {
        let data = self.build.arith_of(value.data);
        let range = Interval { lo: 0, hi: 1 };
        Array { data, element: Element::Int64, range, numbers: None, ..value.clone() }
    }

    /// `value * ratio`, rounded as asked.
    pub(super) fn requantise(
        &mut self,
        value: ValueId,
        range: Interval,
        error: Option<f64>,
        ratio: Ratio,
        rounding: Rounding,
    ) -> Result<(ValueId, Interval, Option<f64>)> {
        let Some(scaled) = scale(range, ratio.up) else {
            return self.refuse("PROGRAM_RANGE", "a number at the scale that the operation needs passes 127 bits");
        };
        let error = error.map(|error| error * ratio.up as f64 / ratio.down as f64);
        self.width(scaled);
        if ratio.down == 1 {
            return Ok((self.build.linear(&[(value, ratio.up)], 0), scaled, error));
        }
        if rounding == Rounding::OneStep && ratio.down.count_ones() == 1 {
            // The truncation gives the floor or one less; one more than that is within one step of the value.
            let shift = ratio.down.trailing_zeros();
            let product = self.build.linear(&[(value, ratio.up)], 0);
            let floor = self.build.truncate(product, shift);
            let range = Interval { lo: scaled.lo >> shift, hi: (scaled.hi >> shift) + 1 };
            let (data, error) = (self.build.linear(&[(floor, 1)], 1), error.map(|error| error + 1.0));
            self.build.state_error(data, error);
            return Ok((data, range, error));
        }
        // floor((2 * up * x + down) / (2 * down)): the nearest step, ties up.
        let doubled = scale(scaled, 2).and_then(|range| shift_range(range, ratio.down));
        let (Some(doubled), Some(divisor)) = (doubled, ratio.down.checked_mul(2)) else {
            return self.refuse("PROGRAM_RANGE", "a number at the scale that rounding needs passes 127 bits");
        };
        let bits = self.width(doubled);
        let sum = self.build.linear(&[(value, 2 * ratio.up)], ratio.down);
        let shift = divisor.trailing_zeros();
        let shifted = self.build.floor_shift(sum, shift, bits);
        let odd = divisor >> shift;
        let Ok(odd_divisor) = u64::try_from(odd) else {
            return self.refuse("PROGRAM_RANGE", "the grid is too coarse for the engine");
        };
        let narrow = Interval { lo: doubled.lo >> shift, hi: doubled.hi >> shift };
        let narrow_bits = super::width(narrow);
        if !divides_publicly::<u128>(narrow_bits, odd.unsigned_abs()) {
            return self.refuse("PROGRAM_RANGE", "a number at the scale that rounding needs is too wide");
        }
        if !divides_publicly::<u64>(narrow_bits, odd.unsigned_abs()) {
            self.build.needs(u64::BITS);
        }
        let rounded = self.build.divide_floor(shifted, odd_divisor, narrow_bits);
        let range = Interval { lo: narrow.lo.div_euclid(odd), hi: narrow.hi.div_euclid(odd) };
        let error = error.map(|error| error + 0.5);
        self.build.state_error(rounded, error);
        Ok((rounded, range, error))
    }
}

/// How a conversion rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the nearest, ties up.
    Nearest,
    /// Within one step; cheaper where the divisor is a power of two.
    OneStep,
}

/// A lattice step: `2^-binary * 10^-decimal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) binary: u32,
    pub(super) decimal: u32,
}

/// A positive rational in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ratio {
    pub(super) up: i128,
    pub(super) down: i128,
}

impl Step {
    /// The step of an element of numbers.
    pub(super) fn of(element: &Element) -> Option<Self> {
        match element {
            Element::Int64 | Element::Date | Element::Category { .. } => Some(Self { binary: 0, decimal: 0 }),
            Element::Decimal { scale } => Some(Self { binary: 0, decimal: u32::from(*scale) }),
            Element::Float64 | Element::Float64High => Some(Self { binary: element.float_bits()?, decimal: 0 }),
            Element::Bool | Element::Key => None,
        }
    }

    /// The step of products.
    pub(super) fn times(self, other: Self) -> Self {
        Self { binary: self.binary + other.binary, decimal: self.decimal + other.decimal }
    }

    /// This step in units of another. Steps have at most 72 binary or 18 decimal digits, or 36 and 9.
    pub(super) fn per(self, other: Self) -> Ratio {
        Ratio::new((1 << other.binary) * 10_i128.pow(other.decimal), (1 << self.binary) * 10_i128.pow(self.decimal))
    }
}

impl Ratio {
    /// The quotient of two positive numbers.
    pub(super) fn new(up: i128, down: i128) -> Self {
        let (mut a, mut b) = (up, down);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { up: up / a, down: down / a }
    }
}

/// The least that a value other than 0 of one lattice is in steps of another, rounded down, at least 1.
pub(super) fn step_in(own: &Element, other: &Element) -> i128 {
    let step = |element: &Element| Step::of(if *element == Element::Bool { &Element::Int64 } else { element });
    let ratio = step(own).zip(step(other)).map(|(own, other)| own.per(other));
    ratio.map_or(1, |ratio| (ratio.up / ratio.down).max(1))
}

/// The nearest lattice point of a number, and whether it is exact.
pub(super) fn nearest(number: Number, element: &Element) -> Option<(i128, bool)> {
    if let Some(bits) = element.float_bits() {
        let fixed = number.to_fixed(bits)?;
        let exact = Number::new(fixed, 0).is_some_and(|_| {
            fixed.checked_mul(10_i128.pow(u32::from(number.scale()))) == number.mantissa().checked_mul(1 << bits)
        });
        return Some((fixed, exact));
    }
    let scale = if let Element::Decimal { scale } = element { *scale } else { 0 };
    number.at_scale(scale).map(|value| (value, true))
}

/// The lattice points within a closed range of numbers, as the range promises them: the bounds rounded inward.
pub(super) fn bounds(lo: Number, hi: Number, element: &Element) -> Option<Interval> {
    if element.is_float() {
        return Some(Interval { lo: nearest(lo, element)?.0, hi: nearest(hi, element)?.0 });
    }
    let scale = if let Element::Decimal { scale } = element { *scale } else { 0 };
    let floor = |number: Number| match number.at_scale(scale) {
        Some(value) => Some(value),
        None => {
            let down = number.scale().checked_sub(scale)?;
            Some(number.mantissa().div_euclid(10_i128.checked_pow(u32::from(down))?))
        }
    };
    let ceiling = |number: Number| {
        let value = floor(number)?;
        Some(if number.at_scale(scale).is_some() { value } else { value + 1 })
    };
    Some(Interval { lo: ceiling(lo)?, hi: floor(hi)? })
}

/// The interval times a number of at least 0.
pub(super) fn scale(range: Interval, by: i128) -> Option<Interval> {
    Some(Interval { lo: range.lo.checked_mul(by)?, hi: range.hi.checked_mul(by)? })
}

fn shift_range(range: Interval, by: i128) -> Option<Interval> {
    Some(Interval { lo: range.lo.checked_add(by)?, hi: range.hi.checked_add(by)? })
}

/// The least interval that holds both.
pub(super) fn hull(a: Interval, b: Interval) -> Interval {
    Interval { lo: a.lo.min(b.lo), hi: a.hi.max(b.hi) }
}

/// The interval of sums.
pub(super) fn add(a: Interval, b: Interval) -> Option<Interval> {
    Some(Interval { lo: a.lo.checked_add(b.lo)?, hi: a.hi.checked_add(b.hi)? })
}

/// The interval of differences.
pub(super) fn subtract(a: Interval, b: Interval) -> Option<Interval> {
    Some(Interval { lo: a.lo.checked_sub(b.hi)?, hi: a.hi.checked_sub(b.lo)? })
}

/// The interval of products.
pub(super) fn multiply(a: Interval, b: Interval) -> Option<Interval> {
    let corners = [a.lo.checked_mul(b.lo)?, a.lo.checked_mul(b.hi)?, a.hi.checked_mul(b.lo)?, a.hi.checked_mul(b.hi)?];
    Some(Interval { lo: corners.into_iter().min()?, hi: corners.into_iter().max()? })
}

/// The interval of quotients by divisors of one sign, none of them 0: rounded outward, with a step more.
pub(super) fn quotients(over: Interval, under: Interval) -> Option<Interval> {
    let ends = [(over.lo, under.lo), (over.lo, under.hi), (over.hi, under.lo), (over.hi, under.hi)];
    // The floor of `a / b` for `b` of either sign; the ceiling is at most one more.
    let floor = |(a, b): (i128, i128)| Some((a.checked_mul(b.signum())?).div_euclid(b.checked_abs()?));
    let floors = [floor(ends[0])?, floor(ends[1])?, floor(ends[2])?, floor(ends[3])?];
    let (lo, hi) = (floors.into_iter().min()?, floors.into_iter().max()?);
    Some(Interval { lo: lo.checked_sub(1)?, hi: hi.checked_add(2)? })
}

/// The interval of quotients by divisors of at least this magnitude.
pub(super) fn within(over: Interval, least: i128) -> Option<Interval> {
    let most = over.lo.unsigned_abs().max(over.hi.unsigned_abs()) / least.unsigned_abs() + 1;
    let most = i128::try_from(most).ok()?;
    Some(Interval { lo: -most, hi: most })
}

/// The largest magnitude in an interval.
pub(super) fn magnitude(range: Interval) -> f64 {
    (range.lo as f64).abs().max((range.hi as f64).abs())
}

/// The error of a sum.
pub(super) fn plus(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? + b?)
}

/// The error of a product, before rounding, in units of the product's own step.
pub(super) fn product_error(a: &Array, b: &Array) -> Option<f64> {
    let (ea, eb) = (a.error?, b.error?);
    Some(magnitude(a.range) * eb + magnitude(b.range) * ea + ea * eb)
}
