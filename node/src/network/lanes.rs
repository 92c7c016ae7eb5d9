//! Streams for bulk data over the connection to a peer, where the data plane has no path of its own (design §4.3).
//!
//! *Shape*: a behaviour that opens a stream on the connection that it is told, and hands over those that peers open. The
//! data plane says what they are for, in their first bytes; here nothing is read.
//! *Security*: for paired peers only ([`MembersOnly`](super::members_only::MembersOnly)). Streams wait nowhere: one that
//! is not taken at once is dropped, which resets it. Their number is bounded by the multiplexer and by the data plane.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::sync::oneshot;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/tacit/data/1");
/// Streams of one connection that may be asked for and not be there yet.
const MAX_OPENING: usize = 16;

/// Where an opened stream goes.
pub(crate) type Opened = oneshot::Sender<io::Result<LaneStream>>;

/// A stream on a connection to a peer.
#[derive(Debug)]
pub struct LaneStream {
    /// The stream.
    pub stream: Stream,
    /// What it moves, told to the task that owns the connection.
    pub meter: Meter,
}

/// Counts the bytes that the streams of one connection move: while they do, the connection is alive.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Counts bytes that were moved.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many bytes were moved so far.
    pub(crate) fn moved(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether any stream counts still.
    pub(crate) fn is_used(&self) -> bool {
        // The behaviour's own, and the handler's.
        Arc::strong_count(&self.0) > 2
    }
}

/// A stream that a peer opened.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) lane: LaneStream,
}

/// The behaviour.
#[derive(Default)]
pub(crate) struct Lanes {
    events: VecDeque<ToSwarm<Inbound, Opened>>,
    meters: std::collections::HashMap<ConnectionId, Meter>,
}

impl Lanes {
    /// Opens a stream on a connection of a peer on which this protocol is there.
    pub(crate) fn open(&mut self, peer_id: PeerId, connection: ConnectionId, opened: Opened) {
        let handler = NotifyHandler::One(connection);
        self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: opened });
    }

    /// What the streams of a connection have moved.
    pub(crate) fn meter(&self, connection: ConnectionId) -> Option<&Meter> {
        self.meters.get(&connection)
    }

    fn handler(&mut self, connection: ConnectionId) -> LaneHandler {
        let meter = self.meters.entry(connection).or_default().clone();
        LaneHandler { meter, events: VecDeque::new(), opening: 0 }
    }
}

impl NetworkBehaviour for Lanes {
    type ConnectionHandler = LaneHandler;
    type ToSwarm = Inbound;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(closed) = event {
            self.meters.remove(&closed.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, lane: THandlerOutEvent<Self>) {
        self.events.push_back(ToSwarm::GenerateEvent(Inbound { peer, connection, lane }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The protocol on one connection.
pub(crate) struct LaneHandler {
    meter: Meter,
    events: VecDeque<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Opened, LaneStream>>,
    opening: usize,
}

impl ConnectionHandler for LaneHandler {
    type FromBehaviour = Opened;
    type ToBehaviour = LaneStream;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Opened;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn on_behaviour_event(&mut self, opened: Opened) {
        if self.opening >= MAX_OPENING {
            return drop(opened.send(Err(io::ErrorKind::ResourceBusy.into())));
        }
        self.opening += 1;
        let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), opened);
        self.events.push_back(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                let lane = LaneStream { stream, meter: self.meter.clone() };
                self.events.push_back(ConnectionHandlerEvent::NotifyBehaviour(lane));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info }) => {
                self.opening = self.opening.saturating_sub(1);
                // An error says that whoever asked has left; the stream is reset.
                let _ = info.send(Ok(LaneStream { stream, meter: self.meter.clone() }));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                self.opening = self.opening.saturating_sub(1);
                let _ = info.send(Err(reason(error)));
            }
            _ => {}
        }
    }
}

fn reason(error: StreamUpgradeError<Infallible>) -> io::Error {
    match error {
        StreamUpgradeError::Timeout => io::ErrorKind::TimedOut.into(),
        StreamUpgradeError::NegotiationFailed => {
            io::Error::new(io::ErrorKind::Unsupported, "the peer's node is of a version without it")
        }
        StreamUpgradeError::Io(error) => error,
        StreamUpgradeError::Apply(never) => match never {},
    }
}
