//! Composed operations against exact integers, on the interpreter and between two parties.

use proptest::prelude::{ProptestConfig, prop_assume, proptest};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tacit_protocol::PartyId;

use super::*;
use crate::backend::Backend;
use crate::clear::Clear;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement, pack, unpack};
use crate::two_party::Counter;
use crate::two_party::tests::{join, join_bits, part, run};

const SHARED: Placement = Placement::Shared;

fn words<R: Ring>(values: &[i128]) -> Vec<R> {
    values.iter().map(|&value| R::from_i128(value)).collect()
}

fn integers<R: Ring>(words: &[R]) -> Vec<i128> {
    words.iter().map(|word| word.to_i128()).collect()
}

fn shared<R: Ring>(values: &[i128]) -> Arith<R> {
    Arith { placement: SHARED, words: words(values) }
}

/// What an operation on two vectors gives between two parties, and that it costs what the counter says.
fn between_two<R: Ring, const OUTPUTS: usize>(
    operands: [&[i128]; 2],
    operation: impl Fn(&mut dyn Backend<R>, &Arith<R>, &Arith<R>) -> [Arith<R>; OUTPUTS] + Sync,
) -> [Vec<i128>; OUTPUTS] {
    let run = run::<R, _>(60, |engine| {
        let (a, b) =
            (part(engine, SHARED, &words::<R>(operands[0]), 61), part(engine, SHARED, &words::<R>(operands[1]), 62));
        operation(engine, &a, &b)
    });
    let mut counter = Counter::default();
    operation(&mut counter, &shared(operands[0]), &shared(operands[1]));
    assert_eq!([run.traffic[0].sent, run.traffic[1].sent], counter.cost.sent);
    assert_eq!(run.traffic[0].rounds, counter.cost.rounds);
    assert_eq!(run.used, counter.cost.offered);
    let [zero, one] = &run.results;
    std::array::from_fn(|i| integers(&join(&[&zero[i], &one[i]])))
}

fn widths_of(numerator_bits: u32, divisor_bits: u32, fraction_bits: u32, result_bits: u32) -> Division {
    Division { numerator_bits, divisor_bits, divisor_signed: false, fraction_bits, result_bits }
}

/// Numerators and divisors within the widths whose quotients are within theirs: edges and random ones of all sizes.
fn fractions(division: &Division, n: usize, seed: u64) -> (Vec<i128>, Vec<i128>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut random = |bits: u32| {
        let size = rng.next_u32() % bits;
        let word = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) as i128;
        let value = word.unsigned_abs() >> (127 - size);
        (value as i128, rng.next_u32() % 2 == 1)
    };
    let top = |bits: u32| (1i128 << (bits - 1)) - 1;
    let (most, widest, bound) = (top(division.numerator_bits), top(division.divisor_bits), top(division.result_bits));
    let mut pairs: Vec<(i128, i128)> = Vec::new();
    for d in [1, 2, 3, widest, widest - 1, widest / 2, widest / 2 + 1] {
        let limit = most.min((bound >> division.fraction_bits).saturating_mul(d));
        pairs.extend([0, 1, -1, limit, -limit, limit / 2 + 1, d - 1, d, -d, d + 1].map(|n| (n, d)));
    }
    pairs.extend((0..n).map(|_| {
        let ((numerator, negative), (divisor, sign)) = (random(division.numerator_bits), random(division.divisor_bits));
        let divisor = if division.divisor_signed && sign { -divisor } else { divisor };
        (if negative { -numerator } else { numerator }, divisor)
    }));
    let scale = 1i128 << division.fraction_bits;
    pairs.retain(|&(n, d)| d.abs() <= widest && d != 0 && n.abs() <= most && (n * scale / d).abs() < bound);
    assert!(pairs.len() > 20, "{division:?} leaves {}", pairs.len());
    pairs.into_iter().unzip()
}

fn assert_near(numerators: &[i128], divisors: &[i128], values: &[i128], division: &Division) {
    for ((&n, &d), &value) in numerators.iter().zip(divisors).zip(values) {
        let exact = n << division.fraction_bits;
        // |value - exact / d| <= 7/10, without the division.
        let distance = value.checked_mul(d).expect("small").abs_diff(exact);
        assert!(10 * distance <= 7 * d.unsigned_abs(), "{n} / {d} gave {value}: {division:?}");
    }
}

fn divisions() -> Vec<Division> {
    let mut divisions = Vec::new();
    for (numerator, divisor, fraction, result) in [
        (59, 21, 18, 51),
        (40, 41, 18, 40),
        (40, 20, 18, 40),
        (30, 12, 0, 30),
        (60, 2, 0, 58),
        (30, 2, 18, 48),
        (20, 45, 40, 50),
        (12, 50, 30, 20),
    ] {
        for divisor_signed in [false, true] {
            divisions.push(Division { divisor_signed, ..widths_of(numerator, divisor, fraction, result) });
        }
    }
    divisions
}

#[test]
fn quotients_are_within_their_step_over_all_magnitudes() {
    for division in divisions() {
        assert!(division.fits::<u128>(), "{division:?}");
        let (numerators, divisors) = fractions(&division, 20_000, 63);
        let quotient =
            divide::<u128, _>(&mut Clear, &shared(&numerators), &shared(&divisors), &division).expect("divide");
        assert_near(&numerators, &divisors, &integers(&quotient.value.words), &division);
        assert_eq!(quotient.defined.words, Bits::constant(true, divisors.len()).words);
        let floor =
            divide_floor::<u128, _>(&mut Clear, &shared(&numerators), &shared(&divisors), &division).expect("divide");
        let exact = numerators.iter().zip(&divisors).map(|(&n, &d)| {
            let (n, d) = if d < 0 { (-n, -d) } else { (n, d) };
            (n << division.fraction_bits).div_euclid(d)
        });
        assert_eq!(integers(&floor.value.words), exact.collect::<Vec<_>>(), "{division:?}");
    }
}

#[test]
fn quotients_between_two_parties_are_within_their_step_and_cost_what_was_counted() {
    for division in divisions() {
        let (numerators, divisors) = fractions(&division, 60, 64);
        let [value, floor] = between_two::<u128, 2>([&numerators, &divisors], |backend, n, d| {
            let near = divide(backend, n, d, &division).expect("divide");
            [near.value, divide_floor(backend, n, d, &division).expect("divide").value]
        });
        assert_near(&numerators, &divisors, &value, &division);
        let exact = numerators.iter().zip(&divisors).map(|(&n, &d)| {
            let (n, d) = if d < 0 { (-n, -d) } else { (n, d) };
            (n << division.fraction_bits).div_euclid(d)
        });
        assert_eq!(floor, exact.collect::<Vec<_>>(), "{division:?}");
    }
}

#[test]
fn quotients_fit_short_words_where_they_say_so() {
    let division = Division { divisor_signed: true, ..widths_of(30, 12, 8, 20) };
    assert!(division.fits::<u64>());
    assert!(widths_of(59, 21, 18, 51).fits::<u64>());
    assert!(!widths_of(59, 45, 18, 51).fits::<u64>());
    let (numerators, divisors) = fractions(&division, 200, 65);
    let [value] = between_two::<u64, 1>([&numerators, &divisors], |backend, n, d| {
        [divide(backend, n, d, &division).expect("divide").value]
    });
    assert_near(&numerators, &divisors, &value, &division);
}

#[test]
fn the_mean_of_a_million_rows_is_right() {
    // With 58 bits of result even the largest sum of 58 bits is divided by the smallest large count.
    let division = widths_of(59, 21, 18, 58);
    assert!(division.fits::<u128>());
    let sums = [(1i128 << 58) - 1, -(1 << 58) + 1, 123_456_789_012_345, 999_999, 1_000_000, 5];
    let counts = [1_000_000i128 - 1, 1_000_000, 999_983, 1_000_000, 1_000_000, 1 << 19];
    let [value] = between_two::<u128, 1>([&sums, &counts], |backend, n, d| {
        [divide(backend, n, d, &division).expect("divide").value]
    });
    assert_near(&sums, &counts, &value, &division);
    assert_eq!(value[4], 1 << 18, "integer quotients are exact");
}

#[test]
fn division_by_zero_gives_zero_and_says_undefined() {
    for divisor_signed in [false, true] {
        let division = Division { divisor_signed, ..widths_of(40, 20, 18, 40) };
        let run = run::<u128, _>(66, |engine| {
            let n = part(engine, SHARED, &words::<u128>(&[5, -5, 0, 5]), 67);
            let d = part(engine, SHARED, &words::<u128>(&[0, 0, 0, 1]), 68);
            let near = divide(engine, &n, &d, &division).expect("divide");
            let floor = divide_floor(engine, &n, &d, &division).expect("divide");
            (near.value, near.defined, floor.value, floor.defined)
        });
        let [zero, one] = &run.results;
        assert_eq!(integers(&join(&[&zero.0, &one.0])), [0, 0, 0, 5 << 18]);
        assert_eq!(integers(&join(&[&zero.2, &one.2])), [0, 0, 0, 5 << 18]);
        assert_eq!(join_bits(&[&zero.1, &one.1]), [0b1000]);
        assert_eq!(join_bits(&[&zero.3, &one.3]), [0b1000]);
    }
}

#[test]
fn one_reciprocal_serves_several_numerators() {
    let division = widths_of(40, 20, 18, 40);
    let [value] = between_two::<u128, 1>([&[700, 701, -9, 0], &[7, 3]], |backend, n, d| {
        let reciprocal = reciprocal(backend, d, &division).expect("reciprocal").gather(&[0, 0, 1, 1]);
        [divide_by(backend, n, &reciprocal, &division).expect("divide").value]
    });
    assert_near(&[700, 701, -9, 0], &[7, 7, 3, 3], &value, &division);
}

#[test]
fn the_transcript_of_a_division_does_not_depend_on_the_divisor() {
    let division = Division { divisor_signed: true, ..widths_of(40, 30, 18, 40) };
    let transcript = |d: [i128; 3], seed| {
        let run = run::<u128, _>(seed, |engine| {
            let n = part(engine, SHARED, &words::<u128>(&[1, 2, 3]), 69);
            let d = part(engine, SHARED, &words::<u128>(&d), 70);
            divide_floor(engine, &n, &d, &division).expect("divide");
        });
        run.events
    };
    assert_eq!(transcript([1, 1, 1], 71), transcript([0, -5, (1 << 29) - 1], 72));
}

fn public_cases(bits: u32) -> Vec<i128> {
    let top = (1i128 << (bits - 1)) - 1;
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(bits));
    let mut values = vec![0, 1, -1, top, -top - 1, top / 2, -top / 2];
    values.extend((0..300).map(|_| {
        let word = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) as i128;
        word >> (128 - bits) >> (rng.next_u32() % bits)
    }));
    values
}

/// The values and those next to multiples of the divisor.
fn around(values: Vec<i128>, divisor: u128, bits: u32) -> Vec<i128> {
    let divisor = divisor as i128;
    let near = values.iter().flat_map(|x| {
        let multiple = x.div_euclid(divisor).saturating_mul(divisor);
        [*x, multiple, multiple.saturating_sub(1), multiple.saturating_add(1)]
    });
    near.filter(|x| (-(1i128 << (bits - 1))..1 << (bits - 1)).contains(x)).collect()
}

fn divides_exactly<R: Ring>(bits: u32, divisor: u128) {
    assert!(divides_publicly::<R>(bits, divisor));
    let values = around(public_cases(bits), divisor, bits);
    let exact: Vec<i128> = values.iter().map(|x| x.div_euclid(divisor as i128)).collect();
    let clear = divide_public::<R, _>(&mut Clear, &shared(&values), divisor, bits).expect("divide");
    assert_eq!(integers(&clear.words), exact, "{divisor}, {bits} bits");
    let [between] =
        between_two::<R, 1>(
            [&values, &[]],
            |backend, x, _| [divide_public(backend, x, divisor, bits).expect("divide")],
        );
    assert_eq!(between, exact, "{divisor}, {bits} bits");
}

#[test]
fn public_divisors_give_the_exact_floor() {
    for divisor in [1, 2, 3, 5, 7, 10, 100, 1000, 2621, 1 << 20, 1_000_000, 999_999_937, 10u128.pow(15), 1 << 59] {
        for bits in [2, 10, 31, 40, 61] {
            divides_exactly::<u64>(bits, divisor);
        }
        for bits in [61, 100, 121] {
            divides_exactly::<u128>(bits, divisor);
        }
    }
    divides_exactly::<u128>(121, 10u128.pow(30) + 7);
    assert!(!divides_publicly::<u64>(62, 3));
}

#[test]
fn values_are_rounded_to_the_nearest_multiple() {
    let values = [0, 1, 4, 5, 6, 9, 14, 15, -1, -4, -5, -6, -15, -16];
    let [rounded] =
        between_two::<u64, 1>([&values, &[]], |backend, x, _| [round_to_grid(backend, x, 10, 20).expect("round")]);
    assert_eq!(rounded, [0, 0, 0, 10, 10, 10, 10, 20, 0, 0, 0, -10, -10, -20]);
}

#[test]
fn extremes_and_their_places_are_those_of_numpy() {
    let mut rng = ChaCha8Rng::seed_from_u64(73);
    for (outer, length, inner) in [(1, 1, 1), (1, 2, 1), (2, 5, 3), (3, 8, 1), (1, 33, 2), (0, 3, 2)] {
        let axis = Axis { outer, length, inner };
        let values: Vec<i128> = (0..outer * length * inner).map(|_| i128::from(rng.next_u32() % 7) - 3).collect();
        for which in [Extreme::Maximum, Extreme::Minimum] {
            let [value, index, alone] = between_two::<u64, 3>([&values, &[]], |backend, x, _| {
                let (value, index) = extreme_with_index(backend, x, axis, which, 4).expect("extreme");
                [value, index, extreme(backend, x, axis, which, 4).expect("extreme")]
            });
            for (lane, (&value, &index)) in value.iter().zip(&index).enumerate() {
                let (o, i) = (lane / inner, lane % inner);
                let lane: Vec<i128> = (0..length).map(|a| values[(o * length + a) * inner + i]).collect();
                let best = match which {
                    Extreme::Maximum => lane.iter().max(),
                    Extreme::Minimum => lane.iter().min(),
                };
                let best = *best.expect("not empty");
                let first = lane.iter().position(|&x| x == best).expect("it is there") as i128;
                assert_eq!((value, index), (best, first), "{lane:?}");
            }
            assert_eq!(value.len(), outer * inner);
            assert_eq!(alone, value);
        }
    }
}

#[test]
fn pairs_are_compared_over_their_whole_range() {
    let edge = 1i128 << 62;
    let (a, b) = ([-edge, edge - 1, 3, 3, -1, 0], [edge - 1, -edge, 3, 4, 0, -1]);
    let bits = |backend: &mut dyn Backend<u64>, bits: Bits| backend.to_arith(&bits).expect("to_arith");
    let [less_, at_most, same, most, least] = between_two::<u64, 5>([&a, &b], |backend, a, b| {
        let compared = [
            less(backend, a, b, 63).expect("less"),
            less_or_equal(backend, a, b, 63).expect("less or equal"),
            equal(backend, a, b, 63).expect("equal"),
        ];
        let [less, at_most, same] = compared.map(|compared| bits(backend, compared));
        let (most, least) = (maximum(backend, a, b, 63), minimum(backend, a, b, 63));
        [less, at_most, same, most.expect("maximum"), least.expect("minimum")]
    });
    assert_eq!(less_, [1, 0, 0, 1, 1, 0]);
    assert_eq!(at_most, [1, 0, 1, 1, 1, 0]);
    assert_eq!(same, [0, 0, 1, 0, 0, 0]);
    assert_eq!(most, [edge - 1, edge - 1, 3, 4, 0, 0]);
    assert_eq!(least, [-edge, -edge, 3, 3, -1, -1]);
}

#[test]
fn trees_of_bits_are_those_of_the_unpacked_vectors() {
    for (outer, length, inner) in [(1, 0, 3), (1, 1, 1), (2, 3, 2), (1, 70, 1), (1, 5, 65)] {
        let axis = Axis { outer, length, inner };
        let flat: Vec<bool> = (0..outer * length * inner).map(|i| i * i % 5 < 3).collect();
        let at = |lane: usize| (0..length).map(move |a| ((lane / inner) * length + a) * inner + lane % inner);
        let run = run::<u64, _>(74, |engine| {
            let bits = Bits::private(engine, PartyId::ONE, &flat).shared(engine);
            let (all, any) = (all(engine, &bits, axis).expect("all"), any(engine, &bits, axis).expect("any"));
            (all.shared(engine), any.shared(engine), sum_bits(engine, &bits, axis).expect("count"))
        });
        let [zero, one] = &run.results;
        let lanes = outer * inner;
        let (every, some) =
            (unpack(&join_bits(&[&zero.0, &one.0]), lanes), unpack(&join_bits(&[&zero.1, &one.1]), lanes));
        let counts = integers(&join(&[&zero.2, &one.2]));
        for lane in 0..lanes {
            assert_eq!(every[lane], at(lane).all(|i| flat[i]));
            assert_eq!(some[lane], at(lane).any(|i| flat[i]));
            assert_eq!(counts[lane], at(lane).filter(|&i| flat[i]).count() as i128);
        }
    }
}

#[test]
fn a_prefix_or_keeps_what_came_before() {
    for places in [0, 1, 2, 3, 7, 8, 41] {
        let rows: Vec<Vec<bool>> = (0..places).map(|i| (0..9).map(|j| i >= j * 5).collect()).collect();
        let bits: Vec<Bits> = rows.iter().map(|row| Bits { placement: SHARED, ..Bits::public(row) }).collect();
        let seen = prefix_or::<u64, _>(&mut Clear, &bits).expect("prefix");
        let mut before = vec![false; 9];
        for (row, seen) in rows.iter().zip(&seen) {
            before.iter_mut().zip(row).for_each(|(before, bit)| *before |= bit);
            assert_eq!(seen.words, pack(&before));
        }
        assert_eq!(seen.len(), places);
    }
}

#[test]
fn what_one_party_knows_is_divided_without_a_message() {
    for placement in [Placement::Public, Placement::Private(PartyId::ZERO), Placement::Private(PartyId::ONE)] {
        let division = Division { divisor_signed: true, ..widths_of(40, 20, 18, 40) };
        let run = run::<u128, _>(75, |engine| {
            let n = part(engine, placement, &words::<u128>(&[700, -700]), 76);
            let d = part(engine, placement, &words::<u128>(&[-7, 3]), 77);
            divide_floor(engine, &n, &d, &division).expect("divide").value
        });
        let value = join(&[&run.results[0], &run.results[1]]);
        assert_eq!(integers(&value), [-100 << 18, (-700i128 << 18).div_euclid(3)]);
        assert_eq!(run.traffic[0].sent + run.traffic[1].sent, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_division_that_fits_is_within_its_step(
        numerator_bits in 3u32..64, divisor_bits in 3u32..50, fraction_bits in 0u32..40, result_bits in 3u32..56,
        divisor_signed: bool, seed: u64,
    ) {
        let division = Division { divisor_signed, ..widths_of(numerator_bits, divisor_bits, fraction_bits, result_bits) };
        prop_assume!(division.fits::<u128>() && numerator_bits + fraction_bits < 100 && result_bits > fraction_bits + 2);
        let (numerators, divisors) = fractions(&division, 200, seed);
        let quotient = divide::<u128, _>(&mut Clear, &shared(&numerators), &shared(&divisors), &division);
        assert_near(&numerators, &divisors, &integers(&quotient.expect("divide").value.words), &division);
        if division.fits::<u64>() {
            let quotient = divide::<u64, _>(&mut Clear, &shared(&numerators), &shared(&divisors), &division);
            assert_near(&numerators, &divisors, &integers(&quotient.expect("divide").value.words), &division);
        }
    }
}
