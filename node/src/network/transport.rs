//! Transports that a node's swarm runs over. The node is handed one, so that simulations bring their own.

use std::time::Duration;

use libp2p::{
    PeerId, Transport,
    core::{
        ConnectedPoint,
        muxing::StreamMuxerBox,
        transport::{Boxed, MemoryTransport},
        upgrade::Version,
    },
    identity::Keypair,
    noise, quic, relay, tcp, yamux,
};

use super::{address::AddressPolicy, admission::Members, error::NetworkError, guard::Guarded};

/// Connections that are encrypted, bound to a peer's key, and multiplexed.
type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// The transport of one node. It knows who is paired, as strangers get less of a connection.
pub struct NodeTransport {
    pub(crate) connections: Connections,
    pub(crate) members: Members,
}

/// How long a connection may take to be authenticated: a half-open connection holds one of its source's few slots.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that a paired peer may have open on one connection.
const MAX_STREAMS: u32 = 64;
/// The same of others: what identify, ping and pairing need both ways, and some that are about to close. Each may hold
/// 256 KiB that nobody has read yet, which Yamux has no way to lower.
const MAX_STREAMS_OF_STRANGERS: u32 = 16;
/// Bytes of one connection over QUIC that nobody has read yet, all streams together.
const MAX_UNREAD_BYTES: u32 = 4 << 20;

/// TCP (Noise, Yamux) and QUIC, as the binary uses them.
///
/// # Errors
/// If the Noise keys cannot be made from `keypair`.
pub fn tcp_and_quic(keypair: &Keypair) -> Result<NodeTransport, NetworkError> {
    let members = Members::default();
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise_config(keypair)?)
        .multiplex_ext(yamux_of(&members))
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let mut config = quic::Config::new(keypair);
    config.max_concurrent_stream_limit = MAX_STREAMS;
    config.max_stream_data = 512 * 1024;
    config.max_connection_data = MAX_UNREAD_BYTES;
    let quic = quic::tokio::Transport::new(config).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let connections = tcp.or_transport(quic).map(|either, _| either.into_inner()).boxed();
    Ok(NodeTransport { connections, members })
}

/// Connections inside one process (`/memory/N`), with the same Noise and Yamux as over TCP.
///
/// # Errors
/// If the Noise keys cannot be made from `keypair`.
pub fn memory(keypair: &Keypair) -> Result<NodeTransport, NetworkError> {
    let members = Members::default();
    let connections = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise_config(keypair)?)
        .multiplex_ext(yamux_of(&members))
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed();
    Ok(NodeTransport { connections, members })
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
) -> Result<Connections, NetworkError> {
    let NodeTransport { connections, members } = transport;
    let relayed = relays
        .upgrade(Version::V1Lazy)
        .authenticate(noise_config(keypair)?)
        .multiplex_ext(yamux_of(&members))
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let both = Guarded::new(relayed.or_transport(connections), policy);
    Ok(both.map(|either, _| either.into_inner()).boxed())
}

fn noise_config(keypair: &Keypair) -> Result<noise::Config, NetworkError> {
    noise::Config::new(keypair).map_err(|error| NetworkError::Transport { reason: error.to_string() })
}

/// The multiplexer for a connection to a peer.
fn yamux_of(members: &Members) -> impl FnOnce(&PeerId, &ConnectedPoint) -> yamux::Config + Clone + Send + use<> {
    let members = members.clone();
    move |peer, _| {
        let streams = if members.contains(peer) { MAX_STREAMS } else { MAX_STREAMS_OF_STRANGERS };
        let mut config = yamux::Config::default();
        config.set_max_num_streams(streams as usize);
        config
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::Pin};

    use libp2p::core::{StreamMuxer, upgrade::OutboundConnectionUpgrade};
    use tokio_util::compat::TokioAsyncReadCompatExt;

    use super::*;

    /// How many streams a connection to a peer may have.
    async fn streams_of(members: &Members, peer: &PeerId) -> usize {
        let at = libp2p::Multiaddr::empty();
        let point = ConnectedPoint::Listener { local_addr: at.clone(), send_back_addr: at };
        let (near, _far) = tokio::io::duplex(1 << 20);
        let upgrade = yamux_of(members)(peer, &point).upgrade_outbound(near.compat(), "/yamux/1.0.0");
        let mut muxer = upgrade.await.expect("nothing is negotiated");
        let mut open = Vec::new();
        while let Ok(stream) = poll_fn(|cx| Pin::new(&mut muxer).poll_outbound(cx)).await {
            open.push(stream);
        }
        open.len()
    }

    #[tokio::test]
    async fn chk_110_a_stranger_gets_fewer_streams_than_a_paired_peer() {
        let members = Members::default();
        let [member, stranger] =
            [1, 2].map(|seed| Keypair::ed25519_from_bytes([seed; 32]).expect("32 bytes").public().to_peer_id());
        members.insert(member);
        assert_eq!(streams_of(&members, &member).await, MAX_STREAMS as usize);
        assert_eq!(streams_of(&members, &stranger).await, MAX_STREAMS_OF_STRANGERS as usize);
    }
}
