//! The audit log.

pub mod rows;

use std::collections::HashMap;

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::http::uri::PathAndQuery;
use axum::response::Response;
use guestlist_domain::{Email, Event, EventKind, User, UserId};

use self::rows::Day;
use super::auth::PageAdmin;
use super::labels::event_name;
use super::layout::render;
use super::shell::{Section, Shell};
use crate::audit::{AuditQuery, find_events};
use crate::extract::Query;
use crate::problem::Problem;
use crate::state::App;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    shell: Shell<'a>,
    /// Values of the filter's fields.
    filter: AuditQuery,
    error: Option<String>,
    days: Vec<Day>,
    /// URL of the page with older events.
    older_url: Option<String>,
    is_first_page: bool,
    is_filtered: bool,
}

/// Handles `GET /audit`.
pub async fn show(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Problem> {
    let shell = Shell::new(
        &app,
        &viewer,
        Some(Section::AuditLog),
        uri.path_and_query().map_or("/audit", PathAndQuery::as_str),
    )
    .await?;
    let query = without_empty_fields(query);
    let (events, next_cursor, error) = match search(&app, &query).await {
        Ok((events, next_cursor)) => (events, next_cursor, None),
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            (Vec::new(), None, Some(problem))
        }
        Err(problem) => return Err(problem),
    };
    let users = load_users(&app, &events).await?;
    let status = error.as_ref().map_or(StatusCode::OK, Problem::status);
    let filters = [&query.actor, &query.user, &query.kind, &query.since];
    let template = AuditPage {
        error: error.as_ref().map(|problem| explain(problem, &query)),
        days: Day::group(events, &users, shell.now),
        older_url: next_cursor.and_then(|cursor| page_url(&query, cursor)),
        is_first_page: query.cursor.is_none(),
        is_filtered: filters.iter().any(|field| field.is_some()),
        filter: with_addresses(&app, query).await?,
        shell,
    };
    Ok(render(&app.site, status, &template))
}

/// Removes empty fields, which browsers send too.
fn without_empty_fields(mut query: AuditQuery) -> AuditQuery {
    let AuditQuery { actor, user, kind, since, limit, cursor } = &mut query;
    for field in [actor, user, kind, since, limit, cursor] {
        let filled = field.as_deref().map(str::trim).filter(|field| !field.is_empty());
        *field = filled.map(ToOwned::to_owned);
    }
    query
}

/// Searches as the API does, which takes ids and times where the form also takes addresses and
/// dates.
async fn search(app: &App, query: &AuditQuery) -> Result<(Vec<Event>, Option<String>), Problem> {
    let mut query = query.clone();
    for (name, field) in [("actor", &mut query.actor), ("user", &mut query.user)] {
        let Some(Ok(email)) = field.as_deref().map(Email::parse) else { continue };
        let user = app.ctx.store.user_by_email(&email).await?;
        let unknown = || Problem::field(name, "is not the address of a user");
        *field = Some(user.ok_or_else(unknown)?.id.to_string());
    }
    if let Some(date) = query.since.as_mut().filter(|since| !since.contains('T')) {
        date.push_str("T00:00:00Z");
    }
    find_events(app, query).await
}

/// Returns the users whom events concern, as far as they exist.
pub async fn load_users(app: &App, events: &[Event]) -> Result<HashMap<UserId, User>, Problem> {
    let mut ids: Vec<_> = events.iter().filter_map(|event| event.user_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let users = app.store.users_by_ids(&ids).await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

/// Returns the name of a kind of event, as an option of the form.
fn option_name(kind: EventKind) -> String {
    let name = event_name(kind);
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}

/// Replaces ids with addresses and times with dates, as the form shows them.
async fn with_addresses(app: &App, mut query: AuditQuery) -> Result<AuditQuery, Problem> {
    for field in [&mut query.actor, &mut query.user].into_iter().flatten() {
        let Ok(id) = field.parse::<UserId>() else { continue };
        if let Some(user) = app.ctx.store.user(id).await? {
            user.email.as_str().clone_into(field);
        }
    }
    if let Some(since) = &mut query.since {
        since.truncate(since.find('T').unwrap_or(since.len()));
    }
    Ok(query)
}

fn page_url(query: &AuditQuery, cursor: String) -> Option<String> {
    let query = AuditQuery { cursor: Some(cursor), ..query.clone() };
    Some(format!("/audit?{}", serde_urlencoded::to_string(query).ok()?))
}

fn explain(problem: &Problem, query: &AuditQuery) -> String {
    let field = |pointer: &str| match pointer {
        "/actor" => ("Actor", query.actor.as_deref()),
        "/user" => ("User", query.user.as_deref()),
        "/kind" => ("Event", query.kind.as_deref()),
        "/since" => ("Since", query.since.as_deref()),
        _ => ("URL", None),
    };
    let errors = problem.errors.iter().map(|error| {
        let (name, value) = field(&error.pointer);
        let value = value.map(|value| format!(" “{value}”")).unwrap_or_default();
        format!("{name}:{value} {}.", error.detail)
    });
    let errors: Vec<_> = errors.collect();
    if errors.is_empty() { problem.detail.clone() } else { errors.join(" ") }
}
