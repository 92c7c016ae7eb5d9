//! Comparisons, bools and `where`: what picks rows.

use crate::Number;
use crate::program::{Binary, NodeId};
use crate::schema::Element;

use super::Labels;
use crate::program::disclosure::formula::{Fact, Formula};
use crate::program::disclosure::label::{Label, Position};

impl Labels<'_> {
    pub(super) fn compare(&mut self, label: &mut Label, node: NodeId, function: Binary, left: NodeId, right: NodeId) {
        if !label.aggregates.is_empty() {
            label.thresholds.entry(node).or_default().extend(label.aggregates.iter().copied());
        }
        let (a, b) = (self.of(left).clone(), self.of(right).clone());
        label.position = picks_only(&a).max(picks_only(&b));
        if !label.per_row() {
            return;
        }
        let condition = match (a.constant, b.constant) {
            (None, Some(constant)) => self.cut(left, &a, function, constant),
            (Some(constant), None) => self.cut(right, &b, flipped(function), constant),
            _ => None,
        };
        let condition = condition.unwrap_or_else(|| self.unknown(label, node, b"true"));
        label.truth = Some(self.formulas.and(label.valid, condition));
    }

    /// A comparison with a number as a formula over cuts of the value.
    fn cut(&mut self, value: NodeId, label: &Label, function: Binary, constant: Number) -> Option<Formula> {
        let (digest, element) = &label.unconverted;
        let (floor, exact) = steps(constant, element.as_ref()?)?;
        let wide = !self.one_cell_a_row(value);
        let sources = label.row_sources();
        let mut below = |at: i128| self.formulas.variable(Fact::Below(*digest, at), sources.clone(), wide);
        let after = floor.checked_add(1)?;
        let (less, less_equal) = (below(if exact { floor } else { after }), below(after));
        let formulas = &mut self.formulas;
        Some(match function {
            Binary::Less => less,
            Binary::LessEqual => less_equal,
            Binary::Greater => formulas.not(less_equal),
            Binary::GreaterEqual => formulas.not(less),
            Binary::Equal | Binary::NotEqual => {
                // Between two cuts; a number that is on no step equals nothing, and then the cuts are the same.
                let not_less = formulas.not(less);
                let equal = formulas.and(less_equal, not_less);
                if function == Binary::Equal { equal } else { formulas.not(equal) }
            }
            _ => return None,
        })
    }

    pub(super) fn connect(&mut self, label: &mut Label, function: Binary, a: &Label, b: &Label) {
        let (Some(x), Some(y)) = (a.truth, b.truth) else { return };
        let formulas = &mut self.formulas;
        let truth = match function {
            Binary::And => formulas.and(x, y),
            Binary::Or => formulas.or(x, y),
            _ => {
                let (not_x, not_y) = (formulas.not(x), formulas.not(y));
                let (only_x, only_y) = (formulas.and(x, not_y), formulas.and(not_x, y));
                formulas.or(only_x, only_y)
            }
        };
        label.truth = Some(formulas.and(truth, label.valid));
    }

    pub(super) fn not(&mut self, label: &mut Label, value: NodeId) {
        let Some(truth) = self.of(value).truth else { return };
        let not = self.formulas.not(truth);
        label.truth = Some(self.formulas.and(label.valid, not));
    }

    pub(super) fn choose(&mut self, label: &mut Label, condition: NodeId, then: NodeId, otherwise: NodeId) {
        let (c, a, b) = (self.of(condition).clone(), self.of(then).clone(), self.of(otherwise).clone());
        label.values = a.values.union(&b.values).cloned().collect();
        label.masks.extend(c.row_sources());
        let Some(yes) = c.truth else { return };
        let formulas = &mut self.formulas;
        let not = formulas.not(yes);
        let no = formulas.and(c.valid, not);
        let (valid_then, valid_otherwise) = (formulas.or(not, a.valid), formulas.or(yes, b.valid));
        let valid = formulas.and(valid_then, valid_otherwise);
        label.valid = formulas.and(c.valid, valid);
        if let (Some(x), Some(y)) = (a.truth, b.truth) {
            let (x, y) = (formulas.and(yes, x), formulas.and(no, y));
            label.truth = Some(formulas.or(x, y));
        }
        let (Some(mut terms), Some(mut others)) = (a.terms, b.terms) else { return };
        terms.iter_mut().for_each(|term| term.mask = formulas.and(term.mask, yes));
        others.iter_mut().for_each(|term| term.mask = formulas.and(term.mask, no));
        terms.extend(others);
        label.terms = Some(terms);
    }
}

/// A comparison of a public position picks rows; one of moved data stays moved.
fn picks_only(label: &Label) -> Option<Position> {
    let data = !(label.values.is_empty() && label.masks.is_empty());
    label.position.map(|position| Position { moves: position.moves && data, ..position })
}

fn flipped(function: Binary) -> Binary {
    match function {
        Binary::Less => Binary::Greater,
        Binary::LessEqual => Binary::GreaterEqual,
        Binary::Greater => Binary::Less,
        Binary::GreaterEqual => Binary::LessEqual,
        other => other,
    }
}

/// A number in steps of an element, rounded down, and whether that is exact.
fn steps(number: Number, element: &Element) -> Option<(i128, bool)> {
    let scale = match element {
        Element::Int64 | Element::Date | Element::Category { .. } => 0,
        Element::Decimal { scale } => *scale,
        // An engine compares with the nearest step.
        Element::Float64 | Element::Float64High => return Some((number.to_fixed(element.float_bits()?)?, true)),
        Element::Bool | Element::Key => return None,
    };
    let numerator = number.mantissa().checked_mul(10_i128.checked_pow(u32::from(scale))?)?;
    let denominator = 10_i128.checked_pow(u32::from(number.scale()))?;
    Some((numerator.div_euclid(denominator), numerator.rem_euclid(denominator) == 0))
}
