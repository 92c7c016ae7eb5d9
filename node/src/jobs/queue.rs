//! Jobs beyond the number that a policy allows at a time wait for their turn: `queued`, in the order of their priority and
//! then of their coming. A job that has its turn is judged again, with all that happened meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tacit_protocol::api::policies::QueuePlace;
use tacit_protocol::job::JobState;
use tacit_protocol::log::LogKind;
use tacit_protocol::policy::Priority;
use tacit_protocol::{Code, Failure};

use super::negotiate::{self, Rejected};
use super::record::{JobRecord, Role};
use super::{Jobs, Next};

/// How long a job may wait for its turn.
pub(super) const TURN: Duration = Duration::from_secs(7 * 24 * 3600);

impl Jobs {
    /// The place of a job that waits here.
    pub(super) fn queue_place(&self, job: &JobRecord) -> Option<QueuePlace> {
        let (place, of) = self.book.place(job).ok().flatten()?;
        Some(QueuePlace { place, of, priority: job.priority.name().into() })
    }

    /// The highest priority that this node's policies let a job of others have.
    pub(super) fn capped(&self, job: &JobRecord) -> Result<Priority, Failure> {
        let mut priority = job.proposal.priority;
        for dataset in job.proposal.datasets.iter().filter(|dataset| dataset.owner == job.party) {
            if let Some(data) = self.context.own_dataset(&dataset.dataset)? {
                priority = priority.min(data.policy.query().priority);
            }
        }
        Ok(priority)
    }

    /// Lets a job wait that other jobs are in the way of.
    pub(super) fn enqueue(&self, job: &mut JobRecord, now: u64) -> Result<(), Failure> {
        if job.role == Role::Owner {
            job.priority = self.capped(job)?;
        }
        let note = format!("waits for its turn, with priority {}", job.priority.name());
        job.enter(JobState::Queued, now, note)
    }

    /// Whether a job that waits here is the next, and its datasets are used by fewer jobs than their policies allow.
    fn has_turn(&self, job: &JobRecord) -> bool {
        let first = self.book.place(job).is_ok_and(|place| place.is_none_or(|(place, _)| place == 1));
        let Ok(usage) = self.usage() else { return false };
        let free = |dataset: &tacit_protocol::terms::ProposedDataset| {
            let data = self.context.own_data(&dataset.dataset);
            let running = usage(&dataset.name, &job.peer, Some(job.id)).running;
            data.is_none_or(|data| running < data.policy.query().concurrent_jobs)
        };
        first && job.proposal.datasets.iter().filter(|dataset| dataset.owner == job.party).all(free)
    }

    /// Waits for the turn of a job that waits here, and judges it then.
    pub(super) async fn step_in_queue(self: &Arc<Self>, job: JobRecord) -> Result<Next, Failure> {
        let entered = job.history.last().map_or(0, |entered| entered.at);
        let left = TURN.saturating_sub(Duration::from_secs(self.book.now().saturating_sub(entered)));
        let waited = self.book.until(&job.id, left, |job| job.state != JobState::Queued || self.has_turn(job)).await?;
        if waited.state != JobState::Queued {
            return Ok(Next::Again);
        }
        if !self.has_turn(&waited) {
            let next = "submit the job again when fewer are under way.";
            let failure = Failure::new(Code::new("PEER_TIMEOUT"), "the job's turn did not come in time", next);
            return Err(failure.by_party(job.organisation(job.party)));
        }
        self.take_turn(&waited)
    }

    fn take_turn(self: &Arc<Self>, job: &JobRecord) -> Result<Next, Failure> {
        let judging = self.judging();
        let job = self.book.get(&job.id)?;
        if job.state != JobState::Queued {
            return Ok(Next::Again);
        }
        let usage = self.usage()?;
        let review = negotiate::review(&job.proposal, &self.context.knowledge_with(Box::new(usage)));
        match review {
            Err(rejected) if rejected.is_busy() => return Ok(Next::Again),
            Err(rejected) => self.refuse_in_queue(&job, &rejected)?,
            Ok(_) if job.role == Role::Proposer => {
                self.book.enter(&job.id, JobState::Negotiating, "its turn has come")?;
                return Ok(Next::Again);
            }
            Ok(review) if review.ask && self.use_approval(&job)?.is_none() => {
                self.context.log_job(&job, LogKind::Proposal, "its turn has come; the operator is asked", None)?;
                self.book.enter(&job.id, JobState::AwaitingApproval, "a policy says `ask`")?;
            }
            Ok(_) => {
                let acceptance = self.accept(&job)?;
                self.context.log_job(&job, LogKind::Proposal, "its turn has come; accepted by policy", None)?;
                self.book.change(&job.id, |job, now| {
                    job.acceptance = Some(acceptance);
                    job.enter(JobState::Negotiating, now, "its turn has come")
                })?;
            }
        }
        drop(judging);
        let job = self.book.get(&job.id)?;
        if job.role == Role::Owner {
            self.send_answer(&job);
        }
        Ok(Next::Again)
    }

    fn refuse_in_queue(&self, job: &JobRecord, rejected: &Rejected) -> Result<(), Failure> {
        let failure = rejected.to_failure(|party| job.organisation(party)).at_step("queued");
        let ((), job) = self.book.change(&job.id, |job, now| {
            job.told = Some(rejected.to_peer());
            job.end(JobState::Refused, failure, now)
        })?;
        self.log_end(&job);
        Ok(())
    }
}
