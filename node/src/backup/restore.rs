//! Making a node's directory of a backup. It is made beside its place and moved there once it is whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use tacit_protocol::identity::Identity;
use tacit_protocol::log::LogKind;

use super::archive::{Part, Reader};
use super::lock::Opening;
use super::{BackupError, snapshot, trees};
use crate::budget;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::layers::Layers;
use crate::data::Datasets;
use crate::heads;
use crate::jobs::restored::end_open_jobs;
use crate::keys::{IdentitySeed, NodeKey};
use crate::log::Log;
use crate::peers::{PEERS, PeerState};
use crate::setup::Files;
use crate::store::trees::{Care, KnownTree};
use crate::store::{Batch, SledStore, Store};

/// What a restore made, and what is to be done now.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreReport {
    /// The organisation.
    pub name: String,
    /// The node's PeerId.
    pub peer_id: String,
    /// The new directory.
    pub dir: String,
    /// When the backup was made, Unix seconds.
    pub backup_at: u64,
    /// Datasets, each checked against its commitment.
    pub datasets: u64,
    /// Jobs that were under way and are failed now.
    pub jobs_ended: u64,
    /// Entries of the log at the backup.
    pub log_entries: u64,
    /// What is wrong with the configuration here and now, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// The organisations whose operators may have to accept the restore.
    pub peers: Vec<String>,
}

/// Makes the node of a backup in a new directory.
///
/// # Errors
/// `USAGE_DIR` if the directory is there, `BACKUP_*` for a file that is not whole, what is wrong with what is in it.
/// Nothing is left behind then.
pub fn restore(
    input: &mut dyn Read,
    opening: &Opening,
    dir: &Path,
    clock: Arc<dyn Clock>,
) -> Result<RestoreReport, BackupError> {
    if dir.symlink_metadata().is_ok() {
        return Err(BackupError::Directory(format!("{} is there already", dir.display())));
    }
    let mut reader = Reader::begin(input, opening)?;
    let making = making(dir)?;
    let made = fill(&mut reader, opening, &making, clock).and_then(|mut report| {
        fs::rename(&making, dir).map_err(|source| BackupError::file(dir.display().to_string(), source))?;
        sync_parent(dir)?;
        report.dir = dir.display().to_string();
        Ok(report)
    });
    if made.is_err() {
        drop(fs::remove_dir_all(&making));
    }
    made
}

/// A directory beside the new one, which only its owner may read.
fn making(dir: &Path) -> Result<PathBuf, BackupError> {
    use std::os::unix::fs::DirBuilderExt;
    let name = dir.file_name().ok_or_else(|| BackupError::Directory(format!("{} has no name", dir.display())))?;
    let mut beside = name.to_owned();
    beside.push(".restoring");
    let beside = dir.with_file_name(beside);
    let failed = |source| BackupError::file(beside.display().to_string(), source);
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    // What an interrupted restore left.
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(failed)?;
    }
    fs::DirBuilder::new().mode(0o700).create(&beside).map_err(failed)?;
    Ok(beside)
}

fn fill(
    reader: &mut Reader<'_>,
    opening: &Opening,
    dir: &Path,
    clock: Arc<dyn Clock>,
) -> Result<RestoreReport, BackupError> {
    let files = Files::of(dir);
    {
        let store = SledStore::open(&files.store())?;
        unpack(reader, &files, &store)?;
        store.flush()?;
    }
    let key = match opening {
        Opening::KeyFile(key) => {
            key.write_file(&files.key())?;
            key.clone()
        }
        Opening::Passphrase(_) => NodeKey::read_file(&files.key())?,
    };
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&files.store())?);
    let identity = Identity::from_seed(IdentitySeed::load(store.as_ref(), &key)?.expose());
    if identity.peer().to_string() != reader.header.peer {
        return Err(BackupError::Form("it holds the key of another node than its header says".into()));
    }
    let datasets = Datasets::unswept(Arc::clone(&store), &key);
    let records = datasets.list()?;
    records.iter().try_for_each(|record| datasets.verify(record))?;

    let log = Log::open(&files.log()).map_err(tacit_protocol::Failure::from)?;
    let head = log.head();
    let jobs_ended = end_open_jobs(Arc::clone(&store), Arc::clone(&clock))?;
    let all = PEERS.all(store.as_ref(), b"")?.into_iter().map(|(_, peer)| peer);
    let paired: Vec<_> = all.filter(|peer| peer.state == PeerState::Paired).collect();
    budget::note_restore(store.as_ref())?;
    heads::note_restore(store.as_ref(), head, paired.iter().map(|peer| peer.peer).collect())?;
    let body = json!({
        "text": "restored from a backup", "backup_at": reader.header.at, "jobs_ended": jobs_ended,
        "head": head.digest, "entries": head.sequence,
    });
    let appended = log.append(clock.unix_seconds(), LogKind::Operation, &body);
    appended.map_err(tacit_protocol::Failure::from)?;
    store.flush()?;
    Ok(RestoreReport {
        name: reader.header.name.clone(),
        peer_id: identity.peer().to_string(),
        dir: String::new(),
        backup_at: reader.header.at,
        datasets: records.len() as u64,
        jobs_ended,
        log_entries: head.sequence,
        // What it is to run with may come from the environment that it is started in.
        configuration: Config::load(dir, &Layers::default()).err().map(|failure| failure.to_string()),
        peers: paired.into_iter().map(|peer| peer.organisation).collect(),
    })
}

/// Writes what is in a backup, to its last byte.
fn unpack(reader: &mut Reader<'_>, files: &Files, store: &dyn Store) -> Result<(), BackupError> {
    let trees: BTreeMap<String, KnownTree> =
        trees::all().into_iter().map(|tree| (tree.name.as_str().to_owned(), tree)).collect();
    let mut open: BTreeMap<String, File> = BTreeMap::new();
    loop {
        match reader.next()? {
            Part::Tree { name, entries } => {
                let unknown = || BackupError::Form(format!("it has a tree {name:?} that this version does not know"));
                let tree = trees.get(&name).filter(|tree| !matches!(tree.care, Care::Never)).ok_or_else(unknown)?;
                let mut batch = Batch::new();
                for (key, value) in &entries {
                    (tree.check)(key, value)?;
                    batch = batch.put(tree.name, key, value);
                }
                store.apply(&batch)?;
            }
            Part::File { name, bytes } if name == snapshot::KEY => {
                let key: [u8; 32] =
                    bytes.try_into().map_err(|_| BackupError::Form("a key of another length".into()))?;
                NodeKey::of_bytes(key).write_file(&files.key())?;
            }
            Part::File { name, bytes } => {
                if !open.contains_key(&name) {
                    open.insert(name.clone(), create(&name, files)?);
                }
                let file = open.get_mut(&name).expect("it was opened above");
                file.write_all(&bytes).map_err(|source| BackupError::file(name, source))?;
            }
            Part::End { .. } => break,
        }
    }
    for (name, file) in open {
        file.sync_all().map_err(|source| BackupError::file(name, source))?;
    }
    Ok(())
}

fn create(name: &str, files: &Files) -> Result<File, BackupError> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = match name {
        snapshot::CONFIG => files.config(),
        snapshot::LOG => files.log(),
        snapshot::PEERS => files.peers(),
        other => return Err(BackupError::Form(format!("it has a file {other:?} that this version does not know"))),
    };
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    opened.map_err(|source| BackupError::file(path.display().to_string(), source))
}

fn sync_parent(dir: &Path) -> Result<(), BackupError> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let synced = File::open(parent).and_then(|parent| parent.sync_all());
    synced.map_err(|source| BackupError::file(parent.display().to_string(), source))
}
