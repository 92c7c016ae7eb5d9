//! Typed records in the store: a version byte, then bincode.

use std::marker::PhantomData;

use bincode::{Decode, Encode};

use super::trees::{Care, KnownTree, Sealed};
use super::{Batch, Store, StoreError, TreeName};

/// The most bytes that a record may have. It bounds what decoding a damaged record allocates.
const MAX_RECORD_BYTES: usize = 16 << 20;

/// A type that is kept in the store.
pub trait Record: Encode + Decode<()> {
    /// What it is, for messages.
    const NAME: &'static str;
    /// The version of its form. A change of the type's fields raises it.
    const VERSION: u8;

    /// The record as bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        let body = bincode::encode_to_vec(self, bincode::config::standard()).expect("encoding to memory does not fail");
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The record of some bytes.
    ///
    /// # Errors
    /// [`StoreError::Version`] for an unknown version, [`StoreError::Corrupt`] for anything else that is no record.
    fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = |cause: &str| StoreError::Corrupt(format!("a {} record: {cause}", Self::NAME));
        let (&version, body) = bytes.split_first().ok_or_else(|| damaged("empty"))?;
        if version != Self::VERSION {
            return Err(StoreError::Version { record: Self::NAME, found: version, known: Self::VERSION });
        }
        let config = bincode::config::standard().with_limit::<MAX_RECORD_BYTES>();
        match bincode::decode_from_slice(body, config) {
            Ok((record, used)) if used == body.len() => Ok(record),
            Ok(_) => Err(damaged("trailing bytes")),
            Err(error) => Err(damaged(&error.to_string())),
        }
    }
}

/// A tree that holds records of one type.
pub struct RecordTree<T> {
    name: TreeName,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> RecordTree<T> {
    /// The tree of a name.
    pub const fn new(name: &'static str) -> Self {
        Self { name: TreeName::new(name), record: PhantomData }
    }

    /// Its name, for batches over several trees.
    pub fn name(&self) -> TreeName {
        self.name
    }

    /// The tree as backups and repairs know it.
    pub(crate) const fn known(&self, care: Care) -> KnownTree {
        KnownTree { name: self.name, care, check: check::<T>, sealed: Sealed::Nothing }
    }

    /// The record of a key.
    ///
    /// # Errors
    /// The store cannot be read, or the record not decoded.
    pub fn get(&self, store: &dyn Store, key: &[u8]) -> Result<Option<T>, StoreError> {
        store.get(self.name, key)?.map(|bytes| T::from_bytes(&bytes)).transpose()
    }

    /// Sets the record of a key.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put(&self, store: &dyn Store, key: &[u8], record: &T) -> Result<(), StoreError> {
        store.put(self.name, key, &record.to_bytes())
    }

    /// Adds a write of the record to a batch.
    #[must_use]
    pub fn put_in(&self, batch: Batch, key: &[u8], record: &T) -> Batch {
        batch.put(self.name, key, &record.to_bytes())
    }

    /// Removes the record of a key.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn delete(&self, store: &dyn Store, key: &[u8]) -> Result<(), StoreError> {
        store.delete(self.name, key)
    }

    /// All records whose keys start with `prefix`, with their keys, in the order of keys.
    ///
    /// # Errors
    /// The store cannot be read, or a record not decoded.
    pub fn all(&self, store: &dyn Store, prefix: &[u8]) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let mut records = Vec::new();
        store.for_each(self.name, prefix, &mut |key, value| {
            records.push((key.to_vec(), T::from_bytes(value)?));
            Ok(())
        })?;
        Ok(records)
    }
}

fn check<T: Record>(_: &[u8], value: &[u8]) -> Result<(), StoreError> {
    T::from_bytes(value).map(drop)
}
