//! `tacit key rotate`: a new identity key for a stopped node (CHK-116).
//!
//! *Order*: the rotation, signed by both keys, is in the log first; then key, rotation and the states of all peers change
//! in one batch. *Security*: the old key's secret is gone afterwards. What was bound to it ends: tickets and redemptions
//! that were not over, correlations, and the API's tokens, which name the node that they are for. Receipts stay valid, as
//! they name the keys that signed them.

use std::sync::Arc;

use rand_core::CryptoRng;
use serde::Serialize;
use serde_json::json;
use tacit_protocol::log::LogKind;
use tacit_protocol::rotation::Rotation;
use tacit_protocol::{Code, Failure, Identity};

use super::records;
use crate::clock::Clock;
use crate::config::Config;
use crate::jobs::restored::ended_with_key;
use crate::keys::{IdentitySeed, NodeKey};
use crate::log::Log;
use crate::peers::{PEERS, PeerState};
use crate::reseal;
use crate::setup::Files;
use crate::store::{Batch, SledStore, Store};

/// What `tacit key rotate` did.
#[derive(Clone, Debug, Serialize)]
pub struct Rotated {
    /// The PeerId that the node had.
    pub old: String,
    /// Its new one.
    pub new: String,
    /// The organisations that have to confirm it.
    pub peers: Vec<String>,
    /// Jobs that ended with the old key.
    pub jobs_ended: u64,
}

/// Gives a stopped node a new identity key. Jobs that have not ended, or whose receipt is not settled, keep it from doing
/// so unless they are to be abandoned.
///
/// # Errors
/// `STORE_LOCKED` while the node runs, `KEY_JOBS` where jobs are open, a fault of the store or the log; the node has its
/// old key then.
pub fn run(
    files: &Files,
    abandon_jobs: bool,
    clock: Arc<dyn Clock>,
    rng: &mut dyn CryptoRng,
) -> Result<Rotated, Failure> {
    let _opening = reseal::finish(files)?;
    let config = Config::read(&files.dir)?;
    let key = NodeKey::read_file(&files.key())?;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&files.store())?);
    let old = Identity::from_seed(IdentitySeed::load(store.as_ref(), &key)?.expose());
    let new = Identity::generate(rng);
    let now = clock.unix_seconds();

    let jobs_ended = ended_with_key(store.clone(), clock, abandon_jobs)?;
    let rotation = Rotation::new(&config.name, &old, &new, now);
    let body = json!({ "text": "the identity key is rotated", "rotation": rotation, "jobs_ended": jobs_ended });
    Log::open(&files.log())?.append(now, LogKind::Operation, &body)?;
    let correlations = files.correlations();
    if correlations.exists() {
        std::fs::remove_dir_all(&correlations).map_err(|cause| {
            let message = format!("{}: {cause}", correlations.display());
            Failure::new(Code::new("KEY_FILE"), message, "check permissions, and run the command again.")
        })?;
    }

    let mut batch = IdentitySeed::put_in(Batch::new(), &new, &key, rng);
    let mut peers = Vec::new();
    for (place, mut peer) in PEERS.all(store.as_ref(), b"")? {
        match peer.state {
            PeerState::Paired | PeerState::Renewing => {
                peer.state = PeerState::Renewing;
                peer.since = now;
                batch = PEERS.put_in(batch, &place, &peer);
                peers.push(peer.organisation);
            }
            PeerState::Invited | PeerState::Pending => batch = batch.delete(PEERS.name(), &place),
            PeerState::Revoked => {}
        }
    }
    store.apply(&records::rotated(batch, store.as_ref(), rotation)?)?;
    store.flush()?;
    Ok(Rotated { old: old.peer().to_string(), new: new.peer().to_string(), peers, jobs_ended })
}
