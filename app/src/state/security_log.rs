//! Logs refused requests: invalid keys and signatures, missing permissions, foreign origins and
//! exceeded limits.
//!
//! A line has the code, the route and the client's IP address, which an operator needs to block an
//! attacker. No other log line contains an IP address. Lines are sampled, so that an attack can't
//! fill the disk.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use parking_lot::Mutex;
use tracing::Level;

use crate::problem::Code;

/// Lines logged per code and [`WINDOW`]; further refusals are only counted.
const MAX_LINES: u64 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// The log of refused requests, sampled per code.
#[derive(Debug, Default)]
pub struct SecurityLog(Mutex<BTreeMap<Code, Window>>);

#[derive(Debug)]
struct Window {
    started: Instant,
    refusals: u64,
}

impl SecurityLog {
    /// Logs a refused request, unless its code is not security-relevant or has reached its share of
    /// lines.
    pub fn log(&self, code: Code, route: &str, client: Option<IpAddr>) {
        let Some(level) = level(code) else { return };
        if !self.is_sampled(code, Instant::now()) {
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

    /// Counts a refusal and returns whether to log it.
    fn is_sampled(&self, code: Code, now: Instant) -> bool {
        let mut windows = self.0.lock();
        let window = windows.entry(code).or_insert(Window { started: now, refusals: 0 });
        if now.duration_since(window.started) >= WINDOW {
            window.log_suppressed(code);
            *window = Window { started: now, refusals: 0 };
        }
        window.refusals += 1;
        window.refusals <= MAX_LINES
    }

    /// Logs the counts of windows that have ended. Called every few seconds.
    pub fn flush(&self) {
        let mut windows = self.0.lock();
        windows.retain(|code, window| {
            let is_running = window.started.elapsed() < WINDOW;
            if !is_running {
                window.log_suppressed(*code);
            }
            is_running
        });
    }
}

impl Window {
    fn log_suppressed(&self, code: Code) {
        let suppressed = self.refusals.saturating_sub(MAX_LINES);
        if suppressed > 0 {
            let (code, seconds) = (code.as_str(), WINDOW.as_secs());
            tracing::warn!(code, suppressed, seconds, "further refused requests were not logged");
        }
    }
}

/// Returns the log level of a refusal, or `None` if it is not security-relevant. Ended sessions and
/// resends that come too soon are normal, so they are logged as information.
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
    fn each_code_is_logged_ten_times_in_ten_seconds() {
        let log = SecurityLog::default();
        let now = Instant::now();
        let lines = |code, at| (0..50).filter(|_| log.is_sampled(code, at)).count();
        assert_eq!(lines(Code::ApiKeyInvalid, now), 10);
        assert_eq!(lines(Code::ApiKeyInvalid, now + WINDOW / 2), 0);
        assert_eq!(lines(Code::CrossOrigin, now), 10, "each code has its own window");
        assert_eq!(lines(Code::ApiKeyInvalid, now + WINDOW), 10);
    }

    #[test]
    fn only_refusals_of_a_caller_are_logged() {
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
