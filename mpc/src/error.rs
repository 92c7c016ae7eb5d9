//! What can go wrong in the engine, and whose fault it is.

use std::time::Duration;

use tacit_protocol::program::ProgramError;
use tacit_protocol::{Code, Failure};

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
    /// The work was not done by its deadline.
    #[error("the work passed its deadline of {limit:?} during {step}")]
    Overdue {
        /// What was under way.
        step: &'static str,
        /// How long the whole work may take.
        limit: Duration,
    },
    /// This side stopped the work from another thread.
    #[error("the work was cancelled during {step}")]
    Cancelled {
        /// What was under way.
        step: &'static str,
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
    /// A failed check of what the peer sent.
    pub(crate) fn deviation(code: &'static str, step: &'static str, check: impl Into<String>) -> Self {
        Self::Deviation { code: Code::new(code), step, check: check.into() }
    }

    /// Input of this side that the engine does not take.
    pub(crate) fn refused(code: &'static str, cause: impl Into<String>) -> Self {
        Self::Refused { code: Code::new(code), cause: cause.into() }
    }

    /// What is wrong with a program, with what to do next.
    pub(crate) fn of_program(error: ProgramError) -> Self {
        Self::Refused { code: error.code(), cause: format!("{error}. {}", error.next()) }
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Closed { .. } => Code::new("CHANNEL_CLOSED"),
            Self::Timeout { .. } | Self::Overdue { .. } => Code::new("PEER_TIMEOUT"),
            Self::Cancelled { .. } => Code::new("JOB_CANCELLED"),
            Self::Deviation { code, .. } | Self::Refused { code, .. } => code.clone(),
        }
    }

    /// What was under way, where that is known.
    pub fn step(&self) -> Option<&'static str> {
        match self {
            Self::Closed { step, .. }
            | Self::Timeout { step, .. }
            | Self::Overdue { step, .. }
            | Self::Cancelled { step }
            | Self::Deviation { step, .. } => Some(step),
            Self::Refused { .. } => None,
        }
    }

    /// What the operator does next.
    fn next(&self) -> &'static str {
        match self {
            Self::Closed { .. } | Self::Timeout { .. } => {
                "Ask the peer's operator whether its node is up, then submit the job again."
            }
            Self::Overdue { .. } => "Submit the job again with a later deadline, or over fewer rows.",
            Self::Cancelled { .. } => "Submit the job again if it is still wanted.",
            Self::Deviation { .. } => {
                "Do not retry at once: ask the peer's operator which version it runs and whether the link is sound."
            }
            Self::Refused { code, .. } if code.as_str() == "ALIGN_DUPLICATE_KEYS" => {
                "Remove the duplicate keys from the dataset and import it again."
            }
            Self::Refused { .. } => "Correct the program or its inputs and submit again.",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Failure::new(error.code(), format!("{error}."), error.next());
        match error.step() {
            Some(step) => failure.at_step(step),
            None => failure,
        }
    }
}
