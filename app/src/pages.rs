//! HTML pages, rendered on the server. They work without JavaScript; scripts only add live updates.

mod assets;
mod audit;
mod auth;
pub mod authenticate;
mod components;
mod connect;
mod docs;
mod home;
mod labels;
mod layout;
mod login;
mod problem;
mod revoked;
mod sessions;
mod shell;
mod states;
mod user_detail;
mod users;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::routing::{get, post};

use crate::state::App;

pub use docs::ReferencePage;
pub use problem::problem_page;

/// Returns the routes of the pages, except `/authenticate`, which is part of the OpenAPI document.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home::show))
        .route("/logout", post(home::log_out))
        .route("/login", get(login::show).post(login::request_link))
        .route("/users/invite", post(users::invite))
        .route("/invitations/{id}/resend", post(users::resend))
        .route("/users/{id}", get(user_detail::show))
        .route("/users/{id}/role", post(user_detail::change_role))
        .route("/users/{id}/suspend", post(user_detail::set_suspended::<true>))
        .route("/users/{id}/reactivate", post(user_detail::set_suspended::<false>))
        .route("/users/{id}/sessions/end", post(user_detail::end_sessions))
        .route("/users/{id}/remove", get(user_detail::confirm_removal).post(user_detail::remove))
        .route("/sessions", get(sessions::show))
        .route("/sessions/end-others", post(sessions::end_others))
        .route("/sessions/{id}/end", post(sessions::end))
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
