//! Opening a database. Errors are one line and do not contain the password.

use guestlist_database::{ConnectError, Database, connect};
use sea_orm::{ConnectionTrait, Statement};

use crate::support::test_database::{Engine, TestDatabase};
use crate::support::test_store::contract;

contract!(; sql:
    the_session_settings_suit_the_engine,
    a_second_process_can_open_the_database,
);

async fn query(database: &Database, writer: bool, sql: &str) -> String {
    let connection = if writer { database.write() } else { database.read() };
    let statement = Statement::from_string(database.backend(), sql);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    let number = row.try_get_by_index::<i64>(0).map(|n| n.to_string());
    number.or_else(|_| row.try_get_by_index(0)).unwrap()
}

async fn the_session_settings_suit_the_engine(db: &TestDatabase) {
    let database = &db.database;
    if db.engine != Engine::Sqlite {
        let modes = query(database, true, "SELECT CAST(CONCAT(@@SESSION.sql_mode) AS CHAR)").await;
        assert!(!modes.contains("PIPES_AS_CONCAT"), "{modes}");
        db.clear_statements();
        return;
    }
    assert_eq!(query(database, true, "PRAGMA journal_mode").await, "wal");
    assert_eq!(query(database, true, "PRAGMA synchronous").await, "2");
    assert_eq!(query(database, true, "PRAGMA busy_timeout").await, "10000");
    assert_eq!(query(database, true, "PRAGMA foreign_keys").await, "0");
    assert_eq!(query(database, false, "PRAGMA query_only").await, "1");
    assert_eq!(query(database, false, "PRAGMA busy_timeout").await, "10000");
    database.read().execute_unprepared("DELETE FROM users").await.unwrap_err();
}

async fn a_second_process_can_open_the_database(db: &TestDatabase) {
    let other = connect(&db.url).await.unwrap();
    other.check_schema().await.unwrap();
    other.close().await;
}

async fn error_message(url: &str) -> String {
    let error: ConnectError = connect(url).await.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    assert!(!format!("{error:?}").contains("hunter2"));
    line
}

#[tokio::test]
async fn errors_name_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let no_folder = format!("sqlite://{}/no/such/dir/x.db?mode=rwc", dir.path().display());
    let missing = format!("sqlite://{}/x.db", dir.path().display());
    for (url, expected) in [
        ("postgres://u:hunter2@localhost/db", "must begin with sqlite:// or mysql://"),
        ("guestlist.db", "must begin with sqlite:// or mysql://"),
        ("sqlite::memory:", "name a file"),
        ("sqlite://file:x?mode=memory", "name a file"),
        ("sqlite://x.db?mode=hunter2", "malformed"),
        ("mysql://u:hunter2@localhost:nope/db", "malformed"),
        ("mysql://u:hunter2@db.example.com/db", "ssl-mode=VERIFY_IDENTITY"),
        ("mysql://u:hunter2@10.0.0.1/db?ssl-mode=REQUIRED", "ssl-mode=VERIFY_IDENTITY"),
        ("mysql://u:hunter2@localhost.example.com/db", "ssl-mode=VERIFY_IDENTITY"),
        ("mysql://u:hunter2@127.0.0.1:1/db", "127.0.0.1:1"),
        (&no_folder, "/no/such/dir/x.db"),
        (&missing, "/x.db"),
    ] {
        let line = error_message(url).await;
        assert!(line.contains(expected), "{url}: {line}");
    }
}

#[tokio::test]
async fn an_error_does_not_contain_a_wrong_password() {
    let Some(db) = TestDatabase::create_empty(Engine::MariaDb).await else { return };
    let mut url = url::Url::parse(&db.url).unwrap();
    url.set_password(Some("hunter2")).unwrap();
    let line = error_message(url.as_str()).await;
    assert!(line.contains("Access denied"), "{line}");
    db.cleanup().await;
}
