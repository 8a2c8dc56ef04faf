//! Queues and workers.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::response::IntoResponse;
use guestlist_domain::{QueueName, flows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extract::{Authorized, JsonBody, OpsRead, OpsWrite, PathParam};
use crate::middleware::idempotency::Idempotent;
use crate::openapi::{ApiRouterExt, OperationExt, schemas};
use crate::operations::{QueueView, WorkerView, parse_pause_reason};
use crate::problem::{ApiResult, Problem};
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(get_with, "/queues", list_queues, |op| {
            op.named("list_queues", "List queues and workers")
                .json_response::<200, QueueList<'static>>("All queues and workers.")
        })
        .route_with(post_with, "/queues/{name}/pause", Idempotent(pause_queue), |op| {
            op.named("pause_queue", "Pause a queue")
                .description("No more of its jobs are started. Running jobs finish.")
                .optional_body()
                .json_response::<200, QueueView<'static>>("The paused queue.")
        })
        .route_with(post_with, "/queues/{name}/resume", Idempotent(resume_queue), |op| {
            op.named("resume_queue", "Resume a queue")
                .json_response::<200, QueueView<'static>>("The resumed queue.")
        })
}

/// All queues and workers.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
struct QueueList<'a> {
    items: Vec<QueueView<'a>>,
    workers: Vec<WorkerView<'a>>,
}

/// Parameters of pausing a queue.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "an object")]
struct PauseRequest {
    /// Why the queue is paused, for other operators.
    reason: Option<String>,
}

async fn list_queues(auth: Authorized<OpsRead>) -> ApiResult {
    let now = auth.ctx.now();
    let overview = auth.app.store.overview(now).await?;
    let activity = auth.app.store.activity(now).await?;
    let queues = overview.queues.iter().zip(&activity.0);
    let items = queues.map(|(state, activity)| QueueView::new(state, activity)).collect();
    let workers = overview.workers.iter().map(|w| WorkerView::new(w, now)).collect();
    Ok(Json(QueueList { items, workers }).into_response())
}

async fn pause_queue(
    auth: Authorized<OpsWrite>,
    name: PathParam<QueueName>,
    body: Option<JsonBody<PauseRequest>>,
) -> ApiResult {
    let reason = parse_pause_reason(body.and_then(|JsonBody(request)| request.reason));
    let reason = reason.map_err(|error| Problem::field("reason", error))?;
    let queue = name.parse()?;
    flows::pause_queue(&auth.ctx, queue, reason, &auth.actor()).await?;
    changed_queue(&auth.app, queue).await
}

async fn resume_queue(auth: Authorized<OpsWrite>, name: PathParam<QueueName>) -> ApiResult {
    let queue = name.parse()?;
    flows::resume_queue(&auth.ctx, queue, &auth.actor()).await?;
    changed_queue(&auth.app, queue).await
}

async fn changed_queue(app: &App, queue: QueueName) -> ApiResult {
    app.holds.invalidate().await;
    app.operations.invalidate().await;
    let now = app.ctx.now();
    let overview = app.store.overview(now).await?;
    let activity = app.store.activity(now).await?;
    let mut queues = overview.queues.iter().zip(&activity.0);
    let (state, activity) =
        queues.find(|(state, _)| state.queue == queue).ok_or_else(Problem::internal)?;
    Ok(Json(QueueView::new(state, activity)).into_response())
}
