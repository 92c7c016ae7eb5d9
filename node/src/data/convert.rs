//! The second reading: cells as values of their column's type, within its declared range (CHK-922).

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder, UInt16Builder,
};
use arrow_schema::DataType;
use tacit_protocol::schema::{ColumnSchema, Element};

use super::cell::EXPECTED_KEY;
use super::profile::value_error;
use super::{Cell, DataError, Place};

/// Digits that Arrow is told a decimal has: as many as an `i128` holds.
const ARROW_PRECISION: u8 = 38;

/// Collects the cells of one column into an Arrow array.
pub(super) struct Converter {
    schema: ColumnSchema,
    clamp: bool,
    /// The declared range in lattice steps; of floats, in units.
    bounds: Bounds,
    labels: HashMap<String, u16>,
    builder: Builder,
    /// How many values were moved to an end of the range.
    pub(super) clamped: u64,
    /// An upper bound of the bytes collected.
    pub(super) bytes: usize,
}

#[derive(Clone, Copy)]
enum Bounds {
    None,
    Steps(i128, i128),
    Float(f64, f64),
}

enum Builder {
    Bool(BooleanBuilder),
    Int64(Int64Builder),
    Decimal(Decimal128Builder),
    Float64(Float64Builder),
    Date(Date32Builder),
    Category(UInt16Builder),
    Key(StringBuilder),
}

impl Converter {
    pub(super) fn new(schema: &ColumnSchema, clamp: bool) -> Self {
        let builder = match &schema.element {
            Element::Bool => Builder::Bool(BooleanBuilder::new()),
            Element::Int64 => Builder::Int64(Int64Builder::new()),
            Element::Decimal { .. } => {
                Builder::Decimal(Decimal128Builder::new().with_data_type(arrow_type(&schema.element)))
            }
            Element::Float64 | Element::Float64High => Builder::Float64(Float64Builder::new()),
            Element::Date => Builder::Date(Date32Builder::new()),
            Element::Category { .. } => Builder::Category(UInt16Builder::new()),
            Element::Key => Builder::Key(StringBuilder::new()),
        };
        let labels = match &schema.element {
            Element::Category { labels } => labels.iter().cloned().zip(0..).collect(),
            _ => HashMap::new(),
        };
        let bounds = match (&schema.element, schema.range) {
            (Element::Float64 | Element::Float64High, Some(range)) => {
                Bounds::Float(range.lo.to_f64(), range.hi.to_f64())
            }
            (element, Some(range)) => {
                let scale = if let Element::Decimal { scale } = element { *scale } else { 0 };
                let steps = |end: tacit_protocol::Number| end.at_scale(scale).expect("the profile checked the range");
                Bounds::Steps(steps(range.lo), steps(range.hi))
            }
            (_, None) => Bounds::None,
        };
        Self { schema: schema.clone(), clamp, bounds, labels, builder, clamped: 0, bytes: 0 }
    }

    /// Adds a cell.
    pub(super) fn add(&mut self, place: Place, cell: &Cell<'_>) -> Result<(), DataError> {
        if matches!(cell, Cell::Empty) {
            if !self.schema.nullable {
                return Err(DataError::FileChanged);
            }
            self.bytes += self.width();
            self.add_null();
            return Ok(());
        }
        self.bytes += self.width();
        let (clamp, bounds, schema) = (self.clamp, self.bounds, &self.schema);
        let expected = |what: &str| value_error(place, &schema.name, what);
        let steps = |value: i128, clamped: &mut u64| match bounds {
            Bounds::Steps(lo, hi) if value < lo || value > hi => {
                if !clamp {
                    return Err(out_of_range(schema, place));
                }
                *clamped += 1;
                Ok(value.clamp(lo, hi))
            }
            _ => Ok(value),
        };
        match &mut self.builder {
            Builder::Bool(builder) => {
                let value = cell.as_bool().or_else(|| match cell.as_decimal()?.at_scale(0)? {
                    0 => Some(false),
                    1 => Some(true),
                    _ => None,
                });
                builder.append_value(value.ok_or_else(|| expected("true or false"))?);
            }
            Builder::Int64(builder) => {
                let value = cell.as_decimal().and_then(|value| value.at_scale(0));
                let value = steps(value.ok_or_else(|| expected("a whole number"))?, &mut self.clamped)?;
                builder.append_value(i64::try_from(value).map_err(|_| out_of_range(schema, place))?);
            }
            Builder::Decimal(builder) => {
                let Element::Decimal { scale } = schema.element else { unreachable!("the builder is of the element") };
                let value = cell.as_decimal().and_then(|value| value.at_scale(scale));
                let what = || expected(&format!("a decimal with at most {scale} digits after the point"));
                builder.append_value(steps(value.ok_or_else(what)?, &mut self.clamped)?);
            }
            Builder::Float64(builder) => {
                let mut value = cell.as_float().ok_or_else(|| expected("a finite number"))?;
                if let Bounds::Float(lo, hi) = bounds
                    && !(lo..=hi).contains(&value)
                {
                    if !clamp {
                        return Err(out_of_range(schema, place));
                    }
                    self.clamped += 1;
                    value = value.clamp(lo, hi);
                }
                builder.append_value(value);
            }
            Builder::Date(builder) => {
                let value = cell.as_date().ok_or_else(|| expected("a date YYYY-MM-DD"))?;
                let value = steps(value.into(), &mut self.clamped)?;
                builder.append_value(i32::try_from(value).map_err(|_| out_of_range(schema, place))?);
            }
            Builder::Category(builder) => {
                let text = cell.as_text().ok_or_else(|| expected("one of the labels"))?;
                let place_in_list = self.labels.get(text.as_ref()).ok_or_else(|| expected("one of the labels"))?;
                builder.append_value(*place_in_list);
            }
            Builder::Key(builder) => {
                let text = cell.as_key().ok_or_else(|| expected(EXPECTED_KEY))?;
                self.bytes += text.len();
                builder.append_value(text);
            }
        }
        Ok(())
    }

    /// The array of the cells since the last call.
    pub(super) fn take(&mut self) -> ArrayRef {
        self.bytes = 0;
        match &mut self.builder {
            Builder::Bool(builder) => Arc::new(builder.finish()),
            Builder::Int64(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder) => Arc::new(builder.finish()),
            Builder::Float64(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Category(builder) => Arc::new(builder.finish()),
            Builder::Key(builder) => Arc::new(builder.finish()),
        }
    }

    /// Bytes of a cell, with its validity bit rounded up.
    fn width(&self) -> usize {
        1 + match self.builder {
            Builder::Bool(_) => 1,
            Builder::Category(_) => 2,
            Builder::Date(_) | Builder::Key(_) => 4,
            Builder::Int64(_) | Builder::Float64(_) => 8,
            Builder::Decimal(_) => 16,
        }
    }

    fn add_null(&mut self) {
        match &mut self.builder {
            Builder::Bool(builder) => builder.append_null(),
            Builder::Int64(builder) => builder.append_null(),
            Builder::Decimal(builder) => builder.append_null(),
            Builder::Float64(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Category(builder) => builder.append_null(),
            Builder::Key(builder) => builder.append_null(),
        }
    }
}

/// The Arrow type of the stored values.
pub(super) fn arrow_type(element: &Element) -> DataType {
    match element {
        Element::Bool => DataType::Boolean,
        Element::Int64 => DataType::Int64,
        Element::Decimal { scale } => DataType::Decimal128(ARROW_PRECISION, scale.cast_signed()),
        Element::Float64 | Element::Float64High => DataType::Float64,
        Element::Date => DataType::Date32,
        Element::Category { .. } => DataType::UInt16,
        Element::Key => DataType::Utf8,
    }
}

fn out_of_range(schema: &ColumnSchema, place: Place) -> DataError {
    let range = schema.range.expect("columns with bounds have a range");
    DataError::Range { place, column: schema.name.clone(), range }
}
