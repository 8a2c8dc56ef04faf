//! The overview: status, figures, queues, errors, workers, and differences from Stytch.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use guestlist_database::operations::{Overview, WorkerState};
use guestlist_domain::{Drift, QueueName, Reconciliation};
use jiff::{SignedDuration, Timestamp};

use super::errors::ErrorRow;
use super::figures::{Figure, figures};
use super::queue_rows::{QueueRow, queue_rows};
use super::status_notice::StatusNotice;
use super::words::{drift_action, drift_name};
use crate::operations::{Status, group_thousands};
use crate::pages::auth::PageOperator;
use crate::pages::components::{StateLabel, Tone, When, rounded};
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::problem::Problem;

/// The number of errors shown, the most frequent first.
const MAX_ERRORS: usize = 5;

#[derive(Template)]
#[template(path = "ops/overview.html")]
struct OverviewPage<'a> {
    shell: Shell<'a>,
    /// Whether the viewer may open the metrics, to which browsers do not send API keys.
    has_metrics: bool,
    can_act: bool,
    refused: Option<&'a RefusedPause>,
    notice: StatusNotice<'a>,
    figures: Vec<Figure>,
    queues: Vec<QueueRow<'a>>,
    errors: Vec<ErrorRow>,
    all_errors: usize,
    workers: Vec<WorkerRow<'a>>,
    slots: String,
    compared: Option<When>,
    differences: Vec<DifferenceRow>,
}

/// A pause whose reason was refused.
#[derive(Debug)]
pub struct RefusedPause {
    pub queue: QueueName,
    /// The reason as typed.
    pub reason: String,
    pub error: String,
}

struct WorkerRow<'a> {
    worker: &'a WorkerState,
    state: StateLabel,
    up_for: String,
    seen: When,
    /// How long ago the worker stopped answering.
    gone_for: Option<String>,
    jobs: String,
    provider: Option<&'a str>,
}

struct DifferenceRow {
    name: &'static str,
    code: &'static str,
    found: String,
    action: &'static str,
}

/// Handles `GET /ops`.
pub async fn show(page: PageOperator) -> Result<Response, Problem> {
    render_overview(&page, StatusCode::OK, None).await
}

/// Renders the page, also in response to a refused pause.
pub async fn render_overview(
    page: &PageOperator,
    code: StatusCode,
    refused: Option<&RefusedPause>,
) -> Result<Response, Problem> {
    let app = &page.app;
    let now = app.ctx.now();
    let overview = app.operations.overview(now).await?;
    let activity = app.operations.throughput(now).await?;
    let waits = app.operations.waits(now).await?;
    let groups = app.operations.errors().await?;
    let all_errors = groups.len();
    let groups = &groups[..all_errors.min(MAX_ERRORS)];
    let last = app.ctx.store.last_reconciliation().await?;
    let status = Status::new(&overview, &activity, &app.ctx.policy.authenticate_url, now);
    let shell =
        Shell::new(app, &page.caller, Some(Section::Operations), page.overview_url()).await?;
    let template = OverviewPage {
        has_metrics: shell.is_session(),
        can_act: page.can_act(),
        refused,
        notice: StatusNotice::new(&status, groups, page.can_act()),
        figures: figures(&status, &overview, &activity, &waits, now),
        queues: queue_rows(&overview, &activity, &waits, refused, now),
        errors: groups.iter().cloned().map(|group| ErrorRow::of_any_state(group, now)).collect(),
        all_errors,
        slots: slots(&overview),
        workers: overview.workers.iter().map(|worker| worker_row(worker, now)).collect(),
        compared: last.as_ref().map(|last| When { at: last.finished_at, now }),
        differences: last.as_ref().map(differences).unwrap_or_default(),
        shell,
    };
    Ok(render(&app.site, code, &template))
}

fn worker_row(worker: &WorkerState, now: Timestamp) -> WorkerRow<'_> {
    let state = match (worker.is_live(), worker.is_late()) {
        (false, _) => StateLabel::new(Tone::Bad, "x", "Stopped answering"),
        (true, true) => StateLabel::new(Tone::Warn, "warn", "Late"),
        (true, false) => StateLabel::new(Tone::Good, "check", "Alive"),
    };
    let health = &worker.report.health;
    let age = SignedDuration::try_from(worker.report_age).unwrap_or(SignedDuration::MAX);
    WorkerRow {
        state,
        up_for: rounded((now - age).duration_since(worker.started_at).max(SignedDuration::ZERO)),
        seen: When { at: now - worker.report_age, now },
        gone_for: (!worker.is_live()).then(|| rounded(age)),
        jobs: format!("{} of {}", worker.running, worker.concurrency),
        provider: health.issue().filter(|_| worker.is_live()).map(|_| health.as_str()),
        worker,
    }
}

/// Returns how many slots of the workers are in use.
fn slots(overview: &Overview) -> String {
    let used: u64 = overview.live_workers().map(|worker| worker.running).sum();
    let all: u64 = overview.live_workers().map(|worker| worker.concurrency).sum();
    format!("{used} of {all} slots in use")
}

fn differences(last: &Reconciliation) -> Vec<DifferenceRow> {
    let rows = Drift::ALL.iter().filter(|drift| last.count(**drift).left() > 0);
    rows.map(|drift| DifferenceRow {
        name: drift_name(*drift),
        code: drift.as_str(),
        found: group_thousands(last.count(*drift).left()),
        action: drift_action(*drift),
    })
    .collect()
}
