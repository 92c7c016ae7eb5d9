//! Tests of programs as wholes: reading, inference and plain evaluation, on the tables of a shop and a bank.

mod functions;
mod infer;
mod input;
mod json;
mod plain;
mod precision;
mod properties;

use std::collections::BTreeMap;

use super::plain::{PlainColumn, PlainData, PlainTable, PlainValue, evaluate};
use super::types::{ArrayType, Dataset};
use super::*;
use crate::PartyId;
use crate::schema::{ColumnSchema, Precision, Range, TableSchema};

fn number(text: &str) -> Number {
    text.parse().expect("a number")
}

fn column(name: &str, element: Element, range: Option<(&str, &str)>) -> ColumnSchema {
    let range = range.map(|(lo, hi)| Range { lo: number(lo), hi: number(hi) });
    ColumnSchema { name: name.into(), element, range, nullable: false }
}

fn nullable(column: ColumnSchema) -> ColumnSchema {
    ColumnSchema { nullable: true, ..column }
}

const CENTS: Element = Element::Decimal { scale: 2 };

fn segment() -> Element {
    Element::Category { labels: vec!["new".into(), "loyal".into(), "gone".into()] }
}

/// `maison/customers` and `banque/accounts`.
fn datasets() -> BTreeMap<DatasetName, Dataset> {
    let dataset = |owner, columns: Vec<ColumnSchema>, rows| Dataset {
        owner,
        schema: TableSchema { columns, rows, unique_key: Some("customer_id".into()) },
    };
    let customers = vec![
        column("customer_id", Element::Key, None),
        column("frequency", Element::Int64, Some(("0", "100"))),
        column("amount", CENTS, Some(("0", "100000"))),
        column("since", Element::Date, Some(("0", "30000"))),
        column("segment", segment(), None),
        column("member", Element::Bool, None),
        nullable(column("score", Element::Float64, Some(("-10", "10")))),
    ];
    let accounts = vec![
        column("customer_id", Element::Key, None),
        column("balance", Element::Int64, Some(("-1000000", "1000000000"))),
        column("wealth", CENTS, Some(("0", "1000000000"))),
        column("amount", Element::Float64, Some(("1", "5"))),
    ];
    BTreeMap::from([
        ("maison/customers".to_string(), dataset(PartyId::ZERO, customers, 5)),
        ("banque/accounts".to_string(), dataset(PartyId::ONE, accounts, 4)),
    ])
}

fn keys(keys: &[&str]) -> PlainColumn {
    PlainData::Key(keys.iter().map(|key| key.as_bytes().to_vec()).collect()).into()
}

fn tables() -> BTreeMap<DatasetName, PlainTable> {
    let table = |columns: Vec<(&str, PlainColumn)>| PlainTable {
        columns: columns.into_iter().map(|(name, column)| (name.to_string(), column)).collect(),
    };
    let score = PlainColumn {
        data: PlainData::Float64(vec![0.5, -1.25, 0.0, 9.0, 2.0]),
        validity: Some(vec![true, true, false, true, true]),
    };
    let customers = table(vec![
        ("customer_id", keys(&["c1", "c2", "c3", "c4", "c5"])),
        ("frequency", PlainData::Int64(vec![1, 3, 4, 5, 100]).into()),
        ("amount", PlainData::Decimal(vec![10_000, 600_000, 500_000, 500_001, 99]).into()),
        ("since", PlainData::Date(vec![0, 10_000, 20_000, 20_000, 30_000]).into()),
        ("segment", PlainData::Category(vec![0, 1, 2, 1, 0]).into()),
        ("member", PlainData::Bool(vec![true, false, true, true, false]).into()),
        ("score", score),
    ]);
    let accounts = table(vec![
        ("customer_id", keys(&["c4", "c2", "c9", "c3"])),
        ("balance", PlainData::Int64(vec![7_000_000, 6_000_000, 9_000_000, 8_000_000]).into()),
        ("wealth", PlainData::Decimal(vec![100_000_050, 200_000_025, 5, 7]).into()),
        ("amount", PlainData::Float64(vec![1.0, 2.5, 3.0, 4.0]).into()),
    ]);
    BTreeMap::from([("maison/customers".to_string(), customers), ("banque/accounts".to_string(), accounts)])
}

/// A program with short forms for its operations.
#[derive(Clone)]
struct Sketch {
    program: Program,
}

impl Sketch {
    fn new() -> Self {
        Self { program: Program::new() }
    }

    /// With `maison/customers` as node 0.
    fn customers() -> (Self, NodeId) {
        let mut sketch = Self::new();
        let table = sketch.load("maison/customers");
        (sketch, table)
    }

    /// With both tables and their join.
    fn joined(alignment: Alignment) -> (Self, NodeId) {
        let (mut sketch, left) = Self::customers();
        let right = sketch.load("banque/accounts");
        let on = || "customer_id".to_string();
        let table = sketch.push(Op::Join { left, right, left_on: on(), right_on: on(), alignment });
        (sketch, table)
    }

    fn push(&mut self, op: Op) -> NodeId {
        self.program.push(op)
    }

    fn load(&mut self, dataset: &str) -> NodeId {
        self.push(Op::Load { dataset: dataset.into() })
    }

    fn column(&mut self, table: NodeId, column: &str) -> NodeId {
        self.push(Op::Column { table, column: column.into() })
    }

    fn array(&mut self, element: Element, shape: &[u64], values: &[&str]) -> NodeId {
        let values = values.iter().map(|value| number(value)).collect();
        self.push(Op::Constant { element, shape: shape.to_vec(), values })
    }

    fn int(&mut self, value: i64) -> NodeId {
        self.array(Element::Int64, &[], &[&value.to_string()])
    }

    fn float(&mut self, value: &str) -> NodeId {
        self.array(Element::Float64, &[], &[value])
    }

    fn binary(&mut self, function: Binary, left: NodeId, right: NodeId) -> NodeId {
        self.push(Op::Binary { function, left, right })
    }

    fn reduce(&mut self, function: Reduction, value: NodeId, mask: Option<NodeId>) -> NodeId {
        self.push(Op::Reduce { function, value, axes: Vec::new(), keep_dims: false, mask })
    }

    fn assume(&mut self, value: NodeId, lo: &str, hi: &str) -> NodeId {
        self.push(Op::Assume { value, lo: number(lo), hi: number(hi) })
    }

    fn release(&mut self, value: NodeId) {
        let name = format!("out{}", self.program.outputs.len());
        self.program.outputs.push(Output { name, value, receivers: Vec::new(), within: None });
    }

    /// The program that releases the last node.
    fn finished(mut self) -> Program {
        if self.program.outputs.is_empty() {
            let last = u32::try_from(self.program.nodes.len() - 1).expect("small");
            self.release(NodeId(last));
        }
        self.program
    }

    fn typed(self) -> TypedProgram {
        infer(&self.finished(), &datasets()).expect("the program is well typed")
    }

    /// The type of the last node.
    fn last_type(self) -> ArrayType {
        let typed = self.typed();
        let last = u32::try_from(typed.program().nodes.len() - 1).expect("small");
        typed.array(NodeId(last)).expect("an array").clone()
    }

    /// Why inference refuses it.
    fn refused(self) -> ProgramError {
        infer(&self.finished(), &datasets()).expect_err("the program is refused")
    }

    fn value(self) -> PlainValue {
        let values = evaluate(&self.typed(), &tables()).expect("the program runs");
        values.into_iter().next().expect("one output")
    }

    /// The cells of the last node.
    fn cells(self) -> Vec<Option<f64>> {
        self.value().as_f64()
    }

    /// The last node's cells, all of which are defined.
    fn numbers(self) -> Vec<f64> {
        self.cells().into_iter().map(|cell| cell.expect("defined")).collect()
    }
}

/// The masked count, sum and mean of the main job.
fn main_job() -> Sketch {
    let (mut s, people) = Sketch::joined(Alignment::Revealed);
    let (two, five_thousand, five_million, zero) = (s.int(2), s.int(5_000), s.int(5_000_000), s.int(0));
    let frequency = s.column(people, "frequency");
    let amount = s.column(people, "customers.amount");
    let balance = s.column(people, "balance");
    let wealth = s.column(people, "wealth");
    let often = s.binary(Binary::Greater, frequency, two);
    let much = s.binary(Binary::Greater, amount, five_thousand);
    let rich = s.binary(Binary::Greater, balance, five_million);
    let both = s.binary(Binary::And, often, much);
    let cond = s.binary(Binary::And, both, rich);
    s.program.nodes[cond.index()].name = Some("cond".into());
    let number = s.reduce(Reduction::Sum, cond, None);
    let chosen = s.push(Op::Where { condition: cond, then: wealth, otherwise: zero });
    let cost = s.reduce(Reduction::Sum, chosen, None);
    let average = s.reduce(Reduction::Mean, wealth, Some(cond));
    [number, cost, average].into_iter().for_each(|node| s.release(node));
    s
}

fn code(error: &ProgramError) -> String {
    error.code().to_string()
}
