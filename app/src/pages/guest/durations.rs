//! Lengths of time in words.

use std::time::Duration;

/// Returns a length of time, rounded up to a unit that people wait in: "42 seconds", "3 minutes".
pub fn wait_text(wait: Duration) -> String {
    match wait.as_millis().div_ceil(1000) {
        seconds @ ..=90 => count(seconds.max(1), "second"),
        seconds @ 91..=5400 => count(seconds.div_ceil(60), "minute"),
        seconds => count(seconds.div_ceil(3600), "hour"),
    }
}

/// Returns a number of minutes in the largest unit that divides it: "7 days".
pub fn length_text(minutes: u32) -> String {
    const DAY: u32 = 24 * 60;
    match minutes {
        minutes if minutes.is_multiple_of(DAY) => count((minutes / DAY).into(), "day"),
        minutes if minutes.is_multiple_of(60) => count((minutes / 60).into(), "hour"),
        minutes => count(minutes.into(), "minute"),
    }
}

fn count(count: u128, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up() {
        for (millis, expected) in [
            (0, "1 second"),
            (1_000, "1 second"),
            (1_001, "2 seconds"),
            (90_000, "90 seconds"),
            (90_001, "2 minutes"),
            (3_600_000, "60 minutes"),
            (5_400_001, "2 hours"),
        ] {
            assert_eq!(wait_text(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn lengths_are_given_in_their_largest_unit() {
        for (minutes, expected) in
            [(10_080, "7 days"), (1440, "1 day"), (90, "90 minutes"), (120, "2 hours")]
        {
            assert_eq!(length_text(minutes), expected);
        }
    }
}
