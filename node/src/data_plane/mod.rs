//! The data plane: connections between the two parties of one job, on which the engine's channel runs.
//!
//! *Source*: design §4.3. A TCP connection of its own carries several times the bytes per core-second of a stream of the
//! control plane. Where TCP does not pass, a lane goes over QUIC, and where no port can be reached, over a stream on the
//! connection of the control plane, if that is a direct one (CHK-405).
//!
//! *Wire*, before the engine's Noise handshake, little endian. The dialler sends 44 bytes: `"TACITDP\0"` | `u16`
//! version (1) | 32 bytes route | `u16` lane. The listener answers one byte, 1, when the party that waits for this route
//! has the connection. Everything else is closed without an answer: by the first byte if it is no preamble, else when
//! the time for a preamble is over. The dialler sends nothing more before that byte.
//!
//! *Security*: the route is a digest of the contract, which only its parties know; an outsider cannot name one, and sees
//! the same for a job that is unknown, taken or over (CHK-402). The preamble authenticates nobody: that is the Noise
//! handshake's work, with the contract in its prologue (CHK-401), so an outsider who has watched a preamble can take a
//! lane's place and make the job fail, and learns nothing. There is one live session per route and lane, at most
//! [`DataPlaneLimits::pending`] connections that have none, and those have a deadline.
//!
//! *Who dials*: [`listening_party`]: party 1 dials party 0, unless only party 1 has an address. It tries the addresses in
//! the order in which they are offered, and the stream after them.

mod carrier;
mod connect;
mod listener;
mod quic;
mod registry;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use libp2p::identity::Keypair;
use tacit_protocol::{Code, Failure, PartyId, identity::PeerId};
use tokio::{net::TcpListener, sync::mpsc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::network::{AddressPolicy, NetworkError, NetworkHandle, RELAY_NEXT};
use carrier::Carrier;
use connect::Wanted;
use listener::Source;
use registry::{Arrival, Registry};
pub use registry::{Lane, Lease, Route};

/// Connections by other ways than TCP that the listening task has not taken yet: more are closed.
const ARRIVALS: usize = 16;
/// How long a stop waits for the tasks that listen, and for those that move the last bytes of lanes.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Bounds of the listener.
#[derive(Clone, Copy, Debug)]
pub struct DataPlaneLimits {
    /// How long a connection may be without a session: the time for its preamble, and for the waiting party to appear.
    /// Default: 5 s (CHK-402).
    pub preamble_timeout: Duration,
    /// Connections without a session, in all. Default: 64, each with at most 1 KiB of what its dialler sent.
    pub pending: usize,
    /// Connections without a session, from one IP address. Default: 16.
    pub pending_per_source: usize,
}

impl Default for DataPlaneLimits {
    fn default() -> Self {
        Self { preamble_timeout: Duration::from_secs(5), pending: 64, pending_per_source: 16 }
    }
}

/// The data plane of a node: lanes are accepted and dialled through it. Cheap to clone.
#[derive(Clone)]
pub struct DataPlane {
    registry: Arc<Registry>,
    addresses: AddressPolicy,
    local: SocketAddr,
    limits: DataPlaneLimits,
    /// Where lanes over QUIC come and go; none: not by this node.
    quic: Option<Arc<quic::Port>>,
    /// Where streams on the control plane's connections come and go; none: not by this node.
    network: Option<NetworkHandle>,
    arrivals: mpsc::Sender<(Source, Carrier)>,
    /// What listens, and what moves the bytes of lanes that are no TCP connections.
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What a lane goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LanePath {
    /// A TCP connection to the peer's data port.
    Tcp,
    /// A QUIC connection to the peer's data port.
    Quic,
    /// A stream on the control plane's connection.
    Stream,
}

impl LanePath {
    /// The word for it in logs and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
            Self::Stream => "stream",
        }
    }
}

/// A connection for one lane of one job.
#[derive(Debug)]
pub struct Session {
    /// The connection: blocking, without Nagle's delay, and without time limits of its own. The dialler is the
    /// initiator of the handshake.
    pub stream: std::net::TcpStream,
    /// The lane's place: while it lives, the lane has no other session on this node. Keep it as long as the stream.
    pub lease: Lease,
    /// What it goes over.
    pub path: LanePath,
}

/// A failure of the data plane.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataPlaneError {
    /// The lane has a session, or one is being made.
    #[error("lane {lane} of this job has a session already")]
    Duplicate {
        /// The lane.
        lane: Lane,
    },
    /// The peer did not dial in time.
    #[error("lane {lane}: the peer did not connect in time")]
    NotDialled {
        /// The lane.
        lane: Lane,
    },
    /// The peer could not be reached in time.
    #[error("lane {lane}: the peer's data port cannot be reached ({reason})")]
    Unreachable {
        /// The lane.
        lane: Lane,
        /// What the last attempt met.
        reason: String,
    },
    /// The peer could be reached, but does not wait for this lane.
    #[error("lane {lane}: the peer does not wait for this job")]
    Unknown {
        /// The lane.
        lane: Lane,
    },
    /// The peer is reached over a relay only (CHK-405).
    #[error("lane {lane}: the peer's data port cannot be reached, and {cause}")]
    Relayed {
        /// The lane.
        lane: Lane,
        /// Which relay.
        cause: NetworkError,
    },
    /// None of the peer's addresses may be dialled (CHK-109), or it has none.
    #[error("no address of the peer's data port may be dialled")]
    NoAddress,
    /// The socket failed.
    #[error("the data port: {0}")]
    Io(#[from] std::io::Error),
}

impl DataPlaneError {
    /// The stable code.
    pub fn code(&self) -> Code {
        Code::new(match self {
            Self::Duplicate { .. } => "CHANNEL_DUPLICATE",
            Self::NotDialled { .. } => "PEER_TIMEOUT",
            Self::Unreachable { .. } | Self::NoAddress => "PEER_UNREACHABLE",
            Self::Unknown { .. } => "CHANNEL_UNKNOWN",
            Self::Relayed { .. } => "CHANNEL_RELAY",
            Self::Io(_) => "CHANNEL_IO",
        })
    }

    fn next(&self) -> &'static str {
        match self {
            Self::Duplicate { .. } => "Wait until the running job has ended.",
            Self::NotDialled { .. } => "Check that this node's data port is reachable from the peer: `tacit doctor`.",
            Self::Unreachable { .. } => "Check that the peer's data port is reachable from here: `tacit doctor`.",
            Self::Unknown { .. } => "Ask the peer's operator whether the job still runs there, then submit it again.",
            Self::Relayed { .. } => RELAY_NEXT,
            Self::NoAddress => "Ask the peer to set `data_announce` to an address that can be reached.",
            Self::Io(_) => "Check `data_listen` and the limits of the operating system.",
        }
    }
}

impl From<DataPlaneError> for Failure {
    fn from(error: DataPlaneError) -> Self {
        Self::new(error.code(), error.to_string(), error.next()).at_step("channel")
    }
}

/// Which party listens for the lanes of a job: party 0, unless only party 1 offers an address. Both derive the same from
/// the offers in the contract. Where nobody offers one, a stream on the control plane's connection serves.
pub fn listening_party(zero_has_address: bool, one_has_address: bool) -> PartyId {
    if !zero_has_address && one_has_address { PartyId::ONE } else { PartyId::ZERO }
}

impl DataPlane {
    /// Listens on an address and starts the task that takes connections there; [`DataPlane::stop`] ends it.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(
        listen: SocketAddr,
        limits: DataPlaneLimits,
        addresses: AddressPolicy,
    ) -> Result<Self, DataPlaneError> {
        let listener = TcpListener::bind(listen).await?;
        let (arrivals, arrived) = mpsc::channel(ARRIVALS);
        let plane = Self {
            registry: Arc::default(),
            addresses,
            local: listener.local_addr()?,
            limits,
            quic: None,
            network: None,
            arrivals,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let (registry, tasks, stop) = (plane.registry.clone(), plane.tasks.clone(), plane.stop.clone());
        plane.tasks.spawn(listener::run(listener, limits, registry, arrived, tasks, stop));
        Ok(plane)
    }

    /// Takes and dials lanes over QUIC too, on the UDP port of the same number, until [`DataPlane::stop`].
    ///
    /// # Errors
    /// The port cannot be listened on.
    pub fn open_quic(&mut self, keypair: &Keypair) -> Result<(), DataPlaneError> {
        let port = Arc::new(quic::Port::open(self.local, keypair.clone())?);
        tracing::debug!(address = %port.local_address()?, "lanes over QUIC");
        self.quic = Some(port.clone());
        let (arrivals, limit, stop) = (self.arrivals.clone(), self.limits.preamble_timeout, self.stop.clone());
        self.tasks.spawn(port.run(arrivals, limit, self.tasks.clone(), stop));
        Ok(())
    }

    /// Takes and opens lanes on connections of the control plane too, until [`DataPlane::stop`].
    pub fn open_streams(&mut self, network: &NetworkHandle) {
        self.network = Some(network.clone());
        let (arrivals, stop, lanes) = (self.arrivals.clone(), self.stop.clone(), network.take_lanes());
        self.tasks.spawn(async move {
            let Some(mut lanes) = lanes else { return };
            loop {
                let inbound = tokio::select! {
                    () = stop.cancelled() => return,
                    inbound = lanes.recv() => inbound,
                };
                let Some(inbound) = inbound else { return };
                // Full: more come than this reads, and this one is reset.
                drop(arrivals.try_send((Source::Peer(inbound.peer), inbound.lane.into())));
            }
        });
    }

    /// Whether it takes lanes over QUIC.
    pub fn has_quic(&self) -> bool {
        self.quic.is_some()
    }

    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Ends the listening tasks, and waits until they and the lanes over QUIC and streams have ended, for 3 s at most.
    /// Sessions over TCP that were handed out are not touched.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::debug!(step = "channel", tasks = self.tasks.len(), "lanes did not end in time and are dropped");
        }
    }

    /// Waits until the peer has dialled a lane.
    ///
    /// # Errors
    /// `CHANNEL_DUPLICATE` at once if the lane has a session, `PEER_TIMEOUT` after `deadline`.
    pub async fn accept(&self, route: Route, lane: Lane, deadline: Instant) -> Result<Session, DataPlaneError> {
        let (lease, arrival) = self.registry.wait_for(route, lane)?;
        match tokio::time::timeout_at(deadline, arrival).await {
            Ok(Ok(arrival)) => hand_over(arrival, lease),
            // The listener is gone, or nobody came.
            Ok(Err(_)) | Err(_) => Err(DataPlaneError::NotDialled { lane }),
        }
    }

    /// Waits for a connection of this route and lane, or makes one: what [`listening_party`] says of this node.
    ///
    /// # Errors
    /// As [`DataPlane::accept`] and [`DataPlane::dial`].
    pub async fn connect(
        &self,
        listens: bool,
        peer: PeerId,
        addresses: &[String],
        route: Route,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Session, DataPlaneError> {
        if listens {
            self.accept(route, lane, deadline).await
        } else {
            self.reach(addresses, Wanted { peer: Some(peer), route, lane, deadline }).await
        }
    }

    /// Dials a lane at addresses over TCP until it is taken there or the deadline is over: the peer may not be ready
    /// yet.
    ///
    /// # Errors
    /// `CHANNEL_DUPLICATE`, `PEER_UNREACHABLE`, or `CHANNEL_UNKNOWN` if the peer never waited for the lane.
    pub async fn dial(
        &self,
        addresses: &[String],
        route: Route,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Session, DataPlaneError> {
        self.reach(addresses, Wanted { peer: None, route, lane, deadline }).await
    }

    async fn reach(&self, addresses: &[String], wanted: Wanted) -> Result<Session, DataPlaneError> {
        let lease = self.registry.take(wanted.route, wanted.lane)?;
        let carrier = connect::connect(self, addresses, &wanted).await?;
        let path = carrier.path();
        let (stream, work) = carrier.into_socket().await?;
        if let Some(work) = work {
            self.tasks.spawn(work);
        }
        hand_over(Arrival { stream, path }, lease)
    }

    /// How many lanes have a session or wait for one.
    pub fn lanes(&self) -> usize {
        self.registry.lanes()
    }
}

/// Turns a connection of the reactor into a blocking one for the engine's threads.
///
/// Its buffers are left to the operating system, whose own tuning reaches further than what an unprivileged process may
/// set (Linux: 6 MiB against 208 KiB by default), and ends for good once they are set.
fn hand_over(arrival: Arrival, lease: Lease) -> Result<Session, DataPlaneError> {
    let Arrival { stream, path } = arrival;
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(Session { stream, lease, path })
}
