//! The names of what is kept.

use std::borrow::Cow;
use std::fmt;

use bincode::{Decode, Encode};

use super::OfflineError;

/// The most characters of a kind's name.
pub const MAX_KIND_CHARS: usize = 64;

/// What sort of correlations a chunk holds. Its name has 1 to [`MAX_KIND_CHARS`] lower-case letters, digits and dashes,
/// the first a letter, so that it is safe in a file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct Kind(Cow<'static, str>);

impl Kind {
    /// The kind of a name.
    ///
    /// # Errors
    /// [`OfflineError::Kind`] if it is no name.
    pub fn named(name: &str) -> Result<Self, OfflineError> {
        if Self::is_name(name) {
            Ok(Self(Cow::Owned(name.to_owned())))
        } else {
            Err(OfflineError::Kind { name: name.escape_debug().take(MAX_KIND_CHARS).collect() })
        }
    }

    /// The name of what the engine makes.
    ///
    /// # Errors
    /// As [`Kind::named`]; none that this version's kinds have.
    pub fn of(made: tacit_mpc::offline::Kind) -> Result<Self, OfflineError> {
        Self::named(&made.name())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_name(name: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        name.len() <= MAX_KIND_CHARS
            && name.bytes().all(allowed)
            && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
    }
}

/// Two that tests name.
#[cfg(test)]
impl Kind {
    pub(super) const TRIPLES: Self = Self(Cow::Borrowed("triples-64"));
    pub(super) const BITS: Self = Self(Cow::Borrowed("bits-64"));
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<Context> Decode<Context> for Kind {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let name = String::decode(decoder)?;
        if Self::is_name(&name) {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(bincode::error::DecodeError::Other("a kind is 1 to 64 of a-z, 0-9 and -, the first a letter"))
        }
    }
}

bincode::impl_borrow_decode!(Kind);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_safe_in_a_file_name() {
        for name in ["triples-64", "a", "matrix-triples-64x32x8", &"a".repeat(64)] {
            assert_eq!(Kind::named(name).expect(name).as_str(), name);
        }
        for name in ["", "-a", "1a", "A", "a/b", "..", "a.b", "a b", "a_b", "ä", "a\0", &"a".repeat(65)] {
            assert_eq!(Kind::named(name).expect_err(name).code().as_str(), "CORRELATION_KIND");
        }
    }

    #[test]
    fn the_kinds_of_this_version_have_names_that_are_allowed() {
        use tacit_mpc::backend::MatrixShape;
        use tacit_mpc::offline::Kind as Made;

        let longest = MatrixShape { rows: 1, inner: 1, columns: 1 << 20 };
        let made = [Made::triples(64), Made::triples(128), Made::Bits { word: 64 }, Made::Bits { word: 128 }];
        for made in made.into_iter().chain(Made::matrix_triples(longest)) {
            assert_eq!(Kind::of(made).expect("a name").as_str(), made.name());
        }
    }

    #[test]
    fn a_peer_sends_no_name_that_is_none() {
        let config = bincode::config::standard();
        let decode = |name: &str| {
            let bytes = bincode::encode_to_vec(name, config).expect("bytes");
            bincode::decode_from_slice::<Kind, _>(&bytes, config).map(|(kind, _)| kind)
        };
        assert_eq!(decode("bits-64").expect("a kind").as_str(), "bits-64");
        assert!(decode("../bits-64").is_err());
    }
}
