//! Jobs: list, inspect, retry, cancel and dismiss.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use guestlist_database::operations::{JobFilter, JobStatus};
use guestlist_domain::{JobId, Page, QueueName};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::extract::{
    FieldErrors, List, OpsRead, OpsWrite, Paged, PathParam, Query, RequestContext, RequireScope,
    parse_page, truncate_page,
};
use crate::middleware::idempotency::Idempotent;
use crate::openapi::{ApiRouterExt, OperationExt, schemas};
use crate::operations::{ErrorGroupView, JobAction, JobDetailView, JobView};
use crate::problem::{Code, Problem};
use crate::state::App;

type JobDetail = JobDetailView<'static>;

/// The problems of cancelling or dismissing a job.
const WITHDRAWAL_PROBLEMS: &[Code] =
    &[Code::WrongState, Code::JobSuperseded, Code::RoleNotGrantable, Code::ErasureNotCancellable];

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .operation(get_with, "/jobs", list_jobs, |op| {
            op.named("list_jobs", "List jobs")
                .json_response::<200, Paged<JobView<'static>>>("A page of jobs, newest first.")
        })
        .operation(get_with, "/jobs/errors", list_job_errors, |op| {
            op.named("list_job_errors", "List job errors")
                .description("Groups dead and retrying jobs by the error of the last attempt.")
                .json_response::<200, List<ErrorGroupView<'static>>>("Errors, most frequent first.")
        })
        .operation(get_with, "/jobs/{id}", get_job, |op| {
            op.named("get_job", "Get a job")
                .json_response::<200, JobDetail>("The job with its attempts.")
        })
        .merge(operations())
}

fn operations() -> ApiRouter<App> {
    let retry = |by, app, ctx, id| operate(JobAction::Retry, by, app, ctx, id);
    let cancel = |by, app, ctx, id| operate(JobAction::Cancel, by, app, ctx, id);
    let dismiss = |by, app, ctx, id| operate(JobAction::Dismiss, by, app, ctx, id);
    ApiRouter::new()
        .operation(post_with, "/jobs/{id}/retry", Idempotent(retry), |op| {
            op.named("retry_job", "Retry a job")
                .description("Retrying the delivery of an invitation resends the invitation.")
                .json_response::<200, JobDetail>("The job.")
                .problems(&[Code::WrongState, Code::JobSuperseded, Code::RoleNotGrantable])
        })
        .operation(post_with, "/jobs/{id}/cancel", Idempotent(cancel), |op| {
            op.named("cancel_job", "Cancel a job")
                .description(
                    "Cancelling the delivery of an invitation makes the invitation `failed`, \
                     with the error code `cancelled`.",
                )
                .json_response::<200, JobDetail>("The job.")
                .problems(WITHDRAWAL_PROBLEMS)
        })
        .operation(post_with, "/jobs/{id}/dismiss", Idempotent(dismiss), |op| {
            op.named("dismiss_job", "Dismiss a dead job")
                .description("Removes the job from the list of dead jobs.")
                .json_response::<200, JobDetail>("The job.")
                .problems(WITHDRAWAL_PROBLEMS)
        })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schemas::query_parameters)]
struct ListJobs {
    #[schemars(with = "Option<schemas::Queue>")]
    queue: Option<String>,
    /// The kind of job, as in `send-invite`.
    kind: Option<String>,
    #[schemars(with = "Option<schemas::JobState>")]
    state: Option<String>,
    /// The error code of the last attempt.
    error: Option<String>,
    /// Finds jobs whose last error contains this, or whose id starts with it.
    q: Option<String>,
    #[schemars(with = "Option<schemas::Limit>")]
    limit: Option<String>,
    #[schemars(with = "Option<schemas::Cursor>")]
    cursor: Option<String>,
}

async fn list_jobs(
    _: RequireScope<OpsRead>,
    State(app): State<App>,
    Query(query): Query<ListJobs>,
) -> Result<Response, Problem> {
    let mut errors = FieldErrors::default();
    let queue = parse_queue(query.queue.as_deref(), &mut errors);
    let status = parse_state(query.state.as_deref(), &mut errors);
    let Page { after, limit } =
        parse_page(query.limit.as_deref(), query.cursor.as_deref(), JobId, &mut errors);
    errors.finish()?;
    let filter = JobFilter { queue, kind: query.kind, status, error: query.error, q: query.q };
    let page = Page { after, limit: limit + 1 };
    let mut jobs = app.store().list_jobs(&filter, page, app.ctx().now()).await?;
    let next_cursor = truncate_page(&mut jobs, limit, |job| job.id.0);
    let items = jobs.iter().map(JobView::from).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

/// Parses the name of a queue, if given.
pub fn parse_queue(queue: Option<&str>, errors: &mut FieldErrors) -> Option<QueueName> {
    errors.check("queue", QueueName::parse(queue?).ok_or("is not a queue"))
}

/// Parses the state of a job, if given.
pub fn parse_state(state: Option<&str>, errors: &mut FieldErrors) -> Option<JobStatus> {
    errors.check("state", JobStatus::parse(state?).ok_or("is not a job state"))
}

async fn list_job_errors(
    _: RequireScope<OpsRead>,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let groups = app.store().job_errors().await?;
    let items = groups.iter().map(ErrorGroupView::from).collect();
    Ok(Json(List { items }).into_response())
}

async fn get_job(
    _: RequireScope<OpsRead>,
    State(app): State<App>,
    id: PathParam<JobId>,
) -> Result<Response, Problem> {
    job_response(&app, id.parse()?).await
}

async fn operate(
    act: JobAction,
    by: RequireScope<OpsWrite>,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<JobId>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    let done = act.apply(&ctx, id, by.caller.manageable_roles(), &by.actor()).await;
    done.map_err(|error| Problem::job(error, &act.allowed_states_text()))?;
    job_response(&app, id).await
}

async fn job_response(app: &App, id: JobId) -> Result<Response, Problem> {
    let found = app.store().job_with_attempts(id, app.ctx().now()).await?;
    let (job, attempts) = found.ok_or_else(|| Problem::not_found("job"))?;
    Ok(Json(JobDetailView::new(&job, &attempts)).into_response())
}
