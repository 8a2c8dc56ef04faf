//! Comparison of requests with those that Stytch's SDKs send to the same routes.
//!
//! `recordings.jsonl` holds requests of the Node SDK 14.2.0, the Python SDK 15.3.0 and the Rust SDK
//! 11.1.0, recorded by a server. The Rust SDK sends `null` for fields that were not set.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use guestlist_domain::{Clock, IdentityProvider};
use guestlist_stytch::{Options, StytchProvider};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    requests::{TOKEN, ada, authenticated, invite, login},
    signing_keys::{CURRENT_KEY, jwks},
    stub_server::{ReceivedRequest, SECRET, StubServer, clock, json_response},
};

const PROJECT_ID: &str = "project-test-11111111-1111-4111-8111-111111111111";
const USER_ID: &str = "user-test-16d9ba61-97a1-4ba4-9720-b03761dc50c6";

/// Routes that no SDK uses.
const NOT_IN_SDKS: [(&str, &str); 1] = [
    // Documented in Stytch's reference only.
    ("GET", "/v1/debug/whoami"),
];
/// Fields that the SDKs have but did not set, so their types come from Stytch's reference.
const NOT_SET_IN_RECORDINGS: [(&str, &str, &str); 4] = [
    ("/v1/magic_links/email/login_or_create", "login_expiration_minutes", "number"),
    ("/v1/magic_links/email/login_or_create", "signup_expiration_minutes", "number"),
    ("/v1/magic_links/email/login_or_create", "create_user_as_pending", "bool"),
    ("/v1/users/search", "cursor", "string"),
];
/// Fields that the SDKs always set and Guestlist omits on purpose: the list of all users is a search
/// without a filter.
const OMITTED: [(&str, &str); 1] = [("/v1/users/search", "query")];

#[derive(Deserialize)]
struct Recorded {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

type Route = (String, String);

/// Returns method and decoded path.
fn route(method: &str, target: &str) -> Route {
    let path = target.split('?').next().unwrap();
    (method.to_owned(), percent_decode_str(path).decode_utf8().unwrap().into_owned())
}

fn route_of(request: &ReceivedRequest) -> Route {
    let (method, target) = request.line.split_once(' ').unwrap();
    route(method, target)
}

fn recorded() -> BTreeMap<Route, Vec<Recorded>> {
    let mut routes = BTreeMap::<_, Vec<_>>::new();
    for line in include_str!("../recordings.jsonl").lines() {
        let mut recorded: Recorded = serde_json::from_str(line).unwrap();
        let headers = std::mem::take(&mut recorded.headers).into_iter();
        recorded.headers = headers.map(|(name, value)| (name.to_lowercase(), value)).collect();
        routes.entry(route(&recorded.method, &recorded.target)).or_default().push(recorded);
    }
    routes
}

/// Collects the fields of a body with their types, as in `query.operands[].filter_name`.
fn fields(body: &Value, at: &str, found: &mut BTreeMap<String, &'static str>) {
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                found.insert(at.clone(), type_of(value));
                fields(value, &at, found);
            }
        }
        Value::Array(list) => {
            for value in list {
                let at = format!("{at}[]");
                found.insert(at.clone(), type_of(value));
                fields(value, &at, found);
            }
        }
        _ => (),
    }
}

fn fields_of(body: &Value) -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    fields(body, "", &mut found);
    found
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Calls every method of the provider and returns the requests it sent.
async fn all_calls() -> Vec<ReceivedRequest> {
    let server = StubServer::start(|request| {
        let mut body = authenticated();
        body["keys"] = jwks(&[&CURRENT_KEY])["keys"].clone();
        body["results"] = json!([]);
        body["emails"] = json!([]);
        // Each search has a second page, so that a cursor is sent.
        let next = if request.body["cursor"].is_null() { json!("two") } else { Value::Null };
        body["results_metadata"] = json!({"next_cursor": next});
        json_response(200, &body)
    })
    .await;
    let options = Options::new(PROJECT_ID, SECRET.into(), Some(server.url.parse().unwrap()));
    let clock: Arc<dyn Clock> = Arc::new(clock());
    let provider = StytchProvider::new(options.unwrap(), Arc::clone(&clock)).unwrap();
    provider.send_invite(&invite()).await.unwrap();
    provider.send_login(&login()).await.unwrap();
    provider.revoke_invite(&ada()).await.unwrap();
    provider.authenticate_link(TOKEN, 60).await.unwrap();
    provider.refresh_session(TOKEN).await.unwrap();
    provider.revoke_session("session-test-1").await.unwrap();
    provider.find_user(&ada()).await.unwrap();
    provider.identities(None).await.unwrap();
    provider.identity(USER_ID).await.unwrap();
    provider.delete_user(USER_ID).await.unwrap();
    provider.check_credentials().await.unwrap();
    provider.verify_jwt(&CURRENT_KEY.jwt(clock.now())).await.unwrap_err(); // A JWT of another project.
    server.requests()
}

#[tokio::test]
async fn requests_match_those_of_the_sdks() {
    let (recorded, request) = (recorded(), all_calls().await);
    let routes: BTreeSet<_> = request.iter().map(route_of).collect();
    assert_eq!(routes.len(), 11, "{routes:?}");
    let alone = NOT_IN_SDKS.map(|(method, path)| route(method, path));
    assert!(alone.iter().all(|route| routes.contains(route) && !recorded.contains_key(route)));
    for request in request {
        let route = route_of(&request);
        match recorded.get(&route) {
            Some(recorded) => compare(&request, &route.1, recorded),
            None => assert!(alone.contains(&route), "{route:?} is not used by any SDK"),
        }
        compare_headers(&request, recorded.get(&route).map_or(&[], Vec::as_slice));
    }
}

fn compare(request: &ReceivedRequest, path: &str, recorded: &[Recorded]) {
    let sent = fields_of(&request.body);
    let from_sdks: Vec<_> = recorded.iter().map(|recorded| fields_of(&recorded.body)).collect();
    if request.body.is_null() {
        return;
    }
    for (field, kind) in &sent {
        let seen: BTreeSet<_> = from_sdks.iter().filter_map(|fields| fields.get(field)).collect();
        assert!(!seen.is_empty(), "{path}: no SDK sends {field}");
        let is_known =
            seen.contains(kind) || NOT_SET_IN_RECORDINGS.contains(&(path, field.as_str(), *kind));
        assert!(is_known, "{path}: {field} is {kind}, in the SDKs {seen:?}");
    }
    let filled = |fields: &BTreeMap<String, &str>| -> BTreeSet<String> {
        fields.iter().filter(|(_, kind)| **kind != "null").map(|(field, _)| field.clone()).collect()
    };
    let always = from_sdks.iter().map(filled).reduce(|one, other| &one & &other).unwrap();
    for field in always {
        let is_left_out = OMITTED.iter().any(|(at, name)| {
            *at == path && field.split('.').next() == Some(name) && !sent.contains_key(*name)
        });
        assert!(sent.contains_key(&field) || is_left_out, "{path}: all SDKs send {field}");
    }
}

fn compare_headers(request: &ReceivedRequest, recorded: &[Recorded]) {
    let from_sdks = |name: &str| -> BTreeSet<Option<String>> {
        recorded.iter().map(|recorded| recorded.headers.get(name).cloned()).collect()
    };
    // The recordings hold a placeholder for the credentials.
    let authorization = request.header("authorization").map(|value| {
        let basic = STANDARD.encode(format!("{PROJECT_ID}:{SECRET}"));
        value.replace(&basic, "base64(project_id:secret)")
    });
    let is_recorded = !recorded.is_empty();
    assert!(
        !is_recorded || from_sdks("authorization").contains(&authorization),
        "{authorization:?}: {}",
        request.line
    );
    assert!(is_recorded || authorization.as_deref() == Some("Basic base64(project_id:secret)"));
    let content_type = request.header("content-type").map(ToOwned::to_owned);
    if request.line.starts_with("POST ") {
        assert!(from_sdks("content-type").contains(&content_type), "{content_type:?}");
    } else {
        let length = request.header("content-length");
        let has_body =
            request.header("transfer-encoding").is_some() || length.unwrap_or("0") != "0";
        assert!(!has_body && content_type.is_none(), "{}", request.line);
    }
}
