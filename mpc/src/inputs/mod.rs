//! What a party brings to a run: the columns of its own datasets, and its part of arrays that are handed in.

mod part;

use std::collections::BTreeMap;
use std::sync::Arc;

use tacit_protocol::PartyId;
use tacit_protocol::program::plain::{PlainColumn, PlainData, PlainTable, encode};
use tacit_protocol::program::{NodeId, Op, TypedProgram};
use tacit_protocol::schema::{ColumnSchema, Element, TableSchema};
use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::executor::Inputs;
use crate::plan::step::ColumnPart;

pub use part::{Part, Words};

/// The cells of a column.
#[derive(Clone)]
pub(crate) enum Cells {
    /// Numbers in lattice steps, dates as days, categories as places in their list.
    Numbers(Vec<i64>),
    /// Bools.
    Bools(Vec<bool>),
    /// Join keys, in the normal form in which they are compared.
    Keys(Vec<Vec<u8>>),
}

/// A column, with cells of nulls in the declared range too: the plan's widths hold for every cell.
#[derive(Clone)]
pub(crate) struct LocalColumn {
    pub(crate) cells: Cells,
    /// Which are not null; none: all.
    pub(crate) valid: Option<Vec<bool>>,
}

/// A table of this party's, in lattice units.
#[derive(Clone, Default)]
pub struct LocalTable {
    columns: BTreeMap<String, LocalColumn>,
    rows: usize,
}

/// The datasets of this party that a program loads, by the names that the program uses.
#[derive(Clone, Default)]
pub struct LocalTables(BTreeMap<String, LocalTable>);

impl LocalTable {
    /// No columns of so many rows.
    pub fn new(rows: usize) -> Self {
        Self { columns: BTreeMap::new(), rows }
    }

    /// Adds a column, checked against its schema and encoded in lattice units. A node adds the columns that a program
    /// reads, one by one.
    ///
    /// # Errors
    /// `INPUT_SCHEMA`, naming the column, when it has another type, another number of rows, nulls where none are
    /// allowed, or a cell outside the declared range or beyond 64 bits.
    pub fn insert(&mut self, schema: &ColumnSchema, column: &PlainColumn) -> Result<()> {
        if column.data.len() != self.rows || column.validity.as_ref().is_some_and(|valid| valid.len() != self.rows) {
            return Err(wrong(schema, "has another number of rows than its table"));
        }
        let (cells, valid) = match (&column.data, &schema.element) {
            (PlainData::Key(keys), Element::Key) => (Cells::Keys(keys.clone()), column.validity.clone()),
            (_, element) => {
                let encoded = encode(column, schema)
                    .map_err(|error| Error::Refused { code: error.code(), cause: error.to_string() })?;
                let cells = if *element == Element::Bool {
                    Cells::Bools(encoded.values.iter().map(|cell| *cell == 1).collect())
                } else {
                    let narrow: Option<Vec<i64>> =
                        encoded.values.iter().map(|cell| i64::try_from(*cell).ok()).collect();
                    Cells::Numbers(narrow.ok_or_else(|| wrong(schema, "has a cell beyond 64 bits"))?)
                };
                (cells, Some(encoded.validity))
            }
        };
        let valid = valid.filter(|valid| valid.iter().any(|bit| !*bit));
        self.columns.insert(schema.name.clone(), LocalColumn { cells, valid });
        Ok(())
    }

    /// All columns of a schema.
    ///
    /// # Errors
    /// As [`LocalTable::insert`], and where a column is missing.
    pub fn encode(schema: &TableSchema, table: &PlainTable) -> Result<Self> {
        let rows = usize::try_from(schema.rows).map_err(|_| Error::refused("INPUT_SCHEMA", "too many rows"))?;
        let mut local = Self::new(rows);
        for column in &schema.columns {
            let cells = table.columns.get(&column.name).ok_or_else(|| wrong(column, "is missing"))?;
            local.insert(column, cells)?;
        }
        Ok(local)
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

fn wrong(column: &ColumnSchema, what: &str) -> Error {
    Error::refused("INPUT_SCHEMA", format!("column {:?} {what}", column.name))
}

impl LocalTables {
    /// No tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the table of a dataset, as the program names it.
    pub fn insert(&mut self, dataset: impl Into<String>, table: LocalTable) {
        self.0.insert(dataset.into(), table);
    }

    pub(crate) fn column(&self, dataset: &str, column: &str) -> Option<&LocalColumn> {
        self.0.get(dataset)?.columns.get(column)
    }
}

impl Drop for LocalColumn {
    fn drop(&mut self) {
        match &mut self.cells {
            Cells::Numbers(cells) => cells.zeroize(),
            Cells::Bools(cells) => cells.zeroize(),
            Cells::Keys(cells) => cells.zeroize(),
        }
        self.valid.zeroize();
    }
}

impl std::fmt::Debug for LocalTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(name, table)| (name, format!("{} rows <redacted>", table.rows))))
            .finish()
    }
}

/// What a party brings to the arrays that are handed in, by the nodes that take them.
pub type Parts = BTreeMap<NodeId, Arc<Part>>;

/// For each row of a join, the row of an owner's table that it comes from.
pub(crate) type JoinRows = BTreeMap<(NodeId, PartyId), Vec<u32>>;

/// The inputs of one side, as a plan reads them.
pub(crate) struct Bound<'a> {
    loads: BTreeMap<NodeId, &'a str>,
    tables: &'a LocalTables,
    rows: &'a JoinRows,
    arrays: Option<&'a Parts>,
}

impl<'a> Bound<'a> {
    pub(crate) fn new(typed: &'a TypedProgram, tables: &'a LocalTables, rows: &'a JoinRows) -> Self {
        let loads = typed.program().nodes.iter().enumerate().filter_map(|(place, node)| match &node.op {
            Op::Load { dataset } => Some((NodeId(u32::try_from(place).ok()?), dataset.as_str())),
            _ => None,
        });
        Self { loads: loads.collect(), tables, rows, arrays: None }
    }

    /// With arrays that are handed in.
    pub(crate) fn with_arrays(self, arrays: &'a Parts) -> Self {
        Self { arrays: Some(arrays), ..self }
    }

    fn column(&self, source: NodeId, column: &str) -> Result<Option<(&LocalColumn, usize)>> {
        let dataset = self.loads.get(&source).copied().unwrap_or_default();
        let Some(table) = self.tables.0.get(dataset) else { return Ok(None) };
        match table.columns.get(column) {
            Some(column) => Ok(Some((column, table.rows))),
            None => Err(Error::refused("INPUT_SCHEMA", format!("{dataset} has no column {column:?}"))),
        }
    }
}

impl Inputs for Bound<'_> {
    fn words(&self, source: NodeId, name: &str) -> Result<Option<&[i64]>> {
        match self.column(source, name)?.map(|(column, _)| &column.cells) {
            None => Ok(None),
            Some(Cells::Numbers(cells)) => Ok(Some(cells)),
            Some(_) => Err(Error::refused("INPUT_SCHEMA", format!("column {name:?} holds no numbers"))),
        }
    }

    fn bits(&self, source: NodeId, name: &str, part: ColumnPart) -> Result<Option<Vec<bool>>> {
        let Some((column, rows)) = self.column(source, name)? else { return Ok(None) };
        match (part, &column.cells) {
            (ColumnPart::Valid, _) => Ok(Some(column.valid.clone().unwrap_or_else(|| vec![true; rows]))),
            (ColumnPart::Data, Cells::Bools(cells)) => Ok(Some(cells.clone())),
            (ColumnPart::Data, _) => Err(Error::refused("INPUT_SCHEMA", format!("column {name:?} holds no bools"))),
        }
    }

    fn rows(&self, join: NodeId, owner: PartyId) -> Result<Option<&[u32]>> {
        Ok(self.rows.get(&(join, owner)).map(Vec::as_slice))
    }

    fn array(&self, source: NodeId) -> Option<&Part> {
        self.arrays?.get(&source).map(Arc::as_ref)
    }
}
