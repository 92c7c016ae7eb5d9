//! Transports that a node's swarm runs over. The node is handed one, so that simulations bring their own.

use std::time::Duration;

use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, MemoryTransport},
        upgrade::Version,
    },
    identity::Keypair,
    noise, quic, relay, tcp, yamux,
};

use super::{address::AddressPolicy, error::NetworkError, guard::Guarded};

/// A transport whose connections are encrypted, bound to a peer's key, and multiplexed.
pub type NodeTransport = Boxed<(PeerId, StreamMuxerBox)>;

/// How long a connection may take to be authenticated: a half-open connection holds one of its source's few slots.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that a peer may have open on one connection.
const MAX_STREAMS: u32 = 64;

/// TCP (Noise, Yamux) and QUIC, as the binary uses them.
///
/// # Errors
/// If the Noise keys cannot be made from `keypair`.
pub fn tcp_and_quic(keypair: &Keypair) -> Result<NodeTransport, NetworkError> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise_config(keypair)?)
        .multiplex(yamux_config())
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let mut config = quic::Config::new(keypair);
    config.max_concurrent_stream_limit = MAX_STREAMS;
    config.max_stream_data = 512 * 1024;
    config.max_connection_data = 4 * 1024 * 1024;
    let quic = quic::tokio::Transport::new(config).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok(tcp.or_transport(quic).map(|either, _| either.into_inner()).boxed())
}

/// Connections inside one process (`/memory/N`), with the same Noise and Yamux as over TCP.
///
/// # Errors
/// If the Noise keys cannot be made from `keypair`.
pub fn memory(keypair: &Keypair) -> Result<NodeTransport, NetworkError> {
    Ok(MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise_config(keypair)?)
        .multiplex(yamux_config())
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed())
}

/// A transport and, for addresses over relays, connections through another node, with Noise and Yamux of their own. Dials
/// are held to `policy`.
///
/// # Errors
/// If the Noise keys cannot be made from `keypair`.
pub(crate) fn with_relays(
    keypair: &Keypair,
    transport: NodeTransport,
    policy: AddressPolicy,
    relays: relay::client::Transport,
) -> Result<NodeTransport, NetworkError> {
    let relayed = relays
        .upgrade(Version::V1Lazy)
        .authenticate(noise_config(keypair)?)
        .multiplex(yamux_config())
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let both = Guarded::new(relayed.or_transport(transport), policy);
    Ok(both.map(|either, _| either.into_inner()).boxed())
}

fn noise_config(keypair: &Keypair) -> Result<noise::Config, NetworkError> {
    noise::Config::new(keypair).map_err(|error| NetworkError::Transport { reason: error.to_string() })
}

fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(MAX_STREAMS as usize);
    config
}
