//! What earlier jobs told a coalition about a dataset, in a form that later programs can be judged with (CHK-213).
//!
//! *Source*: the security note, §3.4 and §3.5. An owner keeps one [`PastJob`] for each job and receiver of its dataset's
//! lineage, and says those of the policy's window with its rules, so that all parties derive the same verdict and gates.
//! *Security*: an owner reads its own history only. What a peer says about its own dataset can make rules stricter, never
//! less strict. Everything is bounded: [`limits`], which is asked of what is said and of what is read.
//! *Shapes and units*: expressions are named by digests that do not depend on where they stand in a program.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::hex_bytes;
use crate::{Number, PartyId};

/// The most that is kept and said of a history. A program that would be judged with more is refused.
pub mod limits {
    /// Jobs of one dataset's history that differ in what they told.
    pub const JOBS: usize = 64;
    /// Parts of the conditions of one job.
    pub const CONDITIONS: usize = 1_024;
    /// Sums of one job.
    pub const SUMS: usize = 256;
    /// Bytes of one dataset's history in an answer, encoded.
    pub const BYTES: usize = 48 * 1024;
}

hex_bytes! {
    /// The name of an expression over the columns of a row, or of a table.
    ExpressionDigest, 16
}

/// A column of a dataset, as programs name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastColumn {
    /// The dataset.
    pub dataset: String,
    /// The column.
    pub column: String,
}

/// What one job told parties about a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastJob {
    /// Those who received it, as places among the parties of the job that is judged.
    pub receivers: BTreeSet<PartyId>,
    /// Whether the dataset is still the version that it was told about.
    pub current: bool,
    /// The conditions that its sums are taken under, and their parts, parts first.
    pub conditions: Vec<PastCondition>,
    /// The sums and counts that were released, or that released values were computed from.
    pub sums: Vec<PastSum>,
    /// The loops whose values were released.
    pub models: BTreeSet<ExpressionDigest>,
}

/// Which rows a sum is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PastCondition {
    /// All rows.
    All,
    /// No row.
    None,
    /// Those where a value is less than a number of its steps.
    Below {
        /// The value.
        value: ExpressionDigest,
        /// The steps, as a decimal number: they take more than 64 bits.
        at: String,
        /// What the value is computed from.
        of: BTreeSet<PastColumn>,
        /// Whether it has several cells a row.
        wide: bool,
    },
    /// Those where something holds of which no more is known.
    Holds {
        /// What.
        what: ExpressionDigest,
        /// What it is computed from.
        of: BTreeSet<PastColumn>,
        /// Whether it has several cells a row.
        wide: bool,
    },
    /// Those that a condition before leaves out.
    Not(u16),
    /// Those of two conditions before.
    And(u16, u16),
    /// Those of either of two conditions before.
    Or(u16, u16),
}

/// A sum or count over the rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastSum {
    /// The table.
    pub table: ExpressionDigest,
    /// The datasets that its rows come from.
    pub datasets: BTreeSet<String>,
    /// What is added up.
    pub terms: Vec<PastTerm>,
    /// How many values it has; more than one: one for each cell of a row.
    pub cells: u64,
    /// The comparisons of it that were released instead of it.
    pub thresholds: BTreeSet<ExpressionDigest>,
}

/// A function of a row, added up where a condition holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastTerm {
    /// The place of the condition in [`PastJob::conditions`].
    pub condition: u16,
    /// The function; zeros: the constant 1.
    pub function: ExpressionDigest,
    /// What it is computed from.
    pub of: BTreeSet<PastColumn>,
    /// What it is multiplied with.
    pub coefficient: Number,
}

impl PastJob {
    /// Whether it tells nothing that later jobs are judged with.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty() && self.models.is_empty()
    }
}

/// A history as an owner says it: what was told more than once is there once, and no more than may be said. `None` where
/// there is more.
pub fn said(jobs: Vec<PastJob>) -> Option<Vec<PastJob>> {
    let jobs: BTreeSet<PastJob> = jobs.into_iter().filter(|job| !job.is_empty()).collect();
    let jobs: Vec<PastJob> = jobs.into_iter().collect();
    is_sayable(&jobs).then_some(jobs)
}

/// Whether a history is no more than an owner may say. One that a peer says is held to it before it is read.
pub fn is_sayable(jobs: &[PastJob]) -> bool {
    let small = |job: &PastJob| job.conditions.len() <= limits::CONDITIONS && job.sums.len() <= limits::SUMS;
    let bytes = || bincode::encode_to_vec(jobs, bincode::config::standard()).map_or(usize::MAX, |bytes| bytes.len());
    jobs.len() <= limits::JOBS && jobs.iter().all(small) && bytes() <= limits::BYTES
}
