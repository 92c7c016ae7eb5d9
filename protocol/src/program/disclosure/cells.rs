//! The cells into which a set of masks cuts the rows, and gates that name unions of cells.
//!
//! The constants of one value cut it into intervals; the cells are the satisfiable combinations of intervals and free
//! Booleans. Where these are too many, the masks themselves are the free Booleans.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::program::release::Literal;

use super::formula::{Fact, Formula, Formulas, Variable};

/// The most cells that are looked at (security note §3.4).
const MAX_CELLS: usize = 4_096;
/// The most conjunctions of one gate.
const MAX_CONJUNCTIONS: usize = 16;
/// The most bool nodes that a gate is put together from.
const MAX_CANDIDATES: usize = 64;

/// A set of cells, one bit each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CellSet(Vec<u64>);

impl CellSet {
    fn from_bools(values: &[bool]) -> Self {
        let word = |chunk: &[bool]| chunk.iter().enumerate().fold(0, |w, (i, b)| w | (u64::from(*b) << i));
        Self(values.chunks(64).map(word).collect())
    }

    pub(super) fn from_fn(cells: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        Self::from_bools(&(0..cells).map(&mut holds).collect::<Vec<_>>())
    }

    pub(super) fn contains(&self, cell: usize) -> bool {
        self.0[cell / 64] >> (cell % 64) & 1 == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }

    fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & !b).collect())
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|w| w.count_ones()).sum()
    }
}

/// The cells into which some masks cut the rows.
pub(super) struct Universe<'a> {
    formulas: &'a Formulas,
    /// What is free: variables, or masks where the variables have too many combinations.
    variables: BTreeMap<Variable, usize>,
    masks: BTreeMap<Formula, usize>,
    /// One row a cell, one entry a free Boolean.
    cells: Vec<Vec<bool>>,
}

impl<'a> Universe<'a> {
    /// The cells of these masks; `None` when there are too many.
    pub(super) fn new(formulas: &'a Formulas, masks: &BTreeSet<Formula>) -> Option<Self> {
        Self::of_variables(formulas, masks).or_else(|| Self::of_masks(formulas, masks))
    }

    fn of_variables(formulas: &'a Formulas, masks: &BTreeSet<Formula>) -> Option<Self> {
        let read: BTreeSet<Variable> = masks.iter().flat_map(|m| formulas.variables(*m)).collect();
        let variables: BTreeMap<Variable, usize> = read.iter().enumerate().map(|(i, v)| (*v, i)).collect();
        let mut cuts: BTreeMap<_, BTreeMap<i128, usize>> = BTreeMap::new();
        let mut free = Vec::new();
        for (variable, place) in &variables {
            match &formulas.info(*variable).fact {
                Fact::Below(value, at) => {
                    cuts.entry(*value).or_default().insert(*at, *place);
                }
                Fact::Holds(digest) => free.push((*digest, *place)),
            }
        }
        // The order of cells is that of what the variables say, not that in which the program says it.
        free.sort_unstable();
        // Each group is a list of ways in which its variables can hold together.
        let intervals = cuts.values().map(|places| {
            let places: Vec<usize> = places.values().copied().collect();
            (0..=places.len()).map(|from| places[from..].to_vec()).collect::<Vec<_>>()
        });
        let groups: Vec<Vec<Vec<usize>>> = intervals.chain(free.iter().map(|(_, p)| vec![vec![], vec![*p]])).collect();
        let count = groups.iter().try_fold(1_usize, |n, g| n.checked_mul(g.len()).filter(|n| *n <= MAX_CELLS))?;
        let mut cells = Vec::with_capacity(count);
        cells.push(vec![false; variables.len()]);
        for group in groups {
            cells = cells.iter().flat_map(|cell| group.iter().map(|holds| with(cell, holds))).collect();
        }
        Some(Self { formulas, variables, masks: BTreeMap::new(), cells })
    }

    fn of_masks(formulas: &'a Formulas, masks: &BTreeSet<Formula>) -> Option<Self> {
        let fixed = [Formulas::TRUE, Formulas::FALSE];
        let masks: BTreeMap<Formula, usize> =
            masks.iter().filter(|m| !fixed.contains(m)).enumerate().map(|(i, m)| (*m, i)).collect();
        let count = 1_usize.checked_shl(u32::try_from(masks.len()).ok()?).filter(|n| *n <= MAX_CELLS)?;
        let cells = (0..count).map(|n| (0..masks.len()).map(|bit| n >> bit & 1 == 1).collect()).collect();
        Some(Self { formulas, variables: BTreeMap::new(), masks, cells })
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cells that a mask selects, if the cells decide it.
    pub(super) fn select(&self, mask: Formula) -> Option<CellSet> {
        let decided = if self.masks.is_empty() {
            self.formulas.variables(mask).iter().all(|v| self.variables.contains_key(v))
        } else {
            self.masks.contains_key(&mask) || mask == Formulas::TRUE || mask == Formulas::FALSE
        };
        decided.then(|| {
            let variable = |v: Variable, cell: usize| self.variables.get(&v).is_some_and(|at| self.cells[cell][*at]);
            let atom = |f: Formula, cell: usize| self.masks.get(&f).map(|at| self.cells[cell][*at]);
            CellSet::from_bools(&self.formulas.evaluate(mask, self.len(), variable, atom))
        })
    }

    /// All cells that are not in the set.
    pub(super) fn complement(&self, set: &CellSet) -> CellSet {
        CellSet::from_fn(self.len(), |cell| !set.contains(cell))
    }

    /// The set as a disjunction of few conjunctions of the program's own bools and validities.
    ///
    /// `None` when they cannot name it or the gate would be too large.
    pub(super) fn name(&self, set: &CellSet, literals: &Literals) -> Option<Vec<Vec<Literal>>> {
        let mut open = set.clone();
        let mut conjunctions = Vec::new();
        while let Some(cell) = (0..self.len()).find(|cell| open.contains(*cell)) {
            let here: Vec<&(Literal, CellSet)> = literals.0.iter().filter(|(_, on)| on.contains(cell)).collect();
            let (chosen, covered) = self.implicant(set, &open, &here)?;
            open = open.without(&covered);
            conjunctions.push(chosen);
            if conjunctions.len() > MAX_CONJUNCTIONS {
                return None;
            }
        }
        conjunctions.sort();
        Some(conjunctions)
    }

    /// The literals of these nodes, over the cells that decide them: the positive ones first.
    pub(super) fn literals(&self, atoms: &[Atom]) -> Literals {
        let decided = atoms.iter().filter_map(|atom| Some((atom, self.select(atom.formula)?)));
        let decided: Vec<_> = decided.take(MAX_CANDIDATES).collect();
        let negative = decided.iter().map(|(atom, on)| (atom.negative, self.complement(on))).collect::<Vec<_>>();
        let positive = decided.into_iter().map(|(atom, on)| (atom.positive, on));
        Literals(positive.chain(negative).collect())
    }

    /// The conjunction of fewest literals found that stays in the set; of those, the first that covers most.
    fn implicant(
        &self,
        set: &CellSet,
        open: &CellSet,
        here: &[&(Literal, CellSet)],
    ) -> Option<(Vec<Literal>, CellSet)> {
        let all = CellSet::from_fn(self.len(), |_| true);
        if all.is_subset(set) {
            return Some((Vec::new(), all));
        }
        let gain = |covered: &CellSet| covered.and(open).len();
        let inside = |covered: &CellSet| covered.is_subset(set);
        let one = here.iter().filter(|(_, on)| inside(on)).min_by_key(|(_, on)| Reverse(gain(on)));
        if let Some((literal, on)) = one {
            return Some((vec![*literal], on.clone()));
        }
        let pairs = here.iter().enumerate().flat_map(|(i, a)| here[i + 1..].iter().map(move |b| (a, b)));
        let two = pairs.map(|(a, b)| ([a.0, b.0], a.1.and(&b.1))).filter(|(_, on)| inside(on));
        if let Some((chosen, on)) = two.min_by_key(|(_, on)| Reverse(gain(on))) {
            return Some((sorted(chosen.to_vec()), on));
        }
        let cube = |skip: &BTreeSet<usize>| {
            let kept = here.iter().enumerate().filter(|(i, _)| !skip.contains(i));
            kept.fold(all.clone(), |cube, (_, (_, on))| cube.and(on))
        };
        let mut dropped = BTreeSet::new();
        if !inside(&cube(&dropped)) {
            return None;
        }
        for i in 0..here.len() {
            dropped.insert(i);
            if !inside(&cube(&dropped)) {
                dropped.remove(&i);
            }
        }
        let chosen = here.iter().enumerate().filter(|(i, _)| !dropped.contains(i)).map(|(_, (l, _))| *l).collect();
        Some((sorted(chosen), cube(&dropped)))
    }
}

/// What a gate may name, with the cells where it holds.
pub(super) struct Literals(Vec<(Literal, CellSet)>);

/// A node that a gate may name, with the rows where its literal holds.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) formula: Formula,
    pub(super) positive: Literal,
    pub(super) negative: Literal,
}

fn with(cell: &[bool], holds: &[usize]) -> Vec<bool> {
    let mut cell = cell.to_vec();
    holds.iter().for_each(|place| cell[*place] = true);
    cell
}

fn sorted(mut literals: Vec<Literal>) -> Vec<Literal> {
    literals.sort();
    literals
}
