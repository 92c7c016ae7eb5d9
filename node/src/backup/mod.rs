//! Backups: a node in one sealed file, and a new directory from it.
//!
//! *What is in it*: the configuration, the log, the journal of used tickets and revocations, and the store at one moment:
//! catalogue with policies and rows, peers, jobs with contracts, receipts and results, the node's sealed identity. *What
//! is not*: correlations made in advance, the secrets and shares of runs under way, and open tickets: each may be used
//! once, and a copy could be used again.
//! *Seal*: AES-256-GCM under a key drawn for the file, which is sealed by the node's key file, or by a passphrase
//! (Argon2id); then the key file is inside. In clear are the header (name, PeerId, build, time, how it is sealed) and
//! sizes. *Consistency*: trees are read while nothing is written, rows by the catalogue of that moment; log and journal
//! after them, so that they may be ahead of the store, as after a power cut, and never behind.
//! *After a restore* (CHK-113): the node greets each peer with the head of the log it was restored with, until the peer
//! has accepted it. A peer that saw more refuses with `LOG_FORK`, and its operator accepts by
//! `tacit peer accept-restore`; see [`crate::heads`].

mod archive;
mod error;
mod lock;
mod restore;
mod snapshot;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod trees;

pub use error::BackupError;
pub use lock::{Opening, Sealing, read_passphrase};
pub use restore::{RestoreReport, restore};
pub use snapshot::{BackupReport, Source, write};
