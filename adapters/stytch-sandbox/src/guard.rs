//! Keeps web pages out. The inbox holds everybody's login links and needs no credentials, so a page
//! that a developer visits must neither read it nor change anything.

use http_listener::{AllowedHosts, host, is_cross_origin};
use hyper::{Request, StatusCode};

use crate::refusal::Refusal;

/// Refuses requests for other hosts, and those that pages of other origins make.
pub(crate) fn check<B>(request: &Request<B>, hosts: &AllowedHosts) -> Result<(), Refusal> {
    let host = host(request)
        .map_err(|invalid| Refusal::bad_request("invalid_host", invalid.to_string()))?;
    if let Some(other) = host.as_ref().filter(|host| !hosts.allows(host)) {
        let message = format!(
            "The sandbox does not answer to the host {other}. Call it as localhost or 127.0.0.1, or \
             allow the host by --allowed-host or SANDBOX_ALLOWED_HOSTS."
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, "host_not_allowed", message));
    }
    if is_cross_origin(request.method(), request.headers(), host.as_ref()) {
        let message = "A page of another origin made this request.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "cross_origin", message));
    }
    Ok(())
}
