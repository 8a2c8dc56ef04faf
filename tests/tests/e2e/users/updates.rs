//! Changing users' names, roles and statuses, and searching for users.

use guestlist_tests::{Caller, Engine, Guestlist, id, on_every_engine, user_path};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

const UNKNOWN_USER: &str = "/v1/users/01890000-0000-7000-8000-000000000000";

#[tokio::test]
async fn a_patch_changes_only_the_given_fields() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let body = json!({ "email": "ada@example.com", "name": "A", "metadata": { "a": 1 } });
        let ada = guestlist.api().post("/v1/users", &body).await.is(201).json();
        let mut expected = ada.clone();
        for (field, value) in [
            ("name", json!("Ada Lovelace 🙂")),
            ("metadata", json!({ "team": { "of": ["x", null] } })),
            ("role", json!("operator")),
            ("status", json!("suspended")),
        ] {
            expected[field] = value.clone();
            let changed = guestlist.patch_user(&ada, &json!({ field: value })).await.is(200);
            assert_eq!(changed.json(), expected);
            assert_eq!(guestlist.api().get(&user_path(&ada)).await.is(200).json(), expected);
        }
        let all = json!({ "name": null, "metadata": {}, "role": "member", "status": "active" });
        for field in ["name", "metadata", "role", "status"] {
            expected[field] = all[field].clone();
        }
        for body in [all, json!({})] {
            assert_eq!(guestlist.patch_user(&ada, &body).await.is(200).json(), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn an_invalid_patch_changes_nothing() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let ada = guestlist.add_user("ada@example.com", "member").await;
    for (body, pointers) in [
        (json!({ "name": "x".repeat(201) }), vec!["/name"]),
        (json!({ "name": 7 }), vec!["/name"]),
        (json!({ "role": "owner" }), vec!["/role"]),
        (json!({ "role": null }), vec!["/role"]),
        (json!({ "status": "invited" }), vec!["/status"]),
        (json!({ "status": "deleting" }), vec!["/status"]),
        (json!({ "status": null }), vec!["/status"]),
        (json!({ "metadata": null }), vec!["/metadata"]),
        (json!({ "metadata": [] }), vec!["/metadata"]),
        (json!({ "metadata": { "a": "x".repeat(9000) } }), vec!["/metadata"]),
        (json!({ "name": "a\nb", "status": "x", "role": "" }), vec!["/name", "/role", "/status"]),
        (json!({ "email": "bob@example.com" }), vec!["/email"]),
        (json!({ "name": "Ada", "stytch_user_id": "x" }), vec!["/stytch_user_id"]),
        (json!([]), vec![""]),
    ] {
        let response = guestlist.patch_user(&ada, &body).await;
        let _ = response.problem(422, "invalid_request");
        assert_eq!(response.pointers(), pointers, "{body}: {response:?}");
    }
    let (api, path, json) = (guestlist.api(), user_path(&ada), Some("application/json"));
    let raw = async |kind, body: &str| {
        api.call(Method::PATCH, &path, kind, body.as_bytes().to_vec()).await
    };
    let _ = raw(json, "{").await.problem(400, "malformed_json");
    let _ = raw(Some("text/plain"), "{}").await.problem(415, "unsupported_media_type");
    let _ = raw(json, &"x".repeat(1_100_000)).await.is(413);
    assert_eq!(guestlist.api().get(&path).await.is(200).json(), ada);
    for nobody in ["/v1/users/nonsense", UNKNOWN_USER] {
        let _ = api.patch(nobody, &json!({ "name": "x" })).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn changes_to_an_invited_user_apply_after_acceptance() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (invitation, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let ada = guestlist.user("ada@example.com").await;
        for status in ["active", "suspended"] {
            let refused = guestlist.patch_user(&ada, &json!({ "status": status })).await;
            let _ = refused.problem(409, "user_invited");
        }
        let body = json!({ "name": "Ada", "role": "operator", "metadata": { "a": 1 } });
        let _ = guestlist.patch_user(&ada, &body).await.is(200);
        assert_eq!(guestlist.invitation(id(&invitation)).await["role"], "operator");

        let _ = guestlist.redeem_link(&mail.token).await;

        let ada = guestlist.user("ada@example.com").await;
        assert_eq!(ada["status"], "active");
        for field in ["name", "role", "metadata"] {
            assert_eq!(ada[field], body[field], "{ada}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_user_being_deleted_cannot_be_changed() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.member("ada@example.com").await;
    let ada = guestlist.user("ada@example.com").await;
    guestlist.sandbox().set_faults(&json!({ "down": true })).await;
    let _ = guestlist.api().delete(&user_path(&ada)).await.is(202);
    for body in [json!({ "status": "active" }), json!({ "name": "Ada" })] {
        let _ = guestlist.patch_user(&ada, &body).await.problem(409, "user_deleting");
    }
}

#[tokio::test]
async fn a_restricted_key_cannot_change_roles() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.admin().await;
    let boss = guestlist.add_user("boss@example.com", "admin").await;
    let ada = guestlist.add_user("ada@example.com", "member").await;
    let (_, secret) = guestlist.create_key("writer", &["users:write"]).await;
    let writer = guestlist.anonymous().bearer(&secret);
    for role in ["operator", "admin"] {
        let body = json!({ "role": role });
        let _ = writer.patch(&user_path(&ada), &body).await.problem(403, "role_not_grantable");
        // 403 takes precedence over 404.
        let _ = writer.patch(UNKNOWN_USER, &body).await.problem(403, "role_not_grantable");
    }
    // Removing a role requires the same rights as granting it.
    for body in [json!({ "status": "suspended" }), json!({ "role": "member" })] {
        let _ = writer.patch(&user_path(&boss), &body).await.problem(403, "role_not_grantable");
    }
    let _ = writer.delete(&user_path(&boss)).await.problem(403, "role_not_grantable");
    let sessions = format!("{}/sessions", user_path(&boss));
    let _ = writer.delete(&sessions).await.problem(403, "role_not_grantable");
    let named = writer.patch(&user_path(&boss), &json!({ "name": "Boss" })).await;
    let _ = named.problem(403, "role_not_grantable");
    let _ = writer.patch(&user_path(&ada), &json!({ "status": "suspended" })).await.is(200);
    let _ = writer.delete(&user_path(&ada)).await.is(202);
    let _ = guestlist.patch_user(&boss, &json!({ "role": "member" })).await.is(200);

    let body = json!({ "email": "eve@example.com", "role": "operator" });
    let eve = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
    let (_, secret) = guestlist.create_key("inviter", &["invitations:write"]).await;
    let inviter = guestlist.anonymous().bearer(&secret);
    for act in ["resend", "revoke"] {
        let path = format!("/v1/invitations/{}/{act}", eve["id"].as_str().unwrap());
        let _ = inviter.post_nothing(&path).await.problem(403, "role_not_grantable");
    }
}

#[tokio::test]
async fn the_last_administrator_cannot_be_demoted_suspended_or_removed() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut admin = guestlist.admin().await;
        let me = guestlist.user(&guestlist.admin_email).await;
        for body in [
            json!({ "role": "member" }),
            json!({ "role": "operator" }),
            json!({ "status": "suspended" }),
            json!({ "status": "suspended", "role": "member" }),
        ] {
            let _ = guestlist.patch_user(&me, &body).await.problem(409, "last_admin");
            let mine = admin.api(Method::PATCH, &user_path(&me), Some(&body)).await;
            let _ = mine.problem(409, "last_admin");
        }
        let _ = guestlist.api().delete(&user_path(&me)).await.problem(409, "last_admin");
        let _ = admin.get("/v1/session").await.is(200);
        let _ = guestlist.patch_user(&me, &json!({ "name": "Root" })).await.is(200);
    })
    .await;
}

#[tokio::test]
async fn concurrent_demotions_leave_one_administrator() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        // The configured administrator has not logged in, and does not count as active.
        let mut admins = Vec::new();
        for n in 0..6 {
            admins.push(guestlist.add_user(&format!("admin{n}@example.com"), "admin").await);
        }
        let mut goes = JoinSet::new();
        for (n, admin) in admins.iter().enumerate() {
            let (api, path) = (guestlist.api(), user_path(admin));
            goes.spawn(async move {
                match n % 3 {
                    0 => api.patch(&path, &json!({ "role": "member" })).await,
                    1 => api.patch(&path, &json!({ "status": "suspended" })).await,
                    _ => api.delete(&path).await,
                }
            });
        }
        let answers = goes.join_all().await;
        let refused: Vec<_> = answers.iter().filter(|response| response.status >= 400).collect();
        assert_eq!(refused.len(), 1, "{answers:?}");
        let _ = refused[0].problem(409, "last_admin");
        let left = "SELECT COUNT(*) FROM users WHERE role = 'admin' AND status = 'active'";
        assert_eq!(guestlist.database().integer(left).await, 1);
    })
    .await;
}

/// Returns the local parts of the addresses that a query finds.
async fn found(api: &Caller, query: &str) -> Vec<String> {
    let users = api.get(&format!("/v1/users?{query}")).await.is(200).items();
    let emails = users.iter().map(|user| user["email"].as_str().unwrap());
    emails.map(|email| email.split('@').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn users_are_found_by_prefix_role_and_status() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        for (email, name, role) in [
            ("ada@example.com", "Countess", "member"),
            ("adam@example.com", "", "operator"),
            ("bob@example.com", "Ada's friend", "member"),
        ] {
            let body = json!({ "email": email, "name": name, "role": role });
            let _ = guestlist.api().post("/v1/users", &body).await.is(201);
        }
        let bob = guestlist.user("bob@example.com").await;
        let _ = guestlist.patch_user(&bob, &json!({ "status": "suspended" })).await.is(200);
        let api = guestlist.api();
        assert_eq!(found(&api, "q=AdA").await, ["ada", "adam", "bob"]);
        assert_eq!(found(&api, "q=ada&role=member").await, ["ada", "bob"]);
        assert_eq!(found(&api, "q=ada&role=member&status=active").await, ["ada"]);
        assert_eq!(found(&api, "status=suspended").await, ["bob"]);
        assert_eq!(found(&api, "role=operator").await, ["adam"]);
        assert_eq!(found(&api, "q=zoe").await, Vec::<String>::new());
        let first = api.get("/v1/users?q=ada&limit=2").await.is(200).json();
        let cursor = first["next_cursor"].as_str().unwrap();
        assert_eq!(found(&api, &format!("q=ada&limit=2&cursor={cursor}")).await, ["bob"]);
        let of_another_list = format!("cursor={cursor}");
        for bad in ["role=owner", "status=x", "limit=0", "cursor=x", &of_another_list] {
            let _ = api.get(&format!("/v1/users?{bad}")).await.problem(422, "invalid_request");
        }
        let _ = api.get("/v1/users?nme=x").await.problem(422, "invalid_query");
    })
    .await;
}
