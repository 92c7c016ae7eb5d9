//! Reductions and matrix products. Cells that take no part are replaced before the reduction, so that what is
//! computed depends on shapes alone.

use tacit_protocol::program::Reduction;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

use super::lattice::{self, Ratio, Rounding, Step, hull};
use super::{Array, Lowering};
use crate::error::Result;
use crate::plan::build::row_major;
use crate::plan::step::{ValueId, View};

const ZERO: Interval = Interval { lo: 0, hi: 0 };
/// Sums of products of so many bits and more are of products that were rounded before.
const WIDEST_SUM: u32 = 126;

/// An array seen as `[groups, size]`, to be reduced along the second axis.
pub(super) struct Grouped {
    pub(super) value: Array,
    /// Which cells take part; none: all.
    pub(super) takes_part: Option<ValueId>,
    pub(super) groups: usize,
    pub(super) size: usize,
    /// The shape of the result.
    pub(super) shape: Vec<usize>,
}

impl Lowering<'_> {
    pub(super) fn reduce(
        &mut self,
        function: Reduction,
        value: &Array,
        axes: &[u8],
        keep_dims: bool,
        mask: Option<&Array>,
    ) -> Result<Array> {
        let grouped = self.group(value, axes, keep_dims, mask)?;
        let mask_error = mask.map_or(Some(0.0), |mask| mask.error);
        let mut result = match function {
            Reduction::Sum => self.sum(&grouped)?,
            Reduction::Count => self.count(&grouped),
            Reduction::Mean => self.mean(&grouped)?,
            Reduction::Var => self.variance(&grouped)?,
            Reduction::Max => self.extreme(&grouped, 1)?,
            Reduction::Min => self.extreme(&grouped, -1)?,
            Reduction::Argmax => self.argmax(&grouped)?,
        };
        result.error = mask_error.and(result.error);
        Ok(result)
    }

    /// Moves the reduced axes to the end and broadcasts the mask.
    pub(super) fn group(
        &mut self,
        value: &Array,
        axes: &[u8],
        keep_dims: bool,
        mask: Option<&Array>,
    ) -> Result<Grouped> {
        let rank = value.shape.len();
        let reduced: Vec<bool> =
            (0..rank).map(|axis| axes.is_empty() || axes.iter().any(|named| usize::from(*named) == axis)).collect();
        let strides = row_major(&value.shape);
        let order = (0..rank).filter(|axis| !reduced[*axis]).chain((0..rank).filter(|axis| reduced[*axis]));
        let order: Vec<usize> = order.collect();
        let view = View {
            offset: 0,
            shape: order.iter().map(|axis| value.shape[*axis]).collect(),
            strides: order.iter().map(|axis| strides[*axis]).collect(),
        };
        let takes_part = match mask {
            None => value.valid,
            Some(mask) => {
                if self.common_shape(&[&mask.shape, &value.shape])? != value.shape {
                    return self.refuse("PROGRAM_TYPE", format!("the mask's shape {:?} is too large", mask.shape));
                }
                let mask = self.broadcast(mask, &value.shape);
                let chosen = match mask.valid {
                    Some(valid) => self.build.and(mask.data, valid),
                    None => mask.data,
                };
                self.both_valid(Some(chosen), value.valid)
            }
        };
        let takes_part = takes_part.map(|bits| self.build.view(bits, view.clone()));
        let size = (0..rank).filter(|axis| reduced[*axis]).map(|axis| value.shape[axis]).product();
        let groups = (0..rank).filter(|axis| !reduced[*axis]).map(|axis| value.shape[axis]).product();
        let shape = (0..rank)
            .filter(|axis| keep_dims || !reduced[*axis])
            .map(|axis| if reduced[axis] { 1 } else { value.shape[axis] })
            .collect();
        let data = self.build.view(value.data, view);
        let value = Array { data, valid: None, numbers: None, ..value.clone() };
        Ok(Grouped { value, takes_part, groups, size, shape })
    }

    fn sum(&mut self, of: &Grouped) -> Result<Array> {
        let Grouped { value, takes_part, groups, size, shape } = of;
        if value.is_bool() {
            let bits = match takes_part {
                Some(bits) => self.build.and(value.data, *bits),
                None => value.data,
            };
            let count = self.count_bits(bits, *groups);
            return Ok(self.counted(count, *size, shape.clone(), value.error));
        }
        if let Some(sum) = self.sum_of_products(of)? {
            return Ok(sum);
        }
        let (cells, range) = match takes_part {
            Some(bits) => (self.build.select(*bits, value.data), hull(value.range, ZERO)),
            None => (value.data, value.range),
        };
        let Some(range) = lattice::scale(range, *size as i128) else { return self.too_wide() };
        self.width(range);
        let data = self.build.sum(cells, *groups);
        let error = value.error.map(|error| error * *size as f64);
        Ok(Array { data, shape: shape.clone(), range, error, ..value.clone() })
    }

    /// The sum of products that were brought to their element's step by cutting digits off: cut once, from the sum, so
    /// that it is within one step however many they are. None where the values are no such products, or their sum is
    /// wider than a word.
    fn sum_of_products(&mut self, of: &Grouped) -> Result<Option<Array>> {
        let Some((product, shift)) = self.build.cut_from(of.value.data) else { return Ok(None) };
        let ratio = Ratio::new(1, 1 << shift);
        let range = match of.takes_part {
            Some(_) => hull(of.value.range, ZERO),
            None => of.value.range,
        };
        let range = lattice::scale(range, ratio.down).and_then(|range| lattice::scale(range, of.size as i128));
        let Some(range) = range.filter(|range| super::width(*range) < WIDEST_SUM) else { return Ok(None) };
        let error = self.build.error_of(product).map(|error| error * of.size as f64);
        let cells = of.takes_part.map_or(product, |bits| self.build.select(bits, product));
        let sum = self.build.sum(cells, of.groups);
        self.build.state_error(sum, error);
        let (data, range, error) = self.requantise(sum, range, error, ratio, Rounding::OneStep)?;
        Ok(Some(Array { data, shape: of.shape.clone(), range, error, ..of.value.clone() }))
    }

    /// The sums along an axis up to each cell.
    pub(super) fn cumsum(&mut self, value: &Array, axis: usize) -> Result<Array> {
        let Some(length) = value.shape.get(axis).copied() else {
            return self.refuse("PROGRAM_TYPE", format!("{:?} has no axis {axis} to sum along", value.shape));
        };
        let numbers = if value.is_bool() { self.bool_to_integer(value) } else { value.clone() };
        let (cells, least) = match numbers.valid {
            Some(valid) => (self.build.select(valid, numbers.data), hull(numbers.range, ZERO)),
            None => (numbers.data, numbers.range),
        };
        let Some(most) = lattice::scale(least, length.max(1) as i128) else { return self.too_wide() };
        let range = hull(least, most);
        self.width(range);
        let lanes = self.lanes(&Array { data: cells, valid: None, range, numbers: None, ..numbers }, axis);
        let data = self.build.cumsum(lanes.data, lanes.cells() / length.max(1));
        let error = value.error.map(|error| error * length as f64);
        Ok(self.unlaned(&Array { data, error, ..lanes }, &value.shape, axis))
    }

    fn count(&mut self, of: &Grouped) -> Array {
        let count = self.participants(of);
        self.counted(count, of.size, of.shape.clone(), of.value.error.and(Some(0.0)))
    }

    /// How many cells of each group take part.
    fn participants(&mut self, of: &Grouped) -> ValueId {
        match of.takes_part {
            Some(bits) => self.count_bits(bits, of.groups),
            None => self.build.fill(of.size as i128, of.groups),
        }
    }

    /// How many bits of each group are 1.
    pub(super) fn count_bits(&mut self, bits: ValueId, groups: usize) -> ValueId {
        let words = self.build.arith_of(bits);
        self.build.sum(words, groups)
    }

    fn counted(&mut self, data: ValueId, size: usize, shape: Vec<usize>, error: Option<f64>) -> Array {
        let range = Interval { lo: 0, hi: size as i128 };
        self.width(range);
        Array { data, valid: None, element: Element::Int64, shape, range, error, numbers: None }
    }

    /// The mean as a real number: one division of the sum by the count, so that its range is that of the cells.
    pub(super) fn mean(&mut self, of: &Grouped) -> Result<Array> {
        let cells = if of.value.is_bool() { self.bool_to_integer(&of.value) } else { of.value.clone() };
        let Some(step) = Step::of(&cells.element) else {
            return self.refuse("PROGRAM_TYPE", format!("there is no mean of {}", cells.element.name()));
        };
        let of = Grouped { value: cells, shape: of.shape.clone(), ..*of };
        let sum = self.sum(&of)?;
        let element = of.value.element.to_float();
        let Some(target) = Step::of(&element) else { return self.too_wide() };
        let ratio = step.per(target);
        // That of each cell, or that of the sum over the fewest cells that it can be of.
        let least = if of.takes_part.is_some() { 1 } else { of.size.max(1) };
        let error = of.value.error.zip(sum.error).map(|(cell, sum)| cell.min(sum / least as f64));
        let error = error.map(|error| error * ratio.up as f64 / ratio.down as f64 + 1.0);
        // The mean of nothing holds 0.
        let cells = if of.takes_part.is_some() { hull(of.value.range, ZERO) } else { of.value.range };
        let (Some(low), Some(size)) = (lattice::scale(cells, ratio.up), i128::try_from(of.size).ok()) else {
            return self.too_wide();
        };
        let range = Interval { lo: low.lo.div_euclid(ratio.down) - 1, hi: low.hi.div_euclid(ratio.down) + 2 };
        let Some(bits) = of.takes_part else {
            if of.size == 0 {
                let (data, valid) = (self.build.fill(0, of.groups), Some(self.build.fill_bits(false, of.groups)));
                let error = Some(0.0);
                return Ok(Array { data, valid, element, range: ZERO, error, ..sum });
            }
            let Some(down) = ratio.down.checked_mul(size) else { return self.too_wide() };
            let whole = Ratio::new(ratio.up, down);
            let (data, _, _) = self.requantise(sum.data, sum.range, sum.error, whole, Rounding::Nearest)?;
            return Ok(Array { data, valid: None, element, range, error, ..sum });
        };
        let count = self.count_bits(bits, of.groups);
        let divisor = self.build.linear(&[(count, ratio.down)], 0);
        let divisor_range = lattice::scale(Interval { lo: 0, hi: size }, ratio.down);
        let shift = ratio.up.trailing_zeros();
        let odd = ratio.up >> shift;
        let (Some(divisor_range), Some(numerator_range)) = (divisor_range, lattice::scale(sum.range, odd)) else {
            return self.too_wide();
        };
        let numerator = self.build.linear(&[(sum.data, odd)], 0);
        let (data, defined) = self.divide(numerator, numerator_range, divisor, divisor_range, shift, range)?;
        Ok(Array { data, valid: Some(defined), element, range, error, ..sum })
    }

    /// The largest (`sign` 1) or least (-1) cell.
    pub(super) fn extreme(&mut self, of: &Grouped, sign: i128) -> Result<Array> {
        if of.value.is_bool() {
            return Ok(self.extreme_bit(of, sign));
        }
        let (cells, range) = self.contestants(of, sign)?;
        let valid = self.any(of);
        if of.size == 0 {
            let data = self.build.fill(0, of.groups);
            return Ok(Array {
                data,
                valid,
                shape: of.shape.clone(),
                range: ZERO,
                error: Some(0.0),
                ..of.value.clone()
            });
        }
        let bits = self.contest_width(range)?;
        let best = self.build.largest(cells, of.groups, bits, false);
        let data = self.build.linear(&[(best, sign)], 0);
        let range = if sign == 1 { range } else { Interval { lo: -range.hi, hi: -range.lo } };
        Ok(Array { data, valid, shape: of.shape.clone(), range, ..of.value.clone() })
    }

    /// The largest bool is whether any is true, the least whether none is false.
    fn extreme_bit(&mut self, of: &Grouped, sign: i128) -> Array {
        let sought = if sign == 1 { of.value.data } else { self.build.not(of.value.data) };
        let sought = match of.takes_part {
            Some(bits) => self.build.and(sought, bits),
            None => sought,
        };
        let count = self.count_bits(sought, of.groups);
        let bits = self.width(Interval { lo: 0, hi: of.size as i128 });
        let none = self.build.is_zero(count, bits);
        let data = if sign == 1 { self.build.not(none) } else { none };
        let valid = self.any(of);
        Array { data, valid, shape: of.shape.clone(), ..of.value.clone() }
    }

    /// The place of the first of the largest cells.
    fn argmax(&mut self, of: &Grouped) -> Result<Array> {
        let numbers = if of.value.is_bool() { self.bool_to_integer(&of.value) } else { of.value.clone() };
        let of = &Grouped { value: numbers, shape: of.shape.clone(), ..*of };
        let (cells, range) = self.contestants(of, 1)?;
        let valid = self.any(of);
        let exact = if of.value.error == Some(0.0) { Some(0.0) } else { None };
        if of.size == 0 {
            let data = self.build.fill(0, of.groups);
            return Ok(Array { valid, ..self.counted(data, 0, of.shape.clone(), exact) });
        }
        let bits = self.contest_width(range)?;
        let data = self.build.largest(cells, of.groups, bits, true);
        Ok(Array { valid, ..self.counted(data, of.size - 1, of.shape.clone(), exact) })
    }

    /// The cells times `sign`; those that take no part are below all others.
    fn contestants(&mut self, of: &Grouped, sign: i128) -> Result<(ValueId, Interval)> {
        let cells = self.build.linear(&[(of.value.data, sign)], 0);
        let range =
            if sign == 1 { of.value.range } else { Interval { lo: -of.value.range.hi, hi: -of.value.range.lo } };
        let Some(bits) = of.takes_part else { return Ok((cells, range)) };
        let Some(far) = range.lo.checked_sub(1) else { return self.too_wide() };
        let raised = self.build.linear(&[(cells, 1)], -far);
        let range = Interval { lo: far, hi: range.hi };
        self.width(Interval { lo: 0, hi: range.hi.saturating_sub(far) });
        let kept = self.build.select(bits, raised);
        Ok((self.build.linear(&[(kept, 1)], far), range))
    }

    /// Whether any cell of each group takes part; none: certainly.
    fn any(&mut self, of: &Grouped) -> Option<ValueId> {
        if of.takes_part.is_none() && of.size > 0 {
            return None;
        }
        let count = self.participants(of);
        let bits = self.width(Interval { lo: 0, hi: of.size as i128 });
        let none = self.build.is_zero(count, bits);
        Some(self.build.not(none))
    }

    /// The width of contestants; their differences take a bit more.
    fn contest_width(&mut self, range: Interval) -> Result<u32> {
        let Some(differences) = lattice::subtract(range, range) else { return self.too_wide() };
        self.width(differences);
        Ok(self.width(range))
    }

    /// The matrix product; invalid cells count as 0.
    pub(super) fn matrix_product(&mut self, left: &Array, right: &Array) -> Result<Array> {
        let (left, right) = (self.zero_invalid(left), self.zero_invalid(right));
        let product = self.exact_product(&left, &right)?;
        self.of_product(&left, &right, product)
    }

    /// The matrix product of valid numbers, whose step is the product of the factors' steps: for
    /// [`Self::of_product`] to bring to the lattice of its element.
    pub(super) fn exact_product(&mut self, left: &Array, right: &Array) -> Result<Array> {
        let (rows, inner, columns, shape) = match (&left.shape[..], &right.shape[..]) {
            ([n], [m]) if n == m => (1, *n, 1, vec![]),
            ([r, n], [m]) if n == m => (*r, *n, 1, vec![*r]),
            ([n], [m, c]) if n == m => (1, *n, *c, vec![*c]),
            ([r, n], [m, c]) if n == m => (*r, *n, *c, vec![*r, *c]),
            (a, b) => return self.refuse("PROGRAM_TYPE", format!("there is no matrix product of {a:?} and {b:?}")),
        };
        let range = lattice::multiply(left.range, right.range).and_then(|range| lattice::scale(range, inner as i128));
        let Some(range) = range else { return self.too_wide() };
        self.width(range);
        let bits = [self.width(left.range), self.width(right.range)];
        let data = self.build.matrix_multiply([left.data, right.data], bits, [rows, inner, columns]);
        let error = lattice::product_error(left, right).map(|error| error * inner as f64);
        Ok(Array { data, valid: None, shape, range, error, numbers: None, ..left.clone() })
    }

    fn zero_invalid(&mut self, value: &Array) -> Array {
        let value = if value.is_bool() { self.bool_to_integer(value) } else { value.clone() };
        match value.valid {
            None => value,
            Some(valid) => {
                let data = self.build.select(valid, value.data);
                Array { data, valid: None, range: hull(value.range, ZERO), numbers: None, ..value }
            }
        }
    }
}
