//! How it all stands, and the hands on the queue.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use guestlist_database::board::JobStatus;
use serde_json::{Value, json};

use crate::http::idempotency::Idempotent;
use crate::http::openapi::Told;
use crate::http::ops::bulk::{cancel_jobs, dismiss_jobs, retry_jobs};
use crate::http::ops::jobs::{
    cancel_job, dismiss_job, get_job, list_job_errors, list_jobs, retry_job,
};
use crate::http::ops::queues::{Queues, list_queues, pause_queue, resume_queue};
use crate::http::ops::status::get_status;
use crate::http::paging::{All, Paged};
use crate::http::problem::Code;
use crate::http::state::App;
use crate::operations::{
    BulkResult, ErrorGroupView, JobAction, JobDetailView, JobView, QueueView, Status,
};

type Job = JobDetailView<'static>;

/// How withdrawing a job can fail.
const WITHDRAWN: &[Code] =
    &[Code::WrongState, Code::JobSuperseded, Code::RoleNotGrantable, Code::ErasureNotCancellable];

/// What is not done to all jobs that match.
const NOT_ALL: &str =
    "Jobs about people whom the caller may not act on are left out, and not counted.";

/// The routes under `/v1`.
pub fn routes() -> ApiRouter<App> {
    queues().merge(each_job()).merge(many_jobs())
}

fn queues() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/status",
            get_with(get_status, |op| {
                op.told("get_status", "Does mail go out?")
                    .description("`summary` says it in one line, with what to do.")
                    .answers::<200, Status>("How it stands.")
            }),
        )
        .api_route(
            "/queues",
            get_with(list_queues, |op| {
                op.told("list_queues", "See every queue and worker")
                    .answers::<200, Queues<'static>>("All of them.")
            }),
        )
        .api_route(
            "/queues/{name}/pause",
            post_with(Idempotent(pause_queue), |op| {
                op.told("pause_queue", "Begin no more of its jobs")
                    .body_may_be_missing()
                    .answers::<200, QueueView<'static>>("The queue, paused.")
            }),
        )
        .api_route(
            "/queues/{name}/resume",
            post_with(Idempotent(resume_queue), |op| {
                op.told("resume_queue", "Go on with its jobs")
                    .answers::<200, QueueView<'static>>("The queue, going on.")
            }),
        )
}

fn each_job() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/jobs",
            get_with(list_jobs, |op| {
                op.told("list_jobs", "See jobs, the newest first")
                    .answers::<200, Paged<JobView<'static>>>("A page.")
            }),
        )
        .api_route(
            "/jobs/{id}",
            get_with(get_job, |op| {
                op.told("get_job", "See a job with its attempts").answers::<200, Job>("The job.")
            }),
        )
        .api_route(
            "/jobs/{id}/retry",
            post_with(Idempotent(retry_job), |op| {
                op.told("retry_job", "Run it again now")
                    .description("Retrying a delivery is sending its invitation again.")
                    .answers::<200, Job>("The job.")
                    .refuses(&[Code::WrongState, Code::JobSuperseded, Code::RoleNotGrantable])
            }),
        )
        .api_route(
            "/jobs/{id}/cancel",
            post_with(Idempotent(cancel_job), |op| {
                op.told("cancel_job", "Withdraw it")
                    .description(
                        "An invitation whose delivery is withdrawn is `failed`, `cancelled`.",
                    )
                    .answers::<200, Job>("The job.")
                    .refuses(WITHDRAWN)
            }),
        )
        .api_route(
            "/jobs/{id}/dismiss",
            post_with(Idempotent(dismiss_job), |op| {
                op.told("dismiss_job", "Look after a dead job no more")
                    .answers::<200, Job>("The job.")
                    .refuses(WITHDRAWN)
            }),
        )
}

fn many_jobs() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/jobs/errors",
            get_with(list_job_errors, |op| {
                op.told("list_job_errors", "See dead and retrying jobs by what went wrong")
                    .answers::<200, All<ErrorGroupView<'static>>>("The commonest first.")
            }),
        )
        .api_route(
            "/jobs/retry",
            post_with(Idempotent(retry_jobs), |op| {
                op.told("retry_jobs", "Run again all that match")
                    .description(NOT_ALL)
                    .body_member("state", states(JobAction::Retry))
                    .answers::<200, BulkResult>("To how many it was done.")
            }),
        )
        .api_route(
            "/jobs/cancel",
            post_with(Idempotent(cancel_jobs), |op| {
                op.told("cancel_jobs", "Withdraw all that match")
                    .description(NOT_ALL)
                    .body_member("state", states(JobAction::Cancel))
                    .answers::<200, BulkResult>("To how many it was done.")
            }),
        )
        .api_route(
            "/jobs/dismiss",
            post_with(Idempotent(dismiss_jobs), |op| {
                op.told("dismiss_jobs", "Look no more after all dead jobs that match")
                    .description(NOT_ALL)
                    .body_member("state", states(JobAction::Dismiss))
                    .answers::<200, BulkResult>("To how many it was done.")
            }),
        )
}

/// Where jobs may stand that it can be done to.
fn states(act: JobAction) -> Value {
    json!({ "enum": act.allowed_states().map(JobStatus::as_str).collect::<Vec<_>>() })
}
