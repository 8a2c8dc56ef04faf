//! The files that Guestlist creates: permissions, creation, and deletion while in use.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use guestlist_tests::{Caller, Engine, Guestlist, SHORT, wait_until};
use serde_json::{Value, json};

fn files(folder: &Path) -> Vec<(String, u32)> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, entry.metadata().unwrap().permissions().mode() & 0o777)
    };
    fs::read_dir(folder).unwrap().map(file).collect()
}

#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    let mut guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let files = files(guestlist.folder());
    for name in
        ["guestlist.db", "guestlist.db-wal", "guestlist.db.dev-key", "guestlist.db.sandbox.jsonl"]
    {
        assert!(files.iter().any(|(known, _)| known == name), "no {name}: {files:?}");
    }
    for (name, mode) in &files {
        assert_eq!(*mode, 0o600, "{name} is {mode:o}");
    }
    guestlist.stop().await;
    let key = guestlist.folder().join("guestlist.db.dev-key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    guestlist.start().await;
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn only_dev_and_migrate_up_create_a_database_file() {
    let mut guestlist = Guestlist::split(Engine::Sqlite)
        .env("STYTCH_BASE_URL", "http://127.0.0.1:1")
        .prepare()
        .await;
    guestlist.set_env("DATABASE_URL", "sqlite://other.db?mode=rwc");
    let file = guestlist.folder().join("people.csv");
    fs::write(&file, "email\nada@example.com\n").unwrap();
    for args in [
        &["status"][..],
        &["serve"],
        &["serve", "--worker"],
        &["keys", "list"],
        &["keys", "create", "--name", "x"],
        &["invite", "ada@example.com"],
        &["invite", "--csv", "people.csv"],
        &["jobs", "list"],
        &["queue", "pause", "invitation"],
        &["reconcile", "--dry-run"],
        &["migrate", "down"],
        &["doctor"],
    ] {
        let refused = guestlist.run(args).await;
        assert_eq!(refused.code, Some(1), "{args:?}: {refused:?}");
        let reported = refused.stdout + &refused.stderr;
        assert!(reported.contains("no database file at other.db"), "{args:?}: {reported}");
        assert!(reported.contains("guestlist migrate up"), "{args:?}: {reported}");
    }
    let worker = guestlist.spawn("guestlist-worker", &[]).wait_for_exit(SHORT).await;
    assert!(worker.stderr.contains("no database file at other.db"), "{worker:?}");
    let steps = guestlist.run_ok(&["migrate", "status", "--json"]).await;
    let steps: Value = serde_json::from_str(&steps).unwrap();
    assert!(steps.as_array().unwrap().iter().all(|step| step["applied"] == false), "{steps}");
    assert!(guestlist.run_ok(&["migrate", "print"]).await.contains("CREATE TABLE"));
    assert!(!guestlist.folder().join("other.db").exists());
    let _ = guestlist.run_ok(&["migrate", "up"]).await;
    assert!(guestlist.folder().join("other.db").exists());
}

#[tokio::test]
async fn a_database_file_that_is_deleted_or_replaced_is_noticed() {
    for is_replaced in [false, true] {
        let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
        let path = guestlist.folder().join("guestlist.db");
        if is_replaced {
            fs::copy(&path, guestlist.folder().join("copy")).unwrap();
            fs::rename(guestlist.folder().join("copy"), &path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let worker = Caller::new(&guestlist.worker_urls[0]);
        for caller in [&guestlist.anonymous(), &worker] {
            let ready = wait_until(SHORT, "the process is not ready", async || {
                Some(caller.get("/readyz").await).filter(|response| response.status == 503)
            })
            .await;
            assert!(ready.body.contains("database"), "{ready:?}");
        }
        wait_until(SHORT, "both processes log the reason", async || {
            let logged = |log: String| log.contains("deleted or replaced");
            (logged(guestlist.app().stderr()) && logged(guestlist.workers()[0].stderr()))
                .then_some(())
        })
        .await;
        let body = json!({ "email": "ada@example.com" });
        let _ = guestlist.api().post("/v1/invitations", &body).await.is(503);
        assert_eq!(path.exists(), is_replaced, "no new file is created");
    }
}
