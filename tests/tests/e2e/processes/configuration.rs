//! Invalid configuration is reported completely, with the remedy.

use guestlist_tests::{Caller, Engine, Guestlist, SHORT, SandboxClient};
use tokio::net::{TcpListener, UdpSocket};

#[tokio::test]
async fn every_invalid_variable_is_reported_at_once() {
    let wrong = [
        ("LISTEN_ADDR", "nonsense"),
        ("WORKER_LISTEN_ADDR", "127.0.0.1"),
        ("WORKER_WAKE_ADDR", "0.0.0.0:3004"),
        ("PUBLIC_URL", "guests.example.com"),
        ("STYTCH_BASE_URL", "ftp://stytch.example"),
        ("ADMIN_EMAILS", "admin@example.com,nobody"),
        ("SESSION_DURATION_MINUTES", "4"),
        ("INVITATION_EXPIRATION_MINUTES", "10081"),
        ("LOGIN_LIMIT_PER_ADDRESS", "often"),
        ("WORKER_CONCURRENCY", "0"),
        ("SWEEP_INTERVAL", "soon"),
        ("LOG_FORMAT", "xml"),
        ("LINK_CARRIES_ID", "perhaps"),
    ];
    let of_the_app = [
        ("APP_URL", "app"),
        ("APP_ORIGINS", "https://app.example.com/path"),
        ("COOKIE_DOMAIN", "nonsense"),
        ("TRUSTED_PROXIES", "everybody"),
        ("LOGIN_LIMIT_PER_CLIENT", "0/m"),
    ];
    let mut guestlist = Guestlist::split(Engine::Sqlite).prepare().await;
    for (name, value) in wrong.iter().chain(&of_the_app) {
        guestlist.set_env(name, value);
    }
    guestlist.set_env("DATABASE_URL", "postgres://app:hunter2@127.0.0.1/app");
    let none: [&str; 0] = [];
    for (program, args, app) in [
        ("guestlist", &["serve"][..], true),
        ("guestlist", &["dev"], true),
        ("guestlist-worker", &none, false),
    ] {
        let finished = guestlist.spawn(program, args).wait_for_exit(SHORT).await;
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        let apps = of_the_app.iter().filter(|_| app);
        for (name, _) in wrong.iter().chain(apps).chain(&[("DATABASE_URL", "")]) {
            let reported =
                finished.stderr.lines().any(|line| line.trim().starts_with(&format!("{name}:")));
            assert!(reported, "{program} {args:?} says nothing of {name}: {}", finished.stderr);
        }
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}

#[tokio::test]
async fn missing_stytch_credentials_are_reported_with_other_mistakes() {
    let mut guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    let _ = guestlist.run_ok(&["migrate", "up"]).await;
    let none: [&str; 0] = [];
    for wrong in [None, Some("nonsense")] {
        if let Some(wrong) = wrong {
            guestlist.set_env("LISTEN_ADDR", wrong);
        }
        for (program, args) in [("guestlist", &["serve"][..]), ("guestlist-worker", &none)] {
            let finished = guestlist.spawn(program, args).wait_for_exit(SHORT).await;
            assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
            let names = ["STYTCH_PROJECT_ID", "STYTCH_SECRET", "LISTEN_ADDR"];
            for name in names.iter().take(if wrong.is_some() { 3 } else { 2 }) {
                assert!(finished.stderr.contains(name), "{program}: {name}: {}", finished.stderr);
            }
        }
    }
}

#[tokio::test]
async fn a_port_in_use_is_reported_with_its_variable() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _taken_udp = UdpSocket::bind(taken.local_addr().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    for variable in ["LISTEN_ADDR", "WORKER_LISTEN_ADDR", "SANDBOX_LISTEN_ADDR"] {
        let setup = Guestlist::dev(Engine::Sqlite).env(variable, &address);
        let guestlist = setup.prepare().await;
        let finished = guestlist.run(&["dev"]).await;
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        let last = finished.stderr.lines().last().unwrap();
        assert!(last.contains(&port) && last.contains(variable), "{variable}: {last}");
    }
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    for (variable, program, args) in [
        ("LISTEN_ADDR", "guestlist", &["serve"][..]),
        ("WORKER_LISTEN_ADDR", "guestlist-worker", &[]),
        ("WORKER_WAKE_ADDR", "guestlist-worker", &[]),
    ] {
        guestlist.set_env(variable, &address);
        let finished = guestlist.spawn(program, args).wait_for_exit(SHORT).await;
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        let last = finished.stderr.lines().last().unwrap();
        assert!(last.contains(&address) && last.contains(variable), "{variable}: {last}");
        guestlist.set_env(variable, "127.0.0.1:0");
    }
}

#[tokio::test]
async fn dev_and_sandbox_refuse_public_addresses_without_expose() {
    for variable in ["LISTEN_ADDR", "SANDBOX_LISTEN_ADDR", "WORKER_LISTEN_ADDR"] {
        let guestlist = Guestlist::dev(Engine::Sqlite).env(variable, "0.0.0.0:0").prepare().await;
        let dev = guestlist.spawn("guestlist", &["dev", "--json"]);
        let ended = guestlist_tests::wait_until(
            SHORT,
            "the process exits or serves requests",
            async || {
                let serves = !dev.stdout_lines().is_empty();
                (serves || dev.status().is_some()).then_some(!serves)
            },
        )
        .await;
        assert!(ended, "dev serves on 0.0.0.0 by {variable}");
        let finished = dev.wait_for_exit(SHORT).await;
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        assert!(finished.stderr.contains("--expose"), "{}", finished.stderr);
    }
    let guestlist =
        Guestlist::dev(Engine::Sqlite).env("SANDBOX_LISTEN_ADDR", "0.0.0.0:0").prepare().await;
    let none: [&str; 0] = [];
    let finished = guestlist.spawn("stytch-sandbox", &none).wait_for_exit(SHORT).await;
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(finished.stderr.contains("--expose"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_dotenv_file_is_read_and_the_environment_wins() {
    let mut guestlist =
        Guestlist::dev(Engine::Sqlite).env("APP_NAME", "From the environment").prepare().await;
    let file = "APP_NAME='From the file'\nADMIN_EMAILS=root@example.com\n";
    std::fs::write(guestlist.folder().join(".env"), file).unwrap();
    guestlist.start().await;
    assert_eq!(guestlist.admin_email, "root@example.com");
    let page = guestlist.browser().get("/login").await.is(200);
    assert!(page.body.contains("From the environment"), "{}", page.body);
    std::fs::write(guestlist.folder().join(".env"), "this is ' no \" file").unwrap();
    let finished = guestlist.run(&["migrate", "status"]).await;
    assert!(
        finished.code.is_some_and(|code| code != 0) && finished.stderr.contains(".env"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn dev_works_behind_a_public_url() {
    let public = "https://guests.tunnel.invalid";
    let listen = format!("127.0.0.1:{}", guestlist_tests::free_port());
    let setup = Guestlist::dev(Engine::Sqlite).env("LISTEN_ADDR", &listen);
    let guestlist = setup.env("PUBLIC_URL", public).prepare().await;
    let dev = guestlist.spawn("guestlist", &["dev", "--json"]);
    let line = dev.wait_for_line(SHORT, |line| line.starts_with('{')).await;
    let started: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| started[name].as_str().unwrap().to_owned();
    assert_eq!(text("url"), public);
    let links_lead_to = format!("{public}/authenticate?");
    assert!(text("login_url").starts_with(&links_lead_to), "{line}");
    // The link contains the invitation's id.
    let api = Caller::new(&format!("http://{listen}")).bearer(&text("api_key"));
    let body = serde_json::json!({ "email": "ada@example.com" });
    let _ = api.post("/v1/invitations", &body).await.is(202);
    let stytch = SandboxClient::new(Caller::new(&text("sandbox_url")));
    let mail = stytch.nth_email("ada@example.com", 1).await;
    assert!(mail.url.starts_with(&links_lead_to) && mail.url.contains("invitation="), "{mail:?}");
    // The sandbox accepts this redirect URL without a setting in a dashboard.
    assert!(!dev.stderr().contains("dashboard"), "{}", dev.stderr());
}
