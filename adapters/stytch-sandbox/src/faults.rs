//! Failures on demand: what `PUT /sandbox/faults` takes, and what it does to the next call.

use std::time::Duration;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{refusal::Refusal, spoiled::Spoiling};

/// One fault, as given; `{}` is none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Delays the answer; what was asked is done at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
    /// The share of calls that are refused, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_rate: Option<f64>,
    /// What a refusal answers; alone, every call is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    /// Drops the connection and does nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    down: Option<bool>,
    /// Does what was asked, then drops the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    lose_answer: Option<bool>,
    /// What is sent in place of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Spoiling>,
    /// For how many more matching calls it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// Only paths that begin like this.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// What happens to one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) delay: Duration,
    pub(crate) turn: Turn,
    /// What becomes of the answer's body.
    pub(crate) body: Option<Spoiling>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Done and answered.
    #[default]
    Served,
    /// Answered with an error, not done.
    Refused(Refusal),
    /// Neither done nor answered.
    Dropped,
    /// Done, not answered.
    AnswerLost,
}

#[derive(Default)]
pub(crate) struct Faults {
    current: Fault,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault) -> Result<(), String> {
        fault.check()?;
        self.current = fault;
        Ok(())
    }

    pub(crate) fn current(&self) -> &Fault {
        &self.current
    }

    /// The fate of a call, `dice` being a random number from 0 to 1.
    pub(crate) fn next(&mut self, path: &str, dice: f64) -> Fate {
        if !self.current.path.as_ref().is_none_or(|prefix| path.starts_with(prefix)) {
            return Fate::default();
        }
        match &mut self.current.times {
            Some(0) => self.current = Fault::default(),
            Some(times) => *times -= 1,
            None => {}
        }
        let fate = self.current.fate(dice);
        if self.current.times == Some(0) {
            self.current = Fault::default();
        }
        fate
    }
}

impl Fault {
    fn fate(&self, dice: f64) -> Fate {
        let turn = if self.down == Some(true) {
            Turn::Dropped
        } else if dice < self.share_refused() {
            Turn::Refused(self.refusal())
        } else if self.lose_answer == Some(true) {
            Turn::AnswerLost
        } else {
            Turn::Served
        };
        // A share of refusals spoils these alone.
        let all = self.share_refused() == 0.0;
        let body = self.body.filter(|_| all || matches!(turn, Turn::Refused(_)));
        Fate { delay: Duration::from_millis(self.latency_ms.unwrap_or(0)), turn, body }
    }

    fn share_refused(&self) -> f64 {
        self.error_rate.unwrap_or(if self.status.is_some() { 1.0 } else { 0.0 })
    }

    fn refusal(&self) -> Refusal {
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error_type = self.error_type.as_deref().unwrap_or(usual_type(status));
        let mut refusal =
            Refusal::new(status, error_type, "A fault that the sandbox was told to make.");
        refusal.retry_after_seconds = self.retry_after_seconds;
        refusal
    }

    fn check(&self) -> Result<(), String> {
        if self.error_rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err("error_rate is a share, from 0 to 1".to_owned());
        }
        if self.status.is_some_and(|status| !(400..=599).contains(&status)) {
            return Err("status is that of an error, from 400 to 599".to_owned());
        }
        if self.body.is_some() && (self.down == Some(true) || self.lose_answer == Some(true)) {
            return Err("body spoils an answer, and down and lose_answer give none".to_owned());
        }
        let shaped = self.error_type.is_some() || self.retry_after_seconds.is_some();
        if shaped && self.status.is_none() && self.error_rate.is_none() {
            return Err("error_type and retry_after_seconds shape an error: give status or \
                        error_rate with them"
                .to_owned());
        }
        Ok(())
    }
}

fn usual_type(status: StatusCode) -> &'static str {
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
    use super::{Fate, Faults, Turn};

    fn faults(json: &str) -> Faults {
        let mut faults = Faults::default();
        faults.set(serde_json::from_str(json).unwrap()).unwrap();
        faults
    }

    fn refused(fate: &Fate) -> Option<u16> {
        match &fate.turn {
            Turn::Refused(refusal) => Some(refusal.status.as_u16()),
            _ => None,
        }
    }

    #[test]
    fn a_rate_refuses_its_share_and_a_status_alone_refuses_all() {
        let mut some = faults(r#"{"error_rate": 0.25}"#);
        assert_eq!(refused(&some.next("/v1/users", 0.24)), Some(500));
        assert_eq!(refused(&some.next("/v1/users", 0.25)), None);
        assert_eq!(refused(&faults(r#"{"status": 503}"#).next("/v1/users", 0.999)), Some(503));
        assert_eq!(refused(&faults(r#"{"error_rate": 0}"#).next("/v1/users", 0.0)), None);
    }

    #[test]
    fn times_counts_matching_calls_only_and_then_it_is_over() {
        let mut faults = faults(r#"{"down": true, "times": 2, "path": "/v1/users"}"#);
        let turns = ["/v1/users", "/v1/sessions", "/v1/users/x", "/v1/users"]
            .map(|path| faults.next(path, 0.5).turn);
        assert_eq!(turns, [Turn::Dropped, Turn::Served, Turn::Dropped, Turn::Served]);
        assert_eq!(serde_json::to_string(faults.current()).unwrap(), "{}");
    }
}
