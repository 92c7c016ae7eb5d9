//! The peers that this node knows, and how far each is paired.

use bincode::{Decode, Encode};
use tacit_protocol::{PeerId, words::fingerprint};

use crate::store::{Record, RecordTree};

/// Where the peers are kept, by public key.
pub(crate) const PEERS: RecordTree<Peer> = RecordTree::new("peers");

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Peer {
    /// Its key.
    pub peer: PeerId,
    /// Its organisation.
    pub organisation: String,
    /// Where it can be reached: multiaddr texts that passed CHK-109, at most 8.
    pub addresses: Vec<String>,
    /// How far it is paired.
    pub state: PeerState,
    /// Since when, in Unix seconds.
    pub since: u64,
}

/// How far a peer is paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PeerState {
    /// It has invited this node, which redeems its ticket; its operator has not confirmed yet.
    Invited,
    /// It has redeemed a ticket of this node, whose operator has to compare the words (CHK-107).
    Pending,
    /// Both sides agreed.
    Paired,
    /// It was paired or pending, and this node's operator ended that for good (CHK-115), or another key has followed it
    /// (CHK-116).
    Revoked,
    /// It was paired with an earlier key of this node, and its operator has to confirm the present one (CHK-116).
    Renewing,
}

impl PeerState {
    /// The word for it in the API and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Pending => "pending",
            Self::Paired => "paired",
            Self::Revoked => "revoked",
            Self::Renewing => "renewing",
        }
    }
}

impl Peer {
    /// The words that both operators compare by voice (CHK-107).
    pub fn words(&self, own: &PeerId) -> String {
        fingerprint(&self.peer, own)
    }
}

impl Record for Peer {
    const NAME: &'static str = "peer";
    const VERSION: u8 = 1;
}
