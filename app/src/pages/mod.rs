//! Pages for people: HTML made here, which works without scripts; scripts only add liveness.

mod audit;
pub mod authenticate;
mod connect;
mod docs;
mod head;
mod home;
mod login;
mod person;
mod problem;
mod revoked;
mod sessions;
mod users;
mod words;

use askama::Template;
use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use crate::problem::Problem;
use crate::site::Site;
use crate::state::App;

pub use problem::problem;

/// The pages' routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home::home))
        .route("/users/invite", post(home::invite))
        .route("/users/{id}", get(users::user))
        .route("/users/{id}/role", post(users::change_role))
        .route("/users/{id}/suspend", post(users::suspend))
        .route("/users/{id}/reactivate", post(users::reactivate))
        .route("/users/{id}/sessions/end", post(users::end_sessions))
        .route("/users/{id}/remove", get(users::confirm_removal).post(users::remove))
        .route("/sessions", get(sessions::sessions))
        .route("/sessions/end-others", post(sessions::end_others))
        .route("/sessions/{id}/end", post(sessions::end))
        .route("/invitations/{id}/resend", post(home::resend))
        .route("/logout", post(home::log_out))
        .route("/audit", get(audit::audit))
        .route("/connect", get(connect::connect))
        .route("/docs", get(docs::docs))
        .route("/login", get(login::login).post(login::request_login))
        .route("/static/guestlist.css", get(async || text("text/css; charset=utf-8", CSS)))
        .route("/static/live.js", get(async || text("text/javascript; charset=utf-8", LIVE_JS)))
        .route("/static/once.js", get(async || text("text/javascript; charset=utf-8", ONCE_JS)))
}

const CSS: &str = include_str!("../../static/guestlist.css");
const ONCE_JS: &str = include_str!("../../static/once.js");
const LIVE_JS: &str = include_str!("../../static/live.js");

fn text(kind: &'static str, body: &'static str) -> Response {
    // Short: a new version of the program brings new ones under the same names.
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, body).into_response()
}

/// Makes a page.
fn page(site: &Site, status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = (status, Html(html)).into_response();
            set_policy(site, response.headers_mut());
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            Problem::internal().into_response()
        }
    }
}

/// Only our own files; and forms may lead on to the application, where those who have come in
/// land.
fn set_policy(site: &Site, headers: &mut HeaderMap) {
    let mut targets = String::from("'self'");
    let app = site.app_url.iter().map(url::Url::origin);
    for origin in site.app_origins.iter().cloned().chain(app) {
        targets.push(' ');
        targets.push_str(&origin.ascii_serialization());
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}
