//! What a caller sees of the jobs: operators and auditors all of them, analysts those that they submitted here (CHK-902).

use tacit_protocol::Failure;
use tacit_protocol::api::policies::SubmitOptions;
use tacit_protocol::api::{JobSummary, SubmitRequest};
use tacit_protocol::job::JobId;

use super::Node;
use crate::jobs::record::{JobRecord, Role};
use crate::tokens::{Caller, OPERATOR};

/// Whether a job is there for an analyst, or for someone who is bound to none.
pub(crate) fn is_visible(job: &JobRecord, analyst: Option<&str>) -> bool {
    analyst.is_none_or(|analyst| job.role == Role::Proposer && job.proposal.analyst == analyst)
}

impl Node {
    /// The id of a job, by its id or any start of it that is unique among those that the caller sees. One that the
    /// caller may not see is answered like one that is not there.
    ///
    /// # Errors
    /// `JOB_UNKNOWN`.
    pub(crate) fn job_id(&self, caller: &Caller, id: &str) -> Result<JobId, Failure> {
        Ok(self.jobs.book().find_where(id, |job| is_visible(job, caller.analyst()))?.id)
    }

    /// The jobs that a caller sees, newest first.
    ///
    /// # Errors
    /// A fault of the store.
    pub(crate) fn jobs_of(&self, caller: &Caller) -> Result<Vec<JobSummary>, Failure> {
        let jobs = self.jobs.book().all()?;
        let seen = jobs.iter().filter(|job| is_visible(job, caller.analyst()));
        Ok(seen.map(|job| self.jobs.summary(job)).collect())
    }

    /// Submits a program for a caller. Contracts and receipts carry an analyst's name; what operators submit is the
    /// operator's. An analyst's word for a job (CHK-904) is of no meaning in another's mouth.
    ///
    /// # Errors
    /// The program is wrong, a dataset unknown, or this node's own policy forbids it.
    pub async fn submit(
        &self,
        mut request: SubmitRequest,
        options: SubmitOptions,
        caller: &Caller,
    ) -> Result<JobSummary, Failure> {
        if let Some(analyst) = caller.analyst() {
            // No name has this character.
            request.idempotency_key = request.idempotency_key.map(|word| format!("{analyst}\0{word}"));
        }
        let submitted = self.jobs.submit(request, options, caller.analyst().unwrap_or(OPERATOR)).await?;
        let info = submitted.repeated.then(|| "JOB_REPEATED".to_owned());
        Ok(JobSummary { info, ..self.jobs.summary(&submitted.job) })
    }

    /// The names of the organisations that are paired.
    pub(crate) fn peer_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.context.paired().into_iter().map(|(_, name)| name).collect();
        names.sort();
        names
    }

    /// The organisation's name.
    pub(crate) fn name(&self) -> &str {
        &self.context.config.name
    }
}
