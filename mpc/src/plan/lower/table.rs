//! Tables: loads, joins with revealed alignment, filters and columns.

use tacit_protocol::PartyId;
use tacit_protocol::program::types::TableColumn;
use tacit_protocol::program::{Alignment, NodeId};
use tacit_protocol::schema::Element;

use super::{Array, Lowering};
use crate::error::Result;
use crate::plan::step::{ColumnPart, Kind, RingOp, ValueId};
use crate::share::Placement;

/// A table while it is lowered.
#[derive(Clone)]
pub(super) struct Table {
    rows: usize,
    sources: Vec<Source>,
    /// Which rows its filters leave; none: all.
    kept: Option<ValueId>,
    /// Whether no filter was decided by inexact numbers.
    exact: bool,
}

/// A dataset whose columns a table offers.
#[derive(Clone)]
struct Source {
    load: NodeId,
    owner: PartyId,
    /// Its own number of rows.
    rows: usize,
    /// The join that its rows went through.
    join: Option<NodeId>,
    /// Which rows the filters before that join left; none: all.
    kept: Option<ValueId>,
}

impl Lowering<'_> {
    fn rows_of(&self, node: NodeId) -> Result<usize> {
        match self.sizes.get(&node).and_then(|rows| usize::try_from(*rows).ok()) {
            Some(rows) => Ok(rows),
            None => self.refuse("PROGRAM_TYPE", format!("the number of rows of {node} is not known")),
        }
    }

    pub(super) fn load(&mut self, id: NodeId, dataset: &str) -> Result<Table> {
        let Some(known) = self.typed.datasets().get(dataset) else {
            return self.refuse("DATASET_UNKNOWN", format!("there is no dataset {dataset:?}"));
        };
        if known.owner.index() > 1 {
            return self.refuse("PROGRAM_PARTIES", "the two-party engine has two owners");
        }
        let rows = self.rows_of(id)?;
        let source = Source { load: id, owner: known.owner, rows, join: None, kept: None };
        Ok(Table { rows, sources: vec![source], kept: None, exact: true })
    }

    pub(super) fn join(&mut self, id: NodeId, left: &Table, right: &Table, alignment: Alignment) -> Result<Table> {
        if alignment == Alignment::Private {
            return self.refuse("PROGRAM_ALIGNMENT", "this engine joins with revealed alignment only");
        }
        let rows = self.rows_of(id)?;
        let mut sources = Vec::with_capacity(2);
        for side in [left, right] {
            let [source] = &side.sources[..] else {
                let cause = "this engine joins one dataset of each party, and no joined tables";
                return self.refuse("PROGRAM_ALIGNMENT", cause);
            };
            let mut source = Source { join: Some(id), ..source.clone() };
            source.kept = side.kept.map(|bits| self.align(bits, Kind::Bits, id, source.owner, rows)).transpose()?;
            sources.push(source);
        }
        if sources[0].owner == sources[1].owner {
            return self.refuse("PROGRAM_ALIGNMENT", "this engine joins datasets of different parties only");
        }
        Ok(Table { rows, sources, kept: None, exact: left.exact && right.exact })
    }

    pub(super) fn filter(&mut self, table: Table, mask: &Array) -> Table {
        let chosen = self.both_valid(Some(mask.data), mask.valid);
        let kept = self.both_valid(table.kept, chosen);
        Table { kept, exact: table.exact && mask.error.is_some(), ..table }
    }

    pub(super) fn column(&mut self, table: &Table, column: &TableColumn) -> Result<Array> {
        let Some(source) = table.sources.iter().find(|source| source.load == column.source).cloned() else {
            return self.refuse("PROGRAM_COLUMN", format!("there is no column {:?}", column.name));
        };
        let nullable = self
            .typed
            .datasets()
            .get(&column.dataset)
            .and_then(|dataset| dataset.schema.column(&column.name))
            .is_some_and(|schema| schema.nullable);
        let element = column.array.element.clone();
        let kind = if element == Element::Bool { Kind::Bits } else { Kind::Words };
        self.width(column.array.range);
        let data = self.read(&source, &column.name, ColumnPart::Data, kind, table.rows)?;
        let own = if nullable {
            Some(self.read(&source, &column.name, ColumnPart::Valid, Kind::Bits, table.rows)?)
        } else {
            None
        };
        let valid = self.both_valid(own, source.kept);
        let valid = self.both_valid(valid, table.kept);
        let (shape, range) = (vec![table.rows], column.array.range);
        Ok(Array { data, valid, element, shape, range, error: table.exact.then_some(0.0), numbers: None })
    }

    fn read(&mut self, source: &Source, column: &str, part: ColumnPart, kind: Kind, rows: usize) -> Result<ValueId> {
        let op = RingOp::Column { source: source.load, column: column.to_owned(), part };
        let cells = self.build.input(op, kind, source.rows, Placement::Private(source.owner));
        match source.join {
            Some(join) => self.align(cells, kind, join, source.owner, rows),
            None => Ok(cells),
        }
    }

    /// Cells of an owner's table in the order of the rows of a join.
    fn align(&mut self, cells: ValueId, kind: Kind, join: NodeId, owner: PartyId, rows: usize) -> Result<ValueId> {
        match self.build.step(cells).op {
            RingOp::FillBits(bit) => return Ok(self.build.fill_bits(bit, rows)),
            RingOp::Fill(word) => return Ok(self.build.fill(word, rows)),
            _ => {}
        }
        match self.build.step(cells).placement {
            Placement::Private(knows) if knows == owner => {
                Ok(self.build.input(RingOp::Align { value: cells, join }, kind, rows, Placement::Private(owner)))
            }
            _ => self.refuse("PROGRAM_ALIGNMENT", "a table is filtered before a join by its owner's own columns only"),
        }
    }
}
