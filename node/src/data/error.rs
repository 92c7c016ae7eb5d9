//! What can go wrong with datasets. Messages name file, row and column, never the value of a cell.

use std::fmt;
use std::io;
use std::path::PathBuf;

use tacit_protocol::policy::PolicyError;
use tacit_protocol::schema::Range;
use tacit_protocol::{Code, Failure};

use crate::keys::KeyError;
use crate::store::StoreError;

/// Where a cell stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row, from 1, without the header.
    pub row: u64,
    /// The line of a text file, from 1, where the row starts.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "row {} (line {line})", self.row),
            None => write!(f, "row {}", self.row),
        }
    }
}

/// An error of an import or of a dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be read.
    #[error("the file {path} cannot be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An error in a file, with the file's name.
    #[error("{path}: {error}")]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        error: Box<DataError>,
    },
    /// A file cannot be written.
    #[error("the file cannot be written: {cause}")]
    Write {
        /// The cause.
        cause: String,
    },
    /// The file is not of its format.
    #[error("the file is no {format} that this version reads: {cause}")]
    Format {
        /// The format.
        format: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// The header is not one.
    #[error("the header: {0}")]
    Header(String),
    /// The file has no rows.
    #[error("the file has a header but no rows")]
    NoRows,
    /// The file has too much of something.
    #[error("the file has more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// A row has another number of cells than the header.
    #[error("{place} has {found} cells, the header has {expected}")]
    RowLength {
        /// Where.
        place: Place,
        /// Cells in the header.
        expected: usize,
        /// Cells in the row.
        found: usize,
    },
    /// A cell is not UTF-8.
    #[error("{place}, column \"{column}\": the text is not UTF-8")]
    Encoding {
        /// Where.
        place: Place,
        /// The column.
        column: String,
    },
    /// A cell is not of its column's type.
    #[error("{place}, column \"{column}\": expected {expected}")]
    Value {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// What should be there.
        expected: String,
    },
    /// A value is outside the declared range (CHK-922).
    #[error("{place}, column \"{column}\": the value is outside the declared range {} to {}", range.lo, range.hi)]
    Range {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// The range.
        range: Range,
    },
    /// The key column has equal keys (CHK-501).
    #[error("{rows} rows repeat a key of column \"{column}\" that an earlier row has; the first are rows {first:?}")]
    DuplicateKeys {
        /// The column.
        column: String,
        /// How many rows repeat one.
        rows: u64,
        /// The first of those rows.
        first: Vec<u64>,
    },
    /// A key is missing.
    #[error("{place}, column \"{column}\": a row has no key")]
    EmptyKey {
        /// Where.
        place: Place,
        /// The column.
        column: String,
    },
    /// A column has no cells to infer a type from.
    #[error("column \"{column}\" is empty in every row")]
    EmptyColumn {
        /// The column.
        column: String,
    },
    /// A column has text, and nobody said what it is.
    #[error("column \"{column}\" holds text, such as in {place}")]
    TextColumn {
        /// The column.
        column: String,
        /// The first cell that is neither a number, a date nor a bool.
        place: Place,
    },
    /// A category column has too many labels.
    #[error("column \"{column}\" has more than {limit} different texts")]
    TooManyLabels {
        /// The column.
        column: String,
        /// How many there may be.
        limit: usize,
    },
    /// An option names a column that is not there.
    #[error("there is no column \"{column}\"; the columns are {known:?}")]
    UnknownColumn {
        /// The column.
        column: String,
        /// Those of the file.
        known: Vec<String>,
    },
    /// An option makes no sense.
    #[error("{0}")]
    Option(String),
    /// The file changed while it was read.
    #[error("the file changed while it was imported")]
    FileChanged,
    /// A dataset name is malformed.
    #[error("{0:?} is no dataset name: 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter")]
    Name(String),
    /// There is no such dataset.
    #[error("there is no dataset \"{0}\"")]
    Unknown(String),
    /// Two changes of a dataset at the same time.
    #[error("the dataset \"{0}\" was changed by another command meanwhile")]
    Conflict(String),
    /// The stored rows are not those of the contract (CHK-506).
    #[error("the rows of dataset \"{0}\" are not those that were agreed on")]
    InputChanged(String),
    /// A stored chunk is missing or out of order (CHK-506).
    #[error("a chunk of dataset \"{0}\" is missing")]
    InputChunk(String),
    /// Sealing or opening failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy does not parse, or does not fit the dataset's columns.
    #[error("the policy: {0}")]
    Policy(#[from] PolicyError),
}

impl DataError {
    /// The stable code.
    pub fn code(&self) -> Code {
        Code::new(match self {
            Self::In { error, .. } => return error.code(),
            Self::Key(error) => return error.code(),
            Self::Store(error) => return error.code(),
            Self::Policy(error) => return error.code(),
            Self::File { .. } => "IMPORT_FILE",
            Self::Write { .. } => "EXPORT_WRITE",
            Self::Format { .. } => "IMPORT_FORMAT",
            Self::Header(_) => "IMPORT_HEADER",
            Self::NoRows => "IMPORT_EMPTY",
            Self::TooLarge { .. } => "IMPORT_TOO_LARGE",
            Self::RowLength { .. } => "IMPORT_ROW_LENGTH",
            Self::Encoding { .. } => "IMPORT_ENCODING",
            Self::Value { .. } => "IMPORT_VALUE",
            Self::Range { .. } => "IMPORT_RANGE",
            Self::DuplicateKeys { .. } => "ALIGN_DUPLICATE_KEYS",
            Self::EmptyKey { .. } => "IMPORT_KEY_EMPTY",
            Self::EmptyColumn { .. } => "IMPORT_COLUMN_EMPTY",
            Self::TextColumn { .. } => "IMPORT_COLUMN_TEXT",
            Self::TooManyLabels { .. } => "IMPORT_CATEGORY",
            Self::UnknownColumn { .. } => "IMPORT_COLUMN",
            Self::Option(_) => "IMPORT_OPTION",
            Self::FileChanged => "IMPORT_FILE_CHANGED",
            Self::Name(_) => "DATASET_NAME",
            Self::Unknown(_) => "DATASET_UNKNOWN",
            Self::Conflict(_) => "DATASET_CONFLICT",
            Self::InputChanged(_) => "INPUT_CHANGED",
            Self::InputChunk(_) => "INPUT_CHUNK",
        })
    }

    /// What the operator does next.
    pub fn next_step(&self) -> String {
        match self {
            Self::In { error, .. } => return error.next_step(),
            Self::Key(error) => return error.next_step(),
            Self::Store(error) => return error.next_step().into(),
            Self::Policy(_) => "Mend the policy file; nothing was changed.",
            Self::Write { .. } => "Free space on the disk of the node's directory and repeat the command.",
            Self::File { .. } => "Check the path and that the node may read the file.",
            Self::Format { format: "Parquet", .. } => {
                "Write the file uncompressed or with Snappy, and with columns of bools, \
                 integers, decimals, floats, dates or text."
            }
            Self::Format { .. } => "Write the file as CSV with a header, comma-separated, in UTF-8.",
            Self::Header(_) => "Give every column a name of its own in the first line.",
            Self::NoRows => "Import a file that has rows.",
            Self::TooLarge { .. } => "Split the file into several datasets.",
            Self::RowLength { .. } => "Correct the row; cells that contain the separator need quotes.",
            Self::Encoding { .. } => "Save the file as UTF-8.",
            Self::Value { .. } => "Correct the cell, or declare another type for the column. Empty cells are allowed.",
            Self::Range { .. } => "Correct the cell, declare a wider range, or import with --clamp.",
            Self::DuplicateKeys { .. } => "Keep one row for each key, or import with another key column.",
            Self::EmptyKey { .. } => "Give the row a key or remove it.",
            Self::EmptyColumn { .. } => "Remove the column, or declare its type.",
            Self::TextColumn { .. } => "Declare it a category (its labels become public), the key, or skip it.",
            Self::TooManyLabels { .. } => {
                "Declare it a key or skip it; a category has few labels, and they are public."
            }
            Self::UnknownColumn { .. } => "Check the spelling; names are case-sensitive.",
            Self::Option(_) => "Correct the option and repeat the command.",
            Self::FileChanged => "Import it again when nothing writes to it.",
            Self::Name(_) => "Choose another name.",
            Self::Unknown(_) => "List the datasets with: tacit dataset list",
            Self::Conflict(_) => "Look at the dataset and repeat the command if it still applies.",
            Self::InputChanged(_) => "Submit the job again; it will be agreed on for the current rows.",
            Self::InputChunk(_) => "Import the dataset again and report what happened before.",
        }
        .into()
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Failure::new(error.code(), error.to_string(), error.next_step())
    }
}
