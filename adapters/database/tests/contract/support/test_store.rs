//! A new store for each test, in memory or on a database.

use std::sync::Arc;
use std::time::Duration;

use apalis_sea_orm::entity::{job as jobs, state};
use guestlist_database::SqlStore;
use guestlist_domain::{Change, NewJob, Session, Store, User, Verdict};
use in_memory_store::InMemoryStore;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};

use super::fixtures::{active_user, after, now, session};

/// Defines a test per engine for each function. The first functions take a [`TestStore`] and are tested
/// on every engine, in memory included.
///
/// Functions after `sql:` take a `TestDatabase`. They concern what exists on a database only: plans and
/// numbers of statements, migrations, connections, invalid values, groups of commits, and what is not
/// part of the domain's `Store`, such as idempotency keys. Functions after `servers:` are tested on
/// MySQL and MariaDB only, functions after `sqlite:` on SQLite only.
macro_rules! contract {
    (
        $($test:ident),* $(,)?
        $(; sql: $($sql_test:ident),+ $(,)?)?
        $(; servers: $($server_test:ident),+ $(,)?)?
        $(; sqlite: $($sqlite_test:ident),+ $(,)?)?
    ) => {
        contract!(@in_memory $($test,)*);
        contract!(@sqlite Sqlite: $($test,)* $($($sql_test,)+)? $($($sqlite_test,)+)?);
        contract!(@mysql MySql: $($test,)* $($($sql_test,)+)? $($($server_test,)+)?);
        contract!(@mariadb MariaDb: $($test,)* $($($sql_test,)+)? $($($server_test,)+)?);
    };
    (@in_memory) => {};
    (@in_memory $($test:ident,)+) => {
        mod in_memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(&crate::support::test_store::TestStore::in_memory()).await;
                }
            )+
        }
    };
    (@$module:ident $engine:ident: $($test:ident,)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    use crate::support::test_database::{Engine, TestDatabase};
                    let Some(db) = TestDatabase::create(Engine::$engine).await else { return };
                    let test = super::$test(&db);
                    tokio::time::timeout(crate::support::test_store::LIMIT, test).await.unwrap();
                    db.cleanup().await;
                }
            )*
        }
    };
}
pub(crate) use contract;

/// The longest duration of a test on a database, so that one that hangs fails.
pub(crate) const LIMIT: Duration = Duration::from_mins(5);

pub(crate) struct TestStore {
    pub(crate) store: Arc<dyn Store>,
    kind: Kind,
}

enum Kind {
    InMemory(Arc<InMemoryStore>),
    Sql(Arc<SqlStore>),
}

impl TestStore {
    pub(crate) fn in_memory() -> Self {
        let store = Arc::new(InMemoryStore::default());
        Self { store: store.clone(), kind: Kind::InMemory(store) }
    }

    pub(crate) fn on_sql(store: Arc<SqlStore>) -> Self {
        Self { store: store.clone(), kind: Kind::Sql(store) }
    }

    /// Applies a change, and fails if it is not applied.
    pub(crate) async fn apply(&self, change: Change) {
        assert_eq!(self.verdict(change).await, Verdict::Applied);
    }

    pub(crate) async fn verdict(&self, change: Change) -> Verdict {
        self.store.apply(change).await.unwrap()
    }

    /// Inserts a user with three sessions, and another user with one.
    pub(crate) async fn insert_sessions(&self) -> (User, Vec<Session>, Session) {
        let (user, other) = (active_user(), active_user());
        let sessions: Vec<_> = (0..3).map(|_| session(&user)).collect();
        let other_session = session(&other);
        let mut change = Change::new().insert_user(user.clone()).insert_user(other);
        change.sessions = sessions.iter().chain([&other_session]).cloned().collect();
        self.apply(change).await;
        (user, sessions, other_session)
    }

    /// Leases a job to a worker, with a fence.
    pub(crate) async fn lease(&self, job: &NewJob, fence: i64) {
        match &self.kind {
            Kind::InMemory(store) => {
                let mut tables = store.tables();
                let job = tables.jobs.get_mut(&job.id).unwrap();
                job.claim(now());
                (job.attempts, job.fence) = (1, fence);
            }
            Kind::Sql(store) => {
                jobs::Entity::update_many()
                    .col_expr(jobs::Column::State, Expr::value(state::RUNNING))
                    .col_expr(jobs::Column::Fence, Expr::value(fence))
                    .col_expr(jobs::Column::Attempts, Expr::value(1))
                    .col_expr(jobs::Column::LockedBy, Expr::value("worker-1"))
                    .col_expr(jobs::Column::LeaseUntil, Expr::value(after(30).as_microsecond()))
                    .filter(jobs::Column::Id.eq(job.id.0))
                    .exec(store.database().write())
                    .await
                    .unwrap();
            }
        }
    }

    /// Returns the number of rows in a table.
    pub(crate) async fn count(&self, table: &str) -> usize {
        match &self.kind {
            Kind::InMemory(store) => count_in_memory(store, table),
            Kind::Sql(store) => {
                let database = store.database();
                let count = format!("SELECT COUNT(*) FROM {table}");
                let count = Statement::from_string(database.backend(), count);
                let row = database.write().query_one_raw(count).await.unwrap().unwrap();
                row.try_get_by_index::<i64>(0).unwrap().try_into().unwrap()
            }
        }
    }
}

fn count_in_memory(store: &InMemoryStore, table: &str) -> usize {
    let tables = store.tables();
    match table {
        "users" | "user_emails" => tables.users.len(),
        "invitations" => tables.invitations.len(),
        "sessions" => tables.sessions.len(),
        "used_links" => tables.used_links.len(),
        "login_requests" => tables.login_requests.len(),
        "api_keys" => tables.api_keys.len(),
        "tombstones" => tables.tombstones.len(),
        "removed_addresses" => tables.removed_addresses.len(),
        "reconciliations" => tables.reconciliations.len(),
        "guards" => tables.guards.len(),
        "events" => tables.events.len(),
        "jobs" => tables.jobs.len(),
        other => panic!("{other} is not a table of the store in memory"),
    }
}
