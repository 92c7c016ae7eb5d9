//! Columns as the engine takes them: lattice integers and key bytes.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, UInt16Type};
use arrow_array::{Array, ArrayRef};
use tacit_protocol::Number;
use tacit_protocol::program::plain::{PlainColumn, PlainData};
use tacit_protocol::schema::{ColumnSchema, Element, Precision};

/// A column of a dataset, read back.
#[derive(Clone, PartialEq, Eq)]
pub struct Column {
    /// Its schema.
    pub schema: ColumnSchema,
    /// The values.
    pub values: ColumnValues,
    /// Which cells are valid, `[rows]`; `None`: all.
    pub validity: Option<Vec<bool>>,
}

/// The values of a column.
#[derive(Clone, PartialEq, Eq)]
pub enum ColumnValues {
    /// Integers in steps of the type's lattice, `[rows]`: bools as 0 and 1, dates as days since 1970, categories as
    /// places in their list, floats in units of `2^-18`. Invalid cells hold the value of the range next to 0.
    Numbers(Vec<i128>),
    /// Join keys, `[rows]`.
    Keys(Keys),
}

/// Join keys in canonical form: the UTF-8 bytes of the trimmed text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key of a row.
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let end = *self.ends.get(row)?;
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    /// All keys, in the order of rows.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|row| self.get(row).expect("within the length"))
    }
}

/// Rows are never shown.
impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Column({}, {} rows <redacted>)", self.schema.name, self.len())
    }
}

impl Column {
    pub(super) fn empty(schema: &ColumnSchema, rows: usize) -> Self {
        let values = match schema.element {
            Element::Key => ColumnValues::Keys(Keys::new()),
            _ => ColumnValues::Numbers(Vec::with_capacity(rows)),
        };
        Self { schema: schema.clone(), values, validity: schema.nullable.then(|| Vec::with_capacity(rows)) }
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        match &self.values {
            ColumnValues::Numbers(values) => values.len(),
            ColumnValues::Keys(keys) => keys.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column in the types of its schema, as the plain evaluator and the engine take it. No value changes.
    pub fn into_plain(self) -> PlainColumn {
        let values = match self.values {
            ColumnValues::Keys(keys) => {
                let keys = keys.iter().map(<[u8]>::to_vec).collect();
                return PlainColumn { data: PlainData::Key(keys), validity: self.validity };
            }
            ColumnValues::Numbers(values) => values,
        };
        // The casts lose nothing: the values came from arrays of these types.
        let data = match self.schema.element {
            Element::Bool => PlainData::Bool(values.into_iter().map(|value| value != 0).collect()),
            Element::Int64 => PlainData::Int64(values.into_iter().map(|value| value as i64).collect()),
            Element::Decimal { .. } => PlainData::Decimal(values),
            Element::Float64 | Element::Float64High => {
                let unit = steps_in_one(&self.schema.element);
                PlainData::Float64(values.into_iter().map(|value| value as f64 / unit).collect())
            }
            Element::Date => PlainData::Date(values.into_iter().map(|value| value as i32).collect()),
            Element::Category { .. } => PlainData::Category(values.into_iter().map(|value| value as u32).collect()),
            Element::Key => unreachable!("keys are kept apart"),
        };
        PlainColumn { data, validity: self.validity }
    }

    /// Adds a chunk, whose type has been checked.
    pub(super) fn append(&mut self, array: &ArrayRef) {
        if let Some(validity) = &mut self.validity {
            validity.extend((0..array.len()).map(|i| array.is_valid(i)));
        }
        let (lo, hi) = bounds(&self.schema);
        let values = match &mut self.values {
            ColumnValues::Keys(keys) => {
                array.as_string::<i32>().iter().for_each(|key| keys.push(key.unwrap_or_default().as_bytes()));
                return;
            }
            ColumnValues::Numbers(values) => values,
        };
        let null = 0.clamp(lo, hi);
        match &self.schema.element {
            Element::Bool => values.extend(array.as_boolean().iter().map(|v| v.map_or(null, Into::into))),
            Element::Int64 => {
                values.extend(array.as_primitive::<Int64Type>().iter().map(|v| v.map_or(null, Into::into)));
            }
            Element::Decimal { .. } => {
                values.extend(array.as_primitive::<Decimal128Type>().iter().map(|v| v.unwrap_or(null)));
            }
            Element::Float64 | Element::Float64High => {
                let unit = steps_in_one(&self.schema.element);
                // Rounding a float beside an end of the range may step over it by one.
                let step = |value: f64| to_lattice(value, unit).clamp(lo, hi);
                values.extend(array.as_primitive::<Float64Type>().iter().map(|v| v.map_or(null, step)));
            }
            Element::Date => {
                values.extend(array.as_primitive::<Date32Type>().iter().map(|v| v.map_or(null, Into::into)));
            }
            Element::Category { .. } => {
                values.extend(array.as_primitive::<UInt16Type>().iter().map(|v| v.map_or(null, Into::into)));
            }
            Element::Key => unreachable!("keys are kept apart"),
        }
    }
}

/// The declared range in lattice steps.
fn bounds(schema: &ColumnSchema) -> (i128, i128) {
    let steps = |end: Number| match &schema.element {
        Element::Float64 | Element::Float64High => end.to_fixed(schema.element.float_bits()?),
        Element::Decimal { scale } => end.at_scale(*scale),
        _ => end.at_scale(0),
    };
    let everything = (i128::MIN, i128::MAX);
    let range = schema.range.and_then(|range| Some((steps(range.lo)?, steps(range.hi)?)));
    range.filter(|(lo, hi)| lo <= hi).unwrap_or(everything)
}

/// Lattice steps of real numbers in 1.
fn steps_in_one(element: &Element) -> f64 {
    element.precision().map_or(1.0, Precision::unit)
}

/// The nearest lattice step, ties away from zero. The scaling is exact, by a power of two.
fn to_lattice(value: f64, unit: f64) -> i128 {
    (value * unit).round() as i128
}
