//! The mail that was sent: as a page for people and as JSON for tests.

use std::collections::HashSet;
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
    state: LinkLabel,
}

/// What became of a link.
#[derive(Clone, Copy, PartialEq, Eq, strum::Display)]
enum LinkLabel {
    Unused,
    Used,
    /// Revoked, and followed by a newer mail to the same address.
    Replaced,
    Revoked,
    Expired,
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
    let mut recipients = HashSet::new();
    let newest = links.by_ref().take(MAX_MAILS);
    let mails = newest.map(|link| Mail::new(link, !recipients.insert(&link.to), now)).collect();
    (mails, links.count())
}

impl Mail {
    fn new(link: &Link, has_newer: bool, now: Timestamp) -> Self {
        let (subject, action) = match link.kind {
            LinkKind::Invite => ("You have been invited", "Accept invitation"),
            LinkKind::Login => ("Your login link", "Log in"),
            LinkKind::Signup => ("Confirm your account", "Sign up"),
        };
        let state = match link.state {
            LinkState::Used => LinkLabel::Used,
            LinkState::Revoked if has_newer => LinkLabel::Replaced,
            LinkState::Revoked => LinkLabel::Revoked,
            LinkState::Outstanding if now >= link.expires_at => LinkLabel::Expired,
            LinkState::Outstanding => LinkLabel::Unused,
        };
        let age_seconds = now.duration_since(link.sent_at).as_secs();
        let ago = match age_seconds {
            ..5 => "just now".to_owned(),
            _ => format!("{} ago", format_seconds(age_seconds)),
        };
        Self { link: link.clone(), subject, action, ago, state }
    }

    fn sent(&self) -> String {
        self.link.sent_at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string()
    }

    fn expires(&self) -> String {
        self.link.expires_at.strftime("%-d %B, %H:%M UTC").to_string()
    }

    /// Returns the class in the stylesheet.
    fn tone(&self) -> &'static str {
        match self.state {
            LinkLabel::Unused => "info",
            LinkLabel::Used => "good",
            LinkLabel::Replaced | LinkLabel::Revoked | LinkLabel::Expired => "off",
        }
    }

    /// Returns the symbol of the page's sprite.
    fn icon(&self) -> &'static str {
        match self.state {
            LinkLabel::Unused => "link",
            LinkLabel::Used => "check",
            LinkLabel::Replaced | LinkLabel::Revoked => "slash",
            LinkLabel::Expired => "glass",
        }
    }
}

fn format_seconds(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
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
