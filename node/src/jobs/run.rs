//! The run of a contracted job: the data channel, the engine on a thread of its own, the release barrier, the result.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tacit_mpc::channel::Layered;
use tacit_mpc::channel::noise::{Deadlines, Handshake, NoiseChannel, Role as NoiseRole};
use tacit_mpc::inputs::{LocalTable, LocalTables};
use tacit_mpc::plan::Plan;
use tacit_mpc::released::{self, ReleasedValue};
use tacit_mpc::session::{self, Hooks, JobInput, Outcome, OutputShares, Phase, Progress};
use tacit_protocol::canonical::Salt;
use tacit_protocol::contract::Contract;
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::log::LogKind;
use tacit_protocol::privacy::BudgetHead;
use tacit_protocol::program::{Op, Program, TypedProgram};
use tacit_protocol::receipt::{OutputStatus, PartyAccount, ResultOpening};
use tacit_protocol::{Code, Failure, PartyId};
use tokio_util::sync::CancellationToken;

use super::negotiate::{self, Derived};
use super::progress::{Counting, Live};
use super::record::{Figures, JobRecord, TAKEN, Taken};
use super::result::StoredResult;
use super::{Jobs, is_of_the_disk, is_passing};
use crate::clock::system_rng;
use crate::context::{Context, OutputKind};
use crate::data_plane::{Route, Session, listening_party};
use crate::offline::reserve::PeerSupply;

/// The lane of the first, and in this version only, connection of a run.
const LANE: u16 = 0;
/// Rows of both tables for which the engine waits one second longer for the peer's next byte: between two messages a
/// party computes on all of its rows.
const ROWS_A_SECOND: u64 = 10_000;

/// The widest words that the plan of a job may need: those of its upper bounds.
///
/// # Errors
/// `PROGRAM_RANGE` or `PROGRAM_COST`, naming the node.
pub(super) fn ring_bits(derived: &Derived) -> Result<u16, Failure> {
    let plan = estimate(&derived.typed, derived)?;
    Ok(u16::try_from(plan.word_bits).expect("64 or 128"))
}

/// The plan at the upper bounds of all sizes, which a proposal is judged by.
///
/// # Errors
/// As [`Plan::lower`].
pub(super) fn estimate(typed: &TypedProgram, derived: &Derived) -> Result<Plan, Failure> {
    Plan::lower(typed, &derived.analysis.release, &typed.row_bounds()).map_err(|error| engine_failure(error, None))
}

impl Jobs {
    /// Enters `aligning` and marks the job as one whose run is under way in this process.
    ///
    /// # Errors
    /// `STATE_ILLEGAL`, or a fault of the store.
    pub(super) fn begin_run(self: &Arc<Self>, id: &JobId) -> Result<Running, Failure> {
        let (token, live) = (self.stop.child_token(), Arc::<Live>::default());
        // Marked first: whoever sees the state looks for the mark.
        let marked = self.running.send_if_modified(|all| match all.entry(*id) {
            Entry::Vacant(place) => {
                place.insert((token.clone(), live.clone()));
                true
            }
            Entry::Occupied(_) => false,
        });
        if !marked {
            let message = "a run of this job is under way";
            return Err(Failure::new(Code::new("STATE_ILLEGAL"), message, "see `tacit job show`."));
        }
        let running = Running { jobs: Arc::clone(self), id: *id, token, live };
        self.book.enter(id, JobState::Aligning, "")?;
        Ok(running)
    }

    /// Runs a job that [`Jobs::begin_run`] began, to its release. Afterwards its state says how it went on: an error
    /// past the release barrier is not the run's to judge, but [`super::settle`]'s.
    ///
    /// # Errors
    /// What ended the run before the release.
    pub(super) async fn run(self: &Arc<Self>, job: &JobRecord, running: Running) -> Result<(), Failure> {
        let failure = match self.run_until(job, &running).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        // A store that has stopped says nothing; then nothing of the release was written.
        let Ok(now) = self.book.get(&job.id) else { return Err(failure) };
        let may_pass = is_passing(&failure.code)
            || is_of_the_disk(&failure.code)
            || failure.code.as_str() == "JOB_INTERRUPTED"
            || failure.code.as_str().starts_with("CHANNEL_");
        if now.state.is_past_release() && may_pass {
            tracing::warn!(job = %job.id.short(), code = %failure.code, "the run broke off at the release: {failure}");
            return Ok(());
        }
        Err(failure)
    }

    /// Whether a run of this job is under way in this process.
    pub(super) fn is_running(&self, id: &JobId) -> bool {
        self.running.borrow().contains_key(id)
    }

    async fn run_until(self: &Arc<Self>, job: &JobRecord, running: &Running) -> Result<(), Failure> {
        let (token, live) = (&running.token, running.live.clone());
        let started = self.book.now();
        let connected = tokio::select! {
            () = token.cancelled() => return Err(interrupted().by_party(&self.context.config.name)),
            connected = self.connect(job) => connected?,
        };
        let socket = connected.stream.try_clone().map_err(|cause| channel_failure(&cause))?;
        let (jobs, owned) = (Arc::clone(self), job.clone());
        let span = tracing::Span::current();
        let thread =
            tokio::task::spawn_blocking(move || span.in_scope(|| jobs.engine(&owned, connected, started, &live)));
        tokio::pin!(thread);
        let ended = tokio::select! {
            ended = &mut thread => ended,
            () = token.cancelled() => {
                // The engine's next read or write fails; its secrets go with its thread.
                drop(socket.shutdown(Shutdown::Both));
                drop(thread.await);
                return Err(interrupted().by_party(&self.context.config.name));
            }
        };
        ended.unwrap_or_else(|panic| {
            let message = format!("the engine stopped: {panic}");
            Err(Failure::new(Code::new("ENGINE_BUG"), message, "this is a bug: please report it with the log."))
        })
    }

    /// The connection of the data plane: both derive from the contract who listens.
    async fn connect(&self, job: &JobRecord) -> Result<Session, Failure> {
        let contract = job.contract()?;
        let route = Route(*contract.digest().as_bytes());
        let deadline = tokio::time::Instant::now() + self.patience();
        let offered = |party: PartyId| !contract.channels[party.index()].addresses.is_empty();
        let listener = listening_party(offered(PartyId::ZERO), offered(PartyId::ONE));
        let addresses = &contract.channels[job.party.other().index()].addresses;
        let plane = &self.context.data_plane;
        let session = plane.connect(listener == job.party, job.peer, addresses, route, LANE, deadline).await;
        let session = session.map_err(|error| Failure::from(error).by_party(job.peer_name()))?;
        tracing::info!(job = %job.id.short(), peer = %job.peer_name(), path = session.path.as_str(), "the data channel is open");
        Ok(session)
    }

    /// The blocking part: handshake, alignment, computation, barrier, opening.
    fn engine(&self, job: &JobRecord, connection: Session, started: u64, live: &Live) -> Result<(), Failure> {
        let Session { stream, lease, .. } = connection;
        let socket = stream.try_clone().map_err(|cause| channel_failure(&cause))?;
        let peer = || Some(job.peer_name());
        let contract = job.contract()?;
        let program = prepare(job, &self.context)?;
        let channel = open_channel(&self.context, job, contract, stream).map_err(|e| engine_failure(e, peer()))?;
        let mut channel = Layered::over(channel, Counting(live));
        let input = JobInput {
            program: &program.typed,
            release: &contract.terms.release,
            party: job.party,
            tables: &program.tables,
            profiles: &contract.profiles,
            session: *contract.digest().as_bytes(),
        };
        let begun = Instant::now();
        // A failure of this node's own, which the engine only passes through.
        let own = Cell::new(None);
        let keep = |failure: Failure| {
            // The peer hears of it before it sees the channel close, so that both name the same cause.
            self.tell_before_the_end(job, &failure);
            let refused = refused_by_node(failure.clone());
            own.set(Some(failure));
            refused
        };
        let most = contract.terms.limits.bytes;
        let mut observer = |progress: Progress| {
            live.note(progress);
            if let Err(failure) = self.observe(&job.id, progress).and_then(|()| within(live.bytes(), most)) {
                keep(failure);
                // The engine's next read or write fails.
                drop(socket.shutdown(Shutdown::Both));
            }
        };
        let mut barrier = |shares: &OutputShares| self.release_barrier(job, shares).map_err(keep);
        let mut supply = PeerSupply::new(self.context.reserve.clone(), job.peer);
        let mut set_up = self.set_ups.of(&job.peer, self.book.now());
        let mut hooks = Hooks {
            observer: &mut observer,
            clock: &|| begun.elapsed(),
            release_barrier: &mut barrier,
            supply: &mut supply,
            set_up: &mut set_up,
        };
        let ran = session::run(&mut channel, &input, &mut system_rng(), &mut hooks);
        match (&ran, set_up) {
            (Err(error), _) if error.code().as_str().starts_with("PROTOCOL_") => self.set_ups.forget(&job.peer),
            (_, Some(set_up)) => self.set_ups.keep(job.peer, set_up, self.book.now()),
            (_, None) => {}
        }
        if let Some(failure) = own.take() {
            return Err(failure);
        }
        // What both sides conclude from the same messages (too few rows, a broken promise) ends in order too, so that
        // the last of those messages arrives and the peer concludes the same.
        if matches!(ran, Ok(_) | Err(tacit_mpc::Error::Refused { .. }))
            && let Err(error) = channel.into_inner().finish()
        {
            tracing::warn!(job = %job.id.short(), "the channel did not end in order: {error}");
        }
        let outcome = ran.map_err(|error| engine_failure(error, peer()))?;
        drop(lease);
        self.conclude(job, &outcome, program.rows, started)
    }

    /// Notes how far a run is.
    ///
    /// # Errors
    /// A fault of the store, with which the run has to end. One that was called off meanwhile is broken off by its token.
    fn observe(&self, id: &JobId, progress: Progress) -> Result<(), Failure> {
        let entered = match progress {
            Progress::Phase(Phase::SetUp) => self.book.enter(id, JobState::Executing, "").map(drop),
            Progress::Overlap { rows, .. } => self
                .book
                .change(id, |job, _| {
                    job.figures.get_or_insert_default().overlap = Some(rows);
                    Ok(())
                })
                .map(drop),
            Progress::Phase(_) | Progress::Step(_) => Ok(()),
        };
        match entered {
            Err(failure) if is_of_the_disk(&failure.code) => Err(failure),
            Err(failure) => {
                tracing::debug!(job = %id.short(), code = %failure.code, "progress not recorded");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// CHK-701: before the first byte of an opening leaves, the share is stored, what it costs is spent, and the release is in
    /// log and record.
    fn release_barrier(&self, job: &JobRecord, shares: &OutputShares) -> Result<(), Failure> {
        // CHK-605: nothing leaves a job that was called off meanwhile, nor does it cost anything. One that is called off
        // from here on is refused by the last step.
        let now = self.book.get(&job.id)?.state;
        now.step(JobState::Releasing).map_err(|error| {
            let message = format!("the job cannot release any more: {error}");
            Failure::new(Code::new("STATE_ILLEGAL"), message, "see `tacit job show`.")
        })?;
        self.context.store_output(&job.id, OutputKind::Share, &shares.to_bytes())?;
        let charges = self.context.charges(&job.proposal, &job.contract()?.terms.release, job.party)?;
        self.context.budget.spend(job.id, &charges)?;
        self.context.log_job(job, LogKind::Release, "shares of the outputs may have left", None)?;
        // CHK-213: on disk with the state that follows.
        self.context.histories.release(&job.id, &self.lineages(job)?, self.book.now())?;
        self.book.enter(&job.id, JobState::Releasing, "").map(drop)
    }

    /// Keeps what a run gave: results sealed, figures and the account for the receipt.
    fn conclude(&self, job: &JobRecord, outcome: &Outcome, rows: u64, started: u64) -> Result<(), Failure> {
        let total = |part: fn(&session::PhaseReport) -> u64| outcome.phases.iter().map(part).sum();
        let figures = Figures {
            rows,
            overlap: outcome.overlap.values().next().copied(),
            phases: outcome.phases.iter().map(|p| (p.phase.name().to_owned(), p.time.as_secs_f64())).collect(),
            sent: total(|phase| phase.traffic.sent),
            received: total(|phase| phase.traffic.received),
            rounds: total(|phase| phase.traffic.rounds),
        };
        let taken: Vec<(String, u64)> = outcome.taken.iter().map(|(kind, count)| (kind.name(), count)).collect();
        if !taken.is_empty() {
            TAKEN.put(&*self.context.store, job.id.as_bytes(), &Taken(taken))?;
        }
        self.keep_result(job, &outcome.released, figures, started)
    }

    /// What this node's opening would send to the peer once more; none where it has no share.
    pub(super) fn share_for_peer(&self, job: &JobRecord) -> Result<Option<Vec<u8>>, Failure> {
        let Some(stored) = self.context.output(&job.id, OutputKind::Share)? else { return Ok(None) };
        let shares = OutputShares::from_bytes(&stored).map_err(|error| engine_failure(error, None))?;
        Ok(Some(shares.outgoing()))
    }

    /// The peer's share came by the control plane: opens the outputs as the engine would have.
    pub(super) fn open_with(&self, job: &JobRecord, theirs: &[u8]) -> Result<(), Failure> {
        let Some(stored) = self.context.output(&job.id, OutputKind::Share)? else {
            let message = "this node has no share of its own to open the outputs with";
            return Err(Failure::new(Code::new("RELEASE_INVALID"), message, "submit the job again."));
        };
        let shares = OutputShares::from_bytes(&stored).map_err(|error| engine_failure(error, None))?;
        let released = shares.combine(theirs).map_err(|error| engine_failure(error, Some(job.peer_name())))?;
        let figures = job.figures.clone().unwrap_or_default();
        let started = job.history.iter().find(|entry| entry.state == JobState::Aligning).map_or(0, |entry| entry.at);
        self.keep_result(job, &released, figures, started)
    }

    fn keep_result(
        &self,
        job: &JobRecord,
        released: &[ReleasedValue],
        figures: Figures,
        started: u64,
    ) -> Result<(), Failure> {
        // Whoever comes second finds what it would write already there: what is stored is what was committed to.
        if self.book.get(&job.id)?.account.is_some() {
            return Ok(());
        }
        let outputs = &job.contract()?.terms.release.outputs;
        let mut openings = Vec::new();
        let results = outputs
            .iter()
            .map(|output| {
                let value = released.iter().find(|value| value.name == output.name)?;
                let opening = opening(job.id, value);
                let commitment = opening.commitment();
                openings.push(opening);
                Some(commitment)
            })
            .collect();
        if !released.is_empty() {
            let stored = StoredResult { values: released.to_vec(), openings };
            self.context.store_output(&job.id, OutputKind::Result, &stored.to_bytes())?;
            let names: Vec<&str> = released.iter().map(|value| value.name.as_str()).collect();
            self.context.log_job(job, LogKind::Job, &format!("received the outputs {}", names.join(", ")), None)?;
        }
        let noisy = job.contract()?.terms.release.outputs.iter().any(|output| !output.noise.is_empty());
        let log = self.context.log.head();
        let budget = noisy.then(|| BudgetHead::new(self.context.budget.head(), &self.context.identity));
        self.book.change(&job.id, |job, now| {
            let (sent, received, rounds) = (figures.sent, figures.received, figures.rounds);
            let software = concat!("tacit ", env!("CARGO_PKG_VERSION")).to_owned();
            job.account = Some(PartyAccount {
                sent,
                received,
                rounds,
                started,
                ended: now.max(started),
                software,
                results,
                log,
                budget,
            });
            job.figures = Some(figures);
            // A receiver has what it came for; the receipt is settled behind it.
            if released.is_empty() { Ok(()) } else { job.enter(JobState::Finished, now, "") }
        })?;
        Ok(())
    }
}

/// The mark of a run that is under way; dropping it takes the mark away.
pub(super) struct Running {
    jobs: Arc<Jobs>,
    id: JobId,
    token: CancellationToken,
    live: Arc<Live>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.jobs.running.send_modify(|all| drop(all.remove(&self.id)));
    }
}

/// The program of a contract with this party's tables.
struct Prepared {
    typed: TypedProgram,
    tables: LocalTables,
    rows: u64,
}

fn prepare(job: &JobRecord, context: &Context) -> Result<Prepared, Failure> {
    let acceptance = job.acceptance.as_ref().map_or(&[][..], |acceptance| &acceptance.datasets);
    // CHK-306: what was agreed must still hold now.
    let contract = job.contract()?;
    negotiate::still_allowed(&job.proposal, contract, &context.knowledge_as_agreed(contract))
        .map_err(|superseded| superseded.0)?;
    let (_, derived) = negotiate::complete(&job.proposal, acceptance)
        .map_err(|rejected| rejected.to_failure(|party| job.organisation(party)))?;
    let terms = &contract.terms;
    let program = derived.typed.program();
    let mut tables = LocalTables::new();
    let mut rows = 0;
    for dataset in terms.datasets.iter().filter(|dataset| dataset.owner == job.party) {
        let schema = &job.proposal.datasets.iter().find(|entry| entry.name == dataset.name).expect("in terms").schema;
        let used = used_columns(program, &derived.typed, &dataset.name);
        let names: Vec<&str> = used.iter().map(String::as_str).collect();
        // CHK-506: the rows are those of the commitment in the contract.
        let columns = context.datasets.read(&dataset.dataset, &names, &dataset.input)?;
        let mut table = LocalTable::new(usize::try_from(schema.rows).unwrap_or(usize::MAX));
        for column in columns {
            let described = column.schema.clone();
            table.insert(&described, &column.into_plain()).map_err(|error| engine_failure(error, None))?;
        }
        rows += schema.rows;
        tables.insert(dataset.name.clone(), table);
    }
    Ok(Prepared { typed: derived.typed, tables, rows })
}

/// The columns of a dataset that a program reads, by their names in the dataset.
pub(super) fn used_columns(program: &Program, typed: &TypedProgram, dataset: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for node in &program.nodes {
        let (table, names) = match &node.op {
            Op::Column { table, column } => (*table, vec![column.as_str()]),
            Op::Join { left, left_on, right, right_on, .. } => {
                for (side, key) in [(left, left_on), (right, right_on)] {
                    note(typed, *side, key, dataset, &mut used);
                }
                continue;
            }
            _ => continue,
        };
        names.iter().for_each(|name| note(typed, table, name, dataset, &mut used));
    }
    used
}

/// Notes the column that a name means in a table, if it is one of the dataset.
fn note(
    typed: &TypedProgram,
    table: tacit_protocol::program::NodeId,
    name: &str,
    dataset: &str,
    used: &mut BTreeSet<String>,
) {
    let Some(table) = typed.table(table) else { return };
    let plain = name.rsplit('.').next().unwrap_or(name);
    for column in table.columns.iter().filter(|column| column.dataset == dataset) {
        if column.name == name || column.name == plain {
            used.insert(column.name.clone());
        }
    }
}

/// The Noise session of the lane, bound to the contract (CHK-401).
fn open_channel(
    context: &Context,
    job: &JobRecord,
    contract: &Contract,
    stream: TcpStream,
) -> Result<NoiseChannel, tacit_mpc::Error> {
    let offered = |party: PartyId| !contract.channels[party.index()].addresses.is_empty();
    let responder = listening_party(offered(PartyId::ZERO), offered(PartyId::ONE));
    let role = if responder == job.party { NoiseRole::Responder } else { NoiseRole::Initiator };
    let prologue = contract.prologue(LANE, responder.other(), responder);
    let key = context.channel_key(&job.id).map_err(refused_by_node)?;
    let remote = *contract.channels[job.party.other().index()].key.as_bytes();
    let handshake = Handshake { role, local: &key, remote, prologue: *prologue.as_bytes() };
    let total = Duration::from_secs(contract.terms.limits.seconds.into());
    let silence = silence(context.config.peer_timeout_seconds, contract);
    NoiseChannel::connect(stream, &handshake, Deadlines { silence, total })
}

/// How long the peer may be silent in a run: as long as before it, and the time to compute on all rows.
fn silence(peer_timeout_seconds: u64, contract: &Contract) -> Duration {
    let rows = contract.terms.datasets.iter().fold(0_u64, |rows, dataset| rows.saturating_add(dataset.rows));
    Duration::from_secs(peer_timeout_seconds.saturating_add(rows / ROWS_A_SECOND))
}

/// What a receiver can later show of a value, against its commitment in the receipt.
fn opening(job: JobId, value: &ReleasedValue) -> ResultOpening {
    let status = match value.cells.as_slice() {
        cells if cells.iter().any(|cell| matches!(cell, released::Cell::Released(_))) => OutputStatus::Released,
        cells if cells.contains(&released::Cell::Suppressed) => OutputStatus::Suppressed,
        _ => OutputStatus::Undefined,
    };
    ResultOpening {
        job,
        output: value.name.clone(),
        status,
        value: serde_json::to_string(value).expect("a released value serialises"),
        salt: Salt::random(&mut system_rng()),
    }
}

/// Whether what has gone over the channel is within the contract's limit.
fn within(bytes: u64, most: u64) -> Result<(), Failure> {
    if bytes <= most {
        return Ok(());
    }
    let message = format!("the run has sent and received {bytes} bytes, and the contract allows {most}");
    Err(Failure::new(Code::new("CHANNEL_LIMIT"), message, "compute on fewer rows, or in several jobs."))
}

/// An engine's error for this node's people.
fn engine_failure(error: tacit_mpc::Error, peer: Option<String>) -> Failure {
    let next = match error.code().as_str() {
        "OUT_OF_RANGE" => "widen the ranges that the program assumes, or mend the data.",
        "ALIGN_BELOW_MINIMUM" => "ask about a larger part of the population.",
        "PROGRAM_RANGE" | "PROGRAM_COST" => "declare narrower ranges, or compute on fewer rows.",
        code if code.starts_with("PROTOCOL_") => "nothing of the session is used again; ask the peer's operator.",
        _ => "submit the job again; `tacit doctor` checks the path to the peer.",
    };
    let step = error.step().map(ToOwned::to_owned);
    let mut failure = Failure::new(error.code(), error.to_string(), next);
    failure.party = peer;
    failure.step = step;
    failure
}

/// A failure of this node inside the engine, for instance a full disk at the release barrier.
fn refused_by_node(failure: Failure) -> tacit_mpc::Error {
    tacit_mpc::Error::Refused { code: failure.code.clone(), cause: failure.message }
}

fn channel_failure(cause: &std::io::Error) -> Failure {
    Failure::new(Code::new("CHANNEL_CLOSED"), format!("the data channel: {cause}"), "submit the job again.")
}

fn interrupted() -> Failure {
    Failure::new(Code::new("JOB_INTERRUPTED"), "the run was broken off", "see `tacit job show`.")
}
