//! One installation of Guestlist.

mod requests;
mod setup;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::process::{Process, ProcessOutput};
use crate::{Caller, Engine, LONG, Response, SHORT, TestDatabase, wait_until};

pub use requests::{UNKNOWN_ID, id, user_path};
pub use setup::{ADMIN, Setup, free_port};
pub(crate) use setup::{PROJECT_ID, SECRET, Topology};

/// One installation: its processes, its database and its sandbox.
///
/// The methods that send requests panic unless the response has the expected status. For other
/// responses, send the request through [`Guestlist::api`].
#[derive(Debug)]
pub struct Guestlist {
    setup: Setup,
    /// The application's URL, `http://127.0.0.1:PORT`.
    pub url: String,
    /// The application's `PUBLIC_URL`, which links and redirects contain.
    pub public_url: String,
    /// The URL of the sandbox.
    pub sandbox_url: String,
    /// The URL of each worker's listener.
    pub worker_urls: Vec<String>,
    /// An API key with every scope.
    pub api_key: String,
    /// The configured administrator's address.
    pub admin_email: String,
    /// The administrator's login link, which only `dev` prints.
    pub login_url: Option<String>,
    pub(crate) http: reqwest::Client,
    app: Option<Process>,
    sandbox: Option<Process>,
    other_apps: Vec<Process>,
    workers: Vec<Process>,
    ended: Vec<Process>,
    // Fields are dropped in this order: the processes first.
    database: TestDatabase,
    folder: TempDir,
}

impl Guestlist {
    /// Sets up an installation in one process: `guestlist dev`.
    pub fn dev(engine: Engine) -> Setup {
        Setup::new(engine, Topology::Dev)
    }

    /// Sets up an installation in several processes: the sandbox, `serve`, and two workers.
    pub fn split(engine: Engine) -> Setup {
        Setup::new(engine, Topology::Split { workers: 2 })
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

    /// Starts every process that does not run.
    pub async fn start(&mut self) {
        match self.setup.topology {
            Topology::Dev => self.start_app().await,
            Topology::Split { workers } => {
                self.start_sandbox().await;
                let _ = self.run_ok(&["migrate", "up"]).await;
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
        assert!(self.app.is_none(), "the application runs already");
        if self.setup.topology == Topology::Dev {
            let app = self.spawn("guestlist", &["dev", "--json"]);
            self.read_dev(&app.wait_for_line(SHORT, |line| line.starts_with('{')).await);
            self.app = Some(app);
            return;
        }
        let app = self.spawn("guestlist", &["serve"]);
        [self.url, self.public_url] = app.urls("Guestlist listens on").await.try_into().unwrap();
        self.app = Some(app);
    }

    fn read_dev(&mut self, line: &str) {
        let started: Value = serde_json::from_str(line).expect("one line of JSON");
        let text = |name: &str| started[name].as_str().unwrap_or_else(|| panic!("{name}: {line}"));
        text("url").clone_into(&mut self.public_url);
        // Not every resolver knows the names below `localhost`, so local URLs use the number.
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

    /// Starts the sandbox as a process.
    pub async fn start_sandbox(&mut self) {
        assert!(self.sandbox.is_none(), "the sandbox runs already");
        let sandbox = self.spawn("stytch-sandbox", &["--state", "stytch.jsonl"]);
        self.sandbox_url = sandbox.urls("http://").await.remove(0);
        // A second start must listen at the same address, which the other processes have.
        let address = self.sandbox_url.trim_start_matches("http://").to_owned();
        self.set_env("SANDBOX_LISTEN_ADDR", &address);
        self.set_env("STYTCH_BASE_URL", &self.sandbox_url.clone());
        self.sandbox = Some(sandbox);
    }

    /// Starts another worker, and waits until it is ready.
    pub async fn start_worker(&mut self) {
        self.start_worker_until(200).await;
    }

    /// Starts another worker, and waits until it reports that it is not ready to send.
    pub async fn start_unready_worker(&mut self) {
        self.start_worker_until(503).await;
    }

    async fn start_worker_until(&mut self, status: u16) {
        let address = format!("127.0.0.1:{}", free_port());
        let mut env = self.setup.clone().env("WORKER_LISTEN_ADDR", &address).env;
        env.push(("PUBLIC_URL".to_owned(), self.public_url.clone()));
        let args: [&str; 0] = [];
        let worker = Process::start("guestlist-worker", &args, &env, self.folder.path());
        let caller = Caller::new(&format!("http://{address}"));
        wait_until(SHORT, &format!("the worker's readiness is {status}"), async || {
            assert!(worker.status().is_none(), "the worker ended: {}", worker.log());
            let ready = caller.try_call(reqwest::Method::GET, "/readyz", None, "").await;
            ready.ok().filter(|response| response.status == status)
        })
        .await;
        self.worker_urls.push(format!("http://{address}"));
        self.workers.push(worker);
    }

    /// Returns the readiness of the first worker.
    pub async fn worker_ready(&self) -> Response {
        Caller::new(&self.worker_urls[0]).get("/readyz").await
    }

    /// Returns the process of `dev` or `serve`.
    pub fn app(&self) -> &Process {
        self.app.as_ref().expect("a running application")
    }

    /// Returns the worker processes.
    pub fn workers(&self) -> &[Process] {
        &self.workers
    }

    /// Kills `dev` or `serve` with SIGKILL.
    pub fn kill_app(&mut self) {
        let app = self.app.take().expect("a running application");
        app.kill();
        self.ended.push(app);
    }

    /// Stops `dev` or `serve` with SIGTERM, and asserts that it exits with success.
    pub async fn stop_app(&mut self) {
        let app = self.app.take().expect("a running application");
        self.stop_process(app).await;
    }

    /// Kills a worker with SIGKILL.
    pub fn kill_worker(&mut self, index: usize) {
        let worker = self.workers.remove(index);
        self.worker_urls.remove(index);
        worker.kill();
        self.ended.push(worker);
    }

    /// Stops a worker with SIGTERM, and asserts that it exits with success.
    pub async fn stop_worker(&mut self, index: usize) {
        let worker = self.workers.remove(index);
        self.worker_urls.remove(index);
        self.stop_process(worker).await;
    }

    /// Stops every process with SIGTERM, and asserts that each exits with success.
    pub async fn stop(&mut self) {
        while !self.workers.is_empty() {
            self.stop_worker(0).await;
        }
        if self.app.is_some() {
            self.stop_app().await;
        }
        self.worker_urls.clear();
        if let Some(sandbox) = self.sandbox.take() {
            self.stop_process(sandbox).await;
        }
    }

    async fn stop_process(&mut self, process: Process) {
        const LIMIT: Duration = Duration::from_secs(40);
        process.terminate();
        let status = wait_until(LIMIT, "the process stops", async || process.status()).await;
        assert!(status.success(), "it exited with {status}:\n{}", process.log());
        self.ended.push(process);
    }

    /// Sets a variable in the environment of processes that are started later.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.setup = self.setup.clone().env(name, value);
    }

    /// Removes a variable from the environment of processes that are started later.
    pub fn unset_env(&mut self, name: &str) {
        self.setup.env.retain(|(known, _)| known != name);
    }

    /// Starts another `serve` on the same database, and returns its URL.
    pub async fn start_another_app(&mut self) -> String {
        let app = self.spawn("guestlist", &["serve"]);
        let url = app.urls("Guestlist listens on").await.remove(0);
        self.other_apps.push(app);
        url
    }

    /// Starts a program in this installation.
    pub fn spawn(&self, program: &str, args: &[&str]) -> Process {
        Process::start(program, args, &self.setup.env, self.folder.path())
    }

    /// Starts a program in this installation with a limit on open files.
    pub fn spawn_with_file_limit(&self, program: &str, args: &[&str], files: u32) -> Process {
        Process::start_with_file_limit(program, args, &self.setup.env, self.folder.path(), files)
    }

    /// Returns a command for a program of this installation, whose output the test redirects.
    pub fn command(&self, program: &str, args: &[&str]) -> std::process::Command {
        let mut command = Process::command(program, &self.setup.env, self.folder.path());
        command.args(args);
        command
    }

    /// Runs a command of `guestlist`, and waits until it exits.
    pub async fn run(&self, args: &[&str]) -> ProcessOutput {
        self.spawn("guestlist", args).wait_for_exit(LONG).await
    }

    /// Runs a command of `guestlist`, asserts that it succeeds, and returns its stdout.
    pub async fn run_ok(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert_eq!(output.code, Some(0), "guestlist {args:?}: {output:?}");
        output.stdout
    }

    /// Creates an API key, and returns its id and its secret.
    pub async fn create_key(&self, name: &str, scopes: &[&str]) -> (String, String) {
        let mut args = vec!["keys", "create", "--json", "--name", name];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        let key: Value = serde_json::from_str(&self.run_ok(&args).await).unwrap();
        let text = |field: &str| key[field].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    /// Returns its folder, which is every process' working directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns its database.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Returns everything that its processes have printed so far.
    pub fn logs(&self) -> String {
        self.processes().map(Process::log).collect()
    }

    /// Returns everything that its processes have written to stderr so far.
    pub fn stderr(&self) -> String {
        self.processes().map(Process::stderr).collect()
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        let running = self.sandbox.iter().chain(&self.workers).chain(&self.other_apps);
        self.ended.iter().chain(running).chain(&self.app)
    }
}

impl Drop for Guestlist {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("on {}, in {}:", self.setup.engine, self.folder.path().display());
            for process in self.processes() {
                eprint!("{}", process.log_tail());
            }
        }
    }
}
