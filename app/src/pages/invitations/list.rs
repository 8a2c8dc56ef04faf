//! The list of invitations: counts, search, and the form to invite an address.

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use guestlist_database::operations::InvitationCounts;
use guestlist_domain::{
    Cursor, Event, Invitation, InvitationFilter, InvitationId, InvitationStatus, Page, SearchPrefix,
};
use serde::{Deserialize, Serialize};

use super::row::{Action, Row, RowContext};
use super::texts::invitee;
use crate::extract::{FieldErrors, Paged, Query, parse_search_page};
use crate::pages::auth::PageAdmin;
use crate::pages::components::{Icon, count_text, icon};
use crate::pages::labels::actor_name;
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::problem::Problem;
use crate::state::App;

/// Query of the list, in which empty values count as left out.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct ListQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "invitations/list.html")]
struct ListPage<'a> {
    shell: Shell<'a>,
    tabs: Vec<Tab>,
    query: ListQuery,
    rows: Vec<Row>,
    /// URL of the next page.
    next_url: Option<String>,
    /// URL of the first page, if this is another.
    first_url: Option<String>,
    /// URL of the local Stytch's inbox.
    inbox_url: Option<&'a str>,
}

/// A link that filters by status.
struct Tab {
    url: String,
    is_current: bool,
    icon: Option<Icon>,
    is_bad: bool,
    name: &'static str,
    count: String,
    /// How many of them are held; empty if none is.
    held: String,
}

/// Handles `GET /invitations`.
pub async fn show(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let query = query.without_empty_values();
    let found = search(&app, &query).await?;
    let rows = rows(&app, found.items).await?;
    let counts = app.invitation_counts.read(app.ctx.now()).await?;
    let mut shell = Shell::new(&app, &viewer, Some(Section::Invitations), query.url()).await?;
    shell.is_changing = rows.iter().any(|row| row.is_changing);
    let template = ListPage {
        shell,
        tabs: tabs(&counts, &query),
        rows,
        next_url: found.next_cursor.map(|cursor| query.page(Some(cursor)).url()),
        first_url: query.cursor.is_some().then(|| query.page(None).url()),
        query,
        inbox_url: app.site.inbox_url.as_deref(),
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}

impl ListQuery {
    fn without_empty_values(self) -> Self {
        let filled = |value: Option<String>| value.filter(|value| !value.trim().is_empty());
        Self { status: filled(self.status), q: filled(self.q), cursor: filled(self.cursor) }
    }

    fn url(&self) -> String {
        match serde_urlencoded::to_string(self) {
            Ok(query) if !query.is_empty() => format!("/invitations?{query}"),
            _ => "/invitations".to_owned(),
        }
    }

    fn page(&self, cursor: Option<String>) -> Self {
        Self { cursor, ..self.clone() }
    }

    fn with_status(&self, status: Option<InvitationStatus>) -> Self {
        let status = status.map(|status| status.as_str().to_owned());
        Self { status, cursor: None, ..self.clone() }
    }

    fn is_filtered(&self) -> bool {
        self.status.is_some() || self.q.is_some()
    }
}

/// Searches as the API does.
async fn search(app: &App, query: &ListQuery) -> Result<Paged<Invitation>, Problem> {
    let mut errors = FieldErrors::default();
    let status = query.status.as_deref().and_then(|status| {
        let status = InvitationStatus::parse(status);
        errors.check("status", status.ok_or("is not an invitation status"))
    });
    let q = query.q.as_deref().and_then(SearchPrefix::of);
    let cursor = query.cursor.as_deref();
    let Page { after, limit } =
        parse_search_page(None, cursor, q.as_ref(), InvitationId, &mut errors);
    errors.finish()?;
    let filter = InvitationFilter { q, status };
    let page: Page<Cursor<InvitationId>> = Page { after, limit: limit + 1 };
    let found = app.ctx.store.invitations(&filter, page).await?;
    Ok(Paged::new(found, limit, |invitation| filter.cursor(invitation)))
}

async fn rows(app: &App, invitations: Vec<Invitation>) -> Result<Vec<Row>, Problem> {
    let now = app.ctx.now();
    let holds = app.holds.current(now, &invitations).await?;
    let has_story = |invitation: &&Invitation| {
        invitation.visited_at.is_some() || invitation.status == InvitationStatus::Revoked
    };
    let ids: Vec<_> = invitations.iter().filter(has_story).map(|found| found.id).collect();
    let mut events: HashMap<InvitationId, Vec<Event>> = HashMap::new();
    for event in app.store.events_of_invitations(&ids).await? {
        if let Some(id) = event.invitation_id {
            events.entry(id).or_default().push(event);
        }
    }
    let latest = latest_ids(app, &invitations).await?;
    let row = |invitation: Invitation| {
        let context = RowContext {
            held_by: holds.held_by(&invitation),
            is_latest: latest.contains(&invitation.id),
            events: events.get(&invitation.id).map_or(&[], Vec::as_slice),
            links_carry_id: app.ctx.policy.link_carries_id,
            now,
        };
        Row::new(invitation, &context)
    };
    Ok(invitations.into_iter().map(row).collect())
}

/// Returns the ids of the newest invitations of all invitees.
async fn latest_ids(
    app: &App,
    invitations: &[Invitation],
) -> Result<HashSet<InvitationId>, Problem> {
    let users: HashSet<_> = invitations.iter().map(|invitation| invitation.user_id).collect();
    let users: Vec<_> = users.into_iter().collect();
    let latest = app.ctx.store.latest_invitations(&users).await?;
    Ok(latest.into_iter().map(|invitation| invitation.id).collect())
}

fn tabs(counts: &InvitationCounts, query: &ListQuery) -> Vec<Tab> {
    let tab = |status: Option<InvitationStatus>, name, symbol: Option<&'static str>, count| Tab {
        url: query.with_status(status).url(),
        is_current: query.status.as_deref() == status.map(InvitationStatus::as_str),
        icon: symbol.map(icon),
        is_bad: status == Some(InvitationStatus::Failed),
        name,
        count: count_text(count),
        held: match status {
            Some(InvitationStatus::Queued) if counts.held.count > 0 => count_text(counts.held),
            _ => String::new(),
        },
    };
    let of_status = |status: &InvitationStatus| {
        let (name, symbol) = match status {
            InvitationStatus::Queued => ("Queued", "clock"),
            InvitationStatus::Sent => ("Sent", "sent"),
            InvitationStatus::Accepted => ("Accepted", "check"),
            InvitationStatus::Failed => ("Failed", "x"),
            InvitationStatus::Expired => ("Expired", "glass"),
            InvitationStatus::Revoked => ("Revoked", "slash"),
        };
        tab(Some(*status), name, Some(symbol), counts.of(*status))
    };
    let all = tab(None, "All", None, counts.total());
    std::iter::once(all).chain(InvitationStatus::ALL.iter().map(of_status)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_list_has_its_filters_only() {
        let query = ListQuery {
            status: Some(String::new()),
            q: Some("ada&b".to_owned()),
            cursor: Some(" ".to_owned()),
        };
        let query = query.without_empty_values();
        assert_eq!(query.url(), "/invitations?q=ada%26b");
        assert_eq!(query.page(Some("x".to_owned())).url(), "/invitations?q=ada%26b&cursor=x");
        let sent = query.page(Some("x".to_owned())).with_status(Some(InvitationStatus::Sent));
        assert_eq!(sent.url(), "/invitations?status=sent&q=ada%26b");
        assert_eq!(ListQuery::default().url(), "/invitations");
    }
}
