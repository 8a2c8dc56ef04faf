//! Jobs: list, inspect, retry, cancel and dismiss, one by one or all that match a filter.

use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::response::IntoResponse;
use guestlist_database::operations::{JobFilter, JobStatus};
use guestlist_domain::{JobId, Page, QueueName};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::extract::{
    Authorized, FieldErrors, JsonBody, List, OpsRead, OpsWrite, Paged, PathParam, Query, parse_page,
};
use crate::middleware::idempotency::Idempotent;
use crate::openapi::schemas::{self, Unchecked};
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::operations::JobAction::{self, Cancel, Dismiss, Retry};
use crate::operations::{BulkResult, ErrorGroupView, JobCountsView, JobDetailView, JobView};
use crate::problem::{ApiResult, Code, Problem};
use crate::state::App;

type JobDetail = JobDetailView<'static>;

/// The limit of an action on many jobs, shorter than the timeout of a request.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The problems of cancelling or dismissing a job.
const WITHDRAWAL_PROBLEMS: &[Code] =
    &[Code::WrongState, Code::JobSuperseded, Code::RoleNotGrantable, Code::ErasureNotCancellable];

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(get_with, "/jobs", list_jobs, |op| {
            op.named("list_jobs", "List jobs")
                .json_response::<200, Paged<JobView<'static>>>("A page of jobs, newest first.")
        })
        .route_with(get_with, "/jobs/counts", count_jobs, |op| {
            op.named("count_jobs", "Count jobs")
                .description(
                    "Counts jobs by state and by queue. A state with very many jobs is counted to \
                     10,000 only.",
                )
                .json_response::<200, JobCountsView>("The number of jobs.")
        })
        .route_with(get_with, "/jobs/errors", list_job_errors, |op| {
            op.named("list_job_errors", "List job errors")
                .description("Groups dead and retrying jobs by the error of the last attempt.")
                .json_response::<200, List<ErrorGroupView<'static>>>("Errors, most frequent first.")
        })
        .route_with(get_with, "/jobs/{id}", get_job, |op| {
            op.named("get_job", "Get a job")
                .json_response::<200, JobDetail>("The job with its attempts.")
        })
        .merge(action_routes())
        .merge(bulk_action_route(Retry, "/jobs/retry", "retry_jobs", "Retry all matching jobs"))
        .merge(bulk_action_route(Cancel, "/jobs/cancel", "cancel_jobs", "Cancel all matching jobs"))
        .merge(bulk_action_route(
            Dismiss,
            "/jobs/dismiss",
            "dismiss_jobs",
            "Dismiss all matching dead jobs",
        ))
}

fn action_routes() -> ApiRouter<App> {
    let retry = |auth, id| act_on_job(Retry, auth, id);
    let cancel = |auth, id| act_on_job(Cancel, auth, id);
    let dismiss = |auth, id| act_on_job(Dismiss, auth, id);
    ApiRouter::new()
        .route_with(post_with, "/jobs/{id}/retry", Idempotent(retry), |op| {
            op.named("retry_job", "Retry a job")
                .description("Retrying the delivery of an invitation resends the invitation.")
                .json_response::<200, JobDetail>("The job.")
                .problems(&[Code::WrongState, Code::JobSuperseded, Code::RoleNotGrantable])
        })
        .route_with(post_with, "/jobs/{id}/cancel", Idempotent(cancel), |op| {
            op.named("cancel_job", "Cancel a job")
                .description(
                    "Cancelling the delivery of an invitation makes the invitation `failed`, \
                     with the error code `cancelled`.",
                )
                .json_response::<200, JobDetail>("The job.")
                .problems(WITHDRAWAL_PROBLEMS)
        })
        .route_with(post_with, "/jobs/{id}/dismiss", Idempotent(dismiss), |op| {
            op.named("dismiss_job", "Dismiss a dead job")
                .description("Removes the job from the list of dead jobs.")
                .json_response::<200, JobDetail>("The job.")
                .problems(WITHDRAWAL_PROBLEMS)
        })
}

fn bulk_action_route(action: JobAction, path: &str, id: &str, summary: &str) -> ApiRouter<App> {
    let handler = move |auth, body| act_on_all(action, auth, body);
    let states: Vec<_> = action.allowed_states().map(JobStatus::as_str).collect();
    ApiRouter::new().route_with(post_with, path, Idempotent(handler), |op| {
        op.named(id, summary)
            .description(
                "Jobs about users whom the caller may not manage are skipped, and not counted.",
            )
            .body_property("state", json!({ "enum": states }))
            .json_response::<200, BulkResult>("The number of matching jobs.")
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schemas::query_parameters)]
struct ListJobs {
    queue: Option<Unchecked<schemas::Queue>>,
    /// The kind of job, as in `send-invite`.
    kind: Option<String>,
    state: Option<Unchecked<schemas::JobState>>,
    /// The error code of the last attempt.
    error: Option<String>,
    /// Finds jobs whose last error contains this, or whose id starts with it.
    q: Option<String>,
    limit: Option<Unchecked<schemas::Limit>>,
    cursor: Option<Unchecked<schemas::Cursor>>,
}

async fn list_jobs(auth: Authorized<OpsRead>, Query(query): Query<ListJobs>) -> ApiResult {
    let mut errors = FieldErrors::default();
    let queue = parse_queue(query.queue.as_deref(), &mut errors);
    let status = parse_state(query.state.as_deref(), &mut errors);
    let Page { after, limit } =
        parse_page(query.limit.as_deref(), query.cursor.as_deref(), JobId, &mut errors);
    errors.finish()?;
    let filter = JobFilter { queue, kind: query.kind, status, error: query.error, q: query.q };
    let page = Page { after, limit: limit + 1 };
    let jobs = auth.app.store.list_jobs(&filter, page, auth.ctx.now()).await?;
    Ok(Paged::new(jobs, limit, |job| job.id.into()).respond(JobView::from))
}

fn parse_queue(queue: Option<&str>, errors: &mut FieldErrors) -> Option<QueueName> {
    errors.check("queue", QueueName::parse(queue?).ok_or("is not a queue"))
}

fn parse_state(state: Option<&str>, errors: &mut FieldErrors) -> Option<JobStatus> {
    errors.check("state", JobStatus::parse(state?).ok_or("is not a job state"))
}

async fn count_jobs(auth: Authorized<OpsRead>) -> ApiResult {
    let overview = auth.app.store.overview(auth.ctx.now()).await?;
    let counts = auth.app.store.job_counts(&overview).await?;
    Ok(Json(JobCountsView::from(&counts)).into_response())
}

async fn list_job_errors(auth: Authorized<OpsRead>) -> ApiResult {
    let groups = auth.app.store.job_errors().await?;
    let items = groups.iter().map(ErrorGroupView::from).collect();
    Ok(Json(List { items }).into_response())
}

async fn get_job(auth: Authorized<OpsRead>, id: PathParam<JobId>) -> ApiResult {
    job_response(&auth.app, id.parse()?).await
}

async fn act_on_job(
    action: JobAction,
    auth: Authorized<OpsWrite>,
    id: PathParam<JobId>,
) -> ApiResult {
    let id = id.parse()?;
    let done = action.apply(&auth.ctx, id, auth.manageable_roles(), &auth.actor()).await;
    done.map_err(|error| Problem::job(error, &action.allowed_states_text()))?;
    job_response(&auth.app, id).await
}

async fn job_response(app: &App, id: JobId) -> ApiResult {
    let found = app.store.job_with_attempts(id, app.ctx.now()).await?;
    let (job, attempts) = found.ok_or_else(|| Problem::not_found("job"))?;
    Ok(Json(JobDetailView::new(&job, &attempts)).into_response())
}

/// A filter of jobs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with a state")]
struct BulkJobRequest {
    queue: Option<Unchecked<schemas::Queue>>,
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
    fn parse(self, action: JobAction) -> Result<JobFilter, Problem> {
        let mut errors = FieldErrors::default();
        let queue = parse_queue(self.queue.as_deref(), &mut errors);
        let status = parse_state(self.state.as_deref(), &mut errors);
        let is_allowed = |status: &JobStatus| action.applies_to(*status);
        if errors.is_empty() && !status.as_ref().is_some_and(is_allowed) {
            errors.add("state", format!("must be one of {}", action.allowed_states_text()));
        }
        errors.finish()?;
        Ok(JobFilter { queue, kind: self.kind, status, error: self.error, q: None })
    }
}

async fn act_on_all(
    action: JobAction,
    auth: Authorized<OpsWrite>,
    JsonBody(request): JsonBody<BulkJobRequest>,
) -> ApiResult {
    let (ctx, store, manageable) = (&auth.ctx, &auth.app.store, auth.manageable_roles());
    let dry_run = request.dry_run;
    let filter = request.parse(action)?;
    let result = if dry_run {
        action.count_matching(ctx, store, &filter, manageable, TIME_LIMIT).await?
    } else {
        action.apply_to_all(ctx, store, &filter, manageable, &auth.actor(), TIME_LIMIT).await?
    };
    Ok(Json(result).into_response())
}
