//! Holds that follow from the provider's 429 responses.

use std::time::{Duration, Instant};

use guestlist_domain::{ProviderError, ProviderErrorKind};
use jiff::Timestamp;

/// So many 429 responses without `Retry-After` within [`WINDOW`] concern the whole project, not a
/// single address.
const PROJECT_WIDE: u32 = 3;
/// The provider's shortest rate-limit window.
const WINDOW: Duration = Duration::from_secs(1);
/// The longest hold; the provider is asked again after it.
const MAX_PROVIDER_HOLD: Duration = Duration::from_mins(15);
/// Shortest hold of bulk mail after the provider reported that too few mails lead to a login, which
/// more bulk mail would make worse.
const MIN_BULK_HOLD: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub struct RateHolds {
    /// Hold to apply to all workers, until it is taken.
    pub hold: Option<Duration>,
    /// Number of 429 responses without `Retry-After`, and the start of their window.
    refusals: (Instant, u32),
    /// End of the hold of bulk mail, by both clocks.
    bulk_until: Option<(Instant, Timestamp)>,
}

impl RateHolds {
    pub fn new(now: Instant) -> Self {
        Self { hold: None, refusals: (now, 0), bulk_until: None }
    }

    pub fn bulk_until(&self) -> Option<Timestamp> {
        self.bulk_until.map(|(_, time)| time)
    }

    pub fn is_bulk_held(&mut self, now: Instant) -> bool {
        self.bulk_until = self.bulk_until.filter(|(until, _)| now < *until);
        self.bulk_until.is_some()
    }

    /// Records the error of a call; only 429 responses have an effect.
    pub fn record_error(&mut self, error: &ProviderError, now: Instant, time: Timestamp) {
        let after = match error.kind {
            ProviderErrorKind::RateLimited(after) => after,
            ProviderErrorKind::BulkMailLimited(after) => {
                let hold = after.unwrap_or_default().clamp(MIN_BULK_HOLD, MAX_PROVIDER_HOLD);
                self.bulk_until = Some((now + hold, time + hold));
                return;
            }
            _ => return,
        };
        if after.is_none() {
            let (since, refusals) = &mut self.refusals;
            if now.duration_since(*since) > WINDOW {
                (*since, *refusals) = (now, 0);
            }
            *refusals += 1;
            if *refusals < PROJECT_WIDE {
                return;
            }
        }
        let hold = after.unwrap_or(WINDOW).min(MAX_PROVIDER_HOLD);
        self.hold = self.hold.max(Some(hold));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Timestamp = Timestamp::UNIX_EPOCH;

    fn rate_limited(code: &str, after: Option<Duration>) -> ProviderError {
        let kind = match code {
            "too_few_tokens_authenticated" => ProviderErrorKind::BulkMailLimited(after),
            _ => ProviderErrorKind::RateLimited(after),
        };
        ProviderError { kind, code: code.to_owned(), message: String::new(), request_id: None }
    }

    #[test]
    fn the_longest_retry_after_holds_all_workers() {
        let mut holds = RateHolds::new(Instant::now());
        for seconds in [1, 7, 3] {
            let after = Some(Duration::from_secs(seconds));
            let error = rate_limited("too_many_requests", after);
            holds.record_error(&error, Instant::now(), TIME);
        }
        assert_eq!(holds.hold, Some(Duration::from_secs(7)));
        let error = rate_limited("x", Some(Duration::from_hours(9)));
        holds.record_error(&error, Instant::now(), TIME);
        assert_eq!(holds.hold, Some(MAX_PROVIDER_HOLD));
    }

    #[test]
    fn several_refused_addresses_in_a_second_hold_all_workers_and_one_does_not() {
        let now = Instant::now();
        let mut holds = RateHolds::new(now);
        let error = rate_limited("too_many_requests", None);
        holds.record_error(&error, now, TIME);
        holds.record_error(&error, now, TIME);
        assert_eq!(holds.hold, None);
        // The count starts again in another window.
        holds.record_error(&error, now + WINDOW * 2, TIME);
        assert_eq!(holds.hold, None);
        holds.record_error(&error, now + WINDOW * 2, TIME);
        holds.record_error(&error, now + WINDOW * 2, TIME);
        assert_eq!(holds.hold, Some(WINDOW));
    }

    #[test]
    fn too_few_logins_hold_bulk_mail_only() {
        let now = Instant::now();
        let mut holds = RateHolds::new(now);
        let code = "too_few_tokens_authenticated";
        holds.record_error(&rate_limited(code, None), now, TIME);
        let until = (now + MIN_BULK_HOLD, TIME + MIN_BULK_HOLD);
        assert_eq!((holds.hold, holds.bulk_until), (None, Some(until)));
        let error = rate_limited(code, Some(Duration::from_hours(24)));
        holds.record_error(&error, now, TIME);
        assert_eq!(holds.bulk_until, Some((now + MAX_PROVIDER_HOLD, TIME + MAX_PROVIDER_HOLD)));
    }
}
