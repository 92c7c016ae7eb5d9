//! Columns of tables in the clear, and their encoding in lattice units, which every engine shares.

use std::collections::BTreeMap;

use super::value::unit;
use crate::program::ProgramError;
use crate::program::infer::range::describe;
use crate::program::infer::shape::show;
use crate::program::infer::table::column_range;
use crate::program::types::{ArrayType, Interval, Validity};
use crate::schema::{ColumnSchema, Element};

/// A table in the clear: its columns by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlainTable {
    /// The columns, all of the same length.
    pub columns: BTreeMap<String, PlainColumn>,
}

/// A column in the clear.
///
/// # Security
/// `Debug` shows the number of cells, never their values.
#[derive(Clone, PartialEq)]
pub struct PlainColumn {
    /// The cells.
    pub data: PlainData,
    /// Which cells are valid; none: all of them.
    pub validity: Option<Vec<bool>>,
}

/// The cells of a column.
#[derive(Clone, PartialEq)]
pub enum PlainData {
    /// Bools.
    Bool(Vec<bool>),
    /// Integers.
    Int64(Vec<i64>),
    /// Decimals, in units of the step of the schema's scale.
    Decimal(Vec<i128>),
    /// Real numbers, of either precision.
    Float64(Vec<f64>),
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Places in the schema's list of labels.
    Category(Vec<u32>),
    /// Join keys.
    Key(Vec<Vec<u8>>),
}

/// A column in lattice units.
///
/// # Security
/// `Debug` shows the number of cells, never their values.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedColumn {
    /// The cells, every one within the column's range; an invalid one holds the value of the range next to 0.
    pub values: Vec<i128>,
    /// Which cells are valid.
    pub validity: Vec<bool>,
}

impl PlainData {
    /// The number of cells.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(cells) => cells.len(),
            Self::Int64(cells) => cells.len(),
            Self::Decimal(cells) => cells.len(),
            Self::Float64(cells) => cells.len(),
            Self::Date(cells) => cells.len(),
            Self::Category(cells) => cells.len(),
            Self::Key(cells) => cells.len(),
        }
    }

    /// Whether there are no cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<PlainData> for PlainColumn {
    /// A column of valid cells.
    fn from(data: PlainData) -> Self {
        Self { data, validity: None }
    }
}

impl std::fmt::Debug for PlainColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlainColumn({} cells <redacted>)", self.data.len())
    }
}

impl std::fmt::Debug for EncodedColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncodedColumn({} cells <redacted>)", self.values.len())
    }
}

/// The column in lattice units of its schema's element; real numbers to the nearest step, ties away from zero.
///
/// # Errors
/// [`ProgramError::Input`] when type, nulls or a value are not as the schema declares; it names the first row at
/// fault, from 0, but not its value. Keys have no encoding.
pub fn encode(column: &PlainColumn, schema: &ColumnSchema) -> Result<EncodedColumn, ProgramError> {
    let error = |cause: String| ProgramError::Input { cause: format!("column {:?}: {cause}", schema.name) };
    let range = column_range(schema).ok_or_else(|| error("no range is declared".into()))?;
    let validity = validity(column, schema)?;
    let values = match cells(&column.data, &validity, &schema.element, range) {
        Ok(values) => values,
        Err(Misfit::Type) => return Err(error(format!("the data are not {}", schema.element.name()))),
        Err(Misfit::Cell(row)) => {
            return Err(error(format!("row {row} is beyond the declared {}", describe(&range, &schema.element))));
        }
    };
    Ok(EncodedColumn { values, validity })
}

/// The cells of an array that is handed in, in lattice units of its type, whose shape is fixed.
///
/// # Errors
/// [`ProgramError::Input`] when type, size or a value are not as the type declares; it names the array, the index of the
/// first cell at fault and what is declared, but not its value.
pub fn encode_array(column: &PlainColumn, name: &str, array: &ArrayType) -> Result<EncodedColumn, ProgramError> {
    let error = |cause: String| ProgramError::Input { cause: format!("array {name:?}: {cause}") };
    let shape: Vec<usize> = array.shape.iter().filter_map(|dim| usize::try_from(dim.as_fixed()?).ok()).collect();
    if shape.len() != array.shape.len() || shape.iter().product::<usize>() != column.data.len() {
        return Err(error(format!("{} cells do not fill the shape {}", column.data.len(), show(&array.shape))));
    }
    let validity = column.validity.clone().unwrap_or_else(|| vec![true; column.data.len()]);
    if validity.len() != column.data.len() || (array.validity == Validity::AllTrue && validity.contains(&false)) {
        return Err(error("its cells are not all valid".into()));
    }
    match cells(&column.data, &validity, &array.element, array.range) {
        Ok(values) => Ok(EncodedColumn { values, validity }),
        Err(Misfit::Type) => Err(error(format!("the data are not {}", array.element.name()))),
        Err(Misfit::Cell(place)) => {
            let index = index_of(place, &shape);
            Err(error(format!("the cell {index:?} is beyond the declared {}", describe(&array.range, &array.element))))
        }
    }
}

/// The index of a cell from its place in row-major order.
fn index_of(place: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = place;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|size| {
            let at = rest % size;
            rest /= size;
            at
        })
        .collect();
    index.reverse();
    index
}

/// Why data are not what was declared.
enum Misfit {
    /// They are of another type.
    Type,
    /// The first cell, by its place in row-major order, that is beyond the range, or is no number.
    Cell(usize),
}

/// Cells in lattice units, invalid ones as the value of the range next to 0.
fn cells(data: &PlainData, validity: &[bool], element: &Element, range: Interval) -> Result<Vec<i128>, Misfit> {
    let filler = 0.clamp(range.lo, range.hi);
    let cell: Box<dyn Fn(usize) -> Option<i128> + '_> = match (data, element) {
        (PlainData::Bool(cells), Element::Bool) => Box::new(|row| Some(i128::from(cells[row]))),
        (PlainData::Int64(cells), Element::Int64) => Box::new(|row| Some(i128::from(cells[row]))),
        (PlainData::Decimal(cells), Element::Decimal { .. }) => Box::new(|row| Some(cells[row])),
        (PlainData::Float64(cells), of) if of.is_float() => {
            let unit = unit(of);
            Box::new(move |row| fixed(cells[row], unit))
        }
        (PlainData::Date(cells), Element::Date) => Box::new(|row| Some(i128::from(cells[row]))),
        (PlainData::Category(cells), Element::Category { .. }) => Box::new(|row| Some(i128::from(cells[row]))),
        _ => return Err(Misfit::Type),
    };
    let mut values = Vec::with_capacity(validity.len());
    for (row, valid) in validity.iter().enumerate() {
        let value = if *valid { cell(row).filter(|value| range.contains(*value)) } else { Some(filler) };
        values.push(value.ok_or(Misfit::Cell(row))?);
    }
    Ok(values)
}

/// Which cells are valid, as the schema allows.
pub(super) fn validity(column: &PlainColumn, schema: &ColumnSchema) -> Result<Vec<bool>, ProgramError> {
    let error = |cause: String| Err(ProgramError::Input { cause: format!("column {:?}: {cause}", schema.name) });
    let validity = column.validity.clone().unwrap_or_else(|| vec![true; column.data.len()]);
    if validity.len() != column.data.len() {
        return error(format!("{} cells have {} validity bits", column.data.len(), validity.len()));
    }
    match validity.iter().position(|valid| !valid) {
        Some(row) if !schema.nullable => error(format!("row {row} is empty, and the column is not nullable")),
        _ => Ok(validity),
    }
}

/// The nearest of the steps of which there are `unit` in 1; `None` for what is no number or too large.
fn fixed(value: f64, unit: f64) -> Option<i128> {
    let scaled = (value * unit).round();
    (scaled.abs() < 2_f64.powi(120)).then_some(scaled as i128)
}
