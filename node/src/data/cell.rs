//! One cell of a file, and what it can be read as. Decimals never pass through floats.

use std::borrow::Cow;

use tacit_protocol::schema::Element;

/// The most digits of a whole number or decimal.
const MAX_DIGITS: usize = 27;
/// The most bytes of a key.
const MAX_KEY_BYTES: usize = 1_024;
/// What a cell that is no key should have been.
pub(super) const EXPECTED_KEY: &str = "a key: a text of at most 1,024 bytes, a whole number or a date";

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing: a null.
    Empty,
    /// Text, trimmed, not empty.
    Text(&'a str),
    /// A bool of a typed file.
    Bool(bool),
    /// A decimal or, at scale 0, an integer of a typed file.
    Decimal(Decimal),
    /// A float of a typed file.
    Float(f64),
    /// A day of a typed file, since 1970.
    Date(i32),
}

/// `mantissa * 10^-scale`, with the scale as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) mantissa: i128,
    pub(super) scale: u8,
}

impl Decimal {
    /// The mantissa at a scale, if the value is exact there.
    pub(super) fn at_scale(self, scale: u8) -> Option<i128> {
        if self.scale <= scale {
            self.mantissa.checked_mul(10_i128.checked_pow(u32::from(scale - self.scale))?)
        } else {
            let unit = 10_i128.checked_pow(u32::from(self.scale - scale))?;
            (self.mantissa % unit == 0).then_some(self.mantissa / unit)
        }
    }
}

impl<'a> Cell<'a> {
    /// The cell of a text; blank is empty.
    pub(super) fn text(text: &'a str) -> Self {
        let text = text.trim();
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// A number of at most [`Element::MAX_DECIMAL_SCALE`] digits after the point, exactly.
    pub(super) fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Self::Decimal(value) => Some(*value),
            Self::Text(text) => parse_decimal(text),
            _ => None,
        }
    }

    /// A finite number.
    pub(super) fn as_float(&self) -> Option<f64> {
        let value = match self {
            Self::Float(value) => *value,
            Self::Decimal(value) => decimal_to_float(*value),
            // `parse` would take "inf" and "nan" too.
            Self::Text(text) if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
                text.parse().ok()?
            }
            _ => return None,
        };
        value.is_finite().then_some(value)
    }

    /// Days since 1970-01-01.
    pub(super) fn as_date(&self) -> Option<i32> {
        match self {
            Self::Date(days) => Some(*days),
            Self::Text(text) => parse_date(text),
            _ => None,
        }
    }

    /// The text form, for keys and labels. Floats have none that both sides would write alike.
    pub(super) fn as_text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Bool(value) => Some(Cow::Owned(value.to_string())),
            Self::Decimal(Decimal { mantissa, scale: 0 }) => Some(Cow::Owned(mantissa.to_string())),
            Self::Date(days) => Some(Cow::Owned(format_date(*days))),
            Self::Empty | Self::Decimal(_) | Self::Float(_) => None,
        }
    }

    /// The text form, if it is short enough for a key.
    pub(super) fn as_key(&self) -> Option<Cow<'a, str>> {
        self.as_text().filter(|text| text.len() <= MAX_KEY_BYTES)
    }

    /// Whether it is a whole number in digits, however long.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Decimal(value) => value.scale == 0,
            Self::Text(text) => {
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            }
            _ => false,
        }
    }
}

/// An optional sign, digits, and perhaps a point and more digits.
fn parse_decimal(text: &str) -> Option<Decimal> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, mut fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    if fraction.len() > usize::from(Element::MAX_DECIMAL_SCALE) {
        fraction = fraction.trim_end_matches('0');
    }
    if fraction.len() > usize::from(Element::MAX_DECIMAL_SCALE) || whole.len() + fraction.len() > MAX_DIGITS {
        return None;
    }
    let mut mantissa = 0_i128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        mantissa = mantissa * 10 + i128::from(byte - b'0');
    }
    let scale = u8::try_from(fraction.len()).ok()?;
    Some(Decimal { mantissa: if negative { -mantissa } else { mantissa }, scale })
}

fn decimal_to_float(value: Decimal) -> f64 {
    format!("{}e-{}", value.mantissa, value.scale).parse().unwrap_or(f64::NAN)
}

/// A day written YYYY-MM-DD, as days since 1970-01-01.
pub(super) fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number =
        |part: &[u8]| part.iter().try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')));
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    if year < 1 || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
}

/// A day as YYYY-MM-DD.
pub(super) fn format_date(days: i32) -> String {
    // From a year that is early enough, forward.
    let mut year = 1969 + i64::from(days).div_euclid(365).min(i64::from(days).div_euclid(366));
    while days_from_civil(year + 1, 1, 1) <= i64::from(days) {
        year += 1;
    }
    let mut left = i64::from(days) - days_from_civil(year, 1, 1);
    let mut month = 1;
    while left >= days_in_month(year, month) {
        left -= days_in_month(year, month);
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", left + 1)
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let years = 365 * before + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    const DAYS_BEFORE_1970: i64 = 719_162;
    years + months + day - 1 - DAYS_BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_decimals_as_written() {
        let read = |text| parse_decimal(text).map(|d| (d.mantissa, d.scale));
        assert_eq!(read("5000.25"), Some((500_025, 2)));
        assert_eq!(read("-0.10"), Some((-10, 2)));
        assert_eq!(read("+7"), Some((7, 0)));
        assert_eq!(read(".5"), Some((5, 1)));
        assert_eq!(read("1.123456789000"), Some((1_123_456_789, 9)));
        assert_eq!(read("0.1234567891"), None);
        for bad in ["", "-", ".", "1e5", "1,5", "1.2.3", "0x1", "--1", "1-", "٣", "1234567890123456789012345678"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn reads_dates_of_the_calendar_only() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2000-02-29"), Some(11_016));
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(parse_date("2026-11-21"), Some(20_778));
        for bad in [
            "1900-02-29",
            "2001-13-01",
            "2001-00-01",
            "2001-04-31",
            "2001-1-01",
            "0000-01-01",
            "20010101",
            "2001/01/01",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
        for days in [-719_162, -141_428, -1, 0, 58, 59, 60, 11_015, 11_016, 20_778, 2_932_896] {
            assert_eq!(parse_date(&format_date(days)), Some(days));
        }
    }

    #[test]
    fn infinities_and_words_are_no_floats() {
        for bad in ["inf", "nan", "NaN", "infinity", "1e999", "e5", "."] {
            assert_eq!(Cell::text(bad).as_float(), None, "{bad}");
        }
        assert_eq!(Cell::text(" 1.5e3 ").as_float(), Some(1500.0));
    }

    #[test]
    fn scales_only_where_it_is_exact() {
        let value = Decimal { mantissa: 1_250, scale: 3 };
        assert_eq!(value.at_scale(2), Some(125));
        assert_eq!(value.at_scale(1), None);
        assert_eq!(value.at_scale(5), Some(125_000));
    }
}
