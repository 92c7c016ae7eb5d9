//! `tacit log`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use tacit_protocol::api::LogCheck;
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use super::output::{self, Output};
use crate::log::check_export;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Its entries, at most 1,000.
    Show {
        /// The first entry.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Write all entries and the signed head to a file.
    Export {
        /// The file.
        file: PathBuf,
    },
    /// Check that no entry was changed, removed or put in: sequence, chain and the signature under the head.
    Verify {
        /// An exported file, checked without a node and without a network; by default the running node's log.
        file: Option<PathBuf>,
    },
}

pub(super) fn run(dir: &Path, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Show { from } => output.list(&Client::of_directory(dir)?.log(from)?, output::log_table),
        Command::Export { file } => {
            let text = Client::of_directory(dir)?.export_log()?;
            std::fs::write(&file, text).map_err(|cause| {
                let message = format!("cannot write {}: {cause}", file.display());
                Failure::new(Code::new("INPUT_FILE"), message, "name another file.")
            })?;
            output.one(&file.display().to_string(), |file| {
                format!("Wrote {file}. Check it with `tacit log verify {file}`.")
            });
        }
        Command::Verify { file } => {
            let text = match &file {
                Some(file) => String::from_utf8_lossy(&super::read_file(file)?).into_owned(),
                None => Client::of_directory(dir)?.export_log()?,
            };
            output.one(&check_export(&text)?, report);
        }
    }
    Ok(())
}

fn report(report: &LogCheck) -> String {
    format!(
        "Whole: {} entries, signed by their node\nnode  {}\nhead  {}\nat    {}",
        report.entries,
        report.node,
        report.head,
        output::time(report.exported)
    )
}
