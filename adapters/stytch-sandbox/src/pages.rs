//! What pages for people have in common, and the one between a mailed link and the application.

use askama::Template;
use hyper::{
    StatusCode,
    header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};

use crate::{
    answer::{HttpResponse, response, with_header},
    refusal::Refusal,
};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Goes on by a script or a click, which programs that look through mail don't do.
#[derive(Template)]
#[template(path = "redirect.html")]
pub(crate) struct Onward<'a> {
    pub(crate) url: &'a str,
}

pub(crate) fn page(template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => guarded("text/html; charset=utf-8", html),
        Err(_) => Refusal::internal().into_response(),
    }
}

/// What pages load, if it is that.
pub(crate) fn file(path: &str) -> Option<HttpResponse> {
    let (content_type, content) = match path {
        "/inbox.css" => ("text/css; charset=utf-8", include_str!("../static/inbox.css")),
        "/inbox.js" => ("text/javascript; charset=utf-8", include_str!("../static/inbox.js")),
        "/redirect.js" => ("text/javascript; charset=utf-8", include_str!("../static/redirect.js")),
        _ => return None,
    };
    Some(guarded(content_type, content.to_owned()))
}

fn guarded(content_type: &'static str, content: String) -> HttpResponse {
    let fixed = HeaderValue::from_static;
    let response = response(StatusCode::OK, content_type, content);
    let response = with_header(response, CONTENT_SECURITY_POLICY, fixed(POLICY));
    let response = with_header(response, X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    with_header(response, REFERRER_POLICY, fixed("no-referrer"))
}
