//! Privacy budgets.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use tacit_protocol::api::{BudgetEntry, BudgetReport, ConfirmBudgetRequest, GrantRequest};
use utoipa::IntoParams;

use super::answer::{ApiFailure, Body};
use crate::node::{Node, off_reactor};

type Answer<T> = Result<Json<T>, ApiFailure>;

#[derive(Deserialize, IntoParams)]
pub(super) struct BudgetQuery {
    /// The accuracy of the counts that remaining work is told in, in 95 of 100 cases: 12 by default.
    within: Option<f64>,
}

/// What is left of each dataset's budget for each organisation.
#[utoipa::path(get, path = "/v1/budget", params(BudgetQuery), responses((status = OK, body = BudgetReport)))]
pub(super) async fn show(State(node): State<Arc<Node>>, Query(query): Query<BudgetQuery>) -> Answer<BudgetReport> {
    Ok(Json(off_reactor(move || node.budget(query.within)).await??))
}

/// The ledger's entries, in order.
#[utoipa::path(get, path = "/v1/budget/ledger", responses((status = OK, body = Vec<BudgetEntry>)))]
pub(super) async fn ledger(State(node): State<Arc<Node>>) -> Answer<Vec<BudgetEntry>> {
    Ok(Json(off_reactor(move || node.budget_ledger()).await?))
}

/// Adds to what an organisation may learn. What was spent stays spent.
#[utoipa::path(post, path = "/v1/budget/grant", request_body = GrantRequest,
    responses((status = OK, body = BudgetReport)))]
pub(super) async fn grant(State(node): State<Arc<Node>>, Body(request): Body<GrantRequest>) -> Answer<BudgetReport> {
    Ok(Json(off_reactor(move || node.grant_budget(&request)).await??))
}

/// After a restore: all that was left counts as spent, and the ledger goes on.
#[utoipa::path(post, path = "/v1/budget/confirm", request_body = ConfirmBudgetRequest,
    responses((status = OK, body = BudgetReport)))]
pub(super) async fn confirm(
    State(node): State<Arc<Node>>,
    Body(request): Body<ConfirmBudgetRequest>,
) -> Answer<BudgetReport> {
    Ok(Json(off_reactor(move || node.confirm_budget(&request.reason)).await??))
}
