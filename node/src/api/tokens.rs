//! Tokens, and who calls.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use tacit_protocol::api::{IssuedToken, RotateRequest, Rotation, TokenInfo, TokenRequest, WhoAmI};

use super::answer::{ApiFailure, Body};
use crate::node::{Node, off_reactor};
use crate::tokens::{Caller, Tokens};

type Answer<T> = Result<Json<T>, ApiFailure>;

/// Who calls, as the node knows it by the token.
#[utoipa::path(get, path = "/v1/whoami", responses((status = OK, body = WhoAmI)))]
pub(super) async fn whoami(State(node): State<Arc<Node>>, caller: Caller) -> Json<WhoAmI> {
    let Caller { token, role, subject, expires } = caller;
    Json(WhoAmI { organisation: node.name().to_owned(), subject, role, token, expires })
}

/// The tokens that were issued, without those of the local command line, newest first.
#[utoipa::path(get, path = "/v1/tokens", responses((status = OK, body = Vec<TokenInfo>)))]
pub(super) async fn list(State(tokens): State<Arc<Tokens>>) -> Json<Vec<TokenInfo>> {
    Json(tokens.list())
}

/// Issues a token. It is shown in this answer and never again.
#[utoipa::path(post, path = "/v1/tokens", request_body = TokenRequest, responses((status = OK, body = IssuedToken)))]
pub(super) async fn create(
    State(tokens): State<Arc<Tokens>>,
    caller: Caller,
    Body(request): Body<TokenRequest>,
) -> Answer<IssuedToken> {
    Ok(Json(off_reactor(move || tokens.issue(&request, &caller)).await??))
}

/// Ends a token at once, by its id or any unique start of it.
#[utoipa::path(post, path = "/v1/tokens/{id}/revoke", responses((status = OK, body = TokenInfo)))]
pub(super) async fn revoke(
    State(tokens): State<Arc<Tokens>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<TokenInfo> {
    Ok(Json(off_reactor(move || tokens.revoke(&id, &caller)).await??))
}

/// Makes a new key for tokens; those of the old keys end at once, or after a grace. The token file of the local command
/// line is written anew.
#[utoipa::path(post, path = "/v1/tokens/rotate", request_body = RotateRequest,
    responses((status = OK, body = Rotation)))]
pub(super) async fn rotate(
    State(tokens): State<Arc<Tokens>>,
    caller: Caller,
    Body(request): Body<RotateRequest>,
) -> Answer<Rotation> {
    Ok(Json(off_reactor(move || tokens.rotate(request.grace_seconds, &caller)).await??))
}
