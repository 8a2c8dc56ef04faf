//! Queries for operators.

use apalis_sea_orm::{
    AttemptOutcome, JobFilter, NewJob,
    inspect::{self, errors, jobs as list, queues},
    pause,
};

use crate::harness::{TestDb, after, each, job, jobs, noon, settle_one};

async fn ids(db: &TestDb, filter: &JobFilter) -> Vec<u128> {
    let jobs = list(&db.read, filter, None, 100).await.unwrap();
    jobs.into_iter().map(|job| job.id.as_u128()).collect()
}

#[tokio::test]
async fn jobs_are_listed_newest_first_page_by_page() {
    for db in each().await {
        let all = jobs(25);
        db.enqueue(all.clone()).await;
        for n in 0..25 {
            let retry = AttemptOutcome::Retry { at: noon() };
            let outcome = if n % 2 == 0 { retry } else { AttemptOutcome::Dead };
            settle_one(&db, outcome, Some("rejected")).await;
        }
        let any = JobFilter::default;
        for filter in [
            any(),
            JobFilter { kind: Some("send".to_owned()), ..any() },
            // Jobs in several states.
            JobFilter { error_code: Some("rejected".to_owned()), ..any() },
        ] {
            let (mut seen, mut before) = (Vec::new(), None);
            loop {
                let page = list(&db.read, &filter, before, 10).await.unwrap();
                let Some(last) = page.last() else { break };
                before = Some(last.id);
                seen.extend(page.iter().map(|job| job.id));
            }
            let mut newest_first: Vec<_> = all.iter().map(|job| job.id).collect();
            newest_first.reverse();
            assert_eq!(seen, newest_first, "{:?}", db.engine);
        }
    }
}

#[tokio::test]
async fn jobs_are_found_by_each_condition_of_a_filter() {
    for db in each().await {
        db.enqueue(jobs(3)).await;
        let other = NewJob { queue: "logins".into(), kind: "login".into(), ..job() };
        let dead = settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await.id;
        let retry =
            settle_one(&db, AttemptOutcome::Retry { at: noon() }, Some("100%_sure")).await.id;
        let done = settle_one(&db, AttemptOutcome::Done, None).await.id;
        db.enqueue(vec![other.clone()]).await;
        let [dead, retry, done, other] = [dead, retry, done, other.id].map(|id| id.as_u128());
        let any = JobFilter::default;
        let some = |text: &str| Some(text.to_owned());

        assert_eq!(ids(&db, &any()).await, [other, done, retry, dead], "{:?}", db.engine);
        assert_eq!(
            ids(&db, &JobFilter { queues: Some(vec!["logins".to_owned()]), ..any() }).await,
            [other]
        );
        let of = |queues: &[&str]| Some(queues.iter().map(|&queue| queue.to_owned()).collect());
        let both = JobFilter { queues: of(&["logins", "mail"]), ..any() };
        assert_eq!(ids(&db, &both).await, [other, done, retry, dead]);
        assert!(ids(&db, &JobFilter { queues: of(&[]), ..any() }).await.is_empty());
        assert_eq!(ids(&db, &JobFilter { kind: some("login"), ..any() }).await, [other]);
        assert_eq!(ids(&db, &JobFilter { state: some("done"), ..any() }).await, [done]);
        assert_eq!(ids(&db, &JobFilter { error_code: some("rejected"), ..any() }).await, [dead]);
        assert_eq!(ids(&db, &JobFilter { text: some("for rej"), ..any() }).await, [dead]);
        assert_eq!(ids(&db, &JobFilter { text: some("0%_s"), ..any() }).await, [retry]);
        assert!(ids(&db, &JobFilter { text: some("0__s"), ..any() }).await.is_empty());
        let id = uuid::Uuid::from_u128(done).to_string();
        assert_eq!(ids(&db, &JobFilter { text: Some(id.clone()), ..any() }).await, [done]);
        let prefix = some(&id[..30]);
        assert!(ids(&db, &JobFilter { text: prefix, ..any() }).await.contains(&done));
        let both = JobFilter { state: some("dead"), error_code: some("100%_sure"), ..any() };
        assert!(ids(&db, &both).await.is_empty());
    }
}

#[tokio::test]
async fn a_job_is_shown_with_every_attempt() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let at = noon();
        settle_one(&db, AttemptOutcome::Retry { at }, Some("unavailable")).await;
        db.queue("ann").promote(noon()).await.unwrap();
        let id = settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await.id;
        let found = inspect::job(&db.read, id).await.unwrap().unwrap();
        let codes: Vec<_> = found.attempts.iter().map(|a| a.error_code.as_deref()).collect();
        assert_eq!(codes, [Some("unavailable"), Some("rejected")], "{:?}", db.engine);
        assert_eq!((found.job.id, found.job.state.as_str()), (id, "dead"));
        assert_eq!(inspect::job(&db.read, uuid::Uuid::max()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn errors_are_grouped_by_code() {
    for db in each().await {
        db.enqueue(jobs(7)).await;
        db.enqueue(vec![NewJob { run_at: after(noon(), 9_000), ..job() }]).await;
        let at = after(noon(), 1);
        for (outcome, code) in [
            (AttemptOutcome::Dead, Some("rejected")),
            (AttemptOutcome::Dead, Some("unavailable")),
            (AttemptOutcome::Retry { at }, Some("unavailable")),
            (AttemptOutcome::Snooze { at }, Some("unavailable")),
            (AttemptOutcome::Snooze { at }, Some("unknown_kind")),
            (AttemptOutcome::Dead, None),
            (AttemptOutcome::Done, None),
        ] {
            settle_one(&db, outcome, code).await;
        }
        let groups = errors(&db.read).await.unwrap();
        let first = &groups[0];
        assert_eq!(first.code.as_deref(), Some("unavailable"), "{:?}", db.engine);
        assert_eq!((first.dead, first.retrying, first.waiting), (1, 1, 1));
        assert_eq!((first.first_seen, first.last_seen), (noon(), noon()));
        assert_eq!(first.message.as_deref(), Some("message for unavailable"));
        assert_eq!(db.state(first.newest).await, "scheduled");
        assert_eq!(groups.len(), 4);
        let of = |code: Option<&str>| groups.iter().find(|group| group.code.as_deref() == code);
        let unknown = of(Some("unknown_kind")).unwrap();
        assert_eq!((unknown.dead, unknown.retrying, unknown.waiting), (0, 0, 1));
        let silent = of(None).unwrap();
        assert_eq!((silent.dead, silent.waiting, silent.message.as_deref()), (1, 0, None));
    }
}

#[tokio::test]
async fn queues_have_counts_an_oldest_job_and_pauses() {
    for db in each().await {
        let of = |delay| NewJob { run_at: after(noon(), delay), ..job() };
        db.enqueue(vec![of(0), of(0), of(0), of(9_000)]).await;
        settle_one(&db, AttemptOutcome::Done, None).await;
        pause(&db.write, "logins", "ada", Some("storm"), noon()).await.unwrap();
        let queues = queues(&db.read, after(noon(), 4_000)).await.unwrap();
        let names: Vec<_> = queues.iter().map(|queue| queue.name.as_str()).collect();
        assert_eq!(names, ["logins", "mail"], "{:?}", db.engine);
        assert_eq!(queues[0].pause.as_ref().unwrap().reason.as_deref(), Some("storm"));
        let mail = &queues[1];
        assert_eq!((mail.counts["ready"], mail.counts["scheduled"]), (2, 1));
        assert_eq!(mail.counts.get("done"), None, "too many to count");
        assert_eq!(mail.oldest_ready.unwrap().as_secs(), 4);
    }
}
