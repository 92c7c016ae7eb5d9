//! The datasets of a node: import, list, remove, read.

mod whole;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bincode::{Decode, Encode};
use rand_core::CryptoRng;
use tacit_protocol::Failure;
use tacit_protocol::canonical::{Digest, Salt};
use tacit_protocol::policy::Policy;
use tacit_protocol::schema::{ColumnSchema, TableSchema};

pub(crate) use whole::{CHUNK_TREE, live_chunks};

use super::chunk::{self, CHUNK_FILL_BYTES, ColumnDigest, MAX_CHUNK_BYTES};
use super::convert::Converter;
use super::csv_file::CsvFile;
use super::parquet_file::ParquetFile;
use super::profile::{Profile, profile};
use super::{Column, DataError, ImportOptions, Source};
use crate::keys::{NodeKey, Sealer};
use crate::reseal::Reseal;
use crate::store::trees::{Care, KnownTree, Sealed};
use crate::store::{Batch, Record, RecordTree, Store, StoreError, TreeName, prefix_end};

const DATASETS: RecordTree<DatasetRecord> = RecordTree::new("datasets");
/// The lineage of every name that ever had a dataset, so that removing and adding one again resets no budget (CHK-923).
const LINEAGES: RecordTree<Lineage> = RecordTree::new("dataset-lineages");
const CHUNKS: TreeName = TreeName::new("dataset-chunks");

/// What chunks of rows are sealed for, and the salts of commitments.
const CHUNK_PURPOSE: &str = "dataset-chunk";
const SALT_PURPOSE: &str = "dataset-salt";

/// The trees of datasets.
pub(crate) const TREES: [KnownTree; 3] = [
    DATASETS.known(Care::Keep).sealed(Sealed::Inside(reseal_salt)),
    LINEAGES.known(Care::Keep),
    KnownTree::of_bytes(CHUNKS, Care::Rows).sealed(Sealed::Whole(CHUNK_PURPOSE)),
];

fn reseal_salt(reseal: &Reseal<'_>, _: &[u8], value: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut record = DatasetRecord::from_bytes(value)?;
    record.sealed_salt = reseal.again(SALT_PURPOSE, &salt_context(&record.import), &record.sealed_salt)?;
    Ok(record.to_bytes())
}

const SALT: &[u8] = b"salt";

/// A dataset, as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DatasetRecord {
    /// Its name at this node.
    pub name: String,
    /// How often a file was imported under the name.
    pub version: u64,
    /// The same for all versions: history and budget follow it (CHK-923).
    pub lineage: [u8; 16],
    /// Columns, ranges, rows.
    pub schema: TableSchema,
    /// Its policy.
    pub policy: PolicyFile,
    /// The salted commitment to the rows (CHK-506).
    pub root: Digest,
    /// When it was imported, in seconds since 1970.
    pub imported_at: u64,
    /// The chunks of this import.
    import: [u8; 16],
    chunks: Vec<u32>,
    columns: Vec<Digest>,
    sealed_salt: Vec<u8>,
}

impl Record for DatasetRecord {
    const NAME: &'static str = "dataset";
    const VERSION: u8 = 1;
}

/// A policy as its file has it. The text parses.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PolicyFile {
    /// The text as the operator wrote it.
    text: String,
    /// The digest that contracts bind.
    digest: Digest,
}

impl PolicyFile {
    /// The policy of a text.
    ///
    /// # Errors
    /// [`DataError::Policy`] if it does not parse.
    pub fn new(text: &str) -> Result<Self, DataError> {
        Ok(Self { text: text.into(), digest: Policy::parse(text)?.digest() })
    }

    /// The text as the operator wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The digest that contracts bind.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The policy.
    ///
    /// # Errors
    /// [`DataError::Policy`] if an older version of this software accepted what this one does not.
    pub fn policy(&self) -> Result<Policy, DataError> {
        Ok(Policy::parse(&self.text)?)
    }
}

#[derive(Encode, Decode)]
struct Lineage {
    lineage: [u8; 16],
    versions: u64,
}

impl Record for Lineage {
    const NAME: &'static str = "dataset lineage";
    const VERSION: u8 = 1;
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with a header.
    Csv,
    /// Parquet.
    Parquet,
}

impl Format {
    /// The format that a file's name says.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" | "tsv" | "txt" => Some(Self::Csv),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// What to import.
#[derive(Clone, Debug)]
pub struct Import {
    /// The dataset's name.
    pub name: String,
    /// The file: one of this node's own, never a path of a caller.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// What the owner declares.
    pub options: ImportOptions,
    /// The policy.
    pub policy: PolicyFile,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// What an import did, for the operator to look over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// The dataset.
    pub record: DatasetRecord,
    /// Its columns.
    pub columns: Vec<ColumnReport>,
}

/// What an import made of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnReport {
    /// The schema.
    pub schema: ColumnSchema,
    /// Whether the type was inferred, not declared.
    pub type_inferred: bool,
    /// Whether the range was chosen by the import: the next powers of ten.
    pub range_inferred: bool,
    /// How many cells are empty.
    pub empty_cells: u64,
    /// How many values were moved to an end of the declared range.
    pub clamped_cells: u64,
}

/// The datasets of a node.
#[derive(Clone)]
pub struct Datasets {
    store: Arc<dyn Store>,
    chunk_sealer: Sealer,
    salt_sealer: Sealer,
    /// How many are reading chunks that may not be deleted meanwhile.
    holds: Arc<AtomicUsize>,
}

impl Datasets {
    /// The datasets in a store. Chunks that an interrupted import or removal left are deleted: open it once, before
    /// any import.
    ///
    /// # Errors
    /// [`DataError::Store`].
    pub fn open(store: Arc<dyn Store>, key: &NodeKey) -> Result<Self, DataError> {
        let datasets = Self::unswept(store, key);
        datasets.sweep()?;
        Ok(datasets)
    }

    /// Imports a file as a new dataset, or as a new version of one. Whatever happens, the catalogue names a whole
    /// version or none; only if the disk fails in the last step, after an error, it may be the new one.
    ///
    /// # Errors
    /// [`DataError`]; errors in the file come as [`DataError::In`], a policy that does not fit its columns as
    /// [`DataError::Policy`].
    pub fn import(&self, request: &Import, rng: &mut dyn CryptoRng) -> Result<ImportReport, DataError> {
        check_name(&request.name)?;
        let in_file = |error| match error {
            DataError::File { .. } | DataError::Key(_) | DataError::Store(_) | DataError::Option(_) => error,
            error => DataError::In { path: request.path.clone(), error: Box::new(error) },
        };
        let delimiter = request.options.delimiter.unwrap_or(b',');
        let source: Box<dyn Source> = match request.format {
            Format::Csv => Box::new(CsvFile::open(&request.path, delimiter).map_err(in_file)?),
            Format::Parquet => Box::new(ParquetFile::open(&request.path).map_err(in_file)?),
        };
        let found = profile(source.as_ref(), &request.options).map_err(in_file)?;
        request.policy.policy()?.check_schema(&found.table(request.options.key.clone()))?;

        let mut import = [0; 16];
        rng.fill_bytes(&mut import);
        let rows = self.store_rows(source.as_ref(), &found, request, import, rng).map_err(in_file);
        match rows.and_then(|rows| self.commit(request, &found, import, rows, rng)) {
            Ok((report, replaced)) => {
                // Until here an interruption leaves the old version or the new one, whole.
                self.store.flush()?;
                if let Some(replaced) = replaced {
                    self.delete_or_leave(&replaced);
                }
                Ok(report)
            }
            Err(error) => {
                self.delete_or_leave(&import);
                Err(error)
            }
        }
    }

    /// All datasets, by name.
    ///
    /// # Errors
    /// [`DataError::Store`].
    pub fn list(&self) -> Result<Vec<DatasetRecord>, DataError> {
        Ok(DATASETS.all(self.store.as_ref(), b"")?.into_iter().map(|(_, record)| record).collect())
    }

    /// A dataset.
    ///
    /// # Errors
    /// [`DataError::Unknown`], [`DataError::Store`].
    pub fn dataset(&self, name: &str) -> Result<DatasetRecord, DataError> {
        DATASETS.get(self.store.as_ref(), name.as_bytes())?.ok_or_else(|| DataError::Unknown(name.to_owned()))
    }

    /// The lineage of a name, also of a dataset that was removed; none where there never was one.
    ///
    /// # Errors
    /// [`DataError::Store`].
    pub fn lineage(&self, name: &str) -> Result<Option<[u8; 16]>, DataError> {
        Ok(LINEAGES.get(self.store.as_ref(), name.as_bytes())?.map(|known| known.lineage))
    }

    /// Gives a dataset, as it was read, another policy. The rows and the version stay.
    ///
    /// # Errors
    /// [`DataError::Unknown`], [`DataError::Conflict`], [`DataError::Store`].
    pub fn set_policy(&self, before: &DatasetRecord, policy: PolicyFile) -> Result<DatasetRecord, DataError> {
        let name = before.name.as_str();
        policy.policy()?.check_schema(&before.schema)?;
        let after = DatasetRecord { policy, ..before.clone() };
        let key = name.as_bytes();
        let batch = Batch::new().expect(DATASETS.name(), key, Some(&before.to_bytes()));
        self.apply(name, &DATASETS.put_in(batch, key, &after))?;
        self.store.flush()?;
        Ok(after)
    }

    /// Removes a dataset and its rows. Its lineage is remembered.
    ///
    /// # Errors
    /// [`DataError::Unknown`], [`DataError::Conflict`], [`DataError::Store`].
    pub fn remove(&self, name: &str) -> Result<(), DataError> {
        let record = self.dataset(name)?;
        let key = name.as_bytes();
        let batch = Batch::new().expect(DATASETS.name(), key, Some(&record.to_bytes())).delete(DATASETS.name(), key);
        self.apply(name, &batch)?;
        self.store.flush()?;
        self.delete_or_leave(&record.import);
        Ok(())
    }

    /// Columns of a dataset, if its rows are those of `root`, the commitment in a contract (CHK-506).
    ///
    /// # Errors
    /// [`DataError::InputChanged`] if they are others, [`DataError::InputChunk`] if some are missing,
    /// [`DataError::UnknownColumn`], [`DataError::Unknown`], others.
    pub fn read(&self, name: &str, columns: &[&str], root: &Digest) -> Result<Vec<Column>, DataError> {
        let record = self.dataset(name)?;
        let changed = || DataError::InputChanged(name.to_owned());
        let salt = self.salt_sealer.open(&salt_context(&record.import), &record.sealed_salt)?;
        let salt = Salt::from_bytes(salt.as_slice().try_into().map_err(|_| changed())?);
        let derived = chunk::root(&salt, &record.schema, &record.columns);
        if derived != *root || record.columns.len() != record.schema.columns.len() {
            return Err(changed());
        }
        columns.iter().map(|column| self.read_column(&record, column)).collect()
    }

    fn read_column(&self, record: &DatasetRecord, name: &str) -> Result<Column, DataError> {
        let known = || record.schema.columns.iter().map(|column| column.name.clone()).collect();
        let place = record.schema.columns.iter().position(|column| column.name == name);
        let place = place.ok_or_else(|| DataError::UnknownColumn { column: name.to_owned(), known: known() })?;
        let schema = &record.schema.columns[place];
        let missing = || DataError::InputChunk(record.name.clone());
        let changed = || DataError::InputChanged(record.name.clone());
        let mut column = Column::empty(schema, usize::try_from(record.schema.rows).unwrap_or(0));
        let mut digest = ColumnDigest::new(place);
        for number in 0..*record.chunks.get(place).ok_or_else(missing)? {
            let key = chunk_key(&record.import, place, number);
            let sealed = self.store.get(CHUNKS, &key)?.ok_or_else(missing)?;
            let bytes = self.chunk_sealer.open(&key, &sealed).map_err(|_| changed())?;
            digest.add(&bytes);
            column.append(&chunk::decode(schema, &bytes).ok_or_else(changed)?);
        }
        if digest.finish() != record.columns[place] || column.len() as u64 != record.schema.rows {
            return Err(changed());
        }
        Ok(column)
    }

    /// Converts the rows and stores them in chunks.
    fn store_rows(
        &self,
        source: &dyn Source,
        found: &Profile,
        request: &Import,
        import: [u8; 16],
        rng: &mut dyn CryptoRng,
    ) -> Result<StoredRows, DataError> {
        let mut writers: Vec<ColumnWriter> = found
            .columns
            .iter()
            .enumerate()
            .map(|(place, (_, schema))| ColumnWriter::new(place, schema, request.options.clamp))
            .collect();
        let rows = source.read(&mut |place, cells| {
            for (writer, (in_file, _)) in writers.iter_mut().zip(&found.columns) {
                writer.converter.add(place, cells.get(*in_file).ok_or(DataError::FileChanged)?)?;
                if writer.converter.bytes >= CHUNK_FILL_BYTES {
                    self.store_chunk(writer, &import, rng)?;
                }
            }
            Ok(())
        })?;
        if rows != found.rows {
            return Err(DataError::FileChanged);
        }
        let mut stored = StoredRows { chunks: Vec::new(), columns: Vec::new(), clamped: Vec::new() };
        for mut writer in writers {
            if writer.converter.bytes > 0 {
                self.store_chunk(&mut writer, &import, rng)?;
            }
            stored.chunks.push(writer.chunks);
            stored.columns.push(writer.digest.finish());
            stored.clamped.push(writer.converter.clamped);
        }
        Ok(stored)
    }

    fn store_chunk(
        &self,
        writer: &mut ColumnWriter,
        import: &[u8; 16],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), DataError> {
        let array = writer.converter.take();
        let bytes = chunk::encode(&writer.schema, array)
            .map_err(|error| DataError::Format { format: "Arrow array", cause: error.to_string() })?;
        writer.digest.add(&bytes);
        let key = chunk_key(import, writer.place, writer.chunks);
        let sealed = self.chunk_sealer.seal(&key, &bytes, rng);
        debug_assert!(sealed.len() <= MAX_CHUNK_BYTES, "a chunk of {} bytes", sealed.len());
        self.store.put(CHUNKS, &key, &sealed)?;
        writer.chunks += 1;
        Ok(())
    }

    /// Writes the catalogue entry, once the chunks are on disk, and gives the import that it replaces.
    fn commit(
        &self,
        request: &Import,
        found: &Profile,
        import: [u8; 16],
        rows: StoredRows,
        rng: &mut dyn CryptoRng,
    ) -> Result<(ImportReport, Option<[u8; 16]>), DataError> {
        self.store.flush()?;
        let key = request.name.as_bytes();
        let before = self.store.get(DATASETS.name(), key)?;
        let replaced = before.as_deref().map(DatasetRecord::from_bytes).transpose()?.map(|record| record.import);
        let lineage_before = self.store.get(LINEAGES.name(), key)?;
        let mut lineage = match &lineage_before {
            Some(bytes) => Lineage::from_bytes(bytes)?,
            None => {
                let mut fresh = Lineage { lineage: [0; 16], versions: 0 };
                rng.fill_bytes(&mut fresh.lineage);
                fresh
            }
        };
        lineage.versions += 1;

        let schema = found.table(request.options.key.clone());
        let salt = Salt::random(rng);
        let record = DatasetRecord {
            name: request.name.clone(),
            version: lineage.versions,
            lineage: lineage.lineage,
            policy: request.policy.clone(),
            root: chunk::root(&salt, &schema, &rows.columns),
            imported_at: request.now,
            import,
            chunks: rows.chunks,
            columns: rows.columns,
            sealed_salt: self.salt_sealer.seal(&salt_context(&import), salt.as_bytes(), rng),
            schema,
        };
        let batch = Batch::new().expect(DATASETS.name(), key, before.as_deref()).expect(
            LINEAGES.name(),
            key,
            lineage_before.as_deref(),
        );
        let batch = LINEAGES.put_in(DATASETS.put_in(batch, key, &record), key, &lineage);
        self.apply(&request.name, &batch)?;

        let columns = report(found, &request.options, &rows.clamped);
        Ok((ImportReport { record, columns }, replaced))
    }

    fn apply(&self, name: &str, batch: &Batch) -> Result<(), DataError> {
        self.store.apply(batch).map_err(|error| match error {
            StoreError::Conflict { .. } => DataError::Conflict(name.to_owned()),
            other => other.into(),
        })
    }

    /// Deletes the chunks of imports that no catalogue entry names.
    pub(crate) fn sweep(&self) -> Result<(), DataError> {
        self.orphans()?.iter().try_for_each(|import| self.delete_chunks(import))
    }

    /// The imports that have chunks and that no catalogue entry names.
    pub(crate) fn orphans(&self) -> Result<Vec<Vec<u8>>, DataError> {
        let live: Vec<[u8; 16]> = self.list()?.iter().map(|record| record.import).collect();
        let (mut from, mut orphans) = (Vec::new(), Vec::new());
        while let Some((key, _)) = self.store.scan(CHUNKS, &from, None, 1)?.pop() {
            let import = key.get(..16).unwrap_or(&key).to_vec();
            let next = prefix_end(&import);
            if !live.iter().any(|live| live.as_slice() == import) {
                orphans.push(import);
            }
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(orphans)
    }

    /// Deletes chunks that nothing names any more. What cannot be deleted now is swept at the next start.
    fn delete_or_leave(&self, import: &[u8; 16]) {
        if self.holds.load(Ordering::SeqCst) > 0 {
            tracing::info!("chunks of a dataset are left until the next start: a backup reads");
            return;
        }
        if let Err(error) = self.delete_chunks(import) {
            tracing::warn!(%error, "chunks of a dataset are left until the next start");
        }
    }

    fn delete_chunks(&self, import: &[u8]) -> Result<(), DataError> {
        const PAGE: usize = 16;
        let end = prefix_end(import);
        loop {
            let page = self.store.scan(CHUNKS, import, end.as_deref(), PAGE)?;
            for (key, _) in &page {
                self.store.delete(CHUNKS, key)?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

/// A column on its way into the store.
struct ColumnWriter {
    place: usize,
    schema: ColumnSchema,
    converter: Converter,
    digest: ColumnDigest,
    chunks: u32,
}

impl ColumnWriter {
    fn new(place: usize, schema: &ColumnSchema, clamp: bool) -> Self {
        let (converter, digest) = (Converter::new(schema, clamp), ColumnDigest::new(place));
        Self { place, schema: schema.clone(), converter, digest, chunks: 0 }
    }
}

/// What storing the rows made, by column.
struct StoredRows {
    chunks: Vec<u32>,
    columns: Vec<Digest>,
    clamped: Vec<u64>,
}

fn report(found: &Profile, options: &ImportOptions, clamped: &[u64]) -> Vec<ColumnReport> {
    let columns = found.columns.iter().zip(&found.empty_cells).zip(clamped);
    let report = |(((_, schema), &empty_cells), &clamped_cells): ((&(usize, ColumnSchema), &u64), &u64)| {
        let hint = options.columns.get(&schema.name);
        let is_key = options.key.as_ref() == Some(&schema.name);
        ColumnReport {
            schema: schema.clone(),
            type_inferred: !is_key && hint.is_none_or(|hint| hint.element.is_none()),
            range_inferred: schema.range.is_some() && hint.is_none_or(|hint| hint.lo.is_none() || hint.hi.is_none()),
            empty_cells,
            clamped_cells,
        }
    };
    columns.map(report).collect()
}

fn check_name(name: &str) -> Result<(), DataError> {
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if starts && rest && name.len() <= 64 { Ok(()) } else { Err(DataError::Name(name.chars().take(64).collect())) }
}

/// Import, column, number: the order of keys is the order of rows.
fn chunk_key(import: &[u8; 16], column: usize, number: u32) -> Vec<u8> {
    let column = u32::try_from(column).expect("fewer columns than MAX_COLUMNS");
    [import.as_slice(), &column.to_be_bytes(), &number.to_be_bytes()].concat()
}

fn salt_context(import: &[u8; 16]) -> Vec<u8> {
    [SALT, import].concat()
}
