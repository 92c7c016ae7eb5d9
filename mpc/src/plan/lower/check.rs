//! Promises on ranges: `assume`, and the invariants of loops.

use tacit_protocol::Number;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

use super::{Array, Lowering, lattice};
use crate::error::Result;

impl Lowering<'_> {
    /// The value, from here on within `[lo, hi]`. Whether a valid cell is not is recorded for the bit that gates every
    /// release; where the range proves it, nothing is computed.
    ///
    /// What rounding may add is no breach of the promise. The bound of the error grows from step to step of a descent by
    /// what the worst data within the declared ranges would do to it, also where it converges on all data that anybody
    /// has. So no more is allowed for rounding than the promised range is wide, or one unit: a value that is further off
    /// is worth nothing, and is not released. What is released then lies within that of the plain value, which is in the
    /// range, whatever the bound was before.
    pub(super) fn promise(&mut self, value: &Array, lo: Number, hi: Number) -> Result<Array> {
        if value.is_bool() {
            return Ok(value.clone());
        }
        let Some(promised) = lattice::bounds(lo, hi, &value.element) else {
            return self.refuse("PROGRAM_RANGE", format!("[{lo}, {hi}] does not fit {}", value.element.name()));
        };
        let far = promised.hi.saturating_sub(promised.lo);
        let bits = value.element.float_bits().unwrap_or(Element::FLOAT_STEP_BITS);
        let most = far.max(1 << bits);
        let slack = value.error.map_or(0, |error| (error.ceil().min(1e30) as i128).min(most));
        // Both are within the range, but for the slack.
        let error = value.error.map(|error| error.min(far.saturating_add(slack) as f64));
        let (Some(low), Some(high)) = (promised.lo.checked_sub(slack), promised.hi.checked_add(slack)) else {
            return self.too_wide();
        };
        let allowed = Interval { lo: low, hi: high };
        if value.range.lo >= allowed.lo && value.range.hi <= allowed.hi {
            return Ok(Array { error, ..value.clone() });
        }
        let (Some(below), Some(above)) =
            (value.range.lo.checked_sub(allowed.lo), value.range.hi.checked_sub(allowed.lo))
        else {
            return self.too_wide();
        };
        let over_low = self.build.linear(&[(value.data, 1)], -allowed.lo);
        let too_low = self.below_zero(over_low, Interval { lo: below, hi: above });
        let (Some(least), Some(most)) =
            (allowed.hi.checked_sub(value.range.hi), allowed.hi.checked_sub(value.range.lo))
        else {
            return self.too_wide();
        };
        let under_high = self.build.linear(&[(value.data, -1)], allowed.hi);
        let too_high = self.below_zero(under_high, Interval { lo: least, hi: most });
        // Never both, so that the exclusive or is the or.
        let mut outside = self.build.xor(too_low, too_high);
        let mut data = value.data;
        let mut range = Interval { lo: value.range.lo.max(allowed.lo), hi: value.range.hi.min(allowed.hi) };
        if range.lo > range.hi {
            range = Interval { lo: allowed.lo, hi: allowed.lo };
        }
        if let Some(valid) = value.valid {
            outside = self.build.and(outside, valid);
            // Invalid cells are exempt from the promise, but not from the range.
            let lifted = self.build.linear(&[(data, 1)], -range.lo);
            let kept = self.build.select(valid, lifted);
            data = self.build.linear(&[(kept, 1)], range.lo);
        }
        self.violations.push(outside);
        Ok(Array { data, range, error, numbers: None, ..value.clone() })
    }
}
