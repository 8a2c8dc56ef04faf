//! Injected faults: what `PUT /sandbox/faults` accepts, and how they affect API requests.

mod body;

use std::time::Duration;

use axum::{body::Body, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::body::BodyFault;
use crate::response::ApiError;

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
