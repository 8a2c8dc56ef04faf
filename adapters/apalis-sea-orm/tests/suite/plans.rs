//! The statements a worker repeats are served by their indexes, and are such as Vitess takes.

use apalis_sea_orm::{NewJob, Outcome, settle};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::harness::{Db, Engine, after, each, job, noon, settlement};

/// A table in which a wrong plan would read much: each state and queue holds many rows.
async fn busy(db: &Db) {
    let queues = ["mail", "logins", "other"];
    let jobs = (0..6_000u32).map(|n| NewJob {
        queue: queues[n as usize % 3].to_owned(),
        priority: i16::try_from(n % 5).unwrap(),
        run_at: after(noon(), if n % 2 == 0 { 0 } else { u64::from(n) }),
        ..job()
    });
    db.put(jobs.collect()).await;
    let claimed = db.queue("ann").claim(noon(), 300).await.unwrap();
    let done: Vec<_> = claimed[..150].iter().map(|job| settlement(job, Outcome::Done)).collect();
    let _ = settle(&db.write, &done).await.unwrap();
    let analyze = match db.engine {
        Engine::Sqlite => "ANALYZE",
        _ => "ANALYZE TABLE jobs",
    };
    db.write.execute_unprepared(analyze).await.unwrap();
    db.sent.lock().unwrap().clear();
}

/// A line of `EXPLAIN QUERY PLAN`.
#[derive(Debug, FromQueryResult)]
struct Step {
    detail: String,
}

/// A line of MySQL's traditional `EXPLAIN`.
#[derive(Debug, FromQueryResult)]
struct Access {
    table: Option<String>,
    key: Option<String>,
    #[sea_orm(from_alias = "Extra")]
    extra: Option<String>,
}

/// Fails unless every access to the table is by that key, in its order.
async fn is_served_by(db: &Db, statement: &Statement, key: &str) {
    let explained = |explain: &str| {
        let sql = format!("{explain} {}", statement.sql);
        let values = statement.values.clone().map(|values| values.0).unwrap_or_default();
        Statement::from_sql_and_values(statement.db_backend, sql, values)
    };
    if db.engine == Engine::Sqlite {
        let plan = Step::find_by_statement(explained("EXPLAIN QUERY PLAN"));
        let plan = plan.all(&db.write).await.unwrap();
        let key = if key == "PRIMARY" { "sqlite_autoindex_jobs_1" } else { key };
        for step in &plan {
            let sorts = step.detail.contains("USE TEMP B-TREE");
            let reads = step.detail.contains("jobs") && !step.detail.contains(key);
            assert!(!sorts && !reads, "{}\n{plan:#?}", statement.sql);
        }
        assert!(plan.iter().any(|step| step.detail.contains(key)), "{plan:#?}");
        return;
    }
    let plan = Access::find_by_statement(explained("EXPLAIN FORMAT=TRADITIONAL"));
    let plan = plan.all(&db.write).await.unwrap();
    let of_table = |access: &&Access| access.table.as_deref() == Some("jobs");
    for access in plan.iter().filter(of_table) {
        let sorts = access.extra.as_ref().is_some_and(|extra| extra.contains("filesort"));
        let keyed = access.key.as_deref() == Some(key);
        assert!(keyed && !sorts, "{:?}: {}\n{plan:#?}", db.engine, statement.sql);
    }
    assert!(plan.iter().any(|access| of_table(&access)), "{plan:#?}");
}

fn sent(db: &Db) -> Vec<Statement> {
    std::mem::take(&mut *db.sent.lock().unwrap())
}

#[tokio::test]
async fn claiming_staging_and_rescuing_use_their_indexes() {
    for db in each().await {
        busy(&db).await;
        let two = vec!["logins".to_owned(), "mail".to_owned()];
        let options = apalis_sea_orm::Options { queues: two, ..crate::harness::options("bob") };
        for queue in [db.queue("ann"), db.queue_with(options)] {
            queue.claim(noon(), 10).await.unwrap();
            let claim = sent(&db);
            assert_eq!(claim.len(), 3, "a read, the claim, and reading it back");
            is_served_by(&db, &claim[0], "jobs_claim").await;
            is_served_by(&db, &claim[1], "PRIMARY").await;
            is_served_by(&db, &claim[2], "PRIMARY").await;
            sent(&db);
        }

        let queue = db.queue("ann");
        queue.next_due().await.unwrap();
        queue.stage(after(noon(), 20)).await.unwrap();
        let stage = sent(&db);
        is_served_by(&db, &stage[0], "jobs_due").await;
        is_served_by(&db, &stage[1], "jobs_due").await;
        is_served_by(&db, &stage[2], "PRIMARY").await;
        sent(&db);

        queue.rescue(noon()).await.unwrap();
        is_served_by(&db, &sent(&db)[0], "jobs_lease").await;
        sent(&db);

        let claimed = queue.claim(noon(), 20).await.unwrap();
        let leases: Vec<_> = claimed.iter().map(|job| (job.id, job.fence)).collect();
        sent(&db);
        queue.beat(&leases).await.unwrap();
        is_served_by(&db, &sent(&db)[0], "PRIMARY").await;
        sent(&db);
        let done: Vec<_> = claimed.iter().map(|job| settlement(job, Outcome::Done)).collect();
        let _ = settle(&db.write, &done).await.unwrap();
        is_served_by(&db, &sent(&db)[0], "PRIMARY").await;
    }
}

#[tokio::test]
async fn every_statement_is_one_that_vitess_takes() {
    for db in each().await {
        busy(&db).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 4).await.unwrap();
        let leases: Vec<_> = claimed.iter().map(|job| (job.id, job.fence)).collect();
        queue.beat(&leases).await.unwrap();
        queue.beat(&[(claimed[0].id, 9)]).await.unwrap();
        queue.give_back(&leases[..1]).await.unwrap();
        let group: Vec<_> = claimed[1..].iter().map(|job| settlement(job, Outcome::Dead)).collect();
        let _ = settle(&db.write, &group).await.unwrap();
        apalis_sea_orm::standings(&db.write, &group).await.unwrap();
        queue.stage(after(noon(), 100)).await.unwrap();
        queue.rescue(noon()).await.unwrap();
        for statement in sent(&db) {
            let sql = statement.sql.to_uppercase();
            for refused in
                ["WITH ", "RETURNING", "GET_LOCK", "ON CONFLICT", "ON DUPLICATE", ";", "||"]
            {
                assert!(!sql.contains(refused), "{refused} in {sql}");
            }
        }
    }
}
