//! The state file: what a restart remembers, and what a bad file does.

use std::{fs, io::Write};

use crate::harness::{TestSandbox, verified_claims};
use serde_json::json;
use stytch_sandbox::{Credentials, Error, Options, Sandbox, stored_credentials};
use tempfile::TempDir;

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn a_second_start_finds_everything_as_it_was() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let t = TestSandbox::start_on(&state).await;
    let joined = t.join(ADA).await;
    let gone = t.join("gone@example.com").await;
    t.delete(&format!("/v1/users/{}", gone["user_id"].as_str().unwrap())).await.ok();
    let revoked = t.join("out@example.com").await;
    let token = &revoked["session_token"];
    t.post("/v1/sessions/revoke", json!({"session_token": token})).await.ok();
    t.login_or_create(ADA).await.ok();
    t.post("/sandbox/jwks/rotate", json!({})).await.ok();
    t.advance(100).await;
    let (credentials, mails) = (t.credentials.clone(), t.get("/sandbox/emails").await.ok());
    t.stop().await;

    // Twice: once from the journal as written, once from the compacted one.
    for _ in 0..2 {
        let t = TestSandbox::start_on(&state).await;
        assert_eq!(t.credentials, credentials);
        assert_eq!(t.get("/sandbox/emails").await.ok(), mails);
        assert_eq!(t.get("/sandbox/clock").await.ok()["offset_seconds"], 100);
        t.resume(&joined["session_token"]).await.ok();
        t.resume(token).await.refused(404, "session_not_found");
        t.resume(&gone["session_token"]).await.refused(404, "session_not_found");
        let gone = format!("/v1/users/{}", gone["user_id"].as_str().unwrap());
        t.get(&gone).await.refused(404, "user_not_found");
        verified_claims(&t, joined["session_jwt"].as_str().unwrap()).await;
        let used = mails[0]["token"].as_str().unwrap();
        t.authenticate(used).await.refused(401, "unable_to_auth_magic_link");
        t.stop().await;
    }
    let t = TestSandbox::start_on(&state).await;
    t.authenticate(&t.last_token(ADA).await).await.ok();
}

#[tokio::test]
async fn what_was_answered_is_in_the_file_already() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let copy = dir.path().join("copy.jsonl");
    let t = TestSandbox::start_on(&state).await;
    let joined = t.join(ADA).await;
    fs::copy(&state, &copy).unwrap(); // As a kill at this moment would leave it.
    let after = TestSandbox::start_on(&copy).await;
    after.resume(&joined["session_token"]).await.ok();
}

#[tokio::test]
async fn a_torn_last_line_is_dropped_and_the_rest_kept() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let t = TestSandbox::start_on(&state).await;
    t.invite(ADA).await.ok();
    t.stop().await;
    let mut file = fs::OpenOptions::new().append(true).open(&state).unwrap();
    file.write_all(br#"[{"user":{"user_id":"user-te"#).unwrap();
    let t = TestSandbox::start_on(&state).await;
    t.invite("bob@example.com").await.ok();
    t.stop().await;
    let t = TestSandbox::start_on(&state).await;
    assert_eq!(t.get("/sandbox/emails").await.ok().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_not_ours_or_damaged_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let t = TestSandbox::start_on(&state).await;
    t.invite(ADA).await.ok();
    t.stop().await;
    let good = fs::read_to_string(&state).unwrap();
    let damaged = good.replacen("\"clock\"", "\"clokc\"", 1);
    for (content, line) in [("my notes\n", 1), ("torn", 1), ("{}\n", 1), (damaged.as_str(), 2)] {
        fs::write(&state, content).unwrap();
        let error = bind(&state).await.unwrap_err();
        assert!(matches!(error, Error::CorruptState { line: at, .. } if at == line), "{error}");
        assert_eq!(fs::read_to_string(&state).unwrap(), content);
    }
    fs::write(&state, "my notes\n").unwrap();
    assert!(matches!(stored_credentials(&state), Err(Error::CorruptState { .. })));
}

#[tokio::test]
async fn two_sandboxes_do_not_share_a_file() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let t = TestSandbox::start_on(&state).await;
    assert!(matches!(bind(&state).await, Err(Error::StateInUse(_))));
    t.stop().await;
    bind(&state).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    bind(&state).await.unwrap();
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn a_missing_file_stores_no_credentials_and_a_new_one_those_it_was_made_with() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    assert_eq!(stored_credentials(&state).unwrap(), None);
    let credentials = Credentials::generate();
    let mut options = Options::new(([127, 0, 0, 1], 0).into(), credentials.clone());
    options.state = Some(state.clone());
    Sandbox::bind(options).await.unwrap();
    assert_eq!(stored_credentials(&state).unwrap(), Some(credentials));
}

#[tokio::test]
async fn a_busy_port_is_named_together_with_the_fix() {
    let t = TestSandbox::start().await;
    let address = t.url.strip_prefix("http://").unwrap();
    let options = Options::new(address.parse().unwrap(), Credentials::generate());
    let message = Sandbox::bind(options).await.unwrap_err().to_string();
    let port = address.rsplit_once(':').unwrap().1;
    assert!(message.contains(&format!("port {port} is in use")), "{message}");
    assert!(message.contains("SANDBOX_LISTEN_ADDR"), "{message}");
}

async fn bind(state: &std::path::Path) -> Result<Sandbox, Error> {
    let mut options = Options::new(([127, 0, 0, 1], 0).into(), Credentials::generate());
    options.state = Some(state.to_owned());
    Sandbox::bind(options).await
}
