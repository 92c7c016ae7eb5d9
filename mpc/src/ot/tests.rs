//! Silent transfers against the ideal functionality, the cost functions, tampering and each level of instructions.

use std::thread;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use tacit_protocol::PartyId;
use tacit_simd::Level;

use super::ferret::Work;
use super::silent::{Expected, Silent, chain};
use super::testing::{Digesting, Tampering, both};
use super::{cost, ferret, ideal, softspoken};
use crate::channel::{self, Channel, Layered, Recorder};
use crate::correlations::{Correlations, Pieces};
use crate::error::{Error, Result};
use crate::params::{S9, S11, SILENT_LEAST};

const SESSION: [u8; 32] = [6; 32];

/// What a round of each set leaves.
const S9_STOCK: usize = S9.outputs() - S9.inputs();
const S11_STOCK: usize = S11.outputs() - S11.inputs();

fn work() -> Work {
    Work { level: Level::detect(), parallel: false }
}

fn establish<C: Channel>(channel: &mut C, party: PartyId, seed: u64, offered: [u64; 2], work: Work) -> Result<Silent> {
    let mut rng = ChaCha12Rng::seed_from_u64(2 * seed + u64::from(party.0));
    Silent::establish_with(channel, party, SESSION, Expected { offered }, work, &mut rng)
}

/// What a party has of each direction, by the party that offers: its offset if that is this one, and the transfers.
type Held = [(Option<u128>, Vec<u128>); 2];

/// Draws transfers in requests of the given sizes in both directions in turns.
fn draw<C: Channel>(channel: &mut C, party: PartyId, transfers: &mut Silent, sizes: &[[usize; 2]]) -> Result<Held> {
    let mut held: Held = [(None, Vec::new()), (None, Vec::new())];
    for request in sizes {
        for offerer in [PartyId::ZERO, PartyId::ONE] {
            let (offset, all) = &mut held[offerer.index()];
            let start = all.len();
            all.resize(start + request[offerer.index()], 0);
            if offerer == party {
                *offset = Some(transfers.offset());
                transfers.send_correlated(channel, &mut all[start..])?;
            } else {
                transfers.receive_correlated(channel, &mut all[start..])?;
            }
        }
    }
    Ok(held)
}

fn check(zero: &Held, one: &Held) {
    for ((zero_offset, zero), (one_offset, one)) in zero.iter().zip(one) {
        match (zero_offset, one_offset) {
            (Some(offset), None) => ideal::check_correlated(*offset, zero, one),
            (None, Some(offset)) => ideal::check_correlated(*offset, one, zero),
            _ => panic!("one party offers"),
        }
    }
}

#[test]
fn behaves_as_the_ideal_functionality_on_every_chain_and_across_rounds() {
    let small = [S9_STOCK as u64, 1000];
    let large = [S9_STOCK as u64 + 1, SILENT_LEAST];
    for (offered, sizes) in [
        ([0; 2], vec![[5, 0], [9000, 1]]),
        (small, vec![[1, 7], [511, 9000], [512, 0], [100_000, 64], [2 * S9_STOCK, 3]]),
        (large, vec![[3, S9_STOCK], [S11_STOCK - 3, 1], [1, 1], [5000, 513]]),
    ] {
        let ((zero, _), (one, _)) = both(channel::pair(), |c, party| {
            let mut transfers = establish(c, party, 1, offered, work()).expect("honest");
            draw(c, party, &mut transfers, &sizes).expect("honest")
        });
        check(&zero, &one);
    }
}

#[test]
fn pieces_are_the_transfers_that_requests_would_have_filled_in() {
    // Pieces that divide no tree, from within a tree on, past the end of a round; some in one tree; more than a thread's.
    let requests = [(1000, 700), (S9_STOCK + 5000, 3072), (100, 64), (60_001, 1000)];
    let run = |offered, work, in_pieces| {
        let ((zero, _), (one, _)) = both(channel::pair(), |c, party| {
            let mut transfers = establish(c, party, 9, offered, work).expect("honest");
            let mut all = Vec::new();
            for (n, piece) in requests {
                let mut words = vec![0; usize::div_ceil(n, piece) * (2 * piece + 1)];
                let make = |number: usize, part: &mut [u128], words: &mut [u64]| {
                    words[2 * piece] = number as u64;
                    for (words, transfer) in words.chunks_exact_mut(2).zip(part) {
                        words.copy_from_slice(&[*transfer as u64, (*transfer >> 64) as u64]);
                        // What becomes of a piece is nobody else's concern.
                        *transfer = 0;
                    }
                };
                let pieces = Pieces::new(n, piece, &mut words, 2 * piece + 1, &make);
                match (party, in_pieces) {
                    (PartyId::ZERO, true) => transfers.send_pieces(c, pieces),
                    (PartyId::ZERO, false) => pieces.one_by_one(|part| transfers.send_correlated(c, part)),
                    (_, true) => transfers.receive_pieces(c, pieces),
                    (_, false) => pieces.one_by_one(|part| transfers.receive_correlated(c, part)),
                }
                .expect("honest");
                for (number, words) in words.chunks_exact(2 * piece + 1).enumerate() {
                    assert_eq!(words[2 * piece], number as u64);
                }
                all.push(words);
            }
            all
        });
        [zero, one]
    };
    for offered in [[0; 2], [SILENT_LEAST, 0]] {
        let expected = run(offered, work(), false);
        assert!(expected[0] != expected[1]);
        for parallel in [false, true] {
            assert!(run(offered, Work { parallel, ..work() }, true) == expected, "{offered:?}, {parallel}");
        }
    }
}

#[test]
fn random_transfers_are_made_of_silent_ones() {
    let n = 10_000;
    let ((zero, _), (one, _)) = both(channel::pair(), |c, party| {
        let mut transfers = establish(c, party, 2, [SILENT_LEAST, 0], work()).expect("honest");
        match party {
            PartyId::ZERO => (transfers.send_random(c, n).expect("honest"), None),
            _ => (Vec::new(), Some(transfers.receive_random(c, n).expect("honest"))),
        }
    });
    let (choices, received) = one.1.expect("party 1 receives");
    ideal::check_random(&zero.0, &choices, &received);
}

#[test]
fn choices_are_balanced_and_do_not_repeat_from_tree_to_tree() {
    let (_, (held, _)) = both(channel::pair(), |c, party| {
        let mut transfers = establish(c, party, 3, [SILENT_LEAST, 0], work()).expect("honest");
        draw(c, party, &mut transfers, &[[1 << 18, 0]]).expect("honest")
    });
    let choices = crate::correlations::choices(&held[0].1);
    let ones: u32 = choices.iter().map(|word| word.count_ones()).sum();
    // 2^18 fair coins stay within eight standard deviations of 256 but for 2^-49.
    assert!((131_072 - 2048..=131_072 + 2048).contains(&ones), "{ones} ones");
    for lag in [1, S9.block() / 64, 100] {
        let equal: u32 = choices.iter().zip(&choices[lag..]).map(|(a, b)| (a ^ b).count_zeros()).sum();
        let half = 32 * (choices.len() - lag) as u32;
        assert!((half - 2048..=half + 2048).contains(&equal), "{equal} of {half} equal at a distance of {lag} words");
    }
}

#[test]
fn costs_are_exactly_what_the_channel_counts() {
    for (offered, sizes) in [
        ([0, 0], vec![[100, 0], [9000, 70_000]]),
        ([1000, 150_000], vec![[1000, 100_000], [0, 50_000], [0, 100_000]]),
        ([0, SILENT_LEAST], vec![[10, 5], [10, S9_STOCK - 5], [0, 1]]),
        ([SILENT_LEAST, SILENT_LEAST], vec![[S9_STOCK, 3 * S9_STOCK + 1]]),
        ([1 << 20, 0], vec![[S11_STOCK + 1, 100]]),
    ] {
        let expected = Expected { offered };
        let ((zero, a), (one, b)) = both(channel::pair(), |c, party| {
            let mut transfers = establish(c, party, 4, offered, work()).expect("honest");
            let set_up = c.traffic();
            draw(c, party, &mut transfers, &sizes).expect("honest");
            set_up
        });
        let used = sizes.iter().fold([0; 2], |[x, y], [a, b]| [x + *a as u64, y + *b as u64]);
        let set_up = cost::set_up(expected);
        assert_eq!(set_up.sent, [zero.sent, one.sent], "{offered:?}");
        assert_eq!([zero.rounds, one.rounds], [set_up.rounds; 2], "{offered:?}");
        let after = cost::transfers(expected, used);
        assert_eq!(after.sent, [a.traffic().sent - zero.sent, b.traffic().sent - one.sent], "{offered:?}");
        assert_eq!([a.traffic().rounds - zero.rounds, b.traffic().rounds - one.rounds], [after.rounds; 2]);
    }
}

#[test]
fn the_set_up_of_both_directions_takes_less_than_a_megabyte() {
    let cost = cost::set_up(Expected { offered: [u64::MAX; 2] });
    assert!(cost.bytes() < 1 << 20, "{} bytes", cost.bytes());
    assert_eq!(cost.rounds, 9);
    let round = cost::transfers(Expected { offered: [u64::MAX, 0] }, [2 * S11_STOCK as u64, 0]);
    assert!(round.bytes() as f64 <= 0.1 * S11_STOCK as f64, "{} bytes a round", round.bytes());
}

#[test]
fn sizes_and_order_on_the_wire_do_not_depend_on_the_secrets() {
    let record = |seed| {
        let (a, b) = channel::pair();
        let ((_, a), (_, b)) = both((Recorder::new(a), Recorder::new(b)), |c, party| {
            let mut transfers = establish(c, party, seed, [SILENT_LEAST, 100], work()).expect("honest");
            draw(c, party, &mut transfers, &[[S9_STOCK + 1, 3]]).expect("honest");
        });
        [a.events().to_vec(), b.events().to_vec()]
    };
    let first = record(5);
    assert!(first[0].len() > 10);
    assert_eq!(first, record(6));
}

#[test]
fn every_level_of_instructions_and_any_threads_give_the_same_transcript_and_transfers() {
    let run = |work| {
        let (a, b) = channel::pair();
        let channels = (Layered::over(a, Digesting::default()), Layered::over(b, Digesting::default()));
        let ((zero, a), (one, b)) = both(channels, |c, party| {
            let mut transfers = establish(c, party, 7, [SILENT_LEAST, S9_STOCK as u64 + 1], work).expect("honest");
            draw(c, party, &mut transfers, &[[1000, 3000], [S9_STOCK, 5]]).expect("honest")
        });
        (zero, one, [a.layer().digest(), b.layer().digest()])
    };
    let expected = run(Work { level: Level::Portable, parallel: false });
    check(&expected.0, &expected.1);
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        for parallel in [false, true] {
            let found = run(Work { level, parallel });
            assert!(found == expected, "{level:?}, {parallel}");
        }
    }
}

/// What the honest party 0 ends with when party 1 flips a bit of the byte at `at` of what it sends, in a run in which
/// `offerer` offers so many transfers that a second round is needed; and with what a second attempt ends.
fn against_tampering(offerer: PartyId, at: u64, bit: u8) -> (Result<()>, Option<Error>) {
    let (a, b) = channel::pair();
    let mut offered = [0; 2];
    offered[offerer.index()] = SILENT_LEAST;
    let mut sizes = [0; 2];
    sizes[offerer.index()] = S9_STOCK + 1;
    thread::scope(|scope| {
        scope.spawn(move || {
            // The channel drops with this thread, so that party 0 never waits for what will not come.
            let mut channel = Layered::over(b, Tampering { at, bit });
            let mut transfers = establish(&mut channel, PartyId::ONE, 8, offered, work()).ok()?;
            draw(&mut channel, PartyId::ONE, &mut transfers, &[sizes]).ok()
        });
        let mut channel = a;
        let mut transfers = match establish(&mut channel, PartyId::ZERO, 8, offered, work()) {
            Ok(transfers) => transfers,
            Err(error) => return (Err(error), None),
        };
        let outcome = draw(&mut channel, PartyId::ZERO, &mut transfers, &[sizes]).map(|_| ());
        let again = outcome.is_err().then(|| {
            let again = draw(&mut channel, PartyId::ZERO, &mut transfers, &[[1, 0]]);
            assert_eq!(transfers.offset(), 0, "the secrets are gone");
            again.err()
        });
        (outcome, again.flatten())
    })
}

// CHK-601
#[test]
fn a_changed_byte_of_a_senders_message_fails_the_check_and_destroys_the_session() {
    let set_up: u64 = softspoken::SET_UP_BYTES.iter().sum();
    let sums = ferret::sums_bytes(&S9) as u64;
    let round = sums + 1 + ferret::ANSWER_BYTES as u64;
    for at in [0, 15, 16 * 7, 16 * 8 + 3, sums / 2, sums - 1, sums + 1, round - 1] {
        for (first, destroyed) in [(set_up + 1, false), (set_up + 1 + round, true)] {
            let (outcome, again) = against_tampering(PartyId::ONE, first + at, 0x10);
            assert_eq!(outcome.expect_err("tampered").code().as_str(), "PROTOCOL_OT_CHECK", "byte {at}");
            assert_eq!(again.is_some(), destroyed);
            assert!(again.is_none_or(|error| matches!(error, Error::Refused { .. })), "byte {at}");
        }
    }
}

// CHK-601
#[test]
fn even_a_bit_that_no_leaf_depends_on_fails_the_check() {
    // Bit 0 of the sum of a last level: bit 0 of a leaf is no part of its row, but the message is of the transcript.
    let set_up: u64 = softspoken::SET_UP_BYTES.iter().sum();
    let last_level = 16 * (u64::from(S9.depth) - 1);
    let (outcome, _) = against_tampering(PartyId::ONE, set_up + 1 + last_level, 0x01);
    assert_eq!(outcome.expect_err("tampered").code().as_str(), "PROTOCOL_OT_CHECK");
}

#[test]
fn a_byte_that_only_keeps_the_parties_in_step_may_be_any() {
    let set_up: u64 = softspoken::SET_UP_BYTES.iter().sum();
    for at in [set_up, set_up + 1 + ferret::sums_bytes(&S9) as u64] {
        let (outcome, _) = against_tampering(PartyId::ONE, at, 0x10);
        outcome.expect("nothing depends on it");
    }
}

// CHK-601
#[test]
fn a_receiver_that_sends_another_challenge_than_its_own_fails_its_check_and_ends() {
    let set_up: u64 = softspoken::SET_UP_BYTES.iter().sum();
    let extensions: u64 = softspoken::extensions(S9.inputs() as u64, S9.inputs() as u64).sum();
    for at in [0, 15, 16, 31] {
        let (outcome, _) = against_tampering(PartyId::ZERO, set_up + extensions + 1 + at, 0x10);
        // The tampering party finds it; the honest one sees it leave.
        assert_eq!(outcome.expect_err("the peer left").code().as_str(), "CHANNEL_CLOSED", "byte {at}");
    }
}

#[test]
fn the_chain_follows_from_the_expected_number() {
    let names = |expected| chain(expected).iter().map(|set| set.name).collect::<Vec<_>>();
    assert_eq!(names(SILENT_LEAST - 1), [""; 0]);
    assert_eq!(names(SILENT_LEAST), ["s9"]);
    assert_eq!(names(S9_STOCK as u64), ["s9"]);
    assert_eq!(names(S9_STOCK as u64 + 1), ["s9", "s11"]);
}
