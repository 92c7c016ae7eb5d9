//! A store whose disk fills up, for tests.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{Batch, Entry, MemoryStore, Store, StoreError, TreeName};

/// A store that refuses every write after a number of them, and everything of a refused batch.
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    writes_left: AtomicI64,
}

impl FaultyStore {
    /// A store with room for `writes` batches.
    pub(crate) fn with_room_for(writes: i64) -> Self {
        Self { inner: MemoryStore::new(), writes_left: AtomicI64::new(writes) }
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        self.writes_left.store(i64::MAX, Ordering::SeqCst);
    }
}

impl Store for FaultyStore {
    fn get(&self, tree: TreeName, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(tree, key)
    }

    fn scan(&self, tree: TreeName, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.scan(tree, from, to, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        if self.writes_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(StoreError::Full);
        }
        self.inner.apply(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        if self.writes_left.load(Ordering::SeqCst) <= 0 { Err(StoreError::Full) } else { Ok(()) }
    }
}
