//! The transfer rules: the label of every node from those of its operands (security note §3.2).
//!
//! Whatever has no rule that keeps the terms of a row loses them, and a release of it is then refused where an owner
//! demands a minimum.

mod functions;
mod rows;
mod selection;

pub(super) use functions::steps;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::Number;
use crate::program::types::{ArrayType, Interval, Validity};
use crate::program::{Alignment, Binary, Dim, NodeId, Op, TypedProgram, Unary};
use crate::schema::Element;

use super::formula::{Fact, Formula, Formulas};
use super::label::{Aggregate, AggregateId, Digest, Fun, Label, Position, Scaled, Source, Term, digest};

/// The most terms of one row's value; beyond them it counts as not derivable.
const MAX_TERMS: usize = 32;

/// The labels of the main block.
pub(super) struct Labels<'a> {
    pub(super) typed: &'a TypedProgram,
    pub(super) formulas: Formulas,
    /// One a node.
    pub(super) labels: Vec<Label>,
    pub(super) aggregates: Vec<Aggregate>,
    known: HashMap<AggregateKey, AggregateId>,
    /// The values of each loop.
    items: BTreeMap<NodeId, Vec<Label>>,
}

/// What makes two aggregates the same.
#[derive(PartialEq, Eq, Hash)]
struct AggregateKey {
    table: Option<NodeId>,
    digest: Digest,
}

/// An axis of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// Of fixed size.
    Fixed(u64),
    /// The rows of a table.
    Rows(NodeId),
    /// Anything else that depends on row counts.
    Mixed,
}

/// Derives all labels.
pub(super) fn labels(typed: &TypedProgram) -> Labels<'_> {
    let mut labels = Labels {
        typed,
        formulas: Formulas::new(),
        labels: Vec::new(),
        aggregates: Vec::new(),
        known: HashMap::new(),
        items: BTreeMap::new(),
    };
    for index in 0..typed.program().nodes.len() {
        let node = NodeId(u32::try_from(index).expect("validated: at most limits::NODES nodes"));
        let label = labels.node(node);
        let label = labels.settle(node, label);
        labels.labels.push(label);
    }
    labels
}

impl Labels<'_> {
    /// The label of a node before the one at hand.
    pub(super) fn of(&self, node: NodeId) -> &Label {
        &self.labels[node.index()]
    }

    /// The type of a node that is an array.
    pub(super) fn array(&self, node: NodeId) -> Option<&ArrayType> {
        self.typed.array(node)
    }

    /// The axes of an array; none for tables and tuples.
    pub(super) fn axes(&self, node: NodeId) -> Vec<Axis> {
        self.array(node).map(|array| array.shape.iter().map(axis).collect()).unwrap_or_default()
    }

    /// The datasets that the rows of a table come from.
    pub(super) fn datasets_of(&self, table: NodeId) -> BTreeSet<String> {
        let columns = self.typed.table(table).map(|table| table.columns.as_slice()).unwrap_or_default();
        columns.iter().map(|column| column.dataset.clone()).collect()
    }

    /// The joins that a table's rows went through.
    pub(super) fn joins_of(&self, table: NodeId) -> Vec<(NodeId, Alignment)> {
        let (mut open, mut seen, mut joins) = (vec![table], BTreeSet::new(), Vec::new());
        while let Some(next) = open.pop() {
            if !seen.insert(next) {
                continue;
            }
            match &self.typed.program().nodes[next.index()].op {
                Op::Join { left, right, alignment, .. } => {
                    joins.push((next, *alignment));
                    open.extend([*left, *right]);
                }
                Op::Filter { table, .. } => open.push(*table),
                _ => {}
            }
        }
        joins
    }

    /// The values that come out of a loop.
    pub(super) fn carried(&self, node: NodeId) -> &[Label] {
        self.items.get(&node).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether an `assume` promises more than inference knows.
    pub(super) fn narrows(&self, node: NodeId, value: NodeId) -> bool {
        match (self.array(node), self.array(value)) {
            (Some(after), Some(before)) => after.range != before.range,
            _ => true,
        }
    }

    /// Whether the array has one cell a row.
    pub(super) fn one_cell_a_row(&self, node: NodeId) -> bool {
        match self.axes(node).split_first() {
            Some((Axis::Rows(_), rest)) => rest.iter().all(|axis| *axis == Axis::Fixed(1)),
            _ => false,
        }
    }

    fn node(&mut self, node: NodeId) -> Label {
        let op = self.typed.program().nodes[node.index()].op.clone();
        let mut label = self.combined(node, &op);
        match &op {
            Op::Load { .. } => {}
            Op::Join { alignment, .. } => self.join(&mut label, *alignment),
            Op::Filter { table, mask } => self.filter(&mut label, *table, *mask),
            Op::Column { table, column } => self.column(&mut label, node, *table, column),
            Op::Constant { element, values, .. } => {
                let uniform = values.first().filter(|first| values.iter().all(|v| v == *first)).copied();
                self.constant(&mut label, node, element, uniform);
            }
            Op::Full { element, value, .. } => self.constant(&mut label, node, element, Some(*value)),
            Op::Arange { .. } => {
                label.position = Some(Position { moves: true, node }).filter(|_| label.per_row());
                label.terms = self.free_terms(&label);
            }
            Op::Size { of } => self.size(&mut label, node, of),
            Op::Cast { value, .. } | Op::Assume { value, .. } => self.same(&mut label, *value),
            Op::Unary { function: Unary::Negate, value } => {
                label.terms = self.of(*value).terms.as_ref().and_then(|terms| scaled_terms(terms, Number::from(-1)));
            }
            Op::Unary { function: Unary::Not, value } => self.not(&mut label, *value),
            Op::Unary { function, value } => self.function(&mut label, node, *function, *value),
            Op::Binary { function, left, right } => self.binary(&mut label, node, *function, *left, *right),
            Op::Where { condition, then, otherwise } => self.choose(&mut label, *condition, *then, *otherwise),
            Op::Reduce { function, value, axes, mask, .. } => {
                label = self.reduce(label, node, *function, *value, axes, *mask);
            }
            Op::MatMul { left, right } => label = self.matmul(label, node, *left, *right),
            Op::Reshape { value, .. } => self.reshape(&mut label, node, *value),
            Op::Transpose { value, .. } => self.transpose(&mut label, *value),
            Op::Concatenate { values, axis } => self.concatenate(&mut label, node, values, usize::from(*axis)),
            Op::Slice { value, axes } => self.slice(&mut label, node, *value, axes),
            Op::Sort { value, .. } | Op::Argsort { value, .. } => self.sorted(&mut label, node, &[*value]),
            Op::SortRows { value, keys } => self.sorted(&mut label, node, &[*value, *keys]),
            Op::Flip { value, axis } | Op::Take { value, axis, .. } => {
                self.windows(&mut label, node, *value, usize::from(*axis));
            }
            Op::Cumsum { value, axis } => self.cumulated(&mut label, node, *value, usize::from(*axis)),
            Op::Windows { value, axis, .. } => self.windows(&mut label, node, *value, usize::from(*axis)),
            Op::Loop { body, carried, captured, .. } => {
                let initial: Vec<NodeId> = carried.iter().map(|c| c.initial).collect();
                self.repeat(&mut label, node, *body, &initial, captured);
            }
            Op::Item { of, index } => label = self.item(label, *of, *index),
            // The analysis refuses programs with arrays that are handed in before anything depends on this.
            Op::Parameter { .. } | Op::Input { .. } => label.terms = None,
        }
        label
    }

    /// What holds of a label after every operation.
    fn settle(&mut self, node: NodeId, mut label: Label) -> Label {
        let Some(array) = self.typed.array(node) else { return label };
        if array.validity == Validity::AllTrue || !label.per_row() {
            label.valid = Formulas::TRUE;
        }
        let row_axes = array.shape.iter().filter(|dim| !matches!(axis(dim), Axis::Fixed(_))).count();
        let data = !(label.values.is_empty() && label.masks.is_empty());
        if row_axes > 1 && data {
            // Rows against rows: no later sum is a sum over rows of one function.
            label.position = Some(Position { moves: true, node });
            label.terms = None;
        }
        if array.element == Element::Bool {
            // A bool picks rows, and adds up as a count of those that it picks.
            let values = std::mem::take(&mut label.values);
            label.masks.extend(values);
            label.scaled = Scaled::new();
            if label.per_row() {
                if label.truth.is_none() {
                    label.truth = Some(self.unknown(&label, node, b"true"));
                }
                label.terms = label.truth.map(|mask| vec![Term { mask, fun: Fun::ONE, coefficient: one() }]);
            }
        }
        if !label.per_row() && label.terms.is_none() {
            label.terms = self.free_terms(&label);
        }
        label.terms = label.terms.and_then(merged);
        label
    }

    /// The union of all that flows in, with nothing known of the terms.
    fn combined(&mut self, node: NodeId, op: &Op) -> Label {
        let operands = op.operands();
        let mut label = Label {
            values: BTreeSet::new(),
            masks: BTreeSet::new(),
            tables: BTreeSet::new(),
            aggregates: BTreeSet::new(),
            terms: None,
            valid: Formulas::TRUE,
            truth: None,
            digest: self.digest(op),
            unconverted: (Digest::default(), None),
            constant: None,
            position: None,
            thresholds: BTreeMap::new(),
            model: None,
            scaled: Scaled::new(),
            direct: false,
        };
        label.unconverted = (label.digest, self.array(node).map(|array| array.element.clone()));
        for operand in operands {
            let from = self.labels[operand.index()].clone();
            label.values.extend(from.values);
            label.masks.extend(from.masks);
            label.tables.extend(from.tables);
            label.aggregates.extend(from.aggregates);
            label.valid = self.formulas.and(label.valid, from.valid);
            label.position = label.position.max(from.position);
            for (comparison, compared) in from.thresholds {
                label.thresholds.entry(comparison).or_default().extend(compared);
            }
            label.model = label.model.or(from.model);
            label.scaled.extend(from.scaled);
        }
        if let Some(array) = self.typed.array(node) {
            label.tables.extend(array.shape.iter().flat_map(|dim| dim.rows.keys().copied()));
        }
        label
    }

    fn digest(&self, op: &Op) -> Digest {
        let dims = |dims: &[&Dim]| {
            let part = |(table, k): (&NodeId, &i64)| format!("{k}*{:?}", self.of(*table).digest);
            let one = |d: &Dim| {
                let mut rows: Vec<String> = d.rows.iter().map(part).collect();
                rows.sort();
                format!("({}+{rows:?})/{}", d.constant, d.divisor)
            };
            dims.iter().map(|d| one(d)).collect::<Vec<_>>().join(",")
        };
        let sizes = dims(&op.dims());
        let mut operands: Vec<Digest> = op.operands().iter().map(|node| self.of(*node).digest).collect();
        let detail = match op {
            Op::Load { dataset } => format!("load {dataset:?}"),
            Op::Join { left_on, right_on, alignment, .. } => format!("join {left_on:?} {right_on:?} {alignment:?}"),
            Op::Filter { .. } => "filter".into(),
            // The columns of a filtered table hold the values of the table; which are valid is known apart.
            Op::Column { table, column } => match self.typed.table(*table) {
                Some(table) => {
                    operands = vec![self.of(table.rows_of).digest];
                    let found = source_of(table, column).map(|s| (s.dataset.clone(), s.column));
                    format!("column {found:?}")
                }
                None => format!("column {column:?}"),
            },
            Op::Constant { element, shape, values } => format!("constant {element:?} {shape:?} {values:?}"),
            Op::Full { element, value, .. } => format!("full {element:?} {value:?}"),
            Op::Arange { .. } => "arange".into(),
            Op::Size { .. } => "size".into(),
            Op::Cast { element, .. } => format!("cast {element:?}"),
            Op::Unary { function, .. } => format!("{function:?}"),
            Op::Binary { function, .. } => match mirrored(*function) {
                Mirror::Same => {
                    operands.sort_unstable();
                    format!("{function:?}")
                }
                Mirror::As(other) => {
                    operands.reverse();
                    format!("{other:?}")
                }
                Mirror::None => format!("{function:?}"),
            },
            Op::Where { .. } => "where".into(),
            Op::Reduce { function, axes, keep_dims, mask, .. } => {
                format!("{function:?} {axes:?} {keep_dims} {}", mask.is_some())
            }
            Op::MatMul { .. } => "matmul".into(),
            Op::Reshape { .. } => "reshape".into(),
            Op::Transpose { axes, .. } => format!("transpose {axes:?}"),
            Op::Concatenate { axis, .. } => format!("concatenate {axis}"),
            Op::Slice { axes, .. } => format!("slice {:?}", axes.iter().map(|a| a.step).collect::<Vec<_>>()),
            Op::Windows { axis, size, .. } => format!("windows {size} {axis}"),
            Op::Sort { axis, .. } => format!("sort {axis}"),
            Op::Argsort { axis, .. } => format!("argsort {axis}"),
            Op::SortRows { .. } => "sort rows".into(),
            Op::Flip { axis, .. } => format!("flip {axis}"),
            Op::Take { axis, places, .. } => format!("take {places:?} {axis}"),
            Op::Cumsum { axis, .. } => format!("cumsum {axis}"),
            Op::Parameter { index } => format!("parameter {index}"),
            Op::Loop { body, trips, carried, .. } => {
                let block = self.typed.program().blocks.get(body.0 as usize);
                let ops: Vec<&Op> = block.iter().flat_map(|b| b.nodes.iter().map(|n| &n.op)).collect();
                let ranges: Vec<_> = carried.iter().map(|c| (c.lo, c.hi)).collect();
                format!("loop {trips} {ranges:?} {ops:?} {:?}", block.map(|b| &b.results))
            }
            Op::Item { index, .. } => format!("item {index}"),
            Op::Assume { .. } => "assume".into(),
            Op::Input { .. } => format!("input {}", self.labels.len()),
        };
        let mut parts: Vec<&[u8]> = vec![detail.as_bytes(), sizes.as_bytes()];
        parts.extend(operands.iter().map(Digest::as_slice));
        digest(&parts)
    }

    /// A condition on rows of which only its inputs are known.
    fn unknown(&mut self, label: &Label, node: NodeId, what: &[u8]) -> Formula {
        let wide = !self.one_cell_a_row(node);
        self.formulas.variable(Fact::Holds(digest(&[what, &label.digest])), label.row_sources(), wide)
    }

    /// The terms of a value that is the same in every row, or of a public one.
    fn free_terms(&self, label: &Label) -> Option<Vec<Term>> {
        let fun = Fun { digest: label.digest, sources: BTreeSet::new() };
        match label.constant {
            Some(value) => Some(vec![Term { mask: Formulas::TRUE, fun: Fun::ONE, coefficient: value }]),
            None => Some(vec![Term { mask: Formulas::TRUE, fun, coefficient: one() }]),
        }
    }

    /// One term for an operation that maps 0 to 0, where all parts of the row have the same mask.
    fn opaque_terms(&mut self, label: &Label, operands: &[NodeId]) -> Option<Vec<Term>> {
        let mut common: Option<Formula> = None;
        let mut sources = BTreeSet::new();
        for operand in operands {
            for term in self.of(*operand).terms.as_ref()? {
                if *common.get_or_insert(term.mask) != term.mask {
                    return None;
                }
                sources.extend(term.fun.sources.iter().cloned());
            }
        }
        let mask = self.formulas.and(common?, label.valid);
        Some(vec![Term { mask, fun: Fun { digest: label.digest, sources }, coefficient: one() }])
    }

    /// Keeps an aggregate, or finds the same one again.
    ///
    /// What it depends on is what its terms read, so that one count has the same sources whatever was computed beside it:
    /// the count in the mean of `x` where `c` is that of all others where `c`, if `x` is never null.
    fn aggregate(&mut self, mut aggregate: Aggregate, expression: &Digest) -> AggregateId {
        if let Some(terms) = &aggregate.terms {
            let read = |term: &Term| {
                let mask = self.formulas.sources(term.mask);
                mask.into_iter().chain(term.fun.sources.iter().cloned()).collect::<Vec<_>>()
            };
            aggregate.sources = terms.iter().flat_map(read).collect();
        }
        let what = match &aggregate.terms {
            Some(terms) => format!("{terms:?}"),
            None => format!("{expression:?}"),
        };
        let rest = format!(
            "{:?} {} {:?} {:?} {:?} {:?}",
            aggregate.order.is_some(),
            aggregate.cells,
            aggregate.row_range,
            aggregate.element,
            aggregate.position.map(|p| p.moves),
            aggregate.scaled.keys().collect::<Vec<_>>(),
        );
        let key = AggregateKey { table: aggregate.table, digest: digest(&[what.as_bytes(), rest.as_bytes()]) };
        let next = AggregateId(self.aggregates.len());
        let id = *self.known.entry(key).or_insert(next);
        if id == next {
            self.aggregates.push(aggregate);
        }
        id
    }

    fn constant(&mut self, label: &mut Label, node: NodeId, element: &Element, value: Option<Number>) {
        label.constant = value;
        if *element == Element::Bool {
            label.truth = match value {
                Some(value) if value == Number::ZERO => Some(Formulas::FALSE),
                Some(_) => Some(Formulas::TRUE),
                None => Some(self.unknown(label, node, b"true")),
            };
        }
        label.terms = self.free_terms(label);
    }

    /// The row count of a join tells how many rows match.
    fn size(&mut self, label: &mut Label, node: NodeId, of: &Dim) {
        label.tables.clear();
        for table in of.rows.keys() {
            let term = Term { mask: Formulas::TRUE, fun: Fun::ONE, coefficient: one() };
            let aggregate = Aggregate {
                node,
                table: Some(*table),
                terms: Some(vec![term]),
                sources: BTreeSet::new(),
                cells: 1,
                row_range: Interval { lo: 0, hi: 1 },
                element: Element::Int64,
                position: None,
                order: None,
                scaled: Scaled::new(),
            };
            let expression = label.digest;
            let id = self.aggregate(aggregate, &expression);
            label.aggregates.insert(id);
        }
    }

    fn same(&mut self, label: &mut Label, value: NodeId) {
        let from = self.of(value).clone();
        label.terms = from.terms;
        label.truth = from.truth;
        label.constant = from.constant;
        label.direct = from.direct;
        label.unconverted = from.unconverted;
    }

    fn binary(&mut self, label: &mut Label, node: NodeId, function: Binary, left: NodeId, right: NodeId) {
        let (a, b) = (self.of(left).clone(), self.of(right).clone());
        match function {
            Binary::Add | Binary::Subtract => {
                let sign = Number::from(if function == Binary::Add { 1 } else { -1 });
                label.terms = self.sum_terms(&a, &b, sign);
            }
            Binary::Multiply => {
                self.scale(label, node, left, right);
                label.terms = self.product_terms(&a, &b);
            }
            Binary::Divide => {
                self.scale(label, node, left, right);
                self.divide(label, node, &a, &b, right);
            }
            Binary::And | Binary::Or | Binary::Xor => self.connect(label, function, &a, &b),
            Binary::Minimum | Binary::Maximum | Binary::FloorDivide | Binary::Remainder | Binary::Power => {
                self.combine(label, node, function, left, right);
            }
            _ => self.compare(label, node, function, left, right),
        }
    }

    fn sum_terms(&mut self, a: &Label, b: &Label, sign: Number) -> Option<Vec<Term>> {
        let mut terms = a.terms.clone()?;
        let mut others = scaled_terms(b.terms.as_ref()?, sign)?;
        terms.iter_mut().for_each(|term| term.mask = self.formulas.and(term.mask, b.valid));
        others.iter_mut().for_each(|term| term.mask = self.formulas.and(term.mask, a.valid));
        terms.extend(others);
        merged(terms)
    }

    fn product_terms(&mut self, a: &Label, b: &Label) -> Option<Vec<Term>> {
        let (a, b) = (a.terms.as_ref()?, b.terms.as_ref()?);
        if a.len().checked_mul(b.len())? > MAX_TERMS {
            return None;
        }
        let mut terms = Vec::new();
        for (x, y) in a.iter().flat_map(|x| b.iter().map(move |y| (x, y))) {
            let mask = self.formulas.and(x.mask, y.mask);
            let coefficient = product(x.coefficient, y.coefficient)?;
            terms.push(Term { mask, fun: x.fun.product(&y.fun), coefficient });
        }
        merged(terms)
    }

    fn divide(&mut self, label: &mut Label, node: NodeId, a: &Label, b: &Label, divisor: NodeId) {
        let safe = self.array(divisor).is_some_and(|array| array.range.lo > 0 || array.range.hi < 0);
        if b.per_row() && !safe {
            let wide = !self.one_cell_a_row(node);
            let fact = Fact::Holds(digest(&[b"divides", &b.digest]));
            let divides = self.formulas.variable(fact, b.row_sources(), wide);
            label.valid = self.formulas.and(label.valid, divides);
        }
        let Some(terms) = &a.terms else { return };
        let quotient = |formulas: &mut Formulas, term: &Term| Term {
            mask: formulas.and(term.mask, label.valid),
            fun: Fun {
                digest: digest(&[b"quotient", &term.fun.digest, &b.digest]),
                sources: term.fun.sources.union(&b.row_sources()).cloned().collect(),
            },
            coefficient: term.coefficient,
        };
        label.terms = Some(terms.iter().map(|term| quotient(&mut self.formulas, term)).collect());
    }

    /// Notes that numbers of one owner weight rows of another (`wgt` of the note).
    fn scale(&mut self, label: &mut Label, node: NodeId, left: NodeId, right: NodeId) {
        if self.picks(left) || self.picks(right) {
            return;
        }
        let (a, b) = (self.of(left).row_sources(), self.of(right).row_sources());
        self.scale_by(label, node, &a, &b);
        self.scale_by(label, node, &b, &a);
    }

    /// Notes that all owners' numbers in a value weight one another.
    fn scale_each_other(&mut self, label: &mut Label, node: NodeId) {
        let all = label.row_sources();
        self.scale_by(label, node, &all, &all);
    }

    fn scale_by(&self, label: &mut Label, node: NodeId, scaled: &BTreeSet<Source>, weights: &BTreeSet<Source>) {
        for source in scaled {
            let owner = self.owner(source);
            for weight in weights.iter().map(|w| self.owner(w)).filter(|w| *w != owner).flatten() {
                label.scaled.entry((source.dataset.clone(), weight)).or_insert(node);
            }
        }
    }

    /// Whether a number is 0 or 1 in every row, so that a product with it picks rows.
    fn picks(&self, node: NodeId) -> bool {
        self.array(node).is_some_and(|array| {
            let whole = matches!(array.element, Element::Bool | Element::Int64);
            whole && array.range.lo >= 0 && array.range.hi <= 1
        })
    }

    pub(super) fn owner(&self, source: &Source) -> Option<crate::PartyId> {
        self.typed.datasets().get(&source.dataset).map(|dataset| dataset.owner)
    }

    fn join(&mut self, label: &mut Label, alignment: Alignment) {
        if alignment == Alignment::Private {
            let fact = Fact::Holds(digest(&[b"member", &label.digest]));
            let member = self.formulas.variable(fact, BTreeSet::new(), false);
            label.valid = self.formulas.and(label.valid, member);
        }
    }

    fn filter(&mut self, label: &mut Label, table: NodeId, mask: NodeId) {
        let truth = self.of(mask).truth.unwrap_or(Formulas::FALSE);
        label.valid = self.formulas.and(self.of(table).valid, truth);
    }

    fn column(&mut self, label: &mut Label, node: NodeId, table: NodeId, column: &str) {
        let Some(found) = self.typed.table(table).and_then(|t| source_of(t, column)) else { return };
        let schema = self.typed.datasets().get(&found.dataset).and_then(|d| d.schema.column(&found.column));
        label.values.insert(found.clone());
        if schema.is_none_or(|column| column.nullable) {
            let filled = Label { values: BTreeSet::from([found.clone()]), masks: BTreeSet::new(), ..label.clone() };
            let filled = self.unknown(&filled, node, b"filled");
            label.valid = self.formulas.and(label.valid, filled);
        }
        let fun = Fun { digest: label.digest, sources: BTreeSet::from([found]) };
        label.terms = Some(vec![Term { mask: label.valid, fun, coefficient: one() }]);
        if schema.is_none_or(|column| column.element == Element::Bool) {
            let alone = Label { masks: BTreeSet::new(), ..label.clone() };
            let holds = self.unknown(&alone, node, b"true");
            label.truth = Some(self.formulas.and(label.valid, holds));
        }
    }
}

/// The column that a name means in a table.
pub(super) fn source_of(table: &crate::program::types::TableType, column: &str) -> Option<Source> {
    let short = |dataset: &str| dataset.rsplit('/').next().unwrap_or(dataset).to_owned();
    let plain: Vec<_> = table.columns.iter().filter(|c| c.name == column).collect();
    let qualified = table.columns.iter().filter(|c| format!("{}.{}", short(&c.dataset), c.name) == column);
    let full = table.columns.iter().filter(|c| format!("{}.{}", c.dataset, c.name) == column);
    let found = plain.into_iter().chain(qualified).chain(full).next()?;
    Some(Source { dataset: found.dataset.clone(), column: found.name.clone() })
}

/// How a binary operation reads with its operands exchanged.
enum Mirror {
    Same,
    As(Binary),
    None,
}

fn mirrored(function: Binary) -> Mirror {
    match function {
        Binary::Add | Binary::Multiply | Binary::Equal | Binary::NotEqual | Binary::And | Binary::Or | Binary::Xor => {
            Mirror::Same
        }
        Binary::Minimum | Binary::Maximum => Mirror::Same,
        Binary::Greater => Mirror::As(Binary::Less),
        Binary::GreaterEqual => Mirror::As(Binary::LessEqual),
        _ => Mirror::None,
    }
}

fn axis(dim: &Dim) -> Axis {
    let dim = dim.normalised();
    match (dim.as_fixed(), dim.rows.first_key_value()) {
        (Some(size), _) => Axis::Fixed(size),
        (None, Some((table, 1))) if dim == Dim::rows_of(*table) => Axis::Rows(*table),
        _ => Axis::Mixed,
    }
}

fn one() -> Number {
    Number::from(1)
}

fn product(a: Number, b: Number) -> Option<Number> {
    Number::new(a.mantissa().checked_mul(b.mantissa())?, a.scale().checked_add(b.scale())?)
}

fn scaled_terms(terms: &[Term], factor: Number) -> Option<Vec<Term>> {
    let scaled = |term: &Term| Some(Term { coefficient: product(term.coefficient, factor)?, ..term.clone() });
    terms.iter().map(scaled).collect()
}

/// The terms in order, those of one mask and function added up, without zeros. `None` when there are too many.
fn merged(terms: Vec<Term>) -> Option<Vec<Term>> {
    let mut sums: BTreeMap<(Formula, Fun), Number> = BTreeMap::new();
    for term in terms {
        let sum = sums.entry((term.mask, term.fun)).or_insert(Number::ZERO);
        let scale = sum.scale().max(term.coefficient.scale());
        let (a, b) = (sum.at_scale(scale)?, term.coefficient.at_scale(scale)?);
        *sum = Number::new(a.checked_add(b)?, scale)?;
    }
    let kept = sums.into_iter().filter(|((mask, _), c)| *c != Number::ZERO && *mask != Formulas::FALSE);
    let terms: Vec<Term> = kept.map(|((mask, fun), coefficient)| Term { mask, fun, coefficient }).collect();
    (terms.len() <= MAX_TERMS).then_some(terms)
}
