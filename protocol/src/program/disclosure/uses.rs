//! Which columns a program uses for what, and how it aligns rows, against the policies (CHK-209, CHK-210).
//!
//! All nodes count, also those that no output reads: an engine may compute them.

use std::collections::{BTreeMap, BTreeSet};

use crate::Code;
use crate::program::rules::{ColumnUse, DatasetRules, Refusal};
use crate::program::{Alignment, Binary, NodeId, Op, Reduction, Unary};

use super::judge::{describe, refusal};
use super::label::{Fun, Source};
use super::transfer::{Labels, source_of, steps};

/// What the policies say about columns and alignment, before anything is released.
pub(super) fn check(labels: &Labels<'_>, rules: &BTreeMap<String, DatasetRules>) -> Vec<Refusal> {
    let denied = DatasetRules::default();
    let rules_of = |dataset: &str| rules.get(dataset).unwrap_or(&denied);
    let mut refusals = alignments(labels, rules);
    let mut told = BTreeSet::new();
    for (source, usage, node) in uses(labels) {
        let place = describe(labels, node);
        let column = &source.column;
        match (rules_of(&source.dataset).columns.get(column), usage) {
            (None, _) if told.insert((source.clone(), None)) => {
                let refusal = refusal(
                    labels,
                    &source.dataset,
                    Code::new("POLICY_COLUMN"),
                    format!("columns.{column}"),
                    format!("{place} uses the column {column:?}, which the policy does not offer"),
                    format!("leave {column:?} out, or ask the owner to list it under `columns`"),
                );
                refusals.push(refusal.at(node));
            }
            (Some(allowed), Some(usage))
                if !allowed.uses.contains(&usage) && told.insert((source.clone(), Some(usage))) =>
            {
                let word = word(usage);
                let refusal = refusal(
                    labels,
                    &source.dataset,
                    Code::new("POLICY_OPERATION"),
                    format!("columns.{column}.uses"),
                    format!("{place} uses {column:?} for `{word}`, which the policy does not allow"),
                    format!("leave that step out, or ask the owner to add `{word}` to the uses of {column:?}"),
                );
                refusals.push(refusal.at(node));
            }
            _ => {}
        }
    }
    refusals
}

fn alignments(labels: &Labels<'_>, rules: &BTreeMap<String, DatasetRules>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (index, node) in labels.typed.program().nodes.iter().enumerate() {
        let Op::Join { alignment, .. } = &node.op else { continue };
        let node = node_id(index);
        let word = if *alignment == Alignment::Revealed { "revealed" } else { "private" };
        for dataset in labels.datasets_of(node) {
            if rules.get(&dataset).is_none_or(|rules| !rules.alignments.contains(alignment)) {
                let refusal = refusal(
                    labels,
                    &dataset,
                    Code::new("POLICY_ALIGNMENT"),
                    "alignment".into(),
                    format!("{} joins with {word} alignment, which the policy does not allow", describe(labels, node)),
                    format!("join with another alignment, or ask the owner to add `{word}` to `alignment`"),
                );
                refusals.push(refusal.at(node));
            }
        }
    }
    refusals
}

/// Each use of a column and where; none: that the column is named at all.
fn uses(labels: &Labels<'_>) -> Vec<(Source, Option<ColumnUse>, NodeId)> {
    let mut uses = Vec::new();
    for (index, node) in labels.typed.program().nodes.iter().enumerate() {
        let id = node_id(index);
        let mut found = Uses { labels, id, uses: &mut uses };
        match &node.op {
            Op::Join { left, right, left_on, right_on, .. } => {
                for (table, on) in [(left, left_on), (right, right_on)] {
                    let source = labels.typed.table(*table).and_then(|table| source_of(table, on));
                    found.add(source, Some(ColumnUse::Join));
                }
            }
            Op::Column { table, column } => {
                let source = labels.typed.table(*table).and_then(|table| source_of(table, column));
                found.add(source, None);
            }
            Op::Filter { mask, .. } => found.all(*mask, ColumnUse::Filter),
            Op::Where { condition, .. } => found.all(*condition, ColumnUse::Filter),
            Op::Binary { function, left, right } => {
                [*left, *right].map(|o| found.binary(*function, o)).into_iter().collect()
            }
            Op::Unary { function: Unary::Not, value } => found.all(*value, ColumnUse::Filter),
            Op::Unary { function, value } => {
                found.values(*value, ColumnUse::Arithmetic);
                if steps(*function) {
                    found.all(*value, ColumnUse::Filter);
                }
            }
            Op::MatMul { left, right } => [*left, *right].map(|o| found.product(o)).into_iter().collect(),
            Op::Reduce { function, value, mask, .. } => found.reduce(*function, *value, *mask),
            Op::Loop { body, .. } => {
                // What the body does may be done to all that flows in.
                let block = labels.typed.program().blocks.get(body.0 as usize);
                let kinds: BTreeSet<ColumnUse> =
                    block.iter().flat_map(|b| &b.nodes).flat_map(|n| uses_of(&n.op)).collect();
                for operand in node.op.operands() {
                    kinds.iter().for_each(|usage| found.all(operand, *usage));
                }
            }
            _ => {}
        }
    }
    uses
}

struct Uses<'a, 'p> {
    labels: &'a Labels<'p>,
    id: NodeId,
    uses: &'a mut Vec<(Source, Option<ColumnUse>, NodeId)>,
}

impl Uses<'_, '_> {
    fn add(&mut self, sources: impl IntoIterator<Item = Source>, usage: Option<ColumnUse>) {
        let id = self.id;
        self.uses.extend(sources.into_iter().map(|source| (source, usage, id)));
    }

    fn values(&mut self, node: NodeId, usage: ColumnUse) {
        self.add(self.labels.of(node).values.clone(), Some(usage));
    }

    fn masks(&mut self, node: NodeId, usage: ColumnUse) {
        self.add(self.labels.of(node).masks.clone(), Some(usage));
    }

    fn all(&mut self, node: NodeId, usage: ColumnUse) {
        self.add(self.labels.of(node).row_sources(), Some(usage));
    }

    fn binary(&mut self, function: Binary, operand: NodeId) {
        match function {
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide => {
                self.values(operand, ColumnUse::Arithmetic);
            }
            Binary::Minimum | Binary::Maximum | Binary::Power => self.values(operand, ColumnUse::Arithmetic),
            Binary::FloorDivide | Binary::Remainder => {
                self.values(operand, ColumnUse::Arithmetic);
                self.all(operand, ColumnUse::Filter);
            }
            _ => self.all(operand, ColumnUse::Filter),
        }
    }

    fn product(&mut self, operand: NodeId) {
        self.values(operand, ColumnUse::Arithmetic);
        self.values(operand, ColumnUse::Sum);
        self.masks(operand, ColumnUse::Count);
    }

    fn reduce(&mut self, function: Reduction, value: NodeId, mask: Option<NodeId>) {
        if let Some(mask) = mask {
            self.all(mask, ColumnUse::Filter);
        }
        let counts = match function {
            Reduction::Sum => {
                self.values(value, ColumnUse::Sum);
                let label = self.labels.of(value);
                label.terms.as_ref().is_none_or(|terms| terms.iter().any(|term| term.fun == Fun::ONE))
            }
            // A mean releases the count that it divides by (security note, finding 4).
            Reduction::Mean => {
                self.values(value, ColumnUse::Mean);
                true
            }
            // And a variance releases the mean of squares beside.
            Reduction::Var => {
                self.values(value, ColumnUse::Mean);
                self.values(value, ColumnUse::Arithmetic);
                true
            }
            Reduction::Count => {
                self.values(value, ColumnUse::Count);
                true
            }
            Reduction::Min | Reduction::Max | Reduction::Argmax => {
                self.all(value, ColumnUse::Order);
                false
            }
        };
        if counts {
            self.masks(value, ColumnUse::Count);
            if let Some(mask) = mask {
                self.all(mask, ColumnUse::Count);
            }
        }
    }
}

fn uses_of(op: &Op) -> Vec<ColumnUse> {
    match op {
        Op::Binary { function, .. } => match function {
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide => vec![ColumnUse::Arithmetic],
            Binary::Minimum | Binary::Maximum | Binary::Power => vec![ColumnUse::Arithmetic],
            Binary::FloorDivide | Binary::Remainder => vec![ColumnUse::Arithmetic, ColumnUse::Filter],
            _ => vec![ColumnUse::Filter],
        },
        Op::Unary { function: Unary::Not, .. } | Op::Where { .. } => vec![ColumnUse::Filter],
        Op::Unary { function, .. } if steps(*function) => vec![ColumnUse::Arithmetic, ColumnUse::Filter],
        Op::Unary { .. } => vec![ColumnUse::Arithmetic],
        Op::MatMul { .. } => vec![ColumnUse::Arithmetic, ColumnUse::Sum],
        Op::Reduce { function, .. } => match function {
            Reduction::Sum => vec![ColumnUse::Sum],
            Reduction::Mean => vec![ColumnUse::Mean],
            Reduction::Var => vec![ColumnUse::Mean, ColumnUse::Arithmetic],
            Reduction::Count => vec![ColumnUse::Count],
            Reduction::Min | Reduction::Max | Reduction::Argmax => vec![ColumnUse::Order],
        },
        _ => Vec::new(),
    }
}

fn word(usage: ColumnUse) -> &'static str {
    match usage {
        ColumnUse::Join => "join",
        ColumnUse::Filter => "filter",
        ColumnUse::Arithmetic => "arithmetic",
        ColumnUse::Sum => "sum",
        ColumnUse::Mean => "mean",
        ColumnUse::Count => "count",
        ColumnUse::Order => "order",
    }
}

fn node_id(index: usize) -> NodeId {
    NodeId(u32::try_from(index).expect("validated: at most limits::NODES nodes"))
}
