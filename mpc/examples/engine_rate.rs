//! Prints what operations of the two-party engine take, silent transfers included: `cargo run --profile ci -p tacit-mpc
//! --example engine_rate [ELEMENTS] [OPERATION ...]`. Each party works on one thread; the channel is in memory. Times are
//! of the operation after the set-up, processor time by party as Linux counts it, bytes both ways.

use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use tacit_mpc::arithmetic::{Axis, Division, Extreme, Reals, divide, equal, extreme, function, less};
use tacit_mpc::backend::Backend;
use tacit_mpc::channel::{self, Channel, MemoryChannel};
use tacit_mpc::lattice::{KeySizes, Lattice};
use tacit_mpc::ot::{Expected, Silent};
use tacit_mpc::ring::Ring;
use tacit_mpc::share::{Arith, Bits, Placement};
use tacit_mpc::two_party::cost::Cost;
use tacit_mpc::two_party::{Counter, TwoParty};
use tacit_protocol::PartyId;
use tacit_protocol::program::Unary;
use tacit_protocol::schema::Precision;

/// An operation on two vectors and a vector of bits.
type Operation<R> = fn(&mut dyn Backend<R>, &Arith<R>, &Arith<R>, &Bits);

/// What a party took.
struct Taken {
    wall: f64,
    processor: f64,
    bytes: u64,
    rounds: u64,
}

/// Seconds that this thread ran on a processor.
fn processor_seconds() -> f64 {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    counts.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).map_or(f64::NAN, |ns| ns / 1e9)
}

/// Shares of values near 2^30, or whatever adds up to them: party 1's are fixed.
fn inputs<R: Ring>(party: PartyId, n: usize) -> (Arith<R>, Arith<R>, Bits) {
    let mask = |i: usize| R::from_i128((i as i128 + 1).wrapping_mul(0x1e37_79b9_7f4a_7c15_0123_4567_89ab_cdef));
    let words = |seed: usize, value: &dyn Fn(usize) -> i128| {
        let word = |i: usize| match party {
            PartyId::ZERO => R::from_i128(value(i)).sub(mask(i + seed)),
            _ => mask(i + seed),
        };
        Arith { placement: Placement::Shared, words: (0..n).map(word).collect() }
    };
    let bits = (0..n.div_ceil(64)).map(|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let divisor = |i: usize| (1 << 17) + (i as i128 * 7919) % (100 << 18);
    (words(1, &|i| (i as i128 * 104_729) % (1 << 28)), words(2, &divisor), Bits::new(Placement::Shared, n, bits))
}

fn party<R: Ring>(mut channel: MemoryChannel, party: PartyId, n: usize, cost: Cost, of: Operation<R>) -> Taken {
    let mut rng = ChaCha12Rng::seed_from_u64(u64::from(party.0));
    let expected = Expected { offered: cost.offered };
    let transfers = Silent::establish(&mut channel, party, [0; 32], expected, false, &mut rng).expect("honest");
    let mut lattice = Lattice::establish(&mut channel, party, KeySizes(cost.key_sizes), &mut rng).expect("honest");
    let (x, y, bits) = inputs::<R>(party, n);
    let before = channel.traffic();
    let (start, processor) = (Instant::now(), processor_seconds());
    let mut engine = TwoParty::<R, _>::new(party, &mut channel, transfers).with_lattice(&mut lattice);
    of(&mut engine, &x, &y, &bits);
    let (wall, processor) = (start.elapsed().as_secs_f64(), processor_seconds() - processor);
    let after = channel.traffic();
    let bytes = after.sent - before.sent + after.received - before.received;
    Taken { wall, processor, bytes, rounds: after.rounds - before.rounds }
}

fn measure<R: Ring>(what: &str, n: usize, of: Operation<R>) {
    let (x, y, bits) = inputs::<R>(PartyId::ZERO, n);
    let mut counter = Counter::default();
    of(&mut counter, &x, &y, &bits);
    let cost = counter.cost;
    let (a, b) = channel::pair();
    let peer = std::thread::spawn(move || party::<R>(b, PartyId::ONE, n, cost, of));
    let zero = party::<R>(a, PartyId::ZERO, n, cost, of);
    let one = peer.join().expect("party 1 does not panic");
    println!(
        "{what:<8} n={n}: wall {:.3} s, processor {:.3} + {:.3} s, {:.1} B an element ({:.1} without transfers), \
         {} transfers an element, {} rounds ({} without transfers)",
        zero.wall.max(one.wall),
        zero.processor,
        one.processor,
        zero.bytes as f64 / n as f64,
        cost.bytes() as f64 / n as f64,
        cost.transfers() / n as u64,
        zero.rounds.max(one.rounds),
        cost.rounds,
    );
}

fn lt40<R: Ring>(engine: &mut dyn Backend<R>, x: &Arith<R>, y: &Arith<R>, _: &Bits) {
    less(engine, x, y, 40).expect("honest");
}

fn lt64(engine: &mut dyn Backend<u128>, x: &Arith<u128>, y: &Arith<u128>, _: &Bits) {
    less(engine, x, y, 64).expect("honest");
}

fn eq40(engine: &mut dyn Backend<u64>, x: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    equal(engine, x, y, 40).expect("honest");
}

fn eq64(engine: &mut dyn Backend<u64>, x: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    equal(engine, x, y, 64).expect("honest");
}

fn choose(engine: &mut dyn Backend<u64>, x: &Arith<u64>, y: &Arith<u64>, c: &Bits) {
    let difference = x.sub(engine, y);
    engine.select(c, &difference).expect("honest");
}

fn maximum(engine: &mut dyn Backend<u64>, x: &Arith<u64>, _: &Arith<u64>, _: &Bits) {
    extreme(engine, x, Axis::vector(x.len()), Extreme::Maximum, 40).expect("honest");
}

fn product(engine: &mut dyn Backend<u64>, x: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    engine.multiply(x, y, 30, 30).expect("honest");
}

/// Both with 18 binary places: a numerator below 2^10, a divisor from 0.5 to 100.
fn quotient(engine: &mut dyn Backend<u64>, x: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    let division =
        Division { numerator_bits: 29, divisor_bits: 26, divisor_signed: false, fraction_bits: 18, result_bits: 30 };
    divide(engine, x, y, &division).expect("honest");
}

/// A function of numbers between two bounds with 18 binary places. What it takes does not depend on the numbers.
fn of(engine: &mut dyn Backend<u64>, unary: Unary, y: &Arith<u64>, lo: f64, hi: f64) {
    let steps = |bound: f64| (bound * Precision::Default.unit()) as i128;
    function(engine, unary, y, Reals { range: [steps(lo), steps(hi)], precision: Precision::Default }).expect("honest");
}

fn exp(engine: &mut dyn Backend<u64>, _: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    of(engine, Unary::Exp, y, -8.0, 8.0);
}

fn exp20(engine: &mut dyn Backend<u64>, _: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    of(engine, Unary::Exp, y, -20.0, 20.0);
}

fn sigmoid(engine: &mut dyn Backend<u64>, _: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    of(engine, Unary::Sigmoid, y, -8.0, 8.0);
}

fn log(engine: &mut dyn Backend<u64>, _: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    of(engine, Unary::Log, y, 0.5, 100.0);
}

fn sqrt(engine: &mut dyn Backend<u64>, _: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    of(engine, Unary::Sqrt, y, 0.5, 100.0);
}

fn sin(engine: &mut dyn Backend<u64>, _: &Arith<u64>, y: &Arith<u64>, _: &Bits) {
    of(engine, Unary::Sin, y, -50.0, 50.0);
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let n: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let named: Vec<String> = arguments.collect();
    let wanted = |what: &str| named.is_empty() || named.iter().any(|name| name == what);
    let of_u64: [(&str, Operation<u64>); 13] = [
        ("lt40", lt40::<u64>),
        ("eq40", eq40),
        ("eq64", eq64),
        ("where", choose),
        ("max40", maximum),
        ("product", product),
        ("div", quotient),
        ("exp", exp),
        ("exp20", exp20),
        ("sigmoid", sigmoid),
        ("log", log),
        ("sqrt", sqrt),
        ("sin", sin),
    ];
    of_u64.into_iter().filter(|(what, _)| wanted(what)).for_each(|(what, of)| measure(what, n, of));
    let of_u128: [(&str, Operation<u128>); 1] = [("lt64", lt64)];
    of_u128.into_iter().filter(|(what, _)| wanted(what)).for_each(|(what, of)| measure(what, n, of));
}
