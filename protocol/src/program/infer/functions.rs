//! Functions of one number, the lesser and larger of two, whole quotients and their rests, and powers.

use super::arithmetic::{numeric, round_product};
use super::element::{constant, is_number};
use super::range::{ceil_div, describe, power_of_ten, scale_of};
use super::rules::{Rule, Typed};
use crate::Number;
use crate::program::functions::{Domain, Power};
use crate::program::types::{ArrayType, Interval, Validity};
use crate::program::{Binary, NodeId, ProgramError, Unary};
use crate::schema::{Element, Precision};

/// The widest operand of a real function, in bits.
const MOST_BITS: u32 = 100;

/// The largest exponent of [`Binary::Power`], up and down.
const MOST_POWER: i64 = 64;

/// Magnitude, sign and roundings: in the element of the operand, for all its values.
pub(super) fn exact(rule: &Rule<'_>, function: Unary, value: NodeId) -> Result<Typed, ProgramError> {
    let array = rule.here.array(value)?;
    let (element, own) = (&array.element, array.range);
    let unit = whole(element);
    let range = match function {
        Unary::Abs => magnitudes(own),
        Unary::Sign => Some(Interval { lo: own.lo.signum() * unit, hi: own.hi.signum() * unit }),
        _ => {
            // An engine rounds `2 x` by two units, or adds less than a unit before it takes the floor.
            let doubled = own.plus(own).and_then(|twice| twice.plus(Interval { lo: -unit, hi: unit }));
            rule.fit(&Element::Decimal { scale: 0 }, doubled, "twice the value, which rounding takes,")?;
            let (lo, hi) = (rounded(function, own.lo, unit), rounded(function, own.hi, unit));
            Some(Interval { lo: lo * unit, hi: hi * unit })
        }
    };
    let range = rule.fit(element, range, "the value")?;
    Ok(Typed { array: ArrayType { range, ..array.clone() }, lattices: vec![element.clone()] })
}

/// The real functions: of real numbers, as fine as the operand, and invalid outside the domain.
pub(super) fn real(rule: &Rule<'_>, function: Unary, value: NodeId) -> Result<Typed, ProgramError> {
    let array = rule.here.array(value)?;
    if !is_number(&array.element) {
        let cause = format!("it takes numbers; {} is {}", rule.here.describe(value), array.element.name());
        return Err(rule.here.type_error(cause, "Cast bools to int64 first."));
    }
    let (element, precision) = real_element(array);
    let own = operand(rule, value, &element)?;
    let domain = function.domain(precision);
    let Some(inside) = domain.meet(own) else {
        let cause = format!(
            "{} lies in {}, where the function is not defined",
            rule.here.describe(value),
            describe(&own, &element)
        );
        let least = match domain {
            Domain::From(least) => describe(&Interval::point(least), &element),
            Domain::All => String::new(),
        };
        return Err(rule
            .here
            .range_error(cause, format!("Give it values from {} on.", least.trim_matches(['[', ']']))));
    };
    let range = function.image(inside, precision);
    let wide = rule.fit(&element, range, "the value of the function");
    let range = wide.map_err(|error| match error {
        ProgramError::Range { place, cause, .. } => {
            let next = "Narrow the operand by `assume`, or declare a narrower range in the schema.".into();
            ProgramError::Range { place, cause, next }
        }
        error => error,
    })?;
    let mut array = ArrayType { element: element.clone(), range, ..array.clone() };
    if inside != own {
        array.validity = Validity::Secret;
    }
    Ok(Typed { array, lattices: vec![element] })
}

/// The lesser or larger of two.
pub(super) fn extreme(rule: &Rule<'_>, function: Binary, left: NodeId, right: NodeId) -> Result<Typed, ProgramError> {
    let element = match super::element::common(rule.here, left, right)? {
        Element::Date => Element::Date,
        _ => numeric(rule, left, right)?,
    };
    let (l, r) = (rule.brought(left, &element)?, rule.brought(right, &element)?);
    // An engine compares by the sign of the difference.
    let wide = if element == Element::Int64 { Element::Decimal { scale: 0 } } else { element.clone() };
    rule.fit(&wide, l.minus(r), "the difference of both sides")?;
    let pick: fn(i128, i128) -> i128 = if function == Binary::Minimum { i128::min } else { i128::max };
    let range = Interval { lo: pick(l.lo, r.lo), hi: pick(l.hi, r.hi) };
    Ok(Typed { array: rule.joined(element.clone(), range, &[left, right])?, lattices: vec![element.clone(), element] })
}

/// The floor of a quotient, or what it leaves.
pub(super) fn divide_floor(
    rule: &Rule<'_>,
    function: Binary,
    left: NodeId,
    right: NodeId,
) -> Result<Typed, ProgramError> {
    let element = numeric(rule, left, right)?;
    let (over, under) = (rule.brought(left, &element)?, rule.brought(right, &element)?);
    let negative = (under.lo < 0).then_some(Interval { lo: under.lo, hi: under.hi.min(-1) });
    let positive = (under.hi > 0).then_some(Interval { lo: under.lo.max(1), hi: under.hi });
    let parts = || [negative, positive].into_iter().flatten();
    let (target, range) = match function {
        Binary::FloorDivide => {
            let target = match element {
                Element::Decimal { .. } => Element::Decimal { scale: 0 },
                ref element => element.clone(),
            };
            let range = parts().map(|part| floors(over, part)).reduce(Interval::hull);
            let unit = whole(&target);
            (target, range.map(|range| range.product(Interval::point(unit))))
        }
        _ => (element.clone(), parts().map(|part| rests(over, part)).reduce(Interval::hull).map(Some)),
    };
    let Some(range) = range else {
        return Err(rule.here.range_error("the divisor is always 0", "Divide by another value."));
    };
    let range = rule.fit(&target, range, "the result")?;
    let mut array = rule.joined(target, range, &[left, right])?;
    if under.contains(0) {
        array.validity = Validity::Secret;
    }
    Ok(Typed { array, lattices: vec![element.clone(), element] })
}

/// A power by a constant.
pub(super) fn power(rule: &Rule<'_>, left: NodeId, right: NodeId) -> Result<Typed, ProgramError> {
    let base = rule.here.array(left)?;
    let exponent = match exponent(constant(rule.here, right).unwrap_or(&[])) {
        Some(Exponent::Whole(exponent)) => exponent,
        Some(Exponent::Real(exponent)) => return real_power(rule, left, right, Power(exponent)),
        None => {
            let cause = format!("the exponent is no constant from {} to {MOST_POWER}", -MOST_POWER);
            return Err(rule.here.type_error(cause, "Write a constant, or `exp(y * log(x))` for a base above 0."));
        }
    };
    let element = match &base.element {
        Element::Bool => Element::Int64,
        element if is_number(element) => element.clone(),
        element => {
            let cause = format!("there is no power of {}", element.name());
            return Err(rule.here.type_error(cause, "Compute with numbers only."));
        }
    };
    let range = rule.brought(left, &element)?;
    let (target, range) = match &element {
        real if real.is_float() => (real.clone(), float_power(rule, real, range, exponent)?),
        element => {
            let scale = u32::from(scale_of(element)) * exponent;
            if scale > u32::from(Element::MAX_DECIMAL_SCALE) {
                let cause = format!(
                    "the power would have {scale} digits after the point; at most {} are kept",
                    Element::MAX_DECIMAL_SCALE
                );
                return Err(rule.here.type_error(cause, "Cast the base to float64 or float64_high."));
            }
            let target = match element {
                Element::Decimal { .. } => Element::Decimal { scale: u8::try_from(scale).expect("at most 18") },
                element => element.clone(),
            };
            (target, exact_power(range, exponent))
        }
    };
    let range = rule.fit(&target, range, "the power")?;
    let own = rule.here.array(right)?.element.clone();
    Ok(Typed { array: rule.joined(target, range, &[left, right])?, lattices: vec![element, own] })
}

/// A power of numbers above 0 by a constant that is no whole number, or a negative one.
fn real_power(rule: &Rule<'_>, left: NodeId, right: NodeId, power: Power) -> Result<Typed, ProgramError> {
    let base = rule.here.array(left)?;
    if !is_number(&base.element) {
        let cause = format!("there is no such power of {}", base.element.name());
        return Err(rule.here.type_error(cause, "Cast bools to int64 first."));
    }
    let (element, precision) = real_element(base);
    let own = operand(rule, left, &element)?;
    let Some(inside) = Power::DOMAIN.meet(own) else {
        let cause = format!("{} lies in {}, never above 0", rule.here.describe(left), describe(&own, &element));
        return Err(rule.here.range_error(cause, "Give it values above 0."));
    };
    let range = rule.fit(&element, power.image(inside, precision), "the power")?;
    let of_right = rule.here.array(right)?.element.clone();
    let mut array = rule.joined(element.clone(), range, &[left, right])?;
    if inside != own {
        array.validity = Validity::Secret;
    }
    Ok(Typed { array, lattices: vec![element, of_right] })
}

/// The element that an operand of a real function is brought to, and how fine that is.
fn real_element(array: &ArrayType) -> (Element, Precision) {
    let precision = array.element.precision().unwrap_or(Precision::Default);
    (precision.element(), precision)
}

/// The range of an operand of a real function in the element that it is brought to.
fn operand(rule: &Rule<'_>, value: NodeId, element: &Element) -> Result<Interval, ProgramError> {
    let own = rule.brought(value, element)?;
    if own.bits() <= MOST_BITS {
        return Ok(own);
    }
    let cause = format!(
        "{} may lie in {}, which takes {} bits; the function is computed for {MOST_BITS}",
        rule.here.describe(value),
        describe(&own, element),
        own.bits()
    );
    Err(rule.here.range_error(cause, "Narrow the operand by `assume`."))
}

/// What a constant exponent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exponent {
    /// A whole number that products make.
    Whole(u32),
    /// Any other.
    Real(Number),
}

/// The number that all values of a constant exponent are, from -64 to 64.
pub fn exponent(values: &[Number]) -> Option<Exponent> {
    let (first, rest) = values.split_first()?;
    if rest.iter().any(|value| value != first) || first.to_f64().abs() > MOST_POWER as f64 {
        return None;
    }
    let whole = first.at_scale(0).and_then(|value| u32::try_from(value).ok());
    Some(whole.map_or(Exponent::Real(*first), Exponent::Whole))
}

/// Lattice steps in 1.
pub(crate) fn whole(element: &Element) -> i128 {
    match element.float_bits() {
        Some(bits) => 1 << bits,
        None => power_of_ten(scale_of(element)),
    }
}

/// A lattice value as whole units of so many steps, by one of the roundings.
pub fn rounded(function: Unary, value: i128, unit: i128) -> i128 {
    match function {
        Unary::Floor => value.div_euclid(unit),
        Unary::Ceil => ceil_div(value, unit),
        _ => {
            let (floor, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
            let up = 2 * rest > unit || 2 * rest == unit && floor % 2 != 0;
            floor + i128::from(up)
        }
    }
}

fn magnitudes(range: Interval) -> Option<Interval> {
    let negated = range.negated()?;
    Some(match range {
        Interval { lo: 0.., .. } => range,
        Interval { hi: ..=0, .. } => negated,
        _ => Interval { lo: 0, hi: range.hi.max(negated.hi) },
    })
}

/// The floors of quotients by divisors of one sign.
fn floors(over: Interval, under: Interval) -> Interval {
    let ends = [(over.lo, under.lo), (over.lo, under.hi), (over.hi, under.lo), (over.hi, under.hi)];
    let floor = |(a, b): (i128, i128)| if b > 0 { a.div_euclid(b) } else { (-a).div_euclid(-b) };
    ends.into_iter().map(floor).map(Interval::point).reduce(Interval::hull).expect("four ends")
}

/// What floors of quotients by divisors of one sign leave.
fn rests(over: Interval, under: Interval) -> Interval {
    if under.lo > 0 {
        // A dividend that is not negative leaves no more than itself.
        let most = if over.lo >= 0 { over.hi.min(under.hi - 1) } else { under.hi - 1 };
        return Interval { lo: 0, hi: most };
    }
    let least = if over.hi <= 0 { over.lo.max(under.lo + 1) } else { under.lo + 1 };
    Interval { lo: least, hi: 0 }
}

fn exact_power(range: Interval, exponent: u32) -> Option<Interval> {
    let ends = [range.lo.checked_pow(exponent)?, range.hi.checked_pow(exponent)?];
    let hull = Interval::point(ends[0]).hull(Interval::point(ends[1]));
    // An even power of both signs has its least value at 0.
    Some(if exponent > 0 && range.contains(0) { hull.hull(Interval::point(0)) } else { hull })
}

/// The range of the chain of products that makes a power, each rounded.
fn float_power(
    rule: &Rule<'_>,
    element: &Element,
    range: Interval,
    exponent: u32,
) -> Result<Option<Interval>, ProgramError> {
    if exponent == 0 {
        return Ok(Some(Interval::point(whole(element))));
    }
    let mut power = range;
    for place in (0..exponent.ilog2()).rev() {
        power = round_product(rule, element, power, power)?;
        if exponent >> place & 1 == 1 {
            power = round_product(rule, element, power, range)?;
        }
    }
    Ok(Some(power))
}
