//! Failures as HTTP answers.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
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

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let status = match self.0.code.as_str() {
            "TOKEN_INVALID" => StatusCode::UNAUTHORIZED,
            "API_ORIGIN" | "TOKEN_SCOPE" => StatusCode::FORBIDDEN,
            "API_LIMIT" => StatusCode::PAYLOAD_TOO_LARGE,
            "API_ROUTE" | "JOB_UNKNOWN" | "DATASET_UNKNOWN" | "PEER_UNKNOWN" => StatusCode::NOT_FOUND,
            "JOB_RESULT_PENDING" | "STATE_ILLEGAL" | "API_REPLAY" => StatusCode::CONFLICT,
            _ => match self.0.code.exit_class() {
                ExitClass::Usage => StatusCode::BAD_REQUEST,
                ExitClass::Denied | ExitClass::EvidenceRejected | ExitClass::BudgetExhausted => StatusCode::FORBIDDEN,
                ExitClass::PeerUnavailable => StatusCode::BAD_GATEWAY,
                ExitClass::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        (status, Json(self.0)).into_response()
    }
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
                    "see the API's description at /openapi.json.",
                ))
            },
        )
    }
}
