//! What the command and the two processes that it starts say to each other: one JSON object a line.

use std::io::{BufRead, Write};
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tacit_mpc::channel::Link;
use tacit_protocol::bench::BenchMode as Mode;
use tacit_protocol::contract::Profile;
use tacit_protocol::{Code, Digest, Failure};

use super::measure::Spent;
use super::operation::Operation;
use crate::config::profile;

/// What a party is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// 0 or 1.
    pub(super) party: u8,
    pub(super) operation: Operation,
    pub(super) shape: Vec<u64>,
    pub(super) bits: Option<u32>,
    pub(super) runs: u32,
    pub(super) mode: Mode,
    /// What lies between the parties; none: loopback.
    pub(super) link: Option<WanLink>,
    /// Equal on both sides and new for each pair of processes.
    pub(super) session: Digest,
}

impl Task {
    /// What each party can do: the link that is simulated, or that of an operator who says nothing.
    pub(super) fn profile(&self) -> Profile {
        self.link.map_or_else(|| profile(1000.0, 1.0), |link| profile(link.mbit, link.round_trip_ms))
    }
}

/// A simulated link between the parties.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct WanLink {
    /// Milliseconds there and back.
    pub(super) round_trip_ms: f64,
    /// Millions of bits a second each way.
    pub(super) mbit: f64,
}

impl WanLink {
    /// What the channel makes of it.
    pub(super) fn link(self) -> Link {
        Link {
            round_trip: Duration::from_secs_f64(self.round_trip_ms / 1e3),
            bits_per_second: (self.mbit * 1e6) as u64,
        }
    }
}

impl FromStr for WanLink {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[round_trip_ms, mbit])
                if (0.0..=60_000.0).contains(&round_trip_ms) && (0.001..=1e6).contains(&mbit) =>
            {
                Ok(Self { round_trip_ms, mbit })
            }
            _ => Err("a round trip of 0 to 60000 ms and a rate of 0.001 to 1000000 Mbit/s, by a comma".into()),
        }
    }
}

impl std::fmt::Display for WanLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms, {} Mbit/s", self.round_trip_ms, self.mbit)
    }
}

/// What a party that measures with a peer is to do, over the connection that it is started with.
#[derive(Serialize, Deserialize)]
pub(super) struct PeerTask {
    pub(super) task: Task,
    /// The secret half of its channel key, which was made for this measurement and protects drawn numbers.
    pub(super) secret: [u8; 32],
    /// The peer's channel key.
    pub(super) remote: Digest,
    /// Whether it dialled the peer.
    pub(super) initiator: bool,
    /// How long it may take.
    pub(super) seconds: u32,
    /// How much memory it may use.
    pub(super) memory_mib: u32,
}

/// A party's answer to its task: how to reach it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    /// Its channel key, made for this task.
    pub(super) key: Digest,
    /// Where party 0 listens.
    pub(super) port: Option<u16>,
}

/// What the command passes on of the other party's [`Ready`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) key: Digest,
    pub(super) port: Option<u16>,
}

/// How a party ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    Done(PartyReport),
    /// Of a party that measured with a peer: its own figures and, for party 0, the peer's.
    Both(PartyReport, Option<PartyReport>),
    Failed(Failure),
}

/// What a party measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PartyReport {
    /// The measured runs.
    pub(super) runs: Vec<Spent>,
    /// The set-up of the session; with [`Mode::Cold`], the mean over the runs, which include it.
    pub(super) setup: Spent,
    /// With [`Mode::OfflineReady`], what making the correlations of a run took, as the mean over the runs.
    pub(super) offline: Option<Spent>,
    /// The most memory that was resident from the set-up to the end of the last run.
    pub(super) peak_bytes: Option<u64>,
    /// The width of the declared ranges, as `--bits` means it.
    pub(super) bits: Option<u32>,
    /// Of party 0: how the result compares with the plain evaluator's.
    pub(super) accuracy: Option<Accuracy>,
}

/// A result held against the plain evaluator's.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Accuracy {
    /// The largest difference of a cell; of bools and places, 0 or more where any is wrong.
    pub(super) max_error: f64,
    /// What the plan promises; none: without bound.
    pub(super) error_bound: Option<f64>,
}

/// Writes a message as a line.
pub(super) fn write<T: Serialize>(to: &mut impl Write, message: &T) -> Result<(), Failure> {
    let line = serde_json::to_string(message).map_err(|error| broken(&error))?;
    writeln!(to, "{line}").and_then(|()| to.flush()).map_err(|error| broken(&error))
}

/// Reads the next line as a message.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> Result<T, Failure> {
    let mut line = String::new();
    if from.read_line(&mut line).map_err(|error| broken(&error))? == 0 {
        return Err(broken(&"the other process has ended"));
    }
    serde_json::from_str(&line).map_err(|error| broken(&error))
}

pub(super) fn broken(cause: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::new("BENCH_PROCESS"), format!("the processes of the bench: {cause}"), "run it again.")
}
