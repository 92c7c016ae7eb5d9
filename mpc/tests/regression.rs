//! Linear regression by gradient descent: a loop whose gradients the planner may make of `X^T X` and `X^T y`.

mod common;

use std::collections::BTreeMap;

use common::Case;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tacit_mpc::plan::step::RingOp;
use tacit_mpc::plan::{Plan, Row};
use tacit_mpc::released::Cell;
use tacit_mpc::session::align_in_the_clear;
use tacit_protocol::program::plain::{PlainData, PlainTable};
use tacit_protocol::program::release::{ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::types::Dataset;
use tacit_protocol::program::{Binary, Block, BlockId, Carried, Dim, Node, NodeId, Op, Output, Program, SliceAxis};
use tacit_protocol::schema::{ColumnSchema, Element, Range, TableSchema};
use tacit_protocol::{Number, PartyId};

const UNIT: f64 = (1 << Element::FLOAT_STEP_BITS) as f64;

/// What a loop does with its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `w - c * X^T (X w - y)`.
    Minus,
    /// `w + c * X^T (y - X w)`.
    Residual,
    /// `w - c * X^T (y' + X w)` with `y' = -y`.
    Plus,
    /// `w - c * X^T (X w)`, which forgets the start.
    Decay,
    /// As the first, with an `X` that goes round the loop.
    Carried,
}

/// A regression of `rows` rows on `features` features, which the parties' parts make together, each within `±half`.
struct Regression {
    form: Form,
    rows: u64,
    features: u64,
    trips: u32,
    half: f64,
    /// The bound of the weights.
    weights: &'static str,
    /// `c`, and the weights that the targets are made of.
    step: &'static str,
    truth: f64,
}

impl Regression {
    fn new(form: Form, rows: u64, features: u64, trips: u32) -> Self {
        // Below the reciprocal of the largest eigenvalue that the features make.
        let step = if rows > 1_000 { "0.000244140625" } else { "0.0009765625" };
        Self { form, rows, features, trips, half: 1.25, weights: "2", step, truth: 0.75 }
    }

    fn program(&self) -> Program {
        let mut program = Program::new();
        let mut sum = |name: &str, cells: u64, shape: &[u64]| {
            let parts = [0, 1].map(|owner| {
                let table = program.push(Op::Load { dataset: format!("{owner}/{name}") });
                let column = program.push(Op::Column { table, column: "part".into() });
                let all = SliceAxis { start: Dim::fixed(0), stop: Dim::fixed(cells), step: 1 };
                program.push(Op::Slice { value: column, axes: vec![all] })
            });
            let value = program.push(Op::Binary { function: Binary::Add, left: parts[0], right: parts[1] });
            program.push(Op::Reshape { value, shape: shape.iter().map(|size| Dim::fixed(*size)).collect() })
        };
        let x = sum("x", self.rows * self.features, &[self.rows, self.features]);
        let y = sum("y", self.rows, &[self.rows]);
        let start = if self.form == Form::Decay { "1" } else { "0" };
        let start = Op::Full {
            element: Element::Float64,
            shape: vec![Dim::fixed(self.features)],
            value: common::number(start),
        };
        let start = program.push(start);
        let bounds = |text: &str| {
            let hi: Number = common::number(text);
            (common::number(&format!("-{text}")), hi)
        };
        let (lo, hi) = bounds(self.weights);
        let mut carried = vec![Carried { initial: start, lo, hi }];
        let mut captured = vec![y];
        if self.form == Form::Carried {
            let (lo, hi) = bounds("2.5");
            carried.push(Carried { initial: x, lo, hi });
        } else {
            captured.push(x);
        }
        program.blocks.push(self.body());
        let looped = program.push(Op::Loop { body: BlockId(0), trips: self.trips, carried, captured });
        let value = program.push(Op::Item { of: looped, index: 0 });
        program.outputs.push(Output { name: "weights".into(), value, receivers: Vec::new(), within: None });
        program
    }

    fn body(&self) -> Block {
        let binary = |function, left, right| Op::Binary { function, left: NodeId(left), right: NodeId(right) };
        let matmul = |left, right| Op::MatMul { left: NodeId(left), right: NodeId(right) };
        let (x, y) = if self.form == Form::Carried { (1, 2) } else { (2, 1) };
        let mut ops = vec![
            Op::Parameter { index: 0 },
            Op::Parameter { index: 1 },
            Op::Parameter { index: 2 },
            matmul(x, 0),
            Op::Transpose { value: NodeId(x), axes: vec![1, 0] },
        ];
        ops.push(match self.form {
            Form::Minus | Form::Carried => binary(Binary::Subtract, 3, y),
            Form::Residual => binary(Binary::Subtract, y, 3),
            Form::Plus => binary(Binary::Add, y, 3),
            Form::Decay => Op::Parameter { index: 1 },
        });
        ops.push(matmul(4, if self.form == Form::Decay { 3 } else { 5 }));
        ops.push(Op::Full { element: Element::Float64, shape: Vec::new(), value: common::number(self.step) });
        ops.push(binary(Binary::Multiply, 6, 7));
        let function = if self.form == Form::Residual { Binary::Add } else { Binary::Subtract };
        ops.push(binary(function, 0, 8));
        let results = if self.form == Form::Carried { vec![NodeId(9), NodeId(1)] } else { vec![NodeId(9)] };
        Block { nodes: ops.into_iter().map(|op| Node { op, name: None }).collect(), results }
    }

    fn case(&self) -> Case {
        let (mut datasets, mut tables) = (BTreeMap::new(), BTreeMap::new());
        let sign = if self.form == Form::Plus { -1.0 } else { 1.0 };
        let most = (self.half * self.truth * self.features as f64 * 64.0).ceil() / 64.0;
        for owner in [PartyId::ZERO, PartyId::ONE] {
            let mut rng = ChaCha20Rng::seed_from_u64(5 + u64::from(owner.0));
            let steps = (2.0 * self.half * 256.0) as u64 + 1;
            let x: Vec<f64> = (0..self.rows * self.features)
                .map(|_| (u64::from(rng.next_u32()) % steps) as f64 / 256.0 - self.half)
                .collect();
            // All weights are alike, but for their signs.
            let weight = |place: usize| if place.is_multiple_of(2) { self.truth } else { -self.truth };
            let target = |row: &[f64]| row.iter().enumerate().map(|(place, x)| x * weight(place)).sum::<f64>() * sign;
            let y = x.chunks(self.features as usize).map(target).collect();
            for (name, cells, most) in [("x", x, self.half), ("y", y, most)] {
                let bound = |bound: f64| Number::try_from(bound).expect("few digits");
                let column = ColumnSchema {
                    name: "part".into(),
                    element: Element::Float64,
                    range: Some(Range { lo: bound(-most), hi: bound(most) }),
                    nullable: false,
                };
                let schema = TableSchema { columns: vec![column], rows: cells.len() as u64, unique_key: None };
                let key = format!("{}/{name}", owner.index());
                datasets.insert(key.clone(), Dataset { owner, schema });
                let columns = BTreeMap::from([("part".to_owned(), PlainData::Float64(cells).into())]);
                tables.insert(key, PlainTable { columns });
            }
        }
        let program = self.program();
        let output = ReleasedOutput {
            name: "weights".into(),
            value: program.outputs[0].value,
            receivers: vec![PartyId::ZERO],
            gates: Vec::new(),
            grid: None,
            noise: Vec::new(),
            dominance: Vec::new(),
        };
        let release = ReleaseSpec { outputs: vec![output], minimum_overlap: Vec::new() };
        Case::new(datasets, tables, &program, release)
    }
}

fn plan(case: &Case) -> Plan {
    let both = case.local(&[PartyId::ZERO, PartyId::ONE]);
    let aligned = align_in_the_clear(&case.typed, &case.release, &both).expect("sizes");
    Plan::lower(&case.typed, &case.release, aligned.sizes()).expect("a plan")
}

/// The shapes of the matrix products, in the order of the plan.
fn products(plan: &Plan) -> Vec<[usize; 3]> {
    let shape = |op: &RingOp| if let RingOp::MatrixMultiply { shape, .. } = op { Some(*shape) } else { None };
    plan.steps.iter().filter_map(|step| shape(&step.op)).collect()
}

fn notes(rows: &[Row], text: &str) -> usize {
    rows.iter().filter(|row| row.what.contains(text)).count()
}

/// The largest difference between what the plain evaluator gives and what the cells are.
fn difference(case: &Case, cells: &[Cell]) -> f64 {
    let trace = case.plain().expect("no weight leaves its range");
    let plain = trace.array(case.release.outputs[0].value).expect("an array").as_f64();
    let number = |cell: &Cell| if let Cell::Released(steps) = cell { *steps as f64 / UNIT } else { f64::NAN };
    assert_eq!(plain.len(), cells.len());
    let apart = plain.iter().zip(cells).map(|(plain, cell)| (plain.expect("valid") - number(cell)).abs());
    // A cell that is not a number is as far off as can be.
    apart.fold(0.0, |most, apart| if apart <= most { most } else { apart })
}

#[test]
fn many_rows_are_multiplied_once_and_few_in_every_trip() {
    let many = plan(&Regression::new(Form::Minus, 2_000, 3, 12).case());
    let once = [[3, 2_000, 3], [3, 2_000, 1]];
    let products_of_many = products(&many);
    assert_eq!(products_of_many.iter().filter(|shape| once.contains(shape)).count(), 2, "{products_of_many:?}");
    assert_eq!(products_of_many.iter().filter(|shape| **shape == [3, 3, 1]).count(), 12);
    assert_eq!(products_of_many.len(), 14);
    let rows = many.explain().expect("counts");
    assert_eq!((notes(&rows, "X^T X, once"), notes(&rows, "X^T y, once"), notes(&rows, "(X^T X) w,")), (1, 1, 12));

    let few = plan(&Regression::new(Form::Minus, 2, 48, 3).case());
    assert_eq!(products(&few), [[2, 48, 1], [48, 2, 1]].repeat(3));
    assert!(few.notes.is_empty());
}

#[test]
fn both_forms_give_what_the_plain_evaluator_gives() {
    for regression in [Regression::new(Form::Minus, 2_000, 3, 12), Regression::new(Form::Minus, 2, 48, 3)] {
        let case = regression.case();
        let (plan, released) = case.clear().expect("runs");
        let [parties, _] = case.two_parties(3).released;
        for cells in [&released[0].cells, &parties.expect("runs")[0].cells] {
            let far = difference(&case, cells);
            assert!(far <= plan.error_bound(0).expect("a bound") / UNIT, "{far}");
            // The bound is that of the worst data; these are harmless.
            assert!(far < 1e-3, "{far} with {:?}", plan.notes);
        }
    }
}

#[test]
fn every_sign_of_the_residual_is_covered() {
    for form in [Form::Minus, Form::Residual, Form::Plus, Form::Decay] {
        let case = Regression::new(form, 500, 2, 10).case();
        let (plan, released) = case.clear().expect("runs");
        assert!(!plan.notes.is_empty(), "{form:?}");
        let far = difference(&case, &released[0].cells);
        assert!(far < 1e-3, "{form:?}: {far}");
    }
}

#[test]
fn what_goes_round_the_loop_is_multiplied_in_every_trip() {
    let case = Regression::new(Form::Carried, 500, 2, 10).case();
    let (plan, released) = case.clear().expect("runs");
    assert!(plan.notes.is_empty());
    assert!(products(&plan).contains(&[500, 2, 1]));
    assert!(difference(&case, &released[0].cells) < 1e-3);
}

/// `X^T X` may be wider than anything else where the weights are known to be small.
#[test]
fn a_form_that_needs_wider_words_is_not_taken() {
    let with = |half| Regression {
        half,
        weights: "0.00390625",
        step: "0.000003814697265625",
        truth: 0.0,
        ..Regression::new(Form::Minus, 2_048, 1, 3)
    };
    let narrow = plan(&with(4.0).case());
    assert!(!narrow.notes.is_empty());
    let wide = plan(&with(128.0).case());
    assert!(wide.notes.is_empty());
    assert_eq!((narrow.word_bits, wide.word_bits), (64, 64));
}

/// The invariant is as good as its check: steps that are too long carry the weights away, whatever the bound allows.
#[test]
fn a_descent_that_diverges_releases_nothing() {
    let case = Regression { step: "0.015625", ..Regression::new(Form::Minus, 500, 2, 10) }.case();
    assert_eq!(case.plain().expect_err("the weights leave their range").code().as_str(), "OUT_OF_RANGE");
    assert_eq!(case.clear().expect_err("nor does the engine release them").code().as_str(), "OUT_OF_RANGE");
    for released in case.two_parties(4).released {
        assert_eq!(released.expect_err("nor do two parties").code().as_str(), "OUT_OF_RANGE");
    }
}
