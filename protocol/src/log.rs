//! The hash-chained log of a node: everything that left it, and why.
//!
//! *Source*: CHK-811.
//! *Security*: each entry holds the digest of the one before, so whoever knows a head notices any edit before it. A node
//! could rewrite its whole log; that peers hold its head (in hellos and receipts) makes that visible to them. An export
//! ends with the head signed by the node's key, so that a file can be checked without the node.
//! Bodies hold no cell values and no constants of others.
//! *Shapes and units*: times are Unix seconds, sequence numbers start at 1, a body has at most [`MAX_BODY_BYTES`].

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::Code;
use crate::canonical::{Digest, digest};
use crate::codec::wire;
use crate::identity::{Identity, PeerId, Signature};
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
    /// A token of the API was issued or revoked, or their key was renewed.
    Access,
    /// The operator did something to the node itself, such as a backup or a restore.
    Operation,
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
    /// A line of an exported log is no entry.
    #[error("line {line} of the export is no entry of a log; the last good entry is {sequence}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// The last entry before it.
        sequence: u64,
    },
    /// An exported log does not end with its signed head.
    #[error("the export breaks off after entry {sequence}: its signed head is missing")]
    Unsigned {
        /// The last entry.
        sequence: u64,
    },
    /// The head was not signed by the node that it names.
    #[error("the head at entry {sequence} is not signed by the node that it names")]
    Signature {
        /// The last entry.
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

/// The head of a log, signed by its node: the last line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// The number and digest of the last entry.
    pub head: LogHead,
    /// The node.
    pub node: PeerId,
    /// When it was exported, Unix seconds.
    pub time: u64,
    /// The node's signature over all of this.
    pub signature: Signature,
}

/// The label under which heads are hashed and signed.
const HEAD_LABEL: &str = "tacit/log/head/1";

impl SignedHead {
    /// Signs the head of a node's log.
    pub fn new(head: LogHead, time: u64, identity: &Identity) -> Self {
        let node = identity.peer();
        Self { head, node, time, signature: identity.sign(HEAD_LABEL, &Self::digest(&head, &node, time)) }
    }

    fn digest(head: &LogHead, node: &PeerId, time: u64) -> Digest {
        digest(HEAD_LABEL, &(head, node, time))
    }

    /// Whether the node that it names signed it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.node.verify(HEAD_LABEL, &Self::digest(&self.head, &self.node, self.time), &self.signature)
    }
}

/// The check of an exported log, line by line: entries from the first on, then the signed head (CHK-811).
#[derive(Clone, Debug)]
pub struct ExportCheck {
    lines: u64,
    head: LogHead,
    signed: Option<SignedHead>,
}

impl Default for ExportCheck {
    fn default() -> Self {
        Self { lines: 0, head: EMPTY, signed: None }
    }
}

impl ExportCheck {
    /// Takes the next line.
    ///
    /// # Errors
    /// `LOG_CHAIN` at the first line that does not follow.
    pub fn line(&mut self, line: &str) -> Result<(), LogError> {
        self.lines += 1;
        let bad = LogError::Line { line: self.lines, sequence: self.head.sequence };
        if self.signed.is_some() {
            return Err(bad);
        }
        if let Ok(signed) = serde_json::from_str::<SignedHead>(line) {
            if signed.head != self.head {
                return Err(LogError::Head { sequence: self.head.sequence });
            }
            if !signed.is_signed() {
                return Err(LogError::Signature { sequence: self.head.sequence });
            }
            self.signed = Some(signed);
            return Ok(());
        }
        let entry: LogEntry = serde_json::from_str(line).map_err(|_| bad)?;
        entry.check_follows(&self.head)?;
        self.head = entry.head();
        Ok(())
    }

    /// Ends the check; the signed head of a log that is whole.
    ///
    /// # Errors
    /// `LOG_CHAIN` if the head is missing.
    pub fn finish(self) -> Result<SignedHead, LogError> {
        self.signed.ok_or(LogError::Unsigned { sequence: self.head.sequence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, any_digest};

    fn export(entries: &[LogEntry], head: &SignedHead) -> Vec<String> {
        let lines = entries.iter().map(|entry| serde_json::to_string(entry).expect("JSON"));
        lines.chain([serde_json::to_string(head).expect("JSON")]).collect()
    }

    fn checked(lines: &[String]) -> Result<SignedHead, LogError> {
        let mut check = ExportCheck::default();
        lines.iter().try_for_each(|line| check.line(line))?;
        check.finish()
    }

    #[test]
    fn an_export_is_whole_and_signed_or_names_its_first_bad_entry_chk_811() {
        let (entries, identity) = (log(), Identity::from_seed(&[5; 32]));
        let head = SignedHead::new(entries[3].head(), NOW, &identity);
        let good = export(&entries, &head);
        assert_eq!(checked(&good), Ok(head.clone()));
        assert!(checked(&export(&[], &SignedHead::new(EMPTY, NOW, &identity))).is_ok(), "an empty log");

        let edited = |edit: &dyn Fn(&mut Vec<String>)| {
            let mut lines = good.clone();
            edit(&mut lines);
            checked(&lines).expect_err("a refusal")
        };
        let sequence = |sequence| LogError::Chain { sequence };
        assert_eq!(edited(&|lines| lines[1] = lines[1].replace("peer", "job")), sequence(3));
        assert_eq!(edited(&|lines| drop(lines.remove(1))), LogError::Sequence { expected: 2, found: 3 });
        assert_eq!(edited(&|lines| lines[2] = "{}".into()), LogError::Line { line: 3, sequence: 2 });
        assert_eq!(edited(&|lines| drop(lines.remove(3))), LogError::Head { sequence: 3 });
        assert_eq!(edited(&|lines| drop(lines.pop())), LogError::Unsigned { sequence: 4 });
        assert_eq!(edited(&|lines| lines.push(lines[0].clone())), LogError::Line { line: 6, sequence: 4 });
        // A shorter log whose head another key signed in the node's name.
        let mut forged = SignedHead::new(entries[1].head(), NOW, &Identity::from_seed(&[6; 32]));
        forged.node = identity.peer();
        assert_eq!(checked(&export(&entries[..2], &forged)), Err(LogError::Signature { sequence: 2 }));
        let later = SignedHead { time: NOW + 1, ..head };
        assert_eq!(checked(&export(&entries, &later)), Err(LogError::Signature { sequence: 4 }));
    }

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
