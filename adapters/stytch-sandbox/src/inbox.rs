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
    mails: Vec<Mail>,
    left_out: usize,
}

struct Mail {
    to: String,
    kind: &'static str,
    subject: &'static str,
    action: &'static str,
    token: String,
    sent_at: String,
    ago: String,
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
        Page { to: to.unwrap_or_default(), mails, left_out }
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
        Self {
            to: link.to.clone(),
            kind: link.kind.name(),
            subject,
            action,
            token: link.token.clone(),
            sent_at: link.sent_at.to_string(),
            ago: ago(now.duration_since(link.sent_at).as_secs()),
            over,
        }
    }
}

fn ago(seconds: i64) -> String {
    match seconds {
        ..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
