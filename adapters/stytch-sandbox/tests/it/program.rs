//! The program as a process.

use std::{
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use crate::receiver::Receiver;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;

/// Builds a command without the developer's environment variables and `.env`.
fn command(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stytch-sandbox"));
    for name in
        ["SANDBOX_LISTEN_ADDR", "STYTCH_PROJECT_ID", "STYTCH_SECRET", "STYTCH_WEBHOOK_SECRET"]
    {
        command.env_remove(name);
    }
    command.current_dir(dir.path()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn error_message(dir: &TempDir, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(dir, args).output().unwrap();
    assert!(!status.success() && stdout.is_empty(), "{status}");
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    project_id: String,
    secret: String,
}

impl Program {
    /// Starts the program with generated credentials and waits until it listens.
    fn start(dir: &TempDir, args: &[&str]) -> Self {
        Self::spawn(command(dir, args))
    }

    /// Spawns the program and reads the credentials that it prints.
    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        assert!(line().starts_with("A local Stytch listens on http://127.0.0.1:"));
        let mut value = |name: &str| line().strip_prefix(name).unwrap().to_owned();
        let (url, project_id) = (value("STYTCH_BASE_URL="), value("STYTCH_PROJECT_ID="));
        let secret = value("STYTCH_SECRET=");
        Self { child, lines, url, project_id, secret }
    }

    async fn call(&self, method: Method, path: &str, body: &str) -> StatusCode {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.request(method, format!("{}{path}", self.url)).body(body.to_owned());
        let request = request.basic_auth(&self.project_id, Some(&self.secret));
        let request = request.header("content-type", "application/json");
        request.send().await.unwrap().status()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_killed_program_restarts_with_its_credentials_and_users() {
    let dir = TempDir::new().unwrap();
    let args = ["--listen", "127.0.0.1:0", "--state", "state.jsonl"];
    let first = Program::start(&dir, &args);
    let body = json!({"email": "ada@example.com", "external_id": "ada"}).to_string();
    assert_eq!(first.call(Method::POST, "/v1/users", &body).await, 200);
    let pair = (first.project_id.clone(), first.secret.clone());
    drop(first); // SIGKILL.
    let second = Program::start(&dir, &args);
    assert_eq!((second.project_id.clone(), second.secret.clone()), pair);
    assert_eq!(second.call(Method::GET, "/v1/users/ada", "").await, 200);
}

#[tokio::test]
async fn given_credentials_are_accepted_and_not_printed() {
    let dir = TempDir::new().unwrap();
    let mut child = command(&dir, &["--listen", "127.0.0.1:0"])
        .env("STYTCH_PROJECT_ID", "project-test-mine")
        .env("STYTCH_SECRET", "hush")
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let url = url.to_owned();
    let (project_id, secret) = ("project-test-mine".to_owned(), "hush".to_owned());
    let mut program = Program { child, lines, url, project_id, secret };
    assert_eq!(program.call(Method::GET, "/v1/debug/whoami", "").await, 200);
    program.child.kill().unwrap();
    assert!(program.lines.next().is_none());
}

#[tokio::test]
async fn webhooks_are_signed_with_the_given_or_the_printed_secret() {
    let dir = TempDir::new().unwrap();
    let mut receiver = Receiver::start().await;
    for given in [None, Some("whsec_Z2l2ZW4=")] {
        let args = ["--listen", "127.0.0.1:0", "--webhook-url", &receiver.url];
        let mut command = command(&dir, &args);
        command.env("STYTCH_WEBHOOK_SECRET", given.unwrap_or_default());
        let mut program = Program::spawn(command);
        let body = r#"{"email": "ada@example.com"}"#;
        assert_eq!(program.call(Method::POST, "/v1/users", body).await, 200);
        let delivery = receiver.next().await;
        program.child.kill().unwrap();
        let rest: Vec<_> = program.lines.by_ref().map(Result::unwrap).collect();
        match (given, &rest[..]) {
            (Some(given), []) => assert!(delivery.is_signed_with(given)),
            (None, [line]) => {
                let generated = line.strip_prefix("STYTCH_WEBHOOK_SECRET=").unwrap();
                assert!(delivery.is_signed_with(generated));
            }
            _ => panic!("{given:?}: {rest:?}"),
        }
    }
}

#[test]
fn invalid_arguments_are_rejected_with_one_line() {
    let dir = TempDir::new().unwrap();
    assert!(error_message(&dir, &["--listen", "0.0.0.0:0"]).contains("--expose"));
    assert!(error_message(&dir, &["--stytch-secret", "s"]).contains("STYTCH_PROJECT_ID"));
    assert!(
        error_message(&dir, &["--listen", "127.0.0.1:0", "--redirect-url", "nowhere"])
            .contains("nowhere")
    );
    let program = Program::start(&dir, &["--listen", "127.0.0.1:0"]);
    let address = program.url.strip_prefix("http://").unwrap();
    assert!(error_message(&dir, &["--listen", address]).contains("is in use"));
}

#[tokio::test]
async fn a_file_size_limit_fails_requests_and_not_the_program() {
    let dir = TempDir::new().unwrap();
    let program = command(&dir, &["--listen", "127.0.0.1:0", "--state", "state.jsonl"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 32; exec \"$0\" \"$@\""]).arg(program.get_program());
    limited.args(program.get_args()).current_dir(dir.path());
    limited.stdout(Stdio::piped()).stderr(Stdio::null());
    for (name, _) in program.get_envs() {
        limited.env_remove(name);
    }
    let program = Program::spawn(limited);
    let mut statuses = Vec::new();
    for number in 0..20 {
        let metadata = json!({"text": "x".repeat(3000)});
        let email = format!("user{number}@example.com");
        let body = json!({"email": email, "trusted_metadata": metadata}).to_string();
        statuses.push(program.call(Method::POST, "/v1/users", &body).await.as_u16());
    }
    assert_eq!((statuses[0], statuses[19]), (200, 500));
    assert_eq!(program.call(Method::GET, "/v1/debug/whoami", "").await, 200);
}

#[test]
fn it_shuts_down_gracefully_on_sigterm() {
    let dir = TempDir::new().unwrap();
    let mut program = Program::start(&dir, &["--listen", "127.0.0.1:0"]);
    let pid = program.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}
