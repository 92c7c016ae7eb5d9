//! The types of a node's HTTP API, shared by the node, the command line and the SDKs.
//!
//! Times are unix seconds. Lists are complete; what is absent is left out. Every error answer is a [`Failure`] with
//! an HTTP status of its class.

mod formats;
mod health;
pub mod policies;
mod tokens;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Failure;
use crate::program::Program;
use crate::schema::ColumnSchema;

pub use formats::ResultFormat;
pub use health::{LogLevels, NotReady, Readiness};
pub use tokens::{IssuedToken, RotateRequest, Rotation, TokenInfo, TokenRequest, TokenRole, WhoAmI};

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// The organisation's name.
    pub name: String,
    /// The node's PeerId.
    pub peer_id: String,
    /// The software version.
    pub version: String,
    /// Where it listens for peers, as multiaddresses.
    pub addresses: Vec<String>,
    /// Where it listens for the data plane, `host:port`.
    pub data_address: String,
    /// How many jobs are neither finished nor failed.
    pub jobs_running: u64,
    /// Peers that are connected now.
    pub peers_connected: u64,
    /// Whether it is about to stop and takes no new jobs.
    #[serde(default)]
    pub draining: bool,
    /// How many jobs are under way between contract and release: a graceful stop waits for them.
    #[serde(default)]
    pub jobs_to_drain: u64,
    /// How long it waits at most, once it drains.
    #[serde(default)]
    pub drain_seconds_left: Option<u64>,
    /// Where peers are told to reach this node, as multiaddresses; those over relays come last.
    #[serde(default)]
    pub announced: Vec<String>,
    /// From where its packets come, as its peers see it. Another address than it listens on: it is behind a gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_at: Vec<String>,
}

/// What an invitation is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// How long it holds, at most seven days; default one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_seconds: Option<u64>,
    /// Whether whoever redeems it is paired at once. Otherwise the operator confirms name and words first.
    #[serde(default)]
    pub auto_confirm: bool,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// The ticket, to be handed to one organisation over a private way.
    pub ticket: String,
    /// When it ends.
    pub expires: u64,
}

/// A text to draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QrRequest {
    /// The text.
    pub text: String,
}

/// A QR code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QrCode {
    /// Its rows, a digit a module: 1 is dark. The quiet zone around it is not part of it.
    pub rows: Vec<String>,
}

/// A ticket to redeem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// The ticket.
    pub ticket: String,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its organisation's name.
    pub name: String,
    /// Its PeerId.
    pub peer_id: String,
    /// `invited`, `pending`, `paired` or `revoked`; `renewing`: it was paired, and its operator has to confirm this node's
    /// new key.
    pub state: String,
    /// Whether it is connected now.
    pub connected: bool,
    /// The fingerprint of both keys as words, to compare by voice.
    pub words: String,
    /// The PeerId of a paired organisation whose key this one follows, once it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The versions of the messages that it speaks, as it last greeted.
    #[serde(default)]
    pub versions: Option<String>,
    /// Its software, as it last greeted.
    #[serde(default)]
    pub build: Option<String>,
    /// Which of both nodes lags behind the other, if one does.
    #[serde(default)]
    pub lag: Option<String>,
    /// Why there is no session with it, with what to do, if a greeting was refused.
    #[serde(default)]
    pub problem: Option<crate::Failure>,
    /// How it is reached, while it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PeerPath>,
    /// Where it can be dialled, as multiaddresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// A line of a test: what was looked at, and the fix where it is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// `pass`, `warn` or `fail`.
    pub verdict: String,
    /// What was found, and for a warning or failure how to mend it.
    pub text: String,
}

/// How a backup is to be sealed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// By this passphrase, of 12 characters or more; the node's key file is in the backup then. Otherwise by the key
    /// file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// A passphrase is never shown.
impl std::fmt::Debug for BackupRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let passphrase = self.passphrase.as_ref().map(|_| "<redacted>");
        f.debug_struct("BackupRequest").field("passphrase", &passphrase).finish()
    }
}

/// How a peer is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerPath {
    /// `direct`, `hole-punched` (through gateways that let a reply in) or `relayed`.
    pub kind: String,
    /// The organisation of the relay, if it is relayed; its PeerId if it is not paired with this node any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// `tcp` or `quic`.
    pub transport: String,
    /// Since when, in Unix seconds.
    pub since: u64,
}

/// Another way to a peer than before, or none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerEvent {
    /// The peer's PeerId.
    pub peer: String,
    /// How it is reached; none: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PeerPath>,
}

/// A file to import, announced before its bytes are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The dataset's name.
    pub name: String,
    /// `csv` or `parquet`.
    pub format: String,
    /// The policy, as TOML.
    pub policy: String,
    /// The key column, whose values are unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Types and ranges that the owner declares instead of the inferred ones, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnOverride>,
    /// Values outside a declared range are moved to its end instead of refused.
    #[serde(default)]
    pub clamp: bool,
}

/// What the owner declares of one column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnOverride {
    /// `bool`, `int64`, `decimal(N)`, `float64`, `float64_high`, `date`, `category` or `key`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// The least value, as a decimal number or a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lo: Option<String>,
    /// The largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hi: Option<String>,
}

/// An announced import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportTicket {
    /// Where to send the bytes: `PUT /v1/imports/{id}/data`.
    pub id: String,
}

/// A dataset of this node or of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetInfo {
    /// The name that programs use: owner, slash, dataset.
    pub name: String,
    /// The owner's organisation.
    pub owner: String,
    /// The version, counted from 1.
    pub version: u64,
    /// How many rows.
    pub rows: u64,
    /// The key column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The columns.
    pub columns: Vec<ColumnSchema>,
    /// The policy in one paragraph.
    pub policy: String,
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// The program, as its JSON file has it: `version`, `nodes`, `blocks`, `outputs`.
    #[schema(value_type = Object)]
    pub program: Program,
    /// What the answer is for, as policies may demand.
    #[serde(default)]
    pub purpose: String,
    /// A word of the caller's own: the same word again gives the same job instead of a second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: String,
    /// The organisation that submitted it.
    pub proposer: String,
    /// When it came.
    pub created: u64,
    /// The outputs' names.
    pub outputs: Vec<String>,
    /// `JOB_REPEATED` where a submission was answered by this job, which had asked the same before (CHK-706).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
}

/// A job with all that this node may show of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// The summary.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// This node's part: `proposer` or `owner`.
    pub role: String,
    /// Who asks, as the proposer's node names its analyst.
    pub analyst: String,
    /// What the answer is for, in the analyst's words.
    pub purpose: String,
    /// The parties' organisations, in contract order.
    pub parties: Vec<String>,
    /// The digest of the code, which policies and receipts name.
    pub code: String,
    /// The datasets that it reads.
    pub datasets: Vec<JobDataset>,
    /// The program as text, a line a node.
    pub program: Vec<String>,
    /// The program's nodes, those of the main block first.
    pub graph: Vec<GraphNode>,
    /// How each output is released; empty until the rules of all owners are known.
    pub releases: Vec<OutputRelease>,
    /// What this node's policies say of it, clause by clause, while it waits for this node's operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<ClauseVerdict>,
    /// What each party would learn.
    pub learned: Vec<Learned>,
    /// The plan, a row a step. Before alignment its sizes are upper bounds.
    pub plan: Vec<PlanRow>,
    /// Every state it went through.
    pub history: Vec<Transition>,
    /// Why it failed or was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The clauses that forbid it, if it was refused for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<RefusedClause>,
    /// Its place among the jobs that wait for their turn at this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<policies::QueuePlace>,
    /// The job that repeats this one after an interruption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<String>,
    /// What the run took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunFigures>,
    /// How far its run is, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RunProgress>,
}

/// A dataset that a job reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobDataset {
    /// The name that the program uses: owner, slash, dataset.
    pub name: String,
    /// The owner's organisation.
    pub owner: String,
    /// The version.
    pub version: u64,
    /// How many rows.
    pub rows: u64,
}

/// A node of a program, as one draws it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GraphNode {
    /// Its number in its block.
    pub id: u32,
    /// The block that it is in; none: the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<u32>,
    /// The operation, or the function that it applies, as program files name it: `load`, `greater`, `sum`.
    pub operation: String,
    /// What tells it from others of its kind: a dataset, a column, a key, the values of a constant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The name that the program gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The nodes of its block that it reads.
    pub inputs: Vec<u32>,
    /// The body that it repeats, of a loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<u32>,
}

/// How an output is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputRelease {
    /// The output.
    pub output: String,
    /// The node of the main block whose value it is.
    pub node: u32,
    /// The organisations that receive it.
    pub receivers: Vec<String>,
    /// Rows that must stand behind each of its values, else it is suppressed; 0: no minimum.
    pub minimum_rows: u64,
    /// Its values are multiples of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
}

/// What one clause of a policy says of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClauseVerdict {
    /// The dataset, as the program names it.
    pub dataset: String,
    /// The clause, as a path in the policy's file, or the rule.
    pub clause: String,
    /// What the job does.
    pub asked: String,
    /// What the clause says.
    pub says: String,
    /// What follows: `allows`, `asks` or `forbids`.
    pub verdict: String,
    /// The smallest change that would allow it, where it forbids.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub change: String,
}

/// A clause that forbids a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedClause {
    /// The code, `POLICY_*` or `DISCLOSURE_*`.
    pub code: String,
    /// The dataset, as the program names it.
    pub dataset: String,
    /// The clause, as a path in the policy's file, or the rule.
    pub clause: String,
    /// What the job does that it forbids.
    pub cause: String,
    /// The smallest change that would allow it.
    pub change: String,
}

/// How far a run is, as this node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunProgress {
    /// The phases that have begun, in order; the last one is under way.
    pub phases: Vec<Phase>,
    /// Steps of the plan that are done.
    pub steps_done: u64,
    /// Steps of the plan; 0 until it computes.
    pub steps: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
}

/// A job has entered a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobEvent {
    /// The job.
    pub job: String,
    /// The state.
    pub state: String,
    /// When.
    pub at: u64,
    /// The code of its failure, if it ended with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Something that a party learns from a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Learned {
    /// The organisation.
    pub party: String,
    /// What, as a sentence.
    pub what: String,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanRow {
    /// The operation.
    pub operation: String,
    /// How many cells its result has.
    pub cells: u64,
    /// Who knows the result: `public`, `private to ...` or `shared`.
    pub placement: String,
    /// The width of its values in bits.
    pub bits: u32,
    /// Bytes over the wire, both ways.
    pub bytes: u64,
    /// Rounds.
    pub rounds: u64,
    /// An estimate of its time, from the parties' profiles.
    pub seconds: f64,
    /// How far its values may lie from exact arithmetic, in units of the value's own lattice step or of the release's
    /// grid; none: without bound, because a comparison of inexact numbers decides them.
    pub error: Option<f64>,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    /// The state entered.
    pub state: String,
    /// When.
    pub at: u64,
    /// Why, where there is more to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What a run took, as this node saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunFigures {
    /// Rows of this node's tables.
    pub rows: u64,
    /// Rows in both tables, where the alignment reveals it.
    pub overlap: Option<u64>,
    /// Seconds of each phase, in order.
    pub phases: Vec<Phase>,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Rounds.
    pub rounds: u64,
    /// What it took of what the two nodes had made in idle time: items of each kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub made_before: BTreeMap<String, u64>,
}

/// A phase of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

/// The answer of a job, for a receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobResult {
    /// The job.
    pub id: String,
    /// One entry an output that this node receives.
    pub outputs: Vec<OutputValue>,
}

/// One released output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputValue {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub element: String,
    /// Its shape; empty for a scalar.
    pub shape: Vec<u64>,
    /// The cells in row-major order.
    pub cells: Vec<CellValue>,
}

/// One cell of a released output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum CellValue {
    /// The value, exact on its grid, as a decimal number.
    Released {
        /// The number.
        value: String,
    },
    /// Fewer rows than a policy demands stand behind it.
    Suppressed,
    /// Nothing stands behind it: the mean of no rows, or a division by zero.
    Undefined,
}

/// Why an owner refuses a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefuseRequest {
    /// The reason, shown to the analyst.
    pub reason: String,
}

/// An entry of the node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its number.
    pub seq: u64,
    /// When.
    pub at: u64,
    /// What kind of event.
    pub kind: String,
    /// What happened.
    pub text: String,
    /// The digest of the entry, which the next one names.
    pub digest: String,
}

/// A whole log that was found whole: in sequence, chained, its head signed by the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogCheck {
    /// How many entries it has.
    pub entries: u64,
    /// The digest of the last one.
    pub head: String,
    /// The PeerId of the node that signed the head.
    pub node: String,
    /// When it did so.
    pub exported: u64,
}

/// The privacy budgets of a node's datasets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetReport {
    /// How many entries the ledger has.
    pub entries: u64,
    /// The digest of the last one.
    pub head: String,
    /// Why nothing is released under a budget until the operator has confirmed the ledger, if that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// The accuracy of the counts that are told as remaining work, in 95 of 100 cases.
    pub within: f64,
    /// One entry a dataset with noise and organisation.
    pub accounts: Vec<BudgetAccount>,
}

/// What one organisation may learn of a person of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetAccount {
    /// The dataset.
    pub dataset: String,
    /// The organisation.
    pub organisation: String,
    /// The most that it may ever learn, as the policy says.
    pub epsilon: f64,
    /// The delta of that.
    pub delta: f64,
    /// What operators have added, as rho.
    pub granted_rho: f64,
    /// What is put aside for jobs.
    pub reserved_rho: f64,
    /// What is spent.
    pub spent_rho: f64,
    /// The same as epsilon at that delta: what it has learned so far, at most.
    pub spent_epsilon: f64,
    /// What is left.
    pub left_rho: f64,
    /// What is left as work: about so many counts.
    pub counts: u64,
}

/// A change of a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// The dataset.
    pub dataset: String,
    /// The organisation.
    pub organisation: String,
    /// How much more it may learn, as epsilon at the policy's delta.
    pub epsilon: f64,
    /// Why.
    pub reason: String,
}

/// That the ledger goes on, though it may lack entries: all that was left counts as spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBudgetRequest {
    /// Why it lacks them.
    pub reason: String,
}

/// An entry of the budget ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetEntry {
    /// Its number.
    pub seq: u64,
    /// When.
    pub at: u64,
    /// `reserved`, `spent`, `released`, `granted`, `closed` or `confirmed`.
    pub kind: String,
    /// The job, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The dataset.
    pub dataset: String,
    /// The organisation.
    pub organisation: String,
    /// How much.
    pub rho: f64,
    /// The operator's reason, where one was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The digest of the entry, which the next one names.
    pub digest: String,
}

/// One value of the configuration that the node runs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// The key in `node.toml`, with its section.
    pub key: String,
    /// The value.
    pub value: String,
    /// Whether nothing sets it.
    pub default: bool,
    /// What sets it: `default`, `file`, `environment` or `flag`. A flag goes before the environment, and that before
    /// the file.
    pub origin: String,
    /// Where: the file with its line, the environment variable, or the flag; empty for a default.
    pub place: String,
}
