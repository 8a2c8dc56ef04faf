//! The login page, on which users request a login link.

use std::net::SocketAddr;

use askama::Template;
use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use guestlist_domain::{Email, ReturnTo, flows};
use serde::Deserialize;

use super::durations::length_text;
use super::form_error;
use crate::config::SiteConfig;
use crate::extract::{Form, OptionalSession, Query, ResponseEffects, SameOrigin};
use crate::pages::components::{brand, icon};
use crate::pages::layout::render;
use crate::problem::{Code, Problem};
use crate::sessions::cookies::LoginHint;
use crate::state::App;
use crate::state::rate_limit::Client;

#[derive(Default, Template)]
#[template(path = "guest/login.html")]
struct LoginPage<'a> {
    app_name: &'a str,
    ending: Option<Ending>,
    /// Lifetime of a session.
    session_length: String,
    error: Option<&'a str>,
    /// Whether the error is about the address.
    is_invalid: bool,
    email: &'a str,
    return_to: Option<&'a str>,
    /// The page that `return_to` leads to, as the user knows it.
    target: Option<String>,
    logged_in_as: Option<&'a str>,
}

/// How the browser's last session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    LoggedOut,
    Expired,
    Revoked,
}

impl LoginPage<'_> {
    fn title(&self) -> &'static str {
        match self.ending {
            Some(Ending::Expired | Ending::Revoked) => "Your session has ended",
            Some(Ending::LoggedOut) | None => "Log in",
        }
    }

    /// Returns whether the user wants to open a page for operators, which accepts an API key, too.
    fn is_for_operators(&self) -> bool {
        let is_below = |path: &str| path.strip_prefix("/ops").is_some_and(is_end_of_segment);
        self.return_to.is_some_and(is_below)
    }
}

fn is_end_of_segment(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?', '#'])
}

#[derive(Template)]
#[template(path = "guest/check_mail.html")]
struct CheckMailPage<'a> {
    app_name: &'a str,
    email: &'a str,
    return_to: Option<&'a str>,
    /// Whether the mail was requested by the button of this page.
    is_repeated: bool,
    /// URL to open once the browser is logged in; `None` if it is.
    continue_to: Option<String>,
    inbox_url: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
pub struct LoginQuery {
    return_to: Option<String>,
    /// Why the session ended: `left`, `revoked` or `expired`.
    ended: Option<String>,
}

/// Handles `GET /login`.
pub async fn show(
    State(app): State<App>,
    OptionalSession(session): OptionalSession,
    Query(query): Query<LoginQuery>,
    headers: HeaderMap,
) -> Response {
    let hint = LoginHint::read(&headers);
    let has_expired = hint.as_ref().is_some_and(|hint| hint.has_expired(app.ctx.now()));
    let ending = match query.ended.as_deref() {
        _ if session.is_some() => None,
        Some("left") => Some(Ending::LoggedOut),
        Some("revoked") => Some(Ending::Revoked),
        Some("expired") => Some(Ending::Expired),
        _ => has_expired.then_some(Ending::Expired),
    };
    let return_to = query.return_to.and_then(|url| app.site.parse_return_to(&url).ok());
    let return_to = return_to.as_ref().map(ReturnTo::as_str);
    let template = LoginPage {
        app_name: &app.site.app_name,
        ending,
        session_length: length_text(app.ctx.policy.session_minutes),
        email: hint.as_ref().map_or("", |hint| hint.email.as_str()),
        return_to,
        target: return_to.and_then(|url| target(&app.site, url)),
        logged_in_as: session.as_ref().map(|verified| verified.user.email.as_str()),
        ..LoginPage::default()
    };
    render(&app.site, StatusCode::OK, &template)
}

/// Returns host and path of a validated URL; `None` for the home page.
fn target(site: &SiteConfig, return_to: &str) -> Option<String> {
    const MAX_LENGTH: usize = 80;
    let url = site.public_url.join(return_to).ok()?;
    let is_home = url.origin() == site.public_url.origin() && url.path() == "/";
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let path = url.path().trim_end_matches('/');
    let mut target = format!("{host}{path}");
    if target.len() > MAX_LENGTH {
        // The URL parser's serialization is ASCII, as far as hosts and paths are concerned.
        target.truncate(MAX_LENGTH);
        target.push('…');
    }
    (!is_home).then_some(target)
}

#[derive(Debug, Deserialize)]
pub struct LoginForm {
    email: String,
    return_to: Option<String>,
    /// Set by the button that requests the mail again.
    again: Option<String>,
}

/// Handles `POST /login`.
pub async fn request_link(
    _: SameOrigin,
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OptionalSession(session): OptionalSession,
    Extension(outgoing): Extension<ResponseEffects>,
    Form(form): Form<LoginForm>,
) -> Response {
    match request_login(&app, peer, &headers, &form).await {
        Ok(return_to) => {
            let continue_to = || app.site.landing_url(return_to.as_ref());
            let template = CheckMailPage {
                app_name: &app.site.app_name,
                email: form.email.trim(),
                return_to: return_to.as_ref().map(ReturnTo::as_str),
                is_repeated: form.again.is_some(),
                continue_to: session.is_none().then(continue_to),
                inbox_url: app.site.inbox_url.as_deref(),
            };
            render(&app.site, StatusCode::OK, &template)
        }
        Err(problem) if problem.status().is_client_error() => {
            outgoing.set_refusal(problem.code);
            login_page_with_error(&app, &form, problem)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Requests the link. Returns the page that it leads to.
async fn request_login(
    app: &App,
    peer: SocketAddr,
    headers: &HeaderMap,
    form: &LoginForm,
) -> Result<Option<ReturnTo>, Problem> {
    let email = Email::parse(&form.email).map_err(|error| Problem::field("email", error))?;
    app.count_login(Client::from_request(&app.site, peer.ip(), headers))?;
    let return_to = return_to(app, form);
    flows::request_login(&app.ctx, &email, return_to.clone()).await?;
    Ok(return_to)
}

/// Returns the form's `return_to`. An invalid one is ignored: it is a hidden field that the user has
/// not entered.
fn return_to(app: &App, form: &LoginForm) -> Option<ReturnTo> {
    form.return_to.as_deref().and_then(|url| app.site.parse_return_to(url).ok())
}

/// Renders the form with an error, keeping the problem's headers.
fn login_page_with_error(app: &App, form: &LoginForm, problem: Problem) -> Response {
    let error = form_error(&problem);
    let return_to = return_to(app, form);
    let return_to = return_to.as_ref().map(ReturnTo::as_str);
    let template = LoginPage {
        app_name: &app.site.app_name,
        error: Some(&error),
        is_invalid: problem.code == Code::InvalidRequest,
        email: &form.email,
        return_to,
        target: return_to.and_then(|url| target(&app.site, url)),
        ..LoginPage::default()
    };
    let mut response = render(&app.site, problem.status(), &template);
    for (name, value) in problem.into_response().headers() {
        response.headers_mut().entry(name.clone()).or_insert(value.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_site;

    #[test]
    fn the_target_is_named_by_host_and_path() {
        let site = test_site("https://guests.example.com", Some("https://app.example.com"), None);
        for (return_to, expected) in [
            ("/", None),
            ("/?status=active", None),
            ("/sessions", Some("guests.example.com/sessions")),
            ("https://app.example.com/", Some("app.example.com")),
            ("https://app.example.com/projects/42?tab=1#top", Some("app.example.com/projects/42")),
        ] {
            assert_eq!(target(&site, return_to).as_deref(), expected, "{return_to}");
        }
        let long = target(&site, &format!("/{}", "a".repeat(900))).unwrap();
        assert_eq!(long.chars().count(), 81);
    }

    #[test]
    fn only_pages_for_operators_offer_an_api_key() {
        for (return_to, expected) in [
            ("/ops", true),
            ("/ops/jobs?state=dead", true),
            ("/ops?x", true),
            ("/opsy", false),
            ("/", false),
            ("https://app.example.com/ops", false),
        ] {
            let page = LoginPage { return_to: Some(return_to), ..LoginPage::default() };
            assert_eq!(page.is_for_operators(), expected, "{return_to}");
        }
    }
}
