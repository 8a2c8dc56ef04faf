//! Middleware that applies the current fault to an API request and counts the outcome.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::sleep;

use crate::{
    faults::{ConnectionDropped, Outcome},
    state::project::Project,
};

pub(crate) async fn inject(
    State(project): State<Arc<Project>>,
    request: Request,
    next: Next,
) -> Response {
    project.stats().record_request(Instant::now());
    let decision = project.faults().decide(request.uri().path(), rand::random());
    let route = route(&request);
    // No await comes before the handler, and none between the handler and the statistics.
    let response = match decision.outcome {
        Outcome::Serve => Some(next.run(request).await),
        Outcome::Reject(error) => Some(error.into_response()),
        Outcome::Drop => None,
        Outcome::LoseAnswer => {
            next.run(request).await;
            None
        }
    };
    let status =
        response.as_ref().map_or("dropped".to_owned(), |r| r.status().as_u16().to_string());
    tracing::debug!(%route, %status, "request");
    project.stats().record_response(route, status);
    let response = match (response, decision.body) {
        (None, _) => ConnectionDropped::response(),
        (Some(response), None) => response,
        (Some(response), Some(fault)) => fault.apply(response).await,
    };
    if !decision.delay.is_zero() {
        sleep(decision.delay).await;
    }
    response
}

/// Returns method and route template. A HEAD counts as the GET that answers it.
fn route(request: &Request) -> String {
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let template = request.extensions().get::<MatchedPath>();
    format!("{method} {}", template.map_or("/v1/(unknown)", MatchedPath::as_str))
}
