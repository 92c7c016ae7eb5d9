//! What becomes of jobs in a store that was restored from a backup.

use std::sync::Arc;

use tacit_protocol::job::JobState;
use tacit_protocol::{Code, Failure};

use super::book::Book;
use crate::clock::Clock;
use crate::store::Store;

/// Ends every job that was under way when the backup was made: its secrets are not in it, and what the peer has seen of
/// it since is not known here. How many there were.
///
/// # Errors
/// A fault of the store.
pub(crate) fn end_open_jobs(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<u64, Failure> {
    let book = Book::new(store, clock);
    let mut ended = 0;
    for job in book.all()?.into_iter().filter(|job| !job.state.is_final()) {
        let message = if job.state.is_past_release() {
            "this node was restored from a backup that was made while the job's answer left; whether it arrived is not known"
        } else {
            "this node was restored from a backup that was made while the job was under way"
        };
        let failure = Failure::new(Code::new("JOB_RESTORED"), message, "submit the job again.");
        let failure = failure.at_step(job.state.to_string());
        book.change(&job.id, |job, now| job.end(JobState::Failed, failure, now))?;
        ended += 1;
    }
    Ok(ended)
}
