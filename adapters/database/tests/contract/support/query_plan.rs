//! The plans of recorded queries, as the engine explains them.

use guestlist_domain::{Change, Role, Store, User, UserStatus, Verdict};
use sea_orm::{ConnectionTrait, QueryResult, Statement};

use super::fixtures::*;
use super::test_database::{Engine, TestDatabase};

/// MariaDB sorts the rows with one key value although the index has their order.
const FEW_ROWS: u64 = 10;

/// A step of a plan.
#[derive(Debug)]
pub(crate) struct PlanStep {
    /// SQLite's description, or the columns of MySQL's EXPLAIN.
    pub(crate) text: String,
    /// The explained query.
    pub(crate) query: String,
    /// Whether the step reads a whole table, without an index.
    pub(crate) scans: bool,
    /// Whether the step sorts rows of a table. Sorts of at most [`FEW_ROWS`] rows, and of the results
    /// of subqueries, do not count.
    pub(crate) sorts: bool,
}

/// Explains the SELECTs that were recorded since the last call.
pub(crate) async fn plans(db: &TestDatabase) -> Vec<PlanStep> {
    let mut steps = Vec::new();
    for query in db.take_statements_with_values() {
        if query.sql.starts_with("SELECT") || query.sql.starts_with("(SELECT") {
            steps.extend(explain(db, query).await);
        }
    }
    db.clear_statements();
    steps
}

async fn explain(db: &TestDatabase, query: Statement) -> Vec<PlanStep> {
    let keyword = match db.engine {
        Engine::Sqlite => "EXPLAIN QUERY PLAN",
        Engine::MySql | Engine::MariaDb => "EXPLAIN FORMAT=TRADITIONAL",
    };
    let explain = Statement { sql: format!("{keyword} {}", query.sql), ..query.clone() };
    let rows = db.database.read().query_all_raw(explain).await.unwrap();
    let texts = rows.iter().map(|row| match db.engine {
        Engine::Sqlite => row.try_get("", "detail").unwrap(),
        Engine::MySql | Engine::MariaDb => mysql_text(row),
    });
    let texts: Vec<String> = texts.collect();
    let step = |(index, text): (usize, &String)| {
        let (scans, sorts) = match db.engine {
            Engine::Sqlite => {
                let after_union = index > 0 && texts[index - 1] == "SCAN part";
                let of_table = text.starts_with("SCAN") && text != "SCAN part";
                let by_index = text.contains("USING INDEX") || text.contains("COVERING INDEX");
                (of_table && !by_index, text.contains("TEMP B-TREE") && !after_union)
            }
            // The tables <derived2> and <union1,2> are results of subqueries.
            Engine::MySql | Engine::MariaDb if text.contains("table=<") => (false, false),
            Engine::MySql | Engine::MariaDb => {
                let sorts =
                    text.contains("Using filesort") && estimated_rows(&rows[index]) > FEW_ROWS;
                (text.contains("type=ALL"), sorts)
            }
        };
        PlanStep { text: text.clone(), query: query.sql.clone(), scans, sorts }
    };
    texts.iter().enumerate().map(step).collect()
}

fn mysql_text(row: &QueryResult) -> String {
    let column = |name: &str| {
        // A missing column would be read as NULL.
        assert!(row.column_names().iter().any(|column| column == name), "no column {name}");
        row.try_get::<Option<String>>("", name).unwrap().unwrap_or_default()
    };
    let (table, kind, key, extra) =
        (column("table"), column("type"), column("key"), column("Extra"));
    format!("table={table} type={kind} key={key} extra={extra}")
}

/// Returns the estimate of MySQL, a number, or of MariaDB, which may be a text.
fn estimated_rows(row: &QueryResult) -> u64 {
    let text = row.try_get::<Option<String>>("", "rows").ok().flatten();
    let number = || row.try_get::<u64>("", "rows").unwrap();
    text.map_or_else(number, |text| text.parse().unwrap())
}

/// Fails if a recorded query scans or sorts a table. Returns the steps.
pub(crate) async fn assert_indexed(db: &TestDatabase) -> Vec<PlanStep> {
    let steps = plans(db).await;
    assert!(!steps.is_empty(), "no query was recorded");
    for step in &steps {
        assert!(!step.scans && !step.sorts, "{}: {}", step.text, step.query);
    }
    steps
}

/// Inserts rows and updates the statistics of the tables, because MySQL's plans depend on both.
pub(crate) async fn fill(db: &TestDatabase) -> Vec<User> {
    let user = |n: usize| User {
        email: email(&format!("user{n:05}@example.com")),
        name: name(&format!("Name {n:05}")),
        role: Role::ALL[n % 97 % Role::ALL.len()],
        status: UserStatus::ALL[n % 89 % UserStatus::ALL.len()],
        provider_user_id: Some(format!("user-test-{n}")),
        ..user()
    };
    let users: Vec<User> = (0..2_000).map(user).collect();
    let mut change = Change::new();
    for user in &users {
        let invitation = invitation(user);
        change.events.push(event(user, Some(&invitation)));
        change.invitations.insert.push(invitation);
        change.sessions.push(session(user));
        change.used_links.push(used_link());
        change.login_requests.push(login_request(&user.email, 0));
    }
    change.users.insert.clone_from(&users);
    assert_eq!(db.store.apply(change).await.unwrap(), Verdict::Applied);
    if db.engine != Engine::Sqlite {
        for table in ["users", "invitations", "events", "sessions", "used_links", "login_requests"]
        {
            let analyze = format!("ANALYZE TABLE {table}");
            db.database.write().execute_unprepared(&analyze).await.unwrap();
        }
    }
    db.clear_statements();
    users
}
