//! The layer around a handler: it catches panics, decides on the outcome, and has it written before
//! it returns to apalis.

use std::{
    any::Any,
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{error::BoxDynError, task::Task};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use tower::{Layer, Service};

use super::{
    attempt::{Attempt, Decision},
    buffer::StartedJobs,
    handler_output::HandlerOutput,
    settler::Settler,
};
use crate::queue::{
    attempt::{AttemptError, AttemptOutcome},
    claim::ClaimedJob,
    lease::JobLease,
};

type Panic = Box<dyn Any + Send>;

/// How a worker calls its handler.
#[derive(Clone, Debug, Default)]
pub(super) struct HandlerOptions {
    pub(super) deliver_exhausted: bool,
    pub(super) manual_cancellation: bool,
    pub(super) manual_pacing: bool,
    pub(super) timeouts: Arc<HashMap<String, Duration>>,
}

/// Wraps a worker's service. apalis applies it as the backend's middleware.
#[derive(Clone, Debug)]
pub struct JobLayer {
    pub(super) settler: Settler,
    pub(super) started: StartedJobs,
    pub(super) options: HandlerOptions,
}

impl<S> Layer<S> for JobLayer {
    type Service = JobService<S>;

    fn layer(&self, inner: S) -> JobService<S> {
        JobService { inner, layer: self.clone() }
    }
}

/// Calls the inner service with a job, and settles the job.
#[derive(Clone, Debug)]
pub struct JobService<S> {
    inner: S,
    layer: JobLayer,
}

impl<S> Service<Task<ClaimedJob>> for JobService<S>
where
    S: Service<Task<ClaimedJob>>,
    S::Response: HandlerOutput + Send + 'static,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<S::Response, BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<ClaimedJob>) -> Self::Future {
        let call = Call::new(&task.args, self.layer.clone());
        if task.args.exhausted() && !self.layer.options.deliver_exhausted {
            let error = call.attempt.exhausted();
            return call.end(AttemptOutcome::Dead, error).boxed();
        }
        // The handler may panic before it returns a future.
        let future = catch_unwind(AssertUnwindSafe(|| self.inner.call(task)));
        let result = async {
            let future = future?.map(|result| result.map_err(Into::into));
            AssertUnwindSafe(future).catch_unwind().await
        };
        call.run(result).boxed()
    }
}

/// A handler's call.
#[derive(Debug)]
struct Call {
    attempt: Attempt,
    /// `None` if the handler ends cancelled jobs itself.
    cancellation: Option<JobLease>,
    timeout: Option<Duration>,
    settler: Settler,
    started: StartedJobs,
}

impl Call {
    fn new(job: &ClaimedJob, layer: JobLayer) -> Self {
        layer.started.insert((job.id, job.fence));
        Self {
            attempt: Attempt::new(job),
            cancellation: (!layer.options.manual_cancellation).then(|| job.lease.clone()),
            timeout: layer.options.timeouts.get(&job.kind).copied(),
            settler: layer.settler,
            started: layer.started,
        }
    }

    async fn run<O: HandlerOutput>(
        self,
        result: impl Future<Output = Result<Result<O, BoxDynError>, Panic>>,
    ) -> Result<O, BoxDynError> {
        let result = tokio::select! {
            biased;
            result = result => result,
            () = cancelled(self.cancellation.as_ref()) => {
                let error = AttemptError::new("cancelled", "cancelled while it was running");
                return self.end(AttemptOutcome::Cancelled, error).await;
            }
            () = elapsed(self.timeout) => Ok(Err(timed_out(self.timeout).into())),
        };
        let result = result.unwrap_or_else(|panic| Err(panicked(panic.as_ref()).into()));
        let now = self.settler.now();
        let decision = match &result {
            Ok(output) => self.attempt.on_success(output),
            Err(error) => {
                let (outcome, error) = self.attempt.on_error(error, self.settler.backoff(), now);
                Some((outcome, Some(error)))
            }
        };
        self.settle(decision, now).await;
        result
    }

    async fn end<O>(self, outcome: AttemptOutcome, error: AttemptError) -> Result<O, BoxDynError> {
        let now = self.settler.now();
        self.settle(Some((outcome, Some(error.clone()))), now).await;
        Err(error.into())
    }

    async fn settle(self, decision: Decision, now: Timestamp) {
        let lease = (self.attempt.job, self.attempt.fence);
        if let Some((outcome, error)) = decision {
            self.settler.settle(self.attempt, outcome, error, now).await;
        }
        self.started.remove(lease);
    }
}

async fn cancelled(lease: Option<&JobLease>) {
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

fn timed_out(timeout: Option<Duration>) -> AttemptError {
    AttemptError::new("timed_out", format!("not done within {:?}", timeout.unwrap_or_default()))
}

fn panicked(panic: &(dyn Any + Send)) -> AttemptError {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    AttemptError::new("panicked", message.unwrap_or_else(|| "no message".to_owned()))
}
