//! What a run found, as a table, as JSON and as a chart.

mod chart;
mod json;
mod table;

pub use chart::chart;
pub use json::json;
pub use table::tables;

use crate::figures::Series;
use crate::machine::Machine;
use crate::options::Options;

/// Everything that a run found.
#[derive(Debug)]
pub struct Report<'a> {
    pub options: &'a Options,
    pub machine: Machine,
    pub engines: Vec<EngineReport>,
    /// Guestlist and other systems, by name, measured by other means than the engines above.
    pub systems: Vec<System>,
}

/// The figures of Guestlist or another system.
#[derive(Debug)]
pub struct System {
    pub name: String,
    pub series: Series,
}

/// The figures of one engine.
#[derive(Debug)]
pub struct EngineReport {
    pub name: String,
    /// Its version, and whether it flushes commits; empty if it could not be used.
    pub description: String,
    /// By the number of rows, in the order of the options.
    pub sizes: Vec<(u64, Series)>,
}

impl Report<'_> {
    /// Returns each pair of Guestlist and another system.
    fn pairs(&self) -> Vec<(&System, &System)> {
        let is_guestlist = |system: &&System| system.name.starts_with("Guestlist");
        let (guestlist, others): (Vec<_>, Vec<_>) = self.systems.iter().partition(is_guestlist);
        guestlist.iter().flat_map(|one| others.iter().map(move |other| (*one, *other))).collect()
    }

    /// Returns the sentence below tables and charts.
    fn method(&self) -> String {
        let Options { repetitions, seconds, clients, .. } = self.options;
        format!(
            "Medians of {repetitions} repetitions with {clients} clients for {seconds} s; clients, \
             database and programs share the machine"
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// A report with two engines, two sizes, and two systems.
    pub fn example(options: &Options) -> Report<'_> {
        let series = |factor: f64| {
            let mut series = Series::default();
            for value in [900.0, 1000.0, 1200.0] {
                series.add("accept_rate", value * factor);
            }
            series.add("pickup", 8.0 / factor);
            series
        };
        let engine = |name: &str, factor| EngineReport {
            name: name.to_owned(),
            description: format!("{name} 1.0 <fast & \"durable\">"),
            sizes: vec![(1000, series(factor)), (1_000_000, series(factor / 2.0))],
        };
        let system = |name: &str, factor| System { name: name.to_owned(), series: series(factor) };
        let systems = vec![system("Guestlist on SQLite", 1.5), system("bullmq", 1.0)];
        let engines = vec![engine("SQLite", 1.0), engine("MariaDB", 2.0)];
        Report { options, machine: Machine::example(), engines, systems }
    }

    pub fn options() -> Options {
        Options::parse_from(["load"])
    }
}
