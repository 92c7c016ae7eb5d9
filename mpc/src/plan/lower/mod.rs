//! Lowers a typed program, with its release spec and the row counts of a run, to the steps of a plan.
//!
//! One function an operation. Each takes and gives [`Array`]s: data, validity, element, shape, the interval that the
//! engine's data can lie in (of invalid cells too), and the error against the plain evaluator. Intervals are computed
//! from the owners' declared ranges and the actual sizes, so that every width holds for what the engine computes,
//! rounding included.

mod check;
mod dominance;
mod elementwise;
mod exact;
mod functions;
mod input;
mod lattice;
mod normal;
mod reduce;
mod release;
mod shape;
mod sort;
mod table;
mod variance;

use std::collections::{BTreeMap, BTreeSet};

use tacit_protocol::program::infer::find_column;
use tacit_protocol::program::types::{Interval, Validity, ValueType};
use tacit_protocol::program::{BlockId, Dim, Node, NodeId, Op, TypedBlock, TypedProgram, Unary};
use tacit_protocol::schema::Element;
use tacit_protocol::{Code, Number};

use super::build::Builder;
use super::step::ValueId;
use crate::error::{Error, Result};

pub(super) use release::lower;

/// The most steps of a plan, so that loops that are unrolled stay within memory.
pub const MAX_STEPS: usize = 400_000;
/// The most cells of one value.
const MAX_CELLS: usize = 1 << 28;

/// How far data may lie from what the plain evaluator gives, in lattice steps; none: without bound, because a
/// comparison of inexact numbers chose it.
pub(super) type ErrorBound = Option<f64>;

/// An array while it is lowered.
#[derive(Clone)]
pub(super) struct Array {
    /// The cells: bits of bools, words of everything else.
    pub(super) data: ValueId,
    /// Which cells are valid; none: all.
    pub(super) valid: Option<ValueId>,
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    /// What the data can be, in valid and invalid cells.
    pub(super) range: Interval,
    pub(super) error: ErrorBound,
    /// The numbers of a constant as they were written: one, or one a cell.
    pub(super) numbers: Option<Vec<Number>>,
}

impl Array {
    pub(super) fn cells(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn is_bool(&self) -> bool {
        self.element == Element::Bool
    }
}

/// A value while it is lowered.
#[derive(Clone)]
enum Lowered {
    Array(Array),
    Table(table::Table),
    Tuple(Vec<Array>),
}

/// The lowering of one program.
pub(super) struct Lowering<'a> {
    typed: &'a TypedProgram,
    sizes: &'a BTreeMap<NodeId, u64>,
    pub(super) build: Builder,
    /// Bits that are 1 where a promise on a range was broken.
    violations: Vec<ValueId>,
    /// The products that are taken in their other form.
    chosen: &'a BTreeSet<normal::Site>,
    /// Those that have one.
    sites: BTreeSet<normal::Site>,
    /// Whether the plan's words are wider than those of shares in words of 64 bits, which are then taken up into them.
    wide: bool,
    /// Whether there are such shares.
    narrow_shares: bool,
}

impl<'a> Lowering<'a> {
    fn new(typed: &'a TypedProgram, sizes: &'a BTreeMap<NodeId, u64>, chosen: &'a BTreeSet<normal::Site>) -> Self {
        Self {
            typed,
            sizes,
            build: Builder::default(),
            violations: Vec::new(),
            chosen,
            sites: BTreeSet::new(),
            wide: false,
            narrow_shares: false,
        }
    }

    fn refuse<T>(&self, code: &'static str, cause: impl std::fmt::Display) -> Result<T> {
        let place = match self.build.node {
            Some(node) => {
                let name = self.typed.program().nodes.get(node.index()).and_then(|node| node.name.as_deref());
                name.map_or_else(|| format!("{node}: "), |name| format!("{node} {name:?}: "))
            }
            None => String::new(),
        };
        Err(Error::Refused { code: Code::new(code), cause: format!("{place}{cause}") })
    }

    /// The values of the main block.
    fn main(&mut self) -> Result<Vec<Lowered>> {
        let nodes = &self.typed.program().nodes;
        let mut values = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let id = NodeId(u32::try_from(index).expect("a typed program has at most limits::NODES nodes"));
            self.build.node = Some(id);
            let value = self.node(self.typed.main(), id, node, &values, &[])?;
            values.push(value);
        }
        self.build.node = None;
        Ok(values)
    }

    /// The results of one run of a loop's body, which changes the first `own` of its parameters.
    fn body(&mut self, block: BlockId, parameters: &[Array], own: usize) -> Result<Vec<Array>> {
        let (Some(typed), Some(body)) = (self.typed.block(block), self.typed.program().blocks.get(block.0 as usize))
        else {
            return self.refuse("PROGRAM_MALFORMED", "the loop has no body");
        };
        let mut values = Vec::with_capacity(body.nodes.len());
        for (index, node) in body.nodes.iter().enumerate() {
            let id = NodeId(u32::try_from(index).expect("a typed program has at most limits::NODES nodes"));
            let value = match self.gradient((block, id), body, &values, parameters, own)? {
                Some(array) => Lowered::Array(array),
                None => self.node(typed, id, node, &values, parameters)?,
            };
            values.push(value);
        }
        body.results.iter().map(|result| self.array(&values, *result)).collect()
    }

    fn node(
        &mut self,
        block: &TypedBlock,
        id: NodeId,
        node: &Node,
        values: &[Lowered],
        parameters: &[Array],
    ) -> Result<Lowered> {
        if self.build.step_count() > MAX_STEPS {
            return self.refuse("PROGRAM_COST", format!("the program needs more than {MAX_STEPS} steps"));
        }
        // Operands that are arrays, brought to the elements that inference chose.
        let lattices = block.lattices(id);
        let operand = |this: &mut Self, place: usize, of: NodeId| -> Result<Array> {
            let value = this.array(values, of)?;
            match lattices.get(place) {
                Some(element) => this.converted(&value, element),
                None => Ok(value),
            }
        };
        let array = match &node.op {
            Op::Load { dataset } => return Ok(Lowered::Table(self.load(id, dataset)?)),
            Op::Join { left, right, alignment, .. } => {
                let (left, right) = (self.table(values, *left)?, self.table(values, *right)?);
                return Ok(Lowered::Table(self.join(id, &left, &right, *alignment)?));
            }
            Op::Filter { table, mask } => {
                let (table, mask) = (self.table(values, *table)?, self.array(values, *mask)?);
                return Ok(Lowered::Table(self.filter(table, &mask)));
            }
            Op::Column { table, column } => {
                let named = block.table(*table).and_then(|of| Some(of.columns[find_column(of, column)?].clone()));
                let (table, Some(named)) = (self.table(values, *table)?, named) else {
                    return self.refuse("PROGRAM_COLUMN", format!("there is no column {column:?}"));
                };
                self.column(&table, &named)?
            }
            Op::Constant { element, shape, values } => self.constant(element, shape, values)?,
            Op::Full { element, shape, value } => {
                let shape = self.sizes(shape)?;
                self.numbers(element, shape, vec![*value])?
            }
            Op::Arange { length } => {
                let length = self.size(length)?;
                self.arange(length)
            }
            Op::Size { of } => {
                let size = self.size(of)?;
                self.integer(size as i128)
            }
            Op::Cast { value, element } => {
                let value = self.array(values, *value)?;
                self.converted(&value, element)?
            }
            Op::Unary { function, value } => {
                let value = operand(self, 0, *value)?;
                match function {
                    Unary::Negate | Unary::Not => self.unary(*function, &value),
                    function if function.is_real() => {
                        let meant = block.array(id).map(|array| array.validity);
                        self.real(*function, &value, meant == Some(Validity::AllTrue))?
                    }
                    _ => self.exact(*function, &value)?,
                }
            }
            Op::Binary { function, left, right } => {
                let own = self.array(values, *right)?.element;
                let (left, right) = (operand(self, 0, *left)?, operand(self, 1, *right)?);
                self.binary(*function, &left, &right, lattice::step_in(&own, &right.element))?
            }
            Op::Where { condition, then, otherwise } => {
                let condition = operand(self, 0, *condition)?;
                let (then, otherwise) = (operand(self, 1, *then)?, operand(self, 2, *otherwise)?);
                self.choose(&condition, &then, &otherwise)?
            }
            Op::Reduce { function, value, axes, keep_dims, mask } => {
                let value = operand(self, 0, *value)?;
                let mask = mask.map(|mask| operand(self, 1, mask)).transpose()?;
                self.reduce(*function, &value, axes, *keep_dims, mask.as_ref())?
            }
            Op::MatMul { left, right } => {
                let (left, right) = (operand(self, 0, *left)?, operand(self, 1, *right)?);
                self.matrix_product(&left, &right)?
            }
            Op::Reshape { value, shape } => {
                let (value, shape) = (operand(self, 0, *value)?, self.sizes(shape)?);
                self.reshape(&value, shape)?
            }
            Op::Transpose { value, axes } => {
                let value = operand(self, 0, *value)?;
                self.transpose(&value, axes)
            }
            Op::Concatenate { values: parts, axis } => {
                let parts =
                    parts.iter().enumerate().map(|(i, part)| operand(self, i, *part)).collect::<Result<Vec<_>>>()?;
                self.concatenate(&parts, *axis)?
            }
            Op::Slice { value, axes } => {
                let value = operand(self, 0, *value)?;
                self.slice(&value, axes)?
            }
            Op::Sort { value, axis } | Op::Argsort { value, axis } => {
                let (value, places) = (operand(self, 0, *value)?, matches!(&node.op, Op::Argsort { .. }));
                self.sort(&value, usize::from(*axis), places)?
            }
            Op::SortRows { value, keys } => {
                let (value, keys) = (operand(self, 0, *value)?, operand(self, 1, *keys)?);
                self.sort_rows(&value, &keys)?
            }
            Op::Flip { value, axis } => {
                let value = operand(self, 0, *value)?;
                self.flip(&value, usize::from(*axis))?
            }
            Op::Take { value, axis, places } => {
                let value = operand(self, 0, *value)?;
                self.take(&value, usize::from(*axis), places)?
            }
            Op::Cumsum { value, axis } => {
                let value = operand(self, 0, *value)?;
                self.cumsum(&value, usize::from(*axis))?
            }
            Op::Windows { value, axis, size } => {
                let value = operand(self, 0, *value)?;
                self.windows(&value, usize::from(*axis), *size as usize)?
            }
            Op::Input { from, .. } => match block.array(id) {
                Some(array) => self.input(id, from, array)?,
                None => return self.refuse("PROGRAM_MALFORMED", "an input is an array"),
            },
            Op::Parameter { index } => match parameters.get(*index as usize) {
                Some(parameter) => parameter.clone(),
                None => return self.refuse("PROGRAM_MALFORMED", format!("there is no parameter {index}")),
            },
            Op::Loop { body, trips, carried, captured } => {
                let elements = match block.types.get(id.index()) {
                    Some(ValueType::Tuple(items)) => items,
                    _ => return self.refuse("PROGRAM_MALFORMED", "a loop has a tuple type"),
                };
                let mut state = Vec::with_capacity(carried.len());
                for (carried, item) in carried.iter().zip(elements) {
                    let initial = self.array(values, carried.initial)?;
                    let initial = self.converted(&initial, &item.element)?;
                    state.push(self.promise(&initial, carried.lo, carried.hi)?);
                }
                let captured = captured.iter().map(|value| self.array(values, *value)).collect::<Result<Vec<_>>>()?;
                for trip in 0..*trips {
                    let number = self.integer(i128::from(trip));
                    let parameters: Vec<Array> =
                        state.into_iter().chain(captured.iter().cloned()).chain([number]).collect();
                    let results = self.body(*body, &parameters, carried.len())?;
                    state = Vec::with_capacity(carried.len());
                    for ((carried, item), result) in carried.iter().zip(elements).zip(results) {
                        let result = self.converted(&result, &item.element)?;
                        state.push(self.promise(&result, carried.lo, carried.hi)?);
                    }
                }
                return Ok(Lowered::Tuple(state));
            }
            Op::Item { of, index } => match values.get(of.index()) {
                Some(Lowered::Tuple(items)) if (*index as usize) < items.len() => items[*index as usize].clone(),
                _ => return self.refuse("PROGRAM_MALFORMED", format!("{of} has no item {index}")),
            },
            Op::Assume { value, lo, hi } => {
                let value = operand(self, 0, *value)?;
                self.promise(&value, *lo, *hi)?
            }
        };
        let array = match block.array(id) {
            Some(typed) if typed.element != array.element => self.converted(&array, &typed.element)?,
            _ => array,
        };
        self.build.state_error(array.data, array.error);
        if array.cells() > MAX_CELLS {
            return self.refuse("PROGRAM_COST", format!("the array would have {} cells", array.cells()));
        }
        Ok(Lowered::Array(array))
    }

    fn array(&self, values: &[Lowered], node: NodeId) -> Result<Array> {
        match values.get(node.index()) {
            Some(Lowered::Array(array)) => Ok(array.clone()),
            _ => self.refuse("PROGRAM_MALFORMED", format!("{node} is no array")),
        }
    }

    fn table(&self, values: &[Lowered], node: NodeId) -> Result<table::Table> {
        match values.get(node.index()) {
            Some(Lowered::Table(table)) => Ok(table.clone()),
            _ => self.refuse("PROGRAM_MALFORMED", format!("{node} is no table")),
        }
    }

    fn size(&self, size: &Dim) -> Result<usize> {
        match size.evaluate(self.sizes) {
            Ok(size) => usize::try_from(size).map_or_else(|_| self.refuse("PROGRAM_COST", "a size is too large"), Ok),
            Err(error) => self.refuse("PROGRAM_TYPE", error),
        }
    }

    fn sizes(&self, shape: &[Dim]) -> Result<Vec<usize>> {
        let shape: Vec<usize> = shape.iter().map(|size| self.size(size)).collect::<Result<_>>()?;
        let cells = shape.iter().try_fold(1_usize, |cells, size| cells.checked_mul(*size));
        if cells.is_none_or(|cells| cells > MAX_CELLS) {
            return self.refuse("PROGRAM_COST", format!("an array of shape {shape:?} is too large"));
        }
        Ok(shape)
    }

    /// An array of equal validity in another form.
    pub(super) fn both_valid(&mut self, a: Option<ValueId>, b: Option<ValueId>) -> Option<ValueId> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.build.and(a, b)),
            (one, None) | (None, one) => one,
        }
    }

    /// The width of an interval, noted as one that the word must hold.
    pub(super) fn width(&mut self, range: Interval) -> u32 {
        let bits = width(range);
        self.build.needs(bits);
        bits
    }
}

/// The least width `b` with the interval within `[-2^(b-1), 2^(b-1))`.
pub(super) fn width(range: Interval) -> u32 {
    let magnitude = |value: i128| if value < 0 { !value } else { value };
    let top = magnitude(range.lo).max(magnitude(range.hi));
    129 - top.leading_zeros()
}
