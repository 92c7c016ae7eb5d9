//! Runs a plan on a backend: the ring interpreter or the two-party engine.
//!
//! Local steps are computed here, on whatever part of the values this side holds; the others are the backend's. A
//! value is dropped after the last step that reads it. What runs, in which order and on which lengths depends on the
//! plan alone (CHK-604).

mod local;

use tacit_protocol::program::NodeId;
use zeroize::Zeroize;

use crate::arithmetic::{self, Axis, Division, Extreme, Sorting};
use crate::backend::{Backend, Job, MatrixShape, Needs};
use crate::error::Result;
use crate::inputs::Part;
use crate::offline::Counts;
use crate::plan::schedule::Schedule;
use crate::plan::step::{ColumnPart, Kind, RingOp, Step};
use crate::plan::{Plan, ValueId};
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};
use crate::two_party::cost::Cost;
use crate::two_party::{Counter, Means};

/// Where the executor finds what this side brings to a plan.
pub trait Inputs {
    /// The cells of a column of numbers, in lattice steps; `None` where the dataset is not this side's.
    fn words(&self, source: NodeId, column: &str) -> Result<Option<&[i64]>>;

    /// A column of bools, or which cells of a column are not null; `None` where the dataset is not this side's.
    fn bits(&self, source: NodeId, column: &str, part: ColumnPart) -> Result<Option<Vec<bool>>>;

    /// For each row of a join, the row of the owner's table that it comes from.
    fn rows(&self, join: NodeId, owner: tacit_protocol::PartyId) -> Result<Option<&[u32]>>;

    /// What this side brings to an array that is handed in; `None` where it is the other party's.
    fn array(&self, source: NodeId) -> Option<&Part>;
}

/// What a run reports as it goes: public numbers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepProgress {
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub of: usize,
}

/// A value while the plan runs.
enum Value<R> {
    Words(Arith<R>),
    Bits(Bits),
    /// A quotient or the value of a function, and where there is one.
    Quotient(Arith<R>, Bits),
}

/// The values that a plan ends with, in the order of [`Plan::results`].
pub struct Results<R: Ring>(Vec<Value<R>>);

impl<R: Ring> Results<R> {
    /// The words of a result.
    pub(crate) fn words(&self, place: usize) -> &Arith<R> {
        match &self.0[place] {
            Value::Words(words) | Value::Quotient(words, _) => words,
            Value::Bits(_) => unreachable!("the plan says which results are words"),
        }
    }

    /// The bits of a result.
    pub(crate) fn bits(&self, place: usize) -> &Bits {
        match &self.0[place] {
            Value::Bits(bits) => bits,
            Value::Words(_) | Value::Quotient(..) => unreachable!("the plan says which results are bits"),
        }
    }
}

impl<R: Ring> Drop for Results<R> {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(wipe);
    }
}

fn wipe<R: Ring>(value: &mut Value<R>) {
    match value {
        Value::Words(words) => bytemuck::cast_slice_mut::<R, u8>(&mut words.words).zeroize(),
        Value::Bits(bits) => bits.words.zeroize(),
        Value::Quotient(words, bits) => {
            bytemuck::cast_slice_mut::<R, u8>(&mut words.words).zeroize();
            bits.words.zeroize();
        }
    }
}

/// Runs every step of a plan and gives its results, still shared.
///
/// # Errors
/// Those of the backend; [`crate::Error::Refused`] when an input is missing or has another size than planned.
pub fn run<R: Ring, B: Backend<R>>(
    plan: &Plan,
    backend: &mut B,
    inputs: &dyn Inputs,
    observer: &mut dyn FnMut(StepProgress),
) -> Result<Results<R>> {
    let schedule = plan.schedule()?;
    let last_use = last_uses(plan, &schedule);
    let mut values: Vec<Option<Value<R>>> = plan.steps.iter().map(|_| None).collect();
    let mut done = 0;
    for (turn, group) in schedule.groups.iter().enumerate() {
        let made = match group[..] {
            [place] => {
                backend.allow(&schedule.takes[place]);
                vec![run_step(&plan.steps[place], &values, backend, inputs)?]
            }
            _ => run_together(plan, group, &schedule, &values, backend)?,
        };
        for (&place, value) in group.iter().zip(made) {
            debug_assert_eq!(length(&value), plan.steps[place].len, "{}", plan.steps[place].op.name());
            values[place] = Some(value);
        }
        for operand in group.iter().flat_map(|place| plan.steps[*place].op.operands()) {
            if last_use[operand.index()] == turn
                && let Some(mut value) = values[operand.index()].take()
            {
                wipe(&mut value);
            }
        }
        done += group.len();
        observer(StepProgress { done, of: plan.steps.len() });
    }
    Ok(Results(plan.results.iter().map(|value| copy(&values, *value)).collect()))
}

/// Runs independent steps that need the peer, so that they share their messages.
fn run_together<R: Ring, B: Backend<R>>(
    plan: &Plan,
    group: &[usize],
    schedule: &Schedule,
    values: &[Option<Value<R>>],
    backend: &mut B,
) -> Result<Vec<Value<R>>> {
    let needs = group.iter().map(|place| (schedule.costs[*place].offered, schedule.takes[*place].clone()));
    let needs: Vec<Needs> = needs.map(|(offered, counts)| Needs { offered, counts }).collect();
    let mut made: Vec<Option<Value<R>>> = group.iter().map(|_| None).collect();
    let jobs = group.iter().zip(&mut made).map(|(place, made)| -> Job<'_, R> {
        let step = &plan.steps[*place];
        Box::new(move |backend| {
            *made = Some(run_step(step, values, backend, &NoInputs)?);
            Ok(())
        })
    });
    backend.together(&needs, jobs.collect())?;
    Ok(made.into_iter().map(|value| value.expect("every job ran")).collect())
}

/// What each step costs, counted on values that are all zero, and what it takes of what is ready, in the order of the plan:
/// what the engine spends depends on shapes alone.
pub(crate) fn costs<R: Ring>(plan: &Plan) -> Result<(Vec<Cost>, Vec<Counts>)> {
    let mut last_use = vec![usize::MAX; plan.steps.len()];
    for (place, step) in plan.steps.iter().enumerate() {
        step.op.operands().iter().for_each(|operand| last_use[operand.index()] = place);
    }
    let mut values: Vec<Option<Value<R>>> = Vec::with_capacity(plan.steps.len());
    let (mut costs, mut takes) = (Vec::with_capacity(plan.steps.len()), Vec::with_capacity(plan.steps.len()));
    let mut means = Means::new(plan.pace, plan.ready.clone());
    for (place, step) in plan.steps.iter().enumerate() {
        let mut counter = Counter { cost: Cost::default(), means: means.anew() };
        values.push(Some(match step.op.is_local() {
            true => zeros(step),
            false => run_step(step, &values, &mut counter, &NoInputs)?,
        }));
        costs.push(counter.cost);
        takes.push(counter.means.taken().clone());
        means = counter.means;
        for operand in step.op.operands() {
            if last_use[operand.index()] == place {
                values[operand.index()] = None;
            }
        }
    }
    Ok((costs, takes))
}

/// Inputs of nobody.
struct NoInputs;

impl Inputs for NoInputs {
    fn words(&self, _source: NodeId, _column: &str) -> Result<Option<&[i64]>> {
        Ok(None)
    }

    fn bits(&self, _source: NodeId, _column: &str, _part: ColumnPart) -> Result<Option<Vec<bool>>> {
        Ok(None)
    }

    fn rows(&self, _join: NodeId, _owner: tacit_protocol::PartyId) -> Result<Option<&[u32]>> {
        Ok(None)
    }

    fn array(&self, _source: NodeId) -> Option<&Part> {
        None
    }
}

/// The value of a step that is all zero.
fn zeros<R: Ring>(step: &Step) -> Value<R> {
    match step.kind {
        Kind::Words => Value::Words(Arith { placement: step.placement, words: vec![R::ZERO; step.len] }),
        Kind::Bits => Value::Bits(Bits::new(step.placement, step.len, Vec::new())),
    }
}

/// The last turn of the schedule that reads each value; results outlive them all.
fn last_uses(plan: &Plan, schedule: &Schedule) -> Vec<usize> {
    let mut last_use = vec![usize::MAX; plan.steps.len()];
    for (turn, group) in schedule.groups.iter().enumerate() {
        for operand in group.iter().flat_map(|place| plan.steps[*place].op.operands()) {
            last_use[operand.index()] = turn;
        }
    }
    for result in &plan.results {
        last_use[result.index()] = usize::MAX;
    }
    last_use
}

fn length<R>(value: &Value<R>) -> usize {
    match value {
        Value::Words(words) | Value::Quotient(words, _) => words.words.len(),
        Value::Bits(bits) => bits.len,
    }
}

fn copy<R: Ring>(values: &[Option<Value<R>>], id: ValueId) -> Value<R> {
    match values[id.index()].as_ref().expect("a value outlives its last use") {
        Value::Words(words) | Value::Quotient(words, _) => Value::Words(words.clone()),
        Value::Bits(bits) => Value::Bits(bits.clone()),
    }
}

fn words<R>(values: &[Option<Value<R>>], id: ValueId) -> &Arith<R> {
    match values[id.index()].as_ref().expect("a value outlives its last use") {
        Value::Words(words) | Value::Quotient(words, _) => words,
        Value::Bits(_) => unreachable!("the plan keeps words and bits apart"),
    }
}

fn bits<R>(values: &[Option<Value<R>>], id: ValueId) -> &Bits {
    match values[id.index()].as_ref().expect("a value outlives its last use") {
        Value::Bits(bits) => bits,
        Value::Words(_) | Value::Quotient(..) => unreachable!("the plan keeps words and bits apart"),
    }
}

fn run_step<R: Ring, B: Backend<R> + ?Sized>(
    step: &Step,
    values: &[Option<Value<R>>],
    backend: &mut B,
    inputs: &dyn Inputs,
) -> Result<Value<R>> {
    let holds = backend.holds(step.placement);
    let value = match &step.op {
        RingOp::Column { source, column, part } => local::column(step, *source, column, *part, inputs)?,
        RingOp::Input { source, part } => local::input(step, *source, *part, inputs)?,
        RingOp::Align { value, join } => {
            let Placement::Private(owner) = step.placement else {
                unreachable!("only values of one owner are aligned")
            };
            let rows = if holds { inputs.rows(*join, owner)? } else { None };
            match values[value.index()].as_ref().expect("a value outlives its last use") {
                Value::Words(words) | Value::Quotient(words, _) => Value::Words(local::align_words(step, words, rows)?),
                Value::Bits(bits) => Value::Bits(local::align_bits(step, bits, rows)?),
            }
        }
        RingOp::Words(constants) => Value::Words(Arith {
            placement: Placement::Public,
            words: constants.iter().map(|word| R::from_i128(*word)).collect(),
        }),
        RingOp::Fill(word) => {
            Value::Words(Arith { placement: Placement::Public, words: vec![R::from_i128(*word); step.len] })
        }
        RingOp::Bits(words) => Value::Bits(Bits { placement: Placement::Public, len: step.len, words: words.clone() }),
        RingOp::FillBits(bit) => Value::Bits(local::fill_bits(*bit, step.len)),
        RingOp::View(value, view) => match values[value.index()].as_ref().expect("a value outlives its last use") {
            Value::Words(words) | Value::Quotient(words, _) => Value::Words(local::view_words(words, view)),
            Value::Bits(bits) => Value::Bits(local::view_bits(bits, view)),
        },
        RingOp::Concatenate { values: parts, outer } => match step.kind {
            Kind::Words => {
                let parts: Vec<_> = parts.iter().map(|part| words(values, *part)).collect();
                Value::Words(local::concatenate_words(step, &parts, *outer, holds))
            }
            Kind::Bits => {
                let parts: Vec<_> = parts.iter().map(|part| bits(values, *part)).collect();
                Value::Bits(local::concatenate_bits(step, &parts, *outer, holds))
            }
        },
        RingOp::Linear { terms, constant } => {
            let terms: Vec<_> = terms.iter().map(|(value, factor)| (words(values, *value), *factor)).collect();
            Value::Words(local::linear(step, &terms, *constant, holds))
        }
        RingOp::Xor(a, b) => Value::Bits(local::xor(step, bits(values, *a), bits(values, *b), holds)),
        RingOp::Sum { value, groups } => Value::Words(local::sum(words(values, *value), *groups)),
        RingOp::Cumsum { value, groups } => Value::Words(local::cumsum(words(values, *value), *groups)),
        RingOp::And(a, b) => Value::Bits(backend.and(bits(values, *a), bits(values, *b))?),
        RingOp::ToArith(value) => Value::Words(backend.to_arith(bits(values, *value))?),
        RingOp::Select { condition, value } => {
            Value::Words(backend.select(bits(values, *condition), words(values, *value))?)
        }
        RingOp::Multiply { factors: [a, b], bits } => {
            Value::Words(backend.multiply(words(values, *a), words(values, *b), bits[0], bits[1])?)
        }
        RingOp::MatrixMultiply { factors: [a, b], bits, shape: [rows, inner, columns], repeat } => {
            let shape = MatrixShape { rows: *rows, inner: *inner, columns: *columns };
            let (a, b, bits) = (words(values, *a), words(values, *b), (bits[0], bits[1]));
            Value::Words(backend.matrix_multiply(a, b, shape, bits, *repeat)?)
        }
        RingOp::IsNegative { value, bits } => Value::Bits(backend.is_negative(words(values, *value), *bits)?),
        RingOp::IsZero { value, bits } => Value::Bits(backend.is_zero(words(values, *value), *bits)?),
        RingOp::Truncate { value, shift } => Value::Words(backend.truncate(words(values, *value), *shift)?),
        RingOp::FloorShift { value, shift, bits } => {
            Value::Words(backend.floor_shift(words(values, *value), *shift, *bits)?)
        }
        RingOp::DivideFloor { value, divisor, bits } => {
            Value::Words(arithmetic::divide_public(backend, words(values, *value), u128::from(*divisor), *bits)?)
        }
        RingOp::Divide { numerator, divisor, divisor_signed, fraction_bits, bits: [n, d, q] } => {
            let division = Division {
                numerator_bits: *n,
                divisor_bits: *d,
                divisor_signed: *divisor_signed,
                fraction_bits: *fraction_bits,
                result_bits: *q,
            };
            let quotient = arithmetic::divide(backend, words(values, *numerator), words(values, *divisor), &division)?;
            Value::Quotient(quotient.value, quotient.defined)
        }
        RingOp::FloorQuotient { numerator, divisor, divisor_signed, bits: [n, d, q] } => {
            let division = Division {
                numerator_bits: *n,
                divisor_bits: *d,
                divisor_signed: *divisor_signed,
                fraction_bits: 0,
                result_bits: *q,
            };
            let (numerator, divisor) = (words(values, *numerator), words(values, *divisor));
            let quotient = arithmetic::divide_floor(backend, numerator, divisor, &division)?;
            Value::Quotient(quotient.value, quotient.defined)
        }
        RingOp::Function { function, value, of } => {
            let value = arithmetic::function(backend, *function, words(values, *value), *of)?;
            Value::Quotient(value.value, value.defined)
        }
        RingOp::Power { value, exponent, of } => {
            let value = arithmetic::power(backend, *exponent, words(values, *value), *of)?;
            Value::Quotient(value.value, value.defined)
        }
        RingOp::Defined(quotient) => match values[quotient.index()].as_ref().expect("a value outlives its last use") {
            Value::Quotient(_, defined) => Value::Bits(defined.clone()),
            Value::Words(_) | Value::Bits(_) => unreachable!("only quotients and functions are defined or not"),
        },
        RingOp::Sort { value, columns, groups, bits } => {
            let sorting = Sorting { columns: *columns, groups: *groups, bits: *bits };
            Value::Words(backend.sort(words(values, *value), &sorting)?)
        }
        RingOp::Largest { value, groups, bits, place } => {
            let value = words(values, *value);
            let axis = Axis { outer: *groups, length: value.len() / groups.max(&1), inner: 1 };
            Value::Words(if *place {
                arithmetic::extreme_with_index(backend, value, axis, Extreme::Maximum, *bits)?.1
            } else {
                arithmetic::extreme(backend, value, axis, Extreme::Maximum, *bits)?
            })
        }
    };
    Ok(value)
}
