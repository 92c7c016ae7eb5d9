//! The node's log on disk: append-only, hash-chained, each entry on disk before what it announces happens (CHK-811).
//!
//! Entries are frames of a [`Journal`]. All are read and checked when the log is opened, and kept in memory: some
//! hundred bytes each.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tacit_protocol::api::LogCheck;
use tacit_protocol::codec::{self, CodecError};
use tacit_protocol::identity::Identity;
use tacit_protocol::log::{EMPTY, ExportCheck, LogEntry, LogError, LogKind, SignedHead, verify_chain};
use tacit_protocol::messages::LogHead;
use tacit_protocol::{Code, Failure};

use crate::store::{Journal, StoreError};

/// What can go wrong with the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogFailure {
    /// The entries on disk form no chain, or a body is too large.
    #[error("the log: {0}")]
    Chain(#[from] LogError),
    /// An entry on disk is not one.
    #[error("the log: {0}")]
    Entry(#[from] CodecError),
    /// A body cannot be written as JSON.
    #[error("the log: a body is no JSON: {0}")]
    Body(#[from] serde_json::Error),
    /// The log cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LogFailure {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Chain(_) | Self::Entry(_) | Self::Body(_) => Code::new("LOG_CHAIN"),
            Self::Store(error) => error.code(),
        }
    }
}

impl From<LogFailure> for Failure {
    fn from(error: LogFailure) -> Self {
        let next = match &error {
            LogFailure::Store(error) => error.next_step(),
            _ => "Stop the node, keep the file, and compare it with a copy: somebody or something altered the log.",
        };
        Failure::new(error.code(), error.to_string(), next)
    }
}

/// Checks an exported log: sequence, chain and the signature under its head. Needs no node.
///
/// # Errors
/// The code of the first thing that is wrong, with the number of the entry.
pub fn check_export(export: impl BufRead) -> Result<LogCheck, Failure> {
    let refused = |error: LogError| {
        let next = "do not rely on what follows the last good entry; ask the node's operator and compare with a copy.";
        Failure::new(error.code(), error.to_string(), next)
    };
    let mut check = ExportCheck::default();
    for line in export.split(b'\n') {
        let line = line.map_err(|cause| {
            let message = format!("the exported log does not read: {cause}");
            Failure::new(Code::new("LOG_EXPORT"), message, "check the disk and export it again.")
        })?;
        check.line(&String::from_utf8_lossy(&line)).map_err(refused)?;
    }
    let signed = check.finish().map_err(refused)?;
    Ok(LogCheck {
        entries: signed.head.sequence,
        head: signed.head.digest.to_string(),
        node: signed.node.to_string(),
        exported: signed.time,
    })
}

/// Checks the log in a file without opening it for appends: how many entries it has.
///
/// # Errors
/// `LOG_CHAIN`, or it cannot be read.
pub(crate) fn check_file(path: &Path) -> Result<usize, Failure> {
    let bytes = std::fs::read(path).map_err(|cause| LogFailure::from(StoreError::from(cause)))?;
    let (frames, _) = Journal::read_bytes(&bytes)?;
    let entries = frames.iter().map(|bytes| codec::decode::<LogEntry>(bytes)).collect::<Result<Vec<_>, _>>();
    let entries = entries.map_err(LogFailure::from)?;
    verify_chain(&EMPTY, &entries).map_err(LogFailure::from)?;
    Ok(entries.len())
}

/// The log of a node.
pub struct Log {
    state: Mutex<State>,
}

struct State {
    journal: Journal,
    entries: Vec<LogEntry>,
    head: LogHead,
    /// Why the last entry could not be written, if it could not.
    fault: Option<Code>,
}

impl Log {
    /// Opens the log in a file, or begins one there, and checks every entry (CHK-811).
    ///
    /// # Errors
    /// [`LogFailure::Chain`] or [`LogFailure::Entry`] if it was altered, [`LogFailure::Store`].
    pub fn open(path: &Path) -> Result<Self, LogFailure> {
        let start = Journal::open(path)?;
        if start.cut_bytes > 0 {
            tracing::warn!(bytes = start.cut_bytes, "an unfinished log entry was cut off");
        }
        let entries: Vec<LogEntry> =
            start.entries.iter().map(|bytes| codec::decode(bytes)).collect::<Result<_, _>>()?;
        let head = verify_chain(&EMPTY, &entries)?;
        Ok(Self { state: Mutex::new(State { journal: start.journal, entries, head, fault: None }) })
    }

    /// A log that lives as long as the process, for simulations and tests.
    pub fn in_memory() -> Self {
        let state = State { journal: Journal::in_memory(), entries: Vec::new(), head: EMPTY, fault: None };
        Self { state: Mutex::new(state) }
    }

    /// Adds an entry. When it returns, the entry is on disk, and what it announces may happen.
    ///
    /// The body holds no cell values and no constants of others' programs.
    ///
    /// # Errors
    /// The body is too large, or the log cannot be written; then the entry is not in it.
    pub fn append(&self, time: u64, kind: LogKind, body: &impl Serialize) -> Result<LogHead, LogFailure> {
        let body = serde_json::to_string(body)?;
        let mut state = self.lock();
        let entry = LogEntry::after(&state.head, time, kind, body)?;
        let written = state.journal.append(&codec::encode(&entry)?);
        state.fault = written.as_ref().err().map(StoreError::code);
        written?;
        state.head = entry.head();
        state.entries.push(entry);
        Ok(state.head)
    }

    /// The code with which the last entry could not be written; none if it was.
    pub fn fault(&self) -> Option<Code> {
        self.lock().fault.clone()
    }

    /// The number and digest of the last entry.
    pub fn head(&self) -> LogHead {
        self.lock().head
    }

    /// The head that the log had when it ended with an entry: what a peer countersigned then must equal it (CHK-113).
    pub fn head_at(&self, sequence: u64) -> Option<LogHead> {
        if sequence == 0 {
            return Some(EMPTY);
        }
        let place = usize::try_from(sequence - 1).ok()?;
        self.lock().entries.get(place).map(LogEntry::head)
    }

    /// At most `limit` entries after a number, in order.
    pub fn entries_after(&self, sequence: u64, limit: usize) -> Vec<LogEntry> {
        let skipped = usize::try_from(sequence).unwrap_or(usize::MAX);
        self.lock().entries.iter().skip(skipped).take(limit).cloned().collect()
    }

    /// Writes the whole log as JSON lines, and its head at this moment, signed, as the last.
    ///
    /// # Errors
    /// The writer's own.
    pub fn export(&self, identity: &Identity, time: u64, out: &mut dyn Write) -> io::Result<()> {
        const PAGE: usize = 256;
        let end = self.head();
        let mut sequence = 0;
        while sequence < end.sequence {
            // The lock is not held while the writer may block.
            let left = usize::try_from(end.sequence - sequence).unwrap_or(PAGE);
            let page = self.entries_after(sequence, left.min(PAGE));
            for entry in &page {
                serde_json::to_writer(&mut *out, entry)?;
                out.write_all(b"\n")?;
            }
            sequence = page.last().map_or(end.sequence, |last| last.sequence);
        }
        serde_json::to_writer(&mut *out, &SignedHead::new(end, time, identity))?;
        out.write_all(b"\n")?;
        out.flush()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tacit_protocol::log::ExportCheck;

    use super::*;

    fn filled(path: &Path) -> LogHead {
        let log = Log::open(path).expect("opens");
        for job in 1..=3 {
            log.append(1_000 + job, LogKind::Job, &serde_json::json!({ "job": job })).expect("appends");
        }
        log.head()
    }

    #[test]
    fn goes_on_where_it_stopped() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let before = filled(&path);
        assert_eq!(before.sequence, 3);
        let log = Log::open(&path).expect("opens");
        assert_eq!(log.head(), before);
        let after = log.append(2_000, LogKind::Peer, &"paired").expect("appends");
        assert_eq!(after.sequence, 4);
        assert_eq!(log.head_at(3), Some(before));
        assert_eq!(log.head_at(0), Some(EMPTY));
        assert_eq!(log.head_at(5), None);
        assert_eq!(log.entries_after(2, 9).len(), 2);
    }

    #[test]
    fn an_altered_log_does_not_open_chk_811() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        filled(&path);
        // An editor that knows the form of the file replaces an entry, and removes one.
        let entries = Journal::open(&path).expect("opens").entries;
        let mut changed: LogEntry = codec::decode(&entries[1]).expect("an entry");
        changed.time += 1;
        let changed = codec::encode(&changed).expect("encodes");
        let forgeries = [vec![&entries[0], &changed, &entries[2]], vec![&entries[0], &entries[2]]];
        for forgery in forgeries {
            std::fs::remove_file(&path).expect("removes");
            let mut journal = Journal::open(&path).expect("opens").journal;
            forgery.into_iter().for_each(|entry| journal.append(entry).expect("appends"));
            drop(journal);
            assert_eq!(Log::open(&path).err().expect("refused").code().as_str(), "LOG_CHAIN");
        }
    }

    #[test]
    fn an_entry_that_cannot_be_written_is_not_in_the_log() {
        let log = Log::in_memory();
        let head = log.append(1, LogKind::Created, &"x").expect("appends");
        let error = log.append(2, LogKind::Job, &"y".repeat(70_000)).expect_err("too big");
        assert_eq!(error.code().as_str(), "LOG_CHAIN");
        assert_eq!(log.head(), head);
    }

    #[test]
    fn exports_lines_that_verify() {
        let log = Log::in_memory();
        let identity = Identity::from_seed(&[3; 32]);
        // More than a page.
        for job in 0..600 {
            log.append(1_000 + job, LogKind::Job, &serde_json::json!({ "job": job })).expect("appends");
        }
        let mut out = Vec::new();
        log.export(&identity, 2_000, &mut out).expect("exports");
        let mut check = ExportCheck::default();
        String::from_utf8(out).expect("text").lines().try_for_each(|line| check.line(line)).expect("a chain");
        let signed = check.finish().expect("a head");
        assert_eq!((signed.head, signed.node), (log.head(), identity.peer()));
    }
}
