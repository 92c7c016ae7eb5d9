//! Sorting.

use super::arrange::along;
use super::element::is_number;
use super::rules::{Rule, Typed};
use super::shape::show;
use crate::program::types::{ArrayType, Interval, Validity};
use crate::program::{Dim, NodeId, ProgramError};
use crate::schema::Element;

pub(super) fn sort(rule: &Rule<'_>, value: NodeId, axis: u8) -> Result<Typed, ProgramError> {
    let (array, _) = sortable(rule, value, axis)?;
    Ok(Typed { lattices: vec![array.element.clone()], array: array.clone() })
}

pub(super) fn argsort(rule: &Rule<'_>, value: NodeId, axis: u8) -> Result<Typed, ProgramError> {
    let (array, length) = sortable(rule, value, axis)?;
    let (_, most) = length.bounds(rule.rows);
    let range = Interval { lo: 0, hi: (most - 1).max(0) };
    let places = ArrayType { element: Element::Int64, range, validity: Validity::AllTrue, ..array.clone() };
    Ok(Typed { lattices: vec![array.element.clone()], array: places })
}

pub(super) fn sort_rows(rule: &Rule<'_>, value: NodeId, keys: NodeId) -> Result<Typed, ProgramError> {
    let (array, rows) = sortable(rule, value, 0)?;
    let (by, length) = sortable(rule, keys, 0)?;
    if by.shape.len() != 1 || !rows.same_as(length) {
        let wanted = format!("rows are sorted by one key each, {}", show(std::slice::from_ref(rows)));
        return Err(rule.shape_error(keys, &wanted, "Give one key a row."));
    }
    if array.validity == Validity::Secret {
        let cause = format!("{} may have undefined cells, which are not carried along", rule.here.describe(value));
        return Err(rule.here.type_error(cause, "Choose a value for them first, and sort that."));
    }
    let public = array.public && by.public;
    let lattices = vec![array.element.clone(), by.element.clone()];
    Ok(Typed { lattices, array: ArrayType { public, ..array.clone() } })
}

/// The array, and the size of the axis.
fn sortable<'a>(rule: &Rule<'a>, value: NodeId, axis: u8) -> Result<(&'a ArrayType, &'a Dim), ProgramError> {
    let (array, length) = along(rule, value, axis)?;
    if !is_number(&array.element) && array.element != Element::Date {
        let cause = format!("{} is {}, which has no order", rule.here.describe(value), array.element.name());
        return Err(rule.here.type_error(cause, "Sort numbers or dates."));
    }
    Ok((array, length))
}
