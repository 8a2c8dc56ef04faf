//! Runs the domain's jobs: performs a claimed job once, then writes its conclusion until it is
//! stored or the lease is lost.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apalis_sea_orm::{Backoff, ClaimedJob, Handled, Handlers, JobQueue};
use async_trait::async_trait;
use futures::FutureExt;
use guestlist_database::Database;
use guestlist_domain::{
    Attempt, CallGate, Change, Ctx, Execution, Job, JobError, JobId, JobOutcome, Settlement,
    StoreError, Verdict,
};

use crate::metrics::Metrics;
use crate::provider_guard::ProviderGuard;

/// Delay of a job that could not read the database.
const DATABASE_DELAY: Duration = Duration::from_secs(2);
/// Delay of a job that was claimed just before the provider became unavailable. Its queue is
/// suspended from then on.
const HOLD_DELAY: Duration = Duration::from_secs(1);
/// How long a result is kept while it cannot be written. The job then runs again when its lease
/// has ended.
const MAX_WRITE_TIME: Duration = Duration::from_mins(5);
const WRITE_BACKOFF: Backoff =
    Backoff { initial: Duration::from_millis(5), max: Duration::from_secs(2) };

/// Runs claimed jobs of any kind.
#[derive(Debug, Clone)]
pub struct JobRunner {
    pub ctx: Ctx,
    pub queue: JobQueue,
    pub guard: ProviderGuard,
    pub metrics: Metrics,
    pub database: Database,
}

/// A claimed job's right to call the provider.
struct JobCallGate<'a> {
    runner: &'a JobRunner,
    job: &'a ClaimedJob,
    /// Whether the job waits for its start, so that nothing was called.
    is_waiting: AtomicBool,
}

#[async_trait]
impl CallGate for JobCallGate<'_> {
    async fn may_call(&self) -> bool {
        let runner = self.runner;
        self.is_waiting.store(true, Ordering::Relaxed);
        let may_start = runner.queue.wait_for_start(self.job).await && self.job.lease.is_valid();
        self.is_waiting.store(false, Ordering::Relaxed);
        // The provider may have become unavailable during the wait. A call while the database file
        // is missing could not be recorded.
        may_start && runner.database.check_file().is_ok() && runner.guard.held_by().is_none()
    }
}

impl JobRunner {
    /// Adds the handler for jobs of type `J`.
    pub fn register<J: Job>(self: &Arc<Self>, handlers: Handlers) -> Handlers {
        let runner = Arc::clone(self);
        handlers.with(J::KIND, move |claimed| {
            let runner = Arc::clone(&runner);
            async move {
                runner.run::<J>(&claimed).await;
                Ok(Handled::Settled)
            }
        })
    }

    async fn run<J: Job>(&self, claimed: &ClaimedJob) {
        let Some(job) = J::from_args(&claimed.args) else {
            let error = JobError::new("bad_args", "the job's arguments can't be read");
            return self.settle(claimed, JobOutcome::Dead(error)).await;
        };
        if let Some(outcome) = self.hold::<J>(claimed) {
            return self.settle(claimed, outcome).await;
        }
        let performed = self.perform(&job, claimed).await;
        claimed.lease.free_slot();
        match performed {
            Ok(performed) => {
                let attempt = self.attempt(claimed);
                self.write(claimed, || job.conclude(&self.ctx, &attempt, &performed)).await;
            }
            Err(outage) => {
                let error = JobError::new("database_unavailable", outage.to_string());
                let at = self.ctx.now() + DATABASE_DELAY;
                self.settle(claimed, JobOutcome::Snooze(at, error)).await;
            }
        }
    }

    /// Returns the outcome of a job that was claimed before the provider was known to be
    /// unavailable: it waits without being charged.
    fn hold<J: Job>(&self, claimed: &ClaimedJob) -> Option<JobOutcome> {
        if !J::QUEUE.calls_provider() || claimed.exhausted() {
            return None;
        }
        let held_by = self.guard.held_by()?;
        let error = JobError::new(held_by.as_str(), "nothing is sent while Stytch can't be called");
        Some(JobOutcome::Snooze(self.ctx.now() + HOLD_DELAY, error))
    }

    /// Performs the job once.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable and nothing was done.
    async fn perform<J: Job>(
        &self,
        job: &J,
        claimed: &ClaimedJob,
    ) -> Result<Execution<J::Report>, StoreError> {
        if claimed.exhausted() {
            return Ok(Execution::Exhausted);
        }
        let gate = JobCallGate { runner: self, job: claimed, is_waiting: AtomicBool::new(false) };
        let attempt = self.attempt(claimed);
        let performing = AssertUnwindSafe(job.perform(&self.ctx, &attempt, &gate)).catch_unwind();
        let failed = |code, message: String| Ok(Execution::Failed(JobError::new(code, message)));
        match tokio::time::timeout(J::TIMEOUT, performing).await {
            Ok(Ok(Ok(report))) => Ok(Execution::Completed(report)),
            Ok(Ok(Err(error))) if error.is_transient() => Err(error),
            Ok(Ok(Err(error))) => failed("store_error", error.to_string()),
            Ok(Err(panic)) => failed("panicked", panic_message(&*panic).to_owned()),
            Err(_) if gate.is_waiting.load(Ordering::Relaxed) => {
                Err(StoreError::Unavailable("no start could be reserved in time".to_owned()))
            }
            Err(_) => failed("timed_out", format!("not done within {} s", J::TIMEOUT.as_secs())),
        }
    }

    async fn settle(&self, claimed: &ClaimedJob, outcome: JobOutcome) {
        let decide = || std::future::ready(Ok((outcome.clone(), Change::new())));
        self.write(claimed, decide).await;
    }

    /// Writes a job's conclusion together with its settlement. On a conflict, decides again; while
    /// the database is unavailable, tries again for [`MAX_WRITE_TIME`].
    async fn write<F>(&self, claimed: &ClaimedJob, decide: impl Fn() -> F)
    where
        F: Future<Output = Result<(JobOutcome, Change), StoreError>>,
    {
        let (job, kind) = (claimed.id, &claimed.kind);
        let started = tokio::time::Instant::now();
        let mut tries = 0;
        while started.elapsed() < MAX_WRITE_TIME {
            let verdict = match decide().await {
                Ok((outcome, change)) => self.apply(claimed, outcome, change).await,
                Err(error) => Err(error),
            };
            match verdict {
                Ok(Verdict::Applied) => return,
                Ok(Verdict::LeaseLost) => {
                    tracing::warn!(%job, %kind, "result dropped: another worker has the job");
                    return;
                }
                Ok(Verdict::Conflict) => {}
                Err(error) if error.is_transient() => {
                    tracing::warn!(%job, %kind, %error, "result not written yet; trying again");
                }
                Err(error) => return self.give_up(claimed, &error).await,
            }
            tries += 1;
            tokio::time::sleep(WRITE_BACKOFF.random_delay(tries)).await;
        }
        tracing::error!(%job, %kind, "result not written; the job runs again when its lease ends");
    }

    /// Marks a job as dead whose result can never be written, because running it again would repeat
    /// its effects.
    async fn give_up(&self, claimed: &ClaimedJob, error: &StoreError) {
        let outcome = JobOutcome::Dead(JobError::new("store_error", error.to_string()));
        if let Err(error) = self.apply(claimed, outcome, Change::new()).await {
            let (job, kind) = (claimed.id, &claimed.kind);
            tracing::error!(%job, %kind, %error, "job not marked as dead");
        }
    }

    async fn apply(
        &self,
        claimed: &ClaimedJob,
        outcome: JobOutcome,
        mut change: Change,
    ) -> Result<Verdict, StoreError> {
        change.settlement = Some(Settlement {
            attempt: self.attempt(claimed),
            queue: claimed.queue.clone(),
            run_at: claimed.run_at,
            fence: claimed.fence,
            worker: self.queue.options().worker.clone(),
            finished_at: self.ctx.now(),
            outcome: outcome.clone(),
        });
        let verdict = self.ctx.store.apply(change).await?;
        if verdict == Verdict::Applied {
            log(claimed, &outcome);
            let duration = self.ctx.now().duration_since(claimed.started_at);
            let duration = duration.try_into().unwrap_or_default();
            self.metrics.record_attempt(&claimed.kind, &outcome, duration);
        }
        Ok(verdict)
    }

    fn attempt(&self, claimed: &ClaimedJob) -> Attempt {
        Attempt {
            job: JobId(claimed.id),
            number: claimed.number,
            max_attempts: claimed.max_attempts,
            started_at: claimed.started_at,
            outage: self.guard.last_outage(),
        }
    }
}

fn log(claimed: &ClaimedJob, outcome: &JobOutcome) {
    let (kind, job, attempt) = (&claimed.kind, claimed.id, claimed.number);
    match outcome {
        JobOutcome::Done => tracing::debug!(%kind, %job, attempt, "job done"),
        JobOutcome::Retry(at, error) => {
            let (code, message) = (&error.code, &error.message);
            tracing::warn!(%kind, %job, attempt, %code, message, %at, "job failed and will be retried");
        }
        JobOutcome::Snooze(at, error) => {
            tracing::info!(%kind, %job, code = %error.code, %at, "job snoozed");
        }
        JobOutcome::Dead(error) => {
            let (code, message) = (&error.code, &error.message);
            tracing::error!(%kind, %job, attempt, %code, message, "job failed permanently");
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let message = panic.downcast_ref::<&str>().copied();
    message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
