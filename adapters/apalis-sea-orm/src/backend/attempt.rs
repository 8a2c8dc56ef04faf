//! An attempt in progress, and the outcome that follows from what its handler returns.

use std::{error::Error, iter};

use apalis_core::error::{AbortError, BoxDynError, RetryAfterError};
use jiff::Timestamp;
use uuid::Uuid;

use super::handler_output::{Handled, HandlerOutput, UnknownKind};
use crate::{
    backoff::Backoff,
    queue::{
        attempt::{AttemptError, AttemptOutcome},
        claim::ClaimedJob,
        lease::JobLease,
    },
};

/// An outcome to write, with its error; `None` if the handler has settled the job.
pub(super) type Decision = Option<(AttemptOutcome, Option<AttemptError>)>;

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) job: Uuid,
    pub(super) fence: i64,
    pub(super) number: u32,
    pub(super) started_at: Timestamp,
    /// Occupies the slot until the result is written.
    pub(super) lease: JobLease,
    max_attempts: u32,
}

impl Attempt {
    pub(super) fn new(job: &ClaimedJob) -> Self {
        Self {
            job: job.id,
            fence: job.fence,
            number: job.number,
            started_at: job.started_at,
            lease: job.lease.clone(),
            max_attempts: job.max_attempts,
        }
    }

    pub(super) fn on_success(&self, output: &impl HandlerOutput) -> Decision {
        match output.handled() {
            Handled::Settled => None,
            Handled::Outcome(AttemptOutcome::Retry { at }) => Some((self.retry(at), None)),
            // An exhausted job must not be processed, so it can't be done.
            Handled::Outcome(AttemptOutcome::Done) if self.number > self.max_attempts => {
                Some((AttemptOutcome::Dead, Some(self.exhausted())))
            }
            Handled::Outcome(outcome) => Some((outcome, None)),
        }
    }

    /// Decides by the error alone: apalis' task status is `Running` after a timeout.
    pub(super) fn on_error(
        &self,
        error: &BoxDynError,
        backoff: Backoff,
        now: Timestamp,
    ) -> (AttemptOutcome, AttemptError) {
        let after = |delay| now.saturating_add(delay).unwrap_or(Timestamp::MAX);
        if error.is::<AbortError>() {
            return (AttemptOutcome::Dead, attempt_error(error.as_ref(), "aborted"));
        }
        if error.is::<UnknownKind>() {
            let at = after(UnknownKind::DELAY);
            let error = attempt_error(error.as_ref(), UnknownKind::CODE);
            return (AttemptOutcome::Snooze { at }, error);
        }
        let retry_after = error.downcast_ref::<RetryAfterError>();
        let delay = retry_after.map(RetryAfterError::get_duration);
        let delay = delay.unwrap_or_else(|| backoff.job_delay(self.job, self.number));
        (self.retry(after(delay)), attempt_error(error.as_ref(), "failed"))
    }

    pub(super) fn exhausted(&self) -> AttemptError {
        AttemptError::new("exhausted", format!("all {} attempts are used up", self.max_attempts))
    }

    fn retry(&self, at: Timestamp) -> AttemptOutcome {
        if self.number < self.max_attempts {
            AttemptOutcome::Retry { at }
        } else {
            AttemptOutcome::Dead
        }
    }
}

/// Returns the [`AttemptError`] in the handler's chain of errors, or a new one with this code.
fn attempt_error(error: &(dyn Error + 'static), code: &str) -> AttemptError {
    if let Some(own) = chain(error).find_map(|error| error.downcast_ref::<AttemptError>()) {
        return own.clone();
    }
    // The messages of apalis' wrappers repeat their source.
    let is_wrapper = error.is::<AbortError>() || error.is::<RetryAfterError>();
    let messages: Vec<_> = chain(error).skip(is_wrapper.into()).map(ToString::to_string).collect();
    AttemptError::new(code, messages.join(": "))
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (**error).source())
}
