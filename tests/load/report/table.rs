//! The table, in Markdown.

use std::fmt::Write as _;

use super::{EngineReport, Report, System};
use crate::figures::{METRICS, Series, Summary, format_value};

/// Returns all tables of a report.
pub fn tables(report: &Report) -> String {
    let mut text = String::new();
    if !report.engines.is_empty() {
        let columns: Vec<_> = report.engines.iter().map(column).collect();
        let _ = writeln!(text, "{}", table(&columns, false));
        for engine in report.engines.iter().filter(|engine| engine.sizes.len() > 1) {
            let sizes = engine.sizes.iter();
            let columns: Vec<_> = sizes.map(|(rows, series)| (rows_title(*rows), series)).collect();
            let _ = writeln!(text, "{}, by rows of each table:\n", engine.name);
            let _ = writeln!(text, "{}", table(&columns, true));
        }
    }
    if !report.systems.is_empty() {
        let systems = report.systems.iter();
        let columns: Vec<_> = systems.map(|system| (system.name.clone(), &system.series)).collect();
        let _ = writeln!(text, "{}\n{}", table(&columns, false), ratios(report));
    }
    for engine in report.engines.iter().filter(|engine| !engine.description.is_empty()) {
        let _ = writeln!(text, "{}", engine.description);
    }
    let _ = writeln!(text, "{}.\n{}", report.method(), report.machine.line());
    text
}

/// Returns the title and the figures of an engine at the first size.
pub(super) fn column(engine: &EngineReport) -> (String, &Series) {
    let (rows, series) = &engine.sizes[0];
    (format!("{}, {}", engine.name, rows_title(*rows)), series)
}

pub(super) fn rows_title(rows: u64) -> String {
    let rows = f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
    format!("{} rows", format_value(rows))
}

/// Returns the figures that any of the columns has; with ratios to the first column on demand.
fn table(columns: &[(String, &Series)], has_ratios: bool) -> String {
    let titles: Vec<_> = columns.iter().map(|(title, _)| title.clone()).collect();
    let mut rows = vec![[vec![String::new(), "unit".to_owned()], titles].concat()];
    for metric in METRICS {
        let summaries: Vec<_> =
            columns.iter().map(|(_, series)| series.summary(metric.name)).collect();
        if summaries.iter().all(Option::is_none) {
            continue;
        }
        let first = summaries[0].map(|first| first.median);
        let cell = |(index, summary): (usize, &Option<Summary>)| {
            let Some(summary) = summary else { return String::new() };
            let [median, min, max] = [summary.median, summary.min, summary.max].map(format_value);
            let range = if min == max { String::new() } else { format!(" ({min} to {max})") };
            match first.filter(|_| has_ratios && index > 0) {
                Some(first) => format!("{median}{range} = {:.2}×", summary.median / first),
                None => median + &range,
            }
        };
        let mut row = vec![metric.label.to_owned(), metric.unit.to_owned()];
        row.extend(summaries.iter().enumerate().map(cell));
        rows.push(row);
    }
    markdown(&rows)
}

/// Returns the ratio of each of Guestlist's figures to each other system's.
fn ratios(report: &Report) -> String {
    let pairs = report.pairs();
    let titles = pairs.iter().map(|(one, other)| format!("{} : {}", one.name, other.name));
    let mut rows = vec![[vec!["ratio of medians".to_owned()], titles.collect()].concat()];
    for metric in METRICS {
        let ratio =
            |(one, other): &(&System, &System)| one.series.ratio(&other.series, metric.name);
        let ratios: Vec<_> = pairs.iter().map(ratio).collect();
        if ratios.iter().any(Option::is_some) {
            let cell =
                |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
            rows.push(
                [vec![metric.label.to_owned()], ratios.into_iter().map(cell).collect()].concat(),
            );
        }
    }
    markdown(&rows)
}

fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text += "|\n";
        if index == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text += "|\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example, options};
    use super::*;

    #[test]
    fn the_table_has_medians_ranges_and_ratios() {
        let options = options();
        let text = tables(&example(&options));
        for expected in [
            "| SQLite, 1,000 rows ",
            "1,000 (900 to 1,200)",
            "500 (450 to 600) = 0.50×",
            "Guestlist on SQLite : bullmq",
            "| Invitations accepted                | 1.50 ",
            "Medians of 3 repetitions",
        ] {
            assert!(text.contains(expected), "{expected} is missing:\n{text}");
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bcd"], ["efgh", "×"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(markdown(&rows), "| a    | bcd |\n|------|-----|\n| efgh | ×   |\n");
    }
}
