//! Search of the audit log, for the API and the page.

use std::str::FromStr;

use guestlist_database::operations::{AuditActor, AuditFilter};
use guestlist_domain::{Event, EventId, EventKind, Page, UserId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::extract::{FieldErrors, Paged, parse_page};
use crate::openapi::schemas;
use crate::problem::Problem;
use crate::state::App;

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schemas::query_parameters)]
pub struct AuditQuery {
    /// The event's actor.
    #[schemars(with = "Option<schemas::ActorId>")]
    pub actor: Option<String>,
    /// The id of the user that the event concerns.
    #[schemars(with = "Option<Uuid>")]
    pub user: Option<String>,
    #[schemars(with = "Option<schemas::EventKind>")]
    pub kind: Option<String>,
    /// The earliest time of an event.
    #[schemars(with = "Option<schemas::Time>")]
    pub since: Option<String>,
    #[schemars(with = "Option<schemas::Limit>")]
    pub limit: Option<String>,
    #[schemars(with = "Option<schemas::Cursor>")]
    pub cursor: Option<String>,
}

/// Returns a page of events, newest first, and the next page's cursor.
pub async fn find_events(
    app: &App,
    query: AuditQuery,
) -> Result<(Vec<Event>, Option<String>), Problem> {
    let mut errors = FieldErrors::default();
    let filter = AuditFilter {
        actor: query.actor.and_then(|actor| errors.check("actor", parse_actor(&actor))),
        user: query.user.and_then(|id| {
            errors.check("user", UserId::from_str(&id).map_err(|_| "is not a user id"))
        }),
        kind: query.kind.and_then(|kind| {
            errors.check("kind", EventKind::parse(&kind).ok_or("is not an event kind"))
        }),
        since: query.since.and_then(|time| errors.check("since", parse_time(&time))),
    };
    let Page { after, limit } =
        parse_page(query.limit.as_deref(), query.cursor.as_deref(), EventId, &mut errors);
    errors.finish()?;
    let events = app.store.audit(&filter, Page { after, limit: limit + 1 }).await?;
    let Paged { items, next_cursor } = Paged::new(events, limit, |event| event.id.into());
    Ok((items, next_cursor))
}

/// Parses a time. A `+` that is not escaped in a query arrives as a space.
fn parse_time(time: &str) -> Result<Timestamp, &'static str> {
    Timestamp::from_str(time).map_err(|_| {
        let escaped = time.rsplit_once(' ').map(|(time, offset)| format!("{time}+{offset}"));
        if escaped.is_some_and(|escaped| Timestamp::from_str(&escaped).is_ok()) {
            "has a space before its offset; escape the + of the offset as %2B"
        } else {
            "must be a time, as in 2026-01-31T09:30:00Z"
        }
    })
}

fn parse_actor(actor: &str) -> Result<AuditActor, &'static str> {
    match actor {
        "cli" => Ok(AuditActor::Cli),
        "system" => Ok(AuditActor::System),
        id => {
            Uuid::from_str(id).map(AuditActor::Id).map_err(|_| "must be an id, `cli` or `system`")
        }
    }
}
