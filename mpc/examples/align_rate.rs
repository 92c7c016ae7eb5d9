//! Prints how long two parties in one process take to align: `cargo run --release -p tacit-mpc --example align_rate
//! [ROWS]`. Both share the machine's cores; half of the keys are common.

use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use tacit_mpc::channel::{self, Channel, MemoryChannel};
use tacit_mpc::psi;
use tacit_protocol::PartyId;

fn run(mut channel: MemoryChannel, party: PartyId, first: usize, rows: usize) -> (usize, u64) {
    let keys: Vec<String> = (first..first + rows).map(|key| format!("{key:012}")).collect();
    let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
    let mut rng = ChaCha12Rng::seed_from_u64(u64::from(party.0));
    let common = psi::align(&mut channel, party, &keys, rows as u64, &[0; 32], &mut rng).expect("the peer is honest");
    (common.len(), channel.traffic().sent)
}

fn main() {
    let rows: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let (a, b) = channel::pair();
    let start = Instant::now();
    let peer = std::thread::spawn(move || run(b, PartyId::ONE, rows / 2, rows));
    let (common, bytes) = run(a, PartyId::ZERO, 0, rows);
    peer.join().expect("party 1 does not panic");
    println!("{rows} x {rows} rows, {common} common: {:.1} s, {bytes} B a direction", start.elapsed().as_secs_f64());
}
