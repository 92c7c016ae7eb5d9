//! Measurements with a peer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use tacit_protocol::bench::{BenchReport, BenchRequest};

use super::answer::{ApiFailure, Body};
use crate::node::Node;

/// Measures one operation of the engine with a peer, on drawn numbers; answers when it is done, within ten minutes.
/// A caller that goes away ends it.
#[utoipa::path(post, path = "/v1/bench", request_body = BenchRequest, responses((status = OK, body = BenchReport)))]
pub(super) async fn measure(
    State(node): State<Arc<Node>>,
    Body(request): Body<BenchRequest>,
) -> Result<Json<BenchReport>, ApiFailure> {
    Ok(Json(node.measure(&request).await?))
}
