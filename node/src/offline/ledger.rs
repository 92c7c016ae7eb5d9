//! What may not regress: the live epoch of each peer and the highest numbers claimed in it.
//!
//! A [`Journal`] in the store's directory. Its first entry is the mark of the lock file that lay beside it: a journal
//! that lies beside another one was copied, and nothing in it counts.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode};
use tacit_protocol::PeerId;

use super::{Epoch, Kind, OfflineError};
use crate::store::{Journal, JournalStart, Record, StoreError};

/// The journal's name.
const FILE: &str = "claims.journal";
/// What the next journal is called until it is whole.
const FRESH: &str = "claims.journal.new";
/// From this length on, in bytes, a journal is written anew with what counts.
const LONG_BYTES: u64 = 1 << 20;

/// What tells a lock file from a copy of it: its inode, and the time of its last change, which no program can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Mark {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Mark {
    pub(super) fn of(lock: &Metadata) -> Self {
        Self { inode: lock.ino(), seconds: lock.ctime(), nanoseconds: lock.ctime_nsec() }
    }
}

/// An epoch with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) epoch: Epoch,
    /// The highest number claimed, of each kind of which one was.
    pub(super) claimed: BTreeMap<Kind, u64>,
}

#[derive(Encode, Decode)]
enum Entry {
    Beside(Mark),
    Began { peer: PeerId, epoch: Epoch },
    Claimed { peer: PeerId, kind: Kind, number: u64 },
    Dropped { peer: PeerId },
}

impl Record for Entry {
    const NAME: &'static str = "correlation journal";
    const VERSION: u8 = 1;
}

/// The open journal and what it says.
pub(super) struct Ledger {
    root: PathBuf,
    mark: Mark,
    journal: Journal,
    bytes: u64,
    pages: BTreeMap<PeerId, Page>,
    /// The failure after which it is not known what is on the disk.
    stopped: Option<String>,
    /// From this length on, in bytes, the journal is written anew.
    long_bytes: u64,
}

impl Ledger {
    /// Opens the journal of a directory, whose lock the caller holds. One that is damaged, was copied, or is of another
    /// version counts for nothing, and a new one is begun: it is known then that something may be missing.
    pub(super) fn open(root: &Path, mark: Mark) -> Result<Self, OfflineError> {
        let path = root.join(FILE);
        let new = !path.exists();
        let read = Journal::open(&path).and_then(|start| Ok((replay(&start.entries)?, start)));
        let (pages, start) = match read {
            Ok(((Some(found), pages), start)) if found == mark => (pages, Some(start)),
            Ok(_) if new => (BTreeMap::new(), None),
            Ok(_) => {
                tracing::warn!(path = %root.display(), code = "CORRELATION_EPOCH", "stored correlations were copied; they are dropped");
                (BTreeMap::new(), None)
            }
            Err(error @ (StoreError::Corrupt(_) | StoreError::Version { .. })) => {
                tracing::warn!(path = %path.display(), code = %error.code(), %error, "stored correlations are dropped");
                (BTreeMap::new(), None)
            }
            Err(error) => return Err(OfflineError::journal(&path, error)),
        };
        if let Some(JournalStart { journal, .. }) = start {
            let bytes = fs::metadata(&path).map_err(|error| OfflineError::io(&path, "read", error))?.len();
            let mut ledger = Self::of(root, mark, journal, pages);
            ledger.bytes = bytes;
            ledger.shorten();
            return Ok(ledger);
        }
        let journal = write(root, mark, &pages)?;
        sync_directory(root)?;
        Ok(Self::of(root, mark, journal, pages))
    }

    fn of(root: &Path, mark: Mark, journal: Journal, pages: BTreeMap<PeerId, Page>) -> Self {
        Self { root: root.into(), mark, journal, bytes: 0, pages, stopped: None, long_bytes: LONG_BYTES }
    }

    /// The same over another journal, to test one that fails.
    #[cfg(test)]
    pub(super) fn set_journal(&mut self, journal: Journal) {
        self.journal = journal;
    }

    /// Refuses everything once it is not known what is on the disk (decision 15): until the process starts again.
    pub(super) fn check(&self) -> Result<(), OfflineError> {
        self.stopped.clone().map_or(Ok(()), |cause| Err(OfflineError::Stopped { cause }))
    }

    /// Something could not be synced: the first such failure stays.
    pub(super) fn stop(&mut self, error: &OfflineError) {
        if self.stopped.is_none() {
            tracing::error!(code = %error.code(), step = "idle", "the store of correlations stops: {error}");
            self.stopped = Some(error.to_string());
        }
    }

    /// The live epoch with a peer.
    pub(super) fn page(&self, peer: &PeerId) -> Option<&Page> {
        self.pages.get(peer)
    }

    /// The highest number of a kind that was claimed in the live epoch with a peer.
    pub(super) fn highest(&self, peer: &PeerId, kind: &Kind) -> Option<u64> {
        self.page(peer)?.claimed.get(kind).copied()
    }

    /// All live epochs.
    pub(super) fn pages(&self) -> impl Iterator<Item = (&PeerId, &Page)> {
        self.pages.iter()
    }

    /// An epoch begins, and with it all numbers. On disk when it returns, as with all changes.
    pub(super) fn began(&mut self, peer: PeerId, epoch: Epoch) -> Result<(), OfflineError> {
        self.append(&Entry::Began { peer, epoch })
    }

    /// Numbers up to this one are claimed.
    pub(super) fn claimed(&mut self, peer: PeerId, kind: &Kind, number: u64) -> Result<(), OfflineError> {
        self.append(&Entry::Claimed { peer, kind: kind.clone(), number })
    }

    /// There is no epoch with a peer any more.
    pub(super) fn dropped(&mut self, peer: PeerId) -> Result<(), OfflineError> {
        self.append(&Entry::Dropped { peer })
    }

    fn append(&mut self, entry: &Entry) -> Result<(), OfflineError> {
        self.check()?;
        let bytes = entry.to_bytes();
        self.journal.append(&bytes).map_err(|error| OfflineError::journal(&self.root.join(FILE), error))?;
        self.bytes += bytes.len() as u64;
        apply(&mut self.pages, entry);
        self.shorten();
        Ok(())
    }

    /// Writes what counts of a long journal to a new one, which takes the place of the old one. Where that fails, the old
    /// one goes on.
    fn shorten(&mut self) {
        if self.bytes <= self.long_bytes {
            return;
        }
        self.bytes = 0;
        match write(&self.root, self.mark, &self.pages) {
            Ok(journal) => {
                self.journal = journal;
                // After a crash either of the two may be there, and only one of them gets what follows.
                if let Err(error) = sync_directory(&self.root) {
                    self.stop(&error);
                }
            }
            Err(error) => tracing::warn!(code = %error.code(), step = "idle", "a long journal stays as it is: {error}"),
        }
    }
}

/// What a journal says, and which lock file it was beside.
fn replay(entries: &[Vec<u8>]) -> Result<(Option<Mark>, BTreeMap<PeerId, Page>), StoreError> {
    let (mut mark, mut pages) = (None, BTreeMap::new());
    for bytes in entries {
        match Entry::from_bytes(bytes)? {
            Entry::Beside(beside) => mark = Some(beside),
            entry => apply(&mut pages, &entry),
        }
    }
    Ok((mark, pages))
}

fn apply(pages: &mut BTreeMap<PeerId, Page>, entry: &Entry) {
    match entry {
        Entry::Beside(_) => {}
        Entry::Began { peer, epoch } => {
            pages.insert(*peer, Page { epoch: *epoch, claimed: BTreeMap::new() });
        }
        Entry::Claimed { peer, kind, number } => {
            if let Some(page) = pages.get_mut(peer) {
                let highest = page.claimed.entry(kind.clone()).or_default();
                *highest = (*number).max(*highest);
            }
        }
        Entry::Dropped { peer } => {
            pages.remove(peer);
        }
    }
}

/// A journal with these pages, in the place of the one that was there. Whatever interrupts it, one of the two is there;
/// the new one for certain once the directory is synced.
fn write(root: &Path, mark: Mark, pages: &BTreeMap<PeerId, Page>) -> Result<Journal, OfflineError> {
    let (path, fresh) = (root.join(FILE), root.join(FRESH));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(OfflineError::io(&fresh, "removed", error));
        }
        _ => {}
    }
    let failed = |error| OfflineError::journal(&fresh, error);
    let mut journal = Journal::open(&fresh).map_err(failed)?.journal;
    let mut append = |entry: Entry| journal.append(&entry.to_bytes()).map_err(failed);
    append(Entry::Beside(mark))?;
    for (&peer, page) in pages {
        append(Entry::Began { peer, epoch: page.epoch })?;
        for (kind, &number) in &page.claimed {
            append(Entry::Claimed { peer, kind: kind.clone(), number })?;
        }
    }
    fs::rename(&fresh, &path).map_err(|error| OfflineError::io(&path, "replaced", error))?;
    Ok(journal)
}

/// Returns once the names in a directory are on the disk.
pub(super) fn sync_directory(path: &Path) -> Result<(), OfflineError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| OfflineError::io(path, "synced", error))
}

#[cfg(test)]
mod tests {
    use tacit_protocol::Identity;

    use super::*;

    const EPOCH: Epoch = Epoch::from_bytes([1; 32]);

    fn mark(root: &Path) -> Mark {
        let lock = root.join("lock");
        if !lock.exists() {
            fs::write(&lock, "").expect("written");
        }
        Mark::of(&fs::metadata(lock).expect("there"))
    }

    fn open(root: &Path) -> Ledger {
        Ledger::open(root, mark(root)).expect("opens")
    }

    #[test]
    fn a_journal_that_became_long_is_written_anew_and_says_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let (root, peer) = (dir.path(), Identity::from_seed(&[1; 32]).peer());
        let mut ledger = open(root);
        ledger.long_bytes = 400;
        ledger.began(peer, EPOCH).expect("written");
        let mut longest = 0;
        for number in 0..40 {
            ledger.claimed(peer, &Kind::BITS, number).expect("written");
            longest = longest.max(fs::metadata(root.join(FILE)).expect("there").len());
            assert_eq!(ledger.page(&peer).expect("live").claimed, BTreeMap::from([(Kind::BITS, number)]));
        }
        assert!(longest < 1_000, "{longest} bytes");
        drop(ledger);
        let claimed = BTreeMap::from([(Kind::BITS, 39)]);
        assert_eq!(open(root).page(&peer), Some(&Page { epoch: EPOCH, claimed }));
    }

    #[test]
    fn what_a_rewriting_that_was_interrupted_left_does_not_count() {
        let dir = tempfile::tempdir().expect("a directory");
        let (root, peer) = (dir.path(), Identity::from_seed(&[1; 32]).peer());
        let gone = Identity::from_seed(&[2; 32]).peer();
        let mut ledger = open(root);
        for peer in [peer, gone] {
            ledger.began(peer, EPOCH).expect("written");
        }
        fs::copy(root.join(FILE), root.join(FRESH)).expect("copied");
        ledger.dropped(gone).expect("written");
        ledger.claimed(peer, &Kind::BITS, 7).expect("written");
        ledger.long_bytes = 0;
        ledger.claimed(peer, &Kind::BITS, 9).expect("written");
        drop(ledger);
        let ledger = open(root);
        assert_eq!(ledger.page(&peer).expect("live").claimed, BTreeMap::from([(Kind::BITS, 9)]));
        assert_eq!(ledger.page(&gone), None);
    }

    #[test]
    fn a_number_that_was_claimed_stays_the_highest() {
        let dir = tempfile::tempdir().expect("a directory");
        let peer = Identity::from_seed(&[1; 32]).peer();
        let mut ledger = open(dir.path());
        ledger.began(peer, EPOCH).expect("written");
        for number in [5, 3] {
            ledger.claimed(peer, &Kind::BITS, number).expect("written");
        }
        assert_eq!(ledger.page(&peer).expect("live").claimed, BTreeMap::from([(Kind::BITS, 5)]));
    }

    #[test]
    fn after_a_sync_that_failed_nothing_is_taken_any_more() {
        let dir = tempfile::tempdir().expect("a directory");
        let peer = Identity::from_seed(&[1; 32]).peer();
        let mut ledger = open(dir.path());
        let cause = std::io::Error::other("the disk is gone");
        ledger.stop(&OfflineError::io(dir.path(), "synced", cause));
        let error = ledger.began(peer, EPOCH).expect_err("a refusal");
        assert_eq!(error.code().as_str(), "STORE_IO");
        assert!(error.to_string().contains("the disk is gone"), "{error}");
    }
}
