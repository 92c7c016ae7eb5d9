//! The hash-chained log of a node: everything that left it, and why.
//!
//! *Source*: CHK-811.
//! *Security*: each entry holds the digest of the one before, so whoever knows a head notices any edit before it. A node
//! could rewrite its whole log; that peers hold its head (in hellos and receipts) makes that visible to them.
//! Bodies hold no cell values and no constants of others.
//! *Shapes and units*: times are Unix seconds, sequence numbers start at 1, a body has at most [`MAX_BODY_BYTES`].

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::Code;
use crate::canonical::{Digest, digest};
use crate::codec::wire;
use crate::messages::LogHead;

/// The most bytes of an entry's body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// The node was set up.
    Created,
    /// A peer was invited, paired or revoked.
    Peer,
    /// A dataset was imported, changed or removed.
    Dataset,
    /// A policy changed.
    Policy,
    /// A proposal came or went.
    Proposal,
    /// An operator approved or refused.
    Approval,
    /// A contract was signed.
    Contract,
    /// A job changed its state.
    Job,
    /// Shares of outputs left.
    Release,
    /// A receipt was signed or settled.
    Receipt,
    /// A check on a peer's message failed.
    Rejected,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// Its number, from 1.
    pub sequence: u64,
    /// The digest of the entry before; of the first, zeros.
    pub previous: Digest,
    /// When.
    pub time: u64,
    /// What it is about.
    pub kind: LogKind,
    /// The particulars, as one JSON text.
    pub body: String,
}

wire!(LogEntry, MAX_BODY_BYTES + 1024);

/// The digest before the first entry.
pub const GENESIS: Digest = Digest::from_bytes([0; 32]);

/// The head of a log without entries.
pub const EMPTY: LogHead = LogHead { sequence: 0, digest: GENESIS };

/// Why a log is not what its head says. The code is `LOG_CHAIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// An entry has another number than it should.
    #[error("entry {found} stands where entry {expected} should")]
    Sequence {
        /// The number that should be there.
        expected: u64,
        /// The number that is.
        found: u64,
    },
    /// An entry does not follow from the one before.
    #[error("entry {sequence} does not follow from the one before")]
    Chain {
        /// Which.
        sequence: u64,
    },
    /// An entry's body is too large.
    #[error("the body of entry {sequence} has more than {MAX_BODY_BYTES} bytes")]
    TooBig {
        /// Which.
        sequence: u64,
    },
    /// The last entry is not the head that was promised.
    #[error("the log ends at entry {sequence}, which is not its head")]
    Head {
        /// The last number.
        sequence: u64,
    },
}

impl LogError {
    /// Its stable code.
    pub fn code(&self) -> Code {
        Code::new("LOG_CHAIN")
    }
}

impl LogEntry {
    /// The entry that follows a head.
    ///
    /// # Errors
    /// The body is too large, or the log is full.
    pub fn after(head: &LogHead, time: u64, kind: LogKind, body: String) -> Result<Self, LogError> {
        let sequence =
            head.sequence.checked_add(1).ok_or(LogError::Sequence { expected: u64::MAX, found: head.sequence })?;
        if body.len() > MAX_BODY_BYTES {
            return Err(LogError::TooBig { sequence });
        }
        Ok(Self { sequence, previous: head.digest, time, kind, body })
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        digest("tacit/log/1", self)
    }

    /// The head of a log that ends with it.
    pub fn head(&self) -> LogHead {
        LogHead { sequence: self.sequence, digest: self.digest() }
    }

    /// Whether it follows a head (CHK-811).
    ///
    /// # Errors
    /// `LOG_CHAIN`.
    pub fn check_follows(&self, head: &LogHead) -> Result<(), LogError> {
        let expected = head.sequence.saturating_add(1);
        if self.sequence != expected {
            return Err(LogError::Sequence { expected, found: self.sequence });
        }
        if self.previous != head.digest {
            return Err(LogError::Chain { sequence: self.sequence });
        }
        if self.body.len() > MAX_BODY_BYTES {
            return Err(LogError::TooBig { sequence: self.sequence });
        }
        Ok(())
    }
}

/// Whether entries form a chain from `start` (CHK-811); gives the head at its end, to compare with a known one.
///
/// # Errors
/// `LOG_CHAIN` at the first entry that does not follow.
pub fn verify_chain<'a>(start: &LogHead, entries: impl IntoIterator<Item = &'a LogEntry>) -> Result<LogHead, LogError> {
    entries.into_iter().try_fold(*start, |head, entry| {
        entry.check_follows(&head)?;
        Ok(entry.head())
    })
}

/// Whether entries form a whole log that ends at a known head (CHK-811).
///
/// # Errors
/// `LOG_CHAIN`.
pub fn verify_log<'a>(head: &LogHead, entries: impl IntoIterator<Item = &'a LogEntry>) -> Result<(), LogError> {
    let end = verify_chain(&EMPTY, entries)?;
    if end == *head { Ok(()) } else { Err(LogError::Head { sequence: end.sequence }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, any_digest};

    fn log() -> Vec<LogEntry> {
        let mut entries: Vec<LogEntry> = Vec::new();
        for kind in [LogKind::Created, LogKind::Peer, LogKind::Job, LogKind::Receipt] {
            let head = entries.last().map_or(EMPTY, LogEntry::head);
            let body = format!(r#"{{"n":{}}}"#, entries.len());
            entries.push(LogEntry::after(&head, NOW, kind, body).expect("an entry"));
        }
        entries
    }

    #[test]
    fn a_whole_log_ends_at_its_head_chk_811() {
        let entries = log();
        let head = entries[3].head();
        assert_eq!(head.sequence, 4);
        assert_eq!(verify_log(&head, &entries), Ok(()));
        assert_eq!(verify_log(&EMPTY, &[]), Ok(()));
        assert_eq!(verify_chain(&entries[1].head(), &entries[2..]), Ok(head));
    }

    #[test]
    fn any_edit_is_noticed_chk_811() {
        let head = log()[3].head();
        type Edit = fn(&mut Vec<LogEntry>);
        let edits: [(Edit, LogError); 8] = [
            (|log| log[1].body.push(' '), LogError::Chain { sequence: 3 }),
            (|log| log[1].time += 1, LogError::Chain { sequence: 3 }),
            (|log| log[1].kind = LogKind::Policy, LogError::Chain { sequence: 3 }),
            (|log| log[0].previous = any_digest(), LogError::Chain { sequence: 1 }),
            (|log| drop(log.remove(1)), LogError::Sequence { expected: 2, found: 3 }),
            (|log| log.swap(1, 2), LogError::Sequence { expected: 2, found: 3 }),
            (|log| drop(log.pop()), LogError::Head { sequence: 3 }),
            (|log| log[3].body.clear(), LogError::Head { sequence: 4 }),
        ];
        for (place, (edit, error)) in edits.into_iter().enumerate() {
            let mut entries = log();
            edit(&mut entries);
            assert_eq!(verify_log(&head, &entries), Err(error), "edit {place}");
            assert_eq!(error.code().as_str(), "LOG_CHAIN");
        }
    }

    #[test]
    fn entries_are_bounded() {
        let body = "x".repeat(MAX_BODY_BYTES + 1);
        assert_eq!(LogEntry::after(&EMPTY, NOW, LogKind::Job, body), Err(LogError::TooBig { sequence: 1 }));
        let full = LogHead { sequence: u64::MAX, digest: GENESIS };
        assert!(LogEntry::after(&full, NOW, LogKind::Job, String::new()).is_err());
        let largest = "x".repeat(MAX_BODY_BYTES);
        let entry = LogEntry::after(&EMPTY, NOW, LogKind::Job, largest).expect("an entry");
        assert!(crate::codec::encode(&entry).is_ok());
    }
}
