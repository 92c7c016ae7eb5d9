//! `tacit bench`: what the engine's operations cost, between two processes over the real channel.
//!
//! The command starts itself twice for each operation, once a party. The two connect over loopback by the channel of
//! jobs (Noise, on keys that are made for the measurement and bound to its purpose), and compute the operation as a
//! job would: a program, lowered by the planner and run by the executor on values that are secret from both. What is
//! timed is the operation alone. Each process is fresh, so that its peak of memory is that of one operation. With `--peer`
//! two nodes each start one of the processes, and hand it a connection of their data planes.

mod case;
mod keys;
mod limits;
mod measure;
mod measurements;
mod messages;
mod operation;
mod pair;
mod party;
mod peer;
mod report;
mod transfers;

use std::str::FromStr;

use clap::Args;
use tacit_protocol::bench::{BenchMode as Mode, BenchReport, BenchRequest, BenchTask};
use tacit_protocol::{Digest, Failure};
use tacit_sdk::Client;

use case::BITS;
pub(crate) use measurements::Measurements;
use messages::{Task, WanLink};
use operation::Operation;

/// The most cells of one value of a plan.
const MAX_CELLS: u64 = 1 << 28;

/// The options of `tacit bench`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Measure with this paired organisation, between this node and its node, which must both run; the peer's operator
    /// allows it by naming this organisation in `bench_peers` in node.toml. At most 1048576 cells (262144 keys; 16384
    /// cells with --offline-ready), 20 runs and 8 minutes for each operation.
    #[arg(long, value_name = "NAME", conflicts_with = "wan")]
    peer: Option<String>,
    /// The operations, by commas: mul, lt, eq, div, matmul, linreg, logreg, max, argmax, sort, where, sum, exp, log, sqrt,
    /// sigmoid, psi. All of them by default.
    #[arg(long = "op", value_name = "OP", value_delimiter = ',')]
    operations: Vec<String>,
    /// The cells of a vector, and the keys of each party for psi.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=MAX_CELLS))]
    n: u64,
    /// Three sizes: of matmul rows, inner and columns (128,128,128 by default), of linreg and logreg, a linear and a
    /// logistic regression by gradient descent, rows, features and steps (10000,10,100 and 10000,10,10).
    #[arg(long, value_name = "M,K,N")]
    shape: Option<Shape>,
    /// The width of the declared ranges, 24 to 64: of the differences where numbers are compared (40 by default), of
    /// the operands elsewhere (by default what the drawn numbers need: about ±50 with 18 binary digits behind the point).
    /// linreg, logreg, exp, log, sqrt and sigmoid have the ranges of their data.
    #[arg(long, value_parser = clap::value_parser!(u32).range(BITS))]
    bits: Option<u32>,
    /// Measured runs of each operation, of which the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    /// Threads of each party's engine, with --peer of this node's; as many as there are cores by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    threads: Option<u32>,
    /// A simulated link between the parties: milliseconds there and back, and Mbit/s each way.
    #[arg(long, value_name = "RTT_MS,MBIT")]
    wan: Option<WanLink>,
    /// Set up anew in each run, and count it; without this, a set-up and one run come before the measured runs.
    #[arg(long)]
    cold: bool,
    /// Make the correlations of each run before it, as idle nodes would; what that takes is told apart.
    #[arg(long, conflicts_with = "cold")]
    offline_ready: bool,
}

impl Options {
    fn mode(&self) -> Mode {
        match (self.cold, self.offline_ready) {
            (true, _) => Mode::Cold,
            (false, true) => Mode::OfflineReady,
            (false, false) => Mode::Warm,
        }
    }
}

/// The sizes of a matrix product, or of a regression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape([u64; 3]);

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
        let sizes = sizes.ok().and_then(|sizes| <[u64; 3]>::try_from(sizes).ok());
        let within = |a: u64, b: u64| a > 0 && b > 0 && a.checked_mul(b).is_some_and(|cells| cells <= MAX_CELLS);
        match sizes {
            Some([rows, inner, columns]) if within(rows, inner) && within(inner, columns) && within(rows, columns) => {
                Ok(Self([rows, inner, columns]))
            }
            _ => Err(format!("three sizes by commas, above 0, each two of them with a product of at most {MAX_CELLS}")),
        }
    }
}

/// Measures and prints, operation by operation.
///
/// # Errors
/// `USAGE_BENCH_OP` for an operation that the engine does not have, before anything is measured, `BENCH_PROCESS` when
/// the processes cannot be started, what the node answers that `client` reaches where a peer is named, and the engine's
/// own.
pub fn run(options: &Options, json: bool, client: impl FnOnce() -> Result<Client, Failure>) -> Result<(), Failure> {
    let operations = match &options.operations[..] {
        [] => Operation::ALL.to_vec(),
        names => names.iter().map(|name| name.parse()).collect::<Result<_, Failure>>()?,
    };
    let peer = options.peer.as_deref().map(|name| Ok::<_, Failure>((name, client()?))).transpose()?;
    let mut reports = Vec::new();
    let mut failed = None;
    for operation in operations {
        let measured = match &peer {
            Some((name, client)) => measure_with(options, operation, name, client),
            None => measure(options, operation),
        };
        match measured {
            Ok(report) if json => report::print_json(&report),
            Ok(report) => reports.push(report),
            Err(failure) => {
                failed = Some(failure.at_step(operation.name()));
                break;
            }
        }
    }
    if !reports.is_empty() {
        report::print_table(&reports);
    }
    failed.map_or(Ok(()), Err)
}

/// Runs one operation between two new processes.
fn measure(options: &Options, operation: Operation) -> Result<BenchReport, Failure> {
    let task = Task {
        party: 0,
        operation,
        shape: operation.shape(options.n, options.shape.map(|shape| shape.0)),
        bits: operation.bits(options.bits),
        runs: options.runs,
        mode: options.mode(),
        link: options.wan,
        session: Digest::from_bytes([0; 32]),
    };
    let parties = pair::run(&task, options.threads)?;
    let link = task.link.map_or_else(|| "loopback".into(), |link| link.to_string());
    Ok(report::combine(&task, &parties, link))
}

/// Has the node of `client` measure one operation with a peer.
fn measure_with(options: &Options, operation: Operation, peer: &str, client: &Client) -> Result<BenchReport, Failure> {
    let request = BenchRequest {
        peer: peer.into(),
        task: BenchTask {
            operation: operation.name().into(),
            shape: operation.shape(options.n, options.shape.map(|shape| shape.0)),
            bits: options.bits,
            runs: options.runs,
            mode: options.mode(),
        },
        threads: options.threads,
    };
    Ok(client.bench(&request)?)
}

/// One party of a measurement: what the command starts of itself.
///
/// # Errors
/// When the command that started it is gone.
pub fn run_party() -> Result<(), Failure> {
    party::run(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())
}

/// The party of a measurement with a peer: what the node starts.
///
/// # Errors
/// When the node that started it is gone.
pub fn run_peer() -> Result<(), Failure> {
    peer::run_process()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_round_trip_and_a_rate() {
        assert_eq!("40,100".parse(), Ok(WanLink { round_trip_ms: 40.0, mbit: 100.0 }));
        for wrong in ["40", "40,0", "-1,100", "40,100,1", "NaN,1", "a,b"] {
            assert!(wrong.parse::<WanLink>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_shape_is_three_sizes() {
        assert_eq!("2,3,4".parse(), Ok(Shape([2, 3, 4])));
        for wrong in ["2,3", "0,1,1", "1,1,1,1", "a,1,1", "100000,1,100000", "99999999999999999999,1,1"] {
            assert!(wrong.parse::<Shape>().is_err(), "{wrong}");
        }
    }
}
