//! What two peers tell each other about their stores, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bincode::{Decode, Encode};
use tacit_protocol::canonical::{Nonce, digest_bytes};
use tacit_protocol::codec::Wire;
use tacit_protocol::{Digest, PeerId};

use super::Kind;

/// The time in which two peers share one stock: 32 bytes that both agreed on. Numbers of chunks start over with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Epoch(Digest);

impl Epoch {
    /// The epoch of two peers who each drew a nonce for it. It is fresh if one of the two is, and both sides get the same
    /// whichever is named first.
    pub fn agree(one: (&PeerId, &Nonce), other: (&PeerId, &Nonce)) -> Self {
        let (first, second) = if one.0 <= other.0 { (one, other) } else { (other, one) };
        let parts: [&[u8]; 4] = [first.0.public_key(), second.0.public_key(), first.1.as_bytes(), second.1.as_bytes()];
        Self(digest_bytes("tacit/correlation-epoch/1", &parts.concat()))
    }

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest::from_bytes(bytes))
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// What a node holds with a peer, as it tells that peer. At most 96 KiB on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// The live epoch; none if nothing was begun since the last drop.
    pub epoch: Option<Epoch>,
    /// The highest number that was claimed in the epoch, of each kind of which one was.
    pub claimed: BTreeMap<Kind, u64>,
    /// The numbers that are ready.
    pub ready: BTreeMap<Kind, BTreeSet<u64>>,
    /// The least number that may still be put, of each kind of which one was.
    pub next: BTreeMap<Kind, u64>,
}

impl Wire for Statement {
    const NAME: &'static str = "Statement";
    const LIMIT: usize = 96 << 10;
}

/// What two peers share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// The numbers that both hold.
    pub ready: BTreeMap<Kind, BTreeSet<u64>>,
    /// The number from which both go on; 0 for a kind that is not named.
    pub next: BTreeMap<Kind, u64>,
}

/// What follows from two statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The epoch goes on with what both hold. Everything else is removed.
    Keep(Stock),
    /// Everything of this peer was removed: agree on an epoch and begin it.
    BeginAnew(Doubt),
}

/// Why a stock cannot be trusted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The peers are in different epochs, or one is in none.
    Epoch {
        /// This node's.
        ours: Option<Epoch>,
        /// The peer's.
        theirs: Option<Epoch>,
    },
    /// One of the two does not know of a claim: it was set back, or interrupted.
    Claimed {
        /// The kind.
        kind: Kind,
        /// The highest number that this node claimed.
        ours: Option<u64>,
        /// The highest that the peer claimed.
        theirs: Option<u64>,
    },
    /// A chunk that both should hold does not open here.
    Sealed {
        /// Its kind.
        kind: Kind,
        /// Its number.
        number: u64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |claimed: &Option<u64>| claimed.map_or_else(|| "none".to_owned(), |number| number.to_string());
        match self {
            Self::Epoch { ours: None, theirs: None } => f.write_str("there is no epoch yet"),
            Self::Epoch { .. } => f.write_str("the two nodes are in different epochs"),
            Self::Claimed { kind, ours, theirs } => {
                write!(f, "{kind}: this node claimed up to {}, the peer up to {}", number(ours), number(theirs))
            }
            Self::Sealed { kind, number } => write!(f, "{kind} {number} does not open"),
        }
    }
}

impl Statement {
    /// What this node and its peer share, as far as the two statements tell. Both sides come to the same.
    ///
    /// # Errors
    /// The doubt that ends the epoch (CHK-603).
    pub(super) fn shared_with(&self, theirs: &Self) -> Result<Stock, Doubt> {
        // CHK-603: one epoch, which both confirm.
        if self.epoch.is_none() || self.epoch != theirs.epoch {
            return Err(Doubt::Epoch { ours: self.epoch, theirs: theirs.epoch });
        }
        // CHK-603: a node that was set back knows of fewer claims than its peer.
        for kind in self.claimed.keys().chain(theirs.claimed.keys()) {
            let (ours, theirs) = (self.claimed.get(kind).copied(), theirs.claimed.get(kind).copied());
            if ours != theirs {
                return Err(Doubt::Claimed { kind: kind.clone(), ours, theirs });
            }
        }
        let none = BTreeSet::new();
        let ready = self.ready.iter().map(|(kind, ours)| {
            let both = ours.intersection(theirs.ready.get(kind).unwrap_or(&none)).copied();
            (kind.clone(), both.collect::<BTreeSet<u64>>())
        });
        let mut next = self.next.clone();
        for (kind, &number) in &theirs.next {
            let agreed = next.entry(kind.clone()).or_default();
            *agreed = number.max(*agreed);
        }
        Ok(Stock { ready: ready.filter(|(_, numbers)| !numbers.is_empty()).collect(), next })
    }
}
