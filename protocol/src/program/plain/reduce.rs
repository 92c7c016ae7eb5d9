//! Reductions. Invalid cells, and those where the mask is not both true and valid, take no part.

use ndarray::{ArrayD, Axis, IxDyn};

use super::value::{Cells, PlainValue};
use crate::program::Reduction;
use crate::program::infer::range::{power_of_ten, scale_of};
use crate::schema::Element;

pub(super) fn reduce(
    function: Reduction,
    value: &PlainValue,
    axes: &[u8],
    keep_dims: bool,
    mask: Option<&PlainValue>,
    element: Element,
) -> PlainValue {
    let lanes = Lanes::new(value, axes, keep_dims);
    let part = lanes.arranged(&taking_part(value, mask));
    let unit = power_of_ten(scale_of(&value.element)) as f64;
    let (cells, validity) = match &value.cells {
        Cells::Exact(cells) => {
            let cells = lanes.arranged(cells);
            let real = |cell: i128| cell as f64 / unit;
            lanes.fold(function, &cells, &part, |a, b| a.wrapping_add(b), real)
        }
        Cells::Real(cells) => {
            let cells = lanes.arranged(cells);
            lanes.fold(function, &cells, &part, |a, b| a + b, |cell| cell)
        }
    };
    PlainValue { element, cells, validity }
}

/// The sums along an axis up to each cell.
pub(super) fn cumulate(value: &PlainValue, axis: u8) -> PlainValue {
    fn sums<T: Clone + Default>(cells: &ArrayD<T>, valid: &ArrayD<bool>, axis: u8, add: fn(T, T) -> T) -> ArrayD<T> {
        let mut sums = cells.clone();
        sums.zip_mut_with(valid, |cell, valid| {
            if !valid {
                *cell = T::default();
            }
        });
        sums.accumulate_axis_inplace(Axis(usize::from(axis)), |before, cell| *cell = add(before.clone(), cell.clone()));
        sums
    }
    let cells = match &value.cells {
        Cells::Exact(cells) => Cells::Exact(sums(cells, &value.validity, axis, i128::wrapping_add)),
        Cells::Real(cells) => Cells::Real(sums(cells, &value.validity, axis, |a, b| a + b)),
    };
    let element = if value.element == Element::Bool { Element::Int64 } else { value.element.clone() };
    PlainValue { element, cells, validity: ArrayD::from_elem(value.validity.raw_dim(), true) }
}

/// Which cells take part, in the shape of the value.
fn taking_part(value: &PlainValue, mask: Option<&PlainValue>) -> ArrayD<bool> {
    let mut part = value.validity.clone();
    if let Some(mask) = mask {
        part.zip_mut_with(mask.integers(), |part, cell| *part &= *cell == 1);
        part.zip_mut_with(&mask.validity, |part, valid| *part &= valid);
    }
    part
}

/// The cells that are reduced to one lie together: `count` lanes of `length` cells.
struct Lanes {
    order: Vec<usize>,
    count: usize,
    length: usize,
    shape: Vec<usize>,
}

/// A cell type: how it compares, and the array of results that it makes.
trait Cell: Copy + PartialOrd + Default {
    fn results(cells: ArrayD<Self>) -> Cells;
}

impl Cell for i128 {
    fn results(cells: ArrayD<Self>) -> Cells {
        Cells::Exact(cells)
    }
}

impl Cell for f64 {
    fn results(cells: ArrayD<Self>) -> Cells {
        Cells::Real(cells)
    }
}

impl Lanes {
    fn new(value: &PlainValue, axes: &[u8], keep_dims: bool) -> Self {
        let sizes = value.shape();
        let is_reduced = |axis: &usize| axes.is_empty() || axes.iter().any(|named| usize::from(*named) == *axis);
        let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..sizes.len()).partition(is_reduced);
        let shape = (0..sizes.len()).filter_map(|axis| match (is_reduced(&axis), keep_dims) {
            (false, _) => Some(sizes[axis]),
            (true, keep) => keep.then_some(1),
        });
        Self {
            shape: shape.collect(),
            count: kept.iter().map(|axis| sizes[*axis]).product(),
            length: reduced.iter().map(|axis| sizes[*axis]).product(),
            order: kept.into_iter().chain(reduced).collect(),
        }
    }

    fn arranged<T: Clone>(&self, cells: &ArrayD<T>) -> Vec<T> {
        cells.view().permuted_axes(IxDyn(&self.order)).iter().cloned().collect()
    }

    fn fold<T: Cell>(
        &self,
        function: Reduction,
        cells: &[T],
        part: &[bool],
        add: fn(T, T) -> T,
        real: impl Fn(T) -> f64,
    ) -> (Cells, ArrayD<bool>) {
        // The cells of a lane that take part, with their places.
        let lane = |lane: usize| {
            let start = lane * self.length;
            (0..self.length).filter(move |i| part[start + i]).map(move |i| (i, cells[start + i]))
        };
        let sum = |of: usize| lane(of).fold(T::default(), |sum, (_, cell)| add(sum, cell));
        let first = |of: usize, better: fn(T, T) -> bool| {
            lane(of).reduce(|best, next| if better(next.1, best.1) { next } else { best })
        };
        let mean = |of: usize| real(sum(of)) / lane(of).count().max(1) as f64;
        let all = (0..self.count).map(|_| true);
        let some = (0..self.count).map(|of| lane(of).next().is_some());
        let place = |place: usize| i128::try_from(place).expect("an index fits");
        match function {
            Reduction::Sum => (T::results(self.array((0..self.count).map(sum))), self.array(all)),
            Reduction::Count => {
                (Cells::Exact(self.array((0..self.count).map(|of| place(lane(of).count())))), self.array(all))
            }
            Reduction::Mean => (Cells::Real(self.array((0..self.count).map(mean))), self.array(some)),
            Reduction::Var => {
                let variance = |of: usize| {
                    let mean = mean(of);
                    let squares = lane(of).map(|(_, cell)| (real(cell) - mean) * (real(cell) - mean));
                    squares.sum::<f64>() / lane(of).count().max(1) as f64
                };
                (Cells::Real(self.array((0..self.count).map(variance))), self.array(some))
            }
            Reduction::Min | Reduction::Max => {
                let better: fn(T, T) -> bool = if function == Reduction::Min { |a, b| a < b } else { |a, b| a > b };
                let best = (0..self.count).map(|of| first(of, better).map_or(T::default(), |(_, cell)| cell));
                (T::results(self.array(best)), self.array(some))
            }
            Reduction::Argmax => {
                let best = (0..self.count).map(|of| place(first(of, |a, b| a > b).map_or(0, |(place, _)| place)));
                (Cells::Exact(self.array(best)), self.array(some))
            }
        }
    }

    fn array<T>(&self, cells: impl Iterator<Item = T>) -> ArrayD<T> {
        ArrayD::from_shape_vec(IxDyn(&self.shape), cells.collect()).expect("one result a lane")
    }
}
