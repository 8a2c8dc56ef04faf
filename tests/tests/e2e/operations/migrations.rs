//! Applying, reverting and printing migrations, and commands without a schema.

use std::time::Duration;

use guestlist_tests::{
    DatabaseServer, Engine, Guestlist, LONG, ProcessOutput, TestDatabase, on_every_engine,
};
use serde_json::Value;

async fn tables(database: &TestDatabase) -> Vec<String> {
    let sql = match database.engine {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        _ => {
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name <> 'migration_lease' \
             ORDER BY table_name"
        }
    };
    let rows = database.query(sql).await;
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn steps(guestlist: &Guestlist) -> Vec<bool> {
    let status = guestlist.run_ok(&["migrate", "status", "--json"]).await;
    let steps: Value = serde_json::from_str(&status).unwrap();
    steps.as_array().unwrap().iter().map(|step| step["applied"].as_bool().unwrap()).collect()
}

/// Asserts that a command failed with one line besides its log, and returns that line.
#[track_caller]
fn error_line(finished: &ProcessOutput) -> String {
    assert_ne!(finished.code, Some(0), "{finished:?}");
    assert!(finished.code.is_some(), "{finished:?}");
    let lines: Vec<_> = finished.stderr.lines().filter(|line| !line.contains(" INFO")).collect();
    assert_eq!(lines.len(), 1, "{finished:?}");
    lines[0].to_owned()
}

#[tokio::test]
async fn migrations_are_applied_reverted_and_applied_again() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).prepare().await;
        let before = steps(&guestlist).await;
        assert!(!before.is_empty() && before.iter().all(|applied| !applied), "{before:?}");
        assert!(tables(guestlist.database()).await.is_empty(), "status issues no DDL");

        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        assert!(steps(&guestlist).await.iter().all(|applied| *applied));
        let up = tables(guestlist.database()).await;
        assert!(up.contains(&"users".to_owned()) && up.contains(&"jobs".to_owned()), "{up:?}");
        let _ = guestlist.run_ok(&["migrate", "up"]).await;

        let _ = guestlist.run_ok(&["migrate", "down", "--steps", "1"]).await;
        let one_down = steps(&guestlist).await;
        assert_eq!(one_down.iter().filter(|applied| !**applied).count(), 1, "{one_down:?}");
        let _ = guestlist.run_ok(&["migrate", "down"]).await;
        assert!(steps(&guestlist).await.iter().all(|applied| !applied));
        let left = tables(guestlist.database()).await;
        assert!(left.iter().all(|table| table == "seaql_migrations"), "{left:?}");

        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        assert_eq!(tables(guestlist.database()).await, up);
    })
    .await;
}

#[tokio::test]
async fn the_printed_sql_creates_a_working_schema() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).prepare().await;
        let sql = guestlist.run_ok(&["migrate", "print"]).await;
        assert!(sql.contains("CREATE TABLE"), "{sql}");
        assert!(tables(guestlist.database()).await.is_empty(), "print changes nothing");
        let statements: String = sql
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n");
        for statement in statements.split(';').map(str::trim).filter(|sql| !sql.is_empty()) {
            let _ = guestlist.database().execute(statement).await;
        }
        // As after a deploy request, the history of migrations may lack rows.
        guestlist.start_sandbox().await;
        guestlist.api_key = guestlist.create_key("tests", &[]).await.1;
        guestlist.start_app().await;
        guestlist.start_worker().await;
        let _ = guestlist.member("ada@example.com").await;
    })
    .await;
}

#[tokio::test]
async fn commands_without_a_schema_fail_and_name_the_remedy() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).env("STYTCH_BASE_URL", "http://127.0.0.1:1");
        let guestlist = guestlist.prepare().await;
        let none: [&str; 0] = [];
        for (program, args) in [
            ("guestlist", &["serve"][..]),
            ("guestlist", &["serve", "--worker"]),
            ("guestlist", &["keys", "list"]),
            ("guestlist", &["invite", "ada@example.com"]),
            ("guestlist-worker", &none),
        ] {
            let finished =
                guestlist.spawn(program, args).wait_for_exit(guestlist_tests::SHORT).await;
            let line = error_line(&finished);
            assert!(line.contains("guestlist migrate up"), "{program} {args:?}: {line}");
        }
        assert!(tables(guestlist.database()).await.is_empty());
        // An incomplete schema is refused too.
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        let _ = guestlist.run_ok(&["migrate", "down", "--steps", "1"]).await;
        let line = error_line(&guestlist.run(&["serve"]).await);
        assert!(line.contains("guestlist migrate up"), "{line}");
    })
    .await;
}

#[tokio::test]
async fn tables_of_other_applications_are_not_changed() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).prepare().await;
        let _ = guestlist.database().execute("CREATE TABLE users (id INTEGER)").await;
        let _ = guestlist.database().execute("INSERT INTO users VALUES (7)").await;
        let line = error_line(&guestlist.run(&["migrate", "up"]).await);
        assert!(line.contains("users") && line.contains("no migration of Guestlist"), "{line}");
        let dev = guestlist.run(&["dev"]).await;
        assert!(error_line(&dev).contains("no migration of Guestlist"), "{dev:?}");
        assert_eq!(guestlist.database().integer("SELECT id FROM users").await, 7);
        let down = guestlist.run(&["migrate", "down"]).await;
        assert_eq!(guestlist.database().integer("SELECT id FROM users").await, 7, "{down:?}");
    })
    .await;
}

#[tokio::test]
async fn concurrent_migrations_run_once() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).prepare().await;
        for round in 0..3 {
            let up = || guestlist.spawn("guestlist", &["migrate", "up"]);
            let running: Vec<_> = (0..4).map(|_| up()).collect();
            let mut applied = 0;
            for process in running {
                let finished = process.wait_for_exit(LONG).await;
                assert_eq!(finished.code, Some(0), "round {round}: {finished:?}");
                assert!(finished.stdout.contains("the schema is up to date"), "{finished:?}");
                applied += usize::from(finished.stdout.contains("applied "));
            }
            assert_eq!(applied, 1, "round {round}");
            assert!(steps(&guestlist).await.iter().all(|applied| *applied));
            let _ = guestlist.run_ok(&["migrate", "down"]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_migration_is_completed_by_the_next() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).prepare().await;
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        let whole = tables(guestlist.database()).await;
        for round in 0..6_u64 {
            let _ = guestlist.run_ok(&["migrate", "down"]).await;
            let direction = if round % 3 == 2 { "down" } else { "up" };
            if direction == "down" {
                let _ = guestlist.run_ok(&["migrate", "up"]).await;
            }
            let killed = guestlist.spawn("guestlist", &["migrate", direction]);
            // Each round kills it at another moment.
            tokio::time::sleep(Duration::from_millis(20 + 67 * round)).await;
            killed.kill();
            let finished = guestlist.run(&["migrate", "up"]).await;
            assert_eq!(finished.code, Some(0), "round {round}: {finished:?}");
            assert!(steps(&guestlist).await.iter().all(|applied| *applied), "round {round}");
            assert_eq!(tables(guestlist.database()).await, whole, "round {round}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_table_is_reported_with_the_remedy() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).prepare().await;
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        let _ = guestlist.database().execute("DROP TABLE login_requests").await;
        let line = error_line(&guestlist.run(&["status"]).await);
        assert!(line.contains("login_requests") && line.contains("migrate up"), "{line}");
        let up = error_line(&guestlist.run(&["migrate", "up"]).await);
        assert!(up.contains("login_requests") && up.contains("from a backup"), "{up}");
        for line in [line, up] {
            assert!(!line.contains("anew") && !line.contains("drop"), "{line}");
        }
    })
    .await;
}

#[tokio::test]
async fn exhausted_prepared_statements_are_reported_as_such() {
    for engine in Engine::with_server() {
        let server = DatabaseServer::start(engine).await;
        let guestlist = Guestlist::split(engine).on_server(&server.url()).prepare().await;
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        let _ = guestlist.database().execute("SET GLOBAL max_prepared_stmt_count = 0").await;
        let line = error_line(&guestlist.run(&["status"]).await);
        assert!(line.contains("raise max_prepared_stmt_count"), "{line}");
        assert!(!line.contains("migrate up") && !line.contains("anew"), "{line}");
        let _ = guestlist.database().execute("SET GLOBAL max_prepared_stmt_count = 16382").await;
        let _ = guestlist.run_ok(&["keys", "list"]).await;
    }
}
