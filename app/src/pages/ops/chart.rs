//! Small line charts of the last hour as inline SVG. Colours are classes of the stylesheet.

use std::fmt::Write;

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 28.0;
/// The line is this far from the upper and lower edge, so that it is not cut off.
const MARGIN: f64 = 1.5;
/// The length of a line of one point.
const DOT: f64 = 3.0;
/// The height of the marks of failures.
const MARK: f64 = 4.0;

/// A value of a minute. `None` if nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub at: Timestamp,
    pub value: Option<f64>,
    /// Whether attempts failed in this minute.
    pub has_failures: bool,
}

/// A line over time.
#[derive(Debug, Template)]
#[template(
    source = r#"<svg class="spark" viewBox="0 0 120 28" preserveAspectRatio="none" role="img" aria-label="{{ label }}"><path class="area" d="{{ area }}"/><path class="line" d="{{ line }}"/>{% if !marks.is_empty() %}<path class="fail" d="{{ marks }}"/>{% endif %}</svg>"#,
    ext = "html"
)]
pub struct Spark {
    label: String,
    area: String,
    line: String,
    marks: String,
}

impl HtmlSafe for Spark {}

impl Spark {
    /// Draws the points, and describes them as `name: …`. `format` writes a value with its unit.
    pub fn new(name: &str, points: &[Point], format: impl Fn(f64) -> String) -> Self {
        let label = format!("{name}: {}", describe(points, format));
        let top = points.iter().filter_map(|point| point.value).fold(0.0, f64::max);
        let (mut area, mut line) = (String::new(), String::new());
        for run in measured_runs(points) {
            let places: Vec<_> = run
                .iter()
                .map(|(index, value)| (x(*index, points.len()), y(*value, top)))
                .collect();
            let (first, last) = (places[0].0, places[places.len() - 1].0);
            let _ = write!(area, "M{} {HEIGHT}", number(first));
            for (index, (x, y)) in places.iter().enumerate() {
                let command = if index == 0 { "M" } else { " " };
                let _ = write!(line, "{command}{} {}", number(*x), number(*y));
                let _ = write!(area, " {} {}", number(*x), number(*y));
            }
            if places.len() == 1 {
                // A line of one point has no length.
                let _ = write!(line, "h-{DOT}");
            }
            let _ = write!(area, " {} {HEIGHT}z", number(last));
        }
        Self { label, area, line, marks: marks(points) }
    }
}

/// Returns the points that were measured one after the other, with their indexes.
fn measured_runs(points: &[Point]) -> Vec<Vec<(usize, f64)>> {
    let mut runs: Vec<Vec<(usize, f64)>> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        let Some(value) = point.value else { continue };
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|(last, _)| last + 1 == index) => {
                run.push((index, value));
            }
            _ => runs.push(vec![(index, value)]),
        }
    }
    runs
}

fn marks(points: &[Point]) -> String {
    let mut marks = String::new();
    let width = WIDTH / to_f64(points.len().max(1));
    for (index, _) in points.iter().enumerate().filter(|(_, point)| point.has_failures) {
        let x = number(width * to_f64(index));
        let _ = write!(marks, "M{x} {HEIGHT}v-{MARK}h{}v{MARK}z", number(width));
    }
    marks
}

/// Describes what the line shows, for people who do not see it.
fn describe(points: &[Point], format: impl Fn(f64) -> String) -> String {
    let values = || points.iter().filter_map(|point| Some((point.at, point.value?)));
    let Some((_, last)) = values().next_back() else {
        return "nothing in the last hour".to_owned();
    };
    let lowest = values().map(|(_, value)| value).fold(f64::INFINITY, f64::min);
    let (at, highest) = values()
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .unwrap_or((points[0].at, last));
    let clock = |at: Timestamp| at.strftime("%H:%M").to_string();
    let mut text = if format(lowest) == format(highest) {
        format!("{} throughout the last hour", format(last))
    } else {
        format!(
            "between {} and {} in the last hour, the most at {}, and {} at {}",
            format(lowest),
            format(highest),
            clock(at),
            format(last),
            clock(values().next_back().map_or(at, |(at, _)| at)),
        )
    };
    let failed = points.iter().filter(|point| point.has_failures).count();
    if failed > 0 {
        let unit = if failed == 1 { "minute" } else { "minutes" };
        let _ = write!(text, "; attempts failed in {failed} {unit}");
    }
    text
}

fn x(index: usize, length: usize) -> f64 {
    WIDTH * to_f64(index) / to_f64(length.saturating_sub(1).max(1))
}

fn y(value: f64, top: f64) -> f64 {
    let share = if top > 0.0 { value / top } else { 0.0 };
    HEIGHT - MARGIN - share * (HEIGHT - 2.0 * MARGIN)
}

/// Formats a coordinate with at most one decimal.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(ToOwned::to_owned).unwrap_or(text)
}

#[expect(clippy::cast_precision_loss, reason = "a chart has far fewer points")]
fn to_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn points(values: &[Option<f64>]) -> Vec<Point> {
        let start: Timestamp = "2026-11-29T14:30:00Z".parse().unwrap();
        let minute = |n: usize| start + Duration::from_mins(n as u64);
        let point = |(n, value): (usize, &Option<f64>)| Point {
            at: minute(n),
            value: *value,
            has_failures: false,
        };
        values.iter().enumerate().map(point).collect()
    }

    fn whole(value: f64) -> String {
        format!("{value:.0}")
    }

    #[test]
    fn a_line_spans_the_chart_from_zero_to_its_highest_value() {
        let spark = Spark::new("Sent", &points(&[Some(0.0), Some(10.0), Some(5.0)]), whole);
        assert_eq!(spark.line, "M0 26.5 60 1.5 120 14");
        assert_eq!(spark.area, "M0 28 0 26.5 60 1.5 120 14 120 28z");
        let expected = "Sent: between 0 and 10 in the last hour, the most at 14:31, and 5 at 14:32";
        assert_eq!((spark.label.as_str(), spark.marks.as_str()), (expected, ""));
    }

    #[test]
    fn minutes_without_a_value_are_gaps() {
        let spark = Spark::new("Wait", &points(&[Some(1.0), None, Some(1.0), Some(1.0)]), whole);
        assert_eq!(spark.line, "M0 1.5h-3M80 1.5 120 1.5");
        assert_eq!(spark.area.matches('z').count(), 2);
        assert_eq!(spark.label, "Wait: 1 throughout the last hour");
    }

    #[test]
    fn nothing_differs_from_zero() {
        let none = Spark::new("Wait", &points(&[None, None]), whole);
        assert_eq!(
            (none.label.as_str(), none.line.as_str()),
            ("Wait: nothing in the last hour", "")
        );
        let zero = Spark::new("Sent", &points(&[Some(0.0), Some(0.0)]), whole);
        assert_eq!(
            (zero.line.as_str(), zero.label.as_str()),
            ("M0 26.5 120 26.5", "Sent: 0 throughout the last hour",)
        );
        assert!(Spark::new("Sent", &[], whole).line.is_empty());
    }

    #[test]
    fn failures_are_marked_below_the_line_and_named() {
        let mut failed = points(&[Some(0.0), Some(0.0), Some(3.0)]);
        failed[0].has_failures = true;
        let spark = Spark::new("Sent", &failed, whole);
        assert_eq!(spark.marks, "M0 28v-4h40v4z");
        assert!(spark.label.ends_with("attempts failed in 1 minute"), "{}", spark.label);
        let html = spark.to_string();
        assert!(!html.contains("style=") && html.contains(r#"role="img""#), "{html}");
    }
}
