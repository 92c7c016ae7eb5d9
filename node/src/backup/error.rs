//! What can go wrong with a backup.

use std::io;

use tacit_protocol::{Code, Failure};

use crate::data::DataError;
use crate::keys::KeyError;
use crate::store::StoreError;

/// An error of a backup or a restore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{what}: {source}")]
    File {
        /// Which file.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The file is no backup, or one of another version.
    #[error("the file is no backup that this version reads: {0}")]
    Form(String),
    /// The key file or the passphrase does not open it.
    #[error("the backup does not open with this {0}")]
    Key(&'static str),
    /// It was altered.
    #[error("the backup is damaged at its part {part}")]
    Damaged {
        /// Which part, from 1.
        part: u64,
    },
    /// It ends before its end.
    #[error("the backup ends after {parts} parts; it was not finished, or was cut short")]
    Torn {
        /// How many parts there are.
        parts: u64,
    },
    /// The node's directory is not as it should be.
    #[error("{0}")]
    Directory(String),
    /// A passphrase that is none.
    #[error("the passphrase {0}")]
    Passphrase(String),
    /// An entry of the store that no restore would take.
    #[error("the entry {key} of the store's tree {tree}: {cause}")]
    Entry {
        /// The tree.
        tree: &'static str,
        /// The key, with what is no text escaped.
        key: String,
        /// What is wrong with it.
        cause: StoreError,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A dataset.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A key.
    #[error(transparent)]
    Sealed(#[from] KeyError),
    /// Another part of the node.
    #[error(transparent)]
    Node(#[from] Failure),
}

impl BackupError {
    pub(super) fn file(what: impl Into<String>, source: io::Error) -> Self {
        Self::File { what: what.into(), source }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let message = error.to_string();
        let (code, next) = match error {
            BackupError::Store(error) => return error.into(),
            BackupError::Entry { cause, .. } => {
                let next = "stop the node and run `tacit fsck`; an earlier backup has what was whole.";
                return Self::new(cause.code(), message, next);
            }
            BackupError::Data(error) => return error.into(),
            BackupError::Sealed(error) => return error.into(),
            BackupError::Node(failure) => return failure,
            BackupError::File { .. } => ("BACKUP_FILE", "check path, permissions and free space."),
            BackupError::Form(_) => {
                ("BACKUP_FORM", "name a file that `tacit backup` of this or an earlier version made.")
            }
            BackupError::Key(_) => ("BACKUP_KEY", "give the key file or passphrase that it was made with."),
            BackupError::Damaged { .. } => ("BACKUP_DAMAGED", "use another copy of the file, or an earlier backup."),
            BackupError::Torn { .. } => ("BACKUP_TORN", "use another copy of the file, or an earlier backup."),
            BackupError::Directory(_) => ("USAGE_DIR", "name a directory that does not exist yet."),
            BackupError::Passphrase(_) => {
                ("USAGE_PASSPHRASE", "put it on the first line of a file that only you can read.")
            }
        };
        Self::new(Code::new(code), message, next)
    }
}
