//! What a handler's result means for its job.

use std::{error::Error, fmt, iter};

use apalis_core::{
    error::{AbortError, BoxDynError, RetryAfterError},
    task::into_response::IntoResponse,
};
use jiff::Timestamp;

use super::UnknownKind;
use crate::{Backoff, Claimed, Failure, Outcome};

/// What a handler answers about its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// The handler settled it, by [`settle`](crate::settle) in a transaction of its own, or left
    /// it to its lease on purpose: the worker writes nothing.
    Settled,
    /// The worker is to settle it so. A retry beyond the last attempt is written as dead.
    Outcome(Outcome),
}

/// A handler's successful result, read for what becomes of the job.
pub trait Answer {
    /// What it says of the job.
    fn handled(&self) -> Handled;
}

/// Done.
impl Answer for () {
    fn handled(&self) -> Handled {
        Handled::Outcome(Outcome::Done)
    }
}

impl Answer for Outcome {
    fn handled(&self) -> Handled {
        Handled::Outcome(*self)
    }
}

impl Answer for Handled {
    fn handled(&self) -> Handled {
        *self
    }
}

impl From<Outcome> for Handled {
    fn from(outcome: Outcome) -> Self {
        Handled::Outcome(outcome)
    }
}

impl IntoResponse for Outcome {
    type Output = Self;

    fn into_response(self) -> Result<Self, BoxDynError> {
        Ok(self)
    }
}

impl IntoResponse for Handled {
    type Output = Self;

    fn into_response(self) -> Result<Self, BoxDynError> {
        Ok(self)
    }
}

/// A handler may return it as its error (or within an `AbortError` or `RetryAfterError`), to have
/// its code and request id recorded.
impl Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// What a job's worker writes down: none if the handler did.
pub(super) type Verdict = Option<(Outcome, Option<Failure>)>;

/// The facts by which an outcome is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge {
    pub(super) job: uuid::Uuid,
    pub(super) number: u32,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
}

impl Judge {
    pub(super) fn of(job: &Claimed, backoff: Backoff) -> Self {
        Self { job: job.id, number: job.number, max_attempts: job.max_attempts, backoff }
    }

    pub(super) fn answered(&self, answer: &impl Answer) -> Verdict {
        match answer.handled() {
            Handled::Settled => None,
            Handled::Outcome(Outcome::Retry { at }) => Some((self.retry(at), None)),
            // It was not to be performed, so it was not done.
            Handled::Outcome(Outcome::Done) if self.number > self.max_attempts => {
                Some((Outcome::Dead, Some(self.exhausted())))
            }
            Handled::Outcome(outcome) => Some((outcome, None)),
        }
    }

    /// By the error alone; apalis' task status says `Running` after a timeout.
    pub(super) fn failed(&self, error: &BoxDynError, now: Timestamp) -> (Outcome, Failure) {
        if error.is::<AbortError>() {
            return (Outcome::Dead, failure(error.as_ref(), "aborted"));
        }
        if error.is::<UnknownKind>() {
            let at = now.saturating_add(UnknownKind::WAIT).unwrap_or(Timestamp::MAX);
            return (Outcome::Snooze { at }, failure(error.as_ref(), "unknown_kind"));
        }
        let asked = error.downcast_ref::<RetryAfterError>().map(RetryAfterError::get_duration);
        let wait = asked.unwrap_or_else(|| self.backoff.delay(self.job, self.number));
        let at = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        (self.retry(at), failure(error.as_ref(), "failed"))
    }

    pub(super) fn exhausted(&self) -> Failure {
        let message = format!("all {} attempts are used up", self.max_attempts);
        Failure { code: "exhausted".to_owned(), message, request_id: None }
    }

    fn retry(&self, at: Timestamp) -> Outcome {
        if self.number < self.max_attempts { Outcome::Retry { at } } else { Outcome::Dead }
    }
}

/// The handler's own [`Failure`], if its error is or holds one.
fn failure(error: &(dyn Error + 'static), code: &str) -> Failure {
    if let Some(own) = chain(error).find_map(|error| error.downcast_ref::<Failure>()) {
        return own.clone();
    }
    // apalis' wrappers say their source again.
    let wrapped = error.is::<AbortError>() || error.is::<RetryAfterError>();
    let told: Vec<_> = chain(error).skip(wrapped.into()).map(ToString::to_string).collect();
    Failure { code: code.to_owned(), message: told.join(": "), request_id: None }
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (**error).source())
}
