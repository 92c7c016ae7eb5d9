//! What inference derives for each node of a program.

use crate::PartyId;
use crate::program::{Dim, NodeId};
use crate::schema::{Element, TableSchema};

/// A closed interval of values in units of the element's lattice step. Bools are 0 to 1, categories places in their
/// list, dates days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The least value.
    pub lo: i128,
    /// The largest value.
    pub hi: i128,
}

/// Which cells of an array are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validity {
    /// All of them, statically.
    AllTrue,
    /// Some are not; which ones is secret.
    Secret,
}

/// The type of an array value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArrayType {
    /// The element.
    pub element: Element,
    /// The shape, outermost axis first.
    pub shape: Vec<Dim>,
    /// The values that valid cells can take.
    pub range: Interval,
    /// Which cells are valid.
    pub validity: Validity,
    /// Whether the values are known to everybody: constants and what follows from them and from public sizes.
    pub public: bool,
}

/// A column that a table value offers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableColumn {
    /// The dataset it comes from, as the program names it.
    pub dataset: String,
    /// The [`super::Op::Load`] node it comes from.
    pub source: NodeId,
    /// The owner of that dataset.
    pub owner: PartyId,
    /// Its name there.
    pub name: String,
    /// Its type there.
    pub array: ArrayType,
}

/// The type of a table value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableType {
    /// The node whose rows these are: a [`super::Op::Load`] or [`super::Op::Join`].
    pub rows_of: NodeId,
    /// The columns.
    pub columns: Vec<TableColumn>,
    /// The masks of the filters on the way, in order.
    pub filters: Vec<NodeId>,
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// An array.
    Array(ArrayType),
    /// A table.
    Table(TableType),
    /// The values of a loop.
    Tuple(Vec<ArrayType>),
}

/// A dataset that a program loads: who owns it and what it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its owner.
    pub owner: PartyId,
    /// Its schema, with the row count.
    pub schema: TableSchema,
}
