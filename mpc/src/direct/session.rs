//! The session: arrays in, values out.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rand_core::CryptoRng;
use tacit_protocol::program::plain::{PlainColumn, encode_array};
use tacit_protocol::program::release::{ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::types::{ArrayType, Validity};
use tacit_protocol::program::{InputSource, NodeId, Op, Shares, infer, infer_operation};
use tacit_protocol::schema::Element;
use tacit_protocol::{Number, PartyId};

use super::control::{Control, Header};
use super::explain::Explanation;
use super::graph::{Lazy, Pending, SharedValue, in_advance, pending};
use super::key::PairKey;
use super::party::{Done, Line, Party, Task, out_of_step};
use crate::channel::noise::{AbortHandle, Deadlines};
use crate::channel::{Traffic, pair_with_deadline};
use crate::error::{Error, Result};
use crate::inputs::Part;
use crate::plan::PlannedValue;
use crate::released::ReleasedValue;

/// How long a party in this process waits for the other, whose work may be long.
const LOCAL_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// An array as its owner hands it in.
pub struct Given {
    /// Its cells, in row-major order.
    pub cells: PlainColumn,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Its type: bool, int64, decimal or float64.
    pub element: Element,
    /// The least and the largest value that it may have.
    pub range: [Number; 2],
    /// What it is called in error messages.
    pub name: String,
}

/// Two parties that run one program after another; one of them here, or both.
pub struct Session {
    parties: Vec<Party>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({:?})", self.parties())
    }
}

impl Session {
    /// Both parties in this process.
    ///
    /// # Errors
    /// None that a process with memory and threads has.
    pub fn local(rngs: [Box<dyn CryptoRng + Send>; 2]) -> Result<Self> {
        let (zero, one) = pair_with_deadline(LOCAL_DEADLINE);
        let [rng, other] = rngs;
        let sides = [(PartyId::ZERO, zero, rng), (PartyId::ONE, one, other)];
        let started = thread::scope(|scope| {
            let start = |(party, channel, rng)| scope.spawn(move || Party::start(party, Line::Memory(channel), rng));
            sides.map(start).map(|started| started.join().unwrap_or_else(|_| Err(panicked())))
        });
        Ok(Self { parties: started.into_iter().collect::<Result<_>>()? })
    }

    /// One party, with the peer behind a connected socket. `dialled`: this side made the connection; otherwise it has
    /// heard the peer's preamble ([`PairKey::welcome`]).
    ///
    /// # Errors
    /// Those of [`PairKey::dial`] and [`PairKey::accept`].
    pub fn over(
        socket: TcpStream,
        dialled: bool,
        party: PartyId,
        key: &PairKey,
        deadlines: Deadlines,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self> {
        let channel = if dialled {
            key.dial(socket, party, deadlines, &mut *rng)?
        } else {
            key.accept(socket, party, deadlines)?
        };
        Ok(Self::alone(Party::start(party, Line::Noise(Box::new(channel)), rng)?))
    }

    /// With one party here.
    pub(super) fn alone(party: Party) -> Self {
        Self { parties: vec![party] }
    }

    /// The parties that are here.
    pub fn parties(&self) -> Vec<PartyId> {
        self.parties.iter().map(Party::id).collect()
    }

    /// What ends the waits of the party here from another thread; none where both are here.
    pub fn abort_handle(&self) -> Option<AbortHandle> {
        self.parties.first().and_then(Party::abort_handle)
    }

    /// What the first party here has sent and received.
    pub fn traffic(&mut self) -> Traffic {
        self.parties.first_mut().map(Party::traffic).unwrap_or_default()
    }

    /// Ends the session, and tells the peer. Arrays that were not revealed are lost.
    ///
    /// # Errors
    /// Those of a send.
    pub fn close(&mut self) -> Result<()> {
        self.parties.iter_mut().map(Party::close).fold(Ok(()), Result::and)
    }

    /// An array that `owner` hands in: `given` where it is here. A peer that is elsewhere learns type, shape and declared
    /// range.
    ///
    /// # Errors
    /// `INPUT_SCHEMA` when a cell is not within the declared range, `PROGRAM_RANGE` when that is none; `PEER_INPUT` on the
    /// other side. Nothing has then been sent of the data.
    pub fn array(&mut self, owner: PartyId, given: Option<Given>) -> Result<Lazy> {
        if owner.index() > 1 {
            return Err(Error::refused("PROGRAM_PARTIES", format!("{owner} is none of the two parties, 0 and 1")));
        }
        let here = self.parties.iter().position(|party| party.id() == owner);
        let Some(place) = here else { return self.foreign(owner) };
        let Some(given) = given else {
            return Err(Error::refused("INPUT_SCHEMA", format!("{owner} hands in the array, and gave no data")));
        };
        let name = given.name.clone();
        let checked = checked(owner, given);
        if self.parties.len() == 1 {
            self.parties[place].on_line(|_, channel| {
                channel.enter("array");
                match &checked {
                    Ok((Op::Input { element, shape, lo, hi, .. }, _)) => {
                        let header = Header { element: element.clone(), shape: shape.clone(), lo: *lo, hi: *hi };
                        Control::Array(header).send(channel)
                    }
                    _ => Control::NoArray.send(channel),
                }
            })?;
        }
        let (op, part) = checked?;
        let parts = (0..self.parties.len()).map(|at| (at == place).then(|| Arc::new(part.clone()))).collect();
        Lazy::known(SharedValue { op, parts }, Some(name))
    }

    /// An array that the party elsewhere hands in.
    fn foreign(&mut self, owner: PartyId) -> Result<Lazy> {
        let control = self.parties[0].on_line(|_, channel| {
            channel.enter("array");
            match Control::receive(channel)? {
                Control::Run(..) => Err(out_of_step("it reveals or shares a value")),
                control => Ok(control),
            }
        })?;
        let Control::Array(Header { element, shape, lo, hi }) = control else {
            let cause = format!("{owner} did not hand in its array: it is not as declared there");
            return Err(Error::refused("PEER_INPUT", cause));
        };
        let op = Op::Input { from: InputSource::Party(owner), element, shape, lo, hi };
        Lazy::known(SharedValue { op, parts: vec![None] }, None)
    }

    /// A value of which the parties here hold shares, from [`Session::share`].
    ///
    /// # Errors
    /// `SHARE_FORM` when the parts are not of the type that the operation says, or not those of the parties here.
    pub fn from_shares(&self, value: SharedValue) -> Result<Lazy> {
        let wrong = |cause: String| Err(Error::refused("SHARE_FORM", cause));
        let array = Lazy::new(value.op.clone(), Vec::new(), None)?;
        let Op::Input { from: InputSource::Shares(shares), element, .. } = &value.op else {
            return wrong("the value is not held as shares".into());
        };
        let cells: u64 = array.shape().iter().product();
        if value.parts.len() != self.parties.len() {
            return wrong(format!("{} parties are here, with shares of {}", self.parties.len(), value.parts.len()));
        }
        for (part, party) in value.parts.iter().zip(&self.parties) {
            let Some(part) = part else { return wrong(format!("the share of {} is not there", party.id())) };
            if part.party() != party.id() {
                return wrong(format!("it is the share of {}, this is {}", part.party(), party.id()));
            }
            let bits = *element == Element::Bool;
            let fits = part.cells() as u64 == cells
                && (part.bits().is_some() == bits)
                && (bits || part.word_bits() == shares.word_bits)
                && part.valid().is_some() == shares.nullable;
            if !fits {
                let cause = format!(
                    "the share has {} cells in words of {} bits; the value has {cells} of {} in words of {} bits",
                    part.cells(),
                    part.word_bits(),
                    element.name(),
                    shares.word_bits
                );
                return wrong(cause);
            }
        }
        Lazy::known(value, None)
    }

    /// Computes arrays and opens them to `receivers`. Gives what a party here receives, none where none does.
    ///
    /// # Errors
    /// `PLAN_MISMATCH` when the peer computes something else, `OUT_OF_RANGE` when a value left a promised range: the
    /// session goes on after both. Those of the protocols and the channel end it.
    pub fn reveal(&mut self, targets: &[Lazy], receivers: &[PartyId]) -> Result<Vec<Option<ReleasedValue>>> {
        self.compute_in_advance(targets)?;
        let (done, _) = self.run(targets, receivers)?;
        let released = done.into_iter().find(|done| !done.released.is_empty()).map(|done| done.released);
        Ok(match released {
            Some(released) => released.into_iter().map(Some).collect(),
            None => targets.iter().map(|_| None).collect(),
        })
    }

    /// Computes an array and gives the shares of the parties here.
    ///
    /// # Errors
    /// As [`Session::reveal`]; `SHARE_FORM` where the range takes more digits than are written.
    ///
    /// # Security
    /// Of what one party knows or both do, one share is the value and the other is 0.
    pub fn share(&mut self, target: &Lazy) -> Result<Arc<SharedValue>> {
        if let Some(value) = target.value().filter(|value| is_shares(&value.op)) {
            return Ok(value);
        }
        self.compute_in_advance(std::slice::from_ref(target))?;
        let (_, kept) = self.run(std::slice::from_ref(target), &[])?;
        let value = kept.into_iter().find(|(array, _)| array.is(target)).map(|(_, value)| value);
        let cause = "the range of the value is too wide to be kept; narrow it with `assume`";
        value.ok_or_else(|| Error::refused("SHARE_FORM", cause))
    }

    /// What computing and opening an array would take, beyond what is computed already.
    ///
    /// # Errors
    /// Those of planning.
    pub fn explain(&self, target: &Lazy) -> Result<Explanation> {
        let pending = pending(std::slice::from_ref(target), self.parties.len())?;
        let (typed, release) = typed(&pending, &[PartyId::ZERO, PartyId::ONE])?;
        let task = Task { program: &typed, release: &release, kept: &[] };
        Explanation::of(&task.plan()?)
    }

    /// Computes the first operations of very many.
    fn compute_in_advance(&mut self, targets: &[Lazy]) -> Result<()> {
        loop {
            let first = in_advance(targets);
            if first.is_empty() {
                return Ok(());
            }
            let (_, kept) = self.run(&first, &[])?;
            kept.iter().for_each(|(array, value)| array.settle(Arc::clone(value)));
            if first.iter().any(|array| array.value().is_none()) {
                let cause = "a value with too wide a range to be kept is in the middle of too many operations";
                return Err(Error::refused("PROGRAM_COST", cause));
            }
        }
    }

    /// Runs the program of the targets. Without receivers it keeps all of them, otherwise those that only both parties
    /// together know.
    fn run(&mut self, targets: &[Lazy], receivers: &[PartyId]) -> Result<(Vec<Done>, Vec<Kept>)> {
        let pending = pending(targets, self.parties.len())?;
        let (typed, release) = typed(&pending, receivers)?;
        let kept = kept(&pending, receivers.is_empty());
        let task = Task { program: &typed, release: &release, kept: &kept };
        let mut done = self.everyone(&task, &pending)?;
        let kept = shared(&pending, &kept, &mut done);
        kept.iter().filter(|(array, _)| array.is_shared()).for_each(|(array, value)| array.settle(Arc::clone(value)));
        Ok((done, kept))
    }

    /// Runs a program at the parties that are here.
    fn everyone(&mut self, task: &Task<'_>, pending: &Pending) -> Result<Vec<Done>> {
        if let [party] = &mut self.parties[..] {
            return Ok(vec![party.run(task, &pending.parts[0])?]);
        }
        let sides = self.parties.iter_mut().zip(&pending.parts);
        let done: Vec<Result<Done>> = thread::scope(|scope| {
            let run = |(party, parts)| scope.spawn(move || Party::run(party, task, parts));
            let running: Vec<_> = sides.map(run).collect();
            running.into_iter().map(|side| side.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        // What one of them found, before what the other made of its leaving.
        let first =
            done.iter().position(|done| done.as_ref().is_err_and(|error| !matches!(error, Error::Closed { .. })));
        let mut done = done;
        match first {
            Some(place) => Err(done.swap_remove(place).err().unwrap_or_else(panicked)),
            None => done.into_iter().collect(),
        }
    }
}

fn panicked() -> Error {
    Error::refused("SESSION_ENDED", "a party's thread ended by a fault of the engine; please report it")
}

/// The data of an owner, checked against what it declares.
fn checked(owner: PartyId, given: Given) -> Result<(Op, Part)> {
    let Given { cells, shape, element, range: [lo, hi], name } = given;
    let op = Op::Input { from: InputSource::Party(owner), element: element.clone(), shape, lo, hi };
    let array = infer_operation(&op, Some(&name), &[]).map_err(Error::of_program)?;
    let encoded = encode_array(&cells, &name, &array).map_err(Error::of_program)?;
    Ok((op, Part::owned(owner, &element, encoded)))
}

/// The program with its types, and the release of its targets to the receivers.
fn typed(pending: &Pending, receivers: &[PartyId]) -> Result<(tacit_protocol::program::TypedProgram, ReleaseSpec)> {
    let typed = infer(&pending.program, &BTreeMap::new()).map_err(Error::of_program)?;
    let output = |output: &tacit_protocol::program::Output| ReleasedOutput {
        name: output.name.clone(),
        value: output.value,
        receivers: receivers.to_vec(),
        gates: Vec::new(),
        grid: None,
        noise: Vec::new(),
        dominance: Vec::new(),
    };
    let outputs = if receivers.is_empty() { Vec::new() } else { pending.program.outputs.iter().map(output).collect() };
    Ok((typed, ReleaseSpec { outputs, minimum_overlap: Vec::new() }))
}

/// An array and the shares of it that the parties here have.
type Kept = (Lazy, Arc<SharedValue>);

fn is_shares(op: &Op) -> bool {
    matches!(op, Op::Input { from: InputSource::Shares(_), .. })
}

/// The nodes that are kept: targets that are not there as shares yet, and what was costly on the way.
fn kept(pending: &Pending, all: bool) -> Vec<NodeId> {
    let mut kept: Vec<NodeId> = pending.targets.clone();
    kept.retain(|node| !is_shares(&pending.program.nodes[node.index()].op));
    kept.retain(|node| all || pending.nodes[node.index()].is_shared());
    kept.extend(&pending.worth);
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// The values that were kept, as far as their ranges can be written.
fn shared(pending: &Pending, kept: &[NodeId], done: &mut [Done]) -> Vec<Kept> {
    let planned: Vec<PlannedValue> = done.first().map(|done| done.planned.clone()).unwrap_or_default();
    let mut parts: Vec<_> = done.iter_mut().map(|done| std::mem::take(&mut done.kept).into_iter()).collect();
    let mut values = Vec::with_capacity(kept.len());
    for (node, planned) in kept.iter().zip(planned) {
        let of_parties: Vec<Option<Arc<Part>>> = parts.iter_mut().map(|parts| parts.next().map(Arc::new)).collect();
        let word_bits = of_parties.iter().flatten().next().map_or(64, |part| part.word_bits());
        let array = &pending.nodes[node.index()];
        let shares = Shares {
            word_bits,
            nullable: planned.valid.is_some(),
            error: planned.error.map(|error| error.ceil() as u64),
        };
        let validity = if shares.nullable { Validity::Secret } else { Validity::AllTrue };
        let of = ArrayType { range: planned.range, validity, ..array.array().clone() };
        if let Some(op) = Op::shares(&of, shares) {
            values.push((array.clone(), Arc::new(SharedValue { op, parts: of_parties })));
        }
    }
    values
}
