//! The worked example of `docs/spec/wire.md`, and its table of messages, against the code.

use tacit_protocol::canonical::Nonce;
use tacit_protocol::codec::encode;
use tacit_protocol::messages::{Hello, LogHead, MESSAGE_LIMIT, PeerText, Request, STRANGER_LIMIT};
use tacit_protocol::{Digest, codec};

const PAGE: &str = include_str!("../../docs/spec/wire.md");

fn greeting() -> Request {
    Request::Hello(Hello {
        oldest: 1,
        newest: 1,
        build: PeerText::new("tacit 0.1.0"),
        organisation: "maison".into(),
        epoch: Nonce::from_bytes([0x5c; 16]),
        now: 1_764_028_800,
        log: LogHead { sequence: 3, digest: Digest::from_bytes([0xab; 32]) },
        budget: None,
    })
}

/// The annotated bytes of the page: hex up to a `#` in each line.
fn written() -> Vec<u8> {
    let (_, rest) = PAGE.split_once("```hex\n").expect("the example");
    let (example, _) = rest.split_once("```").expect("its end");
    let digits: String =
        example.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hex");
    digits.as_bytes().chunks(2).map(byte).collect()
}

#[test]
fn the_greeting_of_the_page_is_the_one_that_nodes_send() {
    let payload = encode(&greeting()).expect("encodes");
    let length = u32::try_from(payload.len() + 1).expect("short").to_le_bytes();
    let frame = [&length[..], &[0], &payload].concat();
    let hex: Vec<String> = frame.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written(), frame, "{}", hex.join(" "));
    assert_eq!(codec::decode(&payload), Ok(greeting()));
}

#[test]
fn the_limits_of_the_page_are_those_of_the_code() {
    assert_eq!((STRANGER_LIMIT, MESSAGE_LIMIT), (4 << 10, 256 << 10));
    assert!(PAGE.contains("4 KiB for a greeting") && PAGE.contains("256 KiB else"));
}

/// A request that the codec does not know is refused, so the page's numbers end where the code's do.
#[test]
fn the_page_numbers_every_request() {
    let listed = |number: u8| PAGE.lines().any(|line| line.starts_with(&format!("| {number} | `")));
    for number in 0..=u8::MAX {
        let error = codec::decode::<Request>(&[number]);
        let unknown = matches!(&error, Err(codec::CodecError::Malformed { cause, .. }) if cause.contains("variant"));
        assert_eq!(listed(number), !unknown && number < 251, "{number}: {error:?}");
    }
}
