//! The tokens' form: JWTs signed with EdDSA.
//!
//! The algorithm is fixed, never read from a token. Times are checked by the node's clock, not by the library.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use libp2p::identity::ed25519;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tacit_protocol::api::TokenRole;
use zeroize::Zeroizing;

use super::records::{KeyRecord, PURPOSE, TokenRecord};
use crate::keys::{KeyError, Sealer};

/// The longest token that is looked at. The node's own are below 600 bytes.
const MAX_TOKEN_BYTES: usize = 2048;
/// How far a token's beginning may lie in the future, in seconds, for a clock that was set back a little.
const LEEWAY_SECONDS: u64 = 5;

/// What a token says.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    pub(super) jti: String,
    pub(super) role: TokenRole,
    pub(super) iat: u64,
    pub(super) nbf: u64,
    pub(super) exp: u64,
}

impl Claims {
    pub(super) fn of(record: &TokenRecord, node: &str) -> Self {
        Self {
            iss: node.into(),
            aud: node.into(),
            sub: record.subject.clone(),
            jti: record.id.clone(),
            role: record.role,
            iat: record.issued,
            nbf: record.issued,
            exp: record.expires,
        }
    }

    /// Whether it holds now; if not, why.
    pub(super) fn check_times(&self, now: u64) -> Result<(), &'static str> {
        match now {
            _ if now >= self.exp => Err("the token is over"),
            _ if self.nbf > now.saturating_add(LEEWAY_SECONDS) => {
                Err("the token does not hold yet: was this node's clock set back?")
            }
            _ => Ok(()),
        }
    }
}

/// A key that signs tokens, and until when they hold.
pub(super) struct SigningKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    ends: Option<u64>,
}

impl SigningKey {
    /// A fresh key. Its id is the beginning of the digest of its public half.
    pub(super) fn make(sealer: &Sealer, now: u64, rng: &mut dyn CryptoRng) -> (KeyRecord, Self) {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let (id, key) = Self::of_seed(&seed, None);
        let sealed = sealer.seal(id.as_bytes(), &*seed, rng);
        (KeyRecord { id, created: now, ends: None, sealed }, key)
    }

    /// The key of a record.
    ///
    /// # Errors
    /// `KEY_SEALED` if it does not open, or is another one than the record says.
    pub(super) fn open(record: &KeyRecord, sealer: &Sealer) -> Result<Self, KeyError> {
        let foreign = || KeyError::Sealed { purpose: PURPOSE };
        let opened = sealer.open(record.id.as_bytes(), &record.sealed)?;
        let seed = Zeroizing::new(<[u8; 32]>::try_from(opened.as_slice()).map_err(|_| foreign())?);
        let (id, key) = Self::of_seed(&seed, record.ends);
        (id == record.id).then_some(key).ok_or_else(foreign)
    }

    fn of_seed(seed: &[u8; 32], ends: Option<u64>) -> (String, Self) {
        let mut secret = *seed;
        // Any 32 bytes are a secret key; they are overwritten by the call.
        let secret = ed25519::SecretKey::try_from_bytes(&mut secret).expect("32 bytes");
        let public = ed25519::Keypair::from(secret).public().to_bytes();
        let key = Self {
            encoding: EncodingKey::from_ed_der(&pkcs8(seed)),
            decoding: DecodingKey::from_ed_components(&BASE64URL_NOPAD.encode(&public))
                .expect("a public key of 32 bytes in base64url"),
            ends,
        };
        (HEXLOWER.encode(&Sha256::digest(public)[..8]), key)
    }

    pub(super) fn holds(&self, now: u64) -> bool {
        self.ends.is_none_or(|end| now < end)
    }

    pub(super) fn ends(&self) -> Option<u64> {
        self.ends
    }

    pub(super) fn end_at(&mut self, at: u64) {
        self.ends = Some(self.ends.map_or(at, |end| end.min(at)));
    }

    pub(super) fn sign(&self, id: &str, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let header = Header { kid: Some(id.into()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }

    /// The claims of a token that this key signed for a node.
    pub(super) fn verify(&self, token: &str, node: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[node]);
        validation.set_audience(&[node]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok().map(|data| data.claims)
    }
}

/// The key that a token names.
pub(super) fn kid(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// The key in the form that the JWT library reads: PKCS#8 (RFC 8410) with the 32-byte seed.
fn pkcs8(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    const PREFIX: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    Zeroizing::new([&PREFIX[..], seed].concat())
}
