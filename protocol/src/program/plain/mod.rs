//! The plain evaluator: what a program means. Every other way to run a program is held against it.
//!
//! *Values*: bool, int64, decimal, date and category cells are exact integers in lattice units; float64 and
//! float64_high cells are `f64`. Columns of these are rounded to the nearest lattice step when they are loaded
//! ([`encode`]), since those are the values that an engine works on; constants are not. Arithmetic is that of NumPy:
//! int64 and decimals are exact (inference proved that they fit), real numbers are IEEE 754. An `f64` has 53 bits, so
//! beyond `2^17` it is coarser than steps of `2^-36`, and an engine's float64_high is the better one there.
//!
//! *Validity*: invalid cells carry some value that nothing valid depends on.
//!
//! *Security*: none. It sees all tables in the clear, so it runs on previews, inside a confidential VM and in tests.

mod arithmetic;
mod arrange;
mod column;
mod functions;
mod order;
mod reduce;
mod table;
mod value;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::program::types::ValueType;
use crate::program::{BlockId, DatasetName, NodeId, Op, Place, ProgramError, TypedBlock, TypedProgram};
use crate::schema::Element;

pub use column::{EncodedColumn, PlainColumn, PlainData, PlainTable, encode, encode_array};
pub use value::{Cells, PlainValue};

use table::Table;

/// The outputs of a program on these tables, in its order.
///
/// # Errors
/// [`ProgramError::Input`] when a table is missing or not what its schema says, [`ProgramError::DuplicateKeys`],
/// [`ProgramError::OutOfRange`] when a value leaves the range that the program declares for it, and
/// [`ProgramError::Type`] when the row counts do not suit a size.
pub fn evaluate(
    typed: &TypedProgram,
    tables: &BTreeMap<DatasetName, PlainTable>,
) -> Result<Vec<PlainValue>, ProgramError> {
    evaluate_with(typed, tables, &BTreeMap::new())
}

/// The same with the arrays that are handed in, by their nodes, in row-major order.
///
/// # Errors
/// As [`evaluate`], and [`ProgramError::Input`] when an array is missing or not what its node declares.
pub fn evaluate_with(
    typed: &TypedProgram,
    tables: &BTreeMap<DatasetName, PlainTable>,
    arrays: &PlainArrays,
) -> Result<Vec<PlainValue>, ProgramError> {
    let outputs: Vec<NodeId> = typed.program().outputs.iter().map(|output| output.value).collect();
    let trace = run(typed, tables, arrays, &outputs, false)?;
    let value = |node: &NodeId| trace.array(*node).cloned().expect("inference: outputs are arrays");
    Ok(outputs.iter().map(value).collect())
}

/// The arrays that are handed in, by their nodes, in row-major order.
pub type PlainArrays = BTreeMap<NodeId, PlainColumn>;

/// All values of the main block on these tables.
///
/// # Errors
/// As [`evaluate`].
pub fn trace(typed: &TypedProgram, tables: &BTreeMap<DatasetName, PlainTable>) -> Result<Trace, ProgramError> {
    run(typed, tables, &BTreeMap::new(), &[], true)
}

/// The values of the main block of a program.
pub struct Trace {
    values: Vec<Option<Value>>,
    rows: BTreeMap<NodeId, u64>,
}

impl Trace {
    /// The value of a node that is an array.
    pub fn array(&self, node: NodeId) -> Option<&PlainValue> {
        match self.values.get(node.index()) {
            Some(Some(Value::Array(array))) => Some(array),
            _ => None,
        }
    }

    /// The row counts of the tables that were loaded and joined.
    pub fn rows(&self) -> &BTreeMap<NodeId, u64> {
        &self.rows
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trace({} values <redacted>)", self.values.len())
    }
}

#[derive(Clone)]
enum Value {
    Array(Rc<PlainValue>),
    Table(Rc<Table>),
    Tuple(Vec<Rc<PlainValue>>),
}

fn run(
    typed: &TypedProgram,
    tables: &BTreeMap<DatasetName, PlainTable>,
    arrays: &PlainArrays,
    outputs: &[NodeId],
    keep_all: bool,
) -> Result<Trace, ProgramError> {
    let mut run = Run { typed, tables, arrays, rows: BTreeMap::new() };
    let keep = |node: NodeId| keep_all || outputs.contains(&node);
    let values = run.block(None, typed.main(), &[], &keep)?;
    Ok(Trace { values, rows: run.rows })
}

struct Run<'a> {
    typed: &'a TypedProgram,
    tables: &'a BTreeMap<DatasetName, PlainTable>,
    arrays: &'a PlainArrays,
    /// Rows of each Load and Join so far.
    rows: BTreeMap<NodeId, u64>,
}

impl Run<'_> {
    /// The values of a block; those that nothing later reads are dropped on the way unless they are to be kept.
    fn block(
        &mut self,
        block: Option<BlockId>,
        types: &TypedBlock,
        parameters: &[Rc<PlainValue>],
        keep: &dyn Fn(NodeId) -> bool,
    ) -> Result<Vec<Option<Value>>, ProgramError> {
        let typed = self.typed;
        let nodes = match block {
            None => &typed.program().nodes,
            Some(block) => &typed.program().blocks[block.0 as usize].nodes,
        };
        let mut last_use = vec![usize::MAX; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            node.op.operands().iter().for_each(|operand| last_use[operand.index()] = index);
        }
        let mut values: Vec<Option<Value>> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let id = NodeId(u32::try_from(index).expect("validated: at most limits::NODES nodes"));
            let here = Here { nodes, types, values: &values, id, block };
            let value = self.node(&here, parameters).map_err(|error| here.placed(error))?;
            values.push(Some(value));
            for operand in node.op.operands() {
                if last_use[operand.index()] == index && !keep(operand) {
                    values[operand.index()] = None;
                }
            }
        }
        Ok(values)
    }

    fn node(&mut self, here: &Here<'_>, parameters: &[Rc<PlainValue>]) -> Result<Value, ProgramError> {
        let table = |table: Table| Ok(Value::Table(Rc::new(table)));
        match here.op() {
            Op::Load { dataset } => {
                let loaded = table::load(self.typed, self.tables, dataset)?;
                self.rows.insert(here.id, loaded.rows);
                table(loaded)
            }
            Op::Join { left, right, left_on, right_on, alignment } => {
                let sides = [(*left, left_on), (*right, right_on)].map(|(node, on)| {
                    let types = here.types.table(node).expect("inference: joins take tables");
                    (here.table(node), types, on.as_str())
                });
                let joined = table::join(sides, *alignment)?;
                self.rows.insert(here.id, joined.rows);
                table(joined)
            }
            Op::Filter { table: of, mask } => table(here.table(*of).filtered(here.array(*mask))),
            Op::Column { table, column } => {
                let types = here.types.table(*table).expect("inference: columns are of tables");
                Ok(Value::Array(Rc::new(here.table(*table).column(types, column)?)))
            }
            Op::Parameter { index } => {
                Ok(Value::Array(parameters.get(*index as usize).cloned().expect("inference: the parameter is there")))
            }
            Op::Loop { body, trips, carried, captured } => {
                let captured: Vec<_> = captured.iter().map(|node| here.shared(*node)).collect();
                let mut state: Vec<_> = carried.iter().map(|carried| here.shared(carried.initial)).collect();
                for trip in 0..*trips {
                    state = self.trip(here, *body, trip, &state, &captured)?;
                }
                Ok(Value::Tuple(state))
            }
            Op::Item { of, index } => Ok(Value::Array(here.item(*of, *index))),
            op => Ok(Value::Array(Rc::new(self.array(here, op)?))),
        }
    }

    /// The carried values after one more trip, each within its declared range.
    fn trip(
        &mut self,
        here: &Here<'_>,
        body: BlockId,
        trip: u32,
        state: &[Rc<PlainValue>],
        captured: &[Rc<PlainValue>],
    ) -> Result<Vec<Rc<PlainValue>>, ProgramError> {
        let typed = self.typed;
        let types = typed.block(body).expect("inference: every body is typed");
        let results = &typed.program().blocks[body.0 as usize].results;
        let trip = Rc::new(PlainValue::scalar(Element::Int64, i128::from(trip)));
        let parameters: Vec<_> = state.iter().chain(captured).cloned().chain([trip]).collect();
        let values = self.block(Some(body), types, &parameters, &|node| results.contains(&node))?;
        let Some(ValueType::Tuple(declared)) = here.types.types.get(here.id.index()) else {
            unreachable!("inference: a loop is a tuple");
        };
        let next = results.iter().zip(declared).map(|(result, declared)| {
            let Some(Some(Value::Array(value))) = values.get(result.index()) else {
                unreachable!("inference: results are arrays");
            };
            if value.within(&declared.range) { Ok(value.clone()) } else { Err(here.out_of_range()) }
        });
        next.collect()
    }

    fn array(&self, here: &Here<'_>, op: &Op) -> Result<PlainValue, ProgramError> {
        let to = here.types.lattices(here.id);
        // An operand in the lattice that inference chose for it.
        let operand = |place: usize| here.brought(op.operands()[place], &to[place]);
        let element = || here.element().clone();
        Ok(match op {
            Op::Constant { element, shape, values } => {
                let shape: Vec<usize> = shape.iter().map(|size| size_of(*size)).collect();
                PlainValue::constant(values, &shape, element)
            }
            Op::Full { element, shape, value } => {
                PlainValue::constant(std::slice::from_ref(value), &self.shape(shape)?, element)
            }
            Op::Arange { length } => {
                let length = length.evaluate(&self.rows)?;
                PlainValue::exact(Element::Int64, &[size_of(length)], (0..length).map(i128::from).collect())
            }
            Op::Size { of } => PlainValue::scalar(Element::Int64, i128::from(of.evaluate(&self.rows)?)),
            Op::Cast { value, element } => here.brought(*value, element),
            Op::Unary { function, .. } => arithmetic::unary(*function, operand(0)),
            Op::Binary { function, .. } => arithmetic::binary(*function, &operand(0), &operand(1), element()),
            Op::Where { .. } => arithmetic::choose(&operand(0), &operand(1), &operand(2)),
            Op::MatMul { .. } => arithmetic::matrix_multiply(&operand(0), &operand(1), element()),
            Op::Reduce { function, value, axes, keep_dims, mask } => {
                let mask = mask.map(|mask| here.array(mask));
                reduce::reduce(*function, here.array(*value), axes, *keep_dims, mask, element())
            }
            Op::Reshape { value, shape } => here.array(*value).reshaped(&self.shape(shape)?),
            Op::Transpose { value, axes } => arrange::transpose(here.array(*value), axes),
            Op::Concatenate { values, axis } => {
                let arrays: Vec<PlainValue> = (0..values.len()).map(operand).collect();
                arrange::concatenate(&arrays, *axis)
            }
            Op::Slice { value, axes } => arrange::slice(here.array(*value), axes, &self.rows)?,
            Op::Sort { value, axis } => order::sort(here.array(*value), *axis),
            Op::SortRows { value, keys } => order::sort_rows(here.array(*value), here.array(*keys)),
            Op::Argsort { value, axis } => order::argsort(here.array(*value), *axis),
            Op::Flip { value, axis } => arrange::flip(here.array(*value), *axis),
            Op::Take { value, axis, places } => arrange::take(here.array(*value), *axis, places)?,
            Op::Cumsum { value, axis } => reduce::cumulate(here.array(*value), *axis),
            Op::Windows { value, axis, size } => arrange::windows(here.array(*value), *axis, *size)?,
            Op::Assume { value, lo, hi } => {
                let value = here.array(*value);
                let range = crate::program::types::Interval::between(&value.element, *lo, *hi);
                if !range.is_some_and(|range| value.within(&range)) {
                    return Err(here.out_of_range());
                }
                value.clone()
            }
            Op::Input { .. } => self.input(here)?,
            Op::Load { .. }
            | Op::Join { .. }
            | Op::Filter { .. }
            | Op::Column { .. }
            | Op::Parameter { .. }
            | Op::Loop { .. }
            | Op::Item { .. } => unreachable!("these are no array operations"),
        })
    }

    fn input(&self, here: &Here<'_>) -> Result<PlainValue, ProgramError> {
        let place = here.place().to_string();
        let given = self
            .arrays
            .get(&here.id)
            .ok_or_else(|| ProgramError::Input { cause: format!("array {place:?}: it was not handed in") })?;
        let array = here.types.array(here.id).expect("inference: an input is an array");
        Ok(PlainValue::encoded(&array.element, &self.shape(&array.shape)?, encode_array(given, &place, array)?))
    }

    fn shape(&self, shape: &[crate::program::Dim]) -> Result<Vec<usize>, ProgramError> {
        shape.iter().map(|dim| dim.evaluate(&self.rows).map(size_of)).collect()
    }
}

/// The node that is computed, and the values before it.
struct Here<'a> {
    nodes: &'a [crate::program::Node],
    types: &'a TypedBlock,
    values: &'a [Option<Value>],
    id: NodeId,
    block: Option<BlockId>,
}

impl<'a> Here<'a> {
    fn op(&self) -> &'a Op {
        &self.nodes[self.id.index()].op
    }

    fn element(&self) -> &Element {
        &self.types.array(self.id).expect("inference: the node is an array").element
    }

    fn value(&self, node: NodeId) -> &'a Value {
        self.values[node.index()].as_ref().expect("values live until their last use")
    }

    fn shared(&self, node: NodeId) -> Rc<PlainValue> {
        match self.value(node) {
            Value::Array(array) => array.clone(),
            _ => unreachable!("inference: the operand is an array"),
        }
    }

    fn array(&self, node: NodeId) -> &'a PlainValue {
        match self.value(node) {
            Value::Array(array) => array,
            _ => unreachable!("inference: the operand is an array"),
        }
    }

    fn table(&self, node: NodeId) -> &'a Table {
        match self.value(node) {
            Value::Table(table) => table,
            _ => unreachable!("inference: the operand is a table"),
        }
    }

    fn item(&self, of: NodeId, index: u32) -> Rc<PlainValue> {
        match self.value(of) {
            Value::Tuple(items) => items[index as usize].clone(),
            _ => unreachable!("inference: the operand is a loop"),
        }
    }

    /// An operand in another lattice; a constant from its exact numbers.
    fn brought(&self, node: NodeId, to: &Element) -> PlainValue {
        let array = self.array(node);
        match &self.nodes[node.index()].op {
            Op::Constant { values, .. } => PlainValue::constant(values, array.shape(), to),
            Op::Full { value, .. } => PlainValue::constant(std::slice::from_ref(value), array.shape(), to),
            _ => array.converted(to),
        }
    }

    fn out_of_range(&self) -> ProgramError {
        ProgramError::OutOfRange { place: self.place() }
    }

    /// A size at fault says nothing of its node.
    fn placed(&self, error: ProgramError) -> ProgramError {
        match error {
            ProgramError::Size { .. } => {
                ProgramError::Type { place: self.place(), cause: error.to_string(), next: error.next() }
            }
            error => error,
        }
    }

    fn place(&self) -> Place {
        Place { block: self.block, node: self.id, name: self.nodes[self.id.index()].name.clone() }
    }
}

/// A size as an index: inference bounds the cells of every array by `limits::CELLS`.
fn size_of(size: u64) -> usize {
    usize::try_from(size).expect("inference: arrays have at most limits::CELLS cells")
}
