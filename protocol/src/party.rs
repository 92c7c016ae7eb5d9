//! Who takes part in a job.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A party of one job, by its place in the canonical order of the contract's parties.
///
/// The order is by PeerId bytes, so every node derives the same one. In the two-party venue the parties are
/// [`PartyId::ZERO`] and [`PartyId::ONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartyId(pub u8);

impl PartyId {
    /// The first party of a two-party job.
    pub const ZERO: Self = Self(0);
    /// The second party of a two-party job.
    pub const ONE: Self = Self(1);

    /// The other party of a two-party job.
    pub fn other(self) -> Self {
        Self(1 - self.0.min(1))
    }

    /// The place in arrays that hold one entry a party.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl std::fmt::Display for PartyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "party {}", self.0)
    }
}
