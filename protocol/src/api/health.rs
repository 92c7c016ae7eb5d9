//! Whether a node is ready, and the levels of its log.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a node can take work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<NotReady>,
}

/// A reason why a node is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotReady {
    /// The stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

/// The levels of the process's log that were set at run time, such as `mpc=debug`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevels {
    /// Parts and levels, with a comma between several; empty: those of the start.
    pub levels: String,
}
