//! Peers and invitations.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use tacit_protocol::api::{AcceptRequest, Invitation, InviteRequest, Peer};

use super::answer::{ApiFailure, Body};
use crate::node::Node;

type Answer<T> = Result<Json<T>, ApiFailure>;

/// The peers.
#[utoipa::path(get, path = "/v1/peers", responses((status = OK, body = Vec<Peer>)))]
pub(super) async fn list(State(node): State<Arc<Node>>) -> Answer<Vec<Peer>> {
    Ok(Json(node.peers()))
}

/// The names of the organisations that are paired with this node.
#[utoipa::path(get, path = "/v1/peers/names", responses((status = OK, body = Vec<String>)))]
pub(super) async fn names(State(node): State<Arc<Node>>) -> Json<Vec<String>> {
    Json(node.peer_names())
}

/// Redeems another organisation's invitation.
#[utoipa::path(post, path = "/v1/peers", request_body = AcceptRequest, responses((status = OK, body = Peer)))]
pub(super) async fn accept(State(node): State<Arc<Node>>, Body(request): Body<AcceptRequest>) -> Answer<Peer> {
    Ok(Json(node.accept_invitation(&request.ticket).await?))
}

/// A new invitation.
#[utoipa::path(post, path = "/v1/peers/invitations", request_body = InviteRequest,
    responses((status = OK, body = Invitation)))]
pub(super) async fn invite(State(node): State<Arc<Node>>, Body(request): Body<InviteRequest>) -> Answer<Invitation> {
    Ok(Json(node.invite(&request).await?))
}

/// Confirms a peer that redeemed an invitation of this node.
#[utoipa::path(post, path = "/v1/peers/{peer_id}/confirm", responses((status = OK, body = Peer)))]
pub(super) async fn confirm(State(node): State<Arc<Node>>, Path(peer_id): Path<String>) -> Answer<Peer> {
    Ok(Json(node.confirm_peer(&peer_id).await?))
}

/// Revokes a peer.
#[utoipa::path(post, path = "/v1/peers/{peer_id}/revoke", responses((status = OK, body = Peer)))]
pub(super) async fn revoke(State(node): State<Arc<Node>>, Path(peer_id): Path<String>) -> Answer<Peer> {
    Ok(Json(node.revoke_peer(&peer_id).await?))
}
