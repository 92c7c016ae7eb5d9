//! What becomes of jobs that a stopped node cannot go on with: in a store that was restored from a backup, and bound to a
//! key that is rotated.

use std::sync::Arc;

use tacit_protocol::job::JobState;
use tacit_protocol::{Code, Failure};

use super::book::Book;
use super::history::Histories;
use super::record::JobRecord;
use super::settle;
use crate::clock::Clock;
use crate::store::Store;

/// Ends every job that was under way when the backup was made: its secrets are not in it, and what the peer has seen of
/// it since is not known here, so all that it may tell counts as told (CHK-213). How many there were.
///
/// # Errors
/// A fault of the store.
pub(crate) fn end_open_jobs(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<u64, Failure> {
    Histories::new(Arc::clone(&store)).release_all(clock.unix_seconds())?;
    let open = |job: &JobRecord| !job.state.is_final();
    end_all(&Book::new(store, clock), open, |job| {
        let message = if job.state.is_past_release() {
            "this node was restored from a backup that was made while the job's answer left; whether it arrived is not known"
        } else {
            "this node was restored from a backup that was made while the job was under way"
        };
        Failure::new(Code::new("JOB_RESTORED"), message, "submit the job again.")
    })
}

/// Ends every job that has not ended, if those are to be abandoned: their contracts name a key that is no more. How many
/// there were. Receipts that are not settled stay so.
///
/// # Errors
/// `KEY_JOBS` if there are such jobs and they are not to be abandoned, or a fault of the store.
pub(crate) fn ended_with_key(store: Arc<dyn Store>, clock: Arc<dyn Clock>, abandon: bool) -> Result<u64, Failure> {
    let book = Book::new(store, clock);
    let all = book.all()?;
    let open = all.iter().filter(|job| !job.state.is_final()).count();
    let unsettled = all.iter().filter(|job| settle::is_open(job)).count();
    if open + unsettled > 0 && !abandon {
        let message = format!("{open} jobs have not ended, and the receipts of {unsettled} are not settled");
        let next = "start the node and let them end, or cancel them; --abandon-jobs gives them up.";
        return Err(Failure::new(Code::new("KEY_JOBS"), message, next));
    }
    let open = |job: &JobRecord| !job.state.is_final();
    end_all(&book, open, |_| {
        let message = "the key of this node, which the job's contract names, was rotated";
        Failure::new(Code::new("KEY_JOBS"), message, "submit the job again.")
    })
}

fn end_all(
    book: &Book,
    is_meant: impl Fn(&JobRecord) -> bool,
    failure: impl Fn(&JobRecord) -> Failure,
) -> Result<u64, Failure> {
    let mut ended = 0;
    for job in book.all()?.into_iter().filter(is_meant) {
        let failure = failure(&job).at_step(job.state.to_string());
        book.change(&job.id, |job, now| job.end(JobState::Failed, failure, now))?;
        ended += 1;
    }
    Ok(ended)
}
