//! Arithmetic of sizes: linear forms in row counts, over one divisor.
//!
//! Two sizes are equal when their normalised forms are; then they are equal for every number of rows. What depends
//! on actual row counts (that a division is exact, that a size is not negative) is checked by [`Dim::evaluate`].

use std::collections::BTreeMap;
use std::fmt;

use crate::program::{Dim, NodeId, ProgramError};

/// A size was asked for whose parts do not fit their integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the size is too large")]
pub struct DimOverflow;

impl Dim {
    /// The same size in lowest terms and without terms that are 0, so that equal sizes are equal values.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let divisor = i64::from(self.divisor.max(1));
        let parts = self.rows.values().copied().chain([self.constant]);
        let common = parts.fold(divisor.unsigned_abs(), |common, part| gcd(common, part.unsigned_abs()));
        let common = i64::try_from(common).expect("it divides the divisor");
        Self {
            constant: self.constant / common,
            rows: self.rows.iter().filter(|(_, k)| **k != 0).map(|(node, k)| (*node, k / common)).collect(),
            divisor: u32::try_from(divisor / common).expect("it divides the divisor"),
        }
    }

    /// The sum.
    ///
    /// # Errors
    /// When a part does not fit.
    pub fn add(&self, other: &Self) -> Result<Self, DimOverflow> {
        let divisor = lcm(self.divisor, other.divisor).ok_or(DimOverflow)?;
        let (left, right) = (self.over(divisor)?, other.over(divisor)?);
        let mut rows = left.rows;
        for (node, k) in right.rows {
            let sum = rows.get(&node).copied().unwrap_or(0).checked_add(k).ok_or(DimOverflow)?;
            rows.insert(node, sum);
        }
        let constant = left.constant.checked_add(right.constant).ok_or(DimOverflow)?;
        Ok(Self { constant, rows, divisor }.normalised())
    }

    /// The difference.
    ///
    /// # Errors
    /// When a part does not fit.
    pub fn sub(&self, other: &Self) -> Result<Self, DimOverflow> {
        self.add(&other.times(-1)?)
    }

    /// The product with a number.
    ///
    /// # Errors
    /// When a part does not fit.
    pub fn times(&self, factor: i64) -> Result<Self, DimOverflow> {
        let constant = self.constant.checked_mul(factor).ok_or(DimOverflow)?;
        let rows: Option<BTreeMap<NodeId, i64>> =
            self.rows.iter().map(|(node, k)| Some((*node, k.checked_mul(factor)?))).collect();
        Ok(Self { constant, rows: rows.ok_or(DimOverflow)?, divisor: self.divisor }.normalised())
    }

    /// The product, where at most one of the two depends on row counts; `None` else.
    ///
    /// # Errors
    /// When a part does not fit.
    pub fn product(&self, other: &Self) -> Result<Option<Self>, DimOverflow> {
        let fixed = |dim: &Self| dim.as_fixed().map(|size| i64::try_from(size).map_err(|_| DimOverflow));
        match (fixed(self), fixed(other)) {
            (_, Some(factor)) => self.times(factor?).map(Some),
            (Some(factor), None) => other.times(factor?).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The quotient, which must be exact at the run.
    ///
    /// # Errors
    /// When the divisor is 0 or a part does not fit.
    pub fn divided(&self, by: u32) -> Result<Self, DimOverflow> {
        let divisor = self.divisor.checked_mul(by).filter(|divisor| *divisor != 0).ok_or(DimOverflow)?;
        Ok(Self { divisor, ..self.clone() }.normalised())
    }

    /// Whether the two are equal for every number of rows.
    pub fn same_as(&self, other: &Self) -> bool {
        self.normalised() == other.normalised()
    }

    /// The size for these row counts.
    ///
    /// # Errors
    /// [`ProgramError::Size`] when it is negative, no whole number, or a row count is missing.
    pub fn evaluate(&self, rows: &BTreeMap<NodeId, u64>) -> Result<u64, ProgramError> {
        let error = |cause: String| ProgramError::Size { size: self.to_string(), cause };
        let mut sum = i128::from(self.constant);
        for (node, k) in &self.rows {
            let count = rows.get(node).ok_or_else(|| error(format!("{node} makes no rows")))?;
            // Below 2^63 * 2^64 * 2^12: there are at most as many terms as nodes.
            let term = i128::from(*k).checked_mul(i128::from(*count));
            sum = term.and_then(|term| sum.checked_add(term)).ok_or_else(|| error("it is too large".into()))?;
        }
        let divisor = i128::from(self.divisor.max(1));
        if sum % divisor != 0 {
            return Err(error(format!("{sum} is no multiple of {divisor} for these row counts")));
        }
        u64::try_from(sum / divisor).map_err(|_| error(format!("it is {} for these row counts", sum / divisor)))
    }

    /// The least and the largest value (rounded outward) when each row count lies between these two.
    pub(crate) fn bounds(&self, rows: &BTreeMap<NodeId, (u64, u64)>) -> (i128, i128) {
        let (mut lo, mut hi) = (i128::from(self.constant), i128::from(self.constant));
        for (node, k) in &self.rows {
            let (least, most) = rows.get(node).copied().unwrap_or((0, u64::MAX));
            let ends = [least, most].map(|rows| i128::from(*k).saturating_mul(i128::from(rows)));
            lo = lo.saturating_add(ends[0].min(ends[1]));
            hi = hi.saturating_add(ends[0].max(ends[1]));
        }
        let divisor = i128::from(self.divisor.max(1));
        (lo.div_euclid(divisor), -(hi.saturating_neg().div_euclid(divisor)))
    }

    /// The size as a rational factor and a form whose parts have no common factor (none if the size is fixed), for
    /// comparing products of sizes. `None` when it is 0.
    pub(crate) fn factored(&self) -> Option<(u64, u64, Option<Self>)> {
        let dim = self.normalised();
        let content = dim.rows.values().copied().chain([dim.constant]).fold(0, |c, part| gcd(c, part.unsigned_abs()));
        let scale = i64::try_from(content).ok().filter(|content| *content != 0)?;
        let rows: BTreeMap<NodeId, i64> = dim.rows.iter().map(|(node, k)| (*node, k / scale)).collect();
        let form = (!rows.is_empty()).then(|| Self { constant: dim.constant / scale, rows, divisor: 1 });
        Some((content, u64::from(dim.divisor), form))
    }

    fn over(&self, divisor: u32) -> Result<Self, DimOverflow> {
        let factor = i64::from(divisor / self.divisor.max(1));
        let constant = self.constant.checked_mul(factor).ok_or(DimOverflow)?;
        let rows: Option<BTreeMap<NodeId, i64>> =
            self.rows.iter().map(|(node, k)| Some((*node, k.checked_mul(factor)?))).collect();
        Ok(Self { constant, rows: rows.ok_or(DimOverflow)?, divisor })
    }
}

impl fmt::Display for Dim {
    /// As a formula, such as `rows(%0)` or `(2*rows(%0) - 1)/3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sum = String::new();
        for (node, k) in self.rows.iter().filter(|(_, k)| **k != 0) {
            let sign = match (sum.is_empty(), *k < 0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            };
            let factor = if k.unsigned_abs() == 1 { String::new() } else { format!("{}*", k.unsigned_abs()) };
            sum.push_str(&format!("{sign}{factor}rows({node})"));
        }
        if sum.is_empty() {
            sum = self.constant.to_string();
        } else if self.constant != 0 {
            let sign = if self.constant < 0 { '-' } else { '+' };
            sum.push_str(&format!(" {sign} {}", self.constant.unsigned_abs()));
        }
        match self.divisor {
            1 => f.write_str(&sum),
            divisor => write!(f, "({sum})/{divisor}"),
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u32, b: u32) -> Option<u32> {
    let (a, b) = (u64::from(a.max(1)), u64::from(b.max(1)));
    u32::try_from(a / gcd(a, b) * b).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(node: u32) -> Dim {
        Dim::rows_of(NodeId(node))
    }

    #[test]
    fn equal_sizes_have_one_form() {
        let twice = rows(0).add(&rows(0)).expect("small");
        assert_eq!(twice.divided(2).expect("not 0"), rows(0));
        assert_eq!(twice, rows(0).times(2).expect("small"));
        assert_eq!(rows(0).sub(&rows(0)).expect("small"), Dim::fixed(0));
        assert!(!rows(0).same_as(&rows(1)));
        let half = Dim { constant: 3, rows: BTreeMap::from([(NodeId(1), 0)]), divisor: 6 };
        assert_eq!(half.normalised(), Dim { constant: 1, rows: BTreeMap::new(), divisor: 2 });
    }

    #[test]
    fn only_one_factor_of_a_product_may_depend_on_rows() {
        assert_eq!(rows(0).product(&Dim::fixed(3)).expect("small"), Some(rows(0).times(3).expect("small")));
        assert_eq!(Dim::fixed(3).product(&rows(0)).expect("small"), Some(rows(0).times(3).expect("small")));
        assert_eq!(rows(0).product(&rows(1)).expect("small"), None);
    }

    #[test]
    fn evaluates_for_given_rows_and_refuses_what_is_no_size() {
        let sizes = BTreeMap::from([(NodeId(0), 7), (NodeId(1), 9)]);
        let both = rows(0).add(&rows(1)).expect("small");
        assert_eq!(both.evaluate(&sizes).expect("16"), 16);
        assert_eq!(both.divided(4).expect("not 0").evaluate(&sizes).expect("4"), 4);
        for wrong in [both.divided(3).expect("not 0"), rows(0).sub(&rows(1)).expect("small"), rows(2)] {
            let error = wrong.evaluate(&sizes).expect_err("no size");
            assert_eq!(error.code().as_str(), "PROGRAM_TYPE", "{wrong}");
        }
    }

    #[test]
    fn refuses_sizes_that_overflow() {
        let huge = Dim { constant: i64::MAX, rows: BTreeMap::new(), divisor: 1 };
        assert_eq!(huge.add(&Dim::fixed(1)), Err(DimOverflow));
        assert_eq!(huge.times(2), Err(DimOverflow));
        assert_eq!(huge.divided(0), Err(DimOverflow));
    }

    #[test]
    fn reads_as_a_formula() {
        let dim = rows(0).times(2).and_then(|d| d.sub(&Dim::fixed(1))).and_then(|d| d.divided(3)).expect("small");
        assert_eq!(dim.to_string(), "(2*rows(%0) - 1)/3");
        assert_eq!(rows(4).to_string(), "rows(%4)");
        assert_eq!(Dim::fixed(12).to_string(), "12");
    }
}
