//! Failures as HTTP answers.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use tacit_protocol::{Code, ExitClass, Failure};

/// A [`Failure`] with the HTTP status of its class.
pub(super) struct ApiFailure(Failure);

impl From<Failure> for ApiFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

/// The code of a refusal, beside its answer, to be counted.
#[derive(Clone)]
pub(super) struct RefusedWith(pub(super) Code);

/// The form of every refusal.
fn refusal(status: StatusCode, failure: Failure) -> Response {
    let code = failure.code.clone();
    let mut response = (status, Json(failure)).into_response();
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response.extensions_mut().insert(RefusedWith(code));
    response
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let status = match self.0.code.as_str() {
            "TOKEN_INVALID" => StatusCode::UNAUTHORIZED,
            "API_ORIGIN" | "TOKEN_SCOPE" => StatusCode::FORBIDDEN,
            // A name that is none, of whatever: no peer was asked.
            "PEER_NAME" => StatusCode::BAD_REQUEST,
            "API_LIMIT" => StatusCode::PAYLOAD_TOO_LARGE,
            "API_RATE" => StatusCode::TOO_MANY_REQUESTS,
            "API_BUSY" => StatusCode::SERVICE_UNAVAILABLE,
            "API_METHOD" => StatusCode::METHOD_NOT_ALLOWED,
            "API_ROUTE" | "IMPORT_UNKNOWN" | "JOB_UNKNOWN" | "DATASET_UNKNOWN" | "PEER_UNKNOWN" | "TOKEN_UNKNOWN" => {
                StatusCode::NOT_FOUND
            }
            "JOB_RESULT_PENDING" | "STATE_ILLEGAL" | "NODE_DRAINING" | "RESTORE_NONE" | "TOKEN_LIMIT"
            | "IMPORT_LIMIT" => StatusCode::CONFLICT,
            _ => match self.0.code.exit_class() {
                ExitClass::Usage => StatusCode::BAD_REQUEST,
                ExitClass::Denied | ExitClass::EvidenceRejected | ExitClass::BudgetExhausted => StatusCode::FORBIDDEN,
                ExitClass::PeerUnavailable => StatusCode::BAD_GATEWAY,
                ExitClass::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        refusal(status, self.0)
    }
}

/// The longest reason of the framework that is passed on.
const REASON_BYTES: usize = 4096;

/// Turns the framework's own error answers (paths and queries that do not parse, wrong methods, timeouts) into
/// [`Failure`]s, so that callers meet one form of error only. The status stays.
pub(super) async fn speak_in_failures(answer: Response) -> Response {
    let status = answer.status();
    let is_json = answer.headers().get(CONTENT_TYPE) == Some(&HeaderValue::from_static("application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let (code, next) = match status {
        StatusCode::NOT_FOUND => ("API_ROUTE", "see /v1/openapi.json."),
        StatusCode::METHOD_NOT_ALLOWED => ("API_METHOD", "see /v1/openapi.json."),
        StatusCode::PAYLOAD_TOO_LARGE => ("API_LIMIT", "send less at once."),
        StatusCode::GATEWAY_TIMEOUT => ("API_TIMEOUT", "ask again; what was begun goes on."),
        status if status.is_client_error() => ("USAGE_REQUEST", "see the API's description at /v1/openapi.json."),
        _ => ("NODE_BUG", "this is a bug: please report it with the log."),
    };
    let body = to_bytes(answer.into_body(), REASON_BYTES).await.unwrap_or_default();
    let reason = match std::str::from_utf8(&body) {
        Ok(reason) if !reason.is_empty() => reason.to_owned(),
        _ => format!("the call ended with {status}"),
    };
    refusal(status, Failure::new(Code::new(code), reason, next))
}

/// A JSON body; what does not parse is answered with a [`Failure`] like everything else.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiFailure;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiFailure> {
        Json::<T>::from_request(request, state).await.map(|Json(body)| Self(body)).map_err(
            |rejection: JsonRejection| {
                let code = match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => "API_LIMIT",
                    _ => "USAGE_BODY",
                };
                ApiFailure(Failure::new(
                    Code::new(code),
                    rejection.body_text(),
                    "see the API's description at /v1/openapi.json.",
                ))
            },
        )
    }
}
