//! The forms of a result.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A form in which a job's result is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultFormat {
    /// Every cell with its status, and its value as an exact decimal text.
    #[default]
    Json,
    /// A line a cell: output, place, value, status. A cell without a value has an empty one.
    Csv,
    /// A stream of Arrow IPC. Cells without a value are null.
    Arrow,
    /// One output as an array of NumPy. Cells without a value are NaN.
    Npy,
}

impl ResultFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::Arrow, Self::Npy];

    /// Its name in queries and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
            Self::Npy => "npy",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Npy => "application/x-npy",
        }
    }
}
