//! Backups, exports and what else an operator asks of a node.

use std::io::Read;
use std::sync::Arc;

use axum::Json;
use axum::body::Body as Stream;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use futures::stream;
use serde::Deserialize;
use tacit_protocol::api::{BackupRequest, Finding, Peer};
use utoipa::IntoParams;

use super::answer::{ApiFailure, Body};
use crate::node::{Node, Spooled};

/// Bytes of a file that are sent at a time.
const PIECE: usize = 256 << 10;

/// A backup of the running node, sealed by its key file or by the passphrase in the call.
#[utoipa::path(post, path = "/v1/backup", request_body = BackupRequest, responses((status = OK, body = Vec<u8>,
    content_type = "application/octet-stream")))]
pub(super) async fn backup(
    State(node): State<Arc<Node>>,
    Body(request): Body<BackupRequest>,
) -> Result<impl IntoResponse, ApiFailure> {
    Ok(([(CONTENT_TYPE, "application/octet-stream")], sent(node.backup(request).await?)))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct ExportQuery {
    /// `csv`, `parquet` or `arrow`.
    #[serde(default = "csv")]
    format: String,
}

fn csv() -> String {
    "csv".into()
}

/// The rows of a dataset of this node, in a format.
#[utoipa::path(get, path = "/v1/datasets/{name}/export", params(ExportQuery), responses((status = OK, body = Vec<u8>,
    content_type = "application/octet-stream")))]
pub(super) async fn export(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Query(query): Query<ExportQuery>,
) -> Result<impl IntoResponse, ApiFailure> {
    let rows = node.export_dataset(&name, &query.format).await?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], sent(rows)))
}

/// Accepts that a peer's log went back because its node was restored from a backup.
#[utoipa::path(post, path = "/v1/peers/{peer_id}/accept-restore", responses((status = OK, body = Peer)))]
pub(super) async fn accept_restore(
    State(node): State<Arc<Node>>,
    Path(peer_id): Path<String>,
) -> Result<Json<Peer>, ApiFailure> {
    Ok(Json(node.accept_restore(&peer_id).await?))
}

/// Tests the pair with a peer, both ways: whether each reaches the other, how fast, and whether they agree.
#[utoipa::path(post, path = "/v1/peers/{peer_id}/probe", responses((status = OK, body = Vec<Finding>)))]
pub(super) async fn probe(
    State(node): State<Arc<Node>>,
    Path(peer_id): Path<String>,
) -> Result<Json<Vec<Finding>>, ApiFailure> {
    Ok(Json(node.probe_peer(&peer_id).await?))
}

/// A file as the body of an answer. Its place is given up with the body.
pub(super) fn sent(spooled: Spooled) -> Stream {
    Stream::from_stream(stream::try_unfold(spooled, |mut spooled| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE];
            let length = spooled.file.read(&mut piece)?;
            piece.truncate(length);
            Ok::<_, std::io::Error>((piece, spooled))
        });
        let (piece, spooled) = read.await.map_err(std::io::Error::other)??;
        Ok::<_, std::io::Error>((!piece.is_empty()).then_some((piece, spooled)))
    }))
}
