//! Runs that take what was made before: the same answers, what the plan then counts, and nothing at any doubt.

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use common::columns::Columns;
use common::{Case, agreement};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_mpc::channel::pair;
use tacit_mpc::error::{Error, Result};
use tacit_mpc::offline::{Counts, Kind, Maker, NoSupply, Ready, Supply};
use tacit_mpc::plan::Plan;
use tacit_mpc::session::{self, Hooks, JobInput, Outcome, Phase};
use tacit_protocol::program::release::{ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::{Binary, NodeId, Op, Output, Program, Reduction};
use tacit_protocol::{Code, PartyId};
use zeroize::Zeroizing;

const ROWS: u64 = 1_500;
const COLUMNS: Columns = Columns { rows: ROWS, range: (-100, 100) };

/// The sum of the squares, cubes and comparisons of a shared column.
fn case() -> Case {
    let mut program = Program::new();
    let sum = Columns::push_sum(&mut program);
    let mut binary = |function, left, right| program.push(Op::Binary { function, left, right });
    let square = binary(Binary::Multiply, sum, sum);
    let cube = binary(Binary::Multiply, square, sum);
    let less = binary(Binary::Less, square, cube);
    let mut total = |value: NodeId| {
        program.push(Op::Reduce { function: Reduction::Sum, value, axes: vec![], keep_dims: false, mask: None })
    };
    let [square, cube, less] = [square, cube, less].map(&mut total);
    let mut all = program.push(Op::Binary { function: Binary::Add, left: square, right: cube });
    all = program.push(Op::Binary { function: Binary::Add, left: all, right: less });
    program.outputs.push(Output { name: "all".into(), value: all, receivers: vec![], within: None });
    let receivers = vec![PartyId::ZERO, PartyId::ONE];
    let output = ReleasedOutput {
        name: "all".into(),
        value: all,
        receivers,
        gates: Vec::new(),
        grid: None,
        noise: Vec::new(),
        dominance: Vec::new(),
    };
    Case::new(
        COLUMNS.datasets(),
        COLUMNS.tables(),
        &program,
        ReleaseSpec { outputs: vec![output], minimum_overlap: Vec::new() },
    )
}

fn exact() -> f64 {
    let sums = (0..ROWS as i64).map(|row| COLUMNS.sum(row));
    sums.map(|sum| sum.pow(2) + sum.pow(3) + i64::from(sum.pow(2) < sum.pow(3))).sum::<i64>() as f64
}

/// Chunks by kind, each of which can be claimed once.
struct Shelf {
    epoch: u8,
    chunks: BTreeMap<Kind, VecDeque<Zeroizing<Vec<u8>>>>,
    broken: bool,
}

impl Supply for Shelf {
    fn statement(&mut self, _wants: &Counts) -> Vec<u8> {
        vec![self.epoch]
    }

    fn both(&mut self, theirs: &[u8]) -> Counts {
        if theirs != [self.epoch] {
            self.chunks.clear();
        }
        self.chunks.iter().map(|(kind, chunks)| (*kind, chunks.len() as u64 * kind.chunk())).collect()
    }

    fn claim(&mut self, kind: Kind, count: u64) -> Result<Vec<Zeroizing<Vec<u8>>>> {
        let claimed: Vec<_> = self.chunks.entry(kind).or_default().drain(..count as usize).collect();
        match self.broken {
            true => Err(Error::Refused { code: Code::new("CORRELATION_REUSE"), cause: "the disk is broken".into() }),
            false => Ok(claimed),
        }
    }
}

/// What two idle parties make for a plan: so many chunks of each kind.
fn made(wants: &Counts, count: u64) -> [Shelf; 2] {
    let chunks: Vec<(Kind, u64)> = wants.iter().map(|(kind, _)| (kind, count)).collect();
    let make = |party: PartyId, mut channel: tacit_mpc::channel::MemoryChannel| {
        let mut rng = ChaCha20Rng::seed_from_u64(40 + u64::from(party.0));
        let pace = Default::default();
        let mut maker = Maker::establish(&mut channel, party, [6; 32], &chunks, pace, &mut rng).expect("honest");
        let mut shelf = Shelf { epoch: 1, chunks: BTreeMap::new(), broken: false };
        for (kind, count) in &chunks {
            for _ in 0..*count {
                let chunk = maker.chunk(&mut channel, *kind, &mut rng).expect("honest");
                shelf.chunks.entry(*kind).or_default().push_back(chunk);
            }
        }
        shelf
    };
    let (zero, one) = pair();
    std::thread::scope(|scope| {
        let one = scope.spawn(|| make(PartyId::ONE, one));
        [make(PartyId::ZERO, zero), one.join().expect("no panic")]
    })
}

/// A run of both parties, and what each sent from the set-up on.
fn run(case: &Case, supplies: [&mut (dyn Supply + Send); 2]) -> [(Outcome, u64); 2] {
    let (zero, one) = pair();
    let party = |party: PartyId, mut channel: tacit_mpc::channel::MemoryChannel, supply: &mut dyn Supply| {
        let tables = case.local(&[party]);
        let (program, release) = (&case.typed, &case.release);
        let job = JobInput { program, release, party, tables: &tables, profiles: &[], session: [3; 32] };
        let mut hooks = Hooks {
            observer: &mut |_| (),
            clock: &|| Duration::ZERO,
            release_barrier: &mut |_| Ok(()),
            supply,
            set_up: &mut None,
        };
        let mut rng = ChaCha20Rng::seed_from_u64(50 + u64::from(party.0));
        let outcome = session::run(&mut channel, &job, &mut rng, &mut hooks).expect("runs");
        let phases = outcome.phases.iter().filter(|phase| phase.phase != Phase::Align);
        let sent = phases.map(|phase| phase.traffic.sent).sum();
        (outcome, sent)
    };
    let [first, second] = supplies;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| party(PartyId::ONE, one, second));
        [party(PartyId::ZERO, zero, first), other.join().expect("no panic")]
    })
}

fn plan(case: &Case) -> Plan {
    let both = case.local(&[PartyId::ZERO, PartyId::ONE]);
    let aligned = session::align_in_the_clear(&case.typed, &case.release, &both).expect("aligns");
    Plan::lower(&case.typed, &case.release, aligned.sizes()).expect("lowers")
}

fn assert_answers(ran: &[(Outcome, u64); 2]) {
    for (outcome, _) in ran {
        assert_eq!(outcome.released[0].scalar(), Some(exact()));
    }
}

#[test]
fn a_run_takes_what_was_made_before_and_costs_what_the_plan_then_counts() {
    let case = case();
    let plan = plan(&case);
    let wants = plan.wants().expect("counts");
    assert!(wants.of(Kind::triples(64)) >= 2 * ROWS && wants.of(Kind::Bits { word: 64 }) >= ROWS, "{wants:?}");
    let [mut zero, mut one] = made(&wants, 2);
    let agreed = 2 * (agreement(&plan) + 1) + 2 * 33;
    for turn in 0..2 {
        let ran = run(&case, [&mut zero, &mut one]);
        assert_answers(&ran);
        let left = wants.iter().map(|(kind, _)| (kind, (2 - turn) * kind.chunk())).collect();
        let richer = plan.clone().with_ready(Ready::Counted(left));
        assert_eq!(ran[0].0.plan_hash, richer.hash());
        for (outcome, _) in &ran {
            assert_eq!(outcome.taken, wants);
        }
        let cost = richer.cost().expect("counts");
        assert_eq!(ran[0].1 + ran[1].1, cost.bytes + agreed, "turn {turn}");
        assert!(cost.bytes < plan.cost().expect("counts").bytes);
    }
    // Nothing is left: the run goes on without.
    let ran = run(&case, [&mut zero, &mut one]);
    assert_answers(&ran);
    assert!(ran[0].0.taken.is_empty() && ran[1].0.taken.is_empty());
    assert_eq!(ran[0].1 + ran[1].1, plan.cost().expect("counts").bytes + agreed);
}

#[test]
fn a_claim_that_fails_on_one_side_leaves_a_run_without_and_what_was_claimed_is_lost() {
    let case = case();
    let wants = plan(&case).wants().expect("counts");
    let [mut zero, mut one] = made(&wants, 1);
    one.broken = true;
    let ran = run(&case, [&mut zero, &mut one]);
    assert_answers(&ran);
    assert!(ran.iter().all(|(outcome, _)| outcome.taken.is_empty()));
    assert!(zero.chunks.values().all(VecDeque::is_empty), "claimed, and not to be claimed again");
}

#[test]
fn a_store_that_finds_less_than_the_others_leaves_a_run_without() {
    let case = case();
    let wants = plan(&case).wants().expect("counts");
    let [mut zero, mut one] = made(&wants, 1);
    one.chunks.remove(&Kind::triples(64));
    let ran = run(&case, [&mut zero, &mut one]);
    assert_answers(&ran);
    assert!(ran.iter().all(|(outcome, _)| outcome.taken.is_empty()));
}

#[test]
fn stores_that_do_not_fit_each_other_are_not_used() {
    let case = case();
    let wants = plan(&case).wants().expect("counts");
    let [mut zero, mut one] = made(&wants, 1);
    one.epoch = 2;
    let ran = run(&case, [&mut zero, &mut one]);
    assert_answers(&ran);
    assert!(ran.iter().all(|(outcome, _)| outcome.taken.is_empty()));
}

#[test]
fn a_party_without_a_store_runs_with_one_that_has_one() {
    let case = case();
    let wants = plan(&case).wants().expect("counts");
    let [mut zero, _] = made(&wants, 1);
    let ran = run(&case, [&mut zero, &mut NoSupply]);
    assert_answers(&ran);
    assert!(ran.iter().all(|(outcome, _)| outcome.taken.is_empty()));
}
