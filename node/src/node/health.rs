//! Whether the node is ready, and the figures that are looked up when somebody asks.

use std::path::Path;

use tacit_protocol::Failure;
use tacit_protocol::api::{NotReady, Readiness};

use super::{Node, off_reactor};
use crate::metrics::{Snapshot, Tally};
use crate::peers::PeerState;

impl Node {
    /// Whether the node can take work, and why not. It says nothing that a stranger may not know.
    pub(crate) fn readiness(&self) -> Readiness {
        let context = &self.context;
        let reason = |code: &str, message: &str| NotReady { code: code.into(), message: message.into() };
        let mut reasons = Vec::new();
        if context.store.stopped().is_cancelled() {
            reasons.push(reason("STORE_STOPPED", "the store has stopped after a write that failed"));
        }
        if let Some(code) = context.log.fault() {
            reasons.push(reason(code.as_str(), "the log takes no entries"));
        }
        if context.network.listen_addresses().borrow().is_empty() {
            reasons.push(reason("LISTEN_MISSING", "the node listens nowhere for its peers"));
        }
        if self.stop.is_cancelled() {
            reasons.push(reason("NODE_STOPPING", "the node stops"));
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// What is counted as things happen.
    pub(crate) fn tally(&self) -> Tally {
        self.jobs.book().events().tally().clone()
    }

    /// What is looked up for the figures.
    ///
    /// # Errors
    /// A fault of the store.
    pub(crate) async fn snapshot(&self, started: u64) -> Result<Snapshot, Failure> {
        let (store, jobs) = (self.files.store(), self.jobs.clone());
        let (states, store_bytes) = off_reactor(move || (jobs.book().states(), size_of(&store))).await?;
        // A network that has stopped has none.
        let connections = self.context.network.counts().await.unwrap_or_default();
        let paired = self.context.pairing.peers().iter().filter(|peer| peer.state == PeerState::Paired).count();
        Ok(Snapshot {
            jobs: states?,
            paired: paired as u64,
            connected: self.context.network.connected().borrow().len() as u64,
            connections,
            store_bytes,
            log_entries: self.context.log.head().sequence,
            ready: self.readiness().ready,
            started,
            resident_bytes: resident_bytes(),
        })
    }
}

/// The bytes of the files in a directory and those within it. Files that go meanwhile do not count.
fn size_of(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// The memory that this process holds, where the system has `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
