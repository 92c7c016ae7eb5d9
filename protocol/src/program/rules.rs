//! The rules of a dataset's policy as the analyses need them: organisations resolved to parties, the rest as written.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::program::history::PastJob;
use crate::program::{Alignment, NodeId};
use crate::{Code, Number, PartyId};

/// What the policy of one dataset says about programs on it. Empty means deny.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetRules {
    /// Who may receive outputs that depend on it. The owner always may.
    pub receivers: BTreeSet<PartyId>,
    /// How its rows may be aligned with others'.
    pub alignments: BTreeSet<Alignment>,
    /// Persons behind each released value; 0 or 1: no minimum.
    pub minimum_rows: u64,
    /// Released values are multiples of this.
    pub grid: Option<Number>,
    /// Whether a receiver's own numbers may weight its rows (rule R6).
    pub weighted: bool,
    /// Whether rows may be picked by public position (rule R2), for tables whose order is public, such as time.
    pub positions: bool,
    /// How many subsets a receiver may choose by its own secret columns, in this job and those of `history` (rule R6).
    pub subset_masks: u32,
    /// Whether what is released has noise in place of a minimum of rows (rule R14).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noise: bool,
    /// How many comparisons of aggregates of the same columns with public numbers may be released, with those of `history`
    /// (rule R12).
    pub thresholds: u32,
    /// What remains of a released sum without its two largest parts is at least so many percent of the largest (rule R10);
    /// 0: no such demand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dominance: u32,
    /// Whether values may go round a loop that depend on its rows, as a model's weights do (rule R13).
    pub model: bool,
    /// The columns that may be used, and how.
    pub columns: BTreeMap<String, ColumnRules>,
    /// What earlier jobs told parties of this one about the dataset, within the policy's window (CHK-213). The owner
    /// says it with its rules, so that all parties judge the job together with the same history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastJob>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What the policy says about one column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRules {
    /// The allowed uses.
    pub uses: BTreeSet<ColumnUse>,
    /// Whether "all of them" and "none" are to be hidden when rows are filtered by it (rule R5).
    pub sensitive: bool,
}

/// A use of a column, by the operations its values flow into before they are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnUse {
    /// As a join key.
    Join,
    /// In comparisons, to filter and select rows.
    Filter,
    /// In element-wise arithmetic and matrix products.
    Arithmetic,
    /// In sums and matrix products.
    Sum,
    /// In means.
    Mean,
    /// In counts: of the rows that a filter on it leaves, or of its valid cells.
    Count,
    /// In minima, maxima and argmax.
    Order,
}

/// A reason why a program may not run, as its analyst and the owner see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code, `POLICY_*` or `DISCLOSURE_*`.
    pub code: Code,
    /// The owner whose rule it is.
    pub owner: PartyId,
    /// The dataset, as the program names it.
    pub dataset: String,
    /// The clause of the policy, as a path in its file (`release.minimum_rows`), or the rule (`R2`).
    pub clause: String,
    /// What the program does that it forbids, naming the node.
    pub cause: String,
    /// The smallest change that would allow it.
    pub change: String,
    /// The node of the main block at which it happens, where one can be named.
    pub node: Option<NodeId>,
}

impl Refusal {
    /// The same, at a node.
    #[must_use]
    pub fn at(self, node: NodeId) -> Self {
        Self { node: Some(node), ..self }
    }
}
