//! Operations that move cells.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn, Slice};

use super::value::{Cells, PlainValue};
use crate::program::{NodeId, ProgramError, SliceAxis};

pub(super) fn transpose(value: &PlainValue, axes: &[u8]) -> PlainValue {
    fn moved<T: Clone>(cells: &ArrayD<T>, axes: &[u8]) -> ArrayD<T> {
        let order: Vec<usize> = axes.iter().map(|axis| usize::from(*axis)).collect();
        cells.view().permuted_axes(IxDyn(&order)).as_standard_layout().into_owned()
    }
    let cells = match &value.cells {
        Cells::Exact(cells) => Cells::Exact(moved(cells, axes)),
        Cells::Real(cells) => Cells::Real(moved(cells, axes)),
    };
    PlainValue { element: value.element.clone(), cells, validity: moved(&value.validity, axes) }
}

pub(super) fn concatenate(values: &[PlainValue], axis: u8) -> PlainValue {
    fn joined<'v, T: Clone + 'v>(arrays: impl Iterator<Item = &'v ArrayD<T>>, axis: u8) -> ArrayD<T> {
        let views: Vec<_> = arrays.map(|array| array.view()).collect();
        ndarray::concatenate(Axis(usize::from(axis)), &views).expect("inference: the other axes are equal")
    }
    let reals = values.iter().filter_map(|value| match &value.cells {
        Cells::Real(cells) => Some(cells),
        Cells::Exact(_) => None,
    });
    let cells = if matches!(values[0].cells, Cells::Real(_)) {
        Cells::Real(joined(reals, axis))
    } else {
        Cells::Exact(joined(values.iter().map(PlainValue::integers), axis))
    };
    let validity = joined(values.iter().map(|value| &value.validity), axis);
    PlainValue { element: values[0].element.clone(), cells, validity }
}

pub(super) fn slice(
    value: &PlainValue,
    axes: &[SliceAxis],
    rows: &BTreeMap<NodeId, u64>,
) -> Result<PlainValue, ProgramError> {
    let mut parts = Vec::with_capacity(axes.len());
    for (axis, size) in axes.iter().zip(value.shape()) {
        let (start, stop) = (axis.start.evaluate(rows)?, axis.stop.evaluate(rows)?);
        let [start, stop] = [start, stop].map(|end| usize::try_from(end).unwrap_or(usize::MAX));
        let error = |cause: String| {
            let size = format!("{}:{}:{}", axis.start, axis.stop, axis.step);
            Err(ProgramError::Size { size, cause })
        };
        if start > stop || stop > *size {
            return error(format!("{start}:{stop} is no part of an axis of size {size}"));
        }
        let step = usize::try_from(axis.step).expect("a u32 fits");
        let is_fixed = axis.stop.sub(&axis.start).is_ok_and(|length| length.as_fixed().is_some());
        if !is_fixed && (stop - start) % step != 0 {
            return error(format!("{} is no multiple of the step {step}", stop - start));
        }
        parts.push(Slice::new(index(start), Some(index(stop)), index(step)));
    }
    fn taken<T: Clone>(cells: &ArrayD<T>, parts: &[Slice]) -> ArrayD<T> {
        cells.slice_each_axis(|axis| parts[axis.axis.index()]).as_standard_layout().into_owned()
    }
    let cells = match &value.cells {
        Cells::Exact(cells) => Cells::Exact(taken(cells, &parts)),
        Cells::Real(cells) => Cells::Real(taken(cells, &parts)),
    };
    Ok(PlainValue { element: value.element.clone(), cells, validity: taken(&value.validity, &parts) })
}

pub(super) fn windows(value: &PlainValue, axis: u8, size: u32) -> Result<PlainValue, ProgramError> {
    let (axis, size) = (usize::from(axis), usize::try_from(size).expect("a u32 fits"));
    let length = value.shape()[axis];
    if size > length {
        let cause = format!("{length} places have no window of {size}");
        return Err(ProgramError::Size { size: size.to_string(), cause });
    }
    fn all<T: Clone>(cells: &ArrayD<T>, axis: usize, size: usize) -> ArrayD<T> {
        let of = |first: usize| {
            let window = Slice::new(index(first), Some(index(first + size)), 1);
            let mut order: Vec<usize> = (0..cells.ndim()).filter(|at| *at != axis).collect();
            order.push(axis);
            cells.slice_axis(Axis(axis), window).permuted_axes(IxDyn(&order))
        };
        let windows: Vec<_> = (0..=cells.len_of(Axis(axis)) - size).map(of).collect();
        ndarray::stack(Axis(axis), &windows).expect("windows of one shape").as_standard_layout().into_owned()
    }
    let cells = match &value.cells {
        Cells::Exact(cells) => Cells::Exact(all(cells, axis, size)),
        Cells::Real(cells) => Cells::Real(all(cells, axis, size)),
    };
    Ok(PlainValue { element: value.element.clone(), cells, validity: all(&value.validity, axis, size) })
}

pub(super) fn flip(value: &PlainValue, axis: u8) -> PlainValue {
    let order: Vec<usize> = (0..value.shape()[usize::from(axis)]).rev().collect();
    selected(value, axis, &order)
}

pub(super) fn take(value: &PlainValue, axis: u8, places: &[u32]) -> Result<PlainValue, ProgramError> {
    let length = value.shape()[usize::from(axis)];
    let places: Vec<usize> = places.iter().map(|place| usize::try_from(*place).unwrap_or(usize::MAX)).collect();
    if let Some(place) = places.iter().find(|place| **place >= length) {
        let cause = format!("place {place} lies outside an axis of {length}");
        return Err(ProgramError::Size { size: length.to_string(), cause });
    }
    Ok(selected(value, axis, &places))
}

fn selected(value: &PlainValue, axis: u8, places: &[usize]) -> PlainValue {
    let axis = Axis(usize::from(axis));
    let cells = match &value.cells {
        Cells::Exact(cells) => Cells::Exact(cells.select(axis, places)),
        Cells::Real(cells) => Cells::Real(cells.select(axis, places)),
    };
    PlainValue { element: value.element.clone(), cells, validity: value.validity.select(axis, places) }
}

fn index(place: usize) -> isize {
    isize::try_from(place).expect("an axis is shorter than memory")
}
