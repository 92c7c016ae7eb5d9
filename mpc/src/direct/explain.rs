//! What a run would take, before it is made.

use tacit_protocol::Number;

use crate::error::Result;
use crate::plan::{Cost, Plan, Row};

/// What computing and opening a value takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The width of the words: 64, or 128 where ranges need it.
    pub word_bits: u32,
    /// Payload bytes in both directions together, without setting up transfers and keys.
    pub bytes: u64,
    /// Exchanges one after the other.
    pub rounds: u64,
    /// Correlated transfers, in both directions.
    pub transfers: u64,
    /// Payload bytes of setting up transfers and keys, where the session has none yet.
    pub set_up_bytes: u64,
    /// What the value is a multiple of.
    pub unit: Number,
    /// How many units it may lie from the exact result on the encoded inputs; none: without bound, because a comparison of
    /// inexact numbers decides it.
    pub error: Option<f64>,
    /// The steps.
    pub rows: Vec<Row>,
}

impl Explanation {
    pub(super) fn of(plan: &Plan) -> Result<Self> {
        let costs = plan.costs()?;
        let running = costs.steps.iter().copied().fold(costs.opening, Cost::plus);
        let output = plan.outputs.first();
        Ok(Self {
            word_bits: plan.word_bits,
            bytes: running.bytes,
            rounds: running.rounds,
            transfers: running.transfers,
            set_up_bytes: costs.transfers.bytes + costs.keys.bytes,
            unit: output.map_or(Number::ZERO, |output| output.unit),
            error: output.and_then(|output| output.error),
            rows: plan.explain()?,
        })
    }
}
