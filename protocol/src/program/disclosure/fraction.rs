//! Exact units: lattice steps and grids as fractions.

use num_bigint::BigUint;

use crate::Number;
use crate::schema::Element;

/// A number above 0, `up / down`.
#[derive(Clone, Debug)]
pub(super) struct Fraction {
    up: BigUint,
    down: BigUint,
}

impl Fraction {
    /// The lattice step of an element; none: its values are no numbers.
    pub(super) fn step_of(element: &Element) -> Option<Self> {
        let down = match element {
            Element::Bool | Element::Int64 | Element::Date => 1_u8.into(),
            Element::Decimal { scale } => BigUint::from(10_u8).pow(u32::from(*scale)),
            Element::Float64 | Element::Float64High => BigUint::from(1_u8) << element.float_bits()?,
            Element::Category { .. } | Element::Key => return None,
        };
        Some(Self { up: 1_u8.into(), down })
    }

    /// A number; none: it is not above 0.
    pub(super) fn of(number: Number) -> Option<Self> {
        let up = u128::try_from(number.mantissa()).ok().filter(|up| *up > 0)?;
        Some(Self { up: up.into(), down: BigUint::from(10_u8).pow(u32::from(number.scale())) })
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        Self { up: &self.up * &other.up, down: &self.down * &other.down }
    }

    pub(super) fn over(&self, other: &Self) -> Self {
        Self { up: &self.up * &other.down, down: &self.down * &other.up }
    }

    /// So often this, rounded up.
    pub(super) fn times_up(&self, count: &BigUint) -> BigUint {
        (count * &self.up + &self.down - 1_u8) / &self.down
    }

    /// So often this, rounded down.
    pub(super) fn times_down(&self, count: &BigUint) -> BigUint {
        count * &self.up / &self.down
    }
}
