//! What earlier jobs told whom about this node's datasets (CHK-213), and how often peers aligned rows with them
//! (CHK-504).
//!
//! A record is one thing that was told about one lineage, however many jobs told it: a job that repeats another adds its
//! time and nothing else. It is written before this node's acceptance leaves, so that of two jobs under way at once the
//! later one is judged with the earlier one; it becomes part of the history for the policy's window when the release
//! barrier is passed; and it goes with a job that ended before. Nothing of it depends on rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bincode::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use tacit_protocol::identity::PeerId;
use tacit_protocol::job::JobId;
use tacit_protocol::policy::Policy;
use tacit_protocol::policy::quota::{AlignmentUse, Remembered};
use tacit_protocol::program::history::PastJob;
use tacit_protocol::terms::Proposal;
use tacit_protocol::{Failure, PartyId};

use super::negotiate::DAY_SECONDS;
use crate::store::trees::{Care, KnownTree};
use crate::store::{Batch, Record, RecordTree, Store};

const TOLD: RecordTree<Told> = RecordTree::new("disclosure-history");
const ALIGNED: RecordTree<Aligned> = RecordTree::new("alignment-history");

/// The trees of histories.
pub(crate) const TREES: [KnownTree; 2] = [TOLD.known(Care::Keep), ALIGNED.known(Care::Keep)];

/// The lineage of a dataset.
pub type Lineage = [u8; 16];

/// The datasets that a peer brings into a job, by their own names, with their versions.
pub type Brought = BTreeSet<(String, u64)>;

/// Something that was told about a lineage.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Told {
    /// The version of the dataset.
    version: u64,
    /// Who received it, and what it was. Its receivers are parties of a job and mean nothing here.
    receiver: PeerId,
    what: PastJob,
    /// When a job that told it last passed its release barrier.
    released: Option<u64>,
    /// Jobs that may tell it and have not ended.
    pending: BTreeSet<JobId>,
}

impl Record for Told {
    const NAME: &'static str = "disclosure";
    const VERSION: u8 = 1;
}

/// How often a peer aligned rows with a lineage, and which of its own datasets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Aligned {
    /// Jobs by day since 1970.
    jobs: BTreeMap<u64, u32>,
    /// The peer's datasets with their versions, and the day on which each was used last.
    versions: BTreeMap<(String, u64), u64>,
}

impl Record for Aligned {
    const NAME: &'static str = "alignments";
    const VERSION: u8 = 1;
}

impl Aligned {
    /// Counts those of another key too.
    fn add(&mut self, other: Self) {
        for (day, count) in other.jobs {
            let sum = self.jobs.entry(day).or_default();
            *sum = sum.saturating_add(count);
        }
        for (version, day) in other.versions {
            let last = self.versions.entry(version).or_default();
            *last = day.max(*last);
        }
    }
}

/// A part of a job that concerns one dataset of this node.
pub struct About<'a> {
    /// The dataset's lineage.
    pub lineage: Lineage,
    /// Its version.
    pub version: u64,
    /// What the job tells of it to whom.
    pub told: Vec<&'a PastJob>,
    /// Whether the job aligns its rows with others'.
    pub aligned: bool,
}

/// The histories of this node's datasets.
#[derive(Clone)]
pub struct Histories {
    store: Arc<dyn Store>,
    /// Held while records are read and written: jobs that tell the same thing share one.
    changes: Arc<Mutex<()>>,
}

impl Histories {
    /// Those in a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, changes: Arc::default() }
    }

    /// What earlier jobs told the parties of a proposal about a dataset, within its policy's window. A job does not count
    /// against itself. Parties are those of the proposal, and one stands for its affiliates (CHK-210).
    ///
    /// # Errors
    /// A fault of the store.
    pub fn of(&self, asked: &Asked<'_>) -> Result<Vec<PastJob>, Failure> {
        let jobs = self.counting(asked)?.into_iter();
        Ok(jobs
            .map(|(told, receivers)| PastJob { receivers, current: told.version == asked.version, ..told.what })
            .collect())
    }

    /// All that is remembered for a dataset, where a peer asks, if it is one, that brings datasets of its own in these
    /// versions.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn remembered(&self, asked: &Asked<'_>, by: Option<&PeerId>, brings: Brought) -> Result<Remembered, Failure> {
        Ok(Remembered {
            told: self.of(asked)?,
            versions: self.versions(asked)?,
            aligned: self.alignments(asked, by, brings)?,
        })
    }

    /// Of how many versions of a dataset the parties were told sums within the window, with that of now.
    fn versions(&self, asked: &Asked<'_>) -> Result<u32, Failure> {
        let told = self.counting(asked)?;
        let sums = told.iter().filter(|(told, _)| !told.what.sums.is_empty()).map(|(told, _)| told.version);
        let versions: BTreeSet<u64> = sums.chain([asked.version]).collect();
        Ok(u32::try_from(versions.len()).unwrap_or(u32::MAX))
    }

    /// What counts within the window, with the parties that know it.
    fn counting(&self, asked: &Asked<'_>) -> Result<Vec<(Told, BTreeSet<PartyId>)>, Failure> {
        let from = asked.now.saturating_sub(u64::from(asked.policy.query().window_days) * DAY_SECONDS);
        let all = TOLD.all(&*self.store, &asked.lineage)?.into_iter().map(|(_, told)| {
            let receivers = asked.parties_of(&told.receiver);
            (told, receivers)
        });
        let counts = |(told, receivers): &(Told, BTreeSet<PartyId>)| {
            let pending = told.pending.iter().any(|job| Some(*job) != asked.job);
            let recent = told.released.is_some_and(|at| at >= from);
            (pending || recent) && !receivers.is_empty()
        };
        Ok(all.filter(counts).collect())
    }

    /// Notes what a job may tell, and that it aligns rows, in a batch that is written with the job.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn reserve(&self, job: &JobId, proposal: &Proposal, about: &[About<'_>], now: u64) -> Result<(), Failure> {
        let _changes = self.changes();
        let mut batch = Batch::new();
        for part in about {
            for what in &part.told {
                let Some(receiver) = what.receivers.first().and_then(|party| proposal.parties.get(party.index()))
                else {
                    continue;
                };
                let what = PastJob { receivers: BTreeSet::new(), ..(*what).clone() };
                let (receiver, version) = (receiver.peer, part.version);
                let fresh = Told { version, receiver, what, released: None, pending: BTreeSet::new() };
                let key = key(&part.lineage, &fresh);
                let mut told = TOLD.get(&*self.store, &key)?.unwrap_or(fresh);
                told.pending.insert(*job);
                batch = TOLD.put_in(batch, &key, &told);
            }
            if part.aligned {
                batch = self.align(batch, part.lineage, proposal, now)?;
            }
        }
        Ok(self.store.apply(&batch)?)
    }

    /// Counts an alignment by the proposer.
    fn align(&self, batch: Batch, lineage: Lineage, proposal: &Proposal, now: u64) -> Result<Batch, Failure> {
        let key = [lineage.as_slice(), proposer(proposal).public_key()].concat();
        let mut aligned = ALIGNED.get(&*self.store, &key)?.unwrap_or_default();
        let day = now / DAY_SECONDS;
        let count = aligned.jobs.entry(day).or_default();
        *count = count.saturating_add(1);
        for dataset in proposal.datasets.iter().filter(|dataset| dataset.owner == proposal.proposer) {
            aligned.versions.insert((dataset.dataset.clone(), dataset.version), day);
        }
        Ok(ALIGNED.put_in(batch, &key, &aligned))
    }

    /// How a peer used a lineage for alignments within a window, before a proposal.
    fn alignments(&self, asked: &Asked<'_>, by: Option<&PeerId>, brings: Brought) -> Result<AlignmentUse, Failure> {
        let mut aligned = Aligned::default();
        for key in by.into_iter().flat_map(asked.keys_of) {
            let key = [asked.lineage.as_slice(), key.public_key()].concat();
            aligned.add(ALIGNED.get(&*self.store, &key)?.unwrap_or_default());
        }
        let day = (asked.now / DAY_SECONDS).saturating_sub(u64::from(asked.policy.query().window_days) - 1);
        let jobs = aligned.jobs.range(day..).map(|(_, count)| *count).fold(0_u32, u32::saturating_add);
        let mut versions: Brought =
            aligned.versions.into_iter().filter(|(_, used)| *used >= day).map(|(version, _)| version).collect();
        versions.extend(brings);
        Ok(AlignmentUse { jobs, versions: u32::try_from(versions.len()).unwrap_or(u32::MAX) })
    }

    /// A job passes its release barrier: what it may tell counts from now on for the window.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn release(&self, job: &JobId, lineages: &[Lineage], now: u64) -> Result<(), Failure> {
        self.settle(job, lineages, Some(now))
    }

    /// A job ended before its release: it told nothing.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn forget(&self, job: &JobId, lineages: &[Lineage]) -> Result<(), Failure> {
        self.settle(job, lineages, None)
    }

    /// How the jobs under way ended is not known, as after a restore: all that they may tell counts as told.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn release_all(&self, now: u64) -> Result<(), Failure> {
        let pending = TOLD.all(&*self.store, b"")?.into_iter().filter(|(_, told)| !told.pending.is_empty());
        let batch = pending.fold(Batch::new(), |batch, (key, told)| {
            let released = told.released.max(Some(now));
            TOLD.put_in(batch, &key, &Told { released, pending: BTreeSet::new(), ..told })
        });
        if batch.is_empty() { Ok(()) } else { Ok(self.store.apply(&batch)?) }
    }

    /// The jobs that may still tell something of a lineage.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn pending(&self, lineage: &Lineage) -> Result<BTreeSet<JobId>, Failure> {
        Ok(TOLD.all(&*self.store, lineage)?.into_iter().flat_map(|(_, told)| told.pending).collect())
    }

    fn changes(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, job: &JobId, lineages: &[Lineage], released: Option<u64>) -> Result<(), Failure> {
        let _changes = self.changes();
        let mut batch = Batch::new();
        for lineage in lineages {
            for (key, mut told) in TOLD.all(&*self.store, lineage)? {
                if !told.pending.remove(job) {
                    continue;
                }
                told.released = told.released.max(released);
                batch = match (told.released, told.pending.is_empty()) {
                    (None, true) => batch.delete(TOLD.name(), &key),
                    _ => TOLD.put_in(batch, &key, &told),
                };
            }
        }
        if batch.is_empty() { Ok(()) } else { Ok(self.store.apply(&batch)?) }
    }

    /// Deletes what is older than a window.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn prune(&self, lineage: &Lineage, window_days: u32, now: u64) -> Result<(), Failure> {
        let _changes = self.changes();
        let from = now.saturating_sub(u64::from(window_days) * DAY_SECONDS);
        for (key, told) in TOLD.all(&*self.store, lineage)? {
            if told.pending.is_empty() && told.released.is_none_or(|at| at < from) {
                TOLD.delete(&*self.store, &key)?;
            }
        }
        let day = from / DAY_SECONDS;
        for (key, mut aligned) in ALIGNED.all(&*self.store, lineage)? {
            let before = aligned.clone();
            aligned.jobs.retain(|at, _| *at >= day);
            aligned.versions.retain(|_, at| *at >= day);
            match aligned.jobs.is_empty() && aligned.versions.is_empty() {
                true => ALIGNED.delete(&*self.store, &key)?,
                false if aligned != before => ALIGNED.put(&*self.store, &key, &aligned)?,
                false => {}
            }
        }
        Ok(())
    }
}

/// The parties of a proposal as histories are asked for them.
pub fn parties(proposal: &Proposal) -> Vec<(Option<PeerId>, String)> {
    proposal.parties.iter().map(|party| (Some(party.peer), party.organisation.clone())).collect()
}

/// For which proposal the history of a dataset is asked.
pub struct Asked<'a> {
    /// The dataset's lineage.
    pub lineage: Lineage,
    /// Its version.
    pub version: u64,
    /// Its policy.
    pub policy: &'a Policy,
    /// The parties of the proposal, in order.
    pub parties: &'a [(Option<PeerId>, String)],
    /// The name of its job, where it has one.
    pub job: Option<JobId>,
    /// The keys that the organisation of a peer has and had (CHK-116).
    pub keys_of: &'a dyn Fn(&PeerId) -> Vec<PeerId>,
    /// The name of an organisation by its peer, also if that is one no more.
    pub name_of: &'a dyn Fn(&PeerId) -> Option<String>,
    /// Unix seconds.
    pub now: u64,
}

impl Asked<'_> {
    /// The parties that know what a peer was told: itself, also under a later key, and those that share with it.
    fn parties_of(&self, receiver: &PeerId) -> BTreeSet<PartyId> {
        let organisation = (self.name_of)(receiver);
        let shares = organisation.as_deref().map(|name| self.policy.affiliates_of(name)).unwrap_or_default();
        let knows = |(peer, name): &(Option<PeerId>, String)| {
            peer.is_some_and(|peer| (self.keys_of)(&peer).contains(receiver)) || shares.contains(name.as_str())
        };
        let parties = self.parties.iter().zip((0_u8..).map(PartyId));
        parties.filter(|(party, _)| knows(party)).map(|(_, place)| place).collect()
    }
}

fn proposer(proposal: &Proposal) -> PeerId {
    proposal.parties[proposal.proposer.index()].peer
}

/// Lineage, and the digest of what is told to whom of which version.
fn key(lineage: &Lineage, told: &Told) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(b"tacit/disclosure-history/1");
    hash.update(told.version.to_le_bytes());
    hash.update(told.receiver.public_key());
    hash.update(bincode::encode_to_vec(&told.what, bincode::config::standard()).unwrap_or_default());
    [lineage.as_slice(), &hash.finalize()].concat()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::jobs::negotiate::tests::{identity, proposal};
    use crate::store::MemoryStore;
    use tacit_protocol::program::disclosure::told;

    const DAY: u64 = DAY_SECONDS;
    const LINEAGE: Lineage = [5; 16];

    fn policy(more: &str) -> Policy {
        Policy::parse(&format!("version = 1\n[query]\nwindow_days = 10\n{more}")).expect("a policy")
    }

    fn asked<'a>(
        policy: &'a Policy,
        parties: &'a [(Option<PeerId>, String)],
        job: Option<JobId>,
        now: u64,
    ) -> Asked<'a> {
        let name_of = &|peer: &PeerId| {
            ["maison", "banque", "courtier"].into_iter().find(|n| identity(n).peer() == *peer).map(str::to_owned)
        };
        // The broker had the key of `ancien` before.
        let keys_of = &|peer: &PeerId| match *peer == identity("courtier").peer() {
            true => vec![*peer, identity("ancien").peer()],
            false => vec![*peer],
        };
        Asked { lineage: LINEAGE, version: 3, policy, parties, job, keys_of, name_of, now }
    }

    /// Histories in which a job of the proposal is reserved.
    fn reserved(job: JobId) -> (Histories, Proposal) {
        let histories = Histories::new(Arc::new(MemoryStore::new()));
        let proposal = reserve_in(&histories, job);
        (histories, proposal)
    }

    /// Reserves a job of the proposal.
    pub(crate) fn reserve_in(histories: &Histories, job: JobId) -> Proposal {
        let proposal = proposal();
        let typed = crate::jobs::negotiate::typed(&proposal).expect("a program");
        let receivers = BTreeMap::from([("number".to_owned(), vec![proposal.proposer])]);
        let told = told(&typed, &receivers).expect("within the limits");
        let of_shop = told.iter().filter(|(dataset, _)| dataset == "maison/customers").map(|(_, job)| job).collect();
        let about = [About { lineage: LINEAGE, version: 3, told: of_shop, aligned: true }];
        histories.reserve(&job, &proposal, &about, DAY).expect("written");
        proposal
    }

    /// How many things count as told at a time, once a job has been called off that nobody hears of any more.
    pub(crate) fn told_after_all(histories: &Histories, job: JobId, proposal: &Proposal, now: u64) -> usize {
        histories.forget(&job, &[LINEAGE]).expect("written");
        histories.of(&asked(&policy(""), &parties(proposal), None, now)).expect("read").len()
    }

    #[test]
    fn a_job_counts_for_others_from_its_acceptance_and_for_the_window_after_its_release_chk_213() {
        let (one, other) = (JobId::from_bytes([1; 32]), JobId::from_bytes([2; 32]));
        let (histories, proposal) = reserved(one);
        let policy = policy("");
        let count = |job, now| histories.of(&asked(&policy, &parties(&proposal), job, now)).expect("read").len();
        assert_eq!((count(Some(one), DAY), count(Some(other), DAY), count(None, DAY)), (0, 1, 1));
        histories.release(&one, &[LINEAGE], 2 * DAY).expect("written");
        assert_eq!((count(Some(other), 12 * DAY), count(Some(other), 12 * DAY + 1)), (1, 0));
        histories.prune(&LINEAGE, 10, 13 * DAY).expect("pruned");
        assert_eq!(count(None, 3 * DAY), 0, "what has left the window is gone");
    }

    #[test]
    fn a_job_that_ended_before_its_release_told_nothing() {
        let (one, other) = (JobId::from_bytes([1; 32]), JobId::from_bytes([2; 32]));
        let (histories, proposal) = reserved(one);
        let policy = policy("");
        let count = |now| histories.of(&asked(&policy, &parties(&proposal), Some(other), now)).expect("read").len();
        histories.forget(&one, &[LINEAGE]).expect("written");
        assert_eq!(count(DAY), 0);
    }

    #[test]
    fn a_job_whose_end_is_not_known_told_all_chk_213() {
        let one = JobId::from_bytes([1; 32]);
        let (histories, proposal) = reserved(one);
        histories.release_all(2 * DAY).expect("written");
        assert!(histories.pending(&LINEAGE).expect("read").is_empty());
        assert_eq!(told_after_all(&histories, one, &proposal, 12 * DAY), 1);
        assert_eq!(told_after_all(&histories, one, &proposal, 12 * DAY + 1), 0, "the window is over");
    }

    #[test]
    fn what_an_affiliate_was_told_counts_chk_210() {
        let one = JobId::from_bytes([1; 32]);
        let (histories, mut proposal) = reserved(one);
        histories.release(&one, &[LINEAGE], DAY).expect("written");
        // Another organisation asks.
        let place = proposal.proposer.index();
        proposal.parties[place].peer = identity("courtier").peer();
        proposal.parties[place].organisation = "courtier".into();
        let (alone, together) = (policy(""), policy("affiliates = [[\"banque\", \"courtier\"]]"));
        let count = |policy| histories.of(&asked(policy, &parties(&proposal), None, DAY)).expect("read").len();
        assert_eq!((count(&alone), count(&together)), (0, 1));
    }

    #[test]
    fn the_versions_are_counted_of_which_parties_know_sums_chk_213() {
        let (histories, proposal) = reserved(JobId::from_bytes([1; 32]));
        let (policy, parties) = (policy(""), parties(&proposal));
        let asked = asked(&policy, &parties, None, DAY);
        let count = |version| {
            let asked = Asked { version, ..asked };
            histories.remembered(&asked, Some(&proposer(&proposal)), Brought::new()).expect("read").versions
        };
        assert_eq!((count(3), count(4)), (1, 2), "with the version of now");
    }

    #[test]
    fn alignments_and_versions_are_counted_within_the_window_chk_504() {
        let (histories, mut proposal) = reserved(JobId::from_bytes([1; 32]));
        let policy = policy("");
        let used = |proposal: &Proposal, now| {
            let own = proposal.datasets.iter().filter(|d| d.owner == proposal.proposer);
            let brings = own.map(|d| (d.dataset.clone(), d.version)).collect();
            let parties = parties(proposal);
            let asked = asked(&policy, &parties, None, now);
            histories.remembered(&asked, Some(&proposer(proposal)), brings).expect("read").aligned
        };
        assert_eq!(used(&proposal, DAY), AlignmentUse { jobs: 1, versions: 1 });
        let own = proposal.datasets.iter_mut().find(|d| d.owner == proposal.proposer).expect("its own");
        own.version += 1;
        assert_eq!(used(&proposal, DAY), AlignmentUse { jobs: 1, versions: 2 });
        assert_eq!(used(&proposal, 11 * DAY), AlignmentUse { jobs: 0, versions: 1 });
    }
}
