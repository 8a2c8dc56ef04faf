//! The front page, the page with a script, and logging out.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};

use crate::app::App;
use crate::guest::CurrentUser;
use crate::guestlist::User;

#[derive(Template)]
#[template(path = "front.html")]
struct Front<'a> {
    visitor: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "live.html")]
struct Live<'a> {
    guestlist: &'a str,
    visitor: Option<&'a str>,
}

/// `GET /`
pub async fn front(Extension(CurrentUser(user)): Extension<CurrentUser>) -> Response {
    html(&Front { visitor: user.as_ref().map(User::display_name) })
}

/// `GET /live`: a page whose script calls Guestlist from the browser.
pub async fn live(
    State(app): State<App>,
    Extension(CurrentUser(user)): Extension<CurrentUser>,
) -> Response {
    let guestlist = app.guestlist.public_url().as_str().trim_end_matches('/');
    html(&Live { guestlist, visitor: user.as_ref().map(User::display_name) })
}

/// `POST /logout`: ends the session at Guestlist and clears its cookies.
pub async fn log_out(State(app): State<App>, headers: HeaderMap) -> Response {
    match app.guestlist.log_out(&headers).await {
        Ok(cookies) => {
            let cookies = cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie));
            (AppendHeaders(cookies), Redirect::to("/")).into_response()
        }
        Err(error) => {
            eprintln!("Guestlist is unavailable: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

pub fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            eprintln!("a page can't be rendered: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
