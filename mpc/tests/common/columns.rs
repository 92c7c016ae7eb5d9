//! Two tables of a key and a number each, joined: each cell of the sum of both is known to neither owner.

use std::collections::BTreeMap;

use tacit_protocol::PartyId;
use tacit_protocol::program::plain::{PlainData, PlainTable};
use tacit_protocol::program::types::Dataset;
use tacit_protocol::program::{Alignment, Binary, NodeId, Op, Program};
use tacit_protocol::schema::{ColumnSchema, Element, Range, TableSchema};

/// Rows of each table, and the declared range of its numbers.
pub struct Columns {
    pub rows: u64,
    pub range: (i64, i64),
}

const FACTORS: [i64; 2] = [7, 13];

impl Columns {
    /// A number of the first table plus that of the second.
    pub fn sum(&self, row: i64) -> i64 {
        FACTORS.iter().map(|factor| self.cell(row, *factor)).sum()
    }

    fn cell(&self, row: i64, factor: i64) -> i64 {
        let (lo, hi) = self.range;
        lo + row * factor % (hi - lo + 1)
    }

    pub fn datasets(&self) -> BTreeMap<String, Dataset> {
        let column = |name: &str, element, range: Option<(i64, i64)>| ColumnSchema {
            name: name.into(),
            element,
            range: range.map(|(lo, hi)| Range { lo: lo.into(), hi: hi.into() }),
            nullable: false,
        };
        let of = |owner, name| {
            let columns = vec![column("id", Element::Key, None), column(name, Element::Int64, Some(self.range))];
            Dataset { owner, schema: TableSchema { columns, rows: self.rows, unique_key: Some("id".into()) } }
        };
        BTreeMap::from([("a/left".into(), of(PartyId::ZERO, "x")), ("b/right".into(), of(PartyId::ONE, "y"))])
    }

    pub fn tables(&self) -> BTreeMap<String, PlainTable> {
        let of = |name: &str, factor: i64| {
            let keys = (0..self.rows).map(|row| row.to_le_bytes().to_vec()).collect();
            let cells = (0..self.rows as i64).map(|row| self.cell(row, factor)).collect();
            let columns = [("id".into(), PlainData::Key(keys).into()), (name.into(), PlainData::Int64(cells).into())];
            PlainTable { columns: columns.into() }
        };
        BTreeMap::from([("a/left".into(), of("x", FACTORS[0])), ("b/right".into(), of("y", FACTORS[1]))])
    }

    /// The program's sums of both numbers, row by row.
    pub fn push_sum(program: &mut Program) -> NodeId {
        let left = program.push(Op::Load { dataset: "a/left".into() });
        let right = program.push(Op::Load { dataset: "b/right".into() });
        let (left_on, right_on) = ("id".into(), "id".into());
        let joined = program.push(Op::Join { left, right, left_on, right_on, alignment: Alignment::Revealed });
        let [left, right] = ["x", "y"].map(|column| program.push(Op::Column { table: joined, column: column.into() }));
        program.push(Op::Binary { function: Binary::Add, left, right })
    }
}
