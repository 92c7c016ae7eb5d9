//! The book of jobs: every job that this node knows, in its store. A transition is written before it is acted on.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::{Code, Failure};
use tokio::sync::watch;

use super::record::JobRecord;
use crate::clock::Clock;
use crate::store::{Batch, RecordTree, Store, StoreError, TreeName};

/// Records, by job id.
const JOBS: RecordTree<JobRecord> = RecordTree::new("jobs");
/// Job ids, by the caller's own word.
const WORDS: TreeName = TreeName::new("job-words");

/// The jobs of a node.
pub struct Book {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// One change at a time; a job is read, changed and written under it.
    change: Mutex<()>,
    /// Counts changes, so that watchers look again.
    version: watch::Sender<u64>,
}

impl Book {
    /// The book in a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, change: Mutex::new(()), version: watch::Sender::new(0) }
    }

    /// Unix seconds now.
    pub fn now(&self) -> u64 {
        self.clock.unix_seconds()
    }

    /// Writes down a new job, unless its name or its caller's word is taken; the job that is there then.
    ///
    /// # Errors
    /// A fault of the store; nothing is written then.
    pub fn add(&self, record: &JobRecord, word: Option<&str>) -> Result<Result<(), JobRecord>, Failure> {
        let guard = self.lock();
        let known = match word {
            Some(word) => self.store.get(WORDS, word.as_bytes())?,
            None => None,
        };
        let known = known.unwrap_or_else(|| record.id.as_bytes().to_vec());
        if let Some(other) = JOBS.get(&*self.store, &known)? {
            return Ok(Err(other));
        }
        let mut batch = JOBS.put_in(Batch::new(), record.id.as_bytes(), record);
        if let Some(word) = word {
            batch = batch.put(WORDS, word.as_bytes(), record.id.as_bytes());
        }
        self.write(&batch)?;
        self.changed(guard);
        Ok(Ok(()))
    }

    /// Changes a job and writes it, or leaves it as it is if the change fails.
    ///
    /// # Errors
    /// The change's own, `JOB_UNKNOWN`, or a fault of the store.
    pub fn change<T>(
        &self,
        id: &JobId,
        change: impl FnOnce(&mut JobRecord, u64) -> Result<T, Failure>,
    ) -> Result<(T, JobRecord), Failure> {
        let guard = self.lock();
        let mut record = self.get(id)?;
        let value = change(&mut record, self.now())?;
        self.write(&JOBS.put_in(Batch::new(), id.as_bytes(), &record))?;
        self.changed(guard);
        Ok((value, record))
    }

    /// Enters a state.
    ///
    /// # Errors
    /// `STATE_ILLEGAL`, or a fault of the store.
    pub fn enter(&self, id: &JobId, state: JobState, note: &str) -> Result<JobRecord, Failure> {
        tracing::info!(job = %id.short(), state = %state, "job enters a state");
        self.change(id, |record, now| record.enter(state, now, note)).map(|(_, record)| record)
    }

    /// A job.
    ///
    /// # Errors
    /// `JOB_UNKNOWN`, or a fault of the store.
    pub fn get(&self, id: &JobId) -> Result<JobRecord, Failure> {
        JOBS.get(&*self.store, id.as_bytes())?.ok_or_else(|| unknown(&id.short()))
    }

    /// The job of an id in hex, or of any unique start of at least four digits.
    ///
    /// # Errors
    /// `JOB_UNKNOWN` if there is none or more than one, or a fault of the store.
    pub fn find(&self, text: &str) -> Result<JobRecord, Failure> {
        let prefix = text.to_ascii_lowercase();
        let mut found = self.all()?.into_iter().filter(|job| job.id.to_string().starts_with(&prefix));
        match (found.next(), found.next()) {
            (Some(job), None) if prefix.len() >= 4 => Ok(job),
            _ => Err(unknown(text)),
        }
    }

    /// All jobs, newest first.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn all(&self) -> Result<Vec<JobRecord>, Failure> {
        let mut jobs: Vec<JobRecord> = JOBS.all(&*self.store, b"")?.into_iter().map(|(_, job)| job).collect();
        jobs.sort_by_key(|job| std::cmp::Reverse((job.history.first().map(|entry| entry.at), job.id)));
        Ok(jobs)
    }

    /// Waits until a job has left a state, or the time is over.
    ///
    /// # Errors
    /// `JOB_UNKNOWN`, or a fault of the store.
    pub async fn leave(&self, id: &JobId, state: &str, wait: Duration) -> Result<JobRecord, Failure> {
        self.until(id, wait, |job| job.state.name() != state || job.state.is_final()).await
    }

    /// Waits until something holds for a job, or the time is over.
    ///
    /// # Errors
    /// `JOB_UNKNOWN`, or a fault of the store.
    pub async fn until(
        &self,
        id: &JobId,
        wait: Duration,
        holds: impl Fn(&JobRecord) -> bool,
    ) -> Result<JobRecord, Failure> {
        let mut version = self.version.subscribe();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let record = self.get(id)?;
            if holds(&record) || tokio::time::timeout_at(deadline, version.changed()).await.is_err() {
                return Ok(record);
            }
        }
    }

    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        self.store.apply(batch)?;
        self.store.flush()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data of its own, so a panic under it leaves nothing half changed.
        self.change.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn changed(&self, guard: MutexGuard<'_, ()>) {
        drop(guard);
        self.version.send_modify(|version| *version += 1);
    }
}

fn unknown(id: &str) -> Failure {
    Failure::new(Code::new("JOB_UNKNOWN"), format!("there is no job {id}"), "see `tacit job list`.")
}

#[cfg(test)]
mod tests;
