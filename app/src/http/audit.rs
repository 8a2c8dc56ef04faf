//! Who did what to whom, and from where.

use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use guestlist_database::operations::{AuditActor, AuditFilter};
use guestlist_domain::{Event, EventId, EventKind, Page, UserId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::auth::Unrestricted;
use super::body::{Fields, Params};
use super::openapi::shapes;
use super::paging::{Paged, cut, page};
use super::problem::Problem;
use super::state::App;
use super::view::AuditView;

/// Which page of which events.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::query)]
pub struct ListAudit {
    #[schemars(with = "Option<shapes::By>")]
    pub actor: Option<String>,
    /// To whom: the id of a user.
    #[schemars(with = "Option<uuid::Uuid>")]
    pub user: Option<String>,
    #[schemars(with = "Option<shapes::EventKind>")]
    pub kind: Option<String>,
    #[schemars(with = "Option<shapes::Time>")]
    pub since: Option<String>,
    #[schemars(with = "Option<shapes::Limit>")]
    pub limit: Option<String>,
    #[schemars(with = "Option<shapes::Cursor>")]
    pub cursor: Option<String>,
}

/// `GET /v1/audit`
pub async fn list_audit(
    _: Unrestricted,
    State(app): State<App>,
    Params(query): Params<ListAudit>,
) -> Result<Response, Problem> {
    let (found, next_cursor) = find(&app, query).await?;
    let items = found.iter().map(AuditView::from).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

/// A page of events, and where the next one begins; for pages and for programs alike.
pub async fn find(app: &App, query: ListAudit) -> Result<(Vec<Event>, Option<String>), Problem> {
    let mut fields = Fields::default();
    let filter = AuditFilter {
        actor: query.actor.and_then(|by| fields.take("actor", read_by(&by))),
        user: query.user.and_then(|id| {
            fields.take("user", UserId::from_str(&id).map_err(|_| "is no id of a user"))
        }),
        kind: query.kind.and_then(|kind| {
            fields.take("kind", EventKind::parse(&kind).ok_or("is no kind of an event"))
        }),
        since: query.since.and_then(|time| fields.take("since", read_time(&time))),
    };
    let Page { after, limit } =
        page(query.limit.as_deref(), query.cursor.as_deref(), EventId, &mut fields);
    if !fields.is_empty() {
        return Err(fields.into_problem());
    }
    let mut found = app.store().audit(&filter, Page { after, limit: limit + 1 }).await?;
    let next_cursor = cut(&mut found, limit, |event| event.id.0);
    Ok((found, next_cursor))
}

/// In a query, a `+` that is not escaped is a space.
fn read_time(time: &str) -> Result<Timestamp, &'static str> {
    Timestamp::from_str(time).map_err(|_| {
        let escaped = time.rsplit_once(' ').map(|(time, offset)| format!("{time}+{offset}"));
        if escaped.is_some_and(|escaped| Timestamp::from_str(&escaped).is_ok()) {
            "holds a space where its offset has a +: write the + as %2B in an address"
        } else {
            "must be a time, as in 2026-01-31T09:30:00Z"
        }
    })
}

fn read_by(actor: &str) -> Result<AuditActor, &'static str> {
    match actor {
        "cli" => Ok(AuditActor::Cli),
        "system" => Ok(AuditActor::System),
        id => Uuid::from_str(id).map(AuditActor::Id).map_err(|_| "must be an id, `cli` or `system`"),
    }
}
