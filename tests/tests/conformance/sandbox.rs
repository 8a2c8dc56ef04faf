//! The sandbox as a process.

use guestlist_tests::{Caller, Process, SHORT, SandboxClient};
use tempfile::TempDir;

/// The project id in the recordings.
pub(crate) const PROJECT_ID: &str = "project-test-11111111-1111-4111-8111-111111111111";
pub(crate) const SECRET: &str = "secret-test-conformance-k3pT0utOfL0gs=";

pub(crate) struct Sandbox {
    pub(crate) url: String,
    pub(crate) control: SandboxClient,
    process: Process,
    _folder: TempDir,
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a sandbox that allows these redirect URLs only.
    pub(crate) async fn strict() -> Self {
        Self::start_with(&[
            "--redirect-url",
            "https://app.example.com/authenticate",
            "--redirect-url",
            "https://app.example.com/welcome?id={}",
        ])
        .await
    }

    async fn start_with(args: &[&str]) -> Self {
        let folder = TempDir::with_prefix("stytch-conformance-").unwrap();
        let env = [
            ("SANDBOX_LISTEN_ADDR", "127.0.0.1:0"),
            ("STYTCH_PROJECT_ID", PROJECT_ID),
            ("STYTCH_SECRET", SECRET),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let process = Process::start("stytch-sandbox", args, &env, folder.path());
        let line = process.wait_for_line(SHORT, |line| line.contains("http://")).await;
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let control = SandboxClient::new(Caller::new(url));
        Self { url: url.to_owned(), control, process, _folder: folder }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the sandbox said ---\n{}", self.process.log());
        }
    }
}
