//! Datasets, the catalogue and imports.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as Stream;
use axum::extract::{Path, State};
use tacit_protocol::api::{DatasetInfo, ImportRequest, ImportTicket};

use super::answer::{ApiFailure, Body};
use crate::node::{Node, off_reactor};

type Answer<T> = Result<Json<T>, ApiFailure>;

/// The node's own datasets.
#[utoipa::path(get, path = "/v1/datasets", responses((status = OK, body = Vec<DatasetInfo>)))]
pub(super) async fn list(State(node): State<Arc<Node>>) -> Answer<Vec<DatasetInfo>> {
    Ok(Json(off_reactor(move || node.datasets()).await??))
}

/// Removes a dataset.
#[utoipa::path(post, path = "/v1/datasets/{name}/remove", responses((status = OK)))]
pub(super) async fn remove(State(node): State<Arc<Node>>, Path(name): Path<String>) -> Answer<()> {
    Ok(Json(off_reactor(move || node.remove_dataset(&name)).await??))
}

/// The datasets that this node and its peers offer to this organisation.
#[utoipa::path(get, path = "/v1/catalogue", responses((status = OK, body = Vec<DatasetInfo>)))]
pub(super) async fn catalogue(State(node): State<Arc<Node>>) -> Answer<Vec<DatasetInfo>> {
    Ok(Json(node.catalogue().await?))
}

/// Announces an import; its bytes follow.
#[utoipa::path(post, path = "/v1/imports", request_body = ImportRequest, responses((status = OK, body = ImportTicket)))]
pub(super) async fn announce(
    State(node): State<Arc<Node>>,
    Body(request): Body<ImportRequest>,
) -> Answer<ImportTicket> {
    Ok(Json(node.announce_import(request)?))
}

/// The bytes of an announced import. The dataset is there when this has answered, or nothing has changed.
#[utoipa::path(put, path = "/v1/imports/{id}/data", request_body(content = Vec<u8>,
    content_type = "application/octet-stream"), responses((status = OK, body = DatasetInfo)))]
pub(super) async fn import(State(node): State<Arc<Node>>, Path(id): Path<String>, body: Stream) -> Answer<DatasetInfo> {
    Ok(Json(node.import(&id, body.into_data_stream()).await?))
}
