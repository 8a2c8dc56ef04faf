//! A guest book: a small application whose users log in through Guestlist.
//!
//! It stores no passwords, sessions or users. Each request asks Guestlist once who is logged in
//! (`guestlist.rs`).

mod app;
mod book;
mod guest;
mod guestlist;
mod jwt;
mod own_pages;
mod page;
mod settings;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::http::header;
use axum::middleware;
use axum::routing::{get, post};
use clap::Parser;
use tokio::net::TcpListener;

use crate::app::App;
use crate::guestlist::Guestlist;
use crate::jwt::Verifier;
use crate::settings::Settings;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Arc::new(Settings::parse());
    let listener = TcpListener::bind(settings.listen_addr).await;
    let listener = listener.with_context(|| format!("can't listen on {}", settings.listen_addr))?;
    println!("The guest book listens on {}", settings.app_url);
    let app = App {
        guestlist: Arc::new(Guestlist::new(&settings)?),
        verifier: Arc::new(Verifier::new(&settings)?),
        book: Arc::default(),
        settings,
    };
    let routes = routes(app).into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, routes).await?)
}

fn routes(app: App) -> Router {
    Router::new()
        .route("/", get(page::front))
        .route("/book", get(book::read).post(book::sign))
        .route("/invite", post(book::invite))
        .route("/logout", post(page::log_out))
        .route("/live", get(page::live))
        // The routes above this layer know the user; the ones below do not.
        .route_layer(middleware::from_fn_with_state(app.clone(), guest::authenticate))
        .route("/fast", get(jwt::fast))
        .route("/login", get(own_pages::login).post(own_pages::request_login))
        .route("/authenticate", get(own_pages::show_link).post(own_pages::redeem_link))
        .route("/live.js", get(async || ([(header::CONTENT_TYPE, "text/javascript")], LIVE_JS)))
        .layer(middleware::from_fn_with_state(app.clone(), guest::refuse_foreign_forms))
        .with_state(app)
}

const LIVE_JS: &str = include_str!("../static/live.js");
