//! What steps cost: an integer model of bytes and rounds, the same on both sides.

use serde::{Deserialize, Serialize};

use super::Plan;
use super::step::{RingOp, Step};
use crate::share::Placement;

/// An estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes in both directions together.
    pub bytes: u64,
    /// Rounds, if no two steps share one.
    pub rounds: u32,
}

impl Cost {
    /// One after the other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), rounds: self.rounds.saturating_add(other.rounds) }
    }

    fn of(cells: u64, bits_each: u64, rounds: u32) -> Self {
        Self { bytes: cells.saturating_mul(bits_each).div_ceil(8), rounds }
    }
}

/// Bits on the wire that one random OT costs by SoftSpoken with k = 4: `128 / 4`.
const OT: u64 = 32;

impl Plan {
    pub(super) fn cost_of(&self, step: &Step) -> Cost {
        if step.placement != Placement::Shared {
            return Cost::default();
        }
        let cells = step.len as u64;
        let word = u64::from(self.word_bits);
        let placement = |value: super::ValueId| self.steps[value.index()].placement;
        // How many of the two cross terms of a product exist.
        let cross = |a: super::ValueId, b: super::ValueId| match (placement(a), placement(b)) {
            (Placement::Public, _) | (_, Placement::Public) => 0,
            (Placement::Private(_), _) | (_, Placement::Private(_)) => 1,
            _ => 2,
        };
        match &step.op {
            RingOp::Column { .. }
            | RingOp::Align { .. }
            | RingOp::Words(_)
            | RingOp::Fill(_)
            | RingOp::Bits(_)
            | RingOp::FillBits(_)
            | RingOp::View(..)
            | RingOp::Concatenate { .. }
            | RingOp::Linear { .. }
            | RingOp::Xor(..)
            | RingOp::Sum { .. } => Cost::default(),
            RingOp::And(a, b) => Cost::of(cells, cross(*a, *b) * (OT + 2), 1),
            RingOp::ToArith(_) => Cost::of(cells, OT + 1 + word, 1),
            RingOp::Select { condition, value } => Cost::of(cells, cross(*condition, *value) * (OT + 1 + 2 * word), 1),
            RingOp::Multiply { factors: [a, b], bits } => {
                let narrow = u64::from(bits[0].min(bits[1]));
                Cost::of(cells, cross(*a, *b) * narrow * (OT + 1 + word), 1)
            }
            RingOp::MatrixMultiply { factors: [a, b], bits, shape } => {
                let products = shape.iter().fold(1_u64, |all, size| all.saturating_mul(*size as u64));
                let narrow = u64::from(bits[0].min(bits[1]));
                Cost::of(products, cross(*a, *b) * narrow * (OT + 1 + word), 1)
            }
            RingOp::IsNegative { bits, .. } => comparison(cells, *bits),
            RingOp::IsZero { bits, .. } => comparison(cells, *bits),
            RingOp::Truncate { .. } => Cost::of(cells, 2 * (OT + 1 + word), 1),
            RingOp::FloorShift { shift, .. } => comparison(cells, *shift).plus(Cost::of(cells, 2 * (OT + 1 + word), 1)),
            RingOp::DivideFloor { bits, .. } => {
                let each = comparison(cells, *bits).plus(Cost::of(cells, u64::from(*bits) * (OT + 1 + word), 2));
                each.plus(each)
            }
            RingOp::Defined(_) => Cost::default(),
            RingOp::Largest { value, bits, .. } => {
                let size = self.steps[value.index()].len as u64;
                let depth = (size / cells.max(1)).next_power_of_two().trailing_zeros();
                let each = comparison(1, *bits).plus(Cost::of(1, 2 * (OT + 1 + 2 * word), 1));
                Cost { bytes: each.bytes.saturating_mul(size), rounds: each.rounds * depth }
            }
            RingOp::Divide { bits, .. } => {
                let product = Cost::of(cells, 2 * word * (OT + 1 + word), 2);
                let normalise = comparison(cells, bits[1]).plus(product);
                (0..6).fold(normalise, |sum, _| sum.plus(product))
            }
        }
    }

    /// The bytes that leave at the opening.
    pub(super) fn opening_cost(&self) -> Cost {
        let check = if self.checked { Cost { bytes: 16, rounds: 1 } } else { Cost::default() };
        let bits = |cells: u64| cells.div_ceil(64) * 8;
        let outputs = self.outputs.iter().map(|output| {
            let cells = output.cells() as u64;
            let value = if output.is_bits() { bits(cells) } else { cells * u64::from(self.word_bits / 8) };
            let gate = if output.gate.is_some() { bits(cells) } else { 0 };
            (value + gate) * output.receivers.len() as u64
        });
        check.plus(Cost { bytes: outputs.sum(), rounds: 1 })
    }
}

/// A comparison of two private numbers of so many bits: one transfer of 1 out of 4 a digit of two bits, and a tree of
/// conjunctions.
fn comparison(cells: u64, bits: u32) -> Cost {
    let digits = u64::from(bits.div_ceil(2));
    let depth = u64::from(bits).next_power_of_two().trailing_zeros();
    Cost::of(cells, digits * (2 * OT + 2 + 8) + digits * 2 * 2 * (OT + 2), 1 + depth)
}
