//! Migrations are applied, reverted and resumed, and leave the tables of other programs alone.

use guestlist_domain::Change;
use guestlist_migrations::{
    MigrationError, down, pending_read_only, print, print_pending, status, up,
};
use sea_orm::{ConnectionTrait, Statement};

use crate::support::fixtures::*;
use crate::support::test_database::{Engine, TestDatabase};
use crate::support::test_store::contract;

/// The last migration, which creates several tables.
const JOBS: &str = "m20261123_000009_jobs";

contract!(; sql:
    the_schema_is_applied_reverted_and_applied_again,
    migrations_are_applied_and_reverted_in_steps,
    tables_of_another_program_are_left_alone,
    a_history_of_another_program_is_left_alone,
    reading_the_status_changes_nothing,
    the_printed_sql_creates_the_schema,
    of_several_concurrent_migrations_one_runs_and_the_others_wait;
    servers:
    an_interrupted_migration_is_completed,
    an_interrupted_reversion_is_completed,
    a_lease_of_a_clock_that_was_ahead_expires,
);

async fn tables(db: &TestDatabase) -> Vec<String> {
    let backend = db.database.backend();
    let query = match db.engine {
        Engine::Sqlite => "SELECT name AS n FROM sqlite_master WHERE type = 'table'",
        _ => {
            "SELECT table_name AS n FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name <> 'migration_lease'"
        }
    };
    let rows = db.database.write().query_all_raw(Statement::from_string(backend, query)).await;
    let mut tables: Vec<String> =
        rows.unwrap().iter().map(|row| row.try_get("", "n").unwrap()).collect();
    tables.sort_unstable();
    tables
}

async fn execute(db: &TestDatabase, statement: &str) {
    db.database.write().execute_unprepared(statement).await.unwrap();
}

async fn the_schema_is_applied_reverted_and_applied_again(db: &TestDatabase) {
    let all_tables = tables(db).await;
    assert!(all_tables.len() >= 18, "{all_tables:?}");
    db.database.check_schema().await.unwrap();
    assert_eq!(up(db.database.write().pool(), None).await.unwrap(), Vec::<String>::new());
    let steps = status(db.database.read().pool()).await.unwrap().len();

    assert_eq!(down(db.database.write().pool(), None).await.unwrap().len(), steps);
    assert_eq!(tables(db).await, ["seaql_migrations"]);
    db.database.check_schema().await.unwrap_err();
    assert_eq!(down(db.database.write().pool(), None).await.unwrap().len(), 0);

    assert_eq!(up(db.database.write().pool(), None).await.unwrap().len(), steps);
    assert_eq!(tables(db).await, all_tables);
    db.database.check_schema().await.unwrap();
    db.apply(invite(&user())).await;
    db.take_statements();
}

async fn migrations_are_applied_and_reverted_in_steps(db: &TestDatabase) {
    let all = status(db.database.read().pool()).await.unwrap();
    assert!(all.iter().all(|step| step.applied));
    let last = all.last().unwrap().name.clone();
    assert_eq!(
        down(db.database.write().pool(), Some(1)).await.unwrap(),
        std::slice::from_ref(&last)
    );
    assert_eq!(
        pending_read_only(db.database.read().pool()).await.unwrap(),
        std::slice::from_ref(&last)
    );
    assert_eq!(up(db.database.write().pool(), Some(1)).await.unwrap(), [last]);
    assert_eq!(down(db.database.write().pool(), Some(3)).await.unwrap().len(), 3);
    assert_eq!(up(db.database.write().pool(), Some(2)).await.unwrap().len(), 2);
    assert_eq!(up(db.database.write().pool(), None).await.unwrap().len(), 1);
}

async fn tables_of_another_program_are_left_alone(db: &TestDatabase) {
    down(db.database.write().pool(), None).await.unwrap();
    execute(db, "CREATE TABLE sessions (id INTEGER)").await;
    execute(db, "CREATE TABLE something_else (id INTEGER)").await;
    let error = up(db.database.write().pool(), None).await.unwrap_err();
    assert!(matches!(&error, MigrationError::ForeignTables(tables) if tables == &["sessions"]));
    let line = error.to_string();
    assert!(
        line.contains("sessions") && line.contains("no migration of Guestlist created them"),
        "{line}"
    );
    assert!(!line.contains('\n') && !line.contains("something_else"), "{line}");
    assert_eq!(tables(db).await, ["seaql_migrations", "sessions", "something_else"]);
    execute(db, "DROP TABLE sessions").await;
    up(db.database.write().pool(), None).await.unwrap();
}

async fn a_history_of_another_program_is_left_alone(db: &TestDatabase) {
    execute(db, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m0_theirs', 0)").await;
    for error in [
        up(db.database.write().pool(), None).await.unwrap_err(),
        down(db.database.write().pool(), None).await.unwrap_err(),
        status(db.database.read().pool()).await.unwrap_err(),
    ] {
        assert!(matches!(&error, MigrationError::Unknown(_)), "{error}");
        assert!(error.to_string().contains("m0_theirs"), "{error}");
    }
}

async fn reading_the_status_changes_nothing(db: &TestDatabase) {
    down(db.database.write().pool(), None).await.unwrap();
    execute(db, "DROP TABLE seaql_migrations").await;
    db.take_statements();
    let all = status(db.database.read().pool()).await.unwrap();
    assert!(all.iter().all(|step| !step.applied));
    assert_eq!(pending_read_only(db.database.read().pool()).await.unwrap().len(), all.len());
    print_pending(db.database.read().pool()).await.unwrap();
    assert_eq!(tables(db).await, Vec::<String>::new());
    for statement in db.take_statements() {
        assert!(statement.starts_with("SELECT"), "{statement}");
    }
}

async fn the_printed_sql_creates_the_schema(db: &TestDatabase) {
    assert_eq!(print_pending(db.database.read().pool()).await.unwrap(), "");
    let all_tables = tables(db).await;
    down(db.database.write().pool(), None).await.unwrap();
    execute(db, "DROP TABLE seaql_migrations").await;
    let printed = print_pending(db.database.read().pool()).await.unwrap();
    assert_eq!(printed, print(db.database.backend()).await.unwrap());
    for line in printed.lines() {
        let statement = line.strip_suffix(';').unwrap();
        assert!(!statement.contains(';') && !statement.contains("FOREIGN"), "{line}");
        execute(db, statement).await;
    }
    assert_eq!(tables(db).await, all_tables);
    assert_eq!(pending_read_only(db.database.read().pool()).await.unwrap(), Vec::<String>::new());
    db.apply(invite(&user())).await;
    db.apply(Change::new()).await;
}

async fn of_several_concurrent_migrations_one_runs_and_the_others_wait(db: &TestDatabase) {
    let all_tables = tables(db).await;
    let steps = status(db.database.read().pool()).await.unwrap().len();
    for _ in 0..3 {
        down(db.database.write().pool(), None).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(guestlist_database::connect(&db.url).await.unwrap());
        }
        let all = others.iter().map(|other| up(other.write().pool(), None));
        let applied = futures::future::join_all(all).await;
        let mut applied: Vec<usize> =
            applied.into_iter().map(|names| names.unwrap().len()).collect();
        applied.sort_unstable();
        assert_eq!(applied, [0, 0, 0, steps]);
        for other in others {
            other.close().await;
        }
        assert_eq!(tables(db).await, all_tables);
    }
}

/// Leaves the database as a process does that is killed during a migration, after `statements`.
async fn interrupt(db: &TestDatabase, migration: &str, statements: &[String]) {
    for statement in statements {
        execute(db, statement).await;
    }
    let create = "CREATE TABLE IF NOT EXISTS migration_lease (id smallint NOT NULL PRIMARY KEY, \
                  holder varchar(64) NOT NULL, ends_at bigint NOT NULL, migration varchar(190))";
    execute(db, create).await;
    let values = format!("(1, 'killed', UNIX_TIMESTAMP() + 1, '{migration}')");
    execute(db, &format!("REPLACE INTO migration_lease VALUES {values}")).await;
}

async fn an_interrupted_migration_is_completed(db: &TestDatabase) {
    let all_tables = tables(db).await;
    let steps = status(db.database.read().pool()).await.unwrap();
    for number in [0, 3, steps.len() - 1] {
        let name = &steps[number].name;
        let reverted = u32::try_from(steps.len() - number).unwrap();
        down(db.database.write().pool(), Some(reverted)).await.unwrap();
        let pending = print_pending(db.database.read().pool()).await.unwrap();
        let lines: Vec<String> =
            pending.lines().map(|line| line.trim_end_matches(';').to_owned()).collect();
        // The statements of the migration, without the one that marks it as applied.
        let record = lines.iter().position(|line| line.contains(name.as_str())).unwrap();
        for killed_after in 0..=record {
            interrupt(db, name, &lines[..killed_after]).await;
            let applied = up(db.database.write().pool(), None).await.unwrap();
            assert_eq!(applied.len(), steps.len() - number, "{name} after {killed_after}");
            assert_eq!(tables(db).await, all_tables, "{name} after {killed_after}");
            down(db.database.write().pool(), Some(reverted)).await.unwrap();
        }
        // Instead of completing it, reverts everything.
        interrupt(db, name, &lines[..record]).await;
        down(db.database.write().pool(), None).await.unwrap();
        assert_eq!(tables(db).await, ["seaql_migrations"], "{name}");
        up(db.database.write().pool(), None).await.unwrap();
    }
    db.take_statements();
}

async fn an_interrupted_reversion_is_completed(db: &TestDatabase) {
    let all_tables = tables(db).await;
    let steps = status(db.database.read().pool()).await.unwrap().len();
    for dropped in [&[][..], &["job_stats"], &["job_stats", "job_workers", "job_rates", "jobs"]] {
        let drops: Vec<_> = dropped.iter().map(|table| format!("DROP TABLE {table}")).collect();
        interrupt(db, JOBS, &drops).await;
        let applied = up(db.database.write().pool(), None).await.unwrap();
        assert_eq!(applied, [JOBS], "{dropped:?}");
        assert_eq!(tables(db).await, all_tables, "{dropped:?}");
        db.database.check_schema().await.unwrap();

        interrupt(db, JOBS, &drops).await;
        assert_eq!(
            down(db.database.write().pool(), None).await.unwrap().len(),
            steps,
            "{dropped:?}"
        );
        assert_eq!(tables(db).await, ["seaql_migrations"], "{dropped:?}");
        up(db.database.write().pool(), None).await.unwrap();
    }
    db.take_statements();
}

async fn a_lease_of_a_clock_that_was_ahead_expires(db: &TestDatabase) {
    let steps = status(db.database.read().pool()).await.unwrap();
    down(db.database.write().pool(), Some(1)).await.unwrap();
    interrupt(db, &steps.last().unwrap().name, &[]).await;
    execute(db, "UPDATE migration_lease SET ends_at = UNIX_TIMESTAMP() + 7200").await;
    let up = up(db.database.write().pool(), None);
    let up = tokio::time::timeout(std::time::Duration::from_mins(1), up).await;
    assert_eq!(up.unwrap().unwrap().len(), 1);
}
