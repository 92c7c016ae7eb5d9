//! Arrays that are handed in at the run: no columns of a dataset, but what a party, or both as shares, bring themselves.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::types::{ArrayType, Interval, Validity};
use super::{Dim, Op, Program};
use crate::schema::Element;
use crate::{Number, PartyId};

/// Who brings the cells of an [`Op::Input`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// One party, which knows them.
    Party(PartyId),
    /// Both parties, as shares of a value that an earlier run left with them.
    Shares(Shares),
}

/// What is public of a value that both parties hold as shares.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// The width of the ring's words that the shares are of, 64 or 128; without meaning for bools.
    pub word_bits: u8,
    /// Whether there are shares of which cells are valid too; otherwise all are.
    pub nullable: bool,
    /// How far the value may lie from the exact one, in lattice steps, rounded up; none: without bound.
    pub error: Option<u64>,
}

/// The widest range, in bits, of a value in shares of 64-bit words: wider words take it up exactly.
pub const NARROW_SHARE_BITS: u32 = 63;

impl InputSource {
    /// The validity of the array.
    pub(super) fn validity(&self) -> Validity {
        match self {
            Self::Shares(Shares { nullable: true, .. }) => Validity::Secret,
            _ => Validity::AllTrue,
        }
    }

    /// The widest range that it can bring, in bits.
    pub(super) fn most_bits(&self) -> u32 {
        match self {
            Self::Shares(Shares { word_bits: 64, .. }) => NARROW_SHARE_BITS,
            _ => super::infer::RANGE_BITS,
        }
    }
}

impl Op {
    /// The input that brings a value of a type as shares: its range is the least that numbers can write.
    ///
    /// `None` where the shape depends on row counts, or the range takes more digits than numbers have.
    pub fn shares(array: &ArrayType, shares: Shares) -> Option<Self> {
        let shape: Option<Vec<u64>> = array.shape.iter().map(Dim::as_fixed).collect();
        let (lo, hi) = array.range.numbers(&array.element)?;
        Some(Self::Input { from: InputSource::Shares(shares), element: array.element.clone(), shape: shape?, lo, hi })
    }
}

impl Program {
    /// The first node that takes an array which is handed in, if there is one: a job reads datasets and has none.
    pub fn handed_in(&self) -> Option<super::NodeId> {
        let place = self.nodes.iter().position(|node| matches!(node.op, Op::Input { .. }))?;
        u32::try_from(place).ok().map(super::NodeId)
    }
}

impl Interval {
    /// Numbers around the interval: exact ones where there are such, or of which the ends are the nearest steps, else
    /// whole ones outside of it. `None` where it is too wide.
    pub fn numbers(&self, element: &Element) -> Option<(Number, Number)> {
        let at = |value: i128, outward: i128| match element.float_bits() {
            Some(bits) => {
                let exact = value.checked_mul(5_i128.pow(bits)).and_then(|ten| Number::new(ten, bits as u8));
                let near = || if bits > Element::FLOAT_STEP_BITS { nearest(value, bits) } else { None };
                exact.or_else(near).or_else(|| Number::new((value >> bits).checked_add(outward)?, 0))
            }
            None => Number::new(value, super::infer::range::scale_of(element)),
        };
        Some((at(self.lo, 0)?, at(self.hi, 1)?))
    }
}

/// A number whose nearest step of so many binary digits this value is, of as few digits as that takes.
fn nearest(value: i128, bits: u32) -> Option<Number> {
    // A third of a step in decimal digits.
    let scale = (bits * 7).div_ceil(20);
    let (unit, half) = (1_i128 << bits, 1_i128 << (bits - 1));
    let (whole, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    let ten = 10_i128.pow(scale);
    let digits = (rest * ten + half) >> bits;
    Number::new(whole.checked_mul(ten)?.checked_add(digits)?, u8::try_from(scale).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_an_interval_hold_it() {
        let decimal = Element::Decimal { scale: 3 };
        let elements = [Element::Bool, Element::Int64, decimal, Element::Float64, Element::Float64High];
        for (element, wide) in elements.iter().zip([1, 1 << 62, 1 << 80, 1 << 100, (1 << 80) + 12_345]) {
            for (lo, hi) in [(0, 1), (0, wide), (-wide, wide), (-wide - 1, wide - 1)] {
                let interval = Interval { lo, hi };
                let Some((lo, hi)) = interval.numbers(element) else { panic!("{element:?} {interval:?}") };
                let again = Interval::between(element, lo, hi).expect("lo is below hi");
                assert!(again.lo <= interval.lo && interval.hi <= again.hi, "{element:?} {interval:?} {again:?}");
                let exact = *element != Element::Float64 || wide < 1 << 40;
                assert!(!exact || again == interval, "{element:?} {interval:?} {again:?}");
            }
        }
        assert_eq!(Interval { lo: i128::MIN, hi: 0 }.numbers(&Element::Float64), None);
    }
}
