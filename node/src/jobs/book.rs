//! The book of jobs: every job that this node knows, in its store. A transition is written before it is acted on, and
//! nobody sees a state before it is on the disk.

mod index;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tacit_protocol::canonical::Digest;
use tacit_protocol::identity::PeerId;
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::{Code, Failure};
use tokio::sync::watch;

use super::events::Events;
use super::negotiate::Usage;
use super::record::{JobRecord, TAKEN};
use crate::clock::Clock;
use crate::store::trees::{Care, KnownTree};
use crate::store::{Batch, RecordTree, Store, TreeName};
use index::Index;

/// Records, by job id.
const JOBS: RecordTree<JobRecord> = RecordTree::new("jobs");
/// Job ids, by the caller's own word.
const WORDS: TreeName = TreeName::new("job-words");

/// The trees of jobs.
pub(crate) const TREES: [KnownTree; 3] =
    [JOBS.known(Care::Keep), KnownTree::of_bytes(WORDS, Care::Keep), TAKEN.known(Care::Keep)];

/// The jobs of a node.
pub struct Book {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// One change at a time; a job is read, changed and written under it.
    change: Mutex<()>,
    /// Read-locked while the store is read, so that what is hidden cannot change under a reader.
    view: RwLock<View>,
    /// Counts changes, so that watchers look again.
    version: watch::Sender<u64>,
    events: Arc<Events>,
}

/// What the book knows beside the store.
#[derive(Default)]
struct View {
    /// The jobs of the change that is being written, as they were before it. Readers see these until it is on the disk;
    /// if it does not get there, the store has stopped and they see these to the end.
    hidden: BTreeMap<JobId, Option<JobRecord>>,
    /// Made of the records when it is first asked.
    index: Option<Index>,
}

/// A job before and after a change; `None` where there was or is none.
struct Change {
    id: JobId,
    before: Option<JobRecord>,
    after: Option<JobRecord>,
}

impl Book {
    /// The book in a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let (version, events) = (watch::Sender::new(0), Arc::new(Events::new()));
        Self { store, clock, change: Mutex::new(()), view: RwLock::default(), version, events }
    }

    /// The changes of job states, as they reach the disk.
    pub fn events(&self) -> Arc<Events> {
        self.events.clone()
    }

    /// Unix seconds now.
    pub fn now(&self) -> u64 {
        self.clock.unix_seconds()
    }

    /// Writes down a new job, unless its name or its caller's word is taken; the job that is there then. A proposal that
    /// was refused may displace older ones.
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
        let mut batch = Batch::new();
        if let Some(word) = word {
            batch = batch.put(WORDS, word.as_bytes(), record.id.as_bytes());
        }
        self.write(batch, Change { id: record.id, before: None, after: Some(record.clone()) })?;
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
        let before = self.get(id)?;
        let mut record = before.clone();
        let value = change(&mut record, self.now())?;
        self.write(Batch::new(), Change { id: *id, before: Some(before), after: Some(record.clone()) })?;
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
        let view = self.read();
        let record = match view.hidden.get(id) {
            Some(before) => before.clone(),
            None => JOBS.get(&*self.store, id.as_bytes())?,
        };
        record.ok_or_else(|| unknown(&id.short()))
    }

    /// The job of an id in hex, or of any unique start of at least four digits.
    ///
    /// # Errors
    /// `JOB_UNKNOWN` if there is none or more than one, or a fault of the store.
    pub fn find(&self, text: &str) -> Result<JobRecord, Failure> {
        self.find_where(text, |_| true)
    }

    /// The same among some jobs alone: of the others, nothing is said.
    ///
    /// # Errors
    /// As [`Book::find`].
    pub fn find_where(&self, text: &str, seen: impl Fn(&JobRecord) -> bool) -> Result<JobRecord, Failure> {
        let digits = text.to_ascii_lowercase();
        let whole = digits.get(..digits.len() & !1).unwrap_or_default();
        let prefix = match data_encoding::HEXLOWER.decode(whole.as_bytes()) {
            Ok(prefix) if digits.len() >= 4 => prefix,
            _ => return Err(unknown(text)),
        };
        let named = |job: &JobRecord| job.id.to_string().starts_with(&digits) && seen(job);
        let mut found = self.all_under(&prefix)?.into_iter().filter(named);
        match (found.next(), found.next()) {
            (Some(job), None) => Ok(job),
            _ => Err(unknown(text)),
        }
    }

    /// All jobs, newest first.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn all(&self) -> Result<Vec<JobRecord>, Failure> {
        let mut jobs = self.all_under(b"")?;
        jobs.sort_by_key(|job| std::cmp::Reverse((job.history.first().map(|entry| entry.at), job.id)));
        Ok(jobs)
    }

    fn all_under(&self, prefix: &[u8]) -> Result<Vec<JobRecord>, Failure> {
        let view = self.read();
        let stored = JOBS.all(&*self.store, prefix)?.into_iter().map(|(_, job)| job);
        let mut jobs: Vec<JobRecord> = stored.filter(|job| !view.hidden.contains_key(&job.id)).collect();
        let before = view.hidden.iter().filter(|(id, _)| id.as_bytes().starts_with(prefix));
        jobs.extend(before.filter_map(|(_, job)| job.clone()));
        Ok(jobs)
    }

    /// The jobs with a peer that have not ended.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn open_with(&self, peer: &PeerId) -> Result<Vec<JobId>, Failure> {
        self.indexed(|index| index.open_with(peer))
    }

    /// The jobs with a peer whose receipts have not been settled since a time.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn unsettled_since(&self, peer: &PeerId, time: u64) -> Result<Vec<JobId>, Failure> {
        self.indexed(|index| index.unsettled_since(peer, time))
    }

    /// The finished jobs of this node's own analysts with a code, whose results have not expired (CHK-706).
    ///
    /// # Errors
    /// A fault of the store.
    pub fn answers(&self, code: &Digest) -> Result<Vec<JobRecord>, Failure> {
        self.indexed(|index| index.answers(code))?.iter().map(|id| self.get(id)).collect()
    }

    /// The place of a job among those that wait for one of the same datasets at this node, and how many they are.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn place(&self, job: &JobRecord) -> Result<Option<(u32, u32)>, Failure> {
        self.indexed(|index| index.place(job))
    }

    /// How many jobs are under way: they have a contract and have not ended.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn under_way(&self) -> Result<u64, Failure> {
        let open = self.indexed(Index::open)?;
        let states = open.iter().filter_map(|id| self.get(id).ok()).map(|job| job.state);
        Ok(states.filter(|state| state.is_under_way()).count() as u64)
    }

    /// Waits until a job changes, or the time is over.
    pub async fn changed_by(&self, deadline: tokio::time::Instant) {
        let mut version = self.version.subscribe();
        drop(tokio::time::timeout_at(deadline, version.changed()).await);
    }

    /// How many jobs have not ended: with a peer, or with all.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn open_count(&self, peer: Option<&PeerId>) -> Result<usize, Failure> {
        self.indexed(|index| peer.map_or_else(|| index.open_count(), |peer| index.open_count_with(peer)))
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn states(&self) -> Result<Vec<(JobState, u64)>, Failure> {
        self.indexed(Index::states)
    }

    /// How often a dataset is used, for the limits of its policy: says it for a dataset's name in programs, the asking
    /// peer, and the job that is judged, which does not count.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn usage(&self) -> Result<impl Fn(&str, &PeerId, Option<JobId>) -> Usage + '_, Failure> {
        self.indexed(|_| ())?;
        let now = self.now();
        Ok(move |dataset: &str, peer: &PeerId, job| {
            self.read().index.as_ref().map_or_else(Usage::default, |index| index.usage(dataset, peer, job, now))
        })
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

    /// Writes a change with what it displaces, and shows it once it is on the disk.
    fn write(&self, mut batch: Batch, change: Change) -> Result<(), Failure> {
        let displaced = match &change.after {
            Some(after) => self.indexed(|index| index.displaced_by(after))?,
            None => Vec::new(),
        };
        let mut changes = vec![change];
        for id in displaced {
            changes.push(Change { id, before: JOBS.get(&*self.store, id.as_bytes())?, after: None });
        }
        for Change { id, after, .. } in &changes {
            batch = match after {
                Some(record) => JOBS.put_in(batch, id.as_bytes(), record),
                None => batch.delete(JOBS.name(), id.as_bytes()),
            };
        }
        self.view().hidden = changes.iter().map(|change| (change.id, change.before.clone())).collect();
        if let Err(refused) = self.store.apply(&batch) {
            // Nothing of it is visible, or the store has stopped and shows nothing at all.
            self.view().hidden.clear();
            return Err(refused.into());
        }
        // Fails only if the store has stopped: what it was before stays in view.
        self.store.flush()?;
        let now = self.now();
        let mut view = self.view();
        view.hidden.clear();
        for Change { before, after, .. } in &changes {
            if let Some(after) = after {
                self.events.note(before.as_ref(), after);
            }
        }
        if let Some(index) = &mut view.index {
            changes.iter().for_each(|change| index.change(change.before.as_ref(), change.after.as_ref(), now));
        }
        Ok(())
    }

    /// Looks something up in the index.
    fn indexed<T>(&self, look: impl FnOnce(&Index) -> T) -> Result<T, Failure> {
        if let Some(index) = &self.read().index {
            return Ok(look(index));
        }
        let now = self.now();
        // Changes wait, and so does whoever else would make it.
        let mut view = self.view();
        if view.index.is_none() {
            let mut index = Index::default();
            JOBS.all(&*self.store, b"")?.iter().for_each(|(_, job)| index.change(None, Some(job), now));
            view.index = Some(index);
        }
        Ok(look(view.index.as_ref().expect("made above")))
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data of its own, so a panic under it leaves nothing half changed.
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, guard: MutexGuard<'_, ()>) {
        drop(guard);
        self.version.send_modify(|version| *version += 1);
    }
}

/// Checks the records of jobs in a store: each is under its own id, and went along the table of states (CHK-307). How many
/// there are.
///
/// # Errors
/// `FSCK_JOB` with the first that is not, or a fault of the store.
pub(crate) fn check_records(store: &dyn Store) -> Result<usize, Failure> {
    let records = JOBS.all(store, b"")?;
    for (key, job) in &records {
        let wrong = |what: &str| {
            let message = format!("job {}: {what}", job.id.short());
            Err(Failure::new(Code::new("FSCK_JOB"), message, "Restore the directory from a backup."))
        };
        if key.as_slice() != job.id.as_bytes() {
            return wrong("it is stored under another id");
        }
        let states: Vec<JobState> = job.history.iter().map(|entered| entered.state).collect();
        if states.last() != Some(&job.state) {
            return wrong("its state is not the last of its history");
        }
        if let Some(step) = states.windows(2).find(|step| step[0].step(step[1]).is_err()) {
            return wrong(&format!("it went from {} to {}, which no job does", step[0], step[1]));
        }
        if job.state.is_past_release() && job.contract.is_none() {
            return wrong("it was released without a contract");
        }
    }
    Ok(records.len())
}

fn unknown(id: &str) -> Failure {
    Failure::new(Code::new("JOB_UNKNOWN"), format!("there is no job {id}"), "see `tacit job list`.")
}

#[cfg(test)]
mod tests;
