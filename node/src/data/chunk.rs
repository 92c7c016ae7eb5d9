//! Chunks: parts of a column as Arrow IPC streams, and the commitment to them.
//!
//! *Commitment*: a column's digest is SHA-256 over its place and the digests of its chunks in order; the root is
//! a salted commitment to the digests of the schema and of the columns. It binds the rows and tells nothing of them.

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema};
use sha2::{Digest as _, Sha256};
use tacit_protocol::canonical::{Digest, Salt, commit};
use tacit_protocol::schema::{ColumnSchema, TableSchema};
use tacit_protocol::terms::schema_digest;

use super::convert::arrow_type;

/// The most bytes of a stored chunk.
pub(super) const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// Bytes of cells after which a chunk is closed: the rest is for the longest key, Arrow's framing and the seal.
pub(super) const CHUNK_FILL_BYTES: usize = 60 * 1024;

/// The array as bytes.
pub(super) fn encode(column: &ColumnSchema, array: ArrayRef) -> Result<Vec<u8>, ArrowError> {
    let field = Field::new("values", arrow_type(&column.element), column.nullable);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema.clone(), vec![array])?;
    let mut writer = StreamWriter::try_new(Vec::with_capacity(MAX_CHUNK_BYTES), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

/// The array of some bytes, if they hold one of the column's type.
pub(super) fn decode(column: &ColumnSchema, bytes: &[u8]) -> Option<ArrayRef> {
    let mut reader = StreamReader::try_new(Cursor::new(bytes), None).ok()?;
    let batch = reader.next()?.ok()?;
    let [array] = batch.columns() else { return None };
    (array.data_type() == &arrow_type(&column.element) && reader.next().is_none()).then(|| array.clone())
}

/// The digest of a column, built chunk by chunk.
pub(super) struct ColumnDigest(Sha256);

impl ColumnDigest {
    pub(super) fn new(column: usize) -> Self {
        Self(Sha256::new().chain_update(b"tacit/column/1").chain_update((column as u64).to_le_bytes()))
    }

    pub(super) fn add(&mut self, chunk: &[u8]) {
        self.0.update(Sha256::digest(chunk));
    }

    pub(super) fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

/// The commitment to a dataset's rows.
pub(super) fn root(salt: &Salt, schema: &TableSchema, columns: &[Digest]) -> Digest {
    let mut data = schema_digest(schema).as_bytes().to_vec();
    columns.iter().for_each(|column| data.extend_from_slice(column.as_bytes()));
    commit("tacit/input/1", salt, &data)
}
