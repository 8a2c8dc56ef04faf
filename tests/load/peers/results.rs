//! The results of the folder's `bench.py`.

use anyhow::Context;
use serde_json::Value;

use crate::figures::Series;
use crate::options::Scenario;
use crate::report::System;

/// Guestlist's names in the folder, and in the report. The variants with a session authenticate with
/// a JWT, which `bullmq-jwt` verifies by itself.
pub(super) const GUESTLIST: [(&str, &str); 4] = [
    ("ours-sqlite", "Guestlist on SQLite"),
    ("ours-maria", "Guestlist on MariaDB"),
    ("ours-sqlite-session", "Guestlist on SQLite"),
    ("ours-maria-session", "Guestlist on MariaDB"),
];
pub(super) const SESSION: &str = "-session";
pub(super) const JWT_PEER: &str = "bullmq-jwt";

pub(super) type Suite = (Scenario, &'static str, &'static [(&'static str, &'static str)]);

/// The suites of `bench.py` by scenario, and where each figure is in their results.
pub(super) const SUITES: [Suite; 6] = [
    (
        Scenario::Rest,
        "start",
        &[("cold_start", "/cold_ms"), ("idle_cpu", "/idle_cpu_pct"), ("memory", "/app_pss_mb")],
    ),
    (Scenario::Pickup, "pickup", &[("pickup", "/p50_ms")]),
    (Scenario::Lists, "list", &[("list_rate", "/0ms/rps")]),
    (
        Scenario::Accept,
        "http",
        &[
            ("accept_rate", "/0ms/rps"),
            ("accept_p50", "/0ms/p50_ms"),
            ("accept_p99", "/0ms/p99_ms"),
            ("accept_app_cpu", "/0ms/app_cpu_us_per_req"),
        ],
    ),
    (
        Scenario::Drain,
        "drain",
        &[
            ("drain_rate", "/0ms/jobs_per_s"),
            ("drain_worker_cpu", "/0ms/worker_cpu_us_per_job"),
            ("drain_120_rate", "/120ms/jobs_per_s"),
            ("drain_120_worker_cpu", "/120ms/worker_cpu_us_per_job"),
        ],
    ),
    (
        Scenario::Deliver,
        "httpw",
        &[("deliver_rate", "/flow_per_s"), ("deliver_p50", "/p50_ms"), ("deliver_p99", "/p99_ms")],
    ),
];

/// Reads the results of `bench.py`: a line for each repetition of a suite and a system.
pub(super) fn read(results: &str) -> anyhow::Result<Vec<System>> {
    let mut systems: Vec<System> = Vec::new();
    for line in results.lines() {
        let line: Value = serde_json::from_str(line)?;
        let text = |name: &str| line[name].as_str().with_context(|| format!("no {name}: {line}"));
        let (peer, suite) = (text("peer")?, text("suite")?);
        let has_jwt = peer.ends_with(SESSION) || peer == JWT_PEER;
        let name = GUESTLIST.iter().find(|(name, _)| *name == peer).map_or(peer, |(_, name)| name);
        // The list of the system that verifies JWTs is compared with the lists with a session.
        let name = if name == JWT_PEER { "bullmq" } else { name };
        let index = systems.iter().position(|system| system.name == name).unwrap_or(systems.len());
        if index == systems.len() {
            systems.push(System { name: name.to_owned(), series: Series::default() });
        }
        if has_failed(&line["r"]) {
            eprintln!("{peer}: requests of {suite} failed, so this repetition is left out: {line}");
            continue;
        }
        for (_, _, figures) in SUITES.iter().filter(|(_, known, _)| *known == suite) {
            for (figure, pointer) in *figures {
                let Some(mut value) = line["r"].pointer(pointer).and_then(Value::as_f64) else {
                    continue;
                };
                if *figure == "memory" {
                    value += line["r"]["worker_pss_mb"].as_f64().unwrap_or(0.0);
                }
                let figure = if has_jwt { "list_session_rate" } else { figure };
                systems[index].series.add(figure, value);
            }
        }
    }
    Ok(systems)
}

/// Returns whether there were no responses, or others than expected. `bench.py` counts both.
fn has_failed(result: &Value) -> bool {
    let loads = result.as_object().into_iter().flatten().map(|(_, value)| value);
    let is_bad =
        |load: &Value| load["non2xx"].as_u64() > Some(0) || load["rps"].as_f64() == Some(0.0);
    is_bad(result) || loads.into_iter().any(is_bad)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_read_by_suite_and_system() {
        let line = |peer: &str, suite: &str, result: Value| {
            json!({ "suite": suite, "peer": peer, "rep": 0, "r": result }).to_string()
        };
        let list = json!({ "0ms": { "rps": 5000.0 } });
        let results = [
            line("ours-maria", "http", json!({ "0ms": { "rps": 2000.0, "p50_ms": 9.5 } })),
            line("ours-maria", "http", json!({ "0ms": { "rps": 2200.0 } })),
            line("ours-maria-session", "list", list.clone()),
            line("bullmq", "start", json!({ "app_pss_mb": 60.0, "worker_pss_mb": 50.0 })),
            line("bullmq", "httpw", json!({ "flow_per_s": null })),
            line("bullmq-jwt", "list", list),
            line("bullmq", "http", json!({ "0ms": { "rps": 9000.0, "non2xx": 4 } })),
            line("bullmq", "httpw", json!({ "rps": 0.0, "flow_per_s": 0.0 })),
        ];
        let systems = read(&results.join("\n")).unwrap();
        let names: Vec<_> = systems.iter().map(|system| system.name.as_str()).collect();
        assert_eq!(names, ["Guestlist on MariaDB", "bullmq"]);
        assert_eq!(systems[0].series.values("accept_rate"), [2000.0, 2200.0]);
        assert_eq!(systems[0].series.values("list_session_rate"), [5000.0]);
        assert_eq!(systems[1].series.values("memory"), [110.0]);
        assert_eq!(systems[1].series.values("list_session_rate"), [5000.0]);
        assert!(systems[1].series.values("deliver_rate").is_empty());
        assert!(systems[1].series.values("accept_rate").is_empty());
    }
}
