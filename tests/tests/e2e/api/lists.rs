//! Paging and filters of lists.

use std::collections::BTreeSet;

use guestlist_tests::{Guestlist, on_every_engine, user_path};
use serde_json::{Value, json};

/// Returns a text field of each item.
fn texts(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_contain_every_row_once_newest_first() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let api = guestlist.api();
        for n in 0..7 {
            let _ = guestlist.invite(&format!("guest{n}@example.com")).await;
        }
        for path in ["/v1/users", "/v1/invitations"] {
            let paged = api.pages(path, "limit=3").await;
            assert_eq!(paged.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1], "{path}");
            let emails = texts(&paged.concat(), "email");
            let expected: Vec<_> = (0..7).rev().map(|n| format!("guest{n}@example.com")).collect();
            assert_eq!(emails, expected, "{path}");
            // A last page that is exactly full has no cursor.
            assert_eq!(api.pages(path, "limit=7").await.len(), 1, "{path}");
            let all = api.get(path).await.is(200).json();
            assert_eq!(all["items"].as_array().unwrap().len(), 7);
            assert_eq!(all["next_cursor"], Value::Null);
        }
    })
    .await;
}

#[tokio::test]
async fn new_and_removed_rows_do_not_shift_later_pages() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let api = guestlist.api();
        for n in 0..6 {
            let body = json!({ "email": format!("user{n}@example.com") });
            let _ = api.post("/v1/users", &body).await.is(201);
        }
        let first = api.get("/v1/users?limit=2").await.is(200).json();
        let _ = api.post("/v1/users", &json!({ "email": "late@example.com" })).await.is(201);
        let gone = &first["items"][1];
        let _ = api.delete(&user_path(gone)).await.is(202);
        guestlist.wait_for_jobs().await;
        let cursor = first["next_cursor"].as_str().unwrap();
        let next = api.get(&format!("/v1/users?limit=2&cursor={cursor}")).await.is(200).json();
        let emails = texts(next["items"].as_array().unwrap(), "email");
        assert_eq!(emails, ["user3@example.com", "user2@example.com"]);
    })
    .await;
}

#[tokio::test]
async fn filters_return_only_matching_rows() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let api = guestlist.api();
        for (email, name, role) in [
            ("ada@example.com", "Ada Lovelace", "admin"),
            ("bob@example.com", "Ödön Bob", "operator"),
            ("cy@example.org", "Cy", "member"),
        ] {
            let body = json!({ "email": email, "name": name, "role": role });
            let _ = api.post("/v1/users", &body).await.is(201);
        }
        let revoked = guestlist.invite("dan@example.com").await;
        guestlist.revoke(&revoked).await;
        let (_, mail) = guestlist.invite_and_mail("eve@example.com").await;
        let _ = guestlist.redeem_link(&mail.token).await;
        let _ = guestlist.invite_and_mail("fay@example.com").await;
        for (path, expected) in [
            ("/v1/users?role=admin", vec!["ada@example.com"]),
            ("/v1/users?status=invited", vec!["dan@example.com", "fay@example.com"]),
            ("/v1/users?q=ada", vec!["ada@example.com"]),
            ("/v1/users?q=ADA%40", vec!["ada@example.com"]),
            ("/v1/users?q=%C3%B6d", vec!["bob@example.com"]),
            ("/v1/users?q=cy&role=member", vec!["cy@example.org"]),
            ("/v1/users?q=cy&role=admin", vec![]),
            ("/v1/invitations?status=revoked", vec!["dan@example.com"]),
            ("/v1/invitations?status=accepted", vec!["eve@example.com"]),
            ("/v1/invitations?status=sent&q=fay", vec!["fay@example.com"]),
            ("/v1/invitations?status=expired", vec![]),
        ] {
            let found = api.get(path).await.is(200).json();
            let found = texts(found["items"].as_array().unwrap(), "email");
            let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
            assert_eq!(found, expected.into_iter().collect(), "{path}");
        }
    })
    .await;
}
