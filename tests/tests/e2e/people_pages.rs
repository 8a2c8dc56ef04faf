//! The pages of people and of their sessions, as a browser without scripts sees them.

use guestlist_tests::{Engine, Guestlist, Visitor, id};
use serde_json::json;

const ADA: &str = "ada@example.com";
const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

async fn page_of(guestlist: &Guestlist, email: &str) -> String {
    format!("/users/{}", id(&guestlist.user(email).await))
}

/// The one form of a page that leads there.
#[track_caller]
fn offers(body: &str, action: &str) {
    assert!(body.contains(&format!("action=\"{action}\"")), "{action}: {body}");
}

#[track_caller]
fn leads_to(answer: &guestlist_tests::Answer, place: &str) {
    assert_eq!((answer.status, answer.header("location")), (303, Some(place)), "{answer:?}");
}

#[tokio::test]
async fn an_administrator_sees_a_person_and_changes_their_role() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let body = json!({ "email": ADA, "name": "<Ada>", "metadata": { "team": "<x>" } });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
    let mut ada = guestlist.log_in(ADA).await;
    let page = page_of(&guestlist, ADA).await;
    assert!(admin.get("/").await.is(200).body.contains(&format!("href=\"{page}\"")));

    let body = admin.get(&page).await.is(200).body;
    for words in ["&#60;Ada&#62;", ADA, "team", "active", "127.0.0.1"] {
        assert!(body.contains(words), "{words}: {body}");
    }
    assert!(!body.contains("<Ada>") && !body.contains("<x>"), "{body}");
    offers(&body, &format!("{page}/role"));
    leads_to(&admin.form(&format!("{page}/role"), &[("role", "operator")]).await, &page);

    assert_eq!(guestlist.user(ADA).await["role"], "operator");
    assert!(admin.get(&page).await.body.contains("<option value=\"operator\" selected>"));
    let _ = ada.get("/v1/session").await.is(200);
    leads_to(&admin.form(&format!("{page}/role"), &[("role", "member")]).await, &page);
    let _ = ada.get("/v1/session").await.is(401);
    let _ = admin.form(&format!("{page}/role"), &[("role", "owner")]).await.is(422);
}

#[tokio::test]
async fn an_administrator_suspends_somebody_and_lets_them_in_again() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let mut ada = guestlist.member(ADA).await;
    let page = page_of(&guestlist, ADA).await;
    let (suspend, reactivate) = (format!("{page}/suspend"), format!("{page}/reactivate"));
    offers(&admin.get(&page).await.is(200).body, &suspend);
    leads_to(&admin.form(&suspend, &[]).await, &page);
    let home = ada.get("/").await;
    leads_to(&home, "/login?return_to=%2F&ended=revoked");

    let body = admin.get(&page).await.is(200).body;
    offers(&body, &reactivate);
    assert!(body.contains("No active sessions"), "{body}");
    leads_to(&admin.form(&reactivate, &[]).await, &page);
    let _ = guestlist.log_in(ADA).await;
}

#[tokio::test]
async fn an_administrator_ends_all_sessions_of_somebody() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let mut ada = guestlist.member(ADA).await;
    let page = page_of(&guestlist, ADA).await;
    let end = format!("{page}/sessions/end");
    offers(&admin.get(&page).await.is(200).body, &end);
    leads_to(&admin.form(&end, &[]).await, &page);
    let _ = ada.get("/v1/session").await.is(401);
    assert!(!admin.get(&page).await.is(200).body.contains(&end));
}

#[tokio::test]
async fn nobody_is_removed_by_a_single_press() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let _ = guestlist.member(ADA).await;
    let (invitation, _) = guestlist.invite_and_mail("bob@example.com").await;
    assert_eq!(invitation["status"], "sent");
    for email in [ADA, "bob@example.com"] {
        let page = page_of(&guestlist, email).await;
        let remove = format!("{page}/remove");
        let home = admin.get("/").await.is(200).body;
        assert!(home.contains(&format!("href=\"{remove}\"")), "{home}");
        assert!(!home.contains(&format!("action=\"{remove}\"")), "{home}");
        let asks = admin.get(&remove).await.is(200).body;
        offers(&asks, &remove);
        assert!(asks.contains(email) && asks.contains(&format!("href=\"{page}\"")), "{asks}");
        assert!(guestlist.user(email).await["status"] != "deleting");
        leads_to(&admin.form(&remove, &[]).await, "/");
    }
}

#[tokio::test]
async fn administrators_do_not_shut_themselves_out() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let page = page_of(&guestlist, &guestlist.admin_email).await;
    let body = admin.get(&page).await.is(200).body;
    assert!(
        body.contains("This is your account") && !body.contains("<form method=\"post\" action=\"/users")
    );
    // And where they try all the same, somebody must be left.
    for (act, fields) in
        [("role", vec![("role", "member")]), ("suspend", vec![]), ("remove", vec![])]
    {
        let refused = admin.form(&format!("{page}/{act}"), &fields).await.is(409);
        assert!(refused.body.contains("last active administrator"), "{}", refused.body);
    }
    let _ = admin.get("/v1/session").await.is(200);
}

#[tokio::test]
async fn a_member_sees_themselves_and_their_sessions_and_ends_them() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let body = json!({ "email": ADA, "name": "Ada" });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
    let mut ada = guestlist.log_in(ADA).await;
    let home = ada.get("/").await.is(200).body;
    for words in ["Ada", ADA, "member", "href=\"/sessions\""] {
        assert!(home.contains(words), "{words}: {home}");
    }
    let (mut second, mut third) = (guestlist.log_in(ADA).await, guestlist.log_in(ADA).await);
    let list = ada.get("/sessions").await.is(200).body;
    assert_eq!(list.matches("/end\"").count(), 3, "{list}");
    assert_eq!(list.matches("this device").count(), 1, "{list}");

    let session = second.get("/v1/session").await.json()["session"].clone();
    leads_to(&ada.form(&format!("/sessions/{}/end", id(&session)), &[]).await, "/sessions");
    let _ = second.get("/v1/session").await.is(401);
    let _ = third.get("/v1/session").await.is(200);
    offers(&list, "/sessions/end-others");
    leads_to(&ada.form("/sessions/end-others", &[]).await, "/sessions");
    let _ = third.get("/v1/session").await.is(401);
    let list = ada.get("/sessions").await.is(200).body;
    assert!(!list.contains("end-others"), "{list}");

    let session = ada.get("/v1/session").await.json()["session"].clone();
    let left = ada.form(&format!("/sessions/{}/end", id(&session)), &[]).await;
    leads_to(&left, "/login?ended=left");
    assert!(left.clears_cookies(), "{left:?}");
}

/// Every page and form of an administrator about a person, and of everybody about themselves.
const ADMINS: [&str; 5] = ["role", "suspend", "reactivate", "sessions/end", "remove"];

async fn is_refused_to(visitor: &mut Visitor) {
    for act in ADMINS {
        let path = format!("/users/{NOBODY}/{act}");
        let refused = visitor.form(&path, &[("role", "admin")]).await.is(403);
        assert!(refused.body.contains("data-code=\"forbidden\""), "{}", refused.body);
    }
    for path in [format!("/users/{NOBODY}"), format!("/users/{NOBODY}/remove"), "/audit".into()] {
        visitor.get(&path).await.page_or_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn pages_of_people_are_for_administrators_and_lead_strangers_to_the_login() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for role in ["member", "operator"] {
        let email = format!("{role}@example.com");
        let body = json!({ "email": email, "role": role });
        let _ = guestlist.api().post("/v1/users", &body).await.is(201);
        is_refused_to(&mut guestlist.log_in(&email).await).await;
    }
    for path in [&format!("/users/{NOBODY}"), "/sessions", "/audit?user=x&kind=sent"] {
        let stranger = guestlist.browser().get(path).await;
        let place = path.replace('/', "%2F").replace('?', "%3F");
        let place = place.replace('=', "%3D").replace('&', "%26");
        leads_to(&stranger, &format!("/login?return_to={place}"));
    }
    for act in ADMINS {
        let path = format!("/users/{NOBODY}/{act}");
        let _ = guestlist.browser().form(&path, &[]).await.is(401);
    }
    let mut admin = guestlist.admin().await;
    for path in [format!("/users/{NOBODY}"), format!("/users/{NOBODY}/remove"), "/users/x".into()] {
        let _ = admin.get(&path).await.is(404);
    }
    let _ = admin.form("/sessions/x/end", &[]).await.is(404);
    // A page of another origin presses nothing, though its links may be followed.
    let foreign = admin.caller().with("sec-fetch-site", "cross-site");
    let _ = foreign.get("/sessions").await.is(200);
    let page = page_of(&guestlist, &guestlist.admin_email).await;
    for path in [format!("{page}/suspend"), "/sessions/end-others".into()] {
        let refused = foreign.form(&path, &[]).await.is(403);
        assert!(refused.body.contains("data-code=\"cross_origin\""), "{}", refused.body);
    }
}

#[tokio::test]
async fn the_form_to_invite_says_what_became_of_it() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    leads_to(&admin.form("/users/invite", &[("email", ADA)]).await, "/");
    let home = admin.get("/").await.is(200).body;
    assert!(home.contains(ADA) && !home.contains("role=\"alert\""), "{home}");
    for (email, status, says) in [
        (ADA, 409, "open invitation"),
        ("nonsense", 422, "The address"),
        ("admin@example.com", 409, "already"),
    ] {
        let page = admin.form("/users/invite", &[("email", email)]).await.is(status).body;
        let alert = page.split_once("role=\"alert\">").expect("it says why").1;
        assert!(alert.split('<').next().unwrap().contains(says), "{email}: {page}");
        assert!(page.contains(&format!("value=\"{email}\"")), "what was typed stays: {page}");
        assert!(page.contains(ADA), "the list stays: {page}");
    }
}
