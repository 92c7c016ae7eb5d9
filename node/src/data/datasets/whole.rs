//! Datasets as a whole: for backups, for checks of a stopped node, and for exports.

use arrow_array::{Array, ArrayRef};

use super::*;

/// Keeps chunks from being deleted while it lives.
pub(crate) struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Datasets {
    /// The datasets in a store as they are: nothing that an interruption left is deleted.
    pub(crate) fn unswept(store: Arc<dyn Store>, key: &NodeKey) -> Self {
        let (chunk_sealer, salt_sealer) = (key.sealer(CHUNK_PURPOSE), key.sealer(SALT_PURPOSE));
        Self { store, chunk_sealer, salt_sealer, holds: Arc::default() }
    }

    /// Keeps the chunks of all datasets that are there now, also of those that are removed or replaced meanwhile.
    pub(crate) fn hold(&self) -> Hold {
        self.holds.fetch_add(1, Ordering::SeqCst);
        Hold(Arc::clone(&self.holds))
    }

    /// The keys of a dataset's chunks, in order.
    fn chunk_keys(record: &DatasetRecord) -> impl Iterator<Item = Vec<u8>> + '_ {
        let columns = record.chunks.iter().enumerate();
        columns
            .flat_map(move |(place, chunks)| (0..*chunks).map(move |number| chunk_key(&record.import, place, number)))
    }

    /// Hands every sealed chunk of a dataset to `visit`, with its key.
    ///
    /// # Errors
    /// [`DataError::InputChunk`] if one is missing, the visitor's, others.
    pub(crate) fn for_each_chunk<E: From<DataError>>(
        &self,
        record: &DatasetRecord,
        visit: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        for key in Self::chunk_keys(record) {
            let sealed = self.store.get(CHUNKS, &key).map_err(DataError::from)?;
            visit(key, sealed.ok_or_else(|| DataError::InputChunk(record.name.clone()))?)?;
        }
        Ok(())
    }

    /// Checks that all rows are there, open with the key file, and are those of the commitment.
    ///
    /// # Errors
    /// [`DataError::InputChanged`], [`DataError::InputChunk`], others.
    pub(crate) fn verify(&self, record: &DatasetRecord) -> Result<(), DataError> {
        record.policy.policy()?;
        self.read(&record.name, &[], &record.root)?;
        let changed = || DataError::InputChanged(record.name.clone());
        for place in 0..record.schema.columns.len() {
            let mut rows = 0_u64;
            let mut digest = ColumnDigest::new(place);
            for number in 0..*record.chunks.get(place).ok_or_else(changed)? {
                let (bytes, array) = self.chunk(record, place, number)?;
                digest.add(&bytes);
                rows += array.len() as u64;
            }
            if digest.finish() != record.columns[place] || rows != record.schema.rows {
                return Err(changed());
            }
        }
        Ok(())
    }

    /// One chunk of a column: its bytes, and the values in them.
    pub(in crate::data) fn chunk(
        &self,
        record: &DatasetRecord,
        place: usize,
        number: u32,
    ) -> Result<(Vec<u8>, ArrayRef), DataError> {
        let changed = || DataError::InputChanged(record.name.clone());
        let key = chunk_key(&record.import, place, number);
        let sealed = self.store.get(CHUNKS, &key)?.ok_or_else(|| DataError::InputChunk(record.name.clone()))?;
        let bytes = self.chunk_sealer.open(&key, &sealed).map_err(|_| changed())?;
        let array = chunk::decode(&record.schema.columns[place], &bytes).ok_or_else(changed)?;
        Ok((bytes.to_vec(), array))
    }

    /// How many chunks each column has.
    pub(in crate::data) fn chunk_counts(record: &DatasetRecord) -> &[u32] {
        &record.chunks
    }
}

/// The name of the tree of chunks.
pub(crate) const CHUNK_TREE: TreeName = CHUNKS;

/// Says of the keys of chunks whether a dataset names their import.
pub(crate) fn live_chunks(store: &dyn Store) -> Result<impl Fn(&[u8]) -> bool + use<>, StoreError> {
    let live: Vec<[u8; 16]> = DATASETS.all(store, b"")?.into_iter().map(|(_, record)| record.import).collect();
    Ok(move |key: &[u8]| live.iter().any(|import| key.starts_with(import)))
}
