//! Commands at a shell.

use guestlist_tests::{Engine, Guestlist, Process, SHORT, id, on_every_engine};
use serde_json::Value;

#[tokio::test]
async fn every_command_explains_itself() {
    let guestlist = Guestlist::split(Engine::Sqlite).prepare().await;
    let commands: [(&str, &[&str]); 16] = [
        ("guestlist", &[]),
        ("guestlist", &["dev"]),
        ("guestlist", &["serve"]),
        ("guestlist", &["migrate"]),
        ("guestlist", &["migrate", "up"]),
        ("guestlist", &["migrate", "down"]),
        ("guestlist", &["migrate", "status"]),
        ("guestlist", &["migrate", "print"]),
        ("guestlist", &["keys"]),
        ("guestlist", &["keys", "create"]),
        ("guestlist", &["keys", "list"]),
        ("guestlist", &["keys", "revoke"]),
        ("guestlist", &["invite"]),
        ("guestlist", &["sandbox"]),
        ("guestlist-worker", &[]),
        ("stytch-sandbox", &[]),
    ];
    for (program, args) in commands {
        let help = [args, &["--help"]].concat();
        let finished = guestlist.spawn(program, &help).finished(SHORT).await;
        assert_eq!(finished.code, Some(0), "{program} {help:?}: {finished:?}");
        assert!(finished.stdout.contains("Usage:"), "{program} {help:?}: {finished:?}");
        let (_, secret) = guestlist.stytch_credentials();
        assert!(!finished.stdout.contains(secret), "{program} {help:?} shows the secret");
    }
    let version = guestlist.succeeds(&["--version"]).await;
    assert!(version.starts_with("guestlist "), "{version}");
    let unknown = guestlist.run(&["nonsense"]).await;
    assert!(unknown.code.is_some_and(|code| code != 0) && unknown.stdout.is_empty());
}

#[tokio::test]
async fn the_sandbox_is_a_command_too() {
    let guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    for (program, args) in [("guestlist", &["sandbox"][..]), ("stytch-sandbox", &[])] {
        let sandbox = guestlist.spawn(program, args);
        let line = sandbox.line(SHORT, |line| line.contains("http://")).await;
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let _ = guestlist_tests::Caller::new(url).get("/inbox").await.is(200);
        for name in ["STYTCH_BASE_URL", "STYTCH_PROJECT_ID", "STYTCH_SECRET"] {
            let _ = sandbox.line(SHORT, |line| line.starts_with(&format!("{name}="))).await;
        }
        sandbox.terminate();
        assert_eq!(sandbox.finished(SHORT).await.code, Some(0), "{program}");
    }
}

#[tokio::test]
async fn without_a_command_it_is_dev_and_tells_people_what_to_do_next() {
    let guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    let none: [&str; 0] = [];
    let dev = guestlist.spawn("guestlist", &none);
    let _ = dev.line(SHORT, |line| line.contains("Ctrl-C")).await;
    let said = dev.out().join("\n");
    assert!(said.contains("admin@example.com") && said.contains("glk_"), "{said}");
    let link = said.lines().find(|line| line.contains("/authenticate?")).expect("a login link");
    assert!(link.contains("token="), "{link}");
    assert!(said.contains("curl") && said.contains("/inbox"), "{said}");
    // SANDBOX_LISTEN_ADDR is heard here as well as with the word.
    let inbox = said.lines().find(|line| line.contains("/inbox")).unwrap();
    assert!(!inbox.contains(":3002/"), "{inbox}");
    dev.terminate();
    assert_eq!(dev.finished(SHORT).await.code, Some(0));
}

#[tokio::test]
async fn dev_answers_one_line_of_json_on_stdout_and_logs_elsewhere() {
    let mut guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let out = guestlist.app().out();
    assert_eq!(out.len(), 1, "{out:?}");
    let said: Value = serde_json::from_str(&out[0]).unwrap();
    let mut names: Vec<_> = said.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["admin_email", "api_key", "login_url", "sandbox_url", "url", "worker_url"]);
    let log = guestlist.stderr();
    assert!(log.contains("worker"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colours where nobody sees them: {log}");
    guestlist.stop().await;
}

#[tokio::test]
async fn logs_are_json_where_asked_for() {
    let guestlist = Guestlist::dev(Engine::Sqlite).env("LOG_FORMAT", "json").start().await;
    let log = guestlist.stderr();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let _: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    }
}

#[tokio::test]
async fn sigint_stops_it_like_sigterm() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let worker = guestlist.spawn("guestlist-worker", &[] as &[&str]);
    let up = async |process: &Process| {
        guestlist_tests::wait_until(SHORT, "it is up", async || {
            process.stderr().contains("the worker is up").then_some(())
        })
        .await;
    };
    up(&worker).await;
    worker.signal("INT");
    assert_eq!(worker.finished(SHORT).await.code, Some(0));
    guestlist.stop().await;
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let plain = guestlist.run(&["keys", "create", "--name", "ci"]).await;
        let secret = plain.stdout.trim().to_owned();
        assert!(secret.starts_with("glk_") && !secret.contains('\n'), "{plain:?}");
        let _ = guestlist.anybody().bearer(&secret).get("/v1/users").await.is(200);
        let (key, scoped) = guestlist.create_key("reader", &["users:read", "ops:read"]).await;

        let listed = guestlist.succeeds(&["keys", "list", "--json"]).await;
        assert!(!listed.contains(&secret) && !listed.contains(&scoped), "shown once: {listed}");
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let found = listed.as_array().unwrap().iter().find(|one| id(one) == key).unwrap();
        assert_eq!(found["name"], "reader");
        assert_eq!(found["scopes"].as_array().unwrap().len(), 2);
        assert_eq!(found["revoked_at"], Value::Null);
        let listed = guestlist.succeeds(&["keys", "list"]).await;
        assert!(listed.contains(&key) && listed.contains("reader"), "{listed}");

        let _ = guestlist.succeeds(&["keys", "revoke", &key]).await;
        let listed = guestlist.succeeds(&["keys", "list", "--json"]).await;
        assert!(listed.contains("\"revoked_at\":\""), "{listed}");
        for args in [
            &["keys", "revoke", "01890000-0000-7000-8000-000000000000"][..],
            &["keys", "revoke", "nonsense"],
            &["keys", "create", "--name", "x", "--scope", "everything"],
            &["keys", "create"],
        ] {
            let refused = guestlist.run(args).await;
            assert!(refused.code.is_some_and(|code| code != 0), "{args:?}: {refused:?}");
            assert!(
                refused.stdout.is_empty() && !refused.stderr.is_empty(),
                "{args:?}: {refused:?}"
            );
        }
        let rows = guestlist.database().query("SELECT prefix FROM api_keys").await;
        for row in rows {
            let prefix: String = row.try_get_by_index(0).unwrap();
            assert!(prefix.len() < 20 && !prefix.contains(&secret), "{prefix}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_without_a_name_or_with_too_long_a_one_is_refused_in_one_line() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        for name in ["", " ", &"x".repeat(256)] {
            let refused = guestlist.run(&["keys", "create", "--name", name]).await;
            assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
            assert!(refused.stderr.contains("name"), "{refused:?}");
            assert!(!refused.stderr.contains("column"), "nothing of the inside: {refused:?}");
        }
        let longest = "é".repeat(200);
        let _ = guestlist.succeeds(&["keys", "create", "--name", &longest]).await;
    })
    .await;
}

#[tokio::test]
async fn the_list_of_keys_says_when_each_was_last_used() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let (used, secret) = guestlist.create_key("used", &["users:read"]).await;
        let (unused, _) = guestlist.create_key("unused", &["users:read"]).await;
        let _ = guestlist.anybody().basic("", &secret).get("/v1/users").await.is(200);
        let listed = async || -> Vec<Value> {
            let listed = guestlist.succeeds(&["keys", "list", "--json"]).await;
            serde_json::from_str(&listed).unwrap()
        };
        let of = |listed: &[Value], key: &str| {
            listed.iter().find(|one| id(one) == key).unwrap()["last_used_at"].clone()
        };
        let listed = guestlist_tests::wait_until(SHORT, "its use is noted", async || {
            Some(listed().await).filter(|listed| of(listed, &used).is_string())
        })
        .await;
        assert_eq!(of(&listed, &unused), Value::Null);
        let table = guestlist.succeeds(&["keys", "list"]).await;
        let row = |key: &str| table.lines().find(|line| line.contains(key)).unwrap().to_owned();
        let at = of(&listed, &used).as_str().unwrap()[..16].to_owned();
        assert!(row(&used).contains(&at), "{table}");
        assert!(row(&unused).contains("never"), "{table}");
    })
    .await;
}
