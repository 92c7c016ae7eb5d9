//! What peers say about jobs. Every message is idempotent; none moves a job but along the table of states (CHK-307).

use std::sync::Arc;

use tacit_protocol::identity::PeerId;
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::messages::{JobStatus, PeerFailure, Request, Response};
use tacit_protocol::{Code, Failure};

use super::proposer::may_rerun;
use super::record::{JobRecord, Role};
use super::{Jobs, is_of_the_disk, status};

impl Jobs {
    /// Answers a paired peer's message about a job; `None` for one that is about none.
    pub fn answer(self: &Arc<Self>, from: &PeerId, request: Request) -> Option<Response> {
        let answer = match request {
            Request::Propose(proposal) => Ok(Response::Proposal(Box::new(self.answer_proposal(from, *proposal)))),
            Request::Answer { about, answer } => self
                .of_peer(from, &about.job)
                .and_then(|job| self.take_answer(&job.id, *answer))
                .map(|_| Response::Acknowledged),
            Request::Sign { about, contract, signature } => {
                self.countersign(from, &about.job, *contract, signature).map(Response::Signed)
            }
            Request::Start { about, contract } => self.ready(from, &about.job, &contract),
            Request::Status { about, status } => self.hear_status(from, &about.job, status).map(Response::Status),
            Request::Cancel { about, reason } => self.hear_cancel(from, &about.job, &reason.to_string()),
            Request::Account { about, account } => {
                self.hear_account(from, &about.job, *account).map(|own| Response::Account(own.map(Box::new)))
            }
            Request::Receipt { about, receipt, signature } => {
                self.countersign_receipt(from, &about.job, &receipt, &signature).map(Response::Receipt)
            }
            Request::ResultShare { about, contract, share } => {
                self.hear_share(from, &about.job, &contract, &share).map(|()| Response::Acknowledged)
            }
            Request::Hello(_)
            | Request::Pair(_)
            | Request::Renew(_)
            | Request::Catalogue
            | Request::Bench(_)
            | Request::BenchEnd { .. }
            | Request::Idle(_)
            | Request::Probe(_)
            | Request::Addresses(_) => return None,
        };
        Some(answer.unwrap_or_else(|failure| {
            tracing::info!(peer = %from.short(), code = %failure.code, "message refused: {failure}");
            if !is_of_the_disk(&failure.code) {
                self.context.log_rejected(from, &failure.code, "a message was refused");
            }
            Response::Failed(PeerFailure::from(&failure))
        }))
    }

    /// The peer says where the job stands there. If it has ended before the release there, it ends here too.
    fn hear_status(self: &Arc<Self>, from: &PeerId, id: &JobId, theirs: JobStatus) -> Result<JobStatus, Failure> {
        let job = self.of_peer(from, id)?;
        if let Some(heard) = theirs.end(&job.peer_name()) {
            let runs = matches!(job.state, JobState::Aligning | JobState::Executing);
            if job.role == Role::Proposer && runs && theirs.state == JobState::Failed && may_rerun(&heard.code) {
                // The path broke, not the protocol: the task that runs the job ends it here and runs it again.
                self.interrupt(id);
                return Ok(status(&job));
            }
            let job = self.end_with_peer(&job, theirs.state, heard)?;
            return Ok(status(&job));
        }
        Ok(status(&job))
    }

    fn hear_cancel(self: &Arc<Self>, from: &PeerId, id: &JobId, reason: &str) -> Result<Response, Failure> {
        let job = self.of_peer(from, id)?;
        let failure =
            Failure::new(Code::new("JOB_CANCELLED"), reason, "ask its operator why.").by_party(job.peer_name());
        let job = self.end_with_peer(&job, JobState::Cancelled, failure)?;
        Ok(Response::Status(status(&job)))
    }

    /// Ends a job as the peer ended it, where its state here allows that; otherwise it stays as it is.
    fn end_with_peer(
        self: &Arc<Self>,
        job: &JobRecord,
        state: JobState,
        failure: Failure,
    ) -> Result<JobRecord, Failure> {
        let (ended, job) = self.book.change(&job.id, |job, now| {
            let past = job.state.is_final() || job.state.is_past_release();
            if past || job.state.step(state).is_err() {
                return Ok(false);
            }
            job.end(state, failure, now).map(|()| true)
        })?;
        if ended {
            self.log_end(&job);
        }
        if job.state.is_final() {
            self.interrupt(&job.id);
        }
        Ok(job)
    }
}
