//! Texts that the pages of invitations share: reasons, lengths of time, and times of day.

use askama::Template;
use askama::filters::HtmlSafe;
use guestlist_domain::{HeldBy, Invitation, Name};
use jiff::{SignedDuration, Timestamp};

/// Returns the invitee's name, or else their address.
pub fn invitee(invitation: &Invitation) -> &str {
    invitation.name.as_ref().map_or(invitation.email.as_str(), Name::as_str)
}

/// Returns what holds an invitation back now.
pub fn hold_reason(by: HeldBy) -> &'static str {
    match by {
        HeldBy::RateLimit => "Stytch asked to wait",
        HeldBy::ProviderDown => "Stytch is down",
        HeldBy::Misconfigured => "Stytch refuses the settings",
        HeldBy::Paused => "The queue is paused",
    }
}

/// Returns what held an invitation back.
pub fn past_hold_reason(by: HeldBy) -> &'static str {
    match by {
        HeldBy::RateLimit => "Stytch asked to wait",
        HeldBy::ProviderDown => "Stytch was down",
        HeldBy::Misconfigured => "Stytch refused the settings",
        HeldBy::Paused => "the queue was paused",
    }
}

/// Returns what one of Guestlist's own error codes means; other codes are Stytch's.
pub fn error_reason(code: &str) -> &'static str {
    match code {
        "timeout" => "Stytch did not answer in time",
        "connect" => "Stytch could not be reached",
        "reset" => "The connection to Stytch was lost",
        "invalid_response" => "Stytch’s answer could not be read",
        "worker_lost" | "attempts_exhausted" => "The worker stopped before it had an answer",
        "timed_out" => "The attempt took too long",
        "panicked" => "The worker failed",
        "store_error" | "database_unavailable" => "The database failed",
        _ => "Stytch answered with an error",
    }
}

/// Returns a length of time in its two largest units: `6 min 14 s`.
pub fn precise(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    let of = |large: (i64, &str), small: (i64, &str)| {
        let (count, rest) = (seconds / large.0, seconds % large.0 / small.0);
        match rest {
            0 => format!("{count} {}", large.1),
            rest => format!("{count} {} {rest} {}", large.1, small.1),
        }
    };
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => of((60, "min"), (1, "s")),
        3600..86_400 => of((3600, "h"), (60, "min")),
        86_400..172_800 => of((86_400, "day"), (3600, "h")),
        _ => of((86_400, "days"), (3600, "h")),
    }
}

/// Returns the duration of a call: `84 ms` or `10.0 s`.
pub fn call_duration(milliseconds: u64) -> String {
    match milliseconds {
        ..1_000 => format!("{milliseconds} ms"),
        _ => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
    }
}

/// A time of day in UTC, with the exact time as its title.
#[derive(Debug, Clone, Template)]
#[template(
    source = r#"<time datetime="{{ self.machine() }}" title="{{ self.full() }}">{{ text }}</time>"#,
    ext = "html"
)]
pub struct Clock {
    at: Timestamp,
    text: String,
}

impl HtmlSafe for Clock {}

impl Clock {
    pub fn to_the_second(at: Timestamp) -> Self {
        Self { at, text: at.strftime("%H:%M:%S").to_string() }
    }

    /// Shows the date too, unless it is today's.
    pub fn to_the_minute(at: Timestamp, now: Timestamp) -> Self {
        let format = if is_same_day(at, now) { "%H:%M" } else { "%-d %b, %H:%M" };
        Self { at, text: at.strftime(format).to_string() }
    }

    /// Shows another text for the time.
    pub fn named(at: Timestamp, text: &str) -> Self {
        Self { at, text: text.to_owned() }
    }

    fn machine(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn full(&self) -> String {
        self.at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string()
    }
}

/// Returns whether two times are on the same day in UTC.
pub fn is_same_day(one: Timestamp, other: Timestamp) -> bool {
    one.strftime("%F").to_string() == other.strftime("%F").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_shown_in_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (374, "6 min 14 s"),
            (7_260, "2 h 1 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 day 1 h"),
            (604_800, "7 days"),
        ] {
            assert_eq!(precise(SignedDuration::from_secs(seconds)), expected);
        }
        assert_eq!(
            [84, 999, 1_000, 10_049].map(call_duration),
            ["84 ms", "999 ms", "1.0 s", "10.0 s"]
        );
    }

    #[test]
    fn times_of_other_days_have_a_date() {
        let now: Timestamp = "2026-11-29T14:32:00Z".parse().unwrap();
        let shown = |at: &str| Clock::to_the_minute(at.parse().unwrap(), now).text;
        assert_eq!(shown("2026-11-29T00:00:59Z"), "00:00");
        assert_eq!(shown("2026-11-28T23:59:59Z"), "28 Nov, 23:59");
    }
}
