//! The status of sending, as printed by `guestlist status`.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::extract::{OpsRead, RequireScope};
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::operations::Status;
use crate::problem::Problem;
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().operation(get_with, "/status", get_status, |op| {
        op.named("get_status", "Get the status")
            .description(
                "Tells whether mail is being sent. `summary` says it in one line, with the \
                 remedy if there is a problem.",
            )
            .json_response::<200, Status>("The status.")
    })
}

async fn get_status(_: RequireScope<OpsRead>, State(app): State<App>) -> Result<Response, Problem> {
    let now = app.ctx().now();
    let overview = app.store().overview(now).await?;
    let status = Status::new(&overview, &app.ctx().policy.authenticate_url, now);
    Ok(Json(status).into_response())
}
