//! The release spec: who receives what, behind which gates, on which grid. It is derived from a program and the
//! policies of its datasets by every owner for itself, and hashed beside the program.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::privacy::{Rho, Sigma};
use crate::program::NodeId;
use crate::{Number, PartyId};

/// How every output of a program is released.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseSpec {
    /// One entry an output, in the program's order.
    pub outputs: Vec<ReleasedOutput>,
    /// For each join that reveals its alignment, the rows that must match before the program runs (CHK-505).
    pub minimum_overlap: Vec<MinimumOverlap>,
}

/// How one output is released.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasedOutput {
    /// Its name.
    pub name: String,
    /// The node of the main block.
    pub value: NodeId,
    /// Who receives it.
    pub receivers: Vec<PartyId>,
    /// All must hold, else the receiver gets "suppressed" and nothing else. Evaluated inside the computation.
    pub gates: Vec<Gate>,
    /// The value is rounded to the nearest multiple of this before it is opened (ties up); none: the element's step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Number>,
    /// The noise that is added after that (rule R14): at most one draw a party.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise: Vec<Noise>,
    /// The sums in it that two rows must not make up (rule R10); all must hold, as the gates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dominance: Vec<Dominance>,
}

/// A condition on the parts of a secret sum: what remains without the two largest is at least so many percent of the largest.
/// Parts count by their magnitude. It holds for each cell of the sum on its own, and broadcasts to the output's shape; where
/// it does not, for all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dominance {
    /// The sum or mean: a reduction of the main block.
    pub of: NodeId,
    /// How many percent, at least 1.
    pub percent: u32,
}

/// The noise that one owner adds to its share of an output, for each cell anew, before it sends the share to others.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Who draws it.
    pub party: PartyId,
    /// The deviation of the discrete Gaussian, in units of the released integers.
    pub sigma: Sigma,
    /// What the release costs each of the owner's datasets, towards every receiver but the owner.
    pub charges: Vec<Charge>,
}

/// What an output costs a dataset's privacy budget.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// The dataset, as the program names it.
    pub dataset: String,
    /// The cost.
    pub rho: Rho,
}

/// A condition on a secret count of rows.
///
/// The count runs over axis 0 of the support's literals, whose size is the row count of `rows_of`. Where literals
/// have more axes, the gate holds for each of the remaining cells on its own, and broadcasts to the output's shape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The table whose rows are counted.
    pub rows_of: NodeId,
    /// Which rows: those where any of the conjunctions holds. One empty conjunction: all rows.
    pub support: Vec<Vec<Literal>>,
    /// What the count must be.
    pub rule: GateRule,
}

/// An atom of a gate's support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// The bool node is true and valid there.
    True(NodeId),
    /// The bool node is not both true and valid there.
    False(NodeId),
    /// The cell of the node is valid there.
    Valid(NodeId),
    /// The cell of the node is not valid there.
    Invalid(NodeId),
}

/// What a gate demands of its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateRule {
    /// At least this many.
    AtLeast(u64),
    /// None, or at least this many.
    ZeroOrAtLeast(u64),
}

/// The least overlap of a join with revealed alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinimumOverlap {
    /// The join.
    pub join: NodeId,
    /// The least number of rows.
    pub rows: u64,
}
