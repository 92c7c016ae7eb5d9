//! `tacit key`.

use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use tacit_protocol::Failure;

use super::output::Output;
use crate::clock::{SystemClock, system_rng};
use crate::pairing::rotate::{self, Rotated};
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
    /// Give a stopped node a new identity key, and so a new PeerId.
    ///
    /// Its peers are told when it runs again, and each operator confirms the words of the new key with `tacit peer
    /// confirm`; history, quotas and budgets stay with the organisation, and the old key is revoked. Open tickets, correlations
    /// and tokens of the API end. Make a new backup afterwards: earlier ones hold the old key.
    Rotate {
        /// Says that a new key is wanted.
        #[arg(long, required = true)]
        new: bool,
        /// Give up jobs that have not ended, and receipts that are not settled.
        #[arg(long)]
        abandon_jobs: bool,
    },
}

pub(super) fn run(dir: &Path, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Seal { new: _ } => seal(dir, output),
        Command::Rotate { new: _, abandon_jobs } => rotate(dir, abandon_jobs, output),
    }
}

fn rotate(dir: &Path, abandon_jobs: bool, output: &Output) -> Result<(), Failure> {
    let rotated = rotate::run(&Files::of(dir), abandon_jobs, Arc::new(SystemClock), &mut system_rng())?;
    output.one(&rotated, |rotated| {
        let Rotated { old, new, peers, jobs_ended } = rotated;
        let mut text = format!("The node's PeerId is {new} now; it was {old}.");
        if *jobs_ended > 0 {
            text += &format!(" {jobs_ended} jobs were given up.");
        }
        if !peers.is_empty() {
            text += &format!(
                "\nStart the node, and compare the words in `tacit peer list` with {} by voice: their operators confirm the \
                 new key.",
                peers.join(", ")
            );
        }
        text + "\nMake a new backup, and new tokens for analysts and auditors: the earlier ones are of the old key."
    });
    Ok(())
}

fn seal(dir: &Path, output: &Output) -> Result<(), Failure> {
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
