//! Runs the commands of the README and of `docs/` as they are written.
//!
//! A document's blocks of `sh` are one script, run from top to bottom. A section that
//! starts servers stops those of earlier sections; any other section uses those that run, or the
//! development server.

mod references;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use futures::future::join_all;
use guestlist_tests::{
    Engine, Guestlist, LONG, Process, ProcessOutput, coverage, free_port, program,
};

/// The ports of the documents, which the script replaces with free ones.
const PORTS: [(&str, &str); 5] = [
    ("3000", "LISTEN_ADDR"),
    ("3001", "WORKER_LISTEN_ADDR"),
    ("3002", "SANDBOX_LISTEN_ADDR"),
    ("3003", "SECOND_WORKER_LISTEN_ADDR"),
    ("4000", "GUESTBOOK_LISTEN_ADDR"),
];

/// Commands that run until they are stopped, and the address at which each answers.
const SERVERS: [(&str, &str); 5] = [
    ("cargo run -p guestlist-example-guestbook", ":4000/"),
    ("cargo run", ":3001/readyz"),
    ("target/debug/guestlist sandbox", ":3002/inbox"),
    ("target/debug/guestlist serve", ":3000/readyz"),
    ("target/debug/guestlist-worker", ":3001/readyz"),
];

/// What the output of a document's commands contains, in this order.
const OUTPUT: [(&str, &[&str]); 3] = [
    ("README.md", &["\"status\":\"queued\""]),
    (
        "docs/api.md",
        &[
            "\"status\":\"queued\"",
            "\"status\":\"sent\"",
            "\"token\":\"",
            "303",
            "stytch_session=",
            "\"session_jwt\":\"",
            "\"status\":\"active\"",
            "\"accepted\"",
            "204",
            "stytch_session=;",
            "401",
            "session_revoked",
            "invitations:write",
            "charles@example.com",
            "idempotent-replayed: true",
            "\"next_cursor\":null",
        ],
    ),
    ("docs/operate.md", &["SENDING"]),
];

/// Defines `cargo` as what it runs, records the status of each request, and stops every server at
/// the end.
const PRELUDE: &str = r#"set -eu
PATH=$PWD/bin:$PATH PIDS=
export STYTCH_PROJECT_ID=project-test-22222222-2222-4222-8222-222222222222 STYTCH_SECRET=secret-test-docs
export STYTCH_BASE_URL=http://127.0.0.1:3002 GUESTLIST_URL=http://localhost:3000
curl() { command curl -w '%{stderr}STATUS %{http_code}\n' "$@"; }
stop() {
  for pid in $PIDS; do kill "$pid" || true; done
  for pid in $PIDS; do wait "$pid" || true; done
  PIDS=
}
started() { # ADDRESS: waits until the last server answers there
  PIDS="$PIDS $!"
  until command curl -sf -o /dev/null "$1"; do kill -0 "$!"; sleep 0.05; done
}
trap stop EXIT
"#;

const CARGO: &str = r#"#!/bin/sh
case "$*" in
  run) exec guestlist ;;
  "run -p guestlist-example-guestbook") exec guestbook ;;
  "run -p guestlist-example-guestbook -- --own-pages") exec guestbook --own-pages ;;
  "build --workspace") ;;
  *) echo "the test does not know cargo $*" >&2; exit 1 ;;
esac
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// The documents whose commands are run.
fn documents() -> Vec<String> {
    let pages = fs::read_dir(root().join("docs")).unwrap();
    let pages = pages.map(|page| format!("docs/{}", page.unwrap().file_name().display()));
    let pages = pages.filter(|page| Path::new(page).extension().is_some_and(|it| it == "md"));
    pages.chain(["README.md", "examples/README.md"].map(str::to_owned)).collect()
}

/// The lines of the blocks of `sh`, by section, without indentation and continuation.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut sections = vec![Vec::new()];
    let mut indentation = None;
    let mut command = String::new();
    for line in text.lines() {
        match indentation {
            None if line.starts_with('#') => sections.push(Vec::new()),
            None if line.trim() == "```sh" => indentation = line.find('`'),
            None => {}
            Some(_) if line.trim() == "```" => indentation = None,
            Some(width) => {
                command += line.get(width..).unwrap_or_default();
                if command.ends_with('\\') {
                    command.push('\n');
                } else {
                    sections.last_mut().unwrap().push(std::mem::take(&mut command));
                }
            }
        }
    }
    sections.retain(|section| !section.is_empty());
    sections
}

/// The address at which a server answers, if that is what a command starts.
fn server(command: &str) -> Option<String> {
    let is_assignment = |word: &&str| word.contains('=') || *word == "\\";
    let mut words = command.split_whitespace().skip_while(is_assignment).collect::<Vec<_>>();
    if words.first() == Some(&"guestlist.db.dev-key)") {
        words.remove(0); // the rest of an assignment from `$(cat …)`
    }
    let program = words.join(" ");
    let (_, address) = SERVERS.iter().find(|(server, _)| program.starts_with(server))?;
    let worker = command.split_once("WORKER_LISTEN_ADDR=127.0.0.1");
    let port = worker.and_then(|(_, rest)| rest.split_whitespace().next());
    Some(format!(
        "http://127.0.0.1{}",
        port.map_or((*address).to_owned(), |port| format!("{port}/readyz"))
    ))
}

fn script(text: &str) -> String {
    let mut script = PRELUDE.to_owned();
    for (port, variable) in PORTS {
        writeln!(script, "export {variable}=127.0.0.1:{port}").unwrap();
    }
    for section in commands(text) {
        let starts_servers = section.iter().any(|command| server(command).is_some());
        let stop_or_start = if starts_servers {
            "stop"
        } else {
            "[ \"$PIDS\" ] || { cargo run >>server.log 2>&1 & started http://127.0.0.1:3001/readyz; }"
        };
        writeln!(script, "{stop_or_start}").unwrap();
        for command in section {
            let Some(address) = server(&command) else {
                writeln!(script, "{command}").unwrap();
                continue;
            };
            let command = command.split("  #").next().unwrap();
            writeln!(script, "{command} >>server.log 2>&1 &\nstarted {address}").unwrap();
        }
    }
    // The reader takes a moment; a script has to wait.
    let wait = "until command curl -sS \"$URL/v1/invitations?q=ada\" -H \"authorization: Bearer $KEY\" \
                | grep -q '\"status\":\"sent\"'; do sleep 0.05; done";
    script = script.replace("# A moment later it is `sent`.", wait);
    for (port, _) in PORTS {
        script = script.replace(&format!(":{port}"), &format!(":{}", free_port()));
    }
    script
}

async fn run(document: &str) {
    let text = read(document);
    let uses_mysql = commands(&text).iter().flatten().any(|command| command.contains("mysql://"));
    if uses_mysql && !Engine::all().contains(&Engine::MySql) {
        return; // `all` reports it
    }
    let engine = if uses_mysql { Engine::MySql } else { Engine::Sqlite };
    let guestlist = Guestlist::dev(engine).prepare().await;
    let folder = guestlist.folder();
    let script = with_database(&script(&text), &guestlist.database().url);
    install_programs(folder);
    fs::write(folder.join("script.sh"), &script).unwrap();

    let finished = Process::shell("script.sh", folder).wait_for_exit(LONG).await;
    let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    assert_eq!(finished.code, Some(0), "{document}: {finished:?}\n{script}\n{log}");
    check_output(document, &text, &finished);
}

/// Replaces the addresses of MySQL servers, each in single quotes.
fn with_database(script: &str, url: &str) -> String {
    let mut parts = script.split("'mysql://");
    let mut replaced = parts.next().unwrap().to_owned();
    for part in parts {
        write!(replaced, "'{url}'{}", part.split_once('\'').unwrap().1).unwrap();
    }
    replaced
}

fn install_programs(folder: &Path) {
    let (bin, debug) = (folder.join("bin"), folder.join("target/debug"));
    for place in [&bin, &debug] {
        fs::create_dir_all(place).unwrap();
        for name in ["guestlist", "guestlist-worker", "stytch-sandbox", "guestbook"] {
            symlink(program(name), place.join(name)).unwrap();
        }
    }
    fs::write(bin.join("cargo"), CARGO).unwrap();
    let is_done = Command::new("chmod").arg("+x").arg(bin.join("cargo")).status().unwrap();
    assert!(is_done.success());
}

fn check_output(document: &str, text: &str, finished: &ProcessOutput) {
    let wanted = OUTPUT.iter().find(|(known, _)| *known == document);
    let mut rest = finished.stdout.as_str();
    for wanted in wanted.map_or(&[][..], |(_, wanted)| wanted) {
        let found = rest.split_once(wanted);
        rest = found
            .unwrap_or_else(|| panic!("{document}: {wanted} is not in its turn: {finished:?}"))
            .1;
    }
    // A comment announces each request that is refused.
    let sections = commands(text);
    let comments = sections.iter().flatten().filter(|command| command.starts_with('#'));
    let announced = comments.filter_map(|comment| Some(comment.split_once("refused with ")?.1));
    let announced: Vec<_> = announced.map(|status| &status[..3]).collect();
    let statuses = finished.stderr.lines().filter_map(|line| line.strip_prefix("STATUS "));
    let refused: Vec<_> = statuses.filter(|status| *status >= "400").collect();
    assert_eq!(refused, announced, "{document}: {finished:?}");
}

#[tokio::test]
async fn the_commands_of_every_document_work() {
    let has_curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_curl {
        coverage::skipped(&"the commands of the documents", "curl is missing");
        return;
    }
    let documents = documents();
    join_all(documents.iter().map(|document| run(document))).await;
}
