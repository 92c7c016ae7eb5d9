//! Element-wise operations and the matrix product. Operands come in the lattices that inference chose.

use ndarray::{Array2, ArrayD, Ix2, IxDyn, Zip};

use super::functions;
use super::value::{Cells, PlainValue};
use crate::program::{Binary, Unary};
use crate::schema::Element;

pub(super) fn unary(function: Unary, value: PlainValue) -> PlainValue {
    let cells = match (function, value.cells) {
        (Unary::Negate, Cells::Exact(cells)) => Cells::Exact(cells.mapv(i128::wrapping_neg)),
        (Unary::Negate, Cells::Real(cells)) => Cells::Real(cells.mapv(|cell| -cell)),
        (Unary::Not, Cells::Exact(cells)) => Cells::Exact(cells.mapv(|cell| 1 - cell)),
        (Unary::Not, Cells::Real(_)) => unreachable!("inference: not takes bools"),
        (function, cells) => return functions::unary(function, PlainValue { cells, ..value }),
    };
    PlainValue { cells, ..value }
}

pub(super) fn binary(function: Binary, left: &PlainValue, right: &PlainValue, element: Element) -> PlainValue {
    let mut validity = zip(&left.validity, &right.validity, |l, r| *l && *r);
    let cells = match function {
        Binary::Add => arithmetic(left, right, i128::wrapping_add, |l, r| l + r),
        Binary::Subtract => arithmetic(left, right, i128::wrapping_sub, |l, r| l - r),
        Binary::Multiply => arithmetic(left, right, i128::wrapping_mul, |l, r| l * r),
        Binary::Divide => {
            let divisor = right.reals();
            let defined = divisor.mapv(|divisor| divisor != 0.0);
            validity = zip(&validity, &defined, |valid, defined| *valid && *defined);
            Cells::Real(zip(&left.reals(), &divisor, |l, r| if *r == 0.0 { 0.0 } else { l / r }))
        }
        Binary::Less => compare(left, right, |l, r| l < r, |l, r| l < r),
        Binary::LessEqual => compare(left, right, |l, r| l <= r, |l, r| l <= r),
        Binary::Greater => compare(left, right, |l, r| l > r, |l, r| l > r),
        Binary::GreaterEqual => compare(left, right, |l, r| l >= r, |l, r| l >= r),
        Binary::Equal => compare(left, right, |l, r| l == r, |l, r| l == r),
        Binary::NotEqual => compare(left, right, |l, r| l != r, |l, r| l != r),
        Binary::And => Cells::Exact(zip(left.integers(), right.integers(), |l, r| l & r)),
        Binary::Or => Cells::Exact(zip(left.integers(), right.integers(), |l, r| l | r)),
        Binary::Xor => Cells::Exact(zip(left.integers(), right.integers(), |l, r| l ^ r)),
        Binary::Minimum => arithmetic(left, right, i128::min, f64::min),
        Binary::Maximum => arithmetic(left, right, i128::max, f64::max),
        Binary::FloorDivide | Binary::Remainder => {
            validity = zip(&validity, &right.reals(), |valid, divisor| *valid && *divisor != 0.0);
            match function {
                Binary::FloorDivide => arithmetic(left, right, functions::floor_divide, functions::floor_divide_real),
                _ => arithmetic(left, right, functions::remainder, functions::remainder_real),
            }
        }
        Binary::Power => {
            let (cells, defined) = functions::power(left, right, &element);
            validity = zip(&validity, &defined, |valid, defined| *valid && *defined);
            cells
        }
    };
    PlainValue { element, cells, validity }
}

pub(super) fn choose(condition: &PlainValue, then: &PlainValue, otherwise: &PlainValue) -> PlainValue {
    let chosen = condition.integers().mapv(|cell| cell == 1);
    let pick = |l: &ArrayD<bool>, r: &ArrayD<bool>| select(&chosen, l, r);
    let cells = match (&then.cells, &otherwise.cells) {
        (Cells::Exact(l), Cells::Exact(r)) => Cells::Exact(select(&chosen, l, r)),
        (Cells::Real(l), Cells::Real(r)) => Cells::Real(select(&chosen, l, r)),
        _ => unreachable!("inference: both have the common element"),
    };
    let validity = zip(&condition.validity, &pick(&then.validity, &otherwise.validity), |c, v| *c && *v);
    PlainValue { element: then.element.clone(), cells, validity }
}

pub(super) fn matrix_multiply(left: &PlainValue, right: &PlainValue, element: Element) -> PlainValue {
    let shape: Vec<usize> = left.shape()[..left.shape().len() - 1].iter().chain(&right.shape()[1..]).copied().collect();
    let cells = if element.is_float() {
        let (l, r) = (valid_or(left, left.reals(), 0.0), valid_or(right, right.reals(), 0.0));
        let product = as_rows(l).dot(&as_columns(r));
        Cells::Real(shaped(product, &shape))
    } else {
        let (l, r) = (valid_or(left, left.integers().clone(), 0), valid_or(right, right.integers().clone(), 0));
        let product = as_rows(l).dot(&as_columns(r));
        Cells::Exact(shaped(product, &shape))
    };
    PlainValue { element, cells, validity: ArrayD::from_elem(IxDyn(&shape), true) }
}

fn arithmetic(
    left: &PlainValue,
    right: &PlainValue,
    exact: fn(i128, i128) -> i128,
    real: fn(f64, f64) -> f64,
) -> Cells {
    match (&left.cells, &right.cells) {
        // Wrapping: what stands in an invalid cell may be anything.
        (Cells::Exact(l), Cells::Exact(r)) => Cells::Exact(zip(l, r, |l, r| exact(*l, *r))),
        _ => Cells::Real(zip(&left.reals(), &right.reals(), |l, r| real(*l, *r))),
    }
}

fn compare(
    left: &PlainValue,
    right: &PlainValue,
    exact: fn(&i128, &i128) -> bool,
    real: fn(&f64, &f64) -> bool,
) -> Cells {
    Cells::Exact(match (&left.cells, &right.cells) {
        (Cells::Exact(l), Cells::Exact(r)) => zip(l, r, |l, r| i128::from(exact(l, r))),
        (Cells::Real(l), Cells::Real(r)) => zip(l, r, |l, r| i128::from(real(l, r))),
        _ => unreachable!("inference: both have the common element"),
    })
}

/// The two broadcast to one shape and combined cell by cell.
pub(super) fn zip<A, B, C>(left: &ArrayD<A>, right: &ArrayD<B>, f: impl Fn(&A, &B) -> C) -> ArrayD<C> {
    let shape = broadcast_shape(left.shape(), right.shape());
    let left = left.broadcast(IxDyn(&shape)).expect("inference: the shapes broadcast");
    let right = right.broadcast(IxDyn(&shape)).expect("inference: the shapes broadcast");
    Zip::from(left).and(right).map_collect(f)
}

fn select<T: Clone>(chosen: &ArrayD<bool>, then: &ArrayD<T>, otherwise: &ArrayD<T>) -> ArrayD<T> {
    let both = zip(then, otherwise, |l, r| (l.clone(), r.clone()));
    zip(chosen, &both, |chosen, (l, r)| if *chosen { l.clone() } else { r.clone() })
}

fn broadcast_shape(left: &[usize], right: &[usize]) -> Vec<usize> {
    let rank = left.len().max(right.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank).map(|axis| if at(left, axis) == 1 { at(right, axis) } else { at(left, axis) }).collect()
}

fn valid_or<T: Clone>(of: &PlainValue, mut cells: ArrayD<T>, filler: T) -> ArrayD<T> {
    cells.zip_mut_with(&of.validity, |cell, valid| {
        if !valid {
            *cell = filler.clone();
        }
    });
    cells
}

/// A left factor as rows; one dimension is one row.
fn as_rows<T: Clone>(cells: ArrayD<T>) -> Array2<T> {
    let cells = if cells.ndim() == 1 { cells.insert_axis(ndarray::Axis(0)) } else { cells };
    cells.into_dimensionality::<Ix2>().expect("inference: 1 or 2 dimensions")
}

/// A right factor as columns; one dimension is one column.
fn as_columns<T: Clone>(cells: ArrayD<T>) -> Array2<T> {
    let cells = if cells.ndim() == 1 { cells.insert_axis(ndarray::Axis(1)) } else { cells };
    cells.into_dimensionality::<Ix2>().expect("inference: 1 or 2 dimensions")
}

fn shaped<T: Clone>(product: Array2<T>, shape: &[usize]) -> ArrayD<T> {
    product.into_dyn().to_shape(IxDyn(shape)).expect("a factor of one dimension has one row or column").into_owned()
}
