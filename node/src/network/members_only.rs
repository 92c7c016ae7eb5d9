//! A behaviour that exists for paired peers only.
//!
//! *Security*: default deny at the level of protocols. On a connection of a stranger the wrapped protocol is not there:
//! it is not negotiated, not listed by identify, and no byte of it is read. Whether a connection belongs to a paired
//! peer is decided once, when it is established; a peer that becomes paired connects anew.

use std::{
    collections::{HashMap, HashSet},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, behaviour::toggle::Toggle,
    },
};

/// `B` for members, nothing for others.
pub(crate) struct MembersOnly<B> {
    present: Toggle<B>,
    absent: Toggle<B>,
    members: HashSet<PeerId>,
    /// The connections that `B` knows of.
    open: HashMap<ConnectionId, PeerId>,
}

impl<B> MembersOnly<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self {
            present: Toggle::from(Some(inner)),
            absent: Toggle::from(None),
            members: HashSet::new(),
            open: HashMap::new(),
        }
    }

    pub(crate) fn admit(&mut self, peer: PeerId) {
        self.members.insert(peer);
    }

    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.members.remove(peer);
    }

    /// Whether the protocol is there on this connection.
    pub(crate) fn is_open(&self, connection: ConnectionId) -> bool {
        self.open.contains_key(&connection)
    }

    pub(crate) fn inner(&self) -> &B {
        self.present.as_ref().expect("`new` puts it there and nothing takes it away")
    }

    pub(crate) fn inner_mut(&mut self) -> &mut B {
        self.present.as_mut().expect("`new` puts it there and nothing takes it away")
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for MembersOnly<B> {
    type ConnectionHandler = THandler<Toggle<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.members.contains(&peer) {
            return self.absent.handle_established_inbound_connection(connection, peer, local, remote);
        }
        self.open.insert(connection, peer);
        self.present.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.members.contains(&peer) {
            return self.absent.handle_established_outbound_connection(connection, peer, address, role, port_use);
        }
        self.open.insert(connection, peer);
        self.present.handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) if !self.is_open(established.connection_id) => {}
            FromSwarm::AddressChange(change) if !self.is_open(change.connection_id) => {}
            FromSwarm::ConnectionClosed(closed) => {
                if self.open.remove(&closed.connection_id).is_some() {
                    let remaining_established = self.open.values().filter(|peer| **peer == closed.peer_id).count();
                    let closed = ConnectionClosed { remaining_established, ..closed };
                    self.present.on_swarm_event(FromSwarm::ConnectionClosed(closed));
                }
            }
            other => self.present.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.present.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match self.present.poll(cx) {
                // Where members reach this node, such as a place at a relay, identify must not tell to strangers.
                Poll::Ready(ToSwarm::ExternalAddrConfirmed(_) | ToSwarm::ExternalAddrExpired(_)) => {}
                other => return other,
            }
        }
    }
}
