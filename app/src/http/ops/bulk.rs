//! The same act on all jobs that match.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use guestlist_database::board::{JobFilter, JobStatus};
use guestlist_domain::Ctx;
use schemars::JsonSchema;
use serde::Deserialize;

use super::jobs::{read_queue, read_state};
use crate::http::auth::{Caller, May, OpsWrite};
use crate::http::body::{Body, Fields};
use crate::http::openapi::shapes;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::http::world::World;
use crate::operations::JobAction;

/// Well within the time that a request may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which jobs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with a state")]
pub struct BulkRequest {
    #[schemars(with = "Option<shapes::Queue>")]
    queue: Option<String>,
    /// As in `send-invite`.
    kind: Option<String>,
    #[schemars(with = "shapes::JobState")]
    state: Option<String>,
    /// The code that their latest attempt failed with.
    error: Option<String>,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
}

impl BulkRequest {
    fn read(self, act: JobAction) -> Result<JobFilter, Problem> {
        let mut fields = Fields::default();
        let queue = read_queue(self.queue.as_deref(), &mut fields);
        let status = read_state(self.state.as_deref(), &mut fields);
        let fits = |status: &JobStatus| act.applies_to(*status);
        if fields.is_empty() && !status.as_ref().is_some_and(fits) {
            fields.note("state", format!("must be one of {}", act.allowed_states_text()));
        }
        if !fields.is_empty() {
            return Err(fields.into_problem());
        }
        Ok(JobFilter { queue, kind: self.kind, status, error: self.error, q: None })
    }
}

/// `POST /v1/jobs/retry`
pub async fn retry_jobs(
    by: May<OpsWrite>,
    State(app): State<App>,
    World(ctx): World,
    Body(request): Body<BulkRequest>,
) -> Result<Response, Problem> {
    act(&app, &ctx, JobAction::Retry, request, &by.caller).await
}

/// `POST /v1/jobs/cancel`
pub async fn cancel_jobs(
    by: May<OpsWrite>,
    State(app): State<App>,
    World(ctx): World,
    Body(request): Body<BulkRequest>,
) -> Result<Response, Problem> {
    act(&app, &ctx, JobAction::Cancel, request, &by.caller).await
}

/// `POST /v1/jobs/dismiss`
pub async fn dismiss_jobs(
    by: May<OpsWrite>,
    State(app): State<App>,
    World(ctx): World,
    Body(request): Body<BulkRequest>,
) -> Result<Response, Problem> {
    act(&app, &ctx, JobAction::Dismiss, request, &by.caller).await
}

async fn act(
    app: &App,
    ctx: &Ctx,
    act: JobAction,
    request: BulkRequest,
    by: &Caller,
) -> Result<Response, Problem> {
    let dry_run = request.dry_run;
    let filter = request.read(act)?;
    let (reach, actor) = (by.reach(), by.actor());
    let done = if dry_run {
        act.count_matching(ctx, app.store(), &filter, reach, PATIENCE).await?
    } else {
        act.apply_to_all(ctx, app.store(), &filter, reach, &actor, PATIENCE).await?
    };
    Ok(Json(done).into_response())
}
