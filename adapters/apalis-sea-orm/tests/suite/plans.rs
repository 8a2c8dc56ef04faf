//! The statements a worker repeats are served by their indexes, and are such as Vitess takes.

use std::time::Duration;

use apalis_sea_orm::{
    JobFilter, NewJob, Options, Outcome, Queue, Rate, Settlement, board, cancel, count_matching,
    dismiss_by_key, entity::state::RETRYABLE, hold_rate, matching, pause, prune, resume, retry,
    retry_at, settle,
};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::harness::{Db, Engine, after, each, failure, job, jobs, noon, options, settlement};

/// A table in which a wrong plan would read much: each state and queue holds many rows.
async fn busy(db: &Db) {
    let queues = ["mail", "logins", "other"];
    let jobs = (0..6_000u32).map(|n| NewJob {
        queue: queues[n as usize % 3].to_owned(),
        priority: i16::try_from(n % 5).unwrap(),
        run_at: after(noon(), if n % 2 == 0 { 0 } else { u64::from(n) }),
        ..job()
    });
    let keyed = |job: NewJob| NewJob { unique_key: Some(job.id.to_string()), ..job };
    db.put(jobs.map(keyed).collect()).await;
    let claimed = db.queue("ann").claim(noon(), 300).await.unwrap();
    let at = after(noon(), 9_000);
    let outcomes = [Outcome::Dead, Outcome::Retry { at }, Outcome::Snooze { at }, Outcome::Done];
    let settled = claimed[..150].iter().zip(outcomes.into_iter().cycle()).map(|(job, outcome)| {
        let error = (outcome != Outcome::Done).then(|| failure("unavailable"));
        Settlement { error, ..settlement(job, outcome) }
    });
    let _ = settle(&db.write, &settled.collect::<Vec<_>>()).await.unwrap();
    analyze(db).await;
}

async fn analyze(db: &Db) {
    let analyze = match db.engine {
        Engine::Sqlite => "ANALYZE",
        _ => "ANALYZE TABLE jobs",
    };
    db.write.execute_unprepared(analyze).await.unwrap();
    db.sent.lock().unwrap().clear();
}

/// For the statistics, which are written by their primary key and nothing else.
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

/// How the table is read for a statement: by which keys, and whether anything is sorted.
async fn reads(db: &Db, statement: &Statement) -> (Vec<String>, bool) {
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

/// Fails unless every access to the table is by that key, in its order.
async fn is_served_by(db: &Db, statement: &Statement, key: &str) {
    if key == COUNTS {
        assert!(statement.sql.contains("job_stats"), "{}", statement.sql);
        return;
    }
    let (keys, sorts) = reads(db, statement).await;
    let served = !keys.is_empty() && keys.iter().all(|read| read == key) && !sorts;
    assert!(served, "{:?}: {}\nreads by {keys:?}, sorts: {sorts}", db.engine, statement.sql);
}

/// Each statement, in the order of a job's life, and the index that must serve it.
async fn are_served(db: &Db, queue: &Queue, due: u64) {
    let served = async |keys: &[&str]| {
        let sent = std::mem::take(&mut *db.sent.lock().unwrap());
        assert_eq!(sent.len(), keys.len(), "{sent:#?}");
        for (statement, key) in sent.iter().zip(keys) {
            is_served_by(db, statement, key).await;
        }
        db.sent.lock().unwrap().clear();
    };
    queue.next_due().await.unwrap();
    served(&["jobs_turn"]).await;
    queue.stage(after(noon(), due)).await.unwrap();
    served(&["jobs_turn", "PRIMARY"]).await;
    let claimed = queue.claim(noon(), 5).await.unwrap();
    served(&["jobs_claim", "PRIMARY", "PRIMARY"]).await;
    let leases: Vec<_> = claimed.iter().map(|job| (job.id, job.fence)).collect();
    queue.beat(&leases).await.unwrap();
    served(&["PRIMARY"]).await;
    queue.rescue(noon()).await.unwrap();
    served(&["jobs_turn"]).await;
    let done: Vec<_> = claimed[1..].iter().map(|job| settlement(job, Outcome::Done)).collect();
    let _ = settle(&db.write, &done).await.unwrap();
    served(&["PRIMARY", "PRIMARY", COUNTS]).await;
    queue.notice_cancelled().await.unwrap();
    served(&["PRIMARY"]).await;
    queue.give_back(&leases[..1]).await.unwrap();
    served(&["PRIMARY"]).await;
}

/// What operators do, and the index that must serve it.
async fn actions_are_served(db: &Db, queue: &Queue) {
    let served = async |keys: &[&str]| {
        let sent = std::mem::take(&mut *db.sent.lock().unwrap());
        let of_jobs = |sent: &&Statement| sent.sql.contains(&table(db));
        let sent: Vec<_> = sent.iter().filter(of_jobs).collect();
        assert_eq!(sent.len(), keys.len(), "{sent:#?}");
        for (statement, key) in sent.iter().zip(keys) {
            is_served_by(db, statement, key).await;
        }
        db.sent.lock().unwrap().clear();
    };
    let claimed = queue.claim(noon(), 5).await.unwrap();
    let ids: Vec<_> = claimed.iter().map(|job| job.id).collect();
    let dead: Vec<_> = claimed[1..].iter().map(|job| settlement(job, Outcome::Dead)).collect();
    let _ = settle(&db.write, &dead).await.unwrap();
    db.sent.lock().unwrap().clear();
    cancel(&db.write, &ids, noon()).await.unwrap();
    served(&["PRIMARY", "PRIMARY", "PRIMARY"]).await;
    retry(&db.write, &ids[..2], noon()).await.unwrap();
    served(&["PRIMARY", "PRIMARY"]).await;
    retry_at(&db.write, &ids[2..3], after(noon(), 9_000)).await.unwrap();
    served(&["PRIMARY", "PRIMARY"]).await;
    let keys: Vec<_> = ids[3..].iter().map(ToString::to_string).collect();
    assert_eq!(dismiss_by_key(&db.write, &keys, noon()).await.unwrap(), 2);
    served(&["jobs_unique_key", "PRIMARY"]).await;
    assert!(prune(&db.write, after(noon(), 9_000)).await.unwrap() > 0);
    served(&["jobs_turn", "PRIMARY"]).await;
}

/// What operators look at, and the index that must serve it.
async fn looks_are_served(db: &Db) {
    let served = async |keys: &[&str]| {
        let sent = std::mem::take(&mut *db.sent.lock().unwrap());
        assert_eq!(sent.len(), keys.len(), "{sent:#?}");
        for (statement, key) in sent.iter().zip(keys) {
            is_served_by(db, statement, key).await;
        }
        db.sent.lock().unwrap().clear();
    };
    let any = JobFilter::default();
    let of = |state: &str| JobFilter { state: Some(state.to_owned()), ..any.clone() };
    let mail = |filter| JobFilter { queues: Some(vec!["mail".to_owned()]), ..filter };
    let failed = |filter| JobFilter { error_code: Some("unavailable".to_owned()), ..filter };
    let middle = board::jobs(&db.read, &any, None, 50).await.unwrap()[49].id;
    served(&["PRIMARY", "PRIMARY"]).await;
    let by_id = [mail(any.clone())].map(|filter| (filter, "PRIMARY"));
    let by_state = [of("dead"), mail(of("ready"))].map(|filter| (filter, "jobs_list"));
    let by_code = [failed(any.clone()), failed(mail(of("dead")))].map(|f| (f, "jobs_error"));
    for (filter, key) in by_id.into_iter().chain(by_state).chain(by_code) {
        let found = board::jobs(&db.read, &filter, Some(middle), 50).await.unwrap();
        served(&[key, "PRIMARY"][..=usize::from(!found.is_empty())]).await;
    }
    let retried = [(any, "jobs_list"), (failed(JobFilter::default()), "jobs_error")];
    for (filter, key) in retried {
        matching(&db.read, &filter, &RETRYABLE, Some(middle), 50).await.unwrap();
        count_matching(&db.read, &filter, &RETRYABLE).await.unwrap();
        served(&[key, key]).await;
    }
    board::counts(&db.read).await.unwrap();
    served(&["jobs_claim"]).await;
    board::errors(&db.read).await.unwrap();
    let sent = std::mem::take(&mut *db.sent.lock().unwrap());
    assert_eq!(sent.len(), 2, "{sent:#?}");
    let (mut keys, _) = reads(db, &sent[0]).await;
    keys.sort();
    assert!(keys.len() == 2 && keys[0] != "PRIMARY", "{:?}: {keys:?}", db.engine);
    assert!(keys.contains(&"jobs_error".to_owned()), "{:?}: {keys:?}", db.engine);
    is_served_by(db, &sent[1], "PRIMARY").await;
}

fn table(db: &Db) -> String {
    if db.engine == Engine::Sqlite { "\"jobs\"" } else { "`jobs`" }.to_owned()
}

#[tokio::test]
async fn every_statement_a_worker_repeats_is_served_by_its_index() {
    for db in each().await {
        busy(&db).await;
        are_served(&db, &db.queue("ann"), 20).await;
        let queues = vec!["logins".to_owned(), "mail".to_owned()];
        are_served(&db, &db.queue_with(Options { queues, ..options("bob") }), 40).await;
    }
}

#[tokio::test]
async fn what_operators_do_is_served_by_indexes() {
    for db in each().await {
        busy(&db).await;
        actions_are_served(&db, &db.queue("ann")).await;
        analyze(&db).await;
        looks_are_served(&db).await;
    }
}

/// With few jobs to do it would be tempting to find them by their state, and lock a range.
#[tokio::test]
async fn jobs_are_written_by_their_ids_in_a_quiet_queue_too() {
    for db in each().await {
        db.put(jobs(3_000)).await;
        db.write.execute_unprepared("UPDATE jobs SET state = 'done'").await.unwrap();
        db.put(jobs(6)).await;
        db.put((0..6).map(|_| NewJob { run_at: after(noon(), 20), ..job() }).collect()).await;
        analyze(&db).await;
        are_served(&db, &db.queue("ann"), 20).await;
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
        let ids: Vec<_> = claimed.iter().map(|job| job.id).collect();
        cancel(&db.write, &ids, noon()).await.unwrap();
        dismiss_by_key(&db.write, &["a".to_owned()], noon()).await.unwrap();
        retry(&db.write, &ids, noon()).await.unwrap();
        retry_at(&db.write, &ids, after(noon(), 9_000)).await.unwrap();
        queue.notice_cancelled().await.unwrap();
        queue.report().await.unwrap();
        queue.forget_silent().await.unwrap();
        queue.sign_off().await.unwrap();
        pause(&db.write, "mail", "ada", None, noon()).await.unwrap();
        resume(&db.write, "mail").await.unwrap();
        hold_rate(&db.write, "mail", Duration::ZERO).await.unwrap();
        let queues = vec!["mail".to_owned()];
        let rate = Some(Rate { name: "mail".to_owned(), queues, per_second: 9.0 });
        let bob = db.queue_with(Options { rate, ..options("bob") });
        let rated = bob.claim(noon(), 1).await.unwrap().remove(0);
        // Until it missed its start, and has to ask for another.
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(bob.begin(&rated).await);
        prune(&db.write, after(noon(), 9_000)).await.unwrap();
        board::queues(&db.read, noon()).await.unwrap();
        board::workers(&db.read).await.unwrap();
        board::errors(&db.read).await.unwrap();
        board::rate_hold(&db.read, "mail").await.unwrap();
        board::minutes(&db.read, noon()).await.unwrap();
        board::times(&db.read, noon()).await.unwrap();
        board::jobs(&db.read, &JobFilter::default(), None, 9).await.unwrap();
        for statement in db.sent.lock().unwrap().iter() {
            let sql = statement.sql.to_uppercase();
            for refused in ["RETURNING", "GET_LOCK", "FOREIGN KEY", "ISOLATION", ";", "||"] {
                assert!(!sql.contains(refused), "{refused} in {sql}");
            }
            assert!(!sql.starts_with("WITH"), "{sql}");
            // Inserts of what may be there: it counts nothing, and MySQL counts otherwise.
            let upsert = sql.contains("ON CONFLICT") || sql.contains("ON DUPLICATE");
            let counted = sql.contains("JOB_STATS") || sql.contains("JOB_WORKERS");
            assert!(!upsert || counted || sql.contains("JOB_QUEUES"), "{sql}");
        }
    }
}
