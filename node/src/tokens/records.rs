//! What the node keeps of keys and tokens.

use bincode::{Decode, Encode};
use tacit_protocol::Failure;
use tacit_protocol::api::TokenRole;

use super::jwt::Claims;
use crate::reseal::Reseal;
use crate::store::trees::{Care, KnownTree, Sealed};
use crate::store::{Record, RecordTree};

/// Signing keys, by their ids.
pub(super) const KEYS: RecordTree<KeyRecord> = RecordTree::new("api-keys");
/// The register of tokens, by their ids.
pub(super) const TOKENS: RecordTree<TokenRecord> = RecordTree::new("api-tokens");

/// The trees of tokens. They are in no backup: one that was revoked after it would hold again.
pub(crate) const TREES: [KnownTree; 2] =
    [KEYS.known(Care::Never).sealed(Sealed::Inside(reseal_key)), TOKENS.known(Care::Never)];

fn reseal_key(reseal: &Reseal<'_>, _: &[u8], value: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut record = KeyRecord::from_bytes(value)?;
    record.sealed = reseal.again(PURPOSE, record.id.as_bytes(), &record.sealed)?;
    Ok(record.to_bytes())
}

/// What the seeds of signing keys are sealed for.
pub(crate) const PURPOSE: &str = "api-key";

/// A signing key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct KeyRecord {
    pub(super) id: String,
    pub(super) created: u64,
    /// When its tokens end; none: it signs.
    pub(super) ends: Option<u64>,
    /// Its seed, sealed.
    pub(super) sealed: Vec<u8>,
}

impl KeyRecord {
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.ends.is_some_and(|end| end <= now)
    }
}

impl Record for KeyRecord {
    const NAME: &'static str = "token key";
    const VERSION: u8 = 1;
}

/// A token, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct TokenRecord {
    pub(super) id: String,
    pub(super) role: TokenRole,
    pub(super) subject: String,
    pub(super) issued: u64,
    pub(super) expires: u64,
    /// The key that signed it.
    pub(super) key: String,
    pub(super) revoked: Option<u64>,
}

impl TokenRecord {
    pub(super) fn holds(&self, now: u64) -> bool {
        self.revoked.is_none() && now < self.expires
    }

    /// Whether a token's claims are what the register says.
    pub(super) fn says(&self, claims: &Claims) -> bool {
        self.role == claims.role && self.subject == claims.sub && self.expires == claims.exp
    }
}

impl Record for TokenRecord {
    const NAME: &'static str = "token";
    const VERSION: u8 = 1;
}

/// What must not be forgotten when the store is put back from a copy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Note {
    /// A token was revoked.
    Revoked { token: String, at: u64 },
    /// The tokens of a key end.
    KeyEnds { key: String, at: u64 },
}

impl Record for Note {
    const NAME: &'static str = "note on tokens";
    const VERSION: u8 = 1;
}
