//! The linear audit (rule R7, security note §3.4): what follows from several released sums of one function.
//!
//! Each released sum is a rational vector over cells of rows. The reduced echelon form of these vectors, and the
//! pairwise sums and differences of its rows and of the vectors themselves, are the combinations that are looked at:
//! all that isolate a single cell, and nearly all that isolate a small union. Finding every small union is a
//! minimum-weight search, so some escape; so do integrality, bounds and background knowledge. This is a heuristic.
//!
//! [`Releases`] is a value of its own so that a node can carry it from job to job; nothing here stores it.

use std::collections::BTreeSet;

use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};

use super::cells::CellSet;

/// The most vectors of one function; beyond them the audit refuses.
pub(super) const MAX_VECTORS: usize = 32;

/// The released sums of one function of a row, over the cells of their masks.
#[derive(Clone, Debug, Default)]
pub(super) struct Releases {
    vectors: Vec<Vec<BigInt>>,
}

/// A combination of released sums that follows from them.
#[derive(Clone, Debug)]
pub(super) struct Derived {
    /// The cells in it.
    pub(super) support: CellSet,
    /// The vectors that it is put together from.
    pub(super) from: Vec<usize>,
}

/// A vector and its coefficients in the released ones.
#[derive(Clone)]
struct Row {
    cells: Vec<BigInt>,
    from: Vec<BigInt>,
}

impl Releases {
    /// Adds a vector, if no multiple of it is there, and gives its place.
    pub(super) fn add(&mut self, vector: Vec<BigInt>) -> usize {
        let divisor = vector.iter().fold(BigInt::zero(), |g, x| gcd(g, x.abs()));
        let negative = vector.iter().find(|x| !x.is_zero()).is_some_and(Signed::is_negative);
        let divisor = if negative { -divisor } else { divisor };
        let vector: Vec<BigInt> =
            if divisor.is_zero() { vector } else { vector.into_iter().map(|x| x / &divisor).collect() };
        if let Some(place) = self.vectors.iter().position(|known| *known == vector) {
            return place;
        }
        self.vectors.push(vector);
        self.vectors.len() - 1
    }

    /// How many different vectors there are.
    pub(super) fn len(&self) -> usize {
        self.vectors.len()
    }

    /// The cells where a vector is not 0.
    pub(super) fn support(&self, place: usize) -> CellSet {
        support(&self.vectors[place])
    }

    /// Whether none of them follows from the others.
    pub(super) fn is_independent(&self) -> bool {
        self.rank(&BTreeSet::new()) == self.vectors.len()
    }

    /// Whether one follows from the others without some of them.
    pub(super) fn follows(&self, place: usize, without: &BTreeSet<usize>) -> bool {
        let mut others = without.clone();
        others.insert(place);
        self.rank(&others) == self.rank(without)
    }

    fn rank(&self, without: &BTreeSet<usize>) -> usize {
        let kept = self.vectors.iter().enumerate().filter(|(at, _)| !without.contains(at));
        echelon(kept.map(|(_, cells)| Row { cells: cells.clone(), from: Vec::new() }).collect()).len()
    }

    /// What is derived from them, whatever order they were added in.
    pub(super) fn derived(&self) -> Vec<Derived> {
        let unit = |at: usize| {
            let place = |i: usize| if i == at { BigInt::one() } else { BigInt::zero() };
            (0..self.vectors.len()).map(place).collect::<Vec<_>>()
        };
        let rows = self.vectors.iter().enumerate().map(|(at, cells)| Row { cells: cells.clone(), from: unit(at) });
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_by(|a, b| a.cells.cmp(&b.cells));
        let mut all = echelon(rows.clone());
        let mut derived: Vec<Derived> = all.iter().map(Row::derived).collect();
        all.extend(rows);
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                derived.extend([1, -1].map(|sign| a.plus(b, &BigInt::from(sign)).derived()));
            }
        }
        derived.retain(|d| !d.support.is_empty());
        derived
    }
}

impl Row {
    fn derived(&self) -> Derived {
        let from = self.from.iter().enumerate().filter(|(_, k)| !k.is_zero()).map(|(i, _)| i).collect();
        Derived { support: support(&self.cells), from }
    }

    fn plus(&self, other: &Self, factor: &BigInt) -> Self {
        let add = |a: &[BigInt], b: &[BigInt]| a.iter().zip(b).map(|(a, b)| a + b * factor).collect();
        Self { cells: add(&self.cells, &other.cells), from: add(&self.from, &other.from) }
    }

    /// `self * a - other * b`, without common factors.
    fn eliminate(&self, a: &BigInt, other: &Self, b: &BigInt) -> Self {
        let part = |x: &[BigInt], y: &[BigInt]| x.iter().zip(y).map(|(x, y)| x * a - y * b).collect();
        Self { cells: part(&self.cells, &other.cells), from: part(&self.from, &other.from) }.primitive()
    }

    /// Without common factors, so that sums of rows are sums of their simplest forms.
    fn primitive(self) -> Self {
        let divisor = self.cells.iter().chain(&self.from).fold(BigInt::zero(), |g, x| gcd(g, x.abs()));
        if divisor.is_zero() || divisor.is_one() {
            return self;
        }
        let divide = |x: Vec<BigInt>| x.into_iter().map(|x| x / &divisor).collect();
        Self { cells: divide(self.cells), from: divide(self.from) }
    }
}

/// The reduced row-echelon form, without rows of zeros, in whole numbers.
fn echelon(mut rows: Vec<Row>) -> Vec<Row> {
    let cells = rows.first().map_or(0, |row| row.cells.len());
    let mut rank = 0;
    for column in 0..cells {
        let Some(pivot) = (rank..rows.len()).find(|at| !rows[*at].cells[column].is_zero()) else { continue };
        rows.swap(rank, pivot);
        let pivot = rows[rank].clone();
        for (at, row) in rows.iter_mut().enumerate() {
            if at != rank && !row.cells[column].is_zero() {
                let factor = row.cells[column].clone();
                *row = row.eliminate(&pivot.cells[column], &pivot, &factor);
            }
        }
        rank += 1;
    }
    rows.truncate(rank);
    rows
}

fn support(cells: &[BigInt]) -> CellSet {
    CellSet::from_fn(cells.len(), |cell| !cells[cell].is_zero())
}

fn gcd(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !b.is_zero() {
        (a, b) = (b.clone(), a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn releases(vectors: &[&[i64]]) -> Releases {
        let mut releases = Releases::default();
        for vector in vectors {
            releases.add(vector.iter().map(|x| BigInt::from(*x)).collect());
        }
        releases
    }

    fn isolates(releases: &Releases, cells: &[usize], of: usize) -> bool {
        let wanted = CellSet::from_fn(of, |cell| cells.contains(&cell));
        releases.derived().iter().any(|d| d.support == wanted)
    }

    #[test]
    fn a_difference_of_nested_masks_is_derived() {
        assert!(isolates(&releases(&[&[1, 1, 0], &[1, 0, 0]]), &[1], 3));
    }

    #[test]
    fn a_total_without_its_parts_leaves_the_last_part() {
        let all = releases(&[&[1, 1, 1, 1], &[1, 0, 0, 0], &[0, 1, 0, 0], &[0, 0, 1, 0]]);
        assert!(isolates(&all, &[3], 4));
    }

    #[test]
    fn a_combination_of_three_scaled_sums_is_derived() {
        assert!(isolates(&releases(&[&[2, 2, 0, 1], &[3, 0, 3, 0], &[0, 5, -5, 0]]), &[3], 4));
    }

    #[test]
    fn a_part_follows_from_the_total_and_the_other_parts() {
        let all = releases(&[&[1, 1, 1], &[1, 0, 0], &[0, 1, 0], &[0, 0, 1]]);
        assert!(!all.is_independent());
        assert!(all.follows(1, &BTreeSet::new()));
        assert!(!all.follows(1, &BTreeSet::from([0])), "not without the total");
        assert!(releases(&[&[1, 1, 1], &[1, 0, 0], &[0, 1, 0]]).is_independent());
    }

    #[test]
    fn disjoint_masks_isolate_nothing_but_themselves() {
        let parts = releases(&[&[1, 1, 0, 0], &[0, 0, 1, 1]]);
        assert!((0..4).all(|cell| !isolates(&parts, &[cell], 4)));
    }
}
