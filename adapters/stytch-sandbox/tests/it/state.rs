//! The state file.

use std::{fs, io::Write};

use crate::harness::{TestSandbox, verified_claims};
use serde_json::json;
use stytch_sandbox::{Credentials, Error, Options, Sandbox, stored_credentials};
use tempfile::TempDir;

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn a_restart_restores_the_state() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let t = TestSandbox::start_on(&state).await;
    let joined = t.invite_and_accept(ADA).await;
    let deleted = t.invite_and_accept("gone@example.com").await;
    t.delete(&format!("/v1/users/{}", deleted["user_id"].as_str().unwrap())).await.ok();
    let revoked = t.invite_and_accept("out@example.com").await;
    let token = &revoked["session_token"];
    t.post("/v1/sessions/revoke", json!({"session_token": token})).await.ok();
    t.login_or_create(ADA).await.ok();
    t.post("/sandbox/jwks/rotate", json!({})).await.ok();
    t.advance_clock(100).await;
    let (credentials, mails) = (t.credentials.clone(), t.get("/sandbox/emails").await.ok());
    t.stop().await;

    // Once from the file as written, once from the compacted file.
    for _ in 0..2 {
        let t = TestSandbox::start_on(&state).await;
        assert_eq!(t.credentials, credentials);
        assert_eq!(t.get("/sandbox/emails").await.ok(), mails);
        assert_eq!(t.get("/sandbox/clock").await.ok()["offset_seconds"], 100);
        t.authenticate_session(&joined["session_token"]).await.ok();
        t.authenticate_session(token).await.rejected(404, "session_not_found");
        t.authenticate_session(&deleted["session_token"]).await.rejected(404, "session_not_found");
        let deleted = format!("/v1/users/{}", deleted["user_id"].as_str().unwrap());
        t.get(&deleted).await.rejected(404, "user_not_found");
        verified_claims(&t, joined["session_jwt"].as_str().unwrap()).await;
        let used = mails[0]["token"].as_str().unwrap();
        t.authenticate(used).await.rejected(401, "unable_to_auth_magic_link");
        t.stop().await;
    }
    let t = TestSandbox::start_on(&state).await;
    t.authenticate(&t.last_token(ADA).await).await.ok();
}

#[tokio::test]
async fn changes_are_in_the_file_before_the_response() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let copy = dir.path().join("copy.jsonl");
    let t = TestSandbox::start_on(&state).await;
    let joined = t.invite_and_accept(ADA).await;
    fs::copy(&state, &copy).unwrap(); // The file as a kill at this moment leaves it.
    let after = TestSandbox::start_on(&copy).await;
    after.authenticate_session(&joined["session_token"]).await.ok();
}

#[tokio::test]
async fn an_incomplete_last_line_is_ignored() {
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
async fn a_foreign_or_damaged_file_is_rejected_and_not_changed() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let t = TestSandbox::start_on(&state).await;
    t.invite(ADA).await.ok();
    t.stop().await;
    let valid = fs::read_to_string(&state).unwrap();
    let damaged = valid.replacen("\"clock\"", "\"clokc\"", 1);
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
async fn two_sandboxes_can_not_use_one_file() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    let t = TestSandbox::start_on(&state).await;
    assert!(matches!(bind(&state).await, Err(Error::StateInUse(_))));
    t.stop().await;
    bind(&state).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state.jsonl");
    bind(&state).await.unwrap();
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
}

#[tokio::test]
async fn credentials_are_stored_in_a_new_file() {
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
async fn the_error_for_a_port_in_use_names_the_port_and_the_remedy() {
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
