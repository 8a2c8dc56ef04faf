//! The context of a request, which flows take.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use guestlist_domain::Ctx;

use crate::openapi::operation::OperationInput;
use crate::problem::Problem;
use crate::state::App;

/// The context for flows that write events: it records the client's IP address with each.
#[derive(Debug)]
pub struct RequestContext(pub Ctx);

impl FromRequestParts<App> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let Some(ConnectInfo(peer)) = peer else { return Err(Problem::internal()) };
        Ok(Self(app.ctx.for_client(app.site.client_ip(peer.ip(), &parts.headers))))
    }
}

impl OperationInput for RequestContext {}
