//! The fake worker: it claims jobs by priority and time, performs and concludes them, and
//! settles them in one change, concluding again after a conflict.

use async_trait::async_trait;
use guestlist_domain::jobs::{
    CheckIdentity, DeleteIdentity, Reconcile, RevokeInvitation, RevokeSession, SendInvitation,
    SendLoginLink, Sweep,
};
use guestlist_domain::{
    Attempt, CallGate, Change, Ctx, Execution, Job, JobError, JobOutcome, QueueName, Settlement,
    Store, StoreError, StoreResult, Verdict,
};
use jiff::Timestamp;
use serde_json::Value;

use super::{JobState, Simulation, Tables, block_on};

/// Conflicts of one settlement after which the test fails.
const DECISIONS: usize = 20;
/// Jobs without a pause after which the test fails.
const STEPS: usize = 1_000;

/// A claimed job.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) kind: &'static str,
    args: Value,
    attempt: Attempt,
    fence: i64,
    queue: QueueName,
    run_at: Timestamp,
}

/// A performed job that is not settled.
pub(crate) struct InFlight {
    claimed: Claimed,
    conclude: Conclude,
}

type Conclude = Box<dyn Fn(&Ctx, &Attempt) -> StoreResult<(JobOutcome, Change)> + Send + Sync>;

struct TestGate<'a> {
    simulation: &'a Simulation,
    is_held: bool,
}

#[async_trait]
impl CallGate for TestGate<'_> {
    async fn may_call(&self) -> bool {
        let waiting = self.simulation.concurrent_request.lock();
        let hook = waiting.expect("no test panics while it waits").take();
        if let Some(hook) = hook {
            hook();
        }
        self.is_held
    }
}

/// How the execution of a job is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    None,
    /// The lease ended before the call; no other worker has claimed the job yet.
    LeaseRanOut,
    /// The job panics or times out before its call.
    Breaks,
    /// The job panics or times out after its call.
    BreaksLate,
}

impl Simulation {
    /// Claims the due job with the highest priority.
    pub(crate) fn claim(&self) -> Option<Claimed> {
        let now = self.now();
        let mut tables = self.store.tables();
        let Tables { jobs, paused, .. } = &mut *tables;
        let due = jobs.values_mut().filter(|row| row.is_due(now));
        let due = due.filter(|row| !paused.contains(&row.job.queue));
        let best = due.min_by_key(|row| (row.job.priority, row.run_at, row.job.id))?;
        let run_at = best.run_at;
        best.claim(now);
        let attempt = Attempt {
            job: best.job.id,
            number: best.attempts,
            max_attempts: best.job.max_attempts,
            started_at: now,
            outage: *self.outage.lock().expect("no test panics while it holds the outage"),
        };
        Some(Claimed {
            kind: best.job.kind,
            args: best.job.args.clone(),
            attempt,
            fence: best.fence,
            queue: best.job.queue,
            run_at,
        })
    }

    /// Performs a claimed job.
    pub(crate) fn perform(&self, claimed: Claimed, going: Interruption) -> InFlight {
        let conclude = match claimed.kind {
            SendInvitation::KIND => self.run::<SendInvitation>(&claimed, going),
            SendLoginLink::KIND => self.run::<SendLoginLink>(&claimed, going),
            RevokeInvitation::KIND => self.run::<RevokeInvitation>(&claimed, going),
            RevokeSession::KIND => self.run::<RevokeSession>(&claimed, going),
            DeleteIdentity::KIND => self.run::<DeleteIdentity>(&claimed, going),
            CheckIdentity::KIND => self.run::<CheckIdentity>(&claimed, going),
            Reconcile::KIND => self.run::<Reconcile>(&claimed, going),
            Sweep::KIND => self.run::<Sweep>(&claimed, going),
            unknown => panic!("no worker knows {unknown}"),
        };
        InFlight { claimed, conclude }
    }

    fn run<J: Job>(&self, claimed: &Claimed, going: Interruption) -> Conclude {
        let job = J::from_args(&claimed.args).expect("a job reads its own arguments");
        let lease = TestGate { simulation: self, is_held: going != Interruption::LeaseRanOut };
        let performed = if claimed.attempt.number > claimed.attempt.max_attempts {
            Execution::Exhausted
        } else if going == Interruption::Breaks {
            Execution::Failed(JobError::new("timeout", "took over 30 s"))
        } else {
            match block_on(job.perform(&self.ctx, &claimed.attempt, &lease)) {
                Ok(_) if going == Interruption::BreaksLate => {
                    Execution::Failed(JobError::new("panic", "oh no"))
                }
                Ok(report) => Execution::Completed(report),
                Err(error) => Execution::Failed(JobError::new("store", error.to_string())),
            }
        };
        Box::new(move |ctx, attempt| block_on(job.conclude(ctx, attempt, &performed)))
    }

    /// Settles a job, concluding again after each conflict.
    pub(crate) fn settle(&self, in_flight: &InFlight) -> Result<Verdict, StoreError> {
        let InFlight { claimed, conclude } = in_flight;
        for _ in 0..DECISIONS {
            let (outcome, change) = conclude(&self.ctx, &claimed.attempt)?;
            let settlement = Settlement {
                attempt: claimed.attempt,
                queue: claimed.queue.to_string(),
                run_at: claimed.run_at,
                fence: claimed.fence,
                worker: "the test's".into(),
                finished_at: self.now(),
                outcome,
            };
            let change = Change { settlement: Some(settlement), ..change };
            match block_on(self.store.apply(change))? {
                Verdict::Conflict => {}
                settled => return Ok(settled),
            }
        }
        panic!("a {} job conflicts for ever", claimed.kind);
    }

    /// Runs one due job. Returns whether there was one.
    pub(crate) fn step(&self) -> bool {
        let Some(claimed) = self.claim() else { return false };
        let in_flight = self.perform(claimed, Interruption::None);
        let _ = self.settle(&in_flight);
        true
    }

    /// Runs one due job, if there is one.
    pub(crate) fn step_or_rest(&self) {
        let _was_one = self.step();
    }

    /// Runs jobs until none is due.
    pub(crate) fn work(&self) {
        let idle = (0..STEPS).any(|_| !self.step());
        assert!(idle, "jobs run in circles");
    }

    /// Ends the leases of all workers.
    pub(crate) fn rescue(&self) {
        let now = self.now();
        let mut tables = self.store.tables();
        let running = tables.jobs.values_mut().filter(|row| row.state == JobState::Running);
        running.for_each(|row| row.rescue(now));
    }
}
