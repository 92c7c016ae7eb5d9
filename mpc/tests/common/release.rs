//! Random releases: a few of the arrays, some behind gates, some on grids.

use std::collections::BTreeMap;

use tacit_protocol::PartyId;
use tacit_protocol::program::release::{Dominance, Gate, GateRule, Literal, ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::types::ValueType;
use tacit_protocol::program::{Dim, NodeId, Op, Output, Program, Reduction, TypedProgram};
use tacit_protocol::schema::Element;

use super::draw::Draw;
use super::explain::{WORD, Widths};
use super::generate::undecided;
use super::number;

/// Releases the last array and a few others.
pub fn release(
    draw: &mut Draw,
    program: &mut Program,
    typed: &TypedProgram,
    rows: &BTreeMap<NodeId, u64>,
    joined: NodeId,
) -> ReleaseSpec {
    let types = typed.main().types.iter().enumerate();
    let all: Vec<NodeId> = types
        .filter(|(_, value)| matches!(value, ValueType::Array(_)))
        .map(|(place, _)| NodeId(place as u32))
        .collect();
    let mut outputs = Vec::new();
    program.outputs.clear();
    for place in 0..1 + draw.below(3) {
        let from = if draw.chance(2) { all.len() * 2 / 3 } else { 0 };
        let value = if place == 0 { all[all.len() - 1] } else { draw.of(&all[from..]) };
        let name = format!("out{place}");
        let receivers = draw.of(&[vec![PartyId::ZERO], vec![PartyId::ONE], vec![PartyId::ZERO, PartyId::ONE]]);
        let literals = literals(typed, &all, value, joined);
        let gates = (0..draw.of(&[0, 0, 1, 2])).map(|_| gate(draw, typed, &literals, joined)).collect();
        let sums = sums(typed, &all);
        let dominance = match sums.is_empty() || !draw.chance(3) {
            true => Vec::new(),
            false => vec![Dominance { of: draw.of(&sums), percent: draw.of(&[1, 10, 50, 100]) }],
        };
        let widths = Widths { typed, rows };
        let grids: Vec<_> = [None, Some("0.01"), Some("10"), Some("0.5"), Some("3"), Some("0.000001")]
            .into_iter()
            .map(|grid| grid.map(number))
            .filter(|grid| widths.of_release(value, *grid) <= WORD)
            .collect();
        let grid = draw.of(&grids);
        program.outputs.push(Output { name: name.clone(), value, receivers: Vec::new(), within: None });
        outputs.push(ReleasedOutput { name, value, receivers, gates, grid, noise: Vec::new(), dominance });
    }
    ReleaseSpec { outputs, minimum_overlap: Vec::new() }
}

/// The arrays that may be literals of a gate of this output: over the rows of the join, and behind them of a shape
/// that broadcasts to the output's.
fn literals(typed: &TypedProgram, all: &[NodeId], output: NodeId, joined: NodeId) -> Vec<NodeId> {
    let undecided = undecided(typed);
    let rows = Dim::rows_of(joined);
    let wanted = &typed.array(output).expect("an array").shape;
    let fits = |node: &NodeId| {
        let shape = &typed.array(*node).expect("an array").shape;
        let Some((first, rest)) = shape.split_first() else { return false };
        let one = Dim::fixed(1);
        let within = rest.len() <= wanted.len()
            && rest.iter().rev().zip(wanted.iter().rev()).all(|(size, to)| size == to || *size == one);
        *first == rows && within && !undecided.contains(node)
    };
    all.iter().copied().filter(fits).collect()
}

/// The sums and means of exact numbers whose cells no choice by rounded numbers made.
fn sums(typed: &TypedProgram, all: &[NodeId]) -> Vec<NodeId> {
    let undecided = undecided(typed);
    let exact = |value: &NodeId| {
        let element = &typed.array(*value).expect("an array").element;
        !undecided.contains(value) && matches!(element, Element::Int64 | Element::Bool)
    };
    let is_sum = |node: &NodeId| match &typed.program().nodes[node.index()].op {
        Op::Reduce { function: Reduction::Sum | Reduction::Mean, value, mask, .. } => {
            exact(value) && mask.as_ref().is_none_or(exact)
        }
        _ => false,
    };
    all.iter().copied().filter(is_sum).collect()
}

fn gate(draw: &mut Draw, typed: &TypedProgram, literals: &[NodeId], joined: NodeId) -> Gate {
    // Literals with axes behind the rows are few; half of the gates try them first.
    let deep: Vec<NodeId> =
        literals.iter().copied().filter(|node| typed.array(*node).expect("an array").shape.len() > 1).collect();
    let support = (0..1 + draw.below(2)).map(|_| {
        let conjunction = (0..draw.below(3)).map(|_| {
            let node = if !deep.is_empty() && draw.chance(2) { draw.of(&deep) } else { draw.of(literals) };
            let bool = typed.array(node).is_some_and(|array| array.element == Element::Bool);
            match (bool, draw.chance(2)) {
                (true, true) => Literal::True(node),
                (true, false) => Literal::False(node),
                (false, true) => Literal::Valid(node),
                (false, false) => Literal::Invalid(node),
            }
        });
        conjunction.collect()
    });
    let support = support.collect();
    let least = draw.below(4) as u64;
    let rule = if draw.chance(2) { GateRule::AtLeast(least) } else { GateRule::ZeroOrAtLeast(least) };
    Gate { rows_of: joined, support, rule }
}
