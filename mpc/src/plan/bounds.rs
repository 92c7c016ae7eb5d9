//! How far the values of each step may lie from what exact arithmetic on the plain values gives, in units of the words:
//! whatever one integer step of that value stands for.
//!
//! The lowering knows the bound of every array of the program and states it. Steps on the way to one have the bound that
//! follows from their operands': bits are exact or without bound, as a comparison of inexact numbers may fall on either
//! side. Bounds inform people; nothing that is computed, and no hash, depends on them.

use super::step::{RingOp, Step, ValueId};
use crate::arithmetic;

/// What is known of the error of each step. None: without bound.
#[derive(Default)]
pub(super) struct Bounds {
    errors: Vec<Option<f64>>,
    /// Whether the lowering stated it.
    stated: Vec<bool>,
}

impl Bounds {
    /// Notes a new step, whose operands are among `steps`.
    pub(super) fn push(&mut self, op: &RingOp, len: usize, steps: &[Step]) {
        self.errors.push(self.inherited(op, len, steps));
        self.stated.push(false);
    }

    /// States the bound of a value. A step that serves several values has the widest of their bounds.
    pub(super) fn state(&mut self, value: ValueId, error: Option<f64>) {
        let known = &mut self.errors[value.index()];
        *known = match (*known, error) {
            (Some(known), Some(error)) if self.stated[value.index()] => Some(known.max(error)),
            (None, _) if self.stated[value.index()] => None,
            (_, error) => error,
        };
        self.stated[value.index()] = true;
    }

    /// The bounds of the steps that are kept.
    pub(super) fn into_kept(self, kept: &[bool]) -> Vec<Option<f64>> {
        self.errors.into_iter().zip(kept).filter(|(_, kept)| **kept).map(|(error, _)| error).collect()
    }

    /// That of the value, where the condition is certain.
    pub(super) fn select(&self, condition: ValueId, value: ValueId) -> Option<f64> {
        self.decided(&[condition])?;
        self.of(value)
    }

    /// The bound of a value.
    pub(super) fn of(&self, value: ValueId) -> Option<f64> {
        self.errors[value.index()]
    }

    /// Exact if the operands are, else without bound.
    fn decided(&self, operands: &[ValueId]) -> Option<f64> {
        operands.iter().all(|value| self.of(*value) == Some(0.0)).then_some(0.0)
    }

    /// The widest of the operands'.
    fn widest(&self, operands: &[ValueId]) -> Option<f64> {
        operands.iter().try_fold(0.0_f64, |most, value| Some(most.max(self.of(*value)?)))
    }

    /// What follows from the operands.
    fn inherited(&self, op: &RingOp, len: usize, steps: &[Step]) -> Option<f64> {
        match op {
            RingOp::Column { .. }
            | RingOp::Input { .. }
            | RingOp::Words(_)
            | RingOp::Fill(_)
            | RingOp::Bits(_)
            | RingOp::FillBits(_) => Some(0.0),
            RingOp::Align { value, .. }
            | RingOp::View(value, _)
            | RingOp::ToArith(value)
            | RingOp::Sort { value, .. }
            | RingOp::Largest { value, place: false, .. } => self.of(*value),
            RingOp::Concatenate { values, .. } => self.widest(values),
            RingOp::Linear { terms, .. } => terms.iter().try_fold(0.0, |sum, (value, coefficient)| {
                Some(sum + coefficient.unsigned_abs() as f64 * self.of(*value)?)
            }),
            RingOp::Sum { value, .. } => {
                let size = steps[value.index()].len / len.max(1);
                Some(self.of(*value)? * size as f64)
            }
            RingOp::Cumsum { value, groups } => Some(self.of(*value)? * (len / (*groups).max(1)) as f64),
            RingOp::Xor(a, b) | RingOp::And(a, b) => self.decided(&[*a, *b]),
            RingOp::IsNegative { value, .. }
            | RingOp::IsZero { value, .. }
            | RingOp::Largest { value, place: true, .. } => self.decided(&[*value]),
            RingOp::Select { condition, value } => self.select(*condition, *value),
            RingOp::Multiply { factors, bits } => self.product(*factors, *bits),
            RingOp::MatrixMultiply { factors, bits, shape, .. } => {
                Some(self.product(*factors, *bits)? * shape[1] as f64)
            }
            // The floor or one less.
            RingOp::Truncate { value, shift } => Some(self.of(*value)? * 0.5_f64.powi(*shift as i32) + 2.0),
            RingOp::FloorShift { value, shift, .. } => Some(self.of(*value)? * 0.5_f64.powi(*shift as i32) + 1.0),
            RingOp::DivideFloor { value, divisor, .. } => Some(self.of(*value)? / *divisor as f64 + 1.0),
            RingOp::Divide { numerator, divisor, .. } => {
                self.decided(&[*numerator, *divisor])?;
                Some(1.0)
            }
            RingOp::FloorQuotient { numerator, divisor, .. } => self.decided(&[*numerator, *divisor]),
            RingOp::Function { function, value, of } => {
                self.decided(&[*value])?;
                Some(arithmetic::function_error(*function, *of))
            }
            RingOp::Power { value, exponent, of } => {
                self.decided(&[*value])?;
                Some(arithmetic::power_error(*exponent, *of))
            }
            RingOp::Defined(of) => match &steps[of.index()].op {
                RingOp::Divide { divisor, .. } | RingOp::FloorQuotient { divisor, .. } => self.decided(&[*divisor]),
                RingOp::Function { value, .. } | RingOp::Power { value, .. } => self.decided(&[*value]),
                _ => None,
            },
        }
    }

    /// Of values of at most so many bits.
    fn product(&self, [a, b]: [ValueId; 2], bits: [u32; 2]) -> Option<f64> {
        let (a, b) = (self.of(a)?, self.of(b)?);
        let most = |bits: u32| 2.0_f64.powi(bits as i32 - 1);
        Some(most(bits[0]) * b + most(bits[1]) * a + a * b)
    }
}
