//! What a plan costs: the engine's own counts of bytes and rounds, step by step, the same on both sides.

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::error::Result;
use crate::executor;
use crate::params::SOFTSPOKEN_FIELD_BITS;
use crate::two_party::cost;

/// The cost of a step or of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes in both directions together, those of making the random transfers included.
    pub bytes: u64,
    /// Rounds, those of making random transfers not included: they are made in blocks.
    pub rounds: u64,
    /// Random transfers in both directions.
    pub transfers: u64,
}

impl Cost {
    /// One after the other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            rounds: self.rounds.saturating_add(other.rounds),
            transfers: self.transfers.saturating_add(other.transfers),
        }
    }
}

impl From<cost::Cost> for Cost {
    fn from(counted: cost::Cost) -> Self {
        let transfers = counted.transfers();
        // The extension sends `128 / k` bits a transfer.
        let bytes = counted.bytes().saturating_add(transfers.saturating_mul(16 / SOFTSPOKEN_FIELD_BITS as u64));
        Self { bytes, rounds: counted.rounds, transfers }
    }
}

impl Plan {
    /// The cost of each step, in order. Takes the memory of a run, and about the time of its local part.
    ///
    /// # Errors
    /// None that a plan from [`Plan::lower`] has.
    pub fn costs(&self) -> Result<Vec<Cost>> {
        let counted = match self.word_bits {
            64 => executor::costs::<u64>(self)?,
            _ => executor::costs::<u128>(self)?,
        };
        Ok(counted.into_iter().map(Cost::from).collect())
    }

    /// The cost of the whole plan, the opening included.
    ///
    /// # Errors
    /// As [`Plan::costs`].
    pub fn cost(&self) -> Result<Cost> {
        Ok(self.costs()?.into_iter().fold(Cost::default(), Cost::plus).plus(self.opening_cost()))
    }

    /// What leaves at the opening.
    fn opening_cost(&self) -> Cost {
        let check = if self.checked { Cost { bytes: 2, rounds: 1, transfers: 0 } } else { Cost::default() };
        let bits = |cells: u64| cells.div_ceil(64) * 8;
        let outputs = self.outputs.iter().map(|output| {
            let cells = output.cells() as u64;
            let value = if output.is_bits() { bits(cells) } else { cells * u64::from(self.word_bits / 8) };
            let gate = if output.gate.is_some() { bits(cells) } else { 0 };
            (value + gate) * output.receivers.len() as u64
        });
        check.plus(Cost { bytes: outputs.sum(), rounds: 1, transfers: 0 })
    }
}
