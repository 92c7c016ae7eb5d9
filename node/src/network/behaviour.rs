//! The protocols of the swarm, and their order.

use libp2p::{
    PeerId, StreamProtocol,
    connection_limits::{self, ConnectionLimits},
    dcutr, identify,
    identity::Keypair,
    ping, relay,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};

use super::{
    NetworkConfig,
    admission::{Admission, Members},
    codec::FrameCodec,
    lanes::Lanes,
    members_only::MembersOnly,
    relaying,
};

/// All protocols. The two that deny connections come first, so that the others never see what is denied.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) admission: Admission,
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) pair: request_response::Behaviour<FrameCodec>,
    pub(crate) negotiate: MembersOnly<request_response::Behaviour<FrameCodec>>,
    /// Reaches peers over relays, and keeps places at them.
    pub(crate) relay_client: MembersOnly<relay::client::Behaviour>,
    /// Relays for the peers that the operator has named.
    pub(crate) relay_server: MembersOnly<relay::Behaviour>,
    /// Turns a relayed connection into a direct one, where gateways let it.
    pub(crate) punch: MembersOnly<dcutr::Behaviour>,
    /// Bulk data, where the data plane has no path of its own.
    pub(crate) lanes: MembersOnly<Lanes>,
}

impl Behaviour {
    pub(crate) fn new(
        keypair: &Keypair,
        config: &NetworkConfig,
        members: Members,
        client: relay::client::Behaviour,
    ) -> Self {
        let local = keypair.public().to_peer_id();
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
            admission: Admission::new(config.admission, members),
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
            relay_client: MembersOnly::new(client),
            relay_server: MembersOnly::new(relaying::server(local, &config.relay)),
            punch: MembersOnly::new(dcutr::Behaviour::new(local)),
            lanes: MembersOnly::new(Lanes::default()),
        }
    }

    /// Gives a peer the members' protocols, on the connections that it makes from now on.
    pub(crate) fn admit(&mut self, peer: PeerId, relaying: relaying::Relaying) {
        self.admission.admit(peer);
        self.negotiate.admit(peer);
        self.relay_client.admit(peer);
        self.punch.admit(peer);
        self.lanes.admit(peer);
        if relaying.serve {
            self.relay_server.admit(peer);
        }
    }

    /// Takes the members' protocols away again, and denies the peer any connection from now on.
    pub(crate) fn revoke(&mut self, peer: &PeerId) {
        self.admission.revoke(*peer);
        self.negotiate.forget(peer);
        self.relay_client.forget(peer);
        self.punch.forget(peer);
        self.lanes.forget(peer);
        self.relay_server.forget(peer);
    }
}
