//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use guestlist_tests::Engine;

/// Measures Guestlist's speed and cost, and prints a table.
///
/// Build the programs first: cargo build --release -p guestlist -p guestlist-worker -p stytch-sandbox
#[derive(Debug, Parser)]
pub struct Options {
    /// Engines to measure on: sqlite, mysql, mariadb
    #[arg(long, value_delimiter = ',', value_parser = engine, default_value = "sqlite,mariadb")]
    pub engine: Vec<Engine>,
    /// Numbers of users, sessions, invitations and finished jobs that the database has before each
    /// measurement
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    pub rows: Vec<u64>,
    /// Seconds of load per figure
    #[arg(long, default_value_t = 4)]
    pub seconds: u64,
    /// Repetitions, of which the median is reported
    #[arg(long, default_value_t = 3)]
    pub repetitions: usize,
    /// Concurrent clients
    #[arg(long, default_value_t = 32)]
    pub clients: usize,
    /// Scenarios to run [default: all]
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Scenario>,
    /// File to write all figures to, as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// File to write a chart to
    #[arg(long)]
    pub svg: Option<PathBuf>,
    /// Folder with the benchmarks of other systems, which are run interleaved with Guestlist
    #[arg(long)]
    pub peers: Option<PathBuf>,
    /// Systems in that folder to compare with
    #[arg(long, value_delimiter = ',', default_value = "bullmq,graphile", requires = "peers")]
    pub peer: Vec<String>,
    /// URL of a MySQL server to use [default: starts one with durable commits]
    #[arg(long, env = "GUESTLIST_TEST_MYSQL_URL", hide_env_values = true)]
    pub mysql_url: Option<String>,
    /// URL of a MariaDB server to use [default: starts one with durable commits]
    #[arg(long, env = "GUESTLIST_TEST_MARIADB_URL", hide_env_values = true)]
    pub mariadb_url: Option<String>,
    /// Only compare with the other systems
    #[arg(long, requires = "peers")]
    pub only_peers: bool,
}

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Cold start, memory at rest, cost of being idle, size of the programs
    Rest,
    /// Time from a request until the mail is sent by an idle worker
    Pickup,
    /// Session checks
    Session,
    /// Lists of users
    Lists,
    /// Pages of an administrator
    Pages,
    /// Accepting invitations while no worker runs
    Accept,
    /// Delivering a backlog
    Drain,
    /// Accepting and delivering at the same time
    Deliver,
}

impl Options {
    /// Returns the URL of an existing server of an engine.
    pub fn server_url(&self, engine: Engine) -> Option<String> {
        match engine {
            Engine::Sqlite => None,
            Engine::MySql => self.mysql_url.clone(),
            Engine::MariaDb => self.mariadb_url.clone(),
        }
    }

    /// Returns whether a scenario is to be run.
    pub fn includes(&self, scenario: Scenario) -> bool {
        self.only.is_empty() || self.only.contains(&scenario)
    }
}

fn engine(name: &str) -> Result<Engine, String> {
    match name {
        "sqlite" => Ok(Engine::Sqlite),
        "mysql" => Ok(Engine::MySql),
        "mariadb" => Ok(Engine::MariaDb),
        other => Err(format!("unknown engine {other}; use sqlite, mysql or mariadb")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_separated_by_commas() {
        let args =
            ["load", "--engine", "sqlite,mysql", "--rows", "1000,1000000", "--only", "accept"];
        let options = Options::try_parse_from(args).unwrap();
        assert_eq!(options.engine, [Engine::Sqlite, Engine::MySql]);
        assert_eq!(options.rows, [1000, 1_000_000]);
        assert!(options.includes(Scenario::Accept) && !options.includes(Scenario::Drain));
    }

    #[test]
    fn an_unknown_engine_is_refused() {
        assert!(Options::try_parse_from(["load", "--engine", "oracle"]).is_err());
    }
}
