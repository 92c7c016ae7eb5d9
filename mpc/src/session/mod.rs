//! A run between two parties, from aligned rows to released values: the entry that a node calls.
//!
//! A node takes the steps one by one, so that it can journal between them: [`align`], [`execute`], then, once it has
//! stored its [`OutputShares`] and recorded the release as spent (CHK-701), [`OutputShares::open`]. [`run`] takes
//! them all.
//!
//! *Source*: `design.md` §3. *Security*: semi-honest. The peer learns the sizes that alignment reveals, the shapes of
//! messages that follow from program and sizes, whether promised ranges held, and its own outputs; nothing else.
//! *Cost*: see [`Plan::cost`].

mod align;
mod noise;
mod opening;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use tacit_protocol::PartyId;
use tacit_protocol::contract::Profile;
use tacit_protocol::program::release::ReleaseSpec;
use tacit_protocol::program::{NodeId, TypedProgram};

use crate::channel::{Channel, Traffic};
use crate::clear::Clear;
use crate::correlations::Correlations;
use crate::error::{Error, Result};
use crate::executor::{self, StepProgress};
use crate::inputs::{Bound, LocalTables};
use crate::lattice::Lattice;
use crate::offline::{Counts, NoSupply, Ready, Stock, Supply, supply};
use crate::ot::{Part, SetUp, Silent};
use crate::plan::Plan;
use crate::released::ReleasedValue;
use crate::ring::Ring;
use crate::two_party::{Means, TwoParty};

pub(crate) use noise::Draws;

pub use align::{Aligned, align, align_in_the_clear};
pub use opening::OutputShares;

/// What a run is about; both parties hold the same but for `party` and `tables`.
#[derive(Clone, Copy)]
pub struct JobInput<'a> {
    /// The program, typed against the datasets of the contract.
    pub program: &'a TypedProgram,
    /// The release spec of the contract.
    pub release: &'a ReleaseSpec,
    /// This party.
    pub party: PartyId,
    /// This party's tables.
    pub tables: &'a LocalTables,
    /// The parties' profiles, in the order of the parties; the choice of protocols goes by them.
    pub profiles: &'a [Profile],
    /// A value that is equal on both sides and used for no other run, such as the contract's hash.
    pub session: [u8; 32],
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The parties find which rows match.
    Align,
    /// They compare plans and set up oblivious transfer.
    SetUp,
    /// They compute.
    Compute,
    /// They open the outputs.
    Open,
}

impl Phase {
    /// Its name in logs and progress.
    pub fn name(self) -> &'static str {
        match self {
            Self::Align => "align",
            Self::SetUp => "set-up",
            Self::Compute => "compute",
            Self::Open => "open",
        }
    }
}

/// What a run reports on the way: public facts only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A part begins.
    Phase(Phase),
    /// A join has so many rows.
    Overlap {
        /// The join.
        join: NodeId,
        /// Its rows.
        rows: u64,
    },
    /// Steps of the plan are done.
    Step(StepProgress),
}

/// What a part of a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseReport {
    /// Which part.
    pub phase: Phase,
    /// How long.
    pub time: Duration,
    /// What it sent and received, and its rounds.
    pub traffic: Traffic,
}

/// What a party has after a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The outputs that this party receives.
    pub released: Vec<ReleasedValue>,
    /// The rows of each join.
    pub overlap: BTreeMap<NodeId, u64>,
    /// The hash of the plan that ran.
    pub plan_hash: [u8; 32],
    /// What it took of what was made before the run.
    pub taken: Counts,
    /// The parts, in order.
    pub phases: Vec<PhaseReport>,
}

/// What the caller of [`run`] brings besides the job.
pub struct Hooks<'a> {
    /// Hears of progress.
    pub observer: &'a mut dyn FnMut(Progress),
    /// The time since some fixed moment.
    pub clock: &'a dyn Fn() -> Duration,
    /// Called after the computation and before the first byte of the opening leaves: here the release is journalled as
    /// spent and the shares are stored (CHK-701). An error ends the run with nothing opened.
    pub release_barrier: &'a mut dyn FnMut(&OutputShares) -> Result<()>,
    /// What was made with the peer before the run.
    pub supply: &'a mut dyn Supply,
    /// The set-up of an earlier run with the same peer, if there is one; afterwards, that of this run. The peer's half may
    /// be gone: then a new one is made.
    pub set_up: &'a mut Option<Arc<SetUp>>,
}

/// A whole run.
///
/// # Errors
/// Those of [`align`], [`execute`] and [`OutputShares::open`], and of the release barrier.
pub fn run(
    channel: &mut dyn Channel,
    job: &JobInput<'_>,
    rng: &mut dyn CryptoRng,
    hooks: &mut Hooks<'_>,
) -> Result<Outcome> {
    let mut meter = PhaseMeter { clock: hooks.clock, phases: Vec::new() };
    let noise = Draws::of(job, rng);
    (hooks.observer)(Progress::Phase(Phase::Align));
    let aligned = meter.measure(Phase::Align, channel, |channel| align(channel, job, rng, hooks.observer))?;
    (hooks.observer)(Progress::Phase(Phase::SetUp));
    let (plan, mut prepared) = meter.measure(Phase::SetUp, channel, |channel| {
        let agreed = agree(channel, job, &aligned, hooks.supply, hooks.set_up.as_ref())?;
        let plan = agreed.plan.clone();
        let prepared = set_up(channel, job, agreed, rng)?;
        *hooks.set_up = Some(Arc::clone(prepared.correlations.set_up()));
        Ok((plan, prepared))
    })?;
    (hooks.observer)(Progress::Phase(Phase::Compute));
    let shares = meter.measure(Phase::Compute, channel, |channel| {
        compute(channel, job, &aligned, &plan, &mut prepared, &noise, hooks.observer)
    })?;
    (hooks.release_barrier)(&shares)?;
    (hooks.observer)(Progress::Phase(Phase::Open));
    let released = meter.measure(Phase::Open, channel, |channel| shares.open(channel))?;
    let taken = plan.costs()?.takes;
    Ok(Outcome { released, overlap: aligned.overlap(), plan_hash: plan.hash(), taken, phases: meter.phases })
}

/// Computes the outputs of an aligned job, up to and without the opening, on nothing that was made before.
///
/// # Errors
/// `PLAN_MISMATCH` when the peer derived another plan, those of [`Plan::lower`], of the protocols and the channel.
pub fn execute(
    channel: &mut dyn Channel,
    job: &JobInput<'_>,
    aligned: &Aligned,
    rng: &mut dyn CryptoRng,
    observer: &mut dyn FnMut(Progress),
) -> Result<OutputShares> {
    let noise = Draws::of(job, rng);
    observer(Progress::Phase(Phase::SetUp));
    let agreed = agree(channel, job, aligned, &mut NoSupply, None)?;
    let plan = agreed.plan.clone();
    let mut prepared = set_up(channel, job, agreed, rng)?;
    observer(Progress::Phase(Phase::Compute));
    compute(channel, job, aligned, &plan, &mut prepared, &noise, observer)
}

/// What a computation uses up.
pub struct Prepared<C> {
    /// Correlated transfers ([`Plan::expected`]).
    pub correlations: C,
    /// Keys ([`Plan::key_sizes`]).
    pub lattice: Lattice,
    /// What was made before ([`Plan::wants`]).
    pub stock: Stock,
}

/// The same on what comes from elsewhere; the plan is that of what is in stock. No noise is drawn here.
///
/// # Errors
/// As [`execute`]; `RELEASE_NOISE` where this party would have to add noise.
pub fn execute_with<C: Correlations>(
    channel: &mut dyn Channel,
    job: &JobInput<'_>,
    aligned: &Aligned,
    prepared: &mut Prepared<C>,
    observer: &mut dyn FnMut(Progress),
) -> Result<OutputShares> {
    channel.enter(STEP_PLAN);
    let plan = Plan::lower(job.program, job.release, aligned.sizes())?.between(job.profiles);
    let plan = plan.with_ready(Ready::Counted(prepared.stock.counts()));
    same_plan(&plan, &exchange(channel, &plan.hash())?)?;
    compute(channel, job, aligned, &plan, prepared, &Draws::default(), observer)
}

const STEP_PLAN: &str = "plan";

/// What both parties compute by, and with.
struct Agreed {
    plan: Plan,
    stock: Stock,
    /// A part of an earlier run's set-up, where both still have it.
    part: Option<Part>,
}

/// Instantiates the plan and compares it with the peer's: the first message after alignment. With it goes which set-up of
/// an earlier run this party has, and what its store says, where the plan has a use for it; what both have the plan then
/// takes, once both have claimed it.
fn agree(
    channel: &mut dyn Channel,
    job: &JobInput<'_>,
    aligned: &Aligned,
    supply: &mut dyn Supply,
    set_up: Option<&Arc<SetUp>>,
) -> Result<Agreed> {
    channel.enter(STEP_PLAN);
    let plan = Plan::lower(job.program, job.release, aligned.sizes())?.between(job.profiles);
    let part = set_up.and_then(|set_up| Some((set_up.id(), set_up.take(&ot_session(job))?)));
    let id = part.as_ref().map_or([0; 16], |(id, _)| *id);
    channel.send(&plan.hash())?;
    channel.send(&id)?;
    let agreed = agree_on_stock(channel, plan, supply);
    supply.finish();
    let (plan, stock, theirs) = agreed?;
    let part = part.filter(|_| id == theirs).map(|(_, part)| part);
    Ok(Agreed { plan, stock, part })
}

/// The rest of the exchange: the plan with what it takes of the stores, and the set-up that the peer has.
fn agree_on_stock(channel: &mut dyn Channel, plan: Plan, supply: &mut dyn Supply) -> Result<(Plan, Stock, [u8; 16])> {
    let wants = plan.wants()?;
    let mine = if wants.is_empty() { Vec::new() } else { supply::message(supply, &wants) };
    channel.send(&mine)?;
    // Another plan may have no use for it.
    let mut theirs = [0; 32];
    channel.receive(&mut theirs)?;
    same_plan(&plan, &theirs)?;
    let mut set_up = [0; 16];
    channel.receive(&mut set_up)?;
    if wants.is_empty() {
        return Ok((plan, Stock::default(), set_up));
    }
    let theirs = supply::receive(channel, STEP_PLAN)?;
    let both = supply.both(&theirs);
    if mine.len() == supply::NOTHING || theirs.is_empty() {
        return Ok((plan, Stock::default(), set_up));
    }
    let richer = plan.clone().with_ready(Ready::Counted(both));
    let claimed = supply::claim(&richer.costs()?.takes, supply);
    // A byte that says whether this party could claim, and the plan that it then has: a store with a fault of its own
    // finds less than the other.
    let mut message = vec![u8::from(claimed.is_ok())];
    message.extend(richer.hash());
    let theirs = exchange(channel, &message)?;
    match claimed {
        Ok(stock) if theirs == message => Ok((richer, stock, set_up)),
        // What one of them claimed is lost, and the job goes on without.
        _ => Ok((plan, Stock::default(), set_up)),
    }
}

/// Sends a message and takes one of the same length.
fn exchange(channel: &mut dyn Channel, message: &[u8]) -> Result<Vec<u8>> {
    let mut theirs = vec![0; message.len()];
    channel.send(message)?;
    channel.receive(&mut theirs)?;
    Ok(theirs)
}

fn same_plan(plan: &Plan, theirs: &[u8]) -> Result<()> {
    if !theirs.starts_with(&plan.hash()) {
        return Err(Error::deviation(
            "PLAN_MISMATCH",
            STEP_PLAN,
            "the peer derived another plan from the same contract",
        ));
    }
    Ok(())
}

/// Sets up the transfers and the keys that the plan takes. A job is computed on whatever cores the node gives it.
fn set_up(
    channel: &mut dyn Channel,
    job: &JobInput<'_>,
    Agreed { plan, stock, part }: Agreed,
    rng: &mut dyn CryptoRng,
) -> Result<Prepared<Silent>> {
    let costs = plan.costs()?;
    let correlations = match part {
        Some(part) => Silent::resume(channel, &part, costs.expected, true, rng)?,
        None => Silent::establish(channel, job.party, ot_session(job), costs.expected, true, rng)?,
    };
    let lattice = Lattice::establish(channel, job.party, costs.key_sizes, rng)?;
    Ok(Prepared { correlations, lattice, stock })
}

fn compute<C: Correlations>(
    channel: &mut dyn Channel,
    job: &JobInput<'_>,
    aligned: &Aligned,
    plan: &Plan,
    prepared: &mut Prepared<C>,
    noise: &Draws,
    observer: &mut dyn FnMut(Progress),
) -> Result<OutputShares> {
    channel.enter("compute");
    noise.check(job)?;
    let inputs = Bound::new(job.program, job.tables, aligned.rows());
    let mut steps = |step: StepProgress| observer(Progress::Step(step));
    let mut shares = match plan.word_bits {
        64 => shares::<u64, _>(plan, engine(channel, job.party, plan, prepared), &inputs, noise, &mut steps),
        _ => shares::<u128, _>(plan, engine(channel, job.party, plan, prepared), &inputs, noise, &mut steps),
    }?;
    shares.check_ranges(channel)?;
    Ok(shares)
}

fn engine<'c, R: Ring, C: Correlations>(
    channel: &'c mut dyn Channel,
    party: PartyId,
    plan: &Plan,
    prepared: &'c mut Prepared<C>,
) -> TwoParty<'c, R, &'c mut C> {
    TwoParty::new(party, channel, &mut prepared.correlations)
        .with_lattice(&mut prepared.lattice)
        .with_stock(std::mem::take(&mut prepared.stock))
        .with(Means::at(plan.pace))
}

fn shares<R: Ring, C: Correlations>(
    plan: &Plan,
    mut backend: TwoParty<'_, R, C>,
    inputs: &Bound<'_>,
    noise: &Draws,
    observer: &mut dyn FnMut(StepProgress),
) -> Result<OutputShares> {
    let results = executor::run::<R, _>(plan, &mut backend, inputs, observer)?;
    OutputShares::new(plan, &backend, &results, noise)
}

/// The ring interpreter: the same plan on the tables of both parties in one process. It is the oracle of tests, and
/// tells what the engine computes exactly.
///
/// # Errors
/// As [`run`], but for the channel's.
pub fn run_clear(
    program: &TypedProgram,
    release: &ReleaseSpec,
    tables: &LocalTables,
) -> Result<(Plan, Vec<ReleasedValue>)> {
    let aligned = align_in_the_clear(program, release, tables)?;
    let plan = Plan::lower(program, release, aligned.sizes())?;
    let inputs = Bound::new(program, tables, aligned.rows());
    let shares = match plan.word_bits {
        64 => {
            let results = executor::run::<u64, _>(&plan, &mut Clear, &inputs, &mut |_| ())?;
            OutputShares::new(&plan, &Clear, &results, &Draws::default())
        }
        _ => {
            let results = executor::run::<u128, _>(&plan, &mut Clear, &inputs, &mut |_| ())?;
            OutputShares::new(&plan, &Clear, &results, &Draws::default())
        }
    }?;
    let released = shares.in_the_clear()?;
    Ok((plan, released))
}

/// The session of oblivious transfer, apart from that of alignment.
fn ot_session(job: &JobInput<'_>) -> [u8; 32] {
    Sha256::new().chain_update(b"tacit/session/ot/1").chain_update(job.session).finalize().into()
}

/// Times the parts of a run.
struct PhaseMeter<'a> {
    clock: &'a dyn Fn() -> Duration,
    phases: Vec<PhaseReport>,
}

impl PhaseMeter<'_> {
    fn measure<T>(
        &mut self,
        phase: Phase,
        channel: &mut dyn Channel,
        part: impl FnOnce(&mut dyn Channel) -> Result<T>,
    ) -> Result<T> {
        let (start, before) = ((self.clock)(), channel.traffic());
        let result = part(channel)?;
        let after = channel.traffic();
        let traffic = Traffic {
            sent: after.sent - before.sent,
            received: after.received - before.received,
            rounds: after.rounds - before.rounds,
            wire_sent: after.wire_sent - before.wire_sent,
            wire_received: after.wire_received - before.wire_received,
        };
        self.phases.push(PhaseReport { phase, time: (self.clock)().saturating_sub(start), traffic });
        Ok(result)
    }
}
