//! One job with its attempts.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_database::operations::{JobAttempt, JobRecord, JobStatus};
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{Job, JobId, JobState};
use jiff::Timestamp;

use super::components::length;
use super::selection::Selection;
use super::subjects::{Subject, Subjects};
use super::words::{attempt_state, hold_reason, kind_purpose};
use crate::extract::PathParam;
use crate::operations::JobAction;
use crate::pages::auth::{FormOperator, PageOperator};
use crate::pages::components::{Clock, StateLabel, When};
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::pages::states::job_state;
use crate::problem::{Code, Problem};

#[derive(Template)]
#[template(path = "ops/job.html")]
struct JobPage<'a> {
    shell: Shell<'a>,
    job: JobRecord,
    purpose: &'static str,
    state: StateLabel,
    next_step: String,
    subject: Option<Subject>,
    /// The jobs of the same state in the same queue.
    queue_url: String,
    actions: Vec<JobAction>,
    /// Why an action was refused.
    refusal: Option<String>,
    args: String,
    /// The latest first.
    attempts: Vec<AttemptRow>,
}

struct AttemptRow {
    /// `None` if the attempt does not count.
    number: Option<u32>,
    started: Clock,
    state: StateLabel,
    error: Option<(String, String)>,
    took: String,
    worker: String,
    /// The id of the worker's process.
    process: String,
    request_id: String,
}

/// Handles `GET /ops/jobs/{id}`.
pub async fn show(page: PageOperator, id: PathParam<JobId>) -> Result<Response, Problem> {
    render_job(&page, id.parse()?, None).await
}

/// Handles the `POST` of an action on a job.
pub async fn apply(
    action: JobAction,
    form: FormOperator,
    id: PathParam<JobId>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    let manageable = form.page.manageable_roles();
    let applied = action.apply(&form.ctx, id, manageable, &form.actor()).await;
    let Err(error) = applied else {
        form.page.app.operations.invalidate().await;
        return Ok(Redirect::to(&format!("/ops/jobs/{id}")).into_response());
    };
    let problem = Problem::job(error, &action.allowed_states_text());
    if problem.status().is_server_error() || problem.code == Code::NotFound {
        return Err(problem);
    }
    render_job(&form.page, id, Some(problem)).await
}

async fn render_job(
    page: &PageOperator,
    id: JobId,
    refusal: Option<Problem>,
) -> Result<Response, Problem> {
    let app = &page.app;
    let now = app.ctx.now();
    let found = app.store.job_with_attempts(id, now).await?;
    let (job, attempts) = found.ok_or_else(|| Problem::not_found("job"))?;
    let url = format!("/ops/jobs/{id}");
    let mut shell = Shell::new(app, &page.caller, Some(Section::Operations), url).await?;
    shell.is_changing = !has_ended(job.status);
    let allowed = JobAction::ALL.into_iter().filter(|action| action.applies_to(job.status));
    let subjects = Subjects::load(page, std::slice::from_ref(&job)).await?;
    let template = JobPage {
        purpose: kind_purpose(&job.kind),
        state: job_state(job.status),
        next_step: next_step(&job, now),
        subject: subjects.of(&job),
        queue_url: queue_url(&job),
        actions: if page.can_act() { allowed.collect() } else { Vec::new() },
        refusal: refusal.as_ref().map(|problem| problem.detail.clone()),
        args: job.args.to_string(),
        attempts: attempts.into_iter().rev().map(|attempt| row(attempt, now)).collect(),
        job,
        shell,
    };
    let code = refusal.map_or(StatusCode::OK, |problem| problem.status());
    Ok(render(&app.site, code, &template))
}

fn has_ended(status: JobStatus) -> bool {
    matches!(status, JobStatus::In(JobState::Done | JobState::Dead | JobState::Cancelled))
}

fn queue_url(job: &JobRecord) -> String {
    let queue = guestlist_domain::QueueName::parse(&job.queue);
    Selection { queue, ..Selection::of(job.status) }.list_url()
}

/// Returns in one sentence what happens next, and what an operator can do.
fn next_step(job: &JobRecord, now: Timestamp) -> String {
    let next = job.attempts + 1;
    let max = job.max_attempts;
    let when = |at| When { at, now }.relative();
    let is_due = job.run_at <= now;
    match job.status {
        JobStatus::In(JobState::Running) if job.cancel_requested_at.is_some() => {
            "It is cancelled once its attempt ends, unless that succeeds.".to_owned()
        }
        JobStatus::In(JobState::Running) => {
            format!("Attempt {} of {max} is running.", job.attempts)
        }
        JobStatus::In(JobState::Ready) => "It starts as soon as a worker is free.".to_owned(),
        JobStatus::Held => {
            let reason = job.held_by.map_or("its queue is held back", hold_reason);
            format!("It waits because {reason}, and then starts by itself.")
        }
        JobStatus::In(JobState::Scheduled | JobState::Retrying) if is_due => {
            format!("Attempt {next} of {max} starts as soon as a worker is free.")
        }
        JobStatus::In(JobState::Scheduled | JobState::Retrying) => {
            format!("Attempt {next} of {max} starts {}.", when(job.run_at))
        }
        JobStatus::In(JobState::Dead) => {
            "It is not tried again by itself. Retry it once the cause is gone, or dismiss it."
                .to_owned()
        }
        JobStatus::In(JobState::Done) => "There is nothing to do.".to_owned(),
        JobStatus::In(JobState::Cancelled) => {
            "It was cancelled or dismissed. It can still be retried.".to_owned()
        }
    }
}

/// Returns the id of a worker's process, with which the worker's id begins.
fn process(worker: &str) -> String {
    worker.split('-').next().unwrap_or(worker).to_owned()
}

fn row(attempt: JobAttempt, now: Timestamp) -> AttemptRow {
    let took = attempt.finished_at.map(|end| end.duration_since(attempt.started_at));
    let took = took.and_then(|took| took.try_into().ok()).map(length);
    AttemptRow {
        number: (attempt.outcome != "snooze").then_some(attempt.number),
        started: Clock::to_second(attempt.started_at, now),
        state: attempt_state(&attempt.outcome),
        error: attempt.error,
        took: took.unwrap_or_default(),
        process: process(attempt.worker.as_deref().unwrap_or_default()),
        worker: attempt.worker.unwrap_or_default(),
        request_id: attempt.request_id.unwrap_or_default(),
    }
}

#[derive(Template)]
#[template(path = "ops/confirm_job.html")]
struct ConfirmPage<'a> {
    shell: Shell<'a>,
    action: JobAction,
    job: JobRecord,
    consequence: &'static str,
}

/// Handles the `GET` of an action on a job: asks before it is done.
pub async fn confirm(
    action: JobAction,
    page: PageOperator,
    id: PathParam<JobId>,
) -> Result<Response, Problem> {
    let (app, id) = (&page.app, id.parse()?);
    let found = app.store.job_with_attempts(id, app.ctx.now()).await?;
    let (job, _) = found.ok_or_else(|| Problem::not_found("job"))?;
    let url = format!("/ops/jobs/{id}/{}", action.name());
    let template = ConfirmPage {
        shell: Shell::new(app, &page.caller, Some(Section::Operations), url).await?,
        action,
        consequence: consequence(action, &job.kind),
        job,
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}

fn consequence(action: JobAction, kind: &str) -> &'static str {
    match (action, kind == SendInvitation::KIND) {
        (JobAction::Retry, true) => {
            "The invitation is sent again with a new link. Its old link stops working."
        }
        (JobAction::Retry, false) => "The job runs again now, with all its attempts.",
        (JobAction::Cancel, true) => {
            "The invitation fails with the code cancelled. If its mail is already out, its link is \
             revoked."
        }
        (JobAction::Cancel, false) => {
            "The job does not run. If it is running, it ends with its attempt."
        }
        (JobAction::Dismiss, true) => {
            "The job leaves the list of dead jobs. Its invitation stays failed."
        }
        (JobAction::Dismiss, false) => "The job leaves the list of dead jobs.",
    }
}
