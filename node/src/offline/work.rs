//! Idle work: two paired nodes make correlations for the jobs to come, while no job and no measurement of either runs.
//!
//! The node with the lower id asks; the other takes part where its own jobs want the same. One session runs at a time,
//! chunk by chunk: before each the two tell each other whether they go on, which neither does once a job or a
//! measurement of its own has begun, the node stops, or the reserve has no room. A chunk that only one of them could keep
//! is dropped when they next compare what they have.
//!
//! *Security* (CHK-407): only paired nodes, only what this node's own jobs with the peer have wanted, within the operator's
//! limits of disk, threads and traffic, on threads that give way to everything else. The channel's keys are made for the
//! session and told over the control plane, which has proven who the peer is. CHK-603: [`super::CorrelationStore`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tacit_mpc::channel::Channel;
use tacit_mpc::channel::noise::{Deadlines, Handshake, NoiseChannel, Role, StaticKey};
use tacit_mpc::channel::{Link, Traffic};
use tacit_mpc::offline::{Kind as Made, Maker, STATEMENT_BYTES};
use tacit_mpc::two_party::Pace;
use tacit_protocol::canonical::{Nonce, digest};
use tacit_protocol::codec::{decode, encode};
use tacit_protocol::contract::ChannelOffer;
use tacit_protocol::idle::{IdleAnswer, IdleChunks, IdleOffer, MAX_KINDS, session};
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{PeerFailure, Request, Response};
use tacit_protocol::{Code, Digest, Failure, PartyId, PeerId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reserve::{InUse, Reserve};
use super::{Epoch, Kind, Verdict};
use crate::bench::Measurements;
use crate::clock::system_rng;
use crate::context::Context;
use crate::data_plane::{Route, Session, listening_party};
use crate::jobs::Jobs;

const STEP: &str = "idle";
/// The only connection of a session.
const LANE: u16 = 0;
/// How often it is looked whether there is something to make.
const EVERY: Duration = Duration::from_secs(1);
/// How long a peer is left alone that did not take part or with which something failed.
const PAUSE: Duration = Duration::from_secs(30);
/// How long the peer may take to answer an offer.
const ANSWER: Duration = Duration::from_secs(20);
/// How long the connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the peer may be silent: as long as the largest chunk may take it.
const SILENCE: Duration = Duration::from_secs(120);
/// How long a session may last. What is missing then is made in the next.
const TOTAL: Duration = Duration::from_secs(3_600);
/// By how much everything else goes first.
const NICE: i32 = 10;

/// The idle work of a node.
pub(crate) struct IdleWork {
    context: Arc<Context>,
    reserve: Arc<Reserve>,
    jobs: Arc<Jobs>,
    measurements: Arc<Measurements>,
    place: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A session that both have agreed to.
struct Agreed {
    session: Digest,
    party: PartyId,
    key: StaticKey,
    theirs: ChannelOffer,
    listens: bool,
    peer: PeerId,
    name: String,
    chunks: Vec<(Made, u64)>,
    _used: InUse,
    _place: OwnedSemaphorePermit,
}

/// What a session made.
#[derive(Default)]
struct Done {
    chunks: u64,
    bytes: u64,
    traffic: Traffic,
}

impl IdleWork {
    pub(crate) fn new(
        context: Arc<Context>,
        reserve: Arc<Reserve>,
        jobs: Arc<Jobs>,
        measurements: Arc<Measurements>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { context, reserve, jobs, measurements, place: Arc::new(Semaphore::new(1)), tasks, stop })
    }

    /// Asks peers whenever there is something to make and no job runs, until the node stops.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut rest = std::collections::HashMap::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let now = tokio::time::Instant::now();
            let connected = self.context.network.connected().borrow().clone();
            for peer in connected {
                // One of the two asks, so that they do not ask each other at once.
                let asks = self.context.identity.peer() < peer && self.context.pairing.organisation_of(&peer).is_some();
                let rests = rest.get(&peer).is_some_and(|until| now < *until);
                if !asks || rests || self.busy() {
                    continue;
                }
                let reserve = Arc::clone(&self.reserve);
                if !crate::node::off_reactor(move || reserve.missing(&peer)).await.unwrap_or(false) {
                    continue;
                }
                if let Err(failure) = self.propose(peer).await {
                    tracing::debug!(peer = %peer.short(), step = STEP, code = %failure.code, "no idle work: {failure}");
                    rest.insert(peer, tokio::time::Instant::now() + PAUSE);
                }
            }
        }
    }

    async fn propose(&self, peer: PeerId) -> Result<(), Failure> {
        let name = self.context.name_of(&peer).unwrap_or_default();
        let (place, used) = self.take_place(peer)?;
        let chunks = named(&self.wants(peer).await?);
        let (key, channel) = self.context.new_channel();
        let offer = IdleOffer { nonce: Nonce::random(&mut system_rng()), channel: channel.clone(), chunks };
        let request = Request::Idle(Box::new(offer.clone()));
        let answered = tokio::select! {
            () = self.given_up() => return Ok(()),
            answered = self.context.ask(&peer, STEP, &request, ANSWER) => answered?,
        };
        let answer = match answered {
            Response::Idle(answer) => *answer,
            Response::Failed(failure) => return Err(failure.to_failure(&name).at_step(STEP)),
            _ => return Err(misfit("the answer is to something else").by_party(name)),
        };
        let chunks = known(&answer.chunks)?;
        // The answerer makes what was asked for, or less.
        let asked = known(&offer.chunks)?;
        if !chunks.iter().all(|(kind, count)| asked.iter().any(|(of, most)| of == kind && count <= most)) {
            return Err(misfit("the answer has more than was asked for").by_party(name));
        }
        let session = session([&self.context.identity.peer(), &peer], &offer, &answer);
        let listener = listening_party(!answer.channel.addresses.is_empty(), !channel.addresses.is_empty());
        let listens = listener == PartyId::ONE;
        let (party, theirs) = (PartyId::ZERO, answer.channel);
        let agreed = Agreed { session, party, key, theirs, listens, peer, name, chunks, _used: used, _place: place };
        self.work(agreed).await
    }

    /// Answers the offer of a paired peer: with a refusal, or by taking part.
    pub(crate) async fn answer(self: &Arc<Self>, peer: &PeerId, offer: &IdleOffer) -> Response {
        match self.accept(*peer, offer).await {
            Ok(answer) => Response::Idle(Box::new(answer)),
            Err(failure) => Response::Failed(PeerFailure::new(failure.code, failure.message, failure.next)),
        }
    }

    /// The failures say nothing of this node but what its peer may know.
    async fn accept(self: &Arc<Self>, peer: PeerId, offer: &IdleOffer) -> Result<IdleAnswer, Failure> {
        let asked = known(&offer.chunks)?;
        let (place, used) = self.take_place(peer)?;
        let wants = self.wants(peer).await?;
        // CHK-407: what this node's own jobs have wanted, and no more.
        let both = asked.iter().filter_map(|(kind, count)| {
            let (_, own) = wants.iter().find(|(of, _)| of == kind)?;
            Some((*kind, *own.min(count)))
        });
        let chunks: Vec<(Made, u64)> = both.collect();
        if chunks.is_empty() {
            return Err(Failure::new(Code::new("PEER_BUSY"), "there is nothing to make", "try again later."));
        }
        let name = self.context.name_of(&peer).unwrap_or_default();
        let (key, channel) = self.context.new_channel();
        let answer = IdleAnswer { channel: channel.clone(), chunks: named(&chunks) };
        let session = session([&peer, &self.context.identity.peer()], offer, &answer);
        let theirs = offer.channel.clone();
        let listener = listening_party(!channel.addresses.is_empty(), !theirs.addresses.is_empty());
        let (listens, party) = (listener == PartyId::ZERO, PartyId::ONE);
        let agreed = Agreed { session, party, key, theirs, listens, peer, name, chunks, _used: used, _place: place };
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(failure) = this.work(agreed).await {
                tracing::debug!(peer = %peer.short(), step = STEP, code = %failure.code, "idle work ended: {failure}");
            }
        });
        Ok(answer)
    }

    async fn wants(&self, peer: PeerId) -> Result<Vec<(Made, u64)>, Failure> {
        let reserve = Arc::clone(&self.reserve);
        crate::node::off_reactor(move || reserve.wants(&peer)).await
    }

    /// The place of a session, while no job runs and nothing else uses what there is of the peer.
    fn take_place(&self, peer: PeerId) -> Result<(OwnedSemaphorePermit, InUse), Failure> {
        let busy = |message| Failure::new(Code::new("PEER_BUSY"), message, "try again later.").at_step(STEP);
        if self.busy() {
            return Err(busy("a job or a measurement runs, and idle work does not disturb them"));
        }
        let place = Arc::clone(&self.place).try_acquire_owned().map_err(|_| busy("another session runs"))?;
        let used = self.reserve.begin_session(peer).ok_or_else(|| busy("the reserve is in use"))?;
        Ok((place, used))
    }

    /// Whether there is something else to do.
    fn busy(&self) -> bool {
        self.jobs.any_running() || self.measurements.any_running()
    }

    /// Waits until there is something else to do, or the node stops.
    async fn given_up(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.jobs.until_any_runs() => {}
            () = self.measurements.until_any_runs() => {}
        }
    }

    /// Connects and makes what was agreed on, until there is enough or something else has to be done.
    async fn work(&self, agreed: Agreed) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + CONNECT;
        let (plane, route) = (&self.context.data_plane, Route(*agreed.session.as_bytes()));
        let connect = plane.connect(agreed.listens, agreed.peer, &agreed.theirs.addresses, route, LANE, deadline);
        let connected = tokio::select! {
            () = self.given_up() => return Ok(()),
            connected = connect => connected?,
        };
        let halt = Arc::new(AtomicBool::new(false));
        let (context, reserve, halted) = (self.context.clone(), Arc::clone(&self.reserve), Arc::clone(&halt));
        let made = tokio::task::spawn_blocking(move || make(&context, &reserve, agreed, connected, &halted));
        tokio::pin!(made);
        let ended = tokio::select! {
            ended = &mut made => ended,
            () = self.given_up() => {
                halt.store(true, Ordering::Relaxed);
                made.await
            }
        };
        ended.unwrap_or_else(|panic| {
            let message = format!("idle work stopped: {panic}");
            Err(Failure::new(Code::new("ENGINE_BUG"), message, "this is a bug: please report it with the log."))
        })
    }
}

/// The blocking part of a session, on threads of its own, between the channel's handshake and an entry of the log.
fn make(
    context: &Context,
    reserve: &Reserve,
    agreed: Agreed,
    connected: Session,
    halt: &AtomicBool,
) -> Result<(), Failure> {
    let idle = &context.config.idle;
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(idle.threads as usize)
        .start_handler(|_| {
            // An error leaves what the system allows.
            let _ = rustix::process::nice(NICE);
        })
        .build()
        .map_err(|error| Failure::new(Code::new("NODE_START"), format!("no threads: {error}"), "free some."))?;
    let Session { stream, lease, .. } = connected;
    let (own, remote) = (Digest::from_bytes(agreed.key.public()), Digest::from_bytes(*agreed.theirs.key.as_bytes()));
    let (role, initiator, responder) =
        if agreed.listens { (Role::Responder, remote, own) } else { (Role::Initiator, own, remote) };
    let prologue = digest("tacit/channel/1", &("idle", agreed.session, initiator, responder));
    let handshake = Handshake { role, local: &agreed.key, remote: *remote.as_bytes(), prologue: *prologue.as_bytes() };
    let deadlines = Deadlines { silence: SILENCE, total: TOTAL };
    let done = threads.install(|| -> Result<Done, Failure> {
        let mut channel = match idle.mbit {
            None => NoiseChannel::connect(stream, &handshake, deadlines)?,
            Some(mbit) => {
                let link = Link { round_trip: Duration::ZERO, bits_per_second: u64::from(mbit) * 1_000_000 };
                NoiseChannel::connect_over(link, stream, &handshake, deadlines)?
            }
        };
        let mut done = Done::default();
        let made = fill(context, reserve, &agreed, &mut channel, halt, &mut done);
        done.traffic = channel.traffic();
        if made.is_ok() {
            // The last word arrives before the channel closes.
            drop(channel.finish());
        }
        made.map(|()| done)
    });
    drop(lease);
    let done = done.map_err(|failure| failure.by_party(&agreed.name))?;
    if done.chunks > 0 {
        let text = format!(
            "idle work: {} chunks made in advance, {} bytes kept, {} bytes sent and {} received",
            done.chunks, done.bytes, done.traffic.sent, done.traffic.received
        );
        context.log(LogKind::Peer, &json!({ "peer": agreed.peer, "organisation": agreed.name, "text": text }))?;
    }
    Ok(())
}

/// Makes what is missing of what was agreed on.
fn fill(
    context: &Context,
    reserve: &Reserve,
    agreed: &Agreed,
    channel: &mut NoiseChannel,
    halt: &AtomicBool,
    done: &mut Done,
) -> Result<(), Failure> {
    let mut rng = system_rng();
    channel.enter("idle");
    let (epoch, stock) = meet(context, reserve, agreed, channel)?;
    let none = std::collections::BTreeSet::new();
    let mut missing: Vec<(Made, Kind, u64, u64)> = Vec::new();
    for (made, count) in &agreed.chunks {
        let kind = Kind::of(*made).map_err(|error| failure(&error))?;
        let ready = stock.ready.get(&kind).unwrap_or(&none).len() as u64;
        let next = stock.next.get(&kind).copied().unwrap_or(0);
        if ready < *count {
            missing.push((*made, kind, next, count - ready));
        }
    }
    // Both have compared the same numbers, so they make the same.
    if missing.is_empty() {
        return Ok(());
    }
    let chunks: Vec<(Made, u64)> = missing.iter().map(|(made, _, _, count)| (*made, *count)).collect();
    let pace = Pace::default();
    let mut maker = Maker::establish(channel, agreed.party, *agreed.session.as_bytes(), &chunks, pace, &mut rng)?;
    // What this node could not keep, it need not go on making.
    let mut fault = None;
    for (made, kind, next, count) in missing {
        for number in next..next.saturating_add(count) {
            let goes_on = !halt.load(Ordering::Relaxed) && fault.is_none();
            let mut theirs = [0];
            channel.send(&[u8::from(goes_on)])?;
            channel.receive(&mut theirs)?;
            if !goes_on || theirs != [1] {
                return fault.map_or(Ok(()), Err);
            }
            let chunk = maker.chunk(channel, made, &mut rng)?;
            match reserve.store().put(&agreed.peer, &epoch, &kind, number, &chunk) {
                Ok(()) => (done.chunks, done.bytes) = (done.chunks + 1, done.bytes + chunk.len() as u64),
                Err(error) => fault = Some(failure(&error)),
            }
        }
    }
    fault.map_or(Ok(()), Err)
}

/// Compares what both have, and agrees on an epoch.
fn meet(
    context: &Context,
    reserve: &Reserve,
    agreed: &Agreed,
    channel: &mut NoiseChannel,
) -> Result<(Epoch, super::Stock), Failure> {
    let store = reserve.store();
    let nonce = Nonce::random(&mut system_rng());
    let own = store.statement(&agreed.peer);
    let statement = encode(&own).map_err(|error| misfit(&error.to_string()))?;
    channel.send(nonce.as_bytes())?;
    channel.send(&(statement.len() as u32).to_le_bytes())?;
    channel.send(&statement)?;
    let (mut their_nonce, mut length) = ([0; 16], [0; 4]);
    channel.receive(&mut their_nonce)?;
    channel.receive(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > STATEMENT_BYTES {
        return Err(misfit("the peer says too much of its reserve"));
    }
    let mut theirs = vec![0; length];
    channel.receive(&mut theirs)?;
    let theirs = decode(&theirs).map_err(|error| misfit(&error.to_string()))?;
    let verdict = store.reconcile(&agreed.peer, &theirs).map_err(|error| failure(&error))?;
    let keeps = matches!(verdict, Verdict::Keep(_));
    let mut they_keep = [0];
    channel.send(&[u8::from(keeps)])?;
    channel.receive(&mut they_keep)?;
    match (verdict, own.epoch) {
        (Verdict::Keep(stock), Some(epoch)) if they_keep == [1] => Ok((epoch, stock)),
        _ => {
            let own = context.identity.peer();
            let epoch = Epoch::agree((&own, &nonce), (&agreed.peer, &Nonce::from_bytes(their_nonce)));
            store.begin(&agreed.peer, epoch).map_err(|error| failure(&error))?;
            Ok((epoch, super::Stock::default()))
        }
    }
}

/// The kinds of a message; none of them twice.
fn known(chunks: &[IdleChunks]) -> Result<Vec<(Made, u64)>, Failure> {
    if chunks.len() > MAX_KINDS {
        return Err(misfit("too many kinds of correlations are named"));
    }
    let mut known: Vec<(Made, u64)> = Vec::with_capacity(chunks.len());
    for chunks in chunks {
        // A kind of another version is none of this one's.
        if let Some(kind) = Made::named(&chunks.kind)
            && !known.iter().any(|(of, _)| *of == kind)
        {
            known.push((kind, chunks.count));
        }
    }
    Ok(known)
}

fn named(chunks: &[(Made, u64)]) -> Vec<IdleChunks> {
    chunks.iter().map(|(kind, count)| IdleChunks { kind: kind.name(), count: *count }).collect()
}

fn misfit(cause: &str) -> Failure {
    Failure::new(Code::new("PEER_ANSWER"), cause.to_owned(), "bring both nodes to one version.").at_step(STEP)
}

fn failure(error: &super::OfflineError) -> Failure {
    Failure::new(error.code(), format!("{error}."), error.next_step()).at_step(STEP)
}
