//! The login page, on which users request a login link.

use std::net::SocketAddr;

use askama::Template;
use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use guestlist_domain::{Email, ReturnTo, flows};
use serde::Deserialize;

use super::layout::render;
use super::problem::form_error;
use crate::extract::{Form, OptionalSession, Query, ResponseEffects, SameOrigin};
use crate::problem::Problem;
use crate::sessions::cookies::LoginHint;
use crate::state::App;
use crate::state::rate_limit::Client;

#[derive(Default, Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    app_name: &'a str,
    notice: Option<&'a str>,
    error: Option<&'a str>,
    email: &'a str,
    return_to: Option<&'a str>,
    logged_in_as: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "login_sent.html")]
struct LinkRequestedPage<'a> {
    app_name: &'a str,
    email: &'a str,
    return_to: Option<&'a str>,
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
    let notice = match query.ended.as_deref() {
        _ if session.is_some() => None,
        Some("left") => Some("You are logged out."),
        Some("revoked") => Some("Your session was ended. Log in again to continue."),
        Some("expired") => Some("Your session has expired. Log in again to continue."),
        _ if has_expired => Some("Your session has expired. Log in again to continue."),
        _ => None,
    };
    let return_to = query.return_to.and_then(|url| app.site.parse_return_to(&url).ok());
    let return_to = return_to.as_ref().map(ReturnTo::as_str);
    let template = LoginPage {
        app_name: &app.site.app_name,
        notice,
        email: hint.as_ref().map_or("", |hint| hint.email.as_str()),
        return_to,
        logged_in_as: session.as_ref().map(|verified| verified.user.email.as_str()),
        ..LoginPage::default()
    };
    render(&app.site, StatusCode::OK, &template)
}

#[derive(Debug, Deserialize)]
pub struct LoginForm {
    email: String,
    return_to: Option<String>,
}

/// Handles `POST /login`.
pub async fn request_link(
    _: SameOrigin,
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Extension(outgoing): Extension<ResponseEffects>,
    Form(form): Form<LoginForm>,
) -> Response {
    match request_login(&app, peer, &headers, &form).await {
        Ok(()) => {
            let template = LinkRequestedPage {
                app_name: &app.site.app_name,
                email: form.email.trim(),
                return_to: form.return_to.as_deref(),
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

async fn request_login(
    app: &App,
    peer: SocketAddr,
    headers: &HeaderMap,
    form: &LoginForm,
) -> Result<(), Problem> {
    let email = Email::parse(&form.email).map_err(|error| Problem::field("email", error))?;
    app.count_login(Client::from_request(&app.site, peer.ip(), headers))?;
    // An invalid `return_to` is ignored: it is a hidden field that the user has not entered.
    let return_to = form.return_to.as_deref();
    let return_to = return_to.and_then(|url| app.site.parse_return_to(url).ok());
    flows::request_login(&app.ctx, &email, return_to).await?;
    Ok(())
}

/// Renders the form with an error, keeping the problem's headers.
fn login_page_with_error(app: &App, form: &LoginForm, problem: Problem) -> Response {
    let error = form_error(&problem);
    let template = LoginPage {
        app_name: &app.site.app_name,
        error: Some(&error),
        email: &form.email,
        return_to: form.return_to.as_deref(),
        ..LoginPage::default()
    };
    let mut response = render(&app.site, problem.status(), &template);
    for (name, value) in problem.into_response().headers() {
        response.headers_mut().entry(name.clone()).or_insert(value.clone());
    }
    response
}
