//! Prints how many random OTs a second two threads of one process make: `cargo run --release -p tacit-mpc --example
//! ot_rate [MILLIONS]`. Each party works on one thread; the channel is in memory.

use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use tacit_mpc::channel::{self, Channel, MemoryChannel};
use tacit_mpc::correlations::Correlations;
use tacit_mpc::ot::SoftSpoken;
use tacit_protocol::PartyId;

/// Transfers asked for at a time, as a protocol would.
const REQUEST: usize = 1 << 18;

fn run(mut channel: MemoryChannel, party: PartyId, requests: usize) -> (f64, f64, u64) {
    let mut rng = ChaCha12Rng::seed_from_u64(u64::from(party.0));
    let start = Instant::now();
    let mut ots = SoftSpoken::establish(&mut channel, party, [0; 32], &mut rng).expect("the peer is honest");
    let setup = start.elapsed().as_secs_f64();
    let start = Instant::now();
    for _ in 0..requests {
        if party == PartyId::ZERO {
            ots.send_random(&mut channel, REQUEST).expect("the peer is honest");
        } else {
            ots.receive_random(&mut channel, REQUEST).expect("the peer is honest");
        }
    }
    (setup, start.elapsed().as_secs_f64(), channel.traffic().sent)
}

fn main() {
    let millions: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(16);
    let requests = (millions * 1_000_000).div_ceil(REQUEST);
    let (a, b) = channel::pair();
    let peer = std::thread::spawn(move || run(b, PartyId::ONE, requests));
    let (setup, seconds, _) = run(a, PartyId::ZERO, requests);
    let (_, _, bytes) = peer.join().expect("party 1 does not panic");
    let transfers = (requests * REQUEST) as f64;
    println!("set-up {:.1} ms", setup * 1e3);
    println!("{:.1} M random OT/s, one core a party; {:.3} B/OT", transfers / seconds / 1e6, bytes as f64 / transfers);
}
