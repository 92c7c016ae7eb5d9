//! The store in memory, for simulations and tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::{Batch, Entry, Store, StoreError, TreeName};

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store that lives as long as the process.
#[derive(Default)]
pub struct MemoryStore {
    trees: RwLock<BTreeMap<TreeName, Tree>>,
    /// Read-locked by every write, so that whoever locks it reads what stands still.
    gate: RwLock<()>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another store with the same entries.
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Self {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        Self { trees: RwLock::new(trees.clone()), gate: RwLock::default() }
    }
}

impl Store for MemoryStore {
    fn get(&self, tree: TreeName, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        Ok(trees.get(&tree).and_then(|entries| entries.get(key)).cloned())
    }

    fn scan(&self, tree: TreeName, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        let Some(entries) = trees.get(&tree) else { return Ok(Vec::new()) };
        let range = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
        let found = entries.range::<[u8], _>(range).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let _writing = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        for (tree, key, value) in &batch.expectations {
            if trees.get(tree).and_then(|entries| entries.get(key)) != value.as_ref() {
                return Err(StoreError::Conflict { tree: tree.as_str() });
            }
        }
        for (tree, key, value) in &batch.writes {
            let entries = trees.entry(*tree).or_default();
            match value {
                Some(value) => entries.insert(key.clone(), value.clone()),
                None => entries.remove(key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn while_still(&self, read: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let _still = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        read()
    }
}
