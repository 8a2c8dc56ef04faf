//! HTML pages, rendered on the server. They work without JavaScript; scripts only add live updates.

mod assets;
mod audit;
mod auth;
mod components;
mod connect;
mod docs;
mod guest;
mod home;
mod invitations;
mod labels;
mod layout;
mod ops;
mod people;
mod sessions;
mod shell;
mod states;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::Redirect;
use axum::routing::{get, post};

use self::guest::login;
use self::people::{list, person, removal};
use crate::state::App;

pub use self::docs::ReferencePage;
pub use self::guest::{authenticate, problem_page};

/// Returns the routes of the pages, except `/authenticate`, which is part of the OpenAPI document.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home::show))
        .route("/logout", post(home::log_out))
        .route("/login", get(login::show).post(login::request_link))
        .route("/users/invite", get(async || Redirect::to("/")).post(list::invite))
        .route("/users/{id}", get(person::show))
        .route("/users/{id}/role", post(person::change_role))
        .route("/users/{id}/suspend", post(person::set_suspended::<true>))
        .route("/users/{id}/reactivate", post(person::set_suspended::<false>))
        .route("/users/{id}/sessions/end", post(person::end_sessions))
        .route("/users/{id}/remove", get(removal::confirm).post(removal::remove))
        .route("/sessions", get(sessions::show))
        .route("/sessions/end-others", post(sessions::end_others))
        .route("/sessions/{id}/end", post(sessions::end))
        .merge(invitations::routes())
        .merge(ops::routes())
        .route("/audit", get(audit::show))
        .route("/connect", get(connect::show))
        .route(
            "/static/guestlist.css",
            get(async |uri: Uri, headers: HeaderMap| assets::STYLESHEET.serve(&uri, &headers)),
        )
        .route(
            "/static/guestlist.js",
            get(async |uri: Uri, headers: HeaderMap| assets::SCRIPT.serve(&uri, &headers)),
        )
        .route(
            "/static/docs.js",
            get(async |uri: Uri, headers: HeaderMap| docs::SCRIPT.serve(&uri, &headers)),
        )
}
