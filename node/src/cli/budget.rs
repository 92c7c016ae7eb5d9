//! `tacit budget`.

use clap::Subcommand;
use tacit_protocol::Failure;
use tacit_protocol::api::{BudgetAccount, BudgetEntry, BudgetReport, ConfirmBudgetRequest, GrantRequest};
use tacit_sdk::Client;

use super::output::{self, Output};

#[derive(Subcommand)]
pub(super) enum Command {
    /// What each organisation has learned of a person of each dataset at most, and what is left as work.
    Show {
        /// The accuracy of the counts that remaining work is told in: within this of the exact ones in 95 of 100 cases.
        #[arg(long, default_value_t = 12.0)]
        within: f64,
    },
    /// Every entry of the ledger: what was put aside, spent, put back, granted.
    Ledger,
    /// Let an organisation learn more. What was spent stays spent.
    Grant {
        /// The dataset.
        dataset: String,
        /// The organisation.
        organisation: String,
        /// How much more, as epsilon at the policy's delta.
        #[arg(long)]
        epsilon: f64,
        /// Why; it is in ledger and log.
        #[arg(long)]
        reason: String,
    },
    /// Go on with a ledger that was restored from an older copy: all that was left counts as spent.
    Confirm {
        /// What happened; it is in ledger and log.
        #[arg(long)]
        reason: String,
    },
}

pub(super) fn run(client: &Client, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Show { within } => output.one(&client.budget(within)?, report),
        Command::Ledger => output.list(&client.budget_ledger()?, ledger),
        Command::Grant { dataset, organisation, epsilon, reason } => {
            let request = GrantRequest { dataset, organisation, epsilon, reason };
            output.one(&client.grant_budget(&request)?, report);
        }
        Command::Confirm { reason } => output.one(&client.confirm_budget(&ConfirmBudgetRequest { reason })?, report),
    }
    Ok(())
}

fn report(report: &BudgetReport) -> String {
    let doubt = report.doubt.as_ref().map(|doubt| {
        format!("Nothing is released with noise: the ledger may lack entries ({doubt}).\nIf that is so, `tacit budget confirm --reason TEXT` counts all that was left as spent.\n\n")
    });
    let accounts = if report.accounts.is_empty() {
        "No dataset releases with noise. A section [privacy] in its policy makes it do so.".to_owned()
    } else {
        report.accounts.iter().map(|account| line(account, report.within)).collect::<Vec<_>>().join("\n")
    };
    doubt.unwrap_or_default() + &accounts
}

fn line(account: &BudgetAccount, within: f64) -> String {
    let aside =
        if account.reserved_rho > 0.0 { format!(" ({:.4} put aside)", account.reserved_rho) } else { String::new() };
    format!(
        "{} for {}\n  learned so far: epsilon {:.2} of {} (delta {:e})\n  left: a rho of {:.4}{aside}, about {} more counts at ±{within} (95 %)",
        account.dataset,
        account.organisation,
        account.spent_epsilon,
        account.epsilon,
        account.delta,
        account.left_rho,
        account.counts,
    )
}

fn ledger(entries: &[BudgetEntry]) -> String {
    let line = |entry: &BudgetEntry| {
        let job = entry.job.as_deref().map(|job| format!(" job {}", &job[..job.len().min(12)])).unwrap_or_default();
        let reason = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
        format!(
            "{:>5}  {}  {:<9} {:.4}  {} for {}{job}{reason}",
            entry.seq,
            output::time(entry.at),
            entry.kind,
            entry.rho,
            entry.dataset,
            entry.organisation
        )
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}
