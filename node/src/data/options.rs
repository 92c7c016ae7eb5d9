//! What the owner declares at an import.

use std::collections::BTreeMap;

use tacit_protocol::Number;
use tacit_protocol::api::ColumnOverride;
use tacit_protocol::schema::Element;

use super::DataError;
use super::cell::parse_date;

/// The most labels of a category.
pub(super) const MAX_LABELS: usize = 256;

/// What the owner declares at an import. Nothing is required.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The column that identifies the person or thing behind a row. Its values must be unique.
    pub key: Option<String>,
    /// Types and ranges of columns, instead of those that the import finds.
    pub columns: BTreeMap<String, ColumnHint>,
    /// Whether values outside a declared range are moved to its end instead of refused.
    pub clamp: bool,
    /// The separator of a CSV file, if it is not a comma.
    pub delimiter: Option<u8>,
}

/// What the owner declares of one column.
#[derive(Clone, Debug, Default)]
pub struct ColumnHint {
    /// Its type.
    pub element: Option<ElementHint>,
    /// The least value; of dates, as days since 1970.
    pub lo: Option<Number>,
    /// The largest value.
    pub hi: Option<Number>,
}

/// A declared type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElementHint {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int64,
    /// An exact decimal.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
    /// A real number.
    Float64,
    /// A real number with twice the digits after the point.
    Float64High,
    /// A day.
    Date,
    /// One of a list of labels, which is public. Without a list, the labels of the file.
    Category {
        /// The labels.
        labels: Option<Vec<String>>,
    },
    /// A join key.
    Key,
    /// The column is left out.
    Skip,
}

impl ImportOptions {
    /// The options of an API request: key, overrides by column, clamp.
    ///
    /// # Errors
    /// [`DataError::Option`] for a type or bound that is none.
    pub fn from_request(
        key: Option<String>,
        overrides: &BTreeMap<String, ColumnOverride>,
        clamp: bool,
    ) -> Result<Self, DataError> {
        let columns = overrides.iter().map(|(name, given)| {
            let hint = ColumnHint {
                element: given.element.as_deref().map(str::parse).transpose()?,
                lo: given.lo.as_deref().map(parse_bound).transpose()?,
                hi: given.hi.as_deref().map(parse_bound).transpose()?,
            };
            Ok((name.clone(), hint))
        });
        Ok(Self { key, columns: columns.collect::<Result<_, DataError>>()?, clamp, delimiter: None })
    }
}

/// A decimal number or a date.
fn parse_bound(text: &str) -> Result<Number, DataError> {
    let text = text.trim();
    if let Some(days) = parse_date(text) {
        return Ok(Number::from(i64::from(days)));
    }
    text.parse().map_err(|_| DataError::Option(format!("{text:?} is no bound: a decimal number or a date")))
}

impl std::str::FromStr for ElementHint {
    type Err = DataError;

    /// `bool`, `int64`, `decimal(2)`, `float64`, `float64_high`, `date`, `category`, `category(red, green)`, `key` or `skip`.
    fn from_str(text: &str) -> Result<Self, DataError> {
        let wrong = || {
            let expected = "bool, int64, decimal(N), float64, float64_high, date, category, category(A, B, ...), key \
                            or skip";
            DataError::Option(format!("{text:?} is no type: {expected}"))
        };
        let (name, argument) = match text.trim().split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or_else(wrong)?)),
            None => (text.trim(), None),
        };
        Ok(match (name, argument) {
            ("bool", None) => Self::Bool,
            ("int64", None) => Self::Int64,
            ("float64", None) => Self::Float64,
            ("float64_high", None) => Self::Float64High,
            ("date", None) => Self::Date,
            ("key", None) => Self::Key,
            ("skip", None) => Self::Skip,
            ("category", None) => Self::Category { labels: None },
            ("category", Some(list)) => {
                let labels: Vec<String> = list.split(',').map(|label| label.trim().to_owned()).collect();
                let distinct = labels.iter().collect::<std::collections::BTreeSet<_>>().len() == labels.len();
                if labels.len() > MAX_LABELS || !distinct || labels.iter().any(String::is_empty) {
                    return Err(wrong());
                }
                Self::Category { labels: Some(labels) }
            }
            ("decimal", Some(scale)) => {
                let scale = scale.trim().parse().map_err(|_| wrong())?;
                if scale > Element::MAX_DECIMAL_SCALE {
                    return Err(wrong());
                }
                Self::Decimal { scale }
            }
            _ => return Err(wrong()),
        })
    }
}
