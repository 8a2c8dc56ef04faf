//! `users.search`

use serde_json::{Value, json};
use stytch::consumer::users::{
    CreateRequest, CreateResponse, Name, SearchRequest, SearchResponse, SearchUsersQuery,
    SearchUsersQueryOperator, User,
};

use super::{Sdk, UNKNOWN_USER, address, assert_refused, json, ok, some};

const DAY: i64 = 24 * 3600;

/// Three users with different values for each filter; b was created one day after a, c two days.
struct Users {
    sdk: Sdk,
    all: [CreateResponse; 3],
}

impl Users {
    async fn create() -> Self {
        let sdk = Sdk::start().await;
        let name = |first, middle: &str, last| {
            let (first_name, last_name) = (some(first), some(last));
            Some(Name { first_name, middle_name: some(middle), last_name })
        };
        let a = sdk.create(CreateRequest {
            email: some("anna@example.com"),
            create_user_as_pending: Some(true),
            name: name("Zoë", "", "Ångström"),
            external_id: some("id-of-a"),
            ..Default::default()
        });
        let a = a.await;
        sdk.advance(DAY).await;
        let b = sdk.create(CreateRequest {
            email: some("bert@example.com"),
            name: name("Grace", "B", "Hopper"),
            ..Default::default()
        });
        let b = b.await;
        sdk.advance(DAY).await;
        let email = some("cleo@example.com");
        let c = sdk.create(CreateRequest { email, ..Default::default() }).await;
        let _ = ok!(sdk.authenticate(sdk.link("cleo@example.com").await));
        Self { sdk, all: [a, b, c] }
    }

    fn names(&self, found: &[User]) -> String {
        let place = |user: &User| self.all.iter().position(|known| known.user_id == user.user_id);
        found.iter().map(|user| ["a", "b", "c"][place(user).unwrap()]).collect()
    }

    fn everyone(&self) -> Value {
        let ids: Vec<_> = self.all.iter().map(|known| known.user_id.as_str()).collect();
        operand("user_id", &json!(ids))
    }

    async fn search(&self, operands: Vec<Value>, limit: Option<u32>) -> SearchResponse {
        ok!(self.sdk.users.search(SearchRequest { limit, ..and(operands) }))
    }

    /// Returns the time some half days after the creation of a.
    fn time(&self, half_days: i64) -> String {
        let made = json(&self.all[0].user)["created_at"].as_str().unwrap().to_owned();
        let time: jiff::Timestamp = made.parse().unwrap();
        (time + jiff::SignedDuration::from_hours(12 * half_days)).to_string()
    }
}

fn operand(name: &str, value: &Value) -> Value {
    json!({"filter_name": name, "filter_value": value})
}

fn and(operands: Vec<Value>) -> SearchRequest {
    let operator = SearchUsersQueryOperator::AND;
    SearchRequest { query: Some(SearchUsersQuery { operator, operands }), ..Default::default() }
}

#[tokio::test]
async fn each_filter_finds_the_matching_users() {
    let people = Users::create().await;
    let [a, _, c] = &people.all;
    let between = json!({"greater_than": people.time(1), "less_than": people.time(3)});
    for (name, value, found) in [
        ("user_id", json!([a.user_id, c.user_id]), "ac"),
        ("user_id", json!(["id-of-a"]), "a"),
        ("user_id", json!([UNKNOWN_USER]), ""),
        ("email_address", json!(["BERT@example.com", "x@example.com"]), "b"),
        ("email_address", json!(["x@example.com"]), ""),
        ("email_id", json!([c.email_id, a.email_id]), "ac"),
        ("email_address_fuzzy", json!("BERT"), "b"),
        ("email_address_fuzzy", json!("example"), "abc"),
        ("full_name_fuzzy", json!("zoë ång"), "a"),
        ("full_name_fuzzy", json!("hopper"), "b"),
        ("status", json!("pending"), "a"),
        ("status", json!("active"), "bc"),
        ("email_verified", json!(true), "c"),
        ("email_verified", json!(false), "ab"),
        ("created_at_greater_than", json!(people.time(1)), "bc"),
        ("created_at_less_than", json!(people.time(1)), "a"),
        ("created_at_between", between, "b"),
        ("password_exists", json!(false), "abc"),
        ("password_exists", json!(true), ""),
        ("phone_number", json!(["+12025550162"]), ""),
        ("phone_id", json!(["phone-number-test-1"]), ""),
        ("phone_number_fuzzy", json!("2025"), ""),
        ("phone_verified", json!(true), ""),
        ("oauth_provider", json!(["google"]), ""),
        ("webauthn_registration_id", json!(["x"]), ""),
        ("webauthn_registration_verified", json!(true), ""),
        ("crypto_wallet_id", json!(["x"]), ""),
        ("crypto_wallet_address", json!(["x"]), ""),
        ("crypto_wallet_verified", json!(true), ""),
        ("totp_id", json!(["x"]), ""),
        ("totp_verified", json!(true), ""),
    ] {
        let response = people.search(vec![operand(name, &value), people.everyone()], None).await;
        assert_eq!(people.names(&response.results), found, "{name} {value}");
        let total = usize::try_from(response.results_metadata.total).unwrap();
        assert_eq!(total, found.len(), "{name} {value}");
        assert_eq!(response.results_metadata.next_cursor, None);
    }
}

#[tokio::test]
async fn operands_are_combined_by_and_or_or() {
    let people = Users::create().await;
    let [a, b, c] = &people.all;
    let only = people.search(vec![operand("user_id", &json!([b.user_id]))], None).await;
    assert_eq!(json(&only.results), json(&[&b.user]));

    let operands = vec![
        operand("user_id", &json!([a.user_id, b.user_id])),
        operand("email_id", &json!([b.email_id, c.email_id])),
    ];
    let all = people.search(operands.clone(), None).await;
    assert_eq!(people.names(&all.results), "b");
    let operator = SearchUsersQueryOperator::OR;
    let query = Some(SearchUsersQuery { operator, operands });
    let any = ok!(people.sdk.users.search(SearchRequest { query, ..Default::default() }));
    assert_eq!(people.names(&any.results), "abc");
}

#[tokio::test]
async fn search_results_are_paged() {
    let people = Users::create().await;
    let first = people.search(vec![people.everyone()], Some(2)).await;
    assert_eq!(people.names(&first.results), "ab");
    assert_eq!(first.results_metadata.total, 3);
    let cursor = first.results_metadata.next_cursor;
    assert!(cursor.is_some());
    let next = SearchRequest { cursor, limit: Some(2), ..and(vec![people.everyone()]) };
    let second = ok!(people.sdk.users.search(next));
    assert_eq!(people.names(&second.results), "c");
    assert_eq!(second.results_metadata.next_cursor, None);
    let exact = people.search(vec![people.everyone()], Some(3)).await;
    assert_eq!(exact.results_metadata.next_cursor, None);
}

#[tokio::test]
async fn a_search_without_a_query_finds_every_user() {
    let people = Users::create().await;
    let response = ok!(people.sdk.users.search(SearchRequest::default()));
    assert_eq!(people.names(&response.results), "abc");
    assert_eq!(people.search(Vec::new(), Some(1000)).await.results.len(), 3);
}

#[tokio::test]
async fn an_invalid_search_is_refused() {
    let sdk = Sdk::start().await;
    let limit = |limit| SearchRequest { limit: Some(limit), ..Default::default() };
    let by = |name, value: Value| and(vec![operand(name, &value)]);
    let nowhere = SearchRequest { cursor: some("nowhere"), ..Default::default() };
    for (request, error_type) in [
        (limit(0), "user_search_invalid_limit"),
        (limit(1001), "user_search_invalid_limit"),
        (nowhere, "user_search_invalid_cursor"),
        (by("shoe_size", json!([43])), "user_search_invalid_filter"),
        (by("email_address", json!(address())), "user_search_invalid_filter"),
        (by("status", json!("asleep")), "user_search_invalid_filter"),
        (by("created_at_greater_than", json!("yesterday")), "user_search_invalid_filter"),
        (by("full_name_fuzzy", json!("ab")), "user_search_invalid_filter"),
    ] {
        assert_refused(sdk.users.search(request).await, 400, error_type);
    }
}
