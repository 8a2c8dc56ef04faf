//! One installation of Guestlist.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Finished, Process};
use crate::setup::{SECRET, Setup, Shape, free_port};
use crate::{ADMIN, Browser, Caller, Engine, LONG, Mail, SHORT, Stytch, TestDatabase, wait_until};

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
    app: Option<Process>,
    sandbox: Option<Process>,
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
            app: None,
            sandbox: None,
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
        let urls: Vec<_> = line.split_whitespace().filter(|word| word.starts_with("http")).collect();
        let bare = |url: &str| url.trim_end_matches([',', '/', '.']).to_owned();
        (self.url, self.public_url) = (bare(urls[0]), bare(urls[1]));
        self.app = Some(app);
    }

    fn read_dev(&mut self, line: &str) {
        let said: Value = serde_json::from_str(line).expect("one line of JSON");
        let text = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("{name}: {line}"));
        self.public_url = text("url").to_owned();
        // By number: a name would be looked up for every connection.
        self.url = self.public_url.replace("//localhost:", "//127.0.0.1:");
        self.sandbox_url = text("sandbox_url").to_owned();
        self.worker_urls = vec![text("worker_url").to_owned()];
        self.api_key = text("api_key").to_owned();
        self.admin_email = text("admin_email").to_owned();
        self.login_url = Some(text("login_url").to_owned());
    }

    /// Starts the local Stytch, where it is a process of its own.
    pub async fn start_sandbox(&mut self) {
        assert!(self.sandbox.is_none(), "it runs already");
        let sandbox = self.spawn("stytch-sandbox", &["--state", "stytch.jsonl"]);
        let line = sandbox.line(SHORT, |line| line.contains("http://")).await;
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        self.sandbox_url = url.to_owned();
        // The same place for a second start, since callers were told of it.
        let address = url.trim_start_matches("http://").to_owned();
        self.setup = self.setup.clone().env("SANDBOX_LISTEN_ADDR", &address);
        self.setup = self.setup.clone().env("STYTCH_BASE_URL", url);
        self.sandbox = Some(sandbox);
    }

    /// Starts one more worker, and waits until it is ready.
    pub async fn start_worker(&mut self) {
        let address = format!("127.0.0.1:{}", free_port());
        let mut env = self.setup.clone().env("WORKER_LISTEN_ADDR", &address).env;
        env.push(("PUBLIC_URL".to_owned(), self.public_url.clone()));
        let none: [&str; 0] = [];
        let worker = Process::start("guestlist-worker", &none, &env, self.folder.path());
        let caller = Caller::new(&format!("http://{address}"));
        wait_until(SHORT, "the worker is ready", async || {
            assert!(worker.status().is_none(), "the worker ended: {}", worker.log());
            let ready = caller.try_call(reqwest::Method::GET, "/readyz", None, "").await;
            ready.ok().filter(|answer| answer.status == 200)
        })
        .await;
        self.worker_urls.push(format!("http://{address}"));
        self.workers.push(worker);
    }

    fn spawn(&self, program: &str, args: &[&str]) -> Process {
        Process::start(program, args, &self.setup.env, self.folder.path())
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

    /// Its Stytch.
    pub fn stytch(&self) -> Stytch {
        Stytch::new(&self.sandbox_url)
    }

    /// The secret that the processes show to Stytch, where they are several.
    pub fn stytch_secret(&self) -> &'static str {
        SECRET
    }

    /// Somebody without credentials.
    pub fn anybody(&self) -> Caller {
        Caller::new(&self.url)
    }

    /// Somebody with a key that may do everything.
    pub fn api(&self) -> Caller {
        self.anybody().bearer(&self.api_key)
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    /// Invites, and answers the invitation.
    pub async fn invite(&self, email: &str) -> Value {
        let body = json!({ "email": email });
        self.api().post("/v1/invitations", &body).await.is(202).json()
    }

    /// Invites, waits until it is sent, and answers the invitation and its mail.
    pub async fn invite_and_mail(&self, email: &str) -> (Value, Mail) {
        let before = self.stytch().emails(email).await.len();
        let invitation = self.invite(email).await;
        let mail = self.stytch().mail(email, before + 1).await;
        (self.wait_for_status(id(&invitation), "sent").await, mail)
    }

    /// An invitation.
    pub async fn invitation(&self, id: &str) -> Value {
        self.api().get(&format!("/v1/invitations/{id}")).await.is(200).json()
    }

    /// Waits until an invitation has come to a status.
    pub async fn wait_for_status(&self, id: &str, status: &str) -> Value {
        wait_until(LONG, &format!("the invitation is {status}"), async || {
            Some(self.invitation(id).await).filter(|invitation| invitation["status"] == status)
        })
        .await
    }

    /// An invitation's timeline.
    pub async fn events(&self, id: &str) -> Vec<Value> {
        let events = self.api().get(&format!("/v1/invitations/{id}/events")).await.is(200).json();
        events["items"].as_array().unwrap().clone()
    }

    /// The kinds of an invitation's events, in order.
    pub async fn timeline(&self, id: &str) -> Vec<String> {
        let events = self.events(id).await;
        events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// The first page of users, newest first.
    pub async fn users(&self) -> Vec<Value> {
        let users = self.api().get("/v1/users?limit=200").await.is(200).json();
        users["items"].as_array().unwrap().clone()
    }

    /// The user of an address.
    pub async fn user(&self, email: &str) -> Value {
        let users = self.users().await;
        users.into_iter().find(|user| user["email"] == email).expect("a user of that address")
    }

    /// Presses Continue in a fresh browser, and comes in.
    pub async fn press(&self, token: &str) -> Browser {
        let mut browser = self.browser();
        let _ = browser.press(token).await.is(303);
        browser
    }

    /// Invites somebody, who comes in.
    pub async fn member(&self, email: &str) -> Browser {
        let (_, mail) = self.invite_and_mail(email).await;
        self.press(&mail.token).await
    }

    /// The administrator comes in by a link that they ask for.
    pub async fn admin(&self) -> Browser {
        self.log_in(&self.admin_email).await
    }

    /// Somebody asks for a link and comes in by it.
    pub async fn log_in(&self, email: &str) -> Browser {
        let before = self.stytch().emails(email).await.len();
        let _ = self.api().post("/v1/login", &json!({ "email": email })).await.is(202);
        let mail = self.stytch().mail(email, before + 1).await;
        self.press(&mail.token).await
    }

    /// All that every process has printed so far.
    pub fn logs(&self) -> String {
        self.processes().map(Process::log).collect()
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.ended.iter().chain(&self.sandbox).chain(&self.workers).chain(&self.app)
    }
}

async fn ended_well(process: &Process) {
    const DRAIN: Duration = Duration::from_secs(40);
    let status = wait_until(DRAIN, "it stopped", async || process.status()).await;
    assert!(status.success(), "it ended badly: {status}\n{}", process.log());
}

/// The id of a thing.
#[track_caller]
pub fn id(thing: &Value) -> &str {
    thing["id"].as_str().expect("an id")
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
