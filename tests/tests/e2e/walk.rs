//! The README's first five minutes.

use guestlist_tests::{Guestlist, Setup, id, on_every_engine};

#[tokio::test]
async fn the_first_five_minutes_work_with_dev() {
    on_every_engine(|engine| walk(Guestlist::dev(engine))).await;
}

#[tokio::test]
async fn the_first_five_minutes_work_with_each_part_a_process_of_its_own() {
    on_every_engine(|engine| walk(Guestlist::split(engine))).await;
}

async fn walk(setup: Setup) {
    let guestlist = setup.start().await;
    let mut admin = match &guestlist.login_url {
        Some(url) => guestlist.press(url.rsplit_once("token=").unwrap().1).await,
        None => guestlist.admin().await,
    };
    assert!(admin.get("/").await.is(200).body.contains("Nobody else is here yet"));
    let invited = admin.form("/users/invite", &[("email", "ada@example.com")]).await.is(303);
    assert_eq!(invited.header("location"), Some("/"));
    assert!(admin.get("/").await.is(200).body.contains("ada@example.com"));

    let mail = guestlist.stytch().mail("ada@example.com", 1).await;
    assert_eq!(mail.kind, "invite");
    let invitations = guestlist.api().get("/v1/invitations").await.is(200).json();
    let invitation = guestlist.wait_for_status(id(&invitations["items"][0]), "sent").await;
    assert_eq!(invitation["invited_by"]["type"], "user");

    let mut ada = guestlist.press(&mail.token).await;
    assert!(ada.get("/").await.is(200).body.contains("ada@example.com"));
    assert_eq!(guestlist.user("ada@example.com").await["status"], "active");
    assert_eq!(guestlist.invitation(id(&invitation)).await["status"], "accepted");
}
