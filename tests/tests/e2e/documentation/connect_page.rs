//! The page that shows how to connect an application, whose code runs as it is shown.

use std::process::{Command, Stdio};

use guestlist_tests::{
    Caller, Engine, Guestlist, Process, Response, SHORT, coverage, free_port, wait_until,
};
use reqwest::Method;
use serde_json::json;

const PAGE: &str = include_str!("../../../../docs/join-your-application.md");
const NODE: &str = include_str!("../../../../examples/ten_lines/check.mjs");
const PYTHON: &str = include_str!("../../../../examples/ten_lines/check.py");

/// The command of each language, and a script that prints the path of its interpreter. A wrapper
/// found in `PATH` may need variables that the tests do not pass on.
const LANGUAGES: [(&str, &str, [&str; 3]); 2] = [
    ("node check.mjs", "check.mjs", ["node", "-p", "process.execPath"]),
    ("python3 check.py", "check.py", ["python3", "-c", "import sys; print(sys.executable)"]),
];

fn interpreter([program, flag, script]: [&str; 3]) -> Option<String> {
    let output = Command::new(program).args([flag, script]).stderr(Stdio::null()).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        coverage::skipped(&program, "it is not installed");
        return None;
    };
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// Returns the code block of the page for a command.
fn code_block(page: &Response, run: &str) -> String {
    let (_, rest) = page.body.split_once(&format!("data-run=\"{run}\">")).expect(run);
    let source = rest.split_once("</pre>").unwrap().0;
    let mut source = source.to_owned();
    for (escaped, plain) in [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")] {
        source = source.replace(escaped, plain);
    }
    source.replace("&#38;", "&")
}

async fn start(port: u16) -> Guestlist {
    let app = format!("http://localhost:{port}/");
    Guestlist::dev(Engine::Sqlite).env("APP_URL", &app).start().await
}

#[tokio::test]
async fn the_code_on_the_connect_page_runs() {
    for (run, file, ask) in LANGUAGES {
        let Some(interpreter) = interpreter(ask) else { continue };
        let port = free_port();
        let mut guestlist = start(port).await;
        let page = guestlist.admin().await.get("/connect").await.is(200);
        std::fs::write(guestlist.folder().join(file), code_block(&page, run)).unwrap();
        let script = format!("exec '{interpreter}' {file}");
        std::fs::write(guestlist.folder().join("run.sh"), script).unwrap();
        let application = Process::shell("run.sh", guestlist.folder());
        let caller = Caller::new(&format!("http://localhost:{port}"));
        wait_until(SHORT, "the server responds", async || {
            assert!(application.status().is_none(), "{run}: {}", application.log());
            caller.try_call(Method::GET, "/", None, "").await.ok()
        })
        .await;
        assert_knows_the_user(&mut guestlist, &caller, port).await;
    }
}

async fn assert_knows_the_user(guestlist: &mut Guestlist, caller: &Caller, port: u16) {
    let nobody = caller.get("/orders?page=2&all").await.is(303);
    let back = format!("http%3A%2F%2Flocalhost%3A{port}%2Forders%3Fpage%3D2%26all");
    let login = format!("{}/login?return_to={back}", guestlist.public_url);
    assert_eq!(nobody.header("location"), Some(login.as_str()));

    let body = json!({ "email": "ada@example.com", "metadata": { "plan": "trial" } });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
    let ada = guestlist.log_in("ada@example.com").await;
    let with_cookies = ada.caller().at(&format!("http://localhost:{port}"));
    let hello = with_cookies.get("/").await.is(200);
    assert!(hello.body.starts_with("Hello ada@example.com"), "{hello:?}");
    assert!(hello.body.contains("trial"), "{hello:?}");
    assert!(hello.set_cookies().is_empty(), "nothing was renewed: {hello:?}");

    // With the token alone, a new JWT is returned.
    let mut without_jwt = ada.clone();
    without_jwt.remove_cookie("stytch_session_jwt");
    without_jwt.move_to(&format!("http://localhost:{port}"));
    let renewed = without_jwt.get("/").await.is(200);
    assert!(renewed.set_cookie("stytch_session_jwt").is_some(), "{renewed:?}");

    let _ = ada.caller().with("sec-fetch-site", "same-origin").delete("/v1/session").await.is(204);
    let ended = with_cookies.get("/").await.is(303);
    assert!(ended.clears_cookies(), "{ended:?}");

    guestlist.stop_app().await;
    let _ = with_cookies.get("/").await.is(503);
}

#[test]
fn the_documentation_shows_the_tested_code() {
    for source in [NODE, PYTHON] {
        assert!(PAGE.contains(source), "the page does not show:\n{source}");
    }
}

#[tokio::test]
async fn the_connect_page_shows_this_installations_values() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let page = guestlist.admin().await.get("/connect").await.is(200);
    let login = format!("<code class=\"redirect\">{}/authenticate</code>", guestlist.public_url);
    let invite = format!("{}/authenticate?invitation={{}}</code>", guestlist.public_url);
    for expected in [&guestlist.public_url, &login, &invite, "No application is configured yet"] {
        assert!(page.body.contains(expected), "{expected}: {}", page.body);
    }
    assert!(!page.body.contains(&guestlist.api_key), "a key has no place on a page");

    let (project, secret) = guestlist.stytch_credentials();
    let setup = Guestlist::split(Engine::Sqlite).workers(1);
    let setup = setup.env("APP_ORIGINS", "https://app.example.com,http://localhost:4000");
    let guestlist = setup.start().await;
    let page = guestlist.admin().await.get("/connect").await.is(200);
    let keys = format!("{}/v1/sessions/jwks/{project}", guestlist.sandbox_url);
    for expected in [
        "Your application is on another domain, which cookies can’t reach",
        "The session cookies reach it",
        &format!("stytch.com/{project}"),
        &keys,
    ] {
        assert!(page.body.contains(expected), "{expected}: {}", page.body);
    }
    assert!(!page.body.contains(secret) && !page.body.contains("invitation={}"));
    let _ = guestlist.stytch_api().at(&keys).get("").await.is(200);
}

#[tokio::test]
async fn the_connect_page_requires_an_administrator() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let nobody = guestlist.browser().get("/connect").await.is(303);
    assert_eq!(nobody.header("location"), Some("/login?return_to=%2Fconnect"));
    let mut ada = guestlist.member("ada@example.com").await;
    ada.get("/connect").await.page_or_problem(403, "forbidden");
}

#[tokio::test]
async fn an_own_backend_receives_the_return_to_url() {
    let guestlist = start(4000).await;
    let place = "http://localhost:4000/welcome";
    let body = json!({ "email": "ada@example.com", "return_to": place });
    let _ = guestlist.api().post("/v1/invitations", &body).await.is(202);
    let token = guestlist.sandbox().nth_email("ada@example.com", 1).await.token;
    let session = guestlist.anonymous().post("/v1/sessions", &json!({ "token": token })).await;
    let session = session.is(201).json();
    assert_eq!(session["return_to"], place);
    let token = session["session_token"].as_str().unwrap();
    let known = guestlist.anonymous().bearer(token).get("/v1/session").await.is(200).json();
    assert!(known.get("return_to").is_none(), "{known}");
}

#[tokio::test]
async fn return_to_is_normalized_like_a_browser_does() {
    let guestlist = start(4000).await;
    for (n, (given, kept)) in [
        ("http:localhost:4000", "http://localhost:4000/"),
        (" http://localhost:4000/a b", "http://localhost:4000/a%20b"),
        ("http://localhost:4000/\u{fc}?q=\u{fc}", "http://localhost:4000/%C3%BC?q=%C3%BC"),
        ("/m\u{fc}nchen", "/m%C3%BCnchen"),
        ("/a/../b", "/b"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("ada{n}@example.com");
        let body = json!({ "email": email, "return_to": given });
        let invited = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
        assert_eq!(invited["return_to"], kept, "{given}");
        let token = guestlist.sandbox().nth_email(&email, 1).await.token;
        let logged_in = guestlist.browser().redeem_link(&token).await.is(303);
        assert_eq!(logged_in.header("location"), Some(kept), "{given}");
    }
    for bad in ["/..//evil.example", "/.//evil.example", "http:/\\evil.example"] {
        let body = json!({ "email": "eve@example.com", "return_to": bad });
        let refused = guestlist.api().post("/v1/invitations", &body).await;
        let _ = refused.problem(422, "invalid_request");
        assert_eq!(refused.pointers(), ["/return_to"], "{bad}");
        let login = guestlist.anonymous().post("/v1/login", &body_of_login(bad)).await;
        let _ = login.problem(422, "invalid_request");
    }
    // The login page has the same value, or none.
    let page = guestlist.browser().get("/login?return_to=http:localhost:4000").await.is(200);
    assert!(page.body.contains("value=\"http://localhost:4000/\""), "{}", page.body);
    let page = guestlist.browser().get("/login?return_to=/..//evil.example").await.is(200);
    assert!(!page.body.contains("evil"), "{}", page.body);
}

fn body_of_login(place: &str) -> serde_json::Value {
    json!({ "email": "eve@example.com", "return_to": place })
}

#[tokio::test]
async fn a_forwarded_address_with_a_port_is_accepted() {
    let setup = Guestlist::dev(Engine::Sqlite).env("TRUSTED_PROXIES", "127.0.0.1,::1");
    let guestlist = setup.start().await;
    for (n, (forwarded, address)) in [
        ("203.0.113.9:41000", "203.0.113.9"),
        ("[2001:DB8::1]:41000", "2001:db8::1"),
        ("[2001:db8::2]", "2001:db8::2"),
        ("198.51.100.1, unknown", "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let api = guestlist.api().with("x-forwarded-for", forwarded);
        let body = json!({ "email": format!("ada{n}@example.com") });
        let _ = api.post("/v1/users", &body).await.is(201);
        let audit = guestlist.api().get("/v1/audit?kind=user_added&limit=1").await.is(200).json();
        assert_eq!(audit["items"][0]["ip"], address, "{forwarded}");
    }
}
