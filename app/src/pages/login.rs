//! Where people ask for a link.

use std::net::SocketAddr;

use askama::Template;
use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use guestlist_domain::{Email, ReturnTo, flows};
use serde::Deserialize;

use super::page;
use crate::extract::{Form, OptionalSession, Query, ResponseEffects, SameOrigin};
use crate::problem::Problem;
use crate::sessions::cookies::LoginHint;
use crate::state::App;
use crate::state::rate_limit::Client;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    app_name: &'a str,
    notice: Option<&'a str>,
    error: Option<&'a str>,
    email: &'a str,
    return_to: Option<&'a str>,
    logged_in_as: Option<&'a str>,
    /// Where whoever is logged in goes on.
    onward: &'a str,
}

#[derive(Template)]
#[template(path = "login_sent.html")]
struct SentPage<'a> {
    app_name: &'a str,
    email: &'a str,
    return_to: Option<&'a str>,
    inbox_url: Option<&'a str>,
}

/// Where somebody wanted to go, and why they have to log in.
#[derive(Debug, Deserialize)]
pub struct LoginQuery {
    return_to: Option<String>,
    ended: Option<String>,
}

/// `GET /login`
pub async fn login(
    State(app): State<App>,
    OptionalSession(session): OptionalSession,
    Query(query): Query<LoginQuery>,
    headers: HeaderMap,
) -> Response {
    let hint = LoginHint::read(&headers);
    let has_expired = hint.as_ref().is_some_and(|hint| hint.has_expired(app.ctx().now()));
    let notice = match query.ended.as_deref() {
        _ if session.is_some() => None,
        Some("left") => Some("You are logged out."),
        Some("revoked") => Some("Your session was ended. Log in again to go on."),
        Some("expired") => Some("Your session has ended. Log in again to go on."),
        _ if has_expired => Some("Your session has ended. Log in again to go on."),
        _ => None,
    };
    let place = query.return_to.and_then(|place| app.site().return_to(&place).ok());
    let place = place.as_ref().map(ReturnTo::as_str);
    let template = LoginPage {
        app_name: &app.site().app_name,
        notice,
        error: None,
        email: hint.as_ref().map_or("", |hint| hint.email.as_str()),
        return_to: place,
        logged_in_as: session.as_ref().map(|admitted| admitted.user.email.as_str()),
        onward: place.unwrap_or("/"),
    };
    page(app.site(), StatusCode::OK, &template)
}

/// The form.
#[derive(Debug, Deserialize)]
pub struct LoginForm {
    email: String,
    return_to: Option<String>,
}

/// `POST /login`
pub async fn request_login(
    _: SameOrigin,
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Extension(outgoing): Extension<ResponseEffects>,
    Form(form): Form<LoginForm>,
) -> Response {
    match ask(&app, peer, &headers, &form).await {
        Ok(()) => {
            let template = SentPage {
                app_name: &app.site().app_name,
                email: form.email.trim(),
                return_to: form.return_to.as_deref(),
                inbox_url: app.site().inbox_url.as_deref(),
            };
            page(app.site(), StatusCode::OK, &template)
        }
        Err(problem) if problem.status().is_client_error() => {
            outgoing.set_refusal(problem.code);
            let error = problem.errors.first().map_or_else(
                || problem.detail.clone(),
                |error| format!("The address {}.", error.detail),
            );
            let template = LoginPage {
                app_name: &app.site().app_name,
                notice: None,
                error: Some(&error),
                email: &form.email,
                return_to: form.return_to.as_deref(),
                logged_in_as: None,
                onward: "/",
            };
            let mut response = page(app.site(), problem.status(), &template);
            let refusal = problem.into_response();
            for (name, value) in refusal.headers() {
                response.headers_mut().entry(name.clone()).or_insert(value.clone());
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn ask(
    app: &App,
    peer: SocketAddr,
    headers: &HeaderMap,
    form: &LoginForm,
) -> Result<(), Problem> {
    let email = Email::parse(&form.email).map_err(|error| Problem::field("email", error))?;
    app.count_login(Client::from_request(app.site(), peer.ip(), headers))?;
    // A place that is not allowed is only forgotten: the person has typed none of it.
    let return_to = form.return_to.as_deref().and_then(|place| app.site().return_to(place).ok());
    flows::request_login(app.ctx(), &email, return_to).await?;
    Ok(())
}
