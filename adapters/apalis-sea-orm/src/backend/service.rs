//! The layer around a handler: it catches panics, and writes the outcome of a job that the handler
//! has not settled before it returns to apalis.

use std::{
    any::Any,
    error::Error,
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{
    error::{AbortError, BoxDynError, RetryAfterError},
    task::Task,
};
use futures::{FutureExt, future::BoxFuture};
use sea_orm::{DbErr, TransactionTrait};
use tower::{Layer, Service};

use super::{
    claimed_jobs::ClaimedJobs,
    handlers::{Handled, UnknownKind},
    maintenance::{BACKOFF, with_timeout},
};
use crate::{
    errors::{ErrorClass, classify},
    queue::{
        attempt::{AttemptError, AttemptOutcome, AttemptResult},
        claim::ClaimedJob,
        job_queue::JobQueue,
        lease::JobLease,
        settle::{Settled, is_written, settle},
    },
};

/// How long a job of an unknown kind is snoozed.
const UNKNOWN_KIND_DELAY: Duration = Duration::from_mins(1);

/// Wraps a worker's service. apalis applies it as the backend's middleware.
#[derive(Clone, Debug)]
pub struct JobLayer {
    pub(super) queue: JobQueue,
    pub(super) claimed: ClaimedJobs,
    pub(super) deliver_exhausted: bool,
}

impl<S> Layer<S> for JobLayer {
    type Service = JobService<S>;

    fn layer(&self, inner: S) -> JobService<S> {
        JobService { inner, layer: self.clone() }
    }
}

/// Calls the inner service with a job, and settles the job unless the inner service has done so.
#[derive(Clone, Debug)]
pub struct JobService<S> {
    inner: S,
    layer: JobLayer,
}

impl<S> Service<Task<ClaimedJob>> for JobService<S>
where
    S: Service<Task<ClaimedJob>>,
    S::Response: Into<Handled> + Send,
    S::Error: Into<BoxDynError> + Send,
    S::Future: Send + 'static,
{
    type Response = Handled;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<Handled, BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<ClaimedJob>) -> Self::Future {
        let run = HandlerRun::new(&task.args, self.layer.clone());
        let is_delivered = self.layer.deliver_exhausted || !task.args.exhausted();
        // The handler may panic before it returns a future.
        let future = is_delivered.then(|| catch_unwind(AssertUnwindSafe(|| self.inner.call(task))));
        async move {
            let result = match future {
                Some(Ok(future)) => AssertUnwindSafe(future).catch_unwind().await,
                Some(Err(panic)) => Err(panic),
                None => {
                    let error = run.exhausted();
                    return run.end(Err(error.into())).await;
                }
            };
            run.end(match result {
                Ok(result) => result.map(Into::into).map_err(Into::into),
                Err(panic) => Err(panicked(panic.as_ref()).into()),
            })
            .await
        }
        .boxed()
    }
}

/// The run of a handler, and the result that follows from it.
#[derive(Debug)]
struct HandlerRun {
    layer: JobLayer,
    result: AttemptResult,
    max_attempts: u32,
    /// Keeps the lease until the result is written.
    lease: JobLease,
}

impl HandlerRun {
    fn new(job: &ClaimedJob, layer: JobLayer) -> Self {
        layer.claimed.start((job.id, job.fence));
        let options = layer.queue.options();
        let result = AttemptResult {
            attempt_id: (options.ids)(),
            job: job.id,
            queue: job.queue.clone(),
            run_at: job.run_at,
            fence: job.fence,
            worker: options.worker.clone(),
            number: job.number,
            started_at: job.started_at,
            finished_at: job.started_at,
            outcome: AttemptOutcome::Done,
            error: None,
        };
        Self { layer, result, max_attempts: job.max_attempts, lease: job.lease.clone() }
    }

    /// Settles the job unless the handler has done so, and returns the handler's result.
    async fn end(mut self, result: Result<Handled, BoxDynError>) -> Result<Handled, BoxDynError> {
        self.result.finished_at = self.layer.queue.options().now();
        let outcome = match &result {
            Ok(Handled::Settled) => None,
            // An exhausted job must not be processed, so it can't be done.
            Ok(Handled::Outcome(AttemptOutcome::Done)) if self.is_exhausted() => {
                self.result.error = Some(self.exhausted());
                Some(AttemptOutcome::Dead)
            }
            Ok(Handled::Outcome(outcome)) => Some(*outcome),
            Err(error) => Some(self.outcome_of_error(error)),
        };
        if let Some(outcome) = outcome {
            let is_last = self.result.number >= self.max_attempts;
            let is_retry = matches!(outcome, AttemptOutcome::Retry { .. });
            self.result.outcome = if is_retry && is_last { AttemptOutcome::Dead } else { outcome };
            self.settle().await;
        }
        self.layer.claimed.end((self.result.job, self.result.fence));
        result
    }

    fn is_exhausted(&self) -> bool {
        self.result.number > self.max_attempts
    }

    fn exhausted(&self) -> AttemptError {
        AttemptError::new("exhausted", format!("all {} attempts are used up", self.max_attempts))
    }

    /// Records the error and returns the outcome that follows. Decides by the error alone: apalis'
    /// task status is `Running` after a timeout.
    fn outcome_of_error(&mut self, error: &BoxDynError) -> AttemptOutcome {
        let result = &mut self.result;
        let now = result.finished_at;
        let after = |delay| now.saturating_add(delay).unwrap_or(jiff::Timestamp::MAX);
        let (code, outcome) = if error.is::<AbortError>() {
            ("aborted", AttemptOutcome::Dead)
        } else if error.is::<UnknownKind>() {
            (UnknownKind::CODE, AttemptOutcome::Snooze { at: after(UNKNOWN_KIND_DELAY) })
        } else {
            let delay = error.downcast_ref().map(RetryAfterError::get_duration);
            let backoff = self.layer.queue.options().backoff;
            let delay = delay.unwrap_or_else(|| backoff.job_delay(result.job, result.number));
            ("failed", AttemptOutcome::Retry { at: after(delay) })
        };
        result.error = Some(attempt_error(error.as_ref(), code));
        outcome
    }

    /// Writes the result. After an error that may pass, tries again while the lease is valid. If the
    /// result cannot be written, the job runs again when its lease ends.
    async fn settle(&self) {
        let options = &self.layer.queue.options;
        let (job, outcome) = (self.result.job, self.result.outcome.name());
        let mut tries = 0;
        loop {
            tries += 1;
            let write = async {
                self.write(tries > 1).await.inspect_err(|error| (options.on_error)(error))
            };
            let error = match with_timeout(options, write).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(%job, outcome, "result dropped: the lease was lost");
                    return;
                }
                Err(error) => error,
            };
            let class = classify(&error);
            let may_pass = !matches!(class, ErrorClass::Permanent | ErrorClass::UniqueViolation);
            if !may_pass || !self.lease.is_valid() {
                // The answer to the last commit may have been lost.
                tracing::error!(%error, %job, outcome, "result not known to be written; unless it was, the job runs again when its lease ends");
                return;
            }
            if tries == 1 {
                tracing::warn!(%error, %job, outcome, "result not written yet; trying again");
            }
            tokio::time::sleep(BACKOFF.random_delay(tries)).await;
        }
    }

    /// Tries once to write the result. Returns whether it is written; it never can be if not.
    async fn write(&self, is_repetition: bool) -> Result<bool, DbErr> {
        let (queue, result) = (&self.layer.queue, &self.result);
        let transaction = queue.write.begin().await?;
        match settle(&transaction, slice::from_ref(result)).await? {
            Settled::All => {
                transaction.commit().await?;
                Ok(true)
            }
            Settled::SomeLost => {
                transaction.rollback().await?;
                // An earlier commit, whose answer was lost, has ended the lease too. To ask only now
                // is safe, because the fence prevents a second write, and finds a commit that was
                // still in progress when its connection was lost.
                Ok(is_repetition && is_written(&queue.write, result).await?)
            }
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

fn panicked(panic: &(dyn Any + Send)) -> AttemptError {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    AttemptError::new("panicked", message.unwrap_or_else(|| "no message".to_owned()))
}
