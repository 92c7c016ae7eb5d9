//! Writing a dataset to a file, for its owner: CSV or Parquet as the import reads them, or an Arrow IPC file.
//!
//! Cells are what was imported, in the column's type; categories are their labels. Chunks are read one at a time for each
//! column, so memory does not grow with the rows.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, UInt16Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use tacit_protocol::Number;
use tacit_protocol::schema::{ColumnSchema, Element};
use time::{Date, Duration, Month};

use super::convert::arrow_type;
use super::{DataError, DatasetRecord, Datasets};

/// The form of an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Text with a header; empty cells are empty.
    Csv,
    /// Parquet.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
}

impl ExportFormat {
    /// The format of a name: `csv`, `parquet` or `arrow`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            "arrow" => Some(Self::Arrow),
            _ => None,
        }
    }
}

impl Datasets {
    /// Writes a dataset's rows. Its chunks stay until it returns, whatever happens to the dataset meanwhile.
    ///
    /// # Errors
    /// [`DataError::Unknown`], [`DataError::InputChanged`], [`DataError::Write`], others.
    pub fn export(&self, name: &str, format: ExportFormat, out: &mut (dyn Write + Send)) -> Result<u64, DataError> {
        let _hold = self.hold();
        let record = self.dataset(name)?;
        let columns = &record.schema.columns;
        let fields = columns.iter().map(|column| Field::new(&column.name, file_type(&column.element), column.nullable));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let failed = |cause: &dyn ToString| DataError::Write { cause: cause.to_string() };
        match format {
            ExportFormat::Csv => {
                let mut file = csv::Writer::from_writer(out);
                file.write_record(columns.iter().map(|column| &column.name)).map_err(|cause| failed(&cause))?;
                self.batches(&record, &mut |arrays| {
                    for row in 0..arrays.first().map_or(0, |array| array.len()) {
                        let cells = arrays.iter().zip(columns).map(|(array, column)| cell(array, column, row));
                        file.write_record(cells).map_err(|cause| failed(&cause))?;
                    }
                    Ok(())
                })?;
                file.flush().map_err(|cause| failed(&cause))?;
            }
            ExportFormat::Parquet => {
                let mut file = ArrowWriter::try_new(out, Arc::clone(&schema), None).map_err(|cause| failed(&cause))?;
                self.batches(&record, &mut |arrays| {
                    file.write(&batch(&schema, arrays, columns)?).map_err(|cause| failed(&cause))
                })?;
                file.close().map_err(|cause| failed(&cause))?;
            }
            ExportFormat::Arrow => {
                let mut file = FileWriter::try_new(out, &schema).map_err(|cause| failed(&cause))?;
                self.batches(&record, &mut |arrays| {
                    file.write(&batch(&schema, arrays, columns)?).map_err(|cause| failed(&cause))
                })?;
                file.finish().map_err(|cause| failed(&cause))?;
            }
        }
        Ok(record.schema.rows)
    }

    /// Hands out the rows in pieces of one length in all columns. Columns have chunks of different lengths.
    fn batches(
        &self,
        record: &DatasetRecord,
        visit: &mut dyn FnMut(&[ArrayRef]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let changed = || DataError::InputChanged(record.name.clone());
        let counts = Self::chunk_counts(record);
        if counts.len() != record.schema.columns.len() {
            return Err(changed());
        }
        let mut cursors: Vec<(u32, Option<ArrayRef>)> = counts.iter().map(|_| (0, None)).collect();
        let mut left = record.schema.rows;
        while left > 0 {
            for (place, (next, present)) in cursors.iter_mut().enumerate() {
                while present.as_ref().is_none_or(|array| array.is_empty()) {
                    if *next >= counts[place] {
                        return Err(changed());
                    }
                    *present = Some(self.chunk(record, place, *next)?.1);
                    *next += 1;
                }
            }
            let present = || cursors.iter().filter_map(|(_, array)| array.as_ref());
            let rows = present().map(|array| array.len()).min().unwrap_or(0);
            let piece: Vec<ArrayRef> = present().map(|array| array.slice(0, rows)).collect();
            visit(&piece)?;
            for (_, array) in &mut cursors {
                *array = array.take().map(|array| array.slice(rows, array.len() - rows));
            }
            left = left.checked_sub(rows as u64).ok_or_else(changed)?;
        }
        Ok(())
    }
}

fn file_type(element: &Element) -> DataType {
    match element {
        Element::Category { .. } => DataType::Utf8,
        element => arrow_type(element),
    }
}

fn batch(schema: &Arc<Schema>, arrays: &[ArrayRef], columns: &[ColumnSchema]) -> Result<RecordBatch, DataError> {
    let columns = arrays.iter().zip(columns).map(|(array, column)| match &column.element {
        Element::Category { labels } => {
            let mut texts = StringBuilder::new();
            array.as_primitive::<UInt16Type>().iter().for_each(|place| texts.append_option(label(labels, place)));
            Arc::new(texts.finish())
        }
        _ => Arc::clone(array),
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect())
        .map_err(|cause| DataError::Write { cause: cause.to_string() })
}

fn label(labels: &[String], place: Option<u16>) -> Option<&str> {
    labels.get(usize::from(place?)).map(String::as_str)
}

/// A cell as text: what the import reads as the same value.
fn cell(array: &ArrayRef, column: &ColumnSchema, row: usize) -> String {
    if array.is_null(row) {
        return String::new();
    }
    match &column.element {
        Element::Bool => array.as_boolean().value(row).to_string(),
        Element::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        Element::Decimal { scale } => {
            let steps = array.as_primitive::<Decimal128Type>().value(row);
            Number::new(steps, *scale).map_or_else(String::new, |number| number.to_string())
        }
        Element::Float64 | Element::Float64High => array.as_primitive::<Float64Type>().value(row).to_string(),
        Element::Date => {
            let epoch = Date::from_calendar_date(1970, Month::January, 1).expect("a date");
            let days = array.as_primitive::<Date32Type>().value(row);
            let date = epoch.checked_add(Duration::days(days.into()));
            date.map_or_else(String::new, |date| date.to_string())
        }
        Element::Category { labels } => {
            label(labels, Some(array.as_primitive::<UInt16Type>().value(row))).unwrap_or_default().to_owned()
        }
        Element::Key => array.as_string::<i32>().value(row).to_owned(),
    }
}
