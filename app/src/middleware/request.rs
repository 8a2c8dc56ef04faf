//! The outermost middleware: assigns request ids, logs requests, and completes responses.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::problems::{ProblemFormat, render};
use crate::config::SiteConfig;
use crate::extract::{Effects, RequestId, ResponseEffects, has_credentials};
use crate::problem::{Code, Problem};
use crate::state::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

pub async fn handle(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let request_id = request_id(&app, request.headers());
    let effects = ResponseEffects::default();
    request.extensions_mut().insert(effects.clone());
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let format = ProblemFormat::negotiate(&request);
    let client = client_address(&app, &request);
    let has_credentials = has_credentials(request.headers(), &app.site);
    let span = tracing::info_span!("request", id = %request_id, method = %request.method());
    async move {
        let started = Instant::now();
        let route = request.extensions().get::<MatchedPath>().cloned();
        // The route instead of the path, which may contain a token.
        let route = route.as_ref().map_or("-", MatchedPath::as_str);
        let method = request.method().clone();
        let response = next.run(request).await;
        let Effects { cookies, refusal, error_page } = effects.take();
        let problem = response.extensions().get::<Problem>().map(|problem| problem.code);
        // Without credentials, 401 is how a browser learns that its user has to log in.
        let is_expected = |code: &Code| *code == Code::SessionMissing && !has_credentials;
        if let Some(code) = problem.or(refusal).filter(|code| !is_expected(code)) {
            app.security_log.log(code, route, client);
        }
        let mut response = render(&app, response, format, error_page, &request_id);
        set_headers(&app, response.headers_mut(), &request_id, cookies);
        log(&app, &method, route, response.status(), started);
        response
    }
    .instrument(span)
    .await
}

/// Returns the id that the caller has sent, if it is well-formed, or a new one.
fn request_id(app: &App, headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_valid = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    given.filter(is_valid).map_or_else(|| app.ctx.ids.next().to_string(), ToOwned::to_owned)
}

fn client_address(app: &App, request: &Request) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(app.site.client_ip(peer.ip(), request.headers()))
}

fn set_headers(app: &App, headers: &mut HeaderMap, request_id: &str, cookies: Vec<HeaderValue>) {
    if let Ok(id) = HeaderValue::try_from(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    set_security_headers(headers, &app.site);
}

/// Sets the security headers of all responses; those that a handler may choose only if it has not set
/// them.
fn set_security_headers(headers: &mut HeaderMap, site: &SiteConfig) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|kind| kind.starts_with(b"text/html")) {
        // Windows of other origins get no reference to a page's window.
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
    if site.is_secure() {
        let hsts = HeaderValue::from_static(if site.hsts_include_subdomains {
            "max-age=63072000; includeSubDomains"
        } else {
            "max-age=63072000"
        });
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
}

fn log(app: &App, method: &Method, route: &str, status: StatusCode, started: Instant) {
    let (status, duration) = (status.as_u16(), started.elapsed());
    app.metrics.observe_request(method, route, status, duration);
    let ms = duration.as_millis();
    if status >= 500 {
        tracing::error!(route, status, ms, "request failed");
    } else {
        tracing::debug!(route, status, ms, "request completed");
    }
}
