//! The builder of a program: tables, columns, constants, loops and releases.

use std::cell::RefCell;
use std::rc::Rc;

use tacit_protocol::Number;
use tacit_protocol::program::{Alignment, Block, BlockId, Carried, Dim, Node, NodeId, Op, Output, Program};
use tacit_protocol::schema::Element;

use crate::array::{Array, Operand};

/// Builds one [`Program`]. Cheap to clone; clones build the same program.
#[derive(Clone, Default)]
pub struct ProgramBuilder {
    state: Rc<RefCell<State>>,
}

/// The program so far, and the block that operations go to.
#[derive(Default)]
struct State {
    program: Program,
    /// The loop bodies that are being written, outermost first; empty: the main block.
    open: Vec<OpenBlock>,
    /// How many loop bodies were begun.
    scopes: u32,
}

/// A loop body that is being written.
struct OpenBlock {
    scope: u32,
    nodes: Vec<Node>,
}

impl ProgramBuilder {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    /// A dataset as a table, by its owner's name and its own: `maison/customers`.
    pub fn table(&self, dataset: &str) -> Table {
        Table { builder: self.clone(), id: self.push(Op::Load { dataset: dataset.into() }), rows_of: None }
    }

    /// A public scalar.
    pub fn constant(&self, value: impl Into<Operand>) -> Array {
        match value.into() {
            Operand::Array(array) => array,
            Operand::Literal(element, value) => {
                self.array(Op::Constant { element, shape: vec![], values: vec![value] })
            }
        }
    }

    /// Public values in one dimension.
    pub fn vector(&self, element: Element, values: impl IntoIterator<Item = Number>) -> Array {
        let values: Vec<Number> = values.into_iter().collect();
        self.array(Op::Constant { element, shape: vec![values.len() as u64], values })
    }

    /// An array of one public value.
    pub fn full(&self, shape: Vec<Dim>, element: Element, value: Number) -> Array {
        self.array(Op::Full { element, shape, value })
    }

    /// The integers 0, 1, ... below `length`.
    pub fn arange(&self, length: Dim) -> Array {
        self.array(Op::Arange { length })
    }

    /// A size as a number.
    pub fn size(&self, of: Dim) -> Array {
        self.array(Op::Size { of })
    }

    /// Arrays one after the other along an axis.
    ///
    /// # Panics
    /// If there are none.
    pub fn concatenate(&self, values: &[&Array], axis: u8) -> Array {
        assert!(!values.is_empty(), "concatenate takes at least one array");
        self.array(Op::Concatenate { values: values.iter().map(|array| array.id()).collect(), axis })
    }

    /// Runs `body` `trips` times. It gets the carried values, the captured ones and the trip number, and returns the
    /// next carried values. The result holds them after the last trip.
    pub fn repeat(
        &self,
        trips: u32,
        carried: &[(&Array, Number, Number)],
        captured: &[&Array],
        body: impl FnOnce(&[Array], &[Array], &Array) -> Vec<Array>,
    ) -> Vec<Array> {
        self.open_block();
        let count = carried.len() + captured.len() + 1;
        let parameters: Vec<Array> =
            (0..count).map(|index| self.array(Op::Parameter { index: index as u32 })).collect();
        let (values, rest) = parameters.split_at(carried.len());
        let (captures, trip) = rest.split_at(captured.len());
        let results = body(values, captures, &trip[0]).iter().map(Array::id).collect();

        let mut state = self.state.borrow_mut();
        let nodes = state.open.pop().expect("the body was opened above").nodes;
        let block = BlockId(state.program.blocks.len() as u32);
        state.program.blocks.push(Block { nodes, results });
        drop(state);

        let looped = self.push(Op::Loop {
            body: block,
            trips,
            carried: carried.iter().map(|(array, lo, hi)| Carried { initial: array.id(), lo: *lo, hi: *hi }).collect(),
            captured: captured.iter().map(|array| array.id()).collect(),
        });
        (0..carried.len()).map(|index| self.array(Op::Item { of: looped, index: index as u32 })).collect()
    }

    /// Releases a value to the organisation that submits the job.
    pub fn release(&self, name: &str, value: &Array) {
        self.release_to(name, value, &[]);
    }

    /// Releases a value to the organisations named.
    pub fn release_to(&self, name: &str, value: &Array, receivers: &[&str]) {
        let receivers = receivers.iter().map(ToString::to_string).collect();
        let output = Output { name: name.into(), value: value.id(), receivers, within: None };
        self.state.borrow_mut().program.outputs.push(output);
    }

    /// Releases a value to the organisation that submits the job, as exact as it has to be: no further off than `within`
    /// in 95 of 100 runs, where an owner of the data demands noise. The closer, the more of the privacy budget it takes.
    pub fn release_within(&self, name: &str, value: &Array, within: Number) {
        self.release(name, value);
        if let Some(output) = self.state.borrow_mut().program.outputs.last_mut() {
            output.within = Some(within);
        }
    }

    /// The program.
    pub fn build(&self) -> Program {
        self.state.borrow().program.clone()
    }

    /// Appends an operation to the block that is being written.
    pub(crate) fn push(&self, op: Op) -> NodeId {
        let mut state = self.state.borrow_mut();
        match state.open.last_mut() {
            Some(block) => {
                block.nodes.push(Node { op, name: None });
                NodeId((block.nodes.len() - 1) as u32)
            }
            None => state.program.push(op),
        }
    }

    /// Appends an operation whose value is an array.
    pub(crate) fn array(&self, op: Op) -> Array {
        let id = self.push(op);
        Array::new(self.clone(), id, self.scope())
    }

    /// The block that is being written: 0 for the main block, a number of its own for each loop body.
    pub(crate) fn scope(&self) -> u32 {
        self.state.borrow().open.last().map_or(0, |block| block.scope)
    }

    fn open_block(&self) {
        let mut state = self.state.borrow_mut();
        state.scopes += 1;
        let scope = state.scopes;
        state.open.push(OpenBlock { scope, nodes: Vec::new() });
    }

    /// Gives the author's name to a node.
    pub(crate) fn name(&self, id: NodeId, name: &str) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let nodes = state.open.last_mut().map_or(&mut state.program.nodes, |block| &mut block.nodes);
        nodes[id.index()].name = Some(name.into());
    }
}

/// A table of a program.
#[derive(Clone)]
pub struct Table {
    builder: ProgramBuilder,
    id: NodeId,
    /// The node whose rows these are, where it is not the table's own.
    rows_of: Option<NodeId>,
}

impl Table {
    /// A column.
    pub fn column(&self, name: &str) -> Array {
        let column = self.builder.array(Op::Column { table: self.id, column: name.into() });
        column.named(name.rsplit('.').next().unwrap_or(name))
    }

    /// The rows whose key is in both tables; both owners learn which of their own rows those are.
    pub fn join(&self, other: &Self, on: &str) -> Self {
        self.join_with(other, on, on, Alignment::Revealed)
    }

    /// The rows whose keys are equal, with the key columns and the alignment named.
    pub fn join_with(&self, other: &Self, left_on: &str, right_on: &str, alignment: Alignment) -> Self {
        let id = self.builder.push(Op::Join {
            left: self.id,
            right: other.id,
            left_on: left_on.into(),
            right_on: right_on.into(),
            alignment,
        });
        Self { builder: self.builder.clone(), id, rows_of: None }
    }

    /// The table with only the rows where the mask is true. Which ones those are stays secret.
    pub fn filter(&self, mask: &Array) -> Self {
        let id = self.builder.push(Op::Filter { table: self.id, mask: mask.id() });
        Self { builder: self.builder.clone(), id, rows_of: Some(self.rows_of.unwrap_or(self.id)) }
    }

    /// How many row slots it has, as a size.
    pub fn rows(&self) -> Dim {
        Dim::rows_of(self.rows_of.unwrap_or(self.id))
    }
}
