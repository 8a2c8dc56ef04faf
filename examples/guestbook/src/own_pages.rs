//! Logging in by pages of the application's own, for one whose domain Guestlist's cookies can't
//! reach, or whose people should see nothing but it. Guestlist's `PUBLIC_URL` is this
//! application's address then, so that links lead here; the cookies are set here, under the same
//! names, and everything else stays as it was.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::Deserialize;
use url::Url;

use crate::App;
use crate::guestlist::{CameIn, Refused};
use crate::page::html;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    visitor: Option<&'a str>,
    said: Option<&'a str>,
    return_to: &'a str,
}

#[derive(Template)]
#[template(path = "continue.html")]
struct ContinuePage<'a> {
    visitor: Option<&'a str>,
    token: &'a str,
}

#[derive(Debug, Deserialize)]
pub struct Wanted {
    return_to: Option<Url>,
}

/// `GET /login`
pub async fn login(State(app): State<App>, Query(wanted): Query<Wanted>) -> Response {
    let place = place(&app, wanted.return_to);
    html(&LoginPage { visitor: None, said: None, return_to: place.as_str() })
}

#[derive(Debug, Deserialize)]
pub struct Login {
    email: String,
    return_to: Option<Url>,
}

/// `POST /login`: Guestlist mails the link, if the address may come in.
pub async fn request_login(State(app): State<App>, Form(form): Form<Login>) -> Response {
    let place = place(&app, form.return_to);
    let asked = app.guestlist.request_login(&form.email, &place).await;
    let said = match asked {
        Ok(()) => "Check your mail.".to_owned(),
        Err(Refused(_, detail)) => detail,
    };
    html(&LoginPage { visitor: None, said: Some(&said), return_to: place.as_str() })
}

/// Where to go after coming in: a page of ours, whatever the browser says.
fn place(app: &App, wanted: Option<Url>) -> Url {
    let ours = &app.settings.app_url;
    wanted.filter(|place| place.origin() == ours.origin()).unwrap_or_else(|| ours.clone())
}

#[derive(Debug, Deserialize)]
pub struct Link {
    token: String,
}

/// `GET /authenticate`: where the link in the mail leads. It consumes nothing, since mail scanners
/// open every link; the button does.
pub async fn show(Query(link): Query<Link>) -> Response {
    html(&ContinuePage { visitor: None, token: &link.token })
}

/// `POST /authenticate`
pub async fn press(State(app): State<App>, headers: HeaderMap, Form(link): Form<Link>) -> Response {
    match app.guestlist.come_in(&link.token, &headers).await {
        Ok(came_in) => {
            let wanted = came_in.return_to.as_deref().and_then(|place| place.parse().ok());
            let place = place(&app, wanted);
            let cookies = cookies(&app, &came_in).into_iter().flatten();
            let cookies = cookies.map(|cookie| (header::SET_COOKIE, cookie));
            (AppendHeaders(cookies), Redirect::to(place.as_str())).into_response()
        }
        Err(Refused(status, detail)) => {
            let place = place(&app, None);
            let page = LoginPage { visitor: None, said: Some(&detail), return_to: place.as_str() };
            (status, html(&page)).into_response()
        }
    }
}

/// Named as Guestlist names them, so that asking it who is logged in is to hand on the cookies. With
/// https the prefix `__Host-` keeps sibling hosts from setting them.
fn cookies(app: &App, came_in: &CameIn) -> [Option<HeaderValue>; 2] {
    let expires = DateTimePrinter::new().timestamp_to_rfc9110_string(&came_in.session.expires_at);
    let expires = expires.unwrap_or_default();
    let is_https = app.settings.app_url.scheme() == "https";
    let (prefix, secure) = if is_https { ("__Host-", "; Secure") } else { ("", "") };
    let named =
        [("stytch_session", &came_in.session_token), ("stytch_session_jwt", &came_in.session_jwt)];
    named.map(|(name, value)| {
        let cookie =
            format!("{prefix}{name}={value}; Path=/; HttpOnly; SameSite=Lax; Expires={expires}");
        HeaderValue::try_from(format!("{cookie}{secure}")).ok()
    })
}
