//! Measurements with a paired peer, from the node's side: who may ask for one, and how it takes its course.
//!
//! *Security* (CHK-406): a node measures only with organisations that its operator has named, one measurement at a time
//! whoever asked, so many an hour, and none while a job runs: one that begins ends the measurement. What a peer asks for
//! is bounded before anything is done, and runs in a process of its own with a limit of memory, time and priority. The
//! channel's keys are made for the measurement and told over the control plane, which has proven who the peer is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tacit_mpc::channel::noise::StaticKey;
use tacit_protocol::bench::{BenchOffer, BenchReport, BenchRequest, session};
use tacit_protocol::canonical::Nonce;
use tacit_protocol::contract::ChannelOffer;
use tacit_protocol::identity::PeerId;
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{PeerFailure, Request, Response};
use tacit_protocol::{Code, Digest, Failure, PartyId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::limits::{self, Pace};
use super::messages::{PartyReport, PeerTask, Task};
use super::{peer, report};
use crate::clock::system_rng;
use crate::context::Context;
use crate::data_plane::{Route, listening_party};
use crate::jobs::Jobs;

const STEP: &str = "bench";
/// The only connection of a measurement.
const LANE: u16 = 0;
/// How long the peer may take to answer an offer.
const ANSWER: Duration = Duration::from_secs(20);
/// How long the connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long an offer waits for the measurement before it to be put away, which the asker saw end a moment earlier.
const AFTER_ANOTHER: Duration = Duration::from_secs(5);

/// How often others look whether a measurement runs.
const LOOK: Duration = Duration::from_millis(200);
/// How long a node that ends a measurement waits for the peer to have heard of it, and one whose connection broke for
/// the peer to say why.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The measurements of a node with its peers.
pub(crate) struct Measurements {
    context: Arc<Context>,
    jobs: Arc<Jobs>,
    /// The place of the one that runs.
    place: Arc<Semaphore>,
    /// The last one that began.
    last: Mutex<Option<Begun>>,
    pace: Mutex<Pace>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A measurement that began, for its peer's word on its end.
struct Begun {
    peer: PeerId,
    /// That of the offer.
    nonce: Nonce,
    tell: watch::Sender<Option<PeerFailure>>,
}

/// A measurement that both have agreed to.
struct Agreed {
    task: Task,
    key: StaticKey,
    /// The peer's channel.
    theirs: ChannelOffer,
    /// Whether this node waits for the connection.
    listens: bool,
    peer: PeerId,
    name: String,
    /// That of the offer.
    nonce: Nonce,
    _place: OwnedSemaphorePermit,
}

/// Where the peer's word comes if it ends a measurement.
type Told = watch::Receiver<Option<PeerFailure>>;

/// The figures of both: this node's own and, for the asker, the peer's.
type Figures = (PartyReport, Option<PartyReport>);

/// Who ended a measurement early.
enum Ended {
    /// This node, which tells the peer.
    Here(Failure),
    /// The peer, or the path to it.
    There(Failure),
}

impl Measurements {
    pub(crate) fn new(context: Arc<Context>, jobs: Arc<Jobs>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        let (place, last, pace) = (Arc::new(Semaphore::new(1)), Mutex::default(), Mutex::default());
        Self { context, jobs, place, last, pace, tasks, stop }
    }

    /// Measures with a peer, as this node's operator asks.
    ///
    /// # Errors
    /// `USAGE_BENCH_OP`, `USAGE_BENCH_LIMIT`, `PEER_UNKNOWN`, `PEER_BUSY`, what the peer refuses with, what ends it
    /// early (`BENCH_JOB`, `BENCH_STOPPED`, `BENCH_TIME`, `BENCH_MEMORY`), and the engine's.
    pub(crate) async fn propose(&self, request: &BenchRequest) -> Result<BenchReport, Failure> {
        let task = limits::task(&request.task, 0)?;
        let threads = request.threads.map(|threads| threads.clamp(1, 1_024));
        let name = request.peer.clone();
        let peer = self.context.peer_named(&name).ok_or_else(|| {
            let message = format!("{name:?} is not paired with this node");
            Failure::new(Code::new("PEER_UNKNOWN"), message, "see `tacit peer list`; pair with `tacit peer invite`.")
        })?;
        let place = self.take_place().await?;
        let (key, offered) = self.context.new_channel();
        let nonce = Nonce::random(&mut system_rng());
        let offer = BenchOffer { task: request.task.clone(), nonce, channel: offered.clone() };
        let told = self.listen_for_end(peer, nonce);
        let asked = self.context.ask(&peer, STEP, &Request::Bench(Box::new(offer.clone())), ANSWER).await;
        let theirs = match asked.map_err(|failure| failure.by_party(&name))? {
            Response::Bench(channel) => channel,
            Response::Failed(failure) => return Err(refused(&failure, &name)),
            _ => {
                let next = "bring both nodes to one version.";
                let failure = Failure::new(Code::new("PEER_ANSWER"), "the answer is to something else", next);
                return Err(failure.by_party(name).at_step(STEP));
            }
        };
        let parties = [&self.context.identity.peer(), &peer];
        let task = Task { session: session(parties, &offer, &theirs), ..task };
        // The answerer listens, unless only the asker has an address.
        let listener = listening_party(!theirs.addresses.is_empty(), !offered.addresses.is_empty());
        let listens = listener == PartyId::ONE;
        let agreed = Agreed { task, key, theirs, listens, peer, name, nonce, _place: place };
        let (own, peers) = self.measure(&agreed, told, threads).await?;
        let peers = peers.ok_or_else(|| {
            let failure = Failure::new(Code::new("NODE_BUG"), "the peer's figures are missing", "report this bug.");
            failure.at_step(STEP)
        })?;
        Ok(report::combine(&agreed.task, &[own, peers], format!("peer {}", agreed.name)))
    }

    /// Answers the offer of a paired peer: with a refusal, or by measuring.
    pub(crate) async fn answer(self: &Arc<Self>, peer: &PeerId, offer: &BenchOffer) -> Response {
        match self.accept(peer, offer).await {
            Ok(response) => response,
            Err(failure) => {
                let (context, peer, code) = (self.context.clone(), *peer, failure.code.clone());
                let noted = tokio::task::spawn_blocking(move || {
                    context.log_rejected(&peer, &code, "a measurement was refused");
                });
                drop(noted.await);
                Response::Failed(PeerFailure::new(failure.code, failure.message, failure.next))
            }
        }
    }

    /// The failures say nothing of this node but what its peer may know.
    async fn accept(self: &Arc<Self>, peer: &PeerId, offer: &BenchOffer) -> Result<Response, Failure> {
        let name = self.context.name_of(peer).unwrap_or_default();
        if !self.context.config.bench_peers.contains(&name) {
            let message = "the peer measures only with organisations that its operator has named";
            let next = format!("ask its operator to put {name:?} into `bench_peers` in node.toml and to restart.");
            return Err(Failure::new(Code::new("POLICY_BENCH"), message, next));
        }
        let task = limits::task(&offer.task, 1)?;
        let place = self.take_place().await?;
        let now = self.context.clock.unix_seconds();
        if !self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(now) {
            let message = "too many measurements were asked for within an hour";
            return Err(Failure::new(Code::new("PEER_RATE"), message, "wait an hour."));
        }
        let (key, channel) = self.context.new_channel();
        let parties = [peer, &self.context.identity.peer()];
        let task = Task { session: session(parties, offer, &channel), ..task };
        let theirs = offer.channel.clone();
        let listener = listening_party(!channel.addresses.is_empty(), !theirs.addresses.is_empty());
        let listens = listener == PartyId::ZERO;
        let (peer, nonce) = (*peer, offer.nonce);
        let told = self.listen_for_end(peer, nonce);
        let agreed = Agreed { task, key, theirs, listens, peer, name, nonce, _place: place };
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            // Its end is in the log, and the asker sees the connection close.
            drop(this.measure(&agreed, told, None).await);
        });
        Ok(Response::Bench(channel))
    }

    /// Hears that a peer ends a measurement. What is of another peer or another measurement is too late, and nothing.
    pub(crate) fn hear_end(&self, peer: &PeerId, nonce: Nonce, failure: PeerFailure) -> Response {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begun) = last.take_if(|begun| begun.peer == *peer && begun.nonce == nonce) {
            // It may have ended meanwhile.
            drop(begun.tell.send(Some(failure)));
        }
        Response::Acknowledged
    }

    /// Where the peer's word on the end of a measurement will come. Called before the peer can know that it begins.
    fn listen_for_end(&self, peer: PeerId, nonce: Nonce) -> Told {
        let (tell, told) = watch::channel(None);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Begun { peer, nonce, tell });
        told
    }

    /// Whether one runs.
    pub(crate) fn any_running(&self) -> bool {
        self.place.available_permits() == 0
    }

    /// Waits until one runs.
    pub(crate) async fn until_any_runs(&self) {
        while !self.any_running() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The place of a measurement, while no job runs.
    async fn take_place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let busy =
            |message| Failure::new(Code::new("PEER_BUSY"), message, "try again when it has ended.").at_step(STEP);
        if self.jobs.any_running() {
            return Err(busy("a job runs, and measurements do not disturb jobs"));
        }
        let place = tokio::time::timeout(AFTER_ANOTHER, Arc::clone(&self.place).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| busy("another measurement runs"))
    }

    /// Connects and measures, between two entries of the log. Ends early where a job begins, and tells the peer why.
    async fn measure(&self, agreed: &Agreed, told: Told, threads: Option<u32>) -> Result<Figures, Failure> {
        let task = &agreed.task;
        let what = format!("{} on {:?} cells, {} runs", task.operation.name(), task.shape, task.runs);
        self.note(agreed, &format!("a measurement begins: {what}"), None).await?;
        let measured = match self.until_end(agreed, told, threads).await {
            Ok(figures) => Ok(figures),
            Err(Ended::There(failure)) => Err(failure.by_party(&agreed.name)),
            Err(Ended::Here(failure)) => {
                self.tell_end(agreed, &failure).await;
                Err(failure.by_party(&self.context.config.name))
            }
        };
        let (text, code) = match &measured {
            Ok(_) => ("a measurement ended", None),
            Err(failure) => {
                tracing::warn!(peer = %agreed.name, step = STEP, code = %failure.code, "no measurement: {failure}");
                ("a measurement failed", Some(&failure.code))
            }
        };
        self.note(agreed, &format!("{text}: {what}"), code).await?;
        measured
    }

    /// Measures until something ends it. The process that measures is ended with it.
    async fn until_end(&self, agreed: &Agreed, mut told: Told, threads: Option<u32>) -> Result<Figures, Ended> {
        let here =
            |code, message: &str, next| Err(Ended::Here(Failure::new(Code::new(code), message, next).at_step(STEP)));
        let seconds = self.context.config.bench_seconds;
        let failure = tokio::select! {
            biased;
            () = self.stop.cancelled() => return here("BENCH_STOPPED", "the node stops", "measure when it runs again."),
            () = self.jobs.until_any_runs() => {
                return here("BENCH_JOB", "a job began, and jobs come first", "measure again when it has ended.");
            }
            failure = last_word(&mut told) => return Err(Ended::There(failure.to_failure(&agreed.name))),
            () = tokio::time::sleep(Duration::from_secs(seconds.into())) => {
                let message = format!("the measurement took more than {seconds} seconds");
                return here("BENCH_TIME", &message, "measure less, or fewer runs.");
            }
            measured = self.connect_and_run(agreed, threads) => match measured {
                Ok(figures) => return Ok(figures),
                Err(failure) => failure,
            },
        };
        if failure.code.as_str().starts_with("BENCH_") {
            return Err(Ended::Here(failure));
        }
        // It ended with the connection: the peer's word says why, if it still comes.
        let told = tokio::time::timeout(LAST_WORDS, last_word(&mut told)).await;
        Err(Ended::There(told.map_or(failure, |told| told.to_failure(&agreed.name))))
    }

    /// Tells the peer why the measurement ended here, once.
    async fn tell_end(&self, agreed: &Agreed, failure: &Failure) {
        let (message, next) = match failure.code.as_str() {
            "BENCH_STOPPED" | "BENCH_JOB" | "BENCH_TIME" | "BENCH_MEMORY" => (&failure.message, &failure.next),
            // Others were written for this node's operator.
            _ => (&"the measurement failed there".into(), &"ask its operator.".into()),
        };
        let failure = PeerFailure::new(failure.code.clone(), message, next);
        let request = Request::BenchEnd { nonce: agreed.nonce, failure };
        // The peer sees the connection close in any case.
        drop(self.context.ask(&agreed.peer, STEP, &request, LAST_WORDS).await);
    }

    async fn connect_and_run(&self, agreed: &Agreed, threads: Option<u32>) -> Result<Figures, Failure> {
        let route = Route(*agreed.task.session.as_bytes());
        let deadline = tokio::time::Instant::now() + CONNECT;
        let (plane, theirs) = (&self.context.data_plane, &agreed.theirs.addresses);
        let connected = plane.connect(agreed.listens, agreed.peer, theirs, route, LANE, deadline).await?;
        let task = PeerTask {
            task: agreed.task.clone(),
            secret: **agreed.key.secret(),
            remote: Digest::from_bytes(*agreed.theirs.key.as_bytes()),
            initiator: !agreed.listens,
            seconds: self.context.config.bench_seconds,
            memory_mib: self.context.config.bench_memory_mib,
        };
        // The lane's place is held to the end.
        let lease = connected.lease;
        let ran = peer::run(&task, connected.stream, threads).await;
        drop(lease);
        ran
    }

    async fn note(&self, agreed: &Agreed, text: &str, code: Option<&Code>) -> Result<(), Failure> {
        let mut body = json!({ "peer": agreed.peer, "organisation": agreed.name, "text": text });
        if let Some(code) = code {
            body["code"] = code.as_str().into();
        }
        let context = self.context.clone();
        crate::node::off_reactor(move || context.log(LogKind::Peer, &body)).await?
    }
}

/// Why the peer ended the measurement, once it says so.
async fn last_word(told: &mut Told) -> PeerFailure {
    let told = told.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
    match told {
        Some(failure) => failure,
        None => std::future::pending().await,
    }
}

/// What the peer refuses with, for this node's operator.
fn refused(failure: &PeerFailure, name: &str) -> Failure {
    // An offer is well formed, so whoever cannot read it does not know the message.
    if failure.code.as_str() == "PROPOSAL_ENCODING" {
        let message = "the peer's node is of a version that does not measure with peers";
        let next = "ask its operator to update it.";
        return Failure::new(Code::new("PEER_VERSION"), message, next).by_party(name).at_step(STEP);
    }
    failure.to_failure(name).at_step(STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_know_the_message_is_said_to_be_older() {
        // What every version answers to a message that does not read.
        let failure = PeerFailure::new(Code::new("PROPOSAL_ENCODING"), "The message does not read.", "");
        let shown = refused(&failure, "banque");
        assert_eq!((shown.code.as_str(), shown.party.as_deref()), ("PEER_VERSION", Some("banque")));
        let failure = PeerFailure::new(Code::new("POLICY_BENCH"), "no", "ask");
        assert_eq!(refused(&failure, "banque").code.as_str(), "POLICY_BENCH");
    }
}
