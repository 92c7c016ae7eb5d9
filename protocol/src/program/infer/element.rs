//! Which element an operation works on: promotion, and constants that take the element of their partner.

use super::Here;
use super::range::scale_of;
use crate::Number;
use crate::program::{NodeId, Op, ProgramError};
use crate::schema::Element;

/// Whether it takes part in arithmetic; bools do as 0 and 1.
pub(super) fn is_number(element: &Element) -> bool {
    rank(element).is_some_and(|rank| rank > 0)
}

/// The values of a node that is a constant.
pub(super) fn constant<'a>(here: &Here<'a>, node: NodeId) -> Option<&'a [Number]> {
    match &here.nodes.get(node.index())?.op {
        Op::Constant { values, .. } => Some(values),
        Op::Full { value, .. } => Some(std::slice::from_ref(value)),
        _ => None,
    }
}

/// The element that both arrays are brought to for a comparison, a sum, a quotient or a choice.
pub(super) fn common(here: &Here<'_>, left: NodeId, right: NodeId) -> Result<Element, ProgramError> {
    common_of_all(here, &[left, right])
}

/// The element that all arrays are brought to: that of the arrays that are no constants, promoted; then constants
/// that are exact in it take it, and others promote it.
pub(super) fn common_of_all(here: &Here<'_>, nodes: &[NodeId]) -> Result<Element, ProgramError> {
    let is_constant = |node: &&NodeId| constant(here, **node).is_some();
    let (constants, others): (Vec<&NodeId>, Vec<&NodeId>) = nodes.iter().partition(is_constant);
    let mut found: Option<(Element, NodeId)> = None;
    for node in others.into_iter().chain(constants) {
        let element = &here.array(*node)?.element;
        let Some((so_far, of)) = &found else {
            found = Some((element.clone(), *node));
            continue;
        };
        let takes = constant(here, *node).is_some_and(|values| exact_in(element, values, so_far));
        let joined = if takes || element == so_far { Some(so_far.clone()) } else { promote(so_far, element) };
        let Some(joined) = joined else {
            let [a, b] = [here.describe(*of), here.describe(*node)];
            let cause = format!("{a} is {} and {b} is {}; they have no common type", so_far.name(), element.name());
            return Err(here.type_error(cause, next_for(so_far, element)));
        };
        found = Some((joined, *of));
    }
    found.map(|(element, _)| element).ok_or_else(|| here.type_error("it has no arrays", "Name at least one."))
}

/// The elements that two factors are brought to, and the element of their product.
pub(super) fn factors(
    here: &Here<'_>,
    left: NodeId,
    right: NodeId,
) -> Result<(Element, Element, Element), ProgramError> {
    let elements = [here.array(left)?.element.clone(), here.array(right)?.element.clone()];
    for (element, node) in elements.iter().zip([left, right]) {
        if rank(element).is_none() {
            let cause = format!("{} is {}, which is no number", here.describe(node), element.name());
            return Err(here.type_error(cause, "Multiply numbers only."));
        }
    }
    let [l, r] = elements;
    let l2 = constant(here, left).map_or(l.clone(), |values| least_factor(&l, values, &r));
    let r2 = constant(here, right).map_or(r.clone(), |values| least_factor(&r, values, &l));
    let whole = |element: Element| if element == Element::Bool { Element::Int64 } else { element };
    Ok(match (whole(l2), whole(r2)) {
        (l, r) if l.is_float() || r.is_float() => {
            let element = if rank(&l) >= rank(&r) { l.clone() } else { r.clone() };
            // Integers and real numbers are factors as they are.
            let own = |factor: Element| match factor {
                Element::Decimal { .. } => element.clone(),
                factor => factor,
            };
            (own(l), own(r), element)
        }
        (Element::Int64, Element::Int64) => (Element::Int64, Element::Int64, Element::Int64),
        (l, r) => {
            let scale = scale_of(&l) + scale_of(&r);
            if scale > Element::MAX_DECIMAL_SCALE {
                let cause = format!(
                    "the product of {} and {} would have {scale} digits after the point; at most {} are kept",
                    l.name(),
                    r.name(),
                    Element::MAX_DECIMAL_SCALE
                );
                return Err(here.type_error(cause, "Cast one factor to float64 or float64_high."));
            }
            (l, r, Element::Decimal { scale })
        }
    })
}

/// The element that holds the values of both exactly, in bool < int64 < decimal < float64 < float64_high.
pub(super) fn promote(left: &Element, right: &Element) -> Option<Element> {
    let larger = if rank(left)? >= rank(right)? { left } else { right };
    Some(match (left, right) {
        (Element::Decimal { scale: a }, Element::Decimal { scale: b }) => Element::Decimal { scale: *a.max(b) },
        _ => larger.clone(),
    })
}

fn rank(element: &Element) -> Option<u8> {
    match element {
        Element::Bool => Some(0),
        Element::Int64 => Some(1),
        Element::Decimal { .. } => Some(2),
        Element::Float64 => Some(3),
        Element::Float64High => Some(4),
        Element::Date | Element::Category { .. } | Element::Key => None,
    }
}

/// Whether a constant may stand in the lattice of its partner.
fn exact_in(own: &Element, values: &[Number], partner: &Element) -> bool {
    let whole = |value: &Number| value.at_scale(0);
    match partner {
        Element::Int64 => is_number(own) && values.iter().all(|v| whole(v).is_some_and(|v| i64::try_from(v).is_ok())),
        Element::Decimal { scale } => is_number(own) && values.iter().all(|v| v.at_scale(*scale).is_some()),
        Element::Date => *own == Element::Int64,
        Element::Category { labels } => {
            let in_list = |v: i128| usize::try_from(v).is_ok_and(|v| v < labels.len());
            *own == Element::Int64 && values.iter().all(|v| whole(v).is_some_and(in_list))
        }
        Element::Bool | Element::Float64 | Element::Float64High | Element::Key => false,
    }
}

/// The coarsest element, no finer than needed, that a constant factor is exact in.
fn least_factor(own: &Element, values: &[Number], partner: &Element) -> Element {
    let is_whole = exact_in(own, values, &Element::Int64);
    match (own, partner) {
        (Element::Float64, _)
        | (Element::Decimal { .. }, Element::Float64)
        | (Element::Decimal { .. } | Element::Float64High, Element::Float64High)
            if is_whole =>
        {
            Element::Int64
        }
        (Element::Float64, Element::Float64High) => Element::Float64High,
        (Element::Float64, Element::Decimal { .. }) if exact_in(own, values, partner) => {
            Element::Decimal { scale: values.iter().map(|value| value.scale()).max().unwrap_or(0) }
        }
        (Element::Decimal { .. }, Element::Int64 | Element::Bool) if is_whole => Element::Int64,
        _ => own.clone(),
    }
}

fn next_for(left: &Element, right: &Element) -> &'static str {
    match (left, right) {
        (Element::Category { .. }, _) | (_, Element::Category { .. }) => {
            "Compare a category with a place in its list of labels, or with a category of the same labels."
        }
        (Element::Date, _) | (_, Element::Date) => "Compare a date with a date, or with a constant number of days.",
        _ => "Bring both to one type first.",
    }
}
