//! Retry, cancel and dismiss all jobs that match a filter.

use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use aide::transform::TransformOperation;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use guestlist_database::operations::{JobFilter, JobStatus};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::jobs::{parse_queue, parse_state};
use crate::extract::{FieldErrors, JsonBody, OpsWrite, RequestContext, RequireScope};
use crate::middleware::idempotency::Idempotent;
use crate::openapi::{ApiRouterExt, OperationExt, schemas};
use crate::operations::{BulkResult, JobAction};
use crate::problem::Problem;
use crate::state::App;

/// Shorter than the timeout of a request.
const TIME_LIMIT: Duration = Duration::from_secs(20);

pub fn routes() -> ApiRouter<App> {
    let retry = |by, app, ctx, body| operate(JobAction::Retry, by, app, ctx, body);
    let cancel = |by, app, ctx, body| operate(JobAction::Cancel, by, app, ctx, body);
    let dismiss = |by, app, ctx, body| operate(JobAction::Dismiss, by, app, ctx, body);
    ApiRouter::new()
        .operation(post_with, "/jobs/retry", Idempotent(retry), |op| {
            document(op.named("retry_jobs", "Retry all matching jobs"), JobAction::Retry)
        })
        .operation(post_with, "/jobs/cancel", Idempotent(cancel), |op| {
            document(op.named("cancel_jobs", "Cancel all matching jobs"), JobAction::Cancel)
        })
        .operation(post_with, "/jobs/dismiss", Idempotent(dismiss), |op| {
            let op = op.named("dismiss_jobs", "Dismiss all matching dead jobs");
            document(op, JobAction::Dismiss)
        })
}

fn document(op: TransformOperation<'_>, act: JobAction) -> TransformOperation<'_> {
    let states: Vec<_> = act.allowed_states().map(JobStatus::as_str).collect();
    op.description("Jobs about users whom the caller may not manage are skipped, and not counted.")
        .body_property("state", json!({ "enum": states }))
        .json_response::<200, BulkResult>("The number of matching jobs.")
}

/// A filter of jobs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with a state")]
struct BulkJobRequest {
    #[schemars(with = "Option<schemas::Queue>")]
    queue: Option<String>,
    /// The kind of job, as in `send-invite`.
    kind: Option<String>,
    #[schemars(with = "schemas::JobState")]
    state: Option<String>,
    /// The error code of the last attempt.
    error: Option<String>,
    /// Whether to only count the jobs.
    #[serde(default)]
    dry_run: bool,
}

impl BulkJobRequest {
    fn parse(self, act: JobAction) -> Result<JobFilter, Problem> {
        let mut errors = FieldErrors::default();
        let queue = parse_queue(self.queue.as_deref(), &mut errors);
        let status = parse_state(self.state.as_deref(), &mut errors);
        let is_allowed = |status: &JobStatus| act.applies_to(*status);
        if errors.is_empty() && !status.as_ref().is_some_and(is_allowed) {
            errors.add("state", format!("must be one of {}", act.allowed_states_text()));
        }
        errors.finish()?;
        Ok(JobFilter { queue, kind: self.kind, status, error: self.error, q: None })
    }
}

async fn operate(
    act: JobAction,
    by: RequireScope<OpsWrite>,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    JsonBody(request): JsonBody<BulkJobRequest>,
) -> Result<Response, Problem> {
    let dry_run = request.dry_run;
    let filter = request.parse(act)?;
    let manageable = by.caller.manageable_roles();
    let result = if dry_run {
        act.count_matching(&ctx, app.store(), &filter, manageable, TIME_LIMIT).await?
    } else {
        act.apply_to_all(&ctx, app.store(), &filter, manageable, &by.actor(), TIME_LIMIT).await?
    };
    Ok(Json(result).into_response())
}
