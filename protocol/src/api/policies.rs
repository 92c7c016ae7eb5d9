//! Policies, their versions, and what was learned under them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::policy::Priority;
pub use crate::policy::dry_run::{BindingClause, CheckedClause, PolicyCheck, PolicyCheckRequest};

/// One policy that a dataset had, signed by its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyVersion {
    /// The dataset.
    pub dataset: String,
    /// The version, counted from 1.
    pub version: u64,
    /// When it came into force.
    pub at: u64,
    /// The digest of its meaning, which the terms of jobs name.
    pub digest: String,
    /// The digest that was signed of the version before; zeros for the first.
    pub before: String,
    /// The file.
    pub text: String,
    /// The policy in one paragraph.
    pub summary: String,
    /// The PeerId of the node that signed it.
    pub signer: String,
    /// The signature.
    pub signature: String,
    /// Whether the signature is good and the version follows the one before.
    pub signed: bool,
    /// Jobs of this node that ran under it.
    pub jobs: u64,
}

/// Another policy for a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    /// The policy, as TOML.
    pub policy: String,
    /// Whether the operator has seen which clauses allow more than before. Needed where there are any.
    #[serde(default)]
    pub confirm_loosened: bool,
}

/// What another policy would change, by clauses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyDiff {
    /// The dataset.
    pub dataset: String,
    /// The clauses that allow something that is not allowed now.
    pub loosened: Vec<String>,
    /// The clauses that allow less than now.
    pub tightened: Vec<String>,
}

/// What organisations have learned from a dataset so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetLearned {
    /// The dataset.
    pub dataset: String,
    /// One entry for each organisation that asked or received.
    pub organisations: Vec<OrganisationLearned>,
}

/// What one organisation has learned from a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrganisationLearned {
    /// The organisation.
    pub organisation: String,
    /// Its jobs of which something was released, newest first.
    pub jobs: Vec<LearnedJob>,
    /// What it asked and was refused, newest first.
    pub refused: Vec<RefusedJob>,
    /// Its jobs that ended without releasing anything, and those that are under way.
    pub others: u64,
}

/// A job that told an organisation something of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LearnedJob {
    /// The job.
    pub id: String,
    /// When its release began.
    pub at: u64,
    /// What it was for.
    pub purpose: String,
    /// Who asked.
    pub analyst: String,
    /// The version of the dataset.
    pub version: u64,
    /// The digest of the policy that it ran under.
    pub policy: String,
    /// The version of that policy, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
    /// Its outputs.
    pub outputs: Vec<LearnedOutput>,
    /// What the organisation learned, as sentences.
    pub facts: Vec<String>,
}

/// An output that an organisation received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LearnedOutput {
    /// The output.
    pub output: String,
    /// Who received it.
    pub receivers: Vec<String>,
    /// Rows that stood behind each of its values at least; 0: no minimum was demanded.
    pub minimum_rows: u64,
    /// Its values are multiples of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
}

/// A job that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedJob {
    /// The job.
    pub id: String,
    /// When.
    pub at: u64,
    /// The code.
    pub code: String,
    /// The clause or rule, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// What it was for.
    pub purpose: String,
}

/// For how much an approval is to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// How many runs with the same terms it is for, this one included; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<u32>,
    /// The last moment at which another run may begin, unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// An approval of terms for more than one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalInfo {
    /// Its id: the start of the digest of what it approves.
    pub id: String,
    /// `valid`, `used`, `expired` or `revoked`.
    pub state: String,
    /// The organisation that may run it.
    pub organisation: String,
    /// The digest of the code.
    pub code: String,
    /// The datasets with their versions.
    pub datasets: Vec<String>,
    /// Who receives outputs.
    pub receivers: Vec<String>,
    /// The purpose.
    pub purpose: String,
    /// Runs that are left.
    pub runs_left: u32,
    /// Runs that it was for.
    pub runs: u32,
    /// Until when another run may begin; absent: without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// When it was given.
    pub given: u64,
    /// The job that the operator looked at.
    pub job: String,
}

/// How a program is to be submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitOptions {
    /// Whether it is to run again where the same question has a stored answer.
    #[serde(default)]
    pub again: bool,
    /// Which of the jobs that wait goes first.
    pub priority: Priority,
}

impl Default for SubmitOptions {
    fn default() -> Self {
        Self { again: false, priority: Priority::Normal }
    }
}

/// Where a job stands among those that wait for their turn at this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueuePlace {
    /// Its place, from 1.
    pub place: u32,
    /// How many wait for the same datasets.
    pub of: u32,
    /// `low`, `normal` or `high`, as far as the policy lets it.
    pub priority: String,
}
