//! Asking for a link: nobody learns who is a guest, and nobody is mailed to death.

use guestlist_tests::{Answer, Caller, Engine, Guestlist, id, on_every_engine};
use serde_json::json;

async fn ask(caller: &Caller, email: &str) -> Answer {
    caller.post("/v1/login", &json!({ "email": email })).await
}

async fn suspend(guestlist: &Guestlist, email: &str) {
    let sql = format!("UPDATE users SET status = 'suspended' WHERE email = '{email}'");
    assert_eq!(guestlist.database().run(&sql).await, 1);
}

/// Somebody of each kind, and nobody.
async fn everybody(guestlist: &Guestlist) -> Vec<&'static str> {
    for email in ["active@example.com", "suspended@example.com"] {
        let _ = guestlist.api().post("/v1/users", &json!({ "email": email })).await.is(201);
    }
    suspend(guestlist, "suspended@example.com").await;
    let _ = guestlist.invite_and_mail("invited@example.com").await;
    let (revoked, _) = guestlist.invite_and_mail("revoked@example.com").await;
    let revoke = format!("/v1/invitations/{}/revoke", id(&revoked));
    let _ = guestlist.api().post_nothing(&revoke).await.is(200);
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
async fn the_answer_is_one_and_the_same_for_every_address() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let emails = everybody(&guestlist).await;
        let mut shapes = Vec::new();
        for email in &emails {
            let answer = ask(&guestlist.anybody(), email).await.is(202);
            let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            shapes.push((answer.body, names));
            let page = guestlist.browser().form("/login", &[("email", email)]).await.is(200);
            shapes.push((page.body.replace(email, "x"), Vec::new()));
        }
        for (api, page) in shapes.chunks(2).map(|pair| (&pair[0], &pair[1])) {
            assert_eq!((api, page), (&shapes[0], &shapes[1]));
        }
        // What fits is done all the same.
        guestlist.settled().await;
        let mut mails = Vec::new();
        for email in &emails {
            let kinds = guestlist.stytch().emails(email).await;
            mails.push(kinds.into_iter().map(|mail| mail.kind).collect::<Vec<_>>().join(" "));
        }
        assert_eq!(mails[0], "", "unknown");
        // Stytch has never heard of somebody who was only added here.
        assert_eq!(mails[1], "signup login", "active");
        assert_eq!(mails[2], "", "suspended");
        assert!(mails[3].starts_with("invite invite"), "invited: {}", mails[3]);
        assert_eq!(mails[4], "invite", "revoked");
        assert_eq!(mails[5], "signup login", "admin");
    })
    .await;
}

#[tokio::test]
async fn an_address_is_mailed_so_often_and_no_more_known_or_not() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).env("LOGIN_LIMIT_PER_ADDRESS", "3/h").start().await;
        let _ = guestlist.api().post("/v1/users", &json!({ "email": "ada@example.com" })).await;
        for email in ["ada@example.com", "unknown@example.com"] {
            for _ in 0..3 {
                let _ = ask(&guestlist.anybody(), email).await.is(202);
            }
            let limited = ask(&guestlist.anybody(), email).await;
            let _ = limited.problem(429, "too_many_requests");
            let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
            assert!((3500..=3600).contains(&wait), "{wait}");
            let page = guestlist.browser().form("/login", &[("email", email)]).await.is(429);
            assert!(page.header("retry-after").is_some() && page.body.contains("Too many requests"));
        }
        let _ = ask(&guestlist.anybody(), "other@example.com").await.is(202);
        let kept = "SELECT COUNT(*) FROM login_requests WHERE email = 'unknown@example.com'";
        assert_eq!(guestlist.database().number(kept).await, 3);
        // A program with a key may go on.
        for _ in 0..5 {
            let _ = ask(&guestlist.api(), "unknown@example.com").await.is(202);
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_strangers_have_used_up_is_mailed_again_once_its_link_has_expired() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let ada = "ada@example.com";
        let _ = guestlist.api().post("/v1/users", &json!({ "email": ada })).await.is(201);
        for _ in 0..5 {
            let _ = ask(&guestlist.anybody(), ada).await.is(202);
        }
        let _ = ask(&guestlist.anybody(), ada).await.problem(429, "too_many_requests");
        guestlist.settled().await;
        let mails = guestlist.stytch().emails(ada).await.len();
        // Ten of the last day, the last of them an hour ago.
        let hour = 3_600_000_000_i64;
        let older =
            format!("UPDATE login_requests SET at = at - {hour}, send_at = send_at - {hour}");
        assert_eq!(guestlist.database().run(&older).await, 5);
        for _ in 0..5 {
            let _ = ask(&guestlist.anybody(), ada).await.is(202);
        }
        let _ = guestlist.database().run(&older).await;
        let _ = ask(&guestlist.anybody(), ada).await.is(202);
        let limited = ask(&guestlist.anybody(), ada).await;
        let _ = limited.problem(429, "too_many_requests");
        let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
        assert!(wait <= 3600, "{wait}");
        guestlist.settled().await;
        assert!(guestlist.stytch().emails(ada).await.len() > mails, "the owner has a new link");
    })
    .await;
}

#[tokio::test]
async fn a_burst_for_one_address_is_held_to_the_limit_too() {
    on_every_engine(|engine| async move {
        let setup = Guestlist::split(engine).workers(0).env("LOGIN_LIMIT_PER_ADDRESS", "5/h");
        let mut guestlist = setup.start().await;
        let other = guestlist.start_another_app().await;
        let callers = [guestlist.anybody(), guestlist.anybody().at(&other)];
        let mut burst = tokio::task::JoinSet::new();
        for n in 0..32 {
            let caller = callers[n % 2].clone();
            burst.spawn(async move { ask(&caller, "ada@example.com").await });
        }
        let answers = burst.join_all().await;
        let served = answers.iter().filter(|answer| answer.status == 202).count();
        for refused in answers.iter().filter(|answer| answer.status != 202) {
            // Who lost every race is told to come again, not that something broke.
            assert!([429, 503].contains(&refused.status), "{refused:?}");
            assert!(refused.header("retry-after").is_some(), "{refused:?}");
        }
        assert!(served <= 5, "{served}");
        let kept = guestlist.database().number("SELECT COUNT(*) FROM login_requests").await;
        assert_eq!(kept, i64::try_from(served).unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_client_asks_so_often_and_no_more_unless_it_has_a_key() {
    let setup = Guestlist::dev(Engine::Sqlite).env("LOGIN_LIMIT_PER_CLIENT", "3/m");
    let guestlist = setup.start().await;
    for n in 0..3 {
        let _ = ask(&guestlist.anybody(), &format!("guest{n}@example.com")).await.is(202);
    }
    let limited = ask(&guestlist.anybody(), "late@example.com").await;
    let _ = limited.problem(429, "too_many_requests");
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let fake = guestlist.anybody().bearer("glk_fake");
    let _ = ask(&fake, "late@example.com").await.problem(401, "api_key_invalid");
    for n in 0..10 {
        let _ = ask(&guestlist.api(), &format!("other{n}@example.com")).await.is(202);
    }
}

#[tokio::test]
async fn behind_a_proxy_that_hides_its_clients_one_of_them_does_not_use_up_what_all_have() {
    let setup = Guestlist::dev(Engine::Sqlite).env("LOGIN_LIMIT_PER_CLIENT", "1/h");
    let guestlist = setup.start().await;
    // TRUSTED_PROXIES is not set: whoever the header names is not known, only that there are many.
    let mut served = 0;
    for n in 0..20 {
        let client = guestlist.anybody().with("x-forwarded-for", &format!("203.0.113.{n}"));
        served += usize::from(ask(&client, &format!("guest{n}@example.com")).await.status == 202);
    }
    assert_eq!(served, 16);
}

#[tokio::test]
async fn a_client_behind_a_believed_proxy_is_counted_by_its_own_address() {
    let setup = Guestlist::dev(Engine::Sqlite).env("LOGIN_LIMIT_PER_CLIENT", "1/m");
    let guestlist = setup.env("TRUSTED_PROXIES", "127.0.0.0/8, ::1").start().await;
    for n in 0..5 {
        let client = guestlist.anybody().with("x-forwarded-for", &format!("203.0.113.{n}"));
        let _ = ask(&client, &format!("guest{n}@example.com")).await.is(202);
        // What stands before it, anybody can write.
        let forged = format!("198.51.100.{n}, 203.0.113.{n}");
        for said in [format!("203.0.113.{n}"), forged, format!("203.0.113.{n}, 127.0.0.9")] {
            let again = guestlist.anybody().with("x-forwarded-for", &said);
            let again = ask(&again, &format!("other{n}@example.com")).await;
            let _ = again.problem(429, "too_many_requests");
        }
    }
}

#[tokio::test]
async fn a_lapsed_or_failed_invitation_is_sent_again_to_who_asks() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let (invitation, _) = guestlist.invite_and_mail("ada@example.com").await;
        for status in ["expired", "failed"] {
            let lapse = format!("UPDATE invitations SET status = '{status}', open_email = NULL");
            assert_eq!(guestlist.database().run(&lapse).await, 1);
            let before = guestlist.stytch().emails("ada@example.com").await.len();
            let _ = ask(&guestlist.anybody(), "ada@example.com").await.is(202);
            let mail = guestlist.stytch().mail("ada@example.com", before + 1).await;
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
async fn asking_for_a_link_makes_nobody_a_user() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let stranger = [("email", "stranger@example.com")];
        let _ = ask(&guestlist.anybody(), "stranger@example.com").await.is(202);
        let _ = guestlist.browser().form("/login", &stranger).await.is(200);
        guestlist.settled().await;
        for table in ["users", "user_emails", "invitations"] {
            let rows = format!("SELECT COUNT(*) FROM {table}");
            assert_eq!(guestlist.database().number(&rows).await, 0, "{table}");
        }
        let asked = guestlist.stytch().stats().await["requests"].to_string();
        assert!(!asked.contains("magic_links"), "{asked}");
    })
    .await;
}
