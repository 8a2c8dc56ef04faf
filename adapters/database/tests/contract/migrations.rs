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
    of_several_that_migrate_at_once_one_does_and_the_others_wait,
    a_migration_cut_short_anywhere_is_completed,
    a_reverting_cut_short_anywhere_is_completed,
    a_lease_given_by_a_clock_that_was_ahead_ends,
);

async fn tables(bed: &Bed) -> Vec<String> {
    let backend = bed.database.backend();
    let query = match bed.engine {
        Engine::Sqlite => "SELECT name AS n FROM sqlite_master WHERE type = 'table'",
        _ => {
            "SELECT table_name AS n FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name <> 'migration_lease'"
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

async fn of_several_that_migrate_at_once_one_does_and_the_others_wait(bed: &Bed) {
    let whole = tables(bed).await;
    let steps = status(bed.database.read().pool()).await.unwrap().len();
    for _ in 0..3 {
        down(bed.database.write().pool(), None).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(guestlist_database::connect(&bed.url).await.unwrap());
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
        assert_eq!(tables(bed).await, whole);
    }
}

/// As a process leaves it that is killed at that migration, after so many of its statements.
async fn cut_short(bed: &Bed, migration: &str, statements: &[String]) {
    for statement in statements {
        execute(bed, statement).await;
    }
    if bed.engine != Engine::Sqlite {
        execute(
            bed,
            "CREATE TABLE IF NOT EXISTS migration_lease (id smallint NOT NULL PRIMARY KEY, \
             holder varchar(64) NOT NULL, ends_at bigint NOT NULL, migration varchar(190))",
        )
        .await;
        execute(
            bed,
            &format!("REPLACE INTO migration_lease VALUES (1, 'killed', UNIX_TIMESTAMP() + 1, '{migration}')"),
        )
        .await;
    }
}

async fn a_migration_cut_short_anywhere_is_completed(bed: &Bed) {
    if bed.engine == Engine::Sqlite {
        // There it is one transaction.
        return;
    }
    let whole = tables(bed).await;
    let steps = status(bed.database.read().pool()).await.unwrap();
    for number in [0, 11, steps.len() - 1] {
        let name = &steps[number].name;
        down(bed.database.write().pool(), Some(u32::try_from(steps.len() - number).unwrap()))
            .await
            .unwrap();
        let pending = print_pending(bed.database.read().pool()).await.unwrap();
        let lines: Vec<String> =
            pending.lines().map(|line| line.trim_end_matches(';').to_owned()).collect();
        // Its tables, as the jobs' migration has several, without the record of it.
        let record = lines.iter().position(|line| line.contains(name.as_str())).unwrap();
        for killed_after in 0..=record {
            cut_short(bed, name, &lines[..killed_after]).await;
            let applied = up(bed.database.write().pool(), None).await.unwrap();
            assert_eq!(applied.len(), steps.len() - number, "{name} after {killed_after}");
            assert_eq!(tables(bed).await, whole, "{name} after {killed_after}");
            let again = u32::try_from(steps.len() - number).unwrap();
            down(bed.database.write().pool(), Some(again)).await.unwrap();
        }
        // And what is wanted then is nothing at all.
        cut_short(bed, name, &lines[..record]).await;
        down(bed.database.write().pool(), None).await.unwrap();
        assert_eq!(tables(bed).await, ["seaql_migrations"], "{name}");
        up(bed.database.write().pool(), None).await.unwrap();
    }
    bed.take_statements();
}

async fn a_reverting_cut_short_anywhere_is_completed(bed: &Bed) {
    if bed.engine == Engine::Sqlite {
        return;
    }
    let whole = tables(bed).await;
    let steps = status(bed.database.read().pool()).await.unwrap().len();
    for gone in [&[][..], &["job_stats"], &["job_stats", "job_workers", "job_rates", "jobs"]] {
        let again = u32::try_from(steps - 11).unwrap();
        down(bed.database.write().pool(), Some(again - 1)).await.unwrap();
        let drops: Vec<_> = gone.iter().map(|table| format!("DROP TABLE {table}")).collect();
        cut_short(bed, "m20261123_000012_jobs", &drops).await;
        let applied = up(bed.database.write().pool(), None).await.unwrap();
        assert_eq!(applied.len(), steps - 11, "{gone:?}");
        assert_eq!(tables(bed).await, whole, "{gone:?}");
        bed.database.check_schema().await.unwrap();

        down(bed.database.write().pool(), Some(again - 1)).await.unwrap();
        cut_short(bed, "m20261123_000012_jobs", &drops).await;
        assert_eq!(down(bed.database.write().pool(), None).await.unwrap().len(), 12, "{gone:?}");
        assert_eq!(tables(bed).await, ["seaql_migrations"], "{gone:?}");
        up(bed.database.write().pool(), None).await.unwrap();
    }
    bed.take_statements();
}

async fn a_lease_given_by_a_clock_that_was_ahead_ends(bed: &Bed) {
    if bed.engine == Engine::Sqlite {
        return;
    }
    let steps = status(bed.database.read().pool()).await.unwrap();
    down(bed.database.write().pool(), Some(1)).await.unwrap();
    cut_short(bed, &steps.last().unwrap().name, &[]).await;
    execute(bed, "UPDATE migration_lease SET ends_at = UNIX_TIMESTAMP() + 7200").await;
    let up = up(bed.database.write().pool(), None);
    let up = tokio::time::timeout(std::time::Duration::from_mins(1), up).await;
    assert_eq!(up.unwrap().unwrap().len(), 1);
}
