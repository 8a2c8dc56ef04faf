//! Records which tests ran on which engine, and which were skipped.
//!
//! `cargo test` hides the output of tests that pass. Each record is therefore a line of the file
//! that `GUESTLIST_TEST_COVERAGE` names, and `tests/run` prints the number of tests per engine.

use std::env;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;

/// Records that the current test runs against `target`: a database engine, or a browser.
pub fn ran(target: &dyn Display) {
    record("ran", target);
}

/// Records that the current test, or a part of it, does not run against `target`.
///
/// # Panics
///
/// Panics if `GUESTLIST_TEST_REQUIRE_ALL` is `1`, or `CI` is `true`: then no test may be left out.
pub fn skipped(target: &dyn Display, reason: &str) {
    let is = |name, value: &str| env::var_os(name).is_some_and(|set| set == value);
    let must_run = is("GUESTLIST_TEST_REQUIRE_ALL", "1") || is("CI", "true");
    assert!(!must_run, "{target} can't be tested: {reason}");
    eprintln!("NOT TESTED: {target}: {reason}");
    record("skipped", target);
}

/// Returns the value of a variable that names a tool, or records that `target` is skipped.
pub fn tool(variable: &str, target: &str) -> Option<std::ffi::OsString> {
    let tool = env::var_os(variable).filter(|value| !value.is_empty());
    match tool {
        Some(_) => ran(&target),
        None => skipped(&target, &format!("{variable} is not set")),
    }
    tool
}

/// Appends a line of three columns: `ran` or `skipped`, the target, and the test.
fn record(what: &str, target: &dyn Display) {
    let Some(path) = env::var_os("GUESTLIST_TEST_COVERAGE") else { return };
    // The test runner names each thread after its test.
    let thread = std::thread::current();
    let program = env::current_exe().unwrap();
    let test = format!("{}::{}", program.display(), thread.name().unwrap_or_default());
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{what}\t{target}\t{test}\n").as_bytes()).unwrap();
}
