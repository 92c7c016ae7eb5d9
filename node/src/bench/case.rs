//! What is measured: a program of one operation on arrays that neither party knows.
//!
//! Each operand is the sum (for bools the exclusive or) of a column of each party, which are its additive shares: the
//! engine sees values that are secret from both parties. The columns are drawn from a fixed seed, so that each party
//! can draw the other's too when the result is checked.

mod regression;

use std::collections::BTreeMap;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use tacit_mpc::inputs::{LocalTable, LocalTables};
use tacit_protocol::program::plain::{PlainColumn, PlainData, PlainTable};
use tacit_protocol::program::release::{ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::types::Dataset;
use tacit_protocol::program::{Dim, NodeId, SliceAxis, TypedProgram, infer, limits};
use tacit_protocol::schema::{ColumnSchema, Element, Range, TableSchema};
use tacit_protocol::{Code, Failure, Number, PartyId};
use tacit_sdk::{Array, ProgramBuilder};

use super::operation::Operation;

/// The seed of the drawn numbers.
const SEED: u64 = 1;
/// The one column of each dataset.
const COLUMN: &str = "part";
const PARTIES: [PartyId; 2] = [PartyId::ZERO, PartyId::ONE];
/// Lattice steps in 1.
const UNIT: i64 = 1 << Element::FLOAT_STEP_BITS;

/// What `--bits` may be: the numbers have 18 binary digits behind the point, and a column's cells are words.
pub(super) const BITS: std::ops::RangeInclusive<i64> = 24..=64;

/// A program of one operation with its inputs.
pub(super) struct Case {
    pub(super) typed: TypedProgram,
    pub(super) release: ReleaseSpec,
    operands: Vec<Operand>,
    /// The last node that is an input; those behind it are the operation.
    last_input: NodeId,
}

/// One operand: two columns of one kind, which make its cells together.
struct Operand {
    name: &'static str,
    cells: u64,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Bools,
    /// Numbers, drawn evenly from `drawn` by each party, of whom each declares `declared`; both in lattice steps.
    Numbers {
        drawn: (i64, i64),
        declared: (i64, i64),
    },
    /// The targets of a linear regression on so many features a row; declared within `most` lattice steps of 0.
    Targets {
        features: u64,
        most: i64,
    },
    /// The classes of a logistic regression on so many features a row.
    Classes {
        features: u64,
    },
}

impl Kind {
    /// Numbers between these two, in the range that they need.
    fn between(lo: f64, hi: f64) -> Self {
        let half = |bound: f64| (bound * UNIT as f64 / 2.0) as i64;
        Self::Numbers { drawn: (half(lo), half(hi)), declared: (half(lo), half(hi)) }
    }

    /// The same in a declared range of so many bits.
    fn declared(self, bits: Option<u32>) -> Self {
        let (Self::Numbers { drawn, .. }, Some(bits)) = (self, bits) else { return self };
        // A party's part has one bit less than the sum of both.
        let half = 1_i64 << (bits - 2);
        let (lo, hi) = (-half, half - UNIT);
        Self::Numbers { drawn: (drawn.0.clamp(lo, hi), drawn.1.clamp(lo, hi)), declared: (lo, hi) }
    }

    /// The declared range of each party's column, in lattice steps; none of bools.
    fn range(self) -> Option<(i64, i64)> {
        match self {
            Self::Bools | Self::Classes { .. } => None,
            Self::Numbers { declared, .. } => Some(declared),
            Self::Targets { most, .. } => Some((-most, most)),
        }
    }
}

impl Case {
    /// The program of an operation on arrays of this shape. `bits` is the width of the differences where numbers are
    /// compared, else of the operands; none: what the drawn numbers need.
    pub(super) fn new(operation: Operation, shape: &[u64], bits: Option<u32>) -> Result<Self, Failure> {
        let width = if operation.compares() { bits.map(|bits| bits - 1) } else { bits };
        let numbers = Kind::between(-50.0, 50.0).declared(width);
        let operand = |name, cells, kind| Operand { name, cells, kind };
        let operands = match (operation, shape) {
            (Operation::Matmul, [rows, inner, columns]) => {
                let numbers = Kind::between(-2.0, 2.0).declared(width);
                vec![operand("a", rows * inner, numbers), operand("b", inner * columns, numbers)]
            }
            (Operation::Linreg | Operation::Logreg, [rows, features, steps]) => {
                if *steps > u64::from(limits::TRIPS) {
                    let cause = format!("a regression takes at most {} steps, not {steps}", limits::TRIPS);
                    return Err(Failure::new(Code::new("USAGE_BENCH_LIMIT"), cause, "ask for fewer."));
                }
                let classes = operation == Operation::Logreg;
                let outcome =
                    if classes { Kind::Classes { features: *features } } else { regression::targets(*features) };
                vec![operand("x", rows * features, regression::features()), operand("y", *rows, outcome)]
            }
            (Operation::Mul | Operation::Lt, [n]) => vec![operand("a", *n, numbers), operand("b", *n, numbers)],
            (Operation::Eq, [n]) => {
                // Few numbers, so that many are equal.
                let few = Kind::Numbers { drawn: (0, 3), declared: (0, 3) }.declared(width);
                vec![operand("a", *n, few), operand("b", *n, few)]
            }
            (Operation::Div, [n]) => {
                vec![operand("a", *n, numbers), operand("b", *n, Kind::between(0.5, 100.0))]
            }
            (Operation::Max | Operation::Argmax | Operation::Sort | Operation::Sum, [n]) => {
                vec![operand("a", *n, numbers)]
            }
            (Operation::Exp | Operation::Sigmoid, [n]) => vec![operand("a", *n, Kind::between(-8.0, 8.0))],
            (Operation::Log | Operation::Sqrt, [n]) => vec![operand("a", *n, Kind::between(0.5, 100.0))],
            (Operation::Where, [n]) => {
                vec![operand("c", *n, Kind::Bools), operand("a", *n, numbers), operand("b", *n, numbers)]
            }
            _ => return Err(bug(format!("{} has no program of shape {shape:?}", operation.name()))),
        };
        let program = ProgramBuilder::new();
        let values: Vec<Array> = operands.iter().map(|operand| secret(&program, operand)).collect();
        let values = match (operation, shape, &values[..]) {
            (Operation::Matmul, [rows, inner, columns], [a, b]) => {
                vec![matrix(a, *rows, *inner), matrix(b, *inner, *columns)]
            }
            (Operation::Linreg | Operation::Logreg, [rows, features, _], [x, y]) => {
                vec![matrix(x, *rows, *features), y.clone()]
            }
            _ => values,
        };
        let last_input = values.iter().map(Array::id).max().expect("every operation has an operand");
        let result = match (operation, &values[..]) {
            (Operation::Mul, [a, b]) => a * b,
            (Operation::Lt, [a, b]) => a.lt(b),
            (Operation::Eq, [a, b]) => a.equal(b),
            (Operation::Div, [a, b]) => a / b,
            (Operation::Matmul, [a, b]) => a.matmul(b),
            (Operation::Max, [a]) => a.max(),
            (Operation::Argmax, [a]) => a.argmax(),
            (Operation::Sort, [a]) => a.sort(0),
            (Operation::Sum, [a]) => a.sum(),
            (Operation::Exp, [a]) => a.exp(),
            (Operation::Log, [a]) => a.log(),
            (Operation::Sqrt, [a]) => a.sqrt(),
            (Operation::Sigmoid, [a]) => a.sigmoid(),
            (Operation::Where, [c, a, b]) => c.choose(a, b),
            (Operation::Linreg, [x, y]) => regression::linear(&program, x, y, shape)?,
            (Operation::Logreg, [x, y]) => regression::logistic(&program, x, y, shape)?,
            _ => return Err(bug(format!("{} has other operands", operation.name()))),
        };
        let value = result.id();
        program.release("result", &result);
        let typed = infer(&program.build(), &datasets(&operands)?).map_err(|error| bug(error.to_string()))?;
        let output = ReleasedOutput {
            name: "result".into(),
            value,
            receivers: vec![PartyId::ZERO],
            gates: Vec::new(),
            grid: None,
            noise: Vec::new(),
            dominance: Vec::new(),
        };
        let release = ReleaseSpec { outputs: vec![output], minimum_overlap: Vec::new() };
        Ok(Self { typed, release, operands, last_input })
    }

    /// Whether a step of the plan makes the inputs: it is for a node before the operation.
    pub(super) fn is_input(&self, node: Option<NodeId>) -> bool {
        node.is_some_and(|node| node <= self.last_input)
    }

    /// The widest operand, in bits.
    pub(super) fn operand_bits(&self) -> u32 {
        let magnitude = |bound: i64| {
            let bound = 2 * i128::from(bound);
            if bound < 0 { !bound } else { bound }
        };
        let width = |operand: &Operand| match operand.kind.range() {
            None => 1,
            Some((lo, hi)) => 129 - magnitude(lo).max(magnitude(hi)).leading_zeros(),
        };
        self.operands.iter().map(width).max().unwrap_or(0)
    }

    /// A party's own columns, as a job would find them.
    pub(super) fn local(&self, party: PartyId) -> Result<LocalTables, Failure> {
        let mut tables = LocalTables::new();
        for operand in &self.operands {
            let rows = usize::try_from(operand.cells).map_err(|error| bug(error.to_string()))?;
            let mut table = LocalTable::new(rows);
            table.insert(&operand.schema()?, &operand.part(party))?;
            tables.insert(operand.dataset(party), table);
        }
        Ok(tables)
    }

    /// The columns of both parties, for the plain evaluator.
    pub(super) fn plain(&self) -> BTreeMap<String, PlainTable> {
        let of = |operand: &Operand, party| {
            let columns = BTreeMap::from([(COLUMN.to_owned(), operand.part(party))]);
            (operand.dataset(party), PlainTable { columns })
        };
        self.operands.iter().flat_map(|operand| PARTIES.map(|party| of(operand, party))).collect()
    }
}

impl Operand {
    fn dataset(&self, owner: PartyId) -> String {
        format!("party-{}/{}", owner.index(), self.name)
    }

    fn schema(&self) -> Result<ColumnSchema, Failure> {
        let (element, range) = match self.kind.range() {
            None => (Element::Bool, None),
            Some((lo, hi)) => (Element::Float64, Some(Range { lo: number(lo)?, hi: number(hi)? })),
        };
        Ok(ColumnSchema { name: COLUMN.into(), element, range, nullable: false })
    }

    /// A party's column, the same each time.
    fn part(&self, party: PartyId) -> PlainColumn {
        let mut rng = rng(self.name, party);
        let floats = |steps: Vec<i64>| steps.into_iter().map(|steps| steps as f64 / UNIT as f64).collect();
        match self.kind {
            Kind::Bools => PlainData::Bool((0..self.cells).map(|_| rng.next_u32() & 1 == 1).collect()),
            Kind::Numbers { drawn, .. } => PlainData::Float64(floats(draw(&mut rng, self.cells, drawn))),
            Kind::Targets { features, .. } => {
                PlainData::Float64(floats(regression::part_of_targets(&mut rng, party, self.cells, features)))
            }
            Kind::Classes { features } => {
                PlainData::Bool(regression::part_of_classes(&mut rng, party, self.cells, features))
            }
        }
        .into()
    }
}

/// Where the numbers of an operand come from.
fn rng(name: &str, party: PartyId) -> ChaCha12Rng {
    let place = name.bytes().next().map_or(0, u64::from);
    ChaCha12Rng::seed_from_u64(SEED << 16 | place << 8 | u64::from(party.0))
}

/// Numbers drawn evenly, the ends included, in lattice steps.
fn draw(rng: &mut ChaCha12Rng, count: u64, (lo, hi): (i64, i64)) -> Vec<i64> {
    let span = u128::from(hi.abs_diff(lo)) + 1;
    (0..count).map(|_| lo + ((u128::from(rng.next_u64()) * span) >> 64) as i64).collect()
}

fn datasets(operands: &[Operand]) -> Result<BTreeMap<String, Dataset>, Failure> {
    let mut datasets = BTreeMap::new();
    for operand in operands {
        for owner in PARTIES {
            let schema = TableSchema { columns: vec![operand.schema()?], rows: operand.cells, unique_key: None };
            datasets.insert(operand.dataset(owner), Dataset { owner, schema });
        }
    }
    Ok(datasets)
}

/// An operand: the parties' columns, cut to a size that does not depend on either table, and put together.
fn secret(program: &ProgramBuilder, operand: &Operand) -> Array {
    let all = SliceAxis { start: Dim::fixed(0), stop: Dim::fixed(operand.cells), step: 1 };
    let [zero, one] =
        PARTIES.map(|party| program.table(&operand.dataset(party)).column(COLUMN).slice(vec![all.clone()]));
    match operand.kind {
        Kind::Bools | Kind::Classes { .. } => zero ^ one,
        Kind::Numbers { .. } | Kind::Targets { .. } => zero + one,
    }
}

fn matrix(cells: &Array, rows: u64, columns: u64) -> Array {
    cells.reshape(vec![Dim::fixed(rows), Dim::fixed(columns)])
}

/// A bound in lattice steps as a number, exactly.
fn number(steps: i64) -> Result<Number, Failure> {
    let mut steps = i128::from(steps);
    let mut binary = Element::FLOAT_STEP_BITS;
    while binary > 0 && steps % 2 == 0 {
        (steps, binary) = (steps / 2, binary - 1);
    }
    let scale = u8::try_from(binary).unwrap_or(u8::MAX);
    Number::new(steps * 5_i128.pow(binary), scale).ok_or_else(|| bug(format!("the range bound {steps} is no number")))
}

fn bug(cause: String) -> Failure {
    Failure::new(Code::new("BENCH_CASE"), cause, "this is a bug: please report it.")
}

#[cfg(test)]
mod tests {
    use tacit_protocol::program::Op;

    use super::*;

    /// The least width of a signed word that holds both ends.
    fn width(lo: i128, hi: i128) -> u32 {
        (1..=127).find(|bits| -(1_i128 << (bits - 1)) <= lo && hi < 1_i128 << (bits - 1)).expect("below 127 bits")
    }

    #[test]
    fn declared_ranges_have_the_width_that_is_asked_for() {
        for bits in [24, 40, 62, 64] {
            let case = Case::new(Operation::Lt, &[4], Some(bits)).expect("a case");
            let operand = case.typed.main().array(case.last_input).expect("an array").range;
            assert_eq!(width(operand.lo - operand.hi, operand.hi - operand.lo), bits);
            assert_eq!(case.operand_bits(), bits - 1);
            let case = Case::new(Operation::Where, &[4], Some(bits)).expect("a case");
            assert_eq!(case.operand_bits(), bits);
        }
        assert_eq!(Case::new(Operation::Mul, &[4], None).expect("a case").operand_bits(), 25);
    }

    #[test]
    fn every_operand_needs_a_column_of_each_party_and_both_can_draw_them() {
        for operation in Operation::ALL.into_iter().filter(|operation| *operation != Operation::Psi) {
            let shape = operation.shape(6, Some([2, 3, 4]));
            let case = Case::new(operation, &shape, operation.bits(None)).expect("a case");
            for party in PARTIES {
                case.local(party).expect("the columns keep to their schema");
            }
            let program = case.typed.program();
            let loads = program.nodes.iter().filter(|node| matches!(node.op, Op::Load { .. })).count();
            assert_eq!(loads, 2 * case.operands.len());
            let plain = case.plain();
            assert_eq!(plain.len(), loads);
            assert!(plain == case.plain(), "the same each time");
            // The operation is behind its inputs.
            assert!(program.outputs.iter().all(|output| !case.is_input(Some(output.value))));
        }
    }

    #[test]
    fn bounds_in_lattice_steps_are_exact_numbers() {
        for steps in [0, 1, -1, UNIT, 3 * UNIT / 2, -(1 << 62), (1 << 62) - UNIT] {
            let number = number(steps).expect("a number");
            assert_eq!(number.to_fixed(Element::FLOAT_STEP_BITS), Some(i128::from(steps)), "{number}");
        }
    }
}
