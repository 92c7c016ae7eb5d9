//! What can go wrong between this node and a peer.

use libp2p::Multiaddr;
use tacit_protocol::{Code, Failure, identity::PeerId};

/// A failure of the control plane. Each names the peer and the step, where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No connection to the peer could be made, or it broke before the answer came.
    #[error("{step}: peer {peer} cannot be reached ({reason})")]
    Unreachable {
        /// The peer.
        peer: PeerId,
        /// What was being done.
        step: &'static str,
        /// Why, in the words of the transport.
        reason: String,
    },
    /// The peer did not answer in time.
    #[error("{step}: peer {peer} did not answer in time")]
    Timeout {
        /// The peer.
        peer: PeerId,
        /// What was being done.
        step: &'static str,
    },
    /// The peer is not paired with this node.
    #[error("{step}: peer {peer} is not paired with this node")]
    Unknown {
        /// The peer.
        peer: PeerId,
        /// What was being done.
        step: &'static str,
    },
    /// The peer refused, with a code.
    #[error("{step}: peer {peer} refused with {code}")]
    Refused {
        /// The peer.
        peer: PeerId,
        /// What was being done.
        step: &'static str,
        /// The code it gave.
        code: Code,
    },
    /// This node refused the peer's greeting.
    #[error("{step}: the greeting of peer {peer} was refused with {code}")]
    Greeting {
        /// The peer.
        peer: PeerId,
        /// What was being done.
        step: &'static str,
        /// The check that failed.
        code: Code,
    },
    /// The peer's answer was no frame, or one over the limit.
    #[error("{step}: the answer of peer {peer} breaks the protocol ({reason})")]
    Malformed {
        /// The peer.
        peer: PeerId,
        /// What was being done.
        step: &'static str,
        /// How.
        reason: String,
    },
    /// The message to send is over the protocol's limit.
    #[error("{step}: a message of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// What was being done.
        step: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Too many requests to this peer wait already.
    #[error("{step}: too many requests wait for peer {peer}")]
    Busy {
        /// The peer.
        peer: PeerId,
        /// What was being done.
        step: &'static str,
    },
    /// The peer is reached over a relay only, on which no bulk data goes (CHK-405).
    #[error("{step}: peer {peer} is reached over the relay {relay} only, which is not for bulk data")]
    Relayed {
        /// The peer.
        peer: PeerId,
        /// What was being done.
        step: &'static str,
        /// The relay.
        relay: PeerId,
    },
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// The transport cannot be set up.
    #[error("the transport cannot be set up: {reason}")]
    Transport {
        /// Why.
        reason: String,
    },
    /// The network task has stopped.
    #[error("the network of this node has stopped")]
    Stopped,
}

/// What to do about a peer that is reached over a relay only.
pub(crate) const RELAY_NEXT: &str = "Open the data port of one of the two nodes to the other (`data_announce` in node.toml), \
    or agree that all operators set `bulk = true` under `[relay]`.";

impl NetworkError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } => Code::new("PEER_UNREACHABLE"),
            Self::Timeout { .. } => Code::new("PEER_TIMEOUT"),
            Self::Unknown { .. } => Code::new("PEER_UNKNOWN"),
            Self::Refused { code, .. } | Self::Greeting { code, .. } => code.clone(),
            Self::Malformed { .. } => Code::new("PROTOCOL_LENGTH"),
            Self::TooLarge { .. } => Code::new("PROPOSAL_TOO_BIG"),
            Self::Busy { .. } => Code::new("PEER_RATE"),
            Self::Relayed { .. } => Code::new("CHANNEL_RELAY"),
            Self::Listen { .. } => Code::new("NETWORK_LISTEN"),
            Self::Transport { .. } => Code::new("NETWORK_TRANSPORT"),
            Self::Stopped => Code::new("NETWORK_STOPPED"),
        }
    }

    fn peer(&self) -> Option<&PeerId> {
        match self {
            Self::Unreachable { peer, .. }
            | Self::Timeout { peer, .. }
            | Self::Unknown { peer, .. }
            | Self::Refused { peer, .. }
            | Self::Greeting { peer, .. }
            | Self::Malformed { peer, .. }
            | Self::Relayed { peer, .. }
            | Self::Busy { peer, .. } => Some(peer),
            _ => None,
        }
    }

    fn step(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { step, .. }
            | Self::Timeout { step, .. }
            | Self::Unknown { step, .. }
            | Self::Refused { step, .. }
            | Self::Greeting { step, .. }
            | Self::Malformed { step, .. }
            | Self::TooLarge { step, .. }
            | Self::Relayed { step, .. }
            | Self::Busy { step, .. } => Some(step),
            _ => None,
        }
    }

    fn next(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "Check that the peer's node runs and that its address is reachable: `tacit doctor`, `tacit peer list`."
            }
            Self::Timeout { .. } => "Try again; if it lasts, ask the peer's operator for their log at this time.",
            Self::Unknown { .. } => "Pair first: `tacit peer invite` on one side, `tacit peer accept` on the other.",
            Self::Refused { .. } => "Ask the peer's operator; the code names the check.",
            Self::Greeting { code, .. } if code.as_str() == "HELLO_CLOCK" => "Set both clocks by NTP.",
            Self::Greeting { code, .. } if code.as_str() == "HELLO_VERSION" => "Update the older of the two nodes.",
            Self::Greeting { .. } => "Ask the peer's operator which node runs under this key.",
            Self::Malformed { .. } => "The peer runs other software or is faulty; ask its operator.",
            Self::TooLarge { .. } => "Make the program or the message smaller.",
            Self::Busy { .. } => "Wait until the requests under way are answered.",
            Self::Relayed { .. } => RELAY_NEXT,
            Self::Listen { .. } => "Choose another address or port with `listen` in node.toml.",
            Self::Transport { .. } => "Check the node's key file with `tacit doctor`.",
            Self::Stopped => "Start the node again.",
        }
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        let failure = Self::new(error.code(), error.to_string(), error.next());
        let failure = match error.step() {
            Some(step) => failure.at_step(step),
            None => failure,
        };
        match error.peer() {
            Some(peer) => failure.by_party(peer.to_string()),
            None => failure,
        }
    }
}
