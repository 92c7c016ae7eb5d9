//! Who may call: bearer tokens (CHK-901), roles (CHK-902) and the origin of a call (CHK-903).
//!
//! Tokens are JWTs signed with EdDSA by a key of the node's own, made anew at each start, so that tokens of an earlier
//! run are void. The local command line reads its token from a file that only the node's user may read.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use libp2p::identity::ed25519;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tacit_protocol::{Code, Failure};

use super::answer::ApiFailure;

/// How long a token holds.
const TOKEN_SECONDS: u64 = 24 * 3600;
/// The issuer in every token.
const ISSUER: &str = "tacit-node";

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    role: Role,
    iat: u64,
    nbf: u64,
    exp: u64,
}

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Operator,
}

/// Issues and checks the tokens of one run of the node.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    audience: String,
    /// Hosts by which the API may be called.
    hosts: Vec<String>,
}

impl Tokens {
    /// A fresh signing key for the node `audience` whose API listens on `port` of the loopback interface.
    pub fn new(key: &ed25519::Keypair, audience: String, port: u16) -> Self {
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")).to_vec();
        Self {
            encoding: EncodingKey::from_ed_der(&pkcs8(key)),
            decoding: DecodingKey::from_ed_components(&BASE64URL_NOPAD.encode(&key.public().to_bytes()))
                .expect("a public key of 32 bytes in base64url"),
            audience,
            hosts,
        }
    }

    /// A token.
    ///
    /// # Errors
    /// `TOKEN_ISSUE` if it cannot be signed.
    pub fn issue(&self, subject: &str, role: Role, now: u64) -> Result<String, Failure> {
        let claims = Claims {
            iss: ISSUER.into(),
            aud: self.audience.clone(),
            sub: subject.into(),
            role,
            iat: now,
            nbf: now.saturating_sub(5),
            exp: now + TOKEN_SECONDS,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.encoding)
            .map_err(|cause| Failure::new(Code::new("TOKEN_ISSUE"), format!("no token: {cause}"), "restart the node."))
    }

    /// CHK-901: EdDSA only, this issuer and audience, within its time.
    fn role_of(&self, headers: &HeaderMap) -> Result<Role, Failure> {
        let refuse = |why: &str| {
            Failure::new(
                Code::new("TOKEN_INVALID"),
                why,
                "use the token in the node directory's api.token, as `authorization: Bearer TOKEN`.",
            )
        };
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| refuse("no bearer token"))?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 5;
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation)
            .map_err(|_| refuse("the token is not one of this node, or is over"))?;
        Ok(data.claims.role)
    }

    /// CHK-903: called by a name of the loopback interface, and by no web page of another origin.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let known = |value: &HeaderValue, prefix: &str| {
            let host = value.to_str().ok().and_then(|value| value.strip_prefix(prefix));
            host.is_some_and(|host| self.hosts.iter().any(|own| own == host))
        };
        let host_known = headers.get(HOST).is_some_and(|value| known(value, ""));
        let origin_known = headers.get(ORIGIN).is_none_or(|value| known(value, "http://"));
        if host_known && origin_known {
            return Ok(());
        }
        let message = "the call names another host or comes from a web page of another origin";
        Err(Failure::new(Code::new("API_ORIGIN"), message, "call the API by its loopback address."))
    }
}

/// Lets a request through to the routes if its origin and token are good.
pub(super) async fn require_token(State(tokens): State<Arc<Tokens>>, request: Request, next: Next) -> Response {
    let checked = tokens.check_origin(request.headers()).and_then(|()| tokens.role_of(request.headers()));
    match checked {
        Ok(Role::Operator) => next.run(request).await,
        Err(failure) => ApiFailure::from(failure).into_response(),
    }
}

/// Lets a request through to what everyone on this machine may have, such as the pages of the console, if its origin is
/// good.
pub(super) async fn require_origin(State(tokens): State<Arc<Tokens>>, request: Request, next: Next) -> Response {
    match tokens.check_origin(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => ApiFailure::from(failure).into_response(),
    }
}

/// The key in the form that the JWT library reads: PKCS#8 (RFC 8410) with the 32-byte seed.
fn pkcs8(key: &ed25519::Keypair) -> Vec<u8> {
    const PREFIX: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    [&PREFIX[..], &key.to_bytes()[..32]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn tokens() -> Tokens {
        crate::crypto::install();
        Tokens::new(&ed25519::Keypair::generate(), "node-a".into(), 7000)
    }

    fn now() -> u64 {
        jsonwebtoken::get_current_timestamp()
    }

    fn headers(pairs: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value"))).collect()
    }

    fn code_of(tokens: &Tokens, token: &str) -> Result<Role, String> {
        let headers = headers(&[(AUTHORIZATION, &format!("Bearer {token}"))]);
        tokens.role_of(&headers).map_err(|failure| failure.code.to_string())
    }

    #[test]
    fn accepts_its_own_token() {
        let tokens = tokens();
        let token = tokens.issue("operator", Role::Operator, now()).expect("a token");
        assert_eq!(code_of(&tokens, &token), Ok(Role::Operator));
    }

    #[test]
    fn chk_901_refuses_expired_foreign_and_unsigned_tokens() {
        let tokens = tokens();
        let expired = tokens.issue("operator", Role::Operator, NOW - 100 * TOKEN_SECONDS).expect("a token");
        let foreign = self::tokens().issue("operator", Role::Operator, now()).expect("a token");
        let none = format!("{}.{}.", BASE64URL_NOPAD.encode(br#"{"alg":"none"}"#), BASE64URL_NOPAD.encode(b"{}"));
        let good = tokens.issue("operator", Role::Operator, now()).expect("a token");
        let payload = good.split('.').nth(1).expect("a payload");
        let hs256 = jsonwebtoken::encode(&Header::default(), &(), &EncodingKey::from_secret(b"k")).expect("a token");
        let swapped = format!("{}.{payload}.{}", hs256.split('.').next().expect("a header"), "AAAA");
        for token in [&expired, &foreign, &none, &swapped, "", "x.y.z"] {
            assert_eq!(code_of(&tokens, token), Err("TOKEN_INVALID".into()), "{token}");
        }
    }

    #[test]
    fn chk_903_refuses_foreign_hosts_and_origins() {
        let tokens = tokens();
        let good = [
            headers(&[(HOST, "127.0.0.1:7000")]),
            headers(&[(HOST, "localhost:7000"), (ORIGIN, "http://localhost:7000")]),
        ];
        good.iter().for_each(|headers| assert!(tokens.check_origin(headers).is_ok(), "{headers:?}"));
        let bad = [
            headers(&[]),
            headers(&[(HOST, "evil.example:7000")]),
            headers(&[(HOST, "127.0.0.1:7001")]),
            headers(&[(HOST, "127.0.0.1:7000"), (ORIGIN, "http://evil.example")]),
            headers(&[(HOST, "127.0.0.1:7000"), (ORIGIN, "null")]),
        ];
        for headers in &bad {
            let failure = tokens.check_origin(headers).expect_err("a refusal");
            assert_eq!(failure.code.as_str(), "API_ORIGIN", "{headers:?}");
        }
    }
}
