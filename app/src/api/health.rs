//! Health checks.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;

use crate::openapi::{ApiRouterExt, OperationExt};
use crate::problem::Problem;
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .operation(get_with, "/healthz", check_liveness, |op| {
            op.named("check_liveness", "Check liveness")
                .raw_response::<200>(Some("text/plain"), "The process is running.")
        })
        .operation(get_with, "/readyz", check_readiness, |op| {
            op.named("check_readiness", "Check readiness")
                .description("Checks that the database is reachable and has the schema.")
                .raw_response::<200>(Some("text/plain"), "The process can serve requests.")
        })
}

async fn check_liveness() -> &'static str {
    "ok\n"
}

async fn check_readiness(State(app): State<App>) -> Result<&'static str, Problem> {
    app.ctx().store.ready().await?;
    Ok("ready\n")
}
