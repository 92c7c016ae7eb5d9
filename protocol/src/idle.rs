//! What two paired nodes make in advance while no job runs: correlations that jobs between them will use up.
//!
//! Nothing of either organisation's data is in it. What is made follows from the jobs that the two have run.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Nonce, digest};
use crate::contract::ChannelOffer;
use crate::identity::PeerId;

/// The most kinds in one session.
pub const MAX_KINDS: usize = 16;

/// So many chunks of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdleChunks {
    /// The kind, by the engine's name for it.
    pub kind: String,
    /// How many chunks there are to be.
    pub count: u64,
}

/// A node asks another to make correlations with it. The asker is party 0.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdleOffer {
    /// Drawn for this session.
    pub nonce: Nonce,
    /// The asker's channel: a key made for it, and where it listens.
    pub channel: ChannelOffer,
    /// What the asker wants to have in store; at most [`MAX_KINDS`].
    pub chunks: Vec<IdleChunks>,
}

/// The answer of a node that takes part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdleAnswer {
    /// The answerer's channel.
    pub channel: ChannelOffer,
    /// What is made: of what was asked for, what the answerer wants to have as well, in the same order.
    pub chunks: Vec<IdleChunks>,
}

/// What the channel of the session is bound to: who makes what, and on which keys. Both nodes form it from the offer and
/// the answer; it is the route on the data plane and part of the prologue of the handshake, under a label of its own.
pub fn session(parties: [&PeerId; 2], offer: &IdleOffer, answer: &IdleAnswer) -> Digest {
    #[derive(Serialize)]
    struct Session<'a> {
        parties: [&'a PeerId; 2],
        offer: &'a IdleOffer,
        answer: &'a IdleAnswer,
    }
    digest("tacit/idle/session/1", &Session { parties, offer, answer })
}
