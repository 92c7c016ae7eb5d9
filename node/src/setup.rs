//! What makes a node's directory: `tacit init`. And where its files are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use tacit_protocol::identity::Identity;
use tacit_protocol::log::LogKind;
use tacit_protocol::{Code, Failure, name};

use crate::clock::{Clock, SystemClock, system_rng};
use crate::config::{self, Config, InitOptions};
use crate::keys::{IdentitySeed, NodeKey};
use crate::log::Log;
use crate::reseal;
use crate::store::{Journal, SledStore};

/// The files of a node's directory.
#[derive(Clone, Debug)]
pub struct Files {
    /// The directory.
    pub dir: PathBuf,
}

impl Files {
    /// The files of a directory.
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.into() }
    }

    /// Whether there is a node, or what is left of one.
    ///
    /// # Errors
    /// `API_NO_NODE`.
    pub(crate) fn check_node(&self) -> Result<(), Failure> {
        if self.config().exists() || self.store().exists() {
            return Ok(());
        }
        let message = format!("{} holds no node", self.dir.display());
        Err(Failure::new(Code::new("API_NO_NODE"), message, "name its directory by --dir."))
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.dir.join(config::FILE)
    }

    /// The key that seals the node's secrets.
    pub fn key(&self) -> PathBuf {
        self.dir.join("node.key")
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log.journal")
    }

    /// What must not be forgotten about peers, even after a restore: tickets used and peers revoked.
    pub fn peers(&self) -> PathBuf {
        self.dir.join("peers.journal")
    }

    /// The privacy budgets: what is spent stays spent, whatever is restored. In no backup.
    pub fn budget(&self) -> PathBuf {
        self.dir.join("budget.journal")
    }

    /// What must not be forgotten about tokens, even after a restore: those revoked and keys that ended.
    pub fn tokens(&self) -> PathBuf {
        self.dir.join("tokens.journal")
    }

    /// Correlations made in advance with peers. Never to be restored from a backup.
    pub fn correlations(&self) -> PathBuf {
        self.dir.join("correlations")
    }

    /// Locked by whoever opens the directory, until the store is open.
    pub fn opening(&self) -> PathBuf {
        self.dir.join("opening.lock")
    }

    /// Where imports are kept while they arrive.
    pub fn imports(&self) -> PathBuf {
        self.dir.join("imports")
    }
}

/// What `tacit init` made.
#[derive(Clone, Debug, Serialize)]
pub struct Initialised {
    /// The organisation's name.
    pub name: String,
    /// The node's PeerId.
    pub peer_id: String,
    /// The directory.
    pub dir: String,
}

/// Makes the directory of a new node. Nothing is left behind if it fails.
///
/// # Errors
/// `USAGE_DIR` if there is something in the directory already, `PEER_NAME` for a name that is none, and what the file
/// system says.
pub fn init(dir: &Path, options: &InitOptions) -> Result<Initialised, Failure> {
    name::check_organisation(&options.name)?;
    let config = Config::initial(options)?;
    let existed = dir.exists();
    if existed && std::fs::read_dir(dir).map_err(|cause| dir_failure(dir, &cause))?.next().is_some() {
        let message = format!("{} is not empty", dir.display());
        return Err(Failure::new(Code::new("USAGE_DIR"), message, "choose another directory with --dir."));
    }
    std::fs::create_dir_all(dir).map_err(|cause| dir_failure(dir, &cause))?;
    let made = fill(dir, &config);
    if made.is_err() {
        // Only what this call made: the directory was empty or not there.
        drop(std::fs::remove_dir_all(dir));
        if existed {
            drop(std::fs::create_dir(dir));
        }
    }
    let identity = made?;
    Ok(Initialised { name: config.name, peer_id: identity.peer().to_string(), dir: dir.display().to_string() })
}

fn fill(dir: &Path, config: &Config) -> Result<Identity, Failure> {
    let files = Files::of(dir);
    restrict(dir)?;
    let _opening = reseal::hold(&files)?;
    let key = NodeKey::create_file(&files.key(), &mut system_rng())?;
    let store = Arc::new(SledStore::open(&files.store())?);
    let seed = IdentitySeed::create(&*store, &key, &mut system_rng())?;
    let identity = Identity::from_seed(seed.expose());
    let log = Log::open(&files.log())?;
    let body = json!({ "name": config.name, "peer": identity.peer(), "version": env!("CARGO_PKG_VERSION") });
    log.append(SystemClock.unix_seconds(), LogKind::Created, &body)?;
    // What a backup holds is there before the first start.
    drop(Journal::open(&files.peers())?);
    // The configuration last: a directory with one holds a whole node.
    std::fs::write(files.config(), config.to_toml()).map_err(|cause| dir_failure(dir, &cause))?;
    Ok(identity)
}

/// Only the node's user may look into its directory.
fn restrict(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(|cause| dir_failure(dir, &cause))
}

fn dir_failure(dir: &Path, cause: &std::io::Error) -> Failure {
    Failure::new(Code::new("USAGE_DIR"), format!("{}: {cause}", dir.display()), "choose another directory with --dir.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(name: &str) -> InitOptions {
        InitOptions { name: name.into(), host: [127, 0, 0, 1].into(), port: 0, allow_loopback: true }
    }

    #[test]
    fn a_directory_holds_one_node() {
        let dir = tempfile::tempdir().expect("a directory");
        let node = init(dir.path(), &options("maison")).expect("a node");
        assert!(node.peer_id.starts_with("12D3KooW"), "{}", node.peer_id);
        let again = init(dir.path(), &options("maison")).expect_err("a refusal");
        assert_eq!(again.code.as_str(), "USAGE_DIR");
    }

    #[test]
    fn a_node_that_was_never_started_is_whole() {
        let parent = tempfile::tempdir().expect("a directory");
        let dir = parent.path().join("node");
        init(&dir, &options("maison")).expect("a node");
        let findings = crate::fsck::run(&dir, false).expect("looked at");
        assert!(crate::fsck::verdict(&findings).is_ok(), "{}", crate::fsck::table(&findings));
        for file in [Files::of(&dir).log(), Files::of(&dir).peers()] {
            let bytes = std::fs::read(&file).expect("a backup reads it");
            Journal::read_bytes(&bytes).expect("a journal");
        }
    }

    #[test]
    fn a_refused_name_leaves_nothing_behind() {
        let parent = tempfile::tempdir().expect("a directory");
        let dir = parent.path().join("node");
        let refused = init(&dir, &options("mai\u{202e}son")).expect_err("a refusal");
        assert_eq!(refused.code.as_str(), "PEER_NAME");
        assert!(!dir.exists());
    }
}
