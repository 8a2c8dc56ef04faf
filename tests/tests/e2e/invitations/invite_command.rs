//! The command `guestlist invite`.

use std::time::Duration;

use guestlist_tests::{Engine, Guestlist, on_every_engine};
use serde_json::Value;

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

#[tokio::test]
async fn the_invite_command_waits_until_invitations_are_sent() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let args = ["invite", "--json", "--wait", "ada@example.com", "bob@example.com"];
        let output = lines(&guestlist.run_ok(&args).await);
        assert_eq!(output.len(), 2, "{output:?}");
        for line in &output {
            let invitation = guestlist.invitation(line["invitation_id"].as_str().unwrap()).await;
            assert_eq!(invitation["status"], "sent", "waited for");
            assert_eq!(invitation["invited_by"]["type"], "cli");
            assert_eq!(invitation["email"], line["email"]);
        }
        let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        let _ = guestlist.redeem_link(&mail.token).await;

        let again = guestlist
            .run(&["invite", "ada@example.com", "bob@example.com", "nobody", "cy@example.com"])
            .await;
        assert_eq!(again.code, Some(1), "{again:?}");
        for word in
            ["already_member", "already_invited", "invalid_email", "cy@example.com: invited"]
        {
            assert!(again.stdout.contains(word), "{word}: {again:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_invalid_row_of_a_csv_file_does_not_stop_the_others() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let file = guestlist.folder().join("guests.csv");
        let rows = "email,name,role\nada@example.com,\"Lovelace, Ada\",admin\nnobody,,\nbob@example.com\ncy@example.com,Cy,king\n\"broken\nADA@example.com,,\ndan@example.com,Dan,\n";
        let rows = rows.replace("\"broken\n", "");
        std::fs::write(&file, &rows).unwrap();
        let path = file.to_str().unwrap();

        let dry = guestlist.run(&["invite", "--csv", path, "--dry-run"]).await;
        assert!(dry.stdout.contains("would be invited"), "{dry:?}");
        assert_eq!(guestlist.database().integer("SELECT COUNT(*) FROM users").await, 0);

        let finished = guestlist.run(&["invite", "--csv", path, "--json"]).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let output = lines(&finished.stdout);
        let codes: Vec<_> = output.iter().map(|line| line["code"].as_str().unwrap_or("")).collect();
        let expected = ["", "invalid_email", "", "invalid_role", "already_invited", ""];
        assert_eq!(codes, expected, "{output:?}");
        let ada = guestlist.user("ada@example.com").await;
        assert_eq!((ada["name"].as_str(), ada["role"].as_str()), (Some("Lovelace, Ada"), Some("admin")));
        assert_eq!(guestlist.users().await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_reports_the_same_lines_as_a_real_run() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let file = guestlist.folder().join("guests.csv");
        let rows = "\u{feff}Email,NAME,Role\r\nada@example.com,Ada,\r\n\r\n\
                    ADA@Example.com,,\r\nbob@example.com,Bob, the builder,member\r\n\
                    ,Nobody,\r\ncy@example.com\r\n";
        std::fs::write(&file, rows).unwrap();
        let path = file.to_str().unwrap();
        let expected =
            [(2, ""), (4, "already_invited"), (5, "malformed_row"), (6, "invalid_email"), (7, "")];
        for args in [&["--dry-run"][..], &[]] {
            let args = [&["invite", "--json", "--csv", path], args].concat();
            let finished = guestlist.run(&args).await;
            assert_eq!(finished.code, Some(1), "{finished:?}");
            let output = lines(&finished.stdout);
            let output: Vec<_> = output
                .iter()
                .map(|reported| {
                    (reported["line"].as_i64().unwrap(), reported["code"].as_str().unwrap_or(""))
                })
                .collect();
            assert_eq!(output, expected, "{args:?}");
        }
        let ada = guestlist.user("ada@example.com").await;
        assert_eq!(ada["name"], "Ada", "columns are named in any case");
        assert_eq!(guestlist.users().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_csv_file_with_unknown_columns_is_refused() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let file = guestlist.folder().join("guests.csv");
    let path = file.to_str().unwrap();
    for (text, words) in [
        ("email;name\nada@example.com;Ada\n", "separated by semicolons"),
        ("email,nmae\nada@example.com,Ada\n", "“nmae”"),
        ("email,name,Name\nada@example.com,Ada,A\n", "“Name” twice"),
    ] {
        std::fs::write(&file, text).unwrap();
        let refused = guestlist.run(&["invite", "--csv", path]).await;
        assert!(refused.code == Some(1) && refused.stderr.contains(words), "{refused:?}");
        assert!(refused.stderr.contains("guests.csv"), "{refused:?}");
    }
    assert_eq!(guestlist.users().await.len(), 0);
}

#[tokio::test]
async fn an_unreadable_csv_file_is_refused() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let file = guestlist.folder().join("guests.csv");
    let path = file.to_str().unwrap();
    let missing = guestlist.run(&["invite", "--csv", path]).await;
    assert!(missing.code == Some(1) && missing.stderr.contains("guests.csv"), "{missing:?}");
    for text in ["", "name,role\nAda,admin\n"] {
        std::fs::write(&file, text).unwrap();
        let refused = guestlist.run(&["invite", "--csv", path]).await;
        assert!(refused.code == Some(1) && refused.stderr.contains("email"), "{refused:?}");
    }
    // Spreadsheets write a byte order mark and CRLF.
    std::fs::write(&file, "\u{feff}email,name\r\nada@example.com,Ada\r\n").unwrap();
    let _ = guestlist.run_ok(&["invite", "--csv", path]).await;
    for args in [&["invite"][..], &["invite", "a@example.com", "--csv", path]] {
        let refused = guestlist.run(args).await;
        assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    }
}

#[tokio::test]
async fn waiting_fails_when_stytch_rejects_the_address() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let fault = serde_json::json!({ "status": 400, "error_type": "invalid_email", "times": 1 });
    guestlist.sandbox().set_faults(&fault).await;
    let began = std::time::Instant::now();
    let finished = guestlist.run(&["invite", "--wait", "ada@example.com"]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("invalid_email"), "{finished:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}
