//! The HTTP API of the node, on a loopback address. Command line, console and SDKs use nothing else.

mod answer;
pub mod auth;
mod bench;
mod datasets;
mod description;
mod events;
mod jobs;
mod operations;
mod peers;
mod qr;
mod system;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tacit_protocol::{Code, Failure};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::console;
use crate::node::Node;
use answer::ApiFailure;
use auth::Tokens;

pub use description::description;
pub(crate) use qr::code as qr_code;

/// The largest JSON body. Files are streamed and bounded by the import.
const BODY_BYTES: usize = 256 * 1024;
/// The longest time that a call other than an import may take (CHK-904).
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The routes with their description.
fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new()
        .routes(routes!(system::status))
        .routes(routes!(system::stop))
        .routes(routes!(system::log))
        .routes(routes!(system::openapi))
        .routes(routes!(system::export_log))
        .routes(routes!(system::check_log))
        .routes(routes!(system::config))
        .routes(routes!(peers::list, peers::accept))
        .routes(routes!(peers::invite))
        .routes(routes!(peers::confirm))
        .routes(routes!(peers::revoke))
        .routes(routes!(operations::accept_restore))
        .routes(routes!(qr::draw))
        .routes(routes!(datasets::list))
        .routes(routes!(datasets::remove))
        .routes(routes!(datasets::catalogue))
        .routes(routes!(datasets::announce))
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::watch))
        .routes(routes!(jobs::approve))
        .routes(routes!(jobs::refuse))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::result))
        .routes(routes!(jobs::receipt))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, CALL_TIMEOUT))
        // A stream of events ends with its reader or with the node.
        .routes(routes!(events::follow))
        // A measurement has a limit of time of its own, and ends with its caller.
        .routes(routes!(bench::measure))
        // Each part of a test has a limit of its own.
        .routes(routes!(operations::probe))
        // Backups and exports are written whole before they are sent.
        .routes(routes!(operations::backup))
        .routes(routes!(operations::export))
        // An import may take long and its body is streamed to the disk, under a limit of its own.
        .routes(routes!(datasets::import))
}

fn router(node: Arc<Node>, tokens: Arc<Tokens>) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(unknown_route)
        .layer(axum::middleware::map_response(answer::speak_in_failures))
        .layer(axum::middleware::from_fn_with_state(tokens.clone(), auth::require_token))
        .merge(console::routes().layer(axum::middleware::from_fn_with_state(tokens, auth::require_origin)))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(node)
}

async fn unknown_route() -> Response {
    let failure = Failure::new(Code::new("API_ROUTE"), "there is no such call", "see /v1/openapi.json.");
    ApiFailure::from(failure).into_response()
}

/// A listener for the API.
///
/// # Errors
/// `API_LISTEN` if the address is taken, or not on the loopback interface: without TLS the API stays on the machine.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let failure = |message: String| Failure::new(Code::new("API_LISTEN"), message, "set `api_listen` in node.toml.");
    if !address.ip().is_loopback() {
        return Err(failure(format!("the API would be open to other machines on {address}")));
    }
    TcpListener::bind(address).await.map_err(|cause| failure(format!("cannot listen on {address}: {cause}")))
}

/// Serves the API until `stop`.
///
/// # Errors
/// `API_SERVE` if the listener breaks.
pub async fn serve(
    listener: TcpListener,
    node: Arc<Node>,
    tokens: Arc<Tokens>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    axum::serve(listener, router(node, tokens))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .map_err(|cause| Failure::new(Code::new("API_SERVE"), format!("the API ended: {cause}"), "restart the node."))
}
