//! The mail that would have been sent, as a page for people.

use askama::Template;
use jiff::Timestamp;

use crate::{
    answer::HttpResponse,
    call::Call,
    control,
    link::{Fate, Kind, Link},
    pages,
    project::Project,
};

/// The newest of them; the filter finds the others.
const MOST: usize = 100;

#[derive(Template)]
#[template(path = "inbox.html")]
struct Page {
    to: String,
    /// Where the sandbox is, as the browser sees it.
    host: String,
    mails: Vec<Mail>,
    left_out: usize,
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
    /// Why the link no longer works; empty while it does.
    over: &'static str,
}

pub(crate) fn page(project: &Project, call: &Call) -> HttpResponse {
    let to = control::recipient(call);
    let page = project.read(|tables, now| {
        let (mails, left_out) = match &to {
            Some(to) => newest(tables.links.of_address(to).rev(), now),
            None => newest(tables.links.iter().rev(), now),
        };
        Page { to: to.unwrap_or_default(), host: call.host().to_owned(), mails, left_out }
    });
    pages::page(&page)
}

fn newest<'a>(mut links: impl Iterator<Item = &'a Link>, now: Timestamp) -> (Vec<Mail>, usize) {
    let shown = links.by_ref().take(MOST).map(|link| Mail::of(link, now)).collect();
    (shown, links.count())
}

impl Mail {
    fn of(link: &Link, now: Timestamp) -> Self {
        let (subject, action) = match link.kind {
            Kind::Invite => ("You have been invited", "Accept invitation"),
            Kind::Login => ("Your login link", "Log in"),
            Kind::Signup => ("Confirm your account", "Sign up"),
        };
        let over = match link.fate {
            Fate::Used => "used",
            Fate::Revoked => "revoked",
            Fate::Outstanding if now >= link.expires_at => "expired",
            Fate::Outstanding => "",
        };
        let seconds = now.duration_since(link.sent_at).as_secs();
        Self {
            id: link.id.clone(),
            to: link.to.clone(),
            kind: link.kind.name(),
            subject,
            action,
            token: link.token.clone(),
            url: link.url.clone(),
            sent_at: link.sent_at.to_string(),
            ago: if seconds < 5 { "just now".to_owned() } else { format!("{} ago", span(seconds)) },
            expires_at: link.expires_at.to_string(),
            left: span(link.expires_at.duration_since(now).as_secs()),
            over,
        }
    }
}

fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
