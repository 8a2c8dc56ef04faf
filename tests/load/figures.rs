//! The figures: what each one is, and the values that were measured.

use std::collections::BTreeMap;

/// What a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub label: &'static str,
    pub unit: &'static str,
    pub better: Better,
    /// Whether it is in the chart and in the comparison of sizes.
    pub is_headline: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    /// Describes the measurement itself.
    Neither,
}

const fn headline(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    better: Better,
) -> Metric {
    Metric { name, label, unit, better, is_headline: true }
}

const fn detail(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    better: Better,
) -> Metric {
    Metric { name, label, unit, better, is_headline: false }
}

/// All figures, in the order of the table.
pub const METRICS: &[Metric] = {
    use Better::{Higher, Lower, Neither};
    &[
        headline("accept_rate", "Invitations accepted", "/s", Higher),
        detail("accept_p50", "  response time, median", "ms", Lower),
        detail("accept_p99", "  response time, 99th percentile", "ms", Lower),
        detail("accept_app_cpu", "  CPU of the application", "µs each", Lower),
        detail("accept_statements", "  database statements", "each", Lower),
        detail("accept_written", "  bytes written", "kB each", Lower),
        headline("deliver_rate", "Accepted and delivered", "/s", Higher),
        detail("deliver_p50", "  response time, median", "ms", Lower),
        detail("deliver_p99", "  response time, 99th percentile", "ms", Lower),
        headline("drain_rate", "Mails sent, Stytch answers at once", "/s", Higher),
        detail("drain_worker_cpu", "  CPU of the worker", "µs each", Lower),
        detail("drain_statements", "  database statements", "each", Lower),
        detail("drain_written", "  bytes written", "kB each", Lower),
        detail("drain_stytch_cpu", "  CPU of the local Stytch", "µs each", Neither),
        headline("drain_120_rate", "Mails sent, Stytch takes 120 ms (ideal 417)", "/s", Higher),
        detail("drain_120_worker_cpu", "  CPU of the worker", "µs each", Lower),
        headline("session_rate", "GET /v1/session", "/s", Higher),
        detail("session_p99", "  response time, 99th percentile", "ms", Lower),
        headline("list_session_rate", "GET /v1/users?limit=100, session", "/s", Higher),
        headline("list_rate", "GET /v1/users?limit=100, API key", "/s", Higher),
        detail("page_people", "People, slowest of 30", "ms", Lower),
        detail("page_person", "One person", "ms", Lower),
        detail("page_people_search", "People, search", "ms", Lower),
        detail("page_people_status", "People, status and role that nobody has", "ms", Lower),
        detail("page_invitations", "Invitations", "ms", Lower),
        detail("page_invitation", "One invitation", "ms", Lower),
        detail("page_audit", "Audit log", "ms", Lower),
        detail("page_audit_kind", "Audit log, one kind of event", "ms", Lower),
        detail("page_sessions", "Own sessions", "ms", Lower),
        detail("page_connect", "Connect", "ms", Lower),
        headline("pickup", "From request to Stytch, idle worker", "ms", Lower),
        headline("memory", "Memory at rest, application and worker", "MB", Lower),
        headline("memory_loaded", "Memory after load", "MB", Lower),
        detail("idle_cpu", "CPU at rest", "% of a core", Lower),
        detail("idle_statements", "Database statements at rest", "/s", Lower),
        headline("cold_start", "Cold start of the application", "ms", Lower),
        detail("app_size", "Size of guestlist", "MB", Lower),
        detail("worker_size", "Size of guestlist-worker", "MB", Lower),
        detail("client_cpu", "CPU of the load generator, accepting", "% of a core", Neither),
    ]
};

/// The values of one series by metric: a series is an engine at a size, or a compared system.
#[derive(Debug, Default, Clone)]
pub struct Series(BTreeMap<&'static str, Vec<f64>>);

/// The median of values, and their range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Series {
    /// Adds the value of one repetition.
    pub fn add(&mut self, name: &'static str, value: f64) {
        assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
        if value.is_finite() {
            self.0.entry(name).or_default().push(value);
        }
    }

    pub fn values(&self, name: &str) -> &[f64] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn summary(&self, name: &str) -> Option<Summary> {
        Summary::of(self.values(name))
    }

    /// Returns the ratio of this series' median to the other's; `None` without both, or if the other's
    /// is zero.
    pub fn ratio(&self, other: &Self, name: &str) -> Option<f64> {
        let ratio = self.summary(name)?.median / other.summary(name)?.median;
        ratio.is_finite().then_some(ratio)
    }
}

impl Summary {
    /// Returns `None` if there are no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { median, min, max })
    }
}

/// Formats a value with three or four digits.
pub fn format_value(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) =
        text.split_once('.').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_is_between_the_middle_ones() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(summary, Summary { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Summary::of(&[5.0, 1.0, 9.0]).unwrap().median.to_bits(), 5.0_f64.to_bits());
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn a_ratio_needs_both_medians() {
        let series = |value| {
            let mut series = Series::default();
            series.add("pickup", value);
            series
        };
        assert_eq!(series(6.0).ratio(&series(4.0), "pickup"), Some(1.5));
        assert_eq!(series(6.0).ratio(&series(0.0), "pickup"), None);
        assert_eq!(series(6.0).ratio(&Series::default(), "pickup"), None);
    }

    #[test]
    fn values_have_few_digits_and_separated_thousands() {
        let formatted = [0.0, 0.125, 9.5, 23.44, 512.4, 1968.2, 1_234_567.0].map(format_value);
        assert_eq!(formatted, ["0", "0.12", "9.50", "23.4", "512", "1,968", "1,234,567"]);
    }

    #[test]
    fn each_metric_has_its_own_name() {
        let names: std::collections::BTreeSet<_> =
            METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
    }
}
