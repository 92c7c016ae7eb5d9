//! The command line. Every command but `init`, `node`, `demo`, `bench`, `receipt verify`, `log verify FILE`,
//! `policy check --policy --schema` and `completions` is a call of the API of the node that runs in the directory.

mod approval;
mod console;
mod dataset;
mod doctor;
mod job;
mod log;
mod output;
mod peer;
mod policy;
mod receipt;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use crate::config::InitOptions;
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
    /// Print JSON instead of text: one object, or one a line for lists.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a node: its key, its store and its configuration.
    Init(InitOptions),
    /// Run the node until it is stopped.
    ///
    /// For diagnosis, TACIT_SIMD=portable, avx2 or avx512 in the environment makes the engine use these vector
    /// instructions instead of the widest that the machine has, and TACIT_LOG sets what is logged.
    Node,
    /// What the running node says of itself.
    Status,
    /// Where the console of the running node is, and how to sign in.
    Console,
    /// The configuration that the running node runs with.
    Config,
    /// Stop the running node once its jobs have reached a safe point.
    Stop,
    /// Check this machine, the directory and the node.
    Doctor,
    /// Pair with other organisations.
    #[command(subcommand)]
    Peer(peer::Command),
    /// Import tables and set their policies.
    #[command(subcommand)]
    Dataset(dataset::Command),
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
    if matches!(arguments.command, Command::Node | Command::Demo(_) | Command::Bench(_) | Command::BenchParty) {
        tacit_simd::Level::chosen().map_err(|cause| {
            Failure::new(Code::new("NODE_START"), cause.to_string(), "unset it, or name a level that the machine has.")
        })?;
    }
    let client = || Client::of_directory(&dir).map_err(Failure::from);
    match arguments.command {
        Command::Init(options) => output.one(&setup::init(&dir, &options)?, output::initialised),
        Command::Node => daemon::run(&dir)?,
        Command::Status => output.one(&client()?.status()?, output::status),
        Command::Console => output.one(&console::of(&dir)?, console::text),
        Command::Config => output.list(&client()?.config()?, output::config_table),
        Command::Stop => client()?.stop()?,
        Command::Doctor => doctor::run(&dir, output)?,
        Command::Peer(command) => peer::run(&client()?, command, output)?,
        Command::Dataset(command) => dataset::run(&client()?, command, output)?,
        Command::Policy(command) => policy::run(&dir, command, output)?,
        Command::Catalogue => output.list(&client()?.catalogue()?, output::dataset_table),
        Command::Job(command) => job::run(&client()?, command, output)?,
        Command::Approval(command) => approval::run(&client()?, command, output)?,
        Command::Receipt(command) => receipt::run(&dir, command, output)?,
        Command::Log(command) => log::run(&dir, command, output)?,
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
