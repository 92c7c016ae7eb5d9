//! The one form in which things are hashed and signed: canonical JSON under a label.
//!
//! *Source*: RFC 8785 (JSON Canonicalization Scheme). We differ in one point: every integer is written as a string, so
//! that no reader has to keep 64 bits in a float. Floats are refused.
//! *Security*: SHA-256 over `len(label) as u8 || label || json`. The label names what is hashed and its version, so a
//! digest of one kind of thing is never the digest of another (domain separation).
//! *Shapes and units*: digests are 32 bytes, lower-case hex in JSON. Large arrays enter by their digest, where a type
//! says so.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Defines a newtype over a fixed number of bytes that is lower-case hex in JSON and on screen.
macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
        pub struct $name([u8; $length]);

        impl $name {
            /// From its bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::canonical::CanonicalError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let error = || $crate::canonical::CanonicalError::Hex { bytes: $length };
                if text.len() != 2 * $length {
                    return Err(error());
                }
                let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| error())?;
                bytes.try_into().map(Self).map_err(|_| error())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use hex_bytes;

hex_bytes! {
    /// A SHA-256 digest.
    Digest, 32
}

hex_bytes! {
    /// A random number used once: 128 bits that make a proposal, and so its job id, unlike every other.
    Nonce, 16
}

hex_bytes! {
    /// The random part of a hiding commitment, 256 bits. It is shown only to those who may open the commitment.
    Salt, 32
}

impl Digest {
    /// The first 8 hex digits, to name things on screen. Never for comparing.
    pub fn short(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0[..4])
    }
}

impl Nonce {
    /// A fresh one.
    pub fn random(rng: &mut dyn rand_core::CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl Salt {
    /// A fresh one.
    pub fn random(rng: &mut dyn rand_core::CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

/// Why something has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// It holds a float.
    #[error("a float has no canonical form: {0}")]
    Float(String),
    /// It cannot be written as JSON.
    #[error("it cannot be written as JSON: {0}")]
    Json(String),
    /// A text is not the hex of the right number of bytes.
    #[error("expected {} lower-case hex digits", 2 * bytes)]
    Hex {
        /// How many bytes.
        bytes: usize,
    },
}

/// The canonical JSON of a value.
///
/// # Errors
/// The value holds a float, or a map whose keys are no strings or integers.
pub fn to_canonical_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut json = serde_json::to_value(value).map_err(|error| CanonicalError::Json(error.to_string()))?;
    integers_to_strings(&mut json)?;
    serde_json_canonicalizer::to_vec(&json).map_err(|error| CanonicalError::Json(error.to_string()))
}

/// SHA-256 of a value's canonical JSON under a label such as `tacit/contract/1`.
///
/// # Panics
/// The value holds a float, or the label is longer than 255 bytes: both are faults of the type that is hashed, never of
/// the bytes it was read from. Use [`to_canonical_json`] and [`digest_bytes`] for a value of unknown type.
pub fn digest<T: Serialize + ?Sized>(label: &str, value: &T) -> Digest {
    digest_bytes(label, &to_canonical_json(value).expect("the types that Tacit hashes hold no floats"))
}

/// SHA-256 of bytes under a label.
///
/// # Panics
/// The label is longer than 255 bytes.
pub fn digest_bytes(label: &str, bytes: &[u8]) -> Digest {
    let mut hash = labelled(label);
    hash.update(bytes);
    Digest(hash.finalize().into())
}

/// A hiding and binding commitment to data: SHA-256 of label, salt and data.
///
/// # Security
/// Hiding as long as the salt is 256 random bits that are used for nothing else; binding by collision resistance.
pub fn commit(label: &str, salt: &Salt, data: &[u8]) -> Digest {
    let mut hash = labelled(label);
    hash.update(salt.as_bytes());
    hash.update(data);
    Digest(hash.finalize().into())
}

fn labelled(label: &str) -> Sha256 {
    let length = u8::try_from(label.len()).expect("labels are short constants");
    Sha256::new_with_prefix([length]).chain_update(label)
}

fn integers_to_strings(value: &mut Value) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => *value = Value::String(number.to_string()),
        Value::Number(number) => return Err(CanonicalError::Float(number.to_string())),
        Value::Array(items) => items.iter_mut().try_for_each(integers_to_strings)?,
        Value::Object(fields) => fields.values_mut().try_for_each(integers_to_strings)?,
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Sample {
        zebra: u64,
        apple: i8,
        text: &'static str,
        none: Option<u8>,
        list: Vec<bool>,
        map: BTreeMap<u32, i64>,
    }

    fn sample() -> Sample {
        let map = BTreeMap::from([(10, -1), (9, 2)]);
        Sample { zebra: u64::MAX, apple: -1, text: "é\u{1}\"/\\", none: None, list: vec![true], map }
    }

    #[test]
    fn sorts_keys_and_writes_integers_as_strings() {
        let json = to_canonical_json(&sample()).expect("canonical");
        let expected = r#"{"apple":"-1","list":[true],"map":{"10":"-1","9":"2"},"none":null,"text":"é\u0001\"/\\","zebra":"18446744073709551615"}"#;
        assert_eq!(String::from_utf8(json).expect("text"), expected);
    }

    #[test]
    fn refuses_floats_wherever_they_are() {
        for value in [serde_json::json!(1.5), serde_json::json!([1, [2.0]]), serde_json::json!({"a": {"b": 1e300}})] {
            assert!(matches!(to_canonical_json(&value), Err(CanonicalError::Float(_))), "{value}");
        }
    }

    #[test]
    fn the_label_separates_digests_and_its_length_counts() {
        assert_ne!(digest("a", &1_u8), digest("b", &1_u8));
        assert_ne!(digest_bytes("ab", b"c"), digest_bytes("a", b"bc"));
        // Computed with another implementation: sha256(0x07 || "tacit/x" || "\"1\"").
        let expected = "6d52cf662584d6261b5255420e49945c0c0418536e979b6409027f6056656744";
        assert_eq!(digest("tacit/x", &1_u8).to_string(), expected);
    }

    #[test]
    fn commitments_hide_behind_their_salt_and_bind() {
        let (a, b) = (Salt::from_bytes([1; 32]), Salt::from_bytes([2; 32]));
        assert_ne!(commit("l", &a, b"data"), commit("l", &b, b"data"));
        assert_ne!(commit("l", &a, b"data"), commit("l", &a, b"date"));
        assert_eq!(commit("l", &a, b"data"), commit("l", &a, b"data"));
    }

    #[test]
    fn hex_has_one_form() {
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let text = digest.to_string();
        for wrong in [text.to_uppercase(), text[1..].to_owned(), format!("{text}0"), format!(" {}", &text[1..])] {
            assert_eq!(wrong.parse::<Digest>(), Err(CanonicalError::Hex { bytes: 32 }), "{wrong}");
        }
    }
}
