//! Protection against web pages. The inbox holds login links and needs no credentials, so a page
//! that a developer visits must neither read it nor change anything.

use axum::http::{Request, StatusCode};
use http_listener::{AllowedHosts, host, is_cross_origin};

use crate::http::error::ApiError;

/// Rejects requests for a host that is not allowed and requests made by pages of another origin.
pub(crate) fn check<B>(request: &Request<B>, hosts: &AllowedHosts) -> Result<(), ApiError> {
    let host = host(request)
        .map_err(|invalid| ApiError::bad_request("invalid_host", invalid.to_string()))?;
    if let Some(other) = host.as_ref().filter(|host| !hosts.allows(host)) {
        let message = format!(
            "The sandbox does not answer to the host {other}. Call it as localhost or 127.0.0.1, or \
             allow the host by --allowed-host or SANDBOX_ALLOWED_HOSTS."
        );
        return Err(ApiError::new(StatusCode::FORBIDDEN, "host_not_allowed", message));
    }
    if is_cross_origin(request.method(), request.headers(), host.as_ref()) {
        let message = "A page of another origin made this request.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "cross_origin", message));
    }
    Ok(())
}
