//! Plain tables: loading, joining by key, filtering.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use ndarray::{ArrayD, IxDyn};

use super::column::{self, PlainColumn, PlainData, PlainTable, encode};
use super::value::{Cells, PlainValue};
use crate::program::infer::table::find_column;
use crate::program::types::TableType;
use crate::program::{Alignment, DatasetName, ProgramError, TypedProgram};
use crate::schema::{ColumnSchema, Element};

/// A table: its columns in the order of its type.
pub(super) struct Table {
    pub(super) rows: u64,
    columns: Vec<Rc<Column>>,
    /// The rows that filters left; none: all.
    kept: Option<Vec<bool>>,
}

enum Column {
    Values(Box<PlainValue>),
    /// Keys; `None` where null.
    Keys(Vec<Option<Rc<[u8]>>>),
}

pub(super) fn load(
    typed: &TypedProgram,
    tables: &BTreeMap<DatasetName, PlainTable>,
    name: &str,
) -> Result<Table, ProgramError> {
    let error = |cause: String| ProgramError::Input { cause: format!("{name}: {cause}") };
    let schema = &typed.datasets().get(name).expect("inference: the dataset is known").schema;
    let table = tables.get(name).ok_or_else(|| error("the table was not given".into()))?;
    let mut columns = Vec::with_capacity(schema.columns.len());
    for of in &schema.columns {
        let column = table.columns.get(&of.name).ok_or_else(|| error(format!("there is no column {:?}", of.name)))?;
        if u64::try_from(column.data.len()).ok() != Some(schema.rows) {
            let cause = format!("column {:?} has {} rows, the schema {}", of.name, column.data.len(), schema.rows);
            return Err(error(cause));
        }
        let column = self::column(column, of).map_err(|inner| error(inner.to_string()))?;
        columns.push(Rc::new(column));
    }
    Ok(Table { rows: schema.rows, columns, kept: None })
}

fn column(column: &PlainColumn, schema: &ColumnSchema) -> Result<Column, ProgramError> {
    if let (PlainData::Key(keys), Element::Key) = (&column.data, &schema.element) {
        let validity = column::validity(column, schema)?;
        let keys = keys.iter().zip(validity).map(|(key, valid)| valid.then(|| Rc::from(key.as_slice())));
        return Ok(Column::Keys(keys.collect()));
    }
    let encoded = encode(column, schema)?;
    let rows = encoded.values.len();
    Ok(Column::Values(Box::new(PlainValue::encoded(&schema.element, &[rows], encoded))))
}

/// The rows of both sides whose keys are equal, in the order of the keys. A private join has as many rows as the
/// smaller side; those that no pair fills are invalid.
pub(super) fn join(sides: [(&Table, &TableType, &str); 2], alignment: Alignment) -> Result<Table, ProgramError> {
    let [left, right] = sides;
    let [of_left, of_right] = [unique_keys(left)?, unique_keys(right)?];
    let mut pairs: Vec<(&[u8], usize, usize)> =
        of_left.iter().filter_map(|(key, l)| of_right.get(key).map(|r| (&**key, *l, *r))).collect();
    pairs.sort_unstable();
    let rows = match alignment {
        Alignment::Revealed => pairs.len(),
        Alignment::Private => super::size_of(left.0.rows.min(right.0.rows)),
    };
    let side = |table: &Table, row: fn(&(&[u8], usize, usize)) -> usize| -> Vec<Rc<Column>> {
        let mut places: Vec<Option<usize>> = pairs.iter().map(|pair| Some(row(pair))).collect();
        places.resize(rows, None);
        table.columns.iter().map(|column| Rc::new(column.gathered(&places, table.kept.as_deref()))).collect()
    };
    let columns = side(left.0, |pair| pair.1).into_iter().chain(side(right.0, |pair| pair.2)).collect();
    Ok(Table { rows: u64::try_from(rows).expect("an index fits"), columns, kept: None })
}

/// The row of each key. Null keys match nothing.
fn unique_keys<'t>(
    (table, types, on): (&'t Table, &TableType, &str),
) -> Result<HashMap<&'t [u8], usize>, ProgramError> {
    let index = find_column(types, on).expect("inference: the key is there");
    let Column::Keys(keys) = &*table.columns[index] else {
        unreachable!("inference: tables are joined on keys");
    };
    let mut rows = HashMap::with_capacity(keys.len());
    let mut repeated = 0_u64;
    for (row, key) in keys.iter().enumerate() {
        if let Some(key) = key {
            repeated += u64::from(rows.insert(&**key, row).is_some());
        }
    }
    if repeated > 0 {
        let column = &types.columns[index];
        return Err(ProgramError::DuplicateKeys {
            dataset: column.dataset.clone(),
            column: column.name.clone(),
            count: repeated,
        });
    }
    Ok(rows)
}

impl Table {
    /// The table with only the rows where the mask is true and valid.
    pub(super) fn filtered(&self, mask: &PlainValue) -> Self {
        let cells = mask.integers().iter().zip(&mask.validity).map(|(cell, valid)| *cell == 1 && *valid);
        let kept = match &self.kept {
            Some(before) => cells.zip(before).map(|(now, before)| now && *before).collect(),
            None => cells.collect(),
        };
        Self { rows: self.rows, columns: self.columns.clone(), kept: Some(kept) }
    }

    pub(super) fn column(&self, types: &TableType, name: &str) -> Result<PlainValue, ProgramError> {
        let index = find_column(types, name).expect("inference: the column is there");
        let Column::Values(value) = &*self.columns[index] else {
            unreachable!("inference: keys are no arrays");
        };
        let mut value = (**value).clone();
        if let Some(kept) = &self.kept {
            value.validity.iter_mut().zip(kept).for_each(|(valid, kept)| *valid &= kept);
        }
        Ok(value)
    }
}

impl Column {
    /// The cells at these places, invalid where there is none or a filter left it out.
    fn gathered(&self, places: &[Option<usize>], kept: Option<&[bool]>) -> Self {
        fn at<T: Clone>(cells: &ArrayD<T>, places: &[Option<usize>], filler: T) -> ArrayD<T> {
            let cells = places.iter().map(|place| place.map_or(filler.clone(), |place| cells[[place]].clone()));
            ArrayD::from_shape_vec(IxDyn(&[places.len()]), cells.collect()).expect("one axis holds all cells")
        }
        match self {
            Self::Keys(keys) => {
                Self::Keys(places.iter().map(|place| place.and_then(|place| keys[place].clone())).collect())
            }
            Self::Values(value) => {
                let cells = match &value.cells {
                    Cells::Exact(cells) => Cells::Exact(at(cells, places, 0)),
                    Cells::Real(cells) => Cells::Real(at(cells, places, 0.0)),
                };
                let mut validity = at(&value.validity, places, false);
                if let Some(kept) = kept {
                    let kept = places.iter().map(|place| place.is_some_and(|place| kept[place]));
                    validity.iter_mut().zip(kept).for_each(|(valid, kept)| *valid &= kept);
                }
                Self::Values(Box::new(PlainValue { element: value.element.clone(), cells, validity }))
            }
        }
    }
}
