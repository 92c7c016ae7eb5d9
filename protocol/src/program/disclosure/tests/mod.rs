//! The analysis on the main job, on the attacks of the security note (§6), on policies, and its invariances.

mod attacks;
mod coalitions;
mod dominance;
mod functions;
mod history;
mod invariance;
mod job;
mod models;
mod noise;
mod policy;

use std::collections::BTreeMap;

use crate::program::release::{Gate, GateRule, Literal, ReleasedOutput};
use crate::program::rules::{ColumnRules, ColumnUse, DatasetRules, Refusal};
use crate::program::types::Dataset;
use crate::program::{
    Alignment, Binary, Dim, NodeId, Op, Output, Program, Reduction, SliceAxis, TypedProgram, Unary, infer,
};
use crate::schema::{ColumnSchema, Element, Range, TableSchema};
use crate::{Number, PartyId};

use super::{Analysis, analyse};

const SHOP: PartyId = PartyId::ZERO;
const BANK: PartyId = PartyId::ONE;
const CUSTOMERS: &str = "maison/customers";
const ACCOUNTS: &str = "banque/accounts";

fn number(text: &str) -> Number {
    text.parse().expect("a number")
}

/// A program in the making, with what it runs on.
#[derive(Clone)]
struct Question {
    program: Program,
    datasets: BTreeMap<String, Dataset>,
    rules: BTreeMap<String, DatasetRules>,
    receivers: Vec<PartyId>,
}

impl Question {
    /// To be answered to the bank, with a minimum of 100 at the shop.
    fn new() -> Self {
        let decimal = Element::Decimal { scale: 2 };
        let customers = [
            ("customer", Element::Key, None),
            ("frequency", Element::Int64, Some(("0", "1000"))),
            ("amount", decimal.clone(), Some(("0", "100000"))),
            ("age", Element::Int64, Some(("0", "120"))),
            ("region", Element::Int64, Some(("0", "3"))),
            ("loyal", Element::Bool, None),
        ];
        let accounts = [
            ("customer", Element::Key, None),
            ("balance", decimal.clone(), Some(("0", "100000000"))),
            ("wealth", decimal, Some(("0", "1000000000"))),
            ("chosen", Element::Bool, None),
            ("weight", Element::Int64, Some(("0", "1048576"))),
        ];
        let datasets = [(CUSTOMERS, dataset(SHOP, &customers)), (ACCOUNTS, dataset(BANK, &accounts))];
        let rules = datasets.iter().map(|(name, dataset)| (name.to_string(), rules(dataset)));
        Self {
            program: Program::new(),
            rules: rules.collect(),
            datasets: datasets.map(|(name, dataset)| (name.to_owned(), dataset)).into(),
            receivers: vec![BANK],
        }
    }

    fn with_minimum(mut self, rows: u64) -> Self {
        self.shop().minimum_rows = rows;
        self
    }

    fn with_rows(mut self, rows: u64) -> Self {
        self.datasets.values_mut().for_each(|dataset| dataset.schema.rows = rows);
        self
    }

    fn shop(&mut self) -> &mut DatasetRules {
        self.rules.get_mut(CUSTOMERS).expect("the shop has rules")
    }

    fn shop_column(&mut self, name: &str) -> &mut ColumnSchema {
        let schema = &mut self.datasets.get_mut(CUSTOMERS).expect("the shop's dataset").schema;
        schema.columns.iter_mut().find(|column| column.name == name).expect("a column")
    }

    fn load(&mut self) -> NodeId {
        self.program.push(Op::Load { dataset: CUSTOMERS.into() })
    }

    fn join(&mut self) -> NodeId {
        let left = self.load();
        let right = self.program.push(Op::Load { dataset: ACCOUNTS.into() });
        let on = || "customer".to_owned();
        let alignment = Alignment::Revealed;
        self.program.push(Op::Join { left, right, left_on: on(), right_on: on(), alignment })
    }

    fn column(&mut self, table: NodeId, column: &str) -> NodeId {
        self.program.push(Op::Column { table, column: column.into() })
    }

    fn constant(&mut self, value: &str) -> NodeId {
        let value = number(value);
        let element = if value.scale() == 0 { Element::Int64 } else { Element::Decimal { scale: value.scale() } };
        self.program.push(Op::Constant { element, shape: vec![], values: vec![value] })
    }

    fn binary(&mut self, function: Binary, left: NodeId, right: NodeId) -> NodeId {
        self.program.push(Op::Binary { function, left, right })
    }

    /// A comparison with a constant.
    fn is(&mut self, left: NodeId, function: Binary, right: &str) -> NodeId {
        let right = self.constant(right);
        self.binary(function, left, right)
    }

    fn and(&mut self, left: NodeId, right: NodeId) -> NodeId {
        self.binary(Binary::And, left, right)
    }

    fn choose(&mut self, condition: NodeId, then: NodeId) -> NodeId {
        let otherwise = self.constant("0");
        self.program.push(Op::Where { condition, then, otherwise })
    }

    fn reduce(&mut self, function: Reduction, value: NodeId, mask: Option<NodeId>) -> NodeId {
        self.program.push(Op::Reduce { function, value, axes: vec![], keep_dims: false, mask })
    }

    fn sum(&mut self, value: NodeId) -> NodeId {
        self.reduce(Reduction::Sum, value, None)
    }

    fn sum_where(&mut self, value: NodeId, condition: NodeId) -> NodeId {
        let chosen = self.choose(condition, value);
        self.sum(chosen)
    }

    fn slice(&mut self, value: NodeId, start: u64, stop: u64) -> NodeId {
        let axes = vec![SliceAxis { start: Dim::fixed(start), stop: Dim::fixed(stop), step: 1 }];
        self.program.push(Op::Slice { value, axes })
    }

    fn arange(&mut self, table: NodeId) -> NodeId {
        self.program.push(Op::Arange { length: Dim::rows_of(table) })
    }

    fn release(&mut self, name: &str, value: NodeId) {
        self.program.outputs.push(Output { name: name.into(), value, receivers: vec![], within: None });
    }

    fn typed(&self) -> TypedProgram {
        infer(&self.program, &self.datasets).expect("a well-typed program")
    }

    fn receivers(&self) -> BTreeMap<String, Vec<PartyId>> {
        self.program.outputs.iter().map(|output| (output.name.clone(), self.receivers.clone())).collect()
    }

    fn analyse(&self) -> Result<Analysis, Vec<Refusal>> {
        analyse(&self.typed(), &self.rules, &self.receivers())
    }

    fn allowed(&self) -> Analysis {
        self.analyse().unwrap_or_else(|refusals| panic!("refused: {refusals:#?}"))
    }

    fn refused(&self) -> Vec<Refusal> {
        self.analyse().expect_err("a refusal")
    }

    /// The codes of the refusals, each once.
    fn codes(&self) -> Vec<String> {
        let mut codes: Vec<String> = self.refused().iter().map(|refusal| refusal.code.to_string()).collect();
        codes.dedup();
        codes
    }

    fn gates(&self, output: &str) -> Vec<Gate> {
        released(&self.allowed(), output).gates.clone()
    }
}

/// A column's name, element and range.
type Column<'a> = (&'a str, Element, Option<(&'a str, &'a str)>);

fn dataset(owner: PartyId, columns: &[Column<'_>]) -> Dataset {
    let column = |(name, element, range): &Column<'_>| ColumnSchema {
        name: (*name).into(),
        element: element.clone(),
        range: range.map(|(lo, hi)| Range { lo: number(lo), hi: number(hi) }),
        nullable: false,
    };
    let columns = columns.iter().map(column).collect();
    Dataset { owner, schema: TableSchema { columns, rows: 5_000, unique_key: Some("customer".into()) } }
}

/// Everything is allowed but what the disclosure rules refuse.
fn rules(dataset: &Dataset) -> DatasetRules {
    use ColumnUse::{Arithmetic, Count, Filter, Join, Mean, Order, Sum};
    let all = ColumnRules { uses: [Arithmetic, Count, Filter, Join, Mean, Order, Sum].into(), sensitive: false };
    DatasetRules {
        receivers: [SHOP, BANK].into(),
        alignments: [Alignment::Revealed].into(),
        minimum_rows: if dataset.owner == SHOP { 100 } else { 0 },
        grid: (dataset.owner == SHOP).then(|| number("0.01")),
        subset_masks: 8,
        columns: dataset.schema.columns.iter().map(|column| (column.name.clone(), all.clone())).collect(),
        ..DatasetRules::default()
    }
}

fn released<'a>(analysis: &'a Analysis, output: &str) -> &'a ReleasedOutput {
    analysis.release.outputs.iter().find(|released| released.name == output).expect("an output")
}

fn gate(rows_of: NodeId, support: &[&[Literal]], rule: GateRule) -> Gate {
    let mut support: Vec<Vec<Literal>> = support.iter().map(|literals| literals.to_vec()).collect();
    support.iter_mut().for_each(|literals| literals.sort());
    Gate { rows_of, support, rule }
}
