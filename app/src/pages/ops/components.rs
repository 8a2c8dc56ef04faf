//! Small pieces of HTML of the pages for operators.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::SignedDuration;

use crate::operations::group_thousands;
use crate::pages::components::rounded;

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
}
