//! How the demo tells what happens: a line a step on standard output, or nothing with `--json`.

use std::io::Write;
use std::time::{Duration, Instant};

use tacit_protocol::Failure;
use tacit_protocol::api::JobDetail;
use tacit_sdk::Client;

/// How long one watch call may hang.
const WATCH: Duration = Duration::from_secs(20);

/// The teller.
pub(super) struct Story {
    silent: bool,
}

impl Story {
    pub(super) fn new(silent: bool) -> Self {
        Self { silent }
    }

    /// A line.
    pub(super) fn say(&self, line: &str) {
        if !self.silent {
            drop(writeln!(std::io::stdout(), "{line}"));
        }
    }

    /// A step with its time.
    pub(super) fn step<T>(&self, what: &str, act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let started = Instant::now();
        let value = act().map_err(|failure| match failure.step {
            Some(_) => failure,
            None => failure.at_step(what),
        })?;
        self.say(&format!("{what:<50} {:>8.2} s", started.elapsed().as_secs_f64()));
        Ok(value)
    }

    /// Follows a job to its end, a line a state; its failure, if it failed.
    pub(super) fn watch(&self, client: &Client, id: &str) -> Result<JobDetail, Failure> {
        let mut job = client.job(id)?;
        let mut entered = Instant::now();
        loop {
            let state = job.summary.state.clone();
            if let Some(ended) = super::organisation::ended(&job) {
                return ended.map(|()| job);
            }
            job = client.watch_job(id, &state, WATCH)?;
            if job.summary.state != state {
                let seconds = entered.elapsed().as_secs_f64();
                self.say(&format!("{:<50} {seconds:>8.2} s", format!("the job: {}", state.replace('_', " "))));
                entered = Instant::now();
            }
        }
    }
}
