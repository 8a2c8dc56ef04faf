//! The pages for operators: status, queues and jobs.

mod bulk;
mod chart;
mod components;
mod errors;
mod figures;
mod job;
mod jobs;
mod key;
mod overview;
mod points;
mod queue_rows;
mod queues;
mod selection;
mod status_notice;
mod subjects;
mod words;

use axum::Router;
use axum::routing::{get, post};

use super::auth::{KEY_PATH, OPERATIONS, OPERATIONS_WITH_KEY};
use crate::operations::JobAction;
use crate::state::App;

pub fn routes() -> Router<App> {
    let router = Router::new()
        .route(OPERATIONS, get(overview::show))
        .route(OPERATIONS_WITH_KEY, get(overview::show))
        .route(KEY_PATH, get(key::show))
        .route("/ops/queues/{name}/pause", post(queues::pause))
        .route("/ops/queues/{name}/resume", post(queues::resume))
        .route("/ops/jobs", get(jobs::show))
        .route("/ops/jobs/{id}", get(job::show));
    JobAction::ALL.into_iter().fold(router, |all, act| {
        let name = act.name();
        let confirm = move |page, query| bulk::confirm(act, page, query);
        let apply_to_all = move |form, body| bulk::apply(act, form, body);
        let ask = move |page, id| job::confirm(act, page, id);
        let apply = move |form, id| job::apply(act, form, id);
        all.route(&format!("/ops/jobs/{name}"), get(confirm).post(apply_to_all))
            .route(&format!("/ops/jobs/{{id}}/{name}"), get(ask).post(apply))
    })
}
