//! Sorting by a secret shuffle and comparisons of what was shuffled, whose results are opened.
//!
//! *Source*: Hamada, Kikuchi, Ikarashi, Chida and Takahashi (ICISC 2012). Different from them: several pivots at a time,
//! taken from a sample that is sorted by comparing all of its pairs, so that a level of three comparisons divides by
//! about eight. *Security*: the shuffle is uniform and unknown to both parties, and keys are distinct, which the caller
//! sees to; then what is opened is how a uniform permutation is sorted, whatever the keys are. *Cost*: the shuffle, and
//! about `1.05 log2(n!)` comparisons, whose number varies with the permutation: [`batches`] bounds it. *Shapes and units*:
//! words seen as `[columns, groups, n]`, each group sorted by its first column, the others carried along.

use tacit_protocol::PartyId;

use crate::backend::Backend;
use crate::error::Result;
use crate::prg::Prg;
use crate::ring::Ring;
use crate::share::{Arith, Placement, unpack};

/// What is sorted.
#[derive(Clone, Copy, Debug)]
pub struct Sorting {
    /// Columns, of which the first is the key.
    pub columns: usize,
    /// Groups, each sorted by itself.
    pub groups: usize,
    /// The width of differences of keys, as signed numbers.
    pub bits: u32,
}

/// How a part of so many elements, or fewer, is divided.
struct Division {
    elements: usize,
    /// The elements of the sample.
    sample: usize,
    /// `2^depth - 1` pivots are taken from it.
    depth: usize,
}

/// Parts of no more elements are sorted by comparing all pairs.
const FEW: usize = 5;

/// Fewest comparisons first: larger samples make better pivots, and cost their square.
const DIVISIONS: [Division; 4] = [
    Division { elements: 30, sample: 3, depth: 1 },
    Division { elements: 200, sample: 7, depth: 2 },
    Division { elements: 1500, sample: 15, depth: 2 },
    Division { elements: usize::MAX, sample: 31, depth: 3 },
];

/// The words with each group in ascending order of its keys, which are distinct within it.
///
/// # Errors
/// Those of the backend.
pub fn sort<R: Ring, B: Backend<R> + ?Sized>(backend: &mut B, x: &Arith<R>, sorting: &Sorting) -> Result<Arith<R>> {
    let n = x.len() / (sorting.columns * sorting.groups).max(1);
    if x.placement != Placement::Shared {
        // A side that does not hold them has zeros, in any order.
        let mut order: Vec<u32> = (0..(sorting.groups * n) as u32).collect();
        order.chunks_mut(n.max(1)).for_each(|group| group.sort_by_key(|place| x.words[*place as usize].to_i128()));
        return Ok(arranged(x, &order));
    }
    let shuffled = backend.shuffle(x, sorting.columns, sorting.groups)?;
    let mut sorter = Sorter::new(sorting.groups, n);
    while let Some(pairs) = sorter.pairs() {
        let difference = |[a, b]: &[u32; 2]| shuffled.words[*a as usize].sub(shuffled.words[*b as usize]);
        let words = pairs.iter().map(difference).collect();
        let less = backend.is_negative(&Arith { placement: Placement::Shared, words }, sorting.bits)?;
        let opened = backend.reveal_bits(&less, &[PartyId::ZERO, PartyId::ONE])?;
        let opened = opened.expect("revealed to both");
        sorter.answer(&unpack(&opened, pairs.len()));
    }
    Ok(arranged(&shuffled, &sorter.order()))
}

/// Columns in another order.
fn arranged<R: Ring>(x: &Arith<R>, order: &[u32]) -> Arith<R> {
    let column = |column: &[R]| order.iter().map(|place| column[*place as usize]).collect::<Vec<_>>();
    Arith { placement: x.placement, words: x.words.chunks(order.len().max(1)).flat_map(column).collect() }
}

/// At most how many comparisons each exchange of a sort of `groups` of `n` shuffled elements has: what one permutation takes,
/// and so much more that not one in `2^40` takes more. Of many elements the sum is a tenth above `log2(n)` each, which
/// all come close to.
pub fn batches(groups: usize, n: usize) -> Vec<usize> {
    /// Comparisons that every batch may have more; further batches may have as many.
    const SPARE: usize = 32;
    const FURTHER: usize = 12;
    /// From so many elements on nothing is tried out.
    const MANY: usize = 1 << 16;
    if n <= FEW {
        let pairs = groups * (n * n.saturating_sub(1) / 2);
        return if pairs > 0 { vec![pairs] } else { Vec::new() };
    }
    if groups * n >= MANY {
        let levels = (n as u64).ilog2() as usize + 1;
        let count = 3 * levels + FURTHER;
        return vec![(groups * n * levels * 11 / 10).div_ceil(count); count];
    }
    let mut keys = vec![0_u128; groups * n];
    Prg::new(n as u128).fill(&mut keys);
    let mut sorter = Sorter::new(groups, n);
    let mut batches = Vec::new();
    while let Some(pairs) = sorter.pairs() {
        batches.push(pairs.len() + pairs.len() / 8 + SPARE);
        sorter.answer(&pairs.iter().map(|[a, b]| keys[*a as usize] < keys[*b as usize]).collect::<Vec<_>>());
    }
    batches.extend([SPARE; FURTHER]);
    batches
}

/// Elements that belong together: all of those before them are less, all of those behind them are greater.
enum Part {
    /// In order.
    Sorted(Vec<u32>),
    /// In no order that is known.
    Open(Vec<u32>),
    /// Being divided by pivots.
    Divided(Divided),
}

/// Elements of which each is looked up among `2^depth - 1` pivots, one comparison a level.
struct Divided {
    pivots: Vec<u32>,
    depth: usize,
    level: usize,
    /// Those that are known to be between two pivots.
    between: Vec<Vec<u32>>,
    /// The others, with the number of the first place between pivots where each can be.
    sought: Vec<(u32, usize)>,
}

/// Asks for comparisons, batch by batch, until it knows the order.
struct Sorter {
    parts: Vec<Part>,
}

impl Sorter {
    fn new(groups: usize, n: usize) -> Self {
        let group = |group: usize| Part::Open(((group * n) as u32..((group + 1) * n) as u32).collect());
        Self { parts: (0..groups).map(group).collect() }
    }

    /// The next pairs that are to be compared; none: all is known.
    fn pairs(&self) -> Option<Vec<[u32; 2]>> {
        let mut pairs = Vec::new();
        self.parts.iter().for_each(|part| part.ask(&mut pairs));
        (!pairs.is_empty()).then_some(pairs)
    }

    /// Takes, for each of the pairs, whether its first element is less.
    fn answer(&mut self, less: &[bool]) {
        let mut less = less.iter().copied();
        let mut less = || less.next().expect("an answer a pair");
        let mut next = Vec::with_capacity(self.parts.len());
        for part in std::mem::take(&mut self.parts) {
            match part {
                Part::Sorted(elements) => next.push(Part::Sorted(elements)),
                Part::Open(elements) => next.push(compared(elements, &mut less)),
                Part::Divided(divided) => divided.answered(&mut less, &mut next),
            }
        }
        self.parts = next;
    }

    fn order(self) -> Vec<u32> {
        let elements = |part| match part {
            Part::Sorted(elements) | Part::Open(elements) => elements,
            Part::Divided(_) => unreachable!("nothing is left to be compared"),
        };
        self.parts.into_iter().flat_map(elements).collect()
    }
}

impl Part {
    fn ask(&self, pairs: &mut Vec<[u32; 2]>) {
        match self {
            Self::Sorted(_) => {}
            Self::Open(elements) => pairs.extend(all_pairs(&elements[..Division::of(elements.len()).sample])),
            Self::Divided(divided) => {
                let pivot = |place: &usize| divided.pivots[place + divided.half() - 1];
                pairs.extend(divided.sought.iter().map(|(element, place)| [*element, pivot(place)]));
            }
        }
    }
}

impl Division {
    /// That of a part of so many elements; of few the sample is all.
    fn of(elements: usize) -> Self {
        if elements <= FEW {
            return Self { elements, sample: elements, depth: 0 };
        }
        let division = DIVISIONS.into_iter().find(|division| elements <= division.elements);
        division.expect("the last is for any number")
    }
}

fn all_pairs(elements: &[u32]) -> impl Iterator<Item = [u32; 2]> {
    elements.iter().enumerate().flat_map(|(at, a)| elements[at + 1..].iter().map(|b| [*a, *b]))
}

/// What a part becomes once all pairs of its sample were compared.
fn compared(mut elements: Vec<u32>, less: &mut impl FnMut() -> bool) -> Part {
    let Division { sample, depth, .. } = Division::of(elements.len());
    let mut places = vec![0; sample];
    for a in 0..sample {
        for b in a + 1..sample {
            places[if less() { b } else { a }] += 1;
        }
    }
    let rest = elements.split_off(sample);
    let mut sorted = vec![0; sample];
    elements.into_iter().zip(places).for_each(|(element, place)| sorted[place] = element);
    if rest.is_empty() {
        return Part::Sorted(sorted);
    }
    let intervals = 1 << depth;
    let (mut pivots, mut between) = (Vec::with_capacity(intervals - 1), vec![Vec::new(); intervals]);
    for (place, element) in sorted.into_iter().enumerate() {
        if place + 1 == (sample + 1) * (pivots.len() + 1) / intervals {
            pivots.push(element);
        } else {
            between[pivots.len()].push(element);
        }
    }
    let sought = rest.into_iter().map(|element| (element, 0)).collect();
    Part::Divided(Divided { pivots, depth, level: 0, between, sought })
}

impl Divided {
    /// Half the places between pivots where an element can be.
    fn half(&self) -> usize {
        1 << (self.depth - self.level - 1)
    }

    fn answered(mut self, less: &mut impl FnMut() -> bool, next: &mut Vec<Part>) {
        let half = self.half();
        self.sought.iter_mut().for_each(|(_, place)| *place += if less() { 0 } else { half });
        self.level += 1;
        if self.level < self.depth {
            return next.push(Part::Divided(self));
        }
        self.sought.into_iter().for_each(|(element, place)| self.between[place].push(element));
        let mut pivots = self.pivots.into_iter();
        for between in self.between {
            next.push(Part::Open(between));
            next.extend(pivots.next().map(|pivot| Part::Sorted(vec![pivot])));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    use super::*;

    /// Sorts keys and says how many comparisons each batch had.
    fn sorted(keys: &[u64], groups: usize) -> (Vec<u32>, Vec<usize>) {
        let mut sorter = Sorter::new(groups, keys.len() / groups);
        let mut batches = Vec::new();
        while let Some(pairs) = sorter.pairs() {
            batches.push(pairs.len());
            sorter.answer(&pairs.iter().map(|[a, b]| keys[*a as usize] < keys[*b as usize]).collect::<Vec<_>>());
        }
        (sorter.order(), batches)
    }

    fn keys(n: usize, seed: u64) -> Vec<u64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|place| rng.next_u64() << 20 | place as u64).collect()
    }

    #[test]
    fn groups_are_sorted_within_the_comparisons_that_were_counted() {
        for (groups, n) in [
            (1, 0),
            (1, 1),
            (3, 2),
            (5, 5),
            (2, 6),
            (4, 30),
            (3, 31),
            (1, 200),
            (2, 1501),
            (1, 20_000),
            (1, 70_000),
            (9_000, 8),
        ] {
            let bound = batches(groups, n);
            for seed in 0..(4_000 / (groups * n).max(1)).max(2) as u64 {
                let keys = keys(groups * n, seed);
                let (order, counted) = sorted(&keys, groups);
                let mut expected: Vec<u32> = (0..(groups * n) as u32).collect();
                expected.chunks_mut(n.max(1)).for_each(|group| group.sort_by_key(|place| keys[*place as usize]));
                assert_eq!(order, expected, "{groups} of {n}");
                assert!(counted.len() <= bound.len(), "{groups} of {n}: {} batches", counted.len());
                assert!(counted.iter().sum::<usize>() <= bound.iter().sum(), "{groups} of {n}: {counted:?} {bound:?}");
            }
        }
    }

    #[test]
    fn sorted_and_equal_keys_end_too() {
        let ascending: Vec<u64> = (0..3000).collect();
        assert!(sorted(&ascending, 1).0.is_sorted());
        assert_eq!(sorted(&vec![7; 500], 1).0.len(), 500);
    }

    #[test]
    fn comparisons_are_few() {
        let n = 10_000;
        let counted: usize = sorted(&keys(n, 1), 1).1.iter().sum();
        let least = (1..=n).map(|i| (i as f64).log2()).sum::<f64>();
        assert!((counted as f64) < 1.15 * least, "{counted} against {least}");
    }
}
