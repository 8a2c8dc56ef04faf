//! Property tests of the [`invariants`]: with mutated real responses and with random ones.

use std::{fs, path::Path};

use guestlist_domain::AuthenticatedSession;
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::Index};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::http::client::interpret;
use crate::http::error::{Idempotency, classify};
use crate::http::responses::AuthenticateResponse;
use crate::invariants;

const ADDRESS: &str = "Ada.Lovelace+1@Example.com";
const TOKEN: &str = "rM_kw42CWBhsHLF62V75jELMbvJ87njMe3tFVj7Qupu7";

/// Returns the seeds of a fuzz target, which include its past findings.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| fs::read(path).unwrap()).collect()
}

/// Returns the bodies of real responses and webhooks, and the claims of JWTs.
fn bodies() -> Vec<Value> {
    let responses = seeds("response").into_iter().filter_map(|seed| {
        let body = seed.splitn(3, |byte| *byte == b'\n').nth(2)?.to_vec();
        serde_json::from_slice(&body).ok()
    });
    let others = seeds("jwt").into_iter().chain(seeds("webhook"));
    let others = others.filter_map(|seed| serde_json::from_slice(&seed).ok());
    responses.chain(others).filter(Value::is_object).collect()
}

fn authenticated() -> Value {
    let is_session = |body: &Value| body["method_id"].is_string() && body["session"].is_object();
    bodies().into_iter().find(is_session).unwrap()
}

#[derive(Debug, Clone)]
enum Mutation {
    Remove,
    Replace(Value),
    Duplicate(Value),
    Add(String, Value),
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-z_]{1,20}".prop_map(Value::from),
        Just(json!(ADDRESS)),
        Just(json!(TOKEN)),
        Just(json!("2026-11-23T10:00:00Z")),
        Just(json!("x".repeat(200))),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let member = prop_oneof!["[a-z_]{1,10}", Just("user_id".to_owned())];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((member, inner), 0..5).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        Just(Mutation::Remove),
        any_json().prop_map(Mutation::Replace),
        any_json().prop_map(Mutation::Duplicate),
        ("[a-z_]{1,12}", any_json()).prop_map(|(name, value)| Mutation::Add(name, value)),
    ]
}

/// Generates values of the `Retry-After` header.
fn any_retry_after() -> impl Strategy<Value = String> {
    let date = (0_i64..400_000_000_000).prop_map(|second| {
        Timestamp::from_second(second).map_or_else(
            |_| String::new(),
            |time| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        )
    });
    prop_oneof!["[0-9]{1,25}", date, "[0-9A-Za-z:, -]{0,30}"]
}

/// Collects all members of all objects, as the object's JSON pointer and the member's name.
fn members(value: &Value, pointer: &str, all: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                all.push((pointer.to_owned(), name.clone()));
                members(value, &format!("{pointer}/{}", escape(name)), all);
            }
        }
        Value::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                members(value, &format!("{pointer}/{n}"), all);
            }
        }
        _ => (),
    }
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Returns the text of a mutated value, and the JSON pointer of the changed member.
fn mutate(mut value: Value, which: Index, mutation: Mutation) -> (String, String) {
    let mut all = Vec::new();
    members(&value, "", &mut all);
    let (pointer, name) = all[which.index(all.len())].clone();
    let object = value.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
    let duplicate = format!("duplicate of {name}");
    match mutation {
        Mutation::Remove => drop(object.remove(&name)),
        Mutation::Replace(with) => drop(object.insert(name.clone(), with)),
        Mutation::Duplicate(with) => drop(object.insert(duplicate.clone(), with)),
        Mutation::Add(name, with) => drop(object.entry(name).or_insert(with)),
    }
    // A `Value` can't hold a name twice; a text can.
    let text = value.to_string().replace(&format!("\"{duplicate}\":"), &format!("\"{name}\":"));
    (text, format!("{pointer}/{name}"))
}

fn any_status() -> impl Strategy<Value = u16> {
    prop_oneof![Just(200), 200_u16..300, 300_u16..600, 100_u16..1000]
}

/// Parses the response to the authentication of a link.
fn parse_authenticated(text: &str) -> Option<AuthenticatedSession> {
    let response: AuthenticateResponse =
        interpret(StatusCode::OK, None, Ok(text.as_bytes().to_vec())).ok()?;
    Some(response.into_session(Timestamp::UNIX_EPOCH))
}

fn check_texts(text: &[u8]) {
    invariants::check_keys(text);
    invariants::check_jwt(text);
    invariants::check_webhook(text);
}

#[test]
fn the_seeds_of_the_fuzz_targets_violate_no_invariant() {
    for (target, check) in [
        ("response", invariants::check_response_text as fn(&[u8])),
        ("keys", invariants::check_keys),
        ("jwt", invariants::check_jwt),
        ("webhook", invariants::check_webhook),
    ] {
        let seeds = seeds(target);
        assert!(!seeds.is_empty());
        for seed in &seeds {
            check(seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Runs 256 cases; PROPTEST_CASES sets another number.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_bytes_violate_no_invariant(
        status in any_status(), wait in vec(any::<u8>(), 0..40), body in vec(any::<u8>(), 0..400),
    ) {
        invariants::check_response(status, &wait, &body);
        check_texts(&body);
    }

    #[test]
    fn random_json_violates_no_invariant(status in any_status(), wait in any_retry_after(), body in any_json()) {
        let body = body.to_string();
        invariants::check_response(status, wait.as_bytes(), body.as_bytes());
        check_texts(body.as_bytes());
    }

    #[test]
    fn a_mutated_real_response_violates_no_invariant(
        which in any::<Index>(), member in any::<Index>(), mutation in any_mutation(),
        status in any_status(), cut in any::<Index>(), is_cut in prop::bool::weighted(0.2),
    ) {
        let bodies = bodies();
        let (mut text, _) = mutate(which.get(&bodies).clone(), member, mutation);
        if is_cut {
            let end = cut.index(text.len());
            text.truncate(text.floor_char_boundary(end));
        }
        invariants::check_response(status, b"", text.as_bytes());
        check_texts(text.as_bytes());
    }

    /// A response that can't be parsed wastes the token that was used.
    #[test]
    fn only_the_required_fields_can_make_an_authentication_fail(
        member in any::<Index>(), with in any_json(), how in 0..3, name in "[a-z_]{1,12}",
    ) {
        let required = [
            "/session_token", "/session_jwt", "/session", "/session/session_id",
            "/session/user_id", "/session/expires_at",
        ];
        let (mutation, is_addition) = match how {
            0 => (Mutation::Remove, false),
            1 => (Mutation::Replace(with), false),
            _ => (Mutation::Add(name, with), true),
        };
        let (text, pointer) = mutate(authenticated(), member, mutation);
        if !is_addition && required.contains(&pointer.as_str()) {
            return Ok(());
        }
        let real = parse_authenticated(&authenticated().to_string()).unwrap();
        let read = parse_authenticated(&text)
            .ok_or_else(|| TestCaseError::fail(format!("{pointer}: {text}")))?;
        prop_assert_eq!(read.session.provider_session_id, real.session.provider_session_id);
        prop_assert_eq!(read.session.provider_user_id, real.session.provider_user_id);
        prop_assert_eq!(read.session.expires_at, real.session.expires_at);
        prop_assert_eq!(read.tokens.session_token, real.tokens.session_token);
        prop_assert_eq!(read.tokens.session_jwt, real.tokens.session_jwt);
    }

    #[test]
    fn an_error_contains_neither_the_address_nor_the_token_that_stytch_quotes(
        status in 300_u16..1000, before in ".{0,30}", between in "\\PC{0,30}", after in ".{0,30}",
        has_error_type in any::<bool>(),
    ) {
        let quoted = format!("{before}{ADDRESS} {between} {TOKEN}/{after}");
        let error_type = if has_error_type { "invalid_token" } else { quoted.as_str() };
        let body = json!({
            "error_type": error_type, "error_message": quoted, "request_id": quoted,
        });
        let status = StatusCode::from_u16(status).unwrap();
        let result = interpret::<AuthenticateResponse>(status, None, Ok(body.to_string().into_bytes()));
        let error = format!("{:?}", classify(result.err().unwrap(), Idempotency::NonIdempotent)).to_lowercase();
        prop_assert!(!error.contains(&ADDRESS.to_lowercase()), "{error}");
        prop_assert!(!error.contains(&TOKEN.to_lowercase()), "{error}");
    }

    #[test]
    fn a_status_other_than_success_is_an_error_with_any_body(
        status in prop_oneof![100_u16..200, 300_u16..1000], which in any::<Index>(),
    ) {
        let (status, bodies) = (StatusCode::from_u16(status).unwrap(), bodies());
        let body = which.get(&bodies).to_string().into_bytes();
        prop_assert!(interpret::<Value>(status, None, Ok(body)).is_err());
    }
}
