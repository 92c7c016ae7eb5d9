//! The real functions of one number.

use tacit_protocol::Number;
use tacit_protocol::program::Unary;
use tacit_protocol::program::functions::Power;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Precision;

use super::{Array, ErrorBound, Lowering, lattice};
use crate::arithmetic::{Reals, function_error, function_fits, power_error, power_fits};
use crate::error::Result;
use crate::plan::step::ValueId;

impl Lowering<'_> {
    /// A real function of real numbers. `certain`: inference knows that every valid cell has a value, so that data outside
    /// the domain is there by rounding or in invalid cells only, and counts as its end.
    pub(super) fn real(&mut self, function: Unary, value: &Array, certain: bool) -> Result<Array> {
        match function {
            Unary::Expm1 => {
                let power = self.real(Unary::Exp, value, certain)?;
                self.moved(&power, -1)
            }
            Unary::Log1p => {
                let raised = self.moved(value, 1)?;
                self.real(Unary::Log, &raised, certain)
            }
            _ => self.function(function, value, certain),
        }
    }

    /// A whole number more.
    fn moved(&mut self, value: &Array, by: i128) -> Result<Array> {
        let by = by << precision(value).step_bits();
        let Some(range) = lattice::add(value.range, Interval { lo: by, hi: by }) else { return self.too_wide() };
        self.width(range);
        let data = self.build.linear(&[(value.data, 1)], by);
        Ok(Array { data, range, numbers: None, ..value.clone() })
    }

    fn function(&mut self, function: Unary, value: &Array, certain: bool) -> Result<Array> {
        let (range, of) = (value.range, reals(value));
        self.width(range);
        if !function_fits::<u128>(function, of) {
            return self.too_large(function.name(), of);
        }
        if !function_fits::<u64>(function, of) {
            self.build.needs(u64::BITS);
        }
        let inside = function.domain(of.precision).meet(range);
        let made = self.build.function(function, value.data, of);
        let certain = certain || inside == Some(range);
        let image = inside.map_or(Some(Interval { lo: 0, hi: 0 }), |inside| function.image(inside, of.precision));
        self.defined(value, made, (inside, image), function_bound(function, value, certain), certain)
    }

    /// A power of real numbers by a real number; where the number is not above 0, invalid.
    pub(super) fn real_power(&mut self, value: &Array, exponent: Number) -> Result<Array> {
        let (range, of) = (value.range, reals(value));
        self.width(range);
        if !power_fits::<u128>(exponent, of) {
            return self.too_large(&format!("a power by {exponent}"), of);
        }
        if !power_fits::<u64>(exponent, of) {
            self.build.needs(u64::BITS);
        }
        let (power, inside) = (Power(exponent), Power::DOMAIN.meet(range));
        let made = self.build.power(exponent, value.data, of);
        let image = inside.map_or(Some(Interval { lo: 0, hi: 0 }), |inside| power.image(inside, of.precision));
        self.defined(value, made, (inside, image), power_bound(power, value), inside == Some(range))
    }

    fn too_large<T>(&self, what: &str, Reals { range: [lo, hi], precision }: Reals) -> Result<T> {
        let next = if precision == Precision::High { ", or compute with default precision" } else { "" };
        let cause = format!(
            "{what} of a number of {} bits, invalid cells included, is wider than the engine computes; narrow the number \
             by `assume`, which exempts invalid cells{next}",
            Interval { lo, hi }.bits()
        );
        self.refuse("PROGRAM_RANGE", cause)
    }

    /// What a function made of a value, and where it is defined, from the part of the value's range that lies in its domain
    /// and the values there. `certain`: every valid cell has one.
    fn defined(
        &mut self,
        value: &Array,
        (data, defined): (ValueId, ValueId),
        (inside, image): (Option<Interval>, Option<Interval>),
        (error, told): (ErrorBound, bool),
        certain: bool,
    ) -> Result<Array> {
        let Some(mut range) = image else { return self.too_wide() };
        if inside != Some(value.range) {
            // What has no value is 0.
            range = lattice::hull(range, Interval { lo: 0, hi: 0 });
        }
        self.width(range);
        let mut valid = value.valid;
        if !certain {
            self.build.state_error(defined, told.then_some(0.0));
            valid = self.both_valid(valid, Some(defined));
        }
        let element = precision(value).element();
        Ok(Array { data, valid, element, shape: value.shape.clone(), range, error, numbers: None })
    }
}

/// How fine the numbers of an operand are, which inference brought to real ones.
fn precision(value: &Array) -> Precision {
    value.element.precision().unwrap_or(Precision::Default)
}

fn reals(value: &Array) -> Reals {
    Reals { range: [value.range.lo, value.range.hi], precision: precision(value) }
}

/// How far powers may be off, and whether it is certain which cells have one: where none is next to 0.
fn power_bound(power: Power, value: &Array) -> (ErrorBound, bool) {
    let Interval { lo, hi } = value.range;
    let own = power_error(power.0, reals(value));
    let Some(error) = value.error else { return (None, false) };
    if error == 0.0 {
        return (Some(own), true);
    }
    let unit = precision(value).unit();
    match power.slope((lo as f64 - error) / unit, (hi as f64 + error) / unit) {
        Some(slope) if slope.is_finite() => (Some(own + slope * error), true),
        _ => (None, false),
    }
}

/// How far results may be off, and whether it is certain which cells have one.
fn function_bound(function: Unary, value: &Array, certain: bool) -> (ErrorBound, bool) {
    let Interval { lo, hi } = value.range;
    let own = function_error(function, reals(value));
    let Some(error) = value.error else { return (None, false) };
    if error == 0.0 {
        return (Some(own), true);
    }
    // The plain value lies this far beyond the data's range, at most.
    let unit = precision(value).unit();
    let (lo, hi) = ((lo as f64 - error) / unit, (hi as f64 + error) / unit);
    if function == Unary::Sqrt && certain && lo <= 0.0 {
        // Roots differ by no more than the root of the difference; data below 0 counts as 0.
        return (Some(own + libm::sqrt(error * unit)), true);
    }
    // Where a value may have a partner on the other side of the domain's end, nothing is certain.
    let undecided = !certain && !function.domain(precision(value)).contains(value.range.lo);
    match function.slope(lo, hi) {
        Some(slope) if slope.is_finite() && !undecided => (Some(own + slope * error), true),
        _ => (None, false),
    }
}
