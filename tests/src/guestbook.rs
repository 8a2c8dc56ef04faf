//! The application of `examples/guestbook`, joined to an installation.

use std::path::Path;

use crate::setup::{PROJECT_ID, SECRET, free_port};
use crate::{Engine, Guestlist, Process, SHORT, Setup};

/// The example application, and where it is.
#[derive(Debug)]
pub struct Guestbook {
    /// Where browsers reach it.
    pub url: String,
    port: u16,
    process: Option<Process>,
}

impl Guestbook {
    /// An application on a host below `localhost`; not started yet.
    pub fn on(host: &str) -> Self {
        let port = free_port();
        Self { url: format!("http://{host}:{port}"), port, process: None }
    }

    /// The same place under another name, which Guestlist was not told of.
    pub fn also_called(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    /// An installation on a port that is known before it starts, told of this application.
    pub fn setup(&self, port: u16) -> Setup {
        Guestlist::dev(Engine::Sqlite)
            .env("LISTEN_ADDR", &format!("127.0.0.1:{port}"))
            .env("APP_URL", &self.url)
            .env("STYTCH_PROJECT_ID", PROJECT_ID)
            .env("STYTCH_SECRET", SECRET)
    }

    /// Starts it, joined to that installation.
    pub async fn start(&mut self, guestlist: &Guestlist, more: &[(&str, &str)]) {
        let listen = format!("127.0.0.1:{}", self.port);
        let env = [
            ("GUESTBOOK_LISTEN_ADDR", listen.as_str()),
            ("APP_URL", &self.url),
            ("GUESTLIST_URL", &guestlist.url),
            ("GUESTLIST_PUBLIC_URL", &guestlist.public_url),
            ("GUESTLIST_KEY", &guestlist.api_key),
            ("STYTCH_BASE_URL", &guestlist.sandbox_url),
            ("STYTCH_PROJECT_ID", PROJECT_ID),
        ];
        let env = env.iter().chain(more).map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let none: [&str; 0] = [];
        let env: Vec<_> = env.collect();
        let process = Process::start("guestbook", &none, &env, Path::new(guestlist.folder()));
        let _ = process.line(SHORT, |line| line.contains("lies open")).await;
        self.process = Some(process);
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }
}
