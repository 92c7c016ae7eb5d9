//! `tacit key`.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;
use tacit_protocol::Failure;

use super::output::Output;
use crate::clock::{SystemClock, system_rng};
use crate::reseal;
use crate::setup::Files;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Draw a new key file for a stopped node, and seal everything in its store again.
    ///
    /// The node stays who it is: its PeerId, peers, jobs and datasets stay. Backups that were made before open with the old
    /// key file alone. Correlations are made anew. A crash leaves the node with the old key or the new one, whole.
    Seal {
        /// Says that a new key is wanted.
        #[arg(long, required = true)]
        new: bool,
    },
}

pub(super) fn run(dir: &Path, command: Command, output: &Output) -> Result<(), Failure> {
    let Command::Seal { new: _ } = command;
    let values = reseal::run(&Files::of(dir), &SystemClock, &mut system_rng())?;
    output.one(&json!({ "resealed": values }), |_| {
        format!(
            "Sealed {values} values by a new key file, {}. Keep a copy of it elsewhere, and make a new backup: earlier ones \
             open with the old key file alone.",
            Files::of(dir).key().display()
        )
    });
    Ok(())
}
