//! The command line. Every command but `init`, `node`, `config check`, `backup`, `restore`, `fsck`, `demo`, `bench`,
//! `receipt verify`, `log verify FILE`, `policy check --policy --schema` and `completions` is a call of the API of the node
//! that runs in the directory.

mod approval;
mod backup;
mod budget;
mod config;
mod console;
mod dataset;
mod doctor;
mod host;
mod job;
mod key;
mod log;
mod output;
mod peer;
mod policy;
mod qr;
mod receipt;
mod remote;
mod stop;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tacit_protocol::{Code, Failure};

use crate::config::InitOptions;
use crate::config::layers::{Flags, Layers};
use crate::setup::Files;
use crate::{bench, daemon, demo, setup};
use output::Output;

/// Compute joint answers with organisations that may not pool their data.
#[derive(Parser)]
#[command(name = "tacit", version, max_term_width = 110, propagate_version = true)]
struct Arguments {
    /// The node's directory.
    #[arg(
        long,
        global = true,
        env = "TACIT_DIR",
        hide_env_values = true,
        default_value = "tacit-node",
        value_name = "DIR"
    )]
    dir: PathBuf,
    #[command(flatten)]
    remote: remote::Remote,
    /// Print JSON instead of text: one object, or one a line for lists.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a node: its key, its store and its configuration.
    Init {
        #[command(flatten)]
        options: InitOptions,
        /// Do nothing if the directory holds a node already: for service managers.
        #[arg(long)]
        if_missing: bool,
    },
    /// Run the node until it is stopped.
    ///
    /// For diagnosis, TACIT_SIMD=portable, avx2 or avx512 in the environment makes the engine use these vector
    /// instructions instead of the widest that the machine has, TACIT_LOG sets what is logged, and TACIT_LOG_FORMAT=json or
    /// text in which form.
    ///
    /// Every key of node.toml can be set by a variable as well, TACIT_ and the key in capitals (TACIT_LINK_MBIT,
    /// TACIT_IDLE_THREADS), and by --set. Flags go before the environment, and that before the file.
    Node(Flags),
    /// What the running node says of itself.
    Status,
    /// Where the console of the running node is, and how to sign in.
    Console,
    /// Show and check the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Write a backup of the node, running or stopped, to one sealed file.
    ///
    /// In it: configuration, log, datasets with their rows and policies, peers, jobs with receipts and results. Not in it:
    /// open tickets, correlations made in advance, secrets of jobs under way: each may be used once.
    Backup(backup::BackupOptions),
    /// Make a node of a backup in the new directory --dir.
    Restore(backup::RestoreOptions),
    /// Check a stopped node: that every record reads, rows are those committed to, log and journals are whole.
    Fsck(backup::FsckOptions),
    /// Change the node's keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Stop the running node once the jobs that are under way have ended.
    ///
    /// It takes no new jobs from now on (peers and analysts are told NODE_DRAINING) and waits at most drain_seconds. SIGTERM
    /// does the same; a second signal, or --now, ends it at once: interrupted jobs run again after the next start.
    Stop(stop::Options),
    /// Ask the running node whether it lives or is ready, for service managers: exit code 0 if so.
    Probe {
        /// `/healthz` or `/readyz`.
        #[arg(value_parser = ["/healthz", "/readyz"])]
        path: String,
    },
    /// Check this machine, the directory and the node, or the pair with a peer.
    Doctor {
        /// Test the pair with this organisation, both ways: whether each reaches the other's ports, latency, throughput (2
        /// MiB each way), clocks, versions, and which datasets each may see of the other.
        #[arg(long, value_name = "NAME")]
        peer: Option<String>,
    },
    /// Pair with other organisations.
    #[command(subcommand)]
    Peer(peer::Command),
    /// Import tables and set their policies.
    #[command(subcommand)]
    Dataset(dataset::Command),
    /// Show and change how much organisations may learn of a person, where datasets release with noise.
    #[command(subcommand)]
    Budget(budget::Command),
    /// Check programs against policies; show, compare and change policies.
    #[command(subcommand)]
    Policy(policy::Command),
    /// The datasets that this node and its peers offer to this organisation.
    Catalogue,
    /// Submit, watch and decide jobs.
    #[command(subcommand)]
    Job(job::Command),
    /// List and revoke approvals for further runs.
    #[command(subcommand)]
    Approval(approval::Command),
    /// Export and verify receipts.
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// Issue and revoke tokens, by which others call the node.
    #[command(subcommand)]
    Token(token::Command),
    /// Show, export and verify the node's log.
    #[command(subcommand)]
    Log(log::Command),
    /// Two organisations on this machine answer one joint question, from generated tables to verified receipts.
    Demo(demo::Options),
    /// Measure the engine's operations between two processes on this machine, or with a paired organisation.
    Bench(bench::Options),
    /// One party of `tacit bench`, which starts it.
    #[command(hide = true)]
    BenchParty,
    /// One party of `tacit bench --peer`, which the node starts.
    #[command(hide = true)]
    BenchPeer,
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether it works on this machine and calls no other.
    fn is_local(&self) -> bool {
        matches!(
            self,
            Self::Init { .. }
                | Self::Node(_)
                | Self::Console
                | Self::Config(config::Command::Check(_))
                | Self::Backup(_)
                | Self::Restore(_)
                | Self::Fsck(_)
                | Self::Key(_)
                | Self::Doctor { peer: None }
                | Self::Demo(_)
        )
    }
}

/// The command line as clap knows it.
#[cfg(test)]
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    match run(arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code.exit_class().code())
        }
    }
}

fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let dir = arguments.dir;
    // What computes, computes at the level that it was told to, or not at all.
    if matches!(arguments.command, Command::Node(_) | Command::Demo(_) | Command::Bench(_) | Command::BenchParty) {
        tacit_simd::Level::chosen().map_err(|cause| {
            Failure::new(Code::new("NODE_START"), cause.to_string(), "unset it, or name a level that the machine has.")
        })?;
    }
    if arguments.command.is_local() {
        arguments.remote.is_absent()?;
    }
    let client = || arguments.remote.client(&dir);
    match arguments.command {
        Command::Init { if_missing: true, .. } if Files::of(&dir).config().exists() => {}
        Command::Init { options, .. } => output.one(&setup::init(&dir, &options)?, output::initialised),
        Command::Probe { path } => {
            let (good, text) = client()?.probe(&path)?;
            if !good {
                let message = format!("{path} says: {}", text.trim());
                return Err(Failure::new(Code::new("NODE_NOT_READY"), message, "see the node's log."));
            }
            output.one(&text.trim().to_owned(), Clone::clone);
        }
        Command::Node(flags) => {
            daemon::run(&dir, &Layers::of_environment(std::env::vars_os()).with_flags(&flags))?;
        }
        Command::Status => output.one(&client()?.status()?, output::status),
        Command::Console => output.one(&console::of(&dir)?, console::text),
        Command::Config(command) => config::run(&dir, command, &client, output)?,
        Command::Backup(options) => backup::backup(&dir, &options, output)?,
        Command::Restore(options) => backup::restore(&dir, &options, output)?,
        Command::Fsck(options) => backup::fsck(&dir, &options, output)?,
        Command::Key(command) => key::run(&dir, command, output)?,
        Command::Stop(options) => stop::run(&client()?, &options, output)?,
        Command::Doctor { peer: None } => doctor::run(&dir, output)?,
        Command::Doctor { peer: Some(peer) } => doctor::pair(&client()?, &peer, output)?,
        Command::Peer(command) => peer::run(&client()?, command, output)?,
        Command::Dataset(command) => dataset::run(&client()?, command, output)?,
        Command::Policy(command) => policy::run(&client, command, output)?,
        Command::Catalogue => output.list(&client()?.catalogue()?, output::dataset_table),
        Command::Job(command) => job::run(&client()?, command, output)?,
        Command::Approval(command) => approval::run(&client()?, command, output)?,
        Command::Budget(command) => budget::run(&client()?, command, output)?,
        Command::Receipt(command) => receipt::run(&client, command, output)?,
        Command::Token(command) => token::run(&client()?, command, output)?,
        Command::Log(command) => log::run(&client, command, output)?,
        Command::Demo(options) => demo::run(&options, arguments.json)?,
        Command::Bench(options) => bench::run(&options, arguments.json, client)?,
        Command::BenchParty => bench::run_party()?,
        Command::BenchPeer => bench::run_peer()?,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "tacit", &mut std::io::stdout());
        }
    }
    Ok(())
}

/// Reads a file that the user named.
fn read_file(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|cause| {
        Failure::new(
            Code::new("INPUT_FILE"),
            format!("cannot read {}: {cause}", path.display()),
            "check the path and its permissions.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_work_on_a_directory_refuse_another_node() {
        let local = [
            "init --name maison",
            "node",
            "console",
            "config check",
            "backup file",
            "restore file --key key",
            "fsck",
            "key seal --new",
            "key rotate --new",
            "doctor",
            "demo",
        ];
        for command in local {
            for flag in ["--node https://node.example:7702", "--token-file token", "--ca ca.pem"] {
                let line = format!("tacit --dir no-such-directory {command} {flag}");
                let arguments = Arguments::try_parse_from(line.split(' ')).expect(&line);
                let failure = run(arguments, &Output::new(false)).expect_err(&line);
                assert_eq!(failure.code.as_str(), "USAGE_NODE", "{line}: {failure}");
            }
        }
        let shown = Arguments::try_parse_from(["tacit", "config", "show", "--ca", "ca.pem"]).expect("arguments");
        let failure = run(shown, &Output::new(false)).expect_err("no node is named");
        assert_eq!(failure.code.as_str(), "USAGE_NODE", "it is a call of the node");
    }
}
