//! Functions of one number, and those of two that are neither sums, products nor comparisons.
//!
//! A smooth one is a new expression of the row, as a product is. One with steps, with a bend or with an end to its growth
//! tells rows apart as a comparison does, alone or in a sum: `|x-1| + |x+1| - 2|x|` is 2 where `x` is 0 and 0 at every
//! other whole number. But it is a number, in which no formula says which rows it picks: its terms are lost, so that a
//! sum of it is refused where an owner demands a minimum. A comparison and a choice say the same with their formulas.

use crate::program::types::Validity;
use crate::program::{Binary, NodeId, Unary};

use super::{Labels, one};
use crate::program::disclosure::formula::Fact;
use crate::program::disclosure::label::{Fun, Label, Term, digest};

impl Labels<'_> {
    /// A function of one number. One that is not defined everywhere picks rows by the number, as division does.
    pub(super) fn function(&mut self, label: &mut Label, node: NodeId, function: Unary, value: NodeId) {
        let of = self.of(value).clone();
        let partial = self.array(node).map(|array| array.validity) != self.array(value).map(|array| array.validity);
        if partial && label.per_row() {
            self.defined(label, node, &of);
        }
        label.terms = if tells_apart(function) {
            None
        } else if keeps_zero(function) {
            self.opaque_terms(label, &[value])
        } else {
            self.expression(label, &[&of])
        };
    }

    /// A function of two numbers. The numbers of one owner pick or weight those of the other in all of them.
    pub(super) fn combine(&mut self, label: &mut Label, node: NodeId, function: Binary, left: NodeId, right: NodeId) {
        let (a, b) = (self.of(left).clone(), self.of(right).clone());
        let (of_left, of_right) = (a.row_sources(), b.row_sources());
        self.scale_by(label, node, &of_left, &of_right);
        self.scale_by(label, node, &of_right, &of_left);
        let divides = matches!(function, Binary::FloorDivide | Binary::Remainder);
        let divisor = self.array(right).map(|array| array.range);
        if divides && b.per_row() && divisor.is_none_or(|range| range.contains(0)) {
            self.defined(label, node, &b);
        }
        // A base that is not above 0 has no real power.
        let base = self.array(left).map(|array| array.validity);
        if function == Binary::Power && self.array(node).map(|array| array.validity) != base && a.per_row() {
            self.defined(label, node, &a);
        }
        let bends = matches!(function, Binary::Minimum | Binary::Maximum);
        label.terms = if divides || bends { None } else { self.expression(label, &[&a, &b]) };
    }

    /// Rows in which a function of this number has no value are left out.
    fn defined(&mut self, label: &mut Label, node: NodeId, of: &Label) {
        if self.array(node).is_none_or(|array| array.validity == Validity::AllTrue) {
            return;
        }
        let wide = !self.one_cell_a_row(node);
        let fact = Fact::Holds(digest(&[b"defined", &label.digest]));
        let defined = self.formulas.variable(fact, of.row_sources(), wide);
        label.valid = self.formulas.and(label.valid, defined);
    }

    /// One term, of an operation that may map 0 to anything: known where all parts cover just the valid rows.
    fn expression(&mut self, label: &Label, operands: &[&Label]) -> Option<Vec<Term>> {
        if !label.per_row() {
            return None;
        }
        let mut sources = std::collections::BTreeSet::new();
        for operand in operands.iter().filter(|operand| operand.per_row()) {
            for term in operand.terms.as_ref()? {
                if term.mask != operand.valid {
                    return None;
                }
                sources.extend(term.fun.sources.iter().cloned());
            }
        }
        Some(vec![Term { mask: label.valid, fun: Fun { digest: label.digest, sources }, coefficient: one() }])
    }
}

/// Whether a function of 0 is 0, so that what a mask leaves out stays out.
fn keeps_zero(function: Unary) -> bool {
    matches!(function, Unary::Negate | Unary::Sqrt | Unary::Expm1 | Unary::Log1p | Unary::Sin)
}

/// Whether a function tells values apart as a comparison does, exactly or as nearly as one likes.
fn tells_apart(function: Unary) -> bool {
    use Unary::{Abs, Erf, Gelu, Sigmoid, Softplus, Tanh};
    steps(function) || matches!(function, Abs | Sigmoid | Tanh | Softplus | Erf | Gelu)
}

/// Whether a function has steps, so that what it takes of a policy is what a comparison takes.
pub(in crate::program::disclosure) fn steps(function: Unary) -> bool {
    matches!(function, Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round)
}
