//! Handlers by kind, with time limits; what no handler knows is kept.

use std::time::Duration;

use apalis_core::{error::BoxDynError, task::data::Data};
use apalis_sea_orm::{Claimed, Handled, Kinds, NewJob, Outcome, QueueBackend};

use crate::harness::{each, is, job, noon, start};

fn of(kind: &str) -> NewJob {
    NewJob { kind: kind.to_owned(), ..job() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_kind_that_nobody_knows_waits_and_says_so() {
    async fn perform(job: Claimed, kinds: Data<Kinds>) -> Result<Handled, BoxDynError> {
        kinds.perform(job).await
    }
    for db in each().await {
        let kinds = Kinds::default()
            .with("send", async |_| Ok(()))
            .with("bury", async |_| Ok(Outcome::Dead))
            .with("fail", async |_| Err::<(), _>("no".into()));
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), kinds, perform);
        let (known, dead, failed) = (of("send"), of("bury"), of("fail"));
        let unknown = NewJob { max_attempts: 1, ..of("novel") };
        db.put(vec![known.clone(), dead.clone(), failed.clone(), unknown.clone()]).await;
        is(&db, known.id, "done").await;
        is(&db, dead.id, "dead").await;
        is(&db, failed.id, "retrying").await;
        is(&db, unknown.id, "scheduled").await;
        let row = db.job(unknown.id).await;
        assert_eq!((row.attempts, row.last_error_code.as_deref()), (0, Some("unknown_kind")));
        assert!(row.last_error.unwrap().contains("novel"), "{:?}", db.engine);
        assert_eq!(row.run_at - noon().as_microsecond(), 60_000_000);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_takes_too_long_failed() {
    async fn perform(job: Claimed) {
        if job.kind == "stuck" {
            std::future::pending::<()>().await;
        }
    }
    for db in each().await {
        let backend = QueueBackend::new(db.queue("ann")).timeout("stuck", Duration::from_millis(5));
        let (worker, end) = start!(backend, (), perform);
        let (stuck, send) = (of("stuck"), of("send"));
        db.put(vec![stuck.clone(), send.clone()]).await;
        is(&db, stuck.id, "retrying").await;
        is(&db, send.id, "done").await;
        let row = db.job(stuck.id).await;
        assert_eq!(row.last_error_code.as_deref(), Some("timed_out"), "{:?}", db.engine);
        assert_eq!(row.attempts, 1);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}
