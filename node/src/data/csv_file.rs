//! CSV files.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Cell, DataError, Place, Source, Visit};

/// The most columns of a file.
pub(super) const MAX_COLUMNS: usize = 1_024;
/// The most characters of a column's name.
const MAX_NAME_CHARS: usize = 128;

/// A CSV file with a header.
pub(super) struct CsvFile {
    path: PathBuf,
    delimiter: u8,
    names: Vec<String>,
}

impl CsvFile {
    pub(super) fn open(path: &Path, delimiter: u8) -> Result<Self, DataError> {
        let mut reader = reader(path, delimiter)?;
        let header = reader.byte_headers().map_err(|error| read_error(path, error))?;
        let names = header.iter().map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned()));
        let names = names.collect::<Result<Vec<_>, _>>().map_err(|_| DataError::Header("it is not UTF-8".into()))?;
        check_names(&names)?;
        Ok(Self { path: path.to_owned(), delimiter, names })
    }
}

impl Source for CsvFile {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn read(&self, visit: &mut Visit<'_>) -> Result<u64, DataError> {
        let mut reader = reader(&self.path, self.delimiter)?;
        let mut record = csv::ByteRecord::new();
        let mut row = 0;
        while reader.read_byte_record(&mut record).map_err(|error| read_error(&self.path, error))? {
            row += 1;
            let place = Place { row, line: record.position().map(csv::Position::line) };
            if record.len() != self.names.len() {
                return Err(DataError::RowLength { place, expected: self.names.len(), found: record.len() });
            }
            let mut cells = Vec::with_capacity(record.len());
            for (bytes, name) in record.iter().zip(&self.names) {
                let text =
                    std::str::from_utf8(bytes).map_err(|_| DataError::Encoding { place, column: name.clone() })?;
                cells.push(Cell::text(text));
            }
            visit(place, &cells)?;
        }
        Ok(row)
    }
}

/// Refuses names that are empty, alike, too long or could garble a terminal.
pub(super) fn check_names(names: &[String]) -> Result<(), DataError> {
    if names.len() > MAX_COLUMNS {
        return Err(DataError::TooLarge { what: "columns", limit: MAX_COLUMNS as u64 });
    }
    if names.iter().all(String::is_empty) {
        return Err(DataError::Header("there is none".into()));
    }
    for (i, name) in names.iter().enumerate() {
        let problem = if name.is_empty() {
            "has no name".to_owned()
        } else if name.chars().count() > MAX_NAME_CHARS {
            format!("has a name of more than {MAX_NAME_CHARS} characters")
        } else if name.chars().any(char::is_control) {
            "has a control character in its name".to_owned()
        } else if names[..i].contains(name) {
            format!("has the name of an earlier one, \"{name}\"")
        } else {
            continue;
        };
        return Err(DataError::Header(format!("column {} {problem}", i + 1)));
    }
    Ok(())
}

fn reader(path: &Path, delimiter: u8) -> Result<csv::Reader<File>, DataError> {
    let file = File::open(path).map_err(|source| DataError::File { path: path.to_owned(), source })?;
    // Row lengths are checked here, so that the error says what was expected.
    Ok(csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).buffer_capacity(1 << 16).from_reader(file))
}

fn read_error(path: &Path, error: csv::Error) -> DataError {
    match error.into_kind() {
        csv::ErrorKind::Io(source) => DataError::File { path: path.to_owned(), source },
        other => DataError::Format { format: "CSV", cause: format!("{other:?}") },
    }
}
