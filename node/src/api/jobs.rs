//! Jobs.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use tacit_protocol::api::{JobDetail, JobResult, JobSummary, RefuseRequest, SubmitRequest};
use utoipa::IntoParams;

use super::answer::{ApiFailure, Body};
use crate::node::Node;

type Answer<T> = Result<Json<T>, ApiFailure>;

/// The jobs, newest first.
#[utoipa::path(get, path = "/v1/jobs", responses((status = OK, body = Vec<JobSummary>)))]
pub(super) async fn list(State(node): State<Arc<Node>>) -> Answer<Vec<JobSummary>> {
    Ok(Json(node.jobs()?))
}

/// Submits a program.
#[utoipa::path(post, path = "/v1/jobs", request_body = SubmitRequest, responses((status = OK, body = JobSummary)))]
pub(super) async fn submit(State(node): State<Arc<Node>>, Body(request): Body<SubmitRequest>) -> Answer<JobSummary> {
    Ok(Json(node.submit(request).await?))
}

/// One job, by its id or any unique start of it.
#[utoipa::path(get, path = "/v1/jobs/{id}", responses((status = OK, body = JobDetail)))]
pub(super) async fn show(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Answer<JobDetail> {
    Ok(Json(node.job(&id)?))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct WatchQuery {
    /// The state that the caller knows.
    known: String,
    /// How long to wait, at most 30 seconds.
    seconds: u64,
}

/// Waits until a job has left the state that the caller knows, or the time is over, and gives it.
#[utoipa::path(get, path = "/v1/jobs/{id}/watch", params(WatchQuery), responses((status = OK, body = JobDetail)))]
pub(super) async fn watch(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Query(query): Query<WatchQuery>,
) -> Answer<JobDetail> {
    Ok(Json(node.watch_job(&id, &query.known, Duration::from_secs(query.seconds.min(30))).await?))
}

/// Approves a job that waits for the operator.
#[utoipa::path(post, path = "/v1/jobs/{id}/approve", responses((status = OK, body = JobDetail)))]
pub(super) async fn approve(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Answer<JobDetail> {
    Ok(Json(node.approve_job(&id).await?))
}

/// Refuses a job that waits for the operator.
#[utoipa::path(post, path = "/v1/jobs/{id}/refuse", request_body = RefuseRequest,
    responses((status = OK, body = JobDetail)))]
pub(super) async fn refuse(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Body(request): Body<RefuseRequest>,
) -> Answer<JobDetail> {
    Ok(Json(node.refuse_job(&id, &request.reason).await?))
}

/// Cancels a job that has not released anything yet.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", responses((status = OK, body = JobDetail)))]
pub(super) async fn cancel(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Answer<JobDetail> {
    Ok(Json(node.cancel_job(&id).await?))
}

/// The answer of a finished job.
#[utoipa::path(get, path = "/v1/jobs/{id}/result", responses((status = OK, body = JobResult)))]
pub(super) async fn result(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Answer<JobResult> {
    Ok(Json(node.job_result(&id)?))
}

/// The signed receipt of a finished job.
#[utoipa::path(get, path = "/v1/jobs/{id}/receipt", responses((status = OK, body = Object)))]
pub(super) async fn receipt(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Answer<serde_json::Value> {
    Ok(Json(node.job_receipt(&id).await?))
}
