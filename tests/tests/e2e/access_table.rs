//! Who may do what: every operation that the API's description tells of, asked for by every kind
//! of caller, held against one table. An operation without a row fails.

use std::collections::BTreeSet;

use guestlist_tests::{Answer, Caller, Engine, Guestlist, Operation, operations};
use reqwest::Method;
use serde_json::{Value, json};

use Who::{Anybody, Holder, Person, Stytch, Unrestricted};

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anybody,
    /// Whoever has a session of their own.
    Person,
    /// A key of that scope, an administrator, and, of operations, an operator.
    Holder(&'static str),
    /// An administrator, or a key without scopes.
    Unrestricted,
    /// Whoever signs as Stytch does, and nobody else.
    Stytch,
}

const TABLE: &[(&str, &str, Who)] = &[
    ("get", "/authenticate", Anybody),
    ("post", "/authenticate", Anybody),
    ("get", "/healthz", Anybody),
    ("get", "/readyz", Anybody),
    ("get", "/metrics", Holder("ops:read")),
    ("get", "/v1/audit", Unrestricted),
    ("get", "/v1/invitations", Holder("invitations:read")),
    ("post", "/v1/invitations", Holder("invitations:write")),
    ("get", "/v1/invitations/{id}", Holder("invitations:read")),
    ("get", "/v1/invitations/{id}/events", Holder("invitations:read")),
    ("post", "/v1/invitations/{id}/resend", Holder("invitations:write")),
    ("post", "/v1/invitations/{id}/revoke", Holder("invitations:write")),
    ("get", "/v1/jobs", Holder("ops:read")),
    ("get", "/v1/jobs/errors", Holder("ops:read")),
    ("get", "/v1/jobs/{id}", Holder("ops:read")),
    ("post", "/v1/jobs/cancel", Holder("ops:write")),
    ("post", "/v1/jobs/dismiss", Holder("ops:write")),
    ("post", "/v1/jobs/retry", Holder("ops:write")),
    ("post", "/v1/jobs/{id}/cancel", Holder("ops:write")),
    ("post", "/v1/jobs/{id}/dismiss", Holder("ops:write")),
    ("post", "/v1/jobs/{id}/retry", Holder("ops:write")),
    ("post", "/v1/login", Anybody),
    ("get", "/v1/queues", Holder("ops:read")),
    ("post", "/v1/queues/{name}/pause", Holder("ops:write")),
    ("post", "/v1/queues/{name}/resume", Holder("ops:write")),
    ("get", "/v1/session", Person),
    ("delete", "/v1/session", Person),
    ("get", "/v1/sessions", Person),
    ("post", "/v1/sessions", Anybody),
    ("post", "/v1/sessions/revoke-others", Person),
    ("delete", "/v1/sessions/{id}", Person),
    ("get", "/v1/status", Holder("ops:read")),
    ("get", "/v1/users", Holder("users:read")),
    ("post", "/v1/users", Holder("users:write")),
    ("get", "/v1/users/{id}", Holder("users:read")),
    ("patch", "/v1/users/{id}", Holder("users:write")),
    ("delete", "/v1/users/{id}", Holder("users:write")),
    ("get", "/v1/users/{id}/sessions", Holder("users:read")),
    ("delete", "/v1/users/{id}/sessions", Holder("users:write")),
    ("post", "/webhooks/stytch", Stytch),
];

/// An installation that Stytch may call.
async fn installation() -> Guestlist {
    let secret = "whsec_dGhlIHNlY3JldCBvZiBubyBlbmRwb2ludA==";
    Guestlist::dev(Engine::Sqlite).env("STYTCH_WEBHOOK_SECRET", secret).start().await
}

const SCOPES: [&str; 6] =
    ["users:read", "users:write", "invitations:read", "invitations:write", "ops:read", "ops:write"];

/// Every operation that the description tells of, with its row.
fn rows() -> Vec<(Operation, Who)> {
    let row = |operation: &Operation| {
        let row = TABLE.iter().find(|row| row.0 == operation.method && row.1 == operation.path);
        row.map(|row| row.2)
    };
    let without: Vec<_> =
        operations().into_iter().filter(|operation| row(operation).is_none()).collect();
    assert!(without.is_empty(), "no row of the table says who may: {without:#?}");
    let all: Vec<_> = operations().into_iter().map(|o| (row(&o).unwrap(), o)).collect();
    assert_eq!(all.len(), TABLE.len(), "a row of the table is of no operation");
    all.into_iter().map(|(who, operation)| (operation, who)).collect()
}

/// Asks for what is not there, with a body that is none: what may be done is still not done.
async fn ask(caller: &Caller, operation: &Operation) -> Answer {
    let path = operation.path.replace("{id}", "01890000-0000-7000-8000-000000000000");
    let path = path.replace("{name}", "nonsense");
    let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
    caller.call(method, &path, Some("text/plain"), "nonsense").await
}

fn is_let_through(answer: &Answer) -> bool {
    let is_refused = matches!(answer.status, 401 | 403);
    // A link without a token is one, too.
    !is_refused && answer.status < 500
}

#[tokio::test]
async fn who_is_nobody_is_asked_who_they_are() {
    let guestlist = installation().await;
    for (operation, who) in rows() {
        let answer = ask(&guestlist.anybody(), &operation).await;
        if who == Anybody {
            assert!(is_let_through(&answer), "{answer:?}");
            continue;
        }
        if who == Stytch {
            let _ = answer.problem(401, "signature_invalid");
            continue;
        }
        let _ = answer.problem(401, "session_missing");
        let by_key = guestlist.anybody().bearer("glk_nobodys");
        let _ = ask(&by_key, &operation).await.problem(401, "api_key_invalid");
        let by_token = guestlist.anybody().bearer("x");
        let _ = ask(&by_token, &operation).await.problem(401, "session_missing");
    }
}

#[tokio::test]
async fn a_key_opens_the_operations_of_its_scopes_and_no_others() {
    let guestlist = installation().await;
    for scope in SCOPES {
        let (_, secret) = guestlist.create_key(scope, &[scope]).await;
        let by_key = guestlist.anybody().bearer(&secret);
        let as_password = guestlist.anybody().basic("operator", &secret);
        for (operation, who) in rows() {
            for caller in [&by_key, &as_password] {
                let answer = ask(caller, &operation).await;
                match who {
                    Anybody => assert!(is_let_through(&answer), "{scope}: {answer:?}"),
                    Stytch => drop(answer.problem(401, "signature_invalid")),
                    Holder(wanted) if wanted == scope => {
                        assert!(is_let_through(&answer), "{scope}: {answer:?}");
                    }
                    Holder(wanted) => {
                        let problem = answer.problem(403, "scope_missing");
                        assert!(problem["detail"].as_str().unwrap().contains(wanted), "{problem}");
                    }
                    Unrestricted => drop(answer.problem(403, "scope_missing")),
                    Person => drop(answer.problem(403, "session_required")),
                }
            }
        }
    }
    for (operation, who) in rows() {
        let answer = ask(&guestlist.api(), &operation).await;
        match who {
            Person => drop(answer.problem(403, "session_required")),
            Stytch => drop(answer.problem(401, "signature_invalid")),
            Anybody | Holder(_) | Unrestricted => assert!(is_let_through(&answer), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn members_operators_and_administrators_may_what_their_role_says() {
    let guestlist = installation().await;
    for role in ["member", "operator", "admin"] {
        let email = format!("{role}@example.org");
        let body = json!({ "email": email, "role": role });
        let _ = guestlist.api().post("/v1/users", &body).await.is(201);
        for shown in ["cookie", "token", "jwt"] {
            let person = guestlist.log_in(&email).await;
            let caller = match shown {
                "cookie" => person.caller().with("sec-fetch-site", "same-origin"),
                "token" => guestlist.anybody().bearer(person.token()),
                _ => guestlist.anybody().bearer(person.jwt()),
            };
            let (leaving, rest): (Vec<_>, Vec<_>) = rows()
                .into_iter()
                .partition(|(operation, _)| operation.told["operationId"] == "log_out");
            for (operation, who) in rest.into_iter().chain(leaving) {
                let answer = ask(&caller, &operation).await;
                let may = match who {
                    Stytch => {
                        let _ = answer.problem(401, "signature_invalid");
                        continue;
                    }
                    Anybody | Person => true,
                    Holder(scope) => {
                        role == "admin" || role == "operator" && scope.starts_with("ops:")
                    }
                    Unrestricted => role == "admin",
                };
                if may {
                    assert!(is_let_through(&answer), "{role}: {answer:?}");
                } else {
                    answer.page_or_problem(403, "forbidden");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_a_cookie_lets_happen_is_asked_for_by_our_own_pages() {
    let guestlist = installation().await;
    let admin = guestlist.admin().await;
    let elsewhere = admin.caller().with("sec-fetch-site", "cross-site");
    for (operation, who) in rows() {
        let answer = ask(&elsewhere, &operation).await;
        if who == Stytch {
            let _ = answer.problem(401, "signature_invalid");
        } else if operation.method == "get" {
            assert!(is_let_through(&answer), "{answer:?}");
        } else {
            answer.page_or_problem(403, "cross_origin");
        }
    }
    let _ = admin.caller().get("/v1/session").await.is(200);
}

/// The POSTs that take an `Idempotency-Key`: all under `/v1` that not anybody may make.
fn keyed() -> Vec<(Operation, Who)> {
    let is_keyed = |(operation, who): &(Operation, Who)| {
        let is_post = operation.method == "post" && operation.path.starts_with("/v1/");
        is_post && *who != Anybody
    };
    let keyed: Vec<_> = rows().into_iter().filter(is_keyed).collect();
    assert!(keyed.len() >= 13, "{keyed:?}");
    keyed
}

fn was_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

/// Has an answer stored for each of them, and sees it given again.
async fn store_answers(caller: &Caller, operations: &[(Operation, Who)]) {
    for (operation, _) in operations {
        let first = ask(caller, operation).await;
        assert!(is_let_through(&first) && !was_replayed(&first), "{first:?}");
        let again = ask(caller, operation).await;
        assert!(was_replayed(&again), "{again:?}");
        assert_eq!(again.status, first.status, "{again:?}");
    }
}

#[tokio::test]
async fn a_stored_answer_is_not_given_to_a_key_that_has_lost_its_scope() {
    let guestlist = installation().await;
    for scope in SCOPES {
        let (key, secret) = guestlist.create_key(scope, &[scope]).await;
        let caller = guestlist.anybody().bearer(&secret).with("idempotency-key", scope);
        let held: Vec<_> = keyed().into_iter().filter(|(_, who)| *who == Holder(scope)).collect();
        store_answers(&caller, &held).await;
        let other = if scope == "ops:read" { "users:read" } else { "ops:read" };
        let scopes = format!("UPDATE api_keys SET scopes = '{other}' WHERE name = '{scope}'");
        assert_eq!(guestlist.database().run(&scopes).await, 1);
        for (operation, _) in &held {
            let refused = ask(&caller, operation).await;
            let _ = refused.problem(403, "scope_missing");
            assert!(!was_replayed(&refused), "{refused:?}");
        }
        let _ = guestlist.succeeds(&["keys", "revoke", &key]).await;
        for (operation, _) in &held {
            let refused = ask(&caller, operation).await;
            let _ = refused.problem(401, "api_key_invalid");
            assert!(!was_replayed(&refused), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn a_stored_answer_is_given_neither_to_a_foreign_page_nor_after_a_demotion() {
    let guestlist = installation().await;
    let _ = guestlist.admin().await;
    let body = json!({ "email": "ada@example.org", "role": "admin" });
    let ada = guestlist.api().post("/v1/users", &body).await.is(201).json();
    let ours = async || {
        let caller = guestlist.log_in("ada@example.org").await.caller();
        caller.with("sec-fetch-site", "same-origin").with("idempotency-key", "one")
    };
    let caller = ours().await;
    store_answers(&caller, &keyed()).await;
    for (operation, _) in keyed() {
        let foreign = ask(&caller.with("sec-fetch-site", "cross-site"), &operation).await;
        let _ = foreign.problem(403, "cross_origin");
        assert!(!was_replayed(&foreign), "{foreign:?}");
    }
    for role in ["operator", "member"] {
        let path = format!("/v1/users/{}", guestlist_tests::id(&ada));
        let _ = guestlist.api().patch(&path, &json!({ "role": role })).await.is(200);
        let caller = ours().await;
        for (operation, who) in keyed() {
            let answer = ask(&caller, &operation).await;
            let may = match who {
                Holder(scope) => role == "operator" && scope.starts_with("ops:"),
                _ => true,
            };
            // What an administrator was answered is not for an operator, whatever they may do.
            assert!(may && role == "member" || !was_replayed(&answer), "{role}: {answer:?}");
            if !may {
                let _ = answer.problem(403, "forbidden");
            }
        }
    }
}

#[test]
fn the_description_tells_the_rights_of_the_table() {
    for (operation, who) in rows() {
        let ways = operation.told["security"].as_array().map(Vec::as_slice).unwrap_or_default();
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
        let (wanted_names, wanted_scopes): (&[&str], Vec<&str>) = match who {
            Anybody | Stytch => (&[], vec![]),
            Person => (&["bearer", "cookie"], vec![]),
            Holder(scope) => (&["basic", "bearer", "cookie"], vec![scope]),
            Unrestricted => (&["basic", "bearer", "cookie"], vec![]),
        };
        assert_eq!((names.as_slice(), scopes), (wanted_names, wanted_scopes), "{operation:?}");
    }
}
