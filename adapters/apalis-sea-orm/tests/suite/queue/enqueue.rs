//! Jobs are enqueued in the caller's transaction, once for each key.

use apalis_sea_orm::{AttemptOutcome, NewJob, enqueue_all, entity::job, migration};
use sea_orm::{EntityTrait, PaginatorTrait, SqlErr, TransactionTrait};
use sea_orm_migration::SchemaManager;

use crate::harness::{after, each, job, jobs, noon, settle_one};

#[tokio::test]
async fn a_job_exists_if_and_only_if_its_transaction_commits() {
    for db in each().await {
        let (kept, dropped) = (job(), job());
        let transaction = db.write.begin().await.unwrap();
        enqueue_all(&transaction, vec![dropped.clone()]).await.unwrap();
        transaction.rollback().await.unwrap();
        let transaction = db.write.begin().await.unwrap();
        enqueue_all(&transaction, vec![kept.clone()]).await.unwrap();
        transaction.commit().await.unwrap();

        let there: Vec<_> = job::Entity::find().all(&db.write).await.unwrap();
        assert_eq!(there.iter().map(|j| j.id).collect::<Vec<_>>(), [kept.id], "{:?}", db.engine);
        assert_eq!(there[0].args, r#"{"to":"ada"}"#);
    }
}

#[tokio::test]
async fn a_duplicate_key_leaves_the_transaction_usable() {
    for db in each().await {
        let keyed = |key: &str| NewJob { unique_key: Some(key.to_owned()), ..job() };
        let transaction = db.write.begin().await.unwrap();
        // Keys are compared with case and accents.
        let different = ["Ada", "ada", "Adá"].map(keyed);
        enqueue_all(&transaction, different.to_vec()).await.unwrap();
        let several = vec![keyed("new"), keyed("Ada")];
        let refused = enqueue_all(&transaction, several).await.unwrap_err();
        assert!(matches!(refused.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))));
        enqueue_all(&transaction, vec![job()]).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(job::Entity::find().count(&db.write).await.unwrap(), 4, "{:?}", db.engine);
    }
}

#[tokio::test]
async fn a_unique_key_stays_taken_after_its_job_ends() {
    for db in each().await {
        let keyed = || NewJob { unique_key: Some("welcome:ada".to_owned()), ..job() };
        db.enqueue(vec![keyed()]).await;
        settle_one(&db, AttemptOutcome::Done, None).await;
        let refused = enqueue_all(&db.write, vec![keyed()]).await.unwrap_err();
        assert!(matches!(refused.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))));
    }
}

#[tokio::test]
async fn thousands_of_jobs_are_enqueued_by_one_call() {
    for db in each().await {
        enqueue_all(&db.write, Vec::new()).await.unwrap();
        enqueue_all(&db.write, jobs(2_500)).await.unwrap();
        assert_eq!(job::Entity::find().count(&db.write).await.unwrap(), 2_500);
    }
}

#[tokio::test]
async fn values_too_long_for_one_engine_are_refused_on_all() {
    for db in each().await {
        for wrong in [
            NewJob { queue: "q".repeat(33), ..job() },
            NewJob { queue: String::new(), ..job() },
            NewJob { kind: "sénd".to_owned(), ..job() },
            NewJob { unique_key: Some("k".repeat(191)), ..job() },
            NewJob { max_attempts: 0, ..job() },
        ] {
            enqueue_all(&db.write, vec![wrong]).await.unwrap_err();
        }
        let longest = NewJob {
            queue: "q".repeat(32),
            kind: "k".repeat(64),
            unique_key: Some("ü".repeat(190)),
            ..job()
        };
        enqueue_all(&db.write, vec![longest]).await.unwrap();
    }
}

#[tokio::test]
async fn a_job_with_a_later_run_at_is_scheduled() {
    for db in each().await {
        let (now, later) = (job(), NewJob { run_at: after(noon(), 1), ..job() });
        db.enqueue(vec![now.clone(), later.clone()]).await;
        assert_eq!(db.state(now.id).await, "ready");
        assert_eq!(db.state(later.id).await, "scheduled");
    }
}

#[tokio::test]
async fn the_tables_can_be_dropped_and_created_again() {
    for db in each().await {
        let manager = SchemaManager::new(&db.write);
        migration::down(&manager).await.unwrap();
        assert!(!manager.has_table("jobs").await.unwrap());
        assert!(!manager.has_table("job_attempts").await.unwrap());
        migration::up(&manager).await.unwrap();
        db.enqueue(jobs(1)).await;
    }
}
