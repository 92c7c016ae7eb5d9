//! What greetings are compared with: who is paired, and where each peer's log stood when it last greeted (CHK-113).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tacit_protocol::messages::LogHead;
use tacit_protocol::privacy::BudgetHead;
use tacit_protocol::{Code, PeerId};

use crate::budget::{self, Budget};
use crate::log::Log;
use crate::network::hello::HelloBook;
use crate::store::Store;

/// Says who is paired under a key.
type NameOf = dyn Fn(&PeerId) -> Option<String> + Send + Sync;

/// The peers and their logs' heads as far as this process has seen them.
pub struct Heads {
    organisation_of: Box<NameOf>,
    log: Arc<Log>,
    store: Arc<dyn Store>,
    budget: Arc<Budget>,
    me: PeerId,
    seen: Mutex<BTreeMap<PeerId, LogHead>>,
}

impl Heads {
    /// Nothing seen yet. `organisation_of` says who is paired under a key.
    pub fn new(
        organisation_of: impl Fn(&PeerId) -> Option<String> + Send + Sync + 'static,
        log: Arc<Log>,
        store: Arc<dyn Store>,
        budget: Arc<Budget>,
        me: PeerId,
    ) -> Self {
        Self { organisation_of: Box::new(organisation_of), log, store, budget, me, seen: Mutex::default() }
    }
}

impl HelloBook for Heads {
    fn organisation_of(&self, peer: &PeerId) -> Option<String> {
        (self.organisation_of)(peer)
    }

    fn own_head(&self) -> LogHead {
        self.log.head()
    }

    fn check_head(&self, peer: &PeerId, head: &LogHead) -> Result<(), Code> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.get(peer);
        // A log only grows, and what was shown once stays.
        let grown = known.is_none_or(|known| head.sequence > known.sequence || head == known);
        if !grown {
            return Err(Code::new("LOG_FORK"));
        }
        seen.insert(*peer, *head);
        Ok(())
    }

    fn budget_of(&self, peer: &PeerId) -> Option<BudgetHead> {
        // A store that cannot be read keeps nothing from being said.
        budget::seen_of(&*self.store, peer).ok().flatten()
    }

    fn hear_of_budget(&self, head: &BudgetHead) {
        // Only what this node has signed itself can be held against it.
        if head.is_of(&self.me) {
            self.budget.witnessed(&head.head);
        }
    }
}

#[cfg(test)]
mod tests {
    use tacit_protocol::{Digest, Identity};

    use crate::clock::ManualClock;
    use crate::store::MemoryStore;

    use super::*;

    #[test]
    fn chk_113_a_peers_log_may_grow_but_not_shrink_or_change() {
        let me = Identity::from_seed(&[8; 32]).peer();
        let store: Arc<MemoryStore> = Arc::default();
        let budget = Budget::in_memory(store.clone(), Arc::new(ManualClock::default())).expect("opens");
        let heads = Heads::new(|_| None, Arc::new(Log::in_memory()), store, Arc::new(budget), me);
        let peer = Identity::from_seed(&[7; 32]).peer();
        let head = |sequence, byte| LogHead { sequence, digest: Digest::from_bytes([byte; 32]) };
        assert_eq!(heads.check_head(&peer, &head(2, 1)), Ok(()));
        assert_eq!(heads.check_head(&peer, &head(2, 1)), Ok(()));
        assert_eq!(heads.check_head(&peer, &head(5, 2)), Ok(()));
        for forked in [head(5, 3), head(4, 2)] {
            assert_eq!(heads.check_head(&peer, &forked), Err(Code::new("LOG_FORK")));
        }
    }
}
