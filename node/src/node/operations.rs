//! What an operator asks of a node besides jobs: backups, exports, the acceptance of a peer's restore.

use std::fs::File;

use tacit_protocol::api::{BackupRequest, Finding};
use zeroize::Zeroizing;

use super::*;
use crate::backup::{self, Sealing, Source};
use crate::data::ExportFormat;

impl Node {
    /// A backup of the running node, as a file of no name that is to be sent.
    ///
    /// # Errors
    /// `API_BUSY`, `BACKUP_FILE`, `USAGE_PASSPHRASE`, a fault of the store or the log.
    pub async fn backup(self: &Arc<Self>, request: BackupRequest) -> Result<Spooled, Failure> {
        let node = Arc::clone(self);
        self.spools.write(move |file| node.write_backup(request, file)).await
    }

    fn write_backup(&self, request: BackupRequest, out: &mut File) -> Result<(), Failure> {
        let context = &self.context;
        let passphrase = request.passphrase.map(Zeroizing::new);
        let sealing = match &passphrase {
            Some(passphrase) => Sealing::Passphrase(passphrase, &context.node_key),
            None => Sealing::KeyFile(&context.node_key),
        };
        context.log(LogKind::Operation, &json!({ "text": "a backup is made", "sealed_by": sealing.word() }))?;
        let source = Source {
            name: &context.config.name,
            peer: context.identity.peer().to_string(),
            files: &self.files,
            store: &context.store,
            datasets: &context.datasets,
            now: context.clock.unix_seconds(),
        };
        let report = backup::write(&source, &sealing, out, &mut system_rng())?;
        tracing::info!(datasets = report.datasets, entries = report.entries, "a backup was made");
        Ok(())
    }

    /// The rows of a dataset of this node in a format, as a file of no name that is to be sent.
    ///
    /// # Errors
    /// `API_BUSY`, `USAGE_FORMAT`, `DATASET_UNKNOWN`, `INPUT_CHANGED`, `EXPORT_WRITE`, a fault of the log.
    pub async fn export_dataset(self: &Arc<Self>, name: &str, format: &str) -> Result<Spooled, Failure> {
        let kind = ExportFormat::named(format).ok_or_else(|| {
            let message = format!("{format:?} is no format of exports");
            Failure::new(Code::new("USAGE_FORMAT"), message, "use csv, parquet or arrow.")
        })?;
        let (node, name, format) = (Arc::clone(self), name.to_owned(), format.to_owned());
        self.spools
            .write(move |file| {
                let record = node.context.datasets.dataset(&name)?;
                let body = json!({ "dataset": name, "version": record.version, "format": format, "text": "exported" });
                node.context.log(LogKind::Dataset, &body)?;
                node.context.datasets.export(&name, kind, file)?;
                Ok(())
            })
            .await
    }

    /// Accepts that a peer's log went back because its node was restored from a backup (CHK-113).
    ///
    /// # Errors
    /// `PEER_UNKNOWN`, `RESTORE_NONE`, or a fault of the store or the log.
    pub async fn accept_restore(&self, peer: &str) -> Result<Peer, Failure> {
        let peer = parse_peer(peer)?;
        let known = self.context.pairing.peer(&peer).ok_or_else(|| unknown_peer(&peer.to_string()))?;
        let heads = Arc::clone(&self.context.heads);
        let (to, from) = off_reactor(move || heads.accept_restore(&peer)).await??;
        tracing::warn!(peer = %known.organisation, from, to, "the restore of a peer was accepted by the operator");
        self.context.network.dial(peer).await?;
        Ok(self.peer_info(&known))
    }

    /// Begins the graceful stop; whether it had not begun before.
    pub fn begin_drain(&self) -> bool {
        let patience = Duration::from_secs(self.context.config.drain_seconds.into());
        let begins = self.context.drain.begin(patience);
        if begins {
            tracing::info!(seconds = patience.as_secs(), "draining: no new jobs are taken");
        }
        begins
    }

    /// Waits for a graceful stop to begin, then for the jobs under way, and stops the node.
    pub(super) async fn stop_once_drained(self: Arc<Self>) {
        let until = tokio::select! {
            () = self.stop.cancelled() => return,
            until = self.context.drain.begun() => until,
        };
        let mut told = None;
        loop {
            let remaining = match self.jobs.book().under_way() {
                Ok(remaining) => remaining,
                Err(failure) => {
                    tracing::error!(code = %failure.code, "the jobs under way are not known: {failure}");
                    0
                }
            };
            if told.replace(remaining) != Some(remaining) {
                tracing::info!(jobs = remaining, "draining: {remaining} jobs remain");
            }
            if remaining == 0 {
                break;
            }
            if tokio::time::Instant::now() >= until {
                tracing::warn!(jobs = remaining, "the time to drain is over: the jobs run again after the next start");
                break;
            }
            // A change between the look and the wait is seen a second later.
            let look = until.min(tokio::time::Instant::now() + Duration::from_secs(1));
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.jobs.book().changed_by(look) => {}
            }
        }
        self.stop.cancel();
    }

    /// Tests the pair with a peer, both ways.
    ///
    /// # Errors
    /// `PEER_UNKNOWN` if it is not paired, `PEER_VERSION` if its node is too old for it.
    pub async fn probe_peer(&self, peer: &str) -> Result<Vec<Finding>, Failure> {
        let peer = parse_peer(peer)?;
        let name = self.context.pairing.organisation_of(&peer).ok_or_else(|| unknown_peer(&peer.to_string()))?;
        self.probes.run(peer, &name).await
    }
}
