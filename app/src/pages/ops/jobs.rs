//! The list of jobs, by state.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_database::operations::{ErrorGroup, JobCounts, JobRecord, JobStatus};
use guestlist_domain::{JobId, JobState, Page, QueueName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::components::counted;
use super::errors::ErrorRow;
use super::selection::{Selection, SelectionQuery, filled};
use super::subjects::{Subject, Subjects, find_page};
use super::words::KINDS;
use crate::extract::{FieldErrors, Paged, Query, parse_page};
use crate::operations::{JobAction, group_thousands};
use crate::pages::auth::PageOperator;
use crate::pages::components::{Icon, When, count_text, icon};
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::problem::Problem;

/// The number of jobs on a page.
const LIMIT: u64 = 50;
/// The number of errors shown, the most frequent first; the others can be unfolded.
const MAX_ERRORS: usize = 8;

/// The parameters of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobsQuery {
    state: Option<String>,
    queue: Option<String>,
    kind: Option<String>,
    error: Option<String>,
    q: Option<String>,
    cursor: Option<String>,
    /// What an action on many jobs did, to be shown above the list.
    did: Option<String>,
    changed: Option<u64>,
    has_more: Option<bool>,
}

#[derive(Template)]
#[template(path = "ops/jobs.html")]
struct JobsPage<'a> {
    shell: Shell<'a>,
    selection: Selection,
    tabs: Vec<Tab>,
    queues: Vec<Choice>,
    kinds: Vec<Choice>,
    /// Error codes to filter by.
    codes: Vec<Choice>,
    q: String,
    result: Option<BulkNotice>,
    errors: Vec<ErrorRow>,
    more_errors: Vec<ErrorRow>,
    can_act: bool,
    /// What can be searched for.
    search_hint: &'static str,
    title: String,
    /// The time that the last column shows.
    time_name: &'static str,
    actions: Vec<BulkLink>,
    rows: Vec<Row>,
    older_url: Option<String>,
    first_url: Option<String>,
    is_filtered: bool,
}

struct Tab {
    url: String,
    name: String,
    icon: Icon,
    count: String,
    is_current: bool,
    is_bad: bool,
}

/// An option of a filter.
struct Choice {
    value: String,
    is_selected: bool,
}

/// What an action on many jobs did.
struct BulkNotice {
    text: String,
    has_more: bool,
}

/// A link to an action on all jobs of the list.
struct BulkLink {
    url: String,
    text: String,
}

struct Row {
    id: JobId,
    kind: String,
    queue: String,
    subject: Option<Subject>,
    error: Option<(String, String)>,
    attempts: String,
    time: Option<When>,
}

const TABS: [(JobStatus, &str); 8] = [
    (JobStatus::In(JobState::Dead), "x"),
    (JobStatus::In(JobState::Retrying), "retry"),
    (JobStatus::Held, "pause"),
    (JobStatus::In(JobState::Ready), "clock"),
    (JobStatus::In(JobState::Running), "run"),
    (JobStatus::In(JobState::Scheduled), "calendar"),
    (JobStatus::In(JobState::Done), "check"),
    (JobStatus::In(JobState::Cancelled), "slash"),
];

/// Handles `GET /ops/jobs`.
pub async fn show(page: PageOperator, Query(query): Query<JobsQuery>) -> Result<Response, Problem> {
    let JobsQuery { state, queue, kind, error, q, cursor, did, changed, has_more } = query;
    let selection = SelectionQuery { state, queue, kind, error }.parse()?;
    let (app, q) = (&page.app, filled(q));
    let now = app.ctx.now();
    if let Some(q) = &q
        && let Some(url) = find_page(&page, q).await?
    {
        return Ok(Redirect::to(&url).into_response());
    }
    let mut errors = FieldErrors::default();
    let cursor = filled(cursor);
    let Page { after, .. } = parse_page(None, cursor.as_deref(), JobId, &mut errors);
    errors.finish()?;
    let listed = Page { after, limit: LIMIT + 1 };
    let found = app.store.list_jobs(&selection.filter(q.clone()), listed, now).await?;
    let found = Paged::new(found, LIMIT, |job| job.id.into());
    let overview = app.operations.overview(now).await?;
    let counts = app.store.job_counts(&overview).await?;
    let groups = app.operations.errors().await?;
    let total = total(&selection, q.as_deref(), &counts, &groups);
    let url = |cursor: Option<&str>| page_url(&selection, q.as_deref(), cursor);
    let mut shell =
        Shell::new(app, &page.caller, Some(Section::Operations), url(cursor.as_deref())).await?;
    shell.is_changing = !matches!(
        selection.status,
        JobStatus::In(JobState::Dead | JobState::Done | JobState::Cancelled)
    );
    let codes = groups.iter().filter_map(|group| group.code.as_deref());
    let codes = choices(codes, selection.error.as_deref());
    let mut error_rows = error_rows(groups.to_vec(), &selection, now);
    let more_errors = error_rows.split_off(error_rows.len().min(MAX_ERRORS));
    let has_more = has_more.unwrap_or_default();
    let result = did.zip(changed).and_then(|(did, changed)| bulk_notice(&did, changed, has_more));
    let subjects = Subjects::load(&page, &found.items).await?;
    let template = JobsPage {
        tabs: TABS.iter().map(|tab| self::tab(*tab, &selection, &counts)).collect(),
        queues: queue_choices(&selection),
        kinds: choices(KINDS, selection.kind.as_deref()),
        codes,
        result,
        errors: error_rows,
        more_errors,
        can_act: page.can_act(),
        search_hint: search_hint(&page),
        title: title(&selection, total.as_deref()),
        time_name: time_name(selection.status),
        actions: bulk_links(&page, &selection, q.as_deref(), total.as_deref(), &found.items),
        rows: found.items.into_iter().map(|job| row(job, &subjects, now)).collect(),
        older_url: found.next_cursor.map(|cursor| url(Some(&cursor))),
        first_url: cursor.is_some().then(|| url(None)),
        is_filtered: !selection.is_whole_state() || q.is_some(),
        q: q.clone().unwrap_or_default(),
        shell,
        selection: selection.clone(),
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}

fn search_hint(page: &PageOperator) -> &'static str {
    if page.is_admin() {
        "Address, invitation or job ID, or part of an error"
    } else {
        "Job ID, or part of an error"
    }
}

fn queue_choices(selection: &Selection) -> Vec<Choice> {
    let names = QueueName::ALL.iter().map(|queue| queue.as_str());
    choices(names, selection.queue.map(QueueName::as_str))
}

fn page_url(selection: &Selection, q: Option<&str>, cursor: Option<&str>) -> String {
    #[derive(Serialize)]
    struct More<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        q: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<&'a str>,
    }
    let more = serde_urlencoded::to_string(More { q, cursor }).unwrap_or_default();
    let separator = if more.is_empty() { "" } else { "&" };
    format!("{}{separator}{more}", selection.list_url())
}

/// Returns the options of a filter, including a selected one that is not among them.
fn choices<'a>(values: impl IntoIterator<Item = &'a str>, selected: Option<&str>) -> Vec<Choice> {
    let choice =
        |value: &str| Choice { value: value.to_owned(), is_selected: selected == Some(value) };
    let mut choices: Vec<_> = values.into_iter().map(choice).collect();
    if let Some(other) = selected.filter(|_| choices.iter().all(|choice| !choice.is_selected)) {
        choices.push(choice(other));
    }
    choices
}

fn tab(
    (status, symbol): (JobStatus, &'static str),
    selection: &Selection,
    counts: &JobCounts,
) -> Tab {
    let count = counts.with_status(status);
    Tab {
        url: Selection::of(status).list_url(),
        name: capitalized(status.as_str()),
        icon: icon(symbol),
        count: count_text(count),
        is_current: status == selection.status,
        is_bad: status == JobStatus::In(JobState::Dead) && count.count > 0,
    }
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + characters.as_str()
}

/// Returns the number of selected jobs as text, if it is known without counting them.
fn total(
    selection: &Selection,
    q: Option<&str>,
    counts: &JobCounts,
    groups: &[ErrorGroup],
) -> Option<String> {
    if q.is_some() {
        return None;
    }
    if selection.is_whole_state() {
        return Some(count_text(counts.with_status(selection.status)));
    }
    let code = selection.error.as_deref()?;
    let by_error = Selection::of(selection.status).with_error(code);
    let group = || groups.iter().find(|group| group.code.as_deref() == Some(code));
    match selection.status {
        _ if *selection != by_error => None,
        JobStatus::In(JobState::Dead) => Some(group_thousands(group().map_or(0, |g| g.dead))),
        JobStatus::In(JobState::Retrying) => {
            Some(group_thousands(group().map_or(0, |g| g.retrying)))
        }
        _ => None,
    }
}

fn title(selection: &Selection, total: Option<&str>) -> String {
    let state = selection.status.as_str();
    match total {
        Some("0") => format!("No {state} jobs"),
        Some("1") => format!("1 {state} job"),
        Some(total) => format!("{total} {state} jobs"),
        None => format!("{} jobs that match", capitalized(state)),
    }
}

/// Returns the errors of the jobs in the selected state, or the one error that is selected.
fn error_rows(groups: Vec<ErrorGroup>, selection: &Selection, now: Timestamp) -> Vec<ErrorRow> {
    let is_shown = |group: &ErrorGroup| {
        let count = match selection.status {
            JobStatus::In(JobState::Dead) => group.dead,
            JobStatus::In(JobState::Retrying) => group.retrying,
            _ => 0,
        };
        let is_selected = selection.error.is_none() || group.code == selection.error;
        count > 0 && is_selected
    };
    let shown = groups.into_iter().filter(is_shown);
    shown.map(|group| ErrorRow::new(group, selection.status, now)).collect()
}

fn time_name(status: JobStatus) -> &'static str {
    match status {
        JobStatus::In(JobState::Dead | JobState::Done | JobState::Cancelled) => "Finished",
        JobStatus::In(JobState::Running) => "Started",
        JobStatus::In(JobState::Scheduled | JobState::Retrying) => "Next attempt",
        JobStatus::In(JobState::Ready) | JobStatus::Held => "Due",
    }
}

fn bulk_links(
    page: &PageOperator,
    selection: &Selection,
    q: Option<&str>,
    total: Option<&str>,
    found: &[JobRecord],
) -> Vec<BulkLink> {
    // The actions know no text search.
    if q.is_some() || found.is_empty() || !page.can_act() {
        return Vec::new();
    }
    let actions = JobAction::ALL.into_iter();
    let actions = actions.filter(|action| action.applies_to(selection.status));
    let link = |action: JobAction| {
        let number = total.map(|total| format!(" {total}")).unwrap_or_default();
        BulkLink {
            url: selection.url(&format!("/ops/jobs/{}", action.name())),
            text: format!("{} all{number}…", action.question()),
        }
    };
    actions.map(link).collect()
}

/// Returns the notice about an action that was done; `None` if there is no such action.
fn bulk_notice(did: &str, changed: u64, has_more: bool) -> Option<BulkNotice> {
    let action = JobAction::ALL.into_iter().find(|action| action.name() == did)?;
    let verb = if changed == 1 { "was" } else { "were" };
    let text = format!("{} {verb} {}.", counted(changed, "job", "jobs"), action.past_tense());
    Some(BulkNotice { text, has_more })
}

fn row(job: JobRecord, subjects: &Subjects, now: Timestamp) -> Row {
    let time = match job.status {
        JobStatus::In(JobState::Dead | JobState::Done | JobState::Cancelled) => job.finished_at,
        JobStatus::In(JobState::Running) => job.started_at,
        _ => Some(job.run_at),
    };
    Row {
        id: job.id,
        subject: subjects.of(&job),
        attempts: format!("{} of {}", job.attempts, job.max_attempts),
        time: time.map(|at| When { at, now }),
        error: job.error,
        kind: job.kind,
        queue: job.queue,
    }
}
