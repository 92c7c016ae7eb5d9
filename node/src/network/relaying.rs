//! Relaying: what a node does for others, and which peers do it for this one.
//!
//! *Security*: a node relays for the paired peers that its operator has named, within bounds; for all others the protocol
//! is not there. A relay learns who speaks to whom, when and how much, and no content: the two ends authenticate each
//! other and encrypt inside of what it passes on. It can cut and delay.

use std::{num::NonZeroU32, time::Duration};

use libp2p::{PeerId, relay};

/// What relaying is agreed on with one peer, by this node's operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relaying {
    /// It relays to this node, which keeps a place there.
    pub via: bool,
    /// This node relays to it and for it.
    pub serve: bool,
}

/// Bounds of what a node does as a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Peers that may be reached over this node. Default: 16.
    pub reservations: usize,
    /// Connections that go over this node at a time, at most 4 of one peer. Default: 16, each about 16 KiB of memory.
    pub circuits: usize,
    /// Bytes of one of those, both ways together. Default: 16 MiB.
    pub circuit_bytes: u64,
    /// The life of one of those; the peers make a new one then. Default: 1 hour.
    pub circuit_duration: Duration,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self { reservations: 16, circuits: 16, circuit_bytes: 16 << 20, circuit_duration: Duration::from_secs(3600) }
    }
}

/// How long a place at a relay lasts unless it is renewed, which clients do in time.
const RESERVATION: Duration = Duration::from_secs(3600);
/// Places and connections that one peer may hold at a time.
const PER_PEER: usize = 4;
/// How often one peer may ask for a place or a connection: 30 at once, then one in so many seconds.
const PACE: (NonZeroU32, Duration) = (NonZeroU32::new(30).expect("not zero"), Duration::from_secs(10));

/// The relay that a node can be.
pub(crate) fn server(local: PeerId, limits: &RelayLimits) -> relay::Behaviour {
    let mut config = relay::Config {
        max_reservations: limits.reservations,
        max_reservations_per_peer: PER_PEER,
        reservation_duration: RESERVATION,
        reservation_rate_limiters: Vec::new(),
        max_circuits: limits.circuits,
        max_circuits_per_peer: PER_PEER,
        max_circuit_duration: limits.circuit_duration,
        max_circuit_bytes: limits.circuit_bytes,
        circuit_src_rate_limiters: Vec::new(),
    };
    config = config.reservation_rate_per_peer(PACE.0, PACE.1).circuit_src_per_peer(PACE.0, PACE.1);
    relay::Behaviour::new(local, config)
}
