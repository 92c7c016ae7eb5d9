//! The plan of a run: what both parties compute, step by step, as a function of the program, its release spec and the
//! sizes that alignment fixed.
//!
//! Lowering is deterministic and uses no floating point for anything that the steps depend on, so that both sides
//! derive the same plan; the first message of a run compares [`Plan::hash`] (`PLAN_MISMATCH`).

mod bounds;
mod build;
mod cost;
mod explain;
mod lower;
mod repeats;
pub(crate) mod schedule;
pub mod step;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tacit_protocol::contract::Profile;
use tacit_protocol::program::release::ReleaseSpec;
use tacit_protocol::program::types::Interval;
use tacit_protocol::program::{NodeId, TypedProgram};
use tacit_protocol::schema::Element;
use tacit_protocol::{Number, PartyId};

use crate::error::Result;
use crate::offline::{Counts, Ready};
use crate::two_party::Pace;

pub use cost::{Cost, PlanCost};
pub use explain::{Accuracy, Row};
pub use lower::MAX_STEPS;
pub use step::{Step, ValueId};

/// The version of the planner; the same contract gives the same plan under the same version.
pub const PLANNER_VERSION: u16 = 7;

/// A plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The width of the ring's words: 64, or 128 where ranges need it.
    pub word_bits: u32,
    /// The steps; each reads only values before it.
    pub steps: Vec<Step>,
    /// How far the values of each step may lie from what exact arithmetic on the plain values gives, in units of its
    /// words; none: without bound, because a comparison of inexact numbers decides them. For people: no part of
    /// [`Plan::hash`].
    pub errors: Vec<Option<f64>>,
    /// What steps are there for that no operation of the program asks for: the planner's own form of one. For people: no
    /// part of [`Plan::hash`].
    pub notes: BTreeMap<ValueId, &'static str>,
    /// The values that the run ends with: the range bit if there is one, then value and gate of each output.
    pub results: Vec<ValueId>,
    /// Whether the first result is the bit that says that every promised range held; if it is 0, nothing else is
    /// opened.
    pub checked: bool,
    /// The outputs, in the order of the release spec.
    pub outputs: Vec<PlannedOutput>,
    /// The values that stay with the parties as shares.
    pub kept: Vec<PlannedValue>,
    /// The row counts that the plan is for.
    pub sizes: BTreeMap<NodeId, u64>,
    /// What the choice of protocols goes by.
    pub pace: Pace,
    /// What was made before the run and may be taken.
    pub ready: Ready,
}

/// How one output leaves the computation.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedOutput {
    /// Its name.
    pub name: String,
    /// Who receives it.
    pub receivers: Vec<PartyId>,
    /// Its element.
    pub element: Element,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What the released integers are multiples of: the grid, or the element's lattice step.
    pub unit: Number,
    /// What they can be.
    pub range: Interval,
    /// How far they may lie from the plain evaluator's, in units; none: without bound, because a comparison of inexact
    /// numbers decides it.
    pub error: Option<f64>,
    /// Whether a minimum of rows guards it, so that a cell that is not released is "suppressed", never "undefined".
    pub gated: bool,
    /// Its place in [`Plan::results`].
    pub value: usize,
    /// The place of its gate bits; none where every cell is released for certain.
    pub gate: Option<usize>,
}

/// A value that stays with the parties as shares.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedValue {
    /// The node of the main block.
    pub node: NodeId,
    /// Its element.
    pub element: Element,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What its cells can be, in lattice steps; invalid ones too.
    pub range: Interval,
    /// How far they may lie from the plain evaluator's, in lattice steps; none: without bound.
    pub error: Option<f64>,
    /// Its place in [`Plan::results`].
    pub value: usize,
    /// The place of the bits that say which cells are valid; none: all.
    pub valid: Option<usize>,
}

impl PlannedOutput {
    /// How many cells it has.
    pub fn cells(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it is opened as bits.
    pub fn is_bits(&self) -> bool {
        self.element == Element::Bool
    }
}

impl Plan {
    /// Lowers a program and its release for these row counts of each load and join.
    ///
    /// With the upper bounds of [`TypedProgram::row_bounds`] it is the estimate that a proposal is judged by; with the
    /// sizes that alignment gave, what runs.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] with the node: `PROGRAM_RANGE` when a width does not fit the engine's words,
    /// `PROGRAM_COST` when there are too many steps or cells, `PROGRAM_ALIGNMENT` for joins that this engine lacks,
    /// `RELEASE_SPEC` when the spec does not fit the program.
    pub fn lower(typed: &TypedProgram, spec: &ReleaseSpec, sizes: &BTreeMap<NodeId, u64>) -> Result<Self> {
        lower::lower(typed, spec, sizes, &[])
    }

    /// The same, where the values of some nodes of the main block stay with the parties as shares.
    ///
    /// # Errors
    /// As [`Plan::lower`].
    pub fn lower_keeping(
        typed: &TypedProgram,
        spec: &ReleaseSpec,
        sizes: &BTreeMap<NodeId, u64>,
        kept: &[NodeId],
    ) -> Result<Self> {
        lower::lower(typed, spec, sizes, kept)
    }

    /// The plan between parties of such profiles.
    #[must_use]
    pub fn between(self, profiles: &[Profile]) -> Self {
        Self { pace: Pace::of(profiles), ..self }
    }

    /// The plan where so much was made before the run.
    #[must_use]
    pub fn with_ready(self, ready: Ready) -> Self {
        Self { ready, ..self }
    }

    /// What it would take of what was made before the run, if there were enough of everything.
    ///
    /// # Errors
    /// As [`Plan::costs`].
    pub fn wants(&self) -> Result<Counts> {
        Ok(self.clone().with_ready(Ready::Unlimited).schedule()?.takes())
    }

    /// What both parties compare before they compute.
    pub fn hash(&self) -> [u8; 32] {
        let config = bincode::config::standard().with_fixed_int_encoding();
        let mut hash = Sha256::new();
        hash.update(b"tacit/plan/1");
        hash.update(PLANNER_VERSION.to_le_bytes());
        let sizes: Vec<(NodeId, u64)> = self.sizes.iter().map(|(node, rows)| (*node, *rows)).collect();
        let outputs: Vec<_> = self
            .outputs
            .iter()
            .map(|output| {
                let shape = (&output.name, &output.receivers, &output.element, &output.shape);
                let opening = (output.unit, output.range.lo, output.range.hi, output.gated, output.value, output.gate);
                (shape, opening)
            })
            .collect();
        let ready = match &self.ready {
            Ready::Counted(counts) => Some(counts.iter().map(|(kind, count)| (kind.name(), count)).collect::<Vec<_>>()),
            Ready::Unlimited => None,
        };
        let terms = (sizes, self.pace.profile(), ready);
        let whole = (self.word_bits, &self.steps, &self.results, self.checked, outputs, terms);
        let bytes = bincode::encode_to_vec(whole, config).expect("encoding to memory does not fail");
        hash.update(bytes);
        if !self.kept.is_empty() {
            let kept = self.kept.iter().map(|kept| {
                let part = (&kept.element, &kept.shape, kept.range.lo, kept.range.hi);
                (kept.node, part, kept.value, kept.valid)
            });
            let bytes = bincode::encode_to_vec(kept.collect::<Vec<_>>(), config);
            hash.update(bytes.expect("encoding to memory does not fail"));
        }
        hash.finalize().into()
    }

    /// How far an output's integers may lie from the plain evaluator's, in its units; none: without bound.
    pub fn error_bound(&self, output: usize) -> Option<f64> {
        self.outputs.get(output)?.error
    }
}
