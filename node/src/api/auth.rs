//! Who calls, and from where: bearer tokens (CHK-901) and the origin of a call (CHK-903). What the caller may do is
//! decided by [`super::access`].

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tacit_protocol::{Code, Failure};

use super::Shared;
use super::answer::ApiFailure;
use crate::tokens::{self, Caller};

/// The names by which the API may be called.
pub(super) struct Origins {
    scheme: &'static str,
    hosts: Vec<String>,
}

impl Origins {
    /// An API on a port, called by the names of the loopback interface and by others, with or without a port.
    pub(super) fn new(scheme: &'static str, port: u16, others: &[String]) -> Self {
        let of_loopback = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
        let mut hosts = Vec::new();
        for host in of_loopback.iter().chain(others) {
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            match (has_port, scheme, port) {
                (true, _, _) => hosts.push(host.clone()),
                (false, "https://", 443) => hosts.extend([host.clone(), format!("{host}:443")]),
                (false, _, _) => hosts.push(format!("{host}:{port}")),
            }
        }
        Self { scheme, hosts }
    }

    /// CHK-903: called by a name of its own, and by no web page of another origin.
    fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let known = |value: &HeaderValue, scheme: &str| {
            let host = value.to_str().ok().and_then(|value| value.strip_prefix(scheme));
            host.is_some_and(|host| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
        };
        let host_known = headers.get(HOST).is_some_and(|value| known(value, ""));
        let origin_known = headers.get(ORIGIN).is_none_or(|value| known(value, self.scheme));
        if host_known && origin_known {
            return Ok(());
        }
        let message = "the call names another host or comes from a web page of another origin";
        Err(Failure::new(
            Code::new("API_ORIGIN"),
            message,
            "call the API by its loopback address, or by a name in `api_hosts` in node.toml.",
        ))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Lets a request through to the routes if its origin and token are good, with its caller.
pub(super) async fn require_token(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    match caller(&shared, request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(failure) => {
            if failure.code.as_str() == "TOKEN_INVALID" {
                let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|from| from.0);
                shared.limits.failed_sign_in(from);
            }
            ApiFailure::from(failure).into_response()
        }
    }
}

fn caller(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Failure> {
    shared.origins.check(headers)?;
    let caller = shared.tokens.caller(bearer(headers).ok_or_else(tokens::missing)?)?;
    shared.limits.call_of_token(&caller.token)?;
    Ok(caller)
}

/// Lets a request through to what everyone on this machine may have, such as the pages of the console, if its origin is
/// good.
pub(super) async fn require_origin(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match shared.origins.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => ApiFailure::from(failure).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value"))).collect()
    }

    #[test]
    fn chk_903_refuses_foreign_hosts_and_origins() {
        let origins = Origins::new("http://", 7000, &[]);
        let good = [
            headers(&[(HOST, "127.0.0.1:7000")]),
            headers(&[(HOST, "localhost:7000"), (ORIGIN, "http://localhost:7000")]),
        ];
        good.iter().for_each(|headers| assert!(origins.check(headers).is_ok(), "{headers:?}"));
        let bad = [
            headers(&[]),
            headers(&[(HOST, "evil.example:7000")]),
            headers(&[(HOST, "127.0.0.1:7001")]),
            headers(&[(HOST, "127.0.0.1:7000"), (ORIGIN, "http://evil.example")]),
            headers(&[(HOST, "127.0.0.1:7000"), (ORIGIN, "https://127.0.0.1:7000")]),
            headers(&[(HOST, "127.0.0.1:7000"), (ORIGIN, "null")]),
        ];
        for headers in &bad {
            let failure = origins.check(headers).expect_err("a refusal");
            assert_eq!(failure.code.as_str(), "API_ORIGIN", "{headers:?}");
        }
        let named = ["node.maison.example", "other.example:8443", "203.0.113.7", "[2001:db8::7]"].map(str::to_owned);
        let open = Origins::new("https://", 443, &named);
        for (host, origin, is_good) in [
            ("node.maison.example", "https://node.maison.example", true),
            ("NODE.maison.example:443", "https://node.maison.example", true),
            ("other.example:8443", "https://other.example:8443", true),
            ("127.0.0.1", "https://localhost", true),
            ("203.0.113.7", "https://203.0.113.7", true),
            ("203.0.113.7:443", "https://203.0.113.7:443", true),
            ("[2001:db8::7]", "https://[2001:db8::7]", true),
            ("[2001:db8::7]:443", "https://[2001:db8::7]:443", true),
            ("[2001:db8::8]", "https://[2001:db8::7]", false),
            ("other.example", "https://other.example", false),
            ("node.maison.example.evil.example", "https://node.maison.example", false),
            ("node.maison.example", "http://node.maison.example", false),
        ] {
            assert_eq!(open.check(&headers(&[(HOST, host), (ORIGIN, origin)])).is_ok(), is_good, "{host} {origin}");
        }
    }
}
