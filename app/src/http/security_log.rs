//! Logs requests that were refused: wrong keys and signatures, missing rights, foreign origins,
//! exceeded limits.
//!
//! A line has the code, the route and the client's IP address, which an operator needs to block an
//! attacker. Nothing else in the log names an address. Lines are sampled, so that an attack doesn't
//! fill the disk.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tracing::Level;

use super::problem::Code;

/// Lines of one code in one [`WINDOW`]; the rest is counted.
const LINES: u64 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Logs refusals, sampled by their code.
#[derive(Debug, Default)]
pub struct SecurityLog(Mutex<BTreeMap<Code, Window>>);

#[derive(Debug)]
struct Window {
    began: Instant,
    refusals: u64,
}

impl SecurityLog {
    /// Logs that a request was refused, unless that code was logged often enough just now, or is
    /// of no interest to security.
    pub fn refused(&self, code: Code, route: &str, client: Option<IpAddr>) {
        let Some(level) = level(code) else { return };
        if !self.admits(code, Instant::now()) {
            return;
        }
        let client = client.map(tracing::field::display);
        let code = code.as_str();
        if level == Level::WARN {
            tracing::warn!(code, route, client, "request refused");
        } else {
            tracing::info!(code, route, client, "request refused");
        }
    }

    /// Counts a refusal; returns whether it gets a line of its own.
    fn admits(&self, code: Code, now: Instant) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(code).or_insert(Window { began: now, refusals: 0 });
        if now.duration_since(window.began) >= WINDOW {
            window.log_suppressed(code);
            *window = Window { began: now, refusals: 0 };
        }
        window.refusals += 1;
        window.refusals <= LINES
    }

    /// Logs the counts of windows that have ended. To be called every few seconds.
    pub fn flush(&self) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|code, window| {
            let goes_on = window.began.elapsed() < WINDOW;
            if !goes_on {
                window.log_suppressed(*code);
            }
            goes_on
        });
    }
}

impl Window {
    fn log_suppressed(&self, code: Code) {
        let suppressed = self.refusals.saturating_sub(LINES);
        if suppressed > 0 {
            let (code, seconds) = (code.as_str(), WINDOW.as_secs());
            tracing::warn!(code, suppressed, seconds, "more requests were refused than are logged");
        }
    }
}

/// The level of a refusal's line; `None` where it says nothing about security. Sessions that ended
/// and mails asked for too soon are usual, so they are no warning.
fn level(code: Code) -> Option<Level> {
    match code {
        Code::ApiKeyInvalid
        | Code::SignatureInvalid
        | Code::SignatureExpired
        | Code::CrossOrigin
        | Code::Forbidden
        | Code::ScopeMissing
        | Code::RoleNotGrantable
        | Code::TooManyRequests => Some(Level::WARN),
        code => {
            let is_refusal = matches!(
                code.status(),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
            );
            is_refusal.then_some(Level::INFO)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_gets_ten_lines_in_ten_seconds() {
        let log = SecurityLog::default();
        let now = Instant::now();
        let lines = |code, at| (0..50).filter(|_| log.admits(code, at)).count();
        assert_eq!(lines(Code::ApiKeyInvalid, now), 10);
        assert_eq!(lines(Code::ApiKeyInvalid, now + WINDOW / 2), 0);
        assert_eq!(lines(Code::CrossOrigin, now), 10, "each code has its own");
        assert_eq!(lines(Code::ApiKeyInvalid, now + WINDOW), 10);
    }

    #[test]
    fn only_refusals_of_a_caller_are_of_interest() {
        for code in [Code::ApiKeyInvalid, Code::CrossOrigin, Code::TooManyRequests] {
            assert_eq!(level(code), Some(Level::WARN), "{code:?}");
        }
        for code in [Code::SessionExpired, Code::AccountSuspended, Code::ResentTooSoon] {
            assert_eq!(level(code), Some(Level::INFO), "{code:?}");
        }
        for code in [Code::NotFound, Code::InvalidRequest, Code::LinkUsed] {
            assert_eq!(level(code), None, "{code:?}");
        }
    }
}
