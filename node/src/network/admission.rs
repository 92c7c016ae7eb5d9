//! Who may hold a connection: bounds on half-open ones by source, on strangers, and none for the revoked.
//!
//! *Security*: CHK-110 and CHK-115. Everyone who is turned away, for whichever reason, sees the same: the connection
//! closes. Half-open connections are bounded by source and in all; connections of strangers (peers that are not paired,
//! who may identify and pair) are bounded by source and in all, apart from the slots of paired peers, so that a flood
//! costs bounded memory and does not lock out a paired peer that is connected: on one connection of a stranger, 4 MiB may
//! lie unread ([`transport`](super::transport)), so 64 MiB in all.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Inbound connections in their handshake, in all. Default: 32 (CHK-110).
    pub half_open: usize,
    /// Inbound connections in their handshake, from one IP address. Default: 8 (CHK-110).
    pub half_open_per_source: usize,
    /// Connections of peers that are not paired, in all. Default: 16; on each, 4 MiB may lie unread.
    pub strangers: usize,
    /// Connections of peers that are not paired, from one IP address. Default: 4.
    pub strangers_per_source: usize,
    /// Connections of one paired peer. Default: 4 (both sides may dial at once, by TCP and QUIC).
    pub per_peer: usize,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self { half_open: 32, half_open_per_source: 8, strangers: 16, strangers_per_source: 4, per_peer: 4 }
    }
}

/// The paired peers: one list for who is admitted and for what the transport gives to whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(Arc<Mutex<HashSet<PeerId>>>);

impl Members {
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.lock().contains(peer)
    }

    pub(crate) fn insert(&self, peer: PeerId) {
        self.lock().insert(peer);
    }

    fn remove(&self, peer: &PeerId) {
        self.lock().remove(peer);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PeerId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The behaviour that admits or denies connections. It comes first among the behaviours, so that no other knows of a
/// connection that is denied.
pub(crate) struct Admission {
    limits: AdmissionLimits,
    members: Members,
    revoked: HashSet<PeerId>,
    half_open: HashMap<ConnectionId, Source>,
    established: HashMap<ConnectionId, (PeerId, Source)>,
    strangers: HashMap<ConnectionId, Source>,
    denied: u64,
}

/// Where an inbound connection comes from: its IPv4 address or IPv6 network, or one place for all transports without.
type Source = Option<IpAddr>;

/// Why a connection is denied. It is not told to the peer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Denied(&'static str);

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits, members: Members) -> Self {
        Self {
            limits,
            members,
            revoked: HashSet::new(),
            half_open: HashMap::new(),
            established: HashMap::new(),
            strangers: HashMap::new(),
            denied: 0,
        }
    }

    pub(crate) fn admit(&mut self, peer: PeerId) {
        self.revoked.remove(&peer);
        self.members.insert(peer);
    }

    pub(crate) fn revoke(&mut self, peer: PeerId) {
        self.members.remove(&peer);
        self.revoked.insert(peer);
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            half_open: self.half_open.len(),
            strangers: self.strangers.len(),
            established: self.established.len(),
            denied: self.denied,
        }
    }

    fn deny<T>(&mut self, why: &'static str) -> Result<T, ConnectionDenied> {
        self.denied = self.denied.saturating_add(1);
        Err(ConnectionDenied::new(Denied(why)))
    }

    fn establish(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        source: Source,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        if tacit_protocol::identity::PeerId::from_libp2p(&peer).is_err() {
            return self.deny("the peer has a key of another kind");
        }
        if self.revoked.contains(&peer) {
            return self.deny("the peer is revoked");
        }
        if self.established.values().filter(|(of, _)| *of == peer).count() >= self.limits.per_peer {
            return self.deny("too many connections of one peer");
        }
        if !self.members.contains(&peer) {
            let same_source = self.strangers.values().filter(|of| **of == source).count();
            if self.strangers.len() >= self.limits.strangers || same_source >= self.limits.strangers_per_source {
                return self.deny("too many connections of strangers");
            }
            self.strangers.insert(connection, source);
        }
        self.established.insert(connection, (peer, source));
        Ok(dummy::ConnectionHandler)
    }

    fn close(&mut self, connection: ConnectionId) {
        self.half_open.remove(&connection);
        self.established.remove(&connection);
        self.strangers.remove(&connection);
    }
}

/// How many connections there are, for metrics and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Inbound ones in their handshake.
    pub half_open: usize,
    /// Established ones of peers that are not paired.
    pub strangers: usize,
    /// Established ones in all.
    pub established: usize,
    /// Denied ones since the start.
    pub denied: u64,
}

impl NetworkBehaviour for Admission {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let source = source_of(remote);
        let same_source = self.half_open.values().filter(|of| **of == source).count();
        if self.half_open.len() >= self.limits.half_open || same_source >= self.limits.half_open_per_source {
            return self.deny("too many half-open connections");
        }
        self.half_open.insert(connection, source);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.half_open.remove(&connection);
        self.establish(connection, peer, source_of(remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.establish(connection, peer, source_of(remote))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.close(closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.close(failure.connection_id),
            FromSwarm::DialFailure(failure) => self.close(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

fn source_of(remote: &Multiaddr) -> Source {
    match remote.iter().next() {
        Some(Protocol::Ip4(ip)) => Some(IpAddr::V4(ip)),
        Some(Protocol::Ip6(ip)) => match IpAddr::V6(ip).to_canonical() {
            // One host has a whole /64 to itself.
            IpAddr::V6(ip) => Some(IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into())),
            v4 => Some(v4),
        },
        _ => None,
    }
}
