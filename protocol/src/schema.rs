//! The shape of a dataset: columns, their types, their declared ranges and keys.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Number;

/// The type of an element of a column or an array.
///
/// Numbers are kept as integers in units of the type's *lattice step*: 1 for `Int64`, `10^-scale` for `Decimal`,
/// `2^-18` for `Float64`, `2^-36` for `Float64High` ([`Precision::step_bits`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Element {
    /// True or false.
    Bool,
    /// A signed integer.
    Int64,
    /// An exact decimal with `scale` digits after the point.
    Decimal {
        /// Digits after the point, at most 9.
        scale: u8,
    },
    /// A real number in fixed point.
    Float64,
    /// A day, as days since 1970-01-01.
    Date,
    /// One of a public list of labels, as its place in the list.
    Category {
        /// The labels, in order.
        labels: Vec<String>,
    },
    /// A join key, as bytes. Keys are joined on and nothing else.
    Key,
    /// A real number in fixed point with twice the digits of `Float64` after the point.
    #[serde(rename = "float64_high")]
    Float64High,
}

/// How fine real numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// That of [`Element::Float64`]: functions are right to about `10^-6`.
    Default,
    /// That of [`Element::Float64High`]: functions are right to about `10^-11`.
    High,
}

impl Precision {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Default, Self::High];

    /// Binary digits after the point.
    pub const fn step_bits(self) -> u32 {
        match self {
            Self::Default => Element::FLOAT_STEP_BITS,
            Self::High => 36,
        }
    }

    /// Lattice steps in 1.
    pub const fn unit(self) -> f64 {
        (1_u64 << self.step_bits()) as f64
    }

    /// The element of real numbers of this precision.
    pub const fn element(self) -> Element {
        match self {
            Self::Default => Element::Float64,
            Self::High => Element::Float64High,
        }
    }
}

impl Element {
    /// Binary digits after the point of a `Float64`.
    pub const FLOAT_STEP_BITS: u32 = 18;
    /// The most digits after the point of a `Decimal`.
    pub const MAX_DECIMAL_SCALE: u8 = 9;

    /// How fine its real numbers are; none: its numbers are no such.
    pub fn precision(&self) -> Option<Precision> {
        match self {
            Self::Float64 => Some(Precision::Default),
            Self::Float64High => Some(Precision::High),
            _ => None,
        }
    }

    /// Binary digits after the point of its real numbers.
    pub fn float_bits(&self) -> Option<u32> {
        self.precision().map(Precision::step_bits)
    }

    /// Whether its numbers are real ones in fixed point.
    pub fn is_float(&self) -> bool {
        self.precision().is_some()
    }

    /// The element of quotients, means and real functions of its numbers: its own if it is one of real numbers, else the
    /// default one.
    #[must_use]
    pub fn to_float(&self) -> Self {
        self.precision().unwrap_or(Precision::Default).element()
    }

    /// The name as policies, plans and messages write it.
    pub fn name(&self) -> String {
        match self {
            Self::Bool => "bool".into(),
            Self::Int64 => "int64".into(),
            Self::Decimal { scale } => format!("decimal({scale})"),
            Self::Float64 => "float64".into(),
            Self::Date => "date".into(),
            Self::Category { labels } => format!("category({})", labels.len()),
            Self::Key => "key".into(),
            Self::Float64High => "float64_high".into(),
        }
    }
}

/// A closed range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize, ToSchema)]
pub struct Range {
    /// The least value.
    #[schema(value_type = String, example = "-10.50")]
    pub lo: Number,
    /// The largest value.
    #[schema(value_type = String, example = "5000.25")]
    pub hi: Number,
}

/// One column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize, ToSchema)]
pub struct ColumnSchema {
    /// Its name, unique in the dataset.
    pub name: String,
    /// Its type.
    #[serde(flatten)]
    pub element: Element,
    /// The range that its owner declared and enforces at import. Numbers and dates (as days) have one; the range of
    /// a bool is 0 to 1 and of a category follows from its labels, so those and keys have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Whether cells may be empty. Which ones are is secret.
    #[serde(default)]
    pub nullable: bool,
}

/// The columns of a dataset and how many rows it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct TableSchema {
    /// The columns, in order.
    pub columns: Vec<ColumnSchema>,
    /// The number of rows, public.
    pub rows: u64,
    /// The key column that identifies the person or thing behind a row, if its owner declared one. Its values are
    /// unique, so that rows count persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
}

impl TableSchema {
    /// The column of a name.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|column| column.name == name)
    }
}
