//! The ways to peers: relays, holes through gateways, and streams for bulk data on the best of them.

use std::time::Duration;

use libp2p::{
    Multiaddr, PeerId,
    core::transport::ListenerId,
    dcutr, identify,
    multiaddr::Protocol,
    swarm::{ConnectionId, FromSwarm, NetworkBehaviour, behaviour::ExternalAddrConfirmed},
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    super::{
        address::{is_relayed, relay_of},
        error::NetworkError,
        handle::{InboundLane, OpeningLane},
        lanes::Inbound,
        member::Session,
        path::PathKind,
    },
    Task, name,
};

/// How long a relayed connection stays beside a direct one: what was asked on it is answered meanwhile.
const RETIRE: Duration = Duration::from_secs(2);
/// The wait before a relay is asked for a place again.
const ASK_AGAIN: Duration = Duration::from_secs(30);

impl Task {
    /// Publishes how a peer is reached.
    pub(super) fn publish_path(&self, peer: PeerId) {
        let best = self.members.get(&peer).and_then(|member| member.paths.best()).map(|(_, path)| path);
        let peer = name(peer);
        self.paths.send_if_modified(|paths| match best {
            Some(path) => paths.insert(peer, path) != Some(path),
            None => paths.remove(&peer).is_some(),
        });
        if best.is_none() {
            self.seen_at.send_if_modified(|seen| seen.remove(&peer).is_some());
        }
    }

    /// A connection to a paired peer was made, or became one through a hole.
    pub(super) fn on_way(&mut self, peer: PeerId, now: Instant) {
        if let Some(member) = self.members.get_mut(&peer)
            && member.retire.is_none()
            && !member.paths.superseded().is_empty()
        {
            member.retire = Some(now + RETIRE);
        }
        self.publish_path(peer);
    }

    /// Does what is due for the ways to a peer.
    pub(super) fn tend_ways(&mut self, peer: PeerId, now: Instant) {
        let Some(member) = self.members.get_mut(&peer) else { return };
        if member.reserve.is_some_and(|at| at <= now) {
            member.reserve = None;
            self.seek_place(peer);
        }
        let Some(member) = self.members.get_mut(&peer).filter(|m| m.retire.is_some_and(|at| at <= now)) else { return };
        member.retire = None;
        let lanes = self.swarm.behaviour().lanes.inner();
        let superseded = member.paths.superseded();
        let (used, unused): (Vec<_>, Vec<_>) = superseded
            .into_iter()
            .partition(|connection| lanes.meter(*connection).is_some_and(super::super::Meter::is_used));
        // Not before the direct one has been greeted on, or what is asked meanwhile would be lost.
        if !used.is_empty() || member.session != Session::Open {
            member.retire = Some(now + RETIRE);
        }
        for connection in unused {
            if member.session == Session::Open {
                self.swarm.close_connection(connection);
            }
        }
    }

    /// The addresses that can be dialled now: those over a relay need it as a paired peer, and but for pairing, one
    /// that is connected and has told where it sees this node, as no hole can be punched without that.
    pub(super) fn usable(&self, mut addresses: Vec<Multiaddr>, for_pairing: bool) -> Vec<Multiaddr> {
        addresses.retain(|address| {
            let Some(relay) = relay_of(address) else { return !is_relayed(address) };
            let member = self.members.get(&relay);
            member.is_some_and(|relay| for_pairing || (relay.session == Session::Open && relay.has_identified))
        });
        addresses
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let Some(member) = self.members.get_mut(&peer_id) else { return };
        if member.paths.best().is_none_or(|(_, path)| path.is_relayed()) {
            return;
        }
        member.has_identified = true;
        let seen = info.observed_addr;
        self.seen_at.send_if_modified(|all| {
            let before = all.insert(name(peer_id), seen.clone());
            before.as_ref() != Some(&seen)
        });
        // Peers behind this one can be dialled now.
        let now = Instant::now();
        for member in self.members.values_mut() {
            let leads_over = member.addresses.iter().any(|address| relay_of(address) == Some(peer_id));
            if leads_over && member.session == Session::Closed && !member.dialing {
                member.next_dial = Some(now);
            }
        }
    }

    pub(super) fn on_punch(&mut self, event: dcutr::Event) {
        let peer = event.remote_peer_id;
        match event.result {
            Ok(connection) => {
                tracing::info!(%peer, step = "punch", "a paired peer is reached directly, through a hole in the gateways");
                if let Some(member) = self.members.get_mut(&peer) {
                    member.paths.punched(connection);
                }
                self.on_way(peer, Instant::now());
            }
            Err(error) => {
                let relayed =
                    self.members.get(&peer).is_some_and(|m| m.paths.best().is_none_or(|(_, p)| p.is_relayed()));
                if relayed {
                    tracing::info!(%peer, step = "punch", code = "CHANNEL_RELAY", %error, "no hole through the gateways: the relay carries what is asked and answered, and no bulk data");
                }
            }
        }
    }

    /// Tells the relay in this node where it is reached, which it passes on to those that keep a place here.
    pub(super) fn announce_relay(&mut self) {
        for address in self.config.announced.clone() {
            self.relay_is_at(&address);
        }
    }

    fn relay_is_at(&mut self, addr: &Multiaddr) {
        // Not over the swarm: identify would tell strangers.
        let event = FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr });
        self.swarm.behaviour_mut().relay_server.inner_mut().on_swarm_event(event);
    }

    pub(super) fn on_listening(&mut self, listener: ListenerId, address: &Multiaddr) {
        if let Some(relay) = self.reservations.get(&listener) {
            tracing::info!(peer = %relay, step = "relay", %address, "this node can be reached over a relay");
        } else if self.config.announced.is_empty() && self.config.addresses.permits(address) && !is_relayed(address) {
            self.relay_is_at(address);
        }
    }

    /// Asks a peer for a place, if it is one that relays to this node, is connected directly, and has given none.
    pub(super) fn seek_place(&mut self, peer: PeerId) {
        let Some(member) = self.members.get_mut(&peer) else { return };
        let is_direct = member.paths.best().is_some_and(|(_, path)| !path.is_relayed());
        if !member.relaying.via || member.session != Session::Open || self.reservations.values().any(|of| *of == peer) {
            return;
        }
        let policy = self.config.addresses;
        let at = member.addresses.iter().find(|address| policy.permits(address) && !is_relayed(address));
        // A relay that is known by name only, or not at all, is asked over the connection that it has made.
        let at = at.cloned().or_else(|| member.paths.address());
        let Some(at) = at.filter(|_| is_direct) else {
            member.reserve = Some(Instant::now() + ASK_AGAIN);
            return;
        };
        let place: Multiaddr = at.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        let place = place.with(Protocol::P2p(peer)).with(Protocol::P2pCircuit);
        match self.swarm.listen_on(place) {
            Ok(listener) => drop(self.reservations.insert(listener, peer)),
            Err(error) => {
                tracing::warn!(%peer, step = "relay", code = "RELAY_REFUSED", %error, "no place at a relay");
                member.reserve = Some(Instant::now() + ASK_AGAIN);
            }
        }
    }

    pub(super) fn on_place_lost(&mut self, listener: ListenerId, reason: &str) {
        let Some(peer) = self.reservations.remove(&listener) else { return };
        let Some(member) = self.members.get_mut(&peer) else { return };
        tracing::warn!(%peer, step = "relay", code = "RELAY_REFUSED", reason, "no place at a relay; its operator names the peers that it serves under `[relay]`");
        member.reserve = Some(Instant::now() + ASK_AGAIN);
    }

    /// Gives up the places at a peer that is no longer paired.
    pub(super) fn give_up_places(&mut self, peer: PeerId) {
        let places: Vec<ListenerId> =
            self.reservations.iter().filter(|(_, relay)| **relay == peer).map(|(listener, _)| *listener).collect();
        for listener in places {
            self.reservations.remove(&listener);
            self.swarm.remove_listener(listener);
        }
    }

    /// CHK-405: begins to open a stream for bulk data on the most direct connection.
    pub(super) fn open_lane(&mut self, peer: PeerId) -> Result<OpeningLane, NetworkError> {
        let step = "channel";
        let unreachable =
            |reason: &str| NetworkError::Unreachable { peer: name(peer), step, reason: reason.to_owned() };
        let member = self.members.get(&peer).ok_or(NetworkError::Unknown { peer: name(peer), step })?;
        if member.session != Session::Open {
            return Err(unreachable("it is not connected"));
        }
        let (connection, path) = member.paths.best().ok_or_else(|| unreachable("it is not connected"))?;
        if let PathKind::Relayed { relay } = path.kind
            && !self.config.bulk_over_relay
        {
            return Err(NetworkError::Relayed { peer: name(peer), step, relay });
        }
        let (opened, opening) = oneshot::channel();
        self.swarm.behaviour_mut().lanes.inner_mut().open(peer, connection, opened);
        Ok(opening)
    }

    /// A peer has opened a stream for bulk data. It goes to the data plane, or is reset by being dropped.
    pub(super) fn on_lane(&mut self, inbound: Inbound) {
        let Inbound { peer, connection, lane } = inbound;
        let Some(member) = self.members.get(&peer) else { return };
        // CHK-110: nothing before a greeting.
        if member.session != Session::Open {
            return;
        }
        // CHK-405: a foreign relay is not for bulk data, whatever the peer thinks.
        if member.paths.is_relayed(connection) && !self.config.bulk_over_relay {
            tracing::warn!(%peer, step = "channel", code = "CHANNEL_RELAY", "a peer's bulk data over a relay was refused");
            return;
        }
        if self.to_data_plane.try_send(InboundLane { peer: name(peer), lane }).is_err() {
            tracing::warn!(%peer, step = "channel", code = "PEER_RATE", "a stream of a peer was not taken: too many wait");
        }
    }

    /// Whether the streams of a connection have moved anything since this was last asked.
    pub(super) fn has_moved(&mut self, peer: PeerId, connection: ConnectionId) -> bool {
        let moved = self.swarm.behaviour().lanes.inner().meter(connection).map_or(0, super::super::Meter::moved);
        self.members.get_mut(&peer).is_some_and(|member| member.paths.has_moved(connection, moved))
    }
}
