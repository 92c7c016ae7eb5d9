//! What can go wrong in the engine, and whose fault it is.

use std::time::Duration;

use tacit_protocol::Code;

/// An error of the engine. Any of them ends the session; its secrets are destroyed and nothing is retried on them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer closed the connection, or it broke.
    #[error("the channel closed during {step}: {source}")]
    Closed {
        /// What was under way.
        step: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// The peer sent nothing for too long.
    #[error("the peer was silent for {waited:?} during {step}")]
    Timeout {
        /// What was under way.
        step: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The peer failed a check of a protocol.
    #[error("the peer deviated from the protocol during {step}: {check}")]
    Deviation {
        /// The code of the check.
        code: Code,
        /// What was under way.
        step: &'static str,
        /// What did not hold.
        check: String,
    },
    /// The program or its inputs are not what this engine computes.
    #[error("{cause}")]
    Refused {
        /// The code.
        code: Code,
        /// Why.
        cause: String,
    },
}

/// The engine's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Closed { .. } => Code::new("CHANNEL_CLOSED"),
            Self::Timeout { .. } => Code::new("PEER_TIMEOUT"),
            Self::Deviation { code, .. } | Self::Refused { code, .. } => code.clone(),
        }
    }
}
