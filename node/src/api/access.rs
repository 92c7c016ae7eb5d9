//! Which role may make which call (CHK-902): one table, and what is not in it is denied.

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tacit_protocol::api::TokenRole;
use tacit_protocol::{Code, Failure};

use super::answer::ApiFailure;
use crate::tokens::{self, Caller};

/// Those who may make a call.
type Roles = &'static [TokenRole];

const OPERATOR: Roles = &[TokenRole::Operator];
/// What shows the state of the node.
const READERS: Roles = &[TokenRole::Operator, TokenRole::Auditor];
/// What an analyst does with jobs of the own.
const ASKERS: Roles = &[TokenRole::Operator, TokenRole::Analyst];
/// What everyone may see; of jobs, analysts see their own.
const ALL: Roles = &[TokenRole::Operator, TokenRole::Analyst, TokenRole::Auditor];

/// Every call of the API. `HEAD` goes with `GET`.
const CALLS: &[(&str, &str, Roles)] = &[
    ("GET", "/v1/whoami", ALL),
    ("GET", "/v1/openapi.json", ALL),
    ("GET", "/v1/status", READERS),
    ("GET", "/v1/config", READERS),
    ("POST", "/v1/stop", OPERATOR),
    ("GET", "/v1/log", READERS),
    ("GET", "/v1/log/export", READERS),
    ("GET", "/v1/log/check", READERS),
    ("GET", "/v1/log/level", READERS),
    ("POST", "/v1/log/level", OPERATOR),
    ("GET", "/metrics", READERS),
    ("GET", "/v1/tokens", READERS),
    ("POST", "/v1/tokens", OPERATOR),
    ("POST", "/v1/tokens/rotate", OPERATOR),
    ("POST", "/v1/tokens/{id}/revoke", OPERATOR),
    ("GET", "/v1/peers", READERS),
    ("POST", "/v1/peers", OPERATOR),
    ("GET", "/v1/peers/names", ALL),
    ("POST", "/v1/peers/invitations", OPERATOR),
    ("POST", "/v1/peers/{peer_id}/confirm", OPERATOR),
    ("POST", "/v1/peers/{peer_id}/revoke", OPERATOR),
    ("POST", "/v1/qr", OPERATOR),
    ("GET", "/v1/datasets", READERS),
    ("POST", "/v1/datasets/{name}/remove", OPERATOR),
    ("GET", "/v1/catalogue", ALL),
    ("POST", "/v1/imports", OPERATOR),
    ("PUT", "/v1/imports/{id}/data", OPERATOR),
    ("GET", "/v1/jobs", ALL),
    ("POST", "/v1/jobs", ASKERS),
    ("GET", "/v1/jobs/{id}", ALL),
    ("GET", "/v1/jobs/{id}/watch", ALL),
    ("POST", "/v1/jobs/{id}/approve", OPERATOR),
    ("POST", "/v1/jobs/{id}/refuse", OPERATOR),
    ("POST", "/v1/jobs/{id}/cancel", ASKERS),
    ("GET", "/v1/jobs/{id}/result", ASKERS),
    ("GET", "/v1/jobs/{id}/receipt", ALL),
    ("GET", "/v1/events", ALL),
    ("POST", "/v1/backup", OPERATOR),
    ("GET", "/v1/datasets/{name}/export", OPERATOR),
    ("POST", "/v1/peers/{peer_id}/accept-restore", OPERATOR),
    ("POST", "/v1/peers/{peer_id}/probe", OPERATOR),
    ("GET", "/v1/budget", READERS),
    ("GET", "/v1/budget/ledger", READERS),
    ("POST", "/v1/budget/grant", OPERATOR),
    ("POST", "/v1/budget/confirm", OPERATOR),
    ("POST", "/v1/policy/check", ASKERS),
    ("GET", "/v1/datasets/{name}/policy", READERS),
    ("POST", "/v1/datasets/{name}/policy", OPERATOR),
    ("GET", "/v1/datasets/{name}/policy/versions", READERS),
    ("POST", "/v1/datasets/{name}/policy/diff", OPERATOR),
    ("GET", "/v1/datasets/{name}/learned", READERS),
    ("GET", "/v1/approvals", READERS),
    ("POST", "/v1/approvals/{id}/revoke", OPERATOR),
    ("POST", "/v1/bench", OPERATOR),
];

/// What the table says of a call.
#[derive(Debug, PartialEq, Eq)]
enum Access {
    Allowed,
    Denied,
    /// The path is one of the API, the method is not.
    NoMethod,
}

fn access(role: TokenRole, method: &Method, path: &str) -> Access {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut of_path = CALLS.iter().filter(|call| call.1 == path).peekable();
    if of_path.peek().is_none() {
        return Access::Denied;
    }
    match of_path.find(|call| call.0 == method) {
        Some((_, _, roles)) if roles.contains(&role) => Access::Allowed,
        Some(_) => Access::Denied,
        None => Access::NoMethod,
    }
}

/// Lets a call of a known caller through if the table has it for the caller's role. A path that is no call at all goes on
/// to its 404.
pub(super) async fn require_role(request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>() else { return next.run(request).await };
    let Some(caller) = request.extensions().get::<Caller>() else {
        return ApiFailure::from(tokens::missing()).into_response();
    };
    match access(caller.role, request.method(), path.as_str()) {
        Access::Allowed => next.run(request).await,
        Access::NoMethod => {
            let message = format!("{} is no method of {}", request.method(), path.as_str());
            ApiFailure::from(Failure::new(Code::new("API_METHOD"), message, "see /v1/openapi.json.")).into_response()
        }
        Access::Denied => {
            let (method, path) = (request.method(), path.as_str());
            let message = format!("{method} {path} is not for the role {}", caller.role.name());
            let next = "ask the node's operator, who may do it or issue another token.";
            ApiFailure::from(Failure::new(Code::new("TOKEN_SCOPE"), message, next)).into_response()
        }
    }
}

/// The caller, for calls whose answer depends on who asks.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or_else(|| ApiFailure::from(tokens::missing()).into_response())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the router has, by its own description, and what the table has, are the same calls.
    #[test]
    fn chk_902_the_table_has_every_call_of_the_router_and_no_other() {
        let api = serde_json::to_value(crate::api::description()).expect("JSON");
        let paths = api["paths"].as_object().expect("paths");
        let routed: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("calls").keys();
                methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
            })
            .collect();
        let table: BTreeSet<(String, String)> =
            CALLS.iter().map(|(method, path, _)| ((*method).into(), (*path).into())).collect();
        assert_eq!(table.len(), CALLS.len(), "a call stands twice in the table");
        let missing: Vec<_> = routed.difference(&table).collect();
        assert!(missing.is_empty(), "no role may make these calls, the table lacks them: {missing:?}");
        let dead: Vec<_> = table.difference(&routed).collect();
        assert!(dead.is_empty(), "the router lacks these calls of the table: {dead:?}");
    }

    /// An auditor changes nothing and reads no result and no rows; an operator may do all; what is not there is denied.
    #[test]
    fn chk_902_roles_are_what_they_say_and_the_rest_is_denied() {
        for (method, path, _) in CALLS {
            let of = |role| access(role, &method.parse().expect("a method"), path);
            assert_eq!(of(TokenRole::Operator), Access::Allowed, "{method} {path}");
            let rows = ["/v1/jobs/{id}/result", "/v1/datasets/{name}/export"].contains(path);
            let reads = *method == "GET" && !rows;
            let expected = if reads { Access::Allowed } else { Access::Denied };
            assert_eq!(of(TokenRole::Auditor), expected, "{method} {path}");
        }
        let analyst = |method: Method, path| access(TokenRole::Analyst, &method, path);
        assert_eq!(analyst(Method::HEAD, "/v1/jobs/{id}/result"), Access::Allowed);
        assert_eq!(analyst(Method::GET, "/v1/log"), Access::Denied);
        assert_eq!(analyst(Method::POST, "/v1/jobs/{id}/approve"), Access::Denied);
        assert_eq!(analyst(Method::DELETE, "/v1/jobs/{id}"), Access::NoMethod);
        assert_eq!(access(TokenRole::Operator, &Method::GET, "/v1/other"), Access::Denied);
    }
}
