//! Columns as the engine takes them: lattice integers and key bytes.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, UInt16Type};
use arrow_array::{Array, ArrayRef};
use tacit_protocol::schema::{ColumnSchema, Element};

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
    /// places in their list, floats in units of `2^-18`. Invalid cells are 0.
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

    /// Adds a chunk, whose type has been checked.
    pub(super) fn append(&mut self, array: &ArrayRef) {
        if let Some(validity) = &mut self.validity {
            validity.extend((0..array.len()).map(|i| array.is_valid(i)));
        }
        let values = match &mut self.values {
            ColumnValues::Keys(keys) => {
                array.as_string::<i32>().iter().for_each(|key| keys.push(key.unwrap_or_default().as_bytes()));
                return;
            }
            ColumnValues::Numbers(values) => values,
        };
        match &self.schema.element {
            Element::Bool => values.extend(array.as_boolean().iter().map(|v| i128::from(v.unwrap_or_default()))),
            Element::Int64 => {
                values.extend(array.as_primitive::<Int64Type>().iter().map(|v| i128::from(v.unwrap_or_default())));
            }
            Element::Decimal { .. } => {
                values.extend(array.as_primitive::<Decimal128Type>().iter().map(Option::unwrap_or_default));
            }
            Element::Float64 => {
                let (lo, hi) = self.schema.range.map_or((i128::MIN, i128::MAX), |range| {
                    let bits = Element::FLOAT_STEP_BITS;
                    (range.lo.to_fixed(bits).unwrap_or(i128::MIN), range.hi.to_fixed(bits).unwrap_or(i128::MAX))
                });
                // Rounding a float beside an end of the range may step over it by one.
                let step = |value: f64| to_lattice(value).clamp(lo, hi);
                let floats = array.as_primitive::<Float64Type>().iter();
                values.extend(floats.map(|value| value.map_or(0, step)));
            }
            Element::Date => {
                values.extend(array.as_primitive::<Date32Type>().iter().map(|v| i128::from(v.unwrap_or_default())));
            }
            Element::Category { .. } => {
                values.extend(array.as_primitive::<UInt16Type>().iter().map(|v| i128::from(v.unwrap_or_default())));
            }
            Element::Key => unreachable!("keys are kept apart"),
        }
    }
}

/// The nearest lattice step, ties away from zero. The scaling is exact, by a power of two.
fn to_lattice(value: f64) -> i128 {
    let scaled = (value * f64::from(1_u32 << Element::FLOAT_STEP_BITS)).round();
    scaled as i128
}
