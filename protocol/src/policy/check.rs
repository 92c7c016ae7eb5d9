//! What a policy says to a proposal before its program is looked into. The program's own analysis (columns, receivers,
//! minimum rows) is in [`crate::program`].

use super::{Approval, Policy, alignment_name};
use crate::canonical::Digest;
use crate::program::disclosure::releases_model;
use crate::program::rules::Refusal;
use crate::program::{Alignment, TypedProgram};
use crate::terms::Venue;
use crate::{Code, PartyId};

/// What is asked of a dataset.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The dataset, as the program names it.
    pub dataset: &'a str,
    /// Its owner's place among the parties.
    pub owner: PartyId,
    /// The organisation that asks; none: the owner itself.
    pub querier: Option<&'a str>,
    /// The purpose that it states.
    pub purpose: &'a str,
    /// Where the job shall run.
    pub venue: Venue,
    /// How the program aligns the dataset's rows with others'.
    pub alignments: &'a [Alignment],
    /// The digest of the code.
    pub code: Digest,
    /// The time, Unix seconds.
    pub now: u64,
    /// Jobs of the querier on this dataset in the last 24 hours, without this one.
    pub jobs_today: u32,
    /// Jobs on this dataset that are not over, without this one.
    pub jobs_running: u32,
}

impl Query<'_> {
    pub(super) fn refusal(&self, code: &'static str, clause: &str, cause: String, change: String) -> Refusal {
        let (dataset, clause) = (self.dataset.to_owned(), clause.to_owned());
        Refusal { code: Code::new(code), owner: self.owner, dataset, clause, cause, change, node: None }
    }
}

impl Policy {
    /// Whether the owner's operator is asked before another's program runs that the policy allows.
    pub fn asks(&self, typed: &TypedProgram) -> bool {
        // R13: a fit of a model is for an operator to decide.
        self.query.approval == Approval::Ask || (self.release.model && releases_model(typed))
    }

    /// Whether an organisation may know that the dataset exists (CHK-205).
    pub fn is_visible_to(&self, organisation: &str, now: u64) -> bool {
        self.query.organisations.contains(organisation) && self.in_force(now)
    }

    /// Whether the policy is in force.
    pub fn in_force(&self, now: u64) -> bool {
        self.query.expires.is_none_or(|day| now < day.starts())
    }

    /// Everything in the policy that forbids a query, each with its clause and the smallest change that would allow it
    /// (CHK-204, CHK-210, CHK-211). Empty: it may go on to the analysis of its program.
    ///
    /// # Security
    /// A querier that may not see the dataset is to be told `DATASET_UNKNOWN` and nothing of this (CHK-205): ask
    /// [`Policy::is_visible_to`] first.
    pub fn check_query(&self, query: &Query<'_>) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let mut refuse = |code: &'static str, clause: &str, cause: String, change: String| {
            refusals.push(query.refusal(code, clause, cause, change));
        };
        let clause = &self.query;
        if let Some(querier) = query.querier {
            if !clause.organisations.contains(querier) {
                refuse(
                    "POLICY_QUERIER",
                    "query.organisations",
                    format!("{querier} may not query this dataset"),
                    format!("add {querier:?} to query.organisations"),
                );
            }
            if clause.purposes.as_ref().is_some_and(|purposes| !purposes.contains(query.purpose)) {
                let stated =
                    if query.purpose.is_empty() { "no purpose".into() } else { format!("{:?}", query.purpose) };
                let allowed: Vec<String> = clause.purposes.iter().flatten().map(|p| format!("{p:?}")).collect();
                refuse(
                    "POLICY_PURPOSE",
                    "query.purposes",
                    format!("the job states {stated}; allowed are: {}", allowed.join(", ")),
                    "state an allowed purpose, if it is the true one, or add the purpose to query.purposes".into(),
                );
            }
            if query.jobs_today >= clause.jobs_per_day {
                refuse(
                    "POLICY_RATE",
                    "query.jobs_per_day",
                    format!("{} jobs of {querier} ran in the last 24 hours", query.jobs_today),
                    format!("wait, or raise query.jobs_per_day above {}", clause.jobs_per_day),
                );
            }
        }
        if query.jobs_running >= clause.concurrent_jobs {
            refuse(
                "POLICY_RATE",
                "query.concurrent_jobs",
                format!("{} jobs use this dataset now", query.jobs_running),
                format!("wait until one ends, or raise query.concurrent_jobs above {}", clause.concurrent_jobs),
            );
        }
        if !clause.venues.contains(&query.venue) {
            refuse(
                "POLICY_VENUE",
                "query.venues",
                format!("the venue {} is not allowed", query.venue),
                format!("add \"{}\" to query.venues", query.venue),
            );
        }
        for alignment in query.alignments {
            if !clause.alignment.contains(alignment) {
                let name = alignment_name(*alignment);
                let other =
                    clause.alignment.first().map(|a| format!("join with {} alignment, or ", alignment_name(*a)));
                refuse(
                    "POLICY_ALIGNMENT",
                    "query.alignment",
                    format!("the program aligns rows with {name} alignment"),
                    format!("{}add \"{name}\" to query.alignment", other.unwrap_or_default()),
                );
            }
        }
        if !self.in_force(query.now) {
            let day = clause.expires.map(|day| day.to_string()).unwrap_or_default();
            refuse(
                "POLICY_EXPIRED",
                "query.expires",
                format!("the policy is not in force from {day} on"),
                "set query.expires to a later day".into(),
            );
        }
        if clause.programs.as_ref().is_some_and(|programs| !programs.contains(&query.code)) {
            refuse(
                "POLICY_PROGRAM",
                "query.programs",
                format!("the program {} is not one of the approved ones", query.code.short()),
                format!("add \"{}\" to query.programs", query.code),
            );
        }
        refusals
    }
}
