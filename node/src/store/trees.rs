//! What backups and repairs know of a tree. Each module that has trees says it beside them; all of them together are in
//! [`crate::backup::trees`].

use tacit_protocol::Failure;

use super::{StoreError, TreeName};
use crate::reseal::Reseal;

/// What a backup does with the entries of a tree.
#[derive(Clone, Copy)]
pub(crate) enum Care {
    /// They are in every backup.
    Keep,
    /// Those whose keys this says are in every backup, the others in none.
    Some(fn(&[u8]) -> bool),
    /// Secrets that may be used once, and what is of use to a running process only: in no backup.
    Never,
    /// The sealed rows of datasets: those that the catalogue names.
    Rows,
}

/// A tree that this version knows.
#[derive(Clone, Copy)]
pub(crate) struct KnownTree {
    pub(crate) name: TreeName,
    pub(crate) care: Care,
    /// Whether a key and its value are of the tree.
    pub(crate) check: fn(&[u8], &[u8]) -> Result<(), StoreError>,
    /// What in its values is sealed by the key file.
    pub(crate) sealed: Sealed,
}

/// Seals what is sealed in a value again, given its key.
pub(crate) type SealAgain = fn(&Reseal<'_>, &[u8], &[u8]) -> Result<Vec<u8>, Failure>;

/// What is sealed in the values of a tree.
#[derive(Clone, Copy)]
pub(crate) enum Sealed {
    /// Nothing.
    Nothing,
    /// The whole value, for this purpose, with the key as associated data.
    Whole(&'static str),
    /// What this function seals again.
    Inside(SealAgain),
}

impl KnownTree {
    /// A tree of bytes that say nothing by themselves, such as sealed ones.
    pub(crate) const fn of_bytes(name: TreeName, care: Care) -> Self {
        Self { name, care, check: not_empty, sealed: Sealed::Nothing }
    }

    /// The same with values that are sealed.
    pub(crate) const fn sealed(self, sealed: Sealed) -> Self {
        Self { sealed, ..self }
    }
}

fn not_empty(_: &[u8], value: &[u8]) -> Result<(), StoreError> {
    if value.is_empty() { Err(StoreError::Corrupt("an empty value".into())) } else { Ok(()) }
}
