//! What can go wrong with stored correlations. None of it ends a job: a job without a chunk makes its own.

use std::io;
use std::path::{Path, PathBuf};

use tacit_protocol::{Code, Failure, PeerId};

use super::{Epoch, Kind, MAX_KIND_CHARS};
use crate::store::StoreError;

/// An error of the store of correlations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineError {
    /// The name of a kind is none.
    #[error("\"{name}\" names no kind of correlations: 1 to {MAX_KIND_CHARS} of a-z, 0-9 and -, the first a letter")]
    Kind {
        /// Its beginning, escaped.
        name: String,
    },
    /// The epoch asked for is not the live one (CHK-603).
    #[error("the correlations with {peer} are not of epoch {asked}")]
    Epoch {
        /// The peer.
        peer: PeerId,
        /// What was asked for.
        asked: Epoch,
    },
    /// The peer has not confirmed the epoch since this process started or since it was last connected (CHK-603).
    #[error("{peer} has not confirmed the epoch of the stored correlations")]
    Unconfirmed {
        /// The peer.
        peer: PeerId,
    },
    /// The epoch was begun before (CHK-603).
    #[error("epoch {epoch} with {peer} was begun already")]
    Begun {
        /// The peer.
        peer: PeerId,
        /// The epoch.
        epoch: Epoch,
    },
    /// The number was used before, or is named out of order (CHK-603).
    #[error("{kind} {number} with {peer} was used before: the next number is {next}")]
    Used {
        /// The peer.
        peer: PeerId,
        /// The kind.
        kind: Kind,
        /// The number asked for.
        number: u64,
        /// The least that may still be used.
        next: u64,
    },
    /// There is no such chunk: it was never put, or it was lost (CHK-603).
    #[error("{kind} {number} with {peer} is not there")]
    Missing {
        /// The peer.
        peer: PeerId,
        /// The kind.
        kind: Kind,
        /// The number.
        number: u64,
    },
    /// A file does not open: changed, moved, or sealed by another key. Everything of its peer is dropped.
    #[error("{path} is not what was written")]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// A limit is reached.
    #[error("{peer} would pass the limit of {most} {what} for stored correlations: {found}")]
    Limit {
        /// The peer.
        peer: PeerId,
        /// What is limited.
        what: &'static str,
        /// The limit.
        most: u64,
        /// What it would have been.
        found: u64,
    },
    /// The disk is full or nearly so. Nothing was lost.
    #[error("no room on the disk of {path}")]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path} cannot be {action}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// Another process has the store open.
    #[error("another process has the correlations in {path} open")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The journal failed.
    #[error("{path}: {source}")]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: StoreError,
    },
    /// A directory could not be synced earlier, so that it is not known what is on the disk.
    #[error("the store of correlations stopped: {cause}")]
    Stopped {
        /// The first failure.
        cause: String,
    },
}

impl OfflineError {
    /// An error of the operating system at a place.
    pub(super) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        match StoreError::from(source) {
            StoreError::Io(source) => Self::Io { path: path.into(), action, source },
            _ => Self::Full { path: path.into() },
        }
    }

    /// An error of the journal.
    pub(super) fn journal(path: &Path, source: StoreError) -> Self {
        match source {
            StoreError::Full => Self::Full { path: path.into() },
            source => Self::Journal { path: path.into(), source },
        }
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Kind { .. } => Code::new("CORRELATION_KIND"),
            Self::Epoch { .. } | Self::Unconfirmed { .. } | Self::Begun { .. } => Code::new("CORRELATION_EPOCH"),
            Self::Used { .. } | Self::Missing { .. } => Code::new("CORRELATION_REUSE"),
            Self::Sealed { .. } => Code::new("CORRELATION_SEALED"),
            Self::Limit { .. } => Code::new("CORRELATION_LIMIT"),
            Self::Full { .. } => StoreError::Full.code(),
            Self::Io { .. } | Self::Stopped { .. } => Code::new("STORE_IO"),
            Self::Locked { .. } => Code::new("STORE_LOCKED"),
            Self::Journal { source, .. } => source.code(),
        }
    }

    /// What the operator does next.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "Report this: the node named a kind that its store does not take.",
            Self::Epoch { .. } | Self::Unconfirmed { .. } | Self::Begun { .. } => {
                "Nothing: the nodes agree on an epoch when they connect, and jobs make what they need until then."
            }
            Self::Used { .. } | Self::Missing { .. } => {
                "Nothing: the job makes what it needs. Report it if it comes back after a restart."
            }
            Self::Sealed { .. } => {
                "Nothing: the correlations are made anew. Find out who changed the file, or whether the disk is failing."
            }
            Self::Limit { .. } => "Nothing, or raise `disk` in the section `idle` of node.toml.",
            Self::Full { .. } => "Free space on the disk of the node's directory; idle work goes on by itself then.",
            Self::Io { .. } | Self::Journal { .. } | Self::Stopped { .. } => {
                "Check the disk and its permissions, then restart the node. The directory may be deleted while it is stopped."
            }
            Self::Locked { .. } => StoreError::Locked { path: PathBuf::new() }.next_step(),
        }
    }
}

impl From<OfflineError> for Failure {
    fn from(error: OfflineError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step()).at_step("idle")
    }
}
