//! Calls every operation of the OpenAPI document as every kind of caller, and compares the results
//! with one table. An operation without a row fails the test.

use std::collections::BTreeSet;

use guestlist_tests::{Caller, Engine, Guestlist, Operation, Response, UNKNOWN_ID, operations};
use reqwest::Method;
use serde_json::{Value, json};

use Access::{Public, Scope, Session, Stytch, Unrestricted};

/// The callers that an operation accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Public,
    /// A user with a session.
    Session,
    /// An API key with this scope, an administrator, and for `ops` scopes an operator.
    Scope(&'static str),
    /// An administrator, or an API key with every scope.
    Unrestricted,
    /// A request with Stytch's signature.
    Stytch,
}

const TABLE: &[(&str, &str, Access)] = &[
    ("get", "/authenticate", Public),
    ("post", "/authenticate", Public),
    ("get", "/healthz", Public),
    ("get", "/readyz", Public),
    ("get", "/metrics", Scope("ops:read")),
    ("get", "/v1/audit", Unrestricted),
    ("get", "/v1/invitations", Scope("invitations:read")),
    ("post", "/v1/invitations", Scope("invitations:write")),
    ("get", "/v1/invitations/counts", Scope("invitations:read")),
    ("get", "/v1/invitations/{id}", Scope("invitations:read")),
    ("get", "/v1/invitations/{id}/events", Scope("invitations:read")),
    ("post", "/v1/invitations/{id}/resend", Scope("invitations:write")),
    ("post", "/v1/invitations/{id}/revoke", Scope("invitations:write")),
    ("get", "/v1/jobs", Scope("ops:read")),
    ("get", "/v1/jobs/counts", Scope("ops:read")),
    ("get", "/v1/jobs/errors", Scope("ops:read")),
    ("get", "/v1/jobs/{id}", Scope("ops:read")),
    ("post", "/v1/jobs/cancel", Scope("ops:write")),
    ("post", "/v1/jobs/dismiss", Scope("ops:write")),
    ("post", "/v1/jobs/retry", Scope("ops:write")),
    ("post", "/v1/jobs/{id}/cancel", Scope("ops:write")),
    ("post", "/v1/jobs/{id}/dismiss", Scope("ops:write")),
    ("post", "/v1/jobs/{id}/retry", Scope("ops:write")),
    ("post", "/v1/login", Public),
    ("get", "/v1/queues", Scope("ops:read")),
    ("post", "/v1/queues/{name}/pause", Scope("ops:write")),
    ("post", "/v1/queues/{name}/resume", Scope("ops:write")),
    ("get", "/v1/session", Session),
    ("delete", "/v1/session", Session),
    ("get", "/v1/sessions", Session),
    ("post", "/v1/sessions", Public),
    ("post", "/v1/sessions/revoke-others", Session),
    ("delete", "/v1/sessions/{id}", Session),
    ("get", "/v1/status", Scope("ops:read")),
    ("get", "/v1/users", Scope("users:read")),
    ("post", "/v1/users", Scope("users:write")),
    ("get", "/v1/users/{id}", Scope("users:read")),
    ("patch", "/v1/users/{id}", Scope("users:write")),
    ("delete", "/v1/users/{id}", Scope("users:write")),
    ("get", "/v1/users/{id}/sessions", Scope("users:read")),
    ("delete", "/v1/users/{id}/sessions", Scope("users:write")),
    ("post", "/webhooks/stytch", Stytch),
];

/// Starts an installation with a webhook secret.
async fn start() -> Guestlist {
    let secret = "whsec_dGhlIHNlY3JldCBvZiBubyBlbmRwb2ludA==";
    Guestlist::dev(Engine::Sqlite).env("STYTCH_WEBHOOK_SECRET", secret).start().await
}

const SCOPES: [&str; 6] =
    ["users:read", "users:write", "invitations:read", "invitations:write", "ops:read", "ops:write"];

/// Returns every operation with its row.
fn rows() -> Vec<(Operation, Access)> {
    let row = |operation: &Operation| {
        let row = TABLE.iter().find(|row| row.0 == operation.method && row.1 == operation.path);
        row.map(|row| row.2)
    };
    let without: Vec<_> =
        operations().into_iter().filter(|operation| row(operation).is_none()).collect();
    assert!(without.is_empty(), "the table has no row for these operations: {without:#?}");
    let all: Vec<_> = operations().into_iter().map(|o| (row(&o).unwrap(), o)).collect();
    assert_eq!(all.len(), TABLE.len(), "the table has a row for an unknown operation");
    all.into_iter().map(|(access, operation)| (operation, access)).collect()
}

/// Calls an operation with an unknown id and an invalid body, so that it changes nothing.
async fn call_operation(caller: &Caller, operation: &Operation) -> Response {
    let path = operation.path.replace("{id}", UNKNOWN_ID);
    let path = path.replace("{name}", "nonsense");
    let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
    caller.call(method, &path, Some("text/plain"), "nonsense").await
}

fn is_authorized(response: &Response) -> bool {
    let is_refused = matches!(response.status, 401 | 403);
    // A link without a token is refused with 400, which is past the authorization.
    !is_refused && response.status < 500
}

#[tokio::test]
async fn anonymous_callers_are_refused_as_unauthenticated() {
    let guestlist = start().await;
    for (operation, access) in rows() {
        let response = call_operation(&guestlist.anonymous(), &operation).await;
        if access == Public {
            assert!(is_authorized(&response), "{response:?}");
            continue;
        }
        if access == Stytch {
            let _ = response.problem(401, "signature_invalid");
            continue;
        }
        let _ = response.problem(401, "session_missing");
        let by_key = guestlist.anonymous().bearer("glk_unknown");
        let _ = call_operation(&by_key, &operation).await.problem(401, "api_key_invalid");
        let by_token = guestlist.anonymous().bearer("x");
        let _ = call_operation(&by_token, &operation).await.problem(401, "session_missing");
    }
}

#[tokio::test]
async fn an_api_key_may_call_only_the_operations_of_its_scopes() {
    let guestlist = start().await;
    for scope in SCOPES {
        let (_, secret) = guestlist.create_key(scope, &[scope]).await;
        let by_key = guestlist.anonymous().bearer(&secret);
        let as_password = guestlist.anonymous().basic("operator", &secret);
        for (operation, access) in rows() {
            for caller in [&by_key, &as_password] {
                let response = call_operation(caller, &operation).await;
                match access {
                    Public => assert!(is_authorized(&response), "{scope}: {response:?}"),
                    Stytch => drop(response.problem(401, "signature_invalid")),
                    Scope(expected) if expected == scope => {
                        assert!(is_authorized(&response), "{scope}: {response:?}");
                    }
                    Scope(expected) => {
                        let problem = response.problem(403, "scope_missing");
                        assert!(
                            problem["detail"].as_str().unwrap().contains(expected),
                            "{problem}"
                        );
                    }
                    Unrestricted => drop(response.problem(403, "scope_missing")),
                    Session => drop(response.problem(403, "session_required")),
                }
            }
        }
    }
    for (operation, access) in rows() {
        let response = call_operation(&guestlist.api(), &operation).await;
        match access {
            Session => drop(response.problem(403, "session_required")),
            Stytch => drop(response.problem(401, "signature_invalid")),
            Public | Scope(_) | Unrestricted => {
                assert!(is_authorized(&response), "{response:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_session_may_call_only_the_operations_of_its_role() {
    let guestlist = start().await;
    for role in ["member", "operator", "admin"] {
        let email = format!("{role}@example.org");
        let _ = guestlist.add_user(&email, role).await;
        for shown in ["cookie", "token", "jwt"] {
            let person = guestlist.log_in(&email).await;
            let caller = match shown {
                "cookie" => person.caller().with("sec-fetch-site", "same-origin"),
                "token" => guestlist.anonymous().bearer(person.token()),
                _ => guestlist.anonymous().bearer(person.jwt()),
            };
            let (leaving, rest): (Vec<_>, Vec<_>) = rows()
                .into_iter()
                .partition(|(operation, _)| operation.definition["operationId"] == "log_out");
            for (operation, access) in rest.into_iter().chain(leaving) {
                let response = call_operation(&caller, &operation).await;
                let may = match access {
                    Stytch => {
                        let _ = response.problem(401, "signature_invalid");
                        continue;
                    }
                    Public | Session => true,
                    Scope(scope) => {
                        role == "admin" || role == "operator" && scope.starts_with("ops:")
                    }
                    Unrestricted => role == "admin",
                };
                if may {
                    assert!(is_authorized(&response), "{role}: {response:?}");
                } else {
                    response.page_or_problem(403, "forbidden");
                }
            }
        }
    }
}

#[tokio::test]
async fn cookies_authorize_only_same_origin_requests() {
    let guestlist = start().await;
    let admin = guestlist.admin().await;
    let elsewhere = admin.caller().with("sec-fetch-site", "cross-site");
    for (operation, access) in rows() {
        let response = call_operation(&elsewhere, &operation).await;
        if access == Stytch {
            let _ = response.problem(401, "signature_invalid");
        } else if operation.method == "get" {
            assert!(is_authorized(&response), "{response:?}");
        } else {
            response.page_or_problem(403, "cross_origin");
        }
    }
    let _ = admin.caller().get("/v1/session").await.is(200);
}

/// Returns the operations that accept an `Idempotency-Key`: each POST that requires credentials.
fn idempotent_operations() -> Vec<(Operation, Access)> {
    let is_keyed = |(operation, access): &(Operation, Access)| {
        let is_post = operation.method == "post" && operation.path.starts_with("/v1/");
        is_post && *access != Public
    };
    let keyed: Vec<_> = rows().into_iter().filter(is_keyed).collect();
    assert!(keyed.len() >= 13, "{keyed:?}");
    keyed
}

/// Stores a response of each operation, and asserts that it is replayed.
async fn store_responses(caller: &Caller, operations: &[(Operation, Access)]) {
    for (operation, _) in operations {
        let first = call_operation(caller, operation).await;
        assert!(is_authorized(&first) && !first.is_replayed(), "{first:?}");
        let again = call_operation(caller, operation).await;
        assert!(again.is_replayed(), "{again:?}");
        assert_eq!(again.status, first.status, "{again:?}");
    }
}

#[tokio::test]
async fn a_stored_response_is_not_replayed_to_a_key_without_its_scope() {
    let guestlist = start().await;
    for scope in SCOPES {
        let (key, secret) = guestlist.create_key(scope, &[scope]).await;
        let caller = guestlist.anonymous().bearer(&secret).with("idempotency-key", scope);
        let held: Vec<_> = idempotent_operations()
            .into_iter()
            .filter(|(_, access)| *access == Scope(scope))
            .collect();
        store_responses(&caller, &held).await;
        let other = if scope == "ops:read" { "users:read" } else { "ops:read" };
        let scopes = format!("UPDATE api_keys SET scopes = '{other}' WHERE name = '{scope}'");
        assert_eq!(guestlist.database().execute(&scopes).await, 1);
        for (operation, _) in &held {
            let refused = call_operation(&caller, operation).await;
            let _ = refused.problem(403, "scope_missing");
            assert!(!refused.is_replayed(), "{refused:?}");
        }
        let _ = guestlist.run_ok(&["keys", "revoke", &key]).await;
        for (operation, _) in &held {
            let refused = call_operation(&caller, operation).await;
            let _ = refused.problem(401, "api_key_invalid");
            assert!(!refused.is_replayed(), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn a_stored_response_is_not_replayed_across_origins_or_after_a_demotion() {
    let guestlist = start().await;
    let _ = guestlist.admin().await;
    let ada = guestlist.add_user("ada@example.org", "admin").await;
    let log_in_again = async || {
        let caller = guestlist.log_in("ada@example.org").await.caller();
        caller.with("sec-fetch-site", "same-origin").with("idempotency-key", "one")
    };
    let caller = log_in_again().await;
    store_responses(&caller, &idempotent_operations()).await;
    for (operation, _) in idempotent_operations() {
        let foreign =
            call_operation(&caller.with("sec-fetch-site", "cross-site"), &operation).await;
        let _ = foreign.problem(403, "cross_origin");
        assert!(!foreign.is_replayed(), "{foreign:?}");
    }
    for role in ["operator", "member"] {
        let path = format!("/v1/users/{}", guestlist_tests::id(&ada));
        let _ = guestlist.api().patch(&path, &json!({ "role": role })).await.is(200);
        let caller = log_in_again().await;
        for (operation, access) in idempotent_operations() {
            let response = call_operation(&caller, &operation).await;
            let may = match access {
                Scope(scope) => role == "operator" && scope.starts_with("ops:"),
                _ => true,
            };
            // A response to an administrator is not replayed to an operator.
            assert!(may && role == "member" || !response.is_replayed(), "{role}: {response:?}");
            if !may {
                let _ = response.problem(403, "forbidden");
            }
        }
    }
}

#[test]
fn the_openapi_document_lists_the_scopes_of_the_table() {
    for (operation, access) in rows() {
        let ways =
            operation.definition["security"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names: BTreeSet<_> =
            ways.iter().flat_map(|way| way.as_object().unwrap().keys()).collect();
        let names: Vec<_> = names.into_iter().map(String::as_str).collect();
        let scopes: BTreeSet<_> = ways
            .iter()
            .flat_map(|way| way.as_object().unwrap().values())
            .flat_map(|scopes| scopes.as_array().unwrap())
            .filter_map(Value::as_str)
            .collect();
        let scopes: Vec<_> = scopes.into_iter().collect();
        let (wanted_names, wanted_scopes): (&[&str], Vec<&str>) = match access {
            Public | Stytch => (&[], vec![]),
            Session => (&["bearer", "cookie"], vec![]),
            Scope(scope) => (&["basic", "bearer", "cookie"], vec![scope]),
            Unrestricted => (&["basic", "bearer", "cookie"], vec![]),
        };
        assert_eq!((names.as_slice(), scopes), (wanted_names, wanted_scopes), "{operation:?}");
    }
}
