//! Intervals of lattice units: exact, checked arithmetic, and how they move between lattices.

use super::functions::whole;
use crate::Number;
use crate::program::types::Interval;
use crate::schema::Element;

/// The signed width that every value and every intermediate must fit.
pub const RANGE_BITS: u32 = 126;

impl Interval {
    /// The interval of one value.
    pub fn point(value: i128) -> Self {
        Self { lo: value, hi: value }
    }

    /// Whether the value is in it.
    pub fn contains(&self, value: i128) -> bool {
        self.lo <= value && value <= self.hi
    }

    /// The least `n` with every value in `[-2^(n-1), 2^(n-1))`.
    pub fn bits(&self) -> u32 {
        // `!x` of a negative x has its magnitude bits.
        let magnitude = |x: i128| 128 - (if x < 0 { !x } else { x }).leading_zeros();
        1 + magnitude(self.lo).max(magnitude(self.hi))
    }

    /// The least interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The values in both, if there are any.
    pub fn meet(self, other: Self) -> Option<Self> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Self { lo, hi })
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        Some(Self { lo: self.lo.checked_add(other.lo)?, hi: self.hi.checked_add(other.hi)? })
    }

    pub(crate) fn minus(self, other: Self) -> Option<Self> {
        Some(Self { lo: self.lo.checked_sub(other.hi)?, hi: self.hi.checked_sub(other.lo)? })
    }

    pub(crate) fn negated(self) -> Option<Self> {
        Some(Self { lo: self.hi.checked_neg()?, hi: self.lo.checked_neg()? })
    }

    pub(crate) fn product(self, other: Self) -> Option<Self> {
        let corner = |a: i128, b: i128| a.checked_mul(b);
        let corners = [
            corner(self.lo, other.lo)?,
            corner(self.lo, other.hi)?,
            corner(self.hi, other.lo)?,
            corner(self.hi, other.hi)?,
        ];
        corners.into_iter().map(Self::point).reduce(Self::hull)
    }

    /// The sums of between `least` and `most` values.
    pub(crate) fn summed(self, least: u64, most: u64) -> Option<Self> {
        self.product(Self { lo: i128::from(least), hi: i128::from(most) })
    }

    /// Divided by `2^bits`, rounded outward, with one more step on each side for an engine's rounding.
    pub(crate) fn truncated(self, bits: u32) -> Option<Self> {
        let hi = -(self.hi.checked_neg()? >> bits);
        Some(Self { lo: (self.lo >> bits).checked_sub(1)?, hi: hi.checked_add(1)? })
    }

    /// The same values in steps of another lattice: exact where that one is finer by a whole factor, else rounded
    /// outward with one more step for an engine's rounding. `None`: too large, or not a promotion.
    pub(crate) fn converted(self, from: &Element, to: &Element) -> Option<Self> {
        if from == to {
            return Some(self);
        }
        let whole = |factor: i128| self.product(Self::point(factor));
        match (from, to) {
            (Element::Bool, Element::Int64) | (Element::Int64, Element::Date | Element::Category { .. }) => Some(self),
            (Element::Bool | Element::Int64, Element::Decimal { scale }) => whole(power_of_ten(*scale)),
            (Element::Decimal { scale }, Element::Decimal { scale: to }) => {
                whole(power_of_ten(to.checked_sub(*scale)?))
            }
            (Element::Date | Element::Category { .. } | Element::Key, _) => None,
            (from, to) if to.is_float() => {
                let (bits, own) = (to.float_bits()?, from.float_bits().unwrap_or(0));
                let scaled = whole(1 << bits.checked_sub(own)?)?;
                let unit = power_of_ten(scale_of(from));
                if unit == 1 {
                    return Some(scaled);
                }
                let (lo, hi) = (scaled.lo.div_euclid(unit), ceil_div(scaled.hi, unit));
                Some(Self { lo: lo.checked_sub(1)?, hi: hi.checked_add(1)? })
            }
            _ => None,
        }
    }

    /// Whether all values fit the element, and [`RANGE_BITS`].
    pub(crate) fn fits(&self, element: &Element) -> bool {
        let width = if *element == Element::Int64 { 64 } else { RANGE_BITS };
        self.bits() <= width
    }

    /// The values of the element between two numbers, both included; `None` if there are none or they do not fit.
    pub(crate) fn between(element: &Element, lo: Number, hi: Number) -> Option<Self> {
        let (lo, hi) = match element {
            Element::Float64 | Element::Float64High => {
                let bits = element.float_bits()?;
                (lo.to_fixed(bits)?, hi.to_fixed(bits)?)
            }
            Element::Bool | Element::Int64 | Element::Date | Element::Category { .. } => {
                (ceil_at(lo, 0)?, floor_at(hi, 0)?)
            }
            Element::Decimal { scale } => (ceil_at(lo, *scale)?, floor_at(hi, *scale)?),
            Element::Key => return None,
        };
        (lo <= hi).then_some(Self { lo, hi })
    }

    /// The lattice values next to a number: one where it is exact, else the two around it.
    pub(crate) fn around(element: &Element, number: Number) -> Option<Self> {
        match element.float_bits() {
            Some(bits) => {
                let unit = power_of_ten(number.scale());
                let scaled = number.mantissa().checked_mul(1 << bits)?;
                Some(Self { lo: scaled.div_euclid(unit), hi: ceil_div(scaled, unit) })
            }
            None => Some(Self { lo: floor_at(number, scale_of(element))?, hi: ceil_at(number, scale_of(element))? }),
        }
    }
}

/// Digits after the point of an element whose step is a power of ten.
pub(crate) fn scale_of(element: &Element) -> u8 {
    match element {
        Element::Decimal { scale } => *scale,
        _ => 0,
    }
}

/// A range as people read it.
pub(crate) fn describe(interval: &Interval, element: &Element) -> String {
    let value = |lattice: i128| match element {
        Element::Float64 | Element::Float64High => format!("{}", lattice as f64 / (whole(element) as f64)),
        Element::Decimal { scale } if *scale > 0 => {
            let unit = power_of_ten(*scale).unsigned_abs();
            let (whole, part) = (lattice.unsigned_abs() / unit, lattice.unsigned_abs() % unit);
            let sign = if lattice < 0 { "-" } else { "" };
            format!("{sign}{whole}.{part:0width$}", width = usize::from(*scale))
        }
        _ => lattice.to_string(),
    };
    format!("[{}, {}]", value(interval.lo), value(interval.hi))
}

pub(crate) fn power_of_ten(exponent: u8) -> i128 {
    10_i128.checked_pow(u32::from(exponent)).expect("scales are at most number::MAX_SCALE")
}

pub(crate) fn ceil_div(a: i128, b: i128) -> i128 {
    a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0)
}

fn floor_at(number: Number, scale: u8) -> Option<i128> {
    match number.scale().checked_sub(scale) {
        None | Some(0) => number.at_scale(scale),
        Some(beyond) => Some(number.mantissa().div_euclid(power_of_ten(beyond))),
    }
}

fn ceil_at(number: Number, scale: u8) -> Option<i128> {
    match number.scale().checked_sub(scale) {
        None | Some(0) => number.at_scale(scale),
        Some(beyond) => Some(ceil_div(number.mantissa(), power_of_ten(beyond))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_the_signed_width() {
        for (lo, hi, bits) in [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2), (-128, 127, 8), (0, 128, 9), (-129, 0, 9)]
        {
            assert_eq!(Interval { lo, hi }.bits(), bits, "[{lo}, {hi}]");
        }
        assert_eq!(Interval { lo: i128::MIN, hi: i128::MAX }.bits(), 128);
    }

    #[test]
    fn products_cover_all_corners_and_overflow_is_none() {
        let (a, b) = (Interval { lo: -3, hi: 2 }, Interval { lo: -5, hi: 7 });
        assert_eq!(a.product(b), Some(Interval { lo: -21, hi: 15 }));
        assert_eq!(Interval::point(i128::MAX).product(Interval::point(2)), None);
    }

    #[test]
    fn declared_ranges_round_inward_and_constants_outward() {
        let number = |text: &str| text.parse::<Number>().expect("a number");
        let cents = Element::Decimal { scale: 2 };
        let range = Interval::between(&cents, number("-0.015"), number("0.019"));
        assert_eq!(range, Some(Interval { lo: -1, hi: 1 }));
        assert_eq!(Interval::between(&Element::Int64, number("0.1"), number("0.9")), None);
        let tenth = Interval::around(&Element::Float64, number("0.1"));
        assert_eq!(tenth, Some(Interval { lo: 26_214, hi: 26_215 }));
        assert_eq!(Interval::around(&Element::Float64, number("-0.5")), Some(Interval::point(-(1 << 17))));
    }

    #[test]
    fn conversions_to_float_cover_the_rounding() {
        let cents = Element::Decimal { scale: 2 };
        let range = Interval { lo: -1, hi: 1 }.converted(&cents, &Element::Float64).expect("small");
        // 0.01 is 2621.44 steps.
        assert_eq!(range, Interval { lo: -2_623, hi: 2_623 });
        assert_eq!(Interval::point(1).converted(&Element::Float64, &Element::Int64), None);
        assert_eq!(Interval::point(1).converted(&Element::Float64High, &Element::Float64), None);
        assert_eq!(Interval::point(1).converted(&Element::Date, &Element::Float64), None);
        let finer = Interval::point(3).converted(&Element::Float64, &Element::Float64High);
        assert_eq!(finer, Some(Interval::point(3 << 18)));
        // 0.01 is 687194767.36 steps.
        let range = Interval { lo: 0, hi: 1 }.converted(&cents, &Element::Float64High).expect("small");
        assert_eq!(range, Interval { lo: -1, hi: 687_194_769 });
    }
}
