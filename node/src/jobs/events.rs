//! The latest changes of job states, numbered, for those who follow them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand_core::Rng;
use tacit_protocol::api::JobEvent;
use tokio::sync::watch;

use super::record::{JobRecord, Role};
use crate::clock::system_rng;
use crate::metrics::Tally;

/// Changes that are kept, for followers that were away: some hundred bytes each. Whoever missed more reads the jobs
/// again.
const KEPT: usize = 1_024;

/// The changes of one run of the node.
pub struct Events {
    /// Tells the numbers of this run from those of others.
    run: u64,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
    tally: Tally,
}

#[derive(Default)]
struct Kept {
    /// The number of the newest change; 0: none yet.
    newest: u64,
    events: VecDeque<(JobEvent, Option<String>)>,
}

/// A place among the changes: after which one to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    run: u64,
    number: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{}", self.run, self.number)
    }
}

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (run, number) = text.split_once('-').ok_or(())?;
        Ok(Self { run: u64::from_str_radix(run, 16).map_err(drop)?, number: number.parse().map_err(drop)? })
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            run: system_rng().next_u64(),
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
            tally: Tally::default(),
        }
    }

    /// Notes a job that is on the disk, if its state is another than before.
    pub(super) fn note(&self, before: Option<&JobRecord>, after: &JobRecord) {
        if before.is_some_and(|before| before.state == after.state) {
            return;
        }
        self.tally.job(after);
        let event = JobEvent {
            job: after.id.to_string(),
            state: after.state.to_string(),
            at: after.history.last().map_or(0, |entry| entry.at),
            code: after.failure.as_ref().map(|failure| failure.code.to_string()),
        };
        let analyst = (after.role == Role::Proposer).then(|| after.proposal.analyst.clone());
        let mut kept = self.kept();
        kept.newest += 1;
        kept.events.push_back((event, analyst));
        if kept.events.len() > KEPT {
            kept.events.pop_front();
        }
        let newest = kept.newest;
        drop(kept);
        self.newest.send_modify(|seen| *seen = newest.max(*seen));
    }

    /// The figures that changes of jobs are counted in, and what else is counted.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The place after the newest change.
    pub fn end(&self) -> Place {
        Place { run: self.run, number: self.kept().newest }
    }

    /// The change after a place, if there is one yet, and the analyst of this node whose job it is.
    ///
    /// # Errors
    /// The place is of another run, or so far back that what follows it is no longer kept.
    pub fn after(&self, place: Place) -> Result<Option<(Place, Change)>, Missed> {
        let kept = self.kept();
        let oldest = kept.newest - kept.events.len() as u64;
        if place.run != self.run || place.number < oldest || place.number > kept.newest {
            return Err(Missed);
        }
        let index = usize::try_from(place.number - oldest).map_err(|_| Missed)?;
        let next = Place { number: place.number + 1, ..place };
        Ok(kept
            .events
            .get(index)
            .map(|(event, analyst)| (next, Change { event: event.clone(), analyst: analyst.clone() })))
    }

    /// Changes whenever there is a new change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of a job's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is told of it.
    pub event: JobEvent,
    /// The analyst who submitted the job here; none: it came from a peer.
    pub analyst: Option<String>,
}

/// Changes were missed: the jobs have to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed;

#[cfg(test)]
mod tests {
    use super::super::negotiate::tests::finished_job;
    use super::*;

    fn job(at: u64) -> JobRecord {
        finished_job(at)
    }

    #[test]
    fn changes_are_followed_in_order_from_a_place() {
        let events = Events::new();
        let start = events.end();
        assert_eq!(events.after(start), Ok(None));
        events.note(None, &job(100));
        events.note(Some(&job(100)), &job(101));
        events.note(None, &job(102));
        let (first, change) = events.after(start).expect("kept").expect("a change");
        let event = change.event;
        assert_eq!((event.state.as_str(), event.at), ("finished", 100), "the same state again is no change");
        let (second, change) = events.after(first).expect("kept").expect("a change");
        assert_eq!((change.event.at, second), (102, events.end()));
        assert_eq!(events.after(second), Ok(None));
        assert_eq!(second.to_string().parse(), Ok(second));
    }

    #[test]
    fn whoever_missed_more_than_is_kept_or_comes_from_another_run_is_told() {
        let events = Events::new();
        let start = events.end();
        (0..KEPT as u64).for_each(|at| events.note(None, &job(100 + at)));
        assert!(events.after(start).expect("still kept").is_some());
        events.note(None, &job(9_000));
        assert_eq!(events.after(start), Err(Missed));
        assert_eq!(events.after(Events::new().end()), Err(Missed));
        assert_eq!(events.after(Place { number: u64::MAX, ..events.end() }), Err(Missed));
        assert!("17".parse::<Place>().is_err() && "x-1".parse::<Place>().is_err());
    }
}
