//! Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use tacit_protocol::schema::Element;

use super::cell::Decimal;
use super::csv_file::check_names;
use super::{Cell, DataError, Place, Source, Visit};

const BATCH_ROWS: usize = 8_192;

/// A Parquet file with flat columns.
pub(super) struct ParquetFile {
    path: PathBuf,
    names: Vec<String>,
}

impl ParquetFile {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let builder = builder(path)?;
        let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        check_names(&names)?;
        for field in builder.schema().fields() {
            if !is_supported(field.data_type()) {
                let cause = format!("column \"{}\" is of type {}", field.name(), field.data_type());
                return Err(DataError::Format { format: "Parquet", cause });
            }
        }
        Ok(Self { path: path.to_owned(), names })
    }
}

impl Source for ParquetFile {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn read(&self, visit: &mut Visit<'_>) -> Result<u64, DataError> {
        let reader = builder(&self.path)?.with_batch_size(BATCH_ROWS).build().map_err(malformed)?;
        let mut row = 0;
        for batch in reader {
            let batch = batch.map_err(malformed)?;
            if batch.num_columns() != self.names.len() {
                return Err(DataError::FileChanged);
            }
            for i in 0..batch.num_rows() {
                row += 1;
                let place = Place { row, line: None };
                let cells: Option<Vec<Cell<'_>>> = batch.columns().iter().map(|array| cell(array, i)).collect();
                visit(place, &cells.ok_or(DataError::FileChanged)?)?;
            }
        }
        Ok(row)
    }
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, DataError> {
    let file = File::open(path).map_err(|source| DataError::File { path: path.to_owned(), source })?;
    // Without the writer's own Arrow schema, dictionaries and large or view texts all arrive as plain text.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(malformed)
}

fn malformed(error: impl std::fmt::Display) -> DataError {
    DataError::Format { format: "Parquet", cause: error.to_string() }
}

fn is_supported(data_type: &DataType) -> bool {
    use DataType as T;
    match data_type {
        T::Boolean | T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => true,
        T::Float32 | T::Float64 | T::Date32 | T::Utf8 => true,
        T::Decimal32(_, scale) | T::Decimal64(_, scale) | T::Decimal128(_, scale) => is_scale(*scale),
        _ => false,
    }
}

fn is_scale(scale: i8) -> bool {
    (0..=Element::MAX_DECIMAL_SCALE.cast_signed()).contains(&scale)
}

/// A cell of an array of a supported type; `None` for another type.
fn cell(array: &ArrayRef, i: usize) -> Option<Cell<'_>> {
    if array.is_null(i) {
        return Some(Cell::Empty);
    }
    let whole = |value: i128| Cell::Decimal(Decimal { mantissa: value, scale: 0 });
    let decimal = |mantissa: i128, scale: i8| {
        is_scale(scale).then_some(Cell::Decimal(Decimal { mantissa, scale: scale.unsigned_abs() }))
    };
    use DataType as T;
    Some(match array.data_type() {
        T::Boolean => Cell::Bool(array.as_boolean().value(i)),
        T::Int8 => whole(array.as_primitive::<Int8Type>().value(i).into()),
        T::Int16 => whole(array.as_primitive::<Int16Type>().value(i).into()),
        T::Int32 => whole(array.as_primitive::<Int32Type>().value(i).into()),
        T::Int64 => whole(array.as_primitive::<Int64Type>().value(i).into()),
        T::UInt8 => whole(array.as_primitive::<UInt8Type>().value(i).into()),
        T::UInt16 => whole(array.as_primitive::<UInt16Type>().value(i).into()),
        T::UInt32 => whole(array.as_primitive::<UInt32Type>().value(i).into()),
        T::UInt64 => whole(array.as_primitive::<UInt64Type>().value(i).into()),
        T::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(i).into()),
        T::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(i)),
        T::Date32 => Cell::Date(array.as_primitive::<Date32Type>().value(i)),
        T::Utf8 => Cell::text(array.as_string::<i32>().value(i)),
        T::Decimal32(_, scale) => decimal(array.as_primitive::<Decimal32Type>().value(i).into(), *scale)?,
        T::Decimal64(_, scale) => decimal(array.as_primitive::<Decimal64Type>().value(i).into(), *scale)?,
        T::Decimal128(_, scale) => decimal(array.as_primitive::<Decimal128Type>().value(i), *scale)?,
        _ => return None,
    })
}
