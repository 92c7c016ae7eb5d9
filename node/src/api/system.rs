//! The node itself and its log.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Deserialize;
use tacit_protocol::api::{LogLine, NodeStatus};
use utoipa::IntoParams;
use utoipa::openapi::OpenApi;

use super::answer::ApiFailure;
use crate::node::Node;

type Answer<T> = Result<Json<T>, ApiFailure>;

/// What the node says of itself.
#[utoipa::path(get, path = "/v1/status", responses((status = OK, body = NodeStatus)))]
pub(super) async fn status(State(node): State<Arc<Node>>) -> Answer<NodeStatus> {
    Ok(Json(node.status().await?))
}

/// This description of the API.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = OK, body = Object)))]
pub(super) async fn openapi() -> Json<OpenApi> {
    Json(super::description())
}

/// Asks the node to stop once its running jobs have reached a safe point.
#[utoipa::path(post, path = "/v1/stop", responses((status = OK)))]
pub(super) async fn stop(State(node): State<Arc<Node>>) -> Answer<()> {
    node.request_stop();
    Ok(Json(()))
}

/// The whole log, an entry a line, and its head, signed by the node's key: what `tacit log verify` checks.
#[utoipa::path(get, path = "/v1/log/export", responses((status = OK, body = String,
    content_type = "application/x-ndjson")))]
pub(super) async fn export_log(State(node): State<Arc<Node>>) -> Result<impl IntoResponse, ApiFailure> {
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], node.export_log().await?))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct LogQuery {
    /// The first entry.
    #[serde(default)]
    from: u64,
}

/// The node's log from an entry on, at most 1,000 entries.
#[utoipa::path(get, path = "/v1/log", params(LogQuery), responses((status = OK, body = Vec<LogLine>)))]
pub(super) async fn log(State(node): State<Arc<Node>>, Query(query): Query<LogQuery>) -> Answer<Vec<LogLine>> {
    Ok(Json(node.log_lines(query.from)?))
}
