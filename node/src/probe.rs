//! The test of a pair (CHK-411): whether two paired nodes reach each other, how fast, and whether they agree.
//!
//! The asker draws the conclusions; the answerer says what it sees, and meets it on the data plane once for each
//! direction of dialling. Both are bounded as [`tacit_protocol::probe`] says.

mod findings;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tacit_mpc::channel::Channel;
use tacit_mpc::channel::noise::{Deadlines, Handshake, NoiseChannel, Role, StaticKey};
use tacit_protocol::address::MAX_ADDRESSES;
use tacit_protocol::api::Finding;
use tacit_protocol::canonical::{Digest, Nonce, digest};
use tacit_protocol::contract::ChannelOffer;
use tacit_protocol::messages::{PeerFailure, PeerText, Request, Response};
use tacit_protocol::probe::{MAX_PROBE_BYTES, PROBE_VERSION, ProbeAnswer, ProbeRequest, ProbeView, session};
use tacit_protocol::{Code, Failure, PeerId};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::system_rng;
use crate::context::Context;
use crate::data_plane::{LanePath, Route, Session};
use crate::jobs::negotiate::PLANNER_VERSION;
use crate::network::{AddressPolicy, resolve};
use crate::reach;
use findings::Observed;

const STEP: &str = "probe";
const LANE: u16 = 0;
/// Parts of tests of one peer that are answered in an hour, pings besides: twenty tests.
const PER_HOUR: u32 = 60;
const HOUR_SECONDS: u64 = 3_600;
/// Pings of a test.
const PINGS: usize = 5;
/// How long the answer to a part may take.
const ANSWER: Duration = Duration::from_secs(15);
/// How long both may take to meet on the data plane.
const MEET: Duration = Duration::from_secs(8);
/// How long a test of a path waits for the end of another one.
const SOON: Duration = Duration::from_secs(3);
/// The same at the answerer.
const MEET_THERE: Duration = Duration::from_secs(6);
/// How long the names of addresses may take to resolve, and then a connection for the look at one.
const REACH: Duration = Duration::from_secs(3);
/// How long a measurement may take.
const TOTAL: Duration = Duration::from_secs(40);
/// Bytes each way of the measurement.
const BYTES: u32 = 2 << 20;
const PIECE: usize = 64 << 10;
/// Datasets that are named in a view.
const MOST_DATASETS: usize = 64;

/// Asks and answers tests of pairs.
pub(crate) struct Probes {
    context: Arc<Context>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// One path is measured at a time.
    place: Arc<Semaphore>,
    /// Since when, and how many parts each peer has asked.
    asked: Mutex<BTreeMap<PeerId, (u64, u32)>>,
}

/// What a path gave.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Bits a second from the asker to the answerer, and back.
    up: f64,
    down: f64,
    /// What it went over.
    over: LanePath,
}

impl Probes {
    pub(crate) fn new(context: Arc<Context>, tasks: TaskTracker, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { context, tasks, stop, place: Arc::new(Semaphore::new(1)), asked: Mutex::default() })
    }

    /// Tests the pair with a peer.
    ///
    /// # Errors
    /// `PEER_VERSION` if its node is too old for it. That it cannot be reached is a finding.
    pub(crate) async fn run(&self, peer: PeerId, name: &str) -> Result<Vec<Finding>, Failure> {
        tokio::select! {
            () = self.stop.cancelled() => {
                let next = "test the pair when the node runs again.";
                Err(Failure::new(Code::new("NODE_STOPPING"), "the node stops", next).at_step(STEP))
            }
            found = self.test(peer, name) => found,
        }
    }

    async fn test(&self, peer: PeerId, name: &str) -> Result<Vec<Finding>, Failure> {
        let mut seen = Observed::default();
        let mut times = Vec::new();
        for _ in 0..PINGS {
            let began = Instant::now();
            match self.ask(&peer, name, ProbeRequest::Ping).await {
                Ok(_) => times.push(began.elapsed()),
                Err(failure) => {
                    self.check_version(&peer, name)?;
                    seen.unreachable = Some(failure);
                    break;
                }
            }
        }
        seen.pings = times;
        seen.greeted = self.context.heads.greeted(&peer);
        if seen.unreachable.is_none() {
            seen.path =
                self.context.network.paths().borrow().get(&peer).map(|path| reach::describe(&self.context, path));
            self.look(&peer, name, &mut seen).await;
            seen.there = Some(self.path(&peer, name, true, &mut seen.their_data_address).await);
            seen.back = Some(self.path(&peer, name, false, &mut seen.their_data_address).await);
        }
        let own = self.view(name, (0, 0))?;
        Ok(findings::of(&seen, name, &self.context.config, &own, self.listens_in_jobs(&peer, &seen)))
    }

    fn check_version(&self, peer: &PeerId, name: &str) -> Result<(), Failure> {
        match self.context.heads.greeted(peer).versions {
            Some((_, newest)) if newest < PROBE_VERSION => {
                let message =
                    format!("it speaks up to version {newest} of the messages, and this needs {PROBE_VERSION}");
                let next = format!("ask {name} to update its node; jobs work meanwhile.");
                Err(Failure::new(Code::new("PEER_VERSION"), message, next).by_party(name).at_step(STEP))
            }
            _ => Ok(()),
        }
    }

    /// Whether this node listens in jobs with a peer: party 0 does, the one whose key comes first, if it has an address.
    fn listens_in_jobs(&self, peer: &PeerId, seen: &Observed) -> bool {
        let (own, theirs) = (!self.context.data_addresses().is_empty(), seen.their_data_address);
        if self.context.identity.peer() < *peer { own } else { own && !theirs }
    }

    async fn look(&self, peer: &PeerId, name: &str, seen: &mut Observed) {
        let addresses = self.context.addresses();
        let began = Instant::now();
        let clock = self.context.clock.unix_millis();
        match self.ask(peer, name, ProbeRequest::Look { addresses }).await {
            Ok(ProbeAnswer::Seen(view)) => {
                // The answer was written when the peer had looked, shortly before it came.
                let now = clock.saturating_add(u64::try_from(began.elapsed().as_millis()).unwrap_or(0));
                seen.skew_ms = Some(view.now_ms.abs_diff(now));
                seen.reached = Some(self.reach(&view.addresses).await);
                seen.view = Some(view);
            }
            Ok(_) => seen.unreachable = Some(misfit(name)),
            Err(failure) => seen.unreachable = Some(failure),
        }
    }

    async fn ask(&self, peer: &PeerId, name: &str, request: ProbeRequest) -> Result<ProbeAnswer, Failure> {
        let asked = self.context.ask(peer, STEP, &Request::Probe(Box::new(request)), ANSWER).await;
        match asked.map_err(|failure| failure.by_party(name))? {
            Response::Probe(answer) => Ok(*answer),
            Response::Failed(failure) => Err(failure.to_failure(name).at_step(STEP)),
            _ => Err(misfit(name)),
        }
    }

    async fn path(
        &self,
        peer: &PeerId,
        name: &str,
        asker_dials: bool,
        has_address: &mut bool,
    ) -> Result<Measured, Failure> {
        let (key, channel) = self.context.new_channel();
        let nonce = Nonce::random(&mut system_rng());
        let request = ProbeRequest::Path { nonce, asker_dials, channel: channel.clone(), bytes: BYTES };
        let ProbeAnswer::Path(theirs) = self.ask(peer, name, request).await? else { return Err(misfit(name)) };
        *has_address = !theirs.addresses.is_empty();
        let own = self.context.identity.peer();
        let route = session([&own, peer], &nonce, [&channel, &theirs]);
        let met = Meeting { key, peer: *peer, theirs, listens: !asker_dials, route, asks: true, bytes: BYTES };
        met.measure(&self.context).await.map_err(|failure| failure.by_party(name))
    }

    /// Answers a part of a peer's test.
    pub(crate) async fn answer(self: &Arc<Self>, peer: &PeerId, request: ProbeRequest) -> Response {
        match self.try_answer(*peer, request).await {
            Ok(answer) => Response::Probe(Box::new(answer)),
            Err(failure) => Response::Failed(PeerFailure::new(failure.code, failure.message, failure.next)),
        }
    }

    /// The failures say nothing of this node but what its peer may know.
    async fn try_answer(self: &Arc<Self>, peer: PeerId, request: ProbeRequest) -> Result<ProbeAnswer, Failure> {
        if request == ProbeRequest::Ping {
            return Ok(ProbeAnswer::Pong);
        }
        self.count(peer)?;
        match request {
            ProbeRequest::Ping => Ok(ProbeAnswer::Pong),
            ProbeRequest::Look { addresses } => {
                let reached = self.reach(&addresses).await;
                let name = self.context.name_of(&peer).unwrap_or_default();
                Ok(ProbeAnswer::Seen(self.view(&name, reached)?))
            }
            ProbeRequest::Path { nonce, asker_dials, channel, bytes } => {
                if bytes > MAX_PROBE_BYTES {
                    let message = format!("a test of the path moves at most {MAX_PROBE_BYTES} bytes each way");
                    return Err(Failure::new(Code::new("USAGE_PROBE_LIMIT"), message, "ask for less."));
                }
                // The end of the one before may be a moment away.
                let place = tokio::time::timeout(SOON, Arc::clone(&self.place).acquire_owned()).await;
                let Ok(Ok(place)) = place else {
                    let message = "another path is measured";
                    return Err(Failure::new(Code::new("PEER_BUSY"), message, "try again in a minute."));
                };
                let (key, own) = self.context.new_channel();
                let route = session([&peer, &self.context.identity.peer()], &nonce, [&channel, &own]);
                let met = Meeting { key, peer, theirs: channel, listens: asker_dials, route, asks: false, bytes };
                let (context, stop) = (Arc::clone(&self.context), self.stop.clone());
                self.tasks.spawn(async move {
                    let measured = tokio::select! {
                        () = stop.cancelled() => return,
                        measured = met.measure(&context) => measured,
                    };
                    if let Err(failure) = measured {
                        tracing::debug!(peer = %peer.short(), step = STEP, code = %failure.code, "no path: {failure}");
                    }
                    drop(place);
                });
                Ok(ProbeAnswer::Path(own))
            }
        }
    }

    /// CHK-411: so many parts in an hour.
    fn count(&self, peer: PeerId) -> Result<(), Failure> {
        let now = self.context.clock.unix_seconds();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = asked.entry(peer).or_insert((now, 0));
        if now >= since.saturating_add(HOUR_SECONDS) {
            (*since, *count) = (now, 0);
        }
        if *count >= PER_HOUR {
            let message = format!("{PER_HOUR} parts of tests in an hour are answered");
            return Err(Failure::new(Code::new("PEER_RATE"), message, "try again in an hour."));
        }
        *count += 1;
        Ok(())
    }

    /// What this node says of itself to an organisation.
    fn view(&self, organisation: &str, reached: (u8, u8)) -> Result<ProbeView, Failure> {
        let now = self.context.clock.unix_seconds();
        let (mut visible, mut expired) = (Vec::new(), Vec::new());
        for record in self.context.datasets.list()? {
            let policy = record.policy.policy()?;
            if policy.is_visible_to(organisation, now) {
                visible.push(PeerText::new(record.name));
            } else if policy.query().organisations.contains(organisation) && !policy.in_force(now) {
                expired.push(PeerText::new(record.name));
            }
        }
        visible.truncate(MOST_DATASETS);
        expired.truncate(MOST_DATASETS);
        Ok(ProbeView {
            now_ms: self.context.clock.unix_millis(),
            addresses: self.context.addresses(),
            planner_versions: vec![PLANNER_VERSION],
            reached,
            visible,
            expired,
        })
    }

    /// How many of some addresses take a connection by TCP, and how many were tried: those that may be dialled.
    async fn reach(&self, addresses: &[String]) -> (u8, u8) {
        let policy = AddressPolicy { allow_local: self.context.config.allow_loopback };
        let parsed: Vec<Multiaddr> =
            addresses.iter().take(MAX_ADDRESSES).filter_map(|text| text.parse().ok()).collect();
        // Names that the peer chose; whoever serves them may take as long as he likes.
        let resolved = tokio::time::timeout(REACH, resolve(parsed, policy)).await.unwrap_or_default();
        let mut sockets: Vec<SocketAddr> = resolved.iter().filter_map(socket).collect();
        sockets.truncate(MAX_ADDRESSES);
        let connect = |to: SocketAddr| async move {
            let connected = tokio::time::timeout(REACH, tokio::net::TcpStream::connect(to)).await;
            u8::from(matches!(connected, Ok(Ok(_))))
        };
        let reached = futures::future::join_all(sockets.iter().copied().map(connect)).await;
        (reached.iter().sum(), u8::try_from(sockets.len()).unwrap_or(u8::MAX))
    }
}

/// The socket of an address by TCP alone.
fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

fn misfit(name: &str) -> Failure {
    let failure =
        Failure::new(Code::new("PEER_ANSWER"), "the answer is to something else", "bring both nodes to one version.");
    failure.by_party(name).at_step(STEP)
}

/// Two nodes that meet on the data plane.
struct Meeting {
    key: StaticKey,
    peer: PeerId,
    theirs: ChannelOffer,
    listens: bool,
    route: Digest,
    asks: bool,
    bytes: u32,
}

impl Meeting {
    async fn measure(self, context: &Context) -> Result<Measured, Failure> {
        // The answerer gives up first, so that it is free when the asker goes on.
        let deadline = Instant::now() + if self.asks { MEET } else { MEET_THERE };
        let (plane, route) = (&context.data_plane, Route(*self.route.as_bytes()));
        let met = plane.connect(self.listens, self.peer, &self.theirs.addresses, route, LANE, deadline).await?;
        let moved = tokio::task::spawn_blocking(move || self.move_bytes(met)).await;
        moved.unwrap_or_else(|panic| {
            let message = format!("a test of the path stopped: {panic}");
            Err(Failure::new(Code::new("NODE_BUG"), message, "this is a bug: please report it with the log."))
        })
    }

    fn move_bytes(self, met: Session) -> Result<Measured, Failure> {
        let Session { stream, lease, path: over } = met;
        let (own, remote) = (Digest::from_bytes(self.key.public()), Digest::from_bytes(*self.theirs.key.as_bytes()));
        let (role, initiator, responder) =
            if self.listens { (Role::Responder, remote, own) } else { (Role::Initiator, own, remote) };
        let prologue = digest("tacit/channel/1", &("probe", self.route, initiator, responder));
        let handshake =
            Handshake { role, local: &self.key, remote: *remote.as_bytes(), prologue: *prologue.as_bytes() };
        let deadlines = Deadlines { silence: ANSWER, total: TOTAL };
        let mut channel = NoiseChannel::connect(stream, &handshake, deadlines)?;
        channel.enter(STEP);
        let measured = if self.asks {
            let up = timed(|| {
                give(&mut channel, self.bytes)?;
                channel.receive(&mut [0])
            })?;
            let down = timed(|| {
                channel.send(&[1])?;
                take(&mut channel, self.bytes)
            })?;
            let rate = |took: Duration| f64::from(self.bytes) * 8.0 / took.as_secs_f64().max(1e-6);
            Measured { up: rate(up), down: rate(down), over }
        } else {
            take(&mut channel, self.bytes)?;
            channel.send(&[1])?;
            channel.receive(&mut [0])?;
            give(&mut channel, self.bytes)?;
            Measured { up: 0.0, down: 0.0, over }
        };
        // The last word arrives before the channel closes.
        drop(channel.finish());
        drop(lease);
        Ok(measured)
    }
}

fn timed(work: impl FnOnce() -> tacit_mpc::error::Result<()>) -> Result<Duration, Failure> {
    let began = std::time::Instant::now();
    work()?;
    Ok(began.elapsed())
}

fn give(channel: &mut NoiseChannel, bytes: u32) -> tacit_mpc::error::Result<()> {
    let piece = vec![0x5a; PIECE];
    let mut left = bytes as usize;
    while left > 0 {
        let now = left.min(PIECE);
        channel.send(&piece[..now])?;
        left -= now;
    }
    channel.flush()
}

fn take(channel: &mut NoiseChannel, bytes: u32) -> tacit_mpc::error::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut left = bytes as usize;
    while left > 0 {
        let now = left.min(PIECE);
        channel.receive(&mut piece[..now])?;
        left -= now;
    }
    Ok(())
}
