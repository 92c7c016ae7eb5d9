//! How two paired nodes test the path between them (`tacit doctor --peer`).
//!
//! *Source*: design §4.2; spoken from version 2 of the messages on.
//! *Security* (CHK-411): bounded everywhere: one test at a time and so many in an hour for a peer, at most
//! [`MAX_PROBE_BYTES`] each way, at most 8 addresses, which are dialled only where a job's would be (CHK-109). What a
//! node says is what the peer's catalogue and greetings say already, and whether its own ports could be reached.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Nonce, digest};
use crate::contract::ChannelOffer;
use crate::identity::PeerId;
use crate::messages::PeerText;

/// The first version of the messages that has this.
pub const PROBE_VERSION: u16 = 2;
/// The most bytes of a measurement of the path each way.
pub const MAX_PROBE_BYTES: u32 = 4 << 20;

/// A part of a test.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProbeRequest {
    /// The answer comes at once: its time is the path's.
    Ping,
    /// What do you know, and do you reach me?
    Look {
        /// The asker's addresses of the control plane, at most 8.
        addresses: Vec<String>,
    },
    /// Meet me on the data plane.
    Path {
        /// Drawn for this.
        nonce: Nonce,
        /// Whether the asker dials; otherwise the answerer does.
        asker_dials: bool,
        /// The asker's channel.
        channel: ChannelOffer,
        /// How many bytes go each way; at most [`MAX_PROBE_BYTES`].
        bytes: u32,
    },
}

/// The answer to a part of a test.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProbeAnswer {
    /// To a ping.
    Pong,
    /// To a look.
    Seen(ProbeView),
    /// To a path: the answerer's channel; it listens or dials now.
    Path(ChannelOffer),
}

/// What a node says of itself and of its peer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeView {
    /// Its clock, in milliseconds since 1970.
    pub now_ms: u64,
    /// Its addresses of the control plane, at most 8.
    pub addresses: Vec<String>,
    /// The planner versions that it has, newest last.
    pub planner_versions: Vec<u16>,
    /// How many of the asker's addresses it could reach by TCP, and how many it tried.
    pub reached: (u8, u8),
    /// The datasets that the asker may see, at most 64.
    pub visible: Vec<PeerText>,
    /// Those of its datasets that would be visible to the asker if their policies were not over, at most 64.
    pub expired: Vec<PeerText>,
}

/// What the channel of a path is bound to.
pub fn session(parties: [&PeerId; 2], nonce: &Nonce, channels: [&ChannelOffer; 2]) -> Digest {
    digest("tacit/probe/session/1", &(parties, nonce, channels))
}
