//! Jobs are enqueued, settled and operated on in the transaction of a change. A settlement is
//! written only while its worker holds the lease.

use std::time::Duration;

use apalis_sea_orm::entity::{attempt, job as jobs, state};
use futures::future::join_all;
use guestlist_domain::{
    Attempt, Change, Clock, InvitationStatus, JobError, JobId, JobOutcome, JobState, NewJob,
    Operation, QueueName, Settlement, SystemClock, User, Verdict,
};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use crate::support::fixtures::*;
use crate::support::test_database::TestDatabase;
use crate::support::test_store::{TestStore, contract};

contract!(
    a_taken_unique_key_is_a_conflict,
    a_settlement_is_written_with_its_change,
    every_outcome_is_written,
    a_lost_lease_writes_nothing,
    a_lost_lease_does_not_affect_other_changes,
    a_lost_lease_takes_precedence_over_a_conflict,
    a_conflict_leaves_the_job_running,
    an_operator_cancels_and_retries_a_job,
    an_operation_in_the_wrong_state_is_a_conflict_and_writes_nothing,
    a_running_job_that_is_cancelled_is_not_retried;
    sql:
    a_job_is_written_with_its_change,
    an_attempt_is_kept_unless_the_job_is_done,
    a_retry_at_a_later_time_is_due_then,
    the_name_of_the_operator_of_a_pause_is_truncated,
);

/// Enqueues a job and leases it to a worker.
async fn leased(db: &TestStore) -> NewJob {
    let job = job();
    db.apply(Change::new().job(job.clone())).await;
    db.lease(&job, 1).await;
    job
}

fn settlement(job: &NewJob, fence: i64, outcome: JobOutcome) -> Settlement {
    let attempt =
        Attempt { job: job.id, number: 1, max_attempts: 20, started_at: now(), outage: None };
    let worker = "worker-1".to_owned();
    Settlement {
        attempt,
        queue: job.queue.to_string(),
        run_at: job.run_at,
        fence,
        worker,
        finished_at: after(1),
        outcome,
    }
}

fn failure() -> JobError {
    let request_id = Some("request-id-test-1".to_owned());
    JobError { code: "too_many_requests".to_owned(), message: "slow down".to_owned(), request_id }
}

async fn row(db: &TestDatabase, job: &NewJob) -> jobs::Model {
    jobs::Entity::find_by_id(job.id.0).one(db.database.read()).await.unwrap().unwrap()
}

async fn state_of(db: &TestStore, job: JobId) -> JobState {
    db.store.job(job).await.unwrap().unwrap().state
}

async fn a_job_is_written_with_its_change(db: &TestDatabase) {
    let mut job = job();
    job.unique_key = Some("Sweep:1".to_owned());
    job.args = json!({"invitation": id(), "n": [1, "ü"]});
    db.apply(Change::new().job(job.clone())).await;
    let row = row(db, &job).await;
    assert_eq!(row.queue, "invitation");
    assert_eq!(row.kind, "send-invite");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&row.args).unwrap(), job.args);
    assert_eq!((row.priority, row.max_attempts), (10, 20));
    assert_eq!(row.state, state::READY);
    assert_eq!(row.run_at, now().as_microsecond());
    assert_eq!(row.unique_key.as_deref(), Some("Sweep:1"));
}

async fn a_taken_unique_key_is_a_conflict(db: &TestStore) {
    let keyed = |key: &str| {
        let mut job = job();
        job.unique_key = Some(key.to_owned());
        job
    };
    db.apply(Change::new().job(keyed("a"))).await;
    let user = user();
    let change = Change::new().insert_user(user.clone()).job(keyed("b")).job(keyed("a"));
    assert_eq!(db.verdict(change).await, Verdict::Conflict);
    assert_eq!(db.store.user(user.id).await.unwrap(), None);
    assert_eq!(db.count("jobs").await, 1);
    db.apply(Change::new().job(keyed("A"))).await;
}

async fn a_settlement_is_written_with_its_change(db: &TestStore) {
    let user = user();
    let change = invite(&user);
    let mut invitation = change.invitations.insert[0].clone();
    let job = change.jobs[0].clone();
    db.verdict(change).await;
    db.lease(&job, 3).await;
    let before = invitation.clone();
    invitation.status = InvitationStatus::Sent;
    let mut sent = Change::new().update_invitation(before, invitation.clone());
    sent.settlement = Some(settlement(&job, 3, JobOutcome::Done));
    db.apply(sent.clone()).await;
    assert_eq!(state_of(db, job.id).await, JobState::Done);
    let read = db.store.invitation(invitation.id).await.unwrap().unwrap();
    assert_eq!(read.status, InvitationStatus::Sent);
    // The job is no longer running.
    assert_eq!(db.verdict(sent).await, Verdict::LeaseLost);
}

fn outcomes() -> [(JobOutcome, JobState); 4] {
    [
        (JobOutcome::Done, JobState::Done),
        (JobOutcome::Retry(after(60), failure()), JobState::Retrying),
        (JobOutcome::Snooze(after(60), failure()), JobState::Scheduled),
        (JobOutcome::Dead(failure()), JobState::Dead),
    ]
}

async fn every_outcome_is_written(db: &TestStore) {
    for (outcome, state) in outcomes() {
        let job = leased(db).await;
        let mut change = Change::new();
        change.settlement = Some(settlement(&job, 1, outcome));
        db.apply(change).await;
        assert_eq!(state_of(db, job.id).await, state);
    }
}

async fn an_attempt_is_kept_unless_the_job_is_done(db: &TestDatabase) {
    for (outcome, state) in outcomes() {
        let job = leased(db).await;
        let stale = User { version: 9, ..user() };
        let mut conflicting = Change::new().update_user(stale.clone(), stale);
        conflicting.settlement = Some(settlement(&job, 1, outcome));
        db.verdict(conflicting.clone()).await;
        assert_eq!(attempts(db, &job).await, []);

        db.apply(Change { settlement: conflicting.settlement, ..Change::new() }).await;
        let kept = attempts(db, &job).await;
        assert_eq!(kept.len(), usize::from(state != JobState::Done), "{state}");
        for attempt in kept {
            assert_eq!(attempt.error_code.as_deref(), Some("too_many_requests"));
            assert_eq!(attempt.request_id.as_deref(), Some("request-id-test-1"));
            assert_eq!(attempt.started_at, now().as_microsecond());
            assert_eq!(attempt.id.get_version_num(), 7);
        }
    }
}

async fn attempts(db: &TestDatabase, job: &NewJob) -> Vec<attempt::Model> {
    let attempts = attempt::Entity::find().filter(attempt::Column::JobId.eq(job.id.0));
    attempts.all(db.database.read()).await.unwrap()
}

async fn a_lost_lease_writes_nothing(db: &TestStore) {
    let job = leased(db).await;
    db.lease(&job, 2).await;
    let mut change = invite(&user());
    change.settlement = Some(settlement(&job, 1, JobOutcome::Done));
    assert_eq!(db.verdict(change).await, Verdict::LeaseLost);
    assert_eq!(state_of(db, job.id).await, JobState::Running);
    for (table, rows) in [("users", 0), ("invitations", 0), ("events", 0), ("jobs", 1)] {
        assert_eq!(db.count(table).await, rows, "{table}");
    }
}

async fn a_lost_lease_does_not_affect_other_changes(db: &TestStore) {
    let mut changes = Vec::new();
    for n in 0..32 {
        let job = leased(db).await;
        let mut change = Change::new().insert_user(user());
        let fence = if n % 5 == 0 { 7 } else { 1 };
        change.settlement = Some(settlement(&job, fence, JobOutcome::Retry(after(5), failure())));
        changes.push(change);
    }
    let verdicts = join_all(changes.iter().map(|change| db.store.apply(change.clone()))).await;
    for (n, (change, verdict)) in std::iter::zip(changes, verdicts).enumerate() {
        let lost = n % 5 == 0;
        let expected = if lost { Verdict::LeaseLost } else { Verdict::Applied };
        assert_eq!(verdict.unwrap(), expected, "{n}");
        let user = db.store.user(change.users.insert[0].id).await.unwrap();
        assert_eq!(user.is_none(), lost);
        let state = state_of(db, change.settlement.unwrap().attempt.job).await;
        assert_eq!(state, if lost { JobState::Running } else { JobState::Retrying });
    }
}

async fn a_lost_lease_takes_precedence_over_a_conflict(db: &TestStore) {
    let job = leased(db).await;
    let stale = User { version: 9, ..user() };
    let mut change = Change::new().update_user(stale.clone(), stale);
    change.settlement = Some(settlement(&job, 9, JobOutcome::Done));
    assert_eq!(db.verdict(change).await, Verdict::LeaseLost);
}

async fn a_conflict_leaves_the_job_running(db: &TestStore) {
    let job = leased(db).await;
    let stale = User { version: 9, ..user() };
    let mut change = Change::new().update_user(stale.clone(), stale);
    change.settlement = Some(settlement(&job, 1, JobOutcome::Dead(failure())));
    assert_eq!(db.verdict(change).await, Verdict::Conflict);
    assert_eq!(state_of(db, job.id).await, JobState::Running);
}

fn cancel(job: &NewJob) -> Change {
    Change::new().operation(Operation::Cancel { job: job.id, at: now() })
}

fn retry(job: &NewJob, at: Timestamp) -> Change {
    Change::new().operation(Operation::Retry { job: job.id, at, requested_at: now() })
}

async fn an_operator_cancels_and_retries_a_job(db: &TestStore) {
    let job = job();
    db.verdict(Change::new().job(job.clone())).await;
    db.apply(cancel(&job)).await;
    assert_eq!(state_of(db, job.id).await, JobState::Cancelled);
    db.apply(retry(&job, now())).await;
    assert_eq!(state_of(db, job.id).await, JobState::Ready);
    db.verdict(cancel(&job)).await;
    // A retry at a later time is scheduled.
    let later = now() + Duration::from_hours(1);
    db.apply(retry(&job, later)).await;
    let found = db.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.kind.as_str()), (JobState::Scheduled, "send-invite"));
    assert_eq!(found.args, job.args);
}

async fn a_retry_at_a_later_time_is_due_then(db: &TestDatabase) {
    let job = leased(db).await;
    db.apply(Change {
        settlement: Some(settlement(&job, 1, outcomes()[3].0.clone())),
        ..Change::new()
    })
    .await;
    db.apply(retry(&job, after(3_600))).await;
    assert_eq!(row(db, &job).await.run_at, after(3_600).as_microsecond());
}

async fn an_operation_in_the_wrong_state_is_a_conflict_and_writes_nothing(db: &TestStore) {
    let user = user();
    let ready = job();
    db.verdict(Change::new().job(ready.clone())).await;
    let with_user = |change: Change| change.insert_user(user.clone());
    assert_eq!(db.verdict(with_user(retry(&ready, now()))).await, Verdict::Conflict);
    let done = leased(db).await;
    let mut change = Change::new();
    change.settlement = Some(settlement(&done, 1, JobOutcome::Done));
    db.verdict(change).await;
    assert_eq!(db.verdict(with_user(cancel(&done))).await, Verdict::Conflict);
    assert_eq!(db.verdict(with_user(cancel(&job()))).await, Verdict::Conflict, "there is none");
    assert_eq!(db.store.user(user.id).await.unwrap(), None);
    assert_eq!(state_of(db, ready.id).await, JobState::Ready);
}

async fn a_running_job_that_is_cancelled_is_not_retried(db: &TestStore) {
    let job = leased(db).await;
    db.apply(cancel(&job)).await;
    assert_eq!(state_of(db, job.id).await, JobState::Running);
    let mut change = Change::new();
    change.settlement = Some(settlement(&job, 1, JobOutcome::Retry(after(60), failure())));
    db.apply(change).await;
    assert_eq!(state_of(db, job.id).await, JobState::Cancelled);
}

async fn the_name_of_the_operator_of_a_pause_is_truncated(db: &TestDatabase) {
    let (queue, by) = (QueueName::Invitation, "ü".repeat(200));
    let pause = Operation::Pause { queue, by, reason: Some("why".to_owned()), at: now() };
    db.apply(Change::new().operation(pause)).await;
    let holds = db.store.holds(SystemClock.now()).await.unwrap();
    assert_eq!(holds.paused, [queue].into());
    db.verdict(Change::new().operation(Operation::Resume(queue))).await;
    assert!(db.store.holds(SystemClock.now()).await.unwrap().paused.is_empty());
}
