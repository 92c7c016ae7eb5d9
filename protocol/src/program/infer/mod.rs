//! Inference: the element, shape, range, validity and publicity of every node, from the program and the owners'
//! schemas alone (CHK-207, CHK-208).
//!
//! *Ranges* are exact interval arithmetic in lattice units. They cover every value that the plain evaluator gives,
//! and every value that an engine gives whose float64 products, matrix products, quotients and conversions from
//! decimals are within one step of the exact result. A value, or an intermediate at the scale that an engine needs,
//! that does not fit [`RANGE_BITS`] bits (int64: 64) is refused, so that no engine is ever silently wrong.
//!
//! *Lattices*: before an operation runs, its operands are brought to the elements that [`TypedBlock::lattices`] gives
//! for it: comparisons, sums, differences, quotients, `where` and concatenation work on one common element, products
//! keep the element of each factor. A constant takes the element of its partner where it is exact in it.
//!
//! *Rows*: a [`Op::Load`] has the rows of its schema, a [`Op::Join`] between none and those of the smaller side.

mod arithmetic;
mod arrange;
mod element;
pub(crate) mod functions;
mod loops;
mod order;
pub(crate) mod range;
mod reduce;
mod rules;
pub(crate) mod shape;
pub(crate) mod table;

use std::collections::BTreeMap;

use crate::program::types::{ArrayType, Dataset, TableType, ValueType};
use crate::program::{BlockId, DatasetName, Dim, Node, NodeId, Op, Place, Program, ProgramError};
use crate::schema::Element;

pub use functions::{Exponent, exponent, rounded};
pub use range::RANGE_BITS;
pub use table::find_column;

/// A program with the types of all its nodes. Only [`infer`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedProgram {
    program: Program,
    datasets: BTreeMap<DatasetName, Dataset>,
    main: TypedBlock,
    blocks: Vec<TypedBlock>,
    rows: BTreeMap<NodeId, (u64, u64)>,
}

/// The types of the nodes of one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypedBlock {
    /// One entry a node.
    pub types: Vec<ValueType>,
    /// For each node, the elements that its operands (in the order of [`Op::operands`]) are brought to before the
    /// operation runs. A table operand or a loop stands as an empty list.
    pub lattices: Vec<Vec<Element>>,
}

impl TypedBlock {
    /// The type of a node that is an array; `None` for tables, tuples and foreign nodes.
    pub fn array(&self, node: NodeId) -> Option<&ArrayType> {
        match self.types.get(node.index()) {
            Some(ValueType::Array(array)) => Some(array),
            _ => None,
        }
    }

    /// The type of a node that is a table; `None` for others.
    pub fn table(&self, node: NodeId) -> Option<&TableType> {
        match self.types.get(node.index()) {
            Some(ValueType::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The elements that the operands of a node are brought to.
    pub fn lattices(&self, node: NodeId) -> &[Element] {
        self.lattices.get(node.index()).map_or(&[], Vec::as_slice)
    }
}

impl TypedProgram {
    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The datasets that it may load.
    pub fn datasets(&self) -> &BTreeMap<DatasetName, Dataset> {
        &self.datasets
    }

    /// The types of the main block.
    pub fn main(&self) -> &TypedBlock {
        &self.main
    }

    /// The types of a loop body.
    pub fn block(&self, block: BlockId) -> Option<&TypedBlock> {
        self.blocks.get(block.0 as usize)
    }

    /// The type of a node of the main block that is an array.
    pub fn array(&self, node: NodeId) -> Option<&ArrayType> {
        self.main.array(node)
    }

    /// The type of a node of the main block that is a table.
    pub fn table(&self, node: NodeId) -> Option<&TableType> {
        self.main.table(node)
    }

    /// The most rows that the table of a [`Op::Load`] or [`Op::Join`] may have, for each such node.
    pub fn row_bounds(&self) -> BTreeMap<NodeId, u64> {
        self.rows.iter().map(|(node, (_, most))| (*node, *most)).collect()
    }

    /// The largest that a size can be.
    pub fn bound(&self, size: &Dim) -> u64 {
        let (_, most) = size.bounds(&self.rows);
        u64::try_from(most.max(0)).unwrap_or(u64::MAX)
    }

    /// The most cells that an array can have.
    pub fn cells_bound(&self, array: &ArrayType) -> u64 {
        array.shape.iter().map(|dim| self.bound(dim)).fold(1, u64::saturating_mul)
    }
}

/// Derives the types of all nodes.
///
/// # Errors
/// [`ProgramError`] with the node, the cause and the next step, when the program is not well formed, names what is
/// not there, or does not provably fit.
pub fn infer(program: &Program, datasets: &BTreeMap<DatasetName, Dataset>) -> Result<TypedProgram, ProgramError> {
    program.validate()?;
    let mut inference = Inference {
        program,
        datasets,
        rows: BTreeMap::new(),
        blocks: vec![TypedBlock::default(); program.blocks.len()],
    };
    let main = inference.block(None, &program.nodes, &[])?;
    table::check_outputs(program, &main)?;
    Ok(TypedProgram {
        program: program.clone(),
        datasets: datasets.clone(),
        main,
        blocks: inference.blocks,
        rows: inference.rows,
    })
}

/// What inference knows on its way.
struct Inference<'a> {
    program: &'a Program,
    datasets: &'a BTreeMap<DatasetName, Dataset>,
    /// The least and most rows of each Load and Join so far.
    rows: BTreeMap<NodeId, (u64, u64)>,
    blocks: Vec<TypedBlock>,
}

impl Inference<'_> {
    fn block(
        &mut self,
        block: Option<BlockId>,
        nodes: &[Node],
        parameters: &[ArrayType],
    ) -> Result<TypedBlock, ProgramError> {
        let mut done = TypedBlock::default();
        for (index, node) in nodes.iter().enumerate() {
            let id = NodeId(u32::try_from(index).expect("validated: at most limits::NODES nodes"));
            let here = Here { place: Place { block, node: id, name: node.name.clone() }, nodes, done: &done };
            let (value, lattices) = self.node(&here, node, parameters)?;
            done.types.push(value);
            done.lattices.push(lattices);
        }
        Ok(done)
    }

    fn node(
        &mut self,
        here: &Here<'_>,
        node: &Node,
        parameters: &[ArrayType],
    ) -> Result<(ValueType, Vec<Element>), ProgramError> {
        let table = |table: TableType| Ok((ValueType::Table(table), Vec::new()));
        match &node.op {
            Op::Load { dataset } => table(self.load(here, dataset)?),
            Op::Join { .. } => table(self.join(here, &node.op)?),
            Op::Filter { table: of, mask } => table(table::filter(here, *of, *mask)?),
            Op::Column { table, column } => Ok((ValueType::Array(table::column(here, *table, column)?), Vec::new())),
            Op::Loop { .. } => Ok((ValueType::Tuple(self.repeat(here, &node.op)?), Vec::new())),
            Op::Parameter { index } => match parameters.get(*index as usize) {
                Some(parameter) => Ok((ValueType::Array(parameter.clone()), Vec::new())),
                None => Err(here.type_error(
                    format!("the loop body has {} parameters, and none numbered {index}", parameters.len()),
                    "Parameters are the carried values, the captured ones, then the trip number.",
                )),
            },
            op => {
                let rule = rules::Rule { here, rows: &self.rows };
                let typed = rule.apply(op)?;
                rule.check_cells(&typed.array)?;
                Ok((ValueType::Array(typed.array), typed.lattices))
            }
        }
    }
}

/// The node that is looked at, and the types of those before it.
struct Here<'a> {
    place: Place,
    nodes: &'a [Node],
    done: &'a TypedBlock,
}

impl Here<'_> {
    fn type_error(&self, cause: impl Into<String>, next: impl Into<String>) -> ProgramError {
        ProgramError::Type { place: self.place.clone(), cause: cause.into(), next: next.into() }
    }

    fn range_error(&self, cause: impl Into<String>, next: impl Into<String>) -> ProgramError {
        ProgramError::Range { place: self.place.clone(), cause: cause.into(), next: next.into() }
    }

    fn array(&self, node: NodeId) -> Result<&ArrayType, ProgramError> {
        self.done.array(node).ok_or_else(|| {
            let next = "Take a column of a table, or an item of a loop, first.";
            self.type_error(format!("its operand {} is no array", self.describe(node)), next)
        })
    }

    fn table(&self, node: NodeId) -> Result<&TableType, ProgramError> {
        self.done.table(node).ok_or_else(|| {
            self.type_error(
                format!("its operand {} is no table", self.describe(node)),
                "Name a loaded or joined table.",
            )
        })
    }

    fn describe(&self, node: NodeId) -> Place {
        let name = self.nodes.get(node.index()).and_then(|node| node.name.clone());
        Place { block: self.place.block, node, name }
    }
}
