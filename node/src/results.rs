//! Results in the forms that other programs read: CSV, Arrow IPC and NumPy's `.npy`.
//!
//! JSON and CSV tell for each cell whether it was released, suppressed or has no value, and give its exact decimal
//! digits. In Arrow a cell without a value is null, and the field's metadata counts both kinds; in `.npy` it is NaN, and
//! an array of integers or truth values with such a cell becomes one of floats.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, FixedSizeListArray, Int64Array, PrimitiveArray, RecordBatch,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema};
use tacit_protocol::api::{CellValue, JobResult, OutputValue, ResultFormat};
use tacit_protocol::{Code, Failure, Number};

/// The most digits of an Arrow decimal.
const DECIMAL_DIGITS: u8 = 38;

/// A result, or one output of it, in a form. JSON is the caller's own.
///
/// # Errors
/// `USAGE_OUTPUT` if there is no such output, or a form that holds one output is asked for without its name.
pub fn write(result: &JobResult, format: ResultFormat, output: Option<&str>) -> Result<Vec<u8>, Failure> {
    let chosen = choose(result, output)?;
    match format {
        ResultFormat::Json => {
            let part = JobResult { id: result.id.clone(), outputs: chosen.into_iter().cloned().collect() };
            Ok(serde_json::to_vec(&part).expect("a result serialises"))
        }
        ResultFormat::Csv => csv(&chosen).map_err(|cause| unwritten(&cause)),
        ResultFormat::Arrow => arrow(&chosen, output.is_some()).map_err(|cause| unwritten(&cause)),
        ResultFormat::Npy => match chosen.as_slice() {
            [one] => Ok(npy(one)),
            _ => Err(wrong_output(result, format!("an .npy file holds one output, not {}", chosen.len()))),
        },
    }
}

fn choose<'a>(result: &'a JobResult, output: Option<&str>) -> Result<Vec<&'a OutputValue>, Failure> {
    let Some(name) = output else { return Ok(result.outputs.iter().collect()) };
    let found = result.outputs.iter().find(|value| value.name == name);
    found.map(|value| vec![value]).ok_or_else(|| wrong_output(result, format!("the result has no output {name:?}")))
}

fn wrong_output(result: &JobResult, message: String) -> Failure {
    let names: Vec<&str> = result.outputs.iter().map(|value| value.name.as_str()).collect();
    Failure::new(Code::new("USAGE_OUTPUT"), message, format!("name one of: {}.", names.join(", ")))
}

fn unwritten(cause: &dyn std::fmt::Display) -> Failure {
    let message = format!("the result cannot be written in this form: {cause}");
    Failure::new(Code::new("RESULT_FORMAT"), message, "ask for it as JSON.")
}

fn csv(outputs: &[&OutputValue]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["output", "index", "value", "status"])?;
    for output in outputs {
        for (place, cell) in output.cells.iter().enumerate() {
            let (value, status) = match cell {
                CellValue::Released { value } => (value.as_str(), "released"),
                CellValue::Suppressed => ("", "suppressed"),
                CellValue::Undefined => ("", "undefined"),
            };
            writer.write_record([&output.name, &index(place, &output.shape), value, status])?;
        }
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// The place of a cell, a number an axis: `1 0` is the first cell of the second row. Empty for a scalar.
fn index(place: usize, shape: &[u64]) -> String {
    let mut left = place as u64;
    let mut numbers: Vec<String> = Vec::new();
    for size in shape.iter().rev().map(|size| (*size).max(1)) {
        numbers.push((left % size).to_string());
        left /= size;
    }
    numbers.reverse();
    numbers.join(" ")
}

/// One column an output. Of a whole result there is one row, in which an array is a list of all its cells in row-major
/// order; of one output there is a row for each place of its first axis, with the cells of the other axes in it.
fn arrow(outputs: &[&OutputValue], is_one: bool) -> Result<Vec<u8>, ArrowError> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for output in outputs {
        let (field, column) = column(output, is_one)?;
        fields.push(field);
        columns.push(column);
    }
    let schema = Arc::new(Schema::new(fields));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    if !columns.is_empty() {
        writer.write(&RecordBatch::try_new(schema, columns)?)?;
    }
    writer.into_inner()
}

fn column(output: &OutputValue, is_one: bool) -> Result<(Field, ArrayRef), ArrowError> {
    let cells = cells(output);
    let rows = if is_one { output.shape.first().copied().unwrap_or(1) } else { 1 };
    let flat = if is_one { output.shape.len() <= 1 } else { output.shape.is_empty() };
    let column = if flat {
        cells
    } else {
        let items = cells.len().checked_div(usize::try_from(rows).unwrap_or(usize::MAX)).unwrap_or(0);
        let items = i32::try_from(items).map_err(|_| ArrowError::InvalidArgumentError("too many cells".into()))?;
        let item = Arc::new(Field::new("item", cells.data_type().clone(), true));
        let rows = usize::try_from(rows).unwrap_or(0);
        Arc::new(FixedSizeListArray::try_new_with_length(item, items, cells, None, rows)?)
    };
    let count = |kind: &CellValue| output.cells.iter().filter(|cell| *cell == kind).count().to_string();
    let shape: Vec<String> = output.shape.iter().map(ToString::to_string).collect();
    let metadata = HashMap::from([
        ("tacit.element".to_owned(), output.element.clone()),
        ("tacit.shape".to_owned(), shape.join(",")),
        ("tacit.suppressed".to_owned(), count(&CellValue::Suppressed)),
        ("tacit.undefined".to_owned(), count(&CellValue::Undefined)),
    ]);
    Ok((Field::new(&output.name, column.data_type().clone(), true).with_metadata(metadata), column))
}

/// The cells as the narrowest type that holds them exactly: floats only where the output's own numbers are such.
fn cells(output: &OutputValue) -> ArrayRef {
    let element = output.element.as_str();
    if element == "bool"
        && let Some(values) = parsed(output, |text| text.parse::<u8>().ok().map(|value| value != 0))
    {
        return Arc::new(BooleanArray::from(values));
    }
    if !element.starts_with("float64")
        && !element.starts_with("decimal")
        && let Some(values) = parsed(output, |text| text.parse::<i64>().ok())
    {
        return Arc::new(Int64Array::from(values));
    }
    if element.starts_with("decimal")
        && let Some(array) = decimals(output)
    {
        return Arc::new(array);
    }
    Arc::new(PrimitiveArray::<Float64Type>::from(floats(output)))
}

fn decimals(output: &OutputValue) -> Option<Decimal128Array> {
    let numbers = parsed(output, |text| text.parse::<Number>().ok())?;
    let scale = numbers.iter().flatten().map(|number| number.scale()).max().unwrap_or(0);
    // None for a missing cell; none at all if one does not fit.
    let at_scale = |number: Option<Number>| number.map_or(Some(None), |number| number.at_scale(scale).map(Some));
    let values: Vec<Option<i128>> = numbers.into_iter().map(at_scale).collect::<Option<_>>()?;
    let array = Decimal128Array::from(values);
    array.with_precision_and_scale(DECIMAL_DIGITS, i8::try_from(scale).ok()?).ok()
}

/// The released cells by a parser, none for the others; none at all if a released one does not parse.
fn parsed<T>(output: &OutputValue, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
    let cell = |cell: &CellValue| match cell {
        CellValue::Released { value } => parse(value).map(Some),
        CellValue::Suppressed | CellValue::Undefined => Some(None),
    };
    output.cells.iter().map(cell).collect()
}

fn floats(output: &OutputValue) -> Vec<Option<f64>> {
    parsed(output, |text| Some(text.parse().unwrap_or(f64::NAN))).unwrap_or_default()
}

/// An array of NumPy, format version 1.0.
fn npy(output: &OutputValue) -> Vec<u8> {
    let is_whole = output.cells.iter().all(|cell| matches!(cell, CellValue::Released { .. }));
    let cells = cells(output);
    let (kind, data) = if let Some(values) = cells.as_any().downcast_ref::<BooleanArray>().filter(|_| is_whole) {
        ("|b1", values.values().iter().map(u8::from).collect())
    } else if let Some(values) = cells.as_any().downcast_ref::<Int64Array>().filter(|_| is_whole) {
        ("<i8", values.values().iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
    } else {
        ("<f8", floats(output).into_iter().flat_map(|value| value.unwrap_or(f64::NAN).to_le_bytes()).collect())
    };
    let axes: String = output.shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}", axes.trim_end());
    // Magic, version and length take 10 bytes; all of it is a multiple of 64, and ends with a new line.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), &data].concat()
}

/// The type of an output's column, for tests.
#[cfg(test)]
fn type_of(output: &OutputValue) -> arrow_schema::DataType {
    cells(output).data_type().clone()
}

#[cfg(test)]
mod tests {
    use arrow_ipc::reader::StreamReader;
    use arrow_schema::DataType;

    use super::*;

    fn output(name: &str, element: &str, shape: &[u64], cells: &[&str]) -> OutputValue {
        let cell = |text: &&str| match *text {
            "?" => CellValue::Suppressed,
            "!" => CellValue::Undefined,
            value => CellValue::Released { value: value.into() },
        };
        let cells = cells.iter().map(cell).collect();
        OutputValue { name: name.into(), element: element.into(), shape: shape.to_vec(), cells }
    }

    fn result() -> JobResult {
        let outputs = vec![
            output("count", "int64", &[], &["42"]),
            output("mean", "float64", &[2, 3], &["1.5", "?", "3", "-0.25", "!", "6"]),
            output("price", "decimal(2)", &[2], &["12.5", "3"]),
            output("any", "bool", &[1], &["1"]),
        ];
        JobResult { id: "00ff".into(), outputs }
    }

    #[test]
    fn csv_has_a_line_for_each_cell_with_its_place_and_status() {
        let text = String::from_utf8(write(&result(), ResultFormat::Csv, None).expect("CSV")).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            ["output,index,value,status", "count,,42,released", "mean,0 0,1.5,released", "mean,0 1,,suppressed"]
        );
        assert_eq!(lines[6], "mean,1 1,,undefined");
        assert_eq!(lines.len(), 11);
        let one = write(&result(), ResultFormat::Csv, Some("count")).expect("CSV");
        assert_eq!(one, b"output,index,value,status\ncount,,42,released\n");
    }

    #[test]
    fn arrow_keeps_types_and_shapes_and_has_nulls_for_what_is_missing() {
        let read = |name| {
            let bytes = write(&result(), ResultFormat::Arrow, name).expect("Arrow");
            let mut reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
            reader.next().expect("a batch").expect("readable")
        };
        let all = read(None);
        assert_eq!((all.num_rows(), all.num_columns()), (1, 4));
        let types: Vec<DataType> = result().outputs.iter().map(type_of).collect();
        assert_eq!(types, [DataType::Int64, DataType::Float64, DataType::Decimal128(38, 1), DataType::Boolean]);
        let schema = all.schema();
        let metadata = schema.field_with_name("mean").expect("a field").metadata();
        assert_eq!((metadata["tacit.shape"].as_str(), metadata["tacit.suppressed"].as_str()), ("2,3", "1"));
        let mean = read(Some("mean"));
        assert_eq!((mean.num_rows(), mean.num_columns()), (2, 1));
        let lists = mean.column(0).as_any().downcast_ref::<FixedSizeListArray>().expect("lists");
        assert_eq!((lists.value_length(), lists.values().null_count()), (3, 2));
        assert_eq!(read(Some("price")).num_rows(), 2);
    }

    #[test]
    fn npy_has_a_header_of_whole_lines_and_nan_for_what_is_missing() {
        let of = |name| write(&result(), ResultFormat::Npy, Some(name)).expect("an array");
        let mean = of("mean");
        let header = usize::from(u16::from_le_bytes([mean[8], mean[9]]));
        assert_eq!(((10 + header) % 64, mean[9 + header]), (0, b'\n'));
        let text = String::from_utf8_lossy(&mean[10..10 + header]).into_owned();
        assert!(text.starts_with("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3,), }"), "{text}");
        let data: Vec<f64> =
            mean[10 + header..].chunks(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect();
        assert!(data[1].is_nan() && data[4].is_nan());
        assert_eq!((data[0], data[3], data.len()), (1.5, -0.25, 6));
        assert!(String::from_utf8_lossy(&of("count")).contains("'<i8', 'fortran_order': False, 'shape': (), }"));
        assert!(String::from_utf8_lossy(&of("any")).contains("'|b1', 'fortran_order': False, 'shape': (1,), }"));
    }

    #[test]
    fn one_output_is_named_where_a_form_holds_one() {
        for (format, output) in [(ResultFormat::Npy, None), (ResultFormat::Csv, Some("other"))] {
            let failure = write(&result(), format, output).expect_err("a refusal");
            assert_eq!(failure.code.as_str(), "USAGE_OUTPUT");
            assert!(failure.next.contains("count, mean"), "{failure}");
        }
        let json = write(&result(), ResultFormat::Json, Some("count")).expect("JSON");
        let one: JobResult = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(one.outputs, result().outputs[..1]);
    }

    #[test]
    fn a_whole_number_on_a_fine_grid_and_one_beyond_64_bits_are_kept() {
        assert_eq!(type_of(&output("x", "int64", &[], &["0.5"])), DataType::Float64);
        assert_eq!(type_of(&output("x", "int64", &[], &["9223372036854775808"])), DataType::Float64);
        assert_eq!(type_of(&output("x", "bool", &[2], &["?", "0"])), DataType::Boolean);
        assert_eq!(type_of(&output("x", "decimal(2)", &[0], &[])), DataType::Decimal128(38, 0));
    }
}
