//! Runs the commands of the README.

use std::process::{Command, Stdio};

use guestlist_tests::{Engine, Guestlist, Process, SHORT, coverage};

const README: &str = include_str!("../../../../README.md");

/// Returns the shell block under a heading.
fn shell_block(heading: &str) -> &'static str {
    let (_, section) = README.split_once(heading).expect("the heading");
    let (_, block) = section.split_once("```sh\n").expect("a block of shell");
    block.split_once("```").expect("its end").0
}

#[tokio::test]
async fn the_curl_commands_of_the_readme_work() {
    let has_curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_curl {
        return coverage::skipped(&"curl", "it is not installed");
    }
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let script = shell_block("### The same with curl");
    let ports = format!("URL={} INBOX={}", guestlist.public_url, guestlist.sandbox_url);
    let script = script.replace("URL=http://localhost:3000 INBOX=http://127.0.0.1:3002", &ports);
    assert!(script.contains(&ports), "the first line is the one that the test knows");
    // A reader waits a moment; the script polls instead.
    let moment = "# A moment later it is `sent`.";
    let look = "until curl -sS \"$URL/v1/invitations?q=ada\" -H \"authorization: Bearer $KEY\" | \
                grep -q '\"status\":\"sent\"'; do :; done";
    assert!(script.contains(moment), "{script}");
    let script = format!("set -eux\n{}", script.replace(moment, look));
    std::fs::write(guestlist.folder().join("walk.sh"), script).unwrap();

    let finished = Process::shell("walk.sh", guestlist.folder()).wait_for_exit(SHORT).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let mut rest = finished.stdout.as_str();
    for expected in [
        "\"status\":\"queued\"",
        "\"status\":\"sent\"",
        "\"token\":\"",
        "303",
        "stytch_session=",
        "\"session_jwt\":\"",
        "\"status\":\"active\"",
        "\"accepted\"",
        "204",
        "401",
        "stytch_session=;",
        "session_revoked",
    ] {
        let found = rest.split_once(expected);
        rest = found.unwrap_or_else(|| panic!("{expected} is not in its turn: {finished:?}")).1;
    }
}
