//! Rule R13: values that go round a loop and depend on foreign rows, as the weights of a model do.
//!
//! Refitting with one row removed isolates that row, so a policy has to grant models, and then: all rows of one table go
//! in, by functions that are the same for each; 50 of them stand behind each parameter, and the policy's minimum behind all;
//! and a coalition gets one fit of a dataset in a job and in the policy's window. That factor is a heuristic (note §7).

use std::collections::BTreeSet;

use crate::program::release::ReleaseSpec;
use crate::program::rules::Refusal;
use crate::program::{Alignment, Binary, NodeId, Op, Reduction, TypedProgram, Unary};

use super::judge::{Judge, describe};
use super::label::{Digest, Label};
use super::transfer::{self, Axis};

/// Rows behind each parameter.
const ROWS_A_PARAMETER: u64 = 50;

/// Whether a program carries values of datasets round a loop, so that an owner's operator has to approve it.
pub fn releases_model(typed: &TypedProgram) -> bool {
    let labels = transfer::labels(typed);
    (0..labels.labels.len()).any(|at| labels.labels[at].model.is_some())
}

impl Judge<'_, '_> {
    /// Why the loop at a node may not tell what it carries of a dataset, if it may not.
    pub(super) fn model(&self, dataset: &str, at: NodeId) -> Option<Refusal> {
        let place = describe(self.labels, at);
        let refuse =
            |cause: String, change: String| Some(self.refuse(dataset, "DISCLOSURE_MODEL", "R13", cause, change).at(at));
        if !self.rules.get(dataset).is_some_and(|rules| rules.model) {
            let cause = format!("{place} carries values round a loop that depend on its rows, as a model's weights do");
            let change = "write the steps out without a loop, or ask the owner to grant `release.model`";
            return refuse(cause, change.into());
        }
        if let Some(fault) = self.shape_of_fit(dataset, at) {
            let change = "carry only sums over all rows of one table, by arithmetic on its numbers, without conditions";
            return refuse(format!("{place} {fault}"), change.into());
        }
        let (needed, least) = (self.rows_needed(at), self.minimum(dataset));
        let rows = self.rows_behind(at);
        if rows < needed.max(least) {
            let needed = needed.max(least);
            let cause = format!("{place} fits parameters that need {needed} rows behind them, and has {rows} at most");
            let change = format!(
                "fit fewer parameters, or use more rows: {ROWS_A_PARAMETER} stand behind each, and {least} behind all"
            );
            return refuse(cause, change);
        }
        if self.fits_of(dataset).len() > 1 {
            let cause = format!("{place} is one of several fits of its rows, each of which is an equation about them");
            return refuse(cause, "let one loop fit all parameters, or fit one model in a job".into());
        }
        if self.history.has_other_model(self.coalition.receiver, dataset, &self.labels.of(at).digest) {
            let cause = format!("{place} is another fit of its rows; what differs between two fits is one row's part");
            return refuse(cause, "wait until the earlier fit has left the policy's `query.window_days`".into());
        }
        None
    }

    /// A fit is released as it is: what is computed from it and from rows again may be one of them.
    pub(super) fn computed_from_fit(&self, dataset: &str, value: NodeId, name: &str) -> Option<Refusal> {
        if matches!(&self.labels.typed.program().nodes[value.index()].op, Op::Item { .. }) {
            return None;
        }
        let place = describe(self.labels, value);
        let cause = format!("`{name}` ({place}) is computed from what went round a loop");
        let change = format!("release what the loop gives instead of `{name}`, and compute with it afterwards");
        Some(self.refuse(dataset, "DISCLOSURE_MODEL", "R13", cause, change).at(value))
    }

    /// What of a loop is no plain fit of all rows.
    fn shape_of_fit(&self, dataset: &str, at: NodeId) -> Option<&'static str> {
        let Op::Loop { body, carried, captured, .. } = &self.labels.typed.program().nodes[at.index()].op else {
            return Some("is no loop");
        };
        let block = self.labels.typed.program().blocks.get(body.0 as usize)?;
        if !block.nodes.iter().all(|node| is_plain(&node.op)) {
            return Some("does more with rows than arithmetic and sums");
        }
        if !self.labels.axes(at).is_empty() || self.results_have_rows(at) {
            return Some("carries values of single rows");
        }
        let operands: Vec<&Label> =
            carried.iter().map(|c| c.initial).chain(captured.iter().copied()).map(|o| self.labels.of(o)).collect();
        let of_rows: Vec<&&Label> = operands.iter().filter(|label| label.per_row()).collect();
        if of_rows.iter().any(|label| !label.masks.is_empty() || label.position.is_some() || label.terms.is_none()) {
            return Some("reads rows that were picked or moved");
        }
        if operands.iter().any(|label| !label.thresholds.is_empty() || label.model.is_some_and(|other| other != at)) {
            return Some("reads what was compared or fitted before");
        }
        let own = of_rows.iter().flat_map(|label| label.row_sources()).any(|source| !self.is_foreign(&source.dataset));
        if own && !self.rules.get(dataset).is_some_and(|rules| rules.weighted) {
            return Some("weights rows with the receiver's own numbers, which takes `release.weighted`");
        }
        let tables = self.tables_of(at);
        let private = |table: &NodeId| self.labels.joins_of(*table).iter().any(|(_, a)| *a == Alignment::Private);
        (tables.len() != 1 || tables.iter().any(private))
            .then_some("needs the rows of one table, whose number is known")
    }

    /// The different loops that carry what depends on a dataset.
    fn fits_of(&self, dataset: &str) -> BTreeSet<Digest> {
        let nodes = (0..self.labels.labels.len()).filter_map(|at| u32::try_from(at).ok().map(NodeId));
        let loops = nodes.filter(|node| self.labels.of(*node).model == Some(*node));
        let of_dataset = loops.filter(|node| self.loop_datasets(*node).contains(dataset));
        of_dataset.map(|node| self.labels.of(node).digest).collect()
    }

    fn results_have_rows(&self, at: NodeId) -> bool {
        let nodes = (0..self.labels.labels.len()).filter_map(|at| u32::try_from(at).ok().map(NodeId));
        let mut items = nodes.filter(
            |node| matches!(&self.labels.typed.program().nodes[node.index()].op, Op::Item { of, .. } if *of == at),
        );
        items.any(|item| self.labels.axes(item).iter().any(|axis| !matches!(axis, Axis::Fixed(_))))
    }

    /// The tables whose rows go into a loop.
    fn tables_of(&self, at: NodeId) -> BTreeSet<NodeId> {
        let operands = self.labels.typed.program().nodes[at.index()].op.operands();
        operands.iter().flat_map(|operand| self.labels.of(*operand).tables.iter().copied()).collect()
    }

    /// How many rows must stand behind what a loop carries.
    fn rows_needed(&self, at: NodeId) -> u64 {
        let Op::Loop { carried, .. } = &self.labels.typed.program().nodes[at.index()].op else { return u64::MAX };
        let cells = |node: NodeId| self.labels.array(node).map_or(1, |array| self.labels.typed.cells_bound(array));
        let parameters = carried.iter().map(|c| cells(c.initial)).fold(0_u64, u64::saturating_add);
        parameters.saturating_mul(ROWS_A_PARAMETER)
    }

    fn rows_behind(&self, at: NodeId) -> u64 {
        let bounds = self.labels.typed.row_bounds();
        self.tables_of(at).iter().map(|table| bounds.get(table).copied().unwrap_or(0)).min().unwrap_or(0)
    }

    /// The loops of which an output is an item, with what they carry of foreign datasets.
    fn granted_models(&self) -> BTreeSet<NodeId> {
        let outputs = self.coalition.outputs.iter().map(|place| {
            let output = &self.labels.typed.program().outputs[*place];
            self.labels.of(output.value)
        });
        outputs.filter(|label| !self.all_foreign(label).is_empty()).filter_map(|label| label.model).collect()
    }
}

/// A join whose rows go into a fit has to match as many as the fit needs.
pub(super) fn raise_overlaps(judges: &[Judge<'_, '_>], release: &mut ReleaseSpec) {
    for judge in judges {
        for model in judge.granted_models() {
            let needed = judge.rows_needed(model);
            for (join, _) in judge.tables_of(model).iter().flat_map(|table| judge.labels.joins_of(*table)) {
                match release.minimum_overlap.iter_mut().find(|overlap| overlap.join == join) {
                    Some(overlap) => overlap.rows = overlap.rows.max(needed),
                    None => {
                        release.minimum_overlap.push(crate::program::release::MinimumOverlap { join, rows: needed })
                    }
                }
            }
        }
    }
    release.minimum_overlap.sort();
}

/// Whether an operation in a loop does the same with every row, or adds all of them up.
fn is_plain(op: &Op) -> bool {
    match op {
        Op::Parameter { .. } | Op::Constant { .. } | Op::Full { .. } | Op::Cast { .. } | Op::Size { .. } => true,
        Op::MatMul { .. } | Op::Transpose { .. } => true,
        Op::Binary { function, .. } => {
            matches!(function, Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide)
        }
        Op::Unary { function, .. } => {
            use Unary::{Erf, Exp, Gelu, Log, Negate, Sigmoid, Softplus, Sqrt, Tanh};
            matches!(function, Negate | Exp | Log | Sqrt | Sigmoid | Tanh | Softplus | Erf | Gelu)
        }
        Op::Reduce { function, mask, .. } => mask.is_none() && matches!(function, Reduction::Sum | Reduction::Mean),
        _ => false,
    }
}
