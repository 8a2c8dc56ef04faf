//! Jobs: found, looked at, run again, withdrawn.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use guestlist_database::board::{JobFilter, JobStatus};
use guestlist_domain::flows::OperateError;
use guestlist_domain::{Ctx, JobId, Page, Queue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::http::auth::{Caller, May, OpsRead, OpsWrite, out_of_reach};
use crate::http::body::{Fields, Params};
use crate::http::named::Named;
use crate::http::openapi::shapes;
use crate::http::paging::{All, Paged, cut, page};
use crate::http::problem::{Code, Problem};
use crate::http::state::App;
use crate::http::world::World;
use crate::operations::{ErrorGroupView, JobAction, JobDetailView, JobView};

/// Which page of which jobs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::query)]
pub struct ListJobs {
    #[schemars(with = "Option<shapes::Queue>")]
    queue: Option<String>,
    /// As in `send-invite`.
    kind: Option<String>,
    #[schemars(with = "Option<shapes::JobState>")]
    state: Option<String>,
    /// The code that their latest attempt failed with.
    error: Option<String>,
    q: Option<String>,
    #[schemars(with = "Option<shapes::Limit>")]
    limit: Option<String>,
    #[schemars(with = "Option<shapes::Cursor>")]
    cursor: Option<String>,
}

/// `GET /v1/jobs`
pub async fn list_jobs(
    _: May<OpsRead>,
    State(app): State<App>,
    Params(query): Params<ListJobs>,
) -> Result<Response, Problem> {
    let mut fields = Fields::default();
    let queue = read_queue(query.queue.as_deref(), &mut fields);
    let status = read_state(query.state.as_deref(), &mut fields);
    let Page { after, limit } =
        page(query.limit.as_deref(), query.cursor.as_deref(), JobId, &mut fields);
    if !fields.is_empty() {
        return Err(fields.into_problem());
    }
    let filter = JobFilter { queue, kind: query.kind, status, error: query.error, q: query.q };
    let piece = Page { after, limit: limit + 1 };
    let mut found = app.store().list_jobs(&filter, piece, app.ctx().now()).await?;
    let next_cursor = cut(&mut found, limit, |job| job.id.0);
    let items = found.iter().map(JobView::from).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

/// A queue, where one is said.
pub fn read_queue(queue: Option<&str>, fields: &mut Fields) -> Option<Queue> {
    fields.take("queue", Queue::parse(queue?).ok_or("is no queue"))
}

/// A state, where one is said.
pub fn read_state(state: Option<&str>, fields: &mut Fields) -> Option<JobStatus> {
    fields.take("state", JobStatus::parse(state?).ok_or("is no state of a job"))
}

/// `GET /v1/jobs/errors`
pub async fn list_job_errors(_: May<OpsRead>, State(app): State<App>) -> Result<Response, Problem> {
    let groups = app.store().job_errors().await?;
    let items = groups.iter().map(ErrorGroupView::from).collect();
    Ok(Json(All { items }).into_response())
}

/// `GET /v1/jobs/{id}`
pub async fn get_job(
    _: May<OpsRead>,
    State(app): State<App>,
    id: Named<JobId>,
) -> Result<Response, Problem> {
    shown(&app, id.read()?).await
}

/// `POST /v1/jobs/{id}/retry`
pub async fn retry_job(
    by: May<OpsWrite>,
    State(app): State<App>,
    World(ctx): World,
    id: Named<JobId>,
) -> Result<Response, Problem> {
    act(&app, &ctx, JobAction::Retry, id.read()?, &by.caller).await
}

/// `POST /v1/jobs/{id}/cancel`
pub async fn cancel_job(
    by: May<OpsWrite>,
    State(app): State<App>,
    World(ctx): World,
    id: Named<JobId>,
) -> Result<Response, Problem> {
    act(&app, &ctx, JobAction::Cancel, id.read()?, &by.caller).await
}

/// `POST /v1/jobs/{id}/dismiss`
pub async fn dismiss_job(
    by: May<OpsWrite>,
    State(app): State<App>,
    World(ctx): World,
    id: Named<JobId>,
) -> Result<Response, Problem> {
    act(&app, &ctx, JobAction::Dismiss, id.read()?, &by.caller).await
}

async fn act(
    app: &App,
    ctx: &Ctx,
    act: JobAction,
    id: JobId,
    by: &Caller,
) -> Result<Response, Problem> {
    act.apply(ctx, id, by.reach(), &by.actor()).await.map_err(|error| refused(act, error))?;
    shown(app, id).await
}

async fn shown(app: &App, id: JobId) -> Result<Response, Problem> {
    let found = app.store().job_with_attempts(id, app.ctx().now()).await?;
    let (job, attempts) = found.ok_or_else(not_found)?;
    Ok(Json(JobDetailView::new(&job, &attempts)).into_response())
}

fn not_found() -> Problem {
    Problem::not_found("job")
}

fn refused(act: JobAction, error: OperateError) -> Problem {
    match error {
        OperateError::NotFound => not_found(),
        OperateError::WrongState(state) => {
            let detail = format!(
                "The job is {state}; it would have to be one of {}.",
                act.allowed_states_text()
            );
            Problem::new(Code::WrongState, detail).with("state", json!(state.as_str()))
        }
        OperateError::Superseded => {
            let detail = "Its invitation was sent again since, or is closed: nobody wants what \
                          this job would do any more.";
            Problem::new(Code::JobSuperseded, detail)
        }
        OperateError::OutOfReach => out_of_reach(),
        OperateError::Erasure => {
            let detail = "The job erases a person, which can't be called off. If it is dead, retry \
                          it once what it failed with is mended.";
            Problem::new(Code::ErasureNotCancellable, detail)
        }
        OperateError::Store(error) => error.into(),
    }
}
