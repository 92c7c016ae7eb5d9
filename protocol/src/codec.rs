//! How control messages become bytes: bincode with a fixed limit for every type.
//!
//! *Source*: bincode 2.0.1, derive API, standard configuration (little-endian, variable-length integers).
//! *Security*: the length is checked before anything is read; a count of elements is checked against a budget before
//! memory is reserved for them; trailing bytes are refused; and what was read is written again and must give the same
//! bytes, so that one value has one encoding (CHK-202). No type on the wire is recursive or holds a list of things
//! without size. This is transport only: what is hashed or signed is [`crate::canonical`] JSON.
//! *Cost*: decoding reserves at most [`EXPANSION`] bytes of memory at one time for each byte of the message, rounded up
//! to the next of a few sizes.

use bincode::error::DecodeError;

/// How much larger a value may be in memory than its encoding: a node of a program takes 3 bytes or more on the wire
/// and less than 256 in memory.
pub const EXPANSION: usize = 128;

/// A type that crosses the wire, with the most bytes its encoding may have.
pub trait Wire: bincode::Encode + bincode::Decode<()> {
    /// Its name in errors.
    const NAME: &'static str;
    /// The most bytes of an encoding.
    const LIMIT: usize;

    /// The most bytes of this encoding, which may depend on its first byte (the variant of an enum).
    fn limit_of(_first_byte: Option<u8>) -> usize {
        Self::LIMIT
    }
}

/// Gives a type its limit on the wire.
macro_rules! wire {
    ($type:ty, $limit:expr) => {
        impl $crate::codec::Wire for $type {
            const NAME: &'static str = stringify!($type);
            const LIMIT: usize = $limit;
        }
    };
    ($type:ty, $limit:expr, $limit_of:path) => {
        impl $crate::codec::Wire for $type {
            const NAME: &'static str = stringify!($type);
            const LIMIT: usize = $limit;

            fn limit_of(first_byte: Option<u8>) -> usize {
                $limit_of(first_byte)
            }
        }
    };
}
pub(crate) use wire;

/// Why bytes are no message, or a message makes no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// It is longer than its type may be.
    #[error("a {name} of {bytes} bytes is longer than {limit}")]
    TooBig {
        /// The type.
        name: &'static str,
        /// Its length.
        bytes: usize,
        /// The most it may have.
        limit: usize,
    },
    /// The bytes are not the encoding of any value.
    #[error("not a {name}: {cause}")]
    Malformed {
        /// The type.
        name: &'static str,
        /// What the decoder found.
        cause: String,
    },
    /// Bytes are left after the value.
    #[error("{bytes} bytes are left after a {name}")]
    Trailing {
        /// The type.
        name: &'static str,
        /// How many.
        bytes: usize,
    },
    /// The bytes are another encoding of the value than its own.
    #[error("a {name} that is not in its one encoding")]
    NotCanonical {
        /// The type.
        name: &'static str,
    },
}

/// The bytes of a message.
///
/// # Errors
/// They are more than its type may have.
pub fn encode<T: Wire>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::encode_to_vec(value, bincode::config::standard())
        .map_err(|error| CodecError::Malformed { name: T::NAME, cause: error.to_string() })?;
    check_length::<T>(&bytes)?;
    Ok(bytes)
}

/// The message that bytes from a peer are.
///
/// # Errors
/// The bytes are too many, malformed, followed by others, or not the one encoding of the value (CHK-201, CHK-202).
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, CodecError> {
    check_length::<T>(bytes)?;
    let (value, read) = decode_within_budget::<T>(bytes)
        .map_err(|error| CodecError::Malformed { name: T::NAME, cause: cause(&error) })?;
    if read != bytes.len() {
        return Err(CodecError::Trailing { name: T::NAME, bytes: bytes.len() - read });
    }
    if encode(&value)? != bytes {
        return Err(CodecError::NotCanonical { name: T::NAME });
    }
    Ok(value)
}

/// Decodes with a budget of memory in proportion to the message, so that a short one cannot claim much.
fn decode_within_budget<T: Wire>(bytes: &[u8]) -> Result<(T, usize), DecodeError> {
    fn within<T: Wire, const BUDGET: usize>(bytes: &[u8]) -> Result<(T, usize), DecodeError> {
        bincode::decode_from_slice(bytes, bincode::config::standard().with_limit::<BUDGET>())
    }
    const KIB: usize = 1024;
    match bytes.len() {
        ..=1_024 => within::<T, { KIB * EXPANSION }>(bytes),
        1_025..=8_192 => within::<T, { 8 * KIB * EXPANSION }>(bytes),
        8_193..=65_536 => within::<T, { 64 * KIB * EXPANSION }>(bytes),
        _ => within::<T, { 256 * KIB * EXPANSION }>(bytes),
    }
}

fn check_length<T: Wire>(bytes: &[u8]) -> Result<(), CodecError> {
    let limit = T::limit_of(bytes.first().copied()).min(T::LIMIT);
    if bytes.len() > limit {
        return Err(CodecError::TooBig { name: T::NAME, bytes: bytes.len(), limit });
    }
    Ok(())
}

/// The decoder's words, without any bytes of the peer in them.
fn cause(error: &DecodeError) -> String {
    match error {
        DecodeError::UnexpectedEnd { .. } => "it ends too early".into(),
        DecodeError::LimitExceeded => "it claims more elements than it may have".into(),
        DecodeError::UnexpectedVariant { type_name, .. } => format!("an unknown variant of {type_name}"),
        DecodeError::Utf8 { .. } => "a text that is not UTF-8".into(),
        DecodeError::Other(message) => (*message).into(),
        DecodeError::OtherString(message) => message.chars().take(200).collect(),
        _ => "an invalid value".into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contract::{Contract, SignedContract};
    use crate::fixtures;
    use crate::log::LogEntry;
    use crate::messages::{MESSAGE_LIMIT, Request, Response, STRANGER_LIMIT};
    use crate::receipt::{Receipt, SignedReceipt};

    /// Decodes bytes as every type that crosses the wire. What decodes is encoded to the same bytes.
    fn decode_as_everything(bytes: &[u8]) {
        fn try_one<T: Wire>(bytes: &[u8]) {
            if let Ok(value) = decode::<T>(bytes) {
                assert_eq!(encode(&value).expect("what was decoded encodes"), bytes, "{}", T::NAME);
            }
        }
        try_one::<Request>(bytes);
        try_one::<Response>(bytes);
        try_one::<Contract>(bytes);
        try_one::<SignedContract>(bytes);
        try_one::<Receipt>(bytes);
        try_one::<SignedReceipt>(bytes);
        try_one::<LogEntry>(bytes);
    }

    fn propose() -> Vec<u8> {
        encode(&Request::Propose(Box::new(fixtures::proposal()))).expect("encodes")
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let bytes = propose();
        assert_eq!(decode(&bytes), Ok(Request::Propose(Box::new(fixtures::proposal()))));
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = propose();
        for length in 0..bytes.len() {
            assert!(decode::<Request>(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn trailing_bytes_are_refused_chk_202() {
        let bytes = [propose(), vec![0]].concat();
        assert_eq!(decode::<Request>(&bytes), Err(CodecError::Trailing { name: "Request", bytes: 1 }));
    }

    #[test]
    fn a_second_encoding_of_a_number_is_refused_chk_202() {
        let entry = LogEntry {
            sequence: 1,
            previous: fixtures::any_digest(),
            time: 1,
            kind: crate::log::LogKind::Job,
            body: String::new(),
        };
        let bytes = encode(&entry).expect("encodes");
        assert_eq!(bytes[0], 1);
        let longer = [&[251, 1, 0], &bytes[1..]].concat();
        assert_eq!(decode::<LogEntry>(&longer), Err(CodecError::NotCanonical { name: "LogEntry" }));
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_before_it_is_read_chk_201() {
        for (variant, limit) in [(0, STRANGER_LIMIT), (1, STRANGER_LIMIT), (2, MESSAGE_LIMIT), (9, MESSAGE_LIMIT)] {
            let bytes = vec![variant; limit + 1];
            let error = CodecError::TooBig { name: "Request", bytes: limit + 1, limit };
            assert_eq!(decode::<Request>(&bytes), Err(error.clone()), "{variant}");
            assert_eq!(crate::Error::from(error).code().as_str(), "PROPOSAL_TOO_BIG");
        }
        let longest = decode::<Request>(&[1; STRANGER_LIMIT]);
        assert!(!matches!(longest, Ok(_) | Err(CodecError::TooBig { .. })), "{longest:?}");
    }

    #[test]
    fn a_claim_of_2_to_32_elements_is_refused_before_memory_is_reserved() {
        // A catalogue, a list of datasets: the length 2^32 - 1 as a u32, and 2^63 as a u64.
        let catalogue = |length: &[u8]| [&[2], length].concat();
        for length in [&[252, 255, 255, 255, 255][..], &[253, 0, 0, 0, 0, 0, 0, 0, 128]] {
            let error = decode::<Response>(&catalogue(length)).expect_err("refused");
            let CodecError::Malformed { cause, .. } = error else { panic!("{error}") };
            assert_eq!(cause, "it claims more elements than it may have");
        }
        // A text of that length, in a cancellation.
        let cancel = [&[8], &[7; 32][..], &[1], &[252, 255, 255, 255, 255]].concat();
        let error = decode::<Request>(&cancel).expect_err("refused");
        let CodecError::Malformed { cause, .. } = error else { panic!("{error}") };
        assert_eq!(cause, "it claims more elements than it may have");
    }

    #[test]
    fn a_short_message_cannot_claim_much_memory() {
        // 128 KiB is the budget of a message of up to 1 KiB; one byte more is refused before it is reserved.
        let share = |claim: u32| {
            let length = [&[252][..], &claim.to_le_bytes()].concat();
            let bytes = [&[11], &[7; 32][..], &[1], &[8; 32], &length].concat();
            match decode::<Request>(&bytes).expect_err("refused") {
                CodecError::Malformed { cause, .. } => cause,
                other => other.to_string(),
            }
        };
        assert_eq!(share(128 * 1024), "it claims more elements than it may have");
        assert_eq!(share(100 * 1024), "it ends too early");
    }

    #[test]
    fn the_longest_program_of_the_shortest_nodes_fits_the_budget() {
        let mut proposal = fixtures::proposal();
        if let crate::terms::JobCode::Program(program) = &mut proposal.code {
            for _ in 0..40_000 {
                program.push(crate::program::Op::Parameter { index: 0 });
            }
        }
        let request = Request::Propose(Box::new(proposal));
        let bytes = encode(&request).expect("encodes");
        assert_eq!(decode(&bytes), Ok(request));
    }

    #[test]
    fn no_list_on_the_wire_holds_things_without_size() {
        // A list of them would pass any budget. These are the element types of the lists in messages.
        let sizes = [
            size_of::<crate::messages::CatalogueEntry>(),
            size_of::<crate::messages::PeerRefusal>(),
            size_of::<crate::program::Node>(),
            size_of::<crate::program::Block>(),
            size_of::<crate::program::Output>(),
            size_of::<crate::program::disclosure::Fact>(),
            size_of::<crate::program::disclosure::Learned>(),
            size_of::<crate::program::release::Gate>(),
            size_of::<crate::terms::TermsParty>(),
            size_of::<crate::terms::TermsDataset>(),
            size_of::<crate::schema::ColumnSchema>(),
        ];
        assert!(sizes.iter().all(|size| (1..=512).contains(size)), "{sizes:?}");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            decode_as_everything(&bytes);
        }

        #[test]
        fn altered_messages_never_panic_and_have_one_encoding(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
            length in any::<proptest::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let contract = encode(&fixtures::signed_contract()).expect("encodes");
            for mut bytes in [propose(), contract] {
                for (place, byte) in &changes {
                    let place = place.index(bytes.len());
                    bytes[place] = *byte;
                }
                if cut {
                    bytes.truncate(length.index(bytes.len()));
                }
                decode_as_everything(&bytes);
            }
        }
    }
}
