//! The pages of invitations, without scripts.

use guestlist_tests::{Engine, Guestlist, UNKNOWN_ID, Visitor, id, on_every_engine, wait_until};
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

#[track_caller]
fn assert_redirect(response: &guestlist_tests::Response, place: &str) {
    assert_eq!((response.status, response.header("location")), (303, Some(place)), "{response:?}");
}

/// Asserts that a page contains all of these texts.
#[track_caller]
fn assert_shows(body: &str, texts: &[&str]) {
    for text in texts {
        assert!(body.contains(text), "{text}: {body}");
    }
}

fn page_of(invitation: &Value) -> String {
    format!("/invitations/{}", id(invitation))
}

async fn newest(guestlist: &Guestlist) -> Value {
    guestlist.api().get("/v1/invitations?limit=1").await.is(200).items().remove(0)
}

#[tokio::test]
async fn an_address_is_invited_on_the_list() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    assert_shows(&admin.get("/invitations").await.is(200).body, &["No invitations yet"]);
    let fields = [("email", ADA), ("back", "/invitations")];
    assert_redirect(&admin.form("/invitations", &fields).await, "/invitations");
    guestlist.wait_for_jobs().await;
    let list = admin.get("/invitations").await.is(200).body;
    assert_shows(&list, &[ADA, "Sent", "not opened yet", "Resend", "<span class=\"num\">1</span>"]);
    let found = admin.get("/invitations?q=AD&status=sent&cursor=").await.is(200).body;
    assert_shows(&found, &[&page_of(&newest(&guestlist).await), "value=\"AD\""]);
    let others = admin.get("/invitations?status=failed&q=").await.is(200).body;
    assert_shows(&others, &["Nothing matches", "Clear the filters"]);
    let _ = admin.get("/invitations?status=nonsense").await.is(422);
}

#[tokio::test]
async fn a_refused_form_keeps_what_was_typed_and_says_what_is_wrong() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let fields = [
        ("email", "ada"),
        ("name", "Ada \u{202e}"),
        ("role", "operator"),
        ("return_to", "https://evil.example/"),
        ("expires_in_minutes", "1440"),
        ("metadata", "{\"a\": }"),
    ];
    let body = admin.form("/invitations", &fields).await.is(422).body;
    for field in ["email", "name", "return_to", "metadata"] {
        assert_shows(&body, &[&format!("id=\"{field}-error\"")]);
    }
    assert!(!body.contains("id=\"role-error\"") && body.contains("role=\"alert\""), "{body}");
    assert_shows(
        &body,
        &[
            "value=\"ada\"",
            "value=\"Ada \u{202e}\"",
            "<option value=\"operator\" selected>",
            "value=\"https://evil.example/\"",
            "<option value=\"1440\" selected>",
            "{&#34;a&#34;: }</textarea>",
            "The metadata is not valid JSON",
        ],
    );
    assert_eq!(guestlist.api().get("/v1/invitations").await.items(), Vec::<Value>::new());

    let _ = guestlist.member(ADA).await;
    let open = guestlist.invite("bob@example.com").await;
    for (email, link) in [
        (ADA, format!("/users/{}", id(&guestlist.user(ADA).await))),
        ("bob@example.com", page_of(&open)),
    ] {
        let body = admin.form("/invitations", &[("email", email)]).await.is(409).body;
        assert_shows(&body, &["role=\"alert\"", &format!("href=\"{link}\""), "already"]);
    }
}

#[tokio::test]
async fn a_person_is_invited_with_all_options() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let fields = [
        ("email", ADA),
        ("name", "Ada <b>Lovelace</b>"),
        ("role", "operator"),
        ("return_to", "/welcome"),
        ("expires_in_minutes", "60"),
        ("metadata", "{\"html\": \"<script>alert(1)</script>\"}"),
    ];
    let response = admin.form("/invitations", &fields).await;
    let invitation = newest(&guestlist).await;
    assert_redirect(&response, &page_of(&invitation));
    assert_eq!(invitation["invited_by"]["name"], guestlist.admin_email);
    assert_eq!(
        (&invitation["role"], &invitation["return_to"]),
        (&json!("operator"), &json!("/welcome"))
    );
    let body = admin.get(&page_of(&invitation)).await.is(200).body;
    assert_shows(&body, &["Ada &#60;b&#62;Lovelace", "/welcome", "operator", "&#60;script&#62;"]);
    assert!(!body.contains("<b>Lovelace") && !body.contains("<script>alert"), "{body}");

    let again = format!("/invitations/new?again={}", id(&invitation));
    let form = admin.get(&again).await.is(200).body;
    assert_shows(
        &form,
        &[ADA, "value=\"/welcome\"", "<option value=\"60\" selected>", "&#34;html"],
    );
    let typed = admin.get("/invitations/new?email=bob%40example.com&back=%2F").await.is(200).body;
    assert_shows(&typed, &["value=\"bob@example.com\""]);
}

#[tokio::test]
async fn pasted_addresses_are_invited_each_with_its_verdict() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut admin = guestlist.admin().await;
        let _ = guestlist.member(ADA).await;
        let _ = guestlist.invite("open@example.com").await;
        let many: Vec<_> = (0..40).map(|n| format!("guest{n}@example.com")).collect();
        let pasted = format!(
            "\"Hopper, Grace\" <grace@example.com>,\n\n{ADA}\nopen@example.com\nGRACE@example.com\n\
             <i>x</i>\n{}",
            many.join("\r\n")
        );
        let body = admin.form("/invitations/many", &[("addresses", &pasted)]).await.is(200).body;
        assert_shows(&body, &["41 of 45 invited", "Already a member", "Already invited"]);
        assert_shows(&body, &["Twice in the list", "Invalid", "&#60;i&#62;x"]);
        let left = body.split_once("required>\n").unwrap().1.split_once("</textarea>").unwrap().0;
        let left: Vec<_> = left.lines().collect();
        assert_eq!(
            left,
            [ADA, "open@example.com", "GRACE@example.com", "&#60;i&#62;x&#60;/i&#62;"]
        );
        let grace = guestlist.user("grace@example.com").await;
        assert_eq!(grace["name"], "Hopper, Grace");
        guestlist.wait_for_jobs().await;
        let counts = guestlist.api().get("/v1/invitations/counts").await.is(200).json();
        assert_eq!(counts["sent"], json!({ "count": 42, "capped": false }), "{counts}");
        assert_eq!(counts["accepted"]["count"], 1, "{counts}");
        assert_eq!(counts["held"], json!({ "count": 0, "capped": false }), "{counts}");
    })
    .await;
}

#[tokio::test]
async fn too_many_pasted_addresses_are_refused_and_kept() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let lines: Vec<_> = (0..201).map(|n| format!("guest{n}@example.com")).collect();
    let pasted = lines.join("\n");
    let body = admin.form("/invitations/many", &[("addresses", &pasted)]).await.is(422).body;
    assert_shows(&body, &["These are 201 addresses", "guest200@example.com</textarea>"]);
    assert_eq!(guestlist.api().get("/v1/invitations").await.items(), Vec::<Value>::new());
    let empty = admin.form("/invitations/many", &[("addresses", " \n")]).await.is(422).body;
    assert_shows(&empty, &["Paste at least one address"]);
}

#[tokio::test]
async fn a_revocation_is_confirmed_and_named_in_the_story() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let (invitation, _) = guestlist.invite_and_mail(ADA).await;
    let page = page_of(&invitation);
    let revoke = format!("{page}/revoke");
    assert_shows(&admin.get(&page).await.is(200).body, &[&format!("href=\"{revoke}\"")]);
    let confirm = admin.get(&revoke).await.is(200).body;
    assert_shows(&confirm, &["What will happen", &format!("action=\"{revoke}\"")]);
    assert_redirect(&admin.form(&revoke, &[]).await, &page);
    assert_eq!(guestlist.invitation(id(&invitation)).await["status"], "revoked");
    let body = admin.get(&page).await.is(200).body;
    assert_shows(&body, &["<bdi>admin@example.com</bdi> revoked the invitation", "?again="]);
    assert!(!body.contains("Resend") && !body.contains("Revoke…"), "{body}");
    let list = admin.get("/invitations?status=revoked").await.is(200).body;
    assert_shows(&list, &["by <bdi>admin@example.com</bdi>"]);
    assert_redirect(&admin.get(&revoke).await, &page);

    let ada = guestlist.member("bob@example.com").await;
    drop(ada);
    let accepted = page_of(&newest(&guestlist).await);
    let refused = admin.form(&format!("{accepted}/revoke"), &[]).await.is(409).body;
    assert_shows(&refused, &["role=\"alert\"", "Nothing to do"]);
}

#[tokio::test]
async fn a_refused_address_can_be_corrected() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let fault = json!({
        "status": 400, "error_type": "invalid_email", "times": 1,
        "path": "/v1/magic_links/email/invite",
    });
    guestlist.sandbox().set_faults(&fault).await;
    let fields =
        [("email", "ada@exmaple.com"), ("name", "Ada"), ("metadata", "{\"team\":\"<b>\"}")];
    let _ = admin.form("/invitations", &fields).await.is(303);
    let failed = guestlist.wait_for_status(id(&newest(&guestlist).await), "failed").await;
    let list = admin.get("/invitations").await.is(200).body;
    assert_shows(&list, &["Stytch refused the address", "invalid_email", "Correct"]);
    let body = admin.get(&page_of(&failed)).await.is(200).body;
    assert_shows(&body, &["Correct the address", "Attempt 1: failed for good", "invalid_email"]);
    assert_shows(&body, &["value=\"{&#34;team&#34;:&#34;&#60;b&#62;&#34;}\"", "request-id-"]);

    let fields = [("email", ADA), ("name", "Ada"), ("role", "member")];
    let _ = admin.form("/invitations", &fields).await.is(303);
    let corrected = newest(&guestlist).await;
    assert_eq!((&corrected["email"], &corrected["name"]), (&json!(ADA), &json!("Ada")));
}

#[tokio::test]
async fn the_story_tells_of_a_lost_answer_and_of_who_opened_the_link() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let path = "/v1/magic_links/email/invite";
    let fault =
        json!({ "status": 500, "error_type": "internal_server_error", "times": 1, "path": path });
    guestlist.sandbox().set_faults(&fault).await;
    let (invitation, mail) = guestlist.invite_and_mail(ADA).await;
    let _ = guestlist.anonymous().get(mail.path()).await.is(200);
    let page = page_of(&invitation);
    let body = admin.get(&page).await.is(200).body;
    assert_shows(&body, &["Attempt 1: failed", "internal_server_error", "Attempt 2: sent"]);
    assert_shows(&body, &["Opened, probably by a mail scanner", "faster than people read mail"]);
    assert_shows(&body, &["Stytch request ID", "<code>request-id-", "2 of 20", "/ops/jobs/"]);
    assert_shows(&admin.get("/invitations").await.is(200).body, &["probably by a mail scanner"]);

    let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    let earlier = "UPDATE invitations SET sent_at = sent_at - 60000000";
    assert_eq!(guestlist.database().execute(earlier).await, 1);
    for _ in 0..2 {
        let reader = guestlist.anonymous().with("user-agent", browser);
        let _ = reader.get(mail.path()).await.is(200);
    }
    let events = guestlist.events(id(&invitation)).await;
    let visits = events.iter().filter(|event| event["kind"] == "visited");
    let by: Vec<_> = visits.map(|visit| visit["detail"]["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["scanner", "browser"]);
    assert_shows(&admin.get("/invitations").await.is(200).body, &["opened <time"]);
    assert_shows(&admin.get(&page).await.is(200).body, &["The link was opened <time"]);
}

#[tokio::test]
async fn a_held_invitation_says_what_holds_it_and_is_counted() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let _ = guestlist.api().post("/v1/queues/invitation/pause", &json!({})).await.is(200);
    let invitation = guestlist.invite(ADA).await;
    let held = wait_until(std::time::Duration::from_secs(10), "it is held", async || {
        let counts = guestlist.api().get("/v1/invitations/counts").await.is(200).json();
        (counts["held"]["count"] == 1).then_some(counts)
    })
    .await;
    assert_eq!(held["queued"]["count"], 1, "{held}");
    let list = admin.get("/invitations").await.is(200).body;
    assert_shows(&list, &["Held", "The queue is paused", "1, 1 held"]);
    let body = admin.get(&page_of(&invitation)).await.is(200).body;
    assert_shows(&body, &["Waiting until the queue is resumed", "href=\"/ops\""]);
}

#[tokio::test]
async fn older_invitations_are_on_further_pages_and_only_the_newest_is_resent() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let first = guestlist.invite(ADA).await;
    guestlist.revoke(&first).await;
    guestlist.invite_many(51).await;
    let older = admin.get("/invitations").await.is(200).body;
    let older = older.split_once("href=\"/invitations?cursor=").unwrap().1;
    let older = format!("/invitations?cursor={}", older.split_once('"').unwrap().0);
    let body = admin.get(&older).await.is(200).body;
    assert_shows(&body, &[ADA, "First page"]);
    assert!(!body.contains(">Older<"), "{body}");

    let second = guestlist.invite(ADA).await;
    let body = admin.get(&page_of(&first)).await.is(200).body;
    assert_shows(&body, &["A newer invitation has replaced", &page_of(&second)]);
    assert!(!body.contains(">Resend"), "{body}");
}

async fn assert_forbidden(visitor: &mut Visitor) {
    let page = format!("/invitations/{UNKNOWN_ID}");
    for path in ["/invitations", "/invitations/new", &page, &format!("{page}/revoke")] {
        visitor.get(path).await.page_or_problem(403, "forbidden");
    }
    for path in ["/invitations", "/invitations/many", &format!("{page}/revoke")] {
        let _ = visitor.form(path, &[("email", "bob@example.com")]).await.is(403);
    }
}

#[tokio::test]
async fn only_administrators_open_the_pages_of_invitations() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for role in ["member", "operator"] {
        let email = format!("{role}@example.com");
        let _ = guestlist.add_user(&email, role).await;
        assert_forbidden(&mut guestlist.log_in(&email).await).await;
    }
    let anonymous = guestlist.browser().get("/invitations?status=sent").await;
    assert_redirect(&anonymous, "/login?return_to=%2Finvitations%3Fstatus%3Dsent");
    let mut admin = guestlist.admin().await;
    for path in [format!("/invitations/{UNKNOWN_ID}"), "/invitations/x".to_owned()] {
        let _ = admin.get(&path).await.is(404);
        let _ = admin.form(&format!("{path}/resend"), &[]).await.is(404);
        let _ = admin.form(&format!("{path}/revoke"), &[]).await.is(404);
    }
    let foreign = admin.caller().with("sec-fetch-site", "cross-site");
    for path in ["/invitations", "/invitations/many"] {
        let refused = foreign.form(path, &[("email", ADA)]).await.is(403);
        assert!(refused.body.contains("data-code=\"cross_origin\""), "{}", refused.body);
    }
}
