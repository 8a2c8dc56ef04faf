//! Operations by HTTP: how it all stands, and the hands on the queue.

mod bulk;
mod jobs;
mod metrics;
mod queues;
mod status;

use axum::Router;
use axum::routing::{get, post};

use super::state::App;

pub use metrics::metrics;

/// The routes under `/v1`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/status", get(status::get_status))
        .route("/queues", get(queues::list_queues))
        .route("/queues/{name}/pause", post(queues::pause_queue))
        .route("/queues/{name}/resume", post(queues::resume_queue))
        .route("/jobs", get(jobs::list_jobs))
        .route("/jobs/errors", get(jobs::list_job_errors))
        .route("/jobs/retry", post(bulk::retry_jobs))
        .route("/jobs/cancel", post(bulk::cancel_jobs))
        .route("/jobs/dismiss", post(bulk::dismiss_jobs))
        .route("/jobs/{id}", get(jobs::get_job))
        .route("/jobs/{id}/retry", post(jobs::retry_job))
        .route("/jobs/{id}/cancel", post(jobs::cancel_job))
        .route("/jobs/{id}/dismiss", post(jobs::dismiss_job))
}
