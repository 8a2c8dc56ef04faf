//! Repeated statements use their indexes, and Vitess supports all statements.

use std::time::Duration;

use apalis_sea_orm::{
    AttemptOutcome, AttemptResult, JobFilter, JobQueue, NewJob, Options, Rate, cancel,
    count_by_kind, count_matching, count_up_to, dismiss_by_key, entity::state::RETRYABLE,
    hold_rate, inspect, matching_ids, pause, prune, resume, retry, retry_at,
};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::harness::{
    Engine, TestDb, after, attempt_error, attempt_result, each, job, jobs, noon, options,
};

/// Fills the tables so that a wrong plan would read many rows in each state and queue.
async fn fill(db: &TestDb) {
    let queues = ["mail", "logins", "other"];
    let jobs = (0..6_000u32).map(|n| NewJob {
        queue: queues[n as usize % 3].to_owned(),
        priority: i16::try_from(n % 5).unwrap(),
        run_at: after(noon(), if n % 2 == 0 { 0 } else { u64::from(n) }),
        ..job()
    });
    let keyed = |job: NewJob| NewJob { unique_key: Some(job.id.to_string()), ..job };
    db.enqueue(jobs.map(keyed).collect()).await;
    let claimed = db.queue("ann").claim(noon(), 300).await.unwrap();
    let at = after(noon(), 9_000);
    let outcomes = [
        AttemptOutcome::Dead,
        AttemptOutcome::Retry { at },
        AttemptOutcome::Snooze { at },
        AttemptOutcome::Done,
    ];
    let settled = claimed[..150].iter().zip(outcomes.into_iter().cycle()).map(|(job, outcome)| {
        let error = (outcome != AttemptOutcome::Done).then(|| attempt_error("unavailable"));
        AttemptResult { error, ..attempt_result(job, outcome) }
    });
    db.settle(&settled.collect::<Vec<_>>()).await;
    analyze(db).await;
}

async fn analyze(db: &TestDb) {
    let analyze = match db.engine {
        Engine::Sqlite => "ANALYZE",
        _ => "ANALYZE TABLE jobs",
    };
    db.write.execute_unprepared(analyze).await.unwrap();
    db.statements.lock().unwrap().clear();
}

/// Statements on the statistics, which use the primary key only.
const COUNTS: &str = "job_stats";

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

/// Returns the keys by which a statement reads `jobs`, and whether it sorts.
async fn plan(db: &TestDb, statement: &Statement) -> (Vec<String>, bool) {
    let explained = |explain: &str| {
        let sql = format!("{explain} {}", statement.sql);
        let values = statement.values.clone().map(|values| values.0).unwrap_or_default();
        Statement::from_sql_and_values(statement.db_backend, sql, values)
    };
    if db.engine == Engine::Sqlite {
        let plan = Step::find_by_statement(explained("EXPLAIN QUERY PLAN"));
        let plan = plan.all(&db.write).await.unwrap();
        let sorts = plan.iter().any(|step| step.detail.contains("USE TEMP B-TREE"));
        let reads = plan.iter().filter(|step| step.detail.contains(" jobs "));
        let key = |step: &Step| {
            let key = step.detail.split_once("INDEX ").map_or("", |(_, by)| by);
            let key = key.split(' ').next().unwrap_or_default();
            key.replace("sqlite_autoindex_jobs_1", "PRIMARY")
        };
        return (reads.map(key).collect(), sorts);
    }
    let plan = Access::find_by_statement(explained("EXPLAIN FORMAT=TRADITIONAL"));
    let plan = plan.all(&db.write).await.unwrap();
    let plan: Vec<_> = plan.iter().filter(|a| a.table.as_deref() == Some("jobs")).collect();
    let sorts = |access: &&Access| access.extra.as_ref().is_some_and(|e| e.contains("filesort"));
    let sorts = plan.iter().any(sorts);
    (plan.into_iter().map(|access| access.key.clone().unwrap_or_default()).collect(), sorts)
}

/// Fails unless every access to `jobs` uses the key, in its order.
async fn assert_served_by(db: &TestDb, statement: &Statement, key: &str) {
    if key == COUNTS {
        assert!(statement.sql.contains("job_stats"), "{}", statement.sql);
        return;
    }
    let (keys, sorts) = plan(db, statement).await;
    let served = !keys.is_empty() && keys.iter().all(|read| read == key) && !sorts;
    assert!(served, "{:?}: {}\nreads by {keys:?}, sorts: {sorts}", db.engine, statement.sql);
}

/// Checks the statements of a job's life, in order.
async fn job_statements_use_indexes(db: &TestDb, queue: &JobQueue, due: u64) {
    let served = async |keys: &[&str]| {
        let sent = std::mem::take(&mut *db.statements.lock().unwrap());
        assert_eq!(sent.len(), keys.len(), "{sent:#?}");
        for (statement, key) in sent.iter().zip(keys) {
            assert_served_by(db, statement, key).await;
        }
        db.statements.lock().unwrap().clear();
    };
    queue.next_due().await.unwrap();
    served(&["jobs_turn"]).await;
    queue.promote(after(noon(), due)).await.unwrap();
    served(&["jobs_turn", "PRIMARY"]).await;
    let claimed = queue.claim(noon(), 5).await.unwrap();
    served(&["jobs_claim", "PRIMARY"]).await;
    let leases: Vec<_> = claimed.iter().map(|job| (job.id, job.fence)).collect();
    queue.heartbeat(&leases).await.unwrap();
    served(&["PRIMARY"]).await;
    queue.rescue(noon()).await.unwrap();
    served(&["jobs_turn"]).await;
    let done: Vec<_> =
        claimed[1..].iter().map(|job| attempt_result(job, AttemptOutcome::Done)).collect();
    db.settle(&done).await;
    served(&["PRIMARY", COUNTS]).await;
    queue.release(&leases[..1]).await.unwrap();
    served(&["PRIMARY"]).await;
}

/// Checks the statements that operators' actions send.
async fn actions_use_indexes(db: &TestDb, queue: &JobQueue) {
    let served = async |keys: &[&str]| {
        let sent = std::mem::take(&mut *db.statements.lock().unwrap());
        let of_jobs = |sent: &&Statement| sent.sql.contains(&table(db));
        let sent: Vec<_> = sent.iter().filter(of_jobs).collect();
        assert_eq!(sent.len(), keys.len(), "{sent:#?}");
        for (statement, key) in sent.iter().zip(keys) {
            assert_served_by(db, statement, key).await;
        }
        db.statements.lock().unwrap().clear();
    };
    let claimed = queue.claim(noon(), 5).await.unwrap();
    let ids: Vec<_> = claimed.iter().map(|job| job.id).collect();
    let dead: Vec<_> =
        claimed[1..].iter().map(|job| attempt_result(job, AttemptOutcome::Dead)).collect();
    db.settle(&dead).await;
    db.statements.lock().unwrap().clear();
    assert!(cancel(&db.write, ids[0], noon()).await.unwrap());
    served(&["PRIMARY"]).await;
    assert!(retry(&db.write, ids[1], noon()).await.unwrap());
    served(&["PRIMARY"]).await;
    assert!(retry_at(&db.write, ids[2], after(noon(), 9_000)).await.unwrap());
    served(&["PRIMARY"]).await;
    for id in &ids[3..] {
        assert!(dismiss_by_key(&db.write, &id.to_string(), noon()).await.unwrap());
        served(&["jobs_unique_key", "PRIMARY"]).await;
    }
    assert!(prune(&db.write, after(noon(), 9_000)).await.unwrap() > 0);
    served(&["jobs_turn", "PRIMARY"]).await;
}

/// Checks the statements that operators' queries send.
async fn queries_use_indexes(db: &TestDb) {
    let served = async |keys: &[&str]| {
        let sent = std::mem::take(&mut *db.statements.lock().unwrap());
        assert_eq!(sent.len(), keys.len(), "{sent:#?}");
        for (statement, key) in sent.iter().zip(keys) {
            assert_served_by(db, statement, key).await;
        }
        db.statements.lock().unwrap().clear();
    };
    let any = JobFilter::default();
    let of = |state: &str| JobFilter { state: Some(state.to_owned()), ..any.clone() };
    let mail = |filter| JobFilter { queues: Some(vec!["mail".to_owned()]), ..filter };
    let failed = |filter| JobFilter { error_code: Some("unavailable".to_owned()), ..filter };
    let middle = inspect::jobs(&db.read, &any, None, 50).await.unwrap()[49].id;
    served(&["PRIMARY", "PRIMARY"]).await;
    let by_id = [mail(any.clone())].map(|filter| (filter, "PRIMARY"));
    let by_state = [of("dead"), mail(of("ready"))].map(|filter| (filter, "jobs_list"));
    let by_code = [failed(any.clone()), failed(mail(of("dead")))].map(|f| (f, "jobs_error"));
    for (filter, key) in by_id.into_iter().chain(by_state).chain(by_code) {
        let found = inspect::jobs(&db.read, &filter, Some(middle), 50).await.unwrap();
        served(&[key, "PRIMARY"][..=usize::from(!found.is_empty())]).await;
    }
    let retried = [(any, "jobs_list"), (failed(JobFilter::default()), "jobs_error")];
    for (filter, key) in retried {
        matching_ids(&db.read, &filter, &RETRYABLE, Some(middle), 50).await.unwrap();
        count_matching(&db.read, &filter, &RETRYABLE).await.unwrap();
        count_up_to(&db.read, &filter, &RETRYABLE, 50).await.unwrap();
        served(&[key, key, key]).await;
    }
    inspect::queues(&db.read, noon()).await.unwrap();
    db.statements.lock().unwrap().truncate(1);
    served(&["jobs_claim"]).await;
    inspect::errors(&db.read).await.unwrap();
    let sent = std::mem::take(&mut *db.statements.lock().unwrap());
    assert_eq!(sent.len(), 2, "{sent:#?}");
    let (mut keys, _) = plan(db, &sent[0]).await;
    keys.sort();
    assert!(keys.len() == 2 && keys[0] != "PRIMARY", "{:?}: {keys:?}", db.engine);
    assert!(keys.contains(&"jobs_error".to_owned()), "{:?}: {keys:?}", db.engine);
    assert_served_by(db, &sent[1], "PRIMARY").await;
}

fn table(db: &TestDb) -> String {
    if db.engine == Engine::Sqlite { "\"jobs\"" } else { "`jobs`" }.to_owned()
}

#[tokio::test]
async fn every_repeated_statement_of_a_worker_uses_its_index() {
    for db in each().await {
        fill(&db).await;
        job_statements_use_indexes(&db, &db.queue("ann"), 20).await;
        let queues = vec!["logins".to_owned(), "mail".to_owned()];
        job_statements_use_indexes(&db, &db.queue_with(Options { queues, ..options("bob") }), 40)
            .await;
    }
}

#[tokio::test]
async fn statements_of_operators_use_indexes() {
    for db in each().await {
        fill(&db).await;
        actions_use_indexes(&db, &db.queue("ann")).await;
        analyze(&db).await;
        queries_use_indexes(&db).await;
    }
}

/// With few jobs, a planner might find them by state and lock an index range.
#[tokio::test]
async fn jobs_are_updated_by_id_in_a_small_queue_too() {
    for db in each().await {
        db.enqueue(jobs(3_000)).await;
        db.write.execute_unprepared("UPDATE jobs SET state = 'done'").await.unwrap();
        db.enqueue(jobs(6)).await;
        db.enqueue((0..6).map(|_| NewJob { run_at: after(noon(), 20), ..job() }).collect()).await;
        analyze(&db).await;
        job_statements_use_indexes(&db, &db.queue("ann"), 20).await;
    }
}

#[tokio::test]
async fn every_statement_is_supported_by_vitess() {
    for db in each().await {
        fill(&db).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 4).await.unwrap();
        let leases: Vec<_> = claimed.iter().map(|job| (job.id, job.fence)).collect();
        queue.heartbeat(&leases).await.unwrap();
        queue.heartbeat(&[(claimed[0].id, 9)]).await.unwrap();
        queue.release(&leases[..1]).await.unwrap();
        let group: Vec<_> =
            claimed[1..].iter().map(|job| attempt_result(job, AttemptOutcome::Dead)).collect();
        db.settle(&group).await;
        apalis_sea_orm::is_written(&db.write, &group[0]).await.unwrap();
        queue.promote(after(noon(), 100)).await.unwrap();
        queue.rescue(noon()).await.unwrap();
        let (job, key) = (claimed[1].id, claimed[1].id.to_string());
        cancel(&db.write, job, noon()).await.unwrap();
        dismiss_by_key(&db.write, &key, noon()).await.unwrap();
        retry(&db.write, job, noon()).await.unwrap();
        retry_at(&db.write, job, after(noon(), 9_000)).await.unwrap();
        queue.report().await.unwrap();
        queue.remove_silent_workers().await.unwrap();
        queue.deregister().await.unwrap();
        pause(&db.write, "mail", "ada", None, noon()).await.unwrap();
        resume(&db.write, "mail").await.unwrap();
        hold_rate(&db.write, "mail", Duration::ZERO).await.unwrap();
        let queues = vec!["mail".to_owned()];
        let rate = Some(Rate { name: "mail".to_owned(), queues, per_second: 9.0 });
        let bob = db.queue_with(Options { rate, ..options("bob") });
        let rated = bob.claim(noon(), 1).await.unwrap().remove(0);
        assert!(bob.wait_for_start(&rated).await);
        prune(&db.write, after(noon(), 9_000)).await.unwrap();
        inspect::queues(&db.read, noon()).await.unwrap();
        inspect::workers(&db.read).await.unwrap();
        inspect::errors(&db.read).await.unwrap();
        inspect::rate_hold(&db.read, "mail").await.unwrap();
        inspect::minutes(&db.read, noon()).await.unwrap();
        inspect::times(&db.read, noon()).await.unwrap();
        inspect::wait_times(&db.read, noon()).await.unwrap();
        count_up_to(&db.read, &JobFilter::default(), &RETRYABLE, 9).await.unwrap();
        count_by_kind(&db.read, &JobFilter::default(), &RETRYABLE).await.unwrap();
        inspect::jobs(&db.read, &JobFilter::default(), None, 9).await.unwrap();
        for statement in db.statements.lock().unwrap().iter() {
            let sql = statement.sql.to_uppercase();
            for refused in ["RETURNING", "GET_LOCK", "FOREIGN KEY", "ISOLATION", ";", "||"] {
                assert!(!sql.contains(refused), "{refused} in {sql}");
            }
            assert!(!sql.starts_with("WITH"), "{sql}");
            // Upserts return no row count, because MySQL's differs.
            let upsert = sql.contains("ON CONFLICT") || sql.contains("ON DUPLICATE");
            let counted = sql.contains("JOB_STATS") || sql.contains("JOB_WORKERS");
            assert!(!upsert || counted || sql.contains("JOB_QUEUES"), "{sql}");
        }
    }
}
