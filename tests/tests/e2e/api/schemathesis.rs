//! Schemathesis generates valid and invalid requests from the OpenAPI document. No response may be
//! a server error or undocumented.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use guestlist_tests::{Engine, Guestlist, coverage, on_every_engine};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_mins(5);

/// Runs Schemathesis with a bearer token; panics if it finds a failure.
async fn run(guestlist: &Guestlist, program: &OsStr, secret: &str, args: &[&str]) {
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    let mut command = Command::new(program);
    command
        .current_dir(guestlist.folder())
        .env("SCHEMATHESIS_HOOKS", settings.join("hooks.py"))
        .arg("--config-file")
        .arg(settings.join("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", guestlist.url), "--url", &guestlist.url])
        .args(["--header", &format!("Authorization: Bearer {secret}")])
        // Every run sends the same requests.
        .args(["--checks", "all", "--max-examples", "25"])
        .args(["--generation-deterministic", "--no-color"])
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(LIMIT, command.output()).await;
    let output = ended.expect("Schemathesis ends in time").unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("Test cases:"), "{stdout}\n{stderr}");
}

#[tokio::test]
async fn generated_requests_receive_documented_responses() {
    let variable = "GUESTLIST_TEST_SCHEMATHESIS";
    let Some(program) = coverage::tool(variable, "Schemathesis") else { return };
    on_every_engine(|engine: Engine| {
        let program = program.clone();
        async move {
            let guestlist = Guestlist::dev(engine).env("LOGIN_LIMIT_PER_CLIENT", "100000/s");
            let guestlist = guestlist.env("LOGIN_LIMIT_PER_ADDRESS", "100000/s");
            let secret = "whsec_dGhlIHNlY3JldCBvZiBubyBlbmRwb2ludA==";
            let guestlist = guestlist.env("STYTCH_WEBHOOK_SECRET", secret).start().await;
            run(&guestlist, &program, &guestlist.api_key, &[]).await;
            // Routes of one's own sessions, without those that would end the session of this run.
            let admin = guestlist.admin().await;
            let own = ["--include-path-regex", "^/v1/sessions?($|/)", "--exclude-method", "DELETE"];
            run(&guestlist, &program, admin.token(), &own).await;
        }
    })
    .await;
}
