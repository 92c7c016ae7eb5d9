//! `tacit approval`.

use clap::Subcommand;
use tacit_protocol::Failure;
use tacit_protocol::api::policies::ApprovalInfo;
use tacit_sdk::Client;

use super::output::{self, Output};

#[derive(Subcommand)]
pub(super) enum Command {
    /// The approvals for further runs, newest first.
    List,
    /// Take an approval back. Runs that were accepted under it go on.
    Revoke {
        /// Its id, or the start of it.
        id: String,
    },
}

pub(super) fn run(client: &Client, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List => output.list(&client.approvals()?, list),
        Command::Revoke { id } => output.one(&client.revoke_approval(&id)?, |one| list(std::slice::from_ref(one))),
    }
    Ok(())
}

fn list(approvals: &[ApprovalInfo]) -> String {
    if approvals.is_empty() {
        return "No approvals for further runs. Next: `tacit job approve JOB --runs N --until DAY`.".into();
    }
    let line = |one: &ApprovalInfo| {
        let until = one.until.map_or_else(|| "without end".into(), |until| format!("until {}", output::time(until)));
        format!(
            "{}  {}  {} of {} runs left, {until}\n  for {} on {}, to {}{}",
            one.id,
            one.state,
            one.runs_left,
            one.runs,
            one.organisation,
            one.datasets.join(", "),
            one.receivers.join(", "),
            if one.purpose.is_empty() { String::new() } else { format!(", purpose {:?}", one.purpose) },
        )
    };
    approvals.iter().map(line).collect::<Vec<_>>().join("\n")
}
