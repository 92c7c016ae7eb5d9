//! Arrays of a direct session: operations that are typed at once and computed when a value is asked for.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tacit_protocol::program::types::ArrayType;
use tacit_protocol::program::{
    Binary, InputSource, Node, NodeId, Op, Output, Program, Reduction, Unary, infer_operation,
};

use crate::error::{Error, Result};
use crate::inputs::{Part, Parts};
use crate::share::Placement;

/// The most operations that are computed in one run; of more, the first are computed in a run before.
const MAX_NODES: usize = 2048;
/// Memory of the values that a run keeps beside those that were asked for: 256 MiB.
const KEPT_BYTES: u64 = 256 << 20;

/// An array of a session. Clones are the same array.
#[derive(Clone)]
pub struct Lazy(Arc<Cell>);

struct Cell {
    /// The operation; it names its operands by their places in `operands`.
    op: Op,
    name: Option<String>,
    array: ArrayType,
    /// Who knows it without the other's help.
    placement: Placement,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is computed first; none any more once there is a value.
    operands: Vec<Lazy>,
    value: Option<Arc<SharedValue>>,
}

/// A value that the parties of this process hold their parts of.
#[derive(Debug)]
pub struct SharedValue {
    /// The operation that brings it into a program ([`Op::Input`]): its type, shape and range.
    pub op: Op,
    /// The parts of the parties that are here, in their order; none where the value is the peer's.
    pub parts: Vec<Option<Arc<Part>>>,
}

impl std::fmt::Debug for Lazy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lazy({} {:?} <redacted>)", self.0.array.element.name(), self.0.array.shape)
    }
}

impl Lazy {
    /// An operation on arrays, which it names by their places in `operands`; `name` is for error messages.
    ///
    /// # Errors
    /// `PROGRAM_TYPE`, `PROGRAM_RANGE` or `PROGRAM_COST` when they do not fit the operation.
    pub fn new(op: Op, operands: Vec<Self>, name: Option<String>) -> Result<Self> {
        let known: Vec<(&Op, &ArrayType)> = operands.iter().map(|of| (&of.0.op, &of.0.array)).collect();
        let array = infer_operation(&op, name.as_deref(), &known).map_err(Error::of_program)?;
        let placements = operands.iter().map(|of| of.0.placement);
        let placement =
            if array.public { Placement::Public } else { placements.fold(Placement::Public, Placement::join) };
        let state = Mutex::new(State { operands, value: None });
        Ok(Self(Arc::new(Cell { op, name, array, placement, state })))
    }

    /// An array that is there.
    pub(super) fn known(value: SharedValue, name: Option<String>) -> Result<Self> {
        let array = infer_operation(&value.op, name.as_deref(), &[]).map_err(Error::of_program)?;
        let placement = match &value.op {
            Op::Input { from: InputSource::Party(owner), .. } => Placement::Private(*owner),
            _ => Placement::Shared,
        };
        let op = value.op.clone();
        let state = Mutex::new(State { operands: Vec::new(), value: Some(Arc::new(value)) });
        Ok(Self(Arc::new(Cell { op, name, array, placement, state })))
    }

    /// What is known of it: element, shape, range and validity.
    pub fn array(&self) -> &ArrayType {
        &self.0.array
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> Vec<u64> {
        self.0.array.shape.iter().map(|dim| dim.as_fixed().expect("direct sessions have fixed sizes")).collect()
    }

    /// The value, if it is computed or was handed in.
    pub(super) fn value(&self) -> Option<Arc<SharedValue>> {
        self.state().value.clone()
    }

    /// Whether only both parties together know it: what one knows is worth more than shares of it.
    pub(super) fn is_shared(&self) -> bool {
        self.0.placement == Placement::Shared
    }

    /// Notes the value, and lets go of what it was computed from.
    pub(super) fn settle(&self, value: Arc<SharedValue>) {
        let operands = {
            let mut state = self.state();
            state.value = Some(value);
            std::mem::take(&mut state.operands)
        };
        release(operands);
    }

    /// Whether it is the same array.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operands(&self) -> Vec<Self> {
        self.state().operands.clone()
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Whether computing it takes the other party, so that it is worth keeping.
    fn is_costly(&self) -> bool {
        self.is_shared()
            && match &self.0.op {
                Op::Binary { function, .. } => !matches!(function, Binary::Add | Binary::Subtract | Binary::Xor),
                Op::Unary { function, .. } => !matches!(function, Unary::Negate | Unary::Not),
                Op::Reduce { function, .. } => !matches!(function, Reduction::Sum | Reduction::Count),
                Op::Where { .. } | Op::MatMul { .. } | Op::Sort { .. } | Op::Argsort { .. } | Op::SortRows { .. } => {
                    true
                }
                _ => false,
            }
    }

    fn bytes(&self) -> u64 {
        16 * self.shape().iter().product::<u64>()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        release(std::mem::take(&mut state.operands));
    }
}

/// Drops arrays and all that only they need, one after the other: chains of operations may be long.
fn release(operands: Vec<Lazy>) {
    let mut open = operands;
    while let Some(Lazy(cell)) = open.pop() {
        if let Some(mut cell) = Arc::into_inner(cell) {
            let state = cell.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            open.append(&mut state.operands);
        }
    }
}

/// A program for arrays that were asked for.
pub(super) struct Pending {
    pub(super) program: Program,
    /// What this process brings to its inputs, for each party that is here.
    pub(super) parts: Vec<Parts>,
    /// The array of each node.
    pub(super) nodes: Vec<Lazy>,
    /// The nodes that were asked for, in order.
    pub(super) targets: Vec<NodeId>,
    /// Nodes whose values are worth keeping, beside those.
    pub(super) worth: Vec<NodeId>,
}

/// What must be computed for the targets, each array behind those that it needs.
fn order(targets: &[Lazy]) -> Vec<Lazy> {
    let mut done = BTreeSet::new();
    let mut order = Vec::new();
    let mut open: Vec<(Lazy, bool)> = targets.iter().rev().map(|target| (target.clone(), false)).collect();
    while let Some((array, ready)) = open.pop() {
        if done.contains(&array.address()) {
            continue;
        }
        let operands = array.operands();
        if ready || operands.is_empty() {
            done.insert(array.address());
            order.push(array);
        } else {
            open.push((array, true));
            open.extend(operands.into_iter().rev().map(|operand| (operand, false)));
        }
    }
    order
}

/// The arrays to compute first, so that one program holds the rest; none where it holds all.
pub(super) fn in_advance(targets: &[Lazy]) -> Vec<Lazy> {
    let order = order(targets);
    if order.len() <= MAX_NODES {
        return Vec::new();
    }
    let first: BTreeSet<usize> = order[..MAX_NODES / 2].iter().map(Lazy::address).collect();
    let later = order[MAX_NODES / 2..].iter().flat_map(Lazy::operands);
    let mut seen = BTreeSet::new();
    let needed = later.filter(|array| first.contains(&array.address()) && seen.insert(array.address()));
    needed.filter(|array| array.value().is_none() && !array.array().public).collect()
}

/// The program that computes the targets.
///
/// # Errors
/// `PROPOSAL_TOO_BIG` where it takes more operations than a program may have.
pub(super) fn pending(targets: &[Lazy], parties: usize) -> Result<Pending> {
    let nodes = order(targets);
    let mut places: HashMap<usize, NodeId> = HashMap::with_capacity(nodes.len());
    let mut program = Program::new();
    let mut parts = vec![Parts::new(); parties];
    for array in &nodes {
        let value = array.value();
        let op = match &value {
            Some(value) => value.op.clone(),
            None => renumbered(&array.0.op, &array.operands(), &places)?,
        };
        let node = program.push(op);
        if let Some(last) = program.nodes.last_mut() {
            *last = Node { op: last.op.clone(), name: array.0.name.clone() };
        }
        for (parts, part) in parts.iter_mut().zip(value.iter().flat_map(|value| &value.parts)) {
            if let Some(part) = part {
                parts.insert(node, Arc::clone(part));
            }
        }
        places.insert(array.address(), node);
    }
    let targets: Vec<NodeId> = targets.iter().map(|target| places[&target.address()]).collect();
    for (place, target) in targets.iter().enumerate() {
        program.outputs.push(Output {
            name: format!("value {place}"),
            value: *target,
            receivers: Vec::new(),
            within: None,
        });
    }
    let mut left = KEPT_BYTES;
    let mut worth = Vec::new();
    for (place, array) in nodes.iter().enumerate().rev() {
        let node = NodeId(u32::try_from(place).unwrap_or(u32::MAX));
        if array.is_costly() && array.value().is_none() && !targets.contains(&node) && array.bytes() <= left {
            left -= array.bytes();
            worth.push(node);
        }
    }
    worth.reverse();
    Ok(Pending { program, parts, nodes, targets, worth })
}

/// The operation with its operands at their places in the program.
fn renumbered(op: &Op, operands: &[Lazy], places: &HashMap<usize, NodeId>) -> Result<Op> {
    let mut op = op.clone();
    let to = |node: &mut NodeId| {
        let place = operands.get(node.index()).and_then(|operand| places.get(&operand.address()));
        *node = place.copied().unwrap_or(NodeId(u32::MAX));
    };
    match &mut op {
        Op::Cast { value, .. }
        | Op::Unary { value, .. }
        | Op::Reshape { value, .. }
        | Op::Transpose { value, .. }
        | Op::Slice { value, .. }
        | Op::Windows { value, .. }
        | Op::Sort { value, .. }
        | Op::Argsort { value, .. }
        | Op::Flip { value, .. }
        | Op::Take { value, .. }
        | Op::Cumsum { value, .. }
        | Op::Assume { value, .. } => to(value),
        Op::Binary { left, right, .. } | Op::MatMul { left, right } => [left, right].into_iter().for_each(to),
        Op::SortRows { value, keys } => [value, keys].into_iter().for_each(to),
        Op::Where { condition, then, otherwise } => [condition, then, otherwise].into_iter().for_each(to),
        Op::Reduce { value, mask, .. } => [value].into_iter().chain(mask).for_each(to),
        Op::Concatenate { values, .. } => values.iter_mut().for_each(to),
        Op::Constant { .. } | Op::Full { .. } | Op::Arange { .. } | Op::Size { .. } | Op::Input { .. } => {}
        other => {
            let cause = format!("direct sessions have no {:?}", std::mem::discriminant(other));
            return Err(Error::refused("PROGRAM_TYPE", cause));
        }
    }
    Ok(op)
}
