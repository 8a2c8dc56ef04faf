//! Up, down and up again; hands off what is not ours; and no DDL where only reading was asked for.

use guestlist_domain::{Change, Store, Verdict};
use guestlist_migrations::{
    MigrationError, down, pending_read_only, print, print_pending, status, up,
};
use sea_orm::{ConnectionTrait, Statement};

use crate::bed::{Bed, Engine, contract};
use crate::samples::*;

contract!(
    the_schema_goes_up_and_down_and_up,
    steps_are_taken_one_by_one,
    tables_of_others_are_left_alone,
    a_history_of_others_is_left_alone,
    looking_changes_nothing,
    what_is_printed_makes_the_schema,
    two_who_migrate_at_once_do_no_harm,
);

async fn tables(bed: &Bed) -> Vec<String> {
    let backend = bed.database.backend();
    let query = match bed.engine {
        Engine::Sqlite => "SELECT name AS n FROM sqlite_master WHERE type = 'table'",
        _ => {
            "SELECT table_name AS n FROM information_schema.tables \
             WHERE table_schema = DATABASE()"
        }
    };
    let rows = bed.database.write().query_all_raw(Statement::from_string(backend, query)).await;
    let mut tables: Vec<String> =
        rows.unwrap().iter().map(|row| row.try_get("", "n").unwrap()).collect();
    tables.sort_unstable();
    tables
}

async fn execute(bed: &Bed, statement: &str) {
    bed.database.write().execute_unprepared(statement).await.unwrap();
}

async fn the_schema_goes_up_and_down_and_up(bed: &Bed) {
    let whole = tables(bed).await;
    assert!(whole.len() >= 18, "{whole:?}");
    bed.database.check_schema().await.unwrap();
    assert_eq!(up(bed.database.write().pool(), None).await.unwrap(), Vec::<String>::new());
    let steps = status(bed.database.read().pool()).await.unwrap().len();

    assert_eq!(down(bed.database.write().pool(), None).await.unwrap().len(), steps);
    assert_eq!(tables(bed).await, ["seaql_migrations"]);
    bed.database.check_schema().await.unwrap_err();
    assert_eq!(down(bed.database.write().pool(), None).await.unwrap().len(), 0);

    assert_eq!(up(bed.database.write().pool(), None).await.unwrap().len(), steps);
    assert_eq!(tables(bed).await, whole);
    bed.database.check_schema().await.unwrap();
    assert_eq!(bed.store.apply(invite(&user())).await.unwrap(), Verdict::Applied);
    bed.take_statements();
}

async fn steps_are_taken_one_by_one(bed: &Bed) {
    let all = status(bed.database.read().pool()).await.unwrap();
    assert!(all.iter().all(|step| step.applied));
    let last = all.last().unwrap().name.clone();
    assert_eq!(
        down(bed.database.write().pool(), Some(1)).await.unwrap(),
        std::slice::from_ref(&last)
    );
    assert_eq!(
        pending_read_only(bed.database.read().pool()).await.unwrap(),
        std::slice::from_ref(&last)
    );
    assert_eq!(up(bed.database.write().pool(), Some(1)).await.unwrap(), [last]);
    assert_eq!(down(bed.database.write().pool(), Some(3)).await.unwrap().len(), 3);
    assert_eq!(up(bed.database.write().pool(), Some(2)).await.unwrap().len(), 2);
    assert_eq!(up(bed.database.write().pool(), None).await.unwrap().len(), 1);
}

async fn tables_of_others_are_left_alone(bed: &Bed) {
    down(bed.database.write().pool(), None).await.unwrap();
    execute(bed, "CREATE TABLE sessions (id INTEGER)").await;
    execute(bed, "CREATE TABLE something_else (id INTEGER)").await;
    let error = up(bed.database.write().pool(), None).await.unwrap_err();
    assert!(matches!(&error, MigrationError::NotOurs(tables) if tables == &["sessions"]));
    let line = error.to_string();
    assert!(line.contains("sessions") && line.contains("are not ours"), "{line}");
    assert!(!line.contains('\n') && !line.contains("something_else"), "{line}");
    assert_eq!(tables(bed).await, ["seaql_migrations", "sessions", "something_else"]);
    execute(bed, "DROP TABLE sessions").await;
    up(bed.database.write().pool(), None).await.unwrap();
}

async fn a_history_of_others_is_left_alone(bed: &Bed) {
    execute(bed, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m0_theirs', 0)")
        .await;
    for error in [
        up(bed.database.write().pool(), None).await.unwrap_err(),
        down(bed.database.write().pool(), None).await.unwrap_err(),
        status(bed.database.read().pool()).await.unwrap_err(),
    ] {
        assert!(matches!(&error, MigrationError::Unknown(_)), "{error}");
        assert!(error.to_string().contains("m0_theirs"), "{error}");
    }
}

async fn looking_changes_nothing(bed: &Bed) {
    down(bed.database.write().pool(), None).await.unwrap();
    execute(bed, "DROP TABLE seaql_migrations").await;
    bed.take_statements();
    let all = status(bed.database.read().pool()).await.unwrap();
    assert!(all.iter().all(|step| !step.applied));
    assert_eq!(pending_read_only(bed.database.read().pool()).await.unwrap().len(), all.len());
    print_pending(bed.database.read().pool()).await.unwrap();
    assert_eq!(tables(bed).await, Vec::<String>::new());
    for statement in bed.take_statements() {
        assert!(statement.starts_with("SELECT"), "{statement}");
    }
}

async fn what_is_printed_makes_the_schema(bed: &Bed) {
    assert_eq!(print_pending(bed.database.read().pool()).await.unwrap(), "");
    let whole = tables(bed).await;
    down(bed.database.write().pool(), None).await.unwrap();
    execute(bed, "DROP TABLE seaql_migrations").await;
    let printed = print_pending(bed.database.read().pool()).await.unwrap();
    assert_eq!(printed, print(bed.database.backend()).await.unwrap());
    for line in printed.lines() {
        let statement = line.strip_suffix(';').unwrap();
        assert!(!statement.contains(';') && !statement.contains("FOREIGN"), "{line}");
        execute(bed, statement).await;
    }
    assert_eq!(tables(bed).await, whole);
    assert_eq!(pending_read_only(bed.database.read().pool()).await.unwrap(), Vec::<String>::new());
    assert_eq!(bed.store.apply(invite(&user())).await.unwrap(), Verdict::Applied);
    assert_eq!(bed.store.apply(Change::new()).await.unwrap(), Verdict::Applied);
}

async fn two_who_migrate_at_once_do_no_harm(bed: &Bed) {
    down(bed.database.write().pool(), None).await.unwrap();
    let other = guestlist_database::connect(&bed.url).await.unwrap();
    let (one, two) =
        tokio::join!(up(bed.database.write().pool(), None), up(other.write().pool(), None));
    other.close().await;
    if bed.engine == Engine::Sqlite {
        let steps = one.unwrap().len() + two.unwrap().len();
        assert_eq!(steps, status(bed.database.read().pool()).await.unwrap().len());
    } else if one.is_err() || two.is_err() {
        // MySQL has no transactions for this; who came second is told, and can try again.
        let _ = up(bed.database.write().pool(), None).await;
    }
}
