//! Making a backup.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::archive::{Part, Writer};
use super::lock::Sealing;
use super::{BackupError, trees};
use crate::data::{CHUNK_TREE, DatasetRecord, Datasets};
use crate::setup::Files;
use crate::store::trees::Care;
use crate::store::{Journal, Store, StoreError, TreeName};

/// Bytes after which a part is closed.
const PART_BYTES: usize = 512 << 10;
/// Bytes of a file in one part.
const FILE_PART_BYTES: usize = 1 << 20;
/// Entries read at a time.
const PAGE: usize = 64;

/// The names of files in a backup.
pub(super) const CONFIG: &str = "node.toml";
pub(super) const LOG: &str = "log.journal";
pub(super) const PEERS: &str = "peers.journal";
pub(super) const KEY: &str = "node.key";

/// The node of which a backup is made, running or not.
pub struct Source<'a> {
    /// Its organisation.
    pub name: &'a str,
    /// Its PeerId.
    pub peer: String,
    /// Its files.
    pub files: &'a Files,
    /// Its store.
    pub store: &'a Arc<dyn Store>,
    /// Its datasets: of a running node its own, so that nothing is deleted meanwhile.
    pub datasets: &'a Datasets,
    /// The time, Unix seconds.
    pub now: u64,
}

/// What is in a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Datasets.
    pub datasets: u64,
    /// Sealed pieces of their rows.
    pub chunks: u64,
    /// Entries of the store besides.
    pub entries: u64,
    /// Entries of the log.
    pub log_entries: u64,
}

/// Writes a backup.
///
/// # Errors
/// `BACKUP_FILE`, `USAGE_PASSPHRASE`, what is wrong with the store or a dataset. What was written until then is refused
/// by a restore.
pub fn write(
    source: &Source<'_>,
    sealing: &Sealing<'_>,
    out: &mut dyn Write,
    rng: &mut dyn CryptoRng,
) -> Result<BackupReport, BackupError> {
    let _hold = source.datasets.hold();
    let mut writer = Writer::begin(out, (source.name, &source.peer, source.now), sealing, rng)?;
    let mut report = BackupReport::default();
    let mut written = Ok(Vec::new());
    source.store.while_still(&mut || {
        written = kept_trees(source.store.as_ref(), &mut writer, &mut report, rng)
            .and_then(|()| Ok(source.datasets.list()?));
        Ok(())
    })?;
    let catalogue = written?;
    // Written before an effect, read after it: what the store shows is in them.
    for (name, path) in [(LOG, source.files.log()), (PEERS, source.files.peers())] {
        let entries = add_journal(&mut writer, name, &path, rng)?;
        if name == LOG {
            report.log_entries = entries;
        }
    }
    let config = read(&source.files.config())?;
    add_file(&mut writer, CONFIG, &config, rng)?;
    if let Sealing::Passphrase(_, key) = sealing {
        writer.add(&Part::File { name: KEY.into(), bytes: key.expose().to_vec() }, rng)?;
    }
    report.datasets = catalogue.len() as u64;
    for record in &catalogue {
        report.chunks += add_rows(&mut writer, source.datasets, record, rng)?;
    }
    writer.finish(rng)?;
    Ok(report)
}

fn kept_trees(
    store: &dyn Store,
    writer: &mut Writer<'_>,
    report: &mut BackupReport,
    rng: &mut dyn CryptoRng,
) -> Result<(), BackupError> {
    for tree in trees::all() {
        let keep = match tree.care {
            Care::Keep => |_: &[u8]| true,
            Care::Some(keep) => keep,
            Care::Never | Care::Rows => continue,
        };
        let mut batch = Batch::new(tree.name);
        each(store, tree.name, &mut |key, value| {
            if keep(&key) {
                // What a restore would refuse is no backup.
                (tree.check)(&key, &value).map_err(|cause| BackupError::Entry {
                    tree: tree.name.as_str(),
                    key: key.escape_ascii().to_string(),
                    cause,
                })?;
                report.entries += 1;
                batch.add(key, value, writer, rng)?;
            }
            Ok(())
        })?;
        batch.close(writer, rng)?;
    }
    Ok(())
}

/// Every entry of a tree.
fn each(
    store: &dyn Store,
    tree: TreeName,
    visit: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut from = Vec::new();
    loop {
        let page = store.scan(tree, &from, None, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        for (key, value) in page {
            visit(key, value)?;
        }
    }
}

fn add_rows(
    writer: &mut Writer<'_>,
    datasets: &Datasets,
    record: &DatasetRecord,
    rng: &mut dyn CryptoRng,
) -> Result<u64, BackupError> {
    let mut batch = Batch::new(CHUNK_TREE);
    let mut chunks = 0;
    datasets.for_each_chunk::<BackupError>(record, &mut |key, sealed| {
        chunks += 1;
        batch.add(key, sealed, writer, rng)
    })?;
    batch.close(writer, rng)?;
    Ok(chunks)
}

/// Entries on their way into a part.
struct Batch {
    tree: TreeName,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Batch {
    fn new(tree: TreeName) -> Self {
        Self { tree, entries: Vec::new(), bytes: 0 }
    }

    fn add(
        &mut self,
        key: Vec<u8>,
        value: Vec<u8>,
        writer: &mut Writer<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), BackupError> {
        self.bytes += key.len() + value.len();
        self.entries.push((key, value));
        if self.bytes >= PART_BYTES { self.close(writer, rng) } else { Ok(()) }
    }

    fn close(&mut self, writer: &mut Writer<'_>, rng: &mut dyn CryptoRng) -> Result<(), BackupError> {
        self.bytes = 0;
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return Ok(());
        }
        writer.add(&Part::Tree { name: self.tree.as_str().into(), entries }, rng)
    }
}

/// A journal, without an append that is under way; how many entries it has.
fn add_journal(writer: &mut Writer<'_>, name: &str, path: &Path, rng: &mut dyn CryptoRng) -> Result<u64, BackupError> {
    let bytes = read(path)?;
    let (entries, whole) = Journal::read_bytes(&bytes)?;
    add_file(writer, name, bytes.get(..whole).unwrap_or_default(), rng)?;
    Ok(entries.len() as u64)
}

fn add_file(writer: &mut Writer<'_>, name: &str, bytes: &[u8], rng: &mut dyn CryptoRng) -> Result<(), BackupError> {
    bytes
        .chunks(FILE_PART_BYTES)
        .try_for_each(|bytes| writer.add(&Part::File { name: name.into(), bytes: bytes.to_vec() }, rng))
}

fn read(path: &Path) -> Result<Vec<u8>, BackupError> {
    fs::read(path).map_err(|cause| match StoreError::from(cause) {
        StoreError::Io(source) => BackupError::file(path.display().to_string(), source),
        other => other.into(),
    })
}
