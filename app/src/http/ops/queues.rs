//! Queues: how they stand, and pausing them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use guestlist_domain::{Queue, flows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::auth::{May, OpsRead, OpsWrite};
use crate::http::body::Body;
use crate::http::named::Named;
use crate::http::openapi::shapes;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::http::world::World;
use crate::operations::{QueueView, WorkerView, parse_pause_reason};

/// `GET /v1/queues`
pub async fn list_queues(_: May<OpsRead>, State(app): State<App>) -> Result<Response, Problem> {
    let now = app.ctx().now();
    let overview = app.store().overview(now).await?;
    let activity = app.store().activity(now).await?;
    let each = overview.queues.iter().zip(&activity.0);
    let items = each.map(|(state, activity)| QueueView::new(state, activity)).collect();
    let workers = overview.workers.iter().map(|w| WorkerView::new(w, now)).collect();
    Ok(Json(Queues { items, workers }).into_response())
}

/// Every queue and worker.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = shapes::whole)]
pub struct Queues<'a> {
    items: Vec<QueueView<'a>>,
    workers: Vec<WorkerView<'a>>,
}

/// Why a queue is paused.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "an object")]
pub struct PauseRequest {
    /// For whoever finds it paused.
    reason: Option<String>,
}

/// `POST /v1/queues/{name}/pause`
pub async fn pause_queue(
    by: May<OpsWrite>,
    State(app): State<App>,
    World(ctx): World,
    name: Named<Queue>,
    body: Option<Body<PauseRequest>>,
) -> Result<Response, Problem> {
    let reason = parse_pause_reason(body.and_then(|Body(request)| request.reason));
    let reason = reason.map_err(|error| Problem::field("reason", error))?;
    let queue = name.read()?;
    flows::pause_queue(&ctx, queue, reason, &by.actor()).await?;
    shown(&app, queue).await
}

/// `POST /v1/queues/{name}/resume`
pub async fn resume_queue(
    by: May<OpsWrite>,
    State(app): State<App>,
    World(ctx): World,
    name: Named<Queue>,
) -> Result<Response, Problem> {
    let queue = name.read()?;
    flows::resume_queue(&ctx, queue, &by.actor()).await?;
    shown(&app, queue).await
}

/// A queue that was just paused or resumed.
async fn shown(app: &App, queue: Queue) -> Result<Response, Problem> {
    app.last_look().forget();
    let now = app.ctx().now();
    let overview = app.store().overview(now).await?;
    let activity = app.store().activity(now).await?;
    let mut each = overview.queues.iter().zip(&activity.0);
    let (state, activity) =
        each.find(|(state, _)| state.queue == queue).ok_or_else(Problem::internal)?;
    Ok(Json(QueueView::new(state, activity)).into_response())
}
