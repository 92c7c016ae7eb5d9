//! What can go wrong in the store.

use std::io;
use std::path::PathBuf;

use tacit_protocol::{Code, Failure};

/// An error of the store or of a journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room for a write. Nothing of it is visible.
    #[error("the disk under the store is full")]
    Full,
    /// Another process has the store open.
    #[error("another process has the store at {path} open")]
    Locked {
        /// The directory or file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the store could not be read or written: {0}")]
    Io(#[source] io::Error),
    /// What is on disk is not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// A record was written by a version that this one does not know.
    #[error("a {record} record has version {found}; this version reads up to {known}")]
    Version {
        /// The kind of record.
        record: &'static str,
        /// The version found.
        found: u8,
        /// The latest version known.
        known: u8,
    },
    /// An expectation of a batch did not hold: somebody else was first.
    #[error("an entry of the tree \"{tree}\" changed meanwhile")]
    Conflict {
        /// The tree.
        tree: &'static str,
    },
    /// An earlier write failed, so that the store no longer knows what is on the disk. It shows nothing from then on; a
    /// restart reads what is there.
    #[error("the store stopped when a write failed: {cause}")]
    Stopped {
        /// Whether it was for want of room.
        full: bool,
        /// The first failure.
        cause: String,
    },
    /// An earlier write to the journal failed in a way that could not be undone.
    #[error("the journal cannot be written any more, after: {0}")]
    Poisoned(String),
}

impl StoreError {
    /// The stable code.
    pub fn code(&self) -> Code {
        Code::new(match self {
            Self::Full | Self::Stopped { full: true, .. } => "STORE_FULL",
            Self::Locked { .. } => "STORE_LOCKED",
            Self::Io(_) | Self::Poisoned(_) | Self::Stopped { full: false, .. } => "STORE_IO",
            Self::Corrupt(_) => "STORE_CORRUPT",
            Self::Version { .. } => "STORE_VERSION",
            Self::Conflict { .. } => "STORE_CONFLICT",
        })
    }

    /// What the operator does next.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Full => "Free space on the disk of the node's directory and repeat the command.",
            Self::Stopped { full: true, .. } => {
                "Free space on the disk of the node's directory and start the node again."
            }
            Self::Locked { .. } => "Stop the other node, or give this one a directory of its own.",
            Self::Io(_) | Self::Poisoned(_) | Self::Stopped { full: false, .. } => {
                "Check the disk and its permissions, then restart the node."
            }
            Self::Corrupt(_) => "Restore the node's directory from a backup and report what happened before.",
            Self::Version { .. } => "Run the version of tacit that wrote this store, or a later one.",
            Self::Conflict { .. } => "Look at the current state and repeat the command if it still applies.",
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::Full,
            _ => Self::Io(error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::new(error.code(), error.to_string(), error.next_step())
    }
}
