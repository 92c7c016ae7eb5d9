//! The store itself: who may put and claim what, and what is dropped when.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::CryptoRng;
use tacit_protocol::PeerId;
use zeroize::Zeroizing;

use super::ledger::{Ledger, Mark, sync_directory};
use super::shelf::{Held, Shelf, State, Step, Steps, associated, remove_all};
use super::{Doubt, Epoch, Kind, OfflineError, Statement, Stock, Verdict};
use crate::keys::{NodeKey, SEAL_OVERHEAD_BYTES, Sealer};
use crate::store::lock::try_lock;

/// The most bytes of a chunk.
pub const MAX_CHUNK_BYTES: usize = 64 << 20;
/// The most chunks of a peer, so that a statement fits its message.
pub const MAX_CHUNKS: usize = 4096;
/// The most kinds of a peer in an epoch.
pub const MAX_KINDS: usize = 256;

/// What backup programs look for: they leave the directory out.
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# Correlations must not be restored from a backup.\n";

/// How much may be kept, in bytes of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For each peer: 1 GiB by default, some 40 million products of 64-bit words.
    pub peer_bytes: u64,
    /// For all peers together: 8 GiB by default.
    pub total_bytes: u64,
    /// What is left free on the disk: 256 MiB by default, more than the node's store needs, which stops the node where
    /// the disk ends.
    pub free_bytes: u64,
}

impl Limits {
    /// The limits with another one for each peer, and eight times that in all.
    pub fn of_peer(peer_bytes: u64) -> Self {
        Self { peer_bytes, total_bytes: peer_bytes.saturating_mul(8), free_bytes: 256 << 20 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_peer(1 << 30)
    }
}

/// The store of correlations of a node. The module's documentation has the order of calls and what is secure about it.
pub struct CorrelationStore {
    root: PathBuf,
    limits: Limits,
    sealer: Sealer,
    rng: Mutex<Box<dyn CryptoRng + Send>>,
    /// Locked after a shelf, never before one.
    ledger: Mutex<Ledger>,
    shelves: Mutex<BTreeMap<PeerId, Arc<Mutex<Shelf>>>>,
    /// The bytes of all files.
    total: AtomicU64,
    /// Held as long as the store is open.
    _lock: File,
}

impl CorrelationStore {
    /// Opens the store in a directory of its own, or makes one there. Spent and temporary files are removed unread, and so
    /// is everything that no live epoch has. No chunk can be claimed before its peer has confirmed the epoch.
    ///
    /// # Errors
    /// [`OfflineError::Locked`] if a process has it open, [`OfflineError::Full`], [`OfflineError::Io`]. A node does without
    /// the store then. Damage is no error: what is in doubt is dropped.
    pub fn open(
        root: &Path,
        key: &NodeKey,
        limits: Limits,
        rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, OfflineError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(root);
        made.map_err(|error| OfflineError::io(root, "made", error))?;
        let (lock, mark) = lock_directory(root)?;
        // A hint to other programs; the store does not need it.
        drop(fs::write(root.join("CACHEDIR.TAG"), TAG));
        let mut ledger = Ledger::open(root, mark)?;
        let shelves = load(root, &mut ledger)?;
        let total = shelves.values().map(Shelf::bytes).sum();
        let shelves = shelves.into_iter().map(|(peer, shelf)| (peer, Arc::new(Mutex::new(shelf)))).collect();
        Ok(Self {
            root: root.into(),
            limits,
            sealer: key.sealer("correlation"),
            rng: Mutex::new(rng),
            ledger: Mutex::new(ledger),
            shelves: Mutex::new(shelves),
            total: AtomicU64::new(total),
            _lock: lock,
        })
    }

    /// What this node holds with a peer, for that peer.
    pub fn statement(&self, peer: &PeerId) -> Statement {
        self.shelf(peer).map(|shelf| self.statement_of(&lock(&shelf))).unwrap_or_default()
    }

    /// Compares with what the peer says of itself (CHK-603). What only one side holds is removed, and the epoch is confirmed
    /// until the connection ends; or, in any doubt, everything of the peer is removed. Both sides come to the same unless
    /// a file does not open on one of them: that one has no epoch then, which the other learns when they agree on one.
    ///
    /// # Errors
    /// The disk. Nothing can be claimed then.
    pub fn reconcile(&self, peer: &PeerId, theirs: &Statement) -> Result<Verdict, OfflineError> {
        let Some(shelf) = self.shelf(peer) else {
            return Ok(Verdict::BeginAnew(Doubt::Epoch { ours: None, theirs: theirs.epoch }));
        };
        let mut shelf = lock(&shelf);
        shelf.confirmed = false;
        let ours = self.statement_of(&shelf);
        match ours.shared_with(theirs).and_then(|stock| self.check_files(&mut shelf, stock)) {
            Ok(stock) => {
                self.keep(&mut shelf, &stock)?;
                shelf.confirmed = true;
                Ok(Verdict::Keep(stock))
            }
            Err(doubt) => {
                if !matches!(doubt, Doubt::Epoch { ours: None, .. }) {
                    tracing::warn!(%peer, step = "idle", code = "CORRELATION_EPOCH", "stored correlations are dropped: {doubt}");
                }
                self.drop_shelf(&mut shelf)?;
                Ok(Verdict::BeginAnew(doubt))
            }
        }
    }

    /// Begins an epoch that both peers agreed on. Everything of the one before is removed. Nothing is used of an epoch
    /// whose beginning the peer did not agree to: it is confirmed from here on.
    ///
    /// # Errors
    /// [`OfflineError::Begun`] if it is the live one, and the disk. Nothing can be claimed then.
    pub fn begin(&self, peer: &PeerId, epoch: Epoch) -> Result<(), OfflineError> {
        self.begin_with(peer, epoch, &mut |_| {})
    }

    pub(super) fn begin_with(&self, peer: &PeerId, epoch: Epoch, step: &mut Steps<'_>) -> Result<(), OfflineError> {
        let new = || Arc::new(Mutex::new(Shelf::new(&self.root, *peer)));
        let shelf = lock(&self.shelves).entry(*peer).or_insert_with(new).clone();
        let mut shelf = lock(&shelf);
        shelf.confirmed = false;
        {
            let mut ledger = lock(&self.ledger);
            // CHK-603: numbers start over, so an epoch is begun once.
            if ledger.page(peer).is_some_and(|page| page.epoch == epoch) {
                return Err(OfflineError::Begun { peer: *peer, epoch });
            }
            ledger.began(*peer, epoch)?;
        }
        step(Step::Recorded);
        self.empty(&mut shelf);
        shelf.remove_but(None)?;
        step(Step::Removed);
        shelf.epoch = Some(epoch);
        shelf.confirmed = true;
        Ok(())
    }

    /// Stores a chunk that both peers made under this number. It is on the disk when this returns. A number that was tried
    /// is not tried again, whatever came of it: the peer may hold its half.
    ///
    /// # Errors
    /// [`OfflineError::Epoch`] or [`OfflineError::Unconfirmed`], [`OfflineError::Used`] for a number below the next,
    /// [`OfflineError::Limit`], and [`OfflineError::Full`] or others of the disk. Nothing of the chunk is there then.
    pub fn put(
        &self,
        peer: &PeerId,
        epoch: &Epoch,
        kind: &Kind,
        number: u64,
        chunk: &[u8],
    ) -> Result<(), OfflineError> {
        self.put_with(peer, epoch, kind, number, chunk, &mut |_| {})
    }

    pub(super) fn put_with(
        &self,
        peer: &PeerId,
        epoch: &Epoch,
        kind: &Kind,
        number: u64,
        chunk: &[u8],
        step: &mut Steps<'_>,
    ) -> Result<(), OfflineError> {
        let shelf = self.shelf_of_epoch(peer, epoch)?;
        let mut shelf = lock(&shelf);
        self.check_epoch(&shelf, epoch)?;
        let next = self.next(&shelf, kind);
        // CHK-603: at or below a number that was claimed or tried, nothing is put.
        if number < next || number == u64::MAX {
            return Err(OfflineError::Used { peer: *peer, kind: kind.clone(), number, next });
        }
        let size = (chunk.len() + SEAL_OVERHEAD_BYTES) as u64;
        self.check_limits(&shelf, kind, chunk, size)?;
        self.check_room(size)?;
        self.reserve(peer, size)?;
        shelf.rows.entry(kind.clone()).or_default().untried = number + 1;
        let sealed = {
            let mut rng = lock(&self.rng);
            self.sealer.seal(&associated(peer, epoch, kind, number), chunk, rng.as_mut())
        };
        if let Err(error) = shelf.write(epoch, kind, number, &sealed, step) {
            self.release(size);
            return Err(error);
        }
        shelf.rows.entry(kind.clone()).or_default().ready.insert(number, Held { bytes: size, checked: true });
        Ok(())
    }

    /// Takes chunks for good, in the order of the numbers, which ascend (CHK-603). What is ready below the last of them
    /// and not named is lost. Once both peers have confirmed their claims, the bytes may be used.
    ///
    /// # Errors
    /// [`OfflineError::Epoch`], [`OfflineError::Unconfirmed`], [`OfflineError::Used`] or [`OfflineError::Missing`], and
    /// nothing is changed; [`OfflineError::Full`] or others of the disk before the claim is recorded, and what could be
    /// put back is ready again; [`OfflineError::Sealed`] or others after it, and the chunks are lost, with [`Sealed`]
    /// everything of the peer.
    ///
    /// [`Sealed`]: OfflineError::Sealed
    pub fn claim(
        &self,
        peer: &PeerId,
        epoch: &Epoch,
        kind: &Kind,
        numbers: &[u64],
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, OfflineError> {
        self.claim_with(peer, epoch, kind, numbers, &mut |_| {})
    }

    pub(super) fn claim_with(
        &self,
        peer: &PeerId,
        epoch: &Epoch,
        kind: &Kind,
        numbers: &[u64],
        step: &mut Steps<'_>,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, OfflineError> {
        let shelf = self.shelf_of_epoch(peer, epoch)?;
        let mut shelf = lock(&shelf);
        self.check_epoch(&shelf, epoch)?;
        let Some(&highest) = numbers.last() else { return Ok(Vec::new()) };
        self.check_claim(&shelf, kind, numbers)?;
        self.spend(&mut shelf, epoch, kind, numbers, step)?;

        // From here on the chunks are used, whatever comes.
        let gone: Vec<u64> = match shelf.rows.get(kind) {
            Some(row) => row.ready.range(..=highest).map(|(&number, _)| number).collect(),
            None => Vec::new(),
        };
        for &number in &gone {
            self.release(shelf.take(kind, number));
        }
        let mut opened = Vec::with_capacity(numbers.len());
        let mut read = Ok(());
        for &number in numbers {
            match shelf.read(&self.sealer, epoch, kind, number, State::Spent) {
                Ok(chunk) => opened.push(chunk),
                Err(error) => {
                    read = Err(error);
                    break;
                }
            }
            step(Step::Read);
        }
        for number in gone {
            let state = if numbers.binary_search(&number).is_ok() { State::Spent } else { State::Ready };
            if let Err(error) = remove_all(&shelf.path(epoch, kind, number, state)) {
                tracing::warn!(%peer, step = "idle", code = %error.code(), "a used chunk stays until the next start: {error}");
            }
            step(Step::Removed);
        }
        if let Err(error) = read {
            if matches!(error, OfflineError::Sealed { .. }) {
                tracing::warn!(%peer, step = "idle", code = %error.code(), "stored correlations are dropped: {error}");
                if let Err(left) = self.drop_shelf(&mut shelf) {
                    tracing::warn!(%peer, step = "idle", code = %left.code(), "files stay until the next start: {left}");
                }
            }
            return Err(error);
        }
        Ok(opened)
    }

    /// The connection to a peer is lost: the epoch is to be confirmed anew.
    pub fn disconnected(&self, peer: &PeerId) {
        if let Some(shelf) = self.shelf(peer) {
            lock(&shelf).confirmed = false;
        }
    }

    /// Removes everything of a peer: its pairing ended, or there is a doubt that the caller has.
    ///
    /// # Errors
    /// The disk. Nothing can be claimed then, either.
    pub fn drop_all(&self, peer: &PeerId) -> Result<(), OfflineError> {
        self.shelf(peer).map_or(Ok(()), |shelf| self.drop_shelf(&mut lock(&shelf)))
    }

    /// Removes everything of peers that are not paired any more. Call it when the store was opened.
    ///
    /// # Errors
    /// As [`CorrelationStore::drop_all`], for the first peer that could not be removed.
    pub fn retain_peers(&self, paired: &dyn Fn(&PeerId) -> bool) -> Result<(), OfflineError> {
        let peers: Vec<PeerId> = lock(&self.shelves).keys().copied().collect();
        let others = peers.iter().filter(|peer| !paired(peer));
        others.map(|peer| self.drop_all(peer)).fold(Ok(()), Result::and)
    }

    /// The bytes of each peer's files.
    pub fn usage(&self) -> BTreeMap<PeerId, u64> {
        let shelves: Vec<_> = lock(&self.shelves).iter().map(|(&peer, shelf)| (peer, shelf.clone())).collect();
        shelves.into_iter().map(|(peer, shelf)| (peer, lock(&shelf).bytes())).collect()
    }

    /// The same over another journal, to test one that fails.
    #[cfg(test)]
    pub(super) fn set_journal(&self, journal: crate::store::Journal) {
        lock(&self.ledger).set_journal(journal);
    }

    fn shelf(&self, peer: &PeerId) -> Option<Arc<Mutex<Shelf>>> {
        lock(&self.shelves).get(peer).cloned()
    }

    fn shelf_of_epoch(&self, peer: &PeerId, asked: &Epoch) -> Result<Arc<Mutex<Shelf>>, OfflineError> {
        self.shelf(peer).ok_or(OfflineError::Epoch { peer: *peer, asked: *asked })
    }

    /// CHK-603: the epoch is live, and the peer has confirmed it.
    fn check_epoch(&self, shelf: &Shelf, asked: &Epoch) -> Result<(), OfflineError> {
        lock(&self.ledger).check()?;
        if shelf.epoch.as_ref() != Some(asked) {
            return Err(OfflineError::Epoch { peer: shelf.peer, asked: *asked });
        }
        if shelf.confirmed { Ok(()) } else { Err(OfflineError::Unconfirmed { peer: shelf.peer }) }
    }

    fn statement_of(&self, shelf: &Shelf) -> Statement {
        let Some(epoch) = shelf.epoch else { return Statement::default() };
        let claimed = self.claimed(shelf);
        let kinds: BTreeSet<Kind> = shelf.rows.keys().chain(claimed.keys()).cloned().collect();
        let ready = shelf.rows.iter().filter(|(_, row)| !row.ready.is_empty());
        let ready = ready.map(|(kind, row)| (kind.clone(), row.ready.keys().copied().collect()));
        Statement {
            epoch: Some(epoch),
            ready: ready.collect(),
            next: kinds.into_iter().map(|kind| (kind.clone(), self.next(shelf, &kind))).collect(),
            claimed,
        }
    }

    fn claimed(&self, shelf: &Shelf) -> BTreeMap<Kind, u64> {
        lock(&self.ledger).page(&shelf.peer).map(|page| page.claimed.clone()).unwrap_or_default()
    }

    /// The least number that may still be put.
    fn next(&self, shelf: &Shelf, kind: &Kind) -> u64 {
        let after = |number: Option<u64>| number.map_or(0, |number| number.saturating_add(1));
        let claimed = after(lock(&self.ledger).highest(&shelf.peer, kind));
        let row = shelf.rows.get(kind);
        let ready = after(row.and_then(|row| row.ready.last_key_value()).map(|(&number, _)| number));
        claimed.max(ready).max(row.map_or(0, |row| row.untried))
    }

    fn check_limits(&self, shelf: &Shelf, kind: &Kind, chunk: &[u8], size: u64) -> Result<(), OfflineError> {
        let limit = |what, most, found| Err(OfflineError::Limit { peer: shelf.peer, what, most, found });
        if chunk.is_empty() || chunk.len() > MAX_CHUNK_BYTES {
            return limit("bytes in a chunk", MAX_CHUNK_BYTES as u64, chunk.len() as u64);
        }
        if shelf.chunks() >= MAX_CHUNKS {
            return limit("chunks", MAX_CHUNKS as u64, shelf.chunks() as u64 + 1);
        }
        let mut kinds: BTreeSet<Kind> = self.claimed(shelf).into_keys().collect();
        kinds.extend(shelf.rows.keys().cloned());
        if !kinds.contains(kind) && kinds.len() >= MAX_KINDS {
            return limit("kinds in an epoch", MAX_KINDS as u64, kinds.len() as u64 + 1);
        }
        let bytes = shelf.bytes().saturating_add(size);
        if bytes > self.limits.peer_bytes {
            return limit("bytes a peer", self.limits.peer_bytes, bytes);
        }
        Ok(())
    }

    /// Refuses a write after which less of the disk would be free than others need.
    fn check_room(&self, size: u64) -> Result<(), OfflineError> {
        let disk = rustix::fs::statvfs(&self.root);
        let disk = disk.map_err(|error| OfflineError::io(&self.root, "examined", error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < self.limits.free_bytes.saturating_add(size) {
            return Err(OfflineError::Full { path: self.root.clone() });
        }
        Ok(())
    }

    fn reserve(&self, peer: &PeerId, size: u64) -> Result<(), OfflineError> {
        let most = self.limits.total_bytes;
        let fits = |total: u64| total.checked_add(size).filter(|&total| total <= most);
        match self.total.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits) {
            Ok(_) => Ok(()),
            Err(total) => Err(OfflineError::Limit {
                peer: *peer,
                what: "bytes of all peers",
                most,
                found: total.saturating_add(size),
            }),
        }
    }

    fn release(&self, bytes: u64) {
        self.total.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// CHK-603: the numbers ascend from above all that were claimed, and each is ready.
    fn check_claim(&self, shelf: &Shelf, kind: &Kind, numbers: &[u64]) -> Result<(), OfflineError> {
        let claimed = lock(&self.ledger).highest(&shelf.peer, kind);
        let mut next = claimed.map_or(0, |number| number.saturating_add(1));
        for &number in numbers {
            if number < next {
                return Err(OfflineError::Used { peer: shelf.peer, kind: kind.clone(), number, next });
            }
            if !shelf.rows.get(kind).is_some_and(|row| row.ready.contains_key(&number)) {
                return Err(OfflineError::Missing { peer: shelf.peer, kind: kind.clone(), number });
            }
            next = number.saturating_add(1);
        }
        Ok(())
    }

    /// Marks chunks as spent and writes it down, both on the disk when it returns (CHK-603). Nothing was read by then:
    /// where it fails, they are put back, and those that cannot be are lost.
    fn spend(
        &self,
        shelf: &mut Shelf,
        epoch: &Epoch,
        kind: &Kind,
        numbers: &[u64],
        step: &mut Steps<'_>,
    ) -> Result<(), OfflineError> {
        let mut renamed = Vec::with_capacity(numbers.len());
        let marked = self.mark(shelf, epoch, kind, numbers, &mut renamed, step);
        if marked.is_err() {
            for number in renamed {
                let [ready, spent] = [State::Ready, State::Spent].map(|state| shelf.path(epoch, kind, number, state));
                if fs::rename(&spent, &ready).is_err() {
                    self.release(shelf.take(kind, number));
                }
            }
        }
        marked
    }

    fn mark(
        &self,
        shelf: &Shelf,
        epoch: &Epoch,
        kind: &Kind,
        numbers: &[u64],
        renamed: &mut Vec<u64>,
        step: &mut Steps<'_>,
    ) -> Result<(), OfflineError> {
        for &number in numbers {
            let [ready, spent] = [State::Ready, State::Spent].map(|state| shelf.path(epoch, kind, number, state));
            fs::rename(&ready, &spent).map_err(|error| OfflineError::io(&ready, "claimed", error))?;
            renamed.push(number);
            step(Step::Renamed);
        }
        sync_directory(&shelf.directory(epoch)).inspect_err(|error| lock(&self.ledger).stop(error))?;
        step(Step::DirectorySynced);
        if let Some(&highest) = numbers.last() {
            lock(&self.ledger).claimed(shelf.peer, kind, highest)?;
        }
        step(Step::Recorded);
        Ok(())
    }

    /// Opens each shared chunk that this process neither wrote nor opened before.
    fn check_files(&self, shelf: &mut Shelf, stock: Stock) -> Result<Stock, Doubt> {
        let Some(epoch) = shelf.epoch else { return Ok(stock) };
        for (kind, numbers) in &stock.ready {
            for &number in numbers {
                let held = shelf.rows.get(kind).and_then(|row| row.ready.get(&number));
                if held.is_some_and(|held| held.checked) {
                    continue;
                }
                if let Err(error) = shelf.read(&self.sealer, &epoch, kind, number, State::Ready) {
                    tracing::warn!(peer = %shelf.peer, step = "idle", code = %error.code(), "{error}");
                    return Err(Doubt::Sealed { kind: kind.clone(), number });
                }
                if let Some(held) = shelf.rows.get_mut(kind).and_then(|row| row.ready.get_mut(&number)) {
                    held.checked = true;
                }
            }
        }
        Ok(stock)
    }

    /// Removes what the peer does not hold.
    fn keep(&self, shelf: &mut Shelf, stock: &Stock) -> Result<(), OfflineError> {
        let Some(epoch) = shelf.epoch else { return Ok(()) };
        let mut others = Vec::new();
        for (kind, row) in &mut shelf.rows {
            let shared = stock.ready.get(kind);
            let lost = row.ready.keys().filter(|number| !shared.is_some_and(|shared| shared.contains(number)));
            others.extend(lost.map(|&number| (kind.clone(), number)));
            row.untried = row.untried.max(stock.next.get(kind).copied().unwrap_or(0));
        }
        for (kind, number) in &others {
            remove_all(&shelf.path(&epoch, kind, *number, State::Ready))?;
            self.release(shelf.take(kind, *number));
        }
        if others.is_empty() { Ok(()) } else { sync_directory(&shelf.directory(&epoch)) }
    }

    /// Forgets what a shelf holds. Its files are not touched.
    fn empty(&self, shelf: &mut Shelf) {
        self.release(shelf.bytes());
        shelf.rows.clear();
        shelf.epoch = None;
        shelf.confirmed = false;
    }

    /// Removes everything of a peer and ends its epoch. The files go first, so that there is room for the record.
    fn drop_shelf(&self, shelf: &mut Shelf) -> Result<(), OfflineError> {
        self.empty(shelf);
        let removed = shelf.remove_but(None);
        let mut ledger = lock(&self.ledger);
        let recorded = if ledger.page(&shelf.peer).is_some() { ledger.dropped(shelf.peer) } else { Ok(()) };
        removed.and(recorded)
    }
}

/// What is kept is secret: only where it is is shown.
impl std::fmt::Debug for CorrelationStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CorrelationStore({}, <redacted>)", self.root.display())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes sure that nobody else has the directory open, and says what tells it from a copy.
fn lock_directory(root: &Path) -> Result<(File, Mark), OfflineError> {
    let path = root.join("lock");
    let failed = |error| OfflineError::io(&path, "opened", error);
    let lock = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
    if !try_lock(&lock).map_err(failed)? {
        return Err(OfflineError::Locked { path: root.into() });
    }
    lock.sync_all().map_err(failed)?;
    let mark = Mark::of(&lock.metadata().map_err(failed)?);
    Ok((lock, mark))
}

/// Reads what is there of live epochs and removes everything else of any peer.
fn load(root: &Path, ledger: &mut Ledger) -> Result<BTreeMap<PeerId, Shelf>, OfflineError> {
    let epochs: Vec<(PeerId, Epoch)> = ledger.pages().map(|(&peer, page)| (peer, page.epoch)).collect();
    let mut shelves = BTreeMap::new();
    for (peer, epoch) in epochs {
        let mut shelf = Shelf::new(root, peer);
        shelf.remove_but(Some(&epoch))?;
        shelf.load(epoch, ledger)?;
        shelves.insert(peer, shelf);
    }
    let failed = |error| OfflineError::io(root, "read", error);
    for entry in fs::read_dir(root).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let peer = name.to_str().and_then(|name| name.parse::<PeerId>().ok());
        if peer.is_some_and(|peer| !shelves.contains_key(&peer)) {
            remove_all(&root.join(name))?;
        }
    }
    Ok(shelves)
}
