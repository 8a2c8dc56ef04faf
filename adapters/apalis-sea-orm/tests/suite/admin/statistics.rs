//! Outcomes by minute.

use std::time::Duration;

use apalis_sea_orm::{
    AttemptOutcome, AttemptResult, NewJob, Options, Settled, cancel, inspect, settle,
};
use sea_orm::TransactionTrait;

use crate::harness::{after, attempt_result, each, job, jobs, noon, options, wait_until};

#[tokio::test]
async fn each_outcome_is_counted_in_its_minute_and_queue() {
    for db in each().await {
        db.enqueue(jobs(7)).await;
        db.enqueue(vec![NewJob { queue: "logins".to_owned(), ..job() }]).await;
        let queues = vec!["mail".to_owned(), "logins".to_owned()];
        let ann = db.queue_with(Options { queues, ..options("ann") });
        let claimed = ann.claim(after(noon(), 300), 10).await.unwrap();
        cancel(&db.write, claimed[4].id, noon()).await.unwrap();
        let at = after(noon(), 9);
        let outcomes = [
            AttemptOutcome::Done,
            AttemptOutcome::Done,
            AttemptOutcome::Dead,
            AttemptOutcome::Retry { at },
        ];
        let outcomes = outcomes
            .into_iter()
            .chain([AttemptOutcome::Retry { at }, AttemptOutcome::Snooze { at }]);
        let group = claimed.iter().filter(|job| job.queue == "mail").zip(outcomes);
        let mut group: Vec<_> = group.map(|(job, outcome)| attempt_result(job, outcome)).collect();
        let login = claimed.iter().find(|job| job.queue == "logins").unwrap();
        let later = after(noon(), 70_000);
        group.push(AttemptResult {
            finished_at: later,
            ..attempt_result(login, AttemptOutcome::Done)
        });
        db.settle(&group).await;

        let minutes = inspect::minutes(&db.read, noon()).await.unwrap();
        assert_eq!(minutes.len(), 2, "{:?}: {minutes:?}", db.engine);
        let (mail, login) = (&minutes[0], &minutes[1]);
        assert_eq!((mail.queue.as_str(), mail.at), ("mail", noon()));
        assert_eq!((mail.done, mail.dead, mail.retry, mail.snooze), (2, 1, 1, 1));
        assert_eq!((mail.cancelled, mail.lost), (1, 0), "cancelled while running");
        assert_eq!(
            (login.queue.as_str(), login.at, login.done),
            ("logins", after(noon(), 60_000), 1)
        );
        assert_eq!(inspect::minutes(&db.read, after(noon(), 60_000)).await.unwrap().len(), 1);

        let times = inspect::times(&db.read, noon()).await.unwrap();
        let mail = &times["mail"];
        assert_eq!((mail.wait.count(), mail.run.count()), (4, 6));
        // ClaimedJob 300 ms after they were due, and performed in 1.5 s.
        let wait = mail.wait.quantile(0.5).unwrap();
        assert!((256..=512).contains(&wait.as_millis()), "{wait:?}");
        let mut by_minute = inspect::wait_times(&db.read, noon()).await.unwrap();
        by_minute.sort_by_key(|times| times.at);
        let found: Vec<_> =
            by_minute.iter().map(|times| (times.queue.as_str(), times.wait.count())).collect();
        assert_eq!(found, [("mail", 4), ("logins", 1)], "{:?}", db.engine);
        assert_eq!((&by_minute[0].wait, by_minute[0].at), (&mail.wait, noon()));
        let mut both = mail.wait.clone();
        both.add(&by_minute[1].wait);
        assert_eq!(both.count(), 5);
        let run = mail.run.quantile(0.5).unwrap();
        assert!((1_024..=2_048).contains(&run.as_millis()), "{run:?}");
    }
}

#[tokio::test]
async fn a_rolled_back_result_is_not_counted() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let job = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let transaction = db.write.begin().await.unwrap();
        let done = [attempt_result(&job, AttemptOutcome::Done)];
        assert_eq!(settle(&transaction, &done).await.unwrap(), Settled::All);
        transaction.rollback().await.unwrap();
        assert!(inspect::minutes(&db.read, noon()).await.unwrap().is_empty(), "{:?}", db.engine);
    }
}

#[tokio::test]
async fn a_lost_attempt_is_counted() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let lease = Duration::from_millis(20);
        db.queue_with(Options { lease, ..options("silent") }).claim(noon(), 1).await.unwrap();
        let queue = db.queue("ann");
        wait_until("the attempt is lost", || async {
            !queue.rescue(noon()).await.unwrap().is_empty()
        })
        .await;
        assert_eq!(inspect::minutes(&db.read, noon()).await.unwrap()[0].lost, 1, "{:?}", db.engine);
    }
}

/// In each new minute, all of them insert their rows concurrently.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_settling_loses_no_count_and_never_deadlocks() {
    for db in each().await {
        db.enqueue(jobs(480)).await;
        let claimed = db.queue("ann").claim(noon(), 480).await.unwrap();
        let settlers = claimed.chunks(60).enumerate().map(|(n, jobs)| {
            let (write, jobs) = (db.write.clone(), jobs.to_vec());
            tokio::spawn(async move {
                for (minute, job) in jobs.iter().enumerate() {
                    let worker = ["ann", "bob"][n % 2].to_owned();
                    let finished_at = after(noon(), minute as u64 / 4 * 60_000);
                    let done = attempt_result(job, AttemptOutcome::Done);
                    let done = [AttemptResult { worker, finished_at, ..done }];
                    let transaction = write.begin().await.unwrap();
                    assert_eq!(settle(&transaction, &done).await.unwrap(), Settled::All);
                    transaction.commit().await.unwrap();
                }
            })
        });
        for settler in settlers.collect::<Vec<_>>() {
            settler.await.unwrap();
        }
        let minutes = inspect::minutes(&db.read, noon()).await.unwrap();
        let counts: Vec<_> = minutes.iter().map(|minute| minute.done).collect();
        assert_eq!(counts, [32; 15], "{:?}", db.engine);
    }
}
