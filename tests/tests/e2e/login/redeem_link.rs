//! Opening and redeeming links, and the reasons why a link fails.

use guestlist_tests::{Engine, Guestlist, SHORT, id, on_every_engine, user_path, wait_until};
use serde_json::json;

const WEEK: i64 = 7 * 24 * 3600;

#[tokio::test]
async fn opening_a_link_does_not_consume_it_and_redeeming_it_does() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (invitation, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let scanner = guestlist.anonymous().with("accept", "text/html");
        let path = mail.path();
        let page = scanner.head(path).await.is(200);
        assert_eq!(page.body, "");
        assert!(!guestlist.timeline(id(&invitation)).await.contains(&"visited".to_owned()));
        for _ in 0..10 {
            let page = scanner.get(path).await.is(200);
            assert_eq!(page.header("cache-control"), Some("no-store"));
            assert_eq!(page.header("referrer-policy"), Some("strict-origin"));
            assert!(page.set_cookies().is_empty(), "{page:?}");
            assert!(page.body.contains("You are invited"), "{}", page.body);
            assert!(!page.body.contains("ada@example.com"), "{}", page.body);
            let _ = scanner.head(path).await.is(200);
        }
        let kinds = guestlist.timeline(id(&invitation)).await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "visited").count(), 1, "{kinds:?}");
        assert_eq!(guestlist.invitation(id(&invitation)).await["status"], "sent");

        let fields = [("token", mail.token.as_str()), ("invitation", id(&invitation))];
        let mut ada = guestlist.browser();
        let _ = ada.form("/authenticate", &fields).await.is(303);
        let second = guestlist.anonymous().form("/authenticate", &fields).await;
        let _ = second.problem(409, "link_used");
        let page = guestlist.browser().form("/authenticate", &fields).await.is(409);
        assert!(page.body.contains("data-code=\"link_used\""), "{}", page.body);
        assert!(page.body.contains("Mail me a new link") && page.body.contains("ada@example.com"));
        // The logged-in browser is redirected.
        let _ = ada.form("/authenticate", &fields).await.is(303);
        let _ = ada.get("/v1/session").await.is(200);
    })
    .await;
}

#[tokio::test]
async fn of_concurrent_redemptions_exactly_one_succeeds() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let url = guestlist.start_another_app().await;
        for (person, latency) in [("ada@example.com", 0), ("bob@example.com", 1500)] {
            let (_, mail) = guestlist.invite_and_mail(person).await;
            // In the second round every request arrives before Stytch responds to the first.
            let slow = json!({ "latency_ms": latency, "path": "/v1/magic_links/authenticate" });
            guestlist.sandbox().set_faults(&slow).await;
            let mut requests = tokio::task::JoinSet::new();
            for n in 0..8 {
                let token = mail.token.clone();
                let here = guestlist.anonymous();
                let caller = if n % 2 == 0 { here } else { here.at(&url) };
                requests.spawn(async move {
                    caller.form("/authenticate", &[("token", token.as_str())]).await
                });
            }
            let (logged_in, others): (Vec<_>, Vec<_>) =
                requests.join_all().await.into_iter().partition(|response| response.status == 303);
            assert_eq!(logged_in.len(), 1, "{others:?}");
            for other in others {
                let _ = other.problem(409, "link_used");
            }
            guestlist.sandbox().clear_faults().await;
        }
        assert_eq!(guestlist.database().integer("SELECT COUNT(*) FROM sessions").await, 2);
        let asked = guestlist.sandbox().stats().await;
        let authenticated = &asked["requests"]["POST /v1/magic_links/authenticate"];
        assert_eq!(*authenticated, json!({ "200": 2 }), "Stytch is asked once for each link");
    })
    .await;
}

#[tokio::test]
async fn a_redemption_interrupted_by_a_kill_does_not_block_the_next() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let url = guestlist.start_another_app().await;
        let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let slow = json!({ "latency_ms": 5000, "path": "/v1/magic_links/authenticate" });
        guestlist.sandbox().set_faults(&slow).await;
        let (caller, token) = (guestlist.anonymous(), mail.token.clone());
        let lost = tokio::spawn(async move {
            let form = format!("token={token}");
            let kind = Some("application/x-www-form-urlencoded");
            caller.try_call(reqwest::Method::POST, "/authenticate", kind, form).await.is_err()
        });
        wait_until(SHORT, "Stytch has authenticated the link", async || {
            let asked =
                guestlist.sandbox().call_count("POST /v1/magic_links/authenticate", "200").await;
            (asked == 1).then_some(())
        })
        .await;
        guestlist.kill_app();
        assert!(lost.await.unwrap());
        guestlist.sandbox().clear_faults().await;
        // The claim of the killed process expires.
        let _ = guestlist.database().execute("UPDATE link_claims SET claimed_until = 1").await;
        let fields = [("token", mail.token.as_str())];
        let redeemed = guestlist.anonymous().at(&url).form("/authenticate", &fields).await;
        // Stytch has consumed the link, and the result is lost. A new link works.
        let _ = redeemed.problem(410, "link_expired");
        let ask = json!({ "email": "ada@example.com" });
        let _ = guestlist.anonymous().at(&url).post("/v1/login", &ask).await.is(202);
        let mail = guestlist.sandbox().nth_email("ada@example.com", 2).await;
        let fields = [("token", mail.token.as_str())];
        let _ = guestlist.anonymous().at(&url).form("/authenticate", &fields).await.is(303);
    })
    .await;
}

#[tokio::test]
async fn an_invitation_id_reveals_no_address_and_fits_only_its_own_token() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (ada, adas) = guestlist.invite_and_mail("ada@example.com").await;
        let (_, mallorys) = guestlist.invite_and_mail("mallory@example.com").await;
        let bogus = "bogus-bogus-bogus-bogus-bogus-bogus-bogus-bo";
        let browser = guestlist.browser();
        for token in [bogus, &mallorys.token] {
            let path = format!("/authenticate?token={token}&invitation={}", id(&ada));
            let page = browser.clone().get(&path).await.is(200);
            assert!(!page.body.contains("ada@example.com"), "{}", page.body);
        }
        for (token, events) in [(bogus, 0), (&mallorys.token, 1)] {
            let fields = [("token", token), ("invitation", id(&ada))];
            let page = browser.clone().form("/authenticate", &fields).await.is(400);
            assert!(page.body.contains("data-code=\"link_invalid\""), "{}", page.body);
            assert!(!page.body.contains("ada@example.com"), "{}", page.body);
            assert!(page.set_cookies().is_empty(), "{page:?}");
            guestlist.wait_for_jobs().await;
            let revoked = guestlist.sandbox().call_count("POST /v1/sessions/revoke", "200").await;
            assert_eq!(revoked, events, "the session that Stytch made is ended there");
        }
        assert_eq!(guestlist.database().integer("SELECT COUNT(*) FROM sessions").await, 0);
        assert_eq!(guestlist.user("mallory@example.com").await["status"], "invited");
        let fields = [("token", adas.token.as_str()), ("invitation", id(&ada))];
        let _ = guestlist.browser().form("/authenticate", &fields).await.is(303);
    })
    .await;
}

#[tokio::test]
async fn the_link_page_shows_the_inviters_name_but_not_the_address() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let admin = guestlist.admin().await;
    let page = async |email: &str| {
        let invited = admin.caller().post("/v1/invitations", &json!({ "email": email })).await;
        let invited = invited.is(202).json();
        let mail = guestlist.sandbox().nth_email(email, 1).await;
        let path = format!("/authenticate?token={}&invitation={}", mail.token, id(&invited));
        guestlist.browser().get(&path).await.is(200).body
    };
    let unnamed = page("ada@example.com").await;
    assert!(unnamed.contains("You are invited") && !unnamed.contains("admin@"), "{unnamed}");
    let user = guestlist.user("admin@example.com").await;
    let path = user_path(&user);
    let _ = guestlist.api().patch(&path, &json!({ "name": "Grace Hopper" })).await.is(200);
    let named = page("bob@example.com").await;
    assert!(named.contains("<bdi>Grace Hopper</bdi> invites you"), "{named}");
}

#[tokio::test]
async fn a_used_link_redirects_a_logged_in_user_as_before() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let invite = json!({ "email": "ada@example.com", "return_to": "/?invited" });
    let _ = guestlist.api().post("/v1/invitations", &invite).await.is(202);
    let invited = guestlist.sandbox().nth_email("ada@example.com", 1).await;
    let ask = json!({ "email": "ada@example.com", "return_to": "/?asked" });
    let plain = json!({ "email": "ada@example.com" });

    let mut ada = guestlist.browser();
    let mut links = Vec::new();
    for (n, body, place) in
        [(1, None, "/?invited"), (2, Some(ask), "/?asked"), (3, Some(plain), "/")]
    {
        if let Some(body) = body {
            let _ = guestlist.api().post("/v1/login", &body).await.is(202);
        }
        let mail = guestlist.sandbox().nth_email("ada@example.com", n).await;
        let first = ada.redeem_link(&mail.token).await.is(303);
        assert_eq!(first.header("location"), Some(place), "{n}");
        links.push((mail.token, place));
    }
    assert_eq!(links[0].0, invited.token);
    for (token, place) in links {
        let again = ada.redeem_link(&token).await.is(303);
        assert_eq!(again.header("location"), Some(place));
        assert!(again.set_cookies().is_empty(), "{again:?}");
    }
}

#[tokio::test]
async fn an_expired_link_is_refused_as_link_expired() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    guestlist.sandbox().advance_clock(WEEK + 60).await;
    let redeemed = guestlist.anonymous().form("/authenticate", &[("token", &mail.token)]).await;
    let _ = redeemed.problem(410, "link_expired");
    // As the page suggests, request a new link.
    guestlist.sandbox().advance_clock(-WEEK - 60).await;
    let _ = guestlist.log_in("ada@example.com").await;
}

#[tokio::test]
async fn an_unknown_link_is_refused_as_link_invalid() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let long = "a".repeat(600);
    for token in ["", "nonsense", "ünïcode", &long, "CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM="]
    {
        let redeemed = guestlist.anonymous().form("/authenticate", &[("token", token)]).await;
        let _ = redeemed.problem(400, "link_invalid");
        let by_api = guestlist.anonymous().post("/v1/sessions", &json!({ "token": token })).await;
        let _ = by_api.problem(400, "link_invalid");
    }
    let opened = guestlist.anonymous().get("/authenticate").await;
    let _ = opened.problem(400, "link_invalid");
    let page = guestlist.browser().get("/authenticate?token=").await.is(400);
    assert!(page.body.contains("data-code=\"link_invalid\""), "{}", page.body);
}

#[tokio::test]
async fn markup_in_a_link_is_escaped() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let script = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for (token, status) in [(script, 400), ("rM_kw42CWBhsHLF62V75jELMbvJ87njMe3tFVj7Qupu7", 200)] {
        let path = format!("/authenticate?token={token}&invitation=%3Cb%3E{script}");
        let page = guestlist.browser().get(&path).await.is(status);
        assert!(!page.body.contains("<script>") && !page.body.contains("<b>"), "{}", page.body);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn a_revoked_invitation_cannot_be_accepted() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (invitation, mail) = guestlist.invite_and_mail("ada@example.com").await;
        guestlist.revoke(&invitation).await;
        let path = mail.path();
        let _ = guestlist.anonymous().get(path).await.problem(403, "invitation_revoked");
        let fields = [("token", mail.token.as_str()), ("invitation", id(&invitation))];
        let redeemed = guestlist.anonymous().form("/authenticate", &fields).await;
        let _ = redeemed.problem(403, "invitation_revoked");
        guestlist.wait_for_jobs().await;
        let bare = guestlist.anonymous().form("/authenticate", &fields[..1]).await;
        let _ = bare.problem(400, "link_invalid");
        assert_eq!(guestlist.database().integer("SELECT COUNT(*) FROM sessions").await, 0);
    })
    .await;
}

#[tokio::test]
async fn links_contain_the_invitation_id_only_if_configured() {
    for (output, names) in [(None, false), (Some("off"), false), (Some("on"), true)] {
        let setup = Guestlist::split(Engine::Sqlite).workers(1);
        let setup = output.iter().fold(setup, |setup, output| setup.env("LINK_CARRIES_ID", output));
        let guestlist = setup.start().await;
        let (invitation, mail) = guestlist.invite_and_mail("ada@example.com").await;
        assert_eq!(mail.url.contains(id(&invitation)), names, "{output:?}: {}", mail.url);
        assert!(mail.url.starts_with(&guestlist.public_url), "{}", mail.url);
        let _ = guestlist.redeem_link(&mail.token).await;
    }
}

#[tokio::test]
async fn a_suspended_user_cannot_log_in() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut ada = guestlist.member("ada@example.com").await;
        let _ = guestlist.api().post("/v1/login", &json!({ "email": "ada@example.com" })).await;
        let mail = guestlist.sandbox().nth_email("ada@example.com", 2).await;
        let suspend = "UPDATE users SET status = 'suspended' WHERE email = 'ada@example.com'";
        let _ = guestlist.database().execute(suspend).await;
        let redeemed = guestlist.anonymous().form("/authenticate", &[("token", &mail.token)]).await;
        let _ = redeemed.problem(403, "account_suspended");
        let _ = ada.get("/v1/session").await.problem(401, "session_revoked");
    })
    .await;
}

#[tokio::test]
async fn an_identity_without_an_invitation_cannot_log_in() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let mallory = json!({ "email": "mallory@example.com" });
    let made = "/v1/magic_links/email/login_or_create";
    let _ = guestlist.stytch_api().post(made, &mallory).await.is(200);
    let mail = guestlist.sandbox().nth_email("mallory@example.com", 1).await;
    let redeemed = guestlist.anonymous().form("/authenticate", &[("token", &mail.token)]).await;
    let _ = redeemed.problem(403, "not_invited");
    assert!(redeemed.set_cookies().is_empty(), "{redeemed:?}");
    guestlist.wait_for_jobs().await;
    // The session that Stytch created is revoked there.
    assert_eq!(guestlist.sandbox().call_count("POST /v1/sessions/revoke", "200").await, 1);
    assert_eq!(guestlist.database().integer("SELECT COUNT(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn redeeming_a_link_redirects_to_return_to() {
    let setup = Guestlist::dev(Engine::Sqlite).env("APP_URL", "https://app.example.com/start");
    let guestlist = setup.start().await;
    for (email, return_to, landing) in [
        ("a@example.com", None, "https://app.example.com/start"),
        ("b@example.com", Some("/sessions?x=1"), "/sessions?x=1"),
        ("c@example.com", Some("https://app.example.com/x"), "https://app.example.com/x"),
    ] {
        let body = json!({ "email": email, "return_to": return_to });
        let _ = guestlist.api().post("/v1/invitations", &body).await.is(202);
        let mail = guestlist.sandbox().nth_email(email, 1).await;
        let redeemed = guestlist.browser().redeem_link(&mail.token).await.is(303);
        assert_eq!(redeemed.header("location"), Some(landing));
    }
    let login = json!({ "email": "a@example.com", "return_to": "/deep" });
    let _ = guestlist.api().post("/v1/login", &login).await.is(202);
    let mail = guestlist.sandbox().nth_email("a@example.com", 2).await;
    let redeemed = guestlist.browser().redeem_link(&mail.token).await.is(303);
    assert_eq!(redeemed.header("location"), Some("/deep"));
}

#[tokio::test]
async fn the_link_page_warns_when_another_user_is_logged_in() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    let path = mail.path();
    let page = admin.get(path).await.is(200);
    assert!(
        page.body.contains("admin@example.com") && page.body.contains("continuing logs you out")
    );
    let before = admin.caller();
    let _ = admin.redeem_link(&mail.token).await.is(303);
    let session = admin.get("/v1/session").await.is(200).json();
    assert_eq!(session["user"]["email"], "ada@example.com");
    // The replaced session has ended.
    let _ = before.get("/v1/session").await.problem(401, "session_revoked");
}

#[tokio::test]
async fn a_link_without_a_token_is_not_sent_to_stytch() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let anonymous = guestlist.anonymous();
    for path in
        ["/authenticate", "/authenticate?stytch_token_type=magic_links", "/authenticate?token="]
    {
        let _ = anonymous.get(path).await.problem(400, "link_invalid");
    }
    let _ = anonymous.form("/authenticate", &[("token", "")]).await.problem(400, "link_invalid");
    let _ = anonymous.form("/authenticate", &[]).await.problem(400, "link_invalid");
    let _ =
        anonymous.post("/v1/sessions", &json!({ "token": "" })).await.problem(400, "link_invalid");
    let stats = guestlist.sandbox().stats().await;
    assert!(stats["requests"].get("POST /v1/magic_links/authenticate").is_none(), "{stats}");
}

#[tokio::test]
async fn errors_of_stytch_are_not_exposed() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    for (fault, status) in [
        (json!({}), 400),
        (json!({ "status": 404, "error_type": "magic_link_not_found" }), 400),
        (json!({ "status": 401, "error_type": "unable_to_auth_magic_link" }), 410),
        (json!({ "status": 401, "error_type": "unauthorized_credentials" }), 503),
        (json!({ "status": 429, "error_type": "too_many_requests" }), 503),
        (json!({ "status": 500, "error_type": "internal_server_error" }), 503),
    ] {
        guestlist.sandbox().set_faults(&fault).await;
        let token = if fault == json!({}) { "nobody-was-ever-sent-this" } else { &mail.token };
        let fields = [("token", token)];
        let problem = guestlist.anonymous().form("/authenticate", &fields).await.is(status);
        let api = guestlist.anonymous().post("/v1/sessions", &json!({ "token": token })).await;
        let page = guestlist.browser().form("/authenticate", &fields).await.is(status);
        for response in [problem, api.is(status), page] {
            let output = [
                "error_",
                "status_code",
                "stytch.com",
                "request-id-",
                "magic_link",
                "internal_server",
            ];
            let leaked = output.iter().find(|word| response.body.contains(**word));
            assert_eq!(leaked, None, "{fault}: {}", response.body);
            assert!(response.set_cookies().is_empty(), "{fault}: {response:?}");
        }
    }
    guestlist.sandbox().clear_faults().await;
    let _ = guestlist.redeem_link(&mail.token).await;
}

#[tokio::test]
async fn a_token_of_another_type_is_not_sent_to_stytch() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    for kind in ["oauth", "reset_password", "", "magic_links2"] {
        let path = format!("/authenticate?stytch_token_type={kind}&token={}", mail.token);
        let _ = guestlist.anonymous().get(&path).await.problem(400, "link_invalid");
    }
    for path in [
        format!("/authenticate?token={}", mail.token),
        format!("/authenticate?stytch_token_type=magic_links&token={}", mail.token),
    ] {
        let _ = guestlist.browser().get(&path).await.is(200);
    }
}
