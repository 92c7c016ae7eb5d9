//! `tacit stop`.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tacit_protocol::Failure;
use tacit_sdk::{Client, ClientError};

use super::output::Output;

/// How often the node is asked how far it is.
const EVERY: Duration = Duration::from_millis(250);

#[derive(Args)]
pub(super) struct Options {
    /// Do not wait for jobs under way: they are interrupted, and run again after the next start.
    #[arg(long)]
    now: bool,
    /// Return at once; the node goes on to drain.
    #[arg(long)]
    no_wait: bool,
}

/// Asks the node to stop, and tells what it waits for until it has.
pub(super) fn run(client: &Client, options: &Options, output: &Output) -> Result<(), Failure> {
    if options.now {
        client.stop_now()?
    } else {
        client.stop()?
    }
    if options.no_wait {
        return Ok(());
    }
    let mut told = None;
    loop {
        match client.status() {
            Ok(status) => {
                if told.replace(status.jobs_to_drain) != Some(status.jobs_to_drain) && status.draining {
                    output.one(
                        &json!({ "jobs_remaining": status.jobs_to_drain, "seconds_left": status.drain_seconds_left }),
                        |_| match status.jobs_to_drain {
                            0 => "no job remains".into(),
                            1 => "1 job remains".into(),
                            jobs => format!("{jobs} jobs remain"),
                        },
                    );
                }
            }
            Err(ClientError::Unreachable { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(EVERY);
    }
}
