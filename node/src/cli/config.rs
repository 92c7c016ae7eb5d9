//! `tacit config`.

use std::path::Path;

use clap::Subcommand;
use tacit_protocol::Failure;

use super::output::{self, Output};
use super::remote::Connect;
use crate::config::Config;
use crate::config::layers::{Flags, Layers};

#[derive(Subcommand)]
pub(super) enum Command {
    /// The configuration that the running node runs with.
    Show {
        /// Say where each value comes from: the line of node.toml, the environment variable or the flag.
        #[arg(long)]
        origin: bool,
    },
    /// Check the configuration that `tacit node` would start with here and now, without a node: node.toml, the
    /// environment, and the same flags.
    Check(Flags),
}

pub(super) fn run(dir: &Path, command: Command, client: &Connect<'_>, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Show { origin } => {
            let settings = client()?.config()?;
            output.list(&settings, |settings| output::config_table(settings, origin));
        }
        Command::Check(flags) => {
            let layers = Layers::of_environment(std::env::vars_os()).with_flags(&flags);
            let settings = Config::load(dir, &layers)?.settings();
            output.list(&settings, |settings| output::config_table(settings, true));
        }
    }
    Ok(())
}
