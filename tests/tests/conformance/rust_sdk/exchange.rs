//! `users.exchange_primary_factor`

use stytch::consumer::magic_links_email::SendRequest;
use stytch::consumer::users::{
    CreateRequest, CreateResponse, ExchangePrimaryFactorRequest, GetRequest,
};

use super::{PROJECT_ID, Sdk, UNKNOWN_USER, address, assert_refused, json, ok, some};

fn exchange(user_id: &str, email: &str) -> ExchangePrimaryFactorRequest {
    let (user_id, email_address) = (user_id.to_owned(), some(email));
    ExchangePrimaryFactorRequest { user_id, email_address, ..Default::default() }
}

async fn create_user(sdk: &Sdk) -> CreateResponse {
    sdk.create(CreateRequest::default()).await
}

#[tokio::test]
async fn an_exchanged_address_is_free_again() {
    let sdk = Sdk::start().await;
    let (made, email) = (create_user(&sdk).await, address());
    let response = ok!(sdk.users.exchange_primary_factor(exchange(&made.user_id, &email)));
    assert_eq!((&response.user_id, &response.user.user_id), (&made.user_id, &made.user_id));
    let [known] = response.user.emails.as_slice() else { panic!("one address") };
    assert_eq!(known.email, email);
    assert_ne!(known.email_id, made.email_id);
    let found = ok!(sdk.users.get(GetRequest { user_id: made.user_id.clone() }));
    assert_eq!(json(&found.emails), json(&response.user.emails));
    let first = Some(made.user.emails[0].email.clone());
    let again = ok!(sdk.users.create(CreateRequest { email: first, ..Default::default() }));
    assert_ne!(again.user_id, made.user_id);
    let _ = ok!(sdk.magic_links.email.send(SendRequest { email, ..Default::default() }));
}

#[tokio::test]
async fn a_refused_exchange_changes_nothing() {
    let sdk = Sdk::start().await;
    let (one, other) = (create_user(&sdk).await, create_user(&sdk).await);
    let to = |email: &str| exchange(&one.user_id, email);
    let nothing = ExchangePrimaryFactorRequest { email_address: None, ..to("") };
    let both =
        ExchangePrimaryFactorRequest { phone_number: some("+12025550162"), ..to(&address()) };
    for (request, status, error_type) in [
        (nothing, 400, "invalid_exchange_primary_factor_fields"),
        (both, 400, "invalid_exchange_primary_factor_fields"),
        (to(&other.user.emails[0].email), 400, "duplicate_email"),
        (to("ada"), 400, "invalid_email"),
        (exchange(UNKNOWN_USER, &address()), 404, "user_not_found"),
    ] {
        assert_refused(sdk.users.exchange_primary_factor(request).await, status, error_type);
    }
    let found = ok!(sdk.users.get(GetRequest { user_id: one.user_id.clone() }));
    assert_eq!(json(&found.emails), json(&one.user.emails));

    let wrong_secret = sdk.client_with(PROJECT_ID, "secret-test-of-somebody-else=");
    let response = wrong_secret.users.exchange_primary_factor(to(&address())).await;
    assert_refused(response, 401, "unauthorized_credentials");
}

#[tokio::test]
async fn a_user_with_two_addresses_cannot_exchange_one() {
    let sdk = Sdk::start().await;
    let user_id = sdk.log_in(&address(), 60).await.user_id;
    let email = address();
    let request = SendRequest { email, user_id: Some(user_id.clone()), ..Default::default() };
    let _ = ok!(sdk.magic_links.email.send(request));
    let response = sdk.users.exchange_primary_factor(exchange(&user_id, &address())).await;
    assert_refused(response, 400, "invalid_exchange_primary_factor_user");
}
