//! What to do after a call to Stytch failed: the same answer for every job.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    Attempt, Ctx, HeldBy, JobError, JobOutcome, ProviderError, ProviderErrorKind, RetryPolicy,
};

/// Stytch's windows are fixed: after a 429 a whole one must pass, and the shortest is a second.
const RATE_LIMIT_PAUSE: Duration = Duration::from_millis(1500);
/// Asked to wait for longer than that, it is looked whether it still has to.
const RATE_LIMIT_LONGEST: Duration = Duration::from_mins(15);
/// Those who wait for the same time come back over half of it.
const SPREAD: Duration = Duration::from_mins(10);
/// Stytch thinks that too few of our mails lead to a login; more mail at once makes that worse.
const TOO_FEW_TOKENS_PAUSE: Duration = Duration::from_mins(5);
/// A worker that is refused holds its queues until the configuration is mended; another one may be
/// configured right.
const MISCONFIGURED_PAUSE: Duration = Duration::from_secs(2);

impl From<&ProviderError> for JobError {
    fn from(error: &ProviderError) -> Self {
        Self {
            code: error.code.clone(),
            message: error.message.clone(),
            request_id: error.request_id.clone(),
        }
    }
}

/// How an attempt ends whose call to Stytch failed.
pub(super) fn after_refusal(
    ctx: &Ctx,
    retry: RetryPolicy,
    attempt: &Attempt,
    error: &ProviderError,
) -> JobOutcome {
    let now = ctx.now();
    match error.kind {
        ProviderErrorKind::Rejected => JobOutcome::Dead(error.into()),
        ProviderErrorKind::RateLimited(said) => {
            let too_few = error.code == "too_few_tokens_authenticated";
            let least = if too_few { TOO_FEW_TOKENS_PAUSE } else { RATE_LIMIT_PAUSE };
            let pause = said.unwrap_or_default().clamp(least, RATE_LIMIT_LONGEST);
            let spread = pause.min(SPREAD).mul_f64(0.5 * ctx.ids.jitter());
            JobOutcome::Snooze(now + pause + spread, error.into())
        }
        ProviderErrorKind::Misconfigured => {
            JobOutcome::Snooze(now + MISCONFIGURED_PAUSE, error.into())
        }
        ProviderErrorKind::Unavailable | ProviderErrorKind::Doubtful => {
            again(ctx, retry, attempt, error.into())
        }
    }
}

/// Another attempt after the pause that is its due, if any is left.
pub(super) fn again(
    ctx: &Ctx,
    retry: RetryPolicy,
    attempt: &Attempt,
    error: JobError,
) -> JobOutcome {
    if attempt.number >= attempt.max_attempts {
        return JobOutcome::Dead(error);
    }
    JobOutcome::Retry(ctx.now() + retry.pause(attempt.number, ctx.ids.jitter()), error)
}

/// The end of a job whose attempts were used up by workers that died.
pub(super) fn exhausted() -> JobError {
    JobError {
        code: "attempts_exhausted".into(),
        message: "every attempt was cut short by a worker that stopped".into(),
        request_id: None,
    }
}

/// The end of an attempt that did nothing, because the lease may have ended or its turn did not
/// come: another follows at once, here or elsewhere, and this one costs nothing.
pub(super) fn not_begun(ctx: &Ctx) -> JobOutcome {
    let error = JobError {
        code: "not_begun".into(),
        message: "the worker stood still for longer than its lease, or its turn did not come"
            .into(),
        request_id: None,
    };
    JobOutcome::Snooze(ctx.now(), error)
}

/// What keeps an invitation waiting when its call ended like this.
pub(super) fn held_by(error: &ProviderError) -> Option<HeldBy> {
    match error.kind {
        ProviderErrorKind::RateLimited(_) => Some(HeldBy::RateLimit),
        ProviderErrorKind::Misconfigured => Some(HeldBy::Misconfigured),
        _ => None,
    }
}

/// An attempt as the timeline shows it.
pub(super) fn attempt_detail(attempt: &Attempt, error: Option<&JobError>, ms: u128) -> Value {
    json!({
        "number": attempt.number,
        "outcome": if error.is_some() { "error" } else { "ok" },
        "code": error.map(|e| &e.code),
        "request_id": error.and_then(|e| e.request_id.as_ref()),
        "duration_ms": u64::try_from(ms).unwrap_or(u64::MAX),
    })
}
