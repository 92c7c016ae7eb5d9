//! The alignment against plain set intersection, and against a peer that deviates.

use std::collections::BTreeSet;
use std::thread;

use curve25519_dalek::ristretto::RistrettoPoint;
use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;
use crate::channel::{self, Event, MemoryChannel, Recorder};

const SESSION: [u8; 32] = [6; 32];

fn run<C: Channel>(channel: &mut C, party: PartyId, keys: &[Vec<u8>], peer: usize, seed: u64) -> Result<Vec<u32>> {
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut rng = ChaCha12Rng::seed_from_u64(2 * seed + u64::from(party.0));
    align(channel, party, &keys, peer as u64, &SESSION, &mut rng)
}

/// Both parties' rows for these keys.
fn rows(zero: &[Vec<u8>], one: &[Vec<u8>], seed: u64) -> [Vec<u32>; 2] {
    let (mut a, mut b) = channel::pair();
    thread::scope(|scope| {
        let other = scope.spawn(move || run(&mut b, PartyId::ONE, one, zero.len(), seed));
        let mine = run(&mut a, PartyId::ZERO, zero, one.len(), seed).expect("honest");
        [mine, other.join().expect("no panic").expect("honest")]
    })
}

fn keys(range: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    range.map(|key| format!("customer-{key}").into_bytes()).collect()
}

fn check_against_intersection(zero: &[Vec<u8>], one: &[Vec<u8>], seed: u64) {
    let [left, right] = rows(zero, one, seed);
    let left: Vec<_> = left.iter().map(|row| &zero[*row as usize]).collect();
    let right: Vec<_> = right.iter().map(|row| &one[*row as usize]).collect();
    assert_eq!(left, right, "row by row the same keys");
    let found: BTreeSet<_> = left.iter().copied().collect();
    assert_eq!(found.len(), left.len(), "each key once");
    let expected = zero.iter().collect::<BTreeSet<_>>().intersection(&one.iter().collect()).copied().collect();
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn finds_the_intersection_of_any_two_sets(
        zero in prop::collection::btree_set(prop::collection::vec(0u8..4, 0..4), 0..40),
        one in prop::collection::btree_set(prop::collection::vec(0u8..4, 0..4), 0..40),
        seed: u64,
    ) {
        let (zero, one): (Vec<_>, Vec<_>) = (zero.into_iter().collect(), one.into_iter().collect());
        check_against_intersection(&zero, &one, seed / 4);
    }
}

#[test]
fn handles_empty_sets_single_keys_and_disjoint_sets() {
    let none = keys(0..0);
    for (zero, one) in [
        (none.clone(), none.clone()),
        (none.clone(), keys(0..3)),
        (keys(0..3), none),
        (keys(7..8), keys(7..8)),
        (keys(7..8), keys(8..9)),
        (keys(0..50), keys(50..100)),
    ] {
        check_against_intersection(&zero, &one, 1);
    }
}

#[test]
fn handles_sets_of_several_batches_and_unequal_sizes() {
    let size = BATCH as u32;
    check_against_intersection(&keys(0..size + 1), &keys(size - 5..size + 3), 2);
    check_against_intersection(&keys(0..100), &keys(50..2 * size + 51), 3);
}

#[test]
fn the_order_of_the_rows_follows_neither_table_and_is_fresh_each_run() {
    let both = keys(0..64);
    let [first, _] = rows(&both, &both, 4);
    let [second, _] = rows(&both, &both, 5);
    assert_ne!(first, second);
    assert!(!first.is_sorted() && !second.is_sorted());
}

// CHK-503
#[test]
fn two_runs_on_the_same_keys_send_unlinkable_points() {
    let sent = |seed| {
        let (mut a, mut b) = channel::pair();
        thread::scope(|scope| {
            scope.spawn(move || run(&mut b, PartyId::ONE, &keys(0..4), 4, seed));
            // Plays party 0 up to the points, which party 1 sends before it waits for any.
            let opening = opening([4, 4]);
            a.send(&opening).expect("open");
            a.receive(&mut [0; 32]).expect("sent");
            let mut points = [[0; POINT_BYTES]; 4];
            a.receive(points.as_flattened_mut()).expect("sent");
            drop(a);
            points
        })
    };
    let (first, second) = (sent(6), sent(7));
    assert!(first.iter().all(|point| !second.contains(point)));
}

// CHK-501
#[test]
fn own_duplicates_are_refused_before_anything_is_sent() {
    let (mut a, mut b) = channel::pair();
    let mut doubled = keys(0..10);
    doubled.extend(keys(3..6));
    let error = run(&mut a, PartyId::ZERO, &doubled, 5, 8).expect_err("three repeat");
    assert_eq!(error.code().as_str(), "ALIGN_DUPLICATE_KEYS");
    assert!(error.to_string().contains("3 rows"), "{error}");
    assert_eq!(a.traffic().sent, 0);
    drop(a);
    assert_eq!(b.receive(&mut [0]).expect_err("nothing came").code().as_str(), "CHANNEL_CLOSED");
}

// CHK-502
#[test]
fn parties_that_disagree_about_a_count_send_no_point() {
    let (mut a, mut b) = channel::pair();
    thread::scope(|scope| {
        let other = scope.spawn(move || run(&mut b, PartyId::ONE, &keys(0..6), 3, 9));
        let error = run(&mut a, PartyId::ZERO, &keys(0..3), 5, 9).expect_err("5 is not 6");
        assert_eq!(error.code().as_str(), "ALIGN_SIZE");
        assert_eq!(a.traffic().sent, 32);
        assert_eq!(other.join().expect("no panic").expect_err("6 is not 5").code().as_str(), "ALIGN_SIZE");
    });
    let (mut a, _b) = channel::pair();
    let mut rng = ChaCha12Rng::seed_from_u64(0);
    let error = align(&mut a, PartyId::ZERO, &[], u64::MAX, &SESSION, &mut rng).expect_err("beyond any table");
    assert_eq!(error.code().as_str(), "ALIGN_SIZE");
}

fn opening([zero, one]: [u64; 2]) -> [u8; 32] {
    domain_hash("tacit/mpc/align/1", &[&SESSION, &zero.to_le_bytes(), &one.to_le_bytes()])
}

/// What party 0 with three keys ends with when party 1 sends these points, then these tags.
fn against(points: [[u8; POINT_BYTES]; 3], tags: [Tag; 3]) -> (Result<Vec<u32>>, u64) {
    let (mut a, mut b) = channel::pair();
    b.send(&opening([3, 3])).expect("open");
    b.send(points.as_flattened()).expect("open");
    b.send(bytemuck::cast_slice(&tags)).expect("open");
    b.flush().expect("open");
    let outcome = run(&mut a, PartyId::ZERO, &keys(0..3), 3, 10);
    (outcome, a.traffic().sent)
}

fn valid_points() -> [[u8; POINT_BYTES]; 3] {
    [1u64, 2, 3].map(|n| RistrettoPoint::mul_base(&Scalar::from(n)).compress().to_bytes())
}

// CHK-502, attack 43
#[test]
fn a_bad_the_identity_and_a_repeated_point_are_refused_before_any_tag_is_sent() {
    let before_tags = 32 + 3 * POINT_BYTES as u64;
    let cases = [([0xff; 32], "ALIGN_POINT"), ([0; 32], "ALIGN_POINT"), (valid_points()[0], "ALIGN_REPEAT")];
    for (point, code) in cases {
        let mut points = valid_points();
        points[2] = point;
        let (outcome, sent) = against(points, [1, 2, 3]);
        assert_eq!(outcome.expect_err("a bad point").code().as_str(), code);
        assert_eq!(sent, before_tags);
    }
    assert!(against(valid_points(), [1, 2, 3]).0.expect("well-formed").is_empty());
}

// CHK-502, attack 43
#[test]
fn a_repeated_tag_is_refused() {
    let (outcome, _) = against(valid_points(), [1, 2, 1]);
    assert_eq!(outcome.expect_err("a tag twice").code().as_str(), "ALIGN_REPEAT");
}

#[test]
fn sizes_and_order_on_the_wire_do_not_depend_on_keys_or_overlap() {
    let record = |zero: Vec<Vec<u8>>, one: Vec<Vec<u8>>, seed| -> [Vec<Event>; 2] {
        let (a, b): (MemoryChannel, MemoryChannel) = channel::pair();
        let (mut a, mut b) = (Recorder::new(a), Recorder::new(b));
        thread::scope(|scope| {
            let (zero, one) = (&zero, &one);
            let other = scope.spawn(move || {
                run(&mut b, PartyId::ONE, one, zero.len(), seed).expect("honest");
                b.events().to_vec()
            });
            run(&mut a, PartyId::ZERO, zero, one.len(), seed).expect("honest");
            [a.events().to_vec(), other.join().expect("no panic")]
        })
    };
    let all = record(keys(0..200), keys(0..300), 11);
    assert!(!all[0].is_empty());
    assert_eq!(all, record(keys(0..200), keys(500..800), 12));
}
