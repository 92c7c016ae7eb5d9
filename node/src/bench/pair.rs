//! The two processes of a measurement: started, introduced to each other, and waited for.

use std::io::BufReader;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rand_core::Rng;
use tacit_protocol::{Digest, Failure};

use super::messages::{self, Ended, PartyReport, Peer, Ready, Task, broken};
use crate::clock::system_rng;

/// The hidden command that runs a party.
const COMMAND: &str = "bench-party";

/// Does a task, given without its party and session, in two new processes. `threads` bounds the engine's threads in
/// each.
pub(super) fn run(task: &Task, threads: Option<u32>) -> Result<[PartyReport; 2], Failure> {
    let mut session = [0; 32];
    system_rng().fill_bytes(&mut session);
    let task = |party| Task { party, session: Digest::from_bytes(session), ..task.clone() };
    let mut parties = [Party::start(&task(0), threads)?, Party::start(&task(1), threads)?];
    let ready: Vec<Ready> =
        parties.iter_mut().map(|party| messages::read(&mut party.output)).collect::<Result<_, _>>()?;
    let [zero, one] = &mut parties;
    zero.tell(&Peer { key: ready[1].key, port: ready[1].port })?;
    one.tell(&Peer { key: ready[0].key, port: ready[0].port })?;
    reports(parties)
}

/// Waits for both reports. The first failure ends both processes: the other party would wait for its peer.
fn reports(parties: [Party; 2]) -> Result<[PartyReport; 2], Failure> {
    let (sender, receiver) = mpsc::channel();
    let mut guards = Vec::new();
    for (place, Party { process, input, mut output }) in parties.into_iter().enumerate() {
        guards.push((process, input));
        let sender = sender.clone();
        thread::spawn(move || {
            let ended = messages::read::<Ended>(&mut output);
            // The receiver is gone after the first failure.
            drop(sender.send((place, ended)));
        });
    }
    let mut reports = [None, None];
    for _ in 0..2 {
        let (place, ended) = receiver.recv().map_err(|error| broken(&error))?;
        match ended? {
            Ended::Done(report) => reports[place] = Some(report),
            Ended::Failed(failure) => return Err(failure),
            Ended::Both(..) => return Err(broken(&"a party measured with somebody else")),
        }
    }
    match reports {
        [Some(zero), Some(one)] => Ok([zero, one]),
        _ => Err(broken(&"a party did not report")),
    }
}

/// A process that runs a party, from the command's side.
struct Party {
    process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Party {
    fn start(task: &Task, threads: Option<u32>) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| broken(&error))?;
        let mut command = Command::new(program);
        command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(threads) = threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        let mut process = Process(command.spawn().map_err(|error| broken(&error))?);
        let (Some(input), Some(output)) = (process.0.stdin.take(), process.0.stdout.take()) else {
            return Err(broken(&"a pipe is missing"));
        };
        let mut party = Self { process, input, output: BufReader::new(output) };
        party.tell(task)?;
        Ok(party)
    }

    fn tell<T: serde::Serialize>(&mut self, message: &T) -> Result<(), Failure> {
        messages::write(&mut self.input, message)
    }
}

/// A process that does not outlive what started it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, unless something failed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
