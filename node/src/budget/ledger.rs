//! The ledger: an append-only journal of what happened to budgets, and the sums that follow from it.

use std::collections::BTreeMap;
use std::path::Path;

use tacit_protocol::canonical::Digest;
use tacit_protocol::job::JobId;
use tacit_protocol::messages::LogHead;
use tacit_protocol::privacy::Rho;
use tacit_protocol::{Code, Failure};

use super::charges::Charge;
use super::entry::{Entry, Kind, Lineage};
use crate::store::{Journal, Record, StoreError};

/// The head of a ledger without entries.
const EMPTY: LogHead = LogHead { sequence: 0, digest: Digest::from_bytes([0; 32]) };

/// Stands for the head of a ledger of which a restored store knows nothing: no entry has this digest.
pub(super) const UNKNOWN: LogHead = LogHead { sequence: 1, digest: Digest::from_bytes([0; 32]) };

/// What was taken from one account, and added to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Spent, and what counts as spent.
    pub spent: Rho,
    /// Put aside for jobs.
    pub reserved: Rho,
    /// Added to what the policy allows.
    pub granted: Rho,
}

impl Used {
    fn left_of(&self, cap: Rho) -> Rho {
        cap.plus(self.granted).minus(self.spent).minus(self.reserved)
    }
}

/// Entries that are written in one piece.
#[derive(bincode::Encode, bincode::Decode)]
pub(super) struct Step(pub(super) Vec<Entry>);

impl Record for Step {
    const NAME: &'static str = "budget entries";
    const VERSION: u8 = 1;
}

/// The open ledger.
pub(super) struct Ledger {
    journal: Journal,
    entries: Vec<Entry>,
    accounts: BTreeMap<(Lineage, String), Used>,
    /// What is put aside, by job.
    reserved: BTreeMap<JobId, Vec<Charge>>,
    /// Jobs that have entries, and what the last of them did.
    jobs: BTreeMap<JobId, Kind>,
    /// The longest ledger that a witness has seen, where it is not this one's past.
    rolled_back: Option<LogHead>,
}

impl Ledger {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let start = Journal::open(path).map_err(|error| failure(&error))?;
        let mut ledger = Self::of(start.journal);
        for bytes in &start.entries {
            let Step(entries) = Step::from_bytes(bytes).map_err(|error| failure(&error))?;
            for entry in entries {
                if !entry.follows(&ledger.head()) {
                    let cause =
                        format!("entry {} of {} does not follow from the one before", entry.sequence, path.display());
                    return Err(failure(&StoreError::Corrupt(cause)));
                }
                ledger.take(entry);
            }
        }
        Ok(ledger)
    }

    pub(super) fn in_memory() -> Self {
        Self::of(Journal::in_memory())
    }

    fn of(journal: Journal) -> Self {
        let (accounts, reserved, jobs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { journal, entries: Vec::new(), accounts, reserved, jobs, rolled_back: None }
    }

    /// Writes what happened to the disk in one piece, so that a crash leaves all of it or nothing, and counts it.
    pub(super) fn append(
        &mut self,
        time: u64,
        job: Option<JobId>,
        changes: impl IntoIterator<Item = (Kind, Charge)>,
        reason: &str,
    ) -> Result<(), Failure> {
        let mut head = self.head();
        let mut entries = Vec::new();
        for (kind, Charge { lineage, dataset, organisation, rho, .. }) in changes {
            let LogHead { sequence, digest: previous } = head;
            // What follows on a confirmation is behind all that was seen of the ledger that was lost.
            let sequence = match (kind, self.rolled_back) {
                (Kind::Confirmed, Some(seen)) => sequence.max(seen.sequence),
                _ => sequence,
            } + 1;
            let reason = reason.to_owned();
            let entry = Entry { sequence, previous, time, kind, job, lineage, dataset, organisation, rho, reason };
            head = entry.head();
            entries.push(entry);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let step = Step(entries);
        self.journal.append(&step.to_bytes()).map_err(|error| failure(&error))?;
        step.0.into_iter().for_each(|entry| self.take(entry));
        Ok(())
    }

    /// Counts an entry that is on the disk.
    fn take(&mut self, entry: Entry) {
        let account = self.accounts.entry((entry.lineage, entry.organisation.clone())).or_default();
        match entry.kind {
            Kind::Reserved => account.reserved = account.reserved.plus(entry.rho),
            Kind::Spent => {
                account.reserved = account.reserved.minus(entry.rho);
                account.spent = account.spent.plus(entry.rho);
            }
            Kind::Released => account.reserved = account.reserved.minus(entry.rho),
            Kind::Granted => account.granted = account.granted.plus(entry.rho),
            Kind::Closed => account.spent = account.spent.plus(entry.rho),
            Kind::Confirmed => self.rolled_back = None,
        }
        if let Some(job) = entry.job {
            self.jobs.insert(job, entry.kind);
            match entry.kind {
                Kind::Reserved => self.reserved.entry(job).or_default().push(charge_of(&entry)),
                _ => {
                    let open = self.reserved.entry(job).or_default();
                    open.retain(|charge| charge.account() != (entry.lineage, entry.organisation.as_str()));
                    if open.is_empty() {
                        self.reserved.remove(&job);
                    }
                }
            }
        }
        self.entries.push(entry);
    }

    pub(super) fn head(&self) -> LogHead {
        self.entries.last().map_or(EMPTY, Entry::head)
    }

    /// Takes note of a head that a witness has seen: it has to be one of this ledger's (CHK-931).
    pub(super) fn compare(&mut self, seen: &LogHead) {
        if seen.sequence == 0 {
            return;
        }
        let place = self.entries.binary_search_by_key(&seen.sequence, |entry| entry.sequence);
        let own = place.ok().and_then(|place| self.entries.get(place)).map_or(EMPTY, Entry::head);
        let settled = self.entries.iter().any(|entry| entry.kind == Kind::Confirmed && entry.sequence > seen.sequence);
        if own != *seen && !settled && self.rolled_back.is_none_or(|known| known.sequence < seen.sequence) {
            self.rolled_back = Some(*seen);
        }
    }

    /// Why the ledger may lack entries.
    pub(super) fn doubt(&self) -> Option<String> {
        let seen = self.rolled_back?;
        if seen == UNKNOWN {
            return Some("the node was restored from a backup, and the ledger is in none".into());
        }
        let own = self.head().sequence;
        Some(format!("it ends at entry {own}, and entry {} of it was seen before", seen.sequence))
    }

    /// # Errors
    /// `BUDGET_ROLLBACK`.
    pub(super) fn sound(&self) -> Result<(), Failure> {
        let Some(doubt) = self.doubt() else { return Ok(()) };
        let message = format!("the budget ledger was restored from an older copy: {doubt}");
        let next = "nothing is released with noise until the operator runs `tacit budget confirm`, which counts all that was left as spent.";
        Err(Failure::new(Code::new("BUDGET_ROLLBACK"), message, next))
    }

    pub(super) fn check(&self, job: Option<JobId>, charges: &[Charge]) -> Result<(), Failure> {
        if charges.is_empty() {
            return Ok(());
        }
        self.sound()?;
        let aside: &[Charge] = job.and_then(|job| self.reserved.get(&job)).map_or(&[], Vec::as_slice);
        for charge in charges {
            // One job may cost an account several times, and several accounts of one lineage.
            let own = |other: &&Charge| other.account() == charge.account();
            let all = |other: &&Charge| other.lineage == charge.lineage;
            let left = self.own_left(charge).plus(sum(aside.iter().filter(own)));
            let left_of_all = self.total_left(charge).map(|left| left.plus(sum(aside.iter().filter(all))));
            let asked = sum(charges.iter().filter(own));
            let asked_of_all = sum(charges.iter().filter(all));
            let of_all = left_of_all
                .filter(|left| asked_of_all > *left)
                .map(|left| (asked_of_all, left, "all organisations together"));
            let over = of_all.or((asked > left).then_some((asked, left, charge.organisation.as_str())));
            if let Some((asked, left, whose)) = over {
                let message = format!(
                    "the job costs a rho of {asked} of the privacy budget of {} for {whose}, and {left} is left",
                    charge.dataset
                );
                let next = "ask for fewer or less exact values (`within`), or ask the owner for a grant.";
                return Err(Failure::new(Code::new("BUDGET_EXHAUSTED"), message, next));
            }
        }
        Ok(())
    }

    /// What is left of an account: both its own bound and that of all together hold.
    pub(super) fn left(&self, account: &Charge) -> Rho {
        let own = self.own_left(account);
        self.total_left(account).map_or(own, |total| own.min(total))
    }

    /// What is left of what one organisation may learn.
    fn own_left(&self, account: &Charge) -> Rho {
        self.used(&account.lineage, &account.organisation).left_of(account.cap)
    }

    /// What is left of what all organisations together may learn, where that is bounded.
    fn total_left(&self, account: &Charge) -> Option<Rho> {
        account.total.map(|total| self.all(&account.lineage).left_of(total))
    }

    pub(super) fn used(&self, lineage: &Lineage, organisation: &str) -> Used {
        self.accounts.get(&(*lineage, organisation.to_owned())).copied().unwrap_or_default()
    }

    /// Towards all organisations together.
    fn all(&self, lineage: &Lineage) -> Used {
        let accounts = self.accounts.iter().filter(|((of, _), _)| of == lineage);
        accounts.fold(Used::default(), |sum, (_, used)| Used {
            spent: sum.spent.plus(used.spent),
            reserved: sum.reserved.plus(used.reserved),
            granted: sum.granted.plus(used.granted),
        })
    }

    pub(super) fn organisations(&self, lineage: &Lineage) -> Vec<String> {
        let named = self.accounts.keys().filter(|(of, _)| of == lineage).map(|(_, name)| name.clone());
        named.filter(|name| !name.is_empty()).collect()
    }

    /// What the last entry of a job did.
    pub(super) fn last_of(&self, job: &JobId) -> Option<Kind> {
        self.jobs.get(job).copied()
    }

    pub(super) fn reserved(&self, job: &JobId) -> Vec<Charge> {
        self.reserved.get(job).cloned().unwrap_or_default()
    }

    pub(super) fn open_jobs(&self) -> Vec<JobId> {
        self.reserved.keys().copied().collect()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    #[cfg(test)]
    pub(super) fn set_journal(&mut self, journal: Journal) {
        self.journal = journal;
    }
}

fn sum<'a>(charges: impl Iterator<Item = &'a Charge>) -> Rho {
    charges.fold(Rho::ZERO, |sum, charge| sum.plus(charge.rho))
}

fn charge_of(entry: &Entry) -> Charge {
    let Entry { lineage, dataset, organisation, rho, .. } = entry.clone();
    Charge { lineage, dataset, organisation, rho, cap: Rho::ZERO, total: None }
}

fn failure(error: &StoreError) -> Failure {
    let next =
        "nothing is released with noise meanwhile; free the disk, or ask the operator to look at budget.journal.";
    Failure::new(Code::new("BUDGET_JOURNAL"), format!("the budget ledger: {error}"), next)
}
