//! Checks the host that a request is for.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_listener::{AllowedHosts, host};

use crate::problem::{Code, Problem};

/// Refuses requests without a valid host and, if `hosts` is given, those for other hosts.
pub async fn check(
    State(hosts): State<Option<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    match host(&request) {
        Err(invalid) => Problem::new(Code::BadRequest, invalid.to_string()).into_response(),
        Ok(Some(host)) if hosts.is_some_and(|hosts| !hosts.allows(&host)) => {
            Problem::from(Code::HostNotAllowed).into_response()
        }
        Ok(_) => next.run(request).await,
    }
}
