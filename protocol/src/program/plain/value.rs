//! Plain array values.

use ndarray::{ArrayD, IxDyn};

use super::column::EncodedColumn;
use crate::Number;
use crate::program::infer::functions::whole;
use crate::program::infer::range::{power_of_ten, scale_of};
use crate::program::types::Interval;
use crate::schema::Element;

/// The cells of an array in row-major order.
#[derive(Clone, PartialEq)]
pub enum Cells {
    /// Of all types but real numbers: integers in lattice units.
    Exact(ArrayD<i128>),
    /// Of float64 and float64_high: both are `f64`, whose own 53 bits hold steps of `2^-36` up to `2^17`.
    Real(ArrayD<f64>),
}

/// An array value in the clear.
///
/// # Security
/// `Debug` shows its type and shape, never its cells.
#[derive(Clone, PartialEq)]
pub struct PlainValue {
    /// The type of its cells.
    pub element: Element,
    /// The cells. What stands in an invalid one means nothing.
    pub cells: Cells,
    /// Which cells are valid; the others are undefined.
    pub validity: ArrayD<bool>,
}

impl std::fmt::Debug for PlainValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlainValue({} {:?} <redacted>)", self.element.name(), self.shape())
    }
}

impl PlainValue {
    /// The sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        self.validity.shape()
    }

    /// The cells in row-major order as `f64`; `None` where undefined. Bools are 0 and 1, dates days, categories
    /// places in their list.
    pub fn as_f64(&self) -> Vec<Option<f64>> {
        let unit = power_of_ten(scale_of(&self.element)) as f64;
        let cells: Vec<f64> = match &self.cells {
            Cells::Exact(cells) => cells.iter().map(|cell| *cell as f64 / unit).collect(),
            Cells::Real(cells) => cells.iter().copied().collect(),
        };
        cells.into_iter().zip(&self.validity).map(|(cell, valid)| valid.then_some(cell)).collect()
    }

    /// The cells in row-major order in lattice units (real numbers to the nearest step); `None` where undefined.
    pub fn as_lattice(&self) -> Vec<Option<i128>> {
        let cells: Vec<i128> = match &self.cells {
            Cells::Exact(cells) => cells.iter().copied().collect(),
            Cells::Real(cells) => cells.iter().map(|cell| (cell * unit(&self.element)).round() as i128).collect(),
        };
        cells.into_iter().zip(&self.validity).map(|(cell, valid)| valid.then_some(cell)).collect()
    }

    pub(super) fn exact(element: Element, shape: &[usize], cells: Vec<i128>) -> Self {
        let cells = ArrayD::from_shape_vec(IxDyn(shape), cells).expect("as many cells as the shape has");
        Self { element, cells: Cells::Exact(cells), validity: ArrayD::from_elem(IxDyn(shape), true) }
    }

    /// Cells in lattice units; real numbers as what they stand for.
    pub(super) fn encoded(element: &Element, shape: &[usize], encoded: EncodedColumn) -> Self {
        let cells = array(shape, encoded.values.into_iter());
        let cells = match element {
            of if of.is_float() => Cells::Real(cells.mapv(|cell: i128| cell as f64 / unit(of))),
            _ => Cells::Exact(cells),
        };
        Self { element: element.clone(), cells, validity: array(shape, encoded.validity.into_iter()) }
    }

    pub(super) fn scalar(element: Element, value: i128) -> Self {
        Self::exact(element, &[], vec![value])
    }

    /// Public numbers in an element that holds them; one number fills the shape.
    pub(super) fn constant(values: &[Number], shape: &[usize], element: &Element) -> Self {
        let cells = shape.iter().product();
        let spread = |index: usize| values[if values.len() == 1 { 0 } else { index }];
        let array = match element {
            of if of.is_float() => Cells::Real(array(shape, (0..cells).map(|i| spread(i).to_f64()))),
            element => {
                let exact = |i| spread(i).at_scale(scale_of(element)).expect("inference: the constant is exact here");
                Cells::Exact(array(shape, (0..cells).map(exact)))
            }
        };
        Self { element: element.clone(), cells: array, validity: ArrayD::from_elem(IxDyn(shape), true) }
    }

    /// The same values in another element of bool < int64 < decimal < float64 < float64_high.
    pub(super) fn converted(&self, to: &Element) -> Self {
        let cells = match (&self.cells, to) {
            _ if self.element == *to => self.cells.clone(),
            (Cells::Exact(cells), to) if to.is_float() => {
                let unit = power_of_ten(scale_of(&self.element)) as f64;
                Cells::Real(cells.mapv(|cell| cell as f64 / unit))
            }
            (Cells::Exact(cells), to) => {
                let up = scale_of(to).checked_sub(scale_of(&self.element)).expect("inference: scales only grow");
                let factor = power_of_ten(up);
                Cells::Exact(cells.mapv(|cell| cell.wrapping_mul(factor)))
            }
            (Cells::Real(cells), _) => Cells::Real(cells.clone()),
        };
        Self { element: to.clone(), cells, validity: self.validity.clone() }
    }

    /// Whether all valid cells lie in a range of the element's lattice.
    pub(super) fn within(&self, range: &Interval) -> bool {
        match &self.cells {
            Cells::Exact(cells) => {
                cells.iter().zip(&self.validity).all(|(cell, valid)| !valid || range.contains(*cell))
            }
            Cells::Real(cells) => {
                let (lo, hi) = (range.lo as f64 / unit(&self.element), range.hi as f64 / unit(&self.element));
                cells.iter().zip(&self.validity).all(|(cell, valid)| !valid || (lo <= *cell && *cell <= hi))
            }
        }
    }

    pub(super) fn reshaped(&self, shape: &[usize]) -> Self {
        fn to<T: Clone>(cells: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
            cells.to_shape(IxDyn(shape)).expect("inference: equally many cells").into_owned()
        }
        let cells = match &self.cells {
            Cells::Exact(cells) => Cells::Exact(to(cells, shape)),
            Cells::Real(cells) => Cells::Real(to(cells, shape)),
        };
        Self { element: self.element.clone(), cells, validity: to(&self.validity, shape) }
    }

    /// The integers; of all types but real numbers.
    pub(super) fn integers(&self) -> &ArrayD<i128> {
        match &self.cells {
            Cells::Exact(cells) => cells,
            Cells::Real(_) => unreachable!("inference: the operand is exact"),
        }
    }

    /// The values as real numbers, decimals in their unit.
    pub(super) fn reals(&self) -> ArrayD<f64> {
        match &self.cells {
            Cells::Exact(cells) => {
                let unit = power_of_ten(scale_of(&self.element)) as f64;
                cells.mapv(|cell| cell as f64 / unit)
            }
            Cells::Real(cells) => cells.clone(),
        }
    }
}

/// Lattice steps of an element of real numbers in 1.
pub(super) fn unit(element: &Element) -> f64 {
    whole(element) as f64
}

fn array<T>(shape: &[usize], cells: impl Iterator<Item = T>) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), cells.collect()).expect("as many cells as the shape has")
}
