//! What a receiver has at the end: exact integers in a stated unit, or the reason why a cell has no value.

use serde::{Deserialize, Serialize};
use tacit_protocol::Number;
use tacit_protocol::schema::Element;

/// A released output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleasedValue {
    /// The output's name.
    pub name: String,
    /// Its element.
    pub element: Element,
    /// Its shape.
    pub shape: Vec<u64>,
    /// What the integers of cells are multiples of: the grid, or the element's lattice step.
    pub unit: Number,
    /// The cells in row-major order.
    pub cells: Vec<Cell>,
}

/// A released cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// The value, as a multiple of the unit.
    Released(#[serde(with = "text")] i128),
    /// Too few rows stand behind it.
    Suppressed,
    /// It has no value, such as the mean of nothing.
    Undefined,
}

impl ReleasedValue {
    /// The cells as floats; those without a value are NaN.
    pub fn to_f64(&self) -> Vec<f64> {
        let scale = u32::from(self.unit.scale());
        let unit = 10_f64.powi(i32::from(self.unit.scale()));
        // The step of float64 is a power of two, by which nothing is rounded.
        let binary = (5_i128.checked_pow(scale) == Some(self.unit.mantissa())).then(|| 0.5_f64.powi(scale as i32));
        self.cells
            .iter()
            .map(|cell| match (cell, binary) {
                (Cell::Released(value), Some(step)) => *value as f64 * step,
                (Cell::Released(value), None) => match value.checked_mul(self.unit.mantissa()) {
                    Some(exact) => exact as f64 / unit,
                    None => *value as f64 * self.unit.to_f64(),
                },
                (Cell::Suppressed | Cell::Undefined, _) => f64::NAN,
            })
            .collect()
    }

    /// The value of a scalar; `None` when it has none, or is no scalar.
    pub fn scalar(&self) -> Option<f64> {
        match (&self.cells[..], &self.to_f64()[..]) {
            ([Cell::Released(_)], [value]) => Some(*value),
            _ => None,
        }
    }
}

/// Integers as text, as everywhere in the project's JSON.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_back_as_the_nearest_floats() {
        let value = ReleasedValue {
            name: "average".into(),
            element: Element::Float64,
            shape: vec![3],
            unit: "0.01".parse().expect("a number"),
            cells: vec![Cell::Released(123_456_789), Cell::Suppressed, Cell::Released(-1)],
        };
        let floats = value.to_f64();
        assert_eq!((floats[0], floats[2]), (1_234_567.89, -0.01));
        assert!(floats[1].is_nan());
        let steps: Vec<i128> = vec![1023 << 18 | 3 << 16, -1, (1 << 53) - 1];
        let binary = ReleasedValue {
            unit: "0.000003814697265625".parse().expect("2^-18"),
            cells: steps.iter().map(|step| Cell::Released(*step)).collect(),
            ..value.clone()
        };
        assert_eq!(binary.to_f64(), [1023.75, -(0.5_f64.powi(18)), ((1_i64 << 53) - 1) as f64 / 262_144.0]);
        let json = serde_json::to_string(&value).expect("serialises");
        assert_eq!(serde_json::from_str::<ReleasedValue>(&json).expect("reads back"), value);
    }
}
