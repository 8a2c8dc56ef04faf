//! A guest book: a small application with a backend of its own, that people come in to by
//! Guestlist. It keeps no passwords, no sessions and no users; all that it knows of its guests it
//! asks Guestlist (`guestlist.rs`), once a request.

mod book;
mod guest;
mod guestlist;
mod jwt;
mod own_pages;
mod page;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::http::header;
use axum::middleware;
use axum::routing::{get, post};
use clap::Parser;
use tokio::net::TcpListener;
use url::Url;

use crate::book::Book;
use crate::guestlist::Guestlist;
use crate::jwt::Verifier;

/// A guest book that people come in to by Guestlist.
#[derive(Debug, Parser)]
pub struct Settings {
    /// Where to listen
    #[arg(long, env = "GUESTBOOK_LISTEN_ADDR", default_value = "127.0.0.1:4000")]
    listen_addr: SocketAddr,
    /// Where browsers reach the guest book: Guestlist's `APP_URL`
    #[arg(long, env = "APP_URL", default_value = "http://localhost:4000")]
    app_url: Url,
    /// Where this backend reaches Guestlist
    #[arg(long, env = "GUESTLIST_URL", default_value = "http://localhost:3000")]
    guestlist_url: Url,
    /// Where browsers reach Guestlist: its `PUBLIC_URL` (default: the same)
    #[arg(long, env = "GUESTLIST_PUBLIC_URL")]
    guestlist_public_url: Option<Url>,
    /// An API key with the scope invitations:write, to invite people
    #[arg(long, env = "GUESTLIST_KEY", hide_env_values = true)]
    guestlist_key: Option<String>,
    /// Where Stytch is, to verify session JWTs here
    #[arg(long, env = "STYTCH_BASE_URL", default_value = "https://test.stytch.com")]
    stytch_base_url: Url,
    /// The project at Stytch, likewise
    #[arg(long, env = "STYTCH_PROJECT_ID")]
    stytch_project_id: Option<String>,
    /// Log in by this application's own pages: for one on another domain than Guestlist
    #[arg(long, env = "GUESTBOOK_OWN_PAGES")]
    own_pages: bool,
}

/// What every request can reach.
#[derive(Clone)]
struct App {
    settings: Arc<Settings>,
    guestlist: Arc<Guestlist>,
    verifier: Arc<Verifier>,
    book: Arc<Book>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Arc::new(Settings::parse());
    let listener = TcpListener::bind(settings.listen_addr).await;
    let listener = listener.with_context(|| format!("{} is taken", settings.listen_addr))?;
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
        // Everything above knows who is logged in; nothing below needs to.
        .route_layer(middleware::from_fn_with_state(app.clone(), guest::recognise))
        .route("/fast", get(jwt::fast))
        .route("/login", get(own_pages::login).post(own_pages::request_login))
        .route("/authenticate", get(own_pages::show).post(own_pages::press))
        .route("/live.js", get(async || ([(header::CONTENT_TYPE, "text/javascript")], LIVE_JS)))
        .layer(middleware::from_fn_with_state(app.clone(), guest::refuse_foreign_forms))
        .with_state(app)
}

const LIVE_JS: &str = include_str!("../static/live.js");
