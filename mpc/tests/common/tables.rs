//! Small datasets with a column of each kind, and random cells in their declared ranges.

use std::collections::BTreeMap;

use tacit_protocol::PartyId;
use tacit_protocol::program::plain::{PlainColumn, PlainData, PlainTable};
use tacit_protocol::program::types::Dataset;
use tacit_protocol::schema::{ColumnSchema, Element, Precision, Range, TableSchema};

use super::draw::Draw;
use super::number;

/// The columns of every dataset that are no keys.
pub const COLUMNS: [&str; 8] = ["n", "level", "price", "x", "fine", "flag", "day", "colour"];

fn column(name: &str, element: Element, range: Option<(&str, &str)>, nullable: bool) -> ColumnSchema {
    let range = range.map(|(lo, hi)| Range { lo: number(lo), hi: number(hi) });
    ColumnSchema { name: name.into(), element, range, nullable }
}

/// A dataset with a column of each kind. `level` has few values, so that cells are often equal.
pub fn dataset(owner: PartyId, rows: u64, nullable: bool) -> Dataset {
    let labels = ["red", "green", "blue"].map(String::from).to_vec();
    let columns = vec![
        column("id", Element::Key, None, false),
        column("n", Element::Int64, Some(("-50", "60")), nullable),
        column("level", Element::Int64, Some(("-1", "1")), false),
        column("price", Element::Decimal { scale: 2 }, Some(("-10", "1000.5")), nullable),
        column("x", Element::Float64, Some(("-8", "8")), false),
        column("fine", Element::Float64High, Some(("-3", "3")), nullable),
        column("flag", Element::Bool, None, nullable),
        column("day", Element::Date, Some(("18000", "20000")), nullable),
        column("colour", Element::Category { labels }, None, false),
    ];
    Dataset { owner, schema: TableSchema { columns, rows, unique_key: Some("id".into()) } }
}

/// Random cells, the ends of the ranges among them. Keys are from a small pool, so that joins are empty, partial or
/// whole.
pub fn table(draw: &mut Draw, schema: &TableSchema) -> PlainTable {
    let rows = schema.rows as usize;
    let mut pool: Vec<usize> = (0..rows + rows / 2 + 1).collect();
    let mut keys = Vec::with_capacity(rows);
    for _ in 0..rows {
        let place = draw.below(pool.len());
        keys.push(format!("key{}", pool.swap_remove(place)).into_bytes());
    }
    let mut columns = BTreeMap::new();
    for column in &schema.columns {
        let mut between = |lo: i64, hi: i64| -> Vec<i64> {
            let mut cell = || if draw.chance(8) { draw.of(&[lo, hi]) } else { draw.between(lo, hi) };
            (0..rows).map(|_| cell()).collect()
        };
        let data = match (&column.element, column.name.as_str()) {
            (Element::Key, _) => PlainData::Key(keys.clone()),
            (Element::Int64, "level") => PlainData::Int64(between(-1, 1)),
            (Element::Int64, _) => PlainData::Int64(between(-50, 60)),
            (Element::Decimal { .. }, _) => {
                PlainData::Decimal(between(-1_000, 100_050).into_iter().map(i128::from).collect())
            }
            (Element::Float64, _) => PlainData::Float64(
                between(-(8 << 18), 8 << 18).into_iter().map(|steps| steps as f64 / f64::from(1 << 18)).collect(),
            ),
            (Element::Float64High, _) => PlainData::Float64(
                between(-(3 << 36), 3 << 36).into_iter().map(|steps| steps as f64 / Precision::High.unit()).collect(),
            ),
            (Element::Bool, _) => PlainData::Bool(between(0, 1).into_iter().map(|bit| bit == 1).collect()),
            (Element::Date, _) => PlainData::Date(between(18_000, 20_000).into_iter().map(|day| day as i32).collect()),
            (Element::Category { .. }, _) => {
                PlainData::Category(between(0, 2).into_iter().map(|place| place as u32).collect())
            }
        };
        let validity = column.nullable.then(|| (0..rows).map(|_| !draw.chance(4)).collect());
        columns.insert(column.name.clone(), PlainColumn { data, validity });
    }
    PlainTable { columns }
}
