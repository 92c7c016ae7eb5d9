//! The plan as an operator reads it before the run.

use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::step::{Kind, RingOp};
use super::{Plan, Step};
use crate::share::Placement;

/// One step of a plan, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The place of the step.
    pub step: u32,
    /// The operation.
    pub what: String,
    /// The node of the program that it is for, such as `%4`.
    pub node: Option<String>,
    /// How many cells.
    pub cells: u64,
    /// Who knows the result: `public`, `party 0`, `party 1`, `shared`.
    pub placement: String,
    /// The width that the step works on, for those that depend on one; 1 for bits.
    pub bits: u32,
    /// Estimated bytes in both directions together.
    pub bytes: u64,
    /// Estimated rounds.
    pub rounds: u32,
}

impl Plan {
    /// One row a step, in order.
    pub fn explain(&self) -> Vec<Row> {
        let rows = self.steps.iter().enumerate().map(|(place, step)| {
            let cost = self.cost_of(step);
            Row {
                step: u32::try_from(place).unwrap_or(u32::MAX),
                what: what(step),
                node: step.node.map(|node| node.to_string()),
                cells: step.len as u64,
                placement: match step.placement {
                    Placement::Public => "public".into(),
                    Placement::Private(party) => party.to_string(),
                    Placement::Shared => "shared".into(),
                },
                bits: width(step, self.word_bits),
                bytes: cost.bytes,
                rounds: cost.rounds,
            }
        });
        rows.collect()
    }

    /// The estimate for the whole plan, the opening included.
    pub fn cost(&self) -> Cost {
        let steps = self.steps.iter().map(|step| self.cost_of(step)).fold(Cost::default(), Cost::plus);
        steps.plus(self.opening_cost())
    }
}

fn what(step: &Step) -> String {
    match &step.op {
        RingOp::Column { source, column, part } => match part {
            super::step::ColumnPart::Data => format!("column {column} of {source}"),
            super::step::ColumnPart::Valid => format!("nulls of column {column} of {source}"),
        },
        RingOp::Align { join, .. } => format!("rows that matched in {join}"),
        op => op.name().into(),
    }
}

fn width(step: &Step, word_bits: u32) -> u32 {
    match &step.op {
        RingOp::IsNegative { bits, .. }
        | RingOp::IsZero { bits, .. }
        | RingOp::FloorShift { bits, .. }
        | RingOp::DivideFloor { bits, .. }
        | RingOp::Largest { bits, .. } => *bits,
        RingOp::Multiply { bits, .. } | RingOp::MatrixMultiply { bits, .. } => bits[0].max(bits[1]),
        RingOp::Divide { bits, .. } => bits[0].max(bits[1]).max(bits[2]),
        _ if step.kind == Kind::Bits => 1,
        _ => word_bits,
    }
}
