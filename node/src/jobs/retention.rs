//! How long this node keeps results: as long as the strictest policy of its own datasets in the job says (CHK-707).

use std::sync::Arc;
use std::time::Duration;

use tacit_protocol::Failure;
use tacit_protocol::job::JobState;
use tacit_protocol::log::LogKind;
use tacit_protocol::policy::Policy;

use super::Jobs;
use super::history::Lineage;
use super::negotiate::DAY_SECONDS;
use super::record::JobRecord;
use crate::context::OutputKind;

/// How often results are looked over.
const EVERY: Duration = Duration::from_secs(3_600);

impl Jobs {
    /// Deletes results whose time is over, and secrets that an ended job left behind, now and from time to time, until the node stops.
    pub async fn keep_retention(self: Arc<Self>) {
        loop {
            let jobs = Arc::clone(&self);
            self.context.log_counted_rejections(false);
            let looked = tokio::task::spawn_blocking(move || jobs.expire_results()).await;
            if let Ok(Err(failure)) = looked {
                tracing::error!(code = %failure.code, "results were not looked over: {failure}");
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    fn expire_results(&self) -> Result<(), Failure> {
        let now = self.book.now();
        for record in self.context.datasets.list()? {
            let window = record.policy.policy()?.query().window_days;
            self.forget_orphans(&record.lineage)?;
            self.context.histories.prune(&record.lineage, window, now)?;
        }
        for job in self.book.all()? {
            if job.state.is_final() && job.state != JobState::Finished {
                self.forget(&job);
            }
            let own = job.proposal.datasets.iter().filter(|dataset| dataset.owner == job.party);
            let days = own.filter_map(|dataset| self.results_days(&dataset.dataset)).min();
            if days.is_some_and(|days| is_over(&job, days, now)) {
                self.context.log_job(&job, LogKind::Job, "the result was deleted: its time is over", None)?;
                self.context.forget_output(&job.id, OutputKind::Result)?;
                self.book.change(&job.id, |job, _| {
                    job.expired = true;
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

impl Jobs {
    /// How long results of a dataset are kept: by its policy, or by its last one, where it was removed.
    fn results_days(&self, dataset: &str) -> Option<u32> {
        let days = |policy: &Policy| policy.retention().results_days;
        let now = self.context.own_data(dataset).map(|data| days(&data.policy));
        now.or_else(|| {
            let versions = self.context.policy_versions(dataset).ok()?;
            Policy::parse(&versions.last()?.text).ok().as_ref().map(days)
        })
    }

    /// A crash between a job's judgement and its record leaves what it might have told.
    fn forget_orphans(&self, lineage: &Lineage) -> Result<(), Failure> {
        let _judging = self.judging();
        for job in self.context.histories.pending(lineage)? {
            if self.book.get(&job).is_err_and(|failure| failure.code.as_str() == "JOB_UNKNOWN") {
                self.context.histories.forget(&job, &[*lineage])?;
            }
        }
        Ok(())
    }
}

/// Whether a finished job's result has been kept for so many days.
fn is_over(job: &JobRecord, days: u32, now: u64) -> bool {
    let ended = job.history.iter().find(|entry| entry.state == JobState::Finished).map(|entry| entry.at);
    let end = ended.map(|ended| ended.saturating_add(u64::from(days) * DAY_SECONDS));
    !job.expired && end.is_some_and(|end| now >= end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::negotiate::tests::finished_job;

    #[test]
    fn a_result_is_kept_for_its_days_and_expires_once() {
        let mut job = finished_job(1_000);
        assert!(!is_over(&job, 2, 1_000 + 2 * DAY_SECONDS - 1));
        assert!(is_over(&job, 2, 1_000 + 2 * DAY_SECONDS));
        job.expired = true;
        assert!(!is_over(&job, 2, u64::MAX));
    }

    #[test]
    fn a_job_that_has_not_finished_has_nothing_to_expire() {
        let mut job = finished_job(1_000);
        job.history.pop();
        assert!(!is_over(&job, 1, u64::MAX));
    }
}
