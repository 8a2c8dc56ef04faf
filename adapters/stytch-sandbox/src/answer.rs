//! What a handler gives back, and how that becomes an HTTP response.

use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde_json::{Value, json};

use crate::{
    body::Body,
    ids,
    pages::{self, Onward},
    refusal::Refusal,
};

pub(crate) type HttpResponse = Response<Body>;

/// What a handler under `/v1` gives back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// An object, to which the envelope's `status_code` and `request_id` are added.
    Object(Value),
    /// A browser is sent on.
    Redirect(String),
    /// A browser goes on from a page.
    Onward(String),
}

impl From<Value> for Answer {
    fn from(object: Value) -> Self {
        Self::Object(object)
    }
}

impl Answer {
    pub(crate) fn into_response(self) -> HttpResponse {
        match self {
            Self::Object(mut object) => {
                object["status_code"] = json!(200);
                object["request_id"] = json!(ids::id("request-id"));
                json_response(StatusCode::OK, &object)
            }
            Self::Redirect(location) => redirect(&location),
            Self::Onward(url) => pages::page(&Onward { url: &url }),
        }
    }
}

impl Refusal {
    pub(crate) fn into_response(self) -> HttpResponse {
        let mut response = json_response(self.status, &self.body());
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> HttpResponse {
    response(status, "application/json", body.to_string())
}

pub(crate) fn redirect(location: &str) -> HttpResponse {
    let Ok(location) = HeaderValue::from_str(location) else {
        return Refusal::internal().into_response();
    };
    with_header(response(StatusCode::FOUND, "text/plain", String::new()), LOCATION, location)
}

pub(crate) fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> HttpResponse {
    let mut response = Response::new(Body::whole(body.into()));
    *response.status_mut() = status;
    let response = with_header(response, CONTENT_TYPE, HeaderValue::from_static(content_type));
    with_header(response, CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

pub(crate) fn with_header(
    mut response: HttpResponse,
    name: HeaderName,
    value: HeaderValue,
) -> HttpResponse {
    response.headers_mut().insert(name, value);
    response
}
