//! Sessions in one process and over sockets: values, shares, and everything that is refused.

mod precision;

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_core::{CryptoRng, Rng};
use tacit_protocol::program::plain::PlainData;
use tacit_protocol::program::{Binary, NodeId, Op, Reduction, Unary};
use tacit_protocol::schema::Element;
use tacit_protocol::{Number, PartyId};

use super::*;
use crate::channel::noise::Deadlines;
use crate::error::{Error, Result};
use crate::released::ReleasedValue;

const BOTH: [PartyId; 2] = [PartyId::ZERO, PartyId::ONE];
const DEADLINES: Deadlines = Deadlines { silence: Duration::from_secs(60), total: Duration::from_secs(600) };

fn rng(seed: u64) -> Box<dyn CryptoRng + Send> {
    Box::new(ChaCha20Rng::seed_from_u64(seed))
}

fn local() -> Session {
    Session::local([rng(1), rng(2)]).expect("both parties are here")
}

fn given(data: PlainData, shape: &[u64], range: [i64; 2]) -> Given {
    let element = match data {
        PlainData::Bool(_) => Element::Bool,
        PlainData::Int64(_) => Element::Int64,
        _ => Element::Float64,
    };
    Given { cells: data.into(), shape: shape.to_vec(), element, range: range.map(Number::from), name: "x".into() }
}

fn ints(cells: &[i64], most: i64) -> Given {
    given(PlainData::Int64(cells.to_vec()), &[cells.len() as u64], [-most, most])
}

fn floats(cells: &[f64], most: i64) -> Given {
    given(PlainData::Float64(cells.to_vec()), &[cells.len() as u64], [-most, most])
}

fn binary(function: Binary, left: &Lazy, right: &Lazy) -> Lazy {
    let op = Op::Binary { function, left: NodeId(0), right: NodeId(1) };
    Lazy::new(op, vec![left.clone(), right.clone()], None).expect("typed")
}

fn sum(value: &Lazy) -> Lazy {
    let op = Op::Reduce { function: Reduction::Sum, value: NodeId(0), axes: vec![], keep_dims: false, mask: None };
    Lazy::new(op, vec![value.clone()], None).expect("typed")
}

fn values(released: &[Option<ReleasedValue>]) -> Vec<f64> {
    released[0].as_ref().expect("a receiver is here").to_f64()
}

fn reveal(session: &mut Session, value: &Lazy) -> Vec<f64> {
    values(&session.reveal(std::slice::from_ref(value), &BOTH).expect("it runs"))
}

/// Two sessions over loopback, in threads of their own.
fn over_loopback<A: Send, B: Send>(
    keys: [[u8; 32]; 2],
    parties: [PartyId; 2],
    zero: impl FnOnce(Result<Session>) -> A + Send,
    one: impl FnOnce(Result<Session>) -> B + Send,
) -> (A, B) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::scope(|scope| {
        let listening = scope.spawn(move || {
            let key = PairKey::new(keys[0]);
            let (socket, _) = listener.accept().expect("it dials");
            let welcomed = key.welcome(&socket, parties[0], DEADLINES.silence);
            zero(welcomed.and_then(|_| Session::over(socket, false, parties[0], &key, DEADLINES, rng(3))))
        });
        let dialling = scope.spawn(move || {
            let socket = TcpStream::connect(address).expect("it listens");
            one(Session::over(socket, true, parties[1], &PairKey::new(keys[1]), DEADLINES, rng(4)))
        });
        (listening.join().expect("no panic"), dialling.join().expect("no panic"))
    })
}

fn code(error: &Error) -> String {
    error.code().as_str().to_owned()
}

#[test]
fn both_parties_in_one_process_compute_what_was_asked() {
    let mut session = local();
    let x = session.array(PartyId::ZERO, Some(ints(&[3, -5, 7], 100))).expect("in range");
    let y = session.array(PartyId::ONE, Some(ints(&[2, 4, -6], 100))).expect("in range");
    assert_eq!(reveal(&mut session, &binary(Binary::Multiply, &x, &y)), [6.0, -20.0, -42.0]);
    assert_eq!(reveal(&mut session, &binary(Binary::Less, &x, &y)), [0.0, 1.0, 0.0]);
    assert_eq!(reveal(&mut session, &sum(&binary(Binary::Add, &x, &y))), [5.0]);
    let scalar = session.array(PartyId::ONE, Some(given(PlainData::Float64(vec![0.5]), &[], [-1, 1]))).expect("0-d");
    let empty = session.array(PartyId::ZERO, Some(ints(&[], 5))).expect("empty");
    assert_eq!(reveal(&mut session, &binary(Binary::Multiply, &x, &scalar)), [1.5, -2.5, 3.5]);
    assert_eq!(reveal(&mut session, &empty), [0.0; 0]);
    assert_eq!(reveal(&mut session, &sum(&empty)), [0.0]);
}

#[test]
fn a_factor_that_stands_on_either_side_of_products_is_right_on_both() {
    const ROWS: u64 = 1000;
    const COLUMNS: u64 = 150;
    let mut session = local();
    let mut shared = |rows: u64, columns: u64, seed: u64| {
        let cells: Vec<i64> = (0..rows * columns).map(|i| (i * seed % 7) as i64 % 2).collect();
        let whole = given(PlainData::Int64(cells.clone()), &[rows, columns], [0, 1]);
        let none = given(PlainData::Int64(vec![0; cells.len()]), &[rows, columns], [0, 1]);
        let parts = [(PartyId::ZERO, whole), (PartyId::ONE, none)];
        let [a, b] = parts.map(|(party, given)| session.array(party, Some(given)).expect("in range"));
        (binary(Binary::Add, &a, &b), cells, [rows, columns])
    };
    let z = shared(ROWS, COLUMNS, 3);
    let left = [shared(8, ROWS, 2), shared(8, ROWS, 5)];
    let right = [shared(COLUMNS, 8, 4), shared(COLUMNS, 8, 9)];
    let pairs = [(&left[0], &z), (&z, &right[0]), (&left[1], &z), (&z, &right[1])];
    let matmul = |(a, b): (&(Lazy, _, _), &(Lazy, _, _))| {
        let op = Op::MatMul { left: NodeId(0), right: NodeId(1) };
        Lazy::new(op, vec![a.0.clone(), b.0.clone()], None).expect("typed")
    };
    let released = session.reveal(&pairs.map(matmul), &BOTH).expect("it runs");
    for (place, (((_, a, [rows, inner]), (_, b, [_, columns])), released)) in
        pairs.into_iter().zip(released).enumerate()
    {
        let cell =
            |i: u64, j: u64| (0..*inner).map(|k| a[(i * inner + k) as usize] * b[(k * columns + j) as usize]).sum();
        let expected: Vec<i64> =
            (0..*rows).flat_map(|i| (0..*columns).map(move |j| (i, j))).map(|(i, j)| cell(i, j)).collect();
        let found = released.expect("a receiver is here").to_f64();
        assert!(found.iter().zip(&expected).all(|(found, cell)| *found == *cell as f64), "product {place}");
    }
}

#[test]
fn only_the_receiver_gets_a_value() {
    let (at_zero, at_one) = over_loopback([[7; 32]; 2], BOTH, one_sum, one_sum);
    assert_eq!((at_zero, at_one), (Some(42.0), None));
    fn one_sum(session: Result<Session>) -> Option<f64> {
        let mut session = session.expect("the keys are the same");
        let (zero, one) =
            session.parties().contains(&PartyId::ZERO).then_some(()).map_or((None, Some(2)), |()| (Some(40), None));
        let x = session.array(PartyId::ZERO, zero.map(|cell| ints(&[cell], 100))).expect("in range");
        let y = session.array(PartyId::ONE, one.map(|cell| ints(&[cell], 100))).expect("in range");
        let released = session.reveal(&[binary(Binary::Add, &x, &y)], &[PartyId::ZERO]).expect("it runs");
        session.close().expect("the line is up");
        released[0].as_ref().map(|value| value.to_f64()[0])
    }
}

#[test]
fn what_was_computed_is_not_computed_again() {
    let mut session = local();
    let x = session.array(PartyId::ZERO, Some(floats(&[1.5; 50], 100))).expect("in range");
    let y = session.array(PartyId::ONE, Some(floats(&[2.0; 50], 100))).expect("in range");
    let product = binary(Binary::Multiply, &x, &y);
    let total = sum(&product);
    let before = session.explain(&product).expect("it plans");
    assert!(before.transfers > 0, "{before:?}");
    assert_eq!(reveal(&mut session, &total), [150.0]);
    // The product was on the way to the sum.
    let after = session.explain(&binary(Binary::Add, &product, &x)).expect("it plans");
    assert_eq!((after.transfers, after.rounds), (0, 1), "{after:?}");
    let sent = session.traffic();
    assert_eq!(reveal(&mut session, &product), [3.0; 50]);
    assert!(session.traffic().sent - sent.sent < 128 + 50 * 8 + 1, "the opening and no more");
}

#[test]
fn what_one_party_knows_it_computes_alone_for_ever() {
    let mut session = local();
    let x = session.array(PartyId::ZERO, Some(ints(&[3, -5, 7], 100))).expect("in range");
    let square = binary(Binary::Multiply, &x, &x);
    let below = binary(Binary::Less, &x, &square);
    let largest =
        Op::Reduce { function: Reduction::Argmax, value: NodeId(0), axes: vec![], keep_dims: false, mask: None };
    let largest = Lazy::new(largest, vec![square.clone()], None).expect("typed");
    for _ in 0..2 {
        assert_eq!(reveal(&mut session, &square), [9.0, 25.0, 49.0]);
        assert_eq!(reveal(&mut session, &below), [1.0; 3]);
        session.share(&square).expect("it runs");
        for own in [&below, &largest] {
            assert_eq!(session.explain(own).expect("it plans").transfers, 0);
        }
    }
    assert_eq!(reveal(&mut session, &largest), [2.0]);
}

#[test]
fn shares_come_back_in_wider_and_in_narrower_words() {
    let mut session = local();
    let mut random = ChaCha20Rng::seed_from_u64(5);
    // 59 bits with the 18 binary digits.
    let most = 1 << 40;
    let mut cells: Vec<f64> = (0..200).map(|_| (random.next_u64() as i64 >> 6) as f64 / 262_144.0).collect();
    cells.extend([0.0, 1.0, -1.0, most as f64, -(most as f64)]);
    let x = session.array(PartyId::ZERO, Some(floats(&cells, most))).expect("in range");
    let ones = session.array(PartyId::ONE, Some(ints(&vec![1; cells.len()], 1))).expect("in range");
    let narrow = session.share(&binary(Binary::Multiply, &x, &ones)).expect("it runs");
    assert!(narrow.parts.iter().all(|part| part.as_ref().is_some_and(|part| part.word_bits() == 64)));
    let back = session.from_shares(SharedValue { op: narrow.op.clone(), parts: narrow.parts.clone() });
    let back = back.expect("as it was shared");
    // The square has 116 bits, so everything beside it is in words of 128.
    let square = binary(Binary::Multiply, &back, &back);
    assert_eq!(session.explain(&square).expect("it plans").word_bits, 128);
    let difference = binary(Binary::Subtract, &back, &x);
    let wide = session.reveal(&[square.clone(), difference], &BOTH).expect("it runs");
    assert_eq!(wide[1].as_ref().expect("revealed").to_f64(), vec![0.0; cells.len()]);
    for (square, cell) in values(&wide).iter().zip(&cells) {
        assert!((square - cell * cell).abs() <= 1e-5 + cell * cell * 1e-15, "{cell}");
    }
    let shared = session.share(&square).expect("it is there");
    assert_eq!(shared.parts[0].as_ref().map(|part| part.word_bits()), Some(128));
    // Few bits in wide words, and so words of 64 bits.
    let thin = Op::Assume { value: NodeId(0), lo: Number::from(-1), hi: Number::from(1 << 41) };
    let sign = binary(Binary::Less, &back, &x);
    let both = session.reveal(&[Lazy::new(thin, vec![back.clone()], None).expect("typed"), sign], &BOTH);
    assert_eq!(code(&both.expect_err("cells below -1")), "OUT_OF_RANGE");
    let small = session.array(PartyId::ZERO, Some(floats(&[1.5, -2.0], 4))).expect("in range");
    let large = session.array(PartyId::ONE, Some(floats(&[3.0, 0.5], most << 8))).expect("in range");
    let theirs = session.array(PartyId::ONE, Some(floats(&[1.5, -2.0], 4))).expect("in range");
    let (product, huge) = (binary(Binary::Multiply, &small, &theirs), binary(Binary::Multiply, &large, &small));
    session.reveal(&[product.clone(), huge], &BOTH).expect("it runs");
    let product = session.share(&product).expect("it is there");
    assert_eq!(product.parts[0].as_ref().map(|part| part.word_bits()), Some(128));
    let product = session.from_shares(SharedValue { op: product.op.clone(), parts: product.parts.clone() });
    let doubled = binary(Binary::Multiply, &product.expect("as it was shared"), &small);
    assert_eq!(session.explain(&doubled).expect("it plans").word_bits, 64);
    let doubled = reveal(&mut session, &doubled);
    assert!((doubled[0] - 3.375).abs() < 1e-4 && (doubled[1] + 8.0).abs() < 1e-4, "{doubled:?}");
}

#[test]
fn what_the_peer_refuses_is_known_on_both_sides_and_the_session_goes_on() {
    let run = |session: Result<Session>| {
        let mut session = session.expect("the keys are the same");
        let zero = session.parties() == [PartyId::ZERO];
        let wrong = session.array(PartyId::ZERO, zero.then(|| ints(&[1, 2, 300], 100))).expect_err("300 is beyond 100");
        let x = session.array(PartyId::ZERO, zero.then(|| ints(&[1, 2, 3], 100))).expect("in range");
        (code(&wrong), wrong.to_string(), reveal(&mut session, &sum(&x)))
    };
    let (at_zero, at_one) = over_loopback([[7; 32]; 2], BOTH, run, run);
    assert_eq!((at_zero.0.as_str(), at_one.0.as_str()), ("INPUT_SCHEMA", "PEER_INPUT"));
    assert!(at_zero.1.contains("\"x\": the cell [2] is beyond the declared [-100, 100]"), "{}", at_zero.1);
    assert!(at_one.1.contains("party 0"), "{}", at_one.1);
    assert_eq!((at_zero.2, at_one.2), (vec![6.0], vec![6.0]));
}

#[test]
fn another_key_is_told_to_both_sides_chk_408() {
    let failed = |session: Result<Session>| session.expect_err("the keys differ");
    let (at_zero, at_one) = over_loopback([[7; 32], [8; 32]], BOTH, failed, failed);
    for (error, peer) in [(&at_zero, "party 1"), (&at_one, "party 0")] {
        assert_eq!(code(error), "CHANNEL_KEY");
        assert!(error.to_string().contains(&format!("{peer} has another key")), "{error}");
    }
    let (at_zero, at_one) = over_loopback([[7; 32]; 2], [PartyId::ONE; 2], failed, failed);
    assert_eq!((code(&at_zero), code(&at_one)), ("CHANNEL_BINDING".into(), "CHANNEL_BINDING".into()));
}

#[test]
fn who_says_something_else_is_a_stranger_chk_408() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let stranger = |bytes: &'static [u8]| {
        let mut socket = TcpStream::connect(address).expect("it listens");
        std::io::Write::write_all(&mut socket, bytes).expect("open");
    };
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 200]] {
        stranger(bytes);
        let (socket, _) = listener.accept().expect("it dialled");
        let heard = PairKey::new([7; 32]).welcome(&socket, PartyId::ZERO, Duration::from_secs(20));
        assert_eq!(heard.expect("a stranger is no error"), Preamble::Stranger);
    }
}

#[test]
fn scripts_that_differ_are_found_out_and_the_session_goes_on_chk_409() {
    let run = |session: Result<Session>| {
        let mut session = session.expect("the keys are the same");
        let zero = session.parties() == [PartyId::ZERO];
        let x = session.array(PartyId::ZERO, zero.then(|| ints(&[6, 7], 100))).expect("in range");
        let y = session.array(PartyId::ONE, (!zero).then(|| ints(&[2, 3], 100))).expect("in range");
        let function = if zero { Binary::Add } else { Binary::Subtract };
        let differs = session.reveal(&[binary(function, &x, &y)], &BOTH).expect_err("they differ");
        (code(&differs), differs.to_string(), reveal(&mut session, &binary(Binary::Multiply, &x, &y)))
    };
    let (at_zero, at_one) = over_loopback([[7; 32]; 2], BOTH, run, run);
    for (code, text, after) in [at_zero, at_one] {
        assert_eq!(code, "PLAN_MISMATCH");
        assert!(text.contains("in the same order"), "{text}");
        assert_eq!(after, [12.0, 21.0]);
    }
}

#[test]
fn scripts_at_different_places_end_the_session_chk_409() {
    let zero = |session: Result<Session>| {
        let mut session = session.expect("the keys are the same");
        let x = session.array(PartyId::ZERO, Some(ints(&[6, 7], 100))).expect("in range");
        session.reveal(&[x], &BOTH).expect_err("the peer waits for an array")
    };
    let one = |session: Result<Session>| {
        let mut session = session.expect("the keys are the same");
        session.array(PartyId::ZERO, None).expect("in range");
        let differs = session.array(PartyId::ZERO, None).expect_err("the peer reveals");
        let after = session.array(PartyId::ZERO, None).expect_err("it has ended");
        (differs, after)
    };
    let (at_zero, (at_one, after)) = over_loopback([[7; 32]; 2], BOTH, zero, one);
    assert_eq!((code(&at_one), code(&after)), ("PROTOCOL_ORDER".into(), "SESSION_ENDED".into()));
    assert!(["CHANNEL_CLOSED", "CHANNEL_TRUNCATED"].contains(&code(&at_zero).as_str()), "{at_zero}");
}

#[test]
fn a_peers_array_has_a_type_that_arrays_have_chk_409() {
    use super::control::{Control, Header};
    use super::party::Party;
    for (element, wanted) in [
        (Element::Date, "PROGRAM_MALFORMED"),
        (Element::Decimal { scale: 200 }, "PROGRAM_MALFORMED"),
        (Element::Bool, "PROGRAM_RANGE"),
    ] {
        let (own, theirs) = crate::channel::pair();
        let refused = thread::scope(|scope| {
            scope.spawn(move || {
                let mut peer = Party::start(PartyId::ONE, Line::Memory(theirs), rng(6)).expect("both are here");
                let header = Header { element, shape: vec![2], lo: Number::from(-7), hi: Number::from(7) };
                peer.on_line(|_, channel| Control::Array(header).send(channel)).expect("the line is up");
            });
            let mut session =
                Session::alone(Party::start(PartyId::ZERO, Line::Memory(own), rng(7)).expect("both are here"));
            session.array(PartyId::ONE, None).expect_err("no such array")
        });
        assert_eq!(code(&refused), wanted);
    }
}

#[test]
fn a_broken_promise_opens_nothing_and_the_session_goes_on() {
    let mut session = local();
    let x = session.array(PartyId::ZERO, Some(ints(&[3, 50], 100))).expect("in range");
    let promise = Op::Assume { value: NodeId(0), lo: Number::from(0), hi: Number::from(10) };
    let narrow = Lazy::new(promise, vec![x.clone()], None).expect("typed");
    let broken = session.reveal(std::slice::from_ref(&narrow), &BOTH).expect_err("50 is beyond 10");
    assert_eq!(code(&broken), "OUT_OF_RANGE");
    assert_eq!(code(&session.share(&narrow).expect_err("still")), "OUT_OF_RANGE");
    assert_eq!(reveal(&mut session, &x), [3.0, 50.0]);
}

#[test]
fn shares_of_another_form_are_refused() {
    let mut session = local();
    let x = session.array(PartyId::ZERO, Some(ints(&[3, 50], 100))).expect("in range");
    let shared = session.share(&binary(Binary::Multiply, &x, &x)).expect("it runs");
    let refused = |op: &Op, parts: &[usize]| {
        let parts = parts.iter().map(|place| shared.parts[*place].clone()).collect();
        code(&session.from_shares(SharedValue { op: op.clone(), parts }).expect_err("another form"))
    };
    assert_eq!(refused(&shared.op, &[1, 0]), "SHARE_FORM");
    assert_eq!(refused(&shared.op, &[0]), "SHARE_FORM");
    let changed = |change: fn(&mut Op)| {
        let mut op = shared.op.clone();
        change(&mut op);
        refused(&op, &[0, 1])
    };
    assert_eq!(
        changed(|op| if let Op::Input { shape, .. } = op {
            *shape = vec![3]
        }),
        "SHARE_FORM"
    );
    assert_eq!(
        changed(|op| if let Op::Input { element, .. } = op {
            *element = Element::Bool
        }),
        "PROGRAM_RANGE"
    );
    assert_eq!(
        changed(|op| if let Op::Input { from: tacit_protocol::program::InputSource::Shares(of), .. } = op {
            of.word_bits = 128;
        }),
        "SHARE_FORM"
    );
}

#[test]
fn undefined_cells_stay_undefined_as_shares() {
    let mut session = local();
    let x = session.array(PartyId::ZERO, Some(ints(&[6, 5, -8], 100))).expect("in range");
    let y = session.array(PartyId::ONE, Some(ints(&[3, 0, 2], 100))).expect("in range");
    let quotient = binary(Binary::Divide, &x, &y);
    session.share(&quotient).expect("it runs");
    let revealed = reveal(&mut session, &quotient);
    assert!((revealed[0] - 2.0).abs() < 1e-5 && revealed[1].is_nan() && (revealed[2] + 4.0).abs() < 1e-5);
}

#[test]
fn more_transfers_than_before_and_very_many_operations() {
    let mut session = local();
    let cells: Vec<i64> = (0..20_000).map(|cell| cell % 1000 - 500).collect();
    let x = session.array(PartyId::ZERO, Some(ints(&cells[..10], 1 << 20))).expect("in range");
    let y = session.array(PartyId::ONE, Some(ints(&cells[10..20], 1 << 20))).expect("in range");
    assert_eq!(reveal(&mut session, &sum(&binary(Binary::Less, &x, &y))), [10.0]);
    let more = session.array(PartyId::ONE, Some(ints(&cells, 1 << 20))).expect("in range");
    let swapped: Vec<i64> = cells.iter().rev().copied().collect();
    let other = session.array(PartyId::ZERO, Some(ints(&swapped, 1 << 20))).expect("in range");
    let less = binary(Binary::Less, &more, &other);
    let expected = cells.iter().zip(&swapped).filter(|(a, b)| a < b).count();
    assert!(session.explain(&less).expect("it plans").transfers > crate::params::SILENT_LEAST, "another way");
    assert_eq!(reveal(&mut session, &sum(&less)), [expected as f64]);
    let mut chain = x;
    for _ in 0..6_000 {
        let negated = Op::Unary { function: Unary::Negate, value: NodeId(0) };
        chain = Lazy::new(negated, vec![chain], None).expect("typed");
    }
    assert_eq!(reveal(&mut session, &chain), cells[..10].iter().map(|cell| *cell as f64).collect::<Vec<_>>());
}

#[test]
fn keys_are_read_from_64_digits() {
    let text = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F\n";
    assert!(PairKey::from_hex(text).is_ok());
    for wrong in ["", "00", &text[2..], &text.replace('f', "g"), &text.trim().replace("00", "é"), &"0".repeat(66)] {
        assert_eq!(code(&PairKey::from_hex(wrong).expect_err("no key")), "CHANNEL_KEY", "{wrong:?}");
    }
}
