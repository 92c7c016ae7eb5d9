//! Items, their making, and what two stores agree on.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tacit_protocol::PartyId;
use zeroize::Zeroizing;

use super::*;
use crate::channel::{Channel, pair};
use crate::clear::local_matrix_product;
use crate::error::Result;
use crate::ring::Ring;
use crate::two_party::Pace;

const SHAPE: MatrixShape = MatrixShape { rows: 5, inner: 7, columns: 3 };

/// The chunks of both parties of random items, by a dealer that only tests have.
pub(crate) fn dealt(kind: Kind, seed: u64) -> [Vec<u8>; 2] {
    match kind {
        Kind::Triples { word: 128 } | Kind::Bits { word: 128 } => dealt_words::<u128>(kind, seed),
        _ => dealt_words::<u64>(kind, seed),
    }
}

fn dealt_words<R: Ring>(kind: Kind, seed: u64) -> [Vec<u8>; 2] {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut random = |count: usize| -> Vec<R> {
        (0..count).map(|_| R::from_u128(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()))).collect()
    };
    let count = kind.chunk() as usize;
    let values: Vec<Vec<R>> = match kind {
        Kind::Triples { .. } => {
            let (a, b) = (random(count), random(count));
            let product = a.iter().zip(&b).map(|(a, b)| a.mul(*b)).collect();
            vec![a, b, product]
        }
        Kind::Bits { .. } => vec![random(count).into_iter().map(|word| word.low(1)).collect()],
        Kind::MatrixTriples(shape) => {
            let (a, b) = (random(shape.rows * shape.inner), random(shape.inner * shape.columns));
            let product = local_matrix_product(&a, &b, shape);
            vec![a, b, product]
        }
    };
    let masks: Vec<Vec<R>> = values.iter().map(|vector| random(vector.len())).collect();
    let others = values
        .iter()
        .zip(&masks)
        .map(|(values, masks)| -> Vec<R> { values.iter().zip(masks).map(|(value, mask)| value.sub(*mask)).collect() });
    let bytes = |vectors: &[Vec<R>]| vectors.iter().flat_map(|words| bytemuck::cast_slice(words).to_vec()).collect();
    [bytes(&others.collect::<Vec<_>>()), bytes(&masks)]
}

/// The stocks of both parties of so many dealt chunks of each kind.
pub(crate) fn dealt_stocks(chunks: &[(Kind, u64)], seed: u64) -> [Stock; 2] {
    let mut stocks = [Stock::default(), Stock::default()];
    for (kind, count) in chunks {
        for number in 0..*count {
            for (stock, chunk) in stocks.iter_mut().zip(dealt(*kind, seed ^ number << 32)) {
                stock.add(*kind, &chunk).expect("a chunk");
            }
        }
    }
    stocks
}

/// What both parties' shares of a kind's next items make.
fn opened<R: Ring>(stocks: &mut [Stock; 2], kind: Kind, count: usize) -> Vec<Vec<R>> {
    let [zero, one] = stocks.each_mut().map(|stock| stock.take::<R>(kind, count));
    let sum =
        |(a, b): (&Zeroizing<Vec<R>>, &Zeroizing<Vec<R>>)| a.iter().zip(b.iter()).map(|(a, b)| a.add(*b)).collect();
    zero.iter().zip(&one).map(sum).collect()
}

fn assert_items<R: Ring>(stocks: &mut [Stock; 2], kind: Kind, count: usize) {
    let vectors = opened::<R>(stocks, kind, count);
    match kind {
        Kind::Triples { .. } => {
            assert!((0..count).all(|i| vectors[0][i].mul(vectors[1][i]) == vectors[2][i]), "{kind:?}");
            assert!(vectors[0][0] != vectors[0][1], "{kind:?}");
        }
        Kind::Bits { .. } => {
            assert!(vectors[0].iter().all(|bit| bit.low(1) == *bit), "{kind:?}");
            let ones = vectors[0].iter().filter(|bit| **bit == R::ONE).count();
            // Fair coins stay within eight standard deviations but for 2^-49.
            assert!(ones.abs_diff(count / 2) < 4 * count.isqrt(), "{ones} ones of {count}");
        }
        Kind::MatrixTriples(shape) => {
            assert!(local_matrix_product(&vectors[0], &vectors[1], shape) == vectors[2], "{kind:?}");
        }
    }
}

const KINDS: [Kind; 5] = [
    Kind::Triples { word: 64 },
    Kind::Triples { word: 128 },
    Kind::Bits { word: 64 },
    Kind::Bits { word: 128 },
    Kind::MatrixTriples(SHAPE),
];

#[test]
fn two_parties_make_items_of_every_kind_that_are_right_and_cost_what_was_expected() {
    let chunks = KINDS.map(|kind| (kind, 1));
    let run = |party: PartyId, mut channel: crate::channel::MemoryChannel| {
        let mut rng = ChaCha20Rng::seed_from_u64(70 + u64::from(party.0));
        let pace = Pace::default();
        let mut maker = Maker::establish(&mut channel, party, [1; 32], &chunks, pace, &mut rng).expect("honest");
        let (mut stock, mut sent) = (Stock::default(), Vec::new());
        for kind in KINDS {
            let before = channel.traffic();
            let chunk = maker.chunk(&mut channel, kind, &mut rng).expect("honest");
            sent.push(channel.traffic().sent - before.sent);
            stock.add(kind, &chunk).expect("a chunk");
        }
        (stock, sent)
    };
    let (zero, one) = pair();
    let (zero, one) = std::thread::scope(|scope| {
        let one = scope.spawn(|| run(PartyId::ONE, one));
        (run(PartyId::ZERO, zero), one.join().expect("no panic"))
    });
    let mut stocks = [zero.0, one.0];
    for (place, kind) in KINDS.into_iter().enumerate() {
        let count = kind.chunk() as usize;
        assert_eq!(stocks[0].counts().of(kind), count as u64);
        match kind {
            Kind::Triples { word: 128 } | Kind::Bits { word: 128 } => assert_items::<u128>(&mut stocks, kind, count),
            _ => assert_items::<u64>(&mut stocks, kind, count),
        }
        let cost = expected(&[kind], Pace::default()).expect("counts");
        assert_eq!([zero.1[place], one.1[place]], cost.sent, "{kind:?}");
    }
    assert!(stocks.iter().all(|stock| stock.counts().is_empty()));
}

#[test]
fn items_are_taken_once_and_in_order_across_chunks_and_parts() {
    let kind = Kind::triples(64);
    let chunk = kind.chunk() as usize;
    let deal = || dealt_stocks(&[(kind, 2)], 3);
    let all = opened::<u64>(&mut deal(), kind, 2 * chunk);
    let mut stocks = deal();
    let first = opened::<u64>(&mut stocks, kind, 5);
    let counts: Counts = [(kind, chunk as u64)].into_iter().collect();
    let mut parts = stocks.each_mut().map(|stock| stock.split(&counts));
    let rest = opened::<u64>(&mut stocks, kind, chunk - 5);
    let part = opened::<u64>(&mut parts, kind, chunk);
    for vector in 0..3 {
        assert_eq!([&first[vector][..], &part[vector], &rest[vector]].concat(), all[vector]);
    }
    assert!(stocks.iter().chain(&parts).all(|stock| stock.counts().is_empty()));
}

#[test]
fn what_is_no_chunk_is_refused() {
    let kind = Kind::triples(64);
    let chunk = &dealt(kind, 1)[0];
    let mut stock = Stock::default();
    for wrong in [&chunk[1..], &[], &[chunk.as_slice(), &[0]].concat()] {
        assert_eq!(stock.add(kind, wrong).expect_err("no chunk").code().as_str(), "CORRELATION_REUSE");
    }
    assert!(stock.counts().is_empty());
}

#[test]
fn kinds_have_names_of_their_own_and_sizes_that_a_store_can_hold() {
    let names: Vec<String> = KINDS.iter().map(|kind| kind.name()).collect();
    assert_eq!(names, ["triples-64", "triples-128", "bits-64", "bits-128", "matrix-triples-5-7-3"]);
    for name in names {
        assert!(
            name.len() <= 64
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
    }
    for kind in KINDS {
        assert_eq!(Kind::named(&kind.name()), Some(kind));
    }
    let wrong = ["", "triples", "triples-65", "triples-064", "bits-64-64", "x-triples-64", "triples-64 "];
    let matrices = ["matrix-triples-5-7", "matrix-triples-0-0-0", "matrix-triples-9999999-9999999-9999999", "bits-9"];
    for name in wrong.into_iter().chain(matrices) {
        assert_eq!(Kind::named(name), None, "{name}");
    }
    for kind in KINDS {
        assert_eq!(dealt(kind, 1).map(|chunk| chunk.len()), [kind.chunk_bytes(); 2]);
    }
    let shape = |rows, inner, columns| Kind::matrix_triples(MatrixShape { rows, inner, columns });
    assert!(shape(2000, 2000, 700).is_some());
    assert!(shape(4096, 4096, 1).is_none() && shape(usize::MAX, 2, 1).is_none() && shape(0, 0, 0).is_none());
}

/// A store in memory.
struct Shelf {
    /// How many chunks it leaves out when it is asked for some.
    short: u64,
    asked: Vec<(Kind, u64)>,
}

impl Supply for Shelf {
    fn statement(&mut self, _wants: &Counts) -> Vec<u8> {
        vec![1; STATEMENT_BYTES + self.short as usize]
    }

    fn both(&mut self, _theirs: &[u8]) -> Counts {
        Counts::default()
    }

    fn claim(&mut self, kind: Kind, chunks: u64) -> Result<Vec<Zeroizing<Vec<u8>>>> {
        self.asked.push((kind, chunks));
        let [chunk, _] = dealt(kind, 1);
        Ok((self.short..chunks).map(|_| Zeroizing::new(chunk.clone())).collect())
    }
}

#[test]
fn a_claim_takes_whole_chunks_and_refuses_a_store_that_gives_fewer() {
    let kind = Kind::triples(64);
    let takes: Counts = [(kind, kind.chunk() + 1)].into_iter().collect();
    let mut shelf = Shelf { short: 0, asked: Vec::new() };
    let stock = supply::claim(&takes, &mut shelf).expect("claims");
    assert_eq!(shelf.asked, [(kind, 2)]);
    assert_eq!(stock.counts().of(kind), 2 * kind.chunk());
    shelf.short = 1;
    let refused = supply::claim(&takes, &mut shelf).map(drop).expect_err("one is missing");
    assert_eq!(refused.code().as_str(), "CORRELATION_REUSE");
    let refused = supply::claim(&takes, &mut NoSupply).map(drop).expect_err("there are none");
    assert_eq!(refused.code().as_str(), "CORRELATION_REUSE");
}

#[test]
fn statements_have_a_length_and_a_limit() {
    let pass = |message: &[u8]| {
        let (mut zero, mut one) = pair();
        zero.send(message).expect("sent");
        zero.flush().expect("sent");
        drop(zero);
        supply::receive(&mut one, "plan").map_err(|error| error.code().as_str().to_owned())
    };
    let mut shelf = Shelf { short: 0, asked: Vec::new() };
    assert_eq!(pass(&supply::message(&mut shelf, &Counts::default())), Ok(vec![1; STATEMENT_BYTES]));
    assert_eq!(pass(&supply::message(&mut NoSupply, &Counts::default())), Ok(Vec::new()));
    // One that is too long is not said, and not heard.
    shelf.short = 1;
    assert_eq!(pass(&supply::message(&mut shelf, &Counts::default())), Ok(Vec::new()));
    assert_eq!(pass(&(STATEMENT_BYTES as u32 + 1).to_le_bytes()), Err("CORRELATION_EPOCH".into()));
    assert_eq!(pass(&u32::MAX.to_le_bytes()), Err("CORRELATION_EPOCH".into()));
    assert_eq!(pass(&[9, 0, 0, 0, 1]), Err("CHANNEL_CLOSED".into()));
}
