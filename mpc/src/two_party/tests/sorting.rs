//! Shuffles and sorts: what they keep, what they open and what they cost.

use super::*;
use crate::arithmetic::{Sorting, sort};

/// The words of each group, all columns of a place together, in order: what a shuffle leaves as it was.
fn sorted_places(words: &[u64], columns: usize, groups: usize) -> Vec<Vec<Vec<u64>>> {
    let n = words.len() / (columns * groups);
    let place =
        |group: usize, at: usize| (0..columns).map(|column| words[(column * groups + group) * n + at]).collect();
    let mut all: Vec<Vec<Vec<u64>>> = (0..groups).map(|group| (0..n).map(|at| place(group, at)).collect()).collect();
    all.iter_mut().for_each(|group| group.sort());
    all
}

#[test]
fn a_shuffle_keeps_the_places_of_each_group_and_changes_their_order() {
    for p in PLACEMENTS {
        for (columns, groups, n) in [(1, 1, 50), (3, 4, 7), (2, 1, 1000), (1, 5, 1), (5, 1, 33), (1, 3, 0)] {
            let x = values::<u64>(columns * groups * n, 64, 31);
            let run = run::<u64, _>(32, |engine| {
                let x = part(engine, p, &x, 33);
                engine.shuffle(&x, columns, groups).expect("the peer is honest")
            });
            let shuffled = join(&[&run.results[0], &run.results[1]]);
            assert_eq!(sorted_places(&shuffled, columns, groups), sorted_places(&x, columns, groups));
            assert!(n < 30 || shuffled != x, "{columns} columns, {groups} groups of {n}");
            assert_cost(&run, cost::shuffle::<u64>(x.len(), columns, groups), "shuffle");
        }
    }
}

#[test]
fn sorts_are_those_of_the_interpreter_and_cost_no_more_than_was_counted() {
    fn check<R: Ring>(columns: usize, groups: usize, n: usize, p: Placement) {
        let sorting = Sorting { columns, groups, bits: R::BITS.min(62) };
        // Distinct keys, and columns that tell where they come from.
        let words: Vec<R> = (0..columns * groups * n)
            .map(|i| R::from_i128((i as i128 * 7919 % (groups * n) as i128 - 40) << 3 | (i / (groups * n)) as i128))
            .collect();
        let run = run::<R, _>(34, |engine| {
            let x = part(engine, p, &words, 35);
            sort(engine, &x, &sorting).expect("the peer is honest")
        });
        let expected = sort(&mut Clear, &Arith { placement: p, words: words.clone() }, &sorting).expect("sorts");
        assert!(join(&[&run.results[0], &run.results[1]]) == expected.words, "{columns} {groups} {n} {p:?}");
        assert!(expected.words[..n].is_sorted_by_key(|word| word.to_i128()));
        let bound = if p == Placement::Shared { cost::sort::<R>(words.len(), &sorting) } else { Cost::default() };
        let [zero, one] = run.traffic;
        assert!(zero.sent <= bound.sent[0] && one.sent <= bound.sent[1], "{zero:?} {one:?} {bound:?}");
        assert!(run.used[0] <= bound.offered[0] && run.used[1] <= bound.offered[1], "{:?} {bound:?}", run.used);
        assert!(zero.rounds.max(one.rounds) <= bound.rounds, "{zero:?} {bound:?}");
    }
    for p in PLACEMENTS {
        check::<u64>(2, 3, 5, p);
        check::<u64>(1, 1, 300, p);
        check::<u128>(2, 2, 40, p);
        check::<u64>(1, 1, 1, p);
    }
    check::<u64>(1, 1, 3000, Placement::Shared);
}

#[test]
fn what_a_sort_opens_is_how_a_uniform_permutation_compares_whatever_the_keys_are() {
    // Of three keys, which of the six orders the three opened bits tell, over many runs.
    let orders = |keys: [u64; 3]| {
        let mut counts = [0_u32; 8];
        for seed in 0..600 {
            let run = run::<u64, _>(1000 + seed, |engine| {
                let x = part(engine, Placement::Shared, &keys, seed);
                let x = engine.shuffle(&x, 1, 1).expect("the peer is honest");
                let pairs = [[0, 1], [0, 2], [1, 2]].map(|[a, b]| x.words[a].sub(x.words[b])).to_vec();
                let less = engine.is_negative(&Arith { placement: Placement::Shared, words: pairs }, 40);
                engine.reveal_bits(&less.expect("compared"), &[PartyId::ZERO, PartyId::ONE]).expect("revealed")
            });
            let opened = run.results[0].as_ref().expect("to both")[0];
            counts[opened as usize & 7] += 1;
        }
        counts
    };
    for keys in [[1, 2, 3], [3, 2, 1], [9, 1000, 4]] {
        let counts = orders(keys);
        assert_eq!((counts[2], counts[5]), (0, 0), "no order has these comparisons");
        let chi: f64 = counts.iter().filter(|count| **count > 0).map(|n| (f64::from(*n) - 100.0).powi(2) / 100.0).sum();
        assert!(counts.iter().filter(|count| **count > 0).count() == 6 && chi < 35.0, "{keys:?}: {counts:?}");
    }
}
