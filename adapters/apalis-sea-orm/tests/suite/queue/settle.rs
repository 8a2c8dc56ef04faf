//! Results are written once, by the holder of the lease.

use apalis_sea_orm::{
    AttemptError, AttemptOutcome, AttemptResult, NewJob, Settled, enqueue_all, entity::job,
    is_written, settle,
};
use sea_orm::{EntityTrait, TransactionTrait};

use crate::harness::{after, attempt_result, each, job, jobs, noon};

fn failed(job: &apalis_sea_orm::ClaimedJob, outcome: AttemptOutcome, code: &str) -> AttemptResult {
    let error = AttemptError {
        code: code.to_owned(),
        message: "no answer".to_owned(),
        request_id: Some("request-1".to_owned()),
    };
    AttemptResult { error: Some(error), ..attempt_result(job, outcome) }
}

#[tokio::test]
async fn each_outcome_leaves_its_own_state() {
    for db in each().await {
        db.enqueue(jobs(4)).await;
        let claimed = db.queue("ann").claim(noon(), 4).await.unwrap();
        let at = after(noon(), 60_000);
        let group = [
            attempt_result(&claimed[0], AttemptOutcome::Done),
            failed(&claimed[1], AttemptOutcome::Retry { at }, "unavailable"),
            failed(&claimed[2], AttemptOutcome::Snooze { at }, "rate_limited"),
            failed(&claimed[3], AttemptOutcome::Dead, "rejected"),
        ];
        db.settle(&group).await;

        let mut rows = Vec::new();
        for job in &claimed {
            rows.push(db.job(job.id).await);
        }
        let states: Vec<_> = rows.iter().map(|row| row.state.as_str()).collect();
        assert_eq!(states, ["done", "retrying", "scheduled", "dead"], "{:?}", db.engine);
        // A snooze returns the attempt, but not the fence.
        assert_eq!(rows.iter().map(|row| row.attempts).collect::<Vec<_>>(), [1, 1, 0, 1]);
        assert!(rows.iter().all(|row| row.fence == 1 && row.locked_by.is_none()));
        let codes: Vec<_> = rows.iter().map(|row| row.last_error_code.as_deref()).collect();
        assert_eq!(codes, [None, Some("unavailable"), Some("rate_limited"), Some("rejected")]);
        assert_eq!(rows[1].run_at, at.as_microsecond());
        assert_eq!(rows[2].run_at, at.as_microsecond());
        let ended: Vec<_> = rows.iter().map(|row| row.finished_at.is_some()).collect();
        assert_eq!(ended, [true, false, false, true]);

        assert!(db.attempts(claimed[0].id).await.is_empty(), "a plain success needs no row");
        let attempt = &db.attempts(claimed[1].id).await[0];
        assert_eq!((attempt.number, attempt.outcome.as_str()), (1, "retry"));
        assert_eq!(attempt.error.as_deref(), Some("no answer"));
        assert_eq!(attempt.request_id.as_deref(), Some("request-1"));
        assert_eq!(attempt.finished_at - attempt.started_at, 1_500_000);
    }
}

#[tokio::test]
async fn a_success_after_a_failure_is_recorded_as_an_attempt() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let queue = db.queue("ann");
        let first = queue.claim(noon(), 1).await.unwrap().remove(0);
        let again = failed(&first, AttemptOutcome::Retry { at: noon() }, "unavailable");
        db.settle(&[again]).await;
        queue.promote(noon()).await.unwrap();
        let second = queue.claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((second.number, second.fence), (2, 2));
        let done = attempt_result(&second, AttemptOutcome::Done);
        db.settle(&[done]).await;
        let outcomes: Vec<_> =
            db.attempts(first.id).await.into_iter().map(|a| (a.number, a.outcome)).collect();
        assert_eq!(outcomes, [(1, "retry".to_owned()), (2, "done".to_owned())]);
        assert_eq!(db.job(first.id).await.last_error, None);
    }
}

#[tokio::test]
async fn a_snooze_charges_no_attempt_but_raises_the_fence() {
    for db in each().await {
        db.enqueue(vec![NewJob { max_attempts: 1, ..job() }]).await;
        let queue = db.queue("ann");
        for fence in 1..=5 {
            let claimed = queue.claim(noon(), 1).await.unwrap().remove(0);
            assert_eq!((claimed.number, claimed.fence, claimed.exhausted()), (1, fence, false));
            let snooze = attempt_result(&claimed, AttemptOutcome::Snooze { at: noon() });
            db.settle(&[snooze]).await;
            assert_eq!(queue.promote(noon()).await.unwrap(), 1);
        }
    }
}

#[tokio::test]
async fn a_result_of_a_lost_lease_changes_nothing() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 2).await.unwrap();
        queue.release(&[(claimed[0].id, claimed[0].fence)]).await.unwrap();
        let reclaimed = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((reclaimed.id, reclaimed.fence), (claimed[0].id, 2));

        let group: Vec<_> =
            claimed.iter().map(|job| attempt_result(job, AttemptOutcome::Done)).collect();
        let transaction = db.write.begin().await.unwrap();
        assert_eq!(settle(&transaction, &group).await.unwrap(), Settled::SomeLost);
        transaction.rollback().await.unwrap();
        assert_eq!(db.state(claimed[0].id).await, "running");
        assert_eq!(db.state(claimed[1].id).await, "running");

        for result in &group {
            assert!(!is_written(&db.write, result).await.unwrap(), "{:?}", db.engine);
        }
        db.settle(&group[1..]).await;
        assert_eq!(db.job(reclaimed.id).await.locked_by.as_deref(), Some("bob"));
    }
}

#[tokio::test]
async fn results_written_by_a_commit_without_answer_are_recognized() {
    for db in each().await {
        db.enqueue(jobs(4)).await;
        let claimed = db.queue("ann").claim(noon(), 4).await.unwrap();
        let group = [
            attempt_result(&claimed[0], AttemptOutcome::Done),
            attempt_result(&claimed[1], AttemptOutcome::Retry { at: noon() }),
            attempt_result(&claimed[2], AttemptOutcome::Dead),
            attempt_result(&claimed[3], AttemptOutcome::Snooze { at: noon() }),
        ];
        for result in &group {
            assert!(!is_written(&db.write, result).await.unwrap(), "{:?}", db.engine);
        }
        db.settle(&group).await;
        db.queue("bob").promote(noon()).await.unwrap();
        for result in &group {
            assert!(is_written(&db.write, result).await.unwrap(), "{:?}: {result:?}", db.engine);
        }
        assert_eq!(settle(&db.write, &group).await.unwrap(), Settled::SomeLost);
    }
}

#[tokio::test]
async fn settling_is_part_of_the_callers_transaction() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let claimed = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let done = [attempt_result(&claimed, AttemptOutcome::Done)];
        let transaction = db.write.begin().await.unwrap();
        enqueue_all(&transaction, vec![job()]).await.unwrap();
        assert_eq!(settle(&transaction, &done).await.unwrap(), Settled::All);
        transaction.rollback().await.unwrap();
        assert_eq!(db.state(claimed.id).await, "running");
        assert_eq!(job::Entity::find().all(&db.write).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_large_group_needs_few_statements() {
    for db in each().await {
        db.enqueue(jobs(500)).await;
        let claimed = db.queue("ann").claim(noon(), 500).await.unwrap();
        let outcome = |n: usize| match n % 2 {
            0 => AttemptOutcome::Done,
            _ => AttemptOutcome::Retry { at: noon() },
        };
        let of = |(n, job)| attempt_result(job, outcome(n));
        let group: Vec<_> = claimed.iter().enumerate().map(of).collect();
        db.statements.lock().unwrap().clear();
        db.settle(&group).await;
        // Two kinds of outcome in two parts each, the attempts, and two statements for the
        // statistics.
        assert_eq!(db.statements.lock().unwrap().len(), 7, "{:?}", db.engine);
    }
}

#[tokio::test]
async fn texts_too_long_for_their_columns_are_cut() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let claimed = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let error = AttemptError {
            code: "é".repeat(100),
            message: "🦀".repeat(20_000),
            request_id: Some("r".repeat(100)),
        };
        let dead =
            AttemptResult { error: Some(error), ..attempt_result(&claimed, AttemptOutcome::Dead) };
        db.settle(&[dead]).await;
        let row = db.job(claimed.id).await;
        assert_eq!(row.last_error_code.unwrap(), "?".repeat(64));
        assert_eq!(row.last_error.unwrap(), "🦀".repeat(4_000));
    }
}
