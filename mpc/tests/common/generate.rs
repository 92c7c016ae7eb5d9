//! Random programs over two small datasets, with random data in the declared ranges.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tacit_protocol::PartyId;
use tacit_protocol::program::plain::{PlainColumn, PlainData, PlainTable};
use tacit_protocol::program::release::{Gate, GateRule, Literal, ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::types::{Dataset, ValueType};
use tacit_protocol::program::{
    Alignment, Binary, Block, BlockId, Carried, Dim, Node, NodeId, Op, Output, Program, Reduction, SliceAxis,
    TypedProgram, Unary, infer,
};
use tacit_protocol::schema::{ColumnSchema, Element, Range, TableSchema};

use super::{Case, number};

/// Draws of a seeded generator.
pub struct Draw(ChaCha20Rng);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound.max(1) as u64) as usize
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn between(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo + 1) as usize) as i64
    }

    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }
}

fn column(name: &str, element: Element, range: Option<(&str, &str)>, nullable: bool) -> ColumnSchema {
    let range = range.map(|(lo, hi)| Range { lo: number(lo), hi: number(hi) });
    ColumnSchema { name: name.into(), element, range, nullable }
}

/// A dataset with a column of each kind.
fn dataset(owner: PartyId, rows: u64, nullable: bool) -> Dataset {
    let labels = ["red", "green", "blue"].map(String::from).to_vec();
    let columns = vec![
        column("id", Element::Key, None, false),
        column("n", Element::Int64, Some(("-50", "60")), nullable),
        column("price", Element::Decimal { scale: 2 }, Some(("-10", "1000.5")), nullable),
        column("x", Element::Float64, Some(("-8", "8")), false),
        column("flag", Element::Bool, None, nullable),
        column("colour", Element::Category { labels }, None, false),
    ];
    Dataset { owner, schema: TableSchema { columns, rows, unique_key: Some("id".into()) } }
}

fn table(draw: &mut Draw, schema: &TableSchema) -> PlainTable {
    let rows = schema.rows as usize;
    // Keys from a small pool, so that joins are empty, partial or whole.
    let mut pool: Vec<usize> = (0..rows + rows / 2 + 1).collect();
    let mut keys = Vec::with_capacity(rows);
    for _ in 0..rows {
        let place = draw.below(pool.len());
        keys.push(format!("key{}", pool.swap_remove(place)).into_bytes());
    }
    let mut columns = BTreeMap::new();
    for column in &schema.columns {
        let data = match &column.element {
            Element::Key => PlainData::Key(keys.clone()),
            Element::Int64 => PlainData::Int64((0..rows).map(|_| draw.between(-50, 60)).collect()),
            Element::Decimal { .. } => {
                PlainData::Decimal((0..rows).map(|_| i128::from(draw.between(-1_000, 100_050))).collect())
            }
            Element::Float64 => PlainData::Float64(
                (0..rows).map(|_| draw.between(-(8 << 18), 8 << 18) as f64 / f64::from(1 << 18)).collect(),
            ),
            Element::Bool => PlainData::Bool((0..rows).map(|_| draw.chance(2)).collect()),
            _ => PlainData::Category((0..rows).map(|_| draw.below(3) as u32).collect()),
        };
        let validity = column.nullable.then(|| (0..rows).map(|_| !draw.chance(4)).collect());
        columns.insert(column.name.clone(), PlainColumn { data, validity });
    }
    PlainTable { columns }
}

/// A random case: the program keeps what inference takes of `length` random operations.
pub fn case(seed: u64, length: usize) -> Case {
    let mut draw = Draw::new(seed);
    let sizes: [u64; 2] = std::array::from_fn(|_| [0, 1, 2, 5, 9, 17][draw.below(6)]);
    let nullable = draw.chance(2);
    let datasets = BTreeMap::from([
        ("left/a".to_owned(), dataset(PartyId::ZERO, sizes[0], nullable)),
        ("right/b".to_owned(), dataset(PartyId::ONE, sizes[1], nullable)),
    ]);
    let tables = datasets.iter().map(|(name, dataset)| (name.clone(), table(&mut draw, &dataset.schema))).collect();
    let mut program = Program::new();
    let a = program.push(Op::Load { dataset: "left/a".into() });
    let b = program.push(Op::Load { dataset: "right/b".into() });
    let filtered = if draw.chance(3) {
        let mask = program.push(Op::Column { table: a, column: "flag".into() });
        program.push(Op::Filter { table: a, mask })
    } else {
        a
    };
    let joined = program.push(Op::Join {
        left: filtered,
        right: b,
        left_on: "id".into(),
        right_on: "id".into(),
        alignment: Alignment::Revealed,
    });
    for side in ["a", "b"] {
        for name in ["n", "price", "x", "flag", "colour"] {
            program.push(Op::Column { table: joined, column: format!("{side}.{name}") });
        }
    }
    program.push(Op::Column { table: a, column: "n".into() });
    program.push(Op::Column { table: b, column: "price".into() });
    // A program releases something at any time; what exactly is chosen at the end.
    let first = NodeId(joined.0 + 1);
    program.outputs.push(Output { name: "first".into(), value: first, receivers: Vec::new() });
    for _ in 0..length {
        let mut next = program.clone();
        let typed = infer(&program, &datasets).expect("what was kept is well typed");
        operation(&mut draw, &mut next, &typed);
        if infer(&next, &datasets).is_ok() {
            program = next;
        }
    }
    let typed = infer(&program, &datasets).expect("what was kept is well typed");
    let release = release(&mut draw, &mut program, &typed, joined);
    Case::new(datasets, tables, &program, release)
}

fn arrays(typed: &TypedProgram) -> Vec<NodeId> {
    let types = typed.main().types.iter().enumerate();
    let arrays = types.filter(|(_, value)| matches!(value, ValueType::Array(_)));
    arrays.map(|(place, _)| NodeId(place as u32)).collect()
}

/// Appends a random operation on what is there; inference may refuse it.
fn operation(draw: &mut Draw, program: &mut Program, typed: &TypedProgram) {
    let all = arrays(typed);
    // The later half is twice as likely, so that programs grow deep.
    let any = |draw: &mut Draw| {
        let from = if draw.chance(2) { all.len() / 2 } else { 0 };
        all[from + draw.below(all.len() - from)]
    };
    let shape = |node: NodeId| typed.array(node).map(|array| array.shape.clone()).unwrap_or_default();
    let op = match draw.below(16) {
        0..=4 => {
            use Binary::*;
            let function = draw.of(&[
                Add,
                Subtract,
                Multiply,
                Divide,
                Less,
                LessEqual,
                Greater,
                GreaterEqual,
                Equal,
                NotEqual,
                And,
                Or,
                Xor,
            ]);
            let left = any(draw);
            let right = if draw.chance(3) { constant(draw, program) } else { any(draw) };
            Op::Binary { function, left, right }
        }
        5 => Op::Unary { function: draw.of(&[Unary::Negate, Unary::Not]), value: any(draw) },
        6 => {
            let (condition, then) = (any(draw), any(draw));
            let otherwise = if draw.chance(2) { constant(draw, program) } else { any(draw) };
            Op::Where { condition, then, otherwise }
        }
        7..=9 => {
            use Reduction::*;
            let value = any(draw);
            let rank = shape(value).len();
            let axes = if rank > 0 && draw.chance(2) { vec![draw.below(rank) as u8] } else { Vec::new() };
            let function = draw.of(&[Sum, Mean, Count, Min, Max, Argmax]);
            let mask = if draw.chance(2) { Some(any(draw)) } else { None };
            Op::Reduce { function, value, axes, keep_dims: draw.chance(2), mask }
        }
        10 => Op::MatMul { left: any(draw), right: any(draw) },
        11 => {
            let value = any(draw);
            let mut to = shape(value);
            let place = draw.below(to.len() + 1);
            to.insert(place, Dim::fixed(1));
            Op::Reshape { value, shape: to }
        }
        12 => {
            let value = any(draw);
            let mut axes: Vec<u8> = (0..shape(value).len() as u8).collect();
            axes.reverse();
            Op::Transpose { value, axes }
        }
        13 => {
            let value = any(draw);
            let axes = shape(value).into_iter().map(|size| SliceAxis {
                start: Dim::fixed(0),
                stop: size,
                step: 1 + draw.below(3) as u32,
            });
            Op::Slice { axes: axes.collect(), value }
        }
        14 => {
            let value = any(draw);
            match draw.below(4) {
                0 => Op::Cast {
                    value,
                    element: draw.of(&[Element::Int64, Element::Decimal { scale: 4 }, Element::Float64]),
                },
                1 => Op::Concatenate { values: vec![value, any(draw), value], axis: 0 },
                2 => match shape(value).first() {
                    Some(rows) => Op::Arange { length: rows.clone() },
                    None => Op::Concatenate { values: vec![value], axis: 0 },
                },
                _ => match shape(value).first() {
                    Some(rows) => Op::Size { of: rows.clone() },
                    None => Op::Unary { function: Unary::Negate, value },
                },
            }
        }
        _ => {
            let value = any(draw);
            if draw.chance(2) {
                // Often true, sometimes not.
                Op::Assume { value, lo: number("-60"), hi: number(if draw.chance(6) { "20" } else { "2000" }) }
            } else {
                repeat(draw, program, value)
            }
        }
    };
    let is_loop = matches!(op, Op::Loop { .. });
    let id = program.push(op);
    if is_loop {
        program.push(Op::Item { of: id, index: 0 });
    }
}

fn constant(draw: &mut Draw, program: &mut Program) -> NodeId {
    let (element, text) = draw.of(&[
        (Element::Int64, "3"),
        (Element::Int64, "-7"),
        (Element::Decimal { scale: 2 }, "12.25"),
        (Element::Decimal { scale: 1 }, "-0.5"),
        (Element::Float64, "0.3"),
        (Element::Float64, "2.5"),
        (Element::Bool, "1"),
    ]);
    program.push(Op::Full { element, shape: Vec::new(), value: number(text) })
}

/// `x = x * 0.5 + captured`, a few times, starting from the value itself.
fn repeat(draw: &mut Draw, program: &mut Program, initial: NodeId) -> Op {
    let node = |op: Op| Node { op, name: None };
    let (function, text, element) = draw.of(&[
        (Binary::Multiply, "0.5", Element::Float64),
        (Binary::Add, "3", Element::Int64),
        (Binary::Subtract, "1.5", Element::Decimal { scale: 2 }),
    ]);
    let body = BlockId(program.blocks.len() as u32);
    program.blocks.push(Block {
        nodes: vec![
            node(Op::Parameter { index: 0 }),
            node(Op::Parameter { index: 1 }),
            node(Op::Full { element, shape: Vec::new(), value: number(text) }),
            node(Op::Binary { function, left: NodeId(0), right: NodeId(2) }),
            node(Op::Binary { function: Binary::Add, left: NodeId(3), right: NodeId(1) }),
        ],
        results: vec![NodeId(4)],
    });
    let captured = constant(draw, program);
    let carried = Carried { initial, lo: number("-3000"), hi: number(if draw.chance(5) { "1001" } else { "3000" }) };
    Op::Loop { body, trips: 1 + draw.below(3) as u32, carried: vec![carried], captured: vec![captured] }
}

/// Releases a few of the arrays, some behind gates, some on grids.
fn release(draw: &mut Draw, program: &mut Program, typed: &TypedProgram, joined: NodeId) -> ReleaseSpec {
    let all = arrays(typed);
    let inexact = inexact(typed);
    let rows = [Dim::rows_of(joined)];
    let literals: Vec<NodeId> = all
        .iter()
        .copied()
        .filter(|node| !inexact.contains(node))
        .filter(|node| typed.array(*node).is_some_and(|array| array.shape == rows))
        .collect();
    let mut outputs = Vec::new();
    program.outputs.clear();
    for place in 0..1 + draw.below(3) {
        let value = if place == 0 { all[all.len() - 1] } else { draw.of(&all) };
        let name = format!("out{place}");
        let receivers = draw.of(&[vec![PartyId::ZERO], vec![PartyId::ONE], vec![PartyId::ZERO, PartyId::ONE]]);
        let mut gates = Vec::new();
        if draw.chance(2) {
            let mut conjunction = Vec::new();
            for _ in 0..draw.below(3) {
                let node = draw.of(&literals);
                let bool = typed.array(node).is_some_and(|array| array.element == Element::Bool);
                let literal = match (bool, draw.chance(2)) {
                    (true, true) => Literal::True(node),
                    (true, false) => Literal::False(node),
                    (false, true) => Literal::Valid(node),
                    (false, false) => Literal::Invalid(node),
                };
                conjunction.push(literal);
            }
            let support =
                if draw.chance(3) { vec![conjunction, vec![Literal::Valid(literals[0])]] } else { vec![conjunction] };
            let least = draw.below(4) as u64;
            let rule = if draw.chance(2) { GateRule::AtLeast(least) } else { GateRule::ZeroOrAtLeast(least) };
            gates.push(Gate { rows_of: joined, support, rule });
        }
        let grid = draw.of(&[None, Some(number("0.01")), Some(number("10")), Some(number("0.5")), Some(number("3"))]);
        program.outputs.push(Output { name: name.clone(), value, receivers: Vec::new() });
        outputs.push(ReleasedOutput { name, value, receivers, gates, grid });
    }
    ReleaseSpec { outputs, minimum_overlap: Vec::new() }
}

/// The nodes that a comparison or a division of rounded numbers decides.
fn inexact(typed: &TypedProgram) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::new();
    for (place, node) in typed.program().nodes.iter().enumerate() {
        let id = NodeId(place as u32);
        let float = typed.main().lattices(id).contains(&Element::Float64);
        let decides = matches!(&node.op, Op::Binary { function, .. } if !matches!(function, Binary::Add | Binary::Subtract | Binary::Multiply));
        if (float && decides) || node.op.operands().iter().any(|operand| found.contains(operand)) {
            found.insert(id);
        }
    }
    found
}
