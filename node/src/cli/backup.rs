//! `tacit backup`, `tacit restore` and `tacit fsck`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tacit_protocol::api::BackupRequest;
use tacit_protocol::identity::Identity;
use tacit_protocol::log::LogKind;
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;
use zeroize::Zeroizing;

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

/// The name of a file that stands for the standard output.
const STANDARD_OUTPUT: &str = "-";

#[derive(Args)]
pub(super) struct BackupOptions {
    /// The file to write. It must not exist. `-`: the standard output.
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
    if options.file == Path::new(STANDARD_OUTPUT) {
        let mut out = BufWriter::new(std::io::stdout().lock());
        return make(dir, passphrase.as_ref(), &mut out)
            .and_then(|()| out.flush().map_err(|cause| not_written(&options.file, &cause)));
    }
    to_file(dir, passphrase.as_ref(), &options.file)?;
    let sealed = if passphrase.is_some() { "passphrase" } else { "key file" };
    output.one(&options.file.display().to_string(), |file| {
        format!(
            "Wrote {file}, sealed by the {sealed}. In clear: the organisation's name, the PeerId, the time, and sizes.\n\
             It opens with the {sealed} alone: keep that elsewhere. Back again: `tacit --dir NEW restore {file}`."
        )
    });
    Ok(())
}

/// Writes a backup beside its place, to a file that only its owner may read, and moves it there once it is whole.
fn to_file(dir: &Path, passphrase: Option<&Zeroizing<String>>, path: &Path) -> Result<(), Failure> {
    let failed = |cause: &std::io::Error| not_written(path, cause);
    let taken = || {
        let message = format!("{} is there already", path.display());
        Failure::new(Code::new("BACKUP_FILE"), message, "name another file.")
    };
    if path.exists() {
        return Err(taken());
    }
    let Some(name) = path.file_name() else { return Err(taken()) };
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut prefix = name.to_owned();
    prefix.push(".");
    // Each backup has a file of its own, which goes if it fails; what a killed one leaves is in nobody's way.
    let mut partial =
        tempfile::Builder::new().prefix(&prefix).suffix(".partial").tempfile_in(beside).map_err(|c| failed(&c))?;
    let mut out = BufWriter::new(partial.as_file_mut());
    make(dir, passphrase, &mut out)?;
    out.flush().map_err(|cause| failed(&cause))?;
    drop(out);
    partial.as_file().sync_all().map_err(|cause| failed(&cause))?;
    partial.persist_noclobber(path).map(drop).map_err(|error| failed(&error.error))
}

fn make(dir: &Path, passphrase: Option<&Zeroizing<String>>, out: &mut dyn Write) -> Result<(), Failure> {
    let client = Client::of_directory(dir).ok().filter(|client| client.status().is_ok());
    match client {
        Some(client) => {
            let request = BackupRequest { passphrase: passphrase.map(|passphrase| passphrase.to_string()) };
            client.backup(&request, out).map_err(Failure::from)
        }
        None => of_stopped(dir, passphrase.map(|passphrase| passphrase.as_str()), out),
    }
}

fn not_written(path: &Path, cause: &std::io::Error) -> Failure {
    let message = format!("{}: {cause}", path.display());
    Failure::new(Code::new("BACKUP_FILE"), message, "name another file; nothing is left of this one.")
}

fn of_stopped(dir: &Path, passphrase: Option<&str>, out: &mut dyn Write) -> Result<(), Failure> {
    let files = Files::of(dir);
    let _opening = reseal::finish(&files)?;
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
         - Tickets that were open are void; correlations are made anew.\n\
         - Jobs that were under way count as having told all. Those that ran after the backup are in no history: until the \
         windows of the policies are over, hold what is asked against what peers know (their receipts).\n\
         - The budget ledger is in no backup: `tacit budget confirm --reason TEXT`, once the node runs, counts all that was \
         left as spent. Until then nothing is released with noise (BUDGET_ROLLBACK).\n",
        report.name,
        report.dir,
        output::time(report.backup_at),
        report.peer_id,
        report.datasets,
        report.jobs_ended,
        report.log_entries
    );
    if let Some(problem) = &report.configuration {
        text += &format!("- The configuration is not whole by itself: {problem}\n");
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::backup::tests::Stopped;

    #[test]
    fn a_backup_touches_no_file_but_its_own() {
        let node = Stopped::new(10);
        let place = tempfile::tempdir().expect("a directory");
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("maison.partial"), "of someone else").expect("written");
        to_file(&node.files.dir, None, &at("maison.backup")).expect("a backup");
        assert_eq!(std::fs::read_to_string(at("maison.partial")).expect("read"), "of someone else");
        assert_eq!(std::fs::metadata(at("maison.backup")).expect("there").permissions().mode() & 0o777, 0o600);
        // Another backup of the same name is under way, or was killed.
        std::fs::write(at("again.backup.partial"), "under way").expect("written");
        to_file(&node.files.dir, None, &at("again.backup")).expect("a backup");
        assert_eq!(std::fs::read_to_string(at("again.backup.partial")).expect("read"), "under way");
        let refused = to_file(&node.files.dir, None, &at("again.backup")).expect_err("it is there");
        assert_eq!(refused.code.as_str(), "BACKUP_FILE");
        let nowhere = to_file(&node.files.dir, None, &at("no-such-directory/backup")).expect_err("no place");
        assert_eq!(nowhere.code.as_str(), "BACKUP_FILE");
        assert_eq!(std::fs::read_dir(place.path()).expect("read").count(), 4, "nothing else is left");
    }
}
