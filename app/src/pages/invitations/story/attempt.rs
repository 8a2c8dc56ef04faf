//! The entry of an attempt to send the mail, with its result.

use guestlist_database::operations::JobAttempt;
use guestlist_domain::{Event, EventKind};
use jiff::SignedDuration;

use super::{Entry, Fact, Sources, Title};
use crate::pages::invitations::texts::{call_duration, error_reason, two_units};

/// The longest time between an attempt's event and its end in the queue.
const MAX_DISTANCE: SignedDuration = SignedDuration::from_secs(10);
/// The most characters of a message that are shown.
const MAX_MESSAGE: usize = 500;
const LOOK_UP: &str =
    "The mail may or may not be out. Guestlist looks for it at Stytch before it sends again.";

/// Returns the entry of an attempt. `results` are the events that record its result.
pub fn entry(sources: &Sources<'_>, event: &Event, results: &[&Event]) -> Entry {
    let number = event.detail["number"].as_u64().unwrap_or(1);
    let code = event.detail["code"].as_str();
    let has = |kind| results.iter().any(|result| result.kind == kind);
    let is_ok = event.detail["outcome"] == "ok";
    let is_lost = event.detail["outcome"] == "lost";
    let reason = code.map_or("The attempt failed", error_reason);
    let (class, symbol, result, text) = if has(EventKind::Failed) {
        ("bad", "x", "failed for good", format!("{reason}. It is not tried again."))
    } else if is_ok && has(EventKind::Sent) {
        ("good", "sent", "sent", accepted(sources, event))
    } else if is_ok {
        let text = "Stytch accepted the mail, but the invitation was no longer wanted.".to_owned();
        ("", "sent", "sent too late", text)
    } else if is_lost {
        ("warn", "ask", "the worker stopped", LOOK_UP.to_owned())
    } else if has(EventKind::Doubtful) {
        ("warn", "ask", "no answer from Stytch", format!("{reason}. {LOOK_UP}"))
    } else {
        let text = format!("{reason}. Guestlist tries again by itself.");
        ("warn", "retry", "failed", text)
    };
    let attempt = matching_attempt(sources.attempts, event, number);
    let title = Title::text(format!("Attempt {number}: {result}"));
    let message = attempt.and_then(message);
    // Without a request id the message is Guestlist's own, about a call without an answer.
    let has_answer = event.detail["request_id"].is_string();
    let (quote, own) = if has_answer { (message, None) } else { (None, message) };
    Entry {
        quote,
        facts: facts(event, attempt, own),
        ..Entry::new(event, class, symbol, title).with_text(with_earlier_call(text, event))
    }
}

/// Says how long it took from the request, if that was more than seconds.
fn accepted(sources: &Sources<'_>, event: &Event) -> String {
    let before = sources.events.iter().take_while(|earlier| earlier.id < event.id);
    let requests = [EventKind::Requested, EventKind::Resent];
    let request = before.filter(|earlier| requests.contains(&earlier.kind)).last();
    let passed = request.map(|request| event.at.duration_since(request.at));
    match passed.filter(|passed| *passed >= SignedDuration::from_secs(10)) {
        Some(passed) => {
            format!("Stytch accepted the mail, {} after the request.", two_units(passed))
        }
        None => "Stytch accepted the mail.".to_owned(),
    }
}

fn with_earlier_call(text: String, event: &Event) -> String {
    match event.detail["earlier_call"].as_str() {
        Some("not_sent") => {
            format!("{text} Before that, Stytch was asked: the earlier attempt had sent nothing.")
        }
        Some("unknown") => {
            format!("{text} Stytch could not tell whether the earlier attempt had sent a mail.")
        }
        _ => text,
    }
}

/// Finds the attempt in the queue that an event records. Snoozed attempts have no such event.
fn matching_attempt<'a>(
    attempts: &'a [JobAttempt],
    event: &Event,
    number: u64,
) -> Option<&'a JobAttempt> {
    let distance = |attempt: &JobAttempt| {
        let end = attempt.finished_at.unwrap_or(attempt.started_at);
        end.duration_since(event.at).abs()
    };
    let same_number = attempts.iter().filter(|attempt| u64::from(attempt.number) == number);
    let ended = same_number.filter(|attempt| attempt.outcome != "snooze");
    ended.filter(|attempt| distance(attempt) < MAX_DISTANCE).min_by_key(|one| distance(one))
}

/// Returns the message of an attempt's error, with an ellipsis if it is longer than is shown.
fn message(attempt: &JobAttempt) -> Option<String> {
    let (_, message) = attempt.error.as_ref()?;
    let mut shown: String = message.chars().take(MAX_MESSAGE).collect();
    if shown.len() < message.len() {
        shown.push('…');
    }
    Some(shown).filter(|shown| !shown.trim().is_empty())
}

fn facts(event: &Event, attempt: Option<&JobAttempt>, message: Option<String>) -> Vec<Fact> {
    let fact =
        |label, value: Option<String>, is_code| value.map(|value| Fact { label, value, is_code });
    let text = |name: &str| event.detail[name].as_str().map(ToOwned::to_owned);
    let took = event.detail["duration_ms"].as_u64().map(call_duration);
    let worker = attempt.and_then(|attempt| attempt.worker.clone());
    let request_id = text("request_id");
    let is_known = request_id.is_some() || event.detail["outcome"] == "lost";
    let none = (!is_known).then(|| "none".to_owned());
    [
        fact("Error", text("code"), true),
        fact("Message", message, false),
        fact("Took", took, false),
        fact("Worker", worker, true),
        fact("Stytch request ID", request_id, true),
        fact("Stytch request ID", none, false),
    ]
    .into_iter()
    .flatten()
    .collect()
}
