//! The page that explains how to connect an application, with this installation's settings.

mod check;
mod cookie_access;
mod settings;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use guestlist_domain::Policy;
use url::Url;

use self::check::CheckState;
use self::cookie_access::{ConnectedApp, CookieAccess};
use self::settings::Setting;
use super::auth::PageAdmin;
use super::layout::render;
use super::shell::{Section, Shell};
use crate::problem::Problem;
use crate::sessions::cookies::{SESSION, SESSION_JWT};
use crate::state::App;

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectPage<'a> {
    shell: Shell<'a>,
    settings: [Setting; 5],
    /// Number of settings that need no change.
    ready: usize,
    apps: Vec<ConnectedApp>,
    /// Whether an application is on another domain, so that cookies can't reach it.
    is_other_site: bool,
    /// Small programs that ask Guestlist who is logged in.
    examples: [Example; 3],
    /// Guestlist's origin.
    url: String,
    /// The application's origin, or an example.
    app: String,
    token_cookie: &'static str,
    jwt_cookie: &'static str,
    /// `return_to` of the example invitation.
    return_to: Option<&'a str>,
    project: &'a str,
    jwks_url: String,
    is_sandbox: bool,
    /// Heading of the steps at Stytch.
    live_title: &'static str,
    redirect_urls: Vec<RedirectUrl>,
    webhook_url: String,
}

struct Example {
    language: &'static str,
    command: &'static str,
    source: String,
}

/// A redirect URL to register at Stytch.
struct RedirectUrl {
    url: String,
    /// The types to select in Stytch's dashboard.
    types: &'static str,
}

/// Handles `GET /connect`.
pub async fn show(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let shell = Shell::new(&app, &viewer, Some(Section::Connect), "/connect").await?;
    Ok(render(&app.site, StatusCode::OK, &connect_page(&app, shell)))
}

fn connect_page<'a>(guestlist: &'a App, shell: Shell<'a>) -> ConnectPage<'a> {
    let site = &guestlist.site;
    let apps = ConnectedApp::all(site);
    let url = site.public_url.origin().ascii_serialization();
    let app_url = site.app_url.as_ref();
    let app = app_url.map(Url::origin).or_else(|| site.app_origins.first().cloned());
    let app = app.map_or_else(|| APP.to_owned(), |origin| origin.ascii_serialization());
    let return_to = app_url.map(Url::as_str).filter(|url| site.parse_return_to(url).is_ok());
    let project = &site.stytch;
    let settings = settings::check_all(site, guestlist.webhooks.is_some());
    let is_sandbox = !project.base_url.ends_with(".stytch.com");
    ConnectPage {
        shell,
        ready: settings.iter().filter(|setting| setting.result.state == CheckState::Good).count(),
        settings,
        is_other_site: apps.iter().any(|app| app.access == CookieAccess::OtherSite),
        apps,
        examples: EXAMPLES.map(|(language, command, source)| Example {
            language,
            command,
            source: fill_in(source, &url, &app),
        }),
        webhook_url: format!("{url}/webhooks/stytch"),
        url,
        app,
        token_cookie: SESSION.name(site),
        jwt_cookie: SESSION_JWT.name(site),
        return_to,
        project: &project.id,
        jwks_url: format!("{}/v1/sessions/jwks/{}", project.base_url, project.id),
        is_sandbox,
        live_title: if is_sandbox { "Go live with Stytch" } else { "Stytch" },
        redirect_urls: redirect_urls(&guestlist.ctx.policy),
    }
}

/// The origins that the examples use for Guestlist and the application.
const GUESTLIST: &str = "http://localhost:3000";
const APP: &str = "http://localhost:4000";

/// Each example's language, command and source.
const EXAMPLES: [(&str, &str, &str); 3] = [
    ("Node", "node check.mjs", include_str!("../../../examples/ten_lines/check.mjs")),
    ("Python", "python3 check.py", include_str!("../../../examples/ten_lines/check.py")),
    (
        "Rust",
        "examples/guestbook",
        "# In a checkout of Guestlist:\n\
         APP_URL=\"http://localhost:4000\" GUESTLIST_URL=\"http://localhost:3000\" \\\n  \
         cargo run -p guestlist-example-guestbook\n",
    ),
];

/// Replaces an example's origins and port.
fn fill_in(source: &str, url: &str, app: &str) -> String {
    // An application behind a proxy listens on another port than browsers use.
    let port = Url::parse(app).ok().and_then(|app| app.port()).unwrap_or(4000);
    // By way of a placeholder: the application's origin may be the examples' for Guestlist.
    let source = source.replace(GUESTLIST, "\0").replace(APP, app).replace('\0', url);
    source.replace("?? 4000", &format!("?? {port}")).replace(", 4000)", &format!(", {port})"))
}

/// Returns the redirect URLs exactly as links contain them: Stytch compares them in full.
fn redirect_urls(policy: &Policy) -> Vec<RedirectUrl> {
    let url = policy.authenticate_url.clone();
    if !policy.link_carries_id {
        return vec![RedirectUrl { url, types: "Login, Sign-up, Invite" }];
    }
    let with_id = format!("{url}?invitation={{}}");
    vec![
        RedirectUrl { url, types: "Login, Sign-up" },
        RedirectUrl { url: with_id, types: "Login, Sign-up, Invite" },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_contain_the_origins_of_this_installation() {
        for (_, command, source) in EXAMPLES {
            let filled = fill_in(source, "https://guests.example.com", "http://localhost:3000");
            assert!(filled.contains("\"https://guests.example.com\""), "{command}: {filled}");
            assert!(filled.contains("\"http://localhost:3000\""), "{command}: {filled}");
            assert!(!filled.contains("4000"), "{command}: {filled}");
            assert!(source.lines().count() <= 19, "{command} is too long");
        }
    }
}
