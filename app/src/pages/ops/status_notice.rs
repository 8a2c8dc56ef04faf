//! The first thing on the overview: whether mail is sent, what waits, and what to do.

use askama::Template;
use askama::filters::HtmlSafe;
use guestlist_database::operations::ErrorGroup;
use guestlist_domain::QueueName;
use jiff::SignedDuration;

use super::components::{Marked, counted};
use crate::operations::{Status, group_thousands};
use crate::pages::components::{Clock, Icon, Tone, icon, rounded};

/// The status as a notice.
#[derive(Debug, Template)]
#[template(path = "ops/status_notice.html")]
pub struct StatusNotice<'a> {
    tone: Tone,
    icon: Icon,
    /// What kind of live region the headline is.
    role: &'static str,
    state: String,
    scope: &'a str,
    since: Option<Clock>,
    cause: &'a str,
    dead: Option<String>,
    /// What waits, and what becomes of it.
    sentences: Vec<String>,
    /// The most frequent error of the dead jobs that need a decision, and their number.
    frequent_error: Option<(String, String)>,
    steps: Vec<Marked>,
    resume: &'a [QueueName],
    /// Code and message of Stytch's error.
    error: Option<(&'a str, &'a str)>,
}

impl HtmlSafe for StatusNotice<'_> {}

impl<'a> StatusNotice<'a> {
    /// `errors` are the most frequent first. `can_act` is whether the viewer may resume queues.
    pub fn new(status: &'a Status<'a>, errors: &[ErrorGroup], can_act: bool) -> Self {
        let diagnosis = &status.diagnosis;
        let headline = &diagnosis.headline;
        let has_dead = headline.is_plain() && status.dead > 0;
        let needs_nothing = diagnosis.fix.is_none() && !has_dead;
        let (tone, symbol) = match (status.sending, diagnosis.is_paused) {
            (true, _) if headline.is_plain() && needs_nothing => (Tone::Good, "check"),
            (true, _) => (Tone::Warn, "warn"),
            (false, true) => (Tone::Warn, "pause"),
            (false, false) => (Tone::Bad, "x"),
        };
        let needs = if status.dead == 1 { "needs" } else { "need" };
        let dead = || format!("{} {needs}", counted(status.dead, "dead job", "dead jobs"));
        Self {
            tone,
            icon: icon(symbol),
            role: if tone == Tone::Bad { "alert" } else { "status" },
            state: headline.state(),
            scope: &headline.scope,
            since: headline.since.as_ref().map(|(at, text)| Clock::new(*at, text)),
            cause: &headline.cause,
            dead: has_dead.then(dead),
            sentences: sentences(status),
            frequent_error: errors
                .iter()
                .find(|group| has_dead && group.dead > 0)
                .and_then(|group| Some((group.code.clone()?, counted(group.dead, "job", "jobs")))),
            steps: diagnosis.steps.iter().cloned().map(Marked).collect(),
            resume: if can_act { &diagnosis.resume } else { &[] },
            error: status.error.as_ref().map(|error| (error.code, error.message)),
        }
    }
}

fn sentences(status: &Status) -> Vec<String> {
    let mut sentences = vec![waiting(status)];
    if status.sending {
        sentences.extend(rate(status));
    } else if status.held.max(status.waiting) > 0 {
        sentences.push(outlook(status).to_owned());
    }
    sentences
}

fn waiting(status: &Status) -> String {
    let waiting = status.waiting.max(if status.sending { 0 } else { status.held });
    if waiting == 0 {
        return "Nothing is waiting.".to_owned();
    }
    let count = group_thousands(waiting);
    match status.oldest_ready_age_seconds {
        Some(age) => {
            let age = SignedDuration::from_secs(i64::try_from(age).unwrap_or(i64::MAX));
            format!("{count} waiting, the oldest for {}.", rounded(age))
        }
        None => format!("{count} waiting."),
    }
}

fn rate(status: &Status) -> Option<String> {
    let seconds = status.seconds_until_empty.filter(|seconds| *seconds > 0)?;
    let time = rounded(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)));
    let rate = group_thousands(status.sent_per_minute);
    Some(format!("At {rate} a minute, mail is sent in about {time}."))
}

fn outlook(status: &Status) -> &'static str {
    if status.diagnosis.is_paused {
        "Nothing is lost: it is sent once you resume, login links first."
    } else if status.diagnosis.fix.is_some() {
        "Nothing is lost: it is sent by itself once this is fixed, login links first."
    } else {
        "You need to do nothing: Stytch is asked again every few seconds, and what waits is sent \
         once it answers, login links first."
    }
}
