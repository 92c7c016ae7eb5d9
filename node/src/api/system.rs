//! The node itself and its log.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Deserialize;
use tacit_protocol::api::{LogCheck, LogLevels, LogLine, NodeStatus, Readiness, Setting};
use utoipa::IntoParams;
use utoipa::openapi::OpenApi;

use super::Shared;
use super::answer::{ApiFailure, Body};
use super::operations::sent;
use crate::node::Node;
use crate::tokens::Caller;
use crate::{metrics, telemetry};

type Answer<T> = Result<Json<T>, ApiFailure>;

/// What the node says of itself.
#[utoipa::path(get, path = "/v1/status", responses((status = OK, body = NodeStatus)))]
pub(super) async fn status(State(node): State<Arc<Node>>) -> Answer<NodeStatus> {
    Ok(Json(node.status().await?))
}

/// The configuration that the node runs with, by the keys of `node.toml`.
#[utoipa::path(get, path = "/v1/config", responses((status = OK, body = Vec<Setting>)))]
pub(super) async fn config(State(node): State<Arc<Node>>) -> Json<Vec<Setting>> {
    Json(node.settings())
}

/// This description of the API.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = OK, body = Object)))]
pub(super) async fn openapi() -> Json<OpenApi> {
    Json(super::description())
}

#[derive(Deserialize, IntoParams)]
pub(super) struct StopQuery {
    /// Whether to stop at once: jobs under way are interrupted, and run again after the next start.
    #[serde(default)]
    now: bool,
}

/// Asks the node to stop once the jobs that are under way have ended, at the latest after `drain_seconds`. It takes no new
/// ones from now on.
#[utoipa::path(post, path = "/v1/stop", params(StopQuery), responses((status = OK)))]
pub(super) async fn stop(State(node): State<Arc<Node>>, Query(query): Query<StopQuery>) -> Answer<()> {
    if query.now {
        node.request_stop();
    } else {
        node.begin_drain();
    }
    Ok(Json(()))
}

/// The whole log, an entry a line, and its head, signed by the node's key: what `tacit log verify` checks.
#[utoipa::path(get, path = "/v1/log/export", responses((status = OK, body = String,
    content_type = "application/x-ndjson")))]
pub(super) async fn export_log(State(node): State<Arc<Node>>) -> Result<impl IntoResponse, ApiFailure> {
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], sent(node.export_log().await?)))
}

/// Checks the whole log: sequence, chain, and the signature under its head. `tacit log verify` does the same with an
/// export, without trust in the node.
#[utoipa::path(get, path = "/v1/log/check", responses((status = OK, body = LogCheck)))]
pub(super) async fn check_log(State(node): State<Arc<Node>>) -> Answer<LogCheck> {
    Ok(Json(node.check_log().await?))
}

/// The levels of the process's log that were set at run time.
#[utoipa::path(get, path = "/v1/log/level", responses((status = OK, body = LogLevels)))]
pub(super) async fn log_levels() -> Json<LogLevels> {
    Json(LogLevels { levels: telemetry::levels() })
}

/// Sets levels of the process's log, instead of those set before, until the process ends.
#[utoipa::path(post, path = "/v1/log/level", request_body = LogLevels, responses((status = OK, body = LogLevels)))]
pub(super) async fn set_log_levels(caller: Caller, Body(asked): Body<LogLevels>) -> Answer<LogLevels> {
    let levels = telemetry::set_levels(&asked.levels)?;
    tracing::info!(by = %caller.subject, %levels, "the levels of the log were set");
    Ok(Json(LogLevels { levels }))
}

/// The node's figures in the text form of OpenMetrics, which Prometheus reads.
#[utoipa::path(get, path = "/metrics", responses((status = OK, body = String,
    content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")))]
pub(super) async fn figures(State(shared): State<Shared>) -> Result<impl IntoResponse, ApiFailure> {
    let now = shared.node.snapshot(shared.started).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], metrics::text(&shared.tally, &now)))
}

/// Whether the node can take work, for probes: without a token.
pub(super) async fn ready(State(node): State<Arc<Node>>) -> (StatusCode, Json<Readiness>) {
    let readiness = node.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct LogQuery {
    /// The first entry.
    #[serde(default)]
    from: u64,
    /// Instead of `from`: so many of the last entries.
    last: Option<u64>,
}

/// The node's log from an entry on, or its last entries; at most 1,000.
#[utoipa::path(get, path = "/v1/log", params(LogQuery), responses((status = OK, body = Vec<LogLine>)))]
pub(super) async fn log(State(node): State<Arc<Node>>, Query(query): Query<LogQuery>) -> Answer<Vec<LogLine>> {
    Ok(Json(match query.last {
        Some(count) => node.last_log_lines(count)?,
        None => node.log_lines(query.from)?,
    }))
}
