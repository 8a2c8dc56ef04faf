//! The outermost layer: gives each request an id, writes its line in the log, sets the headers
//! that every answer has, and turns problems into bodies.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::auth::shows_credential;
use super::cookies::Hint;
use super::problem::{Code, Problem};
use super::state::App;
use crate::pages;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The id of a request, as its answer names it.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// What a request's handling leaves for its response, whatever the handler returns.
#[derive(Debug, Clone, Default)]
pub struct Outgoing(Arc<Mutex<Effects>>);

#[derive(Debug, Default)]
struct Effects {
    cookies: Vec<HeaderValue>,
    refusal: Option<Code>,
}

impl Outgoing {
    /// Adds cookies.
    pub fn set_cookies(&self, cookies: impl IntoIterator<Item = HeaderValue>) {
        self.effects().cookies.extend(cookies);
    }

    /// These, and none of those added before.
    pub fn replace_cookies(&self, cookies: Vec<HeaderValue>) {
        self.effects().cookies = cookies;
    }

    /// Notes a refusal for the security log: the response may be a page or a redirect instead of
    /// the problem.
    pub fn note_refusal(&self, code: Code) {
        self.effects().refusal = Some(code);
    }

    fn take(&self) -> Effects {
        std::mem::take(&mut *self.effects())
    }

    fn effects(&self) -> MutexGuard<'_, Effects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a request.
pub async fn answer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let request_id = request_id(&app, request.headers());
    let outgoing = Outgoing::default();
    request.extensions_mut().insert(outgoing.clone());
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let asker = Asker::of(&request);
    let client = client(&app, &request);
    let shows_credential = shows_credential(request.headers(), app.site());
    let span = tracing::info_span!("request", id = %request_id, method = %request.method());
    async move {
        let began = Instant::now();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let response = next.run(request).await;
        let Effects { cookies, refusal } = outgoing.take();
        let problem = response.extensions().get::<Problem>().map(|problem| problem.code);
        if let Some(code) = problem.or(refusal) {
            let route = route.as_ref().map_or("-", MatchedPath::as_str);
            // Without a credential, 401 is how a browser learns that it has to log in.
            if code != Code::SessionMissing || shows_credential {
                app.security_log().refused(code, route, client);
            }
        }
        let mut response = render(&app, response, &asker, &request_id);
        finish(&app, response.headers_mut(), &request_id, cookies);
        log(&app, &method, route.as_ref(), response.status(), began);
        response
    }
    .instrument(span)
    .await
}

/// The caller's own id if it is a decent one, else a new one.
fn request_id(app: &App, headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_decent = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    given.filter(is_decent).map_or_else(|| app.ctx().ids.next().to_string(), ToOwned::to_owned)
}

fn client(app: &App, request: &Request) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(app.site().client_ip(peer.ip(), request.headers()))
}

/// Whether an address is for programs alone, who are never answered with a page.
pub fn is_for_programs(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path.starts_with("/webhooks/")
}

/// Who reads the answer: a program that posts to a page does not ask for HTML.
struct Asker {
    is_person: bool,
    /// Who came in by this browser before: whom a form is likely about.
    hint: Option<String>,
}

impl Asker {
    fn of(request: &Request) -> Self {
        let accept = request.headers().get(header::ACCEPT);
        let accept = accept.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let is_api = is_for_programs(request.uri().path());
        let is_person = !is_api && accept.is_some_and(|accept| accept.contains("text/html"));
        let hint = if is_person { Hint::read(request.headers()) } else { None };
        Self { is_person, hint: hint.map(|hint| hint.email) }
    }
}

fn render(app: &App, response: Response, asker: &Asker, request_id: &str) -> Response {
    let status = response.status();
    let problem = response.extensions().get::<Problem>().cloned();
    let problem = problem.or_else(|| if is_bare(&response) { unhandled(status) } else { None });
    let Some(problem) = problem else { return response };
    let mut rendered = if asker.is_person {
        pages::problem_page(app, &problem, request_id, asker.hint.as_deref())
    } else {
        problem.to_json(request_id)
    };
    for (name, value) in response.headers() {
        if !matches!(*name, header::CONTENT_LENGTH | header::CONTENT_TYPE) {
            rendered.headers_mut().append(name, value.clone());
        }
    }
    rendered
}

/// Whether an answer has no form of ours: axum's own are empty or plain text.
fn is_bare(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_none_or(|kind| kind.starts_with(b"text/plain"))
}

/// What axum and its layers refuse by themselves.
fn unhandled(status: StatusCode) -> Option<Problem> {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            let detail = "This address does not take that method; Allow names those it takes.";
            Some(Problem::new(Code::MethodNotAllowed, detail))
        }
        StatusCode::PAYLOAD_TOO_LARGE => Some(super::body::too_large()),
        StatusCode::REQUEST_TIMEOUT => {
            let detail = "The request took too long. Whether it was carried out is not known.";
            Some(Problem::new(Code::Timeout, detail))
        }
        status if status.is_client_error() => {
            Some(Problem::new(Code::BadRequest, "The request can't be understood."))
        }
        _ => None,
    }
}

fn finish(app: &App, headers: &mut HeaderMap, request_id: &str, cookies: Vec<HeaderValue>) {
    if let Ok(id) = HeaderValue::try_from(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|kind| kind.starts_with(b"text/html")) {
        // A page that opened ours, or that ours opened, gets no handle on it.
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
    if app.site().is_secure() {
        let hsts = HeaderValue::from_static(if app.site().hsts_include_subdomains {
            "max-age=63072000; includeSubDomains"
        } else {
            "max-age=63072000"
        });
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
}

/// The route, never the address itself: addresses hold tokens.
fn log(
    app: &App,
    method: &Method,
    route: Option<&MatchedPath>,
    status: StatusCode,
    began: Instant,
) {
    let route = route.map_or("-", MatchedPath::as_str);
    let (status, took) = (status.as_u16(), began.elapsed());
    app.requests().answered(method, route, status, took);
    let ms = took.as_millis();
    if status >= 500 {
        tracing::error!(route, status, ms, "answered");
    } else {
        tracing::debug!(route, status, ms, "answered");
    }
}
