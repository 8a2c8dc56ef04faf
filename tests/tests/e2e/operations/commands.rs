//! The commands `status`, `queue` and `jobs`.

use guestlist_tests::{Engine, Guestlist, LONG, UNKNOWN_ID, id, on_every_engine, wait_until};
use serde_json::{Value, json};

#[tokio::test]
async fn status_prints_a_summary_line_and_sets_an_exit_code() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(0).start().await;
        let _ = guestlist.invite("ada@example.com").await;
        let line = "NOT SENDING: no worker is running. 1 waiting. Fix: start guestlist-worker";
        let status = guestlist.run(&["status"]).await;
        assert_eq!(status.code, Some(2), "{status:?}");
        assert_eq!(status.stdout.lines().next(), Some(line), "{status:?}");
        for word in ["login", "invitation", "provider", "webhook", "maintenance", "Stytch: ok"] {
            assert!(status.stdout.contains(word), "{word}: {status:?}");
        }
        let as_json = guestlist.run(&["status", "--json"]).await;
        assert_eq!(as_json.code, Some(2), "{as_json:?}");
        let reported: Value = serde_json::from_str(&as_json.stdout).unwrap();
        let by_http = guestlist.api().get("/v1/status").await.is(200).json();
        for name in ["summary", "sending", "provider", "fix", "held", "waiting", "workers", "dead"]
        {
            assert_eq!(reported[name], by_http[name], "{name}");
        }
        guestlist.start_worker().await;
        let status = wait_until(LONG, "the status is SENDING", async || {
            Some(guestlist.run(&["status"]).await).filter(|status| status.code == Some(0))
        })
        .await;
        assert!(status.stdout.starts_with("SENDING. "), "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn every_operations_command_has_help() {
    let guestlist = Guestlist::split(Engine::Sqlite).prepare().await;
    let commands: [&[&str]; 9] = [
        &["status"],
        &["jobs"],
        &["jobs", "list"],
        &["jobs", "show"],
        &["jobs", "retry"],
        &["jobs", "cancel"],
        &["queue"],
        &["queue", "pause"],
        &["queue", "resume"],
    ];
    for args in commands {
        let help = guestlist.run_ok(&[args, &["--help"]].concat()).await;
        assert!(help.contains("Usage:"), "{args:?}: {help}");
    }
    let help = guestlist.run_ok(&["status", "--help"]).await;
    assert!(help.contains("Exit code: 0 if it is, 2 if it is not"), "{help}");
}

#[tokio::test]
async fn status_of_a_missing_database_fails_with_one_line() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).prepare().await;
    let status = guestlist.run(&["status"]).await;
    assert_eq!((status.code, status.stdout.as_str()), (Some(1), ""), "{status:?}");
    assert_eq!(status.stderr.lines().count(), 1, "{status:?}");
    assert!(status.stderr.contains("migrate up"), "{status:?}");
}

#[tokio::test]
async fn queues_are_paused_and_resumed_by_command() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let output =
            guestlist.run_ok(&["queue", "pause", "invitation", "--reason", "a move"]).await;
        assert!(output.contains("Paused the invitation queue"), "{output}");
        let invited = guestlist.invite("ada@example.com").await;
        assert_eq!(invited["held_by"], "paused", "{invited}");
        let status = wait_until(LONG, "the worker is seen", async || {
            let status = guestlist.run(&["status"]).await;
            Some(status).filter(|status| !status.stdout.contains("no worker"))
        })
        .await;
        assert_eq!(status.code, Some(2), "{status:?}");
        let line = status.stdout.lines().next().unwrap();
        assert!(line.contains("paused by cli (a move)") && line.contains("1 held"), "{line}");
        let output = guestlist.run_ok(&["queue", "resume", "invitation"]).await;
        assert_eq!(output.trim(), "Resumed the invitation queue");
        let _ = guestlist.wait_for_status(id(&invited), "sent").await;
        let by_cli = "SELECT COUNT(*) FROM events WHERE actor_type = 'cli' AND kind LIKE 'queue_%'";
        assert_eq!(guestlist.database().integer(by_cli).await, 2);
        for args in [&["queue", "pause", "nonsense"][..], &["queue", "pause"], &["queue"]] {
            let refused = guestlist.run(args).await;
            assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
            assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn jobs_are_listed_shown_cancelled_and_retried_by_command() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let fault = json!({ "status": 400, "error_type": "invalid_email", "times": 1 });
        guestlist.sandbox().set_faults(&fault).await;
        let failed = guestlist.invite("ada@example.com").await;
        let _ = guestlist.wait_for_status(id(&failed), "failed").await;
        let list = ["jobs", "list", "--json", "--queue", "invitation", "--state", "dead"];
        let listed: Value = serde_json::from_str(&guestlist.run_ok(&list).await).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        let job = id(&listed[0]).to_owned();
        let list = ["jobs", "list", "--error", "invalid_email", "--limit", "5"];
        let lines = guestlist.run_ok(&list).await;
        assert!(lines.lines().count() == 2 && lines.contains(&job), "{lines}");
        let nothing = ["jobs", "list", "--query", "nonsense", "--kind", "send-invite"];
        assert_eq!(guestlist.run_ok(&nothing).await.lines().count(), 1, "only the head");
        let shown = guestlist.run_ok(&["jobs", "show", &job]).await;
        for word in ["send-invite", "dead", "invalid_email", "REQUEST ID"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        let shown = guestlist.run_ok(&["jobs", "show", "--json", &job]).await;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert!(shown["attempts"][0]["request_id"].is_string(), "{shown}");

        let refused = guestlist.run(&["jobs", "cancel", &job]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
        assert!(refused.stderr.contains("dead"), "{refused:?}");
        let retried = guestlist.run_ok(&["jobs", "retry", &job]).await;
        assert!(retried.contains(&job), "{retried}");
        let _ = guestlist.wait_for_status(id(&failed), "sent").await;
        let by_cli =
            "SELECT COUNT(*) FROM events WHERE actor_type = 'cli' AND kind = 'job_retried'";
        assert_eq!(guestlist.database().integer(by_cli).await, 1);
    })
    .await;
}

#[tokio::test]
async fn bulk_commands_require_confirmation() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    for n in 0..5 {
        let _ = guestlist.invite(&format!("guest{n}@example.com")).await;
    }
    let cancel = ["jobs", "cancel", "--all", "--state", "ready", "--queue", "invitation"];
    let with = |more: &'static str| [&cancel[..], &[more]].concat();
    let rehearsed = guestlist.run_ok(&with("--dry-run")).await;
    assert_eq!(rehearsed.trim(), "5 jobs would be cancelled");
    let refused = guestlist.run(&cancel).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    assert!(refused.stderr.contains("--yes") && refused.stderr.contains("5 jobs"), "{refused:?}");
    let failed = "SELECT COUNT(*) FROM invitations WHERE status = 'failed'";
    assert_eq!(guestlist.database().integer(failed).await, 0);
    let done = guestlist.run_ok(&with("--yes")).await;
    assert_eq!(done.trim(), "5 jobs cancelled");
    assert_eq!(guestlist.database().integer(failed).await, 5);
    for args in [
        &["jobs", "cancel"][..],
        &["jobs", "cancel", "--all"],
        &["jobs", "retry", "--all", "--state", "ready"],
        &["jobs", "retry", "--all", "--state", "nonsense"],
        &["jobs", "retry", "nonsense"],
        &["jobs", "retry", UNKNOWN_ID],
        &["jobs", "retry", UNKNOWN_ID, "--state", "dead"],
        &["jobs", "show", UNKNOWN_ID],
        &["jobs", "list", "--queue", "nonsense"],
        &["jobs", "list", "--limit", "0"],
    ] {
        let refused = guestlist.run(args).await;
        assert!(refused.code.is_some_and(|code| code != 0), "{args:?}: {refused:?}");
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{args:?}: {refused:?}");
    }
}
