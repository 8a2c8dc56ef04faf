//! Small pieces of HTML that many pages share. Each is a value that a template prints.

use askama::Template;
use askama::filters::HtmlSafe;
use guestlist_database::operations::CappedCount;
use jiff::{SignedDuration, Timestamp};

use crate::operations::group_thousands;

/// A symbol of `icons.html`. A word always stands beside it.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    source = r##"<svg class="i" aria-hidden="true"><use href="#i-{{ name }}"/></svg>"##,
    ext = "html"
)]
pub struct Icon {
    name: &'static str,
}

impl HtmlSafe for Icon {}

pub fn icon(name: &'static str) -> Icon {
    Icon { name }
}

/// How a state is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Info,
    /// Needs no attention, and is less important than its neighbours.
    Off,
    Warn,
    Bad,
}

impl Tone {
    /// Returns the class in the stylesheet.
    pub fn css_class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Info => "info",
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A state: icon and word, in a colour.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    source = r#"<span class="st {{ tone.css_class() }}">{{ self::icon(icon) }}{{ word }}</span>"#,
    ext = "html"
)]
pub struct StateLabel {
    tone: Tone,
    icon: &'static str,
    word: &'static str,
}

impl HtmlSafe for StateLabel {}

impl StateLabel {
    pub const fn new(tone: Tone, icon: &'static str, word: &'static str) -> Self {
        Self { tone, icon, word }
    }
}

/// A time relative to now, with the exact time in UTC as its title.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    source = r#"<time datetime="{{ self::machine(*at) }}" title="{{ self::full(*at) }}">{{ self.relative() }}</time>"#,
    ext = "html"
)]
pub struct When {
    pub at: Timestamp,
    pub now: Timestamp,
}

impl HtmlSafe for When {}

impl When {
    /// Within two weeks relative, and otherwise the date.
    pub fn relative(&self) -> String {
        let distance = self.at.duration_since(self.now);
        match (distance.abs(), distance.is_positive()) {
            (length, _) if length >= SignedDuration::from_hours(14 * 24) => {
                self.at.strftime("%-d %b %Y").to_string()
            }
            (length, false) if length < SignedDuration::from_secs(10) => "just now".to_owned(),
            (length, false) => format!("{} ago", rounded(length)),
            // Rounded to the nearest unit, so that a link of seven days does not begin with "in 6 days".
            (length, true) => format!("in {}", rounded(length + half_unit(length))),
        }
    }
}

/// Returns a length of time in its largest unit, rounded down: `2 min`.
pub fn rounded(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Returns half of the unit in which a length of time is shown.
fn half_unit(length: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(match length.as_secs() {
        ..60 => 0,
        60..3600 => 30,
        3600..86_400 => 1_800,
        _ => 43_200,
    })
}

/// A time of day in UTC, or another text, with the exact time as its title.
#[derive(Debug, Clone, Template)]
#[template(
    source = r#"<time datetime="{{ self::machine(*at) }}" title="{{ self::full(*at) }}">{{ text }}</time>"#,
    ext = "html"
)]
pub struct Clock {
    at: Timestamp,
    pub text: String,
}

impl HtmlSafe for Clock {}

impl Clock {
    /// Shows the time with this text.
    pub fn new(at: Timestamp, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }

    /// Shows the time to the second, without its date.
    pub fn without_date(at: Timestamp) -> Self {
        Self::new(at, at.strftime("%H:%M:%S").to_string())
    }

    /// Shows the time to the second, with the date unless it is today.
    pub fn to_second(at: Timestamp, now: Timestamp) -> Self {
        let format = if is_same_day(at, now) { "%H:%M:%S" } else { "%-d %b %Y, %H:%M:%S" };
        Self::new(at, at.strftime(format).to_string())
    }

    /// Shows the time to the minute, with the date unless it is today.
    pub fn to_minute(at: Timestamp, now: Timestamp) -> Self {
        let format = if is_same_day(at, now) { "%H:%M" } else { "%-d %b, %H:%M" };
        Self::new(at, at.strftime(format).to_string())
    }
}

/// Returns whether two times are on the same day in UTC.
pub fn is_same_day(one: Timestamp, other: Timestamp) -> bool {
    let day = |time: Timestamp| time.as_second().div_euclid(86_400);
    day(one) == day(other)
}

fn machine(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn full(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string()
}

/// A date and time of day in UTC, for people who read it once.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    source = r#"<time datetime="{{ self.at() }}">{{ self.text() }}</time> UTC"#,
    ext = "html"
)]
pub struct Moment(pub Timestamp);

impl HtmlSafe for Moment {}

impl Moment {
    fn at(&self) -> String {
        machine(self.0)
    }

    fn text(&self) -> String {
        self.0.strftime("%-d %B, %H:%M").to_string()
    }
}

/// Formats a number of rows: `9,999`, `10,000+`.
pub fn count_text(CappedCount { count, is_capped }: CappedCount) -> String {
    format!("{}{}", group_thousands(count), if is_capped { "+" } else { "" })
}

/// The application's name with its initial as a logo, at the top of pages for guests.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    source = r#"<p class="brand"><span class="mark" aria-hidden="true">{{ self::initial(app_name) }}</span><bdi>{{ app_name }}</bdi></p>"#,
    ext = "html"
)]
pub struct Brand<'a> {
    app_name: &'a str,
}

impl HtmlSafe for Brand<'_> {}

pub fn brand(app_name: &str) -> Brand<'_> {
    Brand { app_name }
}

/// Returns the first character of a name, for its logo.
pub fn initial(name: &str) -> String {
    name.chars().next().map(|first| first.to_uppercase().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_within_two_weeks() {
        let now: Timestamp = "2026-11-29T14:32:00Z".parse().unwrap();
        let relative =
            |seconds| When { at: now + SignedDuration::from_secs(seconds), now }.relative();
        for (seconds, expected) in [
            (0, "just now"),
            (-9, "just now"),
            (-59, "59 s ago"),
            (-60, "1 min ago"),
            (-7_199, "1 h ago"),
            (-86_400, "1 day ago"),
            (-13 * 86_400, "13 days ago"),
            (-14 * 86_400, "15 Nov 2026"),
            (18, "in 18 s"),
            (7 * 86_400, "in 7 days"),
            (7 * 86_400 - 1, "in 7 days"),
            (89, "in 1 min"),
            (91, "in 2 min"),
            (86_400 - 1, "in 1 day"),
            (20 * 86_400, "19 Dec 2026"),
        ] {
            assert_eq!(relative(seconds), expected);
        }
    }

    #[test]
    fn components_are_not_escaped_and_their_texts_are() {
        let now: Timestamp = "2026-11-29T14:32:00Z".parse().unwrap();
        let when = When { at: now, now }.to_string();
        let expected = "<time datetime=\"2026-11-29T14:32:00Z\" \
                        title=\"29 November 2026, 14:32:00 UTC\">just now</time>";
        assert_eq!(when, expected);
        let state = StateLabel::new(Tone::Bad, "x", "<Failed>").to_string();
        assert!(state.contains("<svg") && state.contains("&#60;Failed&#62;"), "{state}");
    }

    #[test]
    fn a_capped_count_says_so() {
        let text = |count, is_capped| count_text(CappedCount { count, is_capped });
        assert_eq!((text(10_000, false), text(10_000, true)), ("10,000".into(), "10,000+".into()));
    }

    #[test]
    fn times_of_other_days_have_a_date() {
        let now: Timestamp = "2026-11-29T14:32:00Z".parse().unwrap();
        let shown = |at: &str| {
            let at = at.parse().unwrap();
            (Clock::to_minute(at, now).text, Clock::to_second(at, now).text)
        };
        assert_eq!(shown("2026-11-29T00:00:59Z"), ("00:00".into(), "00:00:59".into()));
        let before = ("28 Nov, 23:59".into(), "28 Nov 2026, 23:59:59".into());
        assert_eq!(shown("2026-11-28T23:59:59Z"), before);
    }
}
