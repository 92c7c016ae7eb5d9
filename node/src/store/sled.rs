//! The store on disk, in sled 0.34.7.
//!
//! What sled does not do by itself, done here: `flush` ends in an fsync of its files (its own ends in a page-cache
//! write), a damaged snapshot is moved aside and rebuilt from the log, and a panic of sled on a damaged file is an
//! error. A write that fails stops the store: neither sled nor the page cache says what of it is on the disk. So that
//! this does not happen on a disk that merely fills up, the last megabytes are left alone.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use ::sled::transaction::{ConflictableTransactionError, TransactionError, Transactional};
use tokio_util::sync::CancellationToken;

use super::lock::patiently;
use super::{Batch, Entry, Store, StoreError, TreeName};

/// Worst-case memory of sled's page cache.
const CACHE_BYTES: u64 = 128 << 20;

/// Bytes of the disk that are left free. Below that, writes are refused before sled begins them, and go through again
/// once there is room. More than sled and the logs write between two checks: sled's buffers and one segment of its log.
const RESERVED_BYTES: u64 = 32 << 20;

/// How often a flush that waits for the disk looks whether a write has failed.
const FLUSH_LOOKS: Duration = Duration::from_secs(1);

/// Names of sled's snapshot files start with this.
const SNAPSHOT_PREFIX: &str = "snap.";

/// A store in a directory. One process at a time has it open.
pub struct SledStore {
    path: PathBuf,
    db: ::sled::Db,
    trees: Mutex<BTreeMap<TreeName, ::sled::Tree>>,
    /// Files of large values that have reached the disk. They are written once and never changed.
    synced: Mutex<HashSet<OsString>>,
    /// Bytes of the disk that are left free.
    reserved: u64,
    /// The write that failed, and whether for want of room.
    failed: OnceLock<(bool, String)>,
    stopped: CancellationToken,
    /// Read-locked by every write, so that whoever locks it reads what stands still.
    gate: RwLock<()>,
}

impl SledStore {
    /// Opens the store in a directory, or makes one there.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it open, [`StoreError::Corrupt`] if it is damaged beyond its
    /// snapshots, others.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = patiently(|error| matches!(error, StoreError::Locked { .. }), || open_db(path));
        let db = match opened {
            // sled can leave a snapshot that it cannot read after an unclean stop; the log holds everything in it.
            Err(StoreError::Corrupt(cause)) if move_snapshots_aside(path)? > 0 => {
                tracing::warn!(cause, "the store's snapshot was damaged; rebuilding it from the log");
                open_db(path)?
            }
            other => other?,
        };
        Ok(Self {
            path: path.to_owned(),
            db,
            trees: Mutex::default(),
            synced: Mutex::default(),
            reserved: RESERVED_BYTES,
            failed: OnceLock::new(),
            stopped: CancellationToken::new(),
            gate: RwLock::default(),
        })
    }

    /// The names of all trees that are there, whichever version made them.
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    pub(crate) fn tree_names(&self) -> Result<Vec<String>, StoreError> {
        const SLEDS_OWN: &[u8] = b"__sled__default";
        let names = self.on_disk(|| Ok(self.db.tree_names()))?;
        let own = names.iter().filter(|name| name.as_ref() != SLEDS_OWN);
        Ok(own.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    fn writing(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same with another reserve.
    #[cfg(test)]
    pub(crate) fn reserving(mut self, bytes: u64) -> Self {
        self.reserved = bytes;
        self
    }

    /// Works on the store unless it has stopped, and stops it if the disk fails.
    fn on_disk<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some((full, cause)) = self.failed.get() {
            return Err(StoreError::Stopped { full: *full, cause: cause.clone() });
        }
        work().inspect_err(|error| {
            let full = matches!(error, StoreError::Full);
            if full || matches!(error, StoreError::Io(_)) {
                // The first failure stays.
                drop(self.failed.set((full, error.to_string())));
                self.stopped.cancel();
            }
        })
    }

    /// Refuses a write that might meet the end of the disk. Nothing of it has begun then.
    fn check_room(&self) -> Result<(), StoreError> {
        let disk = rustix::fs::statvfs(&self.path).map_err(std::io::Error::from)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < self.reserved { Err(StoreError::Full) } else { Ok(()) }
    }

    fn tree(&self, name: TreeName) -> Result<::sled::Tree, StoreError> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = trees.get(&name) {
            return Ok(tree.clone());
        }
        let tree = self.db.open_tree(name.as_str())?;
        trees.insert(name, tree.clone());
        Ok(tree)
    }

    /// Brings the files of large values to the disk, each once.
    fn sync_blobs(&self) -> Result<(), StoreError> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = self.path.join("blobs");
        let mut present = HashSet::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if !synced.contains(&entry.file_name()) {
                match File::open(entry.path()) {
                    Ok(file) => file.sync_all()?,
                    // Collected since the directory was read.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            present.insert(entry.file_name());
        }
        File::open(&directory)?.sync_all()?;
        *synced = present;
        Ok(())
    }

    /// sled's own flush. One of sled's two ways to fail a write (`exit_reservation` in its `logger.rs`) wakes nobody, and
    /// a flush that waits for that write would wait for ever. A second flush looks before it waits and wakes the first.
    fn flush_sled(&self) -> Result<(), StoreError> {
        std::thread::scope(|scope| {
            let (done, waiting) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                while waiting.recv_timeout(FLUSH_LOOKS) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    drop(self.db.flush_async());
                }
            });
            let flushed = self.db.flush();
            drop(done);
            flushed?;
            Ok(())
        })
    }

    /// A batch as one transaction.
    fn transact(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut names: Vec<TreeName> =
            batch.expectations.iter().map(|e| e.0).chain(batch.writes.iter().map(|w| w.0)).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Ok(());
        }
        let trees = names.iter().map(|&name| self.tree(name)).collect::<Result<Vec<_>, _>>()?;
        let place = |name: &TreeName| names.binary_search(name).expect("every tree of the batch is listed");
        // The closure may run again after a conflict with another transaction: it has no effect but on the trees.
        let result = trees.as_slice().transaction(|trees| {
            for (tree, key, value) in &batch.expectations {
                if trees[place(tree)].get(key)?.as_deref() != value.as_deref() {
                    return Err(ConflictableTransactionError::Abort(tree.as_str()));
                }
            }
            for (tree, key, value) in &batch.writes {
                match value {
                    Some(value) => trees[place(tree)].insert(key.as_slice(), value.as_slice())?,
                    None => trees[place(tree)].remove(key.as_slice())?,
                };
            }
            Ok(())
        });
        result.map_err(|error| match error {
            TransactionError::Abort(tree) => StoreError::Conflict { tree },
            TransactionError::Storage(error) => error.into(),
        })
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if self.failed.get().is_some() {
            // sled would write once more, tree by tree. The process ends, and with it the lock of its files.
            std::mem::forget(self.db.clone());
        }
    }
}

impl Store for SledStore {
    fn get(&self, tree: TreeName, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.on_disk(|| Ok(self.tree(tree)?.get(key)?.map(|value| value.to_vec())))
    }

    fn scan(&self, tree: TreeName, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        self.on_disk(|| {
            let tree = self.tree(tree)?;
            let found = match to {
                Some(to) => tree.range(from..to),
                None => tree.range(from..),
            };
            found.take(limit).map(|entry| entry.map(|(k, v)| (k.to_vec(), v.to_vec())).map_err(Into::into)).collect()
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.writes.iter().any(|(_, _, value)| value.is_some()) {
            self.check_room()?;
        }
        let _writing = self.writing();
        self.on_disk(|| self.transact(batch))
    }

    fn while_still(&self, read: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let _still = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        read()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.on_disk(|| {
            self.flush_sled()?;
            self.sync_blobs()?;
            File::open(self.path.join("db"))?.sync_all()?;
            File::open(&self.path)?.sync_all()?;
            Ok(())
        })
    }

    fn stopped(&self) -> CancellationToken {
        self.stopped.clone()
    }

    fn put(&self, tree: TreeName, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.check_room()?;
        let _writing = self.writing();
        self.on_disk(|| {
            self.tree(tree)?.insert(key, value)?;
            Ok(())
        })
    }

    fn delete(&self, tree: TreeName, key: &[u8]) -> Result<(), StoreError> {
        let _writing = self.writing();
        self.on_disk(|| {
            self.tree(tree)?.remove(key)?;
            Ok(())
        })
    }
}

impl From<::sled::Error> for StoreError {
    fn from(error: ::sled::Error) -> Self {
        match error {
            ::sled::Error::Io(error) => error.into(),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

fn open_db(path: &Path) -> Result<::sled::Db, StoreError> {
    fs::create_dir_all(path)?;
    let config = ::sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
    // sled asserts on some damaged files where it should return an error.
    let opened = catch_unwind(AssertUnwindSafe(|| config.open()))
        .map_err(|_| StoreError::Corrupt("sled gave up on its files".into()))?;
    opened.map_err(|error| match error {
        ::sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
            StoreError::Locked { path: path.to_owned() }
        }
        // A snapshot cut short shows as an end of file.
        ::sled::Error::Io(error)
            if matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData) =>
        {
            StoreError::Corrupt(error.to_string())
        }
        other => other.into(),
    })
}

/// Moves sled's snapshots to a directory beside its log and says how many there were.
fn move_snapshots_aside(path: &Path) -> Result<usize, StoreError> {
    let mut moved = 0;
    let aside = path.join("damaged");
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SNAPSHOT_PREFIX) {
            fs::create_dir_all(&aside)?;
            fs::rename(entry.path(), aside.join(entry.file_name()))?;
            moved += 1;
        }
    }
    Ok(moved)
}
