//! Prints how many correlated OTs a second two threads of one process make, and what the set-up takes:
//! `cargo run --profile ci -p tacit-mpc --example ot_rate [MILLIONS]`. Each party works on one thread; the channel is in
//! memory. Rates are by the time that a party's thread ran on a processor, where the system tells it, so that other
//! work on the machine counts less.

use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use tacit_mpc::channel::{self, Channel, MemoryChannel};
use tacit_mpc::correlations::Correlations;
use tacit_mpc::ot::{Expected, Silent};
use tacit_protocol::PartyId;

/// Transfers asked for at a time, as a protocol would.
const REQUEST: usize = 1 << 16;

/// What one party measured.
struct Measured {
    set_up_seconds: f64,
    set_up_bytes: u64,
    seconds: f64,
    bytes: u64,
}

/// A clock: the processor time of this thread where Linux tells it, else the time of day.
struct Clock {
    start: Instant,
    ran: Option<u64>,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now(), ran: Self::ran() }
    }

    fn ran() -> Option<u64> {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        times.split_whitespace().next()?.parse().ok()
    }

    fn seconds(&self) -> f64 {
        match (self.ran, Self::ran()) {
            (Some(start), Some(end)) => (end - start) as f64 / 1e9,
            _ => self.start.elapsed().as_secs_f64(),
        }
    }
}

fn run(mut channel: MemoryChannel, party: PartyId, requests: usize) -> Measured {
    let mut rng = ChaCha12Rng::seed_from_u64(u64::from(party.0));
    let expected = Expected { offered: [(requests * REQUEST) as u64; 2] };
    let clock = Clock::start();
    let mut transfers =
        Silent::establish(&mut channel, party, [0; 32], expected, false, &mut rng).expect("the peer is honest");
    let (set_up_seconds, set_up_bytes) = (clock.seconds(), channel.traffic().sent);
    let clock = Clock::start();
    let mut buffer = vec![0; REQUEST];
    for _ in 0..requests {
        if party == PartyId::ZERO {
            transfers.send_correlated(&mut channel, &mut buffer).expect("the peer is honest");
        } else {
            transfers.receive_correlated(&mut channel, &mut buffer).expect("the peer is honest");
        }
    }
    Measured { set_up_seconds, set_up_bytes, seconds: clock.seconds(), bytes: channel.traffic().sent - set_up_bytes }
}

fn main() {
    let millions: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(32);
    let requests = (millions * 1_000_000).div_ceil(REQUEST);
    let (a, b) = channel::pair();
    let start = Instant::now();
    let peer = std::thread::spawn(move || run(b, PartyId::ONE, requests));
    let sender = run(a, PartyId::ZERO, requests);
    let receiver = peer.join().expect("party 1 does not panic");
    let elapsed = start.elapsed().as_secs_f64();
    let transfers = (requests * REQUEST) as f64;
    println!(
        "set-up of both directions: {:.1} and {:.1} ms of processor time, {} bytes in all",
        sender.set_up_seconds * 1e3,
        receiver.set_up_seconds * 1e3,
        sender.set_up_bytes + receiver.set_up_bytes
    );
    for (name, party) in [("sender", &sender), ("receiver", &receiver)] {
        println!("{name}: {:.1} M correlated OT/s and core", transfers / party.seconds / 1e6);
    }
    println!("{:.3} B a transfer; {elapsed:.2} s in all", (sender.bytes + receiver.bytes) as f64 / transfers);
}
