//! Jobs as the API shows them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tacit_protocol::Failure;
use tacit_protocol::api::{
    ClauseVerdict, JobDataset, JobDetail, JobResult, JobSummary, Learned, OutputRelease, Phase, PlanRow, RefusedClause,
    RunFigures, RunProgress, Transition,
};
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::program::release::{GateRule, ReleasedOutput};
use tacit_protocol::{Code, PartyId};

use super::graph::graph;
use super::negotiate::Derived;
use super::record::{JobRecord, Role, TAKEN};
use super::result::StoredResult;
use super::verdict::verdicts;
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
            info: None,
        }
    }

    /// A job with all that this node may show of it.
    pub fn detail(&self, job: &JobRecord) -> JobDetail {
        let parties = (0_u8..).take(job.proposal.parties.len()).map(PartyId);
        let typed = negotiate::typed(&job.proposal).ok();
        let derived = self.derived(job);
        JobDetail {
            summary: self.summary(job),
            role: match job.role {
                Role::Proposer => "proposer".into(),
                Role::Owner => "owner".into(),
            },
            analyst: job.proposal.analyst.clone(),
            purpose: job.proposal.purpose.clone(),
            parties: parties.map(|party| job.organisation(party)).collect(),
            code: job.proposal.code.digest().to_string(),
            datasets: job
                .proposal
                .datasets
                .iter()
                .map(|dataset| JobDataset {
                    name: dataset.name.clone(),
                    owner: job.organisation(dataset.owner),
                    version: dataset.version,
                    rows: dataset.schema.rows,
                })
                .collect(),
            program: typed
                .iter()
                .flat_map(|typed| typed.to_text().lines().map(str::to_owned).collect::<Vec<_>>())
                .collect(),
            graph: typed.as_ref().map(|typed| graph(typed.program())).unwrap_or_default(),
            releases: derived
                .iter()
                .flat_map(|derived| &derived.analysis.release.outputs)
                .map(|output| release(job, output))
                .collect(),
            verdicts: self.verdicts(job),
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
            plan: derived.map(|derived| self.plan(job, &derived)).unwrap_or_default(),
            history: job
                .history
                .iter()
                .map(|entry| Transition { state: entry.state.to_string(), at: entry.at, note: entry.note.clone() })
                .collect(),
            failure: job.failure.clone().map(|failure| Failure {
                message: with_names(job, &failure.message),
                next: with_names(job, &failure.next),
                ..failure
            }),
            refusals: refusals(job),
            queue: self.queue_place(job),
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
            progress: self.progress(&job.id),
        }
    }

    /// What this node's policies say of a job that waits for its operator.
    fn verdicts(&self, job: &JobRecord) -> Vec<ClauseVerdict> {
        if (job.role, job.state) != (Role::Owner, JobState::AwaitingApproval) {
            return Vec::new();
        }
        // A store that fails says so where the operator decides.
        let Ok(usage) = self.usage() else { return Vec::new() };
        verdicts(&job.proposal, job.party, &self.context.knowledge(), &usage)
    }

    /// How far the run of a job is, while it runs in this process.
    fn progress(&self, id: &JobId) -> Option<RunProgress> {
        let running = self.running.borrow();
        running.get(id).and_then(|(_, live)| live.now())
    }

    /// What it took of what was made in idle time. A fault of the store leaves it out.
    fn taken(&self, job: &JobRecord) -> BTreeMap<String, u64> {
        let taken = TAKEN.get(&*self.context.store, job.id.as_bytes()).ok().flatten();
        taken.map(|taken| taken.0.into_iter().collect()).unwrap_or_default()
    }

    /// What follows from the rules of all owners, once this node knows them and they allow it.
    fn derived(&self, job: &JobRecord) -> Option<Derived> {
        let parts = match (&job.acceptance, job.role) {
            (Some(acceptance), _) => acceptance.datasets.clone(),
            // The operator that is asked sees what its own policies make of the job.
            (None, Role::Owner) => self.own_parts(&job.proposal, job.party).unwrap_or_default(),
            (None, Role::Proposer) => Vec::new(),
        };
        let rules = job.proposal.own.iter().chain(&parts).map(|part| (part.name.clone(), part.rules.clone())).collect();
        negotiate::derive(&job.proposal, &rules).ok()
    }

    fn plan(&self, job: &JobRecord, derived: &Derived) -> Vec<PlanRow> {
        let profiles = job
            .contract
            .as_ref()
            .map_or_else(|| vec![self.context.config.profile()], |contract| contract.profiles.clone());
        let plan = run::estimate(&derived.typed, derived).ok().map(|plan| plan.between(&profiles));
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
        rows.collect()
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

/// How an output is released: the largest number of rows that its gates demand, and its grid.
pub(super) fn release(job: &JobRecord, output: &ReleasedOutput) -> OutputRelease {
    let rows = output.gates.iter().map(|gate| match gate.rule {
        GateRule::AtLeast(rows) | GateRule::ZeroOrAtLeast(rows) => rows,
    });
    OutputRelease {
        output: output.name.clone(),
        node: output.value.0,
        receivers: output.receivers.iter().map(|party| job.organisation(*party)).collect(),
        minimum_rows: rows.max().unwrap_or(0),
        grid: output.grid.map(|grid| grid.to_string()),
    }
}

/// The clauses for which a job was refused.
fn refusals(job: &JobRecord) -> Vec<RefusedClause> {
    let refusals = job.told.iter().flat_map(|told| &told.refusals);
    refusals
        .map(|refusal| RefusedClause {
            code: refusal.code.to_string(),
            dataset: refusal.dataset.to_string(),
            clause: refusal.clause.to_string(),
            cause: with_names(job, &refusal.cause.to_string()),
            change: with_names(job, &refusal.change.to_string()),
        })
        .collect()
}

/// Text of an analysis, which speaks of parties by their number, with the names of their organisations.
pub(super) fn with_names(job: &JobRecord, text: &str) -> String {
    let parties = (0_u8..).take(job.proposal.parties.len()).map(PartyId);
    parties.fold(text.to_owned(), |text, party| text.replace(&party.to_string(), &job.organisation(party)))
}

/// Who knows a step's value, by name: plans speak of parties.
fn known_to(job: &JobRecord, placement: &str) -> String {
    let party = [PartyId::ZERO, PartyId::ONE].into_iter().find(|party| party.to_string() == placement);
    party.map_or_else(|| placement.to_owned(), |party| format!("private to {}", job.organisation(party)))
}
