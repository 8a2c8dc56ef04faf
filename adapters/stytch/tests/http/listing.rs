//! All whom Stytch knows, page by page, and one of them as they are now.

use std::time::{Duration, Instant};

use guestlist_domain::{
    IdentityPage, IdentityProvider, Profile, ProfileStatus,
    ProviderErrorKind::{Rejected, Unavailable},
};
use serde_json::{Value, json};

use crate::{
    calls::{ada, invite},
    road::Road,
    stub::{Asked, Stub, json as says, refusal},
};

const SEARCH: &str = "POST /v1/users/search";

/// As Stytch tells a user, with no way in but one address.
fn user(id: &str, address: &str) -> Value {
    json!({
        "user_id": id, "status": "active", "created_at": "2026-11-23T10:00:00.123456789Z",
        "emails": [{"email_id": "email-test-1", "email": address, "verified": true}],
        "phone_numbers": [], "webauthn_registrations": [], "biometric_registrations": [],
        "providers": [], "totps": [], "crypto_wallets": [], "password": null, "is_locked": false,
    })
}

fn page(users: &[Value], next_cursor: &Value) -> Value {
    json!({"results": users, "results_metadata": {"total": -1, "next_cursor": next_cursor}})
}

async fn everybody(road: &Road) -> Vec<Profile> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let IdentityPage { profiles, next } =
            road.provider.identities(cursor.as_deref()).await.unwrap();
        all.extend(profiles);
        if next.is_none() {
            return all;
        }
        cursor = next;
    }
}

#[tokio::test]
async fn everybody_whom_the_sandbox_knows_is_listed_once() {
    let road = Road::start(|_| ()).await;
    let mut made = Vec::new();
    for n in 0..450 {
        let body = json!({
            "email": format!("User{n}@Example.com"), "create_user_as_pending": n % 2 == 0,
        });
        made.push(road.call("users", &body).await["user_id"].as_str().unwrap().to_owned());
    }
    let start = Instant::now();
    let listed = everybody(&road).await;
    let ids: Vec<_> = listed.iter().map(|profile| profile.provider_user_id.clone()).collect();
    assert_eq!(ids, made);
    assert_eq!(road.calls(SEARCH).await, json!({"200": 2}));
    assert!(start.elapsed() >= Duration::from_secs(1), "pages keep their distance");
    let first = &listed[0];
    assert_eq!(first.emails[0].as_str(), "user0@example.com");
    assert_eq!([first.status, listed[1].status], [ProfileStatus::Pending, ProfileStatus::Active]);
    assert!(!first.has_other_ways_in && first.created_at.is_some());
    assert_eq!(road.provider.identity(&made[1]).await.unwrap().as_ref(), Some(&listed[1]));
}

#[tokio::test]
async fn who_is_deleted_there_is_known_to_be() {
    let road = Road::start(|_| ()).await;
    let id = road.provider.send_invite(&invite()).await.unwrap().provider_user_id;
    let described = road.provider.identity(&id).await.unwrap().unwrap();
    assert_eq!((described.emails, described.status), (vec![ada()], ProfileStatus::Pending));
    road.provider.delete_user(&id).await.unwrap();
    assert_eq!(road.provider.identity(&id).await.unwrap(), None);
    assert_eq!(everybody(&road).await, []);
}

#[tokio::test]
async fn pages_and_searches_keep_their_distance_from_each_other() {
    let road = Road::start(|_| ()).await;
    let (start, ada) = (Instant::now(), ada());
    let (page, found, more) =
        tokio::join!(road.provider.identities(None), road.provider.find_user(&ada), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            road.provider.identities(None).await
        });
    assert!(page.is_ok() && found.is_ok() && more.is_ok());
    assert_eq!(road.calls(SEARCH).await, json!({"200": 3}));
    assert!(start.elapsed() >= Duration::from_secs(1));
    let start = Instant::now();
    road.provider.find_user(&ada).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "a search waits for the page before it");
}

#[tokio::test]
async fn the_list_is_asked_for_without_a_filter_and_goes_on_from_its_cursor() {
    let stub = Stub::start(|asked: &Asked| match asked.body["cursor"].as_str() {
        None => says(200, &page(&[user("user-test-1", "ada@example.com")], &json!("two"))),
        Some(_) => says(200, &page(&[], &json!(""))),
    })
    .await;
    let provider = stub.provider();
    let first = provider.identities(None).await.unwrap();
    let profile = Profile {
        provider_user_id: "user-test-1".to_owned(),
        emails: vec![ada()],
        has_other_ways_in: false,
        status: ProfileStatus::Active,
        created_at: Some("2026-11-23T10:00:00.123456Z".parse().unwrap()),
    };
    assert_eq!(first, IdentityPage { profiles: vec![profile], next: Some("two".to_owned()) });
    let second = provider.identities(Some("two")).await.unwrap();
    assert_eq!(second, IdentityPage { profiles: vec![], next: None });
    let bodies: Vec<_> = stub.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [json!({"limit": 400}), json!({"limit": 400, "cursor": "two"})]);
}

/// Whoever is left out of a list is taken to be gone.
#[tokio::test]
async fn a_page_of_another_shape_is_no_page() {
    let no_address_list = json!({"user_id": "user-test-1"});
    let odd_address = json!({"user_id": "user-test-1", "emails": [{"email": 7}]});
    let no_id = json!({"user_id": "", "emails": []});
    for unreadable in [
        json!({}),
        json!({"results": []}),
        json!({"results": [], "results_metadata": null}),
        json!({"results": [], "results_metadata": {"next_cursor": 7}}),
        page(&[no_address_list], &Value::Null),
        page(&[odd_address], &Value::Null),
        page(&[no_id], &Value::Null),
    ] {
        let stub = Stub::saying(says(200, &unreadable)).await;
        let error = stub.provider().identities(None).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Unavailable, "bad_answer"), "{unreadable}");
    }
}

#[tokio::test]
async fn only_stytch_s_own_word_makes_somebody_unknown() {
    for (reply, code) in [
        (refusal(404, "route_not_found"), "route_not_found"),
        (says(404, &json!({})), "http_404"),
        (refusal(500, "internal_server_error"), "internal_server_error"),
    ] {
        let stub = Stub::saying(reply).await;
        let error = stub.provider().identity("user-test-1").await.unwrap_err();
        assert_eq!(error.code, code);
    }
    let stub = Stub::saying(refusal(404, "user_not_found")).await;
    assert_eq!(stub.provider().identity("user-test-1").await.unwrap(), None);
    assert_eq!(stub.asked()[0].line, "GET /v1/users/user-test-1");
    for no_id in ["", ".", ".."] {
        let error = stub.provider().identity(no_id).await.unwrap_err();
        assert_eq!((error.kind, stub.asked().len()), (Rejected, 1));
    }
}

#[tokio::test]
async fn any_other_way_in_is_told() {
    let changes = [
        json!({"phone_numbers": [{"phone_id": "x"}]}),
        json!({"providers": [{"provider_type": "Google"}]}),
        json!({"webauthn_registrations": [{}]}),
        json!({"biometric_registrations": [{}]}),
        json!({"totps": [{}]}),
        json!({"crypto_wallets": "yes"}),
        json!({"password": {"password_id": "x"}}),
        json!({"emails": [{"email": "ada@example.com"}, {"email": "ädä@example.com"}]}),
    ];
    let mut users = vec![user("user-test-0", "ada@example.com")];
    for change in changes {
        let mut with = user("user-test-1", "ada@example.com");
        with.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        users.push(with);
    }
    let stub = Stub::saying(says(200, &page(&users, &Value::Null))).await;
    let listed = stub.provider().identities(None).await.unwrap().profiles;
    let told: Vec<_> = listed.iter().map(|profile| profile.has_other_ways_in).collect();
    assert_eq!(told, [false, true, true, true, true, true, true, true, true]);
    assert!(listed.iter().all(|profile| profile.emails == [ada()]));
}

#[tokio::test]
async fn after_a_429_the_list_waits_and_searches_do_not() {
    let stub = Stub::start(|asked: &Asked| {
        if asked.body["query"].is_null() {
            refusal(429, "too_many_requests")
        } else {
            says(200, &page(&[], &Value::Null))
        }
    })
    .await;
    let provider = stub.provider();
    provider.identities(None).await.unwrap_err();
    assert_eq!(provider.find_user(&ada()).await.unwrap(), None);
    let next = tokio::time::timeout(Duration::from_millis(1500), provider.identities(None)).await;
    assert!(next.is_err(), "it waits for a new window");
    assert_eq!(stub.asked().len(), 2);
}
