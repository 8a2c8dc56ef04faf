//! Small pieces of HTML of the pages for operators.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::{SignedDuration, Timestamp};

use crate::operations::group_thousands;
use crate::pages::components::rounded;

/// A time of day in UTC, with the full time as its title.
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
    /// Shows the time with this text.
    pub fn new(at: Timestamp, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }

    /// Shows the time to the second, with the date unless it is today.
    pub fn to_second(at: Timestamp, now: Timestamp) -> Self {
        let day = |time: Timestamp| time.as_second().div_euclid(86_400);
        let format = if day(at) == day(now) { "%H:%M:%S" } else { "%-d %b %Y, %H:%M:%S" };
        Self::new(at, at.strftime(format).to_string())
    }

    fn machine(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn full(&self) -> String {
        self.at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string()
    }
}

/// A sentence in which names of programs and settings are in backticks.
#[derive(Debug, Clone, Template)]
#[template(
    source = r#"{% for (text, is_code) in self.parts() %}{% if is_code %}<code>{{ text }}</code>{% else %}{{ text }}{% endif %}{% endfor %}"#,
    ext = "html"
)]
pub struct Marked(pub String);

impl HtmlSafe for Marked {}

impl Marked {
    fn parts(&self) -> Vec<(&str, bool)> {
        self.0.split('`').enumerate().map(|(index, text)| (text, index % 2 == 1)).collect()
    }
}

/// Formats a duration: `40 ms`, `0.4 s`, `41 s`, `6 min`.
pub fn length(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ ..100 => format!("{millis} ms"),
        ..10_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => rounded(SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)),
    }
}

/// Returns a number of things: `1 job`, `2 jobs`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", group_thousands(count), if count == 1 { one } else { many })
}

/// Stands for a number that is not known.
pub fn dash() -> String {
    "–".to_owned()
}

/// Formats a value of a chart as a whole number.
pub fn whole(value: f64) -> String {
    format!("{value:.0}")
}

/// Formats a value of a chart in seconds as a duration.
pub fn seconds(value: f64) -> String {
    length(Duration::try_from_secs_f64(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_precise_as_they_are_short() {
        let of = |millis| length(Duration::from_millis(millis));
        let texts = [0, 99, 412, 9_949, 41_400, 400_000].map(of);
        assert_eq!(texts, ["0 ms", "99 ms", "0.4 s", "9.9 s", "41 s", "6 min"]);
    }

    #[test]
    fn marked_words_are_code_and_everything_is_escaped() {
        let html = Marked("Set `STYTCH_SECRET` & <restart>.".to_owned()).to_string();
        assert_eq!(html, "Set <code>STYTCH_SECRET</code> &#38; &#60;restart&#62;.");
    }

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let now: Timestamp = "2026-11-29T14:32:00Z".parse().unwrap();
        let clock = |at: &str| Clock::to_second(at.parse().unwrap(), now).text;
        assert_eq!(clock("2026-11-29T00:00:09Z"), "00:00:09");
        assert_eq!(clock("2026-11-28T23:59:59Z"), "28 Nov 2026, 23:59:59");
    }
}
