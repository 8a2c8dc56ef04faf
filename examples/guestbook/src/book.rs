//! The book itself: read and signed by guests; hosts invite others.

use std::sync::{Mutex, PoisonError};

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::App;
use crate::guest::Guest;
use crate::guestlist::{Refused, User};
use crate::page::html;

/// What guests wrote, until the program ends.
#[derive(Debug, Default)]
pub struct Book(Mutex<Vec<Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    by: String,
    words: String,
}

#[derive(Template)]
#[template(path = "book.html")]
struct Page<'a> {
    visitor: Option<&'a str>,
    user: &'a User,
    entries: Vec<Entry>,
    said: Option<String>,
}

/// `GET /book`
pub async fn read(State(app): State<App>, Guest(user): Guest) -> Response {
    page(&app, &user, None)
}

fn page(app: &App, user: &User, said: Option<String>) -> Response {
    let entries = app.book.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    html(&Page { visitor: Some(user.called()), user, entries, said })
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
    let entry = Entry { by: user.called().to_owned(), words };
    app.book.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    Redirect::to("/book")
}

#[derive(Debug, Deserialize)]
pub struct Invited {
    email: String,
}

/// `POST /invite`
pub async fn invite(
    State(app): State<App>,
    Guest(user): Guest,
    Form(Invited { email }): Form<Invited>,
) -> Response {
    if !user.is_host() {
        return (StatusCode::FORBIDDEN, "Only hosts invite.").into_response();
    }
    let mut place = app.settings.app_url.clone();
    place.set_path("/book");
    place.set_query(Some("welcome"));
    let said = match app.guestlist.invite(&email, &place).await {
        Ok(()) => format!("{email} is invited."),
        Err(Refused(_, detail)) => format!("{email} is not invited: {detail}"),
    };
    page(&app, &user, Some(said))
}
