//! The graceful stop: no new jobs are taken, those under way go on to their end, and then the node stops.
//!
//! It ends as well when its time is over (`drain_seconds`), or when the operator asks again by a signal or `--now`. Jobs
//! that are interrupted then are run again after the next start, as after a crash. Jobs that wait for an operator or for
//! a receipt hold nothing up: they go on after the next start.

use std::time::Duration;

use tacit_protocol::{Code, Failure};
use tokio::sync::watch;
use tokio::time::Instant;

/// Whether the node drains, and until when at most.
pub struct Drain {
    until: watch::Sender<Option<Instant>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self { until: watch::Sender::new(None) }
    }
}

impl Drain {
    /// Begins it, to end after `patience` at the latest; whether it had not begun before.
    pub fn begin(&self, patience: Duration) -> bool {
        self.until.send_if_modified(|until| {
            let begins = until.is_none();
            until.get_or_insert_with(|| Instant::now() + patience);
            begins
        })
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.until.borrow().is_some()
    }

    /// How many seconds are left, if it has begun.
    pub fn seconds_left(&self) -> Option<u64> {
        let until = *self.until.borrow();
        until.map(|until| until.saturating_duration_since(Instant::now()).as_secs())
    }

    /// Waits until it begins: when it ends at the latest.
    pub async fn begun(&self) -> Instant {
        let mut until = self.until.subscribe();
        loop {
            let known = *until.borrow_and_update();
            if let Some(known) = known {
                return known;
            }
            if until.changed().await.is_err() {
                // The sender is gone with this value, which is borrowed.
                return std::future::pending().await;
            }
        }
    }

    /// Refuses what would begin a job.
    ///
    /// # Errors
    /// `NODE_DRAINING` once it has begun.
    pub fn check(&self) -> Result<(), Failure> {
        if self.has_begun() { Err(draining()) } else { Ok(()) }
    }
}

/// The refusal of a job by a node that drains.
pub(crate) fn draining() -> Failure {
    let message = "the node is about to stop and takes no new jobs";
    Failure::new(Code::new("NODE_DRAINING"), message, "submit the job again once it has been started again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_begins_once_and_refuses_from_then_on() {
        let drain = Drain::default();
        assert_eq!((drain.has_begun(), drain.seconds_left(), drain.check()), (false, None, Ok(())));
        assert!(drain.begin(Duration::from_secs(9_000)));
        let until = drain.begun().await;
        assert!(!drain.begin(Duration::from_secs(90_000)), "the first time counts");
        assert_eq!(drain.begun().await, until);
        assert!(drain.seconds_left().is_some_and(|left| left <= 9_000));
        assert_eq!(drain.check().expect_err("a refusal").code.as_str(), "NODE_DRAINING");
    }
}
