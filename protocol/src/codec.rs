//! How control messages become bytes: bincode with a fixed limit for every type.
//!
//! *Source*: bincode 2.0.1, derive API, standard configuration (little-endian, variable-length integers).
//! *Security*: the length is checked before anything is read; a count of elements is checked against a budget before
//! memory is reserved for them; trailing bytes are refused; and what was read is written again and must give the same
//! bytes, so that one value has one encoding (CHK-202). No type on the wire is recursive or holds a list of things
//! without size. This is transport only: what is hashed or signed is [`crate::canonical`] JSON.
//! *Cost*: decoding reserves at most [`EXPANSION`] bytes of memory a byte of a type's limit at one time.

use bincode::error::DecodeError;

/// How much larger a value may be in memory than the limit of its encoding. A program's node takes a few bytes on the
/// wire and a few hundred in memory.
pub const EXPANSION: usize = 64;

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

    /// Decodes with the type's budget, and tells how many bytes it read.
    #[doc(hidden)]
    fn decode_within_budget(bytes: &[u8]) -> Result<(Self, usize), DecodeError>;
}

/// Gives a type its limit on the wire.
macro_rules! wire {
    ($type:ty, $limit:expr) => {
        impl $crate::codec::Wire for $type {
            $crate::codec::wire!(@items $type, $limit);
        }
    };
    ($type:ty, $limit:expr, $limit_of:path) => {
        impl $crate::codec::Wire for $type {
            $crate::codec::wire!(@items $type, $limit);

            fn limit_of(first_byte: Option<u8>) -> usize {
                $limit_of(first_byte)
            }
        }
    };
    (@items $type:ty, $limit:expr) => {
        const NAME: &'static str = stringify!($type);
        const LIMIT: usize = $limit;

        fn decode_within_budget(bytes: &[u8]) -> Result<(Self, usize), bincode::error::DecodeError> {
            const BUDGET: usize = $limit * $crate::codec::EXPANSION;
            bincode::decode_from_slice(bytes, bincode::config::standard().with_limit::<BUDGET>())
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
    let (value, read) = T::decode_within_budget(bytes)
        .map_err(|error| CodecError::Malformed { name: T::NAME, cause: cause(&error) })?;
    if read != bytes.len() {
        return Err(CodecError::Trailing { name: T::NAME, bytes: bytes.len() - read });
    }
    if encode(&value)? != bytes {
        return Err(CodecError::NotCanonical { name: T::NAME });
    }
    Ok(value)
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
