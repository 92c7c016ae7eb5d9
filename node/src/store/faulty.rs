//! A store whose disk fills up, for tests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio_util::sync::CancellationToken;

use super::{Batch, Entry, MemoryStore, Store, StoreError, TreeName};

/// A store that fails in one of the two ways of a full disk: it refuses every write after a number of them, and
/// everything of a refused batch; or a flush fails, and it has stopped.
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    /// What is on the disk for certain.
    flushed: Mutex<MemoryStore>,
    writes_left: AtomicI64,
    flushes_left: AtomicI64,
    stopped: CancellationToken,
}

impl FaultyStore {
    /// A store with room for `writes` batches.
    pub(crate) fn with_room_for(writes: i64) -> Self {
        Self::new(writes, i64::MAX)
    }

    /// A store whose disk takes `flushes` flushes and stops at the next.
    pub(crate) fn stopping_after(flushes: i64) -> Self {
        Self::new(i64::MAX, flushes)
    }

    fn new(writes: i64, flushes: i64) -> Self {
        Self {
            inner: MemoryStore::new(),
            flushed: Mutex::default(),
            writes_left: AtomicI64::new(writes),
            flushes_left: AtomicI64::new(flushes),
            stopped: CancellationToken::new(),
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        self.writes_left.store(i64::MAX, Ordering::SeqCst);
    }

    /// What a restart may find after a flush that failed: all that was written, or all but what that flush was for.
    pub(crate) fn after_restart(&self) -> [MemoryStore; 2] {
        [self.inner.copy(), self.flushed.lock().expect("no panic under it").copy()]
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.stopped.is_cancelled() {
            return Err(StoreError::Stopped { full: true, cause: "the test's disk is full".into() });
        }
        Ok(())
    }
}

impl Store for FaultyStore {
    fn get(&self, tree: TreeName, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        self.inner.get(tree, key)
    }

    fn scan(&self, tree: TreeName, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.check()?;
        self.inner.scan(tree, from, to, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        self.check()?;
        if self.writes_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(StoreError::Full);
        }
        self.inner.apply(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.check()?;
        if self.flushes_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.stopped.cancel();
            return Err(StoreError::Full);
        }
        *self.flushed.lock().expect("no panic under it") = self.inner.copy();
        Ok(())
    }

    fn while_still(&self, read: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.check()?;
        self.inner.while_still(read)
    }

    fn stopped(&self) -> CancellationToken {
        self.stopped.clone()
    }
}
