//! The list of all users, and single users.

use std::time::{Duration, Instant};

use guestlist_domain::{
    IdentityPage, IdentityProvider, Profile, ProfileStatus,
    ProviderErrorKind::{Rejected, Unavailable},
};
use serde_json::{Value, json};

use crate::{
    requests::{ada, invite},
    sandbox::TestSandbox,
    stub_server::{ReceivedRequest, StubServer, error_response, json_response},
};

const SEARCH: &str = "POST /v1/users/search";

/// Returns a user whose only authentication factor is an address.
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

async fn list_all(sandbox: &TestSandbox) -> Vec<Profile> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let IdentityPage { profiles, next } =
            sandbox.provider.identities(cursor.as_deref()).await.unwrap();
        all.extend(profiles);
        if next.is_none() {
            return all;
        }
        cursor = next;
    }
}

#[tokio::test]
async fn every_user_is_listed_once() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let mut made = Vec::new();
    for n in 0..450 {
        let body = json!({
            "email": format!("User{n}@Example.com"), "create_user_as_pending": n % 2 == 0,
        });
        made.push(sandbox.post("users", &body).await["user_id"].as_str().unwrap().to_owned());
    }
    let start = Instant::now();
    let listed = list_all(&sandbox).await;
    let ids: Vec<_> = listed.iter().map(|profile| profile.provider_user_id.clone()).collect();
    assert_eq!(ids, made);
    assert_eq!(sandbox.request_counts(SEARCH).await, json!({"200": 2}));
    assert!(start.elapsed() >= Duration::from_secs(1), "pages are throttled");
    let first = &listed[0];
    assert_eq!(first.emails[0].as_str(), "user0@example.com");
    assert_eq!([first.status, listed[1].status], [ProfileStatus::Pending, ProfileStatus::Active]);
    assert!(!first.has_other_login_methods && first.created_at.is_some());
    assert_eq!(sandbox.provider.identity(&made[1]).await.unwrap().as_ref(), Some(&listed[1]));
}

#[tokio::test]
async fn a_deleted_user_is_not_found() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let id = sandbox.provider.send_invite(&invite()).await.unwrap().provider_user_id;
    let described = sandbox.provider.identity(&id).await.unwrap().unwrap();
    assert_eq!((described.emails, described.status), (vec![ada()], ProfileStatus::Pending));
    sandbox.provider.delete_user(&id).await.unwrap();
    assert_eq!(sandbox.provider.identity(&id).await.unwrap(), None);
    assert_eq!(list_all(&sandbox).await, []);
}

#[tokio::test]
async fn pages_and_searches_are_throttled_together() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let (start, ada) = (Instant::now(), ada());
    let (page, found, more) =
        tokio::join!(sandbox.provider.identities(None), sandbox.provider.find_user(&ada), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            sandbox.provider.identities(None).await
        });
    assert!(page.is_ok() && found.is_ok() && more.is_ok());
    assert_eq!(sandbox.request_counts(SEARCH).await, json!({"200": 3}));
    assert!(start.elapsed() >= Duration::from_secs(1));
    let start = Instant::now();
    sandbox.provider.find_user(&ada).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "a search is throttled after a page");
}

#[tokio::test]
async fn the_list_is_requested_without_a_filter_and_continued_at_its_cursor() {
    let server =
        StubServer::start(|request: &ReceivedRequest| match request.body["cursor"].as_str() {
            None => {
                json_response(200, &page(&[user("user-test-1", "ada@example.com")], &json!("two")))
            }
            Some(_) => json_response(200, &page(&[], &json!(""))),
        })
        .await;
    let provider = server.provider();
    let first = provider.identities(None).await.unwrap();
    let profile = Profile {
        provider_user_id: "user-test-1".to_owned(),
        emails: vec![ada()],
        has_other_login_methods: false,
        status: ProfileStatus::Active,
        created_at: Some("2026-11-23T10:00:00.123456Z".parse().unwrap()),
    };
    assert_eq!(first, IdentityPage { profiles: vec![profile], next: Some("two".to_owned()) });
    let second = provider.identities(Some("two")).await.unwrap();
    assert_eq!(second, IdentityPage { profiles: vec![], next: None });
    let bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [json!({"limit": 400}), json!({"limit": 400, "cursor": "two"})]);
}

/// A user who is missing from a list is taken to be deleted.
#[tokio::test]
async fn a_page_that_can_not_be_read_completely_is_an_error() {
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
        let server = StubServer::always(json_response(200, &unreadable)).await;
        let error = server.provider().identities(None).await.unwrap_err();
        assert_eq!(
            (error.kind, error.code.as_str()),
            (Unavailable, "invalid_response"),
            "{unreadable}"
        );
    }
}

#[tokio::test]
async fn only_user_not_found_means_that_a_user_does_not_exist() {
    for (reply, code) in [
        (error_response(404, "route_not_found"), "route_not_found"),
        (json_response(404, &json!({})), "http_404"),
        (error_response(500, "internal_server_error"), "internal_server_error"),
    ] {
        let server = StubServer::always(reply).await;
        let error = server.provider().identity("user-test-1").await.unwrap_err();
        assert_eq!(error.code, code);
    }
    let server = StubServer::always(error_response(404, "user_not_found")).await;
    assert_eq!(server.provider().identity("user-test-1").await.unwrap(), None);
    assert_eq!(server.requests()[0].line, "GET /v1/users/user-test-1");
    for no_id in ["", ".", ".."] {
        let error = server.provider().identity(no_id).await.unwrap_err();
        assert_eq!((error.kind, server.requests().len()), (Rejected, 1));
    }
}

#[tokio::test]
async fn other_authentication_factors_are_reported() {
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
    let server = StubServer::always(json_response(200, &page(&users, &Value::Null))).await;
    let listed = server.provider().identities(None).await.unwrap().profiles;
    let reported: Vec<_> = listed.iter().map(|profile| profile.has_other_login_methods).collect();
    assert_eq!(reported, [false, true, true, true, true, true, true, true, true]);
    assert!(listed.iter().all(|profile| profile.emails == [ada()]));
}

#[tokio::test]
async fn a_rate_limit_of_the_list_delays_its_next_page_and_no_search() {
    let server = StubServer::start(|request: &ReceivedRequest| {
        if request.body["query"].is_null() {
            error_response(429, "too_many_requests")
        } else {
            json_response(200, &page(&[], &Value::Null))
        }
    })
    .await;
    let provider = server.provider();
    provider.identities(None).await.unwrap_err();
    assert_eq!(provider.find_user(&ada()).await.unwrap(), None);
    let next = tokio::time::timeout(Duration::from_millis(1500), provider.identities(None)).await;
    assert!(next.is_err(), "the list is paused");
    assert_eq!(server.requests().len(), 2);
}
