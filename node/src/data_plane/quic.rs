//! Lanes over QUIC, for where TCP is blocked or loses much: a connection for each lane, with one stream.
//!
//! *Security*: both ends show certificates bound to the identities of their nodes, as on the control plane, so the
//! dialler knows whom it reached before it names a lane. The engine's Noise session inside authenticates the channel of
//! the contract all the same (CHK-401); QUIC adds nothing that it relies on. A connection has as long as one over TCP to
//! say what it is for, and one stream; datagrams and further streams do not exist. Until its lane has it, it may send no
//! more than a preamble needs.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use libp2p::{identity::Keypair, tls};
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use tacit_protocol::identity::PeerId;
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    carrier::{Carrier, QuicLane},
    listener::Source,
};

/// The protocol's name in the handshake.
const NAME: &[u8] = b"tacit-data/1";
/// What a server is called in the handshake; certificates are checked by identity, not by name.
const SERVER: &str = "tacit";
/// Bytes that may be under way in each direction, and are held here at most: enough for 1 Gbit/s over 130 ms.
pub(super) const WINDOW: u32 = 16 << 20;
/// What a peer may send, and this node holds of it, before the peer's lane has the connection: room for the preamble.
const FIRST_WINDOW: u32 = 1 << 10;
/// How long a connection lives that shows no sign of life, and how often it shows one.
const IDLE: Duration = Duration::from_secs(30);
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Handshakes at a time; more are not answered.
const HANDSHAKES: usize = 32;

/// The UDP port of the data plane.
pub(super) struct Port {
    endpoint: Endpoint,
    keypair: Keypair,
    /// Of the connections that it dials.
    transport: Arc<TransportConfig>,
}

impl Port {
    /// Listens on a port.
    pub(super) fn open(listen: SocketAddr, keypair: Keypair) -> io::Result<Self> {
        let mut crypto = tls::make_server_config(&keypair).map_err(io::Error::other)?;
        crypto.alpn_protocols = vec![NAME.to_vec()];
        crypto.key_log = Arc::new(rustls::NoKeyLog);
        let crypto = QuicServerConfig::try_from(crypto).map_err(io::Error::other)?;
        let mut server = ServerConfig::with_crypto(Arc::new(crypto));
        server.transport_config(Arc::new(transport(FIRST_WINDOW)));
        let socket = std::net::UdpSocket::bind(listen)?;
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(server), socket, Arc::new(TokioRuntime))?;
        Ok(Self { endpoint, keypair, transport: Arc::new(transport(WINDOW)) })
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Dials a peer: a connection with its one stream.
    pub(super) async fn dial(&self, to: SocketAddr, peer: PeerId) -> io::Result<Carrier> {
        let mut crypto = tls::make_client_config(&self.keypair, Some(peer.to_libp2p())).map_err(io::Error::other)?;
        crypto.alpn_protocols = vec![NAME.to_vec()];
        crypto.key_log = Arc::new(rustls::NoKeyLog);
        let crypto = QuicClientConfig::try_from(crypto).map_err(io::Error::other)?;
        let mut client = ClientConfig::new(Arc::new(crypto));
        client.transport_config(self.transport.clone());
        let connecting = self.endpoint.connect_with(client, to, SERVER).map_err(io::Error::other)?;
        let connection = connecting.await?;
        let (send, receive) = connection.open_bi().await?;
        Ok(Carrier::Quic(QuicLane { connection, send, receive }))
    }

    /// Takes connections until `stop`.
    pub(super) async fn run(
        self: Arc<Self>,
        arrivals: mpsc::Sender<(Source, Carrier)>,
        limit: Duration,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) {
        let places = Arc::new(Semaphore::new(HANDSHAKES));
        loop {
            let incoming = tokio::select! {
                () = stop.cancelled() => break,
                incoming = self.endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { break };
            // A source that has not shown that it gets answers at its address costs one packet.
            if !incoming.remote_address_validated() {
                drop(incoming.retry());
                continue;
            }
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                incoming.ignore();
                continue;
            };
            let arrivals = arrivals.clone();
            tasks.spawn(async move {
                if let Ok(Ok((source, carrier))) = timeout(limit, take(incoming)).await {
                    // Full: more come than the data plane reads, and this one is closed.
                    drop(arrivals.try_send((source, carrier)));
                }
                drop(place);
            });
        }
        self.endpoint.close(VarInt::from_u32(0), b"");
        // The peers hear of it, if that does not take long.
        drop(timeout(Duration::from_secs(1), self.endpoint.wait_idle()).await);
    }
}

async fn take(incoming: Incoming) -> io::Result<(Source, Carrier)> {
    let connection = incoming.accept()?.await?;
    let (send, receive) = connection.accept_bi().await?;
    let source = Source::Ip(connection.remote_address().ip().to_canonical());
    Ok((source, Carrier::Quic(QuicLane { connection, send, receive })))
}

fn transport(receive_window: u32) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(receive_window))
        .send_window(u64::from(WINDOW))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IDLE.try_into().expect("30 seconds are a valid time")))
        .keep_alive_interval(Some(SIGN_OF_LIFE));
    config
}
