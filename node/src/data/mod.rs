//! Datasets: importing files, keeping them, and reading their columns back for a job.
//!
//! A file is read twice: once to find types, ranges and keys, once to convert and store. Rows are kept as Arrow IPC in
//! sealed chunks of at most 64 KiB, written one by one; the catalogue entry comes last and is the commit point, so that
//! an import is there as a whole or not at all.

mod cell;
mod chunk;
mod column;
mod convert;
mod csv_file;
mod datasets;
mod error;
mod export;
mod options;
mod parquet_file;
mod profile;

pub use column::{Column, ColumnValues, Keys};
pub(crate) use datasets::{CHUNK_TREE, TREES, live_chunks};
pub use datasets::{ColumnReport, DatasetRecord, Datasets, Format, Import, ImportReport, PolicyFile};
pub use error::{DataError, Place};
pub use export::ExportFormat;
pub use options::{ColumnHint, ElementHint, ImportOptions};

use cell::Cell;

/// A file with rows, which can be read more than once.
trait Source {
    /// The names of its columns.
    fn names(&self) -> &[String];

    /// Hands every row to `visit` and says how many there were.
    fn read(&self, visit: &mut Visit<'_>) -> Result<u64, DataError>;
}

type Visit<'a> = dyn FnMut(Place, &[Cell<'_>]) -> Result<(), DataError> + 'a;

#[cfg(test)]
mod tests;
