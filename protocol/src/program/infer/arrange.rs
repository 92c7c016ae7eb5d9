//! Operations that move cells: reshape, transpose, concatenate, slice, windows.

use super::element;
use super::rules::{Rule, Typed};
use super::shape::{same_cells, show, sized};
use crate::program::types::{ArrayType, Validity};
use crate::program::{Dim, NodeId, ProgramError, SliceAxis, limits};

pub(super) fn reshape(rule: &Rule<'_>, value: NodeId, shape: &[Dim]) -> Result<Typed, ProgramError> {
    let array = rule.here.array(value)?;
    if !same_cells(&array.shape, shape) {
        let wanted = format!("{} does not have as many cells", show(shape));
        return Err(rule.shape_error(value, &wanted, "Choose a shape with the same product of sizes."));
    }
    moved(array, shape.iter().map(Dim::normalised).collect())
}

pub(super) fn transpose(rule: &Rule<'_>, value: NodeId, axes: &[u8]) -> Result<Typed, ProgramError> {
    let array = rule.here.array(value)?;
    let mut sorted: Vec<usize> = axes.iter().map(|axis| usize::from(*axis)).collect();
    sorted.sort_unstable();
    if sorted != (0..array.shape.len()).collect::<Vec<_>>() {
        let wanted = format!("{axes:?} is no order of its axes");
        return Err(rule.shape_error(value, &wanted, "Name each axis once, from 0."));
    }
    moved(array, axes.iter().map(|axis| array.shape[usize::from(*axis)].clone()).collect())
}

pub(super) fn concatenate(rule: &Rule<'_>, values: &[NodeId], axis: u8) -> Result<Typed, ProgramError> {
    let here = rule.here;
    let axis = usize::from(axis);
    let Some((first, rest)) = values.split_first() else {
        return Err(here.type_error("it has no arrays", "Name at least one."));
    };
    let mut result = here.array(*first)?.clone();
    if axis >= result.shape.len() {
        return Err(rule.shape_error(*first, &format!("it has no axis {axis}"), "Axes count from 0."));
    }
    let element = element::common_of_all(here, values)?;
    for node in rest {
        let array = here.array(*node)?;
        let alike = |(at, (a, b)): (usize, (&Dim, &Dim))| at == axis || a.same_as(b);
        let pairs = result.shape.iter().zip(&array.shape).enumerate();
        if array.shape.len() != result.shape.len() || !pairs.clone().all(alike) {
            let wanted = format!("but for axis {axis} it must be {}", show(&result.shape));
            return Err(rule.shape_error(*node, &wanted, "Bring all arrays to one shape but for that axis."));
        }
        result.shape[axis] = sized(here, result.shape[axis].add(&array.shape[axis]))?;
        result.public &= array.public;
        if array.validity == Validity::Secret {
            result.validity = Validity::Secret;
        }
    }
    let mut range = rule.brought(*first, &element)?;
    for node in rest {
        range = range.hull(rule.brought(*node, &element)?);
    }
    let lattices = vec![element.clone(); values.len()];
    Ok(Typed { array: ArrayType { element, range, ..result }, lattices })
}

/// Bounds are sizes: where they depend on row counts, what inference cannot decide is checked at the run.
pub(super) fn slice(rule: &Rule<'_>, value: NodeId, axes: &[SliceAxis]) -> Result<Typed, ProgramError> {
    let here = rule.here;
    let array = here.array(value)?;
    if axes.len() != array.shape.len() {
        let wanted = format!("the slice has {} axes", axes.len());
        return Err(rule.shape_error(value, &wanted, "Give one entry an axis."));
    }
    let mut shape = Vec::with_capacity(axes.len());
    for (axis, size) in axes.iter().zip(&array.shape) {
        let never = |dim: &Dim| dim.bounds(rule.rows).1 < 0;
        let length = sized(here, axis.stop.sub(&axis.start))?;
        let beyond = sized(here, size.sub(&axis.stop))?;
        if axis.step == 0 || never(&axis.start) || never(&length) || never(&beyond) {
            let wanted = format!("{}:{}:{} is no part of {size}", axis.start, axis.stop, axis.step);
            return Err(rule.shape_error(value, &wanted, "Keep 0 <= start <= stop <= size and step at least 1."));
        }
        shape.push(match length.as_fixed() {
            Some(length) => Dim::fixed(length.div_ceil(u64::from(axis.step))),
            // Exact at the run, or refused there.
            None => sized(here, length.divided(axis.step))?,
        });
    }
    moved(array, shape)
}

/// Where the size of the axis depends on row counts, too few rows are refused at the run.
pub(super) fn windows(rule: &Rule<'_>, value: NodeId, axis: u8, size: u32) -> Result<Typed, ProgramError> {
    let here = rule.here;
    let (array, whole) = along(rule, value, axis)?;
    if array.shape.len() == limits::RANK {
        let (what, limit) = ("dimensions", limits::RANK as u64);
        return Err(ProgramError::TooBig { what, size: limit + 1, limit });
    }
    let size = Dim::fixed(u64::from(size));
    let windows = sized(here, sized(here, whole.sub(&size))?.add(&Dim::fixed(1)))?;
    if size.as_fixed() == Some(0) || windows.bounds(rule.rows).1 < 1 {
        let wanted = format!("{whole} places have no window of {size}");
        return Err(rule.shape_error(
            value,
            &wanted,
            "Choose a window of 1 place at least, and no longer than the axis.",
        ));
    }
    let mut shape = array.shape.clone();
    shape[usize::from(axis)] = windows;
    shape.push(size);
    moved(array, shape)
}

pub(super) fn flip(rule: &Rule<'_>, value: NodeId, axis: u8) -> Result<Typed, ProgramError> {
    let (array, _) = along(rule, value, axis)?;
    moved(array, array.shape.clone())
}

/// Where the size of the axis depends on row counts, a place beyond it is refused at the run.
pub(super) fn take(rule: &Rule<'_>, value: NodeId, axis: u8, places: &[u32]) -> Result<Typed, ProgramError> {
    let (array, length) = along(rule, value, axis)?;
    let (_, most) = length.bounds(rule.rows);
    if let Some(place) = places.iter().find(|place| i128::from(**place) >= most) {
        let wanted = format!("place {place} lies outside an axis of {length}");
        return Err(rule.shape_error(value, &wanted, "Places count from 0."));
    }
    let mut shape = array.shape.clone();
    shape[usize::from(axis)] = Dim::fixed(places.len() as u64);
    moved(array, shape)
}

/// The array, and the size of an axis.
pub(super) fn along<'a>(rule: &Rule<'a>, value: NodeId, axis: u8) -> Result<(&'a ArrayType, &'a Dim), ProgramError> {
    let array = rule.here.array(value)?;
    let Some(length) = array.shape.get(usize::from(axis)) else {
        return Err(rule.shape_error(value, &format!("it has no axis {axis}"), "Axes count from 0."));
    };
    Ok((array, length))
}

fn moved(array: &ArrayType, shape: Vec<Dim>) -> Result<Typed, ProgramError> {
    Ok(Typed { lattices: vec![array.element.clone()], array: ArrayType { shape, ..array.clone() } })
}
