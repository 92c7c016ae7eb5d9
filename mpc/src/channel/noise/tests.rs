//! The channel over real sockets, with an honest peer and with one that deviates.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use snow::StatelessTransportState;
use tacit_protocol::PartyId;

use super::*;
use crate::channel;
use crate::correlations::Correlations;
use crate::ot::SoftSpoken;
use crate::psi;

const PATIENT: Deadlines = Deadlines { silence: Duration::from_secs(60), total: Duration::from_secs(120) };

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let dialled = TcpStream::connect(listener.local_addr().expect("bound")).expect("loopback");
    (dialled, listener.accept().expect("dialled").0)
}

fn keys() -> [StaticKey; 2] {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    [StaticKey::generate(&mut rng), StaticKey::generate(&mut rng)]
}

fn handshakes(keys: &[StaticKey; 2]) -> [Handshake<'_>; 2] {
    let [a, b] = keys;
    [
        Handshake { role: Role::Initiator, local: a, remote: b.public(), prologue: [7; 32] },
        Handshake { role: Role::Responder, local: b, remote: a.public(), prologue: [7; 32] },
    ]
}

/// Connects two ends as told and returns what each got.
fn connect(a: &Handshake<'_>, b: &Handshake<'_>, max_frames: u64) -> (Result<NoiseChannel>, Result<NoiseChannel>) {
    let (dialled, accepted) = sockets();
    thread::scope(|scope| {
        let other = scope.spawn(|| NoiseChannel::connect_with(accepted, b, PATIENT, max_frames, None));
        let mine = NoiseChannel::connect_with(dialled, a, PATIENT, max_frames, None);
        (mine, other.join().expect("no panic"))
    })
}

fn connected(max_frames: u64) -> (NoiseChannel, NoiseChannel) {
    let keys = keys();
    let [a, b] = handshakes(&keys);
    let (a, b) = connect(&a, &b, max_frames);
    (a.expect("both agree"), b.expect("both agree"))
}

/// An honest channel against a peer that has the right keys and writes what it likes.
fn against_raw(deadlines: Deadlines) -> (NoiseChannel, TcpStream, StatelessTransportState) {
    let keys = keys();
    let [a, b] = handshakes(&keys);
    let (dialled, accepted) = sockets();
    thread::scope(|scope| {
        let raw = scope.spawn(|| {
            let transport = b.run(&accepted, PATIENT.silence).expect("both agree");
            (accepted, transport)
        });
        let channel = NoiseChannel::connect(dialled, &a, deadlines).expect("both agree");
        let (socket, transport) = raw.join().expect("no panic");
        (channel, socket, transport)
    })
}

fn frame(transport: &StatelessTransportState, counter: u64, payload: &[u8]) -> Vec<u8> {
    let mut ciphertext = vec![0; payload.len() + 16];
    transport.write_message(counter, payload, &mut ciphertext).expect("fits a frame");
    [&(ciphertext.len() as u16).to_le_bytes()[..], &ciphertext].concat()
}

fn code(error: &Error) -> String {
    error.code().as_str().to_owned()
}

/// What an honest receiver of `expected` bytes ends with when the peer writes this and hangs up.
fn after(expected: usize, wire: impl FnOnce(&StatelessTransportState) -> Vec<u8>) -> Error {
    let (mut channel, mut socket, transport) = against_raw(PATIENT);
    channel.enter("opening");
    socket.write_all(&wire(&transport)).expect("the channel reads");
    drop(socket);
    channel.receive(&mut vec![0; expected]).expect_err("the peer deviated")
}

#[test]
fn over_a_simulated_link_each_way_takes_half_a_round_trip_and_its_turn() {
    let keys = keys();
    let [a, b] = handshakes(&keys);
    let (dialled, accepted) = sockets();
    let link = Link { round_trip: Duration::from_millis(10), bits_per_second: 80_000_000 };
    let (mut a, mut b) = thread::scope(|scope| {
        let other = scope.spawn(|| NoiseChannel::connect_over(link, accepted, &b, PATIENT));
        let mine = NoiseChannel::connect_over(link, dialled, &a, PATIENT).expect("both agree");
        (mine, other.join().expect("no panic").expect("both agree"))
    });
    let start = Instant::now();
    let mut got = vec![0; 20_000];
    a.send(&[1; 20_000]).and_then(|()| a.flush()).expect("honest");
    b.receive(&mut got).expect("honest");
    assert_eq!(got, [1; 20_000]);
    // 20,000 bytes pass in 2 ms.
    assert!(start.elapsed() >= Duration::from_millis(7));
    b.send(&[2]).and_then(|()| b.flush()).expect("honest");
    a.receive(&mut got[..1]).expect("honest");
    assert_eq!(got[0], 2);
    assert!(start.elapsed() >= Duration::from_millis(12));
}

#[test]
fn carries_large_messages_both_ways_at_once() {
    let (a, b) = connected(CHANNEL_MAX_FRAMES);
    let exchange = |mut channel: NoiseChannel, mine: u8, theirs: u8| {
        // More than the sockets hold, so that it would block if sending waited for receiving.
        channel.send(&vec![mine; 20_000_000])?;
        channel.send(&[mine, 1])?;
        let mut big = vec![0; 20_000_000];
        channel.receive(&mut big)?;
        let mut small = [0; 2];
        channel.receive(&mut small)?;
        assert!(big.iter().all(|byte| *byte == theirs));
        assert_eq!(small, [theirs, 1]);
        channel.finish()
    };
    let (a, b) = thread::scope(|scope| {
        let other = scope.spawn(|| exchange(b, 2, 1));
        (exchange(a, 1, 2).expect("honest"), other.join().expect("no panic").expect("honest"))
    });
    let payload = 20_000_002;
    let frames = 20_000_002_u64.div_ceil(65_519) + 1;
    assert_eq!(a, b);
    assert_eq!((a.sent, a.received, a.rounds), (payload, payload, 1));
    assert_eq!((a.wire_sent, a.wire_received), (payload + 18 * frames, payload + 18 * frames));
}

#[test]
fn frames_are_full_in_order_and_under_the_counters_from_zero() {
    let (mut channel, mut socket, transport) = against_raw(PATIENT);
    let sent: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let (start, rest) = sent.split_at(10);
    channel.send(start).and_then(|()| channel.send(rest)).and_then(|()| channel.flush()).expect("open");
    channel.send(&[]).and_then(|()| channel.flush()).expect("open");
    channel.send(&[9]).and_then(|()| channel.flush()).expect("open");
    let mut got = Vec::new();
    for (counter, payload) in [65_519, 65_519, 65_519, 200_000 - 3 * 65_519, 1].into_iter().enumerate() {
        let mut wire = vec![0; 2 + payload + 16];
        socket.read_exact(&mut wire).expect("the channel sends");
        assert_eq!(usize::from(u16::from_le_bytes([wire[0], wire[1]])), payload + 16);
        let mut opened = vec![0; payload + 16];
        let length = transport.read_message(counter as u64, &wire[2..], &mut opened).expect("the next counter");
        got.extend_from_slice(&opened[..length]);
    }
    assert!(got == [&sent[..], &[9]].concat());
}

#[test]
fn messages_arrive_whole_however_they_are_taken() {
    let (mut a, mut b) = connected(CHANNEL_MAX_FRAMES);
    let sent: Vec<u8> = (0..400_000_u32).map(|at| (at % 251) as u8).collect();
    for piece in sent.chunks(70_000) {
        a.send(piece).and_then(|()| a.flush()).expect("open");
    }
    // Within a frame, up to its last byte, past it with and without room for a tag, and over several.
    let mut got = vec![0; sent.len()];
    let mut left = &mut got[..];
    for bytes in [1, 65_518, 1, 4_480, 65_519, 4_481 + 65_519 + 15, 4_466 + 65_519 + 16, 0, 65_000] {
        let (now, later) = left.split_at_mut(bytes);
        b.receive(now).expect("open");
        left = later;
    }
    b.receive(left).expect("open");
    assert!(got == sent);
}

// CHK-403
#[test]
fn a_key_that_served_its_frames_ends_what_follows_too() {
    let (mut a, mut b) = connected(2);
    assert_eq!(code(&a.send(&vec![1; 3 * 65_519]).expect_err("a third frame")), "CHANNEL_REKEY");
    assert_eq!(code(&a.send(&vec![1; 65_519]).expect_err("a third frame")), "CHANNEL_REKEY");
    assert_eq!(code(&a.receive(&mut [0]).expect_err("nothing will be answered")), "CHANNEL_REKEY");
    drop(a);
    let error = b.receive(&mut vec![0; 3 * 65_519]).expect_err("two frames at most");
    assert!(["CHANNEL_TRUNCATED", "CHANNEL_CLOSED"].contains(&code(&error).as_str()), "{error}");
}

/// An alignment and transfers in both directions; what they gave and what they cost.
fn protocols(channel: &mut dyn Channel, party: PartyId) -> (Vec<u32>, Vec<[u128; 2]>, Vec<u128>, Traffic) {
    let mut rng = ChaCha12Rng::seed_from_u64(u64::from(party.0));
    let keys: Vec<[u8; 1]> = (0..40).map(|key| [key + 20 * party.0]).collect();
    let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
    let rows = psi::align(channel, party, &keys, 40, &[3; 32], &mut rng).expect("honest");
    let mut ots = SoftSpoken::establish(channel, party, [4; 32], &mut rng).expect("honest");
    let (sent, received) = if party == PartyId::ZERO {
        let sent = ots.send_random(channel, 10_000).expect("honest");
        (sent, ots.receive_random(channel, 70_000).expect("honest").1)
    } else {
        let received = ots.receive_random(channel, 10_000).expect("honest").1;
        (ots.send_random(channel, 70_000).expect("honest"), received)
    };
    channel.flush().expect("honest");
    (rows, sent, received, Traffic { wire_sent: 0, wire_received: 0, ..channel.traffic() })
}

#[test]
fn protocols_do_the_same_over_noise_as_in_memory() {
    let (a, b) = connected(CHANNEL_MAX_FRAMES);
    let over_noise = thread::scope(|scope| {
        let run = |mut channel: NoiseChannel, party| {
            let outcome = protocols(&mut channel, party);
            channel.finish().expect("nothing is left over");
            outcome
        };
        let other = scope.spawn(move || run(b, PartyId::ONE));
        [run(a, PartyId::ZERO), other.join().expect("no panic")]
    });
    let (mut a, mut b) = channel::pair();
    let in_memory = thread::scope(|scope| {
        let other = scope.spawn(move || protocols(&mut b, PartyId::ONE));
        [protocols(&mut a, PartyId::ZERO), other.join().expect("no panic")]
    });
    assert_eq!(over_noise[0].0.len(), 20);
    assert!(over_noise == in_memory);
}

// CHK-401
#[test]
fn another_key_than_the_announced_is_refused_by_either_side() {
    let keys = keys();
    let [a, b] = handshakes(&keys);
    let wrong = Handshake { remote: [1; 32], ..a };
    let (mine, theirs) = connect(&wrong, &b, CHANNEL_MAX_FRAMES);
    assert_eq!(code(&mine.err().expect("wrong key")), "CHANNEL_KEY");
    assert_eq!(code(&theirs.err().expect("the other hung up")), "CHANNEL_CLOSED");
    let wrong = Handshake { remote: [1; 32], ..b };
    let (mine, theirs) = connect(&a, &wrong, CHANNEL_MAX_FRAMES);
    assert_eq!(code(&theirs.err().expect("wrong key")), "CHANNEL_KEY");
    // The initiator has said all it has to say before the responder looks; it learns of the refusal on first use.
    let error = mine.expect("nothing refused yet").receive(&mut [0]).expect_err("the other hung up");
    assert!(["CHANNEL_TRUNCATED", "CHANNEL_CLOSED"].contains(&code(&error).as_str()), "{error}");
}

// CHK-401, attack 40
#[test]
fn another_prologue_is_refused() {
    let keys = keys();
    let [a, b] = handshakes(&keys);
    let other_contract = Handshake { prologue: [8; 32], ..a };
    let (mine, theirs) = connect(&other_contract, &b, CHANNEL_MAX_FRAMES);
    assert_eq!(code(&mine.err().expect("another contract")), "CHANNEL_BINDING");
    assert_eq!(code(&theirs.err().expect("the other hung up")), "CHANNEL_CLOSED");
}

#[test]
fn garbage_in_place_of_a_handshake_is_refused() {
    let keys = keys();
    let [_, b] = handshakes(&keys);
    let (mut dialled, accepted) = sockets();
    dialled.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("loopback");
    let error = NoiseChannel::connect(accepted, &b, PATIENT).err().expect("not a handshake");
    assert_eq!(code(&error), "CHANNEL_BINDING");
}

#[test]
fn a_silent_peer_ends_the_handshake_and_a_receive() {
    let short = Deadlines { silence: Duration::from_millis(20), total: Duration::from_secs(60) };
    let keys = keys();
    let [_, b] = handshakes(&keys);
    let (_dialled, accepted) = sockets();
    let error = NoiseChannel::connect(accepted, &b, short).err().expect("silence");
    assert_eq!(code(&error), "PEER_TIMEOUT");

    let (mut channel, _socket, _) = against_raw(short);
    channel.enter("opening");
    let error = channel.receive(&mut [0]).expect_err("silence");
    assert!(matches!(error, Error::Timeout { step: "opening", .. }), "{error}");
}

#[test]
fn a_peer_that_never_reads_cannot_hold_the_sender_for_ever() {
    let (mut channel, _socket, _) = against_raw(Deadlines { silence: Duration::from_millis(200), ..PATIENT });
    let piece = vec![0; 16 << 20];
    let error = (0..16).find_map(|_| channel.send(&piece).err()).expect("more than the queue and the socket hold");
    assert_eq!(code(&error), "PEER_TIMEOUT");
}

#[test]
fn the_total_deadline_ends_a_peer_that_dribbles() {
    let limits = Deadlines { silence: Duration::from_secs(60), total: Duration::from_millis(200) };
    let (mut channel, mut socket, transport) = against_raw(limits);
    let dribble = thread::spawn(move || {
        let mut counter = 0;
        while socket.write_all(&frame(&transport, counter, &[1])).is_ok() {
            counter += 1;
        }
    });
    let mut big = vec![0; 1 << 30];
    let error = channel.receive(&mut big).expect_err("too slow");
    assert!(matches!(error, Error::Overdue { limit, .. } if limit == limits.total), "{error}");
    assert_eq!(code(&error), "PEER_TIMEOUT");
    drop(channel);
    dribble.join().expect("no panic");
}

// CHK-403, attack 41
#[test]
fn a_replayed_a_reordered_and_a_changed_frame_end_the_channel() {
    let replayed = after(6, |t| [frame(t, 0, b"abc"), frame(t, 0, b"abc")].concat());
    assert_eq!(code(&replayed), "CHANNEL_AUTH");
    let reordered = after(6, |t| [frame(t, 1, b"abc"), frame(t, 0, b"def")].concat());
    assert_eq!(code(&reordered), "CHANNEL_AUTH");
    let changed = after(3, |t| {
        let mut bytes = frame(t, 0, b"abc");
        bytes[4] ^= 1;
        bytes
    });
    assert_eq!(code(&changed), "CHANNEL_AUTH");
    assert_eq!(changed.step(), Some("opening"));
}

// CHK-403, attack 41
#[test]
fn garbage_and_frames_too_short_to_be_authentic_end_the_channel() {
    for garbage in [vec![0xff; 70_000], vec![0, 0], vec![3, 0, 1, 2, 3], vec![16; 18]] {
        let error = after(1, |_| garbage.clone());
        assert!(["CHANNEL_AUTH", "CHANNEL_TRUNCATED"].contains(&code(&error).as_str()), "{error}");
    }
    assert_eq!(code(&after(1, |_| vec![0xff; 70_000])), "CHANNEL_AUTH");
}

// CHK-403, attack 41
#[test]
fn a_connection_that_is_cut_is_truncated_wherever_it_is_cut() {
    for kept in [0, 1, 2, 10, 20] {
        let error = after(3, |t| frame(t, 0, b"abc")[..kept].to_vec());
        assert_eq!(code(&error), "CHANNEL_TRUNCATED", "{kept} bytes");
    }
    let (mut channel, mut socket, transport) = against_raw(PATIENT);
    socket.write_all(&frame(&transport, 0, b"abc")).expect("the channel reads");
    drop(socket);
    channel.receive(&mut [0; 3]).expect("authentic before the cut");
    assert_eq!(code(&channel.finish().expect_err("no closing frame")), "CHANNEL_TRUNCATED");
}

#[test]
fn a_peer_that_closes_early_is_named_as_such() {
    let error = after(4, |t| [frame(t, 0, b"abc"), frame(t, 1, b"")].concat());
    assert_eq!(code(&error), "PROTOCOL_LENGTH");
}

// CHK-404, attack 42
#[test]
fn bytes_that_the_plan_does_not_receive_are_an_excess() {
    for excess in [&b"abcd"[..], b"abc"] {
        let (mut channel, mut socket, transport) = against_raw(PATIENT);
        let more = if excess.len() == 3 { frame(&transport, 1, b"d") } else { frame(&transport, 1, b"") };
        socket.write_all(&[frame(&transport, 0, excess), more].concat()).expect("the channel reads");
        channel.receive(&mut [0; 3]).expect("authentic");
        assert_eq!(code(&channel.finish().expect_err("a byte too many")), "PROTOCOL_EXCESS");
    }
}

// CHK-404, attack 42
#[test]
fn a_flood_stops_at_the_bound_of_the_queue() {
    let (mut channel, mut socket, transport) = against_raw(PATIENT);
    let flood = thread::spawn(move || {
        let payload = vec![1; 65_519];
        let mut counter = 0;
        while counter < 16_384 && socket.write_all(&frame(&transport, counter, &payload)).is_ok() {
            counter += 1;
        }
        counter
    });
    channel.receive(&mut vec![0; 1 << 20]).expect("authentic");
    assert_eq!(code(&channel.finish().expect_err("a gigabyte too many")), "PROTOCOL_EXCESS");
    let frames = flood.join().expect("no panic");
    assert!(frames < 4096, "{frames} frames were taken");
}

// CHK-403
#[test]
fn a_key_that_served_its_frames_is_not_used_again() {
    let (mut a, mut b) = connected(3);
    for _ in 0..3 {
        a.send(&[1]).expect("open");
        a.flush().expect("open");
    }
    b.receive(&mut [0; 3]).expect("three frames");
    assert_eq!(code(&a.finish().expect_err("a fourth frame")), "CHANNEL_REKEY");
}

#[test]
fn an_abort_from_another_thread_ends_a_wait() {
    let (mut a, _b) = connected(CHANNEL_MAX_FRAMES);
    let handle = a.abort_handle();
    let waiting = thread::spawn(move || a.receive(&mut [0]));
    handle.abort();
    let error = waiting.join().expect("no panic").expect_err("aborted");
    assert_eq!(code(&error), "JOB_CANCELLED");
}

#[test]
fn dropping_a_channel_joins_its_threads_and_hangs_up() {
    let (channel, mut socket, _) = against_raw(PATIENT);
    let lane = Arc::downgrade(&channel.lane);
    drop(channel);
    assert!(lane.upgrade().is_none(), "no thread holds the lane");
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).expect("an orderly end");
    assert!(rest.is_empty());
}

#[test]
fn keys_are_redacted_and_agree_with_their_secret() {
    let [key, other] = keys();
    assert_eq!(format!("{key:?}"), "StaticKey(<redacted>)");
    assert_eq!(StaticKey::from_secret(key.secret().clone()).public(), key.public());
    assert_ne!(key.public(), other.public());
}
