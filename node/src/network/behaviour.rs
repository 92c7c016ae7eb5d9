//! The protocols of the swarm, and their order.

use libp2p::{
    StreamProtocol,
    connection_limits::{self, ConnectionLimits},
    identify,
    identity::Keypair,
    ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};

use super::{NetworkConfig, admission::Admission, codec::FrameCodec, members_only::MembersOnly};

/// All protocols. The two that deny connections come first, so that the others never see what is denied.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) admission: Admission,
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) pair: request_response::Behaviour<FrameCodec>,
    pub(crate) negotiate: MembersOnly<request_response::Behaviour<FrameCodec>>,
}

impl Behaviour {
    pub(crate) fn new(keypair: &Keypair, config: &NetworkConfig) -> Self {
        let limits = ConnectionLimits::default()
            .with_max_pending_outgoing(Some(64))
            .with_max_established(Some(config.max_connections));
        // Strangers learn no listening address and no version from identify.
        let identify = identify::Config::new("tacit/1".to_owned(), keypair.public())
            .with_agent_version("tacit".to_owned())
            .with_cache_size(0)
            .with_hide_listen_addrs(true);
        let streams = request_response::Config::default()
            .with_request_timeout(config.request_timeout)
            .with_max_concurrent_streams(config.max_in_flight.saturating_mul(2));
        let pair_streams = streams.clone().with_max_concurrent_streams(2);
        Self {
            admission: Admission::new(config.admission),
            limits: connection_limits::Behaviour::new(limits),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(config.ping).with_timeout(config.ping)),
            pair: request_response::Behaviour::with_codec(
                FrameCodec::PAIR,
                [(StreamProtocol::new("/tacit/pair/1"), ProtocolSupport::Full)],
                pair_streams,
            ),
            negotiate: MembersOnly::new(request_response::Behaviour::with_codec(
                FrameCodec::NEGOTIATE,
                [(StreamProtocol::new("/tacit/negotiate/1"), ProtocolSupport::Full)],
                streams,
            )),
        }
    }
}
