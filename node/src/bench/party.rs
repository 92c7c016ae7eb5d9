//! One party of a measurement: a process that does one task over the real channel and reports.

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use rand_core::CryptoRng;
use serde::Serialize;
use tacit_mpc::channel::Channel;
use tacit_mpc::channel::noise::{Deadlines, Handshake, NoiseChannel, Role, StaticKey};
use tacit_mpc::correlations::Correlations;
use tacit_mpc::lattice::Lattice;
use tacit_mpc::offline::{Kind, Maker, Ready, Stock};
use tacit_mpc::ot::{Expected, Silent};
use tacit_mpc::plan::Plan;
use tacit_mpc::psi;
use tacit_mpc::released::Cell;
use tacit_mpc::session::{self, Aligned, JobInput, OutputShares, Prepared, Progress};
use tacit_protocol::bench::BenchMode as Mode;
use tacit_protocol::canonical::digest;
use tacit_protocol::program::plain;
use tacit_protocol::{Digest, Failure, PartyId};

use super::case::Case;
use super::keys;
use super::measure::{Counters, Mark, Spent, forget_peak, peak_memory};
use super::messages::{self, Accuracy, Ended, PartyReport, Peer, Task, broken};
use super::operation::Operation;
use super::transfers::Transfers;
use crate::clock::system_rng;

/// How long a party waits for the other, which may be busy with a long computation, and for everything.
const DEADLINES: Deadlines = Deadlines { silence: Duration::from_secs(3_600), total: Duration::from_secs(24 * 3_600) };

/// Runs a party: reads its task and the other's address from one side and writes its key and its report to the other.
///
/// # Errors
/// Those of the other process's pipes. A failure of the measurement itself is reported, not returned.
pub(super) fn run(from: &mut impl BufRead, to: &mut impl Write) -> Result<(), Failure> {
    let task: Task = messages::read(from)?;
    let measured = connect(&task, from, to).and_then(|channel| {
        let (report, channel) = measure(&task, channel)?;
        channel.finish()?;
        Ok(report)
    });
    let ended = measured.map_or_else(Ended::Failed, Ended::Done);
    messages::write(to, &ended)
}

/// The Noise channel to the other party, on keys that were made for it.
fn connect(task: &Task, from: &mut impl BufRead, to: &mut impl Write) -> Result<NoiseChannel, Failure> {
    let key = StaticKey::generate(&mut system_rng());
    let socket_failed = |error: std::io::Error| broken(&error);
    let listener = match task.party {
        0 => Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(socket_failed)?),
        _ => None,
    };
    let port = match &listener {
        Some(listener) => Some(listener.local_addr().map_err(socket_failed)?.port()),
        None => None,
    };
    messages::write(to, &messages::Ready { key: Digest::from_bytes(key.public()), port })?;
    let peer: Peer = messages::read(from)?;
    let socket = match (&listener, peer.port) {
        (Some(listener), _) => listener.accept().map_err(socket_failed)?.0,
        (None, Some(port)) => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(socket_failed)?,
        (None, None) => return Err(broken(&"party 0 does not listen")),
    };
    channel(task, socket, &key, peer.key, listener.is_none(), DEADLINES)
}

/// The channel of a measurement over a connection.
pub(super) fn channel(
    task: &Task,
    socket: TcpStream,
    key: &StaticKey,
    remote: Digest,
    dialled: bool,
    deadlines: Deadlines,
) -> Result<NoiseChannel, Failure> {
    let own = Digest::from_bytes(key.public());
    let (role, initiator, responder) =
        if dialled { (Role::Initiator, own, remote) } else { (Role::Responder, remote, own) };
    let handshake = Handshake {
        role,
        local: key,
        remote: *remote.as_bytes(),
        prologue: *prologue(task.session, initiator, responder).as_bytes(),
    };
    Ok(match task.link {
        None => NoiseChannel::connect(socket, &handshake, deadlines)?,
        Some(link) => NoiseChannel::connect_over(link.link(), socket, &handshake, deadlines)?,
    })
}

/// What the channel of a measurement is bound to: never the same as that of a job.
fn prologue(session: Digest, initiator: Digest, responder: Digest) -> Digest {
    #[derive(Serialize)]
    struct Prologue {
        purpose: &'static str,
        session: Digest,
        initiator: Digest,
        responder: Digest,
    }
    digest("tacit/channel/1", &Prologue { purpose: "bench", session, initiator, responder })
}

/// What this party measured, and the channel, on which the other has nothing more to say.
pub(super) fn measure(task: &Task, channel: NoiseChannel) -> Result<(PartyReport, NoiseChannel), Failure> {
    let (mut channel, counters) = Counters::over(channel);
    let bench = Bench { task, party: PartyId(task.party), counters };
    let report = match task.operation {
        Operation::Psi => bench.alignment(&mut channel)?,
        _ => bench.program(&mut channel)?,
    };
    Ok((report, channel.into_inner()))
}

struct Bench<'a> {
    task: &'a Task,
    party: PartyId,
    counters: Counters,
}

impl Bench<'_> {
    fn program(&self, channel: &mut dyn Channel) -> Result<PartyReport, Failure> {
        let case = Case::new(self.task.operation, &self.task.shape, self.task.bits)?;
        let tables = case.local(self.party)?;
        // No table is joined, so that alignment is nothing but the sizes.
        let aligned = session::align_in_the_clear(&case.typed, &case.release, &tables)?;
        let plan = Plan::lower(&case.typed, &case.release, aligned.sizes())?;
        let profiles = [self.task.profile(); 2];
        let work = Work {
            job: JobInput {
                program: &case.typed,
                release: &case.release,
                party: self.party,
                tables: &tables,
                profiles: &profiles,
                session: *self.task.session.as_bytes(),
            },
            aligned: &aligned,
            inputs: plan.steps.iter().filter(|step| case.is_input(step.node)).count(),
        };
        let mut rng = system_rng();
        forget_peak();
        let Measured { setup, offline, runs, shares } = match self.task.mode {
            Mode::Warm | Mode::OfflineReady => self.warm(channel, &work, &mut rng)?,
            Mode::Cold => self.cold(channel, &work, &mut rng)?,
        };
        let peak_bytes = peak_memory();
        let released = shares.open(channel)?;
        let accuracy = match self.party {
            PartyId::ZERO => {
                let unit = plan.outputs[0].unit.to_f64();
                let error_bound = plan.error_bound(0).map(|bound| bound * unit);
                let cells: Vec<f64> =
                    released.iter().flat_map(|output| &output.cells).map(|cell| number(cell, unit)).collect();
                Some(Accuracy { max_error: max_error(&case, &cells)?, error_bound })
            }
            _ => None,
        };
        let bits = if self.task.operation.compares() { self.task.bits } else { Some(case.operand_bits()) };
        Ok(PartyReport { runs, setup, offline, peak_bytes, bits, accuracy })
    }

    /// One set-up, one run that is not measured, then the measured ones.
    fn warm(&self, channel: &mut dyn Channel, work: &Work<'_>, rng: &mut dyn CryptoRng) -> Result<Measured, Failure> {
        if self.task.mode == Mode::OfflineReady {
            return self.ahead(channel, work, rng);
        }
        let (mut prepared, setup) = self.establish(channel, work, 0, rng)?;
        let (_, mut shares) = self.execute(channel, work, &mut prepared)?;
        let mut runs = Vec::new();
        for _ in 0..self.task.runs {
            let (spent, next) = self.execute(channel, work, &mut prepared)?;
            runs.push(spent);
            shares = next;
        }
        Ok(Measured { setup, offline: None, runs, shares })
    }

    /// The same where what can be made before a run is, as idle nodes do.
    fn ahead(&self, channel: &mut dyn Channel, work: &Work<'_>, rng: &mut dyn CryptoRng) -> Result<Measured, Failure> {
        let plan = work.plan()?;
        let wants: Vec<(Kind, u64)> =
            plan.wants()?.iter().map(|(kind, count)| (kind, count.div_ceil(kind.chunk()))).collect();
        let runs = u64::from(self.task.runs) + 1;
        let chunks: Vec<(Kind, u64)> = wants.iter().map(|(kind, count)| (*kind, count.saturating_mul(runs))).collect();
        let ready = wants.iter().map(|(kind, count)| (*kind, count * kind.chunk())).collect();
        let plan = plan.with_ready(Ready::Counted(ready));
        let session = digest("tacit/bench/idle/1", &self.task.session);
        meet(channel)?;
        let start = Mark::now(&self.counters);
        let mut maker = Maker::establish(channel, self.party, *session.as_bytes(), &chunks, plan.pace, rng)?;
        let made = start.until(Mark::now(&self.counters));
        let (prepared, setup) = self.set_up(channel, &plan, 0, rng)?;
        let setup = setup.plus(made);
        let Prepared { correlations, lattice, .. } = prepared;
        let mut prepared = Prepared { correlations: Transfers::new(correlations), lattice, stock: Stock::default() };
        let mut fill = |channel: &mut dyn Channel, prepared: &mut Prepared<Transfers<_>>| -> Result<Spent, Failure> {
            meet(channel)?;
            let start = Mark::now(&self.counters);
            for (kind, count) in &wants {
                for _ in 0..*count {
                    prepared.stock.add(*kind, &maker.chunk(channel, *kind, rng)?)?;
                }
            }
            prepared.correlations.fill(channel)?;
            Ok(start.until(Mark::now(&self.counters)))
        };
        fill(channel, &mut prepared)?;
        // The first run tells what transfers one like it asks for.
        prepared.correlations.record(true);
        let (_, mut shares) = self.execute(channel, work, &mut prepared)?;
        prepared.correlations.record(false);
        let (mut offline, mut runs) = (Vec::new(), Vec::new());
        for _ in 0..self.task.runs {
            offline.push(fill(channel, &mut prepared)?);
            let (spent, next) = self.execute(channel, work, &mut prepared)?;
            runs.push(spent);
            shares = next;
        }
        Ok(Measured { setup, offline: Some(mean(&offline)), runs, shares })
    }

    /// Every run sets up for itself.
    fn cold(&self, channel: &mut dyn Channel, work: &Work<'_>, rng: &mut dyn CryptoRng) -> Result<Measured, Failure> {
        let mut once = |run: u32| -> Result<_, Failure> {
            let (mut prepared, setup) = self.establish(channel, work, run, rng)?;
            let (spent, shares) = self.execute(channel, work, &mut prepared)?;
            Ok((setup, setup.plus(spent), shares))
        };
        let (first, spent, mut shares) = once(0)?;
        let (mut setups, mut runs) = (vec![first], vec![spent]);
        for run in 1..self.task.runs {
            let (setup, spent, next) = once(run)?;
            setups.push(setup);
            runs.push(spent);
            shares = next;
        }
        Ok(Measured { setup: mean(&setups), offline: None, runs, shares })
    }

    /// Sets up the correlations of a run, or of all where they are warm, from the moment at which both parties are
    /// there.
    fn establish(
        &self,
        channel: &mut dyn Channel,
        work: &Work<'_>,
        run: u32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Prepared<Silent>, Spent), Failure> {
        self.set_up(channel, &work.plan()?, run, rng)
    }

    /// The same for a plan.
    fn set_up(
        &self,
        channel: &mut dyn Channel,
        plan: &Plan,
        run: u32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Prepared<Silent>, Spent), Failure> {
        let runs = if self.task.mode == Mode::Cold { 1 } else { u64::from(self.task.runs) + 1 };
        let costs = plan.costs()?;
        let expected = Expected { offered: costs.expected.offered.map(|offered| offered.saturating_mul(runs)) };
        let session = digest("tacit/bench/ot/1", &(self.task.session, run));
        meet(channel)?;
        let start = Mark::now(&self.counters);
        let correlations = Silent::establish(channel, self.party, *session.as_bytes(), expected, true, rng)?;
        let lattice = Lattice::establish(channel, self.party, costs.key_sizes, rng)?;
        let prepared = Prepared { correlations, lattice, stock: Stock::default() };
        Ok((prepared, start.until(Mark::now(&self.counters))))
    }

    /// One run of the operation, as a job computes it. What is measured begins when the inputs are in place: a job's
    /// columns become shares without a message.
    fn execute<C: Correlations>(
        &self,
        channel: &mut dyn Channel,
        work: &Work<'_>,
        prepared: &mut Prepared<C>,
    ) -> Result<(Spent, OutputShares), Failure> {
        let (mut start, mut end) = (None, None);
        let mut observer = |progress: Progress| {
            let Progress::Step(step) = progress else { return };
            if step.done == work.inputs {
                start = Some(Mark::now(&self.counters));
            }
            if step.done == step.of {
                end = Some(Mark::now(&self.counters));
            }
        };
        let shares = session::execute_with(channel, &work.job, work.aligned, prepared, &mut observer)?;
        let (Some(start), Some(end)) = (start, end) else {
            return Err(broken(&"a plan without inputs or without an end"));
        };
        Ok((start.until(end), shares))
    }

    /// Private set intersection: nothing is set up, and every run is as the first.
    fn alignment(&self, channel: &mut dyn Channel) -> Result<PartyReport, Failure> {
        let count = self.task.shape.first().copied().unwrap_or(0);
        let keys = keys::keys(self.party, count);
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let mut rng = system_rng();
        forget_peak();
        let (mut runs, mut wrong) = (Vec::new(), 0);
        let unmeasured = u32::from(self.task.mode != Mode::Cold);
        for run in 0..self.task.runs + unmeasured {
            let session = digest("tacit/bench/psi/1", &(self.task.session, run));
            meet(channel)?;
            let start = Mark::now(&self.counters);
            let rows = psi::align(channel, self.party, &keys, count, session.as_bytes(), &mut rng)?;
            let spent = start.until(Mark::now(&self.counters));
            if run >= unmeasured {
                runs.push(spent);
            }
            wrong = keys::wrong_rows(&rows, count);
        }
        let accuracy = Accuracy { max_error: wrong as f64, error_bound: Some(0.0) };
        Ok(PartyReport {
            runs,
            setup: Spent::default(),
            offline: None,
            peak_bytes: peak_memory(),
            bits: None,
            accuracy: Some(accuracy),
        })
    }
}

/// What the runs of a program gave.
struct Measured {
    setup: Spent,
    offline: Option<Spent>,
    runs: Vec<Spent>,
    /// The result of the last run.
    shares: OutputShares,
}

/// What every run of a program shares.
struct Work<'a> {
    job: JobInput<'a>,
    aligned: &'a Aligned,
    /// How many steps of the plan make the inputs.
    inputs: usize,
}

impl Work<'_> {
    /// The plan of a run on nothing that was made before.
    fn plan(&self) -> Result<Plan, Failure> {
        let plan = Plan::lower(self.job.program, self.job.release, self.aligned.sizes())?;
        Ok(plan.between(self.job.profiles))
    }
}

/// A byte each way, so that what is measured next begins at both parties together.
fn meet(channel: &mut dyn Channel) -> Result<(), Failure> {
    channel.enter("meeting");
    channel.send(&[0])?;
    channel.receive(&mut [0])?;
    Ok(())
}

/// A cell as a number. Exact: the step is a power of two, or 1.
fn number(cell: &Cell, unit: f64) -> f64 {
    match cell {
        Cell::Released(steps) => *steps as f64 * unit,
        Cell::Suppressed | Cell::Undefined => f64::NAN,
    }
}

/// The largest difference from the plain evaluator on the same inputs.
fn max_error(case: &Case, cells: &[f64]) -> Result<f64, Failure> {
    let plain = plain::evaluate(&case.typed, &case.plain()).map_err(|error| broken(&error))?;
    let plain = plain.first().map(plain::PlainValue::as_f64).unwrap_or_default();
    if plain.len() != cells.len() {
        return Err(broken(&"the result has another size than the plain one"));
    }
    let difference = |(cell, plain): (&f64, &Option<f64>)| (cell - plain.unwrap_or(f64::NAN)).abs();
    // A cell without a value on one side counts as infinitely wrong.
    let differences = cells.iter().zip(&plain).map(difference);
    Ok(differences.map(|difference| if difference.is_nan() { f64::MAX } else { difference }).fold(0.0, f64::max))
}

/// The mean of several.
fn mean(of: &[Spent]) -> Spent {
    let count = of.len().max(1);
    let sum = of.iter().copied().fold(Spent::default(), Spent::plus);
    Spent {
        wall_s: sum.wall_s / count as f64,
        cpu_s: sum.cpu_s / count as f64,
        sent: sum.sent / count as u64,
        rounds: sum.rounds / count as u64,
    }
}
