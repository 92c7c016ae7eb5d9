//! The node's store: named trees of byte keys and values, changed in atomic batches.
//!
//! [`SledStore`] keeps them on disk, [`MemoryStore`] in memory for simulations and tests; both behave alike. What may
//! never regress, even after a power cut or the restore of an old copy of the store, goes to a [`Journal`] as well.

mod error;
#[cfg(test)]
pub(crate) mod faulty;
mod journal;
pub(crate) mod lock;
mod memory;
mod record;
mod sled;
pub(crate) mod trees;

use tokio_util::sync::CancellationToken;

pub use error::StoreError;
pub use journal::{Journal, JournalFile, JournalStart};
pub use memory::MemoryStore;
pub use record::{Record, RecordTree};
pub use sled::SledStore;

/// The name of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeName(&'static str);

impl TreeName {
    /// A name. Each module declares its trees as constants.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// What a walk over a tree does with each key and value.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

/// Named trees of byte keys and values.
///
/// All calls block on the disk: call them off the reactor.
pub trait Store: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&self, tree: TreeName, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` entries with `from <= key` and, if given, `key < to`, in the order of keys.
    ///
    /// # Errors
    /// The store cannot be read.
    fn scan(&self, tree: TreeName, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Makes all changes of a batch, or none if an expectation of it does not hold or the store cannot be written.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an expectation does not hold, [`StoreError::Full`] if the disk is full, others.
    fn apply(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Returns once everything written before has reached the disk, so that it survives a power cut.
    ///
    /// # Errors
    /// The store cannot be written. It has stopped then: what was written since the last flush may be on the disk or
    /// not, so nothing is read or written any more, with [`StoreError::Stopped`], until the process starts again.
    fn flush(&self) -> Result<(), StoreError>;

    /// Does some reading while nothing is written: what is read is as it was at one moment.
    ///
    /// # Errors
    /// The reading's own.
    fn while_still(&self, read: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// Is cancelled when the store has stopped after a write that failed.
    fn stopped(&self) -> CancellationToken {
        CancellationToken::new()
    }

    /// Sets one value.
    ///
    /// # Errors
    /// As [`Store::apply`].
    fn put(&self, tree: TreeName, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.apply(&Batch::new().put(tree, key, value))
    }

    /// Removes one value; no error if there is none.
    ///
    /// # Errors
    /// As [`Store::apply`].
    fn delete(&self, tree: TreeName, key: &[u8]) -> Result<(), StoreError> {
        self.apply(&Batch::new().delete(tree, key))
    }

    /// Visits every entry whose key starts with `prefix`, in order. Entries changed meanwhile may be seen old or new.
    ///
    /// # Errors
    /// The store cannot be read, or the visitor's own error.
    fn for_each(&self, tree: TreeName, prefix: &[u8], visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        const PAGE: usize = 32;
        let end = prefix_end(prefix);
        let mut from = prefix.to_vec();
        loop {
            let page = self.scan(tree, &from, end.as_deref(), PAGE)?;
            for (key, value) in &page {
                visit(key, value)?;
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => from = successor(key),
                _ => return Ok(()),
            }
        }
    }
}

/// Changes that happen together or not at all, and what must hold for them to happen.
#[derive(Clone, Default)]
pub struct Batch {
    pub(crate) expectations: Vec<(TreeName, Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) writes: Vec<(TreeName, Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value.
    #[must_use]
    pub fn put(mut self, tree: TreeName, key: &[u8], value: &[u8]) -> Self {
        self.writes.push((tree, key.to_vec(), Some(value.to_vec())));
        self
    }

    /// Removes a value.
    #[must_use]
    pub fn delete(mut self, tree: TreeName, key: &[u8]) -> Self {
        self.writes.push((tree, key.to_vec(), None));
        self
    }

    /// Demands that a key has this value (`None`: no value) when the batch is applied.
    #[must_use]
    pub fn expect(mut self, tree: TreeName, key: &[u8], value: Option<&[u8]>) -> Self {
        self.expectations.push((tree, key.to_vec(), value.map(<[u8]>::to_vec)));
        self
    }

    /// How many values it sets or removes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// Values may be secrets or rows: only their number is shown.
impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} expectations, {} writes <redacted>)", self.expectations.len(), self.writes.len())
    }
}

/// The least key after all keys that start with `prefix`; `None` if there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

/// The least key after `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

#[cfg(test)]
mod tests;
