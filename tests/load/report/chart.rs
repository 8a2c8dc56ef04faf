//! The chart, as SVG without external fonts or scripts, for light and dark pages.

use std::fmt::Write as _;

use super::Report;
use super::table::{column, rows_title};
use crate::figures::{Better, METRICS, Series, format_value};

const WIDTH: f64 = 880.0;
const MARGIN: f64 = 20.0;
/// Where the bars begin and how long the longest is. Its value stands to the right of it.
const BARS: f64 = 330.0;
const LONGEST: f64 = 440.0;
const BAR: f64 = 13.0;
const PITCH: f64 = 17.0;
const COLORS: [&str; 6] = ["#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#64748b"];

const STYLE: &str = "text{fill:#1f2937}.dim{fill:#6b7280;font-size:11.5px}.page{fill:#fff}\
.title{font-size:15px;font-weight:600}\
@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.dim{fill:#9ca3af}.page{fill:#0d1117}}";

/// Returns a chart of the headline figures.
pub fn chart(report: &Report) -> String {
    let mut drawing = Drawing { svg: String::new(), y: MARGIN };
    let engines = || report.engines.iter();
    let columns: Vec<_> = engines().map(column).collect();
    drawing.section("Guestlist", &columns);
    for engine in engines().filter(|engine| engine.sizes.len() > 1) {
        let sizes = engine.sizes.iter();
        let columns: Vec<_> = sizes.map(|(rows, series)| (rows_title(*rows), series)).collect();
        drawing.section(&format!("{}, by rows of each table", engine.name), &columns);
    }
    let systems = report.systems.iter();
    let columns: Vec<_> = systems.map(|system| (system.name.clone(), &system.series)).collect();
    drawing.section("Guestlist and others, in turns in one run", &columns);
    let descriptions: Vec<_> = engines().map(|engine| engine.description.as_str()).collect();
    let machine = report.machine.line();
    let (hardware, build) = machine.split_once("; ").unwrap_or((&machine, ""));
    for line in [descriptions.join("; ").as_str(), &report.method(), hardware, build] {
        if !line.is_empty() {
            drawing.text(MARGIN, "dim", line);
            drawing.y += 16.0;
        }
    }
    let height = drawing.y + MARGIN - 12.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\" font-size=\"12.5\" \
         role=\"img\" aria-label=\"Figures of Guestlist\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"10\"/>\n{}</svg>\n",
        drawing.svg
    )
}

struct Drawing {
    svg: String,
    /// Where the next element is drawn.
    y: f64,
}

impl Drawing {
    /// Draws a heading with a legend, and a group of bars for each figure. The bars of a group have
    /// one scale.
    fn section(&mut self, title: &str, columns: &[(String, &Series)]) {
        if columns.is_empty() {
            return;
        }
        self.y += 8.0;
        self.text(MARGIN, "title", title);
        self.y += 10.0;
        let mut x = MARGIN;
        for (index, (name, _)) in columns.iter().enumerate() {
            self.bar(index, x, 10.0);
            self.y += 10.0;
            self.text(x + 15.0, "dim", name);
            self.y -= 10.0;
            // No font is measured here; this is about the width of a character.
            x += 40.0 + 6.4 * f64::from(u32::try_from(name.chars().count()).unwrap_or(0));
        }
        self.y += 28.0;
        for metric in METRICS.iter().filter(|metric| metric.is_headline) {
            let median = |series: &Series| Some(series.summary(metric.name)?.median);
            let medians: Vec<_> = columns.iter().map(|(_, series)| median(series)).collect();
            let Some(longest) = medians.iter().flatten().copied().reduce(f64::max) else {
                continue;
            };
            let group = self.y;
            for (index, value) in medians.iter().enumerate() {
                let Some(value) = value else { continue };
                let length = (value / longest * LONGEST).max(1.0);
                self.bar(index, BARS, length);
                self.y += 11.0;
                let value = format!("{} {}", format_value(*value), metric.unit).replace(" /", "/");
                self.text(BARS + length + 6.0, "", &value);
                self.y += PITCH - 11.0;
            }
            let end = std::mem::replace(&mut self.y, group + 11.0);
            self.text(MARGIN, "", metric.label);
            // A lone bar has no room for a second line, and nothing to be compared with.
            if metric.better == Better::Lower && columns.len() > 1 {
                self.y += 14.0;
                self.text(MARGIN, "dim", "lower is better");
            }
            self.y = end.max(self.y) + 9.0;
        }
        self.y += 8.0;
    }

    fn bar(&mut self, color: usize, x: f64, length: f64) {
        let (fill, y) = (COLORS[color % COLORS.len()], self.y);
        let _ = writeln!(
            self.svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{fill}\"/>"
        );
    }

    fn text(&mut self, x: f64, class: &str, text: &str) {
        let (y, text) = (self.y, escape(text));
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = writeln!(self.svg, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example, options};
    use super::*;

    #[test]
    fn names_are_escaped() {
        let options = options();
        let svg = chart(&example(&options));
        assert!(svg.contains("SQLite 1.0 &lt;fast &amp; &quot;durable&quot;&gt;"), "{svg}");
        assert!(!svg.contains("<fast"));
    }

    #[test]
    fn the_longest_bar_of_a_group_has_the_highest_value() {
        let options = options();
        let svg = chart(&example(&options));
        let position = |text: &str| svg.find(text).unwrap_or_else(|| panic!("{text}: {svg}"));
        let half = position("width=\"220.0\"");
        let whole = position("width=\"440.0\"");
        assert!(half < position(">1,000/s</text>") && whole < position(">2,000/s</text>"));
    }

    #[test]
    fn colors_follow_the_page() {
        let options = options();
        let svg = chart(&example(&options));
        assert!(svg.starts_with("<svg ") && svg.contains("prefers-color-scheme:dark"));
        assert!(!svg.contains("href") && !svg.contains("url("));
    }
}
