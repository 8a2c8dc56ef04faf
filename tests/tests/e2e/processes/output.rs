//! Closed or full standard output, and terminal control characters.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use guestlist_tests::{Caller, Engine, Guestlist, SHORT, wait_until};
use serde_json::{Value, json};

/// The exit code of a shell for a program that SIGPIPE ended.
const BROKEN_PIPE: Option<i32> = Some(141);

fn into_closed_pipe(mut command: Command) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

fn into_full_device(mut command: Command) -> Output {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// Creates failed invitations, so that every command has something to print.
async fn with_failed_invitations() -> Guestlist {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let _ = guestlist.invite("ada@example.com").await;
    guestlist
}

const PRINTING: [&[&str]; 13] = [
    &["openapi"],
    &["status"],
    &["status", "--json"],
    &["jobs", "list"],
    &["jobs", "list", "--json"],
    &["jobs", "cancel", "--all", "--state", "ready", "--dry-run"],
    &["keys", "list"],
    &["keys", "list", "--json"],
    &["migrate", "status"],
    &["migrate", "up"],
    &["doctor"],
    &["doctor", "--json"],
    &["reconcile", "--dry-run"],
];

#[tokio::test]
async fn a_closed_stdout_ends_a_command_quietly() {
    let guestlist = with_failed_invitations().await;
    for args in PRINTING {
        let output = into_closed_pipe(guestlist.command("guestlist", args));
        let reported = stderr(&output);
        assert_eq!(output.status.code(), BROKEN_PIPE, "{args:?}: {reported}");
        let expected =
            if args == ["migrate", "up"] { "guestlist: the schema is up to date\n" } else { "" };
        let lines =
            reported.lines().filter(|line| !line.contains(" INFO ") && !line.contains(" WARN "));
        let reported: String = lines.flat_map(|line| [line, "\n"]).collect();
        assert_eq!(reported, expected, "{args:?}");
    }
}

#[tokio::test]
async fn a_full_stdout_is_an_error() {
    let guestlist = with_failed_invitations().await;
    for args in PRINTING.iter().chain(&[&["--help"][..]]) {
        let output = into_full_device(guestlist.command("guestlist", args));
        let reported = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {reported}");
        assert!(
            args == &["--help"] || reported.contains("can't write to stdout"),
            "{args:?}: {reported}"
        );
    }
}

#[tokio::test]
async fn an_import_whose_stdout_fails_reports_its_progress() {
    let guestlist = with_failed_invitations().await;
    let rows: Vec<_> = (0..200).map(|n| format!("u{n}@example.com")).collect();
    let rows = rows.join("\n");
    std::fs::write(guestlist.folder().join("people.csv"), format!("email\n{rows}")).unwrap();
    let invite = || guestlist.command("guestlist", &["invite", "--csv", "people.csv"]);
    let closed = into_closed_pipe(invite());
    assert_eq!(closed.status.code(), BROKEN_PIPE, "{closed:?}");
    assert!(stderr(&closed).contains("after 1 of 200 rows; 1 invited"), "{closed:?}");
    let full = into_full_device(invite());
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    assert!(stderr(&full).contains("after 1 of 200 rows; 0 invited"), "{full:?}");
    let invited = "SELECT COUNT(*) FROM invitations";
    assert_eq!(guestlist.database().integer(invited).await, 2, "with the one of before");
}

#[tokio::test]
async fn an_api_key_whose_secret_cannot_be_printed_is_revoked() {
    let guestlist = with_failed_invitations().await;
    for json in [false, true] {
        let args = ["keys", "create", "--name", "lost", "--json"];
        let args = if json { &args[..] } else { &args[..4] };
        for (output, code) in [
            (into_closed_pipe(guestlist.command("guestlist", args)), BROKEN_PIPE),
            (into_full_device(guestlist.command("guestlist", args)), Some(1)),
        ] {
            assert_eq!(output.status.code(), code, "{output:?}");
            assert!(stderr(&output).contains("was revoked"), "{output:?}");
        }
    }
    let keys = guestlist.run_ok(&["keys", "list", "--json"]).await;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let lost: Vec<_> =
        keys.as_array().unwrap().iter().filter(|key| key["name"] == "lost").collect();
    assert_eq!(lost.len(), 4, "{keys}");
    assert!(lost.iter().all(|key| key["revoked_at"].is_string()), "{keys}");
}

#[tokio::test]
async fn servers_keep_running_without_stdout_and_stderr() {
    let mut guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    let names = ["LISTEN_ADDR", "SANDBOX_LISTEN_ADDR", "WORKER_LISTEN_ADDR"];
    let ports = names.map(|_| guestlist_tests::free_port());
    for (name, port) in names.iter().zip(ports) {
        guestlist.set_env(name, &format!("127.0.0.1:{port}"));
    }
    let [app, sandbox, worker] = ports.map(|port| Caller::new(&format!("http://127.0.0.1:{port}")));
    let (app, worker) = ((&app, "/healthz"), (&worker, "/healthz"));
    let sandbox = (&sandbox, "/inbox");
    for (program, args, (caller, path)) in [
        ("guestlist", &["dev"][..], app),
        ("guestlist", &["serve"], app),
        ("guestlist-worker", &[], worker),
        ("guestlist", &["sandbox"], sandbox),
        ("stytch-sandbox", &[], sandbox),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = guestlist.command(program, args);
        if args == ["serve"] || program == "guestlist-worker" {
            let url = format!("http://127.0.0.1:{}", ports[1]);
            command.env("STYTCH_BASE_URL", url).env("STYTCH_SECRET", "secret-test-x");
            command.env("STYTCH_PROJECT_ID", "project-test-00000000-0000-4000-8000-000000000000");
        }
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = RefCell::new(command.spawn().unwrap());
        drop(command);
        let ended = || child.borrow_mut().try_wait().unwrap();
        for _ in 0..20 {
            wait_until(SHORT, "the process serves requests", async || {
                assert!(ended().is_none(), "{program} {args:?}: {:?}", ended());
                let get = reqwest::Method::GET;
                let response = caller.try_call(get, path, None, "").await.ok();
                response.filter(|response| response.status == 200)
            })
            .await;
        }
        let kill = format!("kill -TERM {}", child.borrow().id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let status = wait_until(SHORT, "the process exits", async || ended()).await;
        assert!(status.success(), "{program} {args:?}: {status}");
    }
}

#[tokio::test]
async fn terminal_control_characters_are_escaped() {
    let guestlist = with_failed_invitations().await;
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}x\r\nSENDING. All is well";
    let reason = json!({ "reason": evil });
    let _ = guestlist.api().post("/v1/queues/invitation/pause", &reason).await.is(200);
    let _ = guestlist.database().execute(&format!("UPDATE api_keys SET name = '{evil}'")).await;
    for args in [&["status"][..], &["keys", "list"], &["keys", "list", "--json"]] {
        let output = guestlist.run(args).await.stdout;
        assert!(output.contains("All is well"), "{args:?}: {output}");
        for character in ['\u{1b}', '\u{9b}', '\u{202e}', '\r'] {
            assert!(!output.contains(character), "{args:?}: {output:?}");
        }
        assert!(!output.lines().any(|line| line.starts_with("SENDING")), "{args:?}: {output}");
        if args.contains(&"--json") {
            assert!(output.contains("\\u001b"), "{output}");
            let _: Value = serde_json::from_str(&output).unwrap();
        }
    }
    let refused = guestlist.run(&["invite", evil]).await;
    assert!(
        !refused.stdout.contains('\u{1b}') && !refused.stderr.contains('\u{1b}'),
        "{refused:?}"
    );
}
