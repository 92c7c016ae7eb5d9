//! Policies, their versions, and what was learned under them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use tacit_protocol::api::policies::{
    ApprovalInfo, DatasetLearned, PolicyCheck, PolicyCheckRequest, PolicyDiff, PolicyRequest, PolicyVersion,
};
use utoipa::IntoParams;

use super::answer::{ApiFailure, Body};
use crate::node::{Node, off_reactor};

type Answer<T> = Result<Json<T>, ApiFailure>;

/// What policies would say of a program, without submitting it: this node's own in full, and of peers' datasets what
/// any policy would say.
#[utoipa::path(post, path = "/v1/policy/check", request_body = PolicyCheckRequest,
    responses((status = OK, body = PolicyCheck)))]
pub(super) async fn check(
    State(node): State<Arc<Node>>,
    Body(request): Body<PolicyCheckRequest>,
) -> Answer<PolicyCheck> {
    Ok(Json(node.policy_check(&request).await?))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct VersionQuery {
    /// The version; the one in force if absent.
    version: Option<u64>,
}

/// The policy of a dataset of this node.
#[utoipa::path(get, path = "/v1/datasets/{name}/policy", params(VersionQuery),
    responses((status = OK, body = PolicyVersion)))]
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Answer<PolicyVersion> {
    Ok(Json(off_reactor(move || node.policy_version(&name, query.version)).await??))
}

/// The policies that a dataset of this node had, oldest first.
#[utoipa::path(get, path = "/v1/datasets/{name}/policy/versions",
    responses((status = OK, body = Vec<PolicyVersion>)))]
pub(super) async fn history(State(node): State<Arc<Node>>, Path(name): Path<String>) -> Answer<Vec<PolicyVersion>> {
    Ok(Json(off_reactor(move || node.policy_versions(&name)).await??))
}

/// What another policy would change, by clauses.
#[utoipa::path(post, path = "/v1/datasets/{name}/policy/diff", request_body = PolicyRequest,
    responses((status = OK, body = PolicyDiff)))]
pub(super) async fn diff(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Body(request): Body<PolicyRequest>,
) -> Answer<PolicyDiff> {
    Ok(Json(node.policy_diff(&name, &request.policy)?))
}

/// Puts another policy in force. One that allows more than before has to be confirmed.
#[utoipa::path(post, path = "/v1/datasets/{name}/policy", request_body = PolicyRequest,
    responses((status = OK, body = PolicyDiff)))]
pub(super) async fn set(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Body(request): Body<PolicyRequest>,
) -> Answer<PolicyDiff> {
    Ok(Json(node.change_policy(&name, request).await?))
}

/// What organisations have learned from a dataset of this node so far.
#[utoipa::path(get, path = "/v1/datasets/{name}/learned", responses((status = OK, body = DatasetLearned)))]
pub(super) async fn learned(State(node): State<Arc<Node>>, Path(name): Path<String>) -> Answer<DatasetLearned> {
    Ok(Json(off_reactor(move || node.dataset_learned(&name)).await??))
}

/// The approvals for further runs, newest first.
#[utoipa::path(get, path = "/v1/approvals", responses((status = OK, body = Vec<ApprovalInfo>)))]
pub(super) async fn approvals(State(node): State<Arc<Node>>) -> Answer<Vec<ApprovalInfo>> {
    Ok(Json(off_reactor(move || node.approvals()).await??))
}

/// Takes an approval for further runs back. Runs that were accepted under it go on.
#[utoipa::path(post, path = "/v1/approvals/{id}/revoke", responses((status = OK, body = ApprovalInfo)))]
pub(super) async fn revoke(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Answer<ApprovalInfo> {
    Ok(Json(off_reactor(move || node.revoke_approval(&id)).await??))
}
