//! A full disk while a process commits, on SQLite: acknowledged writes are stored, failed ones are
//! not, and work continues without a restart once there is space. The disk is simulated by a limit
//! on the size of files, so that COMMIT fails.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use apalis_sea_orm::{
    AttemptOutcome, ErrorClass, JobQueue, NewJob, Options, Rate, Settled, classify, enqueue_all,
    entity::job, migration, pool::is_reusable, settle,
};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, EntityTrait, TransactionTrait};
use sea_orm_migration::SchemaManager;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::harness::{attempt_result, job, new_id, noon, options, wait_until};

const FILE_VARIABLE: &str = "APALIS_SEA_ORM_TEST_FULL_DISK";
/// The rounds in which the disk is full.
const FULL: std::ops::Range<u32> = 10..40;

/// What the process believes to be committed.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Acknowledged {
    enqueued: HashSet<Uuid>,
    done: HashSet<Uuid>,
    failures: u32,
}

async fn open(file: &Path, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
    options.max_connections(connections).map_sqlx_sqlite_opts(|o| {
        o.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
    });
    options.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| Box::pin(is_reusable(connection)))
    });
    Database::connect(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_on_a_full_disk_are_stored_and_others_can_write() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jobs.db");
    let write = open(&file, 1).await;
    migration::up(&SchemaManager::new(&write)).await.unwrap();
    // Ignores the signal that comes with the limit and would end the process.
    let script =
        "trap '' XFSZ; exec \"$0\" --exact --nocapture processes::full_disk::child_process";
    let mut process = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FILE_VARIABLE, &file)
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.path().join("stderr")).unwrap())
        .spawn()
        .unwrap();
    let stderr = || fs::read_to_string(directory.path().join("stderr")).unwrap();
    // Failed transactions keep no lock.
    wait_until("the disk is full", || async { directory.path().join("full").exists() }).await;
    let probe = NewJob { id: Uuid::from_u128(u128::MAX), ..job() };
    enqueue_all(&write, vec![probe.clone()]).await.unwrap();
    fs::write(directory.path().join("go"), "").unwrap();
    let ended = tokio::task::spawn_blocking(move || process.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{}", stderr());

    let acknowledged = fs::read_to_string(directory.path().join("acknowledged")).unwrap();
    let acknowledged: Acknowledged = serde_json::from_str(&acknowledged).unwrap();
    println!(
        "{} enqueued, {} done, {} failures",
        acknowledged.enqueued.len(),
        acknowledged.done.len(),
        acknowledged.failures
    );
    assert!(acknowledged.failures >= 5 && acknowledged.done.len() >= 10, "{acknowledged:?}");
    let rows = job::Entity::find().all(&write).await.unwrap();
    let stored: HashSet<_> = rows.iter().map(|row| row.id).filter(|id| *id != probe.id).collect();
    assert_eq!(stored, acknowledged.enqueued);
    let done = rows.iter().filter(|row| row.state == "done").map(|row| row.id);
    assert_eq!(done.collect::<HashSet<_>>(), acknowledged.done);
}

/// Does nothing unless the environment makes this process a child.
#[tokio::test]
async fn child_process() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a child process is configured by its environment"
    )]
    let Ok(file) = std::env::var(FILE_VARIABLE) else { return };
    let file = PathBuf::from(file);
    let sibling = |name: &str| file.with_file_name(name);
    let write = open(&file, 1).await;
    let rate = Rate { name: "mail".to_owned(), queues: vec!["mail".to_owned()], per_second: 1e4 };
    let options = Options { rate: Some(rate), concurrency: 1_000, ..options("ann") };
    let queue = JobQueue::new(write.clone(), open(&file, 2).await, options);
    let mut acknowledged = Acknowledged::default();
    for round in 0..60 {
        if round == FULL.start {
            let log = fs::metadata(file.with_file_name("jobs.db-wal")).unwrap().len();
            limit(&(log + 16_384).to_string());
        } else if round == FULL.end {
            fs::write(sibling("full"), "").unwrap();
            wait_until("another process has written", || async { sibling("go").exists() }).await;
            limit("unlimited");
        }
        let failed = run_round(&write, &queue, &mut acknowledged).await;
        assert!(failed == 0 || FULL.contains(&round), "{round}: {failed}");
        acknowledged.failures += failed;
    }
    fs::write(sibling("acknowledged"), serde_json::to_string(&acknowledged).unwrap()).unwrap();
}

/// Enqueues, claims and settles, each in a transaction, and returns how many failed.
async fn run_round(
    write: &DatabaseConnection,
    queue: &JobQueue,
    acknowledged: &mut Acknowledged,
) -> u32 {
    let mut failed = 0;
    let args = serde_json::json!("x".repeat(8_000));
    let jobs: Vec<_> =
        (0..3).map(|_| NewJob { id: new_id(), args: args.clone(), ..job() }).collect();
    let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
    let enqueued = async {
        let transaction = write.begin().await?;
        enqueue_all(&transaction, jobs).await?;
        transaction.commit().await
    };
    match enqueued.await {
        Ok(()) => acknowledged.enqueued.extend(ids),
        Err(error) => {
            assert_ne!(classify(&error), ErrorClass::Permanent, "{error:?}");
            failed += 1;
        }
    }
    let Ok(claimed) = queue.claim(noon(), 2).await else { return failed + 1 };
    let results: Vec<_> =
        claimed.iter().map(|job| attempt_result(job, AttemptOutcome::Done)).collect();
    let settled = async {
        let transaction = write.begin().await?;
        let settled = settle(&transaction, &results).await?;
        transaction.commit().await?;
        Ok::<_, sea_orm::DbErr>(settled)
    };
    match settled.await {
        Ok(Settled::All) => acknowledged.done.extend(claimed.iter().map(|job| job.id)),
        Ok(Settled::SomeLost) => panic!("no other worker claims jobs"),
        Err(_) => failed += 1,
    }
    failed + u32::from(queue.rescue(noon()).await.is_err())
}

/// Limits the size of files that this process may write.
fn limit(bytes: &str) {
    let limit = format!("prlimit --pid {} --fsize={bytes}:unlimited", std::process::id());
    assert!(Command::new("sh").args(["-c", &limit]).status().unwrap().success(), "{limit}");
}
