//! The process that measures with a peer: started by the node with the connection, it does one task and reports.
//!
//! It is a process of its own, so that its time and memory are the measurement's, that it can be ended at any moment,
//! and that whatever goes wrong in it leaves the node as it was. Its standard input is the connection to the peer, its
//! standard output a socket to the node, over which task and report go.

use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, nice, setrlimit};
use tacit_mpc::channel::Channel;
use tacit_mpc::channel::noise::{Deadlines, StaticKey};
use tacit_protocol::{Code, Failure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::measure::Spent;
use super::messages::{self, Ended, PartyReport, PeerTask, Task, broken};
use super::operation::Operation;
use super::party;

/// The hidden command that runs a party with a peer.
const COMMAND: &str = "bench-peer";
/// The largest report of a party, in bytes: 20 runs take about 2 KiB.
const REPORT_BYTES: usize = 64 * 1024;
/// By how much jobs of the node go first.
const NICE: i32 = 10;
/// The largest figure that a peer is believed: integers up to it are exact as floats, and sums of two fit.
const FIGURE: u64 = 1 << 53;

/// Does a task over a connection, in a new process that does not outlive this call. Its own figures, and for party 0 the
/// peer's.
///
/// # Errors
/// What ended the measurement; if the process ended without a word, `BENCH_MEMORY` or `BENCH_PROCESS`.
pub(super) async fn run(
    task: &PeerTask,
    connection: TcpStream,
    threads: Option<u32>,
) -> Result<(PartyReport, Option<PartyReport>), Failure> {
    let failed = |error: std::io::Error| broken(&error);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let mut command = tokio::process::Command::new(std::env::current_exe().map_err(failed)?);
    command
        .arg(COMMAND)
        .stdin(Stdio::from(OwnedFd::from(connection)))
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .kill_on_drop(true);
    if let Some(threads) = threads {
        command.env("RAYON_NUM_THREADS", threads.to_string());
    }
    let mut process = command.spawn().map_err(failed)?;
    // It holds the other ends, which are to close when the process ends.
    drop(command);
    ours.set_nonblocking(true).map_err(failed)?;
    let mut control = tokio::net::UnixStream::from_std(ours).map_err(failed)?;
    let line = Zeroizing::new(serde_json::to_string(task).map_err(|error| broken(&error))? + "\n");
    control.write_all(line.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    control.take(4 * REPORT_BYTES as u64).read_to_end(&mut answer).await.map_err(failed)?;
    let status = process.wait().await.map_err(failed)?;
    if answer.is_empty() {
        return Err(without_a_word(status, task.memory_mib));
    }
    match serde_json::from_slice(&answer).map_err(|error| broken(&error))? {
        Ended::Both(own, peer) => Ok((own, peer)),
        Ended::Failed(failure) => Err(failure),
        Ended::Done(_) => Err(broken(&"a party did not measure with the peer")),
    }
}

/// Why a process ended that said nothing. One that is refused memory ends itself by a signal, and a system without
/// memory ends it by another.
fn without_a_word(status: ExitStatus, memory_mib: u32) -> Failure {
    let of_memory = [Signal::ABORT, Signal::KILL].map(Signal::as_raw);
    if !status.signal().is_some_and(|signal| of_memory.contains(&signal)) {
        return broken(&format_args!("the one that measures ended without a word, {status}"));
    }
    let message = format!("the process that measures ran out of memory, of which it may use {memory_mib} MiB");
    Failure::new(Code::new("BENCH_MEMORY"), message, "measure less.")
}

/// The process that [`run`] starts. It does not outlive what started it.
///
/// # Errors
/// When what started it is gone. A failure of the measurement itself is reported, not returned.
pub(super) fn run_process() -> Result<(), Failure> {
    let failed = |error: std::io::Error| broken(&error);
    // An error of this, or of the limit below, leaves what the system allows.
    let _ = nice(NICE);
    let socket = TcpStream::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    let control = UnixStream::from(std::io::stdout().as_fd().try_clone_to_owned().map_err(failed)?);
    let asked: PeerTask = messages::read(&mut BufReader::new(&control))?;
    let mut node = control.try_clone().map_err(failed)?;
    thread::spawn(move || {
        // Nothing more comes: this ends when the node does, also where it was killed.
        drop(node.read(&mut [0]));
        std::process::exit(1);
    });
    // The engine's threads, too, start before the limit: where memory is short, an allocation fails, not a thread.
    rayon::ThreadPoolBuilder::new().build_global().map_err(|error| broken(&error))?;
    let memory = Some(u64::from(asked.memory_mib) << 20);
    let _ = setrlimit(Resource::Data, Rlimit { current: memory, maximum: memory });
    let ended = match measure(&asked, socket) {
        Ok((own, peer)) => Ended::Both(own, peer),
        Err(failure) => Ended::Failed(failure),
    };
    messages::write(&mut &control, &ended)
}

fn measure(asked: &PeerTask, socket: TcpStream) -> Result<(PartyReport, Option<PartyReport>), Failure> {
    let key = StaticKey::from_secret(Zeroizing::new(asked.secret));
    let total = Duration::from_secs(asked.seconds.into());
    let deadlines = Deadlines { silence: total, total };
    let channel = party::channel(&asked.task, socket, &key, asked.remote, asked.initiator, deadlines)?;
    let (own, mut channel) = party::measure(&asked.task, channel)?;
    let peer = exchange(&mut channel, &asked.task, &own)?;
    channel.finish()?;
    Ok((own, peer))
}

/// Party 1 tells party 0 its figures.
fn exchange(channel: &mut dyn Channel, task: &Task, own: &PartyReport) -> Result<Option<PartyReport>, Failure> {
    channel.enter("report");
    let mut length = [0; 4];
    if task.party == 0 {
        channel.receive(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > REPORT_BYTES {
            return Err(misreported("is too long"));
        }
        let mut report = vec![0; length];
        channel.receive(&mut report)?;
        return read(&report, task).map(Some);
    }
    let report = serde_json::to_vec(own).map_err(|error| broken(&error))?;
    length = u32::try_from(report.len()).map_err(|error| broken(&error))?.to_le_bytes();
    channel.send(&length)?;
    channel.send(&report)?;
    channel.flush()?;
    Ok(None)
}

/// A peer's figures, which are shown and believed no further than that (CHK-406).
fn read(report: &[u8], task: &Task) -> Result<PartyReport, Failure> {
    let report: PartyReport = serde_json::from_slice(report).map_err(|_| misreported("does not read"))?;
    let sane = |spent: &Spent| {
        let seconds = 0.0..=FIGURE as f64;
        seconds.contains(&spent.wall_s)
            && seconds.contains(&spent.cpu_s)
            && spent.sent <= FIGURE
            && spent.rounds <= FIGURE
    };
    let all_sane = report.runs.iter().chain([&report.setup]).chain(&report.offline).all(sane);
    if report.runs.len() as u64 != u64::from(task.runs) || !all_sane {
        return Err(misreported("does not fit what was measured"));
    }
    // How right a result is, this node judges itself; of an alignment each judges its own.
    let accuracy = report.accuracy.filter(|told| task.operation == Operation::Psi && told.max_error >= 0.0);
    Ok(PartyReport { accuracy, peak_bytes: report.peak_bytes.filter(|bytes| *bytes <= FIGURE), ..report })
}

fn misreported(how: &str) -> Failure {
    let message = format!("the peer's report of the measurement {how}");
    Failure::new(Code::new("PEER_ANSWER"), message, "bring both nodes to one version.")
}

#[cfg(test)]
mod tests {
    use tacit_protocol::Digest;
    use tacit_protocol::bench::BenchMode;

    use super::*;

    fn task() -> Task {
        Task {
            party: 0,
            operation: Operation::Lt,
            shape: vec![8],
            bits: Some(40),
            runs: 2,
            mode: BenchMode::Warm,
            link: None,
            session: Digest::from_bytes([0; 32]),
        }
    }

    fn report(runs: usize, spent: &str) -> String {
        let runs = vec![spent; runs].join(",");
        format!(r#"{{"runs":[{runs}],"setup":{spent},"offline":null,"peak_bytes":1,"bits":40,"accuracy":null}}"#)
    }

    const GOOD: &str = r#"{"wall_s":0.5,"cpu_s":0.25,"sent":10,"rounds":2}"#;

    #[test]
    fn chk_406_a_report_that_makes_no_sense_is_refused() {
        let read_it = |text: &str| read(text.as_bytes(), &task());
        assert_eq!(read_it(&report(2, GOOD)).expect("a report").runs.len(), 2);
        let most = u64::MAX.to_string();
        for wrong in [
            report(1, GOOD),
            report(3, GOOD),
            report(2, &GOOD.replace("10", &most)),
            report(2, &GOOD.replace("0.5", "-0.5")),
            report(2, &GOOD.replace("0.25", "1e300")),
            report(2, &GOOD.replace("0.25", "null")),
            report(2, &GOOD.replace("\"rounds\":2", &format!("\"rounds\":{most}"))),
            "[".repeat(1_000),
            String::new(),
        ] {
            assert_eq!(read_it(&wrong).expect_err("a refusal").code.as_str(), "PEER_ANSWER", "{wrong}");
        }
    }
}
