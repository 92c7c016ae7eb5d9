//! The control plane: connections to peers, requests and answers.
//!
//! *Source*: design §4.1 and §4.2; libp2p over TCP (Noise, Yamux) and QUIC.
//!
//! *Shape*: one task owns the swarm. The node holds a [`NetworkHandle`] to ask peers and a bounded stream of
//! [`InboundRequest`]s to answer; both carry bytes that this layer does not read. What is said in a greeting, and
//! whether it is accepted, is decided by a [`Greeter`].
//!
//! *Security*: default deny. A peer that is not paired may identify and pair, for a limited time and from a bounded
//! number of connections; the members' protocol does not exist for it (CHK-110). A paired peer must open each session
//! with an accepted greeting within five seconds (CHK-110 to CHK-112), and then asks within its pace (CHK-114). Whoever
//! breaks a rule is closed; nothing a peer sends is buffered without a bound. What is bounded, and where:
//!
//! | what | bound |
//! | --- | --- |
//! | half-open connections, strangers' connections | [`AdmissionLimits`] |
//! | a frame | [`MAX_MESSAGE_BYTES`], [`MAX_PAIR_BYTES`], [`MAX_HELLO_BYTES`] |
//! | streams of a connection, requests in flight of a peer | [`NetworkConfig::max_in_flight`] |
//! | requests not taken by the node yet | [`NetworkConfig::request_queue`] |
//! | requests of this node that wait for one peer | [`NetworkConfig::max_waiting`] |
//! | what is done as a relay | [`RelayLimits`] |
//! | streams of bulk data not taken by the data plane yet | [`handle::LANE_QUEUE`] |

mod address;
mod admission;
mod behaviour;
mod codec;
mod error;
mod guard;
mod handle;
pub mod hello;
mod lanes;
mod member;
mod members_only;
mod pace;
mod path;
mod relaying;
mod task;
#[cfg(test)]
mod tests;
pub mod transport;

use std::{sync::Arc, time::Duration};

use libp2p::identity::Keypair;
use tacit_protocol::{Code, canonical::Nonce, identity::PeerId};

pub use address::AddressPolicy;
pub(crate) use address::is_relayed;
pub(crate) use address::resolve;
pub use admission::{AdmissionLimits, ConnectionCounts};
pub use codec::{MAX_HELLO_BYTES, MAX_MESSAGE_BYTES, MAX_PAIR_BYTES};
pub use error::NetworkError;
pub(crate) use error::RELAY_NEXT;
pub use handle::{InboundLane, InboundRequest, Network, NetworkHandle, Protocol, Responder};
pub use lanes::{LaneStream, Meter};
pub use pace::Redial;
pub(crate) use pace::{Bucket, LogPace};
pub use path::{PathKind, PeerPath};
pub use relaying::{RelayLimits, Relaying};
pub use transport::NodeTransport;

/// The settings of the control plane.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// How long a paired peer may take to greet. Default: 5 s (CHK-110).
    pub hello_timeout: Duration,
    /// How long a connection of a peer that is not paired lasts. Default: 30 s, enough to pair.
    pub stranger_timeout: Duration,
    /// How long a request may take on the wire and here, both ways. Default: 20 s. Human answers take longer: they are
    /// a "pending" answer and a later request the other way.
    pub request_timeout: Duration,
    /// How often connections are checked, and how long the check may take. Default: 10 s.
    pub ping: Duration,
    /// Bounds on connections.
    pub admission: AdmissionLimits,
    /// Connections in all. Default: 256, each at most about 17 MiB if a paired peer fills all its streams.
    pub max_connections: u32,
    /// Requests a paired peer may make per second, on average. Default: 400, as 50 small jobs take (CHK-114).
    pub requests_per_second: u32,
    /// Requests a paired peer may make at once. Default: 800 (CHK-114).
    pub request_burst: u32,
    /// Pairing requests on one connection of a stranger per second, on average. Default: 2 (CHK-114).
    pub stranger_requests_per_second: u32,
    /// Pairing requests on one connection of a stranger at once. Default: 8 (CHK-114).
    pub stranger_request_burst: u32,
    /// Requests of one peer being answered, and streams of one connection. Default: 16 (CHK-114).
    pub max_in_flight: usize,
    /// Requests of this node that may wait for one peer. Default: 64.
    pub max_waiting: usize,
    /// Requests of peers that the node has not taken yet. Default: 64, at most 16 MiB.
    pub request_queue: usize,
    /// Waits between attempts to reach a paired peer.
    pub redial: Redial,
    /// Which addresses may be dialled (CHK-109).
    pub addresses: AddressPolicy,
    /// Where this node is reached, as its peers are told that reach others over it. Default: where it listens.
    pub announced: Vec<libp2p::Multiaddr>,
    /// Bounds of what it does as a relay.
    pub relay: RelayLimits,
    /// Whether bulk data may go over a relay (CHK-405). Default: no.
    pub bulk_over_relay: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            hello_timeout: Duration::from_secs(5),
            stranger_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(20),
            ping: Duration::from_secs(10),
            admission: AdmissionLimits::default(),
            max_connections: 256,
            requests_per_second: 400,
            request_burst: 800,
            stranger_requests_per_second: 2,
            stranger_request_burst: 8,
            max_in_flight: 16,
            max_waiting: 64,
            request_queue: 64,
            redial: Redial::default(),
            addresses: AddressPolicy::default(),
            announced: Vec::new(),
            relay: RelayLimits::default(),
            bulk_over_relay: false,
        }
    }
}

/// What is said in greetings (CHK-111, CHK-112). Pure but for the clock that an implementation was handed.
pub trait Greeter: Send + Sync + 'static {
    /// This node's greeting to a peer, at most [`MAX_HELLO_BYTES`].
    fn greeting(&self, to: PeerId) -> Vec<u8>;

    /// Judges the greeting of a peer, whose identity the connection has proven; the epoch of the peer's process.
    ///
    /// # Errors
    /// The code of the check that failed; it is told to the peer, which is paired.
    fn check(&self, from: PeerId, greeting: &[u8]) -> Result<Nonce, Code>;

    /// Takes note that a peer has accepted this node's greeting, or refused it with a code.
    fn answered(&self, _by: PeerId, _refused: Option<&Code>) {}
    /// What relaying is agreed on with a paired peer. Default: none.
    fn relaying(&self, _: PeerId) -> Relaying {
        Relaying::default()
    }
}

/// Starts the network task on the present tokio runtime. It dials and listens only when told to.
///
/// `jitter` spreads the times of dialling; it protects nothing.
///
/// # Errors
/// If the swarm cannot be set up.
pub fn spawn(
    keypair: &Keypair,
    transport: NodeTransport,
    config: NetworkConfig,
    greeter: Arc<dyn Greeter>,
    jitter: Box<dyn rand_core::Rng + Send>,
) -> Result<Network, NetworkError> {
    task::spawn(keypair, transport, config, greeter, jitter)
}
