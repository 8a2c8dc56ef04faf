//! The command line: help, output, and API keys.

use guestlist_tests::{Engine, Guestlist, Process, SHORT, UNKNOWN_ID, id, on_every_engine};
use serde_json::Value;

#[tokio::test]
async fn every_command_has_help() {
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
        let finished = guestlist.spawn(program, &help).wait_for_exit(SHORT).await;
        assert_eq!(finished.code, Some(0), "{program} {help:?}: {finished:?}");
        assert!(finished.stdout.contains("Usage:"), "{program} {help:?}: {finished:?}");
        let (_, secret) = guestlist.stytch_credentials();
        assert!(!finished.stdout.contains(secret), "{program} {help:?} shows the secret");
    }
    let version = guestlist.run_ok(&["--version"]).await;
    assert!(version.starts_with("guestlist "), "{version}");
    let unknown = guestlist.run(&["nonsense"]).await;
    assert!(unknown.code.is_some_and(|code| code != 0) && unknown.stdout.is_empty());
}

#[tokio::test]
async fn the_sandbox_runs_as_a_subcommand_and_as_a_program() {
    let guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    for (program, args) in [("guestlist", &["sandbox"][..]), ("stytch-sandbox", &[])] {
        let sandbox = guestlist.spawn(program, args);
        let line = sandbox.wait_for_line(SHORT, |line| line.contains("http://")).await;
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let _ = guestlist_tests::Caller::new(url).get("/inbox").await.is(200);
        for name in ["STYTCH_BASE_URL", "STYTCH_PROJECT_ID", "STYTCH_SECRET"] {
            let _ =
                sandbox.wait_for_line(SHORT, |line| line.starts_with(&format!("{name}="))).await;
        }
        sandbox.terminate();
        assert_eq!(sandbox.wait_for_exit(SHORT).await.code, Some(0), "{program}");
    }
}

#[tokio::test]
async fn the_default_command_is_dev_and_prints_the_next_steps() {
    let guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    let none: [&str; 0] = [];
    let dev = guestlist.spawn("guestlist", &none);
    let _ = dev.wait_for_line(SHORT, |line| line.contains("Ctrl-C")).await;
    let output = dev.stdout_lines().join("\n");
    assert!(output.contains("admin@example.com") && output.contains("glk_"), "{output}");
    let link = output.lines().find(|line| line.contains("/authenticate?")).expect("a login link");
    assert!(link.contains("token="), "{link}");
    assert!(output.contains("curl") && output.contains("/inbox"), "{output}");
    // SANDBOX_LISTEN_ADDR applies to the default command too.
    let inbox = output.lines().find(|line| line.contains("/inbox")).unwrap();
    assert!(!inbox.contains(":3002/"), "{inbox}");
    dev.terminate();
    assert_eq!(dev.wait_for_exit(SHORT).await.code, Some(0));
}

#[tokio::test]
async fn dev_prints_one_line_of_json_on_stdout_and_logs_to_stderr() {
    let mut guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let out = guestlist.app().stdout_lines();
    assert_eq!(out.len(), 1, "{out:?}");
    let output: Value = serde_json::from_str(&out[0]).unwrap();
    let mut names: Vec<_> = output.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["admin_email", "api_key", "login_url", "sandbox_url", "url", "worker_url"]);
    let log = guestlist.stderr();
    assert!(log.contains("worker"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colors in a file: {log}");
    guestlist.stop().await;
}

#[tokio::test]
async fn log_format_json_makes_every_line_json() {
    let guestlist = Guestlist::dev(Engine::Sqlite).env("LOG_FORMAT", "json").start().await;
    let log = guestlist.stderr();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let _: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    }
}

#[tokio::test]
async fn sigint_stops_a_worker_like_sigterm() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let worker = guestlist.spawn("guestlist-worker", &[] as &[&str]);
    let up = async |process: &Process| {
        guestlist_tests::wait_until(SHORT, "the worker has started", async || {
            process.stderr().contains("worker started").then_some(())
        })
        .await;
    };
    up(&worker).await;
    worker.signal("INT");
    assert_eq!(worker.wait_for_exit(SHORT).await.code, Some(0));
    guestlist.stop().await;
}

#[tokio::test]
async fn api_keys_are_created_listed_and_revoked() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let plain = guestlist.run(&["keys", "create", "--name", "ci"]).await;
        let secret = plain.stdout.trim().to_owned();
        assert!(secret.starts_with("glk_") && !secret.contains('\n'), "{plain:?}");
        let _ = guestlist.anonymous().bearer(&secret).get("/v1/users").await.is(200);
        let (key, scoped) = guestlist.create_key("reader", &["users:read", "ops:read"]).await;

        let listed = guestlist.run_ok(&["keys", "list", "--json"]).await;
        assert!(!listed.contains(&secret) && !listed.contains(&scoped), "shown once: {listed}");
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let found = listed.as_array().unwrap().iter().find(|one| id(one) == key).unwrap();
        assert_eq!(found["name"], "reader");
        assert_eq!(found["scopes"].as_array().unwrap().len(), 2);
        assert_eq!(found["revoked_at"], Value::Null);
        let listed = guestlist.run_ok(&["keys", "list"]).await;
        assert!(listed.contains(&key) && listed.contains("reader"), "{listed}");

        let _ = guestlist.run_ok(&["keys", "revoke", &key]).await;
        let listed = guestlist.run_ok(&["keys", "list", "--json"]).await;
        assert!(listed.contains("\"revoked_at\":\""), "{listed}");
        for args in [
            &["keys", "revoke", UNKNOWN_ID][..],
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
async fn an_api_key_needs_a_name_of_at_most_200_characters() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        for name in ["", " ", &"x".repeat(256)] {
            let refused = guestlist.run(&["keys", "create", "--name", name]).await;
            assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
            assert!(refused.stderr.contains("name"), "{refused:?}");
            assert!(!refused.stderr.contains("column"), "nothing of the inside: {refused:?}");
        }
        let longest = "é".repeat(200);
        let _ = guestlist.run_ok(&["keys", "create", "--name", &longest]).await;
    })
    .await;
}

#[tokio::test]
async fn the_list_of_keys_shows_when_each_was_last_used() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let (used, secret) = guestlist.create_key("used", &["users:read"]).await;
        let (unused, _) = guestlist.create_key("unused", &["users:read"]).await;
        let _ = guestlist.anonymous().basic("", &secret).get("/v1/users").await.is(200);
        let listed = async || -> Vec<Value> {
            let listed = guestlist.run_ok(&["keys", "list", "--json"]).await;
            serde_json::from_str(&listed).unwrap()
        };
        let of = |listed: &[Value], key: &str| {
            listed.iter().find(|one| id(one) == key).unwrap()["last_used_at"].clone()
        };
        let listed = guestlist_tests::wait_until(SHORT, "the use is recorded", async || {
            Some(listed().await).filter(|listed| of(listed, &used).is_string())
        })
        .await;
        assert_eq!(of(&listed, &unused), Value::Null);
        let table = guestlist.run_ok(&["keys", "list"]).await;
        let row = |key: &str| table.lines().find(|line| line.contains(key)).unwrap().to_owned();
        let at = of(&listed, &used).as_str().unwrap()[..16].to_owned();
        assert!(row(&used).contains(&at), "{table}");
        assert!(row(&unused).contains("never"), "{table}");
    })
    .await;
}
