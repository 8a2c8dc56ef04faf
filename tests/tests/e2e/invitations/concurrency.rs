//! Concurrent requests to two applications on one database.

use std::collections::BTreeMap;

use guestlist_tests::{
    Caller, Guestlist, LONG, Response, on_every_engine, one_engine_at_a_time, user_path, wait_until,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const CLIENTS: usize = 64;
const SHARED: usize = 8;
const OWN: usize = 4;

#[tokio::test]
async fn concurrent_invitations_of_an_address_create_one_invitation() {
    one_engine_at_a_time(|engine| async move {
        let mut guestlist = Guestlist::split(engine).start().await;
        // Uniqueness must hold across processes.
        let other = guestlist.start_another_app().await;
        let apis = [guestlist.api(), guestlist.api().at(&other)];
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(invite_own_and_shared(apis[client % 2].clone(), client));
        }
        let answers = clients.join_all().await;

        let mut shared: BTreeMap<String, Vec<Response>> = BTreeMap::new();
        for (email, response) in answers.into_iter().flatten() {
            if email.starts_with("shared") {
                shared.entry(email).or_default().push(response);
            } else {
                assert_eq!(response.is(202).json()["email"], email);
            }
        }
        assert_eq!(shared.len(), SHARED);
        for (email, answers) in shared {
            assert_one_created(&email, &answers);
        }
        let users = "SELECT COUNT(*) FROM users WHERE status = 'invited'";
        let all = i64::try_from(CLIENTS * OWN + SHARED).unwrap();
        assert_eq!(guestlist.database().integer(users).await, all);
        wait_until(LONG, "every invitation is sent", async || {
            let sent = "SELECT COUNT(*) FROM invitations WHERE status = 'sent'";
            (guestlist.database().integer(sent).await == all).then_some(())
        })
        .await;
        let mails = guestlist.sandbox().all_emails().await;
        assert_eq!(i64::try_from(mails.len()).unwrap(), all, "one mail each");
    })
    .await;
}

async fn invite_own_and_shared(api: Caller, client: usize) -> Vec<(String, Response)> {
    let mut emails: Vec<_> = (0..OWN).map(|n| format!("own{client}n{n}@example.com")).collect();
    emails.insert(client % OWN, format!("shared{}@example.com", client % SHARED));
    let mut answers = Vec::new();
    for email in emails {
        let response = api.post("/v1/invitations", &json!({ "email": email })).await;
        answers.push((email, response));
    }
    answers
}

fn assert_one_created(email: &str, answers: &[Response]) {
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|response| response.status == 202);
    assert_eq!((won.len(), lost.len()), (1, CLIENTS / SHARED - 1), "{email}");
    let id = won[0].json()["id"].clone();
    for response in lost {
        assert_eq!(response.problem(409, "already_invited")["invitation_id"], id);
    }
}

#[tokio::test]
async fn concurrent_removals_leave_one_administrator() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let other = guestlist.start_another_app().await;
        for round in 0..5 {
            let mut ids = Vec::new();
            for n in 0..2 {
                let body = json!({ "email": format!("r{round}n{n}@example.com"), "role": "admin" });
                ids.push(guestlist.api().post("/v1/users", &body).await.is(201).json());
            }
            remove_others(&guestlist, &ids).await;
            let paths = [&ids[0], &ids[1]].map(|user| user_path(user));
            let (here, there) = (guestlist.api(), guestlist.api().at(&other));
            let (here, there) = tokio::join!(here.delete(&paths[0]), there.delete(&paths[1]));
            let mut statuses = [here.status, there.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [202, 409], "{here:?} {there:?}");
            let refused = if here.status == 409 { here } else { there };
            let _ = refused.problem(409, "last_admin");
        }
    })
    .await;
}

/// Removes every other user, so that these are the last administrators.
async fn remove_others(guestlist: &Guestlist, those: &[Value]) {
    for user in guestlist.users().await {
        if those.iter().all(|one| one["id"] != user["id"]) && user["status"] != "deleting" {
            let path = user_path(&user);
            let _ = guestlist.api().delete(&path).await.is(202);
        }
    }
}
