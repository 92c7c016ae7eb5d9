//! The first reading of a file: which type and range each column gets, and whether its keys are unique.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use tacit_protocol::Number;
use tacit_protocol::schema::{ColumnSchema, Element, Precision, Range, TableSchema};

use super::cell::{EXPECTED_KEY, parse_date};
use super::options::MAX_LABELS;
use super::{Cell, ColumnHint, DataError, ElementHint, ImportOptions, Place, Source};

/// The most rows of a dataset.
const MAX_ROWS: u64 = 1 << 28;
/// The most bytes of a label.
const MAX_LABEL_BYTES: usize = 256;
/// The largest power of ten that a range may reach.
const MAX_POWER: u32 = 27;
/// How many repeated keys an error lists.
const LISTED_ROWS: usize = 10;

/// What the first reading found.
pub(super) struct Profile {
    /// The number of rows.
    pub(super) rows: u64,
    /// The columns that are kept: their place in the file and their schema.
    pub(super) columns: Vec<(usize, ColumnSchema)>,
    /// The empty cells of each kept column.
    pub(super) empty_cells: Vec<u64>,
}

impl Profile {
    /// The schema of the table, with its key column.
    pub(super) fn table(&self, unique_key: Option<String>) -> TableSchema {
        let columns = self.columns.iter().map(|(_, schema)| schema.clone()).collect();
        TableSchema { columns, rows: self.rows, unique_key }
    }
}

/// Reads a file once.
pub(super) fn profile(source: &dyn Source, options: &ImportOptions) -> Result<Profile, DataError> {
    let names = source.names();
    let hints = hints(names, options)?;
    let mut columns: Vec<ColumnProfile> = hints.iter().map(ColumnProfile::new).collect();
    let rows = source.read(&mut |place, cells| {
        if place.row > MAX_ROWS {
            return Err(DataError::TooLarge { what: "rows", limit: MAX_ROWS });
        }
        for ((column, cell), name) in columns.iter_mut().zip(cells).zip(names) {
            column.add(place, cell, name)?;
        }
        Ok(())
    })?;
    if rows == 0 {
        return Err(DataError::NoRows);
    }
    let mut found = Profile { rows, columns: Vec::new(), empty_cells: Vec::new() };
    for (i, ((column, hint), name)) in columns.into_iter().zip(&hints).zip(names).enumerate() {
        if hint.element == Some(ElementHint::Skip) {
            continue;
        }
        if options.key.as_ref() == Some(name) {
            check_unique(&column.keys, name)?;
        }
        found.empty_cells.push(column.empty);
        found.columns.push((i, column.schema(name, hint)?));
    }
    if found.columns.is_empty() {
        return Err(DataError::Option("every column is skipped".into()));
    }
    Ok(found)
}

/// The hint of each column, with the key column as a key.
fn hints(names: &[String], options: &ImportOptions) -> Result<Vec<ColumnHint>, DataError> {
    for column in options.columns.keys().chain(&options.key) {
        if !names.contains(column) {
            return Err(DataError::UnknownColumn { column: column.clone(), known: names.to_vec() });
        }
    }
    let hint_of = |name: &String| {
        let mut hint = options.columns.get(name).cloned().unwrap_or_default();
        if options.key.as_ref() == Some(name) {
            if hint.element.is_some_and(|element| element != ElementHint::Key) {
                return Err(DataError::Option(format!("column \"{name}\" is declared the key and of another type")));
            }
            hint.element = Some(ElementHint::Key);
        }
        Ok(hint)
    };
    names.iter().map(hint_of).collect()
}

/// What is known of a column after some rows.
struct ColumnProfile {
    role: Role,
    empty: u64,
    filled: u64,
    bools: Kind,
    decimals: Kind,
    floats: Kind,
    dates: Kind,
    scale: u8,
    too_long: Option<Place>,
    negative: Option<u32>,
    positive: Option<u32>,
    days: Option<(i32, i32)>,
    labels: BTreeSet<String>,
    keys: Vec<KeyHash>,
}

/// What a column is looked at for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Values,
    Labels,
    Keys,
    Skipped,
}

/// How many cells could be of a type, and the first that could not.
#[derive(Default)]
struct Kind {
    count: u64,
    first_other: Option<Place>,
}

impl Kind {
    fn add(&mut self, fits: bool, place: Place) {
        if fits {
            self.count += 1;
        } else {
            self.first_other.get_or_insert(place);
        }
    }
}

/// 128 bits of a key's digest, and its row.
type KeyHash = (u64, u64, u32);

impl ColumnProfile {
    fn new(hint: &ColumnHint) -> Self {
        let role = match &hint.element {
            Some(ElementHint::Skip) => Role::Skipped,
            Some(ElementHint::Key) => Role::Keys,
            Some(ElementHint::Category { labels: None }) => Role::Labels,
            _ => Role::Values,
        };
        Self {
            role,
            empty: 0,
            filled: 0,
            bools: Kind::default(),
            decimals: Kind::default(),
            floats: Kind::default(),
            dates: Kind::default(),
            scale: 0,
            too_long: None,
            negative: None,
            positive: None,
            days: None,
            labels: BTreeSet::new(),
            keys: Vec::new(),
        }
    }

    fn add(&mut self, place: Place, cell: &Cell<'_>, name: &str) -> Result<(), DataError> {
        if matches!(cell, Cell::Empty) {
            if self.role == Role::Keys {
                return Err(DataError::EmptyKey { place, column: name.to_owned() });
            }
            self.empty += 1;
            return Ok(());
        }
        self.filled += 1;
        match self.role {
            Role::Skipped => Ok(()),
            Role::Keys => self.add_key(place, cell, name),
            Role::Labels => self.add_label(place, cell, name),
            Role::Values => {
                self.add_value(place, cell);
                Ok(())
            }
        }
    }

    fn add_value(&mut self, place: Place, cell: &Cell<'_>) {
        if let Some(value) = cell.as_decimal() {
            self.decimals.add(true, place);
            self.floats.add(true, place);
            self.bools.add(false, place);
            self.dates.add(false, place);
            self.scale = self.scale.max(value.scale);
            let fits = value.scale > 0 || i64::try_from(value.mantissa).is_ok();
            if !fits {
                self.too_long.get_or_insert(place);
            }
            let power = power_above(value.mantissa.unsigned_abs(), value.scale);
            self.widen(value.mantissa < 0, power);
            return;
        }
        self.decimals.add(false, place);
        if cell.is_whole() {
            self.too_long.get_or_insert(place);
        }
        if let Some(value) = cell.as_float() {
            self.widen(value < 0.0, float_power_above(value.abs()));
            self.floats.add(true, place);
        } else {
            self.floats.add(false, place);
        }
        let days = cell.as_date();
        self.dates.add(days.is_some(), place);
        if let Some(days) = days {
            let (first, last) = self.days.unwrap_or((days, days));
            self.days = Some((first.min(days), last.max(days)));
        }
        self.bools.add(cell.as_bool().is_some(), place);
    }

    fn widen(&mut self, negative: bool, power: u32) {
        let side = if negative { &mut self.negative } else { &mut self.positive };
        *side = Some(side.map_or(power, |known| known.max(power)));
    }

    fn add_label(&mut self, place: Place, cell: &Cell<'_>, name: &str) -> Result<(), DataError> {
        let text = cell.as_text().filter(|text| text.len() <= MAX_LABEL_BYTES);
        let text = text.ok_or_else(|| value_error(place, name, "a text of at most 256 bytes"))?;
        if !self.labels.contains(text.as_ref()) {
            self.labels.insert(text.into_owned());
        }
        if self.labels.len() > MAX_LABELS {
            return Err(DataError::TooManyLabels { column: name.to_owned(), limit: MAX_LABELS });
        }
        Ok(())
    }

    fn add_key(&mut self, place: Place, cell: &Cell<'_>, name: &str) -> Result<(), DataError> {
        let text = cell.as_key().ok_or_else(|| value_error(place, name, EXPECTED_KEY))?;
        let digest = Sha256::digest(text.as_bytes());
        let word = |at: usize| u64::from_le_bytes(digest[at..at + 8].try_into().expect("eight bytes"));
        let row = u32::try_from(place.row).expect("fewer rows than MAX_ROWS");
        self.keys.push((word(0), word(8), row));
        Ok(())
    }

    /// The schema of the column.
    fn schema(self, name: &str, hint: &ColumnHint) -> Result<ColumnSchema, DataError> {
        let element = match &hint.element {
            Some(declared) => self.declared(declared),
            None => self.inferred(name)?,
        };
        let range = match &element {
            Element::Int64 | Element::Decimal { .. } | Element::Float64 | Element::Float64High | Element::Date => {
                Some(self.range(name, &element, hint)?)
            }
            Element::Bool | Element::Category { .. } | Element::Key => {
                if hint.lo.is_some() || hint.hi.is_some() {
                    let cause = format!("column \"{name}\" is of type {} and has no range", element.name());
                    return Err(DataError::Option(cause));
                }
                None
            }
        };
        Ok(ColumnSchema { name: name.to_owned(), element, range, nullable: self.empty > 0 })
    }

    fn declared(&self, hint: &ElementHint) -> Element {
        match hint {
            ElementHint::Bool => Element::Bool,
            ElementHint::Int64 => Element::Int64,
            ElementHint::Decimal { scale } => Element::Decimal { scale: *scale },
            ElementHint::Float64 => Element::Float64,
            ElementHint::Float64High => Element::Float64High,
            ElementHint::Date => Element::Date,
            ElementHint::Category { labels: Some(labels) } => Element::Category { labels: labels.clone() },
            ElementHint::Category { labels: None } => {
                Element::Category { labels: self.labels.iter().cloned().collect() }
            }
            ElementHint::Key | ElementHint::Skip => Element::Key,
        }
    }

    fn inferred(&self, name: &str) -> Result<Element, DataError> {
        let all = self.filled;
        if all == 0 {
            return Err(DataError::EmptyColumn { column: name.to_owned() });
        }
        let whole = self.scale == 0;
        match (self.decimals.count == all, self.too_long) {
            (true, Some(place)) if whole => return Err(value_error(place, name, "a whole number of at most 64 bits")),
            (true, _) if whole => return Ok(Element::Int64),
            (true, _) => return Ok(Element::Decimal { scale: self.scale }),
            (false, Some(place)) if self.floats.count == all => {
                return Err(value_error(place, name, "a whole number of at most 64 bits"));
            }
            _ => {}
        }
        let kinds = [
            (&self.floats, Element::Float64, "a number, as in most of its column"),
            (&self.dates, Element::Date, "a date YYYY-MM-DD, as in most of its column"),
            (&self.bools, Element::Bool, "true or false, as in most of its column"),
        ];
        for (kind, element, expected) in kinds {
            match kind.first_other {
                None => return Ok(element),
                Some(place) if kind.count > all / 2 => return Err(value_error(place, name, expected)),
                Some(_) => {}
            }
        }
        let place = self.floats.first_other.unwrap_or(Place { row: 1, line: None });
        Err(DataError::TextColumn { column: name.to_owned(), place })
    }

    /// The declared range, and where none is declared one that tells little of the data: of numbers the next powers of
    /// ten, or 0; of dates 1900 to 2100, or all years.
    fn range(&self, name: &str, element: &Element, hint: &ColumnHint) -> Result<Range, DataError> {
        let (lo, hi) = match element {
            Element::Date => {
                let day = |text| parse_date(text).expect("a date");
                let usual = (day("1900-01-01"), day("2100-12-31"));
                let (first, last) = self.days.unwrap_or(usual);
                let (lo, hi) =
                    if first >= usual.0 && last <= usual.1 { usual } else { (day("0001-01-01"), day("9999-12-31")) };
                (Number::from(i64::from(lo)), Number::from(i64::from(hi)))
            }
            _ => {
                let power = |power: u32| match element {
                    Element::Int64 if power >= 19 => Number::from(i64::MAX),
                    _ => Number::new(10_i128.pow(power.min(MAX_POWER)), 0).expect("a power that a number may be"),
                };
                let lo = self.negative.map_or(Number::ZERO, |n| negated(power(n)));
                let hi = if self.positive.is_none() && self.negative.is_some() {
                    Number::ZERO
                } else {
                    power(self.positive.unwrap_or(0))
                };
                (lo, hi)
            }
        };
        let range = Range { lo: hint.lo.unwrap_or(lo), hi: hint.hi.unwrap_or(hi) };
        let scale = match element {
            Element::Decimal { scale } => *scale,
            Element::Float64 => return if range.lo <= range.hi { Ok(range) } else { Err(bad_range(name, element)) },
            // Cells are kept in words of 64 bits.
            Element::Float64High => {
                let bits = Precision::High.step_bits();
                let fits = |end: Number| end.to_fixed(bits).is_some_and(|steps| i64::try_from(steps).is_ok());
                let holds = range.lo <= range.hi && fits(range.lo) && fits(range.hi);
                return if holds { Ok(range) } else { Err(bad_range(name, element)) };
            }
            _ => 0,
        };
        let steps = (range.lo.at_scale(scale), range.hi.at_scale(scale));
        let fits = |steps: i128| !matches!(element, Element::Int64 | Element::Date) || i64::try_from(steps).is_ok();
        match steps {
            (Some(lo), Some(hi)) if lo <= hi && fits(lo) && fits(hi) => Ok(range),
            _ => Err(bad_range(name, element)),
        }
    }
}

fn bad_range(name: &str, element: &Element) -> DataError {
    let element = element.name();
    DataError::Option(format!("the range of column \"{name}\" is empty, or its ends are no values of type {element}"))
}

fn negated(number: Number) -> Number {
    Number::new(-number.mantissa(), number.scale()).expect("as long as the number")
}

pub(super) fn value_error(place: Place, column: &str, expected: &str) -> DataError {
    DataError::Value { place, column: column.to_owned(), expected: expected.to_owned() }
}

/// The least `k` with `magnitude * 10^-scale <= 10^k`.
fn power_above(magnitude: u128, scale: u8) -> u32 {
    let digits = match magnitude.checked_ilog10() {
        None => 0,
        Some(log) => log + u32::from(10_u128.pow(log) != magnitude),
    };
    digits.saturating_sub(u32::from(scale))
}

fn float_power_above(magnitude: f64) -> u32 {
    (0..MAX_POWER).find(|&power| magnitude <= 10_f64.powi(power.cast_signed())).unwrap_or(MAX_POWER)
}

/// Refuses equal keys, with their count (CHK-501). Rows are told to the owner alone.
fn check_unique(keys: &[KeyHash], column: &str) -> Result<(), DataError> {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let mut repeats: Vec<u32> = sorted
        .windows(2)
        .filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1))
        .map(|pair| pair[1].2)
        .collect();
    if repeats.is_empty() {
        return Ok(());
    }
    repeats.sort_unstable();
    let first = repeats.iter().take(LISTED_ROWS).map(|&row| u64::from(row)).collect();
    Err(DataError::DuplicateKeys { column: column.to_owned(), rows: repeats.len() as u64, first })
}
