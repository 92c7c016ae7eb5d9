//! Every operation against the ring interpreter, its cost against the channel's counters, its transcript against
//! other secrets, its shares against the uniform distribution.

mod matrices;
mod sorting;

use std::sync::Mutex;
use std::thread;

use proptest::prelude::*;
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{Rng, SeedableRng};
use tacit_protocol::PartyId;
use tacit_protocol::contract::Profile;

use super::cost::{self, Cost, Factors};
use super::ideal::Ideal;
use super::{Means, Pace, TwoParty};
use crate::backend::{Backend, Job, MatrixShape, Needs, Repeat};
use crate::channel::{Channel, Event, Recorder, Traffic, pair};
use crate::clear::Clear;
use crate::lattice::tests as lattice;
use crate::lattice::{KeySize, Lattice, SLOTS};
use crate::offline::tests::dealt_stocks;
use crate::offline::{Counts, Kind, Ready};
use crate::ot::SoftSpoken;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement, Seat};

const PLACEMENTS: [Placement; 4] =
    [Placement::Public, Placement::Private(PartyId::ZERO), Placement::Private(PartyId::ONE), Placement::Shared];
const BOTH: [PartyId; 2] = [PartyId::ZERO, PartyId::ONE];

/// What a run left on each side.
pub(crate) struct Run<T> {
    pub(crate) results: [T; 2],
    pub(crate) traffic: [Traffic; 2],
    pub(crate) events: [Vec<Event>; 2],
    pub(crate) used: [u64; 2],
}

/// Runs both parties in threads of their own.
pub(crate) fn run<R: Ring, T: Send>(seed: u64, program: impl Fn(&mut TwoParty<'_, R, Ideal>) -> T + Sync) -> Run<T> {
    let mut none = lattice::session(0, seed);
    run_with(&mut none, seed, program)
}

/// The same on keys for products by encryption.
fn run_with<R: Ring, T: Send>(
    [zero_keys, one_keys]: &mut [Lattice; 2],
    seed: u64,
    program: impl Fn(&mut TwoParty<'_, R, Ideal>) -> T + Sync,
) -> Run<T> {
    let (zero, one) = pair();
    let side = |party, channel, keys| {
        let mut channel = Recorder::new(channel);
        let mut engine = TwoParty::new(party, &mut channel, Ideal::new(party, seed)).with_lattice(keys);
        let result = program(&mut engine);
        let used = engine.into_correlations().used;
        (result, channel.traffic(), channel.events().to_vec(), used)
    };
    let (zero, one) = thread::scope(|scope| {
        let other = scope.spawn(|| side(PartyId::ONE, one, one_keys));
        (side(PartyId::ZERO, zero, zero_keys), other.join().expect("the other party finishes"))
    });
    assert_eq!(zero.3, one.3, "both parties took the same transfers");
    Run { results: [zero.0, one.0], traffic: [zero.1, one.1], events: [zero.2, one.2], used: zero.3 }
}

/// A party's part of values in a placement.
pub(crate) fn part<R: Ring>(seat: &impl Seat, placement: Placement, values: &[R], seed: u64) -> Arith<R> {
    let mut masks = ChaCha8Rng::seed_from_u64(seed);
    let words = values.iter().map(|&value| {
        let mask = R::from_u128(u128::from(masks.next_u64()) << 64 | u128::from(masks.next_u64()));
        match placement {
            Placement::Shared if seat.party() == PartyId::ZERO => value.sub(mask),
            Placement::Shared => mask,
            _ if seat.holds(placement) => value,
            _ => R::ZERO,
        }
    });
    Arith { placement, words: words.collect() }
}

fn part_of_bits(seat: &impl Seat, placement: Placement, values: &[u64], len: usize, seed: u64) -> Bits {
    let mut masks = ChaCha8Rng::seed_from_u64(seed);
    let words = values.iter().map(|&value| {
        let mask = masks.next_u64();
        match placement {
            Placement::Shared if seat.party() == PartyId::ZERO => value ^ mask,
            Placement::Shared => mask,
            _ if seat.holds(placement) => value,
            _ => 0,
        }
    });
    Bits::new(placement, len, words.collect())
}

/// The values that the parties' parts make, after a check that they make them as the placement says.
pub(crate) fn join<R: Ring>(parts: &[&Arith<R>; 2]) -> Vec<R> {
    let [zero, one] = parts;
    assert_eq!((zero.placement, zero.len()), (one.placement, one.len()));
    match zero.placement {
        Placement::Public => assert!(zero.words == one.words),
        Placement::Private(owner) => assert!(parts[1 - owner.index()].words.iter().all(|&word| word == R::ZERO)),
        Placement::Shared => {}
    }
    if zero.placement == Placement::Public {
        return zero.words.clone();
    }
    zero.words.iter().zip(&one.words).map(|(a, &b)| a.add(b)).collect()
}

pub(crate) fn join_bits(parts: &[&Bits; 2]) -> Vec<u64> {
    let [zero, one] = parts;
    assert_eq!((zero.placement, zero.len), (one.placement, one.len));
    match zero.placement {
        Placement::Public => return zero.words.clone(),
        Placement::Private(owner) => assert!(parts[1 - owner.index()].words.iter().all(|&word| word == 0)),
        Placement::Shared => {}
    }
    zero.words.iter().zip(&one.words).map(|(a, b)| a ^ b).collect()
}

fn assert_cost<T>(run: &Run<T>, cost: Cost, what: &str) {
    let [zero, one] = run.traffic;
    assert_eq!([zero.sent, one.sent], cost.sent, "bytes of {what}");
    assert_eq!([zero.received, one.received], [cost.sent[1], cost.sent[0]], "bytes of {what}");
    assert_eq!(zero.rounds.max(one.rounds), cost.rounds, "rounds of {what}");
    assert_eq!(run.used, cost.offered, "transfers of {what}");
}

/// The factors of a product that is no square.
fn factors(n: usize, placements: [Placement; 2], bits: (u32, u32)) -> Factors {
    Factors { n, placements, bits: [bits.0, bits.1], square: false }
}

/// Values of at most `bits` bits: the edges of the range, then random ones.
fn values<R: Ring>(n: usize, bits: u32, seed: u64) -> Vec<R> {
    let half = if bits == 128 { i128::MIN } else { -(1i128 << (bits - 1)) };
    let top = -(half + 1);
    let mut edges = vec![0, -1, half, top, half / 2, top / 2, half / 2 - 1, top / 2 + 1];
    edges.extend([1, half + 1, top - 1].into_iter().filter(|edge| (half..=top).contains(edge)));
    edges.retain(|edge| (half..=top).contains(edge));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let random = std::iter::repeat_with(move || {
        let word = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) as i128;
        word >> (128 - bits)
    });
    edges.into_iter().cycle().take(n.min(22)).chain(random).take(n).map(R::from_i128).collect()
}

fn random_bits(n: usize, seed: u64) -> Vec<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let words = (0..n.div_ceil(64)).map(|_| rng.next_u64()).collect();
    Bits::new(Placement::Public, n, words).words
}

const SIZES: [usize; 6] = [0, 1, 63, 64, 65, 1000];

#[test]
fn and_is_that_of_the_interpreter_for_all_placements() {
    for n in SIZES {
        for (p, q) in PLACEMENTS.into_iter().flat_map(|p| PLACEMENTS.map(|q| (p, q))) {
            let (a, b) = (random_bits(n, 1), random_bits(n, 2));
            let run = run::<u64, _>(3, |engine| {
                let (a, b) = (part_of_bits(engine, p, &a, n, 4), part_of_bits(engine, q, &b, n, 5));
                engine.and(&a, &b).expect("and")
            });
            let expected: Vec<_> = a.iter().zip(&b).map(|(a, b)| a & b).collect();
            let [zero, one] = &run.results;
            assert_eq!(join_bits(&[zero, one]), expected, "{n} {p:?} {q:?}");
            assert_eq!(zero.placement, p.join(q));
            assert_cost(&run, cost::and(n, p, q), "and");
        }
    }
}

/// An operation that turns words into bits.
type Bitwise<'o, R> = &'o (dyn Fn(&mut dyn Backend<R>, &Arith<R>) -> Vec<Bits> + Sync);

fn unary<R: Ring>(n: usize, bits: u32, p: Placement) {
    let x = values::<R>(n, bits, u64::from(bits));
    let clear = Arith { placement: p, words: x.clone() };
    let check = |what: &str, cost: Cost, of: Bitwise<'_, R>| {
        let run = run::<R, _>(6, |engine| {
            let x = part(engine, p, &x, 7);
            of(engine, &x)
        });
        let expected = of(&mut Clear, &clear);
        for ((zero, one), expected) in run.results[0].iter().zip(&run.results[1]).zip(&expected) {
            assert_eq!(join_bits(&[zero, one]), expected.words, "{what} of {n} values of {bits} bits, {p:?}");
            assert_eq!(zero.placement, expected.placement);
        }
        assert_eq!(run.results[0].len(), expected.len());
        assert_cost(&run, cost, what);
    };
    check("is_negative", cost::is_negative(n, bits, p), &|engine, x| {
        vec![engine.is_negative(x, bits).expect("is_negative")]
    });
    check("is_zero", cost::is_zero(n, bits, p), &|engine, x| vec![engine.is_zero(x, bits).expect("is_zero")]);
    for count in [1, bits.div_ceil(2), bits, (bits + 3).min(R::BITS)] {
        check("bits_of", cost::bits_of(n, count, bits, p), &|engine, x| {
            engine.bits_of(x, count, bits).expect("bits_of")
        });
    }
    for shift in [0, 1, 7, 18, bits - 1, R::BITS - 2] {
        let run =
            run::<R, _>(8, |engine| engine.floor_shift(&part(engine, p, &x, 9), shift, bits).expect("floor_shift"));
        let expected = Backend::<R>::floor_shift(&mut Clear, &clear, shift, bits).expect("floor_shift");
        assert_eq!(join(&[&run.results[0], &run.results[1]]), expected.words, "shift {shift} of {bits} bits {p:?}");
        assert_cost(&run, cost::floor_shift::<R>(n, shift, bits, p, &mut Means::default()), "floor_shift");
    }
}

#[test]
fn signs_bits_and_exact_shifts_are_those_of_the_interpreter_at_all_widths() {
    for bits in 1..=64 {
        unary::<u64>(90, bits, Placement::Shared);
    }
    for bits in [1, 2, 3, 40, 63, 64, 65, 100, 127, 128] {
        unary::<u128>(90, bits, Placement::Shared);
    }
    for n in SIZES {
        for p in PLACEMENTS {
            unary::<u64>(n, 40, p);
            unary::<u128>(n, 70, p);
        }
    }
}

fn binary<R: Ring>(n: usize, p: Placement, q: Placement) {
    let bits = random_bits(n, 10);
    for columns in [1, 2, 5] {
        let x = values::<R>(n * columns, R::BITS, 11);
        let run = run::<R, _>(12, |engine| {
            let (c, x) = (part_of_bits(engine, p, &bits, n, 13), part(engine, q, &x, 14));
            engine.select(&c, &x).expect("select")
        });
        let (c, x) = (Bits::new(p, n, bits.clone()), Arith { placement: q, words: x });
        let expected = Clear.select(&c, &x).expect("select");
        assert_eq!(join(&[&run.results[0], &run.results[1]]), expected.words, "select {n} {p:?} {q:?} {columns}");
        assert_eq!(run.results[0].placement, expected.placement);
        let columns = if n == 0 { 1 } else { columns };
        assert_cost(&run, cost::select::<R>(n, columns, p, q), "select");
    }
    for widths in [(R::BITS / 2, R::BITS / 2), (1, R::BITS), (20, 3), (R::BITS, R::BITS)] {
        let (a, b) = (values::<R>(n, widths.0, 15), values::<R>(n, widths.1, 16));
        let run = run::<R, _>(17, |engine| {
            let (a, b) = (part(engine, p, &a, 18), part(engine, q, &b, 19));
            engine.multiply(&a, &b, widths.0, widths.1).expect("multiply")
        });
        let expected: Vec<R> = a.iter().zip(&b).map(|(a, &b)| a.mul(b)).collect();
        assert_eq!(join(&[&run.results[0], &run.results[1]]), expected, "product {n} {p:?} {q:?} {widths:?}");
        assert_eq!(run.results[0].placement, p.join(q));
        assert_cost(&run, cost::multiply::<R>(&factors(n, [p, q], widths), &mut Means::default()), "multiply");
    }
}

#[test]
fn selections_and_products_are_those_of_the_interpreter_for_all_placements() {
    for (p, q) in PLACEMENTS.into_iter().flat_map(|p| PLACEMENTS.map(|q| (p, q))) {
        for n in SIZES {
            binary::<u64>(n, p, q);
        }
        binary::<u128>(65, p, q);
    }
}

fn matrices<R: Ring>(shape: MatrixShape, p: Placement, q: Placement, bits: (u32, u32)) {
    let (a, b) =
        (values::<R>(shape.rows * shape.inner, bits.0, 20), values::<R>(shape.inner * shape.columns, bits.1, 21));
    let run = run::<R, _>(22, |engine| {
        let (a, b) = (part(engine, p, &a, 23), part(engine, q, &b, 24));
        engine.matrix_multiply(&a, &b, shape, bits, None).expect("matrix product")
    });
    let (a, b) = (Arith { placement: p, words: a }, Arith { placement: q, words: b });
    let expected = Clear.matrix_multiply(&a, &b, shape, bits, None).expect("matrix product");
    assert_eq!(join(&[&run.results[0], &run.results[1]]), expected.words, "{shape:?} {p:?} {q:?}");
    assert_cost(&run, cost::matrix_multiply::<R>(shape, p, q, bits, None, &mut Means::default()), "matrix product");
}

#[test]
fn matrix_products_are_those_of_the_interpreter_whichever_factor_chooses() {
    for (p, q) in PLACEMENTS.into_iter().flat_map(|p| PLACEMENTS.map(|q| (p, q))) {
        for (rows, inner, columns) in [(3, 4, 5), (7, 2, 1), (1, 9, 3), (2, 0, 3), (2, 3, 0)] {
            matrices::<u64>(MatrixShape { rows, inner, columns }, p, q, (12, 30));
            matrices::<u64>(MatrixShape { rows, inner, columns }, p, q, (30, 12));
        }
        matrices::<u128>(MatrixShape { rows: 3, inner: 2, columns: 4 }, p, q, (40, 50));
    }
    // Too wide for encryption, and more columns than go together.
    let shape = MatrixShape { rows: 1, inner: 2, columns: 5000 };
    matrices::<u128>(shape, Placement::Shared, Placement::Shared, (60, 64));
}

#[test]
fn bits_become_words_in_all_placements() {
    for (n, p) in SIZES.into_iter().flat_map(|n| PLACEMENTS.map(|p| (n, p))) {
        let bits = random_bits(n, 25);
        let run = run::<u64, _>(26, |engine| {
            let a = part_of_bits(engine, p, &bits, n, 27);
            engine.to_arith(&a).expect("to_arith")
        });
        let expected: Vec<u64> = (0..n).map(|i| bits[i / 64] >> (i % 64) & 1).collect();
        assert_eq!(join(&[&run.results[0], &run.results[1]]), expected, "{p:?}");
        assert_eq!(run.results[0].placement, p);
        assert_cost(&run, cost::to_arith::<u64>(n, p, &mut Means::default()), "to_arith");
    }
}

fn truncation_errors<R: Ring>(n: usize, shift: u32, seed: u64) -> [usize; 2] {
    let x = values::<R>(n, R::BITS - 1, seed);
    let run = run::<R, _>(seed, |engine| {
        let x = part(engine, Placement::Shared, &x, seed + 1);
        engine.truncate(&x, shift).expect("truncate")
    });
    assert_cost(&run, cost::truncate(n, shift, Placement::Shared), "truncate");
    let mut errors = [0; 2];
    for (got, x) in join(&[&run.results[0], &run.results[1]]).into_iter().zip(x) {
        let error = (x.to_i128() >> shift) - got.to_i128();
        errors[usize::try_from(error).expect("never above the floor")] += 1;
    }
    errors
}

#[test]
fn truncation_errs_by_nothing_or_one_below_and_never_otherwise() {
    for shift in [1, 2, 17, 18, 36, 61, 62] {
        let [exact, below] = truncation_errors::<u64>(100_000, shift, u64::from(shift));
        // The parts' low bits carry for about half of random values.
        assert!(exact > 40_000 && below > 20_000 / shift as usize, "{shift}: {exact} {below}");
    }
    for shift in [1, 18, 64, 126] {
        truncation_errors::<u128>(20_000, shift, u64::from(shift));
    }
    assert_eq!(truncation_errors::<u64>(10, 0, 1), [10, 0]);
}

fn short_products<R: Ring>(p: Placement, q: Placement, bits: (u32, u32), product_bits: u32, shift: u32) {
    let n = 200;
    let mut pairs: Vec<(R, R)> = values::<R>(n, bits.0, 80).into_iter().zip(values::<R>(n, bits.1, 81)).collect();
    let bound = 1i128 << (product_bits - 1);
    let product = |&(a, b): &(R, R)| a.to_i128() * b.to_i128();
    pairs.retain(|pair| (-bound..bound).contains(&product(pair)));
    assert!(pairs.len() > 50);
    let (a, b): (Vec<R>, Vec<R>) = pairs.iter().copied().unzip();
    let run = run::<R, _>(82, |engine| {
        let (a, b) = (part(engine, p, &a, 83), part(engine, q, &b, 84));
        engine.multiply_truncate(&a, &b, bits, product_bits, shift).expect("product")
    });
    assert_cost(
        &run,
        cost::multiply_truncate::<R>(&factors(a.len(), [p, q], bits), product_bits, shift, &mut Means::default()),
        "short product",
    );
    let got = join(&[&run.results[0], &run.results[1]]);
    for (pair, got) in pairs.iter().zip(got) {
        let error = (product(pair) >> shift) - got.to_i128();
        assert!((0..=1).contains(&error), "{pair:?} {p:?} {q:?} {product_bits} {shift}: {error}");
        assert!(error == 0 || run.results[0].placement == Placement::Shared && p.join(q) == Placement::Shared);
    }
}

#[test]
fn short_products_are_the_floor_or_one_less_for_all_placements() {
    for (p, q) in PLACEMENTS.into_iter().flat_map(|p| PLACEMENTS.map(|q| (p, q))) {
        short_products::<u64>(p, q, (20, 22), 41, 18);
        short_products::<u64>(p, q, (20, 22), 41, 0);
        short_products::<u64>(p, q, (32, 32), 63, 61);
        short_products::<u64>(p, q, (32, 32), 63, 0);
        short_products::<u64>(p, q, (8, 3), 10, 9);
        short_products::<u128>(p, q, (40, 30), 68, 40);
        short_products::<u128>(p, q, (60, 60), 119, 118);
    }
}

#[test]
fn values_are_revealed_to_the_parties_named_and_nothing_is_sent_to_others() {
    for p in PLACEMENTS {
        for to in [&BOTH[..], &BOTH[..1], &BOTH[1..], &[]] {
            for n in [0, 1, 65] {
                let (x, bits) = (values::<u64>(n, 64, 28), random_bits(n, 29));
                let words = run::<u64, _>(30, |engine| {
                    let x = part(engine, p, &x, 31);
                    engine.reveal(&x, to).expect("reveal")
                });
                let packed = run::<u64, _>(30, |engine| {
                    let bits = part_of_bits(engine, p, &bits, n, 31);
                    engine.reveal_bits(&bits, to).expect("reveal")
                });
                for party in BOTH {
                    let named = to.contains(&party);
                    assert_eq!(words.results[party.index()], named.then(|| x.clone()), "{p:?} {to:?}");
                    assert_eq!(packed.results[party.index()], named.then(|| bits.clone()), "{p:?} {to:?}");
                }
                assert_cost(&words, cost::reveal::<u64>(n, p, to), "reveal");
                assert_cost(&packed, cost::reveal_bits(n, p, to), "reveal_bits");
            }
        }
    }
}

#[test]
fn vectors_longer_than_a_tile_go_in_several_exchanges() {
    let n = 600_000;
    let (a, b) = (random_bits(n, 32), random_bits(n, 33));
    let x = values::<u64>(n, 20, 34);
    let run = run::<u64, _>(35, |engine| {
        let (a, b) =
            (part_of_bits(engine, Placement::Shared, &a, n, 36), part_of_bits(engine, Placement::Shared, &b, n, 37));
        let product = engine.and(&a, &b).expect("and");
        let x = part(engine, Placement::Shared, &x, 38);
        let negative = engine.is_negative(&x, 20).expect("is_negative");
        (product, engine.select(&negative, &x).expect("select"))
    });
    let [(zero, least), (one, most)] = &run.results;
    assert_eq!(join_bits(&[zero, one]), a.iter().zip(&b).map(|(a, b)| a & b).collect::<Vec<_>>());
    let expected: Vec<_> = x.iter().map(|&x| if (x as i64) < 0 { x } else { 0 }).collect();
    assert!(join(&[least, most]) == expected);
    let shared = Placement::Shared;
    let cost =
        cost::and(n, shared, shared) + cost::is_negative(n, 20, shared) + cost::select::<u64>(n, 1, shared, shared);
    assert!(cost.rounds > 20, "{cost:?}");
    assert_cost(&run, cost, "tiles");
}

#[test]
fn the_engine_runs_on_transfers_that_the_parties_make_themselves() {
    let (zero, one) = pair();
    let (x, y) = (values::<u64>(300, 20, 90), values::<u64>(300, 20, 91));
    let side = |party: PartyId, mut channel: crate::channel::MemoryChannel| {
        let mut rng = ChaCha20Rng::seed_from_u64(92 + u64::from(party.0));
        let mut transfers = SoftSpoken::establish(&mut channel, party, [9; 32], &mut rng).expect("set-up");
        let mut engine = TwoParty::new(party, &mut channel, &mut transfers);
        let (x, y) =
            (part(&engine, Placement::Shared, &x, 94), part(&engine, Placement::Private(PartyId::ONE), &y, 95));
        let less = engine.is_negative(&x.sub(&engine, &y), 21).expect("is_negative");
        let chosen = engine.select(&less, &x).expect("select");
        let product = engine.multiply(&chosen, &y, 20, 20).expect("multiply");
        engine.reveal(&product, &BOTH).expect("reveal")
    };
    let results = thread::scope(|scope| {
        let other = scope.spawn(|| side(PartyId::ONE, one));
        [side(PartyId::ZERO, zero), other.join().expect("the other party finishes")]
    });
    let expected = |(&x, &y): (&u64, &u64)| if (x as i64) < y as i64 { x.wrapping_mul(y) } else { 0 };
    let expected: Vec<u64> = x.iter().zip(&y).map(expected).collect();
    assert_eq!(results, [Some(expected.clone()), Some(expected)]);
}

/// Operations of several lengths and kinds side by side, then one alone.
fn side_by_side(backend: &mut dyn Backend<u64>, x: &[Arith<u64>], needs: &[Needs]) -> Vec<Bits> {
    let mut results: Vec<Option<Bits>> = x.iter().map(|_| None).collect();
    let jobs = x.iter().zip(&mut results).enumerate().map(|(place, (x, result))| -> Job<'_, u64> {
        Box::new(move |backend| {
            let negative = backend.is_negative(x, 30 + place as u32)?;
            let chosen = backend.select(&negative, x)?;
            *result = Some(backend.is_zero(&chosen, 30)?);
            Ok(())
        })
    });
    backend.together(needs, jobs.collect()).expect("side by side");
    results.into_iter().map(|bits| bits.expect("ran")).collect()
}

#[test]
fn operations_side_by_side_share_exchanges_and_give_what_they_give_alone() {
    let x: Vec<Vec<u64>> = [1, 64, 0, 300, 17].into_iter().enumerate().map(|(i, n)| values(n, 29, i as u64)).collect();
    let clear: Vec<_> = x.iter().map(|x| Arith { placement: Placement::Shared, words: x.clone() }).collect();
    let shared = Placement::Shared;
    let costs: Vec<Cost> = (0..x.len())
        .map(|place| {
            let n = x[place].len();
            cost::is_negative(n, 30 + place as u32, shared)
                + cost::select::<u64>(n, 1, shared, shared)
                + cost::is_zero(n, 30, shared)
        })
        .collect();
    let needs: Vec<Needs> = costs.iter().map(|cost| Needs { offered: cost.offered, ..Needs::default() }).collect();
    let program = |engine: &mut TwoParty<'_, u64, Ideal>| {
        let x: Vec<_> = x.iter().enumerate().map(|(i, x)| part(engine, shared, x, 60 + i as u64)).collect();
        let together = side_by_side(engine, &x, &needs);
        (together, engine.is_zero(&x[3], 29).expect("alone"))
    };
    let run = run::<u64, _>(61, program);
    let [(zero, alone), (one, alone_too)] = &run.results;
    let expected = side_by_side(&mut Clear, &clear, &needs);
    for ((zero, one), expected) in zero.iter().zip(one).zip(&expected) {
        assert_eq!(join_bits(&[zero, one]), expected.words);
    }
    let zeros: Vec<bool> = x[3].iter().map(|x| x & ((1 << 29) - 1) == 0).collect();
    assert_eq!(join_bits(&[alone, alone_too]), crate::share::pack(&zeros));
    let together = costs.iter().copied().fold(Cost::default(), Cost::beside);
    assert!(together.rounds < costs.iter().copied().sum::<Cost>().rounds / 2);
    assert_cost(&run, together + cost::is_zero(300, 29, shared), "operations side by side");
    assert_eq!(run.events, super::tests::run::<u64, _>(61, program).events, "threads do not reorder anything");
}

/// Every operation once, on secrets of one shape.
fn everything<R: Ring>(engine: &mut TwoParty<'_, R, Ideal>, x: &[R], c: &[u64]) {
    let n = x.len();
    for p in [Placement::Shared, Placement::Private(PartyId::ONE)] {
        let (x, y) = (part(engine, p, x, 40), part(engine, Placement::Shared, x, 41));
        let c = part_of_bits(engine, p, c, n, 42);
        engine.and(&c, &c).expect("and");
        engine.to_arith(&c).expect("to_arith");
        engine.select(&c, &y).expect("select");
        engine.multiply(&x, &y, 40, 40).expect("multiply");
        let shape = MatrixShape { rows: 1, inner: n, columns: 1 };
        engine.matrix_multiply(&x, &y, shape, (40, 40), None).expect("matrix product");
        engine.is_negative(&x, 40).expect("is_negative");
        engine.is_zero(&x, 40).expect("is_zero");
        engine.truncate(&x, 18).expect("truncate");
        engine.floor_shift(&x, 18, 40).expect("floor_shift");
        engine.bits_of(&x, 40, 40).expect("bits_of");
        engine.reveal(&x, &BOTH).expect("reveal");
        engine.reveal_bits(&c, &BOTH[..1]).expect("reveal");
    }
}

/// CHK-604: sizes, directions and order depend on shapes only.
#[test]
fn transcripts_do_not_depend_on_secrets() {
    let transcript = |x: Vec<u64>, c: Vec<u64>, seed| run::<u64, _>(seed, |engine| everything(engine, &x, &c)).events;
    let zeros = transcript(vec![0; 100], vec![0; 2], 43);
    assert!(zeros[0].len() > 50);
    assert_eq!(zeros, transcript(vec![u64::MAX; 100], vec![u64::MAX, (1 << 36) - 1], 43));
    assert_eq!(zeros, transcript(values(100, 40, 44), random_bits(100, 45), 46));
}

/// Chi-square of the bytes of one party's shares against the uniform distribution; 255 degrees of freedom. The bound
/// is passed with probability 1 - 2^-20 by uniform bytes; seeds are fixed.
fn assert_uniform(words: &[u64], what: &str) {
    for byte in 0..8 {
        let mut counts = [0u64; 256];
        words.iter().for_each(|word| counts[(word >> (8 * byte)) as usize & 255] += 1);
        let expected = words.len() as f64 / 256.0;
        let chi: f64 = counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum();
        assert!(chi < 372.0, "byte {byte} of the shares of {what}: {chi}");
    }
}

#[test]
fn shares_of_results_are_uniform_whatever_the_values_are() {
    let n = 1 << 17;
    let run = run::<u64, _>(47, |engine| {
        let x = part(engine, Placement::Private(PartyId::ZERO), &vec![5u64; n], 48);
        let y = part(engine, Placement::Private(PartyId::ONE), &vec![u64::MAX - 2; n], 49);
        let shared = part(engine, Placement::Shared, &vec![1 << 30; n], 50);
        let c = part_of_bits(engine, Placement::Private(PartyId::ONE), &vec![u64::MAX; n / 64], n, 51);
        let d = part_of_bits(engine, Placement::Private(PartyId::ZERO), &vec![0; n / 64], n, 52);
        let negative = engine.is_negative(&shared, 40).expect("is_negative");
        let words = vec![
            ("products", engine.multiply(&x, &y, 4, 3).expect("multiply")),
            ("selections", engine.select(&c, &x).expect("select")),
            ("shared selections", engine.select(&negative, &shared).expect("select")),
            ("bits as words", engine.to_arith(&negative).expect("to_arith")),
            ("truncations", engine.truncate(&shared, 18).expect("truncate")),
            ("floors", engine.floor_shift(&shared, 18, 40).expect("floor_shift")),
        ];
        let mut bits = vec![
            ("conjunctions", engine.and(&c, &d).expect("and")),
            ("signs", negative),
            ("zeros", engine.is_zero(&shared, 40).expect("is_zero")),
        ];
        bits.extend(engine.bits_of(&shared, 3, 40).expect("bits_of").into_iter().map(|bits| ("bits", bits)));
        (words, bits)
    });
    for (words, bits) in &run.results {
        words.iter().for_each(|(what, words)| assert_uniform(&words.words, what));
        for (what, bits) in bits {
            let ones: u32 = bits.words.iter().map(|word| word.count_ones()).sum();
            let deviation = (f64::from(ones) - n as f64 / 2.0).abs() / (n as f64 / 4.0).sqrt();
            assert!(deviation < 5.0, "bias of the shares of {what}: {deviation} sigma");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_values_of_random_widths_go_through_every_operation(
        seed in any::<u64>(), bits in 2u32..=62, shift in 0u32..62, n in 1usize..40,
    ) {
        let x = values::<u64>(n, bits, seed);
        let run = run::<u64, _>(seed, |engine| {
            let x = part(engine, Placement::Shared, &x, seed ^ 1);
            let negative = engine.is_negative(&x, bits).expect("is_negative");
            let below = engine.select(&negative, &x).expect("select");
            let product = engine.multiply(&x, &below, bits, bits).expect("multiply");
            (below, product, engine.floor_shift(&x, shift, bits).expect("floor_shift"))
        });
        let [zero, one] = &run.results;
        let below: Vec<u64> = x.iter().map(|&x| if (x as i64) < 0 { x } else { 0 }).collect();
        prop_assert_eq!(join(&[&zero.1, &one.1]), x.iter().zip(&below).map(|(a, b)| a.wrapping_mul(*b)).collect::<Vec<_>>());
        prop_assert_eq!(join(&[&zero.0, &one.0]), below);
        prop_assert_eq!(join(&[&zero.2, &one.2]), x.iter().map(|&x| ((x as i64) >> shift) as u64).collect::<Vec<_>>());
    }
}

#[test]
fn products_of_many_elements_are_those_of_the_interpreter_and_cost_what_was_counted() {
    let mut keys = lattice::session(9, 1);
    let private = Placement::Private(PartyId::ZERO);
    let cases = [
        (2 * SLOTS, Placement::Shared, Placement::Shared),
        (2 * SLOTS + 100, Placement::Shared, private),
        (3 * SLOTS - 10, Placement::Private(PartyId::ONE), private),
        (18 * SLOTS + 1, private, Placement::Shared),
    ];
    for (n, p, q) in cases {
        let (widths, a, b) = ((25, 33), values::<u64>(n, 25, 3), values::<u64>(n, 33, 4));
        let expected: Vec<u64> = a.iter().zip(&b).map(|(a, b)| a.wrapping_mul(*b)).collect();
        let run = run_with(&mut keys, 5, |engine| {
            let (a, b) = (part(engine, p, &a, 1), part(engine, q, &b, 2));
            engine.multiply(&a, &b, widths.0, widths.1).expect("the peer is honest")
        });
        assert!(join(&[&run.results[0], &run.results[1]]) == expected, "{n} elements");
        let cost = cost::multiply::<u64>(&factors(n, [p, q], widths), &mut Means::default());
        assert!(cost.batches >= 2, "{n} elements go by encryption");
        assert_cost(&run, cost, "multiply");
    }
}

#[test]
fn squares_and_short_products_of_many_elements_cost_less_and_are_right() {
    let mut keys = lattice::session(9, 2);
    let n = 2 * SLOTS + 5000;
    let a = values::<u64>(n, 25, 7);
    let run = run_with(&mut keys, 6, |engine| {
        let a = part(engine, Placement::Shared, &a, 1);
        let square = engine.multiply(&a, &a, 25, 25).expect("the peer is honest");
        engine.multiply_truncate(&a, &a, (25, 25), 50, 18).map(|short| (square, short)).expect("the peer is honest")
    });
    let [zero, one] = &run.results;
    let (squares, short) = (join(&[&zero.0, &one.0]), join(&[&zero.1, &one.1]));
    for ((a, square), short) in a.iter().zip(squares).zip(short) {
        assert_eq!(a.wrapping_mul(*a), square);
        assert!([0, 1].contains(&(square >> 18).wrapping_sub(short)), "{a}: {short}");
    }
    let shared = Placement::Shared;
    let product = factors(n, [shared; 2], (25, 25));
    let squares = Factors { square: true, ..product };
    let square = cost::multiply::<u64>(&squares, &mut Means::default());
    let short = cost::multiply_truncate::<u64>(&squares, 50, 18, &mut Means::default());
    assert_cost(&run, square + short, "squares");
    assert!(3 * square.bytes() < 2 * cost::multiply::<u64>(&product, &mut Means::default()).bytes());
    assert_eq!((square.batches, square.offered), (3, [0; 2]), "the rest is large enough for a batch");
}

#[test]
fn products_of_narrow_values_cost_little_more_in_wide_words() {
    let shared = [Placement::Shared; 2];
    for (n, bits) in [(100, 25), (5_000, 30), (100_000, 25)] {
        let product = factors(n, shared, (bits, bits));
        let [narrow, wide] =
            [cost::multiply::<u64>, cost::multiply::<u128>].map(|of| of(&product, &mut Means::default()));
        assert!(2 * wide.bytes() < 3 * narrow.bytes(), "{n} of {bits} bits: {narrow:?} {wide:?}");
    }
}

/// Products by encryption of each kind; the results are on `engine`'s side.
fn products_by_encryption(engine: &mut TwoParty<'_, u64, Ideal>, x: &[u64]) -> Vec<(&'static str, Arith<u64>)> {
    let shared = part(engine, Placement::Shared, x, 1);
    let private = part(engine, Placement::Private(PartyId::ONE), x, 2);
    let shape = MatrixShape { rows: x.len() / 64, inner: 64, columns: 1 };
    let (narrow, wide) = (Arith { placement: Placement::Shared, words: private.words[..64].to_vec() }, (32, 32));
    let repeat = Repeat { group: 1, left: true, products: 9 };
    let mut again = || engine.matrix_multiply(&shared, &narrow, shape, wide, Some(repeat)).expect("matrix_multiply");
    vec![
        ("matrix products whose factor is kept", again()),
        ("matrix products whose factor was kept", again()),
        ("products", engine.multiply(&shared, &private, 64, 64).expect("multiply")),
        ("squares", engine.multiply(&shared, &shared, 64, 64).expect("multiply")),
        ("matrix products", engine.matrix_multiply(&shared, &narrow, shape, wide, None).expect("matrix_multiply")),
        (
            "short matrix products",
            engine.matrix_multiply(&shared, &narrow, shape, (20, 20), None).expect("matrix_multiply"),
        ),
    ]
}

#[test]
fn transcripts_and_shares_of_products_by_encryption_do_not_depend_on_secrets() {
    let size = KeySize { limbs: 9, packed_limbs: 7, levels: 14 };
    let mut keys = lattice::session_of(size, 5);
    let n = 2 * SLOTS;
    let mut run = |x: Vec<u64>| run_with(&mut keys, 60, |engine| products_by_encryption(engine, &x));
    let zeros = run(vec![0; n]);
    assert!(zeros.events[0].len() >= 16);
    assert_eq!(zeros.events, run(values(n, 64, 61)).events);
    let ones = run(vec![u64::MAX; n]);
    assert_eq!(zeros.events, ones.events);
    for result in zeros.results.iter().chain(&ones.results) {
        for (what, share) in result.iter().filter(|(_, share)| share.len() == n) {
            assert_uniform(&share.words, what);
        }
        let matrices: Vec<u64> =
            result.iter().filter(|(_, share)| share.len() < n).flat_map(|(_, share)| share.words.clone()).collect();
        assert_uniform(&matrices, "matrix products");
    }
}

#[test]
fn the_way_of_a_product_follows_from_the_pace() {
    let profile = |core_speed, bandwidth| [Profile { core_speed, round_trip: 10, bandwidth }; 2];
    let product = factors(4000, [Placement::Shared; 2], (30, 30));
    let batches = |core_speed, bandwidth| {
        cost::multiply::<u64>(&product, &mut Means::at(Pace::of(&profile(core_speed, bandwidth)))).batches
    };
    // A batch has more bytes than so many transfers and takes less work.
    assert_eq!(batches(10, 30), 1, "where bytes are cheap");
    assert_eq!(batches(10, 22), 0, "where they are dear");
    assert_eq!(batches(5, 22), 1, "unless work is dearer");
    let few = factors(100, [Placement::Shared; 2], (30, 30));
    assert_eq!(
        cost::multiply::<u64>(&few, &mut Means::at(Pace::of(&profile(10, 30)))).batches,
        0,
        "a few go by transfers"
    );
}

/// Operations with items that were made before, of which there are enough for all.
fn with_stock<R: Ring, T: Send>(
    kinds: &[Kind],
    program: impl Fn(&mut TwoParty<'_, R, Ideal>) -> T + Sync,
) -> (Run<T>, [Counts; 2]) {
    let chunks: Vec<(Kind, u64)> = kinds.iter().map(|kind| (*kind, 6)).collect();
    let stocks = dealt_stocks(&chunks, 11).map(|stock| Mutex::new(Some(stock)));
    let left = [(); 2].map(|()| Mutex::new(Counts::default()));
    let run = run::<R, _>(8, |engine| {
        let place = engine.party().index();
        let stock = stocks[place].lock().expect("no panic").take().expect("once");
        let all = stock.counts();
        engine.stock = stock;
        engine.allow(&all);
        let result = program(engine);
        *left[place].lock().expect("no panic") = engine.stock.counts();
        result
    });
    (run, left.map(|left| left.into_inner().expect("no panic")))
}

fn stocked(kinds: &[Kind]) -> Means {
    let counts = kinds.iter().map(|kind| (*kind, 6 * kind.chunk())).collect();
    Means::new(Pace::default(), Ready::Counted(counts))
}

#[test]
fn products_with_triples_are_those_of_the_interpreter_and_cost_what_was_counted() {
    fn check<R: Ring>(n: usize, p: Placement, q: Placement, bits: (u32, u32), width: u32) {
        let kinds = [Kind::triples(width)];
        let (a, b) = (values::<R>(n, bits.0, 3), values::<R>(n, bits.1, 4));
        let (run, left) = with_stock(&kinds, |engine: &mut TwoParty<'_, R, Ideal>| {
            let (a, b) = (part(engine, p, &a, 1), part(engine, q, &b, 2));
            engine.multiply_within(&a, &b, bits, width).expect("the peer is honest")
        });
        let low = |words: Vec<R>| -> Vec<R> { words.into_iter().map(|word| word.low(width)).collect() };
        let expected = low(a.iter().zip(&b).map(|(a, b)| a.mul(*b)).collect());
        assert!(low(join(&[&run.results[0], &run.results[1]])) == expected, "{n} elements of {width} bits");
        let mut means = stocked(&kinds);
        let cost = cost::multiply_within(&factors(n, [p, q], bits), width, &mut means);
        assert_cost(&run, cost, "products with triples");
        assert_eq!(means.taken().of(kinds[0]), n as u64);
        assert_eq!(left[0].of(kinds[0]), 6 * kinds[0].chunk() - n as u64);
        assert_eq!(left[0], left[1]);
        assert_eq!((cost.offered, cost.batches), ([0; 2], 0));
    }
    let shared = Placement::Shared;
    check::<u64>(1000, shared, shared, (30, 30), 64);
    check::<u64>(300_000, shared, shared, (20, 25), 47);
    check::<u64>(700, Placement::Private(PartyId::ONE), shared, (40, 40), 64);
    check::<u128>(1000, shared, shared, (60, 60), 128);
    check::<u128>(1000, shared, shared, (45, 45), 92);
    check::<u128>(1000, shared, shared, (20, 20), 42);
}

#[test]
fn bits_become_words_with_random_ones_at_a_bit_each() {
    fn check<R: Ring>(n: usize) {
        let kinds = [Kind::Bits { word: R::BITS }];
        let bits = random_bits(n, 5);
        let (run, left) = with_stock(&kinds, |engine: &mut TwoParty<'_, R, Ideal>| {
            let bits = part_of_bits(engine, Placement::Shared, &bits, n, 6);
            engine.to_arith(&bits).expect("the peer is honest")
        });
        let words = join(&[&run.results[0], &run.results[1]]);
        for (i, word) in words.into_iter().enumerate() {
            assert_eq!(word, R::from_u128(u128::from(bits[i / 64] >> (i % 64) & 1)), "{i}");
        }
        let cost = cost::to_arith::<R>(n, Placement::Shared, &mut stocked(&kinds));
        assert_cost(&run, cost, "words of bits");
        assert_eq!((cost.sent, cost.rounds), ([n.div_ceil(8) as u64; 2], 1));
        assert_eq!(left[1].of(kinds[0]), 6 * kinds[0].chunk() - n as u64);
    }
    check::<u64>(1000);
    check::<u64>(70_001);
    check::<u128>(65);
}

#[test]
fn matrix_products_with_a_triple_are_those_of_the_interpreter_and_cost_what_was_counted() {
    fn check<R: Ring>(p: Placement, q: Placement, bits: (u32, u32)) {
        let shape = MatrixShape { rows: 40, inner: 30, columns: 20 };
        let kinds = [Kind::matrix_triples(shape).expect("small enough")];
        let (a, b) = (values::<R>(1200, bits.0, 3), values::<R>(600, bits.1, 4));
        let (run, left) = with_stock(&kinds, |engine: &mut TwoParty<'_, R, Ideal>| {
            let (a, b) = (part(engine, p, &a, 1), part(engine, q, &b, 2));
            engine.matrix_multiply(&a, &b, shape, bits, None).expect("the peer is honest")
        });
        assert!(join(&[&run.results[0], &run.results[1]]) == crate::clear::local_matrix_product(&a, &b, shape));
        let cost = cost::matrix_multiply::<R>(shape, p, q, bits, None, &mut stocked(&kinds));
        assert_cost(&run, cost, "matrix products with triples");
        assert_eq!(left[0].of(kinds[0]), 5);
    }
    let (shared, private) = (Placement::Shared, Placement::Private(PartyId::ZERO));
    check::<u64>(shared, shared, (32, 32));
    check::<u64>(shared, private, (20, 20));
    check::<u128>(private, shared, (24, 24));
    check::<u64>(shared, shared, (60, 64));
}

#[test]
fn what_is_opened_with_items_does_not_depend_on_secrets_and_shares_are_uniform() {
    let kinds = [Kind::triples(64), Kind::Bits { word: 64 }];
    let n: usize = 20_000;
    let run = |x: &[u64]| {
        with_stock(&kinds, |engine: &mut TwoParty<'_, u64, Ideal>| {
            let words = part(engine, Placement::Shared, x, 1);
            let bits = part_of_bits(engine, Placement::Shared, &x[..n.div_ceil(64)], n, 2);
            let product = engine.multiply(&words, &words, 64, 64).expect("the peer is honest");
            (product, engine.to_arith(&bits).expect("the peer is honest"))
        })
        .0
    };
    let (zeros, ones) = (run(&vec![0; n]), run(&vec![u64::MAX; n]));
    assert_eq!(zeros.events, ones.events);
    for (product, words) in zeros.results.iter().chain(&ones.results) {
        assert_uniform(&product.words, "products");
        assert_uniform(&words.words, "words of bits");
    }
}

#[test]
fn lanes_take_items_of_their_own() {
    let kind = Kind::triples(64);
    let x: Vec<Vec<u64>> = [100, 3000, 7].into_iter().map(|n| values(n, 30, n as u64)).collect();
    let (run, left) = with_stock(&[kind], |engine: &mut TwoParty<'_, u64, Ideal>| {
        let x: Vec<_> = x.iter().map(|x| part(engine, Placement::Shared, x, 5)).collect();
        let counts = |x: &Arith<u64>| [(kind, x.len() as u64)].into_iter().collect();
        let needs: Vec<Needs> = x.iter().map(|x| Needs { counts: counts(x), ..Needs::default() }).collect();
        let mut results: Vec<Option<Arith<u64>>> = vec![None; x.len()];
        let jobs = x.iter().zip(&mut results).map(|(x, result)| -> Job<'_, u64> {
            Box::new(move |backend| {
                *result = Some(backend.multiply(x, x, 30, 30)?);
                Ok(())
            })
        });
        engine.together(&needs, jobs.collect()).expect("side by side");
        results.into_iter().map(|result| result.expect("ran")).collect::<Vec<_>>()
    });
    for (place, x) in x.iter().enumerate() {
        let product = join(&[&run.results[0][place], &run.results[1][place]]);
        assert_eq!(product, x.iter().map(|x| x.wrapping_mul(*x)).collect::<Vec<_>>());
    }
    assert_eq!(left[0].of(kind), 6 * kind.chunk() - 3107);
    assert_eq!(run.traffic[0].rounds, 1);
}
