//! The HTTP API of the node, on a loopback address, or over TLS. Command line, console and SDKs use nothing else.

mod access;
mod answer;
mod auth;
mod bench;
mod budget;
mod datasets;
mod description;
mod events;
mod jobs;
mod limits;
mod operations;
mod patience;
mod peers;
mod policies;
mod qr;
mod serve;
mod system;
mod tls;
mod tokens;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tacit_protocol::{Code, Failure};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Config;
use crate::console;
use crate::metrics::Tally;
use crate::node::Node;
use crate::tokens::Tokens;
use answer::{ApiFailure, RefusedWith};
use auth::Origins;
use limits::Limits;

pub use description::description;
pub(crate) use qr::code as qr_code;

/// The largest JSON body. Files are streamed and bounded by the import.
const BODY_BYTES: usize = 256 * 1024;
/// The longest time that a call other than an import may take (CHK-904).
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// What the calls share.
#[derive(Clone)]
struct Shared {
    node: Arc<Node>,
    tokens: Arc<Tokens>,
    origins: Arc<Origins>,
    limits: Arc<Limits>,
    tally: Tally,
    /// When the node began to serve, Unix seconds.
    started: u64,
}

impl FromRef<Shared> for Arc<Node> {
    fn from_ref(shared: &Shared) -> Self {
        shared.node.clone()
    }
}

impl FromRef<Shared> for Arc<Tokens> {
    fn from_ref(shared: &Shared) -> Self {
        shared.tokens.clone()
    }
}

/// The routes with their description. `access` says who may call each.
fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(system::status))
        .routes(routes!(system::stop))
        .routes(routes!(system::log))
        .routes(routes!(system::openapi))
        .routes(routes!(system::export_log))
        .routes(routes!(system::check_log))
        .routes(routes!(system::config))
        .routes(routes!(system::log_levels, system::set_log_levels))
        .routes(routes!(system::figures))
        .routes(routes!(tokens::whoami))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::rotate))
        .routes(routes!(peers::list, peers::accept))
        .routes(routes!(peers::names))
        .routes(routes!(peers::invite))
        .routes(routes!(peers::confirm))
        .routes(routes!(peers::revoke))
        .routes(routes!(operations::accept_restore))
        .routes(routes!(qr::draw))
        .routes(routes!(datasets::list))
        .routes(routes!(datasets::remove))
        .routes(routes!(datasets::catalogue))
        .routes(routes!(policies::check))
        .routes(routes!(policies::show, policies::set))
        .routes(routes!(policies::history))
        .routes(routes!(policies::diff))
        .routes(routes!(policies::learned))
        .routes(routes!(policies::approvals))
        .routes(routes!(policies::revoke))
        .routes(routes!(datasets::announce))
        .routes(routes!(budget::show))
        .routes(routes!(budget::ledger))
        .routes(routes!(budget::grant))
        .routes(routes!(budget::confirm))
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

fn router(shared: Shared) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(unknown_route)
        .layer(map_response(answer::speak_in_failures))
        .layer(from_fn(access::require_role))
        .layer(from_fn_with_state(shared.clone(), auth::require_token))
        .merge(console::routes().layer(from_fn_with_state(shared.clone(), auth::require_origin)))
        .layer(from_fn_with_state(shared.clone(), limits::require_room))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(system::ready))
        .layer(from_fn_with_state(shared.clone(), count))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(shared)
}

async fn unknown_route() -> Response {
    let failure = Failure::new(Code::new("API_ROUTE"), "there is no such call", "see /v1/openapi.json.");
    ApiFailure::from(failure).into_response()
}

/// Counts an answer, and the code of a refusal.
async fn count(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    shared.tally.answered(&route, response.status().as_u16());
    if let Some(RefusedWith(code)) = response.extensions().get() {
        shared.tally.refused(code.as_str());
    }
    response
}

/// Where the API listens.
pub struct Listening {
    /// The loopback address that the command line of this machine calls.
    pub local_address: SocketAddr,
    local: TcpListener,
    /// The address that others call over TLS.
    open: Option<(TcpListener, TlsAcceptor)>,
}

/// Listens where the configuration says. With a certificate, TLS is spoken there, and the command line of this machine
/// gets a port of its own.
///
/// # Errors
/// `API_LISTEN` if an address is taken; `USAGE_TLS`.
pub async fn listen(config: &Config, dir: &Path) -> Result<Listening, Failure> {
    // A path that is absolute stays as it is.
    let tls = config.api_tls().map(|(certificate, key)| tls::acceptor(&dir.join(certificate), &dir.join(key)));
    let tls = tls.transpose()?;
    let failure =
        |message: String| Failure::new(Code::new("API_LISTEN"), message, "set another `api_listen` in node.toml.");
    let address = config.api_listen;
    let bind = async |address: SocketAddr| {
        let bound = TcpListener::bind(address).await;
        bound.map_err(|cause| failure(format!("cannot listen on {address}: {cause}")))
    };
    let (local, open) = match tls {
        None => (bind(address).await?, None),
        Some(tls) => (bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?, Some((bind(address).await?, tls))),
    };
    let local_address = local.local_addr().map_err(|cause| failure(cause.to_string()))?;
    Ok(Listening { local_address, local, open })
}

/// An address as callers write it before a port.
fn bare_host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Serves the API until `stop`.
pub async fn serve(
    listening: Listening,
    node: Arc<Node>,
    tokens: Arc<Tokens>,
    config: &Config,
    started: u64,
    stop: CancellationToken,
) {
    let limits = Arc::new(Limits::new(config.api_calls_per_second));
    let shared = |origins: Origins| Shared {
        node: node.clone(),
        tokens: tokens.clone(),
        origins: Arc::new(origins),
        limits: limits.clone(),
        tally: node.tally(),
        started,
    };
    let local = shared(Origins::new("http://", listening.local_address.port(), &[]));
    let local = serve::serve(listening.local, None, router(local), stop.clone());
    let Some((listener, tls)) = listening.open else { return local.await };
    let address = listener.local_addr().unwrap_or(config.api_listen);
    let mut hosts = config.api_hosts.clone();
    if !address.ip().is_unspecified() {
        hosts.push(bare_host(address.ip()));
    }
    let open = router(shared(Origins::new("https://", address.port(), &hosts)));
    tracing::info!(api = %address, "the API is open to others over TLS");
    tokio::join!(local, serve::serve(listener, Some(tls), open, stop));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_in_a_host_header() {
        assert_eq!(bare_host([203, 0, 113, 7].into()), "203.0.113.7");
        assert_eq!(bare_host([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into()), "[2001:db8::7]");
    }
}
