//! One installation of Guestlist.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::process::{Finished, Process};
use crate::setup::{Setup, Shape, free_port};
use crate::{ADMIN, Answer, Caller, Engine, LONG, SHORT, TestDatabase, wait_until};

/// One installation: its processes, its database, its Stytch. Methods panic when an answer is not
/// what the method's name says; for other answers call by [`Guestlist::api`].
#[derive(Debug)]
pub struct Guestlist {
    setup: Setup,
    /// `http://127.0.0.1:PORT`, where the application is called.
    pub url: String,
    /// Where people reach it: the same, by another name.
    pub public_url: String,
    /// Where the local Stytch is.
    pub sandbox_url: String,
    /// Where each worker's own address is.
    pub worker_urls: Vec<String>,
    /// A key that may do everything.
    pub api_key: String,
    /// The administrator by configuration.
    pub admin_email: String,
    /// `dev` prints one.
    pub login_url: Option<String>,
    pub(crate) http: reqwest::Client,
    app: Option<Process>,
    sandbox: Option<Process>,
    other_apps: Vec<Process>,
    workers: Vec<Process>,
    ended: Vec<Process>,
    // Dropped last, in this order.
    database: TestDatabase,
    folder: TempDir,
}

impl Guestlist {
    /// Everything in one process: `guestlist dev`.
    pub fn dev(engine: Engine) -> Setup {
        Setup::new(engine, Shape::Dev)
    }

    /// Each in its own: the sandbox, `serve` and workers, two unless said otherwise.
    pub fn split(engine: Engine) -> Setup {
        Setup::new(engine, Shape::Split { workers: 2 })
    }

    pub(crate) fn prepared(setup: Setup, database: TestDatabase, folder: TempDir) -> Self {
        Self {
            setup,
            url: String::new(),
            public_url: String::new(),
            sandbox_url: String::new(),
            worker_urls: Vec::new(),
            api_key: String::new(),
            admin_email: ADMIN.to_owned(),
            login_url: None,
            http: http::client(),
            app: None,
            sandbox: None,
            other_apps: Vec::new(),
            workers: Vec::new(),
            ended: Vec::new(),
            database,
            folder,
        }
    }

    /// Starts all that is not running, on the state that is there.
    pub async fn start(&mut self) {
        match self.setup.shape {
            Shape::Dev => self.start_app().await,
            Shape::Split { workers } => {
                self.start_sandbox().await;
                let _ = self.succeeds(&["migrate", "up"]).await;
                if self.api_key.is_empty() {
                    self.api_key = self.create_key("tests", &[]).await.1;
                }
                self.start_app().await;
                while self.workers.len() < workers {
                    self.start_worker().await;
                }
            }
        }
    }

    /// Starts `dev` or `serve`.
    pub async fn start_app(&mut self) {
        assert!(self.app.is_none(), "it runs already");
        if self.setup.shape == Shape::Dev {
            let app = self.spawn("guestlist", &["dev", "--json"]);
            self.read_dev(&app.line(SHORT, |line| line.starts_with('{')).await);
            self.app = Some(app);
            return;
        }
        let app = self.spawn("guestlist", &["serve"]);
        let line = app.line(SHORT, |line| line.starts_with("Guestlist listens on")).await;
        let urls: Vec<_> =
            line.split_whitespace().filter(|word| word.starts_with("http")).collect();
        let bare = |url: &str| url.trim_end_matches([',', '/', '.']).to_owned();
        (self.url, self.public_url) = (bare(urls[0]), bare(urls[1]));
        self.app = Some(app);
    }

    fn read_dev(&mut self, line: &str) {
        let said: Value = serde_json::from_str(line).expect("one line of JSON");
        let text = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("{name}: {line}"));
        text("url").clone_into(&mut self.public_url);
        // By number: a name would be looked up for every connection, and not every resolver knows
        // those below `localhost`.
        let host = self.public_url.trim_start_matches("http://").split(':').next().unwrap();
        let is_local = host == "localhost" || host.ends_with(".localhost");
        self.url = if is_local {
            self.public_url.replace(host, "127.0.0.1")
        } else {
            self.public_url.clone()
        };
        text("sandbox_url").clone_into(&mut self.sandbox_url);
        self.worker_urls = vec![text("worker_url").to_owned()];
        text("api_key").clone_into(&mut self.api_key);
        text("admin_email").clone_into(&mut self.admin_email);
        self.login_url = Some(text("login_url").to_owned());
    }

    /// Starts the local Stytch, where it is a process of its own.
    pub async fn start_sandbox(&mut self) {
        assert!(self.sandbox.is_none(), "it runs already");
        let sandbox = self.spawn("stytch-sandbox", &["--state", "stytch.jsonl"]);
        let line = sandbox.line(SHORT, |line| line.contains("http://")).await;
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        url.clone_into(&mut self.sandbox_url);
        // The same place for a second start, since callers were told of it.
        let address = url.trim_start_matches("http://").to_owned();
        self.setup = self.setup.clone().env("SANDBOX_LISTEN_ADDR", &address);
        self.setup = self.setup.clone().env("STYTCH_BASE_URL", url);
        self.sandbox = Some(sandbox);
    }

    /// Starts one more worker, and waits until it is ready.
    pub async fn start_worker(&mut self) {
        self.start_worker_until(200).await;
    }

    /// Starts one more worker, and waits until it says that it is not ready to send.
    pub async fn start_worker_that_is_not_ready(&mut self) {
        self.start_worker_until(503).await;
    }

    async fn start_worker_until(&mut self, status: u16) {
        let address = format!("127.0.0.1:{}", free_port());
        let mut env = self.setup.clone().env("WORKER_LISTEN_ADDR", &address).env;
        env.push(("PUBLIC_URL".to_owned(), self.public_url.clone()));
        let none: [&str; 0] = [];
        let worker = Process::start("guestlist-worker", &none, &env, self.folder.path());
        let caller = Caller::new(&format!("http://{address}"));
        wait_until(SHORT, "the worker is ready", async || {
            assert!(worker.status().is_none(), "the worker ended: {}", worker.log());
            let ready = caller.try_call(reqwest::Method::GET, "/readyz", None, "").await;
            ready.ok().filter(|answer| answer.status == status)
        })
        .await;
        self.worker_urls.push(format!("http://{address}"));
        self.workers.push(worker);
    }

    /// What the first worker says of whether it can work.
    pub async fn worker_ready(&self) -> Answer {
        Caller::new(&self.worker_urls[0]).get("/readyz").await
    }

    /// The program `dev` or `serve`, to look at or to signal.
    pub fn app(&self) -> &Process {
        self.app.as_ref().expect("it runs")
    }

    /// The workers that are processes of their own.
    pub fn workers(&self) -> &[Process] {
        &self.workers
    }

    /// Ends `dev` or `serve` by SIGKILL.
    pub fn kill_app(&mut self) {
        let app = self.app.take().expect("it runs");
        app.kill();
        self.ended.push(app);
    }

    /// Ends `dev` or `serve` by SIGTERM, and demands success.
    pub async fn stop_app(&mut self) {
        let app = self.app.take().expect("it runs");
        app.terminate();
        ended_well(&app).await;
        self.ended.push(app);
    }

    /// Ends a worker by SIGKILL.
    pub fn kill_worker(&mut self, index: usize) {
        let worker = self.workers.remove(index);
        self.worker_urls.remove(index);
        worker.kill();
        self.ended.push(worker);
    }

    /// Ends a worker by SIGTERM, and demands success.
    pub async fn stop_worker(&mut self, index: usize) {
        let worker = self.workers.remove(index);
        self.worker_urls.remove(index);
        worker.terminate();
        ended_well(&worker).await;
        self.ended.push(worker);
    }

    /// Ends everything by SIGTERM, and demands success.
    pub async fn stop(&mut self) {
        while !self.workers.is_empty() {
            self.stop_worker(0).await;
        }
        if self.app.is_some() {
            self.stop_app().await;
        }
        self.worker_urls.clear();
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.terminate();
            ended_well(&sandbox).await;
            self.ended.push(sandbox);
        }
    }

    /// Changes the environment of what is started from now on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.setup = self.setup.clone().env(name, value);
    }

    /// Takes a variable out of the environment of what is started from now on.
    pub fn unset_env(&mut self, name: &str) {
        self.setup.env.retain(|(known, _)| known != name);
    }

    /// Starts one more `serve` on the same database; answers where it is.
    pub async fn start_another_app(&mut self) -> String {
        let app = self.spawn("guestlist", &["serve"]);
        let line = app.line(SHORT, |line| line.starts_with("Guestlist listens on")).await;
        let url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap();
        self.other_apps.push(app);
        url.trim_end_matches(',').to_owned()
    }

    /// Starts a command of `guestlist` in this installation.
    pub fn spawn(&self, program: &str, args: &[&str]) -> Process {
        Process::start(program, args, &self.setup.env, self.folder.path())
    }

    /// Starts a program in this installation that may open so many files at most.
    pub fn spawn_with_few_files(&self, program: &str, args: &[&str], files: u32) -> Process {
        Process::start_with_few_files(program, args, &self.setup.env, self.folder.path(), files)
    }

    /// A program of this installation, to be started by the test itself.
    pub fn command(&self, program: &str, args: &[&str]) -> std::process::Command {
        let mut command = Process::command(program, &self.setup.env, self.folder.path());
        command.args(args);
        command
    }

    /// Runs a command of `guestlist` in this installation, to its end.
    pub async fn run(&self, args: &[&str]) -> Finished {
        self.spawn("guestlist", args).finished(LONG).await
    }

    /// The same, for a command that must succeed; answers its stdout.
    pub async fn succeeds(&self, args: &[&str]) -> String {
        let finished = self.run(args).await;
        assert_eq!(finished.code, Some(0), "guestlist {args:?}: {finished:?}");
        finished.stdout
    }

    /// Makes an API key; answers its id and its secret.
    pub async fn create_key(&self, name: &str, scopes: &[&str]) -> (String, String) {
        let mut args = vec!["keys", "create", "--json", "--name", name];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        let key: Value = serde_json::from_str(&self.succeeds(&args).await).unwrap();
        let text = |field: &str| key[field].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    /// Where it keeps its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its database, to look into.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// All that every process has printed so far.
    pub fn logs(&self) -> String {
        self.processes().map(Process::log).collect()
    }

    /// What every process has logged so far: its stderr.
    pub fn stderr(&self) -> String {
        self.processes().map(Process::stderr).collect()
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        let running = self.sandbox.iter().chain(&self.workers).chain(&self.other_apps);
        self.ended.iter().chain(running).chain(&self.app)
    }
}

async fn ended_well(process: &Process) {
    const DRAIN: Duration = Duration::from_secs(40);
    let status = wait_until(DRAIN, "it stopped", async || process.status()).await;
    assert!(status.success(), "it ended badly: {status}\n{}", process.log());
}

impl Drop for Guestlist {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("on {}, in {}:", self.setup.engine, self.folder.path().display());
            for process in self.processes() {
                eprint!("{}", process.last_words());
            }
        }
    }
}
