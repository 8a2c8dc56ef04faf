//! What `guestlist status` says.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::http::auth::{May, OpsRead};
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::operations::Status;

/// `GET /v1/status`
pub async fn get_status(_: May<OpsRead>, State(app): State<App>) -> Result<Response, Problem> {
    let now = app.ctx().now();
    let overview = app.store().overview(now).await?;
    let status = Status::new(&overview, &app.ctx().policy.authenticate_url, now);
    Ok(Json(status).into_response())
}
