//! Chromedriver as a child: killed with every browser that it started.

use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::window::Window;
use crate::Caller;

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

/// A chromedriver, and the browsers that it has started.
#[derive(Debug)]
pub struct Browsers {
    child: Child,
    caller: Caller,
    profiles: AtomicU32,
    folder: TempDir,
}

impl Browsers {
    /// Starts chromedriver; where there is none, says so, or fails where nothing may be left out.
    pub fn start() -> Option<Self> {
        let Some(path) = chromedriver() else {
            let is = |name, wanted| env::var_os(name).is_some_and(|value| value == wanted);
            let must = is("GUESTLIST_TEST_REQUIRE_ALL", "1") || is("CI", "true");
            assert!(!must, "there is no chromedriver, and no test may be left out");
            eprintln!(
                "NOT TESTED: there is no chromedriver; GUESTLIST_TEST_CHROMEDRIVER names one"
            );
            return None;
        };
        let folder = TempDir::with_prefix("guestlist-browser-").unwrap();
        // The port that it is given may be taken in the next moment, for IPv6 or by somebody else.
        let started = (0..5).find_map(|_| spawn(&path, folder.path()));
        let (child, port) = started.expect("chromedriver starts and says its port");
        let caller = Caller::new(&format!("http://127.0.0.1:{port}"));
        Some(Self { child, caller, profiles: AtomicU32::new(0), folder })
    }

    /// A browser that has never been anywhere.
    pub async fn profile(&self) -> Window {
        self.open(json!({})).await
    }

    /// The same, for somebody who allows no scripts.
    pub async fn profile_without_scripts(&self) -> Window {
        self.open(json!({ "profile.managed_default_content_settings.javascript": 2 })).await
    }

    async fn open(&self, prefs: Value) -> Window {
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
        Window::new(self.caller.clone(), id)
    }
}

fn spawn(path: &Path, folder: &Path) -> Option<(Child, u16)> {
    let mut command = Command::new(path);
    // A group of its own, by which it is killed with all that it started.
    command.arg("--port=0").process_group(0).env("HOME", folder).env("TMPDIR", folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("chromedriver starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let Some(port) = lines.find_map(|line| port(&line)) else {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    // Read on, or it would wait for somebody to.
    std::thread::spawn(move || lines.for_each(drop));
    Some((child, port))
}

impl Drop for Browsers {
    fn drop(&mut self) {
        let group = format!("kill -KILL -{}", self.child.id());
        let _ = Command::new("sh").args(["-c", &group]).status();
        let _ = self.child.wait();
    }
}

/// Where chromedriver is: as told, else in `PATH`.
fn chromedriver() -> Option<PathBuf> {
    let told = env::var_os("GUESTLIST_TEST_CHROMEDRIVER").filter(|told| !told.is_empty());
    told.map(PathBuf::from).or_else(|| {
        let path = env::var_os("PATH")?;
        env::split_paths(&path)
            .map(|folder| folder.join("chromedriver"))
            .find(|file| file.is_file())
    })
}

/// `ChromeDriver was started successfully on port 41231.`
fn port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("successfully on port ")?;
    rest.trim_end_matches('.').parse().ok()
}

/// One `WebDriver` command: what it answers, or the code of its error.
pub(super) async fn command(
    caller: &Caller,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, String> {
    let kind = body.map(|_| "application/json");
    let body = body.map(ToString::to_string).unwrap_or_default();
    let answer = caller.call(method, path, kind, body).await;
    let value = answer.json()["value"].take();
    match answer.status {
        200 => Ok(value),
        _ => Err(format!("{}: {}", value["error"].as_str().unwrap(), value["message"])),
    }
}
