//! How a peer is reached: directly, through a hole in gateways, or over a relay.

use std::collections::HashMap;

use libp2p::{Multiaddr, core::ConnectedPoint, multiaddr::Protocol, swarm::ConnectionId};
use tacit_protocol::identity::PeerId;
use tokio::time::Instant;

use super::address::relay_of;

/// How the connection to a peer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathKind {
    /// One side dialled the other.
    Direct,
    /// Both sides dialled at once, through their gateways, with the help of a relay.
    HolePunched,
    /// All bytes go over another node.
    Relayed {
        /// The relay.
        relay: PeerId,
    },
}

/// The way to a peer that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerPath {
    /// What kind it is.
    pub kind: PathKind,
    /// `tcp`, `quic` or `memory`: under the connection, or under the way to the relay.
    pub transport: &'static str,
    /// Since when.
    pub since: Instant,
}

impl PeerPath {
    /// The path of a connection that has just been made.
    pub(crate) fn of(endpoint: &ConnectedPoint, since: Instant) -> Self {
        let address = match endpoint {
            ConnectedPoint::Dialer { address, .. } => address,
            // Of a relayed one the remote address says only who it is.
            ConnectedPoint::Listener { local_addr, .. } => local_addr,
        };
        let relay = relay_of(address).and_then(|relay| PeerId::from_libp2p(&relay).ok());
        let kind = match relay {
            Some(relay) if endpoint.is_relayed() => PathKind::Relayed { relay },
            _ => PathKind::Direct,
        };
        Self { kind, transport: transport(address), since }
    }

    pub(crate) fn is_relayed(&self) -> bool {
        matches!(self.kind, PathKind::Relayed { .. })
    }
}

fn transport(address: &Multiaddr) -> &'static str {
    match address.iter().nth(1) {
        Some(Protocol::Tcp(_)) => "tcp",
        Some(Protocol::Udp(_)) => "quic",
        _ => "memory",
    }
}

/// The paths to one peer, a connection each.
#[derive(Debug, Default)]
pub(crate) struct Paths(HashMap<ConnectionId, Connection>);

#[derive(Debug)]
struct Connection {
    path: PeerPath,
    /// Where the peer is on it, as seen from here.
    remote: Multiaddr,
    /// What its streams had moved when that was last asked.
    moved: u64,
}

impl Paths {
    pub(crate) fn insert(&mut self, connection: ConnectionId, endpoint: &ConnectedPoint, now: Instant) {
        let remote = endpoint.get_remote_address().clone();
        self.0.insert(connection, Connection { path: PeerPath::of(endpoint, now), remote, moved: 0 });
    }

    /// Where the peer is on the path in use, as seen from here.
    pub(crate) fn address(&self) -> Option<Multiaddr> {
        let (best, _) = self.best()?;
        self.0.get(&best).map(|connection| connection.remote.clone())
    }

    pub(crate) fn is_relayed(&self, connection: ConnectionId) -> bool {
        self.0.get(&connection).is_none_or(|connection| connection.path.is_relayed())
    }

    /// Whether a connection's streams have moved something since this was last asked.
    pub(crate) fn has_moved(&mut self, connection: ConnectionId, moved: u64) -> bool {
        let Some(connection) = self.0.get_mut(&connection) else { return false };
        std::mem::replace(&mut connection.moved, moved) != moved
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) {
        self.0.remove(&connection);
    }

    /// Notes that a connection went through a hole.
    pub(crate) fn punched(&mut self, connection: ConnectionId) {
        if let Some(connection) = self.0.get_mut(&connection) {
            connection.path.kind = PathKind::HolePunched;
        }
    }

    /// The path in use: the most direct one, the oldest of those.
    pub(crate) fn best(&self) -> Option<(ConnectionId, PeerPath)> {
        let all = self.0.iter().map(|(id, connection)| (*id, connection.path));
        all.min_by_key(|(_, path)| (path.is_relayed(), path.since))
    }

    /// The relayed connections, if there is a better one.
    pub(crate) fn superseded(&self) -> Vec<ConnectionId> {
        if self.best().is_none_or(|(_, path)| path.is_relayed()) {
            return Vec::new();
        }
        self.0.iter().filter(|(_, connection)| connection.path.is_relayed()).map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use libp2p::core::{Endpoint, transport::PortUse};

    use super::*;

    const RELAY: &str = "12D3KooWA8EXV3KjBxEU5EnsPfneLx84vMWAtTBQBeyooN82KSuS";

    fn dialled(address: &str) -> ConnectedPoint {
        let address = address.parse().expect("an address");
        ConnectedPoint::Dialer { address, role_override: Endpoint::Dialer, port_use: PortUse::Reuse }
    }

    #[test]
    fn a_path_says_its_relay_and_transport() {
        let now = Instant::now();
        let direct = PeerPath::of(&dialled("/ip4/192.0.2.7/udp/1/quic-v1"), now);
        assert_eq!((direct.kind, direct.transport), (PathKind::Direct, "quic"));
        let over = format!("/ip4/192.0.2.7/tcp/1/p2p/{RELAY}/p2p-circuit");
        let relay = RELAY.parse().expect("a peer id");
        assert_eq!(PeerPath::of(&dialled(&over), now).kind, PathKind::Relayed { relay });
        let (local_addr, send_back_addr) = (over.parse().expect("an address"), "/p2p-circuit".parse().expect("one"));
        let heard = ConnectedPoint::Listener { local_addr, send_back_addr };
        assert_eq!(PeerPath::of(&heard, now).kind, PathKind::Relayed { relay });
    }

    #[test]
    fn a_direct_path_supersedes_a_relayed_one() {
        let now = Instant::now();
        let [relayed, direct] = [1, 2].map(ConnectionId::new_unchecked);
        let mut paths = Paths::default();
        paths.insert(relayed, &dialled(&format!("/ip4/192.0.2.7/tcp/1/p2p/{RELAY}/p2p-circuit")), now);
        assert!(paths.superseded().is_empty());
        paths.insert(direct, &dialled("/ip4/192.0.2.9/tcp/1"), now + Duration::from_secs(1));
        assert!(paths.is_relayed(relayed) && !paths.is_relayed(direct));
        assert!(paths.has_moved(direct, 7) && !paths.has_moved(direct, 7));
        paths.punched(direct);
        let (best, path) = paths.best().expect("two");
        assert_eq!((best, path.kind, paths.superseded()), (direct, PathKind::HolePunched, vec![relayed]));
        paths.remove(direct);
        assert_eq!(paths.best().expect("one").0, relayed);
    }
}
