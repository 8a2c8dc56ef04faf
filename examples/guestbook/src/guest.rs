//! Who asks: found out once a request, before any page.

use axum::extract::{FromRequestParts, OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use url::Url;

use crate::App;
use crate::guestlist::User;

/// Whoever is logged in, or nobody.
#[derive(Debug, Clone)]
pub struct Visitor(pub Option<User>);

/// Finds out who is logged in, and hands the browser what Guestlist has for it.
pub async fn recognise(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let known = match app.guestlist.who(request.headers()).await {
        Ok(known) => known,
        Err(error) => {
            eprintln!("Guestlist can't be asked: {error}");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    request.extensions_mut().insert(Visitor(known.user));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // What a page sets itself, as logging out does, is the later word.
    if !headers.contains_key(header::SET_COOKIE) {
        headers.extend(known.cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
    }
    response
}

/// Somebody who is logged in. Anybody else is sent to log in, and comes back to where they were.
#[derive(Debug)]
pub struct Guest(pub User);

impl FromRequestParts<App> for Guest {
    type Rejection = Redirect;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Redirect> {
        match parts.extensions.get::<Visitor>() {
            Some(Visitor(Some(user))) => Ok(Self(user.clone())),
            Some(Visitor(None)) | None => Err(Redirect::to(&app.login_url(&wanted(parts, app)))),
        }
    }
}

/// The page that somebody wanted; whatever form they sent, they come back to the book.
fn wanted(parts: &Parts, app: &App) -> Url {
    let mut place = app.settings.app_url.clone();
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
    if parts.method == Method::GET {
        place.set_path(uri.path());
        place.set_query(uri.query());
    } else {
        place.set_path("/book");
    }
    place
}

impl App {
    /// Where people log in, to come back to `place`.
    pub fn login_url(&self, place: &Url) -> String {
        if !self.settings.own_pages {
            return self.guestlist.login_url(place);
        }
        let mut url = self.settings.app_url.clone();
        url.set_path("/login");
        url.query_pairs_mut().append_pair("return_to", place.as_str());
        url.into()
    }
}

/// The cookies reach every page of the domain, so what they let happen must be asked for by our
/// own pages: browsers say by `Origin` which page has sent a form.
pub async fn refuse_foreign_forms(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let ours = app.settings.app_url.origin().ascii_serialization();
    if request.method().is_safe() || origin == Some(ours.as_str()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "This form is not ours.").into_response()
}
