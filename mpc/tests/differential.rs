//! Random programs on the plain evaluator, the ring interpreter and the two-party engine.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::cover::{Cover, OPERATIONS, SITUATIONS};
use common::generate::Kind;
use common::{Case, explain, generate, node_of};
use proptest::prelude::*;
use tacit_mpc::plan::{Plan, PlannedOutput};
use tacit_mpc::released::{Cell, ReleasedValue};
use tacit_protocol::PartyId;
use tacit_protocol::program::plain::{Cells, PlainValue, Trace};
use tacit_protocol::program::release::{Dominance, Gate, GateRule, Literal, ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::{NodeId, Op, ProgramError, Reduction};
use tacit_protocol::schema::{Element, Precision};

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_interpreter_gives_what_the_plain_evaluator_gives(seed in any::<u64>(), length in 1_usize..30) {
        compare(&generate::case(seed, length));
    }

    /// Programs whose sizes and ranges nobody looked at: what the engine refuses, it refuses for a reason.
    #[test]
    fn every_refusal_is_one_that_the_documented_rules_give(seed in any::<u64>(), length in 10_usize..40) {
        compare(&generate::case_of(Kind::Wild, seed, length));
        compare(&generate::case_of(Kind::Unaligned, seed, length / 4));
        compare(&generate::case_of(Kind::Breaking, seed, length / 4));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_parties_give_what_the_plain_evaluator_gives(seed in any::<u64>(), length in 1_usize..24) {
        let case = generate::case(seed, length);
        let (clear, plain) = (case.clear(), case.plain());
        if let Err(error) = &clear && error.code().as_str() != "OUT_OF_RANGE" {
            return Ok(());
        }
        let run = case.two_parties(seed);
        for (party, released) in run.released.iter().enumerate() {
            match (&clear, released) {
                (Ok((plan, _)), Ok(released)) => {
                    if let Ok(trace) = &plain {
                        check(&case, trace, plan, released, Some(party));
                    }
                }
                (Err(clear), Err(error)) => prop_assert_eq!(clear.code(), error.code()),
                (Ok(_), Err(error)) => prop_assert!(false, "party {} failed: {}", party, error),
                (Err(_), Ok(_)) => prop_assert!(false, "party {} released what is out of range", party),
            }
        }
    }
}

/// Holds the ring interpreter against the plain evaluator; what either refuses must have its reason.
fn compare(case: &Case) {
    let text = || case.typed.to_text();
    match (case.plain(), case.clear()) {
        (Ok(trace), Ok((plan, released))) => check(case, &trace, &plan, &released, None),
        (_, Err(error)) if error.code().as_str() != "OUT_OF_RANGE" => {
            assert!(explain::is_justified(case, &error), "refused without need: {error}\n{}", text());
        }
        // A broken promise is broken in both, unless a choice by rounded numbers made the value.
        (Ok(_), Err(error)) => {
            assert!(explain::promises_what_is_undecided(case), "no promise is broken: {error}\n{}", text());
        }
        (Err(plain), Err(error)) => assert_eq!(plain.code(), error.code(), "{plain}\n{error}\n{}", text()),
        (Err(error @ ProgramError::OutOfRange { .. }), Ok(_)) => {
            assert!(explain::is_broken_by_rounding_alone(case), "a broken promise was not seen: {error}\n{}", text());
        }
        (Err(error), Ok(_)) => panic!("the engine computed what cannot be: {error}\n{}", text()),
    }
}

/// Every number and bool of a program, released as it is: each lies within what the plan states for the step that made
/// it, which is what it states for the output.
#[test]
fn each_step_errs_by_no_more_than_the_plan_states_for_it() {
    let (mut bounded, mut inexact, mut alike) = (0, 0, 0);
    for seed in 0..200 {
        let mut case = generate::case(seed, 4 + (seed % 20) as usize);
        let nodes = (0..case.typed.program().nodes.len() as u32).map(NodeId);
        let values = nodes.filter(|node| case.typed.array(*node).is_some_and(|array| array.element != Element::Key));
        let output = |value: NodeId| ReleasedOutput {
            name: value.to_string(),
            value,
            receivers: vec![PartyId::ZERO],
            gates: Vec::new(),
            grid: None,
            noise: Vec::new(),
            dominance: Vec::new(),
        };
        case.release = ReleaseSpec { outputs: values.map(output).collect(), minimum_overlap: Vec::new() };
        let (Ok(trace), Ok((plan, released))) = (case.plain(), case.clear()) else { continue };
        check(&case, &trace, &plan, &released, None);
        let rows = plan.explain().expect("counts");
        for output in &plan.outputs {
            let last = &rows[plan.results[output.value].index()];
            // A step that serves several values has the widest of their bounds.
            // A mean of one cell is the cell, which errs by less than a mean may.
            let mean = |node: NodeId| {
                matches!(case.typed.program().nodes[node.index()].op, Op::Reduce { function: Reduction::Mean, .. })
            };
            let spec = case.release.outputs.iter().find(|spec| spec.name == output.name).expect("an output");
            let covers = match (last.error, output.error) {
                (Some(0.0), Some(_)) if mean(spec.value) => true,
                (Some(step), Some(output)) => step >= output,
                (step, _) => step.is_none(),
            };
            assert!(
                covers,
                "{}: {last:?} promises more than {:?}\n{}",
                output.name,
                output.error,
                case.typed.to_text()
            );
            alike += usize::from(last.error == output.error);
            bounded += usize::from(output.error.is_some());
            inexact += usize::from(output.error.is_some_and(|error| error > 0.0));
        }
    }
    assert!(bounded >= 1_000 && inexact >= 200 && 100 * alike >= 95 * bounded, "{bounded} {inexact} {alike}");
}

/// Every released cell is what the plain evaluator gives, to the plan's error; every other one has its reason.
fn check(case: &Case, trace: &Trace, plan: &Plan, released: &[ReleasedValue], party: Option<usize>) {
    let received =
        case.release.outputs.iter().zip(&plan.outputs).filter(|(spec, _)| {
            party.is_none_or(|party| spec.receivers.iter().any(|receiver| receiver.index() == party))
        });
    let received: Vec<_> = received.collect();
    let text = case.typed.to_text();
    assert_eq!(received.len(), released.len());
    for ((spec, planned), released) in received.into_iter().zip(released) {
        assert_eq!((&spec.name, &planned.unit), (&released.name, &released.unit));
        let plain = trace.array(spec.value).expect("an array");
        assert_eq!(released.shape.iter().map(|size| *size as usize).collect::<Vec<_>>(), plain.shape());
        let Some(error) = planned.error else { continue };
        let own = rounding(case, trace, spec.value) * planned.element.precision().map_or(0.0, Precision::unit);
        let open = open_cells(spec, case, trace, plain.shape());
        let gated = !(spec.gates.is_empty() && spec.dominance.is_empty());
        let scale = 10_f64.powi(i32::from(planned.unit.scale())) / planned.unit.mantissa() as f64;
        for (((cell, value), exact), open) in released.cells.iter().zip(plain.as_f64()).zip(lattice(plain)).zip(open) {
            match (cell, open, value) {
                (Cell::Suppressed, _, _) => {
                    assert!(gated && (!open || value.is_none()), "{}: wrongly suppressed\n{text}", spec.name);
                }
                (Cell::Undefined, true, None) => {
                    assert!(!gated, "{}: undefined behind a gate", spec.name)
                }
                (Cell::Released(found), true, Some(value)) => {
                    let expected = value * scale;
                    let noise = match planned.element {
                        Element::Float64High => 1e-3 + expected.abs() * 1e-15 + (error + 1_000.0) * own,
                        _ => 1e-3 + expected.abs() * 1e-11,
                    };
                    let distance = (*found as f64 - expected).abs();
                    assert!(distance <= error + noise, "{}: {found} is not {expected} +- {error}\n{text}", spec.name);
                    if let Some(exact) = exact {
                        assert_eq!(*found, on_grid(exact, plain, planned), "{}: rounded otherwise\n{text}", spec.name);
                    }
                }
                (cell, open, value) => panic!("{}: {cell:?} for {value:?}, gate {open}\n{text}", spec.name),
            }
        }
    }
}

/// What an `f64` may round off at most of any of the real numbers that a node is computed from. Where a rounding by a step
/// changes the result by the plan's error, one by so much changes it by so much of that; and a sum has at most 1000 terms.
fn rounding(case: &Case, trace: &Trace, node: NodeId) -> f64 {
    let (mut open, mut seen, mut most) = (vec![node], BTreeSet::new(), 0.0_f64);
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        let cells = trace.array(node).map(|value| &value.cells);
        if let Some(Cells::Real(cells)) = cells {
            most = cells.iter().fold(most, |most, cell| most.max(cell.abs()));
        }
        open.extend(case.typed.program().nodes[node.index()].op.operands());
    }
    most * f64::EPSILON / 2.0
}

fn lattice(value: &PlainValue) -> Vec<Option<i128>> {
    match &value.cells {
        Cells::Exact(cells) => cells.iter().copied().map(Some).collect(),
        Cells::Real(cells) => cells.iter().map(|_| None).collect(),
    }
}

/// An exact cell in units of the output: the nearest, ties up.
fn on_grid(cell: i128, plain: &PlainValue, planned: &PlannedOutput) -> i128 {
    let decimals = if let Element::Decimal { scale } = plain.element { u32::from(scale) } else { 0 };
    let up = 10_i128.pow(u32::from(planned.unit.scale()));
    let down = 10_i128.pow(decimals) * planned.unit.mantissa();
    (2 * cell * up + down).div_euclid(2 * down)
}

/// Which cells of an output all its conditions open.
fn open_cells(spec: &ReleasedOutput, case: &Case, trace: &Trace, output: &[usize]) -> Vec<bool> {
    let cells: usize = output.iter().product();
    let gates = (0..cells).map(|cell| spec.gates.iter().all(|gate| holds(gate, trace, &place(cell, output))));
    let mut open: Vec<bool> = gates.collect();
    for of in &spec.dominance {
        let (shape, enough) = enough_remains(*of, case, trace);
        let fits = shape.len() <= output.len()
            && shape.iter().rev().zip(output.iter().rev()).all(|(from, to)| from == to || *from == 1);
        for (cell, open) in open.iter_mut().enumerate() {
            let index = place(cell, output);
            *open &= match fits {
                true => {
                    let behind = &index[index.len() - shape.len()..];
                    let at = shape.iter().zip(behind).map(|(size, at)| if *size == 1 { 0 } else { *at });
                    enough[shape.iter().zip(at).fold(0, |flat, (size, at)| flat * size + at)]
                }
                false => enough.iter().all(|enough| *enough),
            };
        }
    }
    open
}

/// For each cell of a sum, whether enough of it remains without its two largest parts; and the shape of the sum.
fn enough_remains(of: Dominance, case: &Case, trace: &Trace) -> (Vec<usize>, Vec<bool>) {
    let Op::Reduce { value, axes, mask, .. } = &case.typed.program().nodes[of.of.index()].op else { panic!("a sum") };
    let (value, sum) = (trace.array(*value).expect("an array"), trace.array(of.of).expect("an array"));
    let Cells::Exact(cells) = &value.cells else { panic!("exact numbers") };
    let mask = mask.map(|mask| trace.array(mask).expect("an array"));
    let (shape, keeps) = (value.shape().to_vec(), sum.shape().len() == value.shape().len());
    let reduced: Vec<bool> = (0..shape.len()).map(|axis| axes.is_empty() || axes.contains(&(axis as u8))).collect();
    let mut parts: Vec<Vec<i128>> = vec![Vec::new(); sum.shape().iter().product()];
    for cell in 0..shape.iter().product() {
        let index = place(cell, &shape);
        let chosen = mask.is_none_or(|mask| {
            let behind = &index[index.len() - mask.shape().len()..];
            let at: Vec<usize> =
                mask.shape().iter().zip(behind).map(|(size, at)| if *size == 1 { 0 } else { *at }).collect();
            let Cells::Exact(bits) = &mask.cells else { panic!("a bool") };
            mask.validity[&at[..]] && bits[&at[..]] == 1
        });
        if value.validity[&index[..]] && chosen {
            let kept = index.iter().zip(&reduced).filter(|(_, reduced)| keeps || !**reduced);
            let at = kept.map(|(at, reduced)| if *reduced { 0 } else { *at });
            let group = sum.shape().iter().zip(at).fold(0, |flat, (size, at)| flat * size + at);
            parts[group].push(cells[&index[..]].abs());
        }
    }
    let enough = |parts: &mut Vec<i128>| {
        parts.sort_unstable();
        let sum: i128 = parts.iter().sum();
        let [second, largest] = [2, 1].map(|from| parts.len().checked_sub(from).map_or(0, |place| parts[place]));
        100 * (sum - largest - second) >= i128::from(of.percent) * largest
    };
    (sum.shape().to_vec(), parts.iter_mut().map(enough).collect())
}

/// The index of a cell in row-major order.
fn place(cell: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    let mut rest = cell;
    for axis in (0..shape.len()).rev() {
        (index[axis], rest) = (rest % shape[axis], rest / shape[axis]);
    }
    index
}

/// Whether a gate holds for the output's cell at an index: axis 0 of a literal is counted along, the others broadcast.
fn holds(gate: &Gate, trace: &Trace, index: &[usize]) -> bool {
    let rows = trace.rows()[&gate.rows_of] as usize;
    let holds = |literal: &Literal, row: usize| {
        let value = trace.array(node_of(*literal)).expect("an array");
        let rest = &value.shape()[1..];
        let behind =
            rest.iter().zip(&index[index.len() - rest.len()..]).map(|(size, at)| if *size == 1 { 0 } else { *at });
        let at: Vec<usize> = [row].into_iter().chain(behind).collect();
        let valid = value.validity[&at[..]];
        let is_true = || valid && matches!(&value.cells, Cells::Exact(cells) if cells[&at[..]] == 1);
        match literal {
            Literal::True(_) => is_true(),
            Literal::False(_) => !is_true(),
            Literal::Valid(_) => valid,
            Literal::Invalid(_) => !valid,
        }
    };
    let counted = |row: &usize| gate.support.iter().any(|all| all.iter().all(|literal| holds(literal, *row)));
    let count = (0..rows).filter(counted).count() as u64;
    match gate.rule {
        GateRule::AtLeast(least) => count >= least,
        GateRule::ZeroOrAtLeast(least) => count == 0 || count >= least,
    }
}

/// CHK-604, attack 66: other cells of equal shapes make the same messages, whatever is released or suppressed.
#[test]
fn the_messages_of_a_program_do_not_depend_on_the_cells() {
    let (mut runs, mut differ) = (0, 0);
    for seed in 0..66 {
        let case = generate::case(seed, 4 + (seed % 16) as usize);
        let other = case.with_other_cells(!seed);
        let (Ok((_, one)), Ok((_, two))) = (case.clear(), other.clear()) else { continue };
        let [first, second] = [&case, &other].map(|case| case.two_parties(seed));
        assert_eq!(first.events, second.events, "{}", case.typed.to_text());
        let states = |released: &[ReleasedValue]| -> Vec<_> {
            released.iter().flat_map(|value| value.cells.iter().map(std::mem::discriminant)).collect()
        };
        runs += 1;
        differ += usize::from(states(&one) != states(&two));
    }
    assert!(runs >= 40 && differ >= 5, "{runs} pairs, of which {differ} differ in what is suppressed or undefined");
}

/// The generator reaches every operation, placement and situation, and nearly all it makes is computed and compared;
/// the tests above would pass over what it does not reach.
#[test]
fn generated_programs_reach_everything_and_are_computed() {
    const CASES: u64 = 1000;
    let mut cover = Cover::default();
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    let mut computed = 0;
    for seed in 0..CASES {
        let case = generate::case(seed, 1 + (seed % 24) as usize);
        match (case.plain(), case.clear()) {
            (Ok(trace), Ok((plan, released))) => {
                computed += 1;
                cover.case(&case, &trace, &plan, &released);
            }
            (_, Err(error)) => *refused.entry(error.code().to_string()).or_default() += 1,
            (Err(error), Ok(_)) => *refused.entry(error.code().to_string()).or_default() += 1,
        }
    }
    let counts = &cover.0;
    assert!(100 * computed >= 90 * CASES, "only {computed} of {CASES} are computed; refused: {refused:?}");
    assert_eq!(cover.missing(OPERATIONS), [""; 0], "{counts:?}");
    assert_eq!(cover.missing(SITUATIONS), [""; 0], "{counts:?}");
    let who = ["public", "of party 0", "of party 1", "shared"];
    let outputs = who.map(|who| format!("an output that is {who}"));
    let pairs = who[1..].iter().enumerate().flat_map(|(place, a)| who[1 + place..].iter().map(move |b| (a, b)));
    let symmetric = pairs.flat_map(|(a, b)| ["and", "multiply"].map(|what| format!("{what} {a} {b}")));
    let ordered = who[1..].iter().flat_map(|a| who[1..].iter().map(move |b| format!("select {a} {b}")));
    let of_one = ["is_negative", "is_zero", "to_arith", "largest", "place_of_largest", "truncate", "floor_shift"];
    let single = of_one.iter().flat_map(|what| who[1..].iter().map(move |who| format!("{what} {who}")));
    let placements: Vec<String> = outputs.into_iter().chain(symmetric).chain(ordered).chain(single).collect();
    assert_eq!(cover.missing(placements.iter().map(String::as_str)), [""; 0], "{counts:?}");
    // An output without a stated error is passed over.
    let passed_over = counts.get("an output that is not compared").copied().unwrap_or(0);
    assert!(100 * passed_over <= 5 * counts.values().max().copied().unwrap_or(0), "{passed_over} outputs");
}
