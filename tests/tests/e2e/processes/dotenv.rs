//! The `.env` file and the environment.

use std::fs;
use std::os::unix::fs::symlink;

use guestlist_tests::{Engine, Guestlist, SHORT};

/// Commands that read the environment.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("guestlist", &["dev"]),
    ("guestlist", &["serve"]),
    ("guestlist", &["keys", "list"]),
    ("guestlist", &["sandbox"]),
    ("guestlist-worker", &[]),
    ("stytch-sandbox", &[]),
];

/// Asserts that every command fails to start, and returns the messages.
async fn refusals(guestlist: &Guestlist) -> Vec<String> {
    let mut refusals = Vec::new();
    for (program, args) in COMMANDS {
        let finished = guestlist.spawn(program, args).wait_for_exit(SHORT).await;
        assert_eq!(finished.code, Some(1), "{program} {args:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{program} {args:?}");
        refusals.push(finished.stderr);
    }
    refusals
}

#[tokio::test]
async fn a_malformed_dotenv_line_is_reported_without_its_value() {
    let guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    for (file, line) in [
        ("APP_NAME=hunter2\nSTYTCH_SECRET=hunter2 hunter2\nLOG_FORMAT=text\n", "line 2"),
        ("APP_NAME='hunter2'\n\nSTYTCH_SECRET='it's hunter2\nLOG_FORMAT=text\n", "line 3"),
    ] {
        fs::write(guestlist.folder().join(".env"), file).unwrap();
        for refusal in refusals(&guestlist).await {
            assert!(refusal.contains(".env") && refusal.contains(line), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
        let refused = guestlist.run(&["keys", "list"]).await;
        assert!(refused.stderr.contains("(STYTCH_SECRET)"), "{refused:?}");
    }
}

#[tokio::test]
async fn an_unreadable_dotenv_file_is_reported() {
    let guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    let path = guestlist.folder().join(".env");
    let reported = async |what: &str| {
        for refusal in refusals(&guestlist).await {
            assert!(refusal.contains(".env") && refusal.lines().count() <= 4, "{what}: {refusal}");
        }
    };
    fs::create_dir(&path).unwrap();
    reported("a folder").await;
    fs::remove_dir(&path).unwrap();
    symlink("missing", &path).unwrap();
    reported("a dangling link").await;
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"APP_NAME=\xff\xfe\n").unwrap();
    reported("no text").await;
}

#[tokio::test]
async fn a_dotenv_of_a_parent_folder_is_not_read() {
    let guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    fs::write(guestlist.folder().join(".env"), "LOG_FORMAT=nonsense\n").unwrap();
    let below = guestlist.folder().join("below");
    fs::create_dir(&below).unwrap();
    for (program, args) in [("guestlist", &["openapi"][..]), ("stytch-sandbox", &["--help"])] {
        let here = guestlist.command(program, args).current_dir(&below).output().unwrap();
        assert!(here.status.success(), "{program}: {here:?}");
    }
    let above = guestlist.run(&["openapi"]).await;
    assert!(above.stderr.contains("LOG_FORMAT"), "it is read in its own folder: {above:?}");
}

/// Returns every variable in `.env.example`.
fn variables() -> Vec<&'static str> {
    let example = include_str!("../../../../.env.example");
    let variable = |line: &'static str| line.strip_prefix('#')?.split_once('=').map(|pair| pair.0);
    let names = example.lines().filter_map(variable);
    let names: Vec<_> =
        names.filter(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).collect();
    assert!(names.len() > 20 && names.contains(&"STYTCH_SECRET"), "{names:?}");
    names
}

#[tokio::test]
async fn an_empty_variable_counts_as_not_set() {
    for empty in ["", " ", "\r"] {
        let mut guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
        let fixed = ["LISTEN_ADDR", "SANDBOX_LISTEN_ADDR", "WORKER_LISTEN_ADDR", "DATABASE_URL"];
        for name in variables().iter().filter(|name| !fixed.contains(name)) {
            guestlist.set_env(name, empty);
        }
        guestlist.start().await;
        assert_eq!(guestlist.admin_email, "admin@example.com");
        guestlist.stop().await;
        // The defaults of these variables would collide with other tests, so they are tested with a
        // command that reads them and does not use them.
        for name in fixed {
            guestlist.set_env(name, empty);
        }
        let _ = guestlist.run_ok(&["openapi"]).await;
        let sandbox = guestlist.spawn("stytch-sandbox", &["--listen", "127.0.0.1:0"]);
        let _ = sandbox.wait_for_line(SHORT, |line| line.starts_with("STYTCH_SECRET=")).await;
    }
}

#[tokio::test]
async fn a_dotenv_that_was_edited_on_windows_is_read() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(1).prepare().await;
    let (project, secret) = guestlist.stytch_credentials();
    let lines = format!(
        "\u{feff}APP_NAME=Invitations \r\nCOOKIE_DOMAIN=\r\nSTYTCH_PROJECT_ID='{project} '\r\n\
         STYTCH_SECRET=\"{secret}\r\"\r\nWORKER_CONCURRENCY=5 "
    );
    fs::write(guestlist.folder().join(".env"), lines).unwrap();
    // The sandbox receives the credentials directly; the other programs read them from the file.
    guestlist.start_sandbox().await;
    guestlist.unset_env("STYTCH_PROJECT_ID");
    guestlist.unset_env("STYTCH_SECRET");
    let _ = guestlist.run_ok(&["migrate", "up"]).await;
    guestlist.api_key = guestlist.create_key("tests", &[]).await.1;
    guestlist.start_app().await;
    guestlist.start_worker().await;
    let page = guestlist.browser().get("/login").await.is(200);
    assert!(page.body.contains("Invitations"), "{}", page.body);
    let _ = guestlist.invite_and_mail("ada@example.com").await;
}

#[tokio::test]
async fn an_unescaped_character_in_the_database_password_is_reported() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).prepare().await;
    for (character, code) in [('#', "%23"), ('/', "%2F"), ('?', "%3F"), ('%', "%25")] {
        guestlist
            .set_env("DATABASE_URL", &format!("mysql://app:12{character}hunter2@127.0.0.1/app"));
        for (program, args) in [("guestlist", &["serve"][..]), ("guestlist-worker", &[])] {
            let finished = guestlist.spawn(program, args).wait_for_exit(SHORT).await;
            assert_eq!(finished.code, Some(1), "{finished:?}");
            assert!(finished.stderr.contains("DATABASE_URL"), "{finished:?}");
            assert!(finished.stderr.contains(code), "{finished:?}");
            assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
        }
    }
}
