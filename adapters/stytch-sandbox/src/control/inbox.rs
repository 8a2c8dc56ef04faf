//! The mail that was sent: as a page for people and as JSON for tests.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::Serialize;

use crate::request::query_parameter;
use crate::response::{ApiError, HttpResult, html, response};
use crate::state::{Link, LinkKind, LinkState, Project, email_address};

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
    link: Link,
    subject: &'static str,
    action: &'static str,
    ago: String,
    left: String,
    /// Why the link can't be used: `used`, `revoked` or `expired`; empty if it can.
    unusable: &'static str,
}

/// Shows the inbox, newest first.
pub(crate) async fn page(
    State(project): State<Arc<Project>>,
    headers: HeaderMap,
    uri: Uri,
) -> HttpResult {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or("127.0.0.1:3002").to_owned();
    let to = recipient(&uri);
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
        let ago = match age_seconds {
            ..5 => "just now".to_owned(),
            _ => format!("{} ago", format_seconds(age_seconds)),
        };
        let left = format_seconds(link.expires_at.duration_since(now).as_secs());
        Self { link: link.clone(), subject, action, ago, left, unusable }
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
    kind: &'a LinkKind,
    url: &'a str,
    token: &'a str,
    sent_at: &'a Timestamp,
}

/// Lists mails, oldest first. Serializes them directly, because there may be many.
pub(crate) async fn emails(State(project): State<Arc<Project>>, uri: Uri) -> HttpResult {
    let body = project.read(|tables, _| match recipient(&uri) {
        Some(to) => to_json(tables.links.of_address(&to)),
        None => to_json(tables.links.iter()),
    });
    let body = body.map_err(|_| ApiError::internal())?;
    Ok(response(StatusCode::OK, "application/json", body))
}

fn to_json<'a>(links: impl Iterator<Item = &'a Link>) -> serde_json::Result<Vec<u8>> {
    let mails = links.map(|Link { id, to, kind, url, token, sent_at, .. }| MailJson {
        id,
        to,
        kind,
        url,
        token,
        sent_at,
    });
    serde_json::to_vec(&mails.collect::<Vec<_>>())
}

/// Returns the address in `?to=`. A space in it is a plus sign that was not encoded.
fn recipient(uri: &Uri) -> Option<String> {
    let to = email_address::normalize(&query_parameter(uri, "to")?).replace(' ', "+");
    (!to.is_empty()).then_some(to)
}
