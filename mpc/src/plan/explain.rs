//! The plan as an operator reads it before the run.

use serde::{Deserialize, Serialize};
use tacit_protocol::Number;
use tacit_protocol::program::types::Interval;

use super::step::{Kind, RingOp};
use super::{Cost, Plan, Step, ValueId};
use crate::error::Result;
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
    /// Payload bytes in both directions together.
    pub bytes: u64,
    /// Exchanges that it adds: those that steps share count for one of them.
    pub rounds: u64,
    /// Correlated transfers that it uses, in both directions.
    pub transfers: u64,
    /// Batches of products by encryption that it takes.
    #[serde(default)]
    pub batches: u64,
    /// How far its values may lie from what exact arithmetic on the plain values gives, in units of its words: for a
    /// value of the program, its lattice step or the release's grid. None: without bound, because a comparison of
    /// inexact numbers decides them.
    pub error: Option<f64>,
}

impl Row {
    /// What it costs; [`Cost::microseconds`] tells the time between parties of given profiles.
    pub fn cost(&self) -> Cost {
        Cost { bytes: self.bytes, rounds: self.rounds, transfers: self.transfers, batches: self.batches }
    }
}

/// How exact an output is, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// The output.
    pub output: String,
    /// What its values are multiples of.
    pub unit: Number,
    /// How many units they may lie from the plain result; none: without bound.
    pub error: Option<f64>,
}

impl Plan {
    /// One row a step, in order, then one for the making of the transfers, one for keys where there are any, and one for
    /// the opening: their sums are what the channel counts from the set-up on.
    ///
    /// # Errors
    /// As [`Plan::costs`].
    pub fn explain(&self) -> Result<Vec<Row>> {
        let costs = self.costs()?;
        let steps = self.steps.iter().zip(&self.errors).zip(costs.steps);
        let rows = steps.enumerate().map(|(place, ((step, error), cost))| Row {
            step: u32::try_from(place).unwrap_or(u32::MAX),
            what: match self.notes.get(&ValueId(u32::try_from(place).unwrap_or(u32::MAX))) {
                Some(note) => format!("{} ({note})", what(step)),
                None => what(step),
            },
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
            transfers: cost.transfers,
            batches: cost.batches,
            error: *error,
        });
        let outputs = self.outputs.iter().map(|output| output.cells() as u64).sum();
        let keys = (costs.keys != Cost::default()).then_some(("keys", 0, costs.keys));
        let extra =
            [("transfers", 0, costs.transfers)].into_iter().chain(keys).chain([("opening", outputs, costs.opening)]);
        let extra = extra.enumerate().map(|(place, (what, cells, cost))| Row {
            step: u32::try_from(self.steps.len() + place).unwrap_or(u32::MAX),
            what: what.into(),
            node: None,
            cells,
            placement: "shared".into(),
            bits: self.word_bits,
            bytes: cost.bytes,
            rounds: cost.rounds,
            transfers: 0,
            batches: 0,
            // None of them changes a value.
            error: Some(0.0),
        });
        Ok(rows.chain(extra).collect())
    }

    /// The accuracy of each output.
    pub fn accuracy(&self) -> Vec<Accuracy> {
        let outputs = self.outputs.iter();
        outputs.map(|output| Accuracy { output: output.name.clone(), unit: output.unit, error: output.error }).collect()
    }
}

fn what(step: &Step) -> String {
    match &step.op {
        RingOp::Column { source, column, part } => match part {
            super::step::ColumnPart::Data => format!("column {column} of {source}"),
            super::step::ColumnPart::Valid => format!("nulls of column {column} of {source}"),
        },
        RingOp::Input { source, part } => match part {
            super::step::InputPart::Data => format!("input {source}"),
            super::step::InputPart::Valid => format!("which cells of input {source} are valid"),
            super::step::InputPart::Share(party) => format!("share of {party} of input {source}"),
            super::step::InputPart::ShareLow(party) => format!("low shares of {party} of input {source}"),
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
        | RingOp::Sort { bits, .. }
        | RingOp::Largest { bits, .. } => *bits,
        RingOp::Multiply { bits, .. } | RingOp::MatrixMultiply { bits, .. } => bits[0].max(bits[1]),
        RingOp::Divide { bits, .. } | RingOp::FloorQuotient { bits, .. } => bits[0].max(bits[1]).max(bits[2]),
        RingOp::Function { of, .. } | RingOp::Power { of, .. } => {
            let [lo, hi] = of.range;
            Interval { lo, hi }.bits()
        }
        _ if step.kind == Kind::Bits => 1,
        _ => word_bits,
    }
}
