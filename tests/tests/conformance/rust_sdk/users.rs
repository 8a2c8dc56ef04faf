//! `users.create`, `get`, `update`, `delete`, `delete_email` and `delete_external_id`

use serde_json::json;
use stytch::consumer::attribute::Attributes;
use stytch::consumer::magic_links_email::SendRequest;
use stytch::consumer::sessions::{AuthenticateRequest, GetRequest as GetSessions};
use stytch::consumer::users::{
    CreateRequest, DeleteEmailRequest, DeleteExternalIdRequest, DeleteRequest, GetRequest, Name,
    UpdateRequest,
};

use super::{Sdk, UNKNOWN_USER, address, assert_refused, json, ok, some};

fn create() -> CreateRequest {
    CreateRequest { email: Some(address()), ..Default::default() }
}

fn update(user_id: &str) -> UpdateRequest {
    UpdateRequest { user_id: user_id.to_owned(), ..Default::default() }
}

fn get(user_id: &str) -> GetRequest {
    GetRequest { user_id: user_id.to_owned() }
}

fn many() -> serde_json::Value {
    (0..21).map(|n| (format!("k{n}"), json!(n))).collect()
}

#[tokio::test]
async fn a_user_is_created_with_the_given_fields() {
    let sdk = Sdk::start().await;
    let request = CreateRequest {
        name: Some(Name {
            first_name: some("Zoë"), middle_name: None, last_name: some("李 🦀")
        }),
        create_user_as_pending: Some(true),
        trusted_metadata: Some(json!({"team": "blue", "age": 7, "nested": {"x": null}})),
        untrusted_metadata: Some(json!({"shirt": "M"})),
        external_id: some("id.of|ours_1-a"),
        roles: Some(vec!["editor".to_owned()]),
        attributes: Some(Attributes { ip_address: some("203.0.113.7"), user_agent: None }),
        ..create()
    };
    let email = request.email.clone().unwrap();
    let response = ok!(sdk.users.create(request));
    assert_eq!((response.status.as_str(), response.phone_id.as_str()), ("pending", ""));
    let user = &response.user;
    assert_eq!(user.user_id, response.user_id);
    let name = user.name.clone().unwrap();
    assert_eq!((name.first_name, name.last_name), (some("Zoë"), some("李 🦀")));
    let trusted = json!({"team": "blue", "age": 7, "nested": {"x": null}});
    assert_eq!(user.trusted_metadata, Some(trusted));
    assert_eq!(user.untrusted_metadata, Some(json!({"shirt": "M"})));
    assert_eq!(user.external_id, some("id.of|ours_1-a"));
    assert_eq!(user.roles, ["stytch_user", "editor"]);
    assert_eq!((&user.emails[0].email, user.emails[0].verified), (&email, false));
    assert_eq!(user.emails[0].email_id, response.email_id);
    assert!(user.created_at.is_some() && user.password.is_none() && !user.is_locked);

    for id in [&response.user_id, "id.of|ours_1-a"] {
        let mut found = json(&ok!(sdk.users.get(get(id))));
        let fields = found.as_object_mut().unwrap();
        assert!(fields.remove("request_id").is_some() && fields.remove("status_code").is_some());
        assert_eq!(found, json(user));
    }
    assert_eq!(ok!(sdk.users.create(create())).status, "active");
}

#[tokio::test]
async fn an_invalid_user_is_not_created() {
    let sdk = Sdk::start().await;
    let taken = CreateRequest { external_id: some("mine"), ..create() };
    let email = taken.email.clone();
    let _ = ok!(sdk.users.create(taken));
    let uppercase = email.as_ref().map(|email| email.to_uppercase());
    for (request, error_type) in [
        (CreateRequest { email, ..create() }, "duplicate_email"),
        (CreateRequest { email: uppercase, ..create() }, "duplicate_email"),
        (CreateRequest { external_id: some("mine"), ..create() }, "duplicate_user_external_id"),
        (CreateRequest { email: None, ..create() }, "invalid_create_user_request"),
        (CreateRequest { email: some("ada"), ..create() }, "invalid_email"),
        (CreateRequest { external_id: some("a b"), ..create() }, "invalid_external_id"),
        (CreateRequest { external_id: Some("x".repeat(129)), ..create() }, "invalid_external_id"),
        (
            CreateRequest { trusted_metadata: Some(json!({"a": "x".repeat(4096)})), ..create() },
            "metadata_too_large",
        ),
        (CreateRequest { untrusted_metadata: Some(many()), ..create() }, "metadata_too_many_keys"),
        (
            CreateRequest { untrusted_metadata: Some(json!("blue")), ..create() },
            "metadata_invalid_format",
        ),
    ] {
        assert_refused(sdk.users.create(request).await, 400, error_type);
    }
}

#[tokio::test]
async fn an_unknown_or_malformed_id_is_refused() {
    let sdk = Sdk::start().await;
    for (id, status, error_type) in
        [(UNKNOWN_USER, 404, "user_not_found"), ("no one", 400, "invalid_user_id")]
    {
        let user_id = id.to_owned();
        assert_refused(sdk.users.get(get(id)).await, status, error_type);
        assert_refused(sdk.users.update(update(id)).await, status, error_type);
        let delete = DeleteRequest { user_id: user_id.clone() };
        assert_refused(sdk.users.delete(delete).await, status, error_type);
        let external = DeleteExternalIdRequest { user_id };
        assert_refused(sdk.users.delete_external_id(external).await, status, error_type);
    }
    let email = DeleteEmailRequest { email_id: "email-test-nobody".to_owned() };
    assert_refused(sdk.users.delete_email(email).await, 404, "email_not_found");
}

#[tokio::test]
async fn an_update_changes_only_the_given_fields() {
    let sdk = Sdk::start().await;
    let name = Name { first_name: some("Ada"), last_name: some("Lovelace"), middle_name: None };
    let made = sdk.create(CreateRequest { name: Some(name), ..create() }).await;
    let response = ok!(sdk.users.update(UpdateRequest {
        name: Some(Name { last_name: some("Кинг 李"), ..Default::default() }),
        external_id: some("mine"),
        roles: Some(vec!["editor".to_owned(), "stytch_user".to_owned()]),
        ..update(&made.user_id)
    }));
    let name = response.user.name.clone().unwrap();
    assert_eq!((name.first_name, name.last_name), (some("Ada"), some("Кинг 李")));
    assert_eq!((&response.user_id, &response.user.external_id), (&made.user_id, &some("mine")));
    assert_eq!(json(&response.emails), json(&made.user.emails));
    assert_eq!(response.user.roles.len(), 2);
    for id in [made.user_id.as_str(), "mine"] {
        assert_eq!(json(&ok!(sdk.users.update(update(id))).user), json(&response.user));
    }
}

#[tokio::test]
async fn metadata_is_merged_at_its_top_level_where_null_deletes() {
    let sdk = Sdk::start().await;
    let before = Some(json!({"a": {"x": 1}, "b": 1, "c": 1}));
    let made = sdk.create(CreateRequest {
        trusted_metadata: before.clone(),
        untrusted_metadata: before,
        ..create()
    });
    let given = Some(json!({"a": {"y": 2}, "b": null}));
    let response = ok!(sdk.users.update(UpdateRequest {
        trusted_metadata: given.clone(),
        untrusted_metadata: given,
        ..update(&made.await.user_id)
    }));
    let after = Some(json!({"a": {"y": 2}, "c": 1}));
    assert_eq!(response.user.trusted_metadata, after);
    assert_eq!(response.user.untrusted_metadata, after);
}

#[tokio::test]
async fn a_refused_update_changes_nothing() {
    let sdk = Sdk::start().await;
    let _ = sdk.create(CreateRequest { external_id: some("taken"), ..create() }).await;
    let made = sdk.create(create()).await;
    let eve = || UpdateRequest {
        name: Some(Name { first_name: some("Eve"), ..Default::default() }),
        ..update(&made.user_id)
    };
    for (request, error_type) in [
        (UpdateRequest { external_id: some("taken"), ..eve() }, "duplicate_user_external_id"),
        (UpdateRequest { external_id: some("ä"), ..eve() }, "invalid_external_id"),
        (UpdateRequest { trusted_metadata: Some(many()), ..eve() }, "metadata_too_many_keys"),
        (
            UpdateRequest { untrusted_metadata: Some(json!({"a": "x".repeat(4096)})), ..eve() },
            "metadata_too_large",
        ),
    ] {
        assert_refused(sdk.users.update(request).await, 400, error_type);
    }
    let name = ok!(sdk.users.get(get(&made.user_id))).name.unwrap();
    assert_eq!(name.first_name, some(""));
}

#[tokio::test]
async fn deleting_a_user_ends_sessions_and_links_and_frees_the_address() {
    let sdk = Sdk::start().await;
    let email = address();
    let known = sdk.log_in(&email, 60).await;
    sdk.advance(2).await;
    let link = sdk.link(&email).await;
    let delete = DeleteRequest { user_id: known.user_id.clone() };
    assert_eq!(ok!(sdk.users.delete(delete.clone())).user_id, known.user_id);
    assert_refused(sdk.users.delete(delete).await, 404, "user_not_found");
    assert_refused(sdk.users.get(get(&known.user_id)).await, 404, "user_not_found");
    let sessions = GetSessions { user_id: known.user_id.clone() };
    assert_refused(sdk.sessions.get(sessions).await, 404, "user_not_found");
    let session_token = Some(known.session_token);
    let request = AuthenticateRequest { session_token, ..Default::default() };
    assert_refused(sdk.sessions.authenticate(request).await, 404, "session_not_found");
    assert_refused(sdk.authenticate(link).await, 404, "magic_link_not_found");

    let request = CreateRequest { email: Some(email), external_id: some("mine"), ..create() };
    let again = ok!(sdk.users.create(request));
    assert_ne!(again.user_id, known.user_id);
    let by_external_id = DeleteRequest { user_id: "mine".to_owned() };
    assert_eq!(ok!(sdk.users.delete(by_external_id)).user_id, again.user_id);
}

#[tokio::test]
async fn one_of_two_addresses_can_be_deleted() {
    let sdk = Sdk::start().await;
    let known = sdk.log_in(&address(), 60).await;
    let email = address();
    let user_id = Some(known.user_id.clone());
    let request = SendRequest { email: email.clone(), user_id, ..Default::default() };
    let second = ok!(sdk.magic_links.email.send(request)).email_id;
    let _ = ok!(sdk.authenticate(sdk.token(&email).await));

    let first = DeleteEmailRequest { email_id: known.method_id };
    let response = ok!(sdk.users.delete_email(first.clone()));
    assert_eq!(response.user_id, known.user_id);
    assert_eq!(response.user.emails.len(), 1);
    assert_eq!(response.user.emails[0].email, email);
    assert_refused(sdk.users.delete_email(first).await, 404, "email_not_found");
    let last = sdk.users.delete_email(DeleteEmailRequest { email_id: second }).await;
    assert_refused(last, 400, "cannot_delete_last_primary_factor");
}

#[tokio::test]
async fn deleting_an_address_invalidates_its_links() {
    let sdk = Sdk::start().await;
    let user_id = Some(sdk.log_in(&address(), 60).await.user_id);
    let email = address();
    let request = SendRequest { email: email.clone(), user_id, ..Default::default() };
    let email_id = ok!(sdk.magic_links.email.send(request)).email_id;
    let _ = ok!(sdk.users.delete_email(DeleteEmailRequest { email_id }));
    assert_refused(sdk.authenticate(sdk.token(&email).await).await, 404, "magic_link_not_found");
    let _ = ok!(sdk.users.create(CreateRequest { email: Some(email), ..Default::default() }));
}

#[tokio::test]
async fn the_last_verified_address_cannot_be_deleted() {
    let sdk = Sdk::start().await;
    let known = sdk.log_in(&address(), 60).await;
    let user_id = Some(known.user_id);
    let request = SendRequest { email: address(), user_id, ..Default::default() };
    let _ = ok!(sdk.magic_links.email.send(request));
    sdk.advance(301).await;
    let last = sdk.users.delete_email(DeleteEmailRequest { email_id: known.method_id }).await;
    assert_refused(last, 400, "cannot_delete_last_primary_factor");
}

#[tokio::test]
async fn an_external_id_can_be_removed() {
    let sdk = Sdk::start().await;
    let made = sdk.create(CreateRequest { external_id: some("mine"), ..create() }).await;
    let by = |id: &str| DeleteExternalIdRequest { user_id: id.to_owned() };
    let response = ok!(sdk.users.delete_external_id(by("mine")));
    assert_eq!((response.user_id, response.user.external_id), (made.user_id.clone(), None));
    assert_refused(sdk.users.get(get("mine")).await, 404, "user_not_found");
    let _ = ok!(sdk.users.delete_external_id(by(&made.user_id)));
    let _ = sdk.create(CreateRequest { external_id: some("mine"), ..create() }).await;
}
