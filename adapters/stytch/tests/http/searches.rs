//! Who is asked for at about the same time is searched for together.

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
    calls::ada,
    road::Road,
    stub::{Asked, Stub, json as says},
};

const SEARCH: &str = "POST /v1/users/search";

type Found = Result<Option<Identity>, ProviderError>;

fn people(count: usize) -> Vec<Email> {
    (0..count).map(|n| Email::parse(&format!("user{n}@example.com")).unwrap()).collect()
}

async fn find_all(provider: &StytchProvider, emails: &[Email]) -> Vec<Found> {
    join_all(emails.iter().map(|email| provider.find_user(email))).await
}

/// Makes a user, and gives them as they should be found.
async fn join(road: &Road, email: &Email) -> Identity {
    let joined = road.call("users", &json!({"email": email})).await;
    Identity {
        provider_user_id: joined["user_id"].as_str().unwrap().to_owned(),
        created_at: Some(joined["user"]["created_at"].as_str().unwrap().parse().unwrap()),
    }
}

#[tokio::test]
async fn many_who_ask_at_once_share_few_searches_and_each_is_answered_right() {
    let road = Road::start(|_| ()).await;
    let asked = people(200);
    let mut known = HashMap::new();
    for email in asked.iter().step_by(2) {
        known.insert(email, join(&road, email).await);
    }
    let found = find_all(&road.provider, &asked).await;
    for (email, found) in asked.iter().zip(found) {
        assert_eq!(found.unwrap().as_ref(), known.get(email));
    }
    assert_eq!(road.calls(SEARCH).await, json!({"200": 2}));
}

#[tokio::test]
async fn searches_keep_their_distance() {
    let road = Road::start(|_| ()).await;
    let start = Instant::now();
    for found in find_all(&road.provider, &people(150)).await {
        assert_eq!(found.unwrap(), None);
    }
    road.provider.find_user(&ada()).await.unwrap();
    assert_eq!(road.calls(SEARCH).await, json!({"200": 3}));
    assert!(start.elapsed() >= Duration::from_millis(2 * 400));
}

#[tokio::test]
async fn a_failure_is_everybody_s_and_the_next_search_is_made() {
    let road = Road::start(|_| ()).await;
    let fault = json!({"status": 429, "retry_after_seconds": 3, "times": 1});
    road.put("faults", &fault).await;
    let found = find_all(&road.provider, &people(50)).await;
    let errors: Vec<_> = found.into_iter().map(Result::unwrap_err).collect();
    for error in &errors {
        assert_eq!(error.kind, RateLimited(Some(Duration::from_secs(3))));
        assert_eq!(error.code, "too_many_requests");
        assert!(error.request_id.is_some());
        assert_eq!(error.request_id, errors[0].request_id);
    }
    assert_eq!(road.provider.find_user(&ada()).await.unwrap(), None);
    assert_eq!(road.calls(SEARCH).await, json!({"200": 1, "429": 1}));
}

#[tokio::test]
async fn who_asked_first_and_left_disturbs_nobody() {
    let road = Road::start(|_| ()).await;
    let asked = people(20);
    let last = join(&road, &asked[19]).await;
    {
        let mut first = road.provider.find_user(&asked[0]);
        assert!(poll!(&mut first).is_pending());
    }
    let found = find_all(&road.provider, &asked[1..]).await;
    let found: Vec<_> = found.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(found, [last]);
    assert_eq!(road.calls(SEARCH).await, json!({"200": 1}));
}

#[tokio::test]
async fn a_user_is_found_by_each_of_their_addresses() {
    let road = Road::start(|_| ()).await;
    let asked = people(3);
    let identity = join(&road, &asked[0]).await;
    let further = json!({"email": asked[1], "user_id": identity.provider_user_id});
    road.call("magic_links/email/send", &further).await;
    let found = find_all(&road.provider, &asked).await;
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, [Some(identity.clone()), Some(identity), None]);
}

/// A user as Stytch tells one.
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
    let answer = page(&[user("user-test-1", "ADA@Example.com")], &Value::Null);
    let stub = Stub::saying(says(200, &answer)).await;
    let provider = stub.provider();
    let dada = Email::parse("dada@example.com").unwrap();
    // Twice the same, which is asked for once.
    let found = find_all(&provider, &[ada(), dada, ada()]).await;
    let identity = Some(Identity {
        provider_user_id: "user-test-1".to_owned(),
        created_at: Some("2026-11-23T10:00:00.123456Z".parse().unwrap()),
    });
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, [identity.clone(), None, identity]);
    let asked = stub.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, SEARCH);
    let addresses = ["ada@example.com", "dada@example.com"];
    let operand = json!({"filter_name": "email_address", "filter_value": addresses});
    assert_eq!(
        asked[0].body,
        json!({"limit": 1000, "query": {"operator": "AND", "operands": [operand]}})
    );
}

#[tokio::test]
async fn since_when_is_told_where_it_can_be_read() {
    for strange in [json!(null), json!(7), json!("yesterday"), json!({}), json!("2026-11-23")] {
        let mut ada_there = user("user-test-1", "ada@example.com");
        ada_there["created_at"] = strange;
        let answer = json!({"results": [ada_there], "results_metadata": "none"});
        let stub = Stub::saying(says(200, &answer)).await;
        let found = stub.provider().find_user(&ada()).await.unwrap();
        assert_eq!(
            found,
            Some(Identity { provider_user_id: "user-test-1".into(), created_at: None })
        );
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_not_nobody() {
    let nameless = json!({"results": [{"emails": []}]});
    for unreadable in [json!({}), json!({"results": null}), nameless] {
        let stub = Stub::saying(says(200, &unreadable)).await;
        let error = stub.provider().find_user(&ada()).await.unwrap_err();
        assert_eq!(error.code, "bad_answer", "{unreadable}");
    }
}

#[tokio::test]
async fn a_search_is_read_to_its_last_page() {
    let stub = Stub::start(|asked: &Asked| match asked.body["cursor"].as_str() {
        None => says(200, &page(&[user("user-test-1", "ada@example.com")], &json!("two"))),
        Some("two") => says(200, &page(&[], &json!("three"))),
        Some(_) => says(200, &page(&[user("user-test-2", "bob@example.com")], &json!(""))),
    })
    .await;
    let (provider, start) = (stub.provider(), Instant::now());
    let [bob, nobody] = ["bob@example.com", "nobody@example.com"].map(|e| Email::parse(e).unwrap());
    let found = find_all(&provider, &[ada(), bob, nobody]).await;
    let found = found.into_iter().map(|found| Some(found.unwrap()?.provider_user_id));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [Some("user-test-1".to_owned()), Some("user-test-2".to_owned()), None]
    );
    assert_eq!(stub.asked().len(), 3);
    assert!(start.elapsed() >= Duration::from_millis(2 * 400), "pages keep their distance too");
    let query = &stub.asked()[0].body["query"];
    assert!(stub.asked().iter().all(|asked| &asked.body["query"] == query));
    // Once all are found, the rest of the pages is not asked for.
    provider.find_user(&ada()).await.unwrap();
    assert_eq!(stub.asked().len(), 4);
}

#[tokio::test]
async fn a_search_without_an_end_is_a_failure() {
    let stub = Stub::saying(says(200, &page(&[], &json!("on")))).await;
    let error = stub.provider().find_user(&ada()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Unavailable, "bad_answer"));
    assert_eq!(stub.asked().len(), 5);
}
