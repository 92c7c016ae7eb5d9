//! Variances.
//!
//! The deviations are from the mean as the engine has it, rounded to a step; their squares are added up as they are, and
//! cut once. With `m` off by `d`, the mean square is the variance and `d^2`, since the deviations from the true mean add up
//! to 0: the rounded mean costs a 2^18th of a step.

use tacit_protocol::program::types::Interval;

use super::lattice::{self, Ratio, Rounding};
use super::reduce::Grouped;
use super::{Array, Lowering};
use crate::error::Result;
use crate::plan::step::{ValueId, View};

impl Lowering<'_> {
    /// The mean square of the deviations from the mean, in the mean's element.
    pub(super) fn variance(&mut self, of: &Grouped) -> Result<Array> {
        let cells = if of.value.is_bool() { self.bool_to_integer(&of.value) } else { of.value.clone() };
        let element = cells.element.to_float();
        let value = self.converted(&cells, &element)?;
        let of = &Grouped { value, shape: of.shape.clone(), ..*of };
        let mean = self.mean(of)?;
        if of.size == 0 {
            return Ok(mean);
        }
        let (Some(wide), Ok(size)) = (of.value.range.hi.checked_sub(of.value.range.lo), i128::try_from(of.size)) else {
            return self.too_wide();
        };
        let (squares, most) = self.squared_deviations(of, mean.data, wide + 1)?;
        let Some(total) = lattice::scale(Interval { lo: 0, hi: most }, size) else { return self.too_wide() };
        self.width(total);
        let sum = self.build.sum(squares, of.groups);
        // Deviations differ by at most twice what their cells do, and by the mean's own rounding.
        let one = of.value.error.map(|error| 4.0 * error * (wide as f64 + error) + 1.0);
        let error = one.map(|one| one * size as f64);
        self.build.state_error(sum, error);
        let unit = 1 << element.float_bits().unwrap_or_default();
        let Some(bits) = of.takes_part else {
            let Some(down) = size.checked_mul(unit) else { return self.too_wide() };
            let (data, range, error) = self.requantise(sum, total, error, Ratio::new(1, down), Rounding::Nearest)?;
            return Ok(Array { data, range, error, ..mean });
        };
        let (numerator, numerator_range, _) =
            self.requantise(sum, total, error, Ratio::new(1, unit), Rounding::OneStep)?;
        let count = self.count_bits(bits, of.groups);
        let range = Interval { lo: -1, hi: most / unit + 2 };
        let counts = Interval { lo: 0, hi: size };
        let (quotient, _) = self.divide(numerator, numerator_range, count, counts, 0, range)?;
        // A quotient of 0 may be found to be a step below.
        let below = self.below_zero(quotient, range);
        let kept = self.build.not(below);
        let data = self.build.select(kept, quotient);
        let error = one.map(|one| one / unit as f64 + 2.0);
        Ok(Array { data, range: Interval { lo: 0, ..range }, error, ..mean })
    }

    /// The squares of how far the cells are from their group's mean, 0 where they take no part, and the largest mean of
    /// them; `far` is the largest deviation.
    fn squared_deviations(&mut self, of: &Grouped, mean: ValueId, far: i128) -> Result<(ValueId, i128)> {
        let view = View { offset: 0, shape: vec![of.groups, of.size], strides: vec![1, 0] };
        let mean = self.build.view(mean, view);
        let deviation = self.build.linear(&[(of.value.data, 1), (mean, -1)], 0);
        let deviation = of.takes_part.map_or(deviation, |bits| self.build.select(bits, deviation));
        let Some(square) = far.checked_mul(far) else { return self.too_wide() };
        self.width(Interval { lo: 0, hi: square });
        let bits = self.width(Interval { lo: -far, hi: far });
        let squares = self.build.multiply([deviation, deviation], [bits; 2]);
        // Popoviciu's inequality, with what the rounded mean adds.
        Ok((squares, square / 4 + 1))
    }
}
