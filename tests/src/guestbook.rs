//! The application in `examples/guestbook`, connected to an installation.

use std::path::Path;

use crate::guestlist::{PROJECT_ID, SECRET};
use crate::{Engine, Guestlist, Process, SHORT, Setup, free_port};

/// The example application and its address.
#[derive(Debug)]
pub struct Guestbook {
    /// The URL at which browsers reach it.
    pub url: String,
    port: u16,
    process: Option<Process>,
}

impl Guestbook {
    /// Reserves an address on a host below `localhost`, without starting the application.
    pub fn on(host: &str) -> Self {
        let port = free_port();
        Self { url: format!("http://{host}:{port}"), port, process: None }
    }

    /// Returns its URL under a host name that Guestlist's configuration does not contain.
    pub fn url_on(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    /// Returns a setup that listens on `port` and has this application as `APP_URL`.
    pub fn setup(&self, port: u16) -> Setup {
        Guestlist::dev(Engine::Sqlite)
            .env("LISTEN_ADDR", &format!("127.0.0.1:{port}"))
            .env("APP_URL", &self.url)
            .env("STYTCH_PROJECT_ID", PROJECT_ID)
            .env("STYTCH_SECRET", SECRET)
    }

    /// Starts it against an installation, with more variables in its environment.
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
        let env: Vec<_> = env.collect();
        let process =
            Process::start("guestbook", &[] as &[&str], &env, Path::new(guestlist.folder()));
        let _ = process.wait_for_line(SHORT, |line| line.contains("listens on")).await;
        self.process = Some(process);
    }

    /// Returns everything that it has printed so far.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }
}
