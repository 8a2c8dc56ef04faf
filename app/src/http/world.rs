//! The world as one request sees it: what happens in it is told to have been asked for from where
//! the request came.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use guestlist_domain::Ctx;

use super::problem::Problem;
use super::state::App;

/// The world of the flows, for a request that lets something happen.
#[derive(Debug)]
pub struct World(pub Ctx);

impl FromRequestParts<App> for World {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let Some(ConnectInfo(peer)) = peer else { return Err(Problem::internal()) };
        Ok(Self(app.ctx().for_client(app.site().client_ip(peer.ip(), &parts.headers))))
    }
}
