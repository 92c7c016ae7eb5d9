//! The task that owns the swarm. What it knows of a peer is in [`Member`]; here events become changes of that.

mod ways;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::{ConnectedPoint, transport::ListenerId},
    identity::Keypair,
    ping, relay,
    request_response::{Event, Message, OutboundFailure, OutboundRequestId, ResponseChannel},
    swarm::{
        ConnectionId, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tacit_protocol::{Code, address::MAX_ADDRESSES, canonical::Nonce};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Greeter, NetworkConfig, NetworkError, NodeTransport, Protocol,
    address::resolve,
    behaviour::{Behaviour, BehaviourEvent},
    codec::{Answer, Ask},
    handle::{Command, InboundLane, InboundRequest, LANE_QUEUE, Network, NetworkHandle, Reply, Responder},
    member::{Member, Queued, Session},
    pace::{Bucket, LogPace},
    path::PeerPath,
    transport,
};

/// Commands that may wait for the task.
const COMMAND_QUEUE: usize = 256;
/// Frames that break the protocol before a peer's connections are closed.
const MAX_STRIKES: u32 = 3;
/// Pairing requests that all strangers together may make per second and at once.
const STRANGERS_PACE: (u32, u32) = (10, 40);
/// How long a stop waits for connections to close.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a peer has to read a refusal before it is closed.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long a connection without a stream lasts: longer than any node runs, as pings tell who is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(super) fn spawn(
    keypair: &Keypair,
    transport: NodeTransport,
    config: NetworkConfig,
    greeter: Arc<dyn Greeter>,
    jitter: Box<dyn rand_core::Rng + Send>,
) -> Result<Network, NetworkError> {
    let local = keypair.public().to_peer_id();
    let own_name = tacit_protocol::identity::PeerId::from_libp2p(&local)
        .map_err(|error| NetworkError::Transport { reason: error.to_string() })?;
    let swarm_config = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE_TIMEOUT)
        .with_max_negotiating_inbound_streams(32);
    let (relays, client) = relay::client::new(local);
    let behaviour = Behaviour::new(keypair, &config, transport.members.clone(), client);
    let transport = transport::with_relays(keypair, transport, config.addresses, relays)?;
    let swarm = Swarm::new(transport, behaviour, local, swarm_config);
    let (commands, from_handle) = mpsc::channel(COMMAND_QUEUE);
    let (to_node, requests) = mpsc::channel(config.request_queue);
    let (connected, connected_out) = watch::channel(BTreeSet::new());
    let (listening, listening_out) = watch::channel(Vec::new());
    let (paths, paths_out) = watch::channel(BTreeMap::new());
    let (seen_at, seen_at_out) = watch::channel(BTreeMap::new());
    let (to_data_plane, lanes) = mpsc::channel(LANE_QUEUE);
    let now = Instant::now();
    let mut task = Task {
        swarm,
        config,
        greeter,
        jitter,
        commands: from_handle,
        to_node,
        to_data_plane,
        connected,
        listening,
        paths,
        seen_at,
        reservations: HashMap::new(),
        members: BTreeMap::new(),
        strangers: HashMap::new(),
        strangers_pace: Bucket::new(STRANGERS_PACE.0, STRANGERS_PACE.1, now),
        listens: Vec::new(),
        sent: HashMap::new(),
        answering: FuturesUnordered::new(),
        resolving: FuturesUnordered::new(),
        listeners: Vec::new(),
        listen_log: LogPace::default(),
    };
    task.announce_relay();
    let handle = NetworkHandle {
        local: own_name,
        commands,
        connected: connected_out,
        listening: listening_out,
        paths: paths_out,
        seen_at: seen_at_out,
        lanes: Arc::new(std::sync::Mutex::new(Some(lanes))),
    };
    Ok(Network { handle, requests, task: tokio::spawn(task.run()) })
}

struct Task {
    swarm: Swarm<Behaviour>,
    config: NetworkConfig,
    greeter: Arc<dyn Greeter>,
    jitter: Box<dyn rand_core::Rng + Send>,
    commands: mpsc::Receiver<Command>,
    to_node: mpsc::Sender<InboundRequest>,
    to_data_plane: mpsc::Sender<InboundLane>,
    connected: watch::Sender<BTreeSet<tacit_protocol::identity::PeerId>>,
    listening: watch::Sender<Vec<Multiaddr>>,
    paths: watch::Sender<BTreeMap<tacit_protocol::identity::PeerId, PeerPath>>,
    seen_at: watch::Sender<BTreeMap<tacit_protocol::identity::PeerId, Multiaddr>>,
    /// Places at relays, or that were asked for.
    reservations: HashMap<ListenerId, PeerId>,
    members: BTreeMap<PeerId, Member>,
    /// Connections on which only pairing is there.
    strangers: HashMap<ConnectionId, Stranger>,
    strangers_pace: Bucket,
    /// Listeners that have no address yet, and who waits for it.
    listens: Vec<PendingListen>,
    /// Requests of this node that wait for an answer.
    sent: HashMap<(Protocol, OutboundRequestId), Sent>,
    /// Requests of peers that the node is answering: bounded by peer, pace and [`NetworkConfig::max_in_flight`].
    answering: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// Names being resolved for a dial: one a peer, plus those of pairing requests of this node.
    resolving: FuturesUnordered<BoxFuture<'static, Resolved>>,
    listeners: Vec<ListenerId>,
    /// Of listeners that take no connections.
    listen_log: LogPace,
}

/// A connection of a peer that is not paired.
struct Stranger {
    /// When it is closed.
    until: Instant,
    pace: Bucket,
}

struct PendingListen {
    listener: ListenerId,
    address: Multiaddr,
    reply: oneshot::Sender<Result<(), NetworkError>>,
}

/// What a request of this node was.
enum Sent {
    Hello,
    Request { step: &'static str, reply: Reply },
}

/// What became of a request of a peer.
struct Answered {
    peer: PeerId,
    protocol: Protocol,
    channel: ResponseChannel<Answer>,
    answer: Answer,
}

/// Addresses that may be dialled, and what for.
struct Resolved {
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    pair: Option<(Vec<u8>, Reply)>,
}

impl Task {
    async fn run(mut self) {
        loop {
            let wake = self.next_wake();
            // Work of this node comes before more from a remote.
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.on_command(command),
                },
                Some(answered) = self.answering.next() => self.on_answered(answered),
                Some(resolved) = self.resolving.next() => self.on_resolved(resolved),
                () = sleep_until(wake) => self.on_wake(Instant::now()),
                event = self.swarm.select_next_some() => self.on_event(event),
            }
        }
        self.close_all().await;
    }

    /// Closes all connections and waits, not for long, until the peers can have heard of it.
    async fn close_all(mut self) {
        self.connected.send_replace(BTreeSet::new());
        for listener in std::mem::take(&mut self.listeners) {
            self.swarm.remove_listener(listener);
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = tokio::time::timeout(STOP_TIMEOUT, closed).await;
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Request { peer, step, bytes, reply } => self.request(peer, Queued { step, bytes, reply }),
            Command::Pair { peer, addresses, bytes, reply } => self.resolve(peer, addresses, Some((bytes, reply))),
            Command::Admit { peer, addresses } => self.admit(peer, addresses),
            Command::Revoke { peer } => self.revoke(peer),
            Command::Dial { peer } => self.dial(peer),
            Command::Disconnect { peer } => self.disconnect(peer),
            Command::Listen { address, reply } => self.listen(address, reply),
            Command::OpenLane { peer, reply } => drop(reply.send(self.open_lane(peer))),
            Command::Counts { reply } => drop(reply.send(self.swarm.behaviour().admission.counts())),
            Command::Stop => {}
        }
    }

    fn admit(&mut self, peer: PeerId, mut addresses: Vec<Multiaddr>) {
        addresses.truncate(MAX_ADDRESSES);
        let relaying = self.greeter.relaying(name(peer));
        self.swarm.behaviour_mut().admit(peer, relaying);
        let is_pairing = self.swarm.is_connected(&peer);
        // A peer that has just paired connects anew itself, once it has read the answer.
        let now = Instant::now() + if is_pairing { self.config.redial.first } else { Duration::ZERO };
        match self.members.get_mut(&peer) {
            Some(member) => member.addresses = addresses,
            None => drop(self.members.insert(peer, Member::new(addresses, &self.config, now))),
        }
        if let Some(member) = self.members.get_mut(&peer) {
            member.relaying = relaying;
        }
    }

    fn revoke(&mut self, peer: PeerId) {
        self.swarm.behaviour_mut().revoke(&peer);
        if let Some(mut member) = self.members.remove(&peer) {
            member.fail_waiting(|step| NetworkError::Unknown { peer: name(peer), step });
        }
        self.give_up_places(peer);
        self.disconnect(peer);
        self.publish(peer, false);
        self.publish_path(peer);
    }

    fn listen(&mut self, address: Multiaddr, reply: oneshot::Sender<Result<(), NetworkError>>) {
        match self.swarm.listen_on(address.clone()) {
            Ok(listener) => {
                self.listeners.push(listener);
                self.listens.push(PendingListen { listener, address, reply });
            }
            Err(error) => drop(reply.send(Err(NetworkError::Listen { address, reason: error.to_string() }))),
        }
    }

    fn request(&mut self, peer: PeerId, queued: Queued) {
        let Some(member) = self.members.get_mut(&peer) else {
            let error = NetworkError::Unknown { peer: name(peer), step: queued.step };
            return drop(queued.reply.send(Err(error)));
        };
        if member.session == Session::Open {
            return self.send(peer, queued);
        }
        let addresses = member.addresses.len();
        match member.queue(queued, self.config.max_waiting) {
            Err(queued) => drop(queued.reply.send(Err(NetworkError::Busy { peer: name(peer), step: queued.step }))),
            Ok(()) if member.connections.is_empty() && addresses == 0 => {
                let reason = "no address of it is known; it has to connect to this node".to_owned();
                member.fail_waiting(|step| NetworkError::Unreachable {
                    peer: name(peer),
                    step,
                    reason: reason.clone(),
                });
            }
            Ok(()) => self.dial(peer),
        }
    }

    fn send(&mut self, peer: PeerId, queued: Queued) {
        let Queued { step, bytes, reply } = queued;
        if reply.is_closed() {
            return;
        }
        let id = self.swarm.behaviour_mut().negotiate.inner_mut().send_request(&peer, Ask::Request(bytes));
        self.sent.insert((Protocol::Negotiate, id), Sent::Request { step, reply });
    }

    fn dial(&mut self, peer: PeerId) {
        let Some(member) = self.members.get_mut(&peer) else { return };
        if member.dialing || !member.connections.is_empty() || member.addresses.is_empty() {
            return;
        }
        member.dialing = true;
        let addresses = member.addresses.clone();
        self.resolve(peer, addresses, None);
    }

    fn resolve(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, pair: Option<(Vec<u8>, Reply)>) {
        let policy = self.config.addresses;
        let resolved = async move { Resolved { peer, addresses: resolve(addresses, policy).await, pair } };
        self.resolving.push(resolved.boxed());
    }

    fn on_resolved(&mut self, resolved: Resolved) {
        let Resolved { peer, addresses, pair } = resolved;
        let addresses = self.usable(addresses, pair.is_some());
        match pair {
            Some((_, reply)) if addresses.is_empty() && !self.swarm.is_connected(&peer) => {
                let reason = "none of its addresses may be dialled or has a host that is known".to_owned();
                drop(reply.send(Err(NetworkError::Unreachable { peer: name(peer), step: "pair", reason })));
            }
            Some((bytes, reply)) => {
                let pair = &mut self.swarm.behaviour_mut().pair;
                let id = pair.send_request_with_addresses(&peer, Ask::Request(bytes), addresses);
                self.sent.insert((Protocol::Pair, id), Sent::Request { step: "pair", reply });
            }
            None if addresses.is_empty() => self.dial_failed(peer, "no address may be dialled now"),
            None => {
                let dial = DialOpts::peer_id(peer).condition(PeerCondition::NotDialing).addresses(addresses).build();
                if let Err(error) = self.swarm.dial(dial) {
                    self.dial_failed(peer, &error.to_string());
                }
            }
        }
    }

    fn dial_failed(&mut self, peer: PeerId, reason: &str) {
        let Some(member) = self.members.get_mut(&peer) else { return };
        if !member.dialing {
            return;
        }
        member.dialing = false;
        if member.connections.is_empty() {
            let wait = member.backoff.next(self.config.redial, self.jitter.next_u64());
            member.next_dial = Some(Instant::now() + wait);
            member.fail_waiting(|step| NetworkError::Unreachable { peer: name(peer), step, reason: reason.to_owned() });
            tracing::debug!(%peer, step = "dial", code = "PEER_UNREACHABLE", ?wait, reason, "cannot reach a paired peer");
        }
    }

    fn disconnect(&mut self, peer: PeerId) {
        // An error says that it is not connected.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn publish(&self, peer: PeerId, is_connected: bool) {
        let peer = name(peer);
        self.connected.send_if_modified(|peers| if is_connected { peers.insert(peer) } else { peers.remove(&peer) });
    }

    fn next_wake(&self) -> Option<Instant> {
        let members = self.members.values().filter_map(Member::wake);
        members.chain(self.strangers.values().map(|stranger| stranger.until)).min()
    }

    fn on_wake(&mut self, now: Instant) {
        let late =
            self.strangers.iter().filter(|(_, stranger)| stranger.until <= now).map(|(connection, _)| *connection);
        for connection in late.collect::<Vec<_>>() {
            self.strangers.remove(&connection);
            self.swarm.close_connection(connection);
        }
        let due: Vec<PeerId> =
            self.members.iter().filter(|(_, m)| m.wake().is_some_and(|at| at <= now)).map(|(peer, _)| *peer).collect();
        for peer in due {
            self.tend_ways(peer, now);
            match self.members.get_mut(&peer) {
                Some(member) if member.session_wake().is_none_or(|at| at > now) => {}
                Some(member) if matches!(member.session, Session::Opening(_)) => {
                    // CHK-110: no greeting in time.
                    self.fail_session(peer, &Code::new("HELLO_REQUIRED"));
                }
                Some(member) => {
                    member.next_dial = None;
                    self.dial(peer);
                }
                None => {}
            }
        }
    }

    /// Ends the session of a peer whose greeting failed, on whichever side.
    fn fail_session(&mut self, peer: PeerId, code: &Code) {
        tracing::warn!(%peer, step = "hello", %code, "the session with a paired peer was not opened");
        if let Some(member) = self.members.get_mut(&peer) {
            let code = code.clone();
            member.fail_waiting(|step| NetworkError::Greeting { peer: name(peer), step, code: code.clone() });
            // The close that follows must not be taken for another deadline.
            member.session = Session::Closed;
            member.next_dial = None;
            // Not those on which only pairing is: an answer may be under way there.
            for connection in member.connections.iter().copied() {
                self.swarm.close_connection(connection);
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connection(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => self.on_closed(peer_id, connection_id),
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.dial_failed(peer, &error.to_string());
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.listening.send_replace(self.swarm.listeners().cloned().collect());
                self.on_listening(listener_id, &address);
                self.end_listen(listener_id, Ok(()));
            }
            SwarmEvent::ExpiredListenAddr { .. } => {
                self.listening.send_replace(self.swarm.listeners().cloned().collect());
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                let reason = reason.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                self.listening.send_replace(self.swarm.listeners().cloned().collect());
                self.on_place_lost(listener_id, &reason);
                self.on_listener_closed(listener_id, &reason);
            }
            SwarmEvent::ListenerError { error, .. } => self.on_listener_error(&error, Instant::now()),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(&event),
            SwarmEvent::Behaviour(BehaviourEvent::Pair(event)) => self.on_message(Protocol::Pair, event),
            SwarmEvent::Behaviour(BehaviourEvent::Negotiate(event)) => self.on_message(Protocol::Negotiate, event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Punch(event)) => self.on_punch(event),
            SwarmEvent::Behaviour(BehaviourEvent::Lanes(inbound)) => self.on_lane(inbound),
            _ => {}
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        match event.result {
            // The others say that nobody is there any more.
            Ok(_) | Err(ping::Failure::Unsupported) => {}
            // Bulk data has the connection to itself: an answer stands behind it.
            Err(_) if self.has_moved(event.peer, event.connection) => {}
            Err(_) => {
                tracing::debug!(peer = %event.peer, step = "ping", "a connection is dead");
                self.swarm.close_connection(event.connection);
            }
        }
    }

    /// Answers whoever waits for a listener, if somebody does.
    fn end_listen(&mut self, listener: ListenerId, result: Result<(), String>) -> bool {
        let Some(at) = self.listens.iter().position(|pending| pending.listener == listener) else { return false };
        let PendingListen { address, reply, .. } = self.listens.swap_remove(at);
        let _ = reply.send(result.map_err(|reason| NetworkError::Listen { address, reason }));
        true
    }

    /// One of this node's own listeners has ended; a place at a relay is not one of them.
    fn on_listener_closed(&mut self, listener: ListenerId, reason: &str) {
        let Some(at) = self.listeners.iter().position(|own| *own == listener) else { return };
        self.listeners.swap_remove(at);
        if !self.end_listen(listener, Err(reason.to_owned())) {
            tracing::warn!(
                step = "listen",
                code = "NETWORK_LISTEN",
                reason,
                "this node listens on one address less; start it again once the cause is mended"
            );
        }
    }

    /// A listener takes no connections now, and goes on.
    fn on_listener_error(&mut self, error: &std::io::Error, now: Instant) {
        if self.listen_log.is_due(now) {
            tracing::warn!(step = "listen", code = "NETWORK_LISTEN", %error, "a connection was not taken; check the limit of open files");
        }
    }

    fn on_connection(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let now = Instant::now();
        let is_member = self.swarm.behaviour().negotiate.is_open(connection);
        let Some(member) = self.members.get_mut(&peer).filter(|_| is_member) else {
            // Its own, so that one stranger does not use up what is there for all.
            let pace = Bucket::new(self.config.stranger_requests_per_second, self.config.stranger_request_burst, now);
            self.strangers.insert(connection, Stranger { until: now + self.config.stranger_timeout, pace });
            return;
        };
        member.connections.insert(connection);
        member.paths.insert(connection, endpoint, now);
        member.next_dial = None;
        if member.session == Session::Closed {
            member.session = Session::Opening(now + self.config.hello_timeout);
            member.strikes = 0;
        }
        if endpoint.is_dialer() {
            member.dialing = false;
            let greeting = self.greeter.greeting(name(peer));
            let id = self.swarm.behaviour_mut().negotiate.inner_mut().send_request(&peer, Ask::Hello(greeting));
            self.sent.insert((Protocol::Negotiate, id), Sent::Hello);
        }
        self.on_way(peer, now);
    }

    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        self.strangers.remove(&connection);
        let Some(member) = self.members.get_mut(&peer) else { return };
        member.paths.remove(connection);
        let is_last = member.connections.remove(&connection) && member.connections.is_empty();
        self.publish_path(peer);
        let Some(member) = self.members.get_mut(&peer).filter(|_| is_last) else { return };
        member.has_identified = false;
        if member.session == Session::Open {
            tracing::info!(%peer, step = "connection", "a paired peer is gone");
        }
        member.session = Session::Closed;
        let wait = member.backoff.next(self.config.redial, self.jitter.next_u64());
        member.next_dial = Some(Instant::now() + wait);
        let reason = "the connection was closed".to_owned();
        member.fail_waiting(|step| NetworkError::Unreachable { peer: name(peer), step, reason: reason.clone() });
        self.publish(peer, false);
    }

    fn on_message(&mut self, protocol: Protocol, event: Event<Ask, Answer>) {
        match event {
            Event::Message { peer, connection_id, message: Message::Request { request, channel, .. } } => {
                self.on_ask(protocol, (peer, connection_id), request, channel);
            }
            Event::Message { peer, connection_id, message: Message::Response { request_id, response } } => {
                if let Some(sent) = self.sent.remove(&(protocol, request_id)) {
                    self.on_answer((peer, connection_id), sent, response);
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                if let Some(sent) = self.sent.remove(&(protocol, request_id)) {
                    self.on_no_answer(peer, sent, &error);
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    /// Counts a frame that breaks the protocol; a peer that sends several is closed.
    fn strike(&mut self, peer: PeerId, reason: &str) {
        tracing::debug!(%peer, step = "frame", code = "PROTOCOL_LENGTH", reason, "a frame broke the protocol");
        let is_over = match self.members.get_mut(&peer) {
            Some(member) => {
                member.strikes += 1;
                member.strikes >= MAX_STRIKES
            }
            None => true,
        };
        if is_over {
            tracing::warn!(%peer, step = "frame", code = "PROTOCOL_LENGTH", "closed for frames that break the protocol");
            self.disconnect(peer);
        }
    }

    fn on_ask(
        &mut self,
        protocol: Protocol,
        (peer, connection): (PeerId, ConnectionId),
        ask: Ask,
        channel: ResponseChannel<Answer>,
    ) {
        match (protocol, ask) {
            (_, Ask::Broken(how)) => self.strike(peer, &how),
            (Protocol::Pair, Ask::Request(bytes)) => self.on_pair((peer, connection), bytes, channel),
            (Protocol::Pair, Ask::Hello(_)) => self.disconnect(peer),
            (Protocol::Negotiate, Ask::Hello(greeting)) => self.on_hello((peer, connection), &greeting, channel),
            (Protocol::Negotiate, Ask::Request(bytes)) => self.on_request(peer, bytes, channel),
        }
    }

    fn on_pair(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        bytes: Vec<u8>,
        channel: ResponseChannel<Answer>,
    ) {
        let now = Instant::now();
        let pace_kept = match (self.members.get_mut(&peer), self.strangers.get_mut(&connection)) {
            (Some(member), _) => member.pace.take(now),
            (None, Some(stranger)) => stranger.pace.take(now) && self.strangers_pace.take(now),
            (None, None) => false,
        };
        if pace_kept {
            self.hand_over(peer, Protocol::Pair, bytes, channel);
        } else {
            self.answer(Protocol::Pair, channel, refused("PEER_RATE"));
        }
    }

    fn on_hello(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        greeting: &[u8],
        channel: ResponseChannel<Answer>,
    ) {
        let pace_kept = self.members.get_mut(&peer).is_some_and(|member| member.pace.take(Instant::now()));
        let checked = if pace_kept { self.greeter.check(name(peer), greeting) } else { Err(Code::new("PEER_RATE")) };
        match checked {
            Ok(epoch) => {
                let own = self.greeter.greeting(name(peer));
                self.answer(Protocol::Negotiate, channel, Answer::Bytes(own));
                self.open_session((peer, connection), epoch);
            }
            Err(code) => {
                tracing::warn!(%peer, step = "hello", %code, "the greeting of a paired peer was refused");
                self.answer(Protocol::Negotiate, channel, Answer::Refused(code));
                self.close_soon(peer);
            }
        }
    }

    fn on_request(&mut self, peer: PeerId, bytes: Vec<u8>, channel: ResponseChannel<Answer>) {
        let limit = self.config.max_in_flight;
        let Some(member) = self.members.get_mut(&peer) else { return self.disconnect(peer) };
        if member.session != Session::Open {
            // CHK-110: the first message is a greeting.
            self.answer(Protocol::Negotiate, channel, refused("HELLO_REQUIRED"));
            return self.close_soon(peer);
        }
        // It asks once it has accepted this node's greeting, which may have been the answer to its own.
        self.greeter.answered(name(peer), None);
        // CHK-114.
        if !member.pace.take(Instant::now()) || member.in_flight >= limit {
            return self.answer(Protocol::Negotiate, channel, refused("PEER_RATE"));
        }
        self.hand_over(peer, Protocol::Negotiate, bytes, channel);
    }

    /// Ends the session of a paired peer once it can have read why: a close at once would overtake the refusal.
    fn close_soon(&mut self, peer: PeerId) {
        let soon = Instant::now() + FAREWELL;
        if let Some(member) = self.members.get_mut(&peer) {
            member.session = match member.session {
                Session::Opening(until) => Session::Opening(until.min(soon)),
                _ => Session::Opening(soon),
            };
            self.publish(peer, false);
        }
    }

    /// Hands a request to the node, if it has room for it.
    fn hand_over(&mut self, peer: PeerId, protocol: Protocol, bytes: Vec<u8>, channel: ResponseChannel<Answer>) {
        let (responder, answer) = oneshot::channel();
        let request = InboundRequest { peer: name(peer), protocol, bytes, responder: Responder(responder) };
        if self.to_node.try_send(request).is_err() {
            return self.answer(protocol, channel, refused("PEER_RATE"));
        }
        if protocol == Protocol::Negotiate
            && let Some(member) = self.members.get_mut(&peer)
        {
            member.in_flight += 1;
        }
        let timeout = self.config.request_timeout;
        let answered = async move {
            let answer = match tokio::time::timeout(timeout, answer).await {
                Ok(Ok(bytes)) => Answer::Bytes(bytes),
                Ok(Err(_)) | Err(_) => refused("PEER_NO_ANSWER"),
            };
            Answered { peer, protocol, channel, answer }
        };
        self.answering.push(answered.boxed());
    }

    fn on_answered(&mut self, answered: Answered) {
        let Answered { peer, protocol, channel, answer } = answered;
        if protocol == Protocol::Negotiate
            && let Some(member) = self.members.get_mut(&peer)
        {
            member.in_flight = member.in_flight.saturating_sub(1);
        }
        self.answer(protocol, channel, answer);
    }

    fn answer(&mut self, protocol: Protocol, channel: ResponseChannel<Answer>, answer: Answer) {
        let behaviour = self.swarm.behaviour_mut();
        // An error says that the peer has gone or waited too long.
        let _ = match protocol {
            Protocol::Pair => behaviour.pair.send_response(channel, answer),
            Protocol::Negotiate => behaviour.negotiate.inner_mut().send_response(channel, answer),
        };
    }

    fn on_answer(&mut self, (peer, connection): (PeerId, ConnectionId), sent: Sent, answer: Answer) {
        match (sent, answer) {
            (Sent::Hello, Answer::Bytes(greeting)) => {
                self.greeter.answered(name(peer), None);
                match self.greeter.check(name(peer), &greeting) {
                    Ok(epoch) => self.open_session((peer, connection), epoch),
                    Err(code) => self.fail_session(peer, &code),
                }
            }
            (Sent::Hello, Answer::Refused(code)) => {
                self.greeter.answered(name(peer), Some(&code));
                self.fail_session(peer, &code);
            }
            (Sent::Request { reply, .. }, Answer::Bytes(bytes)) => drop(reply.send(Ok(bytes))),
            (Sent::Request { step, reply }, Answer::Refused(code)) => {
                drop(reply.send(Err(NetworkError::Refused { peer: name(peer), step, code })));
            }
        }
    }

    fn on_no_answer(&mut self, peer: PeerId, sent: Sent, failure: &OutboundFailure) {
        match sent {
            // The peer closed the connection, or the members' protocol is not there: we are a stranger to it.
            Sent::Hello => match failure {
                OutboundFailure::ConnectionClosed => {}
                _ if self.members.get(&peer).is_some_and(|member| member.session == Session::Open) => {}
                OutboundFailure::UnsupportedProtocols => self.fail_session(peer, &Code::new("PEER_UNKNOWN")),
                _ => self.fail_session(peer, &Code::new("HELLO_REQUIRED")),
            },
            Sent::Request { step, reply } => {
                let error = match failure {
                    OutboundFailure::Timeout => NetworkError::Timeout { peer: name(peer), step },
                    OutboundFailure::UnsupportedProtocols => NetworkError::Unknown { peer: name(peer), step },
                    OutboundFailure::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                        NetworkError::Malformed { peer: name(peer), step, reason: error.to_string() }
                    }
                    other => NetworkError::Unreachable { peer: name(peer), step, reason: other.to_string() },
                };
                drop(reply.send(Err(error)));
            }
        }
    }

    /// Opens the session of a peer that was greeted, and sends what waited for it.
    fn open_session(&mut self, (peer, connection): (PeerId, ConnectionId), epoch: Nonce) {
        let Some(member) = self.members.get_mut(&peer) else { return };
        if member.connections.is_empty() {
            return;
        }
        if member.session != Session::Open {
            tracing::info!(%peer, step = "hello", "a paired peer is connected");
        }
        for old in member.greeted(epoch, connection) {
            self.swarm.close_connection(old);
        }
        member.session = Session::Open;
        member.backoff.reset();
        for queued in member.take_waiting() {
            self.send(peer, queued);
        }
        self.publish(peer, true);
        self.seek_place(peer);
    }
}

/// A peer's name outside of the swarm.
fn name(peer: PeerId) -> tacit_protocol::identity::PeerId {
    tacit_protocol::identity::PeerId::from_libp2p(&peer).expect("admission lets in peers with strict Ed25519 keys only")
}

fn refused(code: &'static str) -> Answer {
    Answer::Refused(Code::new(code))
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
