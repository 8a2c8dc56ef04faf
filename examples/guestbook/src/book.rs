//! The book: guests read and sign it, and hosts invite others.

use std::sync::PoisonError;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::app::{App, Entry};
use crate::guest::Guest;
use crate::guestlist::{ApiError, User};
use crate::page::html;

#[derive(Template)]
#[template(path = "book.html")]
struct Page<'a> {
    visitor: Option<&'a str>,
    user: &'a User,
    entries: Vec<Entry>,
    message: Option<String>,
}

/// `GET /book`
pub async fn read(State(app): State<App>, Guest(user): Guest) -> Response {
    page(&app, &user, None)
}

fn page(app: &App, user: &User, message: Option<String>) -> Response {
    let entries = app.book.lock().unwrap_or_else(PoisonError::into_inner).clone();
    html(&Page { visitor: Some(user.display_name()), user, entries, message })
}

#[derive(Debug, Deserialize)]
pub struct Signature {
    words: String,
}

/// `POST /book`
pub async fn sign(
    State(app): State<App>,
    Guest(user): Guest,
    Form(Signature { words }): Form<Signature>,
) -> Redirect {
    let entry = Entry { by: user.display_name().to_owned(), words };
    app.book.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    Redirect::to("/book")
}

#[derive(Debug, Deserialize)]
pub struct Invitation {
    email: String,
}

/// `POST /invite`
pub async fn invite(
    State(app): State<App>,
    Guest(user): Guest,
    Form(Invitation { email }): Form<Invitation>,
) -> Response {
    if !user.is_host() {
        return (StatusCode::FORBIDDEN, "Only hosts can invite.").into_response();
    }
    let mut return_to = app.settings.app_url.clone();
    return_to.set_path("/book");
    return_to.set_query(Some("welcome"));
    let message = match app.guestlist.invite(&email, &return_to).await {
        Ok(()) => format!("{email} is invited."),
        Err(ApiError(_, detail)) => format!("{email} is not invited: {detail}"),
    };
    page(&app, &user, Some(message))
}
