//! Reductions, products and moves: what happens to the rows' axis.

use std::collections::BTreeSet;

use crate::program::types::Interval;
use crate::program::{BlockId, Dim, NodeId, Op, Reduction, SliceAxis};
use crate::schema::Element;

use super::{Axis, Labels, one};
use crate::program::disclosure::formula::Formulas;
use crate::program::disclosure::label::{Aggregate, AggregateId, Fun, Label, Position, Scaled, Term};

/// What a reduction does to the rows of its operand.
enum Rows {
    /// It works within each row.
    Within,
    /// It adds up all rows of one table.
    Across(NodeId),
    /// It adds up rows that were picked by their place and have no axis of their own.
    Picked,
    /// It adds up rows that have lost their place, or some of those of several tables.
    Moved,
}

impl Labels<'_> {
    pub(super) fn reduce(
        &mut self,
        mut label: Label,
        node: NodeId,
        function: Reduction,
        value: NodeId,
        axes: &[u8],
        mask: Option<NodeId>,
    ) -> Label {
        if let Some(mask) = mask {
            let (from, by) = (self.of(value).clone(), self.of(mask).row_sources());
            label.values = from.values;
            label.masks = from.masks.union(&by).cloned().collect();
        }
        if !label.per_row() {
            if function == Reduction::Argmax && !label.aggregates.is_empty() {
                label.thresholds.entry(node).or_default().extend(label.aggregates.iter().copied());
            }
            return label;
        }
        let kinds = self.axes(value);
        let reduced = |axis: usize| axes.is_empty() || axes.iter().any(|a| usize::from(*a) == axis);
        let rows = rows_of_reduction(&kinds, reduced);
        if matches!(rows, Rows::Within) {
            if matches!(function, Reduction::Min | Reduction::Max) {
                // The least of two owners' numbers lets one owner choose which of the other's count.
                self.scale_each_other(&mut label, node);
            }
            let operands: Vec<NodeId> = [Some(value), mask].into_iter().flatten().collect();
            label.terms = match function {
                Reduction::Count | Reduction::Argmax => None,
                _ => self.opaque_terms(&label, &operands),
            };
            return label;
        }
        let left = self.array(node).map(|a| a.shape.iter().map(|dim| self.typed.bound(dim)).collect::<Vec<_>>());
        let cells = left.unwrap_or_default().into_iter().fold(1_u64, u64::saturating_mul);
        let truth = match mask {
            Some(mask) => self.of(mask).truth,
            None => Some(Formulas::TRUE),
        };
        let from = self.of(value).clone();
        let selected = truth.map(|truth| self.formulas.and(from.valid, truth));
        let counted = selected.map(|mask| vec![Term { mask, fun: Fun::ONE, coefficient: one() }]);
        let summed = match (&from.terms, truth) {
            (Some(terms), Some(truth)) => Some(
                terms.iter().map(|t| Term { mask: self.formulas.and(t.mask, truth), ..t.clone() }).collect::<Vec<_>>(),
            ),
            _ => None,
        };
        let (range, element) = self.row_range(value);
        let count = (counted, Interval { lo: 0, hi: 1 }, Element::Int64);
        let parts = match function {
            Reduction::Count => vec![count],
            Reduction::Mean => vec![(summed, range, element), count],
            // It follows from these three.
            Reduction::Var => {
                let squares = self.product_terms(&from, &from).zip(truth).map(|(terms, truth)| {
                    terms.into_iter().map(|t| Term { mask: self.formulas.and(t.mask, truth), ..t }).collect()
                });
                let (squared, step) = product_range((range, element.clone()), (range, element.clone()));
                vec![(summed, range, element), (squares, squared, step), count]
            }
            _ => vec![(summed, range, element)],
        };
        let order = matches!(function, Reduction::Min | Reduction::Max | Reduction::Argmax).then_some(node);
        let direct = label.aggregates.is_empty();
        let mut ids = BTreeSet::new();
        for (terms, row_range, element) in parts {
            ids.insert(self.aggregate_rows(&label, node, &rows, (terms, row_range, element), cells, order));
        }
        aggregated(label, ids, direct)
    }

    pub(super) fn matmul(&mut self, mut label: Label, node: NodeId, left: NodeId, right: NodeId) -> Label {
        self.scale(&mut label, node, left, right);
        if !label.per_row() {
            return label;
        }
        let (a, b) = (self.axes(left), self.axes(right));
        let (last, first) = (a.len().saturating_sub(1), b.len().saturating_sub(2));
        let rest = |axes: &[Axis], without: usize| {
            axes.iter().enumerate().any(|(i, axis)| i != without && !matches!(axis, Axis::Fixed(_)))
        };
        let (rest_left, rest_right) = (rest(&a, last), rest(&b, first));
        let rows = match a.get(last) {
            Some(Axis::Fixed(_)) | None => {
                label.terms = self.opaque_terms(&label, &[left, right]);
                return label;
            }
            Some(Axis::Rows(table)) if !rest_left && !rest_right => Rows::Across(*table),
            Some(_) => Rows::Moved,
        };
        let (from, with) = (self.of(left).clone(), self.of(right).clone());
        let terms = self.product_terms(&from, &with);
        let array = self.array(node).cloned();
        let cells = array.as_ref().map_or(1, |array| self.typed.cells_bound(array));
        let (x, y) = (self.row_range(left), self.row_range(right));
        let (range, element) = product_range(x, y);
        let direct = label.aggregates.is_empty();
        let id = self.aggregate_rows(&label, node, &rows, (terms, range, element), cells, None);
        let position = label.position;
        let tables = label.tables.clone();
        let mut done = aggregated(label, BTreeSet::from([id]), direct);
        for (stays, operand) in [(rest_left, from), (rest_right, with)] {
            if stays {
                done.values.extend(operand.values);
                done.masks.extend(operand.masks);
                done.tables.extend(tables.iter().copied());
                done.position = position.or(Some(Position { moves: true, node }));
                done.direct = false;
            }
        }
        done
    }

    pub(super) fn reshape(&mut self, label: &mut Label, node: NodeId, value: NodeId) {
        let from = self.of(value).clone();
        let (before, after) = (self.axes(value), self.axes(node));
        if !from.per_row() {
            label.direct = from.direct;
            label.constant = from.constant;
            label.truth = from.truth;
            label.terms = from.constant.and(from.terms);
            return;
        }
        // The rows stay apart where everything before their axis has size 1.
        let kept = matches!((leading_rows(&before), leading_rows(&after)), (Some(a), Some(b)) if a == b);
        if !kept {
            label.position = Some(Position { moves: true, node });
            return;
        }
        label.terms = from.terms;
        if self.one_cell_a_row(value) {
            label.truth = from.truth;
            label.constant = from.constant;
            label.unconverted = from.unconverted;
        }
    }

    pub(super) fn transpose(&mut self, label: &mut Label, value: NodeId) {
        let from = self.of(value).clone();
        label.direct = from.direct;
        label.constant = from.constant;
        if self.axes(value).len() < 2 || !from.per_row() {
            label.truth = from.truth;
        }
        label.terms = from.terms;
    }

    pub(super) fn concatenate(&mut self, label: &mut Label, node: NodeId, values: &[NodeId], axis: usize) {
        if !label.per_row() {
            label.direct = values.iter().all(|value| self.of(*value).direct);
            return;
        }
        let along = values.iter().map(|value| self.axes(*value).get(axis).copied());
        if along.into_iter().any(|axis| !matches!(axis, Some(Axis::Fixed(_)))) {
            label.position = Some(Position { moves: true, node });
            return;
        }
        label.terms = self.opaque_terms(label, values);
    }

    pub(super) fn slice(&mut self, label: &mut Label, node: NodeId, value: NodeId, parts: &[SliceAxis]) {
        let from = self.of(value).clone();
        if !from.per_row() {
            label.direct = from.direct;
            label.constant = from.constant;
            return;
        }
        let shape = self.array(value).map(|array| array.shape.clone()).unwrap_or_default();
        let whole = |dim: &Dim, part: &SliceAxis| {
            part.step == 1 && part.start.same_as(&Dim::fixed(0)) && part.stop.same_as(dim)
        };
        let mut all = true;
        for ((dim, kind), part) in shape.iter().zip(self.axes(value)).zip(parts) {
            if whole(dim, part) {
                continue;
            }
            all = false;
            if !matches!(kind, Axis::Fixed(_)) {
                label.position = label.position.max(Some(Position { moves: false, node }));
                return;
            }
        }
        if all {
            label.terms = from.terms;
            label.truth = from.truth;
            label.unconverted = from.unconverted;
        } else {
            label.terms = self.opaque_terms(label, &[value]);
        }
    }

    /// Sums up to each row have a row many times; those within a row have cells that may be invalid, and no terms.
    pub(super) fn cumulated(&mut self, label: &mut Label, node: NodeId, value: NodeId, axis: usize) {
        if self.of(value).per_row() && !matches!(self.axes(value).get(axis), Some(Axis::Fixed(_))) {
            label.position = Some(Position { moves: true, node });
        }
    }

    /// Windows over rows have a row many times; what is taken of them, or turned round, lies elsewhere.
    pub(super) fn windows(&mut self, label: &mut Label, node: NodeId, value: NodeId, axis: usize) {
        let from = self.of(value).clone();
        if !from.per_row() {
            label.direct = from.direct;
            label.constant = from.constant;
        } else if matches!(self.axes(value).get(axis), Some(Axis::Fixed(_))) {
            label.terms = self.opaque_terms(label, &[value]);
        } else {
            label.position = Some(Position { moves: true, node });
        }
    }

    /// Sorted rows lie where their values tell.
    pub(super) fn sorted(&mut self, label: &mut Label, node: NodeId, of: &[NodeId]) {
        if of.iter().any(|operand| self.of(*operand).per_row()) {
            label.position = Some(Position { moves: true, node });
        }
    }

    /// A value that goes round a loop depends on all that the body lets flow into it.
    pub(super) fn repeat(
        &mut self,
        label: &mut Label,
        node: NodeId,
        body: BlockId,
        initial: &[NodeId],
        captured: &[NodeId],
    ) {
        let operands: Vec<NodeId> = initial.iter().chain(captured).copied().collect();
        let flows = self.flows(body, initial.len(), operands.len());
        let mut items = Vec::new();
        for flow in flows {
            let parts: Vec<Label> = flow.iter().map(|at| self.of(operands[*at]).clone()).collect();
            let mut item = Label { terms: None, truth: None, constant: None, direct: false, ..label.clone() };
            item.values = parts.iter().flat_map(|p| p.values.iter().cloned()).collect();
            item.masks = parts.iter().flat_map(|p| p.masks.iter().cloned()).collect();
            item.tables = parts.iter().flat_map(|p| p.tables.iter().copied()).collect();
            item.aggregates = parts.iter().flat_map(|p| p.aggregates.iter().copied()).collect();
            let data = item.per_row() || !item.aggregates.is_empty();
            item.model = data.then_some(node);
            items.push(item);
        }
        label.model = items.iter().find_map(|item| item.model);
        self.items.insert(node, items);
    }

    pub(super) fn item(&mut self, label: Label, of: NodeId, index: u32) -> Label {
        let digest = label.digest;
        let item = self.items.get(&of).and_then(|items| items.get(index as usize)).cloned();
        let mut item = item.unwrap_or(label.clone());
        item.tables.extend(label.tables);
        item.digest = digest;
        item.unconverted.0 = digest;
        item
    }

    /// For each carried value, the operands that flow into it, as places among them.
    fn flows(&self, body: BlockId, carried: usize, operands: usize) -> Vec<BTreeSet<usize>> {
        let mut flows: Vec<BTreeSet<usize>> = (0..carried).map(|at| BTreeSet::from([at])).collect();
        let Some(block) = self.typed.program().blocks.get(body.0 as usize) else {
            return vec![(0..operands).collect(); carried];
        };
        loop {
            let mut nodes: Vec<BTreeSet<usize>> = Vec::new();
            for node in &block.nodes {
                nodes.push(match &node.op {
                    Op::Parameter { index } if (*index as usize) < carried => flows[*index as usize].clone(),
                    Op::Parameter { index } => Some(*index as usize).filter(|at| *at < operands).into_iter().collect(),
                    op => op.operands().iter().flat_map(|o| nodes[o.index()].iter().copied()).collect(),
                });
            }
            let mut changed = false;
            for (flow, result) in flows.iter_mut().zip(&block.results) {
                let before = flow.len();
                flow.extend(nodes[result.index()].iter().copied());
                changed |= flow.len() > before;
            }
            if !changed {
                return flows;
            }
        }
    }

    fn row_range(&self, node: NodeId) -> (Interval, Element) {
        match self.array(node) {
            Some(array) => (array.range, array.element.clone()),
            None => (Interval { lo: i128::MIN, hi: i128::MAX }, Element::Int64),
        }
    }

    fn aggregate_rows(
        &mut self,
        label: &Label,
        node: NodeId,
        rows: &Rows,
        (terms, row_range, element): (Option<Vec<Term>>, Interval, Element),
        cells: u64,
        order: Option<NodeId>,
    ) -> AggregateId {
        let position = match rows {
            Rows::Moved => Some(Position { moves: true, node }),
            Rows::Picked => label.position.or(Some(Position { moves: true, node })),
            Rows::Within | Rows::Across(_) => label.position,
        };
        let table = if let Rows::Across(table) = rows { Some(*table) } else { None };
        let aggregate = Aggregate {
            node,
            table,
            terms: terms.and_then(super::merged).filter(|_| table.is_some() && label.tables.len() <= 1),
            sources: label.row_sources(),
            cells,
            row_range,
            element,
            position,
            order,
            scaled: label.scaled.clone(),
        };
        self.aggregate(aggregate, &label.digest)
    }
}

fn rows_of_reduction(kinds: &[Axis], reduced: impl Fn(usize) -> bool) -> Rows {
    let varying: Vec<(usize, Axis)> =
        kinds.iter().copied().enumerate().filter(|(_, axis)| !matches!(axis, Axis::Fixed(_))).collect();
    match varying.as_slice() {
        [(axis, Axis::Rows(table))] if reduced(*axis) => Rows::Across(*table),
        [(_, Axis::Rows(_))] => Rows::Within,
        [] => Rows::Picked,
        _ => Rows::Moved,
    }
}

/// The table whose rows are the first axis that is not 1, and how many cells each has before the next.
fn leading_rows(axes: &[Axis]) -> Option<NodeId> {
    let mut axes = axes.iter().skip_while(|axis| **axis == Axis::Fixed(1));
    match axes.next() {
        Some(Axis::Rows(table)) => axes.all(|axis| matches!(axis, Axis::Fixed(_))).then_some(*table),
        _ => None,
    }
}

/// The label after the rows were added up.
fn aggregated(label: Label, ids: BTreeSet<AggregateId>, direct: bool) -> Label {
    let mut aggregates = label.aggregates.clone();
    aggregates.extend(ids);
    Label {
        values: BTreeSet::new(),
        masks: BTreeSet::new(),
        tables: BTreeSet::new(),
        aggregates,
        terms: None,
        truth: None,
        constant: None,
        position: None,
        scaled: Scaled::new(),
        direct,
        ..label
    }
}

fn product_range((a, x): (Interval, Element), (b, y): (Interval, Element)) -> (Interval, Element) {
    let ends = [(a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi)].map(|(a, b)| a.saturating_mul(b));
    let range = Interval { lo: ends.into_iter().min().unwrap_or(0), hi: ends.into_iter().max().unwrap_or(0) };
    let decimals = |element: &Element| match element {
        Element::Decimal { scale } => Some(*scale),
        element if element.is_float() => None,
        _ => Some(0),
    };
    match (decimals(&x), decimals(&y)) {
        // The product counts in products of both steps, which is finer than its own: the larger range is kept.
        (Some(a), Some(b)) => (range, Element::Decimal { scale: a.saturating_add(b) }),
        _ => (range, if x.precision() > y.precision() { x } else { y }.to_float()),
    }
}
