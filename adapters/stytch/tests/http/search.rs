//! Batched searches for identities.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures::{future::join_all, poll};
use guestlist_domain::{
    Email, Identity, IdentityProvider, ProviderError,
    ProviderErrorKind::{RateLimited, Unavailable},
};
use guestlist_stytch::StytchProvider;
use serde_json::{Value, json};

use crate::{
    requests::ada,
    sandbox::TestSandbox,
    stub_server::{ReceivedRequest, StubServer, json_response},
};

const SEARCH: &str = "POST /v1/users/search";

type Found = Result<Option<Identity>, ProviderError>;

fn addresses(count: usize) -> Vec<Email> {
    (0..count).map(|n| Email::parse(&format!("user{n}@example.com")).unwrap()).collect()
}

async fn find_all(provider: &StytchProvider, emails: &[Email]) -> Vec<Found> {
    join_all(emails.iter().map(|email| provider.find_user(email))).await
}

/// Creates a user and returns the identity to be found.
async fn create_user(sandbox: &TestSandbox, email: &Email) -> Identity {
    let created = sandbox.post("users", &json!({"email": email})).await;
    Identity {
        provider_user_id: created["user_id"].as_str().unwrap().to_owned(),
        created_at: Some(created["user"]["created_at"].as_str().unwrap().parse().unwrap()),
    }
}

#[tokio::test]
async fn concurrent_requests_share_searches_and_get_their_own_results() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let emails = addresses(200);
    let mut known = HashMap::new();
    for email in emails.iter().step_by(2) {
        known.insert(email, create_user(&sandbox, email).await);
    }
    let found = find_all(&sandbox.provider, &emails).await;
    for (email, found) in emails.iter().zip(found) {
        assert_eq!(found.unwrap().as_ref(), known.get(email));
    }
    assert_eq!(sandbox.request_counts(SEARCH).await, json!({"200": 2}));
}

#[tokio::test]
async fn searches_are_throttled() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let start = Instant::now();
    for found in find_all(&sandbox.provider, &addresses(150)).await {
        assert_eq!(found.unwrap(), None);
    }
    sandbox.provider.find_user(&ada()).await.unwrap();
    assert_eq!(sandbox.request_counts(SEARCH).await, json!({"200": 3}));
    assert!(start.elapsed() >= Duration::from_millis(2 * 400));
}

#[tokio::test]
async fn a_failed_search_fails_all_its_requests_and_no_later_ones() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let fault = json!({"status": 429, "retry_after_seconds": 3, "times": 1});
    sandbox.put("faults", &fault).await;
    let found = find_all(&sandbox.provider, &addresses(50)).await;
    let errors: Vec<_> = found.into_iter().map(Result::unwrap_err).collect();
    for error in &errors {
        assert_eq!(error.kind, RateLimited(Some(Duration::from_secs(3))));
        assert_eq!(error.code, "too_many_requests");
        assert!(error.request_id.is_some());
        assert_eq!(error.request_id, errors[0].request_id);
    }
    assert_eq!(sandbox.provider.find_user(&ada()).await.unwrap(), None);
    assert_eq!(sandbox.request_counts(SEARCH).await, json!({"200": 1, "429": 1}));
}

#[tokio::test]
async fn cancelling_the_first_request_does_not_affect_others() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let emails = addresses(20);
    let last = create_user(&sandbox, &emails[19]).await;
    {
        let mut first = sandbox.provider.find_user(&emails[0]);
        assert!(poll!(&mut first).is_pending());
    }
    let found = find_all(&sandbox.provider, &emails[1..]).await;
    let found: Vec<_> = found.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(found, [last]);
    assert_eq!(sandbox.request_counts(SEARCH).await, json!({"200": 1}));
}

#[tokio::test]
async fn a_user_is_found_by_each_of_their_addresses() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let emails = addresses(3);
    let identity = create_user(&sandbox, &emails[0]).await;
    let further = json!({"email": emails[1], "user_id": identity.provider_user_id});
    sandbox.post("magic_links/email/send", &further).await;
    let found = find_all(&sandbox.provider, &emails).await;
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, [Some(identity.clone()), Some(identity), None]);
}

/// Returns a user in the form of search results.
fn user(id: &str, address: &str) -> Value {
    json!({
        "user_id": id, "created_at": "2026-11-23T10:00:00.123456789Z",
        "emails": [{"email_id": "email-test-1", "email": address, "verified": true}],
    })
}

fn page(users: &[Value], next_cursor: &Value) -> Value {
    json!({"results": users, "results_metadata": {"total": -1, "next_cursor": next_cursor}})
}

#[tokio::test]
async fn a_user_is_found_by_the_whole_address_in_any_case() {
    let body = page(&[user("user-test-1", "ADA@Example.com")], &Value::Null);
    let server = StubServer::always(json_response(200, &body)).await;
    let provider = server.provider();
    let other = Email::parse("other@example.com").unwrap();
    // The address that occurs twice is searched for once.
    let found = find_all(&provider, &[ada(), other, ada()]).await;
    let identity = Some(Identity {
        provider_user_id: "user-test-1".to_owned(),
        created_at: Some("2026-11-23T10:00:00.123456Z".parse().unwrap()),
    });
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, [identity.clone(), None, identity]);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, SEARCH);
    let addresses = ["ada@example.com", "other@example.com"];
    let operand = json!({"filter_name": "email_address", "filter_value": addresses});
    assert_eq!(
        requests[0].body,
        json!({"limit": 1000, "query": {"operator": "AND", "operands": [operand]}})
    );
}

#[tokio::test]
async fn an_invalid_creation_time_is_ignored() {
    for unexpected in [json!(null), json!(7), json!("yesterday"), json!({}), json!("2026-11-23")] {
        let mut found_user = user("user-test-1", "ada@example.com");
        found_user["created_at"] = unexpected;
        let body = json!({"results": [found_user], "results_metadata": "none"});
        let server = StubServer::always(json_response(200, &body)).await;
        let found = server.provider().find_user(&ada()).await.unwrap();
        assert_eq!(
            found,
            Some(Identity { provider_user_id: "user-test-1".into(), created_at: None })
        );
    }
}

#[tokio::test]
async fn an_invalid_response_is_an_error_and_not_an_absent_user() {
    let nameless = json!({"results": [{"emails": []}]});
    for unreadable in [json!({}), json!({"results": null}), nameless] {
        let server = StubServer::always(json_response(200, &unreadable)).await;
        let error = server.provider().find_user(&ada()).await.unwrap_err();
        assert_eq!(error.code, "invalid_response", "{unreadable}");
    }
}

#[tokio::test]
async fn a_search_reads_all_pages_until_every_address_is_found() {
    let server =
        StubServer::start(|request: &ReceivedRequest| match request.body["cursor"].as_str() {
            None => {
                json_response(200, &page(&[user("user-test-1", "ada@example.com")], &json!("two")))
            }
            Some("two") => json_response(200, &page(&[], &json!("three"))),
            Some(_) => {
                json_response(200, &page(&[user("user-test-2", "bob@example.com")], &json!("")))
            }
        })
        .await;
    let (provider, start) = (server.provider(), Instant::now());
    let [bob, nobody] = ["bob@example.com", "nobody@example.com"].map(|e| Email::parse(e).unwrap());
    let found = find_all(&provider, &[ada(), bob, nobody]).await;
    let found = found.into_iter().map(|found| Some(found.unwrap()?.provider_user_id));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [Some("user-test-1".to_owned()), Some("user-test-2".to_owned()), None]
    );
    assert_eq!(server.requests().len(), 3);
    assert!(start.elapsed() >= Duration::from_millis(2 * 400), "pages are throttled too");
    let query = &server.requests()[0].body["query"];
    assert!(server.requests().iter().all(|request| &request.body["query"] == query));
    // Once all addresses are found, no further page is requested.
    provider.find_user(&ada()).await.unwrap();
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_search_with_endless_pages_is_an_error() {
    let server = StubServer::always(json_response(200, &page(&[], &json!("on")))).await;
    let error = server.provider().find_user(&ada()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Unavailable, "invalid_response"));
    assert_eq!(server.requests().len(), 5);
}
