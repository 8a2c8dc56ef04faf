//! Handlers by kind, and jobs of unknown kinds.

use apalis_core::{error::BoxDynError, task::data::Data};
use apalis_sea_orm::{AttemptOutcome, ClaimedJob, Handled, Handlers, NewJob, QueueBackend};

use crate::harness::{each, job, noon, start, stop, wait_for_state};

fn of(kind: &str) -> NewJob {
    NewJob { kind: kind.to_owned(), ..job() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_an_unknown_kind_is_snoozed() {
    async fn handle(job: ClaimedJob, handlers: Data<Handlers>) -> Result<Handled, BoxDynError> {
        handlers.handle(job).await
    }
    for db in each().await {
        let handlers = Handlers::default()
            .with("send", async |_| Ok(()))
            .with("die", async |_| Ok(AttemptOutcome::Dead))
            .with("fail", async |_| Err::<(), _>("no".into()));
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), handlers, handle);
        let (known, dead, failed) = (of("send"), of("die"), of("fail"));
        let unknown = NewJob { max_attempts: 1, ..of("novel") };
        db.enqueue(vec![known.clone(), dead.clone(), failed.clone(), unknown.clone()]).await;
        wait_for_state(&db, known.id, "done").await;
        wait_for_state(&db, dead.id, "dead").await;
        wait_for_state(&db, failed.id, "retrying").await;
        wait_for_state(&db, unknown.id, "scheduled").await;
        let row = db.job(unknown.id).await;
        assert_eq!((row.attempts, row.last_error_code.as_deref()), (0, Some("unknown_kind")));
        assert!(row.last_error.unwrap().contains("novel"), "{:?}", db.engine);
        assert_eq!(row.run_at - noon().as_microsecond(), 60_000_000);
        stop(worker, end).await;
    }
}
