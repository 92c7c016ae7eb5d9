//! How far a value moves when one person's row of a dataset is replaced (the base of rule R14).
//!
//! *Source*: the security note, §3.1 (`sens`) and §3.2. *What it proves*: replacing one row by any other of the same key
//! moves every cell of a value by at most the lattice steps of [`Moves::By`], as the engine computes it. What has no rule
//! has no bound.
//!
//! Keys stay: which rows match is told by a revealed alignment, and no part of the statement. A row of a dataset stands
//! in a joined table at most once for each time that the program loads the dataset, because keys are unique. Rows that
//! did not change are computed alike, whatever is rounded in them: the engine's randomness is the same in both. Numbers of
//! other owners count as they are, within their declared ranges.

use num_bigint::BigUint;

use crate::program::types::{Interval, Validity};
use crate::program::{Binary, NodeId, Op, Reduction, Unary};
use crate::schema::Element;

use super::fraction::Fraction;
use super::transfer::{Axis, Labels};

/// A real number rounded to lattice steps once may land two steps further than it moved.
const ROUNDING: u128 = 2;

/// How a value depends on one dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// Not at all.
    Never,
    /// Each row of it on one row of the dataset.
    ByRow,
    /// Each cell by at most so many lattice steps.
    By(u128),
    /// Without a bound that this analysis knows, since this node.
    Unbounded(NodeId),
}

/// How the values of a program depend on one dataset.
pub(super) struct Sensitivity<'a, 'p> {
    labels: &'a Labels<'p>,
    dataset: &'a str,
    /// One a node.
    moves: Vec<Moves>,
    /// How often the program loads the dataset.
    loads: u128,
}

impl<'a, 'p> Sensitivity<'a, 'p> {
    pub(super) fn new(labels: &'a Labels<'p>, dataset: &'a str) -> Self {
        let nodes = &labels.typed.program().nodes;
        let loads = nodes.iter().filter(|node| matches!(&node.op, Op::Load { dataset: of } if of == dataset)).count();
        let mut work = Self { labels, dataset, moves: Vec::new(), loads: loads as u128 };
        for index in 0..nodes.len() {
            let node = NodeId(u32::try_from(index).expect("validated: at most limits::NODES nodes"));
            let moves = work.node(node);
            work.moves.push(moves);
        }
        work
    }

    pub(super) fn of(&self, node: NodeId) -> Moves {
        self.moves[node.index()]
    }

    fn element(&self, node: NodeId) -> Option<&Element> {
        self.labels.array(node).map(|array| &array.element)
    }

    fn range(&self, node: NodeId) -> Interval {
        self.labels.array(node).map_or(Interval { lo: i128::MIN, hi: i128::MAX }, |array| array.range)
    }

    fn node(&self, node: NodeId) -> Moves {
        let op = &self.labels.typed.program().nodes[node.index()].op;
        let operands: Vec<Moves> = op.operands().iter().map(|operand| self.of(*operand)).collect();
        if let Some(unbounded) = operands.iter().find(|moves| matches!(moves, Moves::Unbounded(_))) {
            return *unbounded;
        }
        let rows = operands.contains(&Moves::ByRow);
        let cells = operands.iter().any(|moves| matches!(moves, Moves::By(_)));
        match op {
            Op::Load { dataset } if dataset == self.dataset => Moves::ByRow,
            Op::Join { .. } | Op::Filter { .. } | Op::Column { .. } if cells => Moves::Unbounded(node),
            Op::Reduce { function, value, axes, mask, .. } => self.reduce(node, *function, *value, axes, *mask),
            Op::MatMul { left, right } => self.product(node, *left, *right),
            _ if rows && cells => Moves::Unbounded(node),
            _ if rows => self.row(node, op),
            _ if cells => self.cells(node, op),
            _ => Moves::Never,
        }
    }

    /// An operation on rows: it stays one as long as it keeps them apart and in their places.
    fn row(&self, node: NodeId, op: &Op) -> Moves {
        match op {
            Op::Load { .. } | Op::Join { .. } | Op::Filter { .. } => Moves::ByRow,
            Op::Loop { .. } | Op::Item { .. } | Op::Input { .. } | Op::Parameter { .. } | Op::SortRows { .. } => {
                Moves::Unbounded(node)
            }
            Op::Sort { axis, .. } | Op::Argsort { axis, .. } | Op::Cumsum { axis, .. }
                if self.fixed(node, usize::from(*axis)).is_none() =>
            {
                Moves::Unbounded(node)
            }
            _ => self.apart(node),
        }
    }

    /// Still a value of rows, if there is one axis of them, and none was moved.
    fn apart(&self, node: NodeId) -> Moves {
        let axes = self.labels.axes(node);
        let one = axes.iter().filter(|axis| !matches!(axis, Axis::Fixed(_))).count() == 1;
        if one && self.labels.of(node).position.is_none() { Moves::ByRow } else { Moves::Unbounded(node) }
    }

    /// An operation on values that move by so many steps.
    fn cells(&self, node: NodeId, op: &Op) -> Moves {
        let by = |of: NodeId| match self.of(of) {
            Moves::By(steps) => Some(steps),
            Moves::Never => Some(0),
            Moves::ByRow | Moves::Unbounded(_) => None,
        };
        let steps = match op {
            Op::Cast { value, .. } => by(*value).and_then(|steps| self.converted(steps, *value, node)),
            Op::Unary { function: Unary::Negate | Unary::Abs, value }
            | Op::Reshape { value, .. }
            | Op::Transpose { value, .. }
            | Op::Slice { value, .. }
            | Op::Flip { value, .. }
            | Op::Take { value, .. }
            | Op::Windows { value, .. } => by(*value),
            Op::Binary { function: Binary::Add | Binary::Subtract, left, right } => {
                let parts = [left, right].map(|of| by(*of).and_then(|steps| self.converted(steps, *of, node)));
                parts.into_iter().try_fold(0_u128, |sum, part| sum.checked_add(part?))
            }
            Op::Binary { function: Binary::Multiply, left, right } => self.scaled(node, *left, *right),
            Op::Concatenate { values, .. } => {
                let mut parts = values.iter().map(|of| by(*of).and_then(|steps| self.converted(steps, *of, node)));
                parts.try_fold(0_u128, |most, part| Some(most.max(part?)))
            }
            Op::Cumsum { value, axis } => self
                .fixed(*value, usize::from(*axis))
                .and_then(|places| by(*value)?.checked_mul(u128::from(places)))
                .and_then(|steps| self.converted(steps, *value, node)),
            _ => None,
        };
        steps.map_or(Moves::Unbounded(node), Moves::By)
    }

    /// A product with public numbers.
    fn scaled(&self, node: NodeId, left: NodeId, right: NodeId) -> Option<u128> {
        let (value, factor) = match (self.of(left), self.of(right)) {
            (Moves::By(_), Moves::Never) => (left, right),
            (Moves::Never, Moves::By(_)) => (right, left),
            _ => return None,
        };
        let Moves::By(steps) = self.of(value) else { return None };
        let range = self.range(factor);
        let largest = range.lo.unsigned_abs().max(range.hi.unsigned_abs());
        self.in_steps(BigUint::from(steps) * largest, &self.step(value)?.times(&self.step(factor)?), node)
    }

    fn reduce(&self, node: NodeId, function: Reduction, value: NodeId, axes: &[u8], mask: Option<NodeId>) -> Moves {
        let parts: Vec<Moves> = [Some(value), mask].into_iter().flatten().map(|of| self.of(of)).collect();
        if parts.iter().all(|moves| *moves == Moves::Never) {
            return Moves::Never;
        }
        let kinds = self.labels.axes(value);
        let reduced = |at: usize| axes.is_empty() || axes.iter().any(|axis| usize::from(*axis) == at);
        let rows: Vec<usize> = (0..kinds.len()).filter(|at| !matches!(kinds[*at], Axis::Fixed(_))).collect();
        let fixed = (0..kinds.len()).filter(|at| reduced(*at)).filter_map(|at| self.fixed(value, at));
        let Some(cells) = fixed.map(u128::from).try_fold(1_u128, u128::checked_mul) else {
            return Moves::Unbounded(node);
        };
        let steps = match (parts.contains(&Moves::ByRow), rows.as_slice()) {
            (true, [at]) if !reduced(*at) => return self.apart(node),
            (true, [_]) if !parts.iter().any(|moves| matches!(moves, Moves::By(_))) => {
                let partial =
                    mask.is_some() || self.labels.array(value).is_none_or(|array| array.validity != Validity::AllTrue);
                let width = match function {
                    Reduction::Count => Some(1),
                    Reduction::Sum => Some(width(self.range(value), partial)),
                    _ => None,
                };
                width.and_then(|width| width.checked_mul(cells)?.checked_mul(self.loads))
            }
            (false, []) if function == Reduction::Sum && mask.is_none() => match self.of(value) {
                Moves::By(steps) => steps.checked_mul(cells),
                _ => None,
            },
            _ => None,
        };
        let of = if function == Reduction::Count { node } else { value };
        steps.and_then(|steps| self.converted(steps, of, node)).map_or(Moves::Unbounded(node), Moves::By)
    }

    /// A matrix product, along the rows or along a fixed axis.
    fn product(&self, node: NodeId, left: NodeId, right: NodeId) -> Moves {
        let (a, b) = (self.labels.axes(left), self.labels.axes(right));
        let inner = a.len().saturating_sub(1);
        let outer_rows = |axes: &[Axis], without: usize| {
            axes.iter().enumerate().any(|(at, axis)| at != without && !matches!(axis, Axis::Fixed(_)))
        };
        let apart = !outer_rows(&a, inner) && !outer_rows(&b, b.len().saturating_sub(2));
        match (self.of(left), self.of(right)) {
            (Moves::Never, Moves::Never) => Moves::Never,
            (Moves::ByRow | Moves::Never, Moves::ByRow | Moves::Never) => match a.get(inner) {
                Some(Axis::Rows(_)) if apart => {
                    let width = self.product_width(node, left, right);
                    let steps = width.and_then(|width| width.checked_mul(self.loads));
                    steps.map_or(Moves::Unbounded(node), Moves::By)
                }
                Some(Axis::Fixed(_)) => self.apart(node),
                _ => Moves::Unbounded(node),
            },
            (Moves::By(_), Moves::Never) | (Moves::Never, Moves::By(_)) => {
                let places = self.fixed(left, inner).map(u128::from);
                let each = self.scaled(node, left, right);
                let steps = places.and_then(|places| each?.checked_mul(places));
                steps.map_or(Moves::Unbounded(node), Moves::By)
            }
            _ => Moves::Unbounded(node),
        }
    }

    /// How far one row's product moves, which counts as 0 where a factor is invalid.
    fn product_width(&self, node: NodeId, left: NodeId, right: NodeId) -> Option<u128> {
        let (x, y) = (self.range(left), self.range(right));
        let ends = [(x.lo, y.lo), (x.lo, y.hi), (x.hi, y.lo), (x.hi, y.hi)];
        let (mut above, mut below) = (BigUint::ZERO, BigUint::ZERO);
        for (a, b) in ends {
            let size = BigUint::from(a.unsigned_abs()) * b.unsigned_abs();
            let side = if (a < 0) == (b < 0) { &mut above } else { &mut below };
            if size > *side {
                *side = size;
            }
        }
        self.in_steps(above + below, &self.step(left)?.times(&self.step(right)?), node)
    }

    /// Steps of one node in steps of another, rounded up.
    fn converted(&self, steps: u128, from: NodeId, to: NodeId) -> Option<u128> {
        self.in_steps(steps.into(), &self.step(from)?, to)
    }

    /// So many of a unit in lattice steps of a node, rounded up, and what rounding to them may add.
    fn in_steps(&self, count: BigUint, unit: &Fraction, node: NodeId) -> Option<u128> {
        let steps = unit.over(&self.step(node)?).times_up(&count);
        let rounding = if self.element(node)?.is_float() && steps != BigUint::ZERO { ROUNDING } else { 0 };
        u128::try_from(steps).ok()?.checked_add(rounding)
    }

    fn step(&self, node: NodeId) -> Option<Fraction> {
        Fraction::step_of(self.element(node)?)
    }

    fn fixed(&self, node: NodeId, axis: usize) -> Option<u64> {
        match self.labels.axes(node).get(axis) {
            Some(Axis::Fixed(size)) => Some(*size),
            _ => None,
        }
    }
}

/// How far a row's value can move; a row that takes no part counts as 0.
fn width(range: Interval, partial: bool) -> u128 {
    let Interval { lo, hi } = if partial { Interval { lo: range.lo.min(0), hi: range.hi.max(0) } } else { range };
    lo.abs_diff(hi)
}
