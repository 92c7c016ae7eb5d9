//! What a plan costs: the engine's own counts of bytes and rounds, step by step, the same on both sides.

use serde::{Deserialize, Serialize};
use tacit_protocol::contract::Profile;

use super::Plan;
use crate::error::Result;
use crate::lattice::{self, KeySizes};
use crate::offline::Counts;
use crate::ot;
use crate::two_party::{Pace, cost};

/// The cost of a step, of the transfers or of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Payload bytes in both directions together.
    pub bytes: u64,
    /// Exchanges one after the other.
    pub rounds: u64,
    /// Correlated transfers that are used, in both directions.
    pub transfers: u64,
    /// Batches of products by encryption.
    pub batches: u64,
}

impl Cost {
    /// One after the other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            rounds: self.rounds.saturating_add(other.rounds),
            transfers: self.transfers.saturating_add(other.transfers),
            batches: self.batches.saturating_add(other.batches),
        }
    }

    /// Microseconds that it takes between parties of such profiles ([`Pace::nanoseconds`]). An estimate in whole numbers, so
    /// that both parties have the same.
    pub fn microseconds(&self, profiles: &[Profile]) -> u64 {
        let Self { bytes, rounds, transfers, batches } = *self;
        let cost = cost::Cost { sent: [bytes, 0], rounds, offered: [transfers, 0], batches, ..cost::Cost::default() };
        Pace::of(profiles).nanoseconds(&cost) / 1000
    }
}

impl From<cost::Cost> for Cost {
    fn from(counted: cost::Cost) -> Self {
        Self {
            bytes: counted.bytes(),
            rounds: counted.rounds,
            transfers: counted.transfers(),
            batches: counted.batches,
        }
    }
}

impl From<ot::cost::Cost> for Cost {
    fn from(counted: ot::cost::Cost) -> Self {
        Self { bytes: counted.bytes(), rounds: counted.rounds, ..Self::default() }
    }
}

/// What a plan costs, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanCost {
    /// The steps, in order; exchanges that steps share count for the first of the longest.
    pub steps: Vec<Cost>,
    /// Setting up the transfers, and making more of them on the way.
    pub transfers: Cost,
    /// The exchange of keys for products by encryption.
    pub keys: Cost,
    /// The opening, the range check included.
    pub opening: Cost,
    /// How many transfers each party offers.
    pub expected: ot::Expected,
    /// The keys that each party needs.
    pub key_sizes: KeySizes,
    /// What it takes of what was made before the run.
    pub takes: Counts,
}

impl PlanCost {
    /// The whole plan.
    pub fn total(&self) -> Cost {
        self.steps.iter().copied().fold(self.transfers.plus(self.keys).plus(self.opening), Cost::plus)
    }
}

impl Plan {
    /// What it costs, part by part. Takes about the time of a run's bookkeeping.
    ///
    /// # Errors
    /// None that a plan from [`Plan::lower`] has.
    pub fn costs(&self) -> Result<PlanCost> {
        let schedule = self.schedule()?;
        let rounds = schedule.rounds();
        let steps = schedule.costs.iter().zip(rounds).map(|(cost, rounds)| Cost { rounds, ..Cost::from(*cost) });
        let total = schedule.total();
        let (offered, key_sizes) = (total.offered, KeySizes(total.key_sizes));
        let expected = ot::Expected { offered };
        let set_up = Cost::from(ot::cost::set_up(expected));
        let transfers = set_up.plus(ot::cost::transfers(expected, offered).into());
        let sent = lattice::cost::keys(key_sizes);
        let keys = Cost { bytes: sent[0] + sent[1], rounds: u64::from(sent != [0; 2]), ..Cost::default() };
        let (steps, takes) = (steps.collect(), schedule.takes());
        Ok(PlanCost { steps, transfers, keys, opening: self.opening_cost(), expected, key_sizes, takes })
    }

    /// The cost of the whole plan, transfers and opening included.
    ///
    /// # Errors
    /// As [`Plan::costs`].
    pub fn cost(&self) -> Result<Cost> {
        Ok(self.costs()?.total())
    }

    /// How many transfers each party offers: what [`ot::Silent`] is set up for.
    ///
    /// # Errors
    /// As [`Plan::costs`].
    pub fn expected(&self) -> Result<ot::Expected> {
        Ok(self.costs()?.expected)
    }

    /// The keys that each party needs: what [`lattice::Lattice`] is set up for.
    ///
    /// # Errors
    /// As [`Plan::costs`].
    pub fn key_sizes(&self) -> Result<KeySizes> {
        Ok(self.costs()?.key_sizes)
    }

    /// What leaves at the opening.
    fn opening_cost(&self) -> Cost {
        let check = if self.checked { Cost { bytes: 2, rounds: 1, ..Cost::default() } } else { Cost::default() };
        let bits = |cells: u64| cells.div_ceil(64) * 8;
        let outputs = self.outputs.iter().map(|output| {
            let cells = output.cells() as u64;
            let value = if output.is_bits() { bits(cells) } else { cells * u64::from(self.word_bits / 8) };
            let gate = if output.gate.is_some() { bits(cells) } else { 0 };
            (value + gate) * output.receivers.len() as u64
        });
        let rounds = u64::from(self.outputs.iter().any(|output| !output.receivers.is_empty()));
        check.plus(Cost { bytes: outputs.sum(), rounds, ..Cost::default() })
    }
}
