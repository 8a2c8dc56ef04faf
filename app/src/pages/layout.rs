//! What all pages share: rendering and the content security policy.

use askama::Template;
use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::config::SiteConfig;
use crate::problem::Problem;

pub fn render(site: &SiteConfig, status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = (status, Html(html)).into_response();
            if let Ok(policy) = content_security_policy(site) {
                response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            Problem::internal().into_response()
        }
    }
}

/// Allows only Guestlist's own scripts and styles. Forms may redirect to the application.
pub fn content_security_policy(site: &SiteConfig) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut form_targets = String::from("'self'");
    let app_origin = site.app_url.iter().map(url::Url::origin);
    for origin in site.app_origins.iter().cloned().chain(app_origin) {
        form_targets.push(' ');
        form_targets.push_str(&origin.ascii_serialization());
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         form-action {form_targets}; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy)
}
