//! The static disclosure analysis: what a program would tell whom, and whether the owners' policies allow it.

mod learned;

pub use learned::{Fact, Learned};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::program::release::ReleaseSpec;

/// What the analysis of an allowed program gives. Every owner derives it for itself, and all must agree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// How each output is released.
    pub release: ReleaseSpec,
    /// What each party learns, in the order of the parties.
    pub learned: Vec<Learned>,
}
