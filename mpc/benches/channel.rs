//! Times the channel between two parties of this machine, over loopback, and the parts of it:
//! `cargo bench --profile ci -p tacit-mpc --bench channel`. Prints the best and the median of many runs as payload a
//! second and direction, with the processor time of the whole process (both parties) a payload byte of the run with the
//! median. A link of 10 Gbit/s takes 1.25 GB/s.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use rayon::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use snow::resolvers::{DefaultResolver, FallbackResolver, RingResolver};
use snow::{Builder, StatelessTransportState};
use tacit_mpc::channel::noise::{Deadlines, Handshake, Role, StaticKey};
use tacit_mpc::channel::{Channel, NoiseChannel};

/// Runs timed for each figure.
const RUNS: usize = 9;

/// Bytes of the messages.
const SIZES: [usize; 3] = [1 << 10, 64 << 10, 16 << 20];

/// Frames sealed at once, where that is timed: 4 MiB.
const WINDOW: usize = 64;

/// Payload of a full frame.
const FRAME: usize = 65_519;

const DEADLINES: Deadlines = Deadlines { silence: Duration::from_secs(60), total: Duration::from_secs(3_600) };

fn main() {
    seal_and_open();
    plain_socket();
    let (mut a, mut b) = channels();
    for size in SIZES {
        let count = repeats(size);
        time(&format!("channel, {size} B, one way"), size * count, 1, || {
            thread::scope(|scope| {
                scope.spawn(|| receive(&mut b, size, count));
                let message = vec![1; size];
                for _ in 0..count {
                    a.send(&message).and_then(|()| a.flush()).expect("the other receives");
                }
                // So that the next run starts with empty queues.
                receive(&mut a, 1, 1);
            });
        });
        time(&format!("channel, {size} B, both ways in turn"), size * count, 2, || {
            thread::scope(|scope| {
                scope.spawn(|| exchange(&mut b, size, count));
                exchange(&mut a, size, count);
            });
        });
    }
}

/// Messages of this size in a run.
fn repeats(size: usize) -> usize {
    ((256 << 20) / size).clamp(1, 20_000)
}

fn receive(channel: &mut NoiseChannel, size: usize, count: usize) {
    let mut message = vec![0; size];
    for _ in 0..count {
        channel.receive(&mut message).expect("the other sends");
    }
    if size > 1 {
        channel.send(&[1]).and_then(|()| channel.flush()).expect("the other receives");
    }
}

/// Each sends a message and then takes one, as the protocols do.
fn exchange(channel: &mut NoiseChannel, size: usize, count: usize) {
    let mut message = vec![1; size];
    for _ in 0..count {
        channel.send(&message).expect("the other receives");
        channel.receive(&mut message).expect("the other sends");
    }
}

fn time(what: &str, bytes: usize, directions: usize, mut run: impl FnMut()) {
    let mut runs: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| {
            let (start, cpu) = (Instant::now(), processor_time());
            run();
            (start.elapsed().as_secs_f64(), (processor_time() - cpu).as_secs_f64())
        })
        .collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (best, (median, cpu)) = (runs[0].0, runs[RUNS / 2]);
    println!(
        "{what:<44} {:>7.3} GB/s best {:>7.3} median, {:>6.3} ns of processor a byte",
        bytes as f64 / best / 1e9,
        bytes as f64 / median / 1e9,
        cpu * 1e9 / (bytes * directions) as f64,
    );
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The cipher in one thread, through the library that the channel uses.
fn seal_and_open() {
    let [seals, opens] = transports();
    for size in [1 << 10, FRAME] {
        let payload = vec![1; size];
        // Half a page apart: a copy to a place that is a few bytes further in its page takes three times as long on
        // some processors (AMD's third generation), which the channel meets once in many frames.
        let (mut ciphertext, mut opened) = (vec![0; size + 16], vec![0; size + 16 + 2048]);
        let count = repeats(size);
        let mut counter = 0;
        time(&format!("sealing frames of {size} B, one thread"), size * count, 1, || {
            for _ in 0..count {
                seals.write_message(counter, &payload, &mut ciphertext).expect("a frame");
                counter += 1;
            }
        });
        let last = counter - 1;
        time(&format!("opening frames of {size} B, one thread"), size * count, 1, || {
            for _ in 0..count {
                black_box(opens.read_message(last, &ciphertext, &mut opened[2048..]).expect("authentic"));
            }
        });
    }
    let payload = vec![1; FRAME * WINDOW];
    let mut ciphertexts = vec![0; (FRAME + 16) * WINDOW];
    let count = repeats(payload.len());
    let mut counter = 0;
    time(&format!("sealing {WINDOW} frames at once, all cores"), payload.len() * count, 1, || {
        for _ in 0..count {
            let frames = payload.par_chunks(FRAME).zip(ciphertexts.par_chunks_mut(FRAME + 16)).enumerate();
            frames.for_each(|(place, (payload, ciphertext))| {
                seals.write_message(counter + place as u64, payload, ciphertext).expect("a frame");
            });
            counter += WINDOW as u64;
        }
    });
}

fn transports() -> [StatelessTransportState; 2] {
    let suite = "Noise_NN_25519_AESGCM_SHA256";
    let builder = || {
        let resolver = FallbackResolver::new(Box::new(RingResolver), Box::new(DefaultResolver));
        Builder::with_resolver(suite.parse().expect("a suite"), Box::new(resolver))
    };
    let mut initiator = builder().build_initiator().expect("complete");
    let mut responder = builder().build_responder().expect("complete");
    let (mut wire, mut payload) = ([0; 256], [0; 256]);
    let length = initiator.write_message(&[], &mut wire).expect("first");
    responder.read_message(&wire[..length], &mut payload).expect("first");
    let length = responder.write_message(&[], &mut wire).expect("second");
    initiator.read_message(&wire[..length], &mut payload).expect("second");
    [initiator, responder].map(|state| state.into_stateless_transport_mode().expect("finished"))
}

/// What the machine's TCP does with the same bytes in the same pieces.
fn plain_socket() {
    let (mut from, mut to) = sockets();
    let piece = vec![1; 8 * (FRAME + 18)];
    let count = repeats(piece.len());
    time("plain TCP, pieces of 8 frames, one way", piece.len() * count, 1, || {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut taken = vec![0; piece.len()];
                for _ in 0..count {
                    to.read_exact(&mut taken).expect("the other sends");
                }
            });
            for _ in 0..count {
                from.write_all(&piece).expect("the other receives");
            }
        });
    });
}

fn channels() -> (NoiseChannel, NoiseChannel) {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let (a, b) = (StaticKey::generate(&mut rng), StaticKey::generate(&mut rng));
    let (dialled, accepted) = sockets();
    let initiator = Handshake { role: Role::Initiator, local: &a, remote: b.public(), prologue: [7; 32] };
    let responder = Handshake { role: Role::Responder, local: &b, remote: a.public(), prologue: [7; 32] };
    thread::scope(|scope| {
        let other = scope.spawn(|| NoiseChannel::connect(accepted, &responder, DEADLINES).expect("both agree"));
        let mine = NoiseChannel::connect(dialled, &initiator, DEADLINES).expect("both agree");
        (mine, other.join().expect("no panic"))
    })
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let dialled = TcpStream::connect(listener.local_addr().expect("bound")).expect("loopback");
    (dialled, listener.accept().expect("dialled").0)
}
