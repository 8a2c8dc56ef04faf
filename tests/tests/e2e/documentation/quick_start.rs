//! The quick start of the README, and restarts.

use guestlist_tests::{Engine, Guestlist, Setup, id, on_every_engine};

#[tokio::test]
async fn the_quick_start_works_with_dev() {
    on_every_engine(|engine| quick_start(Guestlist::dev(engine))).await;
}

#[tokio::test]
async fn the_quick_start_works_with_separate_processes() {
    on_every_engine(|engine| quick_start(Guestlist::split(engine))).await;
}

async fn quick_start(setup: Setup) {
    let guestlist = setup.start().await;
    let mut admin = match &guestlist.login_url {
        Some(url) => guestlist.redeem_link(url.rsplit_once("token=").unwrap().1).await,
        None => guestlist.admin().await,
    };
    assert!(admin.get("/").await.is(200).body.contains("Invite the first person"));
    let invited = admin.form("/users/invite", &[("email", "ada@example.com")]).await.is(303);
    assert_eq!(invited.header("location"), Some("/"));
    assert!(admin.get("/").await.is(200).body.contains("ada@example.com"));

    let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
    assert_eq!(mail.kind, "invite");
    let invitations = guestlist.api().get("/v1/invitations").await.is(200).json();
    let invitation = guestlist.wait_for_status(id(&invitations["items"][0]), "sent").await;
    assert_eq!(invitation["invited_by"]["type"], "user");

    let mut ada = guestlist.browser();
    let path = mail.url.split_once("/authenticate").unwrap().1;
    let page = ada.get(&format!("/authenticate{path}")).await.is(200);
    assert!(page.body.contains("type=\"submit\" autofocus>Continue</button>"), "{}", page.body);
    let _ = ada.redeem_link(&mail.token).await.is(303);
    assert!(ada.get("/").await.is(200).body.contains("ada@example.com"));
    assert_eq!(guestlist.user("ada@example.com").await["status"], "active");
    assert_eq!(guestlist.invitation(id(&invitation)).await["status"], "accepted");
    let timeline = guestlist.timeline(id(&invitation)).await;
    assert_eq!(timeline.first().map(String::as_str), Some("requested"));
    assert_eq!(timeline.last().map(String::as_str), Some("accepted"));
    assert!(timeline.iter().any(|kind| kind == "sent"), "{timeline:?}");
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    on_every_engine(|engine| restart(Guestlist::dev(engine))).await;
    on_every_engine(|engine| restart(Guestlist::split(engine))).await;
}

async fn restart(setup: Setup) {
    let mut guestlist = setup.start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    let (_, mail) = guestlist.invite_and_mail("bob@example.com").await;
    let (key, users) = (guestlist.api_key.clone(), guestlist.users().await);

    guestlist.stop().await;
    guestlist.start().await;

    assert_eq!(guestlist.api_key, key);
    let again = guestlist.users().await;
    let who = |users: &[serde_json::Value]| -> Vec<_> {
        users.iter().map(|user| (user["id"].clone(), user["status"].clone())).collect()
    };
    assert_eq!(who(&again), who(&users));
    ada.move_to(&guestlist.url);
    let session = ada.get("/v1/session").await.is(200).json();
    assert_eq!(session["user"]["email"], "ada@example.com");
    // Stytch knows the session too, and issues a new JWT.
    ada.remove_cookie("stytch_session_jwt");
    let refreshed = ada.get("/v1/session").await.is(200);
    assert!(refreshed.set_cookie("stytch_session_jwt").is_some());
    // A link from before the restart still works.
    let _ = guestlist.redeem_link(&mail.token).await;
}

#[tokio::test]
async fn dev_works_after_a_kill_and_a_restart() {
    let mut guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    guestlist.kill_app();
    guestlist.start().await;
    ada.move_to(&guestlist.url);
    let _ = ada.get("/v1/session").await.is(200);
    let _ = guestlist.member("bob@example.com").await;
}
