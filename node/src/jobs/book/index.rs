//! What the book looks up without reading its jobs: which are open, how often a dataset is used, and which refused
//! proposals are the oldest.
//!
//! It lives in memory and follows from the records: a hundred bytes or so for each job that is open, that began within
//! a day, or that was refused here; nothing for any other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use tacit_protocol::canonical::Digest;
use tacit_protocol::identity::PeerId;
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::policy::Priority;

use super::super::negotiate::{DAY_SECONDS, Usage};
use super::super::record::{JobRecord, Role};
use super::super::settle::is_settled;

/// Refused proposals of one peer that are kept, so that a repetition gets the same answer (CHK-203) and the operator
/// can look at them. 64 are more than a person sends in an afternoon of trying; a record has some 10 KB, and at most
/// 256 KiB, so one peer takes 16 MiB of the disk at worst.
pub(super) const REFUSED_OF_A_PEER: usize = 64;
/// Refused proposals of all peers that are kept: 1,024, or 256 MiB of the disk at worst.
pub(super) const REFUSED_IN_ALL: usize = 1_024;

/// When a proposal was refused, and which; the order in which they go.
type Refusal = (u64, JobId);

#[derive(Default)]
pub(super) struct Index {
    /// How many jobs are in each state.
    states: BTreeMap<JobState, u64>,
    /// Jobs that have not ended, by the other party.
    open: BTreeMap<PeerId, BTreeSet<JobId>>,
    /// The jobs of each dataset, by its name in programs.
    datasets: BTreeMap<String, Uses>,
    /// Proposals that were refused here.
    refused: BTreeSet<Refusal>,
    refused_of: BTreeMap<PeerId, BTreeSet<Refusal>>,
    peer_of_refused: BTreeMap<JobId, PeerId>,
    /// Finished jobs of this node's own analysts by their code, for questions that are asked again (CHK-706).
    answers: BTreeMap<Digest, BTreeSet<JobId>>,
    /// Jobs whose run is over and whose receipt is not settled, by the other party, and since when (CHK-802).
    unsettled: BTreeMap<PeerId, BTreeMap<JobId, u64>>,
    /// Jobs that wait for their turn here, in the order in which they go, with the datasets that they wait for.
    queue: BTreeMap<Rank, BTreeSet<String>>,
}

/// The order of jobs that wait: the higher priority first, then the earlier one.
type Rank = (Reverse<Priority>, u64, JobId);

/// The jobs that count against the limits of a dataset's policy.
#[derive(Default)]
struct Uses {
    open: BTreeSet<JobId>,
    /// Those of a day that were not refused, by the other party and the time at which they began.
    begun: BTreeMap<PeerId, BTreeSet<(u64, JobId)>>,
}

impl Index {
    /// Notes that a job is now `after` and was `before`; `None` where there is or was none.
    pub(super) fn change(&mut self, before: Option<&JobRecord>, after: Option<&JobRecord>, now: u64) {
        if let Some(job) = before {
            self.remove(job);
        }
        if let Some(job) = after {
            self.insert(job, now);
        }
    }

    fn insert(&mut self, job: &JobRecord, now: u64) {
        *self.states.entry(job.state).or_default() += 1;
        let open = !job.state.is_final();
        if open {
            self.open.entry(job.peer).or_default().insert(job.id);
        }
        if let Some(refusal) = refusal(job) {
            self.refused.insert(refusal);
            self.refused_of.entry(job.peer).or_default().insert(refusal);
            self.peer_of_refused.insert(job.id, job.peer);
        }
        if is_answer(job) {
            self.answers.entry(job.proposal.code.digest()).or_default().insert(job.id);
        }
        if is_unsettled(job) {
            let since = job.history.last().map_or(0, |entered| entered.at);
            self.unsettled.entry(job.peer).or_default().insert(job.id, since);
        }
        let begun = began(job);
        let counts = job.state != JobState::Refused && is_of_the_day(begun, now);
        if is_queued(job) {
            let own = job.proposal.datasets.iter().filter(|dataset| dataset.owner == job.party);
            self.queue.insert(rank(job), own.map(|dataset| dataset.name.clone()).collect());
        }
        for dataset in job.proposal.datasets.iter().filter(|_| open || counts) {
            let uses = self.datasets.entry(dataset.name.clone()).or_default();
            if uses_data(job) {
                uses.open.insert(job.id);
            }
            if counts {
                let jobs = uses.begun.entry(asker(job)).or_default();
                jobs.insert((begun, job.id));
                // What is older than a day counts no more.
                while jobs.first().is_some_and(|(begun, _)| !is_of_the_day(*begun, now)) {
                    jobs.pop_first();
                }
            }
        }
    }

    fn remove(&mut self, job: &JobRecord) {
        if let Some(count) = self.states.get_mut(&job.state) {
            *count = count.saturating_sub(1);
        }
        remove_from(&mut self.open, &job.peer, &job.id);
        if let Some(refusal) = refusal(job) {
            self.refused.remove(&refusal);
            remove_from(&mut self.refused_of, &job.peer, &refusal);
            self.peer_of_refused.remove(&job.id);
        }
        if let Some(jobs) = self.unsettled.get_mut(&job.peer) {
            jobs.remove(&job.id);
        }
        self.queue.remove(&rank(job));
        if is_answer(job) {
            remove_from(&mut self.answers, &job.proposal.code.digest(), &job.id);
        }
        for dataset in &job.proposal.datasets {
            if let Some(uses) = self.datasets.get_mut(&dataset.name) {
                uses.open.remove(&job.id);
                remove_from(&mut uses.begun, &asker(job), &(began(job), job.id));
                if uses.open.is_empty() && uses.begun.is_empty() {
                    self.datasets.remove(&dataset.name);
                }
            }
        }
    }

    /// The place of a job among those that wait for one of the same datasets, and how many they are.
    pub(super) fn place(&self, job: &JobRecord) -> Option<(u32, u32)> {
        let own = self.queue.get(&rank(job))?;
        let same: Vec<&Rank> = self.queue.iter().filter(|(_, of)| !of.is_disjoint(own)).map(|(rank, _)| rank).collect();
        let place = same.iter().position(|other| **other == rank(job))?;
        Some((u32::try_from(place).ok()? + 1, u32::try_from(same.len()).ok()?))
    }

    /// The finished jobs of this node's analysts with a code, whose results have not expired.
    pub(super) fn answers(&self, code: &Digest) -> Vec<JobId> {
        self.answers.get(code).into_iter().flatten().copied().collect()
    }

    /// The jobs with a peer whose receipts have not been settled since a time.
    pub(super) fn unsettled_since(&self, peer: &PeerId, time: u64) -> Vec<JobId> {
        let jobs = self.unsettled.get(peer).into_iter().flatten();
        jobs.filter(|(_, since)| **since <= time).map(|(id, _)| *id).collect()
    }

    /// How many jobs are in each state.
    pub(super) fn states(&self) -> Vec<(JobState, u64)> {
        JobState::ALL.map(|state| (state, self.states.get(&state).copied().unwrap_or(0))).to_vec()
    }

    /// The jobs with a peer that have not ended.
    pub(super) fn open_with(&self, peer: &PeerId) -> Vec<JobId> {
        self.open.get(peer).into_iter().flatten().copied().collect()
    }

    /// The jobs that have not ended.
    pub(super) fn open(&self) -> Vec<JobId> {
        self.open.values().flatten().copied().collect()
    }

    /// How many jobs have not ended.
    pub(super) fn open_count(&self) -> usize {
        self.open.values().map(BTreeSet::len).sum()
    }

    /// How many jobs with a peer have not ended.
    pub(super) fn open_count_with(&self, peer: &PeerId) -> usize {
        self.open.get(peer).map_or(0, BTreeSet::len)
    }

    /// How often a dataset is used, not counting the job itself: by `peer` within a day, and by anyone now.
    pub(super) fn usage(&self, dataset: &str, peer: &PeerId, job: Option<JobId>, now: u64) -> Usage {
        let Some(uses) = self.datasets.get(dataset) else { return Usage::default() };
        let from = (now.saturating_add(1).saturating_sub(DAY_SECONDS), JobId::from_bytes([0; 32]));
        let today = uses.begun.get(peer).into_iter().flat_map(|jobs| jobs.range(from..));
        let today = today.filter(|(_, id)| Some(*id) != job).count();
        let running = uses.open.iter().filter(|id| Some(**id) != job).count();
        let count = |jobs| u32::try_from(jobs).unwrap_or(u32::MAX);
        Usage { today: count(today), running: count(running) }
    }

    /// The refused proposals that go once one more, `job`, is kept: the oldest of its peer, or else of all.
    pub(super) fn displaced_by(&self, job: &JobRecord) -> Vec<JobId> {
        if refusal(job).is_none() || self.peer_of_refused.contains_key(&job.id) {
            return Vec::new();
        }
        let of_peer = self.refused_of.get(&job.peer);
        if let Some(refused) = of_peer.filter(|refused| refused.len() >= REFUSED_OF_A_PEER) {
            let excess = refused.len() + 1 - REFUSED_OF_A_PEER;
            return refused.iter().take(excess).map(|(_, id)| *id).collect();
        }
        let excess = (self.refused.len() + 1).saturating_sub(REFUSED_IN_ALL);
        self.refused.iter().take(excess).map(|(_, id)| *id).collect()
    }
}

fn rank(job: &JobRecord) -> Rank {
    let entered = job.history.iter().rev().find(|entered| entered.state == JobState::Queued);
    (Reverse(job.priority), entered.map_or(0, |entered| entered.at), job.id)
}

/// Whether a job uses its datasets now. One that waits for its turn does not yet, and one whose run is over does no more,
/// though its receipt may never be settled.
fn uses_data(job: &JobRecord) -> bool {
    !job.state.is_final() && job.account.is_none() && !matches!(job.state, JobState::Queued | JobState::Unknown)
}

/// Whether a job's run is over, something of it may have left, and its receipt is not settled.
fn is_unsettled(job: &JobRecord) -> bool {
    job.account.is_some() && job.state.is_past_release() && !is_settled(job)
}

/// Whose job it is.
fn asker(job: &JobRecord) -> PeerId {
    job.proposal.parties[job.proposal.proposer.index()].peer
}

/// Whether a job waits for its turn here: an owner's, or one of an own analyst that no peer has yet.
fn is_queued(job: &JobRecord) -> bool {
    job.waits_here()
}

/// Whether a job may have an answer that its node keeps.
fn is_answer(job: &JobRecord) -> bool {
    (job.role, job.state) == (Role::Proposer, JobState::Finished) && job.failure.is_none() && !job.expired
}

/// When a job was refused, if it is a proposal that this node refused.
fn refusal(job: &JobRecord) -> Option<Refusal> {
    let at = job.history.last().map_or(0, |entry| entry.at);
    (job.role == Role::Owner && job.state == JobState::Refused).then_some((at, job.id))
}

fn began(job: &JobRecord) -> u64 {
    job.history.first().map_or(0, |entry| entry.at)
}

fn is_of_the_day(begun: u64, now: u64) -> bool {
    begun.saturating_add(DAY_SECONDS) > now
}

/// Removes a value of a key, and the key with its last value.
fn remove_from<Key: Ord, Value: Ord>(sets: &mut BTreeMap<Key, BTreeSet<Value>>, key: &Key, value: &Value) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
