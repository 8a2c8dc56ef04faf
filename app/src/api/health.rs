//! Health checks.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;

use crate::openapi::OperationExt;
use crate::problem::Problem;
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/healthz",
            get_with(check_liveness, |op| {
                op.id("check_liveness")
                    .summary("Check liveness")
                    .raw_response::<200>(Some("text/plain"), "The process is running.")
            }),
        )
        .api_route(
            "/readyz",
            get_with(check_readiness, |op| {
                op.id("check_readiness")
                    .summary("Check readiness")
                    .description("Checks that the database is reachable and has the schema.")
                    .raw_response::<200>(Some("text/plain"), "The process can serve requests.")
            }),
        )
}

async fn check_liveness() -> &'static str {
    "ok\n"
}

async fn check_readiness(State(app): State<App>) -> Result<&'static str, Problem> {
    app.ctx().store.ready().await?;
    Ok("ready\n")
}
