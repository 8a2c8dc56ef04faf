//! Who did what to whom, when and from where, as administrators look through it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use guestlist_domain::{Email, Event, EventKind, User, UserId};
use url::form_urlencoded::Serializer;

use super::head::Head;
use super::page;
use super::person::AdminViewer;
use super::words::{deed, has_no_whom, is_own, moment, who};
use crate::audit::{AuditQuery, find_events};
use crate::extract::Query;
use crate::problem::Problem;
use crate::state::App;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    app_name: &'a str,
    head: Head<'a>,
    asked: Asked,
    error: Option<String>,
    kinds: Vec<Kind>,
    rows: Vec<Row>,
    /// The page with what happened before.
    older: Option<String>,
    is_first: bool,
    is_filtered: bool,
}

/// What stands in the form.
struct Asked {
    actor: String,
    user: String,
    since: String,
}

/// A kind of event, to choose.
struct Kind {
    word: &'static str,
    name: String,
    is_chosen: bool,
}

/// One thing that happened, as a sentence.
struct Row {
    /// All that they did: an id, or a word.
    by: String,
    who: String,
    did: &'static str,
    whom: Option<Whom>,
    more: String,
    at: String,
    from: Option<String>,
}

/// To whom something was done.
enum Whom {
    Themselves,
    Somebody(UserId, String),
    Removed(UserId),
}

/// `GET /audit`
pub async fn audit(
    AdminViewer(me): AdminViewer,
    State(app): State<App>,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Problem> {
    let query = filled_in(query);
    let (found, next_cursor, refusal) = match look(&app, &query).await {
        Ok((found, next_cursor)) => (found, next_cursor, None),
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            (Vec::new(), None, Some(problem))
        }
        Err(problem) => return Err(problem),
    };
    let people = people(&app, &found).await?;
    let status = refusal.as_ref().map_or(StatusCode::OK, Problem::status);
    let template = AuditPage {
        app_name: &app.site().app_name,
        head: Head::of(&me, "/audit"),
        error: refusal.as_ref().map(|problem| explain(problem, &query)),
        kinds: EventKind::ALL.iter().map(|kind| choice(*kind, query.kind.as_deref())).collect(),
        rows: found.iter().map(|event| row(event, &people)).collect(),
        older: next_cursor.map(|cursor| address(&query, &cursor)),
        is_first: query.cursor.is_none(),
        is_filtered: [&query.actor, &query.user, &query.kind, &query.since]
            .iter()
            .any(|field| field.is_some()),
        asked: asked(&app, query).await?,
    };
    Ok(page(app.site(), status, &template))
}

/// A form sends what is left empty, too.
fn filled_in(query: AuditQuery) -> AuditQuery {
    let filled = |field: Option<String>| {
        field.map(|field| field.trim().to_owned()).filter(|field| !field.is_empty())
    };
    AuditQuery {
        actor: filled(query.actor),
        user: filled(query.user),
        kind: filled(query.kind),
        since: filled(query.since),
        limit: filled(query.limit),
        cursor: filled(query.cursor),
    }
}

/// People ask for addresses and days, the API for ids and times.
async fn look(app: &App, query: &AuditQuery) -> Result<(Vec<Event>, Option<String>), Problem> {
    let mut query = query.clone();
    for (name, field) in [("actor", &mut query.actor), ("user", &mut query.user)] {
        let Some(Ok(email)) = field.as_deref().map(Email::parse) else { continue };
        let user = app.ctx().store.user_by_email(&email).await?;
        let unknown = || Problem::field(name, "is nobody's address here");
        *field = Some(user.ok_or_else(unknown)?.id.to_string());
    }
    if let Some(day) = query.since.as_mut().filter(|since| !since.contains('T')) {
        day.push_str("T00:00:00Z");
    }
    find_events(app, query).await
}

async fn people(app: &App, found: &[Event]) -> Result<HashMap<UserId, User>, Problem> {
    let mut ids: Vec<_> = found.iter().filter_map(|event| event.user_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let people = app.store().people(&ids).await?;
    Ok(people.into_iter().map(|user| (user.id, user)).collect())
}

fn row(event: &Event, people: &HashMap<UserId, User>) -> Row {
    let (did, more) = deed(event);
    let whom = event.user_id.filter(|_| !has_no_whom(event)).map(|id| match people.get(&id) {
        _ if is_own(event) => Whom::Themselves,
        Some(user) => Whom::Somebody(id, user.email.as_str().to_owned()),
        None => Whom::Removed(id),
    });
    let by = event.actor.id().map_or_else(|| event.actor.kind().to_owned(), |id| id.to_string());
    let from = event.from_ip.map(|ip| ip.to_string());
    Row { by, who: who(&event.actor), did, whom, more, at: moment(event.at), from }
}

fn choice(kind: EventKind, chosen: Option<&str>) -> Kind {
    let word = kind.as_str();
    Kind { word, name: word.replace('_', " "), is_chosen: chosen == Some(word) }
}

/// What was asked, as it was or more readable.
async fn asked(app: &App, query: AuditQuery) -> Result<Asked, Problem> {
    let since = query.since.unwrap_or_default();
    let since = since.split('T').next().unwrap_or_default().to_owned();
    let actor = readable(app, query.actor.unwrap_or_default()).await?;
    let user = readable(app, query.user.unwrap_or_default()).await?;
    Ok(Asked { actor, user, since })
}

/// Somebody's address for their id, where there is one.
async fn readable(app: &App, asked: String) -> Result<String, Problem> {
    let Ok(id) = asked.parse::<UserId>() else { return Ok(asked) };
    let user = app.ctx().store.user(id).await?;
    Ok(user.map_or(asked, |user| user.email.as_str().to_owned()))
}

fn address(query: &AuditQuery, cursor: &str) -> String {
    let mut pairs = Serializer::new(String::new());
    let fields = [
        ("actor", query.actor.as_deref()),
        ("user", query.user.as_deref()),
        ("kind", query.kind.as_deref()),
        ("since", query.since.as_deref()),
        ("limit", query.limit.as_deref()),
        ("cursor", Some(cursor)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            pairs.append_pair(name, value);
        }
    }
    format!("/audit?{}", pairs.finish())
}

fn explain(problem: &Problem, query: &AuditQuery) -> String {
    let said = |field: &str| match field {
        "/actor" => ("By whom", query.actor.as_deref()),
        "/user" => ("To whom", query.user.as_deref()),
        "/kind" => ("What", query.kind.as_deref()),
        "/since" => ("Since", query.since.as_deref()),
        _ => ("The address of this page", None),
    };
    let errors = problem.errors.iter().map(|error| {
        let (field, value) = said(&error.pointer);
        let value = value.map(|value| format!(" “{value}”")).unwrap_or_default();
        format!("{field}:{value} {}.", error.detail)
    });
    let errors: Vec<_> = errors.collect();
    if errors.is_empty() { problem.detail.clone() } else { errors.join(" ") }
}
