//! The question of the demo: two owners, one join, a masked count, sum and mean behind gates on a grid.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Case, agreement, generate::Draw, number};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_mpc::Error;
use tacit_mpc::channel::{Channel, Event, MemoryChannel, pair, pair_with_deadline};
use tacit_mpc::offline::NoSupply;
use tacit_mpc::plan::Plan;
use tacit_mpc::released::{Cell, ReleasedValue};
use tacit_mpc::session::{self, Hooks, JobInput, OutputShares, Phase, Progress};
use tacit_protocol::privacy::Sigma;
use tacit_protocol::program::plain::{PlainColumn, PlainData, PlainTable};
use tacit_protocol::program::release::{Gate, GateRule, Literal, MinimumOverlap, Noise, ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::types::Dataset;
use tacit_protocol::program::{Alignment, Binary, NodeId, Op, Output, Program, Reduction};
use tacit_protocol::schema::{ColumnSchema, Element, Range, TableSchema};
use tacit_protocol::{Code, PartyId};

const CENTS: Element = Element::Decimal { scale: 2 };

fn column(name: &str, element: Element, range: Option<(i64, i64)>) -> ColumnSchema {
    let range = range.map(|(lo, hi)| Range { lo: lo.into(), hi: hi.into() });
    ColumnSchema { name: name.into(), element, range, nullable: false }
}

fn dataset(owner: PartyId, rows: u64, columns: Vec<ColumnSchema>) -> Dataset {
    let columns = [vec![column("customer_id", Element::Key, None)], columns].concat();
    Dataset { owner, schema: TableSchema { columns, rows, unique_key: Some("customer_id".into()) } }
}

fn datasets(rows: u64) -> BTreeMap<String, Dataset> {
    let customers =
        vec![column("frequency", Element::Int64, Some((0, 365))), column("amount", CENTS, Some((0, 1_000_000)))];
    let accounts = vec![
        column("balance", CENTS, Some((-1_000_000, 1_000_000_000))),
        column("wealth", CENTS, Some((0, 1_000_000_000))),
    ];
    BTreeMap::from([
        ("maison/customers".into(), dataset(PartyId::ZERO, rows, customers)),
        ("banque/accounts".into(), dataset(PartyId::ONE, rows, accounts)),
    ])
}

/// Tables of which three fifths of the rows match; `share` of a hundred of them are rich.
fn tables(rows: u64, share: usize, seed: u64) -> BTreeMap<String, PlainTable> {
    let mut draw = Draw::new(seed);
    let keys = |shift: u64| -> PlainColumn {
        PlainData::Key(
            (0..rows).map(|row| format!("customer {}", (row + shift) * 7 % (rows * 7)).into_bytes()).collect(),
        )
        .into()
    };
    let keys_other = |first: u64| -> PlainColumn {
        PlainData::Key((0..rows).map(|row| format!("customer {}", (row + first) * 7).into_bytes()).collect()).into()
    };
    let mut cents = |lo: usize, hi: usize| i128::from((lo + draw.below(hi - lo)) as u64);
    let rich: Vec<bool> = (0..rows).map(|_| cents(0, 100) < share as i128).collect();
    let frequency = rich.iter().map(|rich| if *rich { cents(3, 366) } else { cents(0, 3) } as i64).collect();
    let amount = rich.iter().map(|rich| cents(if *rich { 500_001 } else { 0 }, 100_000_000)).collect();
    let balance = (0..rows).map(|_| cents(if share == 100 { 500_000_001 } else { 0 }, 100_000_000_000)).collect();
    let wealth = (0..rows).map(|_| cents(0, 100_000_000_000)).collect();
    let customers = BTreeMap::from([
        ("customer_id".into(), keys(0)),
        ("frequency".into(), PlainData::Int64(frequency).into()),
        ("amount".into(), PlainData::Decimal(amount).into()),
    ]);
    let accounts = BTreeMap::from([
        ("customer_id".into(), keys_other(rows * 2 / 5)),
        ("balance".into(), PlainData::Decimal(balance).into()),
        ("wealth".into(), PlainData::Decimal(wealth).into()),
    ]);
    BTreeMap::from([
        ("maison/customers".into(), PlainTable { columns: customers }),
        ("banque/accounts".into(), PlainTable { columns: accounts }),
    ])
}

/// The program, and the node of its condition and of the join.
fn program() -> (Program, NodeId, NodeId) {
    let mut program = Program::new();
    let customers = program.push(Op::Load { dataset: "maison/customers".into() });
    let accounts = program.push(Op::Load { dataset: "banque/accounts".into() });
    let joined = program.push(Op::Join {
        left: customers,
        right: accounts,
        left_on: "customer_id".into(),
        right_on: "customer_id".into(),
        alignment: Alignment::Revealed,
    });
    let mut above = |name: &str, bound: i64| {
        let column = program.push(Op::Column { table: joined, column: name.into() });
        let bound = program.push(Op::Full { element: Element::Int64, shape: vec![], value: bound.into() });
        program.push(Op::Binary { function: Binary::Greater, left: column, right: bound })
    };
    let (frequent, spends, rich) = (above("frequency", 2), above("amount", 5_000), above("balance", 5_000_000));
    let both = program.push(Op::Binary { function: Binary::And, left: frequent, right: spends });
    let cond = program.push(Op::Binary { function: Binary::And, left: both, right: rich });
    let wealth = program.push(Op::Column { table: joined, column: "wealth".into() });
    let zero = program.push(Op::Full { element: Element::Int64, shape: vec![], value: 0.into() });
    let reduce = |function, value, mask| Op::Reduce { function, value, axes: vec![], keep_dims: false, mask };
    let number = program.push(reduce(Reduction::Sum, cond, None));
    let chosen = program.push(Op::Where { condition: cond, then: wealth, otherwise: zero });
    let cost = program.push(reduce(Reduction::Sum, chosen, None));
    let average = program.push(reduce(Reduction::Mean, wealth, Some(cond)));
    for (name, value) in [("number", number), ("cost", cost), ("average", average)] {
        program.outputs.push(Output { name: name.into(), value, receivers: vec![], within: None });
    }
    (program, cond, joined)
}

fn release(program: &Program, cond: NodeId, joined: NodeId) -> ReleaseSpec {
    let gate = Gate { rows_of: joined, support: vec![vec![Literal::True(cond)]], rule: GateRule::AtLeast(100) };
    let outputs = program.outputs.iter().map(|output| ReleasedOutput {
        name: output.name.clone(),
        value: output.value,
        receivers: vec![PartyId::ONE],
        gates: vec![gate.clone()],
        grid: Some(number("0.01")),
        noise: Vec::new(),
        dominance: Vec::new(),
    });
    ReleaseSpec { outputs: outputs.collect(), minimum_overlap: vec![MinimumOverlap { join: joined, rows: 100 }] }
}

fn case(rows: u64, share: usize, seed: u64) -> Case {
    let (program, cond, joined) = program();
    let release = release(&program, cond, joined);
    Case::new(datasets(rows), tables(rows, share, seed), &program, release)
}

fn scalars(released: &[ReleasedValue]) -> Vec<f64> {
    released.iter().map(|value| value.scalar().expect("released")).collect()
}

fn expected(case: &Case) -> Vec<f64> {
    let trace = case.plain().expect("in range");
    let outputs = case.release.outputs.iter();
    outputs.map(|output| trace.array(output.value).expect("an array").as_f64()[0].expect("defined")).collect()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 0.0051 + expected.abs() * 1e-9, "{found} is not {expected}");
    }
}

#[test]
fn the_bank_learns_the_three_answers_and_the_shop_nothing() {
    let case = case(1_000, 60, 1);
    let expected = expected(&case);
    assert!(expected[0] >= 100.0, "the test data pass the gate");
    let (_, clear) = case.clear().expect("runs");
    assert_close(&scalars(&clear), &expected);
    assert_eq!(scalars(&clear)[..2], expected[..2], "counts and sums of cents are exact");
    let [shop, bank] = case.two_parties(1).released;
    assert!(shop.expect("runs").is_empty());
    let bank = bank.expect("runs");
    assert_close(&scalars(&bank), &expected);
    assert_eq!(scalars(&bank)[..2], expected[..2], "counts and sums of cents are exact");
}

/// Both parties from their tables to the answers: private set intersection, oblivious transfer, the opening.
#[test]
fn a_whole_run_passes_the_barrier_before_it_opens() {
    let case = case(400, 100, 8);
    let run = |party: PartyId, mut channel: MemoryChannel, refuse: bool| {
        let tables = case.local(&[party]);
        let (program, release) = (&case.typed, &case.release);
        let job = JobInput { program, release, party, tables: &tables, profiles: &[], session: [3; 32] };
        let (mut seen, mut stored, mut sent) = (Vec::new(), Vec::new(), 0);
        let mut barrier = |shares: &OutputShares| {
            stored = shares.to_bytes();
            match refuse {
                true => Err(Error::Refused { code: Code::new("BUDGET_JOURNAL"), cause: "no room".into() }),
                false => Ok(()),
            }
        };
        let mut observer = |progress| seen.push(progress);
        let mut hooks = Hooks {
            observer: &mut observer,
            clock: &|| Duration::ZERO,
            release_barrier: &mut barrier,
            supply: &mut NoSupply,
            set_up: &mut None,
        };
        let mut rng = ChaCha20Rng::seed_from_u64(u64::from(party.0));
        let outcome = session::run(&mut channel, &job, &mut rng, &mut hooks);
        if let Ok(outcome) = &outcome {
            sent = outcome.phases.iter().map(|phase| phase.traffic.sent).sum();
            assert_eq!(sent, channel.traffic().sent, "the phases cover all traffic");
        }
        (outcome, seen, stored, sent)
    };
    let both = |refuse: bool| {
        let (zero, one) = pair_with_deadline(Duration::from_secs(60));
        std::thread::scope(|scope| {
            let bank = scope.spawn(|| run(PartyId::ONE, one, false));
            (run(PartyId::ZERO, zero, refuse), bank.join().expect("no panic"))
        })
    };
    let (shop, bank) = both(false);
    let (shop_outcome, bank_outcome) = (shop.0.expect("runs"), bank.0.expect("runs"));
    assert_close(&scalars(&bank_outcome.released), &expected(&case));
    assert!(shop_outcome.released.is_empty());
    assert_eq!(bank_outcome.overlap.values().copied().collect::<Vec<_>>(), [240]);
    assert_eq!(bank_outcome.plan_hash, shop_outcome.plan_hash);
    let phases: Vec<Phase> = bank_outcome.phases.iter().map(|report| report.phase).collect();
    assert_eq!(phases, [Phase::Align, Phase::SetUp, Phase::Compute, Phase::Open]);
    assert!(bank.1.contains(&Progress::Phase(Phase::Open)));

    // Stored shares open again to the same answers, over another channel.
    let [shop_shares, bank_shares] =
        [&shop.2, &bank.2].map(|bytes| OutputShares::from_bytes(bytes).expect("reads back"));
    let (mut zero, mut one) = pair();
    let again = std::thread::scope(|scope| {
        scope.spawn(move || shop_shares.open(&mut zero).expect("opens"));
        bank_shares.open(&mut one).expect("opens")
    });
    assert_eq!(again, bank_outcome.released);

    // A barrier that fails lets nothing out.
    let (shop, bank) = both(true);
    assert_eq!(shop.0.expect_err("refused").code().as_str(), "BUDGET_JOURNAL");
    assert_eq!(bank.0.expect_err("the shop left").code().as_str(), "CHANNEL_CLOSED");
}

/// CHK-704, attack 49: each owner's noise is in what the peer opens, whatever the peer draws, and in nothing of its own.
#[test]
fn noise_is_in_what_the_peer_opens_and_not_in_ones_own() {
    let mut case = case(300, 100, 11);
    let exact = expected(&case)[0];
    let gates = case.release.outputs[0].gates.clone();
    let sigma = Sigma::from_parts(1_000 << 10).expect("a deviation");
    case.release.outputs.truncate(1);
    case.release.outputs[0] = ReleasedOutput {
        receivers: vec![PartyId::ZERO, PartyId::ONE],
        gates: Vec::new(),
        noise: vec![Noise { party: PartyId::ZERO, sigma, charges: Vec::new() }],
        dominance: Vec::new(),
        ..case.release.outputs[0].clone()
    };
    let both = case.local(&[PartyId::ZERO, PartyId::ONE]);
    let aligned = session::align_in_the_clear(&case.typed, &case.release, &both).expect("aligns");
    let run = |party: PartyId, mut channel: MemoryChannel, seed: u64| {
        let tables = case.local(&[party]);
        let (program, release) = (&case.typed, &case.release);
        let job = JobInput { program, release, party, tables: &tables, profiles: &[], session: [3; 32] };
        let mut rng = ChaCha20Rng::seed_from_u64(seed + u64::from(party.0));
        let shares = session::execute(&mut channel, &job, &aligned, &mut rng, &mut |_| ()).expect("computes");
        let again = OutputShares::from_bytes(&shares.to_bytes()).expect("reads back");
        assert_eq!(again.outgoing(), shares.outgoing(), "sent again, it is the same noise");
        scalars(&shares.open(&mut channel).expect("opens"))[0]
    };
    let unit = 0.01;
    let mut off = Vec::new();
    for seed in [40, 50, 60] {
        let (zero, one) = pair_with_deadline(Duration::from_secs(60));
        let (shop, bank) = std::thread::scope(|scope| {
            let bank = scope.spawn(|| run(PartyId::ONE, one, seed));
            (run(PartyId::ZERO, zero, seed), bank.join().expect("no panic"))
        });
        assert_eq!(shop, exact, "the bank draws none, and the shop's is not in what the shop opens");
        assert!((bank - exact).abs() <= sigma.tail() as f64 * unit);
        off.push(bank - exact);
    }
    assert!(off.iter().any(|a| *a != 0.0) && off.iter().any(|a| *a != off[0]), "{off:?}");

    // A gate would tell exactly what noise hides.
    case.release.outputs[0].gates = gates;
    let error = Plan::lower(&case.typed, &case.release, aligned.sizes()).expect_err("refused");
    assert_eq!(error.code().as_str(), "RELEASE_SPEC");
    case.release.outputs[0].gates.clear();
    // Shares without the noise that is owed are not made.
    let [shop, _] = case.two_parties(1).released;
    assert_eq!(shop.expect_err("refused").code().as_str(), "RELEASE_NOISE");
}

/// CHK-705: what is no possible result is refused; stored shares that were changed are too.
#[test]
fn a_receiver_refuses_what_is_no_result() {
    let case = case(300, 1, 9);
    let shares = case.shares(10);
    let bytes = shares[0].to_bytes();
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        let error = OutputShares::from_bytes(&bytes[..cut]).expect_err("cut");
        assert_eq!(error.code().as_str(), "STORE_CORRUPT");
    }
    // The shop adds 1 to what it sends: the value of a suppressed cell is no longer 0, or is off its range.
    for changed in 0..16 {
        let (mut zero, mut one) = pair();
        let (mut peer, mut own) = pair();
        let result = std::thread::scope(|scope| {
            scope.spawn(|| shares[0].open(&mut peer).expect("opens"));
            let mut message = vec![0; 3 * (8 + 8)];
            own.receive(&mut message).expect("sent");
            message[changed] ^= 1;
            zero.send(&message).expect("open");
            zero.flush().expect("open");
            shares[1].open(&mut one)
        });
        match result {
            Err(error) => assert_eq!(error.code().as_str(), "RELEASE_INVALID"),
            // A flipped gate bit opens a 0, which semi-honest security does not rule out.
            Ok(released) => assert_eq!((changed, released[0].cells[0]), (8, Cell::Released(0))),
        }
    }
}

#[test]
fn fewer_rows_than_the_minimum_are_suppressed() {
    let case = case(1_000, 1, 2);
    let [_, bank] = case.two_parties(2).released;
    for value in bank.expect("runs") {
        assert_eq!(value.cells, [Cell::Suppressed], "{}", value.name);
    }
}

/// CHK-604, attack 66: other secrets of equal shape, released or not, make the same messages.
#[test]
fn messages_depend_on_shapes_alone() {
    let runs = [case(300, 100, 3), case(300, 1, 4), case(300, 50, 5)].map(|case| case.two_parties(6));
    let suppressed: Vec<bool> =
        runs.iter().map(|run| run.released[1].as_ref().expect("runs")[0].cells == [Cell::Suppressed]).collect();
    assert_eq!(suppressed, [false, true, true]);
    for run in &runs[1..] {
        assert_eq!(run.events, runs[0].events);
    }
}

#[test]
fn too_small_an_overlap_ends_before_the_program() {
    let case = case(100, 100, 7);
    let error = case.clear().expect_err("60 rows match");
    assert_eq!(error.code().as_str(), "ALIGN_BELOW_MINIMUM");
}

#[test]
fn the_plan_is_stable_and_what_one_owner_knows_costs_nothing() {
    let case = case(1_000, 60, 1);
    let sizes = BTreeMap::from([(NodeId(0), 1_000), (NodeId(1), 1_000), (NodeId(2), 600)]);
    let plan = Plan::lower(&case.typed, &case.release, &sizes).expect("lowers");
    let again = Plan::lower(&case.typed, &case.release, &sizes).expect("lowers");
    assert_eq!(plan.hash(), again.hash());
    let hash: String = plan.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, GOLDEN, "a change of the planner needs a new PLANNER_VERSION; the plan is {:#?}", plan.explain());
    let rows = plan.explain().expect("counts");
    let paid: Vec<_> = rows.iter().filter(|row| row.bytes > 0 && row.cells == 600).collect();
    for output in &plan.outputs {
        let last = &rows[plan.results[output.value].index()];
        assert_eq!(last.error, output.error, "the last step of {} errs as the output does", output.name);
    }
    let what: Vec<&str> = paid.iter().map(|row| row.what.as_str()).collect();
    assert_eq!(what, ["and", "to_arith", "select"], "all else on rows is local: {rows:#?}");
}

/// What the plan says is what the channel counts: bytes and rounds, with the transfers and the opening.
#[test]
fn the_plan_costs_exactly_what_the_channel_counts() {
    for rows in [300, 4_000] {
        let case = case(rows, 60, 21);
        let both = case.local(&[PartyId::ZERO, PartyId::ONE]);
        let aligned = session::align_in_the_clear(&case.typed, &case.release, &both).expect("aligns");
        let plan = Plan::lower(&case.typed, &case.release, aligned.sizes()).expect("lowers");
        let cost = plan.cost().expect("counts");
        let run = |party: PartyId, mut channel: MemoryChannel| {
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
            shares.open(&mut channel).expect("opens");
            channel.traffic()
        };
        let (zero, one) = pair();
        let (zero, one) = std::thread::scope(|scope| {
            let one = scope.spawn(|| run(PartyId::ONE, one));
            (run(PartyId::ZERO, zero), one.join().expect("no panic"))
        });
        // Before it the parties compare the hashes of their plans and what they have in store, in one round.
        assert_eq!(zero.sent + one.sent, cost.bytes + 2 * agreement(&plan), "{rows} rows");
        assert_eq!([zero.rounds, one.rounds], [cost.rounds + 1; 2], "{rows} rows");
        let rows = plan.explain().expect("counts");
        assert_eq!(rows.iter().map(|row| row.bytes).sum::<u64>(), cost.bytes);
        assert_eq!(rows.iter().map(|row| row.rounds).sum::<u64>(), cost.rounds);
        assert_eq!(rows.iter().map(|row| row.transfers).sum::<u64>(), cost.transfers);
    }
}

const GOLDEN: &str = "e8710b3004a3b7e48848214b62181e5794bcc33058bee9b738c80c4d89eead52";

/// What `--rows 1000000` of the demo computes, without the alignment.
#[test]
fn a_million_rows_are_right() {
    let case = case(1_000_000, 60, 11);
    let expected = expected(&case);
    let [_, bank] = case.two_parties(12).released;
    assert_close(&scalars(&bank.expect("runs")), &expected);
}

/// A promise on a range that does not hold opens one bit to both and nothing else, whatever the receivers.
#[test]
fn a_broken_promise_opens_nothing_but_its_bit() {
    let with_share = |share: usize| {
        let (mut program, cond, joined) = program();
        let cost = program.outputs[1].value;
        program.outputs[1].value = program.push(Op::Assume { value: cost, lo: 0.into(), hi: 10_000_000_000.into() });
        let release = release(&program, cond, joined);
        Case::new(datasets(400), tables(400, share, 13), &program, release)
    };
    let (kept, broken) = (with_share(1).two_parties(14), with_share(100).two_parties(14));
    for released in broken.released {
        assert_eq!(released.expect_err("out of range").code().as_str(), "OUT_OF_RANGE");
    }
    let [_, bank] = kept.released;
    assert_eq!(bank.expect("in range").len(), 3);
    let bytes = |events: &[Event]| -> usize {
        events.iter().map(|event| if let Event::Sent(bytes) = event { *bytes } else { 0 }).sum()
    };
    // Three words of 8 bytes, each with its gate bits.
    assert_eq!(bytes(&kept.events[0]) - bytes(&broken.events[0]), 3 * (8 + 8));
    assert_eq!(bytes(&kept.events[1]), bytes(&broken.events[1]));
}

#[test]
fn parties_with_different_plans_stop_before_they_compute() {
    let case = case(300, 100, 15);
    let mut other = case.release.clone();
    other.outputs[0].gates.clear();
    let (mut zero, mut one) = pair();
    let both = case.local(&[PartyId::ZERO, PartyId::ONE]);
    let aligned = session::align_in_the_clear(&case.typed, &case.release, &both).expect("aligns");
    let run = |party: PartyId, channel: &mut MemoryChannel, release: &ReleaseSpec| {
        let tables = case.local(&[party]);
        let job = JobInput { program: &case.typed, release, party, tables: &tables, profiles: &[], session: [1; 32] };
        let mut rng = ChaCha20Rng::seed_from_u64(16);
        session::execute(channel, &job, &aligned, &mut rng, &mut |_| ()).expect_err("the plans differ")
    };
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(run(PartyId::ONE, &mut one, &other).code().as_str(), "PLAN_MISMATCH"));
        assert_eq!(run(PartyId::ZERO, &mut zero, &case.release).code().as_str(), "PLAN_MISMATCH");
    });
    let plan = Plan::lower(&case.typed, &case.release, aligned.sizes()).expect("lowers");
    assert_eq!(zero.traffic().sent, agreement(&plan), "the hash, no set-up and what is in store, and nothing else");
}

#[test]
fn a_private_join_is_refused_by_name() {
    let (mut program, cond, joined) = program();
    if let Op::Join { alignment, .. } = &mut program.nodes[joined.index()].op {
        *alignment = Alignment::Private;
    }
    let release = release(&program, cond, joined);
    let case = Case::new(datasets(300), tables(300, 100, 17), &program, release);
    let error = Plan::lower(&case.typed, &case.release, &case.typed.row_bounds()).expect_err("not built yet");
    assert_eq!(error.code().as_str(), "PROGRAM_ALIGNMENT");
}
