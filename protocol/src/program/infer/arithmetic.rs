//! Sums, differences, products and quotients of arrays, and the matrix product.

use super::element::{common, factors, is_number};
use super::functions::whole;
use super::range::ceil_div;
use super::rules::{Rule, Typed};
use super::shape::next_for;
use crate::program::types::{ArrayType, Interval, Validity};
use crate::program::{Binary, Dim, NodeId, ProgramError};
use crate::schema::Element;

pub(super) fn add(rule: &Rule<'_>, function: Binary, left: NodeId, right: NodeId) -> Result<Typed, ProgramError> {
    let element = numeric(rule, left, right)?;
    let (l, r) = (rule.brought(left, &element)?, rule.brought(right, &element)?);
    let (range, what) = match function {
        Binary::Subtract => (l.minus(r), "the difference"),
        _ => (l.plus(r), "the sum"),
    };
    let range = rule.fit(&element, range, what)?;
    Ok(Typed { array: rule.joined(element.clone(), range, &[left, right])?, lattices: vec![element.clone(), element] })
}

pub(super) fn multiply(rule: &Rule<'_>, left: NodeId, right: NodeId) -> Result<Typed, ProgramError> {
    let (l, r, element) = factors(rule.here, left, right)?;
    let range = product(rule, left, &l, right, &r, 1, 1)?;
    let range = rule.fit(&element, Some(range), "the product")?;
    Ok(Typed { array: rule.joined(element, range, &[left, right])?, lattices: vec![l, r] })
}

/// The quotient. A divisor whose range holds 0 makes the result's validity secret; then the least divisor is the
/// step of its lattice next to 0, and the quotient must fit even for that.
pub(super) fn divide(rule: &Rule<'_>, left: NodeId, right: NodeId) -> Result<Typed, ProgramError> {
    let element = numeric(rule, left, right)?;
    let (over, under) = (rule.brought(left, &element)?, rule.brought(right, &element)?);
    let own = rule.here.array(right)?;
    let zero = own.range.contains(0);
    // The least divisor in its own lattice: a count stays at least 1 when it is brought to a finer one.
    let least = if zero { 1 } else { own.range.lo.abs().min(own.range.hi.abs()) };
    let least = Interval::point(least).converted(&own.element, &element).map_or(0, |step| step.lo);
    if least < 1 {
        let cause = format!("the divisor may be less than one step of {}", element.name());
        return Err(rule.here.range_error(cause, "Keep the divisor away from 0 by `assume`, or give both one type."));
    }
    let negative = (own.range.lo < 0).then_some(Interval { lo: under.lo, hi: -least });
    let positive = (own.range.hi > 0).then_some(Interval { lo: least, hi: under.hi });
    let target = element.to_float();
    let scaled = over.product(Interval::point(whole(&target)));
    let what = "the dividend, scaled for the quotient,";
    let scaled = rule.fit(&target, scaled, what)?;
    let parts = [negative, positive].into_iter().flatten().filter(|part| part.lo <= part.hi);
    let Some(range) = parts.map(|part| quotient(scaled, part)).reduce(Interval::hull) else {
        return Err(rule.here.range_error("the divisor is always 0", "Divide by another value."));
    };
    let range = rule.fit(&target, Some(range), "the quotient")?;
    let mut array = rule.joined(target, range, &[left, right])?;
    if zero {
        array.validity = Validity::Secret;
    }
    Ok(Typed { array, lattices: vec![element.clone(), element] })
}

/// Invalid cells count as 0, so every cell of the product is valid.
pub(super) fn matrix_multiply(rule: &Rule<'_>, left: NodeId, right: NodeId) -> Result<Typed, ProgramError> {
    let (a, b) = (rule.here.array(left)?, rule.here.array(right)?);
    for (node, array) in [(left, a), (right, b)] {
        if !(1..=2).contains(&array.shape.len()) {
            return Err(rule.shape_error(node, "a matrix product takes 1 or 2 dimensions", "Reshape it first."));
        }
    }
    let inner = [a.shape.last(), b.shape.first()].map(|dim| dim.cloned().unwrap_or_else(|| Dim::fixed(1)));
    if !inner[0].same_as(&inner[1]) {
        let wanted = format!("its last axis must be the first of {}, {}", rule.here.describe(right), inner[1]);
        return Err(rule.shape_error(left, &wanted, next_for(&inner[0], &inner[1])));
    }
    let shape = a.shape[..a.shape.len() - 1].iter().chain(&b.shape[1..]).cloned().collect();
    let (l, r, element) = factors(rule.here, left, right)?;
    let (least, most) = inner[0].bounds(rule.rows);
    let count = |size: i128| u64::try_from(size.max(0)).unwrap_or(u64::MAX);
    let range = product(rule, left, &l, right, &r, count(least), count(most))?;
    let range = rule.fit(&element, Some(range), "the sum of products")?;
    let public = a.public && b.public;
    Ok(Typed { array: ArrayType { element, shape, range, validity: Validity::AllTrue, public }, lattices: vec![l, r] })
}

/// The range of sums of between `least` and `most` products in the lattice of the result.
///
/// A product of two real numbers has the binary digits of both before it is truncated; that must fit too.
fn product(
    rule: &Rule<'_>,
    left: NodeId,
    l: &Element,
    right: NodeId,
    r: &Element,
    least: u64,
    most: u64,
) -> Result<Interval, ProgramError> {
    let (mut a, mut b) = (rule.brought(left, l)?, rule.brought(right, r)?);
    if (least, most) != (1, 1) {
        // In a matrix product an invalid cell counts as 0.
        for (range, node) in [(&mut a, left), (&mut b, right)] {
            if rule.here.array(node)?.validity == Validity::Secret {
                *range = range.hull(Interval::point(0));
            }
        }
    }
    let sums = a.product(b).and_then(|range| range.summed(least, most));
    let (Some(digits), Some(others)) = (l.float_bits(), r.float_bits()) else {
        let wide = Element::Decimal { scale: 0 };
        return rule.fit(&wide, sums, "the product");
    };
    // What is left are the digits of the finer factor.
    let element = if digits >= others { l } else { r };
    rule.fit(element, rounded_sums(rule, a, b, (sums, digits.min(others)), most)?, "the product")
}

/// The product of two real numbers of an element, rounded.
pub(super) fn round_product(
    rule: &Rule<'_>,
    element: &Element,
    a: Interval,
    b: Interval,
) -> Result<Interval, ProgramError> {
    let product = rounded_sums(rule, a, b, (a.product(b), element.float_bits().unwrap_or(0)), 1)?;
    rule.fit(element, product, "the product")
}

/// The range of sums of up to `most` products of real numbers, rounded: before so many of their binary digits go it is
/// `sums`.
fn rounded_sums(
    rule: &Rule<'_>,
    a: Interval,
    b: Interval,
    (sums, digits): (Option<Interval>, u32),
    most: u64,
) -> Result<Option<Interval>, ProgramError> {
    let terms = 64 - most.max(1).saturating_sub(1).leading_zeros();
    let bits = a.bits() + b.bits() + terms;
    if bits > super::RANGE_BITS {
        let cause = format!(
            "the product takes {bits} bits before it is rounded ({} and {} of its factors, {terms} of the sum); {} \
             are there",
            a.bits(),
            b.bits(),
            super::RANGE_BITS
        );
        let next = "Declare narrower ranges in the schema, or narrow a factor by `assume`.";
        return Err(rule.here.range_error(cause, next));
    }
    Ok(sums.and_then(|range| range.truncated(digits)))
}

/// The quotients by divisors of one sign, rounded outward, with one more step for an engine's rounding.
fn quotient(over: Interval, under: Interval) -> Interval {
    let ends = [(over.lo, under.lo), (over.lo, under.hi), (over.hi, under.lo), (over.hi, under.hi)];
    // Floor and ceiling for divisors of either sign.
    let floor = |(a, b): (i128, i128)| if b > 0 { a.div_euclid(b) } else { (-a).div_euclid(-b) };
    let ceil = |(a, b): (i128, i128)| if b > 0 { ceil_div(a, b) } else { ceil_div(-a, -b) };
    let lo = ends.into_iter().map(floor).min().unwrap_or(over.lo);
    let hi = ends.into_iter().map(ceil).max().unwrap_or(over.hi);
    Interval { lo: lo - 1, hi: hi + 1 }
}

/// The common element of two numbers; bools are 0 and 1.
pub(super) fn numeric(rule: &Rule<'_>, left: NodeId, right: NodeId) -> Result<Element, ProgramError> {
    let element = common(rule.here, left, right)?;
    match element {
        Element::Bool => Ok(Element::Int64),
        element if is_number(&element) => Ok(element),
        element => {
            let cause = format!("there is no arithmetic on {}", element.name());
            Err(rule.here.type_error(cause, "Compute with numbers only."))
        }
    }
}
