//! `tacit log`.

use std::path::PathBuf;

use clap::Subcommand;
use tacit_protocol::api::{LogCheck, LogLevels};
use tacit_protocol::{Code, Failure};

use super::output::{self, Output};
use super::remote::Connect;
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
    /// Show the levels that were set for the process's log, or set others until the process ends.
    Level {
        /// Parts of the node and levels: `mpc=debug`, or `debug,network=trace`; an empty text goes back to those of the
        /// start.
        levels: Option<String>,
    },
    /// Check that no entry was changed, removed or put in: sequence, chain and the signature under the head.
    Verify {
        /// An exported file, checked without a node and without a network; by default the running node's log.
        file: Option<PathBuf>,
    },
}

pub(super) fn run(client: &Connect<'_>, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Show { from } => output.list(&client()?.log(from)?, output::log_table),
        Command::Level { levels } => {
            let client = client()?;
            let now = match levels {
                Some(levels) => client.set_log_levels(&LogLevels { levels })?,
                None => client.log_levels()?,
            };
            output.one(&now, |now| match now.levels.as_str() {
                "" => "No levels are set beside those of the start (TACIT_LOG, or info).".into(),
                levels => levels.to_owned(),
            });
        }
        Command::Export { file } => {
            let text = client()?.export_log()?;
            std::fs::write(&file, text).map_err(|cause| {
                let message = format!("cannot write {}: {cause}", file.display());
                Failure::new(Code::new("INPUT_FILE"), message, "name another file.")
            })?;
            output.one(&file.display().to_string(), |file| {
                format!("Wrote {file}. Check it with `tacit log verify {file}`.")
            });
        }
        Command::Verify { file } => {
            let export = match &file {
                Some(file) => super::read_file(file)?,
                None => client()?.export_log()?.into_bytes(),
            };
            output.one(&check_export(export.as_slice())?, report);
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
