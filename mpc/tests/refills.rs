//! Rounds of silent OT that fall inside a plan, in both directions: between steps and while several go together.

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use common::columns::Columns;
use common::{Case, agreement};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_mpc::channel::{Channel, Layer, Layered, MemoryChannel, pair};
use tacit_mpc::error::Result;
use tacit_mpc::plan::{Plan, PlanCost};
use tacit_mpc::session::{self, JobInput};
use tacit_protocol::PartyId;
use tacit_protocol::program::release::{ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::{Binary, Dim, NodeId, Op, Output, Program, Reduction, SliceAxis};

const ROWS: u64 = 72_000;
const COLUMNS: Columns = Columns { rows: ROWS, range: (0, 700) };
/// Rows of a product that is small enough to go together with others.
const PART: u64 = 1_000;

/// What one party has sent and the other has not taken yet: where each message ends in the stream, and after how many
/// trips over the network it left.
type Sent = Arc<Mutex<VecDeque<(u64, u64)>>>;

/// A logical clock: the messages that had to follow one another until this party got here, which is what a link's delay
/// is paid for.
struct Clock {
    out: Sent,
    coming: Sent,
    now: u64,
}

type Clocked = Layered<MemoryChannel, Clock>;

fn clocked_pair() -> (Clocked, Clocked) {
    let ((zero, one), [a, b]) = (pair(), [Sent::default(), Sent::default()]);
    let first = Clock { out: a.clone(), coming: b.clone(), now: 0 };
    (Layered::over(zero, first), Layered::over(one, Clock { out: b, coming: a, now: 0 }))
}

impl<C: Channel> Layer<C> for Clock {
    fn send(&mut self, channel: &mut C, bytes: &[u8]) -> Result<()> {
        let end = channel.traffic().sent + bytes.len() as u64;
        self.out.lock().expect("no panic").push_back((end, self.now));
        channel.send(bytes)
    }

    fn receive(&mut self, channel: &mut C, into: &mut [u8]) -> Result<()> {
        channel.receive(into)?;
        let reached = channel.traffic().received;
        let mut coming = self.coming.lock().expect("no panic");
        while let Some(&(end, left)) = coming.front() {
            self.now = self.now.max(left + 1);
            if end > reached {
                break;
            }
            coming.pop_front();
            if end == reached {
                break;
            }
        }
        Ok(())
    }
}

/// Products of a shared column: three of all rows, which go by encryption, and two behind each other of each part of
/// them; and a comparison of all rows, within which transfers run out.
fn case() -> Case {
    let mut program = Program::new();
    let sum = Columns::push_sum(&mut program);
    let binary = |program: &mut Program, function, left, right| program.push(Op::Binary { function, left, right });
    let square = binary(&mut program, Binary::Multiply, sum, sum);
    let cube = binary(&mut program, Binary::Multiply, square, sum);
    let fourth = binary(&mut program, Binary::Multiply, square, square);
    let less = binary(&mut program, Binary::Less, cube, fourth);
    let mut terms = vec![cube, fourth, less];
    for part in 0..ROWS / PART {
        let axis = SliceAxis { start: Dim::fixed(part * PART), stop: Dim::fixed((part + 1) * PART), step: 1 };
        let own = program.push(Op::Slice { value: sum, axes: vec![axis] });
        let square = binary(&mut program, Binary::Multiply, own, own);
        terms.push(binary(&mut program, Binary::Multiply, square, own));
    }
    let total = |program: &mut Program, value: NodeId| {
        program.push(Op::Reduce { function: Reduction::Sum, value, axes: vec![], keep_dims: false, mask: None })
    };
    let mut all = total(&mut program, terms[0]);
    for term in &terms[1..] {
        let term = total(&mut program, *term);
        all = binary(&mut program, Binary::Add, all, term);
    }
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
    let release = ReleaseSpec { outputs: vec![output], minimum_overlap: Vec::new() };
    Case::new(COLUMNS.datasets(), COLUMNS.tables(), &program, release)
}

#[test]
fn rounds_within_a_plan_are_counted_exactly() {
    let case = case();
    let both = case.local(&[PartyId::ZERO, PartyId::ONE]);
    let aligned = session::align_in_the_clear(&case.typed, &case.release, &both).expect("aligns");
    let plan = Plan::lower(&case.typed, &case.release, aligned.sizes()).expect("lowers");
    let PlanCost { transfers, expected, .. } = plan.costs().expect("counts");
    // The set-up makes 2.1 million in each direction at most; each round after it takes three exchanges.
    assert!(expected.offered.into_iter().all(|offered| offered > 3 * 2_200_000), "{expected:?}");
    assert!(transfers.rounds >= 2 * 3 * 3, "{transfers:?}");
    let cost = plan.cost().expect("counts");
    let run = |party: PartyId, mut channel: Clocked| {
        let tables = case.local(&[party]);
        let job = JobInput {
            program: &case.typed,
            release: &case.release,
            party,
            tables: &tables,
            profiles: &[],
            session: [5; 32],
        };
        let mut rng = ChaCha20Rng::seed_from_u64(22 + u64::from(party.0));
        let shares = session::execute(&mut channel, &job, &aligned, &mut rng, &mut |_| ()).expect("computes");
        let released = shares.open(&mut channel).expect("opens");
        (channel.traffic(), channel.layer().now, released[0].scalar().expect("released"))
    };
    let (zero, one) = clocked_pair();
    let ((zero, zero_trips, result), (one, one_trips, other)) = std::thread::scope(|scope| {
        let one = scope.spawn(|| run(PartyId::ONE, one));
        (run(PartyId::ZERO, zero), one.join().expect("no panic"))
    });
    let sums = (0..ROWS as i64).map(|row| COLUMNS.sum(row));
    let exact: i64 = sums.map(|sum| 2 * sum.pow(3) + sum.pow(4) + i64::from(sum > 1)).sum();
    assert_eq!((result, other), (exact as f64, exact as f64));
    // Before the plan the parties compare its hashes and what they have in store, in one round.
    assert_eq!(zero.sent + one.sent, cost.bytes + 2 * agreement(&plan));
    // A round is a message that has to wait for the one before: both parties stay in step, so each has as many turns.
    assert_eq!([zero_trips, one_trips], [cost.rounds + 1; 2]);
    assert_eq!([zero.rounds, one.rounds], [cost.rounds + 1; 2]);
    let rows = plan.explain().expect("counts");
    assert_eq!(rows.iter().map(|row| row.bytes).sum::<u64>(), cost.bytes);
    assert_eq!(rows.iter().map(|row| row.rounds).sum::<u64>(), cost.rounds);
}
