//! The pages of invitations, for administrators: the list, inviting people, and each invitation's
//! story.

mod actions;
#[cfg(test)]
mod fixtures;
mod form;
mod lines;
mod list;
mod new;
mod next_step;
mod opening;
mod paste;
mod progress;
mod row;
mod show;
mod story;
mod texts;

use axum::Router;
use axum::routing::{get, post};

use crate::state::App;

pub use self::actions::page_path;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/invitations", get(list::show).post(new::create))
        .route("/invitations/new", get(new::show))
        .route("/invitations/many", post(paste::invite_many))
        .route("/invitations/{id}", get(show::show))
        .route("/invitations/{id}/resend", post(actions::resend))
        .route("/invitations/{id}/revoke", get(actions::confirm_revocation).post(actions::revoke))
}
