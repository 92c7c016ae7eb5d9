//! The verdict depends on what the program says, not on how it is written down, and on nothing else (CHK-214).

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::job::main_job;
use super::*;

/// A verdict without names of nodes.
type Verdict = Result<Vec<(String, Vec<GateRule>, Option<Number>)>, BTreeSet<(String, String, String)>>;

fn verdict(q: &Question) -> Verdict {
    match q.analyse() {
        Ok(analysis) => Ok(analysis
            .release
            .outputs
            .iter()
            .map(|output| {
                let mut rules: Vec<GateRule> = output.gates.iter().map(|gate| gate.rule).collect();
                rules.sort();
                (output.name.clone(), rules, output.grid)
            })
            .collect()),
        Err(refusals) => {
            let told = |r: Refusal| (r.code.to_string(), r.dataset, r.clause);
            Err(refusals.into_iter().map(told).collect())
        }
    }
}

/// The same program with its nodes in another order and under other names.
fn rewritten(q: &Question, priorities: &[u32]) -> Question {
    let nodes = &q.program.nodes;
    let mut place: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut order = Vec::new();
    while order.len() < nodes.len() {
        let ready = (0..nodes.len()).filter(|at| {
            let needs = |op: &Op| {
                let sizes = op.dims().into_iter().flat_map(|dim| dim.rows.keys().copied()).collect::<Vec<_>>();
                op.operands().into_iter().chain(sizes).all(|node| place.contains_key(&node))
            };
            let id = NodeId(u32::try_from(*at).expect("few"));
            !place.contains_key(&id) && needs(&nodes[*at].op)
        });
        let next = ready.min_by_key(|at| priorities[at % priorities.len()]).expect("a program is acyclic");
        place.insert(NodeId(u32::try_from(next).expect("few")), NodeId(u32::try_from(order.len()).expect("few")));
        order.push(next);
    }
    let mut other = q.clone();
    other.program.nodes = order
        .iter()
        .map(|at| {
            let mut node = nodes[*at].clone();
            node.name = Some(format!("node{at}"));
            rename(&mut node.op, &place);
            node
        })
        .collect();
    other.program.outputs.iter_mut().for_each(|output| output.value = place[&output.value]);
    other
}

fn rename(op: &mut Op, place: &BTreeMap<NodeId, NodeId>) {
    let move_to = |node: &mut NodeId| *node = place[node];
    let dim = |dim: &mut Dim| dim.rows = dim.rows.iter().map(|(node, k)| (place[node], *k)).collect();
    match op {
        Op::Load { .. } | Op::Constant { .. } => {}
        Op::Join { left, right, .. } | Op::Binary { left, right, .. } => [left, right].into_iter().for_each(move_to),
        Op::Filter { table, mask } => [table, mask].into_iter().for_each(move_to),
        Op::Column { table, .. } => move_to(table),
        Op::Arange { length } => dim(length),
        Op::Cast { value, .. } | Op::Unary { value, .. } => move_to(value),
        Op::Slice { value, axes } => {
            move_to(value);
            axes.iter_mut().for_each(|axis| [&mut axis.start, &mut axis.stop].into_iter().for_each(dim));
        }
        Op::Where { condition, then, otherwise } => [condition, then, otherwise].into_iter().for_each(move_to),
        Op::Reduce { value, mask, .. } => {
            move_to(value);
            mask.iter_mut().for_each(move_to);
        }
        other => panic!("the generator makes no {other:?}"),
    }
}

/// A program of random steps on the join of both tables.
fn program(steps: &[(u8, usize, usize)]) -> Question {
    let mut q = Question::new();
    let joined = q.join();
    let mut numbers: Vec<NodeId> =
        ["frequency", "amount", "age", "wealth"].map(|column| q.column(joined, column)).to_vec();
    let mut conditions = vec![q.is(numbers[2], Binary::Less, "40")];
    let mut results = vec![q.sum(numbers[2])];
    for (kind, a, b) in steps {
        let (x, y) = (numbers[a % numbers.len()], numbers[b % numbers.len()]);
        let (c, d) = (conditions[a % conditions.len()], conditions[b % conditions.len()]);
        match kind % 10 {
            0 => conditions.push(q.is(x, Binary::Greater, &(b % 90).to_string())),
            1 => conditions.push(q.and(c, d)),
            2 => conditions.push(q.program.push(Op::Unary { function: crate::program::Unary::Not, value: c })),
            3 => conditions.push(q.binary(Binary::Or, c, d)),
            4 => numbers.push(q.choose(c, y)),
            5 => results.push(q.sum(c)),
            6 => results.push(q.reduce(Reduction::Mean, y, Some(c))),
            7 => results.push(q.sum_where(y, c)),
            8 => results.push(q.sum(x)),
            _ => results.push(q.reduce(Reduction::Max, x, None)),
        }
    }
    results.iter().enumerate().for_each(|(at, value)| q.release(&format!("out{at}"), *value));
    q
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn names_and_order_of_nodes_do_not_change_the_verdict(
        steps in prop::collection::vec((0_u8..40, 0_usize..50, 0_usize..50), 1..12),
        priorities in prop::collection::vec(any::<u32>(), 1..40),
    ) {
        // Order statistics are rare, or they would refuse nearly every program.
        let steps: Vec<_> = steps.into_iter().map(|(k, a, b)| (if k == 39 { 9 } else { k % 9 }, a, b)).collect();
        let q = program(&steps);
        prop_assert_eq!(verdict(&q), verdict(&rewritten(&q, &priorities)));
    }

    #[test]
    fn datasets_and_policies_that_the_program_does_not_load_do_not_change_the_verdict(
        steps in prop::collection::vec((0_u8..9, 0_usize..50, 0_usize..50), 1..8),
        minimum in 0_u64..1000,
    ) {
        // CHK-214: a refusal tells nothing of other peers.
        let q = program(&steps);
        let mut more = q.clone();
        let other = more.datasets[CUSTOMERS].clone();
        more.rules.insert("third/others".into(), DatasetRules { minimum_rows: minimum, ..DatasetRules::default() });
        more.datasets.insert("third/others".into(), Dataset { owner: PartyId(2), ..other });
        prop_assert_eq!(q.analyse(), more.analyse());
    }

    #[test]
    fn a_stricter_minimum_never_allows_more(
        steps in prop::collection::vec((0_u8..9, 0_usize..50, 0_usize..50), 1..8),
    ) {
        // From 51 on, bits and equations only loosen as the minimum grows; the minimum itself must not.
        let q = program(&steps);
        if q.clone().with_minimum(60).analyse().is_ok() {
            prop_assert!(q.with_minimum(0).analyse().is_ok());
        }
    }
}

#[test]
fn the_main_job_rewritten_has_the_same_verdict() {
    let (q, _, _) = main_job();
    let backwards: Vec<u32> = (0..40).rev().collect();
    let other = rewritten(&q, &backwards);
    assert_ne!(q.program.nodes, other.program.nodes);
    assert_eq!(verdict(&q), verdict(&other));
}
