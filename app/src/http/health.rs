//! Whether this process lives, and whether it can serve.

use axum::extract::State;

use super::problem::Problem;
use super::state::App;

/// `GET /healthz`: the process lives.
pub async fn is_live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database can be reached and holds the schema.
pub async fn is_ready(State(app): State<App>) -> Result<&'static str, Problem> {
    app.ctx().store.ready().await?;
    Ok("ready\n")
}
