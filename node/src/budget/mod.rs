//! Privacy budgets: what has been spent of them, what is put aside for jobs, what is left.
//!
//! *Source*: the security note, §5; CHK-304, CHK-701, CHK-931. *Security*: an amount is put aside on disk before a
//! contract is signed, counts as spent on disk before the first byte of an opening leaves, and is put back only for a job
//! that ended before that. The [`Ledger`] is a journal of its own, beside the store and in no backup of it. One that is
//! shorter than the store, or than a peer, has seen it is of a restored copy: then nothing is released under a budget until
//! the operator has confirmed that all that was left counts as spent.
//! *Shapes and units*: amounts are [`Rho`], of a person of a lineage of datasets, towards one organisation and in all.

mod charges;
mod entry;
mod ledger;
mod operator;
mod page;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacit_protocol::identity::PeerId;
use tacit_protocol::job::JobId;
use tacit_protocol::messages::LogHead;
use tacit_protocol::privacy::{BudgetHead, Rho};
use tacit_protocol::{Code, Failure};

pub use charges::{Charge, charges};
use entry::Kind;
pub use entry::{Entry, Lineage};
use ledger::{Ledger, UNKNOWN, Used};
pub use page::page;

use crate::clock::Clock;
use crate::store::trees::{Care, KnownTree};
use crate::store::{Record, RecordTree, Store, StoreError};

/// The last entry that the store has seen, so that a ledger that lost its end is noticed.
const SEEN: RecordTree<Seen> = RecordTree::new("budget-seen");
const SEEN_KEY: &[u8] = b"head";

#[derive(bincode::Encode, bincode::Decode)]
struct Seen(LogHead);

/// The head of a peer's ledger, as the peer signed it.
#[derive(bincode::Encode, bincode::Decode)]
struct OfPeer(BudgetHead);

impl Record for OfPeer {
    const NAME: &'static str = "head of a peer's budget ledger";
    const VERSION: u8 = 1;
}

impl Record for Seen {
    const NAME: &'static str = "head of the budget ledger";
    const VERSION: u8 = 1;
}

/// How far this node has seen the ledgers of its peers.
const OF_PEERS: RecordTree<OfPeer> = RecordTree::new("budgets-of-peers");

/// The trees of budgets: what is known of ledgers. The ledger itself is in no backup.
pub(crate) const TREES: [KnownTree; 2] = [SEEN.known(Care::Keep), OF_PEERS.known(Care::Keep)];

/// Notes that a store was restored from a backup, in which no ledger is: what was charged since is not known here, also if
/// nothing had been charged before (CHK-931).
///
/// # Errors
/// A fault of the store.
pub fn note_restore(store: &dyn Store) -> Result<(), StoreError> {
    match SEEN.get(store, SEEN_KEY)? {
        Some(_) => Ok(()),
        None => SEEN.put(store, SEEN_KEY, &Seen(UNKNOWN)),
    }
}

/// Remembers the head of a peer's ledger, if it is longer than what was seen before.
///
/// # Errors
/// A fault of the store.
pub fn witness(store: &dyn Store, peer: &PeerId, head: &BudgetHead) -> Result<(), StoreError> {
    match seen_of(store, peer)? {
        Some(known) if known.head.sequence >= head.head.sequence => Ok(()),
        _ => OF_PEERS.put(store, peer.to_string().as_bytes(), &OfPeer(*head)),
    }
}

/// How far this node has seen the ledger of a peer.
///
/// # Errors
/// A fault of the store.
pub fn seen_of(store: &dyn Store, peer: &PeerId) -> Result<Option<BudgetHead>, StoreError> {
    Ok(OF_PEERS.get(store, peer.to_string().as_bytes())?.map(|OfPeer(head)| head))
}

/// What was seen of a peer's ledger holds for the key that follows its key (CHK-116).
///
/// # Errors
/// A fault of the store.
pub fn follow(store: &dyn Store, old: &PeerId, new: &PeerId) -> Result<(), StoreError> {
    seen_of(store, old)?.map_or(Ok(()), |head| witness(store, new, &head))
}

/// The budgets of a node.
pub struct Budget {
    ledger: Mutex<Ledger>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Budget {
    /// Opens the ledger in a file, or begins one there, and holds it against what the store has seen of it.
    ///
    /// # Errors
    /// `BUDGET_JOURNAL` if it was altered or does not read, a fault of the store.
    pub fn open(path: &Path, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        Self::over(Ledger::open(path)?, store, clock)
    }

    /// One that lives as long as the process, for simulations and tests.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn in_memory(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        Self::over(Ledger::in_memory(), store, clock)
    }

    fn over(mut ledger: Ledger, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        if let Some(Seen(seen)) = SEEN.get(&*store, SEEN_KEY)? {
            ledger.compare(&seen);
        }
        if let Some(cause) = ledger.doubt() {
            tracing::error!(code = "BUDGET_ROLLBACK", "the budget ledger is not whole: {cause}");
        }
        Ok(Self { ledger: Mutex::new(ledger), store, clock })
    }

    /// Whether a job's charges fit into what is left, without what is put aside for the job itself.
    ///
    /// # Errors
    /// `BUDGET_EXHAUSTED` with what is left, `BUDGET_ROLLBACK`.
    pub fn check(&self, job: Option<JobId>, charges: &[Charge]) -> Result<(), Failure> {
        self.lock().check(job, charges)
    }

    /// Puts a job's charges aside, before its contract is signed (CHK-304). The same again changes nothing.
    ///
    /// # Errors
    /// As [`Budget::check`]; `BUDGET_JOURNAL` if it cannot be written, and then nothing is put aside.
    pub fn reserve(&self, job: JobId, charges: &[Charge]) -> Result<(), Failure> {
        let mut ledger = self.lock();
        if charges.is_empty() || ledger.last_of(&job).is_some() {
            return Ok(());
        }
        ledger.check(Some(job), charges)?;
        let changes = charges.iter().map(|charge| (Kind::Reserved, charge.clone()));
        self.append(&mut ledger, Some(job), changes, "")
    }

    /// What was put aside for a job counts as spent, before the first byte of an opening leaves (CHK-701). The same again
    /// changes nothing.
    ///
    /// # Errors
    /// `BUDGET_JOURNAL` if it cannot be written or nothing was put aside, `BUDGET_ROLLBACK`; nothing may leave then.
    pub fn spend(&self, job: JobId, charges: &[Charge]) -> Result<(), Failure> {
        let last = self.lock().last_of(&job);
        match last {
            _ if charges.is_empty() => Ok(()),
            Some(Kind::Spent) => Ok(()),
            Some(Kind::Reserved) => self.end(job, Kind::Spent),
            _ => {
                let message = "nothing of the privacy budget was put aside for this job";
                Err(Failure::new(Code::new("BUDGET_JOURNAL"), message, "submit the job again."))
            }
        }
    }

    /// What was put aside for a job of an earlier run of the node, whose shares may have left, counts as spent.
    ///
    /// # Errors
    /// As [`Budget::spend`].
    pub fn settle(&self, job: JobId) -> Result<(), Failure> {
        self.end(job, Kind::Spent)
    }

    /// What was put aside for a job that ended before its release is there again.
    ///
    /// # Errors
    /// `BUDGET_JOURNAL`.
    pub fn release(&self, job: JobId) -> Result<(), Failure> {
        self.end(job, Kind::Released)
    }

    fn end(&self, job: JobId, kind: Kind) -> Result<(), Failure> {
        let mut ledger = self.lock();
        let reserved = ledger.reserved(&job);
        if kind == Kind::Spent && !reserved.is_empty() {
            ledger.sound()?;
        }
        self.append(&mut ledger, Some(job), reserved.into_iter().map(|charge| (kind, charge)), "")
    }

    /// The jobs for which something is put aside.
    pub fn open_jobs(&self) -> Vec<JobId> {
        self.lock().open_jobs()
    }

    /// Adds to what an organisation may learn. What was spent stays spent.
    ///
    /// # Errors
    /// `USAGE_REASON` without a reason, `BUDGET_JOURNAL`.
    pub fn grant(&self, charge: Charge, reason: &str) -> Result<(), Failure> {
        let reason = checked_reason(reason)?;
        self.append(&mut self.lock(), None, [(Kind::Granted, charge)], reason)
    }

    /// After a ledger lost its end: all that was left counts as spent, and new entries may follow.
    ///
    /// # Errors
    /// `STATE_ILLEGAL` if nothing is in doubt, `USAGE_REASON`, `BUDGET_JOURNAL`.
    pub fn confirm(&self, caps: &[Charge], reason: &str) -> Result<(), Failure> {
        let mut ledger = self.lock();
        let reason = checked_reason(reason)?;
        if ledger.doubt().is_none() {
            let message = "the budget ledger is whole";
            return Err(Failure::new(Code::new("STATE_ILLEGAL"), message, "see `tacit budget show`."));
        }
        let closed = |cap: &Charge| (Kind::Closed, Charge { rho: ledger.left(cap), ..cap.clone() });
        let closed = caps.iter().map(closed).filter(|(_, charge)| charge.rho > Rho::ZERO);
        let changes: Vec<_> = closed.chain([(Kind::Confirmed, Charge::none())]).collect();
        self.append(&mut ledger, None, changes, reason)
    }

    /// What a peer has seen of this ledger, as its receipts and greetings say: a ledger that is shorter was restored.
    pub fn witnessed(&self, head: &LogHead) {
        let mut ledger = self.lock();
        let sound = ledger.doubt().is_none();
        ledger.compare(head);
        if sound && ledger.doubt().is_some() {
            tracing::error!(code = "BUDGET_ROLLBACK", "a peer has seen more of the budget ledger than is here");
        }
    }

    /// The number and digest of the last entry.
    pub fn head(&self) -> LogHead {
        self.lock().head()
    }

    /// Why nothing is released under a budget, if that is so.
    pub fn doubt(&self) -> Option<String> {
        self.lock().doubt()
    }

    /// All entries, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries().to_vec()
    }

    /// What was spent and put aside, and what was granted, of one lineage towards one organisation.
    pub fn used(&self, lineage: &Lineage, organisation: &str) -> Used {
        self.lock().used(lineage, organisation)
    }

    /// What is left of an account.
    pub fn left(&self, account: &Charge) -> Rho {
        self.lock().left(account)
    }

    /// The organisations with entries of a lineage.
    pub fn organisations(&self, lineage: &Lineage) -> Vec<String> {
        self.lock().organisations(lineage)
    }

    fn append(
        &self,
        ledger: &mut Ledger,
        job: Option<JobId>,
        changes: impl IntoIterator<Item = (Kind, Charge)>,
        reason: &str,
    ) -> Result<(), Failure> {
        let before = ledger.head();
        ledger.append(self.clock.unix_seconds(), job, changes, reason)?;
        if ledger.head() == before { Ok(()) } else { self.remember(ledger) }
    }

    /// The store's copy is a witness, and no part of what must be on disk first. While the ledger is in doubt it stays what
    /// raised the doubt.
    fn remember(&self, ledger: &Ledger) -> Result<(), Failure> {
        if ledger.doubt().is_some() {
            return Ok(());
        }
        Ok(SEEN.put(&*self.store, SEEN_KEY, &Seen(ledger.head()))?)
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most characters of a reason.
const REASON: usize = 500;

fn checked_reason(reason: &str) -> Result<&str, Failure> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON {
        let message = format!("a change of a budget needs a reason of at most {REASON} characters");
        return Err(Failure::new(Code::new("USAGE_REASON"), message, "give one with --reason."));
    }
    Ok(reason)
}
