//! Runs the suites for Node and Python in `tests/conformance`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use guestlist_tests::coverage;
use tokio::process::Command;

use crate::sandbox::{PROJECT_ID, SECRET, Sandbox};

const LIMIT: Duration = Duration::from_mins(5);

/// Variables that `tests/run` sets.
const NODE: &str = "GUESTLIST_TEST_STYTCH_NODE";
const PYTHON: &str = "GUESTLIST_TEST_STYTCH_PYTHON";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance").join(name)
}

/// Runs a suite against new sandboxes, and returns its output.
async fn run(program: &OsStr, args: &[&str], name: &str, env: &[(&str, OsString)]) -> String {
    let (sandbox, strict) = tokio::join!(Sandbox::start(), Sandbox::strict());
    let mut command = Command::new(program);
    // Pass on PATH only, and no proxies or credentials.
    command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    for name in ["PATH", "GUESTLIST_TEST_RUN"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .args(args)
        .current_dir(folder(name))
        .env("STYTCH_URL", &sandbox.url)
        .env("STYTCH_STRICT_URL", &strict.url)
        .env("STYTCH_PROJECT_ID", PROJECT_ID)
        .env("STYTCH_SECRET", SECRET)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(LIMIT, command.output()).await;
    let output = ended.expect("the suite ends in time").expect("the suite starts");
    let (stdout, stderr) = (output.stdout, output.stderr);
    let text =
        [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    assert!(output.status.success(), "the suite for {name} failed, {}\n{text}", output.status);
    text
}

/// Returns the number after some words at the start of a line.
fn number(text: &str, words: &str) -> usize {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(words));
    let digits: String = line.unwrap_or("0").chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test]
async fn the_sdk_for_node_passes_its_suite() {
    let Some(modules) = coverage::tool(NODE, "Node SDK") else { return };
    let args = ["--test-reporter=tap", "suite.mjs"];
    let output = run(OsStr::new("node"), &args, "node", &[(NODE, modules)]).await;
    // A suite that does not find its tests must fail.
    assert!(number(&output, "# pass ") >= 235, "{output}");
    for word in ["fail", "cancelled", "skipped", "todo"] {
        assert_eq!(number(&output, &format!("# {word} ")), 0, "{output}");
    }
}

#[tokio::test]
async fn the_sdk_for_python_passes_its_suite() {
    let Some(python) = coverage::tool(PYTHON, "Python SDK") else { return };
    // -B writes no byte code next to the sources.
    let args = ["-B", "-m", "unittest", "discover", "--pattern", "test_*.py"];
    let output = run(&python, &args, "python", &[]).await;
    assert!(number(&output, "Ran ") >= 220, "{output}");
    assert!(output.lines().any(|line| line == "OK"), "some tests were skipped\n{output}");
}

#[test]
fn the_counts_of_a_suite_are_parsed() {
    assert_eq!(number("1..26\n# tests 230\n# pass 229\n# fail 1", "# pass "), 229);
    assert_eq!(number("Ran 210 tests in 4.285s\n\nOK", "Ran "), 210);
    assert_eq!(number("no tests at all", "Ran "), 0);
}
