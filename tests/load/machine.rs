//! The machine and the programs that a result belongs to.

use std::fs;
use std::process::Command;

use guestlist_tests::{Engine, TestDatabase, program};
use serde_json::{Value, json};

use crate::processes::field;

/// The machine, as in the line below the chart.
#[derive(Debug)]
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_gb: f64,
    kernel: String,
    commit: String,
    profile: String,
    date: String,
    load: String,
}

impl Machine {
    pub fn read() -> Self {
        let cpu_info = read("/proc/cpuinfo");
        let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name"));
        let cpu = model.map_or("unknown CPU", |model| model.trim_start_matches([' ', '\t', ':']));
        let memory_gb = field(&read("/proc/meminfo"), "MemTotal:") / 1024.0 / 1024.0;
        let programs = program("guestlist");
        let profile = programs.parent().and_then(|folder| folder.file_name());
        let load = read("/proc/loadavg");
        Self {
            cpu: cpu.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gb: memory_gb.round(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            commit: commit(),
            profile: profile.map_or(String::new(), |name| name.display().to_string()),
            date: now().strftime("%Y-%m-%d").to_string(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    #[cfg(test)]
    pub fn example() -> Self {
        let text = str::to_owned;
        Self {
            cpu: text("CPU"),
            cores: 2,
            memory_gb: 24.0,
            kernel: text("6.18"),
            commit: text("1234567"),
            profile: text("release"),
            date: text("2026-12-01"),
            load: text("0.10"),
        }
    }

    /// Returns one line: the hardware, and after a semicolon the build.
    pub fn line(&self) -> String {
        let Self { cpu, cores, memory_gb, kernel, commit, profile, date, load } = self;
        format!(
            "{cpu}, {cores} cores, {memory_gb} GB, Linux {kernel}; commit {commit}, {profile} build, \
             {date}; load before the run {load}"
        )
    }

    pub fn json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_gb": self.memory_gb,
            "kernel": self.kernel,
            "commit": self.commit,
            "profile": self.profile,
            "date": self.date,
            "load_before": self.load,
        })
    }
}

/// Returns an engine's name, version, and whether it flushes each commit to the disk.
pub async fn engine_description(database: &TestDatabase) -> String {
    let text = async |sql: &str| -> Option<String> {
        database.query(sql).await.first()?.try_get_by_index(0).ok()
    };
    if database.engine == Engine::Sqlite {
        let version = text("SELECT sqlite_version()").await.unwrap_or_default();
        return format!("SQLite {version}, commits flushed");
    }
    let version = text("SELECT VERSION()").await.unwrap_or_default();
    let version = version.split('-').next().unwrap_or_default();
    let setting = "SELECT CONCAT(@@innodb_flush_log_at_trx_commit, @@innodb_flush_method)";
    let setting = text(setting).await.unwrap_or_default();
    let is_flushed = setting.starts_with('1') && !setting.contains("nosync");
    format!(
        "{} {version}, commits {}flushed",
        database.engine,
        if is_flushed { "" } else { "not " }
    )
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.output().ok().filter(|output| output.status.success());
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let is_changed = git(&["status", "--porcelain", "-uno"]).is_none_or(|text| !text.is_empty());
    if is_changed { commit + " with changes" } else { commit }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Returns the current time.
#[expect(clippy::disallowed_methods, reason = "there is no injected clock outside of the programs")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
