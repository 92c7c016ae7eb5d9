//! Jobs: from a submitted program to a settled receipt.
//!
//! A job is a state machine whose every transition is written before it is acted on ([`book`]). One task a job drives
//! it ([`proposer`], [`owner`]) and acts by the state that it finds, so a restarted node goes on where it was. Peers'
//! messages change the record under the same rules ([`inbound`]). Decisions are pure ([`negotiate`]); the run itself is
//! a blocking thread ([`run`]); what follows the release is [`settle`].

pub(crate) mod approvals;
pub mod book;
mod check;
pub mod events;
mod graph;
pub mod history;
mod inbound;
mod learned;
pub mod negotiate;
mod owner;
mod progress;
mod proposer;
mod queue;
pub mod record;
pub(crate) mod restored;
mod result;
mod retention;
mod run;
mod set_ups;
mod settle;
mod verdict;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tacit_protocol::identity::PeerId;
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{self, JobStatus, PeerFailure, PeerText, Request, Response};
use tacit_protocol::program::Alignment;
use tacit_protocol::program::disclosure::told;
use tacit_protocol::{Code, Failure};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::context::{Context, OutputKind};
use book::Book;
use history::{About, Lineage};
use negotiate::Usage;
use progress::Live;
use record::{JobRecord, Role};
use set_ups::SetUps;

/// Runs at a time. More wait; a run may use all cores and its tables' memory.
const CONCURRENT_RUNS: usize = 2;
/// How long an answer to one message may take.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a node whose store has stopped stays to tell its peers.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// The wait between two tries of a message.
const RETRY: Duration = Duration::from_millis(500);

/// The jobs of a node and the tasks that drive them.
pub struct Jobs {
    context: Arc<Context>,
    book: Book,
    runs: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Held while a proposal is judged and written down, so that no two are judged without each other.
    judged: Mutex<()>,
    /// Held while approvals are read and written.
    approving: Mutex<()>,
    /// What the next jobs with a peer go on with.
    set_ups: SetUps,
    /// What calls off the run of a job that is under way, and how far it is.
    running: watch::Sender<HashMap<JobId, (CancellationToken, Arc<Live>)>>,
}

impl Jobs {
    /// The jobs in the node's store. [`Jobs::resume`] sets them going.
    pub fn new(context: Arc<Context>, stop: CancellationToken) -> Arc<Self> {
        let book = Book::new(context.store.clone(), context.clock.clone());
        Arc::new(Self {
            context,
            book,
            runs: Arc::new(Semaphore::new(CONCURRENT_RUNS)),
            tasks: TaskTracker::new(),
            stop,
            judged: Mutex::default(),
            approving: Mutex::default(),
            set_ups: SetUps::default(),
            running: watch::Sender::default(),
        })
    }

    /// The book of jobs.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Drives every job that is not settled: after a start, jobs go on where they were. Stops the node if its store stops.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn resume(self: &Arc<Self>) -> Result<(), Failure> {
        let jobs = Arc::clone(self);
        self.tasks.spawn(async move {
            let stopped = jobs.context.store.stopped();
            tokio::select! {
                () = jobs.stop.cancelled() => return,
                () = stopped.cancelled() => {}
            }
            tracing::error!("a write to the store failed: the node stops; started again, it goes on from its disk");
            // The jobs that noticed tell their peers.
            tokio::time::sleep(LAST_WORDS).await;
            jobs.stop.cancel();
        });
        self.settle_budgets()?;
        for job in self.book.all()? {
            if !job.state.is_final() || settle::is_open(&job) {
                self.drive(job.id);
            }
        }
        Ok(())
    }

    /// What was put aside for jobs that a crash ended is put back, or spent where a share may have left.
    fn settle_budgets(&self) -> Result<(), Failure> {
        let budget = &self.context.budget;
        for id in budget.open_jobs() {
            let settled = match self.book.get(&id) {
                Ok(job) if job.state.is_past_release() => budget.settle(id),
                Ok(job) if !job.state.is_final() => Ok(()),
                Err(failure) if failure.code.as_str() != "JOB_UNKNOWN" => return Err(failure),
                _ => budget.release(id),
            };
            // A ledger that is in doubt stays as it is until its operator has confirmed it.
            if let Err(failure) = settled {
                tracing::error!(job = %id.short(), code = %failure.code, "a budget is not settled: {failure}");
            }
        }
        Ok(())
    }

    /// Waits until no task runs any more. The token given to [`Jobs::new`] is cancelled first.
    pub async fn join(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Starts the task of a job.
    fn drive(self: &Arc<Self>, id: JobId) {
        let jobs = Arc::clone(self);
        let span = self.span(&id);
        let driven = async move {
            let stop = jobs.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = jobs.drive_to_end(id) => {}
            }
        };
        self.tasks.spawn(driven.instrument(span));
    }

    /// How often a dataset is used, for the limits of its policy. Jobs that a peer began under an earlier key count
    /// (CHK-116).
    ///
    /// # Errors
    /// A fault of the store.
    fn usage(&self) -> Result<impl Fn(&str, &PeerId, Option<JobId>) -> Usage + '_, Failure> {
        let usage = self.book.usage()?;
        Ok(move |dataset: &str, peer: &PeerId, job| {
            let keys = self.context.pairing.keys_of(peer).into_iter();
            let of_keys = keys.map(|key| usage(dataset, &key, job));
            of_keys.fold(Usage::default(), |sum, one| Usage {
                today: sum.today.saturating_add(one.today),
                running: one.running,
            })
        })
    }

    /// The span of a job: what is logged while it is driven carries its name, its peer and this node's place in it.
    fn span(&self, id: &JobId) -> Span {
        let span = tracing::info_span!("job", job = %id.short(), peer = Empty, party = Empty);
        if let Ok(job) = self.book.get(id) {
            span.record("peer", job.peer_name()).record("party", job.party.0);
        }
        span
    }

    async fn drive_to_end(self: &Arc<Self>, id: JobId) {
        let mut pause = RETRY;
        loop {
            let job = match self.book.get(&id) {
                Ok(job) => job,
                Err(fault) => {
                    tracing::error!(job = %id.short(), code = %fault.code, "the job stands still: {fault}");
                    return;
                }
            };
            // Beside the span of the whole: a log line has the fields of one span.
            let (peer, party, step) = (job.peer_name(), job.party.0, job.state.name());
            let at = tracing::info_span!(parent: None, "job", job = %id.short(), peer, party, step);
            let stepped = match job.role {
                Role::Proposer => self.step_as_proposer(job.clone()).instrument(at).await,
                Role::Owner => self.step_as_owner(job.clone()).instrument(at).await,
            };
            let is_past_release = || self.book.get(&id).is_ok_and(|job| job.state.is_past_release());
            match stepped {
                Ok(Next::Again) => pause = RETRY,
                Ok(Next::Done) => return,
                Err(fault) if is_of_the_disk(&fault.code) && is_past_release() => {
                    // What is released stays released; what follows is written once there is room.
                    tracing::error!(job = %id.short(), code = %fault.code, "the job is held up: {fault}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(settle::PAUSE);
                }
                Err(failure) => match self.end_as_failed(&job, failure).await {
                    Some(job) if settle::is_open(&job) => {}
                    _ => return,
                },
            }
        }
    }

    /// Ends a job that failed, as often as the store refuses to take it: a full disk holds a job up, and does not leave
    /// it standing. The peer hears of the end at once. None if the node stops first.
    async fn end_as_failed(self: &Arc<Self>, known: &JobRecord, failure: Failure) -> Option<JobRecord> {
        let known = self.book.get(&known.id).unwrap_or_else(|_| known.clone());
        let mut pause = RETRY;
        let mut told = false;
        loop {
            let fault = match self.fail(&known.id, failure.clone()) {
                Ok(job) => return Some(job),
                Err(fault) => fault,
            };
            tracing::error!(job = %known.id.short(), code = %fault.code, "the end of the job cannot be written: {fault}");
            if !is_of_the_disk(&fault.code) || self.context.store.stopped().is_cancelled() && told {
                return None;
            }
            if !told && !known.state.is_past_release() {
                let (jobs, status) = (Arc::clone(self), unwritten_end(&known, &failure));
                let known = known.clone();
                self.tasks.spawn(async move { drop(jobs.ask_once(&known, "status", &status).await) });
            }
            told = true;
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(settle::PAUSE);
        }
    }

    /// Ends a job that failed, unless it has ended already, and tells the peer.
    fn fail(self: &Arc<Self>, id: &JobId, failure: Failure) -> Result<JobRecord, Failure> {
        let (ended, job) = self.book.change(id, |job, now| {
            if job.state.is_final() {
                return Ok(false);
            }
            let step = failure.step.clone().unwrap_or_else(|| job.state.to_string());
            let end = match failure.code.exit_class() {
                tacit_protocol::ExitClass::Denied if !job.state.is_past_release() => JobState::Refused,
                _ => JobState::Failed,
            };
            // Not every state has a way to `refused`.
            let end = if job.state.step(end).is_ok() { end } else { JobState::Failed };
            job.end(end, failure.clone().at_step(step), now).map(|()| true)
        })?;
        if ended {
            tracing::warn!(job = %id.short(), state = %job.state, code = %failure.code, "the job ended");
            self.log_end(&job);
            self.tell_status(&job);
        }
        Ok(job)
    }

    /// Notes the end of a job without a result in the log, and deletes its secrets. Nothing leaves with it, so a log
    /// that takes no entry holds nothing up.
    fn log_end(&self, job: &JobRecord) {
        let code = job.failure.as_ref().map(|failure| failure.code.as_str());
        if let Err(fault) = self.context.log_job(job, LogKind::Job, &format!("the job is {}", job.state), code) {
            tracing::error!(job = %job.id.short(), code = %fault.code, "the end is not in the log: {fault}");
        }
        self.forget(job);
    }

    /// Drops what is kept for further jobs with a key that is paired no more.
    pub fn forget_peer(&self, peer: &PeerId) {
        self.set_ups.forget(peer);
    }

    fn judging(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data of its own, so a panic under it leaves nothing half changed.
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a job may tell of this node's datasets, before it is agreed to (CHK-213).
    fn remember(&self, job: &JobRecord) -> Result<(), Failure> {
        let typed = negotiate::typed(&job.proposal)?;
        let receivers = negotiate::receivers(&job.proposal, typed.program())?;
        let told = told(&typed, &receivers).map_err(|dataset| {
            let message = format!("the job tells more of {dataset} than a history can hold");
            Failure::new(Code::new("DISCLOSURE_HISTORY"), message, "release less in one job.")
        })?;
        let mut about = Vec::new();
        for dataset in job.proposal.datasets.iter().filter(|dataset| dataset.owner == job.party) {
            let Some(lineage) = self.context.datasets.lineage(&dataset.dataset)? else { continue };
            let of_dataset = told.iter().filter(|(name, _)| *name == dataset.name).map(|(_, told)| told).collect();
            let aligned = !negotiate::alignments_of(&job.proposal, &dataset.name).is_empty();
            about.push(About { lineage, version: dataset.version, told: of_dataset, aligned });
        }
        self.context.histories.reserve(&job.id, &job.proposal, &about, self.book.now())
    }

    /// The lineages of this node's datasets in a job.
    fn lineages(&self, job: &JobRecord) -> Result<Vec<Lineage>, Failure> {
        let own = job.proposal.datasets.iter().filter(|dataset| dataset.owner == job.party);
        let found =
            own.map(|dataset| self.context.datasets.lineage(&dataset.dataset)).collect::<Result<Vec<_>, _>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Deletes the secrets of a job that ended without a result, and what was noted that it might tell. A store that
    /// does not is asked again by retention.
    fn forget(&self, job: &JobRecord) {
        // Nothing left for it: what was put aside is there again. What was spent stays spent.
        if let Err(fault) = self.context.budget.release(job.id) {
            tracing::error!(job = %job.id.short(), code = %fault.code, "its budget is not put back yet: {fault}");
        }
        // Where a share may have left, it may have told all.
        if !job.history.iter().any(|entered| entered.state.is_past_release()) {
            let told = self.lineages(job).and_then(|lineages| self.context.histories.forget(&job.id, &lineages));
            let returned = |()| if told_by_alignment(job) { Ok(()) } else { self.return_approval(job) };
            if let Err(fault) = told.and_then(returned) {
                tracing::error!(job = %job.id.short(), code = %fault.code, "it counts as told for now: {fault}");
            }
        }
        let forgotten = self.context.forget_secrets(&job.id);
        if let Err(fault) = forgotten.and_then(|()| self.context.forget_output(&job.id, OutputKind::Share)) {
            tracing::error!(job = %job.id.short(), code = %fault.code, "its secrets are not deleted yet: {fault}");
        }
    }

    /// Tells the peer where a job stands, in the background. Peers ask again by themselves, so a loss does no harm.
    fn tell_status(self: &Arc<Self>, job: &JobRecord) {
        let (jobs, job) = (Arc::clone(self), job.clone());
        self.tasks.spawn(async move { drop(jobs.exchange_status(&job).await) });
    }

    /// Tells the peer where a job stands here, once; where it stands there.
    async fn exchange_status(&self, job: &JobRecord) -> Result<JobStatus, Failure> {
        let request = Request::Status { about: self.about(&job.id)?, status: status(job) };
        match self.ask_once(job, "status", &request).await? {
            Response::Status(theirs) => Ok(theirs),
            Response::Failed(failure) => Err(failure.to_failure(&job.peer_name())),
            _ => Err(unexpected("status")),
        }
    }

    /// Tells the peer that a run fails for a reason of this node's own, on the thread of the run, and waits a moment for
    /// its answer.
    fn tell_before_the_end(&self, job: &JobRecord, failure: &Failure) {
        let status = unwritten_end(job, failure);
        let told = async { tokio::time::timeout(LAST_WORDS, self.ask_once(job, "status", &status)).await };
        drop(tokio::runtime::Handle::current().block_on(told));
    }

    /// Cancels a job that is before its release (CHK-308) and tells the peer.
    ///
    /// # Errors
    /// `JOB_RELEASED` if a share may have left, `STATE_ILLEGAL` if it has ended.
    pub fn cancel(self: &Arc<Self>, id: &JobId, by: &str, reason: &str) -> Result<JobRecord, Failure> {
        let ((), job) = self.book.change(id, |job, now| {
            if job.state.is_past_release() {
                let message = "parts of the answer may have left already; what is released stays released";
                return Err(Failure::new(Code::new("JOB_RELEASED"), message, "see `tacit job show`."));
            }
            let failure = Failure::new(Code::new("JOB_CANCELLED"), reason, "submit the job again if it was a mistake.");
            let failure = failure.by_party(by).at_step(job.state.to_string());
            job.state.step(JobState::Cancelled).map_err(|_| ended_already(job))?;
            self.context.log_job(job, LogKind::Job, &format!("cancelled: {reason}"), Some("JOB_CANCELLED"))?;
            job.told = Some(PeerFailure::new(failure.code.clone(), "The job was called off.", "Ask its operator."));
            job.end(JobState::Cancelled, failure, now)
        })?;
        tracing::info!(job = %id.short(), "job cancelled");
        self.interrupt(id);
        self.forget(&job);
        self.tell_status(&job);
        Ok(job)
    }

    /// Breaks off the run of a job, if one is under way.
    fn interrupt(&self, id: &JobId) {
        let running = self.running.borrow().get(id).cloned();
        if let Some((token, _)) = running {
            token.cancel();
        }
    }

    /// Whether the run of any job is under way.
    pub(crate) fn any_running(&self) -> bool {
        !self.running.borrow().is_empty()
    }

    /// Waits until the run of any job is under way.
    pub(crate) async fn until_any_runs(&self) {
        let mut running = self.running.subscribe();
        // An error would mean that the jobs are gone.
        drop(running.wait_for(|running| !running.is_empty()).await);
    }

    /// The number of this node's next message about a job.
    fn about(&self, id: &JobId) -> Result<messages::About, Failure> {
        let ((), job) = self.book.change(id, |job, _| {
            job.sequence += 1;
            Ok(())
        })?;
        Ok(messages::About { job: *id, sequence: job.sequence })
    }

    /// Asks the peer of a job, once.
    async fn ask_once(&self, job: &JobRecord, step: &'static str, request: &Request) -> Result<Response, Failure> {
        self.context.ask(&job.peer, step, request, MESSAGE_TIMEOUT).await.map_err(|f| f.by_party(job.peer_name()))
    }

    /// Asks the peer of a job, again and again until it answers or `patience` is over. Messages are idempotent.
    async fn ask(
        &self,
        job: &JobRecord,
        step: &'static str,
        request: &Request,
        patience: Duration,
    ) -> Result<Response, Failure> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            match self.ask_once(job, step, request).await {
                Ok(Response::Failed(failure)) => return Err(failure.to_failure(&job.peer_name()).at_step(step)),
                Ok(answer) => return Ok(answer),
                Err(failure) if is_passing(&failure.code) && tokio::time::Instant::now() + RETRY < deadline => {
                    tokio::time::sleep(RETRY).await;
                    // A peer that has just come back is not waited for any longer than that.
                    drop(self.context.network.dial(job.peer).await);
                }
                Err(failure) => return Err(failure.at_step(step)),
            }
        }
    }

    /// How long a peer may be away before a job fails.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.context.config.peer_timeout_seconds)
    }
}

/// Whether a job has more to do.
enum Next {
    /// Look at its state again.
    Again,
    /// It is settled, or another message sets it going.
    Done,
}

fn ended_already(job: &JobRecord) -> Failure {
    let message = format!("job {} is {} already", job.id.short(), job.state);
    Failure::new(Code::new("STATE_ILLEGAL"), message, "see `tacit job show`.")
}

/// Whether a failure to ask may be over soon.
fn is_passing(code: &Code) -> bool {
    matches!(code.as_str(), "PEER_UNREACHABLE" | "PEER_TIMEOUT" | "PEER_RATE" | "PEER_NO_ANSWER" | "PEER_CLOSED")
}

/// Whether a failure is one of this node's disk, which may have room again.
pub(crate) fn is_of_the_disk(code: &Code) -> bool {
    matches!(code.as_str(), "STORE_FULL" | "STORE_IO")
}

/// Whether a run that revealed which rows match may have begun: what it told of them stays told, whatever became of it.
fn told_by_alignment(job: &JobRecord) -> bool {
    let began = job.history.iter().any(|entered| entered.state == JobState::Aligning);
    began && negotiate::alignments(&job.proposal).contains(&Alignment::Revealed)
}

/// Where a job stands, as the peer may hear it.
fn status(job: &JobRecord) -> JobStatus {
    JobStatus {
        state: job.state,
        step: job.failure.as_ref().and_then(|failure| failure.step.as_deref()).map(PeerText::new),
        failure: job.told.clone(),
    }
}

/// What the peer hears of a failed end that this node cannot write down. It has the number of the message that the
/// written one would have had.
fn unwritten_end(job: &JobRecord, failure: &Failure) -> Request {
    let step = failure.step.clone().unwrap_or_else(|| job.state.to_string());
    let told = PeerFailure::from(&failure.clone().at_step(&step));
    let about = messages::About { job: job.id, sequence: job.sequence.saturating_add(1) };
    let status = JobStatus { state: JobState::Failed, step: Some(PeerText::new(step)), failure: Some(told) };
    Request::Status { about, status }
}

/// An answer of another kind than the request's.
fn unexpected(step: &'static str) -> Failure {
    let message = format!("the peer's answer at {step} is of another kind than the question");
    Failure::new(Code::new("PEER_ANSWER"), message, "bring both nodes to one version.").at_step(step)
}
