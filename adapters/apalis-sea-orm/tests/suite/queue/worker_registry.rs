//! Workers register, report and deregister.

use std::sync::{Arc, Mutex};

use apalis_sea_orm::{ClaimedJob, Options, QueueBackend, entity::worker, inspect};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use crate::harness::{TestDb, each, jobs, noon, options, start, stop, wait_until};

async fn seen(db: &TestDb) -> Vec<String> {
    let workers = inspect::workers(&db.read).await.unwrap();
    workers.into_iter().map(|state| state.worker.id).collect()
}

#[tokio::test]
async fn a_report_contains_the_workers_load_and_info() {
    for db in each().await {
        let text = Arc::new(Mutex::new(None));
        let info_text = Arc::clone(&text);
        let info = Arc::new(move || info_text.lock().unwrap().clone());
        let queue = db.queue_with(Options { info, ..options("ann") });
        queue.report().await.unwrap();
        db.queue("bob").report().await.unwrap();
        db.enqueue(jobs(2)).await;
        let held = queue.claim(noon(), 2).await.unwrap();
        *text.lock().unwrap() = Some("circuit open".to_owned());
        let before = inspect::workers(&db.read).await.unwrap().remove(0).worker;
        queue.report().await.unwrap();

        let workers = inspect::workers(&db.read).await.unwrap();
        assert_eq!(workers.len(), 2, "{:?}", db.engine);
        let ann = &workers[0].worker;
        assert_eq!((ann.id.as_str(), ann.queues.as_str()), ("ann", "mail"));
        assert_eq!((ann.running, ann.concurrency), (2, 10));
        assert_eq!(ann.info.as_deref(), Some("circuit open"));
        assert_eq!(ann.pid, i64::from(std::process::id()));
        assert_eq!((before.running, before.info), (0, None));
        assert_eq!(ann.started_at, before.started_at, "the start is reported once");
        assert!(ann.seen_at >= before.seen_at && workers[0].silent.as_secs() < 60);
        drop(held);
    }
}

#[tokio::test]
async fn a_worker_that_stopped_reporting_is_removed() {
    for db in each().await {
        for name in ["ann", "bob"] {
            db.queue(name).report().await.unwrap();
        }
        assert_eq!(db.queue("bob").remove_silent_workers().await.unwrap(), 0);
        let earlier = Expr::col(worker::Column::SeenAt).sub(16 * 60 * 1_000_000_i64);
        worker::Entity::update_many()
            .col_expr(worker::Column::SeenAt, earlier)
            .filter(worker::Column::Id.eq("ann"))
            .exec(&db.write)
            .await
            .unwrap();
        assert_eq!(db.queue("bob").remove_silent_workers().await.unwrap(), 1, "{:?}", db.engine);
        assert_eq!(seen(&db).await, ["bob"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_worker_is_registered_and_a_stopped_one_is_not() {
    async fn handle(_: ClaimedJob) {}
    for db in each().await {
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), (), handle);
        wait_until("the worker is registered", || async { seen(&db).await == ["ann"] }).await;
        stop(worker, end).await;
        assert!(seen(&db).await.is_empty(), "{:?}", db.engine);
    }
}
