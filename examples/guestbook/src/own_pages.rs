//! Login pages of the application itself, for an application on another domain than Guestlist.
//!
//! Guestlist's `PUBLIC_URL` is then the application's URL, so that links open the application. The
//! application sets the session cookies, under the same names.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::Deserialize;
use url::Url;

use crate::app::App;
use crate::guestlist::{ApiError, NewSession};
use crate::page::html;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    visitor: Option<&'a str>,
    message: Option<&'a str>,
    return_to: &'a str,
}

#[derive(Template)]
#[template(path = "continue.html")]
struct ContinuePage<'a> {
    visitor: Option<&'a str>,
    token: &'a str,
}

#[derive(Debug, Deserialize)]
pub struct LoginQuery {
    return_to: Option<Url>,
}

/// `GET /login`
pub async fn login(State(app): State<App>, Query(query): Query<LoginQuery>) -> Response {
    let return_to = allowed(&app, query.return_to);
    html(&LoginPage { visitor: None, message: None, return_to: return_to.as_str() })
}

#[derive(Debug, Deserialize)]
pub struct Login {
    email: String,
    return_to: Option<Url>,
}

/// `POST /login`: Guestlist mails a link if the address belongs to a user.
pub async fn request_login(State(app): State<App>, Form(form): Form<Login>) -> Response {
    let return_to = allowed(&app, form.return_to);
    let message = match app.guestlist.request_login(&form.email, &return_to).await {
        Ok(()) => "Check your mail.".to_owned(),
        Err(ApiError(_, detail)) => detail,
    };
    html(&LoginPage { visitor: None, message: Some(&message), return_to: return_to.as_str() })
}

/// Returns the URL if it is on this application's origin, and the front page otherwise.
fn allowed(app: &App, return_to: Option<Url>) -> Url {
    let own = &app.settings.app_url;
    return_to.filter(|url| url.origin() == own.origin()).unwrap_or_else(|| own.clone())
}

#[derive(Debug, Deserialize)]
pub struct Link {
    token: String,
}

/// `GET /authenticate`: the page of a link. Opening it must not consume the link, because mail
/// scanners open every link.
pub async fn show_link(Query(link): Query<Link>) -> Response {
    html(&ContinuePage { visitor: None, token: &link.token })
}

/// `POST /authenticate`
pub async fn redeem_link(
    State(app): State<App>,
    headers: HeaderMap,
    Form(link): Form<Link>,
) -> Response {
    match app.guestlist.redeem_link(&link.token, &headers).await {
        Ok(session) => {
            let return_to = session.return_to.as_deref().and_then(|url| url.parse().ok());
            let return_to = allowed(&app, return_to);
            let cookies = cookies(&app, &session).into_iter().flatten();
            let cookies = cookies.map(|cookie| (header::SET_COOKIE, cookie));
            (AppendHeaders(cookies), Redirect::to(return_to.as_str())).into_response()
        }
        Err(ApiError(status, detail)) => {
            let return_to = allowed(&app, None);
            let page =
                LoginPage { visitor: None, message: Some(&detail), return_to: return_to.as_str() };
            (status, html(&page)).into_response()
        }
    }
}

/// Returns the session cookies under Guestlist's names, so that they can be forwarded unchanged. With
/// HTTPS, the prefix `__Host-` prevents sibling hosts from setting them.
fn cookies(app: &App, session: &NewSession) -> [Option<HeaderValue>; 2] {
    let expires = DateTimePrinter::new().timestamp_to_rfc9110_string(&session.session.expires_at);
    let expires = expires.unwrap_or_default();
    let is_https = app.settings.app_url.scheme() == "https";
    let (prefix, secure) = if is_https { ("__Host-", "; Secure") } else { ("", "") };
    let named =
        [("stytch_session", &session.session_token), ("stytch_session_jwt", &session.session_jwt)];
    named.map(|(name, value)| {
        let cookie =
            format!("{prefix}{name}={value}; Path=/; HttpOnly; SameSite=Lax; Expires={expires}");
        HeaderValue::try_from(format!("{cookie}{secure}")).ok()
    })
}
