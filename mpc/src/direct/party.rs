//! One party of a session: its channel, what it keeps set up between runs, and a run.

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use tacit_protocol::PartyId;
use tacit_protocol::program::release::ReleaseSpec;
use tacit_protocol::program::{NodeId, TypedProgram};

use super::control::Control;
use crate::channel::noise::AbortHandle;
use crate::channel::{Channel, MemoryChannel, NoiseChannel, Traffic};
use crate::error::{Error, Result};
use crate::executor;
use crate::inputs::{Bound, JoinRows, LocalTables, Part, Parts, Words};
use crate::lattice::{KeySizes, Lattice};
use crate::ot::{Expected, Silent};
use crate::plan::{Plan, PlannedValue};
use crate::released::ReleasedValue;
use crate::ring::Ring;
use crate::session::{Draws, OutputShares};
use crate::two_party::{Means, TwoParty};

/// The channel of a party.
pub enum Line {
    /// To the other party in this process.
    Memory(MemoryChannel),
    /// To the other party elsewhere.
    Noise(Box<NoiseChannel>),
}

impl Line {
    fn channel(&mut self) -> &mut dyn Channel {
        match self {
            Self::Memory(channel) => channel,
            Self::Noise(channel) => &mut **channel,
        }
    }

    /// Has what was sent leave this process.
    fn settle(&mut self) -> Result<()> {
        match self {
            Self::Memory(channel) => channel.flush(),
            Self::Noise(channel) => channel.settle(),
        }
    }
}

/// What a run is about; equal on both sides but for `parts`.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) program: &'a TypedProgram,
    pub(super) release: &'a ReleaseSpec,
    /// The nodes whose values stay with the parties.
    pub(super) kept: &'a [NodeId],
}

impl Task<'_> {
    /// The plan; there are no tables, so sizes are fixed.
    pub(super) fn plan(&self) -> Result<Plan> {
        Plan::lower_keeping(self.program, self.release, &std::collections::BTreeMap::new(), self.kept)
    }
}

/// What a party has after a run.
pub(super) struct Done {
    /// The outputs that it receives.
    pub(super) released: Vec<ReleasedValue>,
    /// Its shares of the kept values, in their order.
    pub(super) kept: Vec<Part>,
    /// How they came about.
    pub(super) planned: Vec<PlannedValue>,
}

/// What is set up with the peer once.
struct SetUp {
    transfers: Silent,
    expected: Expected,
    /// The first tweak that no run has used.
    tweak: u128,
    lattice: Lattice,
    keys: KeySizes,
}

/// One party.
pub(super) struct Party {
    party: PartyId,
    line: Option<Line>,
    rng: Box<dyn CryptoRng + Send>,
    /// Equal on both sides, and of this session alone.
    session: [u8; 32],
    runs: u64,
    set_ups: u64,
    set_up: Option<SetUp>,
}

impl Party {
    /// Agrees on a name of the session with the peer.
    pub(super) fn start(party: PartyId, mut line: Line, mut rng: Box<dyn CryptoRng + Send>) -> Result<Self> {
        let mut nonces = [[0; 32]; 2];
        rng.fill_bytes(&mut nonces[party.index()]);
        let channel = line.channel();
        channel.enter("session start");
        channel.send(&nonces[party.index()])?;
        channel.receive(&mut nonces[party.other().index()])?;
        let session = Sha256::new().chain_update("tacit/direct/session/1").chain_update(nonces.as_flattened());
        let session = session.finalize().into();
        Ok(Self { party, line: Some(line), rng, session, runs: 0, set_ups: 0, set_up: None })
    }

    pub(super) fn id(&self) -> PartyId {
        self.party
    }

    pub(super) fn abort_handle(&self) -> Option<AbortHandle> {
        match &self.line {
            Some(Line::Noise(channel)) => Some(channel.abort_handle()),
            _ => None,
        }
    }

    pub(super) fn traffic(&mut self) -> Traffic {
        self.line.as_mut().map(|line| line.channel().traffic()).unwrap_or_default()
    }

    fn ended() -> Error {
        Error::refused("SESSION_ENDED", "the session has ended, by an earlier error or by `close`; make a new one")
    }

    /// Does something on the line. What fails there is the end of it, so that the peer does not wait in vain.
    pub(super) fn on_line<T>(&mut self, work: impl FnOnce(&mut Self, &mut dyn Channel) -> Result<T>) -> Result<T> {
        let mut line = self.line.take().ok_or_else(Self::ended)?;
        let done = work(self, line.channel()).and_then(|done| line.settle().map(|()| done));
        if done.as_ref().err().is_none_or(leaves_in_step) {
            self.line = Some(line);
        }
        done
    }

    /// Ends the session; the peer is told.
    pub(super) fn close(&mut self) -> Result<()> {
        match self.line.take() {
            Some(Line::Noise(channel)) => channel.leave().map(|_| ()),
            Some(Line::Memory(_)) | None => Ok(()),
        }
    }

    /// Runs a program.
    pub(super) fn run(&mut self, task: &Task<'_>, parts: &Parts) -> Result<Done> {
        let plan = task.plan()?;
        self.on_line(|this, channel| {
            this.agree(channel, &plan)?;
            this.prepare(channel, &plan)?;
            channel.enter("compute");
            let set_up = this.set_up.as_mut().expect("it was just set up");
            let inputs = (LocalTables::new(), JoinRows::new());
            let bound = Bound::new(task.program, &inputs.0, &inputs.1).with_arrays(parts);
            let (mut outputs, kept) = match plan.word_bits {
                64 => compute::<u64>(this.party, channel, &plan, set_up, &bound),
                _ => compute::<u128>(this.party, channel, &plan, set_up, &bound),
            }?;
            outputs.check_ranges(channel)?;
            let revealed = plan.outputs.iter().any(|output| !output.receivers.is_empty());
            let released = if revealed { outputs.open(channel)? } else { Vec::new() };
            Ok(Done { released, kept, planned: plan.kept.clone() })
        })
    }

    /// Compares plans with the peer (CHK-409).
    fn agree(&mut self, channel: &mut dyn Channel, plan: &Plan) -> Result<()> {
        channel.enter("plan");
        self.runs += 1;
        let mine = Control::Run(self.runs, plan.hash());
        mine.send(channel)?;
        match Control::receive(channel)? {
            theirs if theirs == mine => Ok(()),
            Control::Run(run, _) if run == self.runs => Err(mismatch("it computes something else")),
            Control::Run(..) => Err(out_of_step("it has run another number of programs")),
            other => Err(out_of_step(&format!("it {}", other.describe()))),
        }
    }

    /// Sets up what the plan takes, as far as it is not there.
    fn prepare(&mut self, channel: &mut dyn Channel, plan: &Plan) -> Result<()> {
        let costs = plan.costs()?;
        let (mut expected, mut keys) = (costs.expected, costs.key_sizes);
        if let Some(known) = &self.set_up {
            expected = known.expected.max(expected);
            keys = KeySizes([0, 1].map(|party| known.keys.0[party].max(keys.0[party])));
        }
        let rng = &mut *self.rng;
        let known = match self.set_up.take().filter(|known| known.expected.serves(expected)) {
            Some(known) => known,
            None => {
                self.set_ups += 1;
                let label = Sha256::new().chain_update("tacit/direct/ot/1").chain_update(self.session);
                let label = label.chain_update(self.set_ups.to_le_bytes()).finalize().into();
                let transfers = Silent::establish(channel, self.party, label, expected, true, rng)?;
                let (lattice, keys) = (Lattice::none(rng), KeySizes::default());
                SetUp { transfers, expected, tweak: 0, lattice, keys }
            }
        };
        let known = self.set_up.insert(known);
        if known.keys != keys {
            known.lattice = Lattice::establish(channel, self.party, keys, rng)?;
            known.keys = keys;
        }
        Ok(())
    }
}

/// Runs the plan, and gives this party's shares of what is opened and of what is kept.
fn compute<R: Ring>(
    party: PartyId,
    channel: &mut dyn Channel,
    plan: &Plan,
    set_up: &mut SetUp,
    inputs: &Bound<'_>,
) -> Result<(OutputShares, Vec<Part>)> {
    let mut backend = TwoParty::<R, _>::new(party, channel, &mut set_up.transfers)
        .with_lattice(&mut set_up.lattice)
        .with_tweak(set_up.tweak)
        .with(Means::at(plan.pace));
    let results = executor::run::<R, _>(plan, &mut backend, inputs, &mut |_| ())?;
    let outputs = OutputShares::new(plan, &backend, &results, &Draws::default())?;
    let kept = plan.kept.iter().map(|kept| {
        let words = if kept.element == tacit_protocol::schema::Element::Bool {
            Words::Bits(results.bits(kept.value).shared(&backend).words)
        } else {
            let words = results.words(kept.value).shared(&backend).words;
            match R::BITS {
                64 => Words::Narrow(words.iter().map(|word| word.to_u128() as u64).collect()),
                _ => Words::Wide(words.iter().map(|word| word.to_u128()).collect()),
            }
        };
        let valid = kept.valid.map(|place| results.bits(place).shared(&backend).words);
        let cells = kept.shape.iter().product();
        Part::shares(party, cells, words, valid).expect("the executor gives values of the planned length")
    });
    let kept = kept.collect();
    set_up.tweak = backend.tweak();
    Ok((outputs, kept))
}

/// Whether both parties stand at the same place after an error, so that the session can go on.
fn leaves_in_step(error: &Error) -> bool {
    matches!(error.code().as_str(), "PLAN_MISMATCH" | "OUT_OF_RANGE" | "PEER_INPUT")
}

fn mismatch(what: &str) -> Error {
    let check = format!("{what}; both parties must call the same operations in the same order");
    Error::deviation("PLAN_MISMATCH", "plan", check)
}

/// Scripts that are not at the same place any more.
pub(super) fn out_of_step(what: &str) -> Error {
    let check = format!("{what} where this party does something else; both must make the same calls in the same order");
    Error::deviation("PROTOCOL_ORDER", "plan", check)
}
