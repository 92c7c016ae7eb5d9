//! Measurements between two paired nodes: what is asked for, and what the figures say.
//!
//! A measurement is of one operation of the engine on drawn numbers, over the data plane of the two nodes. Nothing of
//! either organisation's data is in it, and nothing that is known from it goes beyond what the network shows.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::canonical::{Digest, Nonce, digest};
use crate::contract::ChannelOffer;
use crate::identity::PeerId;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BenchTask {
    /// The operation, by the name that `tacit bench` knows it by.
    pub operation: String,
    /// The cells of its operands: one size for vectors and keys, three for a matrix product.
    pub shape: Vec<u64>,
    /// The width of the declared ranges; none: the operation's own.
    pub bits: Option<u32>,
    /// Measured runs.
    pub runs: u32,
    /// What each run begins with.
    pub mode: BenchMode,
}

/// What a measured run begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BenchMode {
    /// A session that is set up and has run once.
    Warm,
    /// Nothing: each run sets up a session of its own.
    Cold,
    /// As [`BenchMode::Warm`], with the correlations that it will use made before it.
    OfflineReady,
}

/// A node asks another to measure with it. The asker is party 0.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchOffer {
    /// What is measured.
    pub task: BenchTask,
    /// Drawn for this measurement.
    pub nonce: Nonce,
    /// The asker's channel: a key made for it, and where it listens.
    pub channel: ChannelOffer,
}

/// What the channel of a measurement is bound to: who measures what, and on which keys.
///
/// Both nodes form it from the offer and from the answerer's channel. It is the route on the data plane and part of the
/// prologue of the handshake, under a label of its own, so that it is never that of a job.
pub fn session(parties: [&PeerId; 2], offer: &BenchOffer, answer: &ChannelOffer) -> Digest {
    #[derive(Serialize)]
    struct Session<'a> {
        parties: [&'a PeerId; 2],
        offer: &'a BenchOffer,
        answer: &'a ChannelOffer,
    }
    digest("tacit/bench/session/1", &Session { parties, offer, answer })
}

/// The operator's wish to measure one operation with a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BenchRequest {
    /// The peer's organisation.
    pub peer: String,
    /// What is measured.
    pub task: BenchTask,
    /// Threads of this node's engine; as many as there are cores by default. The peer's are its own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
}

/// One operation's figures, as `tacit bench --json` prints them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BenchReport {
    /// The operation.
    pub op: String,
    /// The cells of its operands: one size for vectors and keys, three for a matrix product.
    pub shape: Vec<u64>,
    /// The width of the declared ranges; none where there are no numbers.
    pub bits: Option<u32>,
    /// The cells of its first operand.
    pub n: u64,
    /// Measured runs.
    pub runs: u32,
    /// What each run begins with.
    pub mode: BenchMode,
    /// The median over the runs of the seconds until the slower party was done.
    pub wall_s: f64,
    /// The same of each run.
    pub walls_s: Vec<f64>,
    /// The mean processor seconds of party 0 and 1.
    pub cpu_s: [f64; 2],
    /// The mean payload bytes that party 0 and 1 send.
    pub bytes: [u64; 2],
    /// The most turns from sending to receiving of a party in a run.
    pub rounds: u64,
    /// The largest difference from the plain evaluator.
    pub max_error: f64,
    /// How large the plan says that it can be; none: without bound.
    pub error_bound: Option<f64>,
    /// Mean seconds of making a run's correlations before it; none where they are made within the run.
    pub offline_s: Option<f64>,
    /// Mean payload bytes of making a run's correlations before it, both ways together.
    pub offline_bytes: Option<u64>,
    /// Seconds of the set-up.
    pub setup_s: f64,
    /// Payload bytes of the set-up, both ways together.
    pub setup_bytes: u64,
    /// The peak of resident memory of party 0 and 1 in bytes; none where the system does not tell.
    pub peak_bytes: [Option<u64>; 2],
    /// What lies between the parties.
    pub link: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, nodes};

    #[test]
    fn a_session_is_of_its_parties_its_task_and_its_keys() {
        let [(a, _), (b, _)] = nodes();
        let (a, b) = (a.peer(), b.peer());
        let channel = fixtures::contract().channels[0].clone();
        let task = BenchTask { operation: "lt".into(), shape: vec![5], bits: None, runs: 1, mode: BenchMode::Warm };
        let offer = BenchOffer { task, nonce: Nonce::from_bytes([1; 16]), channel: channel.clone() };
        let first = session([&a, &b], &offer, &channel);
        assert_eq!(first, session([&a, &b], &offer, &channel));
        assert_ne!(first, session([&b, &a], &offer, &channel));
        let mut other = offer.clone();
        other.task.shape = vec![6];
        assert_ne!(first, session([&a, &b], &other, &channel));
        let mut keyed = channel.clone();
        keyed.addresses.clear();
        assert_ne!(first, session([&a, &b], &offer, &keyed));
    }
}
