//! Shapes: broadcasting, reduction and rearrangement over symbolic sizes.

use std::collections::BTreeMap;

use super::Here;
use crate::program::{Dim, DimOverflow, ProgramError};

/// The shape that two arrays broadcast to, as in NumPy. Sizes that depend on row counts must be provably equal.
pub(super) fn broadcast(here: &Here<'_>, left: &[Dim], right: &[Dim]) -> Result<Vec<Dim>, ProgramError> {
    let rank = left.len().max(right.len());
    let one = Dim::fixed(1);
    let at = |shape: &[Dim], axis: usize| {
        (axis + shape.len()).checked_sub(rank).and_then(|axis| shape.get(axis).cloned()).unwrap_or(one.clone())
    };
    let pairs = (0..rank).map(|axis| (at(left, axis), at(right, axis)));
    pairs
        .map(|(l, r)| match () {
            () if l.same_as(&r) || r == one => Ok(l),
            () if l == one => Ok(r),
            () => {
                let cause = format!("the shapes {} and {} do not broadcast: {l} is not {r}", show(left), show(right));
                Err(here.type_error(cause, next_for(&l, &r)))
            }
        })
        .collect()
}

/// The shape after a reduction of these axes (all if there are none), and the axes in order.
pub(super) fn reduced(
    here: &Here<'_>,
    shape: &[Dim],
    axes: &[u8],
    keep_dims: bool,
) -> Result<(Vec<Dim>, Vec<usize>), ProgramError> {
    let mut named: Vec<usize> =
        if axes.is_empty() { (0..shape.len()).collect() } else { axes.iter().map(|axis| usize::from(*axis)).collect() };
    named.sort_unstable();
    if named.windows(2).any(|pair| pair[0] == pair[1]) || named.iter().any(|axis| *axis >= shape.len()) {
        let cause = format!("the axes {axes:?} are not different axes of the shape {}", show(shape));
        return Err(here.type_error(cause, "Name each axis once, from 0."));
    }
    let kept = shape.iter().enumerate().filter_map(|(axis, size)| match (named.contains(&axis), keep_dims) {
        (false, _) => Some(size.clone()),
        (true, true) => Some(Dim::fixed(1)),
        (true, false) => None,
    });
    Ok((kept.collect(), named))
}

/// Whether two shapes have the same number of cells for all row counts.
pub(super) fn same_cells(left: &[Dim], right: &[Dim]) -> bool {
    match (factors(left), factors(right)) {
        (Some(left), Some(right)) => left == right,
        // One has no cells: so must the other.
        (None, None) => left.iter().chain(right).any(|dim| dim.normalised() == Dim::fixed(0)),
        _ => false,
    }
}

/// The product of sizes as a fraction in lowest terms and the forms that depend on rows, each as often as it occurs.
/// `None` when it is 0 or its fixed part does not fit.
fn factors(shape: &[Dim]) -> Option<(u128, u128, BTreeMap<Dim, u32>)> {
    let (mut over, mut under, mut forms) = (1_u128, 1_u128, BTreeMap::new());
    for dim in shape {
        let (content, divisor, form) = dim.factored()?;
        (over, under) = (over.checked_mul(u128::from(content))?, under.checked_mul(u128::from(divisor))?);
        let common = gcd(over, under);
        (over, under) = (over / common, under / common);
        if let Some(form) = form {
            *forms.entry(form).or_insert(0) += 1;
        }
    }
    Some((over, under, forms))
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The shape as people read it.
pub(crate) fn show(shape: &[Dim]) -> String {
    let sizes: Vec<String> = shape.iter().map(Dim::to_string).collect();
    format!("[{}]", sizes.join(", "))
}

/// A size that a computation of sizes gave.
pub(super) fn sized(here: &Here<'_>, dim: Result<Dim, DimOverflow>) -> Result<Dim, ProgramError> {
    dim.map_err(|error| here.type_error(error.to_string(), "Choose smaller sizes."))
}

pub(super) fn next_for(left: &Dim, right: &Dim) -> &'static str {
    if left.rows.is_empty() && right.rows.is_empty() {
        "Bring both to one shape first, or give one of them size 1 there."
    } else {
        "Take both from the same table; the rows of two tables are brought together by a join."
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::NodeId;

    #[test]
    fn products_of_sizes_are_compared_for_all_row_counts() {
        let rows = Dim::rows_of(NodeId(0));
        let twice = rows.times(2).expect("small");
        let four = Dim::fixed(4);
        assert!(same_cells(&[rows.clone(), four.clone()], &[Dim::fixed(2), twice.clone()]));
        assert!(same_cells(&[twice.clone(), rows.clone()], &[rows.clone(), twice.clone()]));
        let one = std::slice::from_ref(&rows);
        assert!(!same_cells(one, &[twice]));
        assert!(!same_cells(&[rows.clone(), rows.clone()], one));
        assert!(same_cells(&[], &[Dim::fixed(1)]));
        assert!(same_cells(&[rows.clone(), Dim::fixed(0)], &[Dim::fixed(0)]));
        assert!(!same_cells(&[rows], &[Dim::fixed(0)]));
    }
}
