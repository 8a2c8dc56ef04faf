//! The layer around a handler: it catches panics, judges what came of the job, and has that
//! written before apalis hears of it.

use std::{
    any::Any,
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{error::BoxDynError, task::Task};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use tower::{Layer, Service};
use uuid::Uuid;

use super::{
    Habits,
    answer::{Answer, Judge, Verdict},
    settler::{Attempt, Settler},
};
use crate::{Claimed, Failure, Lease, Outcome};

type Panic = Box<dyn Any + Send>;

/// Wraps a worker's service; apalis applies it by itself.
#[derive(Clone, Debug)]
pub struct PerformLayer {
    pub(super) settler: Settler,
    pub(super) begun: Begun,
    pub(super) habits: Habits,
}

impl<S> Layer<S> for PerformLayer {
    type Service = Perform<S>;

    fn layer(&self, inner: S) -> Perform<S> {
        Perform { inner, with: self.clone() }
    }
}

/// Performs jobs by the service within, and settles them.
#[derive(Clone, Debug)]
pub struct Perform<S> {
    inner: S,
    with: PerformLayer,
}

impl<S> Service<Task<Claimed>> for Perform<S>
where
    S: Service<Task<Claimed>>,
    S::Response: Answer + Send + 'static,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<S::Response, BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let job = Job::of(&task.args, self.with.clone());
        if task.args.exhausted() && !self.with.habits.hand_out_exhausted {
            return job.bury().boxed();
        }
        // A closure may panic before there is a future to poll.
        let performing = catch_unwind(AssertUnwindSafe(|| self.inner.call(task)));
        let performed = async {
            let future = performing?.map(|result| result.map_err(Into::into));
            AssertUnwindSafe(future).catch_unwind().await
        };
        job.settle(performed).boxed()
    }
}

/// A job under way.
#[derive(Debug)]
struct Job {
    judge: Judge,
    /// Unless the handler ends cancelled jobs by itself.
    cancelled: Option<Lease>,
    timeout: Option<Duration>,
    settler: Settler,
    attempt: Attempt,
    begun: Begun,
}

impl Job {
    fn of(job: &Claimed, with: PerformLayer) -> Self {
        with.begun.begin((job.id, job.fence));
        Self {
            judge: Judge::of(job, with.settler.backoff()),
            cancelled: (!with.habits.leave_cancelled).then(|| job.lease.clone()),
            timeout: with.habits.timeouts.get(&job.kind).copied(),
            attempt: Attempt::of(job),
            settler: with.settler,
            begun: with.begun,
        }
    }

    async fn settle<R: Answer>(
        self,
        performed: impl Future<Output = Result<Result<R, BoxDynError>, Panic>>,
    ) -> Result<R, BoxDynError> {
        let performed = tokio::select! {
            biased;
            performed = performed => performed,
            () = cancelled(self.cancelled.as_ref()) => return self.give_up().await,
            () = elapsed(self.timeout) => Ok(Err(timed_out(self.timeout).into())),
        };
        let result = performed.unwrap_or_else(|panic| Err(said(panic.as_ref()).into()));
        let now = self.settler.now();
        let verdict = match &result {
            Ok(answer) => self.judge.answered(answer),
            Err(error) => {
                let (outcome, failure) = self.judge.failed(error, now);
                Some((outcome, Some(failure)))
            }
        };
        self.write(verdict, now).await;
        result
    }

    async fn give_up<R>(self) -> Result<R, BoxDynError> {
        let message = "cancelled while it was performed".to_owned();
        let failure = Failure { code: "cancelled".to_owned(), message, request_id: None };
        let now = self.settler.now();
        self.write(Some((Outcome::Cancelled, Some(failure.clone()))), now).await;
        Err(failure.into())
    }

    async fn bury<R>(self) -> Result<R, BoxDynError> {
        let failure = self.judge.exhausted();
        let now = self.settler.now();
        self.write(Some((Outcome::Dead, Some(failure.clone()))), now).await;
        Err(failure.into())
    }

    async fn write(self, verdict: Verdict, now: Timestamp) {
        let lease = self.attempt.lease();
        if let Some((outcome, failure)) = verdict {
            self.settler.settle(self.attempt, outcome, failure, now).await;
        }
        self.begun.end(lease);
    }
}

async fn cancelled(lease: Option<&Lease>) {
    match lease {
        Some(lease) => lease.cancelled().await,
        None => std::future::pending().await,
    }
}

async fn elapsed(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

fn timed_out(timeout: Option<Duration>) -> Failure {
    let message = format!("not done within {:?}", timeout.unwrap_or_default());
    Failure { code: "timed_out".to_owned(), message, request_id: None }
}

/// A panic's words.
fn said(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let message = text.unwrap_or_else(|| "without words".to_owned());
    Failure { code: "panicked".to_owned(), message, request_id: None }
}

/// Jobs that were begun and have not ended, for a worker that is dropped over them.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun(Arc<Mutex<HashSet<(Uuid, i64)>>>);

impl Begun {
    pub(super) fn all(&self) -> Vec<(Uuid, i64)> {
        self.leases().iter().copied().collect()
    }

    fn begin(&self, lease: (Uuid, i64)) {
        self.leases().insert(lease);
    }

    fn end(&self, lease: (Uuid, i64)) {
        self.leases().remove(&lease);
    }

    fn leases(&self) -> MutexGuard<'_, HashSet<(Uuid, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
