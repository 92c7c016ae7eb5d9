//! Reductions, and sums up to each cell.

use super::arrange::along;
use super::element::is_number;
use super::functions::whole;
use super::rules::{Rule, Typed};
use super::shape::{broadcast, reduced, show};
use crate::program::types::{ArrayType, Interval, Validity};
use crate::program::{Dim, NodeId, ProgramError, Reduction};
use crate::schema::Element;

pub(super) fn reduce(
    rule: &Rule<'_>,
    function: Reduction,
    value: NodeId,
    axes: &[u8],
    keep_dims: bool,
    mask: Option<NodeId>,
) -> Result<Typed, ProgramError> {
    let array = rule.here.array(value)?;
    check_element(rule, function, value, array)?;
    let mut public = array.public;
    let mut lattices = vec![array.element.clone()];
    if let Some(mask) = mask {
        public &= check_mask(rule, mask, array)?;
        lattices.push(Element::Bool);
    }
    let (shape, axes) = reduced(rule.here, &array.shape, axes, keep_dims)?;
    if function == Reduction::Argmax && axes.len() != 1 {
        return Err(rule.shape_error(value, "argmax takes one axis", "Name the axis."));
    }
    let all = array.validity == Validity::AllTrue && mask.is_none();
    let (least, most) = counts(rule, &array.shape, &axes, all);
    let range = range(rule, function, array, least, most)?;
    let element = match function {
        Reduction::Sum if array.element == Element::Bool => Element::Int64,
        Reduction::Count | Reduction::Argmax => Element::Int64,
        Reduction::Mean | Reduction::Var => array.element.to_float(),
        Reduction::Sum | Reduction::Min | Reduction::Max => array.element.clone(),
    };
    // Sum and count of nothing are 0; the others are invalid where nothing takes part.
    let always = matches!(function, Reduction::Sum | Reduction::Count) || least > 0;
    let validity = if always { Validity::AllTrue } else { Validity::Secret };
    Ok(Typed { array: ArrayType { element, shape, range, validity, public }, lattices })
}

/// The sums along an axis up to each cell.
pub(super) fn cumulate(rule: &Rule<'_>, value: NodeId, axis: u8) -> Result<Typed, ProgramError> {
    let (array, length) = along(rule, value, axis)?;
    check_element(rule, Reduction::Sum, value, array)?;
    let element = if array.element == Element::Bool { Element::Int64 } else { array.element.clone() };
    let most = u64::try_from(length.bounds(rule.rows).1.max(0)).unwrap_or(u64::MAX);
    let least = u64::from(array.validity == Validity::AllTrue);
    let range = rule.fit(&element, array.range.summed(least, most.max(least)), "the sum")?;
    let sums = ArrayType { element, range, validity: Validity::AllTrue, ..array.clone() };
    Ok(Typed { lattices: vec![array.element.clone()], array: sums })
}

fn check_element(rule: &Rule<'_>, function: Reduction, value: NodeId, array: &ArrayType) -> Result<(), ProgramError> {
    let allowed = match function {
        Reduction::Count => array.element != Element::Key,
        Reduction::Sum | Reduction::Mean | Reduction::Var => {
            is_number(&array.element) || array.element == Element::Bool
        }
        Reduction::Min | Reduction::Max | Reduction::Argmax => {
            is_number(&array.element) || matches!(array.element, Element::Bool | Element::Date)
        }
    };
    if allowed {
        return Ok(());
    }
    let cause = format!("{} is {}, which has no such reduction", rule.here.describe(value), array.element.name());
    Err(rule.here.type_error(cause, "Count its cells, or reduce numbers."))
}

/// Whether the mask is public.
fn check_mask(rule: &Rule<'_>, mask: NodeId, array: &ArrayType) -> Result<bool, ProgramError> {
    let by = rule.here.array(mask)?;
    if by.element != Element::Bool {
        let cause = format!("its mask {} is {}", rule.here.describe(mask), by.element.name());
        return Err(rule.here.type_error(cause, "Compare first."));
    }
    let shape = broadcast(rule.here, &by.shape, &array.shape)?;
    if shape.len() != array.shape.len() || !shape.iter().zip(&array.shape).all(|(a, b)| a.same_as(b)) {
        let wanted = format!("a mask must broadcast to the value's shape {}", show(&array.shape));
        return Err(rule.shape_error(mask, &wanted, "Give it that shape, or size 1 on some axes."));
    }
    Ok(by.public)
}

/// The least and most cells that take part in one reduced cell.
fn counts(rule: &Rule<'_>, shape: &[Dim], axes: &[usize], all: bool) -> (u64, u64) {
    let size = |size: i128| u64::try_from(size.max(0)).unwrap_or(u64::MAX);
    let bounds = axes.iter().filter_map(|axis| shape.get(*axis)).map(|dim| dim.bounds(rule.rows));
    let (least, most) = bounds.fold((1_u64, 1_u64), |(least, most), (lo, hi)| {
        (least.saturating_mul(size(lo)), most.saturating_mul(size(hi)))
    });
    (if all { least } else { 0 }, most)
}

fn range(
    rule: &Rule<'_>,
    function: Reduction,
    array: &ArrayType,
    least: u64,
    most: u64,
) -> Result<Interval, ProgramError> {
    let x = array.range;
    let element = if array.element == Element::Bool { Element::Int64 } else { array.element.clone() };
    let count = |count: u64| i128::from(count);
    match function {
        Reduction::Sum => rule.fit(&element, x.summed(least, most), "the sum"),
        Reduction::Count => {
            rule.fit(&Element::Int64, Some(Interval { lo: count(least), hi: count(most) }), "the count")
        }
        Reduction::Min | Reduction::Max => Ok(x),
        Reduction::Argmax => {
            let range = Interval { lo: 0, hi: count(most.saturating_sub(1)) };
            rule.fit(&Element::Int64, Some(range), "the place")
        }
        Reduction::Mean => {
            let target = array.element.to_float();
            // An engine divides the sum, brought to the binary digits of the mean, by the count.
            let sum = x.hull(Interval::point(0)).summed(0, most);
            let sum = sum.and_then(|sum| sum.product(Interval::point(whole(&target))));
            rule.fit(&target, sum, "the sum, scaled for the mean,")?;
            rule.fit(&target, mean(x, &array.element, &target), "the mean")
        }
        Reduction::Var => {
            let target = array.element.to_float();
            let squares = spread(x, &array.element, &target).and_then(|far| far.product(far)?.summed(0, most));
            rule.fit(&target, squares, "the sum of squared deviations,")?;
            rule.fit(&target, variance(x, &array.element, &target), "the variance")
        }
    }
}

/// How far values can be from their mean, in the steps of its element; an engine's mean may be a step further.
fn spread(x: Interval, element: &Element, target: &Element) -> Option<Interval> {
    let range = x.converted(element, target)?;
    let far = range.hi.checked_sub(range.lo)?.checked_add(1)?;
    Some(Interval { lo: 0, hi: far })
}

/// The range of a variance: no more than the square of half the width of the values (Popoviciu 1935), rounded outward.
fn variance(x: Interval, element: &Element, target: &Element) -> Option<Interval> {
    let far = spread(x, element, target)?.hi;
    let most = far.checked_mul(far)? / 4 / whole(target);
    Some(Interval { lo: 0, hi: most + 2 })
}

/// The range of a mean is that of its values, rounded outward to the steps of its element.
fn mean(x: Interval, element: &Element, target: &Element) -> Option<Interval> {
    let range = x.converted(element, target)?;
    match element {
        // Without the step that a conversion of each value would add.
        Element::Decimal { scale } if *scale > 0 => Some(Interval { lo: range.lo + 1, hi: range.hi - 1 }),
        _ => Some(range),
    }
}
