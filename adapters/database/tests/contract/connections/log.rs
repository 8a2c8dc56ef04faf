//! The size of SQLite's write-ahead log.

use guestlist_database::sqlite_file;
use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};

use crate::support::test_database::TestDatabase;
use crate::support::test_store::contract;

contract!(; sqlite: a_slow_reader_leaves_no_long_log_behind);

/// The size to which the log is cut.
const LIMIT: u64 = 64 * 1024 * 1024;

fn log_size(db: &TestDatabase) -> u64 {
    let mut log = sqlite_file(&db.url).unwrap().into_os_string();
    log.push("-wal");
    std::fs::metadata(log).unwrap().len()
}

async fn insert_bytes(db: &TestDatabase, length: u32) -> Result<(), DbErr> {
    let sql = format!("INSERT INTO removed_addresses (hash) VALUES (randomblob({length}))");
    db.database.write().execute_unprepared(&sql).await.map(drop)
}

async fn a_slow_reader_leaves_no_long_log_behind(db: &TestDatabase) {
    let reader = db.database.read().pool().begin().await.unwrap();
    reader.execute_unprepared("SELECT COUNT(*) FROM users").await.unwrap();
    for _ in 0..10 {
        insert_bytes(db, 8_000_000).await.unwrap();
    }
    assert!(log_size(db) > LIMIT, "the reader keeps the log from being written again");
    reader.rollback().await.unwrap();
    // The first transaction is followed by a checkpoint, and the second one begins the log again.
    for _ in 0..2 {
        insert_bytes(db, 32).await.unwrap();
    }
    assert!(log_size(db) <= LIMIT, "{} bytes", log_size(db));
}
