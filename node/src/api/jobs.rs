//! Jobs.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use serde::Deserialize;
use tacit_protocol::api::policies::{ApproveRequest, SubmitOptions};
use tacit_protocol::api::{JobDetail, JobResult, JobSummary, RefuseRequest, ResultFormat, SubmitRequest};
use tacit_protocol::job::JobId;
use tacit_protocol::policy::Priority;
use tacit_protocol::{Code, Failure};
use utoipa::IntoParams;

use super::answer::{ApiFailure, Body};
use crate::node::{Node, off_reactor};
use crate::results;
use crate::tokens::{Caller, Tokens};

type Answer<T> = Result<Json<T>, ApiFailure>;

/// Works on a job that the caller may see: its records are decoded, and what is changed is on the disk afterwards.
async fn on_job<T: Send + 'static>(
    node: &Arc<Node>,
    caller: Caller,
    id: String,
    work: impl FnOnce(&Node, &JobId, &Caller) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let node = Arc::clone(node);
    off_reactor(move || work(&node, &node.job_id(&caller, &id)?, &caller)).await?
}

/// What a wait gives while the caller's token holds (CHK-901).
async fn while_held<T>(
    tokens: &Tokens,
    token: &str,
    wait: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        // The token's end goes before what came at the same time.
        biased;
        failure = tokens.void(token) => Err(failure),
        given = wait => given,
    }
}

/// The jobs, newest first; for an analyst, the own ones.
#[utoipa::path(get, path = "/v1/jobs", responses((status = OK, body = Vec<JobSummary>)))]
pub(super) async fn list(State(node): State<Arc<Node>>, caller: Caller) -> Answer<Vec<JobSummary>> {
    Ok(Json(off_reactor(move || node.jobs_of(&caller)).await??))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct SubmitQuery {
    /// Whether it is to run again where the same question has a stored answer.
    #[serde(default)]
    again: bool,
    /// Which of the jobs that wait goes first: `low`, `normal` (the default) or `high`.
    #[serde(default)]
    #[param(inline)]
    priority: Option<WaitingPriority>,
}

/// Which of the jobs that wait goes first.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WaitingPriority {
    Low,
    Normal,
    High,
}

impl From<WaitingPriority> for Priority {
    fn from(of: WaitingPriority) -> Self {
        match of {
            WaitingPriority::Low => Self::Low,
            WaitingPriority::Normal => Self::Normal,
            WaitingPriority::High => Self::High,
        }
    }
}

/// Submits a program. A question that this node has the answer of is answered by its job, with `info` `JOB_REPEATED`.
#[utoipa::path(post, path = "/v1/jobs", params(SubmitQuery), request_body = SubmitRequest,
    responses((status = OK, body = JobSummary)))]
pub(super) async fn submit(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Query(query): Query<SubmitQuery>,
    Body(request): Body<SubmitRequest>,
) -> Answer<JobSummary> {
    let options = SubmitOptions { again: query.again, priority: query.priority.map_or(Priority::Normal, Into::into) };
    Ok(Json(node.submit(request, options, &caller).await?))
}

/// One job, by its id or any unique start of it.
#[utoipa::path(get, path = "/v1/jobs/{id}", responses((status = OK, body = JobDetail)))]
pub(super) async fn show(State(node): State<Arc<Node>>, caller: Caller, Path(id): Path<String>) -> Answer<JobDetail> {
    Ok(Json(on_job(&node, caller, id, |node, id, _| node.job(id)).await?))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct WatchQuery {
    /// The state that the caller knows.
    known: String,
    /// How long to wait, at most 30 seconds.
    seconds: u64,
}

/// Waits until a job has left the state that the caller knows, or the time is over, and gives it. The caller's token has to
/// hold all the while.
#[utoipa::path(get, path = "/v1/jobs/{id}/watch", params(WatchQuery), responses((status = OK, body = JobDetail)))]
pub(super) async fn watch(
    State(node): State<Arc<Node>>,
    State(tokens): State<Arc<Tokens>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<WatchQuery>,
) -> Answer<JobDetail> {
    let token = caller.token.clone();
    let id = on_job(&node, caller, id, |_, id, _| Ok(*id)).await?;
    let wait = Duration::from_secs(query.seconds.min(30));
    while_held(&tokens, &token, node.leave_job(&id, &query.known, wait)).await?;
    Ok(Json(off_reactor(move || node.job(&id)).await??))
}

/// Approves a job that waits for the operator: once, or its terms for further runs. Without a body: once.
#[utoipa::path(post, path = "/v1/jobs/{id}/approve", request_body = Option<ApproveRequest>,
    responses((status = OK, body = JobDetail)))]
pub(super) async fn approve(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<JobDetail> {
    let request: Option<ApproveRequest> = match body.as_ref() {
        [] => None,
        json => serde_json::from_slice(json).map_err(|cause| {
            let message = format!("the body is no request for an approval: {cause}");
            Failure::new(Code::new("USAGE_REQUEST"), message, "see the API's description at /v1/openapi.json.")
        })?,
    };
    let request = request.unwrap_or_default();
    Ok(Json(on_job(&node, caller, id, move |node, id, _| node.approve_job(id, &request)).await?))
}

/// Refuses a job that waits for the operator.
#[utoipa::path(post, path = "/v1/jobs/{id}/refuse", request_body = RefuseRequest,
    responses((status = OK, body = JobDetail)))]
pub(super) async fn refuse(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(request): Body<RefuseRequest>,
) -> Answer<JobDetail> {
    Ok(Json(on_job(&node, caller, id, move |node, id, _| node.refuse_job(id, &request.reason)).await?))
}

/// Cancels a job that has not released anything yet.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", responses((status = OK, body = JobDetail)))]
pub(super) async fn cancel(State(node): State<Arc<Node>>, caller: Caller, Path(id): Path<String>) -> Answer<JobDetail> {
    Ok(Json(on_job(&node, caller, id, Node::cancel_job).await?))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct ResultQuery {
    /// The form. Without it, the first of the `accept` header's that is one of these; else JSON.
    format: Option<ResultFormat>,
    /// The output, of which alone is given; `npy` needs it where there are several.
    output: Option<String>,
}

/// The answer of a finished job, as JSON, CSV, an Arrow IPC stream or an array of NumPy.
#[utoipa::path(get, path = "/v1/jobs/{id}/result", params(ResultQuery), responses((status = OK, content(
    (JobResult = "application/json"), (String = "text/csv"),
    (String = "application/vnd.apache.arrow.stream"), (String = "application/x-npy")))))]
pub(super) async fn result(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ResultQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiFailure> {
    let format = query.format.unwrap_or_else(|| accepted(&headers));
    let written = on_job(&node, caller, id, move |node, id, _| {
        results::write(&node.job_result(id)?, format, query.output.as_deref())
    });
    let bytes = written.await?;
    // No copy of a result is left behind on the way.
    Ok(([(CONTENT_TYPE, format.media_type()), (CACHE_CONTROL, "no-store")], bytes))
}

/// The first media type that the caller accepts and that is one of a result.
fn accepted(headers: &HeaderMap) -> ResultFormat {
    let listed = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let types = listed.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    let known =
        |name: &str| ResultFormat::ALL.into_iter().find(|format| format.media_type().eq_ignore_ascii_case(name));
    types.into_iter().find_map(known).unwrap_or_default()
}

/// The signed receipt of a finished job.
#[utoipa::path(get, path = "/v1/jobs/{id}/receipt", responses((status = OK, body = Object)))]
pub(super) async fn receipt(
    State(node): State<Arc<Node>>,
    State(tokens): State<Arc<Tokens>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<serde_json::Value> {
    let token = caller.token.clone();
    let id = on_job(&node, caller, id, |_, id, _| Ok(*id)).await?;
    Ok(Json(while_held(&tokens, &token, node.job_receipt(&id)).await?))
}
