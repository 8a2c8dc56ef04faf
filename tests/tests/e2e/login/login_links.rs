//! Requesting login links, and the limits per address and per client.

use guestlist_tests::{Caller, Engine, Guestlist, Response, id, on_every_engine};
use serde_json::json;

async fn request_link(caller: &Caller, email: &str) -> Response {
    caller.post("/v1/login", &json!({ "email": email })).await
}

/// Creates a user of each status, and returns their addresses after an unknown one.
async fn addresses(guestlist: &Guestlist) -> Vec<&'static str> {
    for email in ["active@example.com", "suspended@example.com"] {
        let _ = guestlist.add_user(email, "member").await;
    }
    guestlist.suspend("suspended@example.com").await;
    let _ = guestlist.invite_and_mail("invited@example.com").await;
    let (revoked, _) = guestlist.invite_and_mail("revoked@example.com").await;
    guestlist.revoke(&revoked).await;
    vec![
        "unknown@example.com",
        "active@example.com",
        "suspended@example.com",
        "invited@example.com",
        "revoked@example.com",
        "admin@example.com",
    ]
}

#[tokio::test]
async fn the_response_is_identical_for_every_address() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let emails = addresses(&guestlist).await;
        let mut shapes = Vec::new();
        for email in &emails {
            let response = request_link(&guestlist.anonymous(), email).await.is(202);
            let mut names: Vec<_> = response.headers.keys().map(ToString::to_string).collect();
            names.sort();
            shapes.push((response.body, names));
            let page = guestlist.browser().form("/login", &[("email", email)]).await.is(200);
            shapes.push((page.body.replace(email, "x"), Vec::new()));
        }
        for (api, page) in shapes.chunks(2).map(|pair| (&pair[0], &pair[1])) {
            assert_eq!((api, page), (&shapes[0], &shapes[1]));
        }
        // The mail depends on the address' status.
        guestlist.wait_for_jobs().await;
        let mut mails = Vec::new();
        for email in &emails {
            let kinds = guestlist.sandbox().emails(email).await;
            mails.push(kinds.into_iter().map(|mail| mail.kind).collect::<Vec<_>>().join(" "));
        }
        assert_eq!(mails[0], "", "unknown");
        // An added user has no identity at Stytch yet.
        assert_eq!(mails[1], "signup login", "active");
        assert_eq!(mails[2], "", "suspended");
        assert!(mails[3].starts_with("invite invite"), "invited: {}", mails[3]);
        assert_eq!(mails[4], "invite", "revoked");
        assert_eq!(mails[5], "signup login", "admin");
    })
    .await;
}

#[tokio::test]
async fn the_limit_per_address_applies_to_known_and_unknown_addresses() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).env("LOGIN_LIMIT_PER_ADDRESS", "3/h").start().await;
        let _ = guestlist.api().post("/v1/users", &json!({ "email": "ada@example.com" })).await;
        for email in ["ada@example.com", "unknown@example.com"] {
            for _ in 0..3 {
                let _ = request_link(&guestlist.anonymous(), email).await.is(202);
            }
            let limited = request_link(&guestlist.anonymous(), email).await;
            let _ = limited.problem(429, "too_many_requests");
            let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
            assert!((3500..=3600).contains(&wait), "{wait}");
            let page = guestlist.browser().form("/login", &[("email", email)]).await.is(429);
            assert!(
                page.header("retry-after").is_some() && page.body.contains("Too many requests")
            );
        }
        let _ = request_link(&guestlist.anonymous(), "other@example.com").await.is(202);
        let kept = "SELECT COUNT(*) FROM login_requests WHERE email = 'unknown@example.com'";
        assert_eq!(guestlist.database().integer(kept).await, 3);
        // The limit per client does not apply to API keys.
        for _ in 0..5 {
            let _ = request_link(&guestlist.api(), "unknown@example.com").await.is(202);
        }
    })
    .await;
}

#[tokio::test]
async fn an_exhausted_address_is_mailed_again_after_its_link_expires() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let ada = "ada@example.com";
        let _ = guestlist.add_user(ada, "member").await;
        for _ in 0..5 {
            let _ = request_link(&guestlist.anonymous(), ada).await.is(202);
        }
        let _ = request_link(&guestlist.anonymous(), ada).await.problem(429, "too_many_requests");
        guestlist.wait_for_jobs().await;
        let mails = guestlist.sandbox().emails(ada).await.len();
        // Ten requests within the last day, the latest an hour ago.
        let hour = 3_600_000_000_i64;
        let older =
            format!("UPDATE login_requests SET at = at - {hour}, send_at = send_at - {hour}");
        assert_eq!(guestlist.database().execute(&older).await, 5);
        for _ in 0..5 {
            let _ = request_link(&guestlist.anonymous(), ada).await.is(202);
        }
        let _ = guestlist.database().execute(&older).await;
        let _ = request_link(&guestlist.anonymous(), ada).await.is(202);
        let limited = request_link(&guestlist.anonymous(), ada).await;
        let _ = limited.problem(429, "too_many_requests");
        let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
        assert!(wait <= 3600, "{wait}");
        guestlist.wait_for_jobs().await;
        assert!(guestlist.sandbox().emails(ada).await.len() > mails, "the owner has a new link");
    })
    .await;
}

#[tokio::test]
async fn concurrent_requests_for_an_address_are_limited() {
    on_every_engine(|engine| async move {
        let setup = Guestlist::split(engine).workers(0).env("LOGIN_LIMIT_PER_ADDRESS", "5/h");
        let mut guestlist = setup.start().await;
        let other = guestlist.start_another_app().await;
        let callers = [guestlist.anonymous(), guestlist.anonymous().at(&other)];
        let mut burst = tokio::task::JoinSet::new();
        for n in 0..32 {
            let caller = callers[n % 2].clone();
            burst.spawn(async move { request_link(&caller, "ada@example.com").await });
        }
        let answers = burst.join_all().await;
        let served = answers.iter().filter(|response| response.status == 202).count();
        for refused in answers.iter().filter(|response| response.status != 202) {
            // A request that loses every race is throttled, and not a server error.
            assert!([429, 503].contains(&refused.status), "{refused:?}");
            assert!(refused.header("retry-after").is_some(), "{refused:?}");
        }
        assert!((1..=5).contains(&served), "{served}");
        let kept = guestlist.database().integer("SELECT COUNT(*) FROM login_requests").await;
        assert_eq!(kept, i64::try_from(served).unwrap());
    })
    .await;
}

#[tokio::test]
async fn the_limit_per_client_does_not_apply_to_api_keys() {
    let setup = Guestlist::dev(Engine::Sqlite).env("LOGIN_LIMIT_PER_CLIENT", "3/m");
    let guestlist = setup.start().await;
    for n in 0..3 {
        let _ =
            request_link(&guestlist.anonymous(), &format!("guest{n}@example.com")).await.is(202);
    }
    let limited = request_link(&guestlist.anonymous(), "late@example.com").await;
    let _ = limited.problem(429, "too_many_requests");
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let fake = guestlist.anonymous().bearer("glk_fake");
    let _ = request_link(&fake, "late@example.com").await.problem(401, "api_key_invalid");
    for n in 0..10 {
        let _ = request_link(&guestlist.api(), &format!("other{n}@example.com")).await.is(202);
    }
}

#[tokio::test]
async fn clients_behind_an_anonymizing_proxy_do_not_exhaust_each_others_limit() {
    let setup = Guestlist::dev(Engine::Sqlite).env("LOGIN_LIMIT_PER_CLIENT", "1/h");
    let guestlist = setup.start().await;
    // Without TRUSTED_PROXIES the header is not trusted, and shows only that there is a proxy.
    let mut served = 0;
    for n in 0..20 {
        let client = guestlist.anonymous().with("x-forwarded-for", &format!("203.0.113.{n}"));
        served += usize::from(
            request_link(&client, &format!("guest{n}@example.com")).await.status == 202,
        );
    }
    assert_eq!(served, 16);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_limited_separately() {
    let setup = Guestlist::dev(Engine::Sqlite).env("LOGIN_LIMIT_PER_CLIENT", "1/m");
    let guestlist = setup.env("TRUSTED_PROXIES", "127.0.0.0/8, ::1").start().await;
    for n in 0..5 {
        let client = guestlist.anonymous().with("x-forwarded-for", &format!("203.0.113.{n}"));
        let _ = request_link(&client, &format!("guest{n}@example.com")).await.is(202);
        // A client can forge the entries before it.
        let forged = format!("198.51.100.{n}, 203.0.113.{n}");
        for output in [format!("203.0.113.{n}"), forged, format!("203.0.113.{n}, 127.0.0.9")] {
            let again = guestlist.anonymous().with("x-forwarded-for", &output);
            let again = request_link(&again, &format!("other{n}@example.com")).await;
            let _ = again.problem(429, "too_many_requests");
        }
    }
}

#[tokio::test]
async fn an_expired_or_failed_invitation_is_resent_on_request() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let (invitation, _) = guestlist.invite_and_mail("ada@example.com").await;
        let _ = guestlist.wait_for_status(id(&invitation), "sent").await;
        for status in ["expired", "failed"] {
            let lapse = format!("UPDATE invitations SET status = '{status}', open_email = NULL");
            assert_eq!(guestlist.database().execute(&lapse).await, 1);
            let before = guestlist.sandbox().emails("ada@example.com").await.len();
            let _ = request_link(&guestlist.anonymous(), "ada@example.com").await.is(202);
            let mail = guestlist.sandbox().nth_email("ada@example.com", before + 1).await;
            assert_eq!(mail.kind, "invite");
            let sent = guestlist.wait_for_status(id(&invitation), "sent").await;
            assert_eq!(sent["attempts"], 1, "{sent}");
        }
        let timeline = guestlist.timeline(id(&invitation)).await;
        assert_eq!(timeline.iter().filter(|kind| *kind == "resent").count(), 2, "{timeline:?}");
    })
    .await;
}

#[tokio::test]
async fn requesting_a_link_creates_no_user() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let unknown_address = [("email", "stranger@example.com")];
        let _ = request_link(&guestlist.anonymous(), "stranger@example.com").await.is(202);
        let _ = guestlist.browser().form("/login", &unknown_address).await.is(200);
        guestlist.wait_for_jobs().await;
        for table in ["users", "user_emails", "invitations"] {
            let rows = format!("SELECT COUNT(*) FROM {table}");
            assert_eq!(guestlist.database().integer(&rows).await, 0, "{table}");
        }
        let asked = guestlist.sandbox().stats().await["requests"].to_string();
        assert!(!asked.contains("magic_links"), "{asked}");
    })
    .await;
}
