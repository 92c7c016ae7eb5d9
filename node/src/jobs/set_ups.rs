//! The set-ups of transfers that a node keeps for the next jobs with its peers, in memory alone.
//!
//! *Security*: a set-up serves jobs of one pair of keys for [`AGE_SECONDS`] at most, and none once a check has failed on
//! it (CHK-601). *Cost*: 1.5 MiB each, of at most [`KEPT`] peers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacit_mpc::ot::SetUp;
use tacit_protocol::identity::PeerId;

/// Peers whose set-ups are kept: those whose jobs ran last.
const KEPT: usize = 16;
/// How long a set-up serves.
const AGE_SECONDS: u64 = 3_600;

#[derive(Default)]
pub(super) struct SetUps {
    kept: Mutex<BTreeMap<PeerId, Kept>>,
}

struct Kept {
    set_up: Arc<SetUp>,
    made: u64,
    used: u64,
}

impl SetUps {
    /// The set-up with a peer, if there is one.
    pub(super) fn of(&self, peer: &PeerId, now: u64) -> Option<Arc<SetUp>> {
        let mut kept = self.kept();
        kept.retain(|_, kept| now < kept.made.saturating_add(AGE_SECONDS));
        let known = kept.get_mut(peer)?;
        known.used = now;
        Some(Arc::clone(&known.set_up))
    }

    /// Keeps the set-up of a job that ran.
    pub(super) fn keep(&self, peer: PeerId, set_up: Arc<SetUp>, now: u64) {
        let mut kept = self.kept();
        if kept.get(&peer).is_some_and(|known| Arc::ptr_eq(&known.set_up, &set_up)) {
            return;
        }
        kept.insert(peer, Kept { set_up, made: now, used: now });
        if kept.len() > KEPT
            && let Some(oldest) = kept.iter().min_by_key(|(_, kept)| kept.used).map(|(peer, _)| *peer)
        {
            kept.remove(&oldest);
        }
    }

    /// Drops what there is of a peer.
    pub(super) fn forget(&self, peer: &PeerId) {
        self.kept().remove(peer);
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<PeerId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;
    use tacit_mpc::channel;
    use tacit_mpc::ot::{Expected, Silent};
    use tacit_protocol::{Identity, PartyId};

    use super::*;

    /// One party's half of a set-up.
    fn set_up(seed: u64) -> Arc<SetUp> {
        let (mut own, mut theirs) = channel::pair();
        let made = |channel: &mut dyn channel::Channel, party| {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            Silent::establish(channel, party, [7; 32], Expected::default(), false, &mut rng).expect("honest")
        };
        std::thread::scope(|scope| {
            scope.spawn(|| made(&mut theirs, PartyId::ONE));
            Arc::clone(made(&mut own, PartyId::ZERO).set_up())
        })
    }

    #[test]
    fn set_ups_are_kept_for_the_peers_of_the_last_jobs_and_for_an_hour() {
        let peer = |seed: u8| Identity::from_seed(&[seed; 32]).peer();
        let (set_ups, one) = (SetUps::default(), set_up(1));
        for seed in 0..=16 {
            set_ups.keep(peer(seed), Arc::clone(&one), 100 + u64::from(seed));
        }
        assert!(set_ups.of(&peer(0), 120).is_none(), "the sixteen that were used last are kept");
        assert!(set_ups.of(&peer(1), 120).is_some());
        set_ups.forget(&peer(1));
        assert!(set_ups.of(&peer(1), 120).is_none());
        // Being used again makes nothing younger.
        set_ups.keep(peer(2), Arc::clone(&one), 3_000);
        assert!(set_ups.of(&peer(2), 102 + AGE_SECONDS - 1).is_some());
        assert!(set_ups.of(&peer(2), 102 + AGE_SECONDS).is_none());
    }
}
