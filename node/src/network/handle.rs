//! What the rest of the node holds of the network: a handle to ask with, and requests to answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use libp2p::Multiaddr;
use tacit_protocol::identity::PeerId;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    admission::ConnectionCounts,
    codec::{MAX_MESSAGE_BYTES, MAX_PAIR_BYTES},
    error::NetworkError,
    lanes::LaneStream,
    path::PeerPath,
};

/// Streams of bulk data that peers have opened and the data plane has not taken yet: more are dropped.
pub(crate) const LANE_QUEUE: usize = 16;

/// Asks the network task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    pub(crate) local: PeerId,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) connected: watch::Receiver<BTreeSet<PeerId>>,
    pub(crate) listening: watch::Receiver<Vec<Multiaddr>>,
    pub(crate) paths: watch::Receiver<BTreeMap<PeerId, PeerPath>>,
    pub(crate) seen_at: watch::Receiver<BTreeMap<PeerId, Multiaddr>>,
    pub(crate) lanes: Arc<Mutex<Option<mpsc::Receiver<InboundLane>>>>,
}

/// A running network: its handle, the requests of others, and the task.
#[derive(Debug)]
pub struct Network {
    /// Asks the network task.
    pub handle: NetworkHandle,
    /// What peers ask. Bounded: while it is full, further requests are refused with `PEER_RATE`.
    pub requests: mpsc::Receiver<InboundRequest>,
    pub(crate) task: JoinHandle<()>,
}

impl Network {
    /// Closes all connections, ends the task and waits until it has ended.
    pub async fn stop(self) {
        let Self { handle, requests, task } = self;
        drop(requests);
        // An error means that the task has ended already.
        let _ = handle.commands.send(Command::Stop).await;
        if let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!(step = "network", "the network task ended by a panic");
        }
    }

    /// The parts, for a shell that moves them to different places. [`NetworkHandle::stop`] ends the task.
    pub fn into_parts(self) -> (NetworkHandle, mpsc::Receiver<InboundRequest>, JoinHandle<()>) {
        (self.handle, self.requests, self.task)
    }
}

/// A stream for bulk data that a paired peer has opened.
#[derive(Debug)]
pub struct InboundLane {
    /// Who opened it: authenticated by the connection.
    pub peer: PeerId,
    /// The stream. Nothing of it was read.
    pub lane: LaneStream,
}

/// The protocol on which a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `/tacit/pair/1`, open to everyone: tickets are redeemed on it.
    Pair,
    /// `/tacit/negotiate/1`, for paired peers that have sent an accepted greeting.
    Negotiate,
}

/// A request of a peer. Dropping it refuses the request with `PEER_NO_ANSWER`.
pub struct InboundRequest {
    /// Who asks: authenticated by the connection.
    pub peer: PeerId,
    /// On which protocol.
    pub protocol: Protocol,
    /// What: not decoded yet, within the protocol's limit.
    pub bytes: Vec<u8>,
    /// Where the answer goes.
    pub responder: Responder,
}

impl std::fmt::Debug for InboundRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { peer, protocol, bytes, responder: _ } = self;
        write!(f, "InboundRequest({protocol:?} from {peer}, {} bytes)", bytes.len())
    }
}

/// Answers one request.
#[derive(Debug)]
pub struct Responder(pub(crate) oneshot::Sender<Vec<u8>>);

impl Responder {
    /// Sends the answer. If the peer has gone meanwhile, nothing happens.
    pub fn answer(self, bytes: Vec<u8>) {
        let _ = self.0.send(bytes);
    }
}

impl NetworkHandle {
    /// This node's own identity.
    pub fn local_peer(&self) -> PeerId {
        self.local
    }

    /// Asks a paired peer and waits for its answer, connecting first if need be.
    ///
    /// # Errors
    /// Names the peer and `step`: `PEER_UNKNOWN`, `PEER_UNREACHABLE`, `PEER_TIMEOUT`, or the code of a refusal.
    pub async fn request(
        &self,
        peer: PeerId,
        step: &'static str,
        bytes: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, NetworkError> {
        within_limit(step, &bytes, MAX_MESSAGE_BYTES)?;
        let ask = |reply| Command::Request { peer: peer.to_libp2p(), step, bytes, reply };
        self.ask_peer(peer, step, timeout, ask).await
    }

    /// Asks any peer on the pairing protocol, connecting to one of `addresses` first if need be.
    ///
    /// # Errors
    /// As [`Self::request`]; `PEER_UNREACHABLE` if no address may be dialled (CHK-109).
    pub async fn pair_request(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        bytes: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, NetworkError> {
        let step = "pair";
        within_limit(step, &bytes, MAX_PAIR_BYTES)?;
        let ask = |reply| Command::Pair { peer: peer.to_libp2p(), addresses, bytes, reply };
        self.ask_peer(peer, step, timeout, ask).await
    }

    /// Makes a peer a paired one: it may connect, is greeted, and is dialled again whenever it is lost.
    ///
    /// # Errors
    /// If the network has stopped.
    pub async fn admit(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), NetworkError> {
        self.tell(Command::Admit { peer: peer.to_libp2p(), addresses }).await
    }

    /// Closes a peer's connections and denies it any further one, pairing included (CHK-115; the journal comes first).
    ///
    /// # Errors
    /// If the network has stopped.
    pub async fn revoke(&self, peer: PeerId) -> Result<(), NetworkError> {
        self.tell(Command::Revoke { peer: peer.to_libp2p() }).await
    }

    /// Dials a paired peer now, if it is not connected.
    ///
    /// # Errors
    /// If the network has stopped.
    pub async fn dial(&self, peer: PeerId) -> Result<(), NetworkError> {
        self.tell(Command::Dial { peer: peer.to_libp2p() }).await
    }

    /// Closes a peer's connections. A paired one is dialled again after the usual wait.
    ///
    /// # Errors
    /// If the network has stopped.
    pub async fn disconnect(&self, peer: PeerId) -> Result<(), NetworkError> {
        self.tell(Command::Disconnect { peer: peer.to_libp2p() }).await
    }

    /// Listens on one more address; the addresses it stands for appear in [`Self::listen_addresses`].
    ///
    /// # Errors
    /// If it cannot be listened on.
    pub async fn listen(&self, address: Multiaddr) -> Result<(), NetworkError> {
        self.ask(|reply| Command::Listen { address, reply }).await?
    }

    /// The addresses that this node listens on.
    pub fn listen_addresses(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.listening.clone()
    }

    /// The paired peers that are connected and have been greeted.
    pub fn connected(&self) -> watch::Receiver<BTreeSet<PeerId>> {
        self.connected.clone()
    }

    /// How each connected peer is reached.
    pub fn paths(&self) -> watch::Receiver<BTreeMap<PeerId, PeerPath>> {
        self.paths.clone()
    }

    /// Where connected peers see this node, each by the address from which its packets come there.
    pub fn seen_at(&self) -> watch::Receiver<BTreeMap<PeerId, Multiaddr>> {
        self.seen_at.clone()
    }

    /// Opens a stream for bulk data to a connected peer, on the most direct connection.
    ///
    /// # Errors
    /// `CHANNEL_RELAY` if the only connection goes over a relay (CHK-405), `PEER_UNREACHABLE` if there is none.
    pub async fn open_lane(&self, peer: PeerId) -> Result<LaneStream, NetworkError> {
        let opened = self.ask(|reply| Command::OpenLane { peer: peer.to_libp2p(), reply }).await??;
        let unreachable = |reason: String| NetworkError::Unreachable { peer, step: "channel", reason };
        match opened.await {
            Ok(opened) => opened.map_err(|error| unreachable(error.to_string())),
            Err(_) => Err(unreachable("the connection was closed".to_owned())),
        }
    }

    /// The streams for bulk data that peers open: for the one who asks first.
    pub fn take_lanes(&self) -> Option<mpsc::Receiver<InboundLane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How many connections there are.
    ///
    /// # Errors
    /// If the network has stopped.
    pub async fn counts(&self) -> Result<ConnectionCounts, NetworkError> {
        self.ask(|reply| Command::Counts { reply }).await
    }

    /// Asks the task to close all connections and end.
    ///
    /// # Errors
    /// If the network has stopped already.
    pub async fn stop(&self) -> Result<(), NetworkError> {
        self.tell(Command::Stop).await
    }

    async fn tell(&self, command: Command) -> Result<(), NetworkError> {
        self.commands.send(command).await.map_err(|_| NetworkError::Stopped)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NetworkError> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply)).await?;
        answer.await.map_err(|_| NetworkError::Stopped)
    }

    async fn ask_peer(
        &self,
        peer: PeerId,
        step: &'static str,
        timeout: Duration,
        command: impl FnOnce(Reply) -> Command,
    ) -> Result<Vec<u8>, NetworkError> {
        match tokio::time::timeout(timeout, self.ask(command)).await {
            Ok(answer) => answer?,
            Err(_) => Err(NetworkError::Timeout { peer, step }),
        }
    }
}

fn within_limit(step: &'static str, bytes: &[u8], limit: usize) -> Result<(), NetworkError> {
    if bytes.len() > limit {
        return Err(NetworkError::TooLarge { step, bytes: bytes.len(), limit });
    }
    Ok(())
}

/// Where the answer of a peer goes.
pub(crate) type Reply = oneshot::Sender<Result<Vec<u8>, NetworkError>>;

/// A stream of bulk data that is being opened.
pub(crate) type OpeningLane = oneshot::Receiver<std::io::Result<LaneStream>>;

/// What the handle asks of the task.
pub(crate) enum Command {
    Request { peer: libp2p::PeerId, step: &'static str, bytes: Vec<u8>, reply: Reply },
    Pair { peer: libp2p::PeerId, addresses: Vec<Multiaddr>, bytes: Vec<u8>, reply: Reply },
    Admit { peer: libp2p::PeerId, addresses: Vec<Multiaddr> },
    Revoke { peer: libp2p::PeerId },
    Dial { peer: libp2p::PeerId },
    Disconnect { peer: libp2p::PeerId },
    Listen { address: Multiaddr, reply: oneshot::Sender<Result<(), NetworkError>> },
    OpenLane { peer: libp2p::PeerId, reply: oneshot::Sender<Result<OpeningLane, NetworkError>> },
    Counts { reply: oneshot::Sender<ConnectionCounts> },
    Stop,
}
