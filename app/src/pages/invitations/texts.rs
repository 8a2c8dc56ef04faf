//! Texts that the pages of invitations share: reasons and lengths of time.

use guestlist_domain::{HeldBy, Invitation, Name};
use jiff::SignedDuration;

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
pub fn two_units(length: SignedDuration) -> String {
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
            assert_eq!(two_units(SignedDuration::from_secs(seconds)), expected);
        }
        assert_eq!(
            [84, 999, 1_000, 10_049].map(call_duration),
            ["84 ms", "999 ms", "1.0 s", "10.0 s"]
        );
    }
}
