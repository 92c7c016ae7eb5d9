//! Whether two parts make up nearly all of a sum (rule R10): inside the computation, as the gates of a release.
//!
//! *Cost*: two maxima, and a comparison for each cell.

use tacit_protocol::program::types::Interval;

use super::lattice::{self, hull};
use super::reduce::Grouped;
use super::{Array, Lowering};
use crate::error::Result;
use crate::plan::step::ValueId;

const ZERO: Interval = Interval { lo: 0, hi: 0 };

/// The axes of a reduction, whether it keeps them, and which cells take part.
type Reduced<'a> = (&'a [u8], bool, Option<&'a Array>);

impl Lowering<'_> {
    /// For each cell of a reduction, whether what remains of it without the two largest parts is at least `percent` of the
    /// largest; and the shape of those cells. Parts count by their magnitude.
    pub(super) fn remainder_is_enough(
        &mut self,
        value: &Array,
        (axes, keep_dims, mask): Reduced<'_>,
        percent: u32,
    ) -> Result<(ValueId, Vec<usize>)> {
        let numbers = if value.is_bool() { self.bool_to_integer(value) } else { value.clone() };
        let grouped = self.group(&numbers, axes, keep_dims, mask)?;
        let Grouped { groups, size, shape, .. } = &grouped;
        if *size == 0 {
            return Ok((self.build.fill_bits(true, *groups), shape.clone()));
        }
        let parts = self.magnitudes(&grouped);
        let of = |value: Array| Grouped { value, takes_part: None, groups: *groups, size: *size, shape: vec![*groups] };
        let largest = self.extreme(&of(parts.clone()), 1)?;
        let column = Array { shape: vec![*groups, 1], ..largest.clone() };
        let column = self.broadcast(&column, &[*groups, *size]);
        // Where the largest comes twice, it is the second too.
        let difference = self.build.linear(&[(parts.data, 1), (column.data, -1)], 0);
        let Some(range) = lattice::subtract(parts.range, column.range) else { return self.too_wide() };
        let smaller = self.below_zero(difference, range);
        let others = self.build.select(smaller, parts.data);
        let second = self.extreme(&of(Array { data: others, ..parts.clone() }), 1)?;
        let largest_ones = self.build.not(smaller);
        let count = self.count_bits(largest_ones, *groups);
        let beyond_one = self.build.linear(&[(count, -1)], 1);
        let is_twice = self.below_zero(beyond_one, Interval { lo: 1 - *size as i128, hi: 1 });
        let gap = self.build.linear(&[(largest.data, 1), (second.data, -1)], 0);
        self.width(Interval { lo: 0, hi: parts.range.hi });
        let raised = self.build.select(is_twice, gap);

        // 100 * (sum - largest - second) - percent * largest.
        let sum = self.build.sum(parts.data, *groups);
        let percent = i128::from(percent);
        let terms = [(sum, 100), (largest.data, -100 - percent), (second.data, -100), (raised, -100)];
        let range = lattice::scale(parts.range, 100 * (*size as i128)).zip(lattice::scale(parts.range, 200 + percent));
        let Some((most, least)) = range else { return self.too_wide() };
        let margin = self.build.linear(&terms, 0);
        let too_little = self.below_zero(margin, Interval { lo: -least.hi, hi: most.hi });
        Ok((self.build.not(too_little), shape.clone()))
    }

    /// The magnitudes of the cells that take part, and 0 for the others, as `[groups, size]`.
    fn magnitudes(&mut self, of: &Grouped) -> Array {
        let data = match of.takes_part {
            Some(bits) => self.build.select(bits, of.value.data),
            None => of.value.data,
        };
        let range = hull(of.value.range, ZERO);
        self.width(range);
        let (shape, error) = (vec![of.groups, of.size], of.value.error);
        let cells = Array { data, range, shape, error, valid: None, numbers: None, ..of.value.clone() };
        if range.lo >= 0 { cells } else { self.magnitude_of(&cells) }
    }
}
