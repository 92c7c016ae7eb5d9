//! Correlations that a node makes in advance with a peer, and where it keeps them until a job takes them.
//!
//! [`CorrelationStore`] keeps chunks of bytes that the engine encodes; it knows nothing of what is in them. A chunk has a
//! peer, an [`Epoch`], a [`Kind`] and a number, and both peers hold their half of it under the same four.
//!
//! *Source*: the rule of write-ahead logs, that what is about to happen is on the disk first, by renames and this crate's
//! [`Journal`](crate::store::Journal).
//!
//! *Order of calls*, for each connection to a peer: both send their [`Statement`] and call
//! [`reconcile`](CorrelationStore::reconcile) with the other's. [`Verdict::Keep`] names the chunks that both hold and the
//! number from which both go on. [`Verdict::BeginAnew`] says that everything of this peer is gone: both agree on an epoch
//! ([`Epoch::agree`]) and call [`begin`](CorrelationStore::begin). Only then are chunks put and claimed. A claim is agreed
//! first, then made by both, and confirmed by both before the first message that depends on it. When the connection is
//! lost, [`disconnected`](CorrelationStore::disconnected) is called, and everything starts over. Statements are made when
//! no claim is under way.
//!
//! *Security*: a chunk is used once (CHK-603), because its reuse as a mask would show differences of secrets.
//! - **Crashes.** A claim renames `.ready` to `.spent`, syncs the directory, writes the number to the journal (synced),
//!   and reads only then. Whatever interrupts it, the chunk is ready and was never read, or it is lost. A number at or
//!   below the highest that was claimed in its epoch is never put or claimed again.
//! - **Restored copies.** A copy of the files has another lock file than the one that the journal names (inode and time
//!   of change, which no program sets), and everything in it is dropped when it is opened. Where even that is as it was (a
//!   snapshot of the disk or of the machine), the journal is too old, and the peer's is not: statements whose epochs or
//!   claimed numbers differ in either direction end the epoch on both sides. This is stricter than single use needs
//!   where a crash came between the two claims, and costs the stock then.
//! - **Not recognised**: that both peers were set back to the same state, and that a peer lies about its record to a node
//!   whose disk was set back by a snapshot. Only a counter outside of the machine would help there. Keep the directory out
//!   of snapshots; it has a `CACHEDIR.TAG`, so that backups leave it out. Everything in it can be made again.
//! - **At rest.** Chunks are sealed ([`Sealer`](crate::keys::Sealer), purpose `correlation`), bound to peer, epoch, kind
//!   and number: one that was moved, renamed or changed does not open, and ends the epoch. Opened bytes are overwritten
//!   when dropped. File names show peers, kinds, numbers and sizes to who reads the disk. The journal is not
//!   sealed: who can write to the disk can set back anything here.
//! - **What the peer learns**: the statement, which depends on public shapes of jobs alone as long as its callers see to
//!   that. A peer can have the stock of its own pair dropped, or numbers of its epoch skipped; it reaches no other peer's.
//!
//! *Cost*: a put syncs a file and a directory, a claim a directory and the journal once for all of its chunks. A
//! chunk's file has 29 bytes more than the chunk. Reconciling after a start reads every shared chunk once. Memory is one
//! chunk, or the claimed ones, and 100 bytes for each chunk on disk.
//!
//! *Shapes and units*: chunks have 1 byte to 64 MiB; at most 4,096 of a peer in 256 kinds; sizes are bytes of files.
//! `PEER/EPOCH/KIND-NUMBER.ready` in the store's directory, the number with 20 digits. Calls block on the disk: make them
//! off the reactor.

mod error;
mod kind;
mod ledger;
pub(crate) mod reserve;
mod shelf;
mod statement;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod work;

pub use error::OfflineError;
pub use kind::{Kind, MAX_KIND_CHARS};
pub use statement::{Doubt, Epoch, Statement, Stock, Verdict};
pub use store::{CorrelationStore, Limits, MAX_CHUNK_BYTES, MAX_CHUNKS, MAX_KINDS};
