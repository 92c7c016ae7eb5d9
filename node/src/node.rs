//! The node: what its API offers, on the parts that do it.

pub(crate) mod callers;
mod health;
mod operations;
mod policies;
mod spool;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt;
use rand_core::Rng;
use serde_json::json;
use tacit_protocol::api::policies::ApproveRequest;
use tacit_protocol::api::{
    DatasetInfo, ImportRequest, ImportTicket, Invitation, InviteRequest, JobDetail, JobResult, LogCheck, LogLine,
    NodeStatus, Peer, Setting,
};
use tacit_protocol::bench::{BenchReport, BenchRequest};
use tacit_protocol::codec::{decode, encode};
use tacit_protocol::identity::PeerId;
use tacit_protocol::job::JobId;
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{CatalogueEntry, PROTOCOL_VERSION, PeerFailure, Request, Response};
use tacit_protocol::{Code, Failure, name};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bench::Measurements;
use crate::clock::system_rng;
use crate::context::Context;
use crate::data::{DatasetRecord, Format, Import, ImportOptions, PolicyFile};
use crate::jobs::Jobs;
use crate::jobs::events::Events;
use crate::log;
use crate::network::{InboundRequest, PeerPath, Protocol};
use crate::offline::work::IdleWork;
use crate::probe::Probes;
use crate::reach;
use crate::setup::Files;
use crate::store::StoreError;
use crate::tokens::Caller;
pub use spool::Spooled;
use spool::Spools;

/// The largest file that is imported through the API.
const MAX_IMPORT_BYTES: u64 = 64 << 30;
/// Announced imports whose bytes have not come.
const MAX_ANNOUNCED: usize = 64;
/// How long an announced import waits for its bytes, in seconds.
const ANNOUNCED_SECONDS: u64 = 3600;
/// Entries of the log in one answer.
const LOG_PAGE: usize = 1_000;
/// How often an issuer is asked that has not confirmed yet.
const CONFIRM_EVERY: Duration = Duration::from_secs(5);
/// How long a receipt may take to be settled before the API says that it is not yet.
const RECEIPT_WAIT: Duration = Duration::from_secs(20);

/// A running node.
pub struct Node {
    pub(crate) context: Arc<Context>,
    files: Files,
    jobs: Arc<Jobs>,
    measurements: Arc<Measurements>,
    probes: Arc<Probes>,
    /// What it does while no job runs; none where the operator has turned that off.
    idle: Option<Arc<IdleWork>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Announced imports by id, with the time of the announcement.
    announced: Mutex<HashMap<String, (ImportRequest, u64)>>,
    spools: Spools,
}

impl Node {
    /// The node of these parts.
    pub fn new(context: Arc<Context>, files: Files, stop: CancellationToken) -> Arc<Self> {
        let jobs = Jobs::new(context.clone(), stop.clone());
        let (tasks, announced) = (TaskTracker::new(), Mutex::default());
        let measurements = Arc::new(Measurements::new(context.clone(), jobs.clone(), tasks.clone(), stop.clone()));
        let probes = Probes::new(context.clone(), tasks.clone(), stop.clone());
        let idle = context.reserve.clone().map(|reserve| {
            IdleWork::new(context.clone(), reserve, jobs.clone(), measurements.clone(), tasks.clone(), stop.clone())
        });
        let spools = Spools::new(files.dir.clone());
        Arc::new(Self { context, files, jobs, measurements, probes, idle, tasks, stop, announced, spools })
    }

    /// Admits the paired peers, answers requests, and drives the jobs where they stopped.
    ///
    /// # Errors
    /// A fault of the store or the network.
    pub async fn start(self: &Arc<Self>, requests: mpsc::Receiver<InboundRequest>) -> Result<(), Failure> {
        outlive_file_limits();
        // What an interrupted import left behind is no use to anyone.
        drop(std::fs::remove_dir_all(self.files.imports()));
        std::fs::create_dir_all(self.files.imports()).map_err(|cause| import_failure(&cause))?;
        self.context.keep_policy_versions()?;
        let (pairing, network) = (self.context.pairing.clone(), self.context.network.clone());
        let (addresses, stop) = (self.context.addresses(), self.stop.clone());
        self.tasks.spawn(async move { pairing.ask_again(&network, addresses, CONFIRM_EVERY, stop).await });
        let node = Arc::clone(self);
        self.tasks.spawn(async move { node.answer_requests(requests).await });
        self.tasks.spawn(Arc::clone(&self.jobs).keep_retention());
        let node = Arc::clone(self);
        self.tasks.spawn(async move { node.stop_once_drained().await });
        self.tasks.spawn(reach::tell_addresses(self.context.clone(), self.stop.clone()));
        if let Some(idle) = &self.idle {
            self.tasks.spawn(Arc::clone(idle).run());
        }
        self.jobs.resume()
    }

    /// Waits until all tasks have ended after the stop.
    pub async fn join(&self) {
        self.jobs.join().await;
        self.tasks.close();
        self.tasks.wait().await;
        self.context.log_counted_rejections(true);
    }

    /// Asks the node to stop at once.
    pub fn request_stop(&self) {
        self.stop.cancel();
    }

    /// What the node says of itself.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn status(&self) -> Result<NodeStatus, Failure> {
        Ok(NodeStatus {
            name: self.context.config.name.clone(),
            peer_id: self.context.identity.peer().to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            addresses: self.context.network.listen_addresses().borrow().iter().map(ToString::to_string).collect(),
            data_address: self.context.data_plane.local_address().to_string(),
            jobs_running: self.jobs.book().open_count(None)? as u64,
            peers_connected: self.context.network.connected().borrow().len() as u64,
            draining: self.context.drain.has_begun(),
            jobs_to_drain: self.jobs.book().under_way()?,
            drain_seconds_left: self.context.drain.seconds_left(),
            announced: self.context.addresses(),
            seen_at: reach::seen_at(&self.context),
        })
    }

    /// A new invitation.
    ///
    /// # Errors
    /// The time is too long, or a fault of the store.
    pub async fn invite(&self, request: &InviteRequest) -> Result<Invitation, Failure> {
        let context = self.context.clone();
        let (valid, auto) = (request.valid_seconds, request.auto_confirm);
        let issued = off_reactor(move || context.pairing.invite(context.addresses(), valid, auto)).await?;
        let (ticket, expires) = issued?;
        self.context.log(LogKind::Peer, &json!({ "text": "a ticket was issued", "expires": expires, "auto": auto }))?;
        Ok(Invitation { ticket, expires })
    }

    /// Redeems another organisation's invitation.
    ///
    /// # Errors
    /// `TICKET_*`, or the issuer cannot be reached.
    pub async fn accept_invitation(&self, ticket: &str) -> Result<Peer, Failure> {
        let context = &self.context;
        let peer = context.pairing.accept(&context.network, ticket, context.addresses()).await?;
        self.log_peer(&peer, "its ticket was redeemed")?;
        Ok(self.peer_info(&peer))
    }

    /// The peers.
    pub fn peers(&self) -> Vec<Peer> {
        self.context.pairing.peers().iter().map(|peer| self.peer_info(peer)).collect()
    }

    /// Confirms a pending peer.
    ///
    /// # Errors
    /// `PEER_UNKNOWN` if it is not pending.
    pub async fn confirm_peer(&self, peer: &str) -> Result<Peer, Failure> {
        let peer = parse_peer(peer)?;
        let old = self.context.pairing.would_follow(&peer);
        if let Some(old) = old {
            // Before the new key is admitted; again, it changes nothing.
            let heads = Arc::clone(&self.context.heads);
            off_reactor(move || heads.follow(&old, &peer)).await??;
        }
        let confirmed = self.context.pairing.confirm(&self.context.network, peer).await?;
        match old {
            None => self.log_peer(&confirmed, "confirmed by the operator")?,
            Some(old) => {
                self.end_with(&old, "its organisation has a new key").await?;
                self.log_peer(&confirmed, &format!("confirmed by the operator: its key follows {old}"))?;
            }
        }
        Ok(self.peer_info(&confirmed))
    }

    /// Revokes a peer and calls its jobs off (CHK-115).
    ///
    /// # Errors
    /// `PEER_UNKNOWN`, or a fault of the journal.
    pub async fn revoke_peer(&self, peer: &str) -> Result<Peer, Failure> {
        let peer = parse_peer(peer)?;
        self.context.pairing.revoke(&self.context.network, peer).await?;
        self.end_with(&peer, "the pairing was ended").await?;
        let revoked = self.context.pairing.peer(&peer).ok_or_else(|| unknown_peer(&peer.to_string()))?;
        self.log_peer(&revoked, "revoked by the operator")?;
        Ok(self.peer_info(&revoked))
    }

    /// Calls the jobs with a key off that is paired no more, and drops what was made in advance with it.
    async fn end_with(&self, peer: &PeerId, why: &str) -> Result<(), Failure> {
        for job in self.jobs.book().open_with(peer)? {
            // One that is past its release cannot be called off; its peer cannot be reached any more either.
            drop(self.jobs.cancel(&job, &self.context.config.name, why));
        }
        self.jobs.forget_peer(peer);
        if let Some(reserve) = self.context.reserve.clone() {
            let peer = *peer;
            // What cannot be removed now is at the next start.
            let dropped = off_reactor(move || reserve.store().drop_all(&peer)).await?;
            if let Err(error) = dropped {
                tracing::warn!(peer = %peer.short(), step = "idle", code = %error.code(), "files stay: {error}");
            }
        }
        Ok(())
    }

    /// How each connected peer is reached.
    pub fn paths(&self) -> watch::Receiver<BTreeMap<PeerId, PeerPath>> {
        self.context.network.paths()
    }

    /// How a peer is reached, for those who ask.
    pub fn path_info(&self, path: &PeerPath) -> tacit_protocol::api::PeerPath {
        reach::describe(&self.context, path)
    }

    fn log_peer(&self, peer: &crate::peers::Peer, what: &str) -> Result<(), Failure> {
        let body = json!({ "peer": peer.peer, "organisation": peer.organisation, "text": what });
        self.context.log(LogKind::Peer, &body)
    }

    fn peer_info(&self, peer: &crate::peers::Peer) -> Peer {
        let greeted = self.context.heads.greeted(&peer.peer);
        Peer {
            name: peer.organisation.clone(),
            peer_id: peer.peer.to_string(),
            state: peer.state.as_str().into(),
            connected: self.context.network.connected().borrow().contains(&peer.peer),
            words: self.context.pairing.words(&peer.peer),
            follows: self.context.pairing.would_follow(&peer.peer).map(|old| old.to_string()),
            versions: greeted.versions.map(|(oldest, newest)| format!("{oldest} to {newest}")),
            build: greeted.build,
            lag: greeted.versions.and_then(|versions| lag(&peer.organisation, versions)),
            problem: greeted.problem,
            path: self.paths().borrow().get(&peer.peer).map(|path| self.path_info(path)),
            addresses: peer.addresses.clone(),
        }
    }

    /// The node's own datasets.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn datasets(&self) -> Result<Vec<DatasetInfo>, Failure> {
        self.context.datasets.list()?.iter().map(|record| self.own_info(record)).collect()
    }

    /// Removes a dataset.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN`, or a fault of the store.
    pub fn remove_dataset(&self, name: &str) -> Result<(), Failure> {
        self.context.datasets.dataset(name)?;
        self.context.log(LogKind::Dataset, &json!({ "dataset": name, "text": "removed" }))?;
        Ok(self.context.datasets.remove(name)?)
    }

    /// The datasets of this node and of its peers that this organisation may use. A peer that is away is left out.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn catalogue(&self) -> Result<Vec<DatasetInfo>, Failure> {
        let mut all = self.datasets()?;
        let asked = self.context.paired().into_iter().map(async |(peer, name)| {
            let entries = self.context.catalogue_of(&peer, &name).await;
            (name, entries)
        });
        for (owner, entries) in futures::future::join_all(asked).await {
            match entries {
                Ok(entries) => all.extend(entries.into_iter().filter(is_well_named).map(|entry| DatasetInfo {
                    name: format!("{owner}/{}", entry.dataset),
                    owner: owner.clone(),
                    version: entry.version,
                    rows: entry.schema.rows,
                    key: entry.schema.unique_key,
                    columns: entry.schema.columns,
                    policy: entry.policy.to_string(),
                })),
                Err(failure) => tracing::warn!(peer = %owner, code = %failure.code, "no catalogue: {failure}"),
            }
        }
        Ok(all)
    }

    /// Announces an import. Name and policy are checked before the bytes come.
    ///
    /// # Errors
    /// `USAGE_FORMAT`, `DATASET_NAME`, `POLICY_PARSE`, or too many imports are announced.
    pub fn announce_import(&self, request: ImportRequest) -> Result<ImportTicket, Failure> {
        name::check_dataset(&request.name)?;
        format(&request)?;
        PolicyFile::new(&request.policy)?;
        let mut id = [0; 16];
        system_rng().fill_bytes(&mut id);
        let id = data_encoding::HEXLOWER.encode(&id);
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.context.clock.unix_seconds();
        announced.retain(|_, (_, at)| is_awaited(*at, now));
        if announced.len() >= MAX_ANNOUNCED {
            let message = format!("{MAX_ANNOUNCED} imports are announced whose bytes have not come");
            return Err(Failure::new(Code::new("IMPORT_LIMIT"), message, "send their bytes, or wait an hour."));
        }
        announced.insert(id.clone(), (request, now));
        Ok(ImportTicket { id })
    }

    /// The bytes of an announced import.
    ///
    /// # Errors
    /// `IMPORT_UNKNOWN`, what is wrong with the file, its policy or the store; nothing has changed then.
    pub async fn import(&self, id: &str, data: BodyDataStream) -> Result<DatasetInfo, Failure> {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let now = self.context.clock.unix_seconds();
        let request =
            announced.filter(|(_, at)| is_awaited(*at, now)).map(|(request, _)| request).ok_or_else(|| {
                Failure::new(Code::new("IMPORT_UNKNOWN"), "this import is not announced", "announce it first.")
            })?;
        // The id is one of ours, so it is a plain file name.
        let path = self.files.imports().join(id);
        let received = receive(&path, data).await;
        let imported = match received {
            Ok(()) => self.import_file(&request, path.clone()).await,
            Err(failure) => Err(failure),
        };
        drop(tokio::fs::remove_file(&path).await);
        imported
    }

    async fn import_file(&self, request: &ImportRequest, path: PathBuf) -> Result<DatasetInfo, Failure> {
        let import = Import {
            name: request.name.clone(),
            path,
            format: format(request)?,
            options: ImportOptions::from_request(request.key.clone(), &request.columns, request.clamp)?,
            policy: PolicyFile::new(&request.policy)?,
            now: self.context.clock.unix_seconds(),
        };
        let datasets = self.context.datasets.clone();
        let report = off_reactor(move || datasets.import(&import, &mut system_rng())).await??;
        let record = &report.record;
        let body = json!({
            "dataset": record.name, "version": record.version, "rows": record.schema.rows,
            "policy": record.policy.digest(), "text": "imported",
        });
        self.context.log(LogKind::Dataset, &body)?;
        self.context.keep_policy_version(record)?;
        tracing::info!(dataset = %record.name, version = record.version, rows = record.schema.rows, "dataset imported");
        self.own_info(record)
    }

    /// One job.
    ///
    /// # Errors
    /// `JOB_UNKNOWN`.
    pub fn job(&self, id: &JobId) -> Result<JobDetail, Failure> {
        Ok(self.jobs.detail(&self.jobs.book().get(id)?))
    }

    /// Waits until a job has left a state or the time is over.
    ///
    /// # Errors
    /// `JOB_UNKNOWN`.
    pub async fn leave_job(&self, id: &JobId, known: &str, wait: Duration) -> Result<(), Failure> {
        self.jobs.book().leave(id, known, wait).await.map(drop)
    }

    /// What it takes to follow the changes of jobs until the node stops.
    pub fn follow(&self) -> (Arc<Events>, CancellationToken) {
        (self.jobs.book().events(), self.stop.clone())
    }

    /// Approves a job that waits for the operator, and its terms for further runs.
    ///
    /// # Errors
    /// `APPROVAL_SCOPE`, `JOB_UNKNOWN`.
    pub fn approve_job(&self, id: &JobId, request: &ApproveRequest) -> Result<JobDetail, Failure> {
        Ok(self.jobs.detail(&self.jobs.approve(id, request)?))
    }

    /// Refuses a job that waits for the operator.
    ///
    /// # Errors
    /// `APPROVAL_SCOPE`, `JOB_UNKNOWN`.
    pub fn refuse_job(&self, id: &JobId, reason: &str) -> Result<JobDetail, Failure> {
        Ok(self.jobs.detail(&self.jobs.refuse(id, reason)?))
    }

    /// Cancels a job.
    ///
    /// # Errors
    /// `JOB_RELEASED`, `STATE_ILLEGAL`, `JOB_UNKNOWN`.
    pub fn cancel_job(&self, id: &JobId, caller: &Caller) -> Result<JobDetail, Failure> {
        let reason = if caller.analyst().is_some() { "called off by its analyst" } else { "called off by an operator" };
        Ok(self.jobs.detail(&self.jobs.cancel(id, &self.context.config.name, reason)?))
    }

    /// The answer of a job.
    ///
    /// # Errors
    /// `JOB_RESULT_PENDING`, the job's failure, `JOB_NO_RESULT` where this node receives nothing.
    pub fn job_result(&self, id: &JobId) -> Result<JobResult, Failure> {
        self.jobs.result(&self.jobs.book().get(id)?)
    }

    /// The receipt of a job.
    ///
    /// # Errors
    /// `RECEIPT_MISSING` while it is not signed by all parties.
    pub async fn job_receipt(&self, id: &JobId) -> Result<serde_json::Value, Failure> {
        self.jobs.receipt(id, RECEIPT_WAIT).await
    }

    /// Measures one operation with a peer.
    ///
    /// # Errors
    /// `USAGE_BENCH_OP`, `USAGE_BENCH_LIMIT`, `PEER_UNKNOWN`, `PEER_BUSY`, what the peer refuses with, what ends it
    /// early (`BENCH_JOB`, `BENCH_STOPPED`, `BENCH_TIME`, `BENCH_MEMORY`), and the engine's.
    pub async fn measure(&self, request: &BenchRequest) -> Result<BenchReport, Failure> {
        self.measurements.propose(request).await
    }

    /// The log from an entry on.
    ///
    /// # Errors
    /// None at present; the log is in memory.
    pub fn log_lines(&self, from: u64) -> Result<Vec<LogLine>, Failure> {
        let entries = self.context.log.entries_after(from.saturating_sub(1), LOG_PAGE);
        Ok(entries
            .into_iter()
            .map(|entry| LogLine {
                seq: entry.sequence,
                at: entry.time,
                kind: serde_json::to_value(entry.kind)
                    .ok()
                    .and_then(|k| k.as_str().map(str::to_owned))
                    .unwrap_or_default(),
                digest: entry.digest().to_string(),
                text: entry.body,
            })
            .collect())
    }

    /// The last entries of the log, in order.
    ///
    /// # Errors
    /// As [`Self::log_lines`].
    pub fn last_log_lines(&self, count: u64) -> Result<Vec<LogLine>, Failure> {
        let count = count.min(LOG_PAGE as u64);
        self.log_lines(self.context.log.head().sequence.saturating_sub(count) + 1)
    }

    /// Checks the whole log as a reader of its export would.
    ///
    /// # Errors
    /// `LOG_CHAIN` or `LOG_SIGNATURE` with the first bad entry, `LOG_EXPORT` as [`Self::export_log`].
    pub async fn check_log(&self) -> Result<LogCheck, Failure> {
        let exported = self.export_log().await?;
        off_reactor(move || log::check_export(BufReader::new(exported.file))).await?
    }

    /// The configuration that the node runs with.
    pub fn settings(&self) -> Vec<Setting> {
        self.context.config.settings()
    }

    /// The whole log as JSON lines with its signed head, for a check without the node.
    ///
    /// # Errors
    /// `API_BUSY`, `BACKUP_FILE`, `LOG_EXPORT` if it cannot be written.
    pub async fn export_log(&self) -> Result<Spooled, Failure> {
        let context = self.context.clone();
        self.spools
            .write(move |file| {
                let mut out = BufWriter::new(file);
                let written = context.log.export(&context.identity, context.clock.unix_seconds(), &mut out);
                written.and_then(|()| out.flush()).map_err(|cause| {
                    let message = format!("the log cannot be exported: {cause}");
                    Failure::new(Code::new("LOG_EXPORT"), message, "free space on the node's disk and try again.")
                })
            })
            .await
    }

    async fn answer_requests(self: Arc<Self>, mut requests: mpsc::Receiver<InboundRequest>) {
        loop {
            let request = tokio::select! {
                () = self.stop.cancelled() => return,
                request = requests.recv() => request,
            };
            let Some(request) = request else { return };
            let node = Arc::clone(&self);
            self.tasks.spawn(async move { node.answer_request(request).await });
        }
    }

    async fn answer_request(self: Arc<Self>, request: InboundRequest) {
        let InboundRequest { peer, protocol, bytes, responder } = request;
        if protocol == Protocol::Pair {
            // No answer closes the stream: a stranger that sends anything else learns nothing (CHK-110).
            if let Some(answer) = self.context.pairing.answer(&self.context.network, peer, &bytes).await {
                responder.answer(answer);
            }
            return;
        }
        let response = match decode::<Request>(&bytes) {
            Err(error) => {
                tracing::info!(peer = %peer.short(), code = "PROPOSAL_ENCODING", "a message does not read: {error}");
                let context = self.context.clone();
                let noted = off_reactor(move || {
                    context.log_rejected(&peer, &Code::new("PROPOSAL_ENCODING"), "a message does not read");
                });
                drop(noted.await);
                Response::Failed(PeerFailure::new(Code::new("PROPOSAL_ENCODING"), "The message does not read.", ""))
            }
            Ok(Request::Bench(offer)) => self.measurements.answer(&peer, &offer).await,
            Ok(Request::BenchEnd { nonce, failure }) => self.measurements.hear_end(&peer, nonce, failure),
            Ok(Request::Probe(request)) => self.probes.answer(&peer, *request).await,
            Ok(Request::Idle(offer)) => match &self.idle {
                Some(idle) => idle.answer(&peer, &offer).await,
                // CHK-407
                None => {
                    let message = "the peer makes nothing in advance";
                    let next = "ask its operator to set `enabled = true` under `[idle]` in node.toml.";
                    Response::Failed(PeerFailure::new(Code::new("POLICY_IDLE"), message, next))
                }
            },
            Ok(Request::Addresses(addresses)) => self.learn_addresses(peer, addresses).await,
            // Reviews infer and analyse programs and write to the store: off the reactor.
            Ok(request) => {
                let node = Arc::clone(&self);
                off_reactor(move || node.answer_member(&peer, request)).await.unwrap_or_else(|_| uninvited())
            }
        };
        match encode(&response) {
            Ok(bytes) => responder.answer(bytes),
            Err(error) => tracing::error!(peer = %peer.short(), "an answer is too large: {error}"),
        }
    }

    /// Where a paired peer says that it can be reached (CHK-109).
    async fn learn_addresses(&self, peer: PeerId, addresses: Vec<String>) -> Response {
        match self.context.pairing.learn(&self.context.network, peer, addresses).await {
            Ok(()) => Response::Acknowledged,
            Err(error) => Response::Failed(PeerFailure::new(error.code(), "The addresses are not taken.", "")),
        }
    }

    fn answer_member(&self, peer: &PeerId, request: Request) -> Response {
        match request {
            Request::Catalogue => {
                let name = self.context.name_of(peer).unwrap_or_default();
                match self.context.catalogue_for(&name) {
                    Ok(entries) => Response::Catalogue(entries),
                    Err(failure) => Response::Failed(PeerFailure::from(&failure)),
                }
            }
            request => self.jobs.answer(peer, request).unwrap_or_else(uninvited),
        }
    }

    fn own_info(&self, record: &DatasetRecord) -> Result<DatasetInfo, Failure> {
        Ok(DatasetInfo {
            name: format!("{}/{}", self.context.config.name, record.name),
            owner: self.context.config.name.clone(),
            version: record.version,
            rows: record.schema.rows,
            key: record.schema.unique_key.clone(),
            columns: record.schema.columns.clone(),
            policy: record.policy.policy()?.summary(),
        })
    }
}

/// A file that meets a limit of its size is to end in an error like a full disk, not in the process's death by a signal.
fn outlive_file_limits() {
    use tokio::signal::unix::{SignalKind, signal};
    // Listening once replaces what the signal does by default for the rest of the process.
    if let Err(cause) = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())) {
        tracing::warn!("a file that meets its limit will end the node: {cause}");
    }
}

/// Whether a peer's dataset can be asked for, and its names shown as they are (CHK-216).
fn is_well_named(entry: &CatalogueEntry) -> bool {
    let columns = entry.schema.columns.iter().map(|column| &column.name).chain(&entry.schema.unique_key);
    let is_plain = |name: &String| !name.chars().any(name::is_forbidden);
    name::check_dataset(&entry.dataset).is_ok() && columns.into_iter().all(is_plain)
}

/// Whether an import that was announced then is still awaited.
fn is_awaited(announced: u64, now: u64) -> bool {
    now < announced.saturating_add(ANNOUNCED_SECONDS)
}

/// Streams an upload to a file.
async fn receive(path: &std::path::Path, mut data: BodyDataStream) -> Result<(), Failure> {
    let mut file = tokio::fs::File::create(path).await.map_err(|cause| import_failure(&cause))?;
    let mut total = 0_u64;
    while let Some(part) = data.next().await {
        let part = part.map_err(|cause| {
            Failure::new(Code::new("IMPORT_BROKEN"), format!("the upload broke off: {cause}"), "send it again.")
        })?;
        total += part.len() as u64;
        if total > MAX_IMPORT_BYTES {
            let message = format!("the file has more than {MAX_IMPORT_BYTES} bytes");
            return Err(Failure::new(Code::new("API_LIMIT"), message, "split the table."));
        }
        file.write_all(&part).await.map_err(|cause| import_failure(&cause))?;
    }
    file.flush().await.map_err(|cause| import_failure(&cause))
}

fn import_failure(cause: &std::io::Error) -> Failure {
    let code = StoreError::from(std::io::Error::from(cause.kind())).code();
    let next = "free space on the node's disk and import again; nothing was changed.";
    Failure::new(code, format!("the upload cannot be kept: {cause}"), next)
}

fn format(request: &ImportRequest) -> Result<Format, Failure> {
    match request.format.as_str() {
        "csv" => Ok(Format::Csv),
        "parquet" => Ok(Format::Parquet),
        other => {
            let message = format!("{other:?} is no format of imports");
            Err(Failure::new(Code::new("USAGE_FORMAT"), message, "use csv or parquet."))
        }
    }
}

/// What does not work with a peer of other versions of the messages, and who lags.
fn lag(peer: &str, (_, newest): (u16, u16)) -> Option<String> {
    match newest.cmp(&PROTOCOL_VERSION) {
        std::cmp::Ordering::Less => Some(format!("{peer} lags: it speaks up to version {newest}")),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(format!("this node lags: {peer} speaks up to version {newest}")),
    }
}

fn parse_peer(text: &str) -> Result<PeerId, Failure> {
    text.parse().map_err(|_| unknown_peer(text))
}

fn unknown_peer(text: &str) -> Failure {
    Failure::new(Code::new("PEER_UNKNOWN"), format!("{text:?} is no peer of this node"), "see `tacit peer list`.")
}

/// Runs what blocks on a disk or computes for long where it holds up nothing else.
pub(crate) async fn off_reactor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| {
        let message = format!("a task stopped: {panic}");
        Failure::new(Code::new("NODE_BUG"), message, "this is a bug: please report it with the log.")
    })
}

fn uninvited() -> Response {
    Response::Failed(PeerFailure::new(Code::new("PEER_REQUEST"), "This is not asked here.", ""))
}
