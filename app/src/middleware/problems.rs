//! Renders problems: as a page for people, as JSON for programs.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use crate::extract::ErrorPageValues;
use crate::pages;
use crate::problem::{Code, Problem, is_api_path};
use crate::sessions::cookies::LoginHint;
use crate::state::App;

/// How the caller of a request wants problems to be rendered.
pub enum ProblemFormat {
    Json,
    /// A page. Its login form is prefilled with the address of the browser's last user.
    Html {
        hint: Option<String>,
        is_get: bool,
    },
}

impl ProblemFormat {
    /// Negotiates the format. API paths always get JSON.
    pub fn negotiate(request: &Request) -> Self {
        let accept = request.headers().get(header::ACCEPT);
        let accept = accept.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let accepts_html = accept.is_some_and(|accept| accept.contains("text/html"));
        if is_api_path(request.uri().path()) || !accepts_html {
            return Self::Json;
        }
        Self::Html {
            hint: LoginHint::read(request.headers()).map(|hint| hint.email),
            is_get: request.method() == Method::GET,
        }
    }
}

/// Replaces the body of a response that has a problem, or that is an error of axum. The response
/// keeps its headers.
pub fn render(
    app: &App,
    response: Response,
    format: ProblemFormat,
    mut error_page: ErrorPageValues,
    request_id: &str,
) -> Response {
    let problem = response.extensions().get::<Problem>().cloned();
    let problem = problem.or_else(|| framework_problem(&response));
    let Some(problem) = problem else { return response };
    let mut rendered = match format {
        ProblemFormat::Json => problem.to_json(request_id),
        ProblemFormat::Html { hint, is_get } => {
            let email = &mut error_page.login_form.email;
            *email = email.take().or(hint);
            pages::problem_page(app, &problem, request_id, &error_page, is_get)
        }
    };
    for (name, value) in response.headers() {
        if !matches!(*name, header::CONTENT_LENGTH | header::CONTENT_TYPE) {
            rendered.headers_mut().append(name, value.clone());
        }
    }
    rendered
}

/// Returns the problem of an error response that axum or a layer has made: its body is empty or
/// plain text.
fn framework_problem(response: &Response) -> Option<Problem> {
    let content_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|kind| !kind.starts_with(b"text/plain")) {
        return None;
    }
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Some(Code::MethodNotAllowed.into()),
        StatusCode::PAYLOAD_TOO_LARGE => Some(Code::BodyTooLarge.into()),
        StatusCode::REQUEST_TIMEOUT => Some(Code::Timeout.into()),
        status if status.is_client_error() => Some(Code::BadRequest.into()),
        _ => None,
    }
}
