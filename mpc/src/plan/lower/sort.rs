//! Sorting along an axis.
//!
//! A key is the cell's distance from the least value of its range, followed by its place along the axis: so keys are
//! distinct, equal cells stay in their order, and one word has all that a sort carries along.

use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

use super::{Array, Lowering, lattice};
use crate::error::Result;
use crate::plan::build::row_major;
use crate::plan::step::{ValueId, View};

/// What is sorted.
struct Keys {
    data: ValueId,
    /// The largest distance.
    most: i128,
    /// How many lie along the axis, and how many such lanes there are.
    length: usize,
    groups: usize,
    /// The bits of the places, of the keys and of their differences.
    place_bits: u32,
    bits: u32,
    difference_bits: u32,
}

impl Lowering<'_> {
    /// The cells in ascending order, those that are invalid last; or the places that they come from.
    pub(super) fn sort(&mut self, value: &Array, axis: usize, places: bool) -> Result<Array> {
        if axis >= value.shape.len() {
            return self.refuse("PROGRAM_TYPE", format!("{:?} has no axis {axis} to sort along", value.shape));
        }
        let lanes = self.lanes(value, axis);
        let keys = self.keys(&lanes)?;
        let sorted = self.build.sort(keys.data, 1, keys.groups, keys.difference_bits);
        let cells = self.build.floor_shift(sorted, keys.place_bits, keys.bits);
        let sorted = if places {
            let data = self.build.linear(&[(sorted, 1), (cells, -(1 << keys.place_bits))], 0);
            let range = Interval { lo: 0, hi: (keys.length.max(1) - 1) as i128 };
            let error = value.error.filter(|error| *error == 0.0);
            Array { data, valid: None, element: Element::Int64, range, error, ..lanes }
        } else {
            let (cells, valid) = match lanes.valid {
                Some(_) => self.valid_of(cells, keys.most),
                None => (cells, None),
            };
            Array { data: self.build.linear(&[(cells, 1)], value.range.lo), valid, ..lanes }
        };
        self.build.state_error(sorted.data, sorted.error);
        Ok(self.unlaned(&sorted, &value.shape, axis))
    }

    /// The rows in the ascending order of their keys.
    pub(super) fn sort_rows(&mut self, value: &Array, keys: &Array) -> Result<Array> {
        let rows = keys.cells();
        if keys.shape.len() != 1 || value.shape.first() != Some(&rows) || value.valid.is_some() {
            let cause = format!("{:?} is not sorted by keys of {:?}", value.shape, keys.shape);
            return self.refuse("PROGRAM_TYPE", cause);
        }
        let by = self.keys(&Array { numbers: None, ..keys.clone() })?;
        let lanes = self.lanes(value, 0);
        let columns = 1 + lanes.cells() / rows.max(1);
        let together = self.build.concatenate(vec![by.data, lanes.data], 1);
        let sorted = self.build.sort(together, columns, 1, by.difference_bits);
        let cells = lanes.cells();
        let data = self.build.view(sorted, View { offset: rows, shape: vec![cells], strides: vec![1] });
        let error = value.error.filter(|_| keys.error == Some(0.0));
        self.build.state_error(data, error);
        let numbers = value.numbers.clone().filter(|numbers| numbers.len() == 1);
        Ok(Array { numbers, error, ..self.unlaned(&Array { data, ..lanes }, &value.shape, 0) })
    }

    /// Keys along the last axis: distances from the least value, each with its place behind.
    fn keys(&mut self, lanes: &Array) -> Result<Keys> {
        let length = lanes.shape.last().copied().unwrap_or(1);
        let place_bits = length.next_power_of_two().trailing_zeros();
        let (cells, most) = self.distances(lanes)?;
        let range = lattice::scale(Interval { lo: 0, hi: most }, 1 << place_bits)
            .and_then(|range| lattice::add(range, Interval { lo: 0, hi: (1 << place_bits) - 1 }));
        let Some((range, differences)) = range.and_then(|range| Some((range, lattice::subtract(range, range)?))) else {
            return self.too_wide();
        };
        let (bits, difference_bits) = (self.width(range), self.width(differences));
        let place = self.places(lanes, length);
        let data = self.build.linear(&[(cells, 1 << place_bits), (place, 1)], 0);
        let groups = lanes.cells() / length.max(1);
        Ok(Keys { data, most, length, groups, place_bits, bits, difference_bits })
    }

    /// The axis as the last one.
    pub(super) fn lanes(&mut self, value: &Array, axis: usize) -> Array {
        let axes: Vec<u8> = (0..value.shape.len()).filter(|at| *at != axis).chain([axis]).map(|at| at as u8).collect();
        Array { numbers: None, ..self.transpose(value, &axes) }
    }

    /// The last axis back in its place.
    pub(super) fn unlaned(&mut self, lanes: &Array, shape: &[usize], axis: usize) -> Array {
        let strides = row_major(&lanes.shape);
        let last = shape.len() - 1;
        let of = |at: usize| {
            if at < axis {
                at
            } else if at == axis {
                last
            } else {
                at - 1
            }
        };
        let strides = (0..shape.len()).map(|at| strides[of(at)]).collect();
        self.rearranged(lanes, View { offset: 0, shape: shape.to_vec(), strides })
    }

    /// How far cells are from the least value, and at most; invalid ones are one further than any valid one.
    fn distances(&mut self, lanes: &Array) -> Result<(ValueId, i128)> {
        let Some(Interval { hi: most, .. }) = lattice::subtract(lanes.range, Interval::point(lanes.range.lo)) else {
            return self.too_wide();
        };
        let cells = self.build.linear(&[(lanes.data, 1)], -lanes.range.lo);
        let Some(valid) = lanes.valid else { return Ok((cells, most)) };
        let most = most + 1;
        let below = self.build.linear(&[(cells, 1)], -most);
        self.width(Interval { lo: -most, hi: 0 });
        let kept = self.build.select(valid, below);
        Ok((self.build.linear(&[(kept, 1)], most), most))
    }

    /// Distances of valid cells, 0 for the others, and which are valid.
    fn valid_of(&mut self, cells: ValueId, most: i128) -> (ValueId, Option<ValueId>) {
        let below = self.build.linear(&[(cells, 1)], -most);
        let bits = self.width(Interval { lo: -most, hi: 0 });
        let valid = self.build.is_negative(below, bits);
        (self.build.select(valid, cells), Some(valid))
    }

    /// The place of each cell along the last axis.
    fn places(&mut self, lanes: &Array, length: usize) -> ValueId {
        let one = self.build.words((0..length as i128).collect());
        let mut strides = vec![0; lanes.shape.len()];
        strides[lanes.shape.len() - 1] = 1;
        self.build.view(one, View { offset: 0, shape: lanes.shape.clone(), strides })
    }
}
