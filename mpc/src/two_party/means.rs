//! What the choice between ways of computing one thing goes by.

use std::collections::BTreeSet;

use super::pace::Pace;
use crate::offline::{Counts, Kind, Ready};

/// How fast the parties are, and what they have made in advance. The engine and the count of its costs make their choices on
/// equal means, in the same order.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// How work, bytes and waiting weigh against each other.
    pub pace: Pace,
    /// What may be taken.
    ready: Ready,
    /// What was taken.
    taken: Counts,
    /// The groups of matrix products for whose common factor the peers have kept ciphertexts.
    kept: BTreeSet<u32>,
}

impl Means {
    /// At a pace, with something to take.
    pub fn new(pace: Pace, ready: Ready) -> Self {
        Self { pace, ready, taken: Counts::default(), kept: BTreeSet::new() }
    }

    /// At a pace, with nothing to take.
    pub fn at(pace: Pace) -> Self {
        Self::new(pace, Ready::default())
    }

    /// What was taken.
    pub fn taken(&self) -> &Counts {
        &self.taken
    }

    /// The same, with nothing taken yet.
    #[must_use]
    pub(crate) fn anew(self) -> Self {
        Self { taken: Counts::default(), ..self }
    }

    /// The same with other things to take.
    pub(super) fn allowing(&self, counts: &Counts) -> Self {
        Self { ready: Ready::Counted(counts.clone()), taken: Counts::default(), ..self.clone() }
    }

    /// Whether ciphertexts were kept for a group.
    pub(super) fn has_kept(&self, group: u32) -> bool {
        self.kept.contains(&group)
    }

    /// Notes that ciphertexts are kept for a group.
    pub(super) fn keep(&mut self, group: u32) {
        self.kept.insert(group);
    }

    /// Whether there are so many items.
    pub(super) fn has(&self, kind: Kind, count: usize) -> bool {
        self.ready.has(kind, count as u64)
    }

    /// Takes them.
    pub(super) fn take(&mut self, kind: Kind, count: usize) {
        self.ready.take(kind, count as u64);
        self.taken.add(kind, count as u64);
    }
}
