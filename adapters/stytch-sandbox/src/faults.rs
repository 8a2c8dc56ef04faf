//! Injected faults: what `PUT /sandbox/faults` accepts, and how they affect API requests.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::response::ApiError;

const PADDING_BYTES: usize = 10 * 1024 * 1024;

/// A fault, as `/sandbox/faults` accepts and shows it; `{}` is none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The delay of the response. The request is handled at once.
    latency_ms: Option<u64>,
    /// The share of requests that are rejected, from 0 to 1.
    error_rate: Option<f64>,
    /// The status of rejections. Without `error_rate`, every request is rejected.
    status: Option<u16>,
    error_type: Option<String>,
    retry_after_seconds: Option<u64>,
    /// Drops the connection without handling the request.
    down: Option<bool>,
    /// Handles the request, then drops the connection.
    lose_answer: Option<bool>,
    body: Option<BodyFault>,
    /// The number of further matching requests that the fault applies to.
    times: Option<u64>,
    /// The prefix of the paths that the fault applies to.
    path: Option<String>,
}

/// The fault of a response body; the status and the other headers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BodyFault {
    /// A proxy's error page.
    Html,
    /// No body.
    Empty,
    /// Text that is declared as JSON.
    NotJson,
    /// The first half, after which the connection is dropped.
    Truncated,
    /// The real body after 10 MiB of spaces, which is still valid JSON.
    Huge,
}

/// How one request is handled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FaultDecision {
    /// The delay between handling the request and sending the response.
    pub(crate) delay: Duration,
    pub(crate) outcome: Outcome,
    pub(crate) body: Option<BodyFault>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The request is handled.
    #[default]
    Serve,
    /// The request is not handled; the error is sent.
    Reject(ApiError),
    /// The request is not handled; the connection is dropped.
    Drop,
    /// The request is handled; the connection is dropped.
    LoseAnswer,
}

/// Marks a response in place of which the connection is dropped.
#[derive(Clone)]
pub(crate) struct ConnectionDropped;

impl ConnectionDropped {
    pub(crate) fn response() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Self);
        response
    }
}

impl Fault {
    /// Returns the fields that are set.
    pub(crate) fn to_json(&self) -> Value {
        let mut fault = json!(self);
        if let Value::Object(fields) = &mut fault {
            fields.retain(|_, value| !value.is_null());
        }
        fault
    }

    /// Decides about one request; `random` is uniformly distributed between 0 and 1.
    pub(crate) fn decide(&mut self, path: &str, random: f64) -> FaultDecision {
        if !self.path.as_ref().is_none_or(|prefix| path.starts_with(prefix)) {
            return FaultDecision::default();
        }
        match &mut self.times {
            Some(0) => *self = Self::default(),
            Some(times) => *times -= 1,
            None => {}
        }
        let decision = self.decide_matching(random);
        if self.times == Some(0) {
            *self = Self::default();
        }
        decision
    }

    fn decide_matching(&self, random: f64) -> FaultDecision {
        let outcome = if self.down == Some(true) {
            Outcome::Drop
        } else if random < self.rejected_share() {
            Outcome::Reject(self.error())
        } else if self.lose_answer == Some(true) {
            Outcome::LoseAnswer
        } else {
            Outcome::Serve
        };
        // Where a share of requests is rejected, only the rejections have a faulty body.
        let applies = self.rejected_share() == 0.0 || matches!(outcome, Outcome::Reject(_));
        let body = self.body.filter(|_| applies);
        FaultDecision { delay: Duration::from_millis(self.latency_ms.unwrap_or(0)), outcome, body }
    }

    fn rejected_share(&self) -> f64 {
        self.error_rate.unwrap_or(if self.status.is_some() { 1.0 } else { 0.0 })
    }

    fn error(&self) -> ApiError {
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error_type = self.error_type.as_deref().unwrap_or(default_error_type(status));
        let message = "This error was injected through /sandbox/faults.";
        let mut error = ApiError::new(status, error_type, message);
        error.retry_after_seconds = self.retry_after_seconds;
        error
    }

    pub(crate) fn validate(&self) -> Result<(), &'static str> {
        if self.error_rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err("error_rate must be from 0 to 1");
        }
        if self.status.is_some_and(|status| !(400..=599).contains(&status)) {
            return Err("status must be that of an error, from 400 to 599");
        }
        if self.body.is_some() && (self.down == Some(true) || self.lose_answer == Some(true)) {
            return Err("body can't be combined with down or lose_answer, which send no response");
        }
        let has_details = self.error_type.is_some() || self.retry_after_seconds.is_some();
        if has_details && self.status.is_none() && self.error_rate.is_none() {
            return Err("error_type and retry_after_seconds need status or error_rate with them");
        }
        Ok(())
    }
}

fn default_error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "unauthorized_credentials",
        404 => "route_not_found",
        405 => "method_not_allowed",
        429 => "too_many_requests",
        400..=499 => "bad_request",
        503 => "server_unavailable",
        _ => "internal_server_error",
    }
}

impl BodyFault {
    pub(crate) async fn apply(self, response: Response) -> Response {
        let (mut head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let body = match self {
            Self::Html => {
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                head.headers.insert(CONTENT_TYPE, html);
                Body::from(page(head.status))
            }
            Self::Empty => {
                head.headers.remove(CONTENT_TYPE);
                Body::empty()
            }
            Self::NotJson => Body::from("upstream connect error or disconnect/reset"),
            Self::Truncated => {
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                truncated(&body)
            }
            Self::Huge => Body::from([vec![b' '; PADDING_BYTES].as_slice(), &body].concat()),
        };
        Response::from_parts(head, body)
    }
}

/// Returns the first half of a body, followed by an error.
fn truncated(body: &Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    let error = async {
        // hyper sends what it has buffered when the body is pending, and nothing after an error.
        tokio::task::yield_now().await;
        Err(io::Error::other("truncated by a fault"))
    };
    Body::from_stream(stream::iter([Ok(half)]).chain(stream::once(error)))
}

fn page(status: StatusCode) -> String {
    format!(
        "<html>\n<head><title>{status}</title></head>\n<body>\n<center><h1>{status}</h1></center>\n\
         <hr><center>nginx</center>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultDecision, Outcome};

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    fn rejected(decision: &FaultDecision) -> Option<u16> {
        match &decision.outcome {
            Outcome::Reject(error) => Some(error.status.as_u16()),
            _ => None,
        }
    }

    #[test]
    fn an_error_rate_rejects_its_share_and_a_status_alone_rejects_all_requests() {
        let mut some = fault(r#"{"error_rate": 0.25}"#);
        assert_eq!(rejected(&some.decide("/v1/users", 0.24)), Some(500));
        assert_eq!(rejected(&some.decide("/v1/users", 0.25)), None);
        let mut all = fault(r#"{"status": 503}"#);
        assert_eq!(rejected(&all.decide("/v1/users", 0.999)), Some(503));
        let mut none = fault(r#"{"error_rate": 0}"#);
        assert_eq!(rejected(&none.decide("/v1/users", 0.0)), None);
    }

    #[test]
    fn only_matching_requests_count_and_the_fault_ends_after_the_last() {
        let mut fault = fault(r#"{"down": true, "times": 2, "path": "/v1/users"}"#);
        let outcomes = ["/v1/users", "/v1/sessions", "/v1/users/x", "/v1/users"]
            .map(|path| fault.decide(path, 0.5).outcome);
        assert_eq!(outcomes, [Outcome::Drop, Outcome::Serve, Outcome::Drop, Outcome::Serve]);
        assert_eq!(fault.to_json().to_string(), "{}");
    }
}
