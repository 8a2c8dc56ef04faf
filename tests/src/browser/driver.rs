//! The chromedriver process and its browsers.

use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::window::Window;
use crate::{Caller, coverage};

const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,860",
];

/// A chromedriver process, which is killed with every browser that it started.
#[derive(Debug)]
pub struct WebDriver {
    child: Child,
    caller: Caller,
    profiles: AtomicU32,
    folder: TempDir,
}

impl WebDriver {
    /// Starts chromedriver; returns `None`, and records that, if it is not installed.
    pub fn start() -> Option<Self> {
        let Some(path) = chromedriver() else {
            let reason = "chromedriver is not in PATH, and GUESTLIST_TEST_CHROMEDRIVER is not set";
            coverage::skipped(&"browser", reason);
            return None;
        };
        coverage::ran(&"browser");
        let folder = TempDir::with_prefix("guestlist-browser-").unwrap();
        // Another process may take the port, on IPv4 or IPv6, between its choice and its use.
        let started = (0..5).find_map(|_| spawn(&path, folder.path()));
        let (child, port) = started.expect("chromedriver starts and prints its port");
        let caller = Caller::new(&format!("http://127.0.0.1:{port}"));
        Some(Self { child, caller, profiles: AtomicU32::new(0), folder })
    }

    /// Starts a browser with an empty profile.
    pub async fn profile(&self) -> Window {
        self.open(true).await
    }

    /// Starts a browser with an empty profile in which scripts are turned off.
    pub async fn profile_without_scripts(&self) -> Window {
        self.open(false).await
    }

    async fn open(&self, has_scripts: bool) -> Window {
        let scripts = if has_scripts { 1 } else { 2 };
        let prefs = json!({ "profile.managed_default_content_settings.javascript": scripts });
        let count = self.profiles.fetch_add(1, Ordering::Relaxed);
        let profile = self.folder.path().join(format!("profile-{count}"));
        let profile = format!("--user-data-dir={}", profile.display());
        let args: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": args, "prefs": prefs },
        }}});
        let opened = self.caller.post("/session", &wanted).await.is(200).json();
        let id = opened["value"]["sessionId"].as_str().expect("a session");
        Window::new(self.caller.clone(), id, has_scripts)
    }
}

fn spawn(path: &Path, folder: &Path) -> Option<(Child, u16)> {
    let mut command = Command::new(path);
    // The process group is killed as a whole, with the browsers.
    command.arg("--port=0").process_group(0).env("HOME", folder).env("TMPDIR", folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("chromedriver starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let Some(port) = lines.find_map(|line| port(&line)) else {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    // Drain the pipe, or chromedriver blocks when it is full.
    std::thread::spawn(move || lines.for_each(drop));
    Some((child, port))
}

impl Drop for WebDriver {
    fn drop(&mut self) {
        let group = format!("kill -KILL -{}", self.child.id());
        let _ = Command::new("sh").args(["-c", &group]).status();
        let _ = self.child.wait();
    }
}

/// Returns the path in `GUESTLIST_TEST_CHROMEDRIVER`, or finds chromedriver in `PATH`.
fn chromedriver() -> Option<PathBuf> {
    let path = env::var_os("GUESTLIST_TEST_CHROMEDRIVER").filter(|path| !path.is_empty());
    path.map(PathBuf::from).or_else(|| {
        let path = env::var_os("PATH")?;
        env::split_paths(&path)
            .map(|folder| folder.join("chromedriver"))
            .find(|file| file.is_file())
    })
}

/// Parses the port in `ChromeDriver was started successfully on port 41231.`
fn port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("successfully on port ")?;
    rest.trim_end_matches('.').parse().ok()
}
