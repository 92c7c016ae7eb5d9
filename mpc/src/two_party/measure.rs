//! Measurements: operations a second, both parties in memory, one thread each, ideal transfers made outside the clock.
//!
//! `cargo test --profile ci -p tacit-mpc --lib measure -- --ignored --nocapture --test-threads 1`

use std::time::{Duration, Instant};

use tacit_protocol::PartyId;

use super::TwoParty;
use super::ideal::Ideal;
use super::tests::{part, run};
use crate::arithmetic::{Division, divide};
use crate::backend::{Backend, MatrixShape};
use crate::channel::Channel;
use crate::correlations::{Correlations, Pads};
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};

/// Transfers from a short list made once, so that only the protocol above them is timed. Not random.
struct Stock {
    offset: u128,
    pads: Pads,
    keys: Vec<u128>,
    received: Vec<u128>,
    pairs: Vec<[u128; 2]>,
    choices: Vec<u64>,
    chosen: Vec<u128>,
}

impl Stock {
    fn new(channel: &mut dyn Channel, party: PartyId) -> Self {
        let n = super::cross::TILE;
        let mut ideal = Ideal::new(party, 3);
        let (mut keys, mut received) = (vec![0; n], vec![0; n]);
        ideal.send_correlated(channel, &mut keys).expect("ideal");
        ideal.receive_correlated(channel, &mut received).expect("ideal");
        let pairs = ideal.send_random(channel, n).expect("ideal");
        let (choices, chosen) = ideal.receive_random(channel, n).expect("ideal");
        let pads = Pads::new(&[party.0; 32], &[party.other().0; 32]);
        Self { offset: ideal.offset(), pads, keys, received, pairs, choices, chosen }
    }
}

impl Correlations for Stock {
    fn offset(&self) -> u128 {
        self.offset
    }

    fn pads(&mut self) -> &mut Pads {
        &mut self.pads
    }

    fn send_correlated(&mut self, _channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        into.copy_from_slice(&self.keys[..into.len()]);
        Ok(())
    }

    fn receive_correlated(&mut self, _channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        into.copy_from_slice(&self.received[..into.len()]);
        Ok(())
    }

    fn send_random(&mut self, _channel: &mut dyn Channel, n: usize) -> Result<Vec<[u128; 2]>> {
        Ok(self.pairs[..n].to_vec())
    }

    fn receive_random(&mut self, _channel: &mut dyn Channel, n: usize) -> Result<(Vec<u64>, Vec<u128>)> {
        let mut choices = self.choices[..n.div_ceil(64)].to_vec();
        crate::share::clear_tail(&mut choices, n);
        Ok((choices, self.chosen[..n].to_vec()))
    }
}

fn measure<R: Ring>(what: &str, n: usize, operation: impl Fn(&mut dyn Backend<R>, &Arith<R>, &Bits) + Sync) {
    let run = run::<R, Duration>(1, |engine| {
        let values: Vec<R> = (0..n).map(|i| R::from_i128(i as i128 + 1)).collect();
        let x = part(engine, Placement::Shared, &values, 2);
        let bits = Bits::constant(true, n).shared(engine);
        let party = engine.party;
        let stock = Stock::new(engine.channel(), party);
        let mut stocked = TwoParty::<R, _>::new(party, engine.channel(), stock);
        let start = Instant::now();
        operation(&mut stocked, &x, &bits);
        start.elapsed()
    });
    let elapsed = run.results[0].max(run.results[1]);
    let traffic = run.traffic[0];
    println!(
        "{what:<24} n={n}: {:>9.0} /s, {:>8.2} B each, {} rounds, {elapsed:.2?}",
        n as f64 / elapsed.as_secs_f64(),
        (traffic.sent + traffic.received) as f64 / n as f64,
        traffic.rounds,
    );
}

#[test]
#[ignore = "a measurement, not a check"]
fn operations_a_second() {
    let n = 100_000;
    measure::<u64>("and", 64 * n, |engine, _, c| {
        engine.and(c, c).expect("and");
    });
    measure::<u64>("to_arith", n, |engine, _, c| {
        engine.to_arith(c).expect("to_arith");
    });
    measure::<u64>("select", n, |engine, x, c| {
        engine.select(c, x).expect("select");
    });
    measure::<u64>("is_negative(40)", n, |engine, x, _| {
        engine.is_negative(x, 40).expect("is_negative");
    });
    measure::<u64>("is_zero(40)", n, |engine, x, _| {
        engine.is_zero(x, 40).expect("is_zero");
    });
    measure::<u64>("bits_of(40)", n, |engine, x, _| {
        engine.bits_of(x, 40, 40).expect("bits_of");
    });
    measure::<u64>("truncate(18)", n, |engine, x, _| {
        engine.truncate(x, 18).expect("truncate");
    });
    measure::<u64>("floor_shift(18)", n, |engine, x, _| {
        engine.floor_shift(x, 18, 40).expect("floor_shift");
    });
    measure::<u64>("multiply u64", n, |engine, x, _| {
        engine.multiply(x, x, 40, 40).expect("multiply");
    });
    measure::<u64>("product of 50 bits, >>18", n, |engine, x, _| {
        engine.multiply_truncate(x, x, (25, 25), 50, 18).expect("multiply");
    });
    measure::<u128>("multiply u128", n, |engine, x, _| {
        engine.multiply(x, x, 40, 40).expect("multiply");
    });
    measure::<u64>("matrix 1 x n by n x 16", n / 16, |engine, x, _| {
        let shape = MatrixShape { rows: 1, inner: n / 256, columns: 16 };
        let row = x.slice(0..shape.inner);
        engine.matrix_multiply(&row, &x.slice(0..shape.inner * 16), shape, (40, 40)).expect("matrix product");
    });
    let division =
        Division { numerator_bits: 40, divisor_bits: 20, divisor_signed: false, fraction_bits: 18, result_bits: 40 };
    measure::<u128>("divide u128, 40 bits", n / 10, |engine, x, _| {
        divide(engine, x, x, &division).expect("divide");
    });
    measure::<u128>("divide u128, 40 bits", n, |engine, x, _| {
        divide(engine, x, x, &division).expect("divide");
    });
    measure::<u64>("is_negative(40)", 10 * n, |engine, x, _| {
        engine.is_negative(x, 40).expect("is_negative");
    });
}
