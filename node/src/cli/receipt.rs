//! `tacit receipt`.

use std::path::PathBuf;

use clap::Subcommand;
use tacit_protocol::receipt::{Report, SignedReceipt, verify};
use tacit_protocol::{Code, Failure};

use super::output::{Output, time};
use super::remote::Connect;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Verify a receipt file. Needs no node and no network.
    Verify {
        /// The file.
        file: PathBuf,
    },
    /// Write the receipt of a finished job to a file.
    Export {
        /// The job's id, or the start of it.
        job: String,
        /// The file; by default the job's id with `.receipt.json`.
        file: Option<PathBuf>,
    },
}

pub(super) fn run(client: &Connect<'_>, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Verify { file } => {
            let bytes = super::read_file(&file)?;
            let report = SignedReceipt::from_json(&bytes).and_then(|receipt| verify(&receipt)).map_err(|error| {
                let next = "do not rely on it; ask the parties for their copies.";
                Failure::new(error.code(), format!("{}: {error}", file.display()), next)
            })?;
            output.one(&report, text);
            if !report.settled {
                let message = format!("not signed by {}", report.unsigned.join(", "));
                return Err(Failure::new(Code::new("RECEIPT_MISSING"), message, "ask for the settled receipt."));
            }
        }
        Command::Export { job, file } => {
            let receipt = client()?.receipt(&job)?;
            let file = file.unwrap_or_else(|| PathBuf::from(format!("{job}.receipt.json")));
            let text = serde_json::to_string_pretty(&receipt).expect("JSON serialises") + "\n";
            std::fs::write(&file, text).map_err(|cause| {
                let message = format!("cannot write {}: {cause}", file.display());
                Failure::new(Code::new("INPUT_FILE"), message, "name another file.")
            })?;
            output.one(&file.display().to_string(), |file| {
                format!("Wrote {file}. Check it with `tacit receipt verify {file}`.")
            });
        }
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let verdict = if report.settled { "Valid, signed by all parties" } else { "Valid so far, but not settled" };
    let mut text =
        format!("{verdict}\njob       {}\ncontract  {}\nprogram   {}\n", report.job, report.contract, report.code);
    report.parties.iter().for_each(|(peer, name)| text += &format!("party     {name} ({peer})\n"));
    if !report.purpose.is_empty() {
        text += &format!("purpose   {}\n", report.purpose);
    }
    report.outputs.iter().for_each(|(name, to)| text += &format!("output    {name}, to {}\n", to.join(", ")));
    report.learned.iter().for_each(|(party, what)| text += &format!("learned   {party}: {what}\n"));
    text += &format!("run       from {} to {}", time(report.times.0), time(report.times.1));
    text
}
