//! Jobs as the API shows them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tacit_protocol::Failure;
use tacit_protocol::api::{JobDetail, JobResult, JobSummary, Learned, Phase, PlanRow, RunFigures, Transition};
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::{Code, PartyId};

use super::record::{JobRecord, Role, TAKEN};
use super::result::StoredResult;
use super::{Jobs, negotiate, run};
use crate::context::OutputKind;

impl Jobs {
    /// A job in a list.
    pub fn summary(&self, job: &JobRecord) -> JobSummary {
        let outputs = job.proposal.code.program().map(|program| &program.outputs);
        JobSummary {
            id: job.id.to_string(),
            state: job.state.to_string(),
            proposer: job.organisation(job.proposal.proposer),
            created: job.history.first().map_or(0, |entry| entry.at),
            outputs: outputs.into_iter().flatten().map(|output| output.name.clone()).collect(),
        }
    }

    /// A job with all that this node may show of it.
    pub fn detail(&self, job: &JobRecord) -> JobDetail {
        let parties = (0_u8..).take(job.proposal.parties.len()).map(PartyId);
        let (program, plan) = self.program_and_plan(job);
        JobDetail {
            summary: self.summary(job),
            parties: parties.map(|party| job.organisation(party)).collect(),
            program,
            learned: job
                .disclosures
                .iter()
                .flat_map(|learned| {
                    learned
                        .facts
                        .iter()
                        .map(|fact| Learned { party: job.organisation(learned.party), what: fact.to_string() })
                })
                .collect(),
            plan,
            history: job
                .history
                .iter()
                .map(|entry| Transition { state: entry.state.to_string(), at: entry.at, note: entry.note.clone() })
                .collect(),
            failure: job.failure.clone(),
            rerun: job.rerun.map(|id| id.to_string()),
            run: job.figures.as_ref().map(|figures| RunFigures {
                rows: figures.rows,
                overlap: figures.overlap,
                phases: figures
                    .phases
                    .iter()
                    .map(|(name, seconds)| Phase { name: name.clone(), seconds: *seconds })
                    .collect(),
                bytes_sent: figures.sent,
                bytes_received: figures.received,
                rounds: figures.rounds,
                made_before: self.taken(job),
            }),
        }
    }

    /// What it took of what was made in idle time. A fault of the store leaves it out.
    fn taken(&self, job: &JobRecord) -> BTreeMap<String, u64> {
        let taken = TAKEN.get(&*self.context.store, job.id.as_bytes()).ok().flatten();
        taken.map(|taken| taken.0.into_iter().collect()).unwrap_or_default()
    }

    /// The program as text, and its plan once the terms are known.
    fn program_and_plan(&self, job: &JobRecord) -> (Vec<String>, Vec<PlanRow>) {
        let parts = match (&job.acceptance, job.role) {
            (Some(acceptance), _) => acceptance.datasets.clone(),
            // The operator that is asked sees what its own policies make of the job.
            (None, Role::Owner) => self.own_parts(&job.proposal, job.party).unwrap_or_default(),
            (None, Role::Proposer) => Vec::new(),
        };
        let rules = job.proposal.own.iter().chain(&parts).map(|part| (part.name.clone(), part.rules.clone())).collect();
        let Ok(typed) = negotiate::typed(&job.proposal) else { return (Vec::new(), Vec::new()) };
        let program = typed.to_text().lines().map(str::to_owned).collect();
        let Ok(derived) = negotiate::derive(&job.proposal, &rules) else { return (program, Vec::new()) };
        let profiles = job
            .contract
            .as_ref()
            .map_or_else(|| vec![self.context.config.profile()], |contract| contract.profiles.clone());
        let plan = run::estimate(&derived.typed, &derived).ok().map(|plan| plan.between(&profiles));
        let plan = plan.and_then(|plan| plan.explain().ok()).unwrap_or_default();
        let rows = plan.into_iter().map(|row| PlanRow {
            seconds: row.cost().microseconds(&profiles) as f64 / 1e6,
            operation: match row.node {
                Some(node) => format!("{} for {node}", row.what),
                None => row.what,
            },
            cells: row.cells,
            placement: known_to(job, &row.placement),
            bits: row.bits,
            bytes: row.bytes,
            rounds: row.rounds,
            error: row.error,
        });
        (program, rows.collect())
    }

    /// The answer of a job, for a receiver.
    ///
    /// # Errors
    /// `JOB_RESULT_PENDING`, the job's own failure, `JOB_NO_RESULT` where this node receives nothing.
    pub fn result(&self, job: &JobRecord) -> Result<JobResult, Failure> {
        if let Some(stored) = self.context.output(&job.id, OutputKind::Result)? {
            let stored = StoredResult::from_bytes(&stored)?;
            return Ok(JobResult { id: job.id.to_string(), outputs: stored.outputs() });
        }
        let refuse = |code, message: String, next| Err(Failure::new(Code::new(code), message, next));
        match (&job.failure, job.state) {
            (Some(failure), _) => Err(failure.clone()),
            (None, _) if job.expired => refuse(
                "RESULT_EXPIRED",
                "the result was deleted: this node's policy keeps results no longer".into(),
                "submit the job again, or keep results longer: `retention.results_days`.",
            ),
            (None, JobState::Finished) => {
                refuse("JOB_NO_RESULT", "this organisation receives no output of the job".into(), "ask its receiver.")
            }
            (None, state) => refuse(
                "JOB_RESULT_PENDING",
                format!("the job is {state}"),
                "wait for it: `tacit job result JOB --wait`.",
            ),
        }
    }

    /// The receipt of a job with all signatures, waiting for them for a while.
    ///
    /// # Errors
    /// `RECEIPT_MISSING` while a signature is missing.
    pub async fn receipt(self: &Arc<Self>, id: &JobId, wait: Duration) -> Result<serde_json::Value, Failure> {
        let settled = self.book.until(id, wait, super::settle::is_settled).await?;
        match settled.receipt.filter(|_| settled.failure.is_none()) {
            Some(receipt) if receipt.signatures.iter().all(Option::is_some) => {
                Ok(serde_json::to_value(&receipt).expect("a receipt serialises"))
            }
            _ => {
                let who = match settled.role {
                    Role::Proposer => "the peer has not signed it yet",
                    Role::Owner => "the job has not ended, or its proposer has not sent the receipt yet",
                };
                Err(Failure::new(Code::new("RECEIPT_MISSING"), who, "ask again once both nodes have spoken."))
            }
        }
    }
}

/// Who knows a step's value, by name: plans speak of parties.
fn known_to(job: &JobRecord, placement: &str) -> String {
    let party = [PartyId::ZERO, PartyId::ONE].into_iter().find(|party| party.to_string() == placement);
    party.map_or_else(|| placement.to_owned(), |party| format!("private to {}", job.organisation(party)))
}
