//! The real functions against exact values, on the interpreter and between two parties.

use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tacit_protocol::Number;
use tacit_protocol::PartyId;
use tacit_protocol::program::Unary;
use tacit_protocol::program::functions::Power;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Precision;

use super::{Reals, function, function_error, function_fits, power, power_error, power_fits};
use crate::backend::{Backend, Column, Table};
use crate::clear::Clear;
use crate::ring::Ring;
use crate::share::{Arith, Placement, unpack};
use crate::two_party::Counter;
use crate::two_party::tests::{join, join_bits, part, run};

const BOTH: [Precision; 2] = Precision::ALL;

/// Steps in 1.
fn one(precision: Precision) -> i128 {
    1 << precision.step_bits()
}

/// So many times one to so many times.
fn units(precision: Precision, lo: i128, hi: i128) -> Reals {
    reals(precision, [lo * one(precision), hi * one(precision)])
}

fn reals(precision: Precision, range: [i128; 2]) -> Reals {
    Reals { range, precision }
}

/// Each function in each precision.
fn all() -> impl Iterator<Item = (Unary, Precision)> {
    BOTH.into_iter().flat_map(|precision| FUNCTIONS.map(|of| (of, precision)))
}

/// What is a step of a plan; the others are made of them.
const FUNCTIONS: [Unary; 14] = [
    Unary::Sqrt,
    Unary::Rsqrt,
    Unary::Exp,
    Unary::Exp2,
    Unary::Log,
    Unary::Log2,
    Unary::Log10,
    Unary::Sigmoid,
    Unary::Tanh,
    Unary::Softplus,
    Unary::Erf,
    Unary::Gelu,
    Unary::Sin,
    Unary::Cos,
];

/// Ranges of numbers in steps: what people compute with, narrow ones, and the widest.
fn ranges(function: Unary, precision: Precision) -> Vec<Reals> {
    let one = one(precision);
    // What the largest results take beside digits: 126 bits in all.
    let [exp, exp2] = if precision == Precision::High { [60, 88] } else { [70, 100] };
    let mut ranges =
        vec![[-20 * one, 20 * one], [-8 * one, 8 * one], [-one, one], [0, 3], [-1, 0], [one / 2, 40 * one]];
    ranges.extend(match function {
        Unary::Exp => vec![[-1000 * one, 2 * one], [10 * one, 30 * one], [-60 * one, -25 * one], [-3, exp * one]],
        Unary::Exp2 => vec![[-1000 * one, 40 * one], [39 * one, 41 * one], [-100 * one, -50 * one], [-3, exp2 * one]],
        Unary::Sin | Unary::Cos => vec![[-1000 * one, 1000 * one], [-one << 15, one << 15], [1 << 70, 1 << 71]],
        Unary::Sqrt | Unary::Rsqrt | Unary::Log | Unary::Log2 | Unary::Log10 => {
            vec![[1, 1], [0, one << 40], [1, one * 1_000_000_000_000], [-5, 1 << 90], [3 << 40, 1 << 45], [-100, -1]]
        }
        _ => vec![[-one << 22, one << 22], [5 * one, 6 * one], [-9 * one, -3 * one], [-1 << 80, 17]],
    });
    ranges.into_iter().map(|range| reals(precision, range)).collect()
}

/// Numbers in a range: its ends, zero, powers of two and those beside them, and random ones of all sizes.
fn numbers(of: Reals, n: usize, seed: u64) -> Vec<i128> {
    let [lo, hi] = of.range;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut numbers = vec![lo, hi, lo + 1, hi - 1, 0, 1, -1, (lo + hi) / 2];
    for place in 0..120 {
        numbers.extend([-1, 0, 1].map(|by| (1_i128 << place) + by));
        numbers.extend([-1, 0, 1].map(|by| -(1_i128 << place) + by));
    }
    let size = (hi - lo + 1).unsigned_abs();
    for _ in 0..n {
        let word = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        numbers.push(lo + (word % size) as i128);
        numbers.push(((word % size) >> (rng.next_u32() % 90)) as i128);
    }
    numbers.retain(|x| (lo..=hi).contains(x));
    numbers
}

/// The exact value in steps; none: there is none.
fn exact(function: Unary, precision: Precision, x: i128) -> Option<f64> {
    let step = precision.unit();
    function.domain(precision).contains(x).then(|| function.value(x as f64 / step) * step)
}

fn shared<R: Ring>(values: &[i128]) -> Arith<R> {
    Arith { placement: Placement::Shared, words: values.iter().map(|&value| R::from_i128(value)).collect() }
}

/// Holds results against exact values, and tells the largest error in parts of what is allowed.
fn check(function: Unary, range: Reals, numbers: &[i128], values: &[i128], defined: &[bool]) -> f64 {
    let mut most: f64 = 0.0;
    for ((&x, &value), &defined) in numbers.iter().zip(values).zip(defined) {
        let Some(exact) = exact(function, range.precision, x) else {
            assert!(!defined && value == 0, "{function:?} of {x} has no value, and gave {value}");
            continue;
        };
        assert!(defined, "{function:?} of {x} is defined");
        // Numbers beyond 53 bits are not exact as arguments of what is held against.
        let noise = 1e-9 + exact.abs() * 1e-13;
        let allowed = function.tolerance(exact, range.precision);
        let distance = (value as f64 - exact).abs() - noise;
        most = most.max(distance / allowed);
        assert!(distance <= allowed, "{function:?} of {x} in {range:?} is {exact}, and gave {value}");
        assert!(allowed <= function_error(function, range) + noise, "{function:?}: the plan states less in {range:?}");
    }
    most
}

fn on_interpreter<R: Ring>(of: Unary, range: Reals, numbers: &[i128]) -> (Vec<i128>, Vec<bool>) {
    let found = function::<R, _>(&mut Clear, of, &shared(numbers), range).expect("a function");
    let values = found.value.words.iter().map(|word| word.to_i128()).collect();
    (values, unpack(&found.defined.words, numbers.len()))
}

/// Whether results fit the word, as the plan sees to.
fn fits<R: Ring>(of: Unary, range: Reals) -> bool {
    let [lo, hi] = range.range;
    let inside = of.domain(range.precision).meet(Interval { lo, hi });
    let image = inside.map_or(Some(Interval::point(0)), |inside| of.image(inside, range.precision));
    function_fits::<R>(of, range) && image.is_some_and(|image| image.bits() + 2 <= R::BITS)
}

#[test]
fn functions_keep_their_bounds_over_all_magnitudes() {
    for (of, precision) in all() {
        let mut most: f64 = 0.0;
        for range in ranges(of, precision) {
            let numbers = numbers(range, 20_000, 80);
            assert!(fits::<u128>(of, range), "{of:?} on {range:?}");
            // Arguments of circular functions beyond 2^53 steps are not exact in what is held against.
            if matches!(of, Unary::Sin | Unary::Cos) && range.range[1] > 1 << 53 {
                continue;
            }
            let (values, defined) = on_interpreter::<u128>(of, range, &numbers);
            most = most.max(check(of, range, &numbers, &values, &defined));
            if fits::<u64>(of, range) {
                let (values, defined) = on_interpreter::<u64>(of, range, &numbers);
                most = most.max(check(of, range, &numbers, &values, &defined));
            }
        }
        println!("{:8} {precision:?} errs by up to {most:.2} of its bound", of.name());
    }
}

#[test]
fn powers_by_real_numbers_keep_their_bounds() {
    for precision in BOTH {
        hold_powers(precision);
    }
}

fn hold_powers(precision: Precision) {
    let mut most: f64 = 0.0;
    let (one, step) = (one(precision), precision.unit());
    for text in ["0.5", "-1", "-0.5", "1.5", "2.7", "-3", "0.001", "10.25", "-64", "63.5"] {
        let exponent: Number = text.parse().expect("a number");
        let of = Power(exponent);
        for [lo, hi] in
            [[1, 20 * one], [-5, 3 * one], [one / 2, one + one / 2], [0, one << 27], [one, one], [-9, -1], [1, 1]]
        {
            let range = reals(precision, [lo, hi]);
            let inside = Power::DOMAIN.meet(Interval { lo, hi });
            let image = inside.map_or(Some(Interval::point(0)), |inside| of.image(inside, precision));
            let Some(image) = image.filter(|image| image.bits() <= 124) else { continue };
            assert!(power_fits::<u128>(exponent, range), "{text} on {range:?}");
            let numbers = numbers(range, 4_000, 90);
            let mut hold = |values: Vec<i128>, defined: Vec<bool>| {
                for ((&x, &value), defined) in numbers.iter().zip(&values).zip(defined) {
                    if x <= 0 {
                        assert!(!defined && value == 0, "{x} ** {text} has no value, and gave {value}");
                        continue;
                    }
                    let exact = of.value(x as f64 / step) * step;
                    let (distance, allowed) =
                        ((value as f64 - exact).abs() - 1e-9 - exact * 1e-13, of.tolerance(exact, precision));
                    most = most.max(distance / allowed);
                    assert!(defined && distance <= allowed, "{x} ** {text} in {range:?} is {exact}, and gave {value}");
                    assert!(allowed <= power_error(exponent, range) * (1.0 + 1e-9), "{text} in {range:?}");
                    assert!(value <= image.hi && value >= image.lo.min(0), "{value} is not in {image:?}");
                }
            };
            let found = power::<u128, _>(&mut Clear, exponent, &shared(&numbers), range).expect("a power");
            let values = found.value.words.iter().map(|word| word.to_i128()).collect();
            hold(values, unpack(&found.defined.words, numbers.len()));
            if power_fits::<u64>(exponent, range) && image.bits() <= 62 {
                let found = power::<u64, _>(&mut Clear, exponent, &shared(&numbers), range).expect("a power");
                let values = found.value.words.iter().map(|word| word.to_i128()).collect();
                hold(values, unpack(&found.defined.words, numbers.len()));
            }
        }
    }
    println!("powers   {precision:?} err by up to {most:.2} of their bound");
}

#[test]
fn powers_between_two_parties_are_those_of_the_interpreter_to_their_bounds() {
    powers_between_two::<u64>(Precision::Default);
    powers_between_two::<u128>(Precision::High);
}

fn powers_between_two<R: Ring>(precision: Precision) {
    for text in ["0.5", "-1.5"] {
        let (exponent, range) = (text.parse().expect("a number"), reals(precision, [-3, 1000 * one(precision)]));
        let numbers: Vec<i128> = numbers(range, 20, 91);
        let run = run::<R, _>(92, |engine| {
            let words: Vec<R> = numbers.iter().map(|&x| R::from_i128(x)).collect();
            let x = part(engine, Placement::Shared, &words, 93);
            let found = power::<R, _>(engine, exponent, &x, range).expect("a power");
            (found.value, found.defined)
        });
        let mut counter = Counter::default();
        power::<R, _>(&mut counter, exponent, &shared(&numbers), range).expect("a power");
        assert_eq!([run.traffic[0].sent, run.traffic[1].sent], counter.cost.sent);
        assert_eq!(run.used, counter.cost.offered);
        let [zero, one] = &run.results;
        let values = join(&[&zero.0, &one.0]);
        let defined = unpack(&join_bits(&[&zero.1, &one.1]), numbers.len());
        for ((&x, value), defined) in numbers.iter().zip(values).zip(defined) {
            assert_eq!(defined, x > 0, "{x}");
            let step = precision.unit();
            let exact = if x > 0 { Power(exponent).value(x as f64 / step) * step } else { 0.0 };
            let allowed = Power(exponent).tolerance(exact, precision) + exact * 1e-13;
            assert!((value.to_i128() as f64 - exact).abs() <= allowed, "{x} ** {text}");
        }
    }
}

#[test]
fn what_people_compute_with_fits_words_of_64_bits() {
    let usual = Precision::Default;
    for of in FUNCTIONS {
        assert!(fits::<u64>(of, units(usual, -20, 20)), "{of:?}");
        // High precision takes wider words, whatever the range.
        assert!(!fits::<u64>(of, reals(Precision::High, [1, 2])), "{of:?}");
        assert!(fits::<u128>(of, units(Precision::High, -40, 40)), "{of:?}");
    }
    for of in [Unary::Sqrt, Unary::Rsqrt, Unary::Log, Unary::Log2, Unary::Log10] {
        let range = |precision| reals(precision, [1, one(precision) * 1_000_000_000]);
        assert!(fits::<u64>(of, range(usual)) && fits::<u128>(of, range(Precision::High)), "{of:?}");
    }
    assert!(fits::<u64>(Unary::Sin, units(usual, -1 << 20, 1 << 20)));
    assert!(fits::<u128>(Unary::Sin, units(Precision::High, -1 << 20, 1 << 20)));
}

#[test]
fn numbers_far_beyond_a_turn_are_counted_in_turns_exactly() {
    // sin and cos of whole numbers, to twelve digits.
    let known =
        [(1_000_000, -0.349_993_502_171, 0.936_752_127_533), (1_000_000_000, 0.545_843_449_449, 0.837_887_181_364)];
    for (whole, sine, cosine) in known {
        for (precision, (of, value)) in
            BOTH.into_iter().flat_map(|p| [(Unary::Sin, sine), (Unary::Cos, cosine)].map(|of| (p, of)))
        {
            let range = units(precision, -(1 << 30), 1 << 30);
            let (values, _) = on_interpreter::<u128>(of, range, &[whole * one(precision)]);
            let allowed = of.tolerance(0.0, precision);
            assert!((values[0] as f64 - value * precision.unit()).abs() <= allowed, "{of:?} of {whole}: {values:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn functions_keep_their_bounds_on_any_range(which in 0..FUNCTIONS.len(), high in any::<bool>(), seed in any::<u64>()) {
        let of = FUNCTIONS[which];
        let precision = if high { Precision::High } else { Precision::Default };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let exponential = matches!(of, Unary::Exp | Unary::Exp2);
        let top = if exponential { precision.step_bits() + 5 } else { 48 };
        let mut end = || {
            let word = i128::from(rng.next_u64() >> 12) >> (rng.next_u32() % 40);
            let end = word % (1 << top);
            if rng.next_u32() % 2 == 0 { -end } else { end }
        };
        let (a, b) = (end(), end());
        let range = reals(precision, [a.min(b), a.max(b)]);
        prop_assert!(fits::<u128>(of, range));
        let numbers = numbers(range, 100, seed);
        let (values, defined) = on_interpreter::<u128>(of, range, &numbers);
        check(of, range, &numbers, &values, &defined);
        if fits::<u64>(of, range) {
            let (values, defined) = on_interpreter::<u64>(of, range, &numbers);
            check(of, range, &numbers, &values, &defined);
        }
    }
}

/// Between two parties, whose cost is what the counter says.
fn between_two<R: Ring>(of: Unary, range: Reals, numbers: &[i128]) -> (Vec<i128>, Vec<bool>) {
    let run = run::<R, _>(81, |engine| {
        let words: Vec<R> = numbers.iter().map(|&x| R::from_i128(x)).collect();
        let x = part(engine, Placement::Shared, &words, 82);
        let found = function::<R, _>(engine, of, &x, range).expect("a function");
        (found.value, found.defined)
    });
    let mut counter = Counter::default();
    function::<R, _>(&mut counter, of, &shared(numbers), range).expect("a function");
    assert_eq!([run.traffic[0].sent, run.traffic[1].sent], counter.cost.sent, "{of:?} on {range:?}");
    assert_eq!(run.traffic[0].rounds, counter.cost.rounds, "{of:?} on {range:?}");
    assert_eq!(run.used, counter.cost.offered, "{of:?} on {range:?}");
    let [zero, one] = &run.results;
    let values = join(&[&zero.0, &one.0]).iter().map(|word| word.to_i128()).collect();
    (values, unpack(&join_bits(&[&zero.1, &one.1]), numbers.len()))
}

#[test]
fn functions_between_two_parties_keep_their_bounds_and_cost_what_was_counted() {
    for (of, precision) in all() {
        for range in ranges(of, precision) {
            if matches!(of, Unary::Sin | Unary::Cos) && range.range[1] > 1 << 53 {
                continue;
            }
            let numbers: Vec<i128> = numbers(range, 10, 83);
            let (values, defined) = match fits::<u64>(of, range) {
                true => between_two::<u64>(of, range, &numbers),
                false => between_two::<u128>(of, range, &numbers),
            };
            check(of, range, &numbers, &values, &defined);
        }
        // One cell, and none.
        let (range, one) = (reals(precision, [1, 5 * one(precision)]), one(precision));
        let (values, defined) = between_two::<u128>(of, range, &[one]);
        check(of, range, &[one], &values, &defined);
        assert!(between_two::<u128>(of, range, &[]).0.is_empty());
    }
}

#[test]
fn the_owner_of_a_number_computes_its_functions_alone() {
    for (of, precision) in all() {
        let range = units(precision, -5, 5);
        let numbers = numbers(range, 10, 84);
        for owner in [PartyId::ZERO, PartyId::ONE] {
            let run = run::<u128, _>(85, |engine| {
                let words: Vec<u128> = numbers.iter().map(|&x| u128::from_i128(x)).collect();
                let x = part(engine, Placement::Private(owner), &words, 86);
                let found = function::<u128, _>(engine, of, &x, range).expect("a function");
                (found.value, found.defined)
            });
            assert_eq!(run.traffic[0].sent + run.traffic[1].sent, 0, "{of:?}");
            let [zero, one] = &run.results;
            let values: Vec<i128> = join(&[&zero.0, &one.0]).iter().map(|word| word.to_i128()).collect();
            check(of, range, &numbers, &values, &unpack(&join_bits(&[&zero.1, &one.1]), numbers.len()));
        }
    }
}

#[test]
fn the_transcript_of_a_function_does_not_depend_on_the_number() {
    for (of, precision) in all() {
        let (range, one) = (units(precision, -20, 20), one(precision));
        let transcript = |numbers: [i128; 4], seed| {
            let run = run::<u128, _>(seed, |engine| {
                let words = numbers.map(u128::from_i128);
                let x = part(engine, Placement::Shared, &words, seed);
                function::<u128, _>(engine, of, &x, range).expect("a function");
            });
            run.events
        };
        assert_eq!(transcript([0, 1, 2, 3], 87), transcript([-20 * one, 20 * one, -1, 77_777], 88), "{of:?}");
    }
}

#[test]
fn tables_are_looked_up_at_the_sum_of_both_indices() {
    for (index_bits, n) in [(1, 5), (3, 1), (6, 300), (8, 67), (5, 0)] {
        let len = 1_usize << index_bits;
        let entries = |width: u32, factor: i128| Column {
            width,
            entries: (0..len as i128)
                .map(|i| (i * factor) % (1 << (width - 1)) * if i % 2 == 0 { 1 } else { -1 })
                .collect(),
        };
        let table =
            Table { index_bits, columns: vec![entries(17, 9_176), entries(64, 0x1357_9bdf_1234_5678), entries(2, 1)] };
        let index = |party: u64| (0..n as u64).map(|i| (i * 37 + party * 11) % len as u64).collect::<Vec<u64>>();
        let expected: Vec<usize> = index(0).iter().zip(index(1)).map(|(a, b)| (a + b) as usize % len).collect();
        let run = run::<u64, _>(89, |engine| {
            let of = [PartyId::ZERO, PartyId::ONE];
            let index = of.map(|party| Arith::private(engine, party, index(party.index() as u64)));
            engine.look_up([&index[0], &index[1]], &table).expect("a look-up")
        });
        let [zero, one] = &run.results;
        for (place, column) in table.columns.iter().enumerate() {
            let found = join(&[&zero[place], &one[place]]);
            for (found, at) in found.iter().zip(&expected) {
                assert_eq!(found.low(column.width), u64::from_i128(column.entries[*at]).low(column.width));
            }
        }
        let mut counter = Counter::default();
        let parts = [PartyId::ZERO, PartyId::ONE].map(|party| Arith::private(&Clear, party, vec![0_u64; n]));
        counter.look_up([&parts[0], &parts[1]], &table).expect("a count");
        assert_eq!([run.traffic[0].sent, run.traffic[1].sent], counter.cost.sent);
        assert_eq!(run.traffic.map(|traffic| traffic.rounds), [counter.cost.rounds; 2]);
        assert_eq!(run.used, counter.cost.offered);
    }
}
