//! Commits a user together with a welcome mail, then runs a worker that sends the mail at its
//! second attempt: `cargo run -p apalis-sea-orm --example welcome`.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use apalis::prelude::*;
use apalis_sea_orm::{Backoff, ClaimedJob, JobQueue, NewJob, Options, QueueBackend, enqueue_all};
use apalis_sea_orm::{entity, migration};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait,
    TransactionTrait,
};
use sea_orm_migration::SchemaManager;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Welcome {
    to: String,
}

async fn handle(job: ClaimedJob, worker: WorkerContext) -> Result<(), BoxDynError> {
    static IS_AVAILABLE: AtomicBool = AtomicBool::new(false);
    let welcome: Welcome = job.decode()?;
    println!("attempt {} of {}: mailing {}", job.number, job.max_attempts, welcome.to);
    // Check immediately before anything that must not happen twice.
    if !job.lease.is_valid() {
        return Err("the lease was lost; the worker that has it now sends the mail".into());
    }
    if !IS_AVAILABLE.swap(true, Ordering::SeqCst) {
        return Err("the mail server does not answer".into());
    }
    worker.stop()?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxDynError> {
    tracing_subscriber::fmt().with_env_filter("warn,apalis_sea_orm=debug").init();
    let directory = tempfile::tempdir()?;
    let url = format!("sqlite://{}/app.db?mode=rwc", directory.path().display());
    let (write, read) = (connect(&url, 1).await?, connect(&url, 4).await?);
    migration::up(&SchemaManager::new(&write)).await?;
    write.execute_unprepared("CREATE TABLE users (name TEXT PRIMARY KEY)").await?;

    let backoff = Backoff { initial: Duration::from_millis(500), ..Backoff::default() };
    let mut options = Options { backoff, ..Options::new("", ["mail"]) };
    // The name must be unique to each start of each process.
    options.worker = format!("welcome-{}", (options.ids)());
    let (clock, ids, waker) = (options.clock.clone(), options.ids.clone(), options.waker.clone());
    let queue = JobQueue::new(write.clone(), read, options);

    let now = clock();
    let job = NewJob {
        id: ids(),
        queue: "mail".to_owned(),
        kind: "welcome".to_owned(),
        args: serde_json::to_value(Welcome { to: "ada".to_owned() })?,
        priority: 0,
        run_at: now,
        max_attempts: 5,
        unique_key: Some("welcome:ada".to_owned()),
        created_at: now,
    };
    let id = job.id;
    let transaction = write.begin().await?;
    transaction.execute_unprepared("INSERT INTO users VALUES ('ada')").await?;
    enqueue_all(&transaction, vec![job]).await?;
    transaction.commit().await?;
    waker.wake();

    Monitor::new()
        .register(move |run| {
            WorkerBuilder::new(format!("mailer-{run}"))
                .backend(QueueBackend::new(queue.clone()))
                .build(handle)
        })
        .run()
        .await?;

    let job = entity::job::Entity::find_by_id(id).one(&write).await?;
    let attempts = entity::attempt::Entity::find().all(&write).await?;
    println!("result: {job:#?}\n{attempts:#?}");
    Ok(())
}

/// Writers of an SQLite file wait for each other, so they share one connection. Readers do not
/// wait.
async fn connect(url: &str, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .map_sqlx_sqlite_opts(|options| options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal));
    Database::connect(options).await
}
