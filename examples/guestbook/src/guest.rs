//! Authentication: a middleware that asks Guestlist once per request, and an extractor.

use axum::extract::{FromRequestParts, OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use url::Url;

use crate::app::App;
use crate::guestlist::User;

/// The user who is logged in, if any.
#[derive(Debug, Clone)]
pub struct CurrentUser(pub Option<User>);

/// Adds [`CurrentUser`] to the request, and forwards Guestlist's cookies to the browser.
pub async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let session = match app.guestlist.session(request.headers()).await {
        Ok(session) => session,
        Err(error) => {
            eprintln!("Guestlist is unavailable: {error}");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    request.extensions_mut().insert(CurrentUser(session.user));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // Cookies that a handler sets, as logging out does, take precedence.
    if !headers.contains_key(header::SET_COOKIE) {
        headers.extend(session.cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
    }
    response
}

/// Extracts the user who is logged in, and redirects other visitors to the login page.
#[derive(Debug)]
pub struct Guest(pub User);

impl FromRequestParts<App> for Guest {
    type Rejection = Redirect;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Redirect> {
        match parts.extensions.get::<CurrentUser>() {
            Some(CurrentUser(Some(user))) => Ok(Self(user.clone())),
            Some(CurrentUser(None)) | None => {
                Err(Redirect::to(&app.login_url(&requested_page(parts, app))))
            }
        }
    }
}

/// Returns the URL of the requested page; after a form, the URL of the book.
fn requested_page(parts: &Parts, app: &App) -> Url {
    let mut url = app.settings.app_url.clone();
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
    if parts.method == Method::GET {
        url.set_path(uri.path());
        url.set_query(uri.query());
    } else {
        url.set_path("/book");
    }
    url
}

impl App {
    /// Returns the URL of the login page, from which the user returns to `return_to`.
    pub fn login_url(&self, return_to: &Url) -> String {
        if !self.settings.own_pages {
            return self.guestlist.login_url(return_to);
        }
        let mut url = self.settings.app_url.clone();
        url.set_path("/login");
        url.query_pairs_mut().append_pair("return_to", return_to.as_str());
        url.into()
    }
}

/// Refuses forms of other origins. Pages of sibling hosts can send forms with the session's cookies,
/// and browsers name the page's origin in the header `Origin`.
pub async fn refuse_foreign_forms(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let own = app.settings.app_url.origin().ascii_serialization();
    if request.method().is_safe() || origin == Some(own.as_str()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "The form was sent from another origin.").into_response()
}
