//! A result as a receiver keeps it, and as the API shows it.

use serde::{Deserialize, Serialize};
use tacit_mpc::released::{Cell, ReleasedValue};
use tacit_protocol::api::{CellValue, OutputValue};
use tacit_protocol::receipt::ResultOpening;
use tacit_protocol::{Code, Failure, Number};

/// The released values of a job, with the openings of the commitments in its receipt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredResult {
    pub(super) values: Vec<ReleasedValue>,
    pub(super) openings: Vec<ResultOpening>,
}

impl StoredResult {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a result serialises")
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(bytes).map_err(|cause| {
            let message = format!("a stored result does not read: {cause}");
            Failure::new(Code::new("STORE_RECORD"), message, "restore the store.")
        })
    }

    /// As the API shows it.
    pub(super) fn outputs(&self) -> Vec<OutputValue> {
        self.values
            .iter()
            .map(|value| OutputValue {
                name: value.name.clone(),
                element: value.element.name(),
                shape: value.shape.clone(),
                cells: value.cells.iter().map(|cell| cell_value(*cell, value.unit)).collect(),
            })
            .collect()
    }
}

fn cell_value(cell: Cell, unit: Number) -> CellValue {
    match cell {
        Cell::Released(count) => CellValue::Released { value: exact(count, unit) },
        Cell::Suppressed => CellValue::Suppressed,
        Cell::Undefined => CellValue::Undefined,
    }
}

/// `count` times the unit, in decimal digits: exactly where they fit, else as the nearest float.
fn exact(count: i128, unit: Number) -> String {
    let product = count.checked_mul(unit.mantissa()).and_then(|mantissa| Number::new(mantissa, unit.scale()));
    product.map_or_else(|| (count as f64 * unit.to_f64()).to_string(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_cell_is_shown_exactly() {
        let unit: Number = "0.01".parse().expect("a number");
        let shown = cell_value(Cell::Released(-12_345), unit);
        assert_eq!(shown, CellValue::Released { value: "-123.45".into() });
    }
}
