//! How to join an application: what is set and what that means for it, a check in a few lines,
//! and the way to a real Stytch project. Everything on it holds for this installation as it is.

mod reach;
mod settings;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use guestlist_domain::Policy;
use guestlist_domain::flows::Admitted;
use url::Url;

use self::reach::{Joined, Reach};
use self::settings::Setting;
use super::head::Head;
use super::page;
use super::person::AdminViewer;
use crate::sessions::cookies::{SESSION, SESSION_JWT};
use crate::state::App;

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectPage<'a> {
    app_name: &'a str,
    head: Head<'a>,
    settings: Vec<Setting>,
    joined: Vec<Joined>,
    is_elsewhere: bool,
    checks: Vec<Check>,
    url: String,
    app: String,
    token_cookie: &'static str,
    jwt_cookie: &'static str,
    /// Where the one who is invited by the example lands.
    landing: Option<&'a str>,
    project: &'a str,
    jwks_url: String,
    is_sandbox: bool,
    registered: Vec<Registered>,
    webhook_url: String,
    hears_webhooks: bool,
}

/// A small application, to run as it stands.
struct Check {
    run: &'static str,
    source: String,
}

/// A URL to be registered at Stytch, and what for.
struct Registered {
    url: String,
    kinds: &'static str,
}

/// `GET /connect`
pub async fn connect(AdminViewer(me): AdminViewer, State(app): State<App>) -> Response {
    let template = describe(&app, &me);
    page(app.site(), StatusCode::OK, &template)
}

fn describe<'a>(guestlist: &'a App, me: &'a Admitted) -> ConnectPage<'a> {
    let (site, hears_webhooks) = (guestlist.site(), guestlist.webhooks().is_some());
    let registered = registered(&guestlist.ctx().policy);
    let joined = Joined::all(site);
    let url = site.public_url.origin().ascii_serialization();
    let first =
        site.app_url.as_ref().map(Url::origin).or_else(|| site.app_origins.first().cloned());
    let app = first.map_or_else(|| APP.to_owned(), |origin| origin.ascii_serialization());
    let landing = site.app_url.as_ref().map(Url::as_str);
    let project = &site.stytch;
    ConnectPage {
        app_name: &site.app_name,
        head: Head::of(me, "/connect"),
        settings: settings::all(site),
        is_elsewhere: joined.iter().any(|joined| joined.reach == Reach::Elsewhere),
        joined,
        checks: CHECKS
            .map(|(run, source)| Check { run, source: fill_in(source, &url, &app) })
            .into(),
        webhook_url: format!("{url}/webhooks/stytch"),
        hears_webhooks,
        url,
        app,
        token_cookie: SESSION.name(site),
        jwt_cookie: SESSION_JWT.name(site),
        landing: landing.filter(|place| site.return_to(place).is_ok()),
        project: &project.id,
        jwks_url: format!("{}/v1/sessions/jwks/{}", project.base_url, project.id),
        is_sandbox: !project.base_url.ends_with(".stytch.com"),
        registered,
    }
}

/// As the examples name Guestlist and the application.
const GUESTLIST: &str = "http://localhost:3000";
const APP: &str = "http://localhost:4000";

const CHECKS: [(&str, &str); 2] = [
    ("node check.mjs", include_str!("../../../examples/ten_lines/check.mjs")),
    ("python3 check.py", include_str!("../../../examples/ten_lines/check.py")),
];

fn fill_in(source: &str, url: &str, app: &str) -> String {
    // An application behind a proxy listens somewhere else than browsers see.
    let port = Url::parse(app).ok().and_then(|app| app.port()).unwrap_or(4000);
    // One after the other could fill in what was filled in.
    let source = source.replace(GUESTLIST, "\0").replace(APP, app).replace('\0', url);
    source.replace("?? 4000", &format!("?? {port}")).replace(", 4000)", &format!(", {port})"))
}

/// What links lead to, to the letter: Stytch compares all of it.
fn registered(policy: &Policy) -> Vec<Registered> {
    let url = &policy.authenticate_url;
    if !policy.link_carries_id {
        return vec![Registered { url: url.clone(), kinds: "Login, Sign-up, Invite" }];
    }
    vec![
        Registered { url: url.clone(), kinds: "Login, Sign-up" },
        Registered { url: format!("{url}?invitation={{}}"), kinds: "Login, Sign-up, Invite" },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_filled_in_whatever_the_addresses_are() {
        for (run, source) in CHECKS {
            let filled = fill_in(source, "https://guests.example.com", "http://localhost:3000");
            assert!(filled.contains("\"https://guests.example.com\""), "{run}: {filled}");
            assert!(filled.contains("\"http://localhost:3000\""), "{run}: {filled}");
            assert!(!filled.contains("4000"), "{run}: {filled}");
            assert!(source.lines().count() <= 19, "{run} is no longer short");
        }
    }
}
