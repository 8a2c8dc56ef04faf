//! The mail that was sent: as a page for people and as JSON for tests.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header::HOST},
    response::Response,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    http::{error::ApiError, page::html, request::Query, response::response},
    state::{
        email_address,
        link::{Link, LinkKind, LinkState},
        project::Project,
    },
};

/// The number of mails on the page; the filter finds older ones.
const MAX_MAILS: usize = 100;

#[derive(Template)]
#[template(path = "inbox.html")]
struct Page {
    to: String,
    /// The host and port of the sandbox in the browser.
    host: String,
    mails: Vec<Mail>,
    omitted: usize,
}

struct Mail {
    id: String,
    to: String,
    kind: &'static str,
    subject: &'static str,
    action: &'static str,
    token: String,
    url: String,
    sent_at: String,
    ago: String,
    expires_at: String,
    left: String,
    /// Why the link can't be used: `used`, `revoked` or `expired`; empty if it can.
    unusable: &'static str,
}

/// Shows the inbox, newest first.
pub(crate) async fn page(
    State(project): State<Arc<Project>>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or("127.0.0.1:3002").to_owned();
    let to = recipient(&query);
    let page = project.read(|tables, now| {
        let (mails, omitted) = match &to {
            Some(to) => newest(tables.links.of_address(to).rev(), now),
            None => newest(tables.links.iter().rev(), now),
        };
        Page { to: to.unwrap_or_default(), host, mails, omitted }
    });
    html(&page)
}

fn newest<'a>(mut links: impl Iterator<Item = &'a Link>, now: Timestamp) -> (Vec<Mail>, usize) {
    let mails = links.by_ref().take(MAX_MAILS).map(|link| Mail::new(link, now)).collect();
    (mails, links.count())
}

impl Mail {
    fn new(link: &Link, now: Timestamp) -> Self {
        let (subject, action) = match link.kind {
            LinkKind::Invite => ("You have been invited", "Accept invitation"),
            LinkKind::Login => ("Your login link", "Log in"),
            LinkKind::Signup => ("Confirm your account", "Sign up"),
        };
        let unusable = match link.state {
            LinkState::Used => "used",
            LinkState::Revoked => "revoked",
            LinkState::Outstanding if now >= link.expires_at => "expired",
            LinkState::Outstanding => "",
        };
        let age_seconds = now.duration_since(link.sent_at).as_secs();
        Self {
            id: link.id.clone(),
            to: link.to.clone(),
            kind: link.kind.name(),
            subject,
            action,
            token: link.token.clone(),
            url: link.url.clone(),
            sent_at: link.sent_at.to_string(),
            ago: match age_seconds {
                ..5 => "just now".to_owned(),
                _ => format!("{} ago", format_seconds(age_seconds)),
            },
            expires_at: link.expires_at.to_string(),
            left: format_seconds(link.expires_at.duration_since(now).as_secs()),
            unusable,
        }
    }
}

fn format_seconds(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[derive(Serialize)]
struct MailJson<'a> {
    id: &'a str,
    to: &'a str,
    kind: LinkKind,
    url: &'a str,
    token: &'a str,
    sent_at: Timestamp,
}

/// Lists mails, oldest first. Serializes them directly, because there may be many.
pub(crate) async fn emails(
    State(project): State<Arc<Project>>,
    query: Query,
) -> Result<Response, ApiError> {
    fn to_json<'a>(links: impl Iterator<Item = &'a Link>) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&links.map(MailJson::from).collect::<Vec<_>>())
    }
    let body = project.read(|tables, _| match recipient(&query) {
        Some(to) => to_json(tables.links.of_address(&to)),
        None => to_json(tables.links.iter()),
    });
    let body = body.map_err(|_| ApiError::internal())?;
    Ok(response(StatusCode::OK, "application/json", body))
}

impl<'a> From<&'a Link> for MailJson<'a> {
    fn from(link: &'a Link) -> Self {
        let Link { id, to, kind, url, token, sent_at, .. } = link;
        Self { id, to, kind: *kind, url, token, sent_at: *sent_at }
    }
}

/// Returns the address in `?to=`. A space in it is a plus sign that was not encoded.
fn recipient(query: &Query) -> Option<String> {
    let to = email_address::normalize(&query.get("to")?).replace(' ', "+");
    (!to.is_empty()).then_some(to)
}
