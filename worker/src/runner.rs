//! Between the domain's jobs and the queue: a claimed job is performed once, then concluded
//! until what it decided is written or its lease is gone.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use apalis_sea_orm::{Claimed, Queue};
use async_trait::async_trait;
use futures::FutureExt;
use guestlist_database::Database;
use guestlist_domain::{
    Attempt, Change, Ctx, Job, JobError, JobId, CallGate, JobOutcome, Execution, Settlement, StoreError,
    Verdict,
};

use crate::metrics::Metrics;
use crate::protection::Protection;

/// How long a job waits whose kind this program does not know: another version of it may.
const UNKNOWN_KIND_PAUSE: Duration = Duration::from_mins(1);
/// How long a job waits that could not even read the database.
const DATABASE_PAUSE: Duration = Duration::from_secs(2);
/// How long a job waits that was claimed just before Stytch was found to be away; from then on its
/// queue is held.
const HELD_PAUSE: Duration = Duration::from_secs(1);
/// How long writing a result is tried before the job is left to its lease.
const WRITING_PATIENCE: Duration = Duration::from_mins(5);

/// Performs claimed jobs by kind.
#[derive(Debug)]
pub struct Runner {
    ctx: Ctx,
    queue: Queue,
    kinds: Kinds,
    protection: Protection,
    metrics: Metrics,
    database: Database,
}

/// The kinds of jobs that a worker knows.
#[derive(Debug, Default)]
pub struct Kinds(HashMap<&'static str, Box<dyn Kind>>);

impl Kinds {
    /// Adds one.
    #[must_use]
    pub fn with<J: Job>(mut self) -> Self {
        self.0.insert(J::KIND, Box::new(Of::<J>(PhantomData)));
        self
    }
}

/// One kind, without its type.
#[async_trait]
trait Kind: Send + Sync + std::fmt::Debug {
    async fn run(&self, runner: &Runner, job: &Claimed);
}

struct Of<J>(PhantomData<fn() -> J>);

impl<J: Job> std::fmt::Debug for Of<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(J::KIND)
    }
}

#[async_trait]
impl<J: Job> Kind for Of<J> {
    async fn run(&self, runner: &Runner, claimed: &Claimed) {
        let Some(job) = J::from_args(&claimed.args) else {
            let error = error("bad_args", "the job's arguments can't be read");
            return runner.settle_alone(claimed, JobOutcome::Dead(error)).await;
        };
        if let Some(wait) = runner.held::<J>(claimed) {
            return runner.settle_alone(claimed, wait).await;
        }
        match runner.perform(&job, claimed).await {
            Ok(performed) => runner.conclude(&job, claimed, &performed).await,
            Err(outage) => {
                let error = error("database_unavailable", &outage.to_string());
                let at = runner.ctx.now() + DATABASE_PAUSE;
                runner.settle_alone(claimed, JobOutcome::Snooze(at, error)).await;
            }
        }
    }
}

/// How a job ends, and what is written with that; asked again when something has moved.
#[async_trait]
trait Decide: Send + Sync {
    async fn decide(&self) -> Result<(JobOutcome, Change), StoreError>;
}

/// By the job itself.
struct Conclusion<'a, J: Job> {
    ctx: &'a Ctx,
    job: &'a J,
    attempt: Attempt,
    performed: &'a Execution<J::Report>,
}

#[async_trait]
impl<J: Job> Decide for Conclusion<'_, J> {
    async fn decide(&self) -> Result<(JobOutcome, Change), StoreError> {
        self.job.conclude(self.ctx, &self.attempt, self.performed).await
    }
}

/// Without more ado.
#[async_trait]
impl Decide for JobOutcome {
    async fn decide(&self) -> Result<(JobOutcome, Change), StoreError> {
        Ok((self.clone(), Change::new()))
    }
}

/// The lease as the domain asks about it.
struct Turn<'a> {
    queue: &'a Queue,
    job: &'a Claimed,
    protection: &'a Protection,
    database: &'a Database,
}

#[async_trait]
impl CallGate for Turn<'_> {
    async fn may_call(&self) -> bool {
        let is_its_turn = self.queue.begin(self.job).await && self.job.lease.held();
        // The wait may have been long enough for others to find that Stytch is away.
        // The result of a call that is made while the database file is gone could not be recorded.
        let can_record = self.database.check_file().is_ok();
        is_its_turn && can_record && self.protection.held_by().is_none()
    }
}

impl Runner {
    /// A runner of what is claimed from that queue.
    pub fn new(
        ctx: Ctx,
        queue: Queue,
        kinds: Kinds,
        protection: Protection,
        metrics: Metrics,
        database: Database,
    ) -> Self {
        Self { ctx, queue, kinds, protection, metrics, database }
    }

    /// What becomes of a job that was claimed before it was known that Stytch can't be called: it
    /// waits, which costs it nothing.
    fn held<J: Job>(&self, claimed: &Claimed) -> Option<JobOutcome> {
        if !J::QUEUE.calls_provider() || claimed.exhausted() {
            return None;
        }
        let by = self.protection.held_by()?;
        let error = error(by.as_str(), "nothing is sent while Stytch can't be called");
        Some(JobOutcome::Snooze(self.ctx.now() + HELD_PAUSE, error))
    }

    /// Performs a job and writes what came of it.
    pub async fn run(&self, job: &Claimed) {
        let wait = job.started_at.duration_since(job.run_at).try_into().unwrap_or_default();
        self.metrics.claimed(&job.queue, wait);
        if let Some(kind) = self.kinds.0.get(job.kind.as_str()) {
            return kind.run(self, job).await;
        }
        tracing::error!(kind = %job.kind, job = %job.id, "a job of a kind this worker does not know waits");
        let error = error("unknown_kind", "this version of the worker does not know the kind");
        let at = self.ctx.now() + UNKNOWN_KIND_PAUSE;
        self.settle_alone(job, JobOutcome::Snooze(at, error)).await;
    }

    /// Once, whatever comes of it. An error is an outage of the database before anything was
    /// done.
    async fn perform<J: Job>(
        &self,
        job: &J,
        claimed: &Claimed,
    ) -> Result<Execution<J::Report>, StoreError> {
        if claimed.exhausted() {
            return Ok(Execution::Exhausted);
        }
        let (queue, protection) = (&self.queue, &self.protection);
        let lease = Turn { queue, job: claimed, protection, database: &self.database };
        let attempt = self.attempt(claimed);
        let performing = AssertUnwindSafe(job.perform(&self.ctx, &attempt, &lease)).catch_unwind();
        match tokio::time::timeout(J::TIMEOUT, performing).await {
            Ok(Ok(Ok(report))) => Ok(Execution::Completed(report)),
            Ok(Ok(Err(outage))) if outage.is_transient() => Err(outage),
            Ok(Ok(Err(bug))) => Ok(Execution::Failed(error("store_error", &bug.to_string()))),
            Ok(Err(panic)) => {
                let said = panic
                    .downcast_ref::<&str>()
                    .map(ToString::to_string)
                    .or_else(|| panic.downcast_ref::<String>().cloned());
                Ok(Execution::Failed(error("panicked", said.as_deref().unwrap_or("no message"))))
            }
            Err(_) => {
                let message = format!("not done within {} s", J::TIMEOUT.as_secs());
                Ok(Execution::Failed(error("timed_out", &message)))
            }
        }
    }

    async fn conclude<J: Job>(&self, job: &J, claimed: &Claimed, performed: &Execution<J::Report>) {
        let attempt = self.attempt(claimed);
        let conclusion = Conclusion { ctx: &self.ctx, job, attempt, performed };
        self.write(claimed, &conclusion).await;
    }

    async fn settle_alone(&self, claimed: &Claimed, outcome: JobOutcome) {
        self.write(claimed, &outcome).await;
    }

    /// Writes what is decided with the job's end, deciding again when something has moved,
    /// and waiting for the database as long as it takes.
    async fn write(&self, claimed: &Claimed, end: &dyn Decide) {
        let began = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(5);
        while began.elapsed() < WRITING_PATIENCE {
            match self.write_once(claimed, end).await {
                Ok(Verdict::Applied) => return,
                Ok(Verdict::LeaseLost) => {
                    tracing::warn!(job = %claimed.id, kind = %claimed.kind, "another worker has the job by now; this result is dropped");
                    return;
                }
                Ok(Verdict::Conflict) => {}
                Err(failure) if failure.is_transient() => {
                    tracing::warn!(job = %claimed.id, kind = %claimed.kind, error = %failure, "a job's result could not be written yet");
                }
                Err(bug) => return self.bury(claimed, &bug).await,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        tracing::error!(job = %claimed.id, kind = %claimed.kind, "a job's result was not written; it will run again when its lease has ended");
    }

    /// A result that can never be written must not make the job run again: what it did outside
    /// is done.
    async fn bury(&self, claimed: &Claimed, bug: &StoreError) {
        let end = JobOutcome::Dead(error("store_error", &bug.to_string()));
        if let Err(failure) = self.write_once(claimed, &end).await {
            tracing::error!(job = %claimed.id, kind = %claimed.kind, error = %failure, "a job could not be given up");
        }
    }

    async fn write_once(&self, claimed: &Claimed, end: &dyn Decide) -> Result<Verdict, StoreError> {
        let (outcome, mut change) = end.decide().await?;
        let ended = outcome.clone();
        change.settlement = Some(Settlement {
            attempt: self.attempt(claimed),
            fence: claimed.fence,
            worker: self.queue.options().worker.clone(),
            finished_at: self.ctx.now(),
            outcome,
        });
        let verdict = self.ctx.store.apply(change).await?;
        if verdict == Verdict::Applied {
            log(claimed, &ended);
            let run = self.ctx.now().duration_since(claimed.started_at);
            self.metrics.ended(&claimed.kind, &ended, run.try_into().unwrap_or_default());
        }
        Ok(verdict)
    }

    fn attempt(&self, claimed: &Claimed) -> Attempt {
        Attempt {
            job: JobId(claimed.id),
            number: claimed.number,
            max_attempts: claimed.max_attempts,
            started_at: claimed.started_at,
            outage: self.protection.last_outage(),
        }
    }
}

fn log(claimed: &Claimed, outcome: &JobOutcome) {
    let (kind, job, attempt) = (&claimed.kind, claimed.id, claimed.number);
    match outcome {
        JobOutcome::Done => tracing::debug!(%kind, %job, attempt, "job done"),
        JobOutcome::Retry(at, error) => {
            let (code, message) = (&error.code, &error.message);
            tracing::warn!(%kind, %job, attempt, %code, message, %at, "job failed, tried again");
        }
        JobOutcome::Snooze(at, error) => {
            tracing::info!(%kind, %job, code = %error.code, %at, "job waits");
        }
        JobOutcome::Dead(error) => {
            let (code, message) = (&error.code, &error.message);
            tracing::error!(%kind, %job, attempt, %code, message, "job given up");
        }
    }
}

fn error(code: &str, message: &str) -> JobError {
    JobError { code: code.to_owned(), message: message.to_owned(), request_id: None }
}
