//! The pages of users and of sessions, without scripts.

use guestlist_tests::{Engine, Guestlist, UNKNOWN_ID, Visitor, id};
use serde_json::json;

const ADA: &str = "ada@example.com";
async fn user_page(guestlist: &Guestlist, email: &str) -> String {
    format!("/users/{}", id(&guestlist.user(email).await))
}

/// Asserts that a page has a form with this action.
#[track_caller]
fn assert_form(body: &str, action: &str) {
    assert!(body.contains(&format!("action=\"{action}\"")), "{action}: {body}");
}

#[track_caller]
fn assert_redirect(response: &guestlist_tests::Response, place: &str) {
    assert_eq!((response.status, response.header("location")), (303, Some(place)), "{response:?}");
}

#[tokio::test]
async fn an_administrator_changes_a_role_on_the_users_page() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let body = json!({ "email": ADA, "name": "<Ada>", "metadata": { "team": "<x>" } });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
    let mut ada = guestlist.log_in(ADA).await;
    let page = user_page(&guestlist, ADA).await;
    assert!(admin.get("/").await.is(200).body.contains(&format!("href=\"{page}\"")));

    let body = admin.get(&page).await.is(200).body;
    for words in ["&#60;Ada&#62;", ADA, "team", "Active", "127.0.0.1"] {
        assert!(body.contains(words), "{words}: {body}");
    }
    assert!(!body.contains("<Ada>") && !body.contains("<x>"), "{body}");
    assert_form(&body, &format!("{page}/role"));
    assert_redirect(&admin.form(&format!("{page}/role"), &[("role", "operator")]).await, &page);

    assert_eq!(guestlist.user(ADA).await["role"], "operator");
    assert!(admin.get(&page).await.body.contains("<option value=\"operator\" selected>"));
    let _ = ada.get("/v1/session").await.is(200);
    assert_redirect(&admin.form(&format!("{page}/role"), &[("role", "member")]).await, &page);
    let _ = ada.get("/v1/session").await.is(401);
    let _ = admin.form(&format!("{page}/role"), &[("role", "owner")]).await.is(422);
}

#[tokio::test]
async fn an_administrator_suspends_and_reactivates_a_user() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let mut ada = guestlist.member(ADA).await;
    let page = user_page(&guestlist, ADA).await;
    let (suspend, reactivate) = (format!("{page}/suspend"), format!("{page}/reactivate"));
    assert_form(&admin.get(&page).await.is(200).body, &suspend);
    assert_redirect(&admin.form(&suspend, &[]).await, &page);
    let home = ada.get("/").await;
    assert_redirect(&home, "/login?return_to=%2F&ended=revoked");

    let body = admin.get(&page).await.is(200).body;
    assert_form(&body, &reactivate);
    assert!(body.contains("No active sessions"), "{body}");
    assert_redirect(&admin.form(&reactivate, &[]).await, &page);
    let _ = guestlist.log_in(ADA).await;
}

#[tokio::test]
async fn an_administrator_ends_all_sessions_of_a_user() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let mut ada = guestlist.member(ADA).await;
    let page = user_page(&guestlist, ADA).await;
    let end = format!("{page}/sessions/end");
    assert_form(&admin.get(&page).await.is(200).body, &end);
    assert_redirect(&admin.form(&end, &[]).await, &page);
    let _ = ada.get("/v1/session").await.is(401);
    assert!(!admin.get(&page).await.is(200).body.contains(&end));
}

#[tokio::test]
async fn removal_requires_confirmation() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let _ = guestlist.member(ADA).await;
    let (invitation, _) = guestlist.invite_and_mail("bob@example.com").await;
    assert_eq!(invitation["status"], "sent");
    for email in [ADA, "bob@example.com"] {
        let page = user_page(&guestlist, email).await;
        let remove = format!("{page}/remove");
        let person = admin.get(&page).await.is(200).body;
        assert!(person.contains(&format!("href=\"{remove}\"")), "{person}");
        assert!(!person.contains(&format!("action=\"{remove}\"")), "{person}");
        let asks = admin.get(&remove).await.is(200).body;
        assert_form(&asks, &remove);
        assert!(asks.contains(email) && asks.contains(&format!("href=\"{page}\"")), "{asks}");
        assert!(guestlist.user(email).await["status"] != "deleting");
        assert_redirect(&admin.form(&remove, &[]).await, "/");
    }
}

#[tokio::test]
async fn the_last_administrator_cannot_lock_themselves_out() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let page = user_page(&guestlist, &guestlist.admin_email).await;
    let body = admin.get(&page).await.is(200).body;
    assert!(
        body.contains("This is your account")
            && !body.contains("<form method=\"post\" action=\"/users")
    );
    // A forged form is refused.
    for (act, fields) in
        [("role", vec![("role", "member")]), ("suspend", vec![]), ("remove", vec![])]
    {
        let refused = admin.form(&format!("{page}/{act}"), &fields).await.is(409);
        assert!(refused.body.contains("last active administrator"), "{}", refused.body);
    }
    let _ = admin.get("/v1/session").await.is(200);
}

#[tokio::test]
async fn a_member_lists_and_ends_their_own_sessions() {
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
    assert_eq!(list.matches("This device").count(), 1, "{list}");

    let session = second.get("/v1/session").await.json()["session"].clone();
    assert_redirect(&ada.form(&format!("/sessions/{}/end", id(&session)), &[]).await, "/sessions");
    let _ = second.get("/v1/session").await.is(401);
    let _ = third.get("/v1/session").await.is(200);
    assert_form(&list, "/sessions/end-others");
    assert_redirect(&ada.form("/sessions/end-others", &[]).await, "/sessions");
    let _ = third.get("/v1/session").await.is(401);
    let list = ada.get("/sessions").await.is(200).body;
    assert!(!list.contains("end-others"), "{list}");

    let session = ada.get("/v1/session").await.json()["session"].clone();
    let left = ada.form(&format!("/sessions/{}/end", id(&session)), &[]).await;
    assert_redirect(&left, "/login?ended=left");
    assert!(left.clears_cookies(), "{left:?}");
}

/// The actions of an administrator on a user's page.
const ADMINS: [&str; 5] = ["role", "suspend", "reactivate", "sessions/end", "remove"];

async fn assert_forbidden(visitor: &mut Visitor) {
    for act in ADMINS {
        let path = format!("/users/{UNKNOWN_ID}/{act}");
        let refused = visitor.form(&path, &[("role", "admin")]).await.is(403);
        assert!(refused.body.contains("data-code=\"forbidden\""), "{}", refused.body);
    }
    for path in
        [format!("/users/{UNKNOWN_ID}"), format!("/users/{UNKNOWN_ID}/remove"), "/audit".into()]
    {
        visitor.get(&path).await.page_or_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn user_pages_require_an_administrator_and_redirect_anonymous_callers() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for role in ["member", "operator"] {
        let email = format!("{role}@example.com");
        let _ = guestlist.add_user(&email, role).await;
        assert_forbidden(&mut guestlist.log_in(&email).await).await;
    }
    for path in [&format!("/users/{UNKNOWN_ID}"), "/sessions", "/audit?user=x&kind=sent"] {
        let anonymous = guestlist.browser().get(path).await;
        let place = path.replace('/', "%2F").replace('?', "%3F");
        let place = place.replace('=', "%3D").replace('&', "%26");
        assert_redirect(&anonymous, &format!("/login?return_to={place}"));
    }
    for act in ADMINS {
        let path = format!("/users/{UNKNOWN_ID}/{act}");
        let _ = guestlist.browser().form(&path, &[]).await.is(401);
    }
    let mut admin = guestlist.admin().await;
    for path in
        [format!("/users/{UNKNOWN_ID}"), format!("/users/{UNKNOWN_ID}/remove"), "/users/x".into()]
    {
        let _ = admin.get(&path).await.is(404);
    }
    let _ = admin.form("/sessions/x/end", &[]).await.is(404);
    // A cross-origin page may link to pages, and may not submit forms.
    let foreign = admin.caller().with("sec-fetch-site", "cross-site");
    let _ = foreign.get("/sessions").await.is(200);
    let page = user_page(&guestlist, &guestlist.admin_email).await;
    for path in [format!("{page}/suspend"), "/sessions/end-others".into()] {
        let refused = foreign.form(&path, &[]).await.is(403);
        assert!(refused.body.contains("data-code=\"cross_origin\""), "{}", refused.body);
    }
}

#[tokio::test]
async fn the_invite_form_shows_its_result() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    assert_redirect(&admin.form("/users/invite", &[("email", ADA)]).await, "/");
    let home = admin.get("/").await.is(200).body;
    assert!(home.contains(ADA) && !home.contains("id=\"refusal\""), "{home}");
    for (email, status, says) in [
        (ADA, 409, "open invitation"),
        ("nonsense", 422, "The address"),
        ("admin@example.com", 409, "already"),
    ] {
        let page = admin.form("/users/invite", &[("email", email)]).await.is(status).body;
        let alert = page.split_once("role=\"alert\" id=\"refusal\">").expect("it says why").1;
        assert!(alert.split("</div>").next().unwrap().contains(says), "{email}: {page}");
        assert!(page.contains(&format!("value=\"{email}\"")), "what was typed stays: {page}");
        assert!(page.contains(ADA), "the list stays: {page}");
    }
}
