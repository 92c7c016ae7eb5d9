//! `tacit backup`, `tacit restore` and `tacit fsck`.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tacit_protocol::api::BackupRequest;
use tacit_protocol::identity::Identity;
use tacit_protocol::log::LogKind;
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use super::output::{self, Output};
use crate::backup::{self, BackupError, Opening, RestoreReport, Sealing, Source, read_passphrase};
use crate::clock::{Clock, SystemClock, system_rng};
use crate::config::Config;
use crate::data::Datasets;
use crate::fsck;
use crate::keys::{IdentitySeed, NodeKey};
use crate::log::Log;
use crate::reseal;
use crate::setup::Files;
use crate::store::{SledStore, Store};

#[derive(Args)]
pub(super) struct BackupOptions {
    /// The file to write. It must not exist.
    file: PathBuf,
    /// Seal it by a passphrase, the first line of this file (12 characters or more), and put the node's key file into
    /// it. Without this it is sealed by the key file (node.key), which a restore needs then: keep a copy elsewhere.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct RestoreOptions {
    /// The backup. The directory to make is that of --dir, and must not exist.
    file: PathBuf,
    /// The key file of the node, if the backup was made without a passphrase. It is copied into the directory.
    #[arg(long, value_name = "FILE", required_unless_present = "passphrase_file", conflicts_with = "passphrase_file")]
    key: Option<PathBuf>,
    /// The file whose first line is the passphrase.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct FsckOptions {
    /// Remove what is safe to remove: chunks of rows that no dataset names, as an interrupted import leaves them.
    /// Nothing else is changed; a node does the same at each start.
    #[arg(long)]
    repair: bool,
}

/// Writes a backup, of the running node by its API or of the stopped one.
pub(super) fn backup(dir: &Path, options: &BackupOptions, output: &Output) -> Result<(), Failure> {
    let passphrase = options.passphrase_file.as_deref().map(read_passphrase).transpose()?;
    let partial = options.file.with_extension("partial");
    let failed = |path: &Path, cause: &std::io::Error| {
        let message = format!("{}: {cause}", path.display());
        Failure::new(Code::new("BACKUP_FILE"), message, "name another file; nothing is left of this one.")
    };
    if options.file.exists() {
        let message = format!("{} is there already", options.file.display());
        return Err(Failure::new(Code::new("BACKUP_FILE"), message, "name another file."));
    }
    let file = private(&partial).map_err(|cause| failed(&partial, &cause))?;
    let mut out = BufWriter::new(file);
    let client = Client::of_directory(dir).ok().filter(|client| client.status().is_ok());
    let made = match &client {
        Some(client) => {
            let request = BackupRequest { passphrase: passphrase.as_deref().cloned() };
            client.backup(&request, &mut out).map_err(Failure::from)
        }
        None => of_stopped(dir, passphrase.as_deref().map(String::as_str), &mut out),
    };
    let kept = made.and_then(|()| {
        let synced = out.into_inner().map_err(|error| error.into_error()).and_then(|file| file.sync_all());
        let renamed = synced.and_then(|()| std::fs::rename(&partial, &options.file));
        renamed.map_err(|cause| failed(&options.file, &cause))
    });
    if kept.is_err() {
        drop(std::fs::remove_file(&partial));
    }
    kept?;
    let sealed = if passphrase.is_some() { "passphrase" } else { "key file" };
    output.one(&options.file.display().to_string(), |file| {
        format!(
            "Wrote {file}, sealed by the {sealed}. In clear: the organisation's name, the PeerId, the time, and sizes.\n\
             It opens with the {sealed} alone: keep that elsewhere. Back again: `tacit --dir NEW restore {file}`."
        )
    });
    Ok(())
}

fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn of_stopped(dir: &Path, passphrase: Option<&str>, out: &mut dyn Write) -> Result<(), Failure> {
    let files = Files::of(dir);
    reseal::finish(&files)?;
    let config = Config::read(dir)?;
    let key = NodeKey::read_file(&files.key())?;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&files.store())?);
    let identity = Identity::from_seed(IdentitySeed::load(store.as_ref(), &key)?.expose());
    let sealing = match passphrase {
        Some(passphrase) => Sealing::Passphrase(passphrase, &key),
        None => Sealing::KeyFile(&key),
    };
    let now = SystemClock.unix_seconds();
    let body = serde_json::json!({ "text": "a backup is made", "sealed_by": sealing.word() });
    Log::open(&files.log())?.append(now, LogKind::Operation, &body)?;
    let datasets = Datasets::unswept(Arc::clone(&store), &key);
    let peer = identity.peer().to_string();
    let source = Source { name: &config.name, peer, files: &files, store: &store, datasets: &datasets, now };
    backup::write(&source, &sealing, out, &mut system_rng())?;
    Ok(())
}

/// Makes a node's directory of a backup.
pub(super) fn restore(dir: &Path, options: &RestoreOptions, output: &Output) -> Result<(), Failure> {
    let opening = match (&options.key, &options.passphrase_file) {
        (Some(key), _) => Opening::KeyFile(NodeKey::read_file(key)?),
        (None, Some(file)) => Opening::Passphrase(read_passphrase(file)?),
        (None, None) => return Err(BackupError::Form("it needs --key or --passphrase-file".into()).into()),
    };
    let file = File::open(&options.file).map_err(|cause| {
        let message = format!("cannot read {}: {cause}", options.file.display());
        Failure::new(Code::new("INPUT_FILE"), message, "check the path and its permissions.")
    })?;
    let report = backup::restore(&mut BufReader::new(file), &opening, dir, Arc::new(SystemClock))?;
    output.one(&report, restored);
    Ok(())
}

fn restored(report: &RestoreReport) -> String {
    let mut text = format!(
        "Restored the node of {} into {} as it was at {}.\nPeerId    {}\nDatasets  {}, each checked against its commitment\n\
         Jobs      {} were under way and are failed now (JOB_RESTORED)\nLog       {} entries\n\n\
         Before you start it:\n- The node that this is a copy of must not run any more.\n\
         - Whatever happened after the backup is not known here: check policies, and the peers that were revoked since.\n\
         - Tickets that were open are void; correlations are made anew.\n",
        report.name,
        report.dir,
        output::time(report.backup_at),
        report.peer_id,
        report.datasets,
        report.jobs_ended,
        report.log_entries
    );
    for peer in &report.peers {
        text += &format!(
            "- {peer}: if it has heard of this node since the backup, it refuses it with LOG_FORK until its operator runs \
             `tacit peer accept-restore {}`.\n",
            report.name
        );
    }
    text + &format!("Next: `tacit --dir {} fsck`, then `tacit --dir {} node`.", report.dir, report.dir)
}

/// Checks a stopped node's directory.
pub(super) fn fsck(dir: &Path, options: &FsckOptions, output: &Output) -> Result<(), Failure> {
    let findings = fsck::run(dir, options.repair)?;
    output.list(&findings, fsck::table);
    fsck::verdict(&findings)
}
