//! What came of attempts is written once, by whoever holds the lease.

use apalis_sea_orm::{
    Failure, NewJob, Outcome, Settled, Settlement, Standing, entity::job, settle, standings,
};
use sea_orm::{EntityTrait, TransactionTrait};

use crate::harness::{after, each, job, jobs, noon, settlement};

fn failed(job: &apalis_sea_orm::Claimed, outcome: Outcome, code: &str) -> Settlement {
    let error = Failure {
        code: code.to_owned(),
        message: "no answer".to_owned(),
        request_id: Some("request-1".to_owned()),
    };
    Settlement { error: Some(error), ..settlement(job, outcome) }
}

#[tokio::test]
async fn each_outcome_leaves_its_own_state() {
    for db in each().await {
        db.put(jobs(4)).await;
        let claimed = db.queue("ann").claim(noon(), 4).await.unwrap();
        let at = after(noon(), 60_000);
        let group = [
            settlement(&claimed[0], Outcome::Done),
            failed(&claimed[1], Outcome::Retry { at }, "unavailable"),
            failed(&claimed[2], Outcome::Snooze { at }, "rate_limited"),
            failed(&claimed[3], Outcome::Dead, "rejected"),
        ];
        assert_eq!(settle(&db.write, &group).await.unwrap(), Settled::All);

        let mut rows = Vec::new();
        for job in &claimed {
            rows.push(db.job(job.id).await);
        }
        let states: Vec<_> = rows.iter().map(|row| row.state.as_str()).collect();
        assert_eq!(states, ["done", "retrying", "scheduled", "dead"], "{:?}", db.engine);
        // A snooze gives the attempt back; a fence is never given back.
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
async fn a_success_after_a_failure_is_an_attempt_worth_keeping() {
    for db in each().await {
        db.put(jobs(1)).await;
        let queue = db.queue("ann");
        let first = queue.claim(noon(), 1).await.unwrap().remove(0);
        let again = failed(&first, Outcome::Retry { at: noon() }, "unavailable");
        assert_eq!(settle(&db.write, &[again]).await.unwrap(), Settled::All);
        queue.stage(noon()).await.unwrap();
        let second = queue.claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((second.number, second.fence), (2, 2));
        let done = settlement(&second, Outcome::Done);
        assert_eq!(settle(&db.write, &[done]).await.unwrap(), Settled::All);
        let outcomes: Vec<_> =
            db.attempts(first.id).await.into_iter().map(|a| (a.number, a.outcome)).collect();
        assert_eq!(outcomes, [(1, "retry".to_owned()), (2, "done".to_owned())]);
        assert_eq!(db.job(first.id).await.last_error, None);
    }
}

#[tokio::test]
async fn a_snooze_costs_no_attempt_but_raises_the_fence() {
    for db in each().await {
        db.put(vec![NewJob { max_attempts: 1, ..job() }]).await;
        let queue = db.queue("ann");
        for fence in 1..=5 {
            let claimed = queue.claim(noon(), 1).await.unwrap().remove(0);
            assert_eq!((claimed.number, claimed.fence, claimed.exhausted()), (1, fence, false));
            let snooze = settlement(&claimed, Outcome::Snooze { at: noon() });
            assert_eq!(settle(&db.write, &[snooze]).await.unwrap(), Settled::All);
            assert_eq!(queue.stage(noon()).await.unwrap(), 1);
        }
    }
}

#[tokio::test]
async fn a_late_settlement_changes_nothing() {
    for db in each().await {
        db.put(jobs(2)).await;
        let queue = db.queue("ann");
        let mine = queue.claim(noon(), 2).await.unwrap();
        queue.give_back(&[(mine[0].id, mine[0].fence)]).await.unwrap();
        let theirs = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((theirs.id, theirs.fence), (mine[0].id, 2));

        let group: Vec<_> = mine.iter().map(|job| settlement(job, Outcome::Done)).collect();
        let transaction = db.write.begin().await.unwrap();
        assert_eq!(settle(&transaction, &group).await.unwrap(), Settled::SomeLost);
        transaction.rollback().await.unwrap();
        assert_eq!(db.state(mine[0].id).await, "running");
        assert_eq!(db.state(mine[1].id).await, "running");

        let standing = standings(&db.write, &group).await.unwrap();
        assert_eq!(standing, [Standing::Lost, Standing::Held], "{:?}", db.engine);
        assert_eq!(settle(&db.write, &group[1..]).await.unwrap(), Settled::All);
        assert_eq!(db.job(theirs.id).await.locked_by.as_deref(), Some("bob"));
    }
}

#[tokio::test]
async fn what_a_lost_commit_wrote_is_recognised() {
    for db in each().await {
        db.put(jobs(4)).await;
        let claimed = db.queue("ann").claim(noon(), 4).await.unwrap();
        let group = [
            settlement(&claimed[0], Outcome::Done),
            settlement(&claimed[1], Outcome::Retry { at: noon() }),
            settlement(&claimed[2], Outcome::Dead),
            settlement(&claimed[3], Outcome::Snooze { at: noon() }),
        ];
        let held = standings(&db.write, &group).await.unwrap();
        assert_eq!(held, [Standing::Held; 4]);
        assert_eq!(settle(&db.write, &group).await.unwrap(), Settled::All);
        db.queue("bob").stage(noon()).await.unwrap();
        let written = standings(&db.write, &group).await.unwrap();
        assert_eq!(written, [Standing::Settled; 4], "{:?}", db.engine);
        assert_eq!(settle(&db.write, &group).await.unwrap(), Settled::SomeLost);
    }
}

#[tokio::test]
async fn a_job_ends_with_the_callers_rows_or_not_at_all() {
    for db in each().await {
        db.put(jobs(1)).await;
        let claimed = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let done = [settlement(&claimed, Outcome::Done)];
        let transaction = db.write.begin().await.unwrap();
        apalis_sea_orm::enqueue(&transaction, job()).await.unwrap();
        assert_eq!(settle(&transaction, &done).await.unwrap(), Settled::All);
        transaction.rollback().await.unwrap();
        assert_eq!(db.state(claimed.id).await, "running");
        assert_eq!(job::Entity::find().all(&db.write).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_large_group_takes_few_statements() {
    for db in each().await {
        db.put(jobs(500)).await;
        let claimed = db.queue("ann").claim(noon(), 500).await.unwrap();
        let outcome = |n: usize| match n % 2 {
            0 => Outcome::Done,
            _ => Outcome::Retry { at: noon() },
        };
        let of = |(n, job)| settlement(job, outcome(n));
        let group: Vec<_> = claimed.iter().enumerate().map(of).collect();
        db.sent.lock().unwrap().clear();
        assert_eq!(settle(&db.write, &group).await.unwrap(), Settled::All);
        // Two kinds of outcome, in two parts each, the attempts, and the statistics' two.
        assert_eq!(db.sent.lock().unwrap().len(), 7, "{:?}", db.engine);
    }
}

#[tokio::test]
async fn texts_too_long_for_the_table_are_cut() {
    for db in each().await {
        db.put(jobs(1)).await;
        let claimed = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let error = Failure {
            code: "é".repeat(100),
            message: "🦀".repeat(20_000),
            request_id: Some("r".repeat(100)),
        };
        let dead = Settlement { error: Some(error), ..settlement(&claimed, Outcome::Dead) };
        assert_eq!(settle(&db.write, &[dead]).await.unwrap(), Settled::All);
        let row = db.job(claimed.id).await;
        assert_eq!(row.last_error_code.unwrap(), "?".repeat(64));
        assert_eq!(row.last_error.unwrap(), "🦀".repeat(4_000));
    }
}
