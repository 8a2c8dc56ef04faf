//! A full disk loses no acknowledged write, does not block other programs, and needs no restart.

use std::collections::BTreeSet;
use std::path::Path;

use futures::StreamExt;
use guestlist_tests::{Engine, Guestlist, LONG, Process, TestDatabase, id, wait_until};
use serde_json::json;

use crate::{exclusive, mail_count};

/// The number of different disk sizes for the import.
const POINTS: u64 = 200;
const ROUNDS: u64 = 12;

/// Returns a number in a range, distributed evenly and equal in every run.
fn spread(index: u64, range: std::ops::Range<u64>) -> u64 {
    range.start + index.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (range.end - range.start)
}

#[tokio::test]
async fn an_import_onto_a_full_disk_reports_exactly_what_it_stored() {
    let _exclusive = exclusive().await;
    let guestlist = Guestlist::split(Engine::Sqlite).prepare().await;
    let _ = guestlist.run_ok(&["migrate", "up"]).await;
    let rows: Vec<_> = (0..20).map(|n| format!("person{n}@example.com")).collect();
    let csv = format!("email\n{}\n", rows.join("\n"));
    std::fs::write(guestlist.folder().join("people.csv"), csv).unwrap();
    let ended = futures::stream::iter(0..POINTS)
        .map(|point| import_until_full(guestlist.folder(), point))
        .buffer_unordered(4)
        .collect::<Vec<_>>()
        .await;
    let failed = ended.iter().filter(|acknowledged| **acknowledged < 20).count();
    let partly = ended.iter().filter(|acknowledged| (1..20).contains(*acknowledged)).count();
    println!("{failed} of {POINTS} imports met a full disk, {partly} of them half-way");
    assert!(partly > 20 && failed < ended.len(), "the points are badly chosen: {ended:?}");
}

/// Imports 20 addresses into a copy of the database; returns how many were reported as invited.
async fn import_until_full(folder: &Path, point: u64) -> usize {
    let copy = folder.join(format!("point{point}"));
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(folder.join("guestlist.db"), copy.join("guestlist.db")).unwrap();
    std::fs::copy(folder.join("people.csv"), copy.join("people.csv")).unwrap();
    let database = TestDatabase::open_file(&copy.join("guestlist.db"));
    let url = &database.url;
    let limit = spread(point, 1_000..4_000_000);
    let guestlist = guestlist_tests::program("guestlist").display().to_string();
    let script = format!(
        "export DATABASE_URL='{url}'
         exec prlimit --fsize={limit} {guestlist} invite --csv people.csv"
    );
    std::fs::write(copy.join("import.sh"), script).unwrap();
    let import = Process::shell("import.sh", &copy).wait_for_exit(LONG).await;
    let acknowledged: BTreeSet<_> = import
        .stdout
        .lines()
        .filter_map(|line| line.split_once(": invited (")?.1.strip_suffix(')'))
        .map(str::to_owned)
        .collect();
    assert_eq!(import.code == Some(0), acknowledged.len() == 20, "at {limit}: {import:?}");
    // Another program can write at once.
    let env = [("DATABASE_URL".to_owned(), url.clone())];
    let after = Process::start("guestlist", &["invite", "after@example.com"], &env, &copy);
    let after = after.wait_for_exit(LONG).await;
    assert_eq!(after.code, Some(0), "at {limit}: {after:?}");
    let stored = database.invitation_ids().await;
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "at {limit}, acknowledged and lost: {lost:?}");
    assert_eq!(stored.len(), acknowledged.len() + 1, "at {limit}: stored and not acknowledged");
    std::fs::remove_dir_all(&copy).unwrap();
    acknowledged.len()
}

#[tokio::test]
async fn a_migration_on_a_full_disk_can_be_repeated_once_there_is_space() {
    let _exclusive = exclusive().await;
    let mut failed = 0;
    for point in 0..20 {
        let guestlist = Guestlist::split(Engine::Sqlite).prepare().await;
        let limit = spread(point, 1_000..700_000);
        let script = format!(
            "export DATABASE_URL='{}'
             exec prlimit --fsize={limit} {} migrate up",
            guestlist.database().url,
            guestlist_tests::program("guestlist").display()
        );
        std::fs::write(guestlist.folder().join("migrate.sh"), script).unwrap();
        let migration = Process::shell("migrate.sh", guestlist.folder()).wait_for_exit(LONG).await;
        match migration.code {
            Some(0) => {}
            Some(1) => failed += 1,
            _ => panic!("at {limit}: {migration:?}"),
        }
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        let _ = guestlist.run_ok(&["invite", "ada@example.com"]).await;
    }
    assert!((5..20).contains(&failed), "the limits are badly chosen: {failed} failed");
}

#[tokio::test]
async fn dev_on_a_full_disk_loses_no_acknowledged_invitation() {
    let _exclusive = exclusive().await;
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut acknowledged = BTreeSet::new();
    let mut refused = 0;
    for round in 0..ROUNDS {
        guestlist
            .app()
            .limit_file_size(Some(spread(round, 4_000..largest_file(&guestlist) + 40_000)));
        for n in 0..15 {
            let email = format!("person{n}.of{round}@example.com");
            let response =
                guestlist.api().post("/v1/invitations", &json!({ "email": email })).await;
            match response.status {
                202 => drop(acknowledged.insert(id(&response.json()).to_owned())),
                503 => refused += 1,
                status => panic!("{status} for {email}: {response:?}"),
            }
        }
        // Another program, without the limit, can write.
        let _ = guestlist.create_key("meanwhile", &[]).await;
        guestlist.app().limit_file_size(None);
        guestlist.wait_until_ready().await;
        let freed = guestlist.invite(&format!("freed{round}@example.com")).await;
        acknowledged.insert(id(&freed).to_owned());
    }
    println!("{} acknowledged, {refused} refused", acknowledged.len());
    assert!(refused > 20, "the disk was hardly ever full");
    let stored = guestlist.database().invitation_ids().await;
    assert_eq!(stored, acknowledged, "acknowledged is stored, and nothing else");
    crate::wait_until_sent(&guestlist, acknowledged.len(), LONG).await;
    // An attempt whose result could not be written is looked up at Stytch before it is repeated,
    // so each invitation is mailed once. One more mail is the administrator's login link.
    assert_eq!(mail_count(&guestlist).await, acknowledged.len() + 1);
}

#[tokio::test]
async fn a_full_disk_is_reported_by_readiness_and_status() {
    let _exclusive = exclusive().await;
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let _ = guestlist.anonymous().get("/readyz").await.is(200);
    guestlist.app().limit_file_size(Some(1));
    let refused =
        guestlist.api().post("/v1/invitations", &json!({ "email": "a@example.com" })).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let _ = guestlist.anonymous().get("/readyz").await.is(503);
    let status = guestlist.api().get("/v1/status").await.is(200).json()["summary"].to_string();
    assert!(status.contains("the database refuses writes"), "{status}");
    guestlist.app().limit_file_size(None);
    let _ = guestlist.invite("a@example.com").await;
    let _ = guestlist.anonymous().get("/readyz").await.is(200);
    // There is room for the smallest row, and not for an invitation.
    guestlist.app().limit_file_size(Some(largest_file(&guestlist) + 40_000));
    // A few may fit all the same: after a checkpoint SQLite writes its log from the start again.
    for n in 0.. {
        let email = json!({ "email": format!("b{n}@example.com") });
        match guestlist.api().post("/v1/invitations", &email).await.status {
            503 => break,
            status => assert!(status == 202 && n < 1_000, "{status} after {n} invitations"),
        }
    }
    let _ = guestlist.anonymous().get("/readyz").await.is(503);
    guestlist.app().limit_file_size(None);
    let _ = guestlist.anonymous().get("/readyz").await.is(200);
    let status = guestlist.api().get("/v1/status").await.is(200).json()["summary"].to_string();
    assert!(status.starts_with("\"SENDING"), "{status}");
}

/// Returns the size in bytes of the largest file of the installation.
fn largest_file(guestlist: &Guestlist) -> u64 {
    let files = std::fs::read_dir(guestlist.folder()).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap()
}

#[tokio::test]
async fn a_worker_on_a_full_disk_sends_no_mail_twice() {
    const MANY: usize = 300;
    let _exclusive = exclusive().await;
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 50 })).await;
    guestlist.invite_many(MANY).await;
    let worker = &guestlist.workers()[0];
    let errors = || worker.stderr().matches("disk").count();
    for round in 0..6 {
        let (failed, sent) =
            (errors(), crate::invitation_count(&guestlist, "status = 'sent'").await);
        worker.limit_file_size(Some(spread(round, 1..largest_file(&guestlist))));
        // Every invitation may be sent before a write fails.
        wait_until(LONG, "a write fails", async || {
            let sent = crate::invitation_count(&guestlist, "status = 'sent'").await;
            (errors() > failed || sent == MANY).then_some(())
        })
        .await;
        worker.limit_file_size(None);
        wait_until(LONG, "another invitation is sent", async || {
            let now = crate::invitation_count(&guestlist, "status = 'sent'").await;
            (now > sent || now == MANY).then_some(())
        })
        .await;
    }
    assert!(errors() >= 3, "the disk was hardly ever full");
    crate::wait_until_sent(&guestlist, MANY, LONG).await;
    assert_eq!(mail_count(&guestlist).await, MANY);
}

/// A server on a full disk refuses statements with error 1114, as the triggers of this test do. The
/// disk itself is not filled, because `InnoDB` aborts the server when a rollback finds no room.
#[tokio::test]
async fn a_database_server_on_a_full_disk_loses_no_acknowledged_invitation() {
    const ROUNDS: usize = 5;
    let _exclusive = exclusive().await;
    for engine in Engine::with_server() {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let mut acknowledged = BTreeSet::new();
        let mut refused = 0;
        for round in 0..ROUNDS {
            let probability = f64::from(u32::try_from(round + 1).unwrap()) / 20.0;
            refuse_writes(guestlist.database(), probability).await;
            for n in 0..40 {
                let email = json!({ "email": format!("person{n}.of{round}@example.com") });
                let answer = guestlist.api().post("/v1/invitations", &email).await;
                match answer.status {
                    202 => drop(acknowledged.insert(id(&answer.json()).to_owned())),
                    503 => refused += 1,
                    status => panic!("{engine}: {status}: {answer:?}"),
                }
            }
            refuse_writes(guestlist.database(), 1.0).await;
            let full = json!({ "email": "full@example.com" });
            let full = guestlist.api().post("/v1/invitations", &full).await;
            assert_eq!(full.status, 503, "{engine}: {full:?}");
            let _ = guestlist.anonymous().get("/readyz").await.is(503);
            let status = guestlist.api().get("/v1/status").await.is(200).json();
            let summary = status["summary"].as_str().unwrap();
            assert!(summary.contains("the database refuses writes"), "{engine}: {summary}");
            refuse_writes(guestlist.database(), 0.0).await;
            guestlist.wait_until_ready().await;
            let freed = guestlist.invite(&format!("freed{round}@example.com")).await;
            acknowledged.insert(id(&freed).to_owned());
        }
        println!("{engine}: {} acknowledged, {refused} refused", acknowledged.len());
        assert!(
            refused > 20 && acknowledged.len() > 20,
            "{engine}: the probabilities are badly chosen"
        );
        let stored = guestlist.database().invitation_ids().await;
        assert_eq!(stored, acknowledged, "{engine}: stored and acknowledged differ");
        crate::wait_until_sent(&guestlist, acknowledged.len(), LONG).await;
        assert_eq!(mail_count(&guestlist).await, acknowledged.len(), "{engine}");
    }
}

/// Creates triggers that refuse rows of any table with a probability from 0 to 1.
async fn refuse_writes(database: &TestDatabase, probability: f64) {
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
    let tables = database.query(tables).await;
    let tables = tables.iter().map(|row| row.try_get_by_index::<String>(0).unwrap());
    let triggers = tables.flat_map(|table| {
        ["INSERT", "UPDATE"].into_iter().flat_map(move |event| {
            let create = format!(
                "CREATE TRIGGER full_{table}_{event} BEFORE {event} ON {table} FOR EACH ROW \
                 IF RAND() < {probability} THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, \
                 MESSAGE_TEXT = 'The table is full'; END IF"
            );
            let drop = format!("DROP TRIGGER IF EXISTS full_{table}_{event}");
            if probability > 0.0 { vec![drop, create] } else { vec![drop] }
        })
    });
    database.execute_all(&triggers.collect::<Vec<_>>()).await;
}
