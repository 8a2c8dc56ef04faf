//! The values that handlers return.

use std::{error::Error, fmt, time::Duration};

use apalis_core::{error::BoxDynError, task::into_response::IntoResponse};

use crate::queue::attempt::AttemptOutcome;

/// What the worker has to do about a job after its handler returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Nothing: the handler has settled the job with [`settle`](crate::settle), or leaves it until
    /// its lease ends.
    Settled,
    /// Settle the job with this outcome. A retry after the last attempt becomes dead.
    Outcome(AttemptOutcome),
}

/// A value that a handler may return on success.
pub trait HandlerOutput {
    /// Returns what the worker has to do about the job.
    fn handled(&self) -> Handled;
}

/// The job is done.
impl HandlerOutput for () {
    fn handled(&self) -> Handled {
        Handled::Outcome(AttemptOutcome::Done)
    }
}

impl HandlerOutput for AttemptOutcome {
    fn handled(&self) -> Handled {
        Handled::Outcome(*self)
    }
}

impl HandlerOutput for Handled {
    fn handled(&self) -> Handled {
        *self
    }
}

impl From<AttemptOutcome> for Handled {
    fn from(outcome: AttemptOutcome) -> Self {
        Handled::Outcome(outcome)
    }
}

impl IntoResponse for AttemptOutcome {
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

/// The error for a job of a kind that the worker does not know. The job is snoozed for a minute, and
/// runs on a worker that knows the kind, such as one of a newer version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(pub String);

impl UnknownKind {
    /// The error code that is recorded.
    pub const CODE: &'static str = "unknown_kind";
    pub(super) const DELAY: Duration = Duration::from_mins(1);
}

impl Error for UnknownKind {}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this worker has no handler for the kind {:?}", self.0)
    }
}
