//! Random programs on random data: what inference claims holds for what the plain evaluator gives.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::program::plain::trace;
use crate::program::types::{Interval, Validity, ValueType};

const PROGRAMS: u64 = 400;
const STEPS: usize = 24;

struct Dice(ChaCha20Rng);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("small")].clone()
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Often an end of the range.
    fn within(&mut self, lo: i64, hi: i64) -> i64 {
        match self.below(6) {
            0 => lo,
            1 => hi,
            _ => lo + i64::try_from(self.below(u64::try_from(hi - lo).expect("ordered") + 1)).expect("small"),
        }
    }
}

fn random_tables(dice: &mut Dice) -> BTreeMap<DatasetName, PlainTable> {
    let mut tables = tables();
    for (name, table) in &mut tables {
        let schema = &datasets()[name].schema;
        for of in &schema.columns {
            let rows = usize::try_from(schema.rows).expect("small");
            let column = table.columns.get_mut(&of.name).expect("it is there");
            let mut ints = |lo, hi| (0..rows).map(|_| dice.within(lo, hi)).collect::<Vec<_>>();
            let range = of.range.map(|range| (range.lo.mantissa() as i64, range.hi.mantissa() as i64));
            column.data = match (&of.element, range) {
                (Element::Int64, Some((lo, hi))) => PlainData::Int64(ints(lo, hi)),
                (Element::Decimal { .. }, Some((lo, hi))) => {
                    PlainData::Decimal(ints(lo * 100, hi * 100).into_iter().map(i128::from).collect())
                }
                (Element::Float64, Some((lo, hi))) => {
                    let fine = ints(lo * 1_000_000, hi * 1_000_000);
                    PlainData::Float64(fine.into_iter().map(|x| x as f64 / 1e6).collect())
                }
                (Element::Date, Some((lo, hi))) => {
                    PlainData::Date(ints(lo, hi).into_iter().map(|day| i32::try_from(day).expect("small")).collect())
                }
                (Element::Bool, _) => PlainData::Bool(ints(0, 1).into_iter().map(|bit| bit == 1).collect()),
                (Element::Category { .. }, _) => {
                    PlainData::Category(ints(0, 2).into_iter().map(|x| u32::try_from(x).expect("small")).collect())
                }
                _ => continue,
            };
            if of.nullable {
                column.validity = Some(ints(0, 1).into_iter().map(|bit| bit == 1).collect());
            }
        }
    }
    tables
}

fn random_op(dice: &mut Dice, nodes: u32, tables: &[NodeId]) -> Op {
    use Binary::*;
    let node = |dice: &mut Dice| NodeId(u32::try_from(dice.below(nodes.into())).expect("small"));
    let axes = |dice: &mut Dice| match dice.below(4) {
        0 => vec![0],
        1 => vec![1],
        _ => Vec::new(),
    };
    let columns = [
        "frequency",
        "customers.amount",
        "since",
        "segment",
        "member",
        "score",
        "balance",
        "wealth",
        "accounts.amount",
    ];
    let fine = Element::Float64High;
    let elements = [Element::Int64, CENTS, Element::Float64, Element::Bool, Element::Decimal { scale: 4 }, fine];
    let numbers = ["0", "1", "-1", "2", "0.5", "0.1", "-7.25", "100", "12345.678"].map(number);
    match dice.below(16) {
        0..=2 => Op::Column { table: dice.pick(tables), column: dice.pick(&columns).into() },
        3 => Op::Constant { element: dice.pick(&elements), shape: vec![], values: vec![dice.pick(&numbers)] },
        4 => {
            let rows = Dim::rows_of(dice.pick(tables));
            let shape = dice.pick(&[vec![], vec![Dim::fixed(2), Dim::fixed(1)], vec![rows]]);
            Op::Full { element: dice.pick(&elements), shape, value: dice.pick(&numbers) }
        }
        5..=8 => {
            let function = dice.pick(&[
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
                Minimum,
                Maximum,
                FloorDivide,
                Remainder,
                Power,
            ]);
            Op::Binary { function, left: node(dice), right: node(dice) }
        }
        9 => {
            let functions = [
                [Unary::Negate, Unary::Not, Unary::Abs, Unary::Sign, Unary::Floor, Unary::Ceil, Unary::Round],
                [Unary::Sqrt, Unary::Rsqrt, Unary::Exp, Unary::Exp2, Unary::Expm1, Unary::Log, Unary::Log2],
                [Unary::Log10, Unary::Log1p, Unary::Sigmoid, Unary::Tanh, Unary::Softplus, Unary::Erf, Unary::Gelu],
                [Unary::Sin, Unary::Cos, Unary::Abs, Unary::Negate, Unary::Not, Unary::Round, Unary::Sqrt],
            ];
            let functions = dice.pick(&functions);
            Op::Unary { function: dice.pick(&functions), value: node(dice) }
        }
        10 => Op::Where { condition: node(dice), then: node(dice), otherwise: node(dice) },
        11 => {
            use Reduction::*;
            let function = dice.pick(&[Sum, Mean, Var, Count, Min, Max, Argmax]);
            let mask = dice.chance().then(|| node(dice));
            Op::Reduce { function, value: node(dice), axes: axes(dice), keep_dims: dice.chance(), mask }
        }
        12 => Op::MatMul { left: node(dice), right: node(dice) },
        13 => Op::Cast { value: node(dice), element: dice.pick(&elements) },
        14 => match dice.below(3) {
            0 => Op::Arange { length: Dim::rows_of(dice.pick(tables)) },
            1 => Op::Size { of: Dim::rows_of(dice.pick(tables)) },
            _ => Op::Concatenate { values: vec![node(dice), node(dice)], axis: 0 },
        },
        _ => match dice.below(10) {
            7 => Op::Flip { value: node(dice), axis: 0 },
            8 => Op::Take { value: node(dice), axis: 0, places: vec![0] },
            9 => Op::Cumsum { value: node(dice), axis: 0 },
            5 => Op::Sort { value: node(dice), axis: 0 },
            6 => Op::Argsort { value: node(dice), axis: 0 },
            4 => Op::Windows { value: node(dice), axis: 0, size: 2 },
            0 => Op::Transpose { value: node(dice), axes: vec![1, 0] },
            1 => Op::Reshape { value: node(dice), shape: vec![Dim::fixed(1), Dim::rows_of(dice.pick(tables))] },
            2 => Op::Filter { table: dice.pick(tables), mask: node(dice) },
            _ => Op::Slice {
                value: node(dice),
                axes: vec![SliceAxis { start: Dim::fixed(1), stop: Dim::fixed(2), step: 1 }],
            },
        },
    }
}

/// A well-typed program: random operations, of which those that inference refuses are left out.
fn random_program(dice: &mut Dice) -> TypedProgram {
    let alignment = dice.pick(&[Alignment::Revealed, Alignment::Private]);
    let (s, joined) = Sketch::joined(alignment);
    let mut program = s.program;
    let mut tables = vec![joined];
    let first = program.push(Op::Column { table: joined, column: "frequency".into() });
    program.outputs.push(Output { name: "out".into(), value: first, receivers: Vec::new(), within: None });
    let mut typed = infer(&program, &datasets()).expect("well typed");
    let mut tries = 0;
    while program.nodes.len() < STEPS && tries < 40 * STEPS {
        tries += 1;
        let count = u32::try_from(program.nodes.len()).expect("small");
        let op = random_op(dice, count, &tables);
        let is_filter = matches!(op, Op::Filter { .. });
        let id = program.push(op);
        match infer(&program, &datasets()) {
            Ok(ok) => {
                typed = ok;
                if is_filter {
                    tables.push(id);
                }
            }
            Err(_) => {
                program.nodes.pop();
            }
        }
    }
    typed
}

/// Half a step of float64 and the rounding of `f64` itself at this size.
fn tolerance(range: &Interval) -> f64 {
    1.0 + 1e-9 * (range.lo.unsigned_abs().max(range.hi.unsigned_abs()) as f64)
}

#[test]
fn plain_values_lie_in_their_inferred_ranges_and_shapes() {
    let (mut arrays, mut kinds) = (0, std::collections::BTreeMap::new());
    for seed in 0..PROGRAMS {
        let mut dice = Dice(ChaCha20Rng::seed_from_u64(seed));
        let typed = random_program(&mut dice);
        let trace = match trace(&typed, &random_tables(&mut dice)) {
            Ok(trace) => trace,
            // A slice of fixed bounds may not fit the rows that a join found.
            Err(error) => {
                assert_eq!(code(&error), "PROGRAM_TYPE", "seed {seed}: {error}");
                continue;
            }
        };
        for (index, value) in typed.main().types.iter().enumerate() {
            let ValueType::Array(array) = value else { continue };
            let node = NodeId(u32::try_from(index).expect("small"));
            let plain = trace.array(node).expect("an array");
            let at = format!("seed {seed}, {node}:\n{}", typed.to_text());
            let sizes: Vec<u64> = array.shape.iter().map(|dim| dim.evaluate(trace.rows()).expect("a size")).collect();
            assert_eq!(plain.shape().iter().map(|size| *size as u64).collect::<Vec<_>>(), sizes, "{at}");
            assert_eq!(plain.element, array.element, "{at}");
            for (cell, real) in plain.as_lattice().into_iter().zip(plain.as_f64()) {
                match (cell, real) {
                    (Some(cell), Some(real)) if array.element.is_float() => {
                        let steps = real * array.element.precision().map_or(1.0, Precision::unit);
                        let (lo, hi) = (array.range.lo as f64, array.range.hi as f64);
                        let slack = tolerance(&array.range);
                        assert!(lo - slack <= steps && steps <= hi + slack, "{cell} in {at}");
                    }
                    (Some(cell), _) => assert!(array.range.contains(cell), "{cell} in {at}"),
                    (None, _) => assert_eq!(array.validity, Validity::Secret, "{at}"),
                }
            }
            arrays += 1;
            let kind = serde_json::to_value(&typed.program().nodes[index].op).expect("JSON")["op"].to_string();
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    assert!(arrays > 4_000, "only {arrays} arrays were seen");
    assert!(kinds.len() >= 14, "only these operations were seen: {kinds:?}");
}

#[test]
fn random_programs_survive_json_with_their_hash() {
    for seed in 0..50 {
        let mut dice = Dice(ChaCha20Rng::seed_from_u64(seed));
        let typed = random_program(&mut dice);
        let program = typed.program();
        let read = Program::from_json(program.to_json().as_bytes()).expect("what is written can be read");
        assert_eq!((&read, read.hash()), (program, program.hash()), "seed {seed}");
    }
}

#[test]
fn random_bytes_in_a_program_never_panic() {
    let good = main_job().finished().to_json().into_bytes();
    let mut dice = Dice(ChaCha20Rng::seed_from_u64(7));
    for _ in 0..2_000 {
        let mut bytes = good.clone();
        for _ in 0..=dice.below(3) {
            let at = usize::try_from(dice.below(bytes.len() as u64)).expect("small");
            bytes[at] = dice.pick(b"0123456789\"{}[],:-abfx");
        }
        if let Ok(program) = Program::from_json(&bytes) {
            // Inference refuses or types it; both are fine.
            let _ = infer(&program, &datasets());
        }
    }
}

/// A graph of operations that fit nothing, with extreme parts: nothing but an error may come of it.
fn hostile_program(dice: &mut Dice) -> Program {
    let extreme = |dice: &mut Dice| dice.pick(&[0, 1, -1, 2, 7, 1 << 20, 1 << 40, -(1 << 40), i64::MAX, i64::MIN]);
    let dim = |dice: &mut Dice| {
        let rows = if dice.chance() {
            BTreeMap::from([(NodeId(dice.pick(&[0, 1, 2, 9])), extreme(dice))])
        } else {
            BTreeMap::new()
        };
        Dim { constant: extreme(dice), rows, divisor: dice.pick(&[1, 1, 1, 2, 3, 1 << 20, u32::MAX]) }
    };
    let big = |dice: &mut Dice| {
        let scale = dice.pick(&[0, 0, 9, 18]);
        let mantissa = dice.pick(&[0, 1, -1, 5, 1_000, 10_i128.pow(18), 10_i128.pow(27), -(10_i128.pow(27))]);
        Number::new(mantissa, scale).expect("at most 27 digits")
    };
    let element = |dice: &mut Dice| {
        let scale = dice.pick(&[0, 2, 9, 10, 255]);
        dice.pick(&[
            Element::Bool,
            Element::Int64,
            Element::Float64,
            Element::Decimal { scale },
            Element::Date,
            Element::Key,
        ])
    };
    let mut program = Sketch::joined(Alignment::Private).0.program;
    let node = |dice: &mut Dice, count: usize| NodeId(u32::try_from(dice.below(count as u64)).expect("small"));
    let random = |dice: &mut Dice, count: usize| match dice.below(12) {
        0 => Op::Full { element: element(dice), shape: vec![dim(dice), dim(dice)], value: big(dice) },
        1 => Op::Arange { length: dim(dice) },
        2 => Op::Size { of: dim(dice) },
        3 => Op::Constant { element: element(dice), shape: vec![dice.below(3), 1], values: vec![big(dice); 2] },
        4 => Op::Assume { value: node(dice, count), lo: big(dice), hi: big(dice) },
        5 => Op::Slice {
            value: node(dice, count),
            axes: vec![SliceAxis { start: dim(dice), stop: dim(dice), step: dice.pick(&[0, 1, 3, u32::MAX]) }],
        },
        6 => Op::Reshape { value: node(dice, count), shape: vec![dim(dice)] },
        7 => Op::Cast { value: node(dice, count), element: element(dice) },
        8 => Op::Loop {
            body: BlockId(0),
            trips: dice.pick(&[0, 1, 100_000, u32::MAX]),
            carried: vec![Carried { initial: node(dice, count), lo: big(dice), hi: big(dice) }],
            captured: vec![node(dice, count)],
        },
        9 => Op::Item { of: node(dice, count), index: dice.pick(&[0, 1, u32::MAX]) },
        10 => Op::Concatenate { values: vec![node(dice, count); 3], axis: dice.pick(&[0, 1, 255]) },
        _ => random_op(dice, u32::try_from(count).expect("small"), &[NodeId(2)]),
    };
    for _ in 0..6 {
        let op = random(dice, program.nodes.len());
        program.push(op);
    }
    let mut nodes = vec![Node { op: Op::Parameter { index: 0 }, name: None }];
    nodes.extend((0..3).map(|count| Node { op: random(dice, count + 1), name: None }));
    if program.nodes.iter().any(|node| matches!(node.op, Op::Loop { .. })) {
        program.blocks.push(Block { nodes, results: vec![NodeId(u32::try_from(dice.below(5)).expect("small"))] });
    }
    program.outputs.push(Output {
        name: "out".into(),
        value: node(dice, program.nodes.len()),
        receivers: Vec::new(),
        within: None,
    });
    program
}

#[test]
fn hostile_programs_are_refused_or_typed_and_never_panic() {
    let (mut kept, mut refused) = (0, BTreeMap::new());
    for seed in 0..10_000 {
        let program = hostile_program(&mut Dice(ChaCha20Rng::seed_from_u64(seed)));
        if let Err(error) = infer(&program, &datasets()) {
            *refused.entry(code(&error)).or_insert(0) += 1;
        }
        // Also without the checks on the whole, each operation meets the ones before it that were typed.
        let mut grown = Sketch::joined(Alignment::Revealed).0.program;
        grown.outputs = vec![Output { name: "out".into(), value: NodeId(3), receivers: Vec::new(), within: None }];
        grown.push(Op::Column { table: NodeId(2), column: "frequency".into() });
        for node in program.nodes.into_iter().skip(3).filter(|node| !matches!(node.op, Op::Loop { .. })) {
            grown.nodes.push(node);
            if infer(&grown, &datasets()).is_err() {
                grown.nodes.pop();
            }
        }
        kept += grown.nodes.len() - 4;
    }
    assert!(kept > 2_000, "only {kept} operations were typed");
    for code in ["PROGRAM_MALFORMED", "PROGRAM_TYPE", "PROGRAM_RANGE", "PROGRAM_COST", "PROPOSAL_TOO_BIG"] {
        assert!(refused.contains_key(code), "{code} never came up: {refused:?}");
    }
}
